//! Running language models: files, tokenizers, sampling, backends. No word of medicine in here.
//!
//! In reading order: this file (the [`Backend`] contract), [`gguf`] (model files), [`tokenizer`] (text to token ids and
//! back), [`chat`] (turns to one prompt), [`sampling`] (which token comes next), [`grammar`] (which may), [`speculation`]
//! (guessing ahead), [`kv`] (who holds which page), [`cpu`] (the native engine), [`engine`] (one thread owns the model;
//! requests queue), [`bench`]. [`fake`] is a backend for other rooms' tests.
//!
//! A model file is untrusted input, wherever it came from: header, tokenizer, template and weights are checked, bounded,
//! and refused with a sentence.

pub mod bench;
pub mod chat;
pub mod convert;
pub mod cpu;
pub mod engine;
pub mod fake;
pub mod gguf;
pub mod grammar;
pub mod kv;
pub mod quant;
pub mod safetensors;
pub mod sampling;
pub mod shapes;
pub mod speculation;
pub mod tokenizer;

use std::collections::HashSet;

use thiserror::Error;

/// One pass over several sequences, laid one after another without padding.
///
/// The KV cache is a pool of pages, each room for [`Capabilities::page_tokens`] tokens. A backend holds no sequence: whoever
/// calls says with each pass where a sequence's tokens stand and in which pages. So two sequences share a prefix by naming
/// the same pages, a draft that failed is forgotten by passing a lower position, and nothing is ever copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids. Shape `[total_tokens]`.
    pub tokens: Vec<u32>,
    /// The sequences, in the order of their tokens.
    pub sequences: Vec<Sequence>,
    /// Indices into `tokens` of those after which the next token's logits are asked, ascending. Shape `[wanted]`.
    pub wanted: Vec<u32>,
    /// Only the likeliest token of each wanted row is needed: a backend may set the logits of tokens that cannot be it to
    /// minus infinity instead of computing them.
    pub likeliest_only: bool,
}

/// One sequence's part of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Tokens of this pass, at least 1.
    pub count: u32,
    /// Tokens that stand before them in the pages: where the first of this pass is written.
    pub position: u32,
    /// The pages that hold the sequence in order, enough for `position + count` tokens. Pages that hold tokens before
    /// `position` are read, from there on they are written: no other sequence of the pass may name a page that is written.
    pub pages: Vec<u32>,
}

/// What one model in one backend can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name, as the command line shows it: `native-cpu`.
    pub driver: String,
    /// Number of token ids.
    pub vocabulary: u32,
    /// Tokens that one sequence can have.
    pub context: u32,
    /// Tokens in one [`Batch`], all sequences together.
    pub batch_tokens: u32,
    /// Tokens in one page of the KV cache. A backend that cannot page says `context`.
    pub page_tokens: u32,
    /// Pages of the KV cache.
    pub pages: u32,
    /// Bytes of one page, as [`Backend::read_page`] gives them.
    pub page_bytes: usize,
}

/// One model on one device. One thread owns it.
///
/// What a sequence's logits are depends on nothing but its tokens: not on what else is in the batch or in other pages, and
/// not on how it was cut into passes, within the backend's stated tolerance. The native engine's tolerance is zero.
pub trait Backend: Send {
    /// The limits of this model and build, asked once before the first batch.
    fn capabilities(&self) -> &Capabilities;

    /// Runs one pass. Fills `logits`, shape `[wanted, vocabulary]`, in the order of [`Batch::wanted`].
    ///
    /// # Errors
    /// [`BackendError::Refused`] if `batch` exceeds [`Capabilities`], or is no batch by the rules at its fields: nothing
    /// ran, change it and ask again.
    /// [`BackendError::Failed`] if the runtime broke: the caller stops asking and reports the role unhealthy.
    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError>;

