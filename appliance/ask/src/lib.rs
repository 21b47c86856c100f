//! A clinician's question about one patient becomes an answer in which every sentence stands on cited evidence.
//!
//! The path: [`question`] text → [`plan`] (what is asked) → `evidence` (which entries of the chart are meant, completely) →
//! `draft` (sentences assembled from copied values; a language model words note summaries only) → [`gate`] (code, not a
//! prompt: a sentence passes only if everything in it stands in what it cites) → [`answer`].
//!
//! Not in here: the store (a [`haechi_record::chart::Chart`] comes in), any model (a [`Model`] comes in), the clock, the network.

pub mod answer;
mod asking;
mod citation;
pub mod draft;
pub mod evidence;
pub mod gate;
mod lexicon;
pub mod matching;
pub mod plan;
pub mod planner;
pub mod question;
mod summary;
mod time;

pub use asking::{answer_plan, ask, ask_with};
pub use citation::{citation_resolves, citation_resolves_in};

use std::ops::ControlFlow;

/// A language model, wherever it runs. `appliance/haechi` fills it from the model role.
pub trait Model: Send + Sync {
    /// Name, digest and driver of what answers; `None` if it cannot be reached.
    fn info(&self) -> Option<answer::ModelInfo>;

    /// Continues a chat of one system and one user text, greedily, handing out text as it comes; `Break` stops it.
    ///
    /// # Errors
    /// One sentence for a person; never prompt or patient data. The answer then does without the model's words.
    fn generate(
        &self,
        system: &str,
        user: &str,
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<String, String>;
}

/// What the asker and the site fix; nothing in this crate reads a clock or the environment.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Now: "last month" and ages hang on it.
    pub now: jiff::Timestamp,
    /// The site's time zone, in which dates are shown and windows are cut.
    pub zone: jiff::tz::TimeZone,
    /// Answer language; `None` follows the question.
    pub language: Option<plan::Language>,
}

/// What happens while an answer is made.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The next sentence that passed the gate, with its citation marks.
    Text(&'a str),
}

#[cfg(test)]
mod hand;
