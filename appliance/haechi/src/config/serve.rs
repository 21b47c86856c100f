//! `[serve]`

use std::net::SocketAddr;

use serde::Deserialize;

/// The listener's name at the door.
pub(crate) const LISTENER: &str = "https";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Serve {
    /// Address and port of the HTTPS listener. Default: none, the FHIR API is off.
    pub(crate) listen: Option<SocketAddr>,
    /// SHA-256, in hexadecimal, of each bearer token that may use the FHIR API. Default: none, nobody may.
    pub(crate) tokens_sha256: Vec<String>,
    /// How callers reach this server, as in `https://haechi.hospital.example:8443`; stands in links. Default: what each request says.
    pub(crate) origin: Option<String>,
    /// Longest request body, in bytes. Default: 33554432.
    pub(crate) max_body_bytes: usize,
}

impl Default for Serve {
    fn default() -> Self {
        Self { listen: None, tokens_sha256: Vec::new(), origin: None, max_body_bytes: 32 << 20 }
    }
}

impl Serve {
    /// The digests of the tokens.
    ///
    /// # Errors
    /// Which one is none.
    pub(crate) fn tokens(&self) -> Result<Vec<[u8; 32]>, String> {
        let read = |(at, text): (usize, &String)| {
            digest(text).ok_or_else(|| format!("serve.tokens-sha256[{at}] is no SHA-256 (64 hexadecimal digits)"))
        };
        self.tokens_sha256.iter().enumerate().map(read).collect()
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_digests() {
        let of = |text: &str| Serve { tokens_sha256: vec![text.to_owned()], ..Serve::default() }.tokens();
        assert_eq!(of(&"0f".repeat(32)), Ok(vec![[15; 32]]));
        for wrong in ["", "secret", &"0g".repeat(32)] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
