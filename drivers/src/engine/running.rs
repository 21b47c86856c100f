//! One generation, from the queue to its end: what it has read and written, and what its caller hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use super::EngineError;
use super::queue::Waiting;
use super::request::{Done, Finish, Priority};
use super::stop::StopWatch;
use crate::BackendError;
use crate::grammar::{GrammarError, Guide};
use crate::sampling::{Odds, Sampler, likeliest};
use crate::speculation::{Trust, verify};
use crate::tokenizer::{Detokenizer, Tokenizer};

/// What a caller hears. The channel has no bound of its own: one text for each of at most `max_tokens` tokens.
pub(super) enum Event {
    Text(String),
    Done(Result<Done, EngineError>),
}

/// A request, checked and encoded.
pub(super) struct Order {
    pub(super) prompt: Vec<u32>,
    pub(super) max_tokens: usize,
    pub(super) sampler: Sampler,
    pub(super) guide: Option<Guide>,
    pub(super) stop: Vec<String>,
    pub(super) priority: Priority,
    pub(super) deadline: Option<Instant>,
    pub(super) events: Sender<Event>,
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) queued: Instant,
}

impl Order {
    /// Why it ends before its time, if it does.
    pub(super) fn broken_off(&self, now: Instant) -> Option<Finish> {
        if self.cancelled.load(Ordering::Relaxed) {
            Some(Finish::Cancelled)
        } else if self.deadline.is_some_and(|deadline| now >= deadline) {
            Some(Finish::Deadline)
        } else {
            None
        }
    }
}

impl Waiting for Order {
    fn priority(&self) -> Priority {
        self.priority
    }

    fn since(&self) -> Instant {
        self.queued
    }
}

/// Why no token could be chosen.
enum NoToken {
    /// The logits are broken: everybody's are.
    Broken,
    /// The grammar is at its end: the others go on.
    Grammar(GrammarError),
}

impl From<GrammarError> for NoToken {
    fn from(error: GrammarError) -> Self {
        Self::Grammar(error)
    }
}

/// An order under way.
pub(super) struct Running {
    pub(super) order: Order,
    /// Its number, the same as long as it lives and nobody else's.
    pub(super) id: u64,
    /// The prompt and what was generated after it.
    pub(super) tokens: Vec<u32>,
    /// How many of them the pages hold, from the first.
    pub(super) computed: usize,
    /// The pages it holds, in the order of its tokens.
    pub(super) pages: Vec<u32>,
    /// How many of them are finished and in the cache's tree.
    pub(super) kept: usize,
    /// Pages it holds at its longest; so many were promised to it.
    pub(super) most_pages: usize,
    /// When a piece of its prompt was read last: background work that waits for that grows urgent too.
    pub(super) read_at: Instant,
    /// The pass it took part in last.
    pub(super) served: u64,
    /// Tokens guessed to follow the last one, for the next pass.
    pub(super) drafts: Vec<u32>,
    pub(super) trust: Trust,
    /// Whether the likeliest token as a rule fits the form.
    form_trust: Trust,
    /// The likeliest token, which fits the form.
    fitting: Option<u32>,
    passes: u32,
    cached: usize,
    detokenizer: Detokenizer,
    watch: StopWatch,
    text: String,
    odds: Vec<Odds>,
    started: Instant,
    first_token_ms: Option<u64>,
}

impl Running {
    /// Begins with `pages`, which hold the first `cached` tokens of the prompt.
    pub(super) fn new(
        id: u64,
        mut order: Order,
        pages: Vec<u32>,
        cached: usize,
        most_pages: usize,
        now: Instant,
    ) -> Self {
        Self {
            id,
            tokens: order.prompt.clone(),
            computed: cached,
            kept: pages.len(),
            pages,
            most_pages,
            read_at: now,
            served: 0,
            drafts: Vec::new(),
            trust: Trust::default(),
            form_trust: Trust::default(),
            fitting: None,
            passes: 0,
            cached,
            detokenizer: Detokenizer::default(),
            watch: StopWatch::new(std::mem::take(&mut order.stop)),
            text: String::new(),
            odds: Vec::new(),
            started: now,
            first_token_ms: None,
            order,
        }
    }

    /// Tokens of the prompt that are not read yet.
    pub(super) fn to_read(&self) -> usize {
        self.order.prompt.len().saturating_sub(self.computed)
    }

    /// What was generated so far.
    pub(super) fn generated(&self) -> &[u32] {
        self.tokens.get(self.order.prompt.len()..).unwrap_or_default()
    }

    /// Notes that `cached` tokens of the prompt are in pages that somebody else computed.
    pub(super) fn found(&mut self, cached: usize) {
        self.cached += cached.saturating_sub(self.computed);
        self.computed = self.computed.max(cached);
    }

    /// Notes that it takes part in a pass.
    pub(super) fn serve(&mut self, pass: u64) {
        self.served = pass;
        self.passes = self.passes.saturating_add(1);
    }

    /// Tokens that it may be given at once, at most.
    pub(super) fn left(&self) -> usize {
        self.order.max_tokens.saturating_sub(self.generated().len())
    }

    /// See [`Batch::likeliest_only`](crate::Batch::likeliest_only), for `rows` rows of logits. A form may need any token; but
    /// where the likeliest mostly fits, it is asked for first. Asked once for each pass.
    pub(super) fn needs_likeliest_only(&mut self, rows: usize) -> bool {
        let formed = self.order.guide.is_some();
        self.order.sampler.wants_likeliest_only() && (!formed || rows == 1 && self.form_trust.asks())
    }