    /// Computes what the pass before left out: `batch` is the one that ran last, without [`Batch::likeliest_only`]. Fills
    /// `logits` as [`Backend::forward`] does, and gives what it would have given.
    ///
    /// # Errors
    /// As [`Backend::forward`].
    fn complete(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        self.forward(batch, logits) // the same tokens in the same places: nothing else changes
    }

    /// Appends what a page holds to `bytes`, so that it can be kept on disk: [`Capabilities::page_bytes`] bytes, which only
    /// the same model in the same build reads.
    ///
    /// # Errors
    /// [`BackendError::Refused`] if there is no such page or the backend cannot give it.
    fn read_page(&self, page: u32, bytes: &mut Vec<u8>) -> Result<(), BackendError>;

    /// Fills a page with what [`Backend::read_page`] gave.
    ///
    /// # Errors
    /// [`BackendError::Refused`] if there is no such page, or `bytes` is not what a page of this model is made of.
    fn write_page(&mut self, page: u32, bytes: &[u8]) -> Result<(), BackendError>;
}

/// Why a pass did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BackendError {
    /// The batch is outside the limits; nothing ran.
    #[error("HAECHI-0509: the batch is refused: {0}")]
    Refused(String),
    /// The runtime broke.
    #[error("HAECHI-0510: the model's runtime failed: {0}; restart the model role")]
    Failed(String),
}

impl Batch {
    /// One sequence; the logits after its last token are wanted.
    #[must_use]
    pub fn single(tokens: &[u32], position: u32, pages: &[u32]) -> Self {
        let mut batch = Self::default();
        batch.push(tokens, position, pages);
        batch.want_last();
        batch
    }

    /// Adds a sequence: `tokens` after the `position` tokens that its `pages` hold.
    pub fn push(&mut self, tokens: &[u32], position: u32, pages: &[u32]) {
        self.tokens.extend_from_slice(tokens);
        let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        self.sequences.push(Sequence { count, position, pages: pages.to_vec() });
    }

    /// Asks for the logits after the last token of the sequence that was pushed last.
    pub fn want_last(&mut self) {
        self.want_last_of(1);
    }

    /// Asks for the logits after each of the last `count` tokens of the sequence that was pushed last.
    pub fn want_last_of(&mut self, count: u32) {
        let end = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.wanted.extend(end.saturating_sub(count)..end);
    }

    /// The sequences with their tokens.
    pub fn parts(&self) -> impl Iterator<Item = (&Sequence, &[u32])> {
        let mut from = 0;
        self.sequences.iter().map(move |sequence| {
            let end = from + sequence.count as usize;
            let tokens = self.tokens.get(from..end).unwrap_or_default();
            from = end;
            (sequence, tokens)
        })
    }

    /// Checks the batch against the rules at its fields and a backend's limits. Every backend begins with this.
    ///
    /// # Errors
    /// [`BackendError::Refused`] with the rule.
    pub fn check(&self, limits: &Capabilities, logits: &[f32]) -> Result<(), BackendError> {
        let refuse = |rule: String| Err(BackendError::Refused(rule));
        let total = self.tokens.len();
        if self.sequences.is_empty()
            || self.sequences.iter().any(|sequence| sequence.count == 0)
            || self.sequences.iter().map(|sequence| u64::from(sequence.count)).sum::<u64>() != total as u64
        {
            return refuse("the sequences do not cut the tokens into parts of at least one".to_owned());
        }
        if total > limits.batch_tokens as usize {
            return refuse(format!("{total} tokens; at most {} run at once", limits.batch_tokens));
        }
        if let Some(token) = self.tokens.iter().find(|&&token| token >= limits.vocabulary) {
            return refuse(format!("token {token}; the vocabulary has {}", limits.vocabulary));
        }
        let ascending = self.wanted.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if !ascending || self.wanted.last().is_some_and(|&last| last as usize >= total) {
            return refuse("the wanted rows are no ascending indices of its tokens".to_owned());
        }
        if logits.len() != self.wanted.len() * limits.vocabulary as usize {
            let (room, wanted) = (logits.len(), self.wanted.len());
            return refuse(format!("room for {room} logits; {wanted} rows fill another number"));
        }
        self.check_pages(limits)
    }

