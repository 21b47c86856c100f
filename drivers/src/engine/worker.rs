//! The model's thread: admits those who wait as pages allow, runs one pass after another over all of them, hands out text.
//!
//! Admission promises each sequence the pages it needs at its longest, so nobody who was admitted ever waits for a page.
//! A prompt whose beginning another sequence is just reading waits for those pages instead of computing them again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::plan::{Item, plan};
use super::queue::{Queue, is_urgent};
use super::running::{Order, Running};
use super::{EngineError, Settings, Trouble};
use crate::kv::Cache;
use crate::kv::store::Prefix;
use crate::speculation::{CROWD, DRAFT_TOKENS, Drafter, lookup};
use crate::tokenizer::Tokenizer;
use crate::{Backend, BackendError, Batch};

/// What the thread is asked.
pub(super) enum Message {
    Generate(Box<Order>),
    /// Run one token, to see whether the backend works again.
    Probe(Sender<Result<(), EngineError>>),
    /// Copy the pages that hold the beginning of these tokens.
    CopyPrefix(Vec<u32>, Sender<Result<Prefix, EngineError>>),
    /// Put a prefix into the cache; answered with the number of its tokens that are there afterwards.
    TakePrefix(Prefix, Sender<Result<usize, EngineError>>),
}

pub(super) struct Worker {
    pub(super) backend: Box<dyn Backend>,
    tokenizer: Arc<Tokenizer>,
    trouble: Trouble,
    chunk_tokens: usize,
    /// Guess what answers say next.
    guesses: bool,
    /// Guesses where looking up finds nothing.
    drafter: Option<Box<dyn Drafter>>,
    pub(super) cache: Cache,
    /// How many are in `queue` or on the way to it; the engine's side counts up.
    waiting: Arc<AtomicUsize>,
    queue: Queue<Order>,
    /// In the order of admission.
    running: Vec<Running>,
    logits: Vec<f32>,
    passes: u64,
    /// Orders that were begun: their numbers.
    begun: u64,
}

impl Worker {
    pub(super) fn new(
        backend: Box<dyn Backend>,
        tokenizer: Arc<Tokenizer>,
        trouble: Trouble,
        waiting: Arc<AtomicUsize>,
        drafter: Option<Box<dyn Drafter>>,
        settings: &Settings,
    ) -> Self {
        let capabilities = backend.capabilities();
        Self {
            cache: Cache::new(capabilities.page_tokens, capabilities.pages),
            backend,
            tokenizer,
            trouble,
            chunk_tokens: settings.chunk_tokens as usize,
            guesses: settings.guesses,
            drafter,
            waiting,
            queue: Queue::new(),
            running: Vec::new(),
            logits: Vec::new(),
            passes: 0,
            begun: 0,
        }
    }

    /// Works until nobody can order any more.
    pub(super) fn run(mut self, orders: &Receiver<Message>) {
        loop {
            let idle = self.running.is_empty() && self.queue.is_empty();
            let mut message =
                if idle { orders.recv().map_err(|_| TryRecvError::Disconnected) } else { orders.try_recv() };
            loop {
                match message {
                    Ok(message) => self.hear(message),
                    Err(TryRecvError::Disconnected) if idle => return,
                    Err(_) => break,
                }
                message = orders.try_recv();
            }
            let now = Instant::now();
            self.end_broken_off(now);
            self.admit(now);
            if let Err(error) = self.pass(now) {
                self.fail(&error);
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Generate(order) => self.queue.push(*order),
            Message::Probe(answer) => {
                let _ = answer.send(self.probe());
            }
            Message::CopyPrefix(tokens, answer) => {
                let _ = answer.send(self.copy_prefix(&tokens));
            }
            Message::TakePrefix(prefix, answer) => {
                let _ = answer.send(self.take_prefix(&prefix));
            }
        }
    }

    /// Ends those whose caller left or whose time is over, waiting or under way.
    fn end_broken_off(&mut self, now: Instant) {
        for order in self.queue.take_all(|order| order.broken_off(now).is_some()) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(finish) = order.broken_off(now) {
                Running::new(0, order, Vec::new(), 0, 0, now).end(finish, now);
            }
        }
        let broken_off = self.running.extract_if(.., |running| running.order.broken_off(now).is_some());
        for mut ended in broken_off.collect::<Vec<_>>() {
            if let Some(finish) = ended.order.broken_off(now) {
                ended.end(finish, now);
            }
            self.forget(&ended);
        }
    }

    /// Gives back what an ended sequence held.
    fn forget(&mut self, ended: &Running) {
        self.cache.release(&ended.pages);
        if let Some(drafter) = &mut self.drafter {
            drafter.forget(ended.id);
        }
    }

    /// Pages that those under way were promised and do not hold yet.
    pub(super) fn promised(&self) -> usize {
        self.running.iter().map(|running| running.most_pages.saturating_sub(running.pages.len())).sum()
    }

