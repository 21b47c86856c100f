//! A backend without a model, for the tests of other rooms: it says what the test told it to say.

use crate::chat::Template;
use crate::engine::{Engine, EngineError, Info, Settings};
use crate::tokenizer::{Cut, Kind, Tokenizer, Vocabulary, alphabet};
use crate::{Backend, BackendError, Batch, Capabilities};

const START: u32 = 256;
const END: u32 = 257;
const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}";

/// A vocabulary of 256 bytes, `<|im_start|>` and `<|im_end|>`.
///
/// # Panics
/// Never: the vocabulary is fixed, and the unit tests make it.
#[must_use]
#[expect(clippy::expect_used, reason = "a fixed vocabulary that the tests make")]
pub fn tokenizer() -> Tokenizer {
    let mut tokens: Vec<(String, Kind)> = alphabet().iter().map(|letter| (letter.to_string(), Kind::Normal)).collect();
    tokens.push(("<|im_start|>".to_owned(), Kind::Control));
    tokens.push(("<|im_end|>".to_owned(), Kind::Control));
    let vocabulary = Vocabulary {
        tokens,
        merges: Vec::new(),
        cut: Cut::Gpt2,
        begin: None,
        begin_name: Some(START),
        ends: vec![END],
    };
    Tokenizer::new(vocabulary).expect("the fixed vocabulary is sound")
}

/// Says one text, whatever it reads, then that it is done.
#[derive(Debug)]
pub struct Fake {
    capabilities: Capabilities,
    reply: Vec<u8>,
    /// Per slot: tokens held, and how many of them were the prompt.
    slots: Vec<(u32, Option<u32>)>,
    /// Breaks at this pass, counted from 1.
    fails_at: Option<u32>,
    passes: u32,
    /// How long one pass takes.
    pass_time: std::time::Duration,
}

impl Fake {
    /// A backend that says `reply`. The first pass that ends with the template's last byte (`\n`) ends the prompt.
    #[must_use]
    pub fn saying(reply: &str) -> Self {
        let capabilities =
            Capabilities { driver: "fake".to_owned(), vocabulary: 258, context: 4096, slots: 4, batch_tokens: 4096 };
        let slots = vec![(0, None); capabilities.slots as usize];
        Self {
            capabilities,
            reply: reply.as_bytes().to_vec(),
            slots,
            fails_at: None,
            passes: 0,
            pass_time: std::time::Duration::ZERO,
        }
    }

    /// Breaks at pass `pass`, counted from 1, and works again after it.
    #[must_use]
    pub fn failing_at(mut self, pass: u32) -> Self {
        self.fails_at = Some(pass);
        self
    }

    /// Takes so long for each pass.
    #[must_use]
    pub fn taking(mut self, time: std::time::Duration) -> Self {
        self.pass_time = time;
        self
    }

    /// Holds so many tokens in each slot.
    #[must_use]
    pub fn with_context(mut self, tokens: u32) -> Self {
        self.capabilities.context = tokens;
        self
    }

    /// An engine over this backend.
    ///
    /// # Errors
    /// [`EngineError`] if the settings are impossible.
    pub fn engine(self, settings: Settings) -> Result<Engine, EngineError> {
        let tokenizer = tokenizer();
        let template = Template::new(TEMPLATE, &tokenizer)?;
        let info = Info {
            name: "fake".to_owned(),
            sha256: "0".repeat(64),
            driver: "fake".to_owned(),
            context: self.capabilities.context,
            vocabulary: self.capabilities.vocabulary,
        };
        Engine::with_backend(Box::new(self), tokenizer, Some(template), info, settings)
    }
}

impl Backend for Fake {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        batch.check(&self.capabilities, |slot| self.used(slot), logits)?;
        self.passes += 1;
        std::thread::sleep(self.pass_time);
        if self.fails_at == Some(self.passes) {
            return Err(BackendError::Failed("it was told to".to_owned()));
        }
        let rows = logits.chunks_mut(self.capabilities.vocabulary as usize);
        for ((slot, tokens), row) in batch.sequences().zip(rows) {
            row.fill(0.0);
            let Some((used, prompt)) = self.slots.get_mut(slot as usize) else { continue };
            *used += u32::try_from(tokens.len()).unwrap_or(u32::MAX);
            let said = match prompt {
                Some(prompt) => *used - *prompt,
                None if tokens.last() == Some(&u32::from(b'\n')) => {
                    *prompt = Some(*used);
                    0
                }
                None => continue,
            };
            let next = self.reply.get(said as usize).map_or(END, |&byte| u32::from(byte));
            if let Some(logit) = row.get_mut(next as usize) {
                *logit = 1.0;
            }
        }
        Ok(())
    }

    fn reset(&mut self, slot: u32) {
        if let Some(state) = self.slots.get_mut(slot as usize) {
            *state = (0, None);
        }
    }

    fn used(&self, slot: u32) -> u32 {
        self.slots.get(slot as usize).map_or(0, |(used, _)| *used)
    }
}
