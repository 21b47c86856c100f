//! `[terminology]`

use serde::Deserialize;

/// `[terminology]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Terminology {
    /// Whether questions are understood by the names that loaded code systems have for the codes of the asked patient's chart.
    /// Default: true.
    pub(crate) names_in_questions: bool,
}

impl Default for Terminology {
    fn default() -> Self {
        Self { names_in_questions: true }
    }
}
