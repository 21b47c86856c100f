//! placeholder
pub(crate) fn knows_loinc(_code: &str) -> bool { false }
