//! Evidence becomes sentences. Values, units, dates and names are copied; what is computed says so and names its rule, so
//! that the gate can compute it again.
//!
//! Reading order: [`sentence`] (what a sentence is), [`line`] (one entry in words), `shapes` (which kind of question gets
//! what), `single`, `series`, `aggregate`, `list`, `span`, `attribute` (the shapes), `person`, `absence`, `conflict`;
//! [`moment`], [`words`], [`korean`], [`excerpt`] are the vocabulary.

pub mod absence;
mod aggregate;
mod attribute;
mod conflict;
pub mod excerpt;
pub mod korean;
pub mod line;
mod list;
pub mod moment;
pub mod person;
pub mod sentence;
mod series;
mod shapes;
mod single;
mod spans;
pub mod words;

use haechi_record::chart::Chart;
use jiff::civil::Date;

use crate::Setting;
use crate::evidence::Evidence;
use crate::plan::{Language, Plan};
use sentence::Sentence;

pub(crate) use aggregate::{difference, direction_word, mean};
pub(crate) use attribute::fact_at as attribute_fact;
pub(crate) use line::converted;
pub use spans::span;
pub(crate) use spans::{clock, years};

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

    /// True if the answer is Korean.
    #[must_use]
    pub fn is_korean(&self) -> bool {
        self.plan.language == Language::Ko
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
    /// What answers the question, in order.
    pub sentences: Vec<Sentence<'c>>,
    /// What does not answer it and should be known: withdrawn entries, entries outside the period. Cited like the others.
    pub mentions: Vec<Sentence<'c>>,
    /// What could not be found, in words: without any sentence this is the answer.
    pub missing: Vec<String>,
    /// What the reader must know besides.
    pub warnings: Vec<String>,
}

impl Draft<'_> {
    /// Adds a warning once.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
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
