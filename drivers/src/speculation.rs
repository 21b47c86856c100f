//! Guessing a few tokens ahead, so that one pass yields several. The guesses change how many passes an answer takes and
//! nothing else: the model says after each of them what it would have said itself, and the first that differs is dropped
//! with those behind it (Leviathan et al. 2023, for the greedy case).
//!
//! Answers that quote their prompt are guessed from the text itself (Saxena 2023, "prompt lookup decoding"); a small model
//! of the same vocabulary can guess the rest ([`ModelDrafter`]).

use std::collections::HashMap;

use crate::kv::pages::Pages;
use crate::sampling::likeliest;
use crate::{Backend, BackendError, Batch};

/// Tokens that are guessed at once: the pass carries one more. Reading the weights costs the same for four tokens as for
/// one, and few guesses hold for longer.
pub const DRAFT_TOKENS: usize = 3;
/// With so many sequences in a pass nothing is guessed: the weights are shared already, and every wrong guess costs.
pub const CROWD: usize = 4;
/// Lengths of the last words that are looked up, the surest first.
const NEEDLES: [usize; 2] = [3, 2];
/// Failures in a row after which guessing pauses.
const PATIENCE: u32 = 3;
/// Tokens of the first pause; each further failure doubles it, up to the longest.
const FIRST_PAUSE: u32 = 8;
const LONGEST_PAUSE: u32 = 128;

/// At most `count` tokens that followed the newest earlier place where `tokens` said what it says at its end.
#[must_use]
pub fn lookup(tokens: &[u32], count: usize) -> &[u32] {
    for length in NEEDLES {
        let Some(start) = tokens.len().checked_sub(length) else { continue };
        let needle = tokens.get(start..).unwrap_or_default();
        // Without the last token: the needle must not find itself.
        let before = tokens.split_last().map_or(&[][..], |(_, before)| before);
        if let Some(found) = before.windows(length).rposition(|window| window == needle) {
            let from = found + length;
            return tokens.get(from..tokens.len().min(from + count)).unwrap_or_default();
        }
    }
    &[]
}

/// Whether guessing pays for one sequence: it pauses when the last guesses all failed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    failures: u32,
    pause: u32,
}

impl Trust {
    /// True if something should be guessed for the next pass. Asked once for each.
    pub fn asks(&mut self) -> bool {
        let asks = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        asks
    }

