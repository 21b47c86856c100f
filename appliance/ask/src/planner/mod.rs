//! placeholder
use haechi_record::chart::Chart;
/// Words of the chart.
#[derive(Debug, Default)]
pub struct Vocabulary;
impl Vocabulary {
    /// Reads it.
    #[must_use]
    pub fn of(_chart: &Chart) -> Self { Self }
}
/// Plans.
#[must_use]
pub fn plan(_question: &str, _vocabulary: &Vocabulary, _setting: &crate::Setting) -> crate::plan::Plan {
    crate::plan::Plan::empty(crate::plan::Language::En)
}