    /// Moves those who wait into the work as long as there are pages for all that they may need.
    fn admit(&mut self, now: Instant) {
        let broken = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        loop {
            let promised = self.promised();
            let cache = &mut self.cache;
            let mut held = Vec::new();
            let mut most = 0;
            let next = self.queue.take_if(now, |order| {
                most = cache.pages_for(order.prompt.len() + order.max_tokens);
                held = cache.hold_prefix(beginning(&order.prompt));
                // Held pages are no longer among those that could be given to others.
                let fits = broken.is_some() || promised + most - held.len() <= cache.available();
                if !fits {
                    cache.release(&held);
                }
                fits
            });
            let Some(order) = next else { return };
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let cached = held.len() * self.cache.page_tokens();
            self.begun += 1;
            let running = Running::new(self.begun, order, held, cached, most, now);
            match &broken {
                None => self.running.push(running),
                Some(reason) => {
                    // Ordered just before it broke.
                    self.cache.release(&running.pages);
                    running.fail(BackendError::Failed(reason.clone()).into());
                }
            }
        }
    }

    /// Guesses what each answer says next, where that pays.
    fn guess(&mut self) {
        let vocabulary = self.backend.capabilities().vocabulary;
        let Self { running, drafter, .. } = self;
        if !self.guesses || running.len() >= CROWD {
            running.iter_mut().for_each(|running| running.drafts.clear());
            return;
        }
        for running in running.iter_mut() {
            running.drafts.clear();
            let count = DRAFT_TOKENS.min(running.left().saturating_sub(1));
            let pays = running.to_read() == 0 && running.order.sampler.is_greedy() && count > 0;
            if !pays || !running.trust.asks() {
                continue;
            }
            running.drafts.extend_from_slice(lookup(&running.tokens, count));
            let Some(asked) = drafter.as_mut().filter(|_| running.drafts.is_empty()) else { continue };
            let Running { id, tokens, drafts, .. } = running;
            // Unwind safe: a drafter that broke is not asked again.
            let drafted = catch_unwind(AssertUnwindSafe(|| asked.draft(*id, tokens, count, drafts)));
            if !matches!(drafted, Ok(Ok(()))) {
                drafts.clear();
                log::warn!("the small model that guesses broke; answers are as before, but slower");
                *drafter = None;
            }
            drafts.truncate(count);
            // A small model may have tokens that this one lacks.
            let known = drafts.iter().position(|&token| token >= vocabulary).unwrap_or(drafts.len());
            drafts.truncate(known);
        }
    }

    /// What each sequence could put into the next pass.
    fn items(&mut self, now: Instant) -> Vec<Item> {
        let page = self.cache.page_tokens();
        let mut items = Vec::new();
        for index in 0..self.running.len() {
            let (earlier, rest) = self.running.split_at_mut(index);
            let Some(running) = rest.first_mut() else { break };
            let mut waits_for = None;
            let wanted = beginning(&running.order.prompt);
            if running.to_read() > 0 && running.computed == running.pages.len() * page {
                self.cache.hold_more(wanted, &mut running.pages);
                let held = running.pages.len() * page;
                running.found(held);
                // Somebody before it is about to fill the page that it needs next.
                let wanted = beginning(&running.order.prompt);
                let next = wanted.get(..held + page);
                waits_for = earlier.iter().position(|other| {
                    let will_fill = other.to_read() > 0 && other.order.prompt.len() >= held + page;
                    will_fill && next.is_some_and(|next| other.order.prompt.starts_with(next))
                });
            }
            items.push(Item {
                to_read: running.to_read(),
                urgent: is_urgent(running.order.priority, running.read_at, now),
                waits_for,
                drafts: running.drafts.len(),
                served: running.served,
            });
        }
        items
    }