    /// Hears how many of the guessed tokens held.
    pub fn hear(&mut self, held: usize) {
        if held > 0 {
            self.failures = 0;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(over) = self.failures.checked_sub(PATIENCE) {
            self.pause = FIRST_PAUSE.checked_shl(over).unwrap_or(LONGEST_PAUSE).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }
}

/// Takes what the model says after each guessed token: `choose` is called for the row after the last known token, then for
/// the row after each of `drafts` as long as they hold, and returns the model's own token and whether the answer goes on.
/// Returns how many of `drafts` held.
///
/// # Errors
/// What `choose` says.
pub fn verify<E>(drafts: &[u32], mut choose: impl FnMut() -> Result<(u32, bool), E>) -> Result<usize, E> {
    let mut held = 0;
    loop {
        let (token, goes_on) = choose()?;
        let as_guessed = drafts.get(held) == Some(&token);
        held += usize::from(as_guessed);
        if !goes_on || !as_guessed {
            return Ok(held);
        }
    }
}

/// Guesses what sequences say next.
pub trait Drafter: Send {
    /// Appends at most `count` guesses of what follows `tokens` to `drafts`; none if it knows none yet. `sequence` is the same
    /// number for the same sequence, whose tokens only grow.
    ///
    /// # Errors
    /// [`BackendError`] if it cannot guess any more; it is not asked again.
    fn draft(&mut self, sequence: u64, tokens: &[u32], count: usize, drafts: &mut Vec<u32>)
    -> Result<(), BackendError>;

    /// The sequence has ended.
    fn forget(&mut self, sequence: u64);
}

/// What the small model holds of one sequence.
#[derive(Debug, Default)]
struct Held {
    /// Tokens that the pages hold, guesses among them.
    tokens: Vec<u32>,
    pages: Vec<u32>,
}

/// A small model of the same vocabulary that guesses, greedily.
pub struct ModelDrafter {
    backend: Box<dyn Backend>,
    pages: Pages,
    sequences: HashMap<u64, Held>,
    logits: Vec<f32>,
}

impl ModelDrafter {
    /// A drafter over any backend.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>) -> Self {
        let capabilities = backend.capabilities();
        let logits = vec![0.0; capabilities.vocabulary as usize];
        Self { pages: Pages::new(capabilities.pages), backend, sequences: HashMap::new(), logits }
    }

    /// Runs `tokens` behind those that are held.
    fn run(&mut self, held: &mut Held, tokens: &[u32], wanted: bool) -> Result<(), BackendError> {
        let position = u32::try_from(held.tokens.len()).unwrap_or(u32::MAX);
        let mut batch = Batch { likeliest_only: true, ..Batch::default() };
        batch.push(tokens, position, &held.pages);
        if wanted {
            batch.want_last();
        }
        let logits = if wanted { self.logits.as_mut_slice() } else { &mut [] };
        self.backend.forward(&batch, logits)?;
        held.tokens.extend_from_slice(tokens);
        Ok(())
    }

    fn guess(
        &mut self,
        held: &mut Held,
        tokens: &[u32],
        count: usize,
        drafts: &mut Vec<u32>,
    ) -> Result<(), BackendError> {
        let limits = self.backend.capabilities().clone();
        if tokens.len() + count > limits.context as usize || tokens.iter().any(|&token| token >= limits.vocabulary) {
            return Ok(());
        }
        while held.pages.len() * (limits.page_tokens as usize) < tokens.len() + count {
            let Some(page) = self.pages.take() else { return Ok(()) }; // others hold them; no guesses then
            held.pages.push(page);
        }
        // Guesses that did not hold are forgotten, and the last token is run again to learn what follows it.
        let same = held.tokens.iter().zip(tokens).take_while(|(held, token)| held == token).count();
        held.tokens.truncate(same.min(tokens.len().saturating_sub(1)));
        let unread = tokens.get(held.tokens.len()..).unwrap_or_default();
        let (piece, rest) = unread.split_at(unread.len().min(limits.batch_tokens as usize));
        self.run(held, piece, rest.is_empty())?;
        if !rest.is_empty() {
            return Ok(()); // a long prompt is read one batch a pass: everybody waits for this
        }
        for left in (0..count).rev() {
            let Some(token) = likeliest(&self.logits) else { break };
            drafts.push(token);
            if left > 0 {
                self.run(held, &[token], true)?;
            }
        }
        Ok(())
    }
}

impl Drafter for ModelDrafter {
    fn draft(
        &mut self,
        sequence: u64,
        tokens: &[u32],
        count: usize,
        drafts: &mut Vec<u32>,
    ) -> Result<(), BackendError> {
        let mut held = self.sequences.remove(&sequence).unwrap_or_default();
        let guessed = self.guess(&mut held, tokens, count, drafts);
        self.sequences.insert(sequence, held);
        guessed
    }