    /// Looks whether the likeliest token of the only row fits the form, and remembers it; false if others are needed, of which
    /// the row may not tell. True if nothing needs to be known.
    pub(super) fn likeliest_fits(&mut self, row: &[f32]) -> bool {
        let Some(guide) = &mut self.order.guide else { return true };
        if !self.order.sampler.wants_likeliest_only() {
            return true; // its rows are whole
        }
        self.fitting = likeliest(row).filter(|&token| guide.allows(token));
        self.form_trust.hear(usize::from(self.fitting.is_some()));
        self.fitting.is_some()
    }

    /// Takes part in a pass that ran `count` of its tokens, the last of them guessed ones if it answers, and gave `rows` of
    /// logits. True if the answer ended.
    ///
    /// # Errors
    /// [`BackendError::Failed`] if the logits are broken.
    pub(super) fn step<'a>(
        &mut self,
        count: usize,
        mut rows: impl Iterator<Item = &'a mut [f32]>,
        tokenizer: &Tokenizer,
        now: Instant,
    ) -> Result<bool, BackendError> {
        let answers = self.to_read() == 0;
        let drafts = std::mem::take(&mut self.drafts);
        let drafts = drafts.get(..count - 1).filter(|_| answers).unwrap_or_default();
        let Some(first) = rows.next() else {
            self.computed += count; // a piece of the prompt
            return Ok(false);
        };
        let mut ended = false;
        let mut row = Some(first);
        let verified = verify(drafts, || {
            let token = self.choose(row.take().ok_or(NoToken::Broken)?)?;
            row = rows.next();
            ended = self.take(token, tokenizer, now);
            Ok((token, !ended))
        });
        let held = match verified {
            Ok(held) => held,
            Err(NoToken::Broken) => {
                return Err(BackendError::Failed("no logit is a number; the weights are broken".to_owned()));
            }
            Err(NoToken::Grammar(error)) => {
                self.fail(error.into());
                return Ok(true);
            }
        };
        if !drafts.is_empty() {
            self.trust.hear(held);
        }
        // Guesses that did not hold are in the pages, behind what counts: they are written over.
        self.computed += count - drafts.len() + held;
        Ok(ended)
    }

    /// Chooses the token after the last one.
    fn choose(&mut self, row: &mut [f32]) -> Result<u32, NoToken> {
        let Order { sampler, guide, prompt, .. } = &mut self.order;
        if let (Some(guide), Some(token)) = (&mut *guide, self.fitting.take()) {
            guide.take(token)?;
            return Ok(token);
        }
        // As the model said it: guide and sampler change the row.
        let said = sampler.odds().map(|top| (row.to_vec(), top));
        if let Some(guide) = guide {
            guide.mask(row)?;
        }
        let generated = self.tokens.get(prompt.len()..).unwrap_or_default();
        let token = sampler.next(row, generated).ok_or(NoToken::Broken)?;
        if let Some(guide) = guide {
            guide.take(token)?;
        }
        self.odds.extend(said.map(|(said, top)| Odds::of(&said, token, top)));
        Ok(token)
    }

    /// Takes the chosen token; true if the answer ended with it.
    fn take(&mut self, token: u32, tokenizer: &Tokenizer, now: Instant) -> bool {
        self.first_token_ms.get_or_insert_with(|| ms(self.started, now));
        if tokenizer.is_end(token) {
            self.end(Finish::EndOfText, now);
            return true;
        }
        self.tokens.push(token);
        let piece = self.detokenizer.push(tokenizer.bytes_of(token));
        let (shown, stopped) = self.watch.push(&piece);
        self.show(shown);
        if stopped {
            self.finish(Finish::Stop, now);
        } else if self.order.guide.as_ref().is_some_and(Guide::is_done) {
            self.end(Finish::EndOfText, now);
        } else if self.generated().len() >= self.order.max_tokens {
            self.end(Finish::Length, now);
        } else {
            return false;
        }
        true
    }

    fn show(&mut self, text: String) {
        if !text.is_empty() {
            self.text.push_str(&text);
            let _ = self.order.events.send(Event::Text(text)); // a caller that is gone hears nothing
        }
    }

    /// Shows what was held back, then finishes.
    pub(super) fn end(&mut self, finish: Finish, now: Instant) {
        let rest = self.detokenizer.finish();
        let (shown, stopped) = self.watch.push(&rest);
        let held = if stopped { String::new() } else { self.watch.finish() };
        self.show(shown + &held);
        self.finish(finish, now);
    }

    /// Tells the caller that there is no answer.
    pub(super) fn fail(&self, error: EngineError) {
        let _ = self.order.events.send(Event::Done(Err(error)));
    }

    fn finish(&mut self, finish: Finish, now: Instant) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let total_ms = ms(self.started, now);
        let generated = self.generated().len();
        let done = Done {
            text: std::mem::take(&mut self.text),
            prompt_tokens: count(self.order.prompt.len()),
            cached_tokens: count(self.cached),
            generated_tokens: count(generated),
            odds: self.odds.drain(..).take(generated).collect(), // without the token that ends
            passes: self.passes,
            finish,
            queue_ms: ms(self.order.queued, self.started),
            first_token_ms: self.first_token_ms.unwrap_or(total_ms),
            total_ms,
        };
        let _ = self.order.events.send(Event::Done(Ok(done)));
    }
}

fn ms(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