    /// One pass over the sequences under way.
    fn pass(&mut self, now: Instant) -> Result<(), BackendError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let (batch_tokens, vocabulary) = {
            let capabilities = self.backend.capabilities();
            (capabilities.batch_tokens as usize, capabilities.vocabulary as usize)
        };
        self.guess();
        let items = self.items(now);
        let planned = plan(&items, batch_tokens, self.chunk_tokens);
        self.passes += 1;
        let mut batch = Batch { likeliest_only: true, ..Batch::default() };
        // Who takes part, with how many tokens, and how many rows of logits are its own.
        let mut carried = Vec::new();
        for (index, count) in planned {
            let Self { running, cache, .. } = self;
            let Some(running) = running.get_mut(index) else { continue };
            let reads = running.to_read() > 0;
            let end = running.computed + count;
            while running.pages.len() < cache.pages_for(end) {
                let page = cache.take();
                running.pages.push(page.ok_or_else(|| BackendError::Failed("a promised page is missing".to_owned()))?);
            }
            let known = running.tokens.get(running.computed..end.min(running.tokens.len())).unwrap_or_default();
            let guessed = running.drafts.get(..count - known.len()).unwrap_or_default();
            let position = u32::try_from(running.computed).unwrap_or(u32::MAX);
            let pages = running.pages.get(..cache.pages_for(end)).unwrap_or_default();
            batch.push(&[known, guessed].concat(), position, pages);
            // The prompt's last token, or the pending one and each guess: what follows them is asked.
            let rows = if count < running.to_read() { 0 } else { 1 + guessed.len() };
            if rows > 0 {
                batch.want_last_of(u32::try_from(rows).unwrap_or(u32::MAX));
                batch.likeliest_only &= running.needs_likeliest_only(rows);
            }
            if reads {
                running.read_at = now;
            }
            running.serve(self.passes);
            carried.push((index, count, rows));
        }
        if carried.is_empty() {
            return Err(BackendError::Failed("no sequence can go on".to_owned()));
        }
        let Self { backend, logits, .. } = self;
        logits.resize(batch.wanted.len() * vocabulary, 0.0);
        forward(backend.as_mut(), &batch, logits)?;
        if !self.likeliest_fit(&carried, vocabulary) && batch.likeliest_only {
            batch.likeliest_only = false;
            let Self { backend, logits, .. } = self;
            complete(backend.as_mut(), &batch, logits)?;
        }
        self.take_tokens(&carried, vocabulary)
    }

    /// Looks at the only row of each answer that has a form; false if one needs more than its likeliest token.
    fn likeliest_fit(&mut self, carried: &[(usize, usize, usize)], vocabulary: usize) -> bool {
        let (mut rows, mut fit) = (self.logits.chunks(vocabulary), true);
        for &(index, _, wanted) in carried {
            let mut own = rows.by_ref().take(wanted);
            if let (1, Some(row), Some(running)) = (wanted, own.next(), self.running.get_mut(index)) {
                fit &= running.likeliest_fits(row);
            }
            own.for_each(drop);
        }
        fit
    }

    /// Chooses the tokens that a pass asked for, and keeps the pages that it filled.
    fn take_tokens(&mut self, carried: &[(usize, usize, usize)], vocabulary: usize) -> Result<(), BackendError> {
        let now = Instant::now();
        let mut rows = self.logits.chunks_mut(vocabulary);
        let mut ended = Vec::new();
        for &(index, count, wanted) in carried {
            let Some(running) = self.running.get_mut(index) else { continue };
            let mut own = rows.by_ref().take(wanted);
            if running.step(count, &mut own, &self.tokenizer, now)? {
                ended.push(index);
            }
            own.for_each(drop); // rows after a guess that did not hold: the next sequence's begin behind them
            let filled = running.computed / self.cache.page_tokens();
            if filled > running.kept {
                running.kept = filled;
                let computed = running.tokens.get(..running.computed).unwrap_or_default();
                self.cache.keep(computed, &mut running.pages);
            }
        }
        // From the last, so that the indices before stay right.
        ended.sort_unstable();
        for index in ended.into_iter().rev() {
            let ended = self.running.remove(index);
            self.forget(&ended);
        }
        Ok(())
    }

    /// Tells everybody under way that the backend broke, and remembers it.
    fn fail(&mut self, error: &BackendError) {
        let (BackendError::Failed(reason) | BackendError::Refused(reason)) = error;
        log::error!("{error}");
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        for running in self.running.drain(..) {
            running.fail(error.clone().into());
            if let Some(drafter) = &mut self.drafter {
                drafter.forget(running.id);
            }
        }
        self.cache.clear(); // nobody knows what the pages hold
    }

    fn probe(&mut self) -> Result<(), EngineError> {
        if self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(()); // another probe was first
        }
        // Nothing is under way while there is trouble, so there is a page.
        let page = self.cache.take().ok_or_else(|| EngineError::Request("every page is in use".to_owned()))?;
        let Self { backend, logits, .. } = self;
        logits.resize(backend.capabilities().vocabulary as usize, 0.0);
        let result = forward(backend.as_mut(), &Batch::single(&[0], 0, &[page]), logits);
        self.cache.release(&[page]);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                *trouble = None;
                Ok(())
            }
            Err(error) => {
                *trouble = Some(error.to_string());
                Err(error.into())
            }
        }
    }
}

/// The part of a prompt whose pages may be read instead of computed: all but its last token, after which the logits are
/// needed.
fn beginning(prompt: &[u32]) -> &[u32] {
    prompt.split_last().map_or(&[], |(_, beginning)| beginning)
}

/// A pass that turns a panic inside the runtime into a failure: the thread, and the role, live on.
fn forward(backend: &mut dyn Backend, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
    guarded(|| backend.forward(batch, logits))
}

fn complete(backend: &mut dyn Backend, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
    guarded(|| backend.complete(batch, logits))
}

/// A panic is a failure. Unwind safe: after one nothing is read that was written before.
fn guarded(run: impl FnOnce() -> Result<(), BackendError>) -> Result<(), BackendError> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(BackendError::Failed("it hit a fault in the program".to_owned())))
}