    /// Every sequence fits the context and its pages, and nobody else names a page that it writes.
    fn check_pages(&self, limits: &Capabilities) -> Result<(), BackendError> {
        let refuse = |rule: String| Err(BackendError::Refused(rule));
        let (mut read, mut written) = (HashSet::new(), HashSet::new());
        for sequence in &self.sequences {
            let end = u64::from(sequence.position) + u64::from(sequence.count);
            if end > u64::from(limits.context) {
                return refuse(format!("a sequence of {end} tokens; at most {} fit", limits.context));
            }
            if end > sequence.pages.len() as u64 * u64::from(limits.page_tokens) {
                return refuse(format!("{} pages do not hold {end} tokens", sequence.pages.len()));
            }
            if let Some(page) = sequence.pages.iter().find(|&&page| page >= limits.pages) {
                return refuse(format!("page {page}; there are {}", limits.pages));
            }
            let first = (sequence.position / limits.page_tokens) as usize;
            let last = ((end - 1) / u64::from(limits.page_tokens)) as usize;
            let (before, rest) = sequence.pages.split_at(first.min(sequence.pages.len()));
            read.extend(before);
            for page in rest.iter().take(last + 1 - first) {
                if !written.insert(*page) {
                    return refuse(format!("page {page} is written twice"));
                }
            }
        }
        match written.intersection(&read).next() {
            Some(page) => refuse(format!("page {page} is written while another sequence reads it")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_checked_by_its_rules() {
        let limits = Capabilities {
            driver: String::new(),
            vocabulary: 10,
            context: 12,
            batch_tokens: 6,
            page_tokens: 4,
            pages: 5,
            page_bytes: 0,
        };
        let room = [0.0; 20];
        let check = |batch: &Batch, rows: usize| batch.check(&limits, &room[..rows * 10]);
        let mut good = Batch::single(&[1, 2], 7, &[0, 3, 1]);
        good.push(&[3], 4, &[0, 2]); // both read page 0
        good.want_last();
        assert_eq!(check(&good, 2), Ok(()));
        assert_eq!(good.parts().map(|(_, tokens)| tokens).collect::<Vec<_>>(), [&[1, 2][..], &[3]]);
        assert_eq!(good.wanted, [1, 2]);
        let with = |tokens: &[u32], position, pages: &[u32]| Batch::single(tokens, position, pages);
        let mut written_and_read = with(&[1], 0, &[0]);
        written_and_read.push(&[1], 4, &[0, 1]);
        let mut written_twice = with(&[1], 0, &[0]);
        written_twice.push(&[1], 3, &[0]);
        for (batch, rows, words) in [
            (Batch::default(), 0, "parts"),
            (Batch { tokens: vec![1, 2], ..good.clone() }, 2, "parts"),
            (with(&[], 0, &[0]), 0, "parts"),
            (with(&[10], 0, &[0]), 1, "vocabulary"),
            (with(&[1; 7], 0, &[0, 1]), 1, "at most 6"),
            (with(&[1; 2], 11, &[0, 1, 2, 3]), 1, "at most 12"),
            (with(&[1; 2], 3, &[0]), 1, "do not hold"),
            (with(&[1], 0, &[5]), 1, "there are 5"),
            (Batch { wanted: vec![2, 1], ..good.clone() }, 2, "ascending"),
            (Batch { wanted: vec![3], ..good.clone() }, 1, "ascending"),
            (good.clone(), 1, "room for 10"),
            (written_and_read, 1, "reads"),
            (written_twice, 1, "twice"),
        ] {
            let error = check(&batch, rows).unwrap_err();
            assert!(error.to_string().contains(words), "{error} should say {words}");
        }
    }
}
