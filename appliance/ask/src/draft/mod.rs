//! Evidence becomes sentences. Values, units, dates and names are copied; what is computed says so and names its rule, so
//! that the gate can compute it again.
//!
//! Reading order: [`sentence`] (what a sentence is), [`line`] (one entry in words), `shapes` (what each kind of question
//! gets), `person`, `absence`; [`moment`], [`words`], [`korean`] are the vocabulary.

pub mod absence;
pub mod korean;
pub mod line;
pub mod moment;
pub mod person;
pub mod sentence;
mod shapes;
pub mod words;

use haechi_record::chart::Chart;
use jiff::civil::Date;

use crate::Setting;
use crate::evidence::Evidence;
use crate::plan::{Language, Plan};
use sentence::Sentence;

pub(crate) use shapes::{mean, short};

/// What everything in a draft needs.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// What is asked.
    pub plan: &'c Plan,
    /// Of whom.
    pub chart: &'c Chart,
    /// When and where.
    pub setting: &'c Setting,
}

impl Context<'_> {
    /// The answer's language.
    #[must_use]
    pub fn language(&self) -> Language {
        self.plan.language
    }

    /// Today at the site.
    #[must_use]
    pub fn today(&self) -> Date {
        self.setting.zone.to_datetime(self.setting.now).date()
    }

    /// `text` in the answer's language.
    #[must_use]
    pub fn say<'t>(&self, english: &'t str, korean: &'t str) -> &'t str {
        words::pick(self.plan.language, english, korean)
    }
}

/// Sentences before the gate.
#[derive(Debug, Default)]
pub struct Draft<'c> {
    /// In order.
    pub sentences: Vec<Sentence<'c>>,
    /// What could not be found, in words: without any sentence this is the answer.
    pub missing: Vec<String>,
    /// What the reader must know besides.
    pub warnings: Vec<String>,
}

/// Words the evidence.
#[must_use]
pub fn draft<'c>(context: Context<'c>, evidence: &Evidence<'c>) -> Draft<'c> {
    let mut draft = Draft::default();
    if evidence.anchor_missing {
        draft.missing.push(absence::no_anchor(context));
        return draft;
    }
    for group in &evidence.groups {
        shapes::group(context, group, &mut draft);
    }
    draft
}

/// `2 years 3 months`, `5 days`: how long from one day to another, as computed spans are worded.
#[must_use]
pub fn span(from: Date, to: Date, language: Language) -> String {
    let (from, to) = if from <= to { (from, to) } else { (to, from) };
    let mut months = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month()) - i32::from(from.month());
    if to.day() < from.day() {
        months -= 1;
    }
    let (years, rest) = (months / 12, months % 12);
    let days = moment::days_between(from, to);
    let plural = |count: i64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (language, years, rest) {
        (Language::En, 0, 0..=1) => plural(days, "day"),
        (Language::Ko, 0, 0..=1) => format!("{days}일"),
        (Language::En, 0, rest) => format!("{} ({})", plural(rest.into(), "month"), plural(days, "day")),
        (Language::Ko, 0, rest) => format!("{rest}개월({days}일)"),
        (Language::En, years, 0) => plural(years.into(), "year"),
        (Language::Ko, years, 0) => format!("{years}년"),
        (Language::En, years, rest) => format!("{} {}", plural(years.into(), "year"), plural(rest.into(), "month")),
        (Language::Ko, years, rest) => format!("{years}년 {rest}개월"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn spans_are_worded_in_whole_units() {
        for (from, to, english, korean) in [
            (date(2024, 3, 1), date(2024, 3, 6), "5 days", "5일"),
            (date(2024, 3, 1), date(2024, 3, 2), "1 day", "1일"),
            (date(2024, 1, 1), date(2024, 4, 1), "3 months (91 days)", "3개월(91일)"),
            (date(2020, 5, 10), date(2024, 5, 9), "3 years 11 months", "3년 11개월"),
            (date(2020, 5, 10), date(2024, 5, 10), "4 years", "4년"),
        ] {
            assert_eq!(span(from, to, Language::En), english);
            assert_eq!(span(from, to, Language::Ko), korean);
        }
    }
}
