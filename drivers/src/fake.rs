//! A backend without a model, for tests: it says what the test told it to say, and it *checks* its caller. A page holds the
//! tokens written there, and what comes next is worked out from the tokens that the page table leads to: whoever names a
//! wrong page, forgets to write one or shares one that differs gets another answer, or a failure that says where.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::chat::Template;
use crate::engine::{Engine, EngineError, Info, Settings};
use crate::speculation::Drafter;
use crate::tokenizer::{Cut, Kind, Tokenizer, Vocabulary, alphabet};
use crate::{Backend, BackendError, Batch, Capabilities};

const START: u32 = 256;
const END: u32 = 257;
const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}";
/// What the template ends with, after [`START`].
const ANSWER: &[u8] = b"assistant\n";

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

/// What a fake says.
#[derive(Debug, Clone)]
enum Speech {
    /// This text, whatever it reads, then that it is done.
    Text(Vec<u8>),
    /// So many small letters; the odds of each follow from every token before it.
    Letters(usize),
}

/// The passes that a fake ran, in order.
pub type Log = Arc<Mutex<Vec<Batch>>>;

/// A backend without a model.
#[derive(Debug)]
pub struct Fake {
    capabilities: Capabilities,
    speech: Speech,
    /// What each place of each page holds. Shape `[pages][page_tokens]`.
    pages: Vec<Vec<Option<u32>>>,
    /// Breaks at this pass, counted from 1.
    fails_at: Option<u32>,
    /// Panics instead.
    panics: bool,
    passes: u32,
    /// How long one pass takes.
    pass_time: Duration,
    log: Option<Log>,
}

impl Fake {
    /// A backend that says `reply` after the template's last words, then that it is done.
    #[must_use]
    pub fn saying(reply: &str) -> Self {
        Self::new(Speech::Text(reply.as_bytes().to_vec()))
    }

    /// A backend that says `length` letters of a to z. Each follows from all tokens before it: one token of the prompt read
    /// wrongly makes another text.
    #[must_use]
    pub fn lettering(length: usize) -> Self {
        Self::new(Speech::Letters(length))
    }

    fn new(speech: Speech) -> Self {
        let capabilities = Capabilities {
            driver: "fake".to_owned(),
            vocabulary: 258,
            context: 4096,
            batch_tokens: 512,
            page_tokens: 0,
            pages: 0,
            page_bytes: 0,
        };
        let fake = Self {
            capabilities,
            speech,
            pages: Vec::new(),
            fails_at: None,
            panics: false,
            passes: 0,
            pass_time: Duration::ZERO,
            log: None,
        };
        fake.with_pages(16, 1024)
    }

    /// Breaks at pass `pass`, counted from 1, and works again after it.
    #[must_use]
    pub fn failing_at(mut self, pass: u32) -> Self {
        self.fails_at = Some(pass);
        self
    }

    /// As [`Fake::failing_at`], by a panic.
    #[must_use]
    pub fn panicking_at(self, pass: u32) -> Self {
        Self { panics: true, ..self.failing_at(pass) }
    }

    /// Takes so long for each pass.
    #[must_use]
    pub fn taking(mut self, time: Duration) -> Self {
        self.pass_time = time;
        self
    }

    /// Holds so many tokens in each sequence.
    #[must_use]
    pub fn with_context(mut self, tokens: u32) -> Self {
        self.capabilities.context = tokens;
        self
    }

    /// Has `pages` pages of `page_tokens` tokens.
    #[must_use]
    pub fn with_pages(mut self, page_tokens: u32, pages: u32) -> Self {
        let limits = &mut self.capabilities;
        (limits.page_tokens, limits.pages, limits.page_bytes) = (page_tokens, pages, page_tokens as usize * 4);
        self.pages = vec![vec![None; page_tokens as usize]; pages as usize];
        self
    }

    /// Takes so many tokens in one pass.
    #[must_use]
    pub fn with_batch(mut self, tokens: u32) -> Self {
        self.capabilities.batch_tokens = tokens;
        self
    }

    /// Writes down every pass in `log`.
    #[must_use]
    pub fn logged(mut self, log: &Log) -> Self {
        self.log = Some(Arc::clone(log));
        self
    }

    /// An engine over this backend.
    ///
    /// # Errors
    /// [`EngineError`] if the settings are impossible.
    pub fn engine(self, settings: Settings) -> Result<Engine, EngineError> {
        self.engine_with(None, settings)
    }

    /// An engine over this backend, with something that guesses.
    ///
    /// # Errors
    /// [`EngineError`] if the settings are impossible.
    pub fn engine_with(self, drafter: Option<Box<dyn Drafter>>, settings: Settings) -> Result<Engine, EngineError> {
        let tokenizer = tokenizer();
        let template = Template::new(TEMPLATE, &tokenizer)?;
        let info = self.info();
        Engine::with_drafter(Box::new(self), drafter, tokenizer, Some(template), info, settings)
    }

