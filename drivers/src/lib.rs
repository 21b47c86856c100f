//! Running language models: files, tokenizers, sampling, backends. No word of medicine in here.
//!
//! In reading order: this file (the [`Backend`] contract), [`gguf`] (model files), [`tokenizer`] (text to token ids and
//! back), [`chat`] (turns to one prompt), [`sampling`] (which token comes next), [`candle`] (the first backend, on CPU),
//! [`engine`] (one thread owns the model; requests queue), [`bench`]. [`fake`] is a backend for other rooms' tests.
//!
//! A model file is untrusted input, wherever it came from: header, tokenizer, template and weights are checked, bounded,
//! and refused with a sentence.

pub mod bench;
pub mod candle;
pub mod chat;
pub mod engine;
pub mod fake;
pub mod gguf;
pub mod sampling;
pub mod threads;
pub mod tokenizer;

use thiserror::Error;

/// One pass over several sequences, laid one after another without padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids. Shape `[total_tokens]`.
    pub tokens: Vec<u32>,
    /// Where each sequence starts, and the end. Shape `[sequences + 1]`; first 0, last `total_tokens`, each greater than the one before.
    pub offsets: Vec<u32>,
    /// The KV-cache slot each sequence continues. Shape `[sequences]`; no slot twice.
    pub slots: Vec<u32>,
}

/// What one model in one backend can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name, as the command line shows it: `candle-cpu`.
    pub driver: String,
    /// Number of token ids.
    pub vocabulary: u32,
    /// Tokens one slot can hold.
    pub context: u32,
    /// Slots: sequences that can be under way at once.
    pub slots: u32,
    /// Tokens in one [`Batch`], all sequences together.
    pub batch_tokens: u32,
}

/// One model on one device. One thread owns it.
///
/// Two calls with the same batches on fresh slots fill the same logits, whatever the other slots hold; a sequence fed in
/// pieces ends with the same logits as fed at once, within the backend's stated tolerance.
pub trait Backend: Send {
    /// The limits of this model and build, asked once before the first batch.
    fn capabilities(&self) -> &Capabilities;

    /// Runs one pass. Fills `logits`, shape `[sequences, vocabulary]`: the last token of each sequence, in the order given.
    ///
    /// # Errors
    /// [`BackendError::Refused`] if `batch` exceeds [`Capabilities`] or a slot's room, or is no batch by the rules at its
    /// fields: nothing ran, change it and ask again.
    /// [`BackendError::Failed`] if the runtime broke: the caller stops asking and reports the role unhealthy.
    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError>;

    /// Empties a slot, so that it can begin another sequence. A slot that does not exist is empty already.
    fn reset(&mut self, slot: u32);

    /// Tokens that a slot holds.
    fn used(&self, slot: u32) -> u32;
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
    /// One sequence in one slot.
    #[must_use]
    pub fn single(slot: u32, tokens: &[u32]) -> Self {
        let mut batch = Self::default();
        batch.push(slot, tokens);
        batch
    }

    /// Adds a sequence.
    pub fn push(&mut self, slot: u32, tokens: &[u32]) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.tokens.extend_from_slice(tokens);
        self.offsets.push(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX));
        self.slots.push(slot);
    }

    /// The sequences: slot and tokens. Empty if the batch is no batch by the rules at its fields.
    pub fn sequences(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let tokens = |pair: &[u32]| match pair {
            [from, to] => self.tokens.get(*from as usize..*to as usize).unwrap_or_default(),
            _ => &[],
        };
        self.slots.iter().copied().zip(self.offsets.windows(2).map(tokens))
    }

    /// Checks the batch against the rules at its fields and a backend's limits; `used` says what a slot holds. Every
    /// backend begins with this.
    ///
    /// # Errors
    /// [`BackendError::Refused`] with the rule.
    pub fn check(&self, limits: &Capabilities, used: impl Fn(u32) -> u32, logits: &[f32]) -> Result<(), BackendError> {
        let refuse = |rule: String| Err(BackendError::Refused(rule));
        let total = self.tokens.len();
        if self.slots.is_empty() || self.offsets.len() != self.slots.len() + 1 {
            return refuse(format!("{} slots and {} offsets make no batch", self.slots.len(), self.offsets.len()));
        }
        let ends_fit =
            self.offsets.first() == Some(&0) && self.offsets.last().is_some_and(|&end| end as usize == total);
        if !ends_fit || self.offsets.windows(2).any(|pair| matches!(pair, [from, to] if from >= to)) {
            return refuse("the offsets do not cut the tokens into sequences".to_owned());
        }
        if total > limits.batch_tokens as usize {
            return refuse(format!("{total} tokens; at most {} run at once", limits.batch_tokens));
        }
        if let Some(token) = self.tokens.iter().find(|&&token| token >= limits.vocabulary) {
            return refuse(format!("token {token}; the vocabulary has {}", limits.vocabulary));
        }
        if logits.len() != self.slots.len() * limits.vocabulary as usize {
            return refuse(format!(
                "room for {} logits; {} sequences fill another number",
                logits.len(),
                self.slots.len()
            ));
        }
        for (index, (slot, tokens)) in self.sequences().enumerate() {
            if slot >= limits.slots || self.slots.iter().skip(index + 1).any(|&other| other == slot) {
                return refuse(format!("slot {slot} does not exist or comes twice"));
            }
            if used(slot) as usize + tokens.len() > limits.context as usize {
                return refuse(format!(
                    "slot {slot} holds {}, {} more exceed its {}",
                    used(slot),
                    tokens.len(),
                    limits.context
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_checked_by_its_rules() {
        let limits = Capabilities { driver: String::new(), vocabulary: 10, context: 8, slots: 2, batch_tokens: 6 };
        let room = [0.0; 20];
        let check =
            |batch: &Batch, used: u32, sequences: usize| batch.check(&limits, |_| used, &room[..sequences * 10]);
        let mut good = Batch::single(0, &[1, 2]);
        good.push(1, &[3]);
        assert_eq!(check(&good, 0, 2), Ok(()));
        assert_eq!(good.sequences().collect::<Vec<_>>(), [(0, &[1, 2][..]), (1, &[3][..])]);
        for (batch, used, sequences, words) in [
            (Batch::default(), 0, 0, "no batch"),
            (Batch { offsets: vec![0, 2, 2], ..good.clone() }, 0, 2, "cut"),
            (Batch { offsets: vec![1, 2, 3], ..good.clone() }, 0, 2, "cut"),
            (Batch { offsets: vec![0, 2, 4], ..good.clone() }, 0, 2, "cut"),
            (Batch { slots: vec![1, 1], ..good.clone() }, 0, 2, "twice"),
            (Batch::single(2, &[1]), 0, 1, "does not exist"),
            (Batch::single(0, &[10]), 0, 1, "vocabulary"),
            (Batch::single(0, &[1; 7]), 0, 1, "at most 6"),
            (Batch::single(0, &[1]), 8, 1, "exceed its 8"),
            (good.clone(), 0, 1, "room for 10"),
        ] {
            let error = check(&batch, used, sequences).unwrap_err();
            assert!(error.to_string().contains(words), "{error} should say {words}");
        }
    }
}
