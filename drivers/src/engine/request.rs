//! What is asked of an engine, and what comes back.

use std::time::Instant;

use crate::chat::Turn;
use crate::cpu::Limits;
use crate::grammar::Grammar;
use crate::sampling::{Odds, Sampling};

use super::EngineError;

/// Stop texts of one request, and the bytes of each.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 256;

/// How an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What the backend may hold, and how many threads it computes with.
    pub limits: Limits,
    /// Tokens of prompts in one pass while somebody is being answered: so long may a newcomer, or a long prompt, hold up
    /// the next token of everybody else. Fewer than 1 count as 1.
    pub chunk_tokens: u32,
    /// Requests that may wait for room; one more is answered [`EngineError::Overloaded`]. None counts as one.
    pub queue: usize,
    /// Guess a few tokens ahead where an answer repeats what was said: fewer passes, the same text.
    pub guesses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: Limits::default(), chunk_tokens: 128, queue: 64, guesses: true }
    }
}

/// Which model an engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// From the file's metadata, else the file's name.
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The backend.
    pub driver: String,
    /// Tokens that prompt and answer may have together.
    pub context: u32,
    /// Number of token ids.
    pub vocabulary: u32,
}

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person in front of a screen: comes first.
    #[default]
    Clinician,
    /// Nobody in particular: waits while clinicians are served, but not for ever.
    Background,
}

/// One generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The chat so far, oldest first.
    pub turns: Vec<Turn>,
    /// At most so many tokens are generated; fewer if the context ends.
    pub max_tokens: usize,
    /// How tokens are chosen. Penalties look at the answer's own tokens, so that a value in the prompt can still be copied;
    /// odds come back in [`Done::odds`].
    pub sampling: Sampling,
    /// The answer ends before any of these texts.
    pub stop: Vec<String>,
    /// The form that the answer must have. It ends as soon as nothing more can follow; [`Request::max_tokens`] may cut it.
    pub grammar: Option<Grammar>,
    /// Who waits for it.
    pub priority: Priority,
    /// When the answer is no longer of use: it ends there, with what was written by then.
    pub deadline: Option<Instant>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            turns: Vec::new(),
            max_tokens: 256,
            sampling: Sampling::default(),
            stop: Vec::new(),
            grammar: None,
            priority: Priority::default(),
            deadline: None,
        }
    }
}

impl Request {
    /// Refuses what makes no sense, before anything is encoded.
    ///
    /// # Errors
    /// [`EngineError::Request`] with the rule.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if let Some(problem) = self.sampling.problem() {
            return Err(EngineError::Request(problem.to_owned()));
        }
        if self.max_tokens == 0 {
            return Err(EngineError::Request("max_tokens is 0".to_owned()));
        }
        if self.stop.len() > MAX_STOPS || self.stop.iter().any(|text| text.is_empty() || text.len() > MAX_STOP_BYTES) {
            return Err(EngineError::Request(format!(
                "at most {MAX_STOPS} stop texts of 1 to {MAX_STOP_BYTES} bytes are taken"
            )));
        }
        Ok(())
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model said that it is done.
    EndOfText,
    /// A stop text came.
    Stop,
    /// `max_tokens` or the context is reached.
    Length,
    /// The caller broke off.
    Cancelled,
    /// [`Request::deadline`] came.
    Deadline,
}

/// A generation that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// All text.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// How many of them were computed for an earlier request, and only read.
    pub cached_tokens: u32,
    /// Tokens generated, without the one that ends.
    pub generated_tokens: u32,
    /// How likely the model held each of them to be, where [`Request::odds`] asked; else empty.
    pub odds: Vec<Odds>,
    /// Passes of the model that this generation took part in.
    pub passes: u32,
    /// Why it ended.
    pub finish: Finish,
    /// Waiting for room.
    pub queue_ms: u64,
    /// From the room to the first token.
    pub first_token_ms: u64,
    /// From the room to the end.
    pub total_ms: u64,
}
