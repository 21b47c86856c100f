//! `[tls]`

use haechi_certs::tls::Versions;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Tls {
    /// Host names and addresses under which others reach this machine; they stand in its certificate. Default: this machine only.
    pub(crate) names: Vec<String>,
    /// Speak TLS 1.2 as well as 1.3, for old interface engines. Default: false.
    pub(crate) allow_tls12: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { names: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into(), allow_tls12: false }
    }
}

impl Tls {
    /// The versions to speak.
    pub(crate) const fn versions(&self) -> Versions {
        if self.allow_tls12 { Versions::Tls12And13 } else { Versions::Tls13 }
    }
}