    /// What an engine over this backend says about it.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            name: "fake".to_owned(),
            sha256: "0".repeat(64),
            driver: "fake".to_owned(),
            context: self.capabilities.context,
            vocabulary: self.capabilities.vocabulary,
        }
    }

    /// Fills `row` with the logits after `tokens`, shape `[vocabulary]`.
    fn logits(&self, tokens: &[u32], row: &mut [f32]) {
        row.fill(0.0);
        let answer = tokens.iter().rposition(|&token| token == START).and_then(|start| tokens.get(start + 1..));
        let said = answer.and_then(|answer| {
            let (named, said) = answer.split_at_checked(ANSWER.len())?;
            named.iter().zip(ANSWER).all(|(&token, &byte)| token == u32::from(byte)).then_some(said)
        });
        let Some(said) = said else { return }; // it is not its turn
        let mut likely = |token: u32, logit: f32| {
            if let Some(place) = row.get_mut(token as usize) {
                *place = logit;
            }
        };
        match &self.speech {
            Speech::Text(reply) => {
                let follows = said.iter().zip(reply).all(|(&token, &byte)| token == u32::from(byte));
                // After something that it did not say (a draft), it has nothing to say.
                let next = reply.get(said.len()).filter(|_| follows).map_or(END, |&byte| u32::from(byte));
                likely(next, 1.0);
            }
            Speech::Letters(length) if said.len() >= *length => likely(END, 100.0),
            Speech::Letters(_) => {
                // FNV-1a over the tokens, stirred once for each letter.
                let hash = tokens.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &token| {
                    (hash ^ u64::from(token)).wrapping_mul(0x0100_0000_01b3)
                });
                for letter in b'a'..=b'z' {
                    let mixed = (hash ^ u64::from(letter)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    likely(u32::from(letter), 10.0 + (mixed >> 40) as f32 / (1 << 22) as f32);
                }
            }
        }
    }
}

impl Backend for Fake {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        batch.check(&self.capabilities, logits)?;
        self.passes += 1;
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
        }
        std::thread::sleep(self.pass_time);
        if self.fails_at == Some(self.passes) {
            #[expect(clippy::panic, reason = "the test asked for it")]
            if self.panics {
                panic!("it was told to");
            }
            return Err(BackendError::Failed("it was told to".to_owned()));
        }
        let mut rows = logits.chunks_mut(self.capabilities.vocabulary as usize);
        let mut wanted = batch.wanted.iter().copied().peekable();
        let mut from = 0;
        for (sequence, tokens) in batch.parts() {
            let size = self.capabilities.page_tokens as usize;
            for (&token, place) in tokens.iter().zip(sequence.position as usize..) {
                let page = sequence.pages.get(place / size).and_then(|&page| self.pages.get_mut(page as usize));
                let Some(page) = page else { continue }; // checked above
                // Whatever stood from here on is forgotten: it belonged to a draft, or to somebody before.
                page.iter_mut().skip(place % size).for_each(|place| *place = None);
                page.iter_mut().skip(place % size).take(1).for_each(|place| *place = Some(token));
            }
            let end = sequence.position as usize + tokens.len();
            let held = sequence.pages.iter().filter_map(|&page| self.pages.get(page as usize)).flatten().take(end);
            let Some(held) = held.copied().collect::<Option<Vec<u32>>>() else {
                return Err(BackendError::Failed("a page is read that was not written".to_owned()));
            };
            let until = from + sequence.count;
            while let Some(index) = wanted.next_if(|&index| index < until) {
                let length = sequence.position + (index - from) + 1;
                if let (Some(row), Some(held)) = (rows.next(), held.get(..length as usize)) {
                    self.logits(held, row);
                }
            }
            from = until;
        }
        Ok(())
    }

    fn read_page(&self, page: u32, bytes: &mut Vec<u8>) -> Result<(), BackendError> {
        let page = self.pages.get(page as usize).ok_or_else(|| BackendError::Refused("no such page".to_owned()))?;
        bytes.extend(page.iter().flat_map(|token| token.unwrap_or(u32::MAX).to_le_bytes()));
        Ok(())
    }

    fn write_page(&mut self, page: u32, bytes: &[u8]) -> Result<(), BackendError> {
        let held = self.pages.get_mut(page as usize).ok_or_else(|| BackendError::Refused("no such page".to_owned()))?;
        let (tokens, rest) = bytes.as_chunks::<4>();
        if tokens.len() != held.len() || !rest.is_empty() {
            return Err(BackendError::Refused(format!("{} bytes are no page", bytes.len())));
        }
        let read = |bytes: &[u8; 4]| Some(u32::from_le_bytes(*bytes)).filter(|&token| token != u32::MAX);
        *held = tokens.iter().map(read).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_the_pages_hold() {
        let mut fake = Fake::lettering(9).with_pages(4, 8);
        let prompt: Vec<u32> = [START].into_iter().chain(ANSWER.iter().map(|&byte| u32::from(byte))).collect();
        let mut run = |batch: &Batch| {
            let mut row = vec![0.0; 258];
            fake.forward(batch, &mut row).map(|()| crate::sampling::likeliest(&row).unwrap())
        };
        let whole = run(&Batch::single(&prompt, 0, &[0, 1, 2])).unwrap();
        run(&Batch::single(&prompt[..7], 0, &[3, 4])).unwrap();
        assert_eq!(run(&Batch::single(&prompt[7..], 7, &[3, 4, 5])).unwrap(), whole, "in pieces");
        assert_eq!(run(&Batch::single(&prompt[8..], 8, &[0, 4, 6])).unwrap(), whole, "over shared pages");
        assert_ne!(run(&Batch::single(&prompt[8..], 8, &[1, 4, 6])).unwrap(), whole, "over a wrong page");
        assert!(run(&Batch::single(&prompt[8..], 8, &[0, 7, 6])).is_err(), "over a page that nobody wrote");
        let mut bytes = Vec::new();
        fake.read_page(1, &mut bytes).unwrap();
        fake.write_page(7, &bytes).unwrap();
        let mut row = vec![0.0; 258];
        fake.forward(&Batch::single(&prompt[8..], 8, &[0, 7, 6]), &mut row).unwrap();
        assert_eq!(crate::sampling::likeliest(&row), Some(whole));
        assert!(fake.write_page(7, &bytes[1..]).is_err() && fake.write_page(8, &bytes).is_err());
    }
}