    fn forget(&mut self, sequence: u64) {
        for page in self.sequences.remove(&sequence).unwrap_or_default().pages {
            self.pages.release(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::fake::{Fake, tokenizer};

    #[test]
    fn the_newest_place_that_said_the_same_is_found() {
        for (case, tokens, expected) in [
            ("three alike", &[1, 2, 3, 9, 8, 7, 6, 1, 2, 3][..], &[9, 8, 7][..]),
            ("the newest of two", &[1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3], &[8, 1, 2]),
            ("three before two", &[1, 2, 3, 9, 7, 2, 3, 8, 1, 2, 3], &[9, 7, 2]),
            ("two alike", &[5, 2, 3, 9, 1, 2, 3], &[9, 1, 2]),
            ("one alike is too few", &[3, 9, 8, 3], &[]),
            ("a run", &[4, 4, 4, 4], &[4]),
            ("nothing yet", &[1], &[]),
            ("nothing", &[], &[]),
        ] {
            assert_eq!(lookup(tokens, 3), expected, "{case}");
        }
    }

    #[test]
    fn guesses_hold_until_the_first_that_differs() {
        // What the model says, row after row; the guesses; how many hold and how many rows are used.
        for (said, drafts, held, used) in [
            (&[1, 2, 3, 4][..], &[1, 2, 3][..], 3, 4),
            (&[1, 9, 3, 4], &[1, 2, 3], 1, 2),
            (&[9, 2, 3, 4], &[1, 2, 3], 0, 1),
            (&[7], &[], 0, 1),
        ] {
            let mut rows = said.iter();
            let verified = verify(drafts, || Ok::<_, Infallible>((*rows.next().unwrap(), true)));
            assert_eq!((verified.unwrap(), said.len() - rows.len()), (held, used));
        }
        let mut rows = [1, 2].iter();
        let verified = verify(&[1, 2], || Ok::<_, Infallible>((*rows.next().unwrap(), rows.len() > 0)));
        assert_eq!(verified.unwrap(), 2, "the answer ended with a guess that held");
        assert_eq!(verify(&[1], || Err("broken")), Err("broken"));
    }

    #[test]
    fn guessing_pauses_after_failures_and_comes_back() {
        let mut trust = Trust::default();
        let asked = |trust: &mut Trust, passes| {
            (0..passes)
                .filter(|_| {
                    let asks = trust.asks();
                    if asks {
                        trust.hear(0);
                    }
                    asks
                })
                .count()
        };
        assert_eq!(asked(&mut trust, 3), 3);
        assert_eq!(asked(&mut trust, 8), 0);
        assert_eq!(asked(&mut trust, 1), 1);
        assert_eq!(asked(&mut trust, 16), 0, "twice as long");
        assert!(asked(&mut trust, 10_000) > 10_000 / 129 - 10, "it never gives up");
        while !trust.asks() {}
        trust.hear(1);
        assert_eq!(asked(&mut trust, 3), 3, "one that held makes good");
    }

    #[test]
    fn a_small_model_guesses_and_forgets_what_did_not_hold() {
        let prompt = [256].into_iter().chain(tokenizer().encode("assistant\n").unwrap()).collect::<Vec<_>>();
        let mut drafter = ModelDrafter::new(Box::new(Fake::saying("abcdef").with_pages(4, 5).with_batch(8)));
        let draft = |drafter: &mut ModelDrafter, sequence, said: &str| {
            let tokens = [&prompt[..], &tokenizer().encode(said).unwrap()].concat();
            let mut drafts = Vec::new();
            drafter.draft(sequence, &tokens, 3, &mut drafts).unwrap();
            tokenizer().decode(&drafts)
        };
        assert_eq!(draft(&mut drafter, 1, "a"), "", "twelve tokens are two batches");
        assert_eq!(draft(&mut drafter, 1, "a"), "bcd");
        assert_eq!(draft(&mut drafter, 1, "abc"), "def");
        assert_eq!(draft(&mut drafter, 1, "abX"), "", "it would end here: the end is no text");
        assert_eq!(draft(&mut drafter, 1, "abc"), "def", "after a guess that did not hold");
        assert_eq!(draft(&mut drafter, 2, "a"), "", "the pages are another's");
        drafter.forget(1);
        draft(&mut drafter, 2, "a");
        assert_eq!(draft(&mut drafter, 2, "a"), "bcd");
        drafter.forget(2);
        assert_eq!(drafter.pages.free(), 5);
    }
}
