//! The model's thread: takes orders into free slots, runs one pass after another over all of them, hands out text.
//!
//! Each pass carries one token of every sequence that answers, and with the room that is left the next piece of prompts
//! that are still being read: a long prompt delays the others' tokens by no more than one pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::stop::StopWatch;
use super::{Done, EngineError, Finish, Trouble};
use crate::sampling::Sampler;
use crate::tokenizer::{Detokenizer, Tokenizer};
use crate::{Backend, BackendError, Batch};

/// What the thread is asked.
pub(super) enum Message {
    Generate(Box<Order>),
    /// Run one token, to see whether the backend works again.
    Probe(Sender<Result<(), EngineError>>),
}

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
    pub(super) stop: Vec<String>,
    pub(super) events: Sender<Event>,
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) queued: Instant,
}

/// An order in a slot.
struct Running {
    slot: u32,
    prompt: Vec<u32>,
    /// Tokens of the prompt that the slot holds.
    read: usize,
    generated: Vec<u32>,
    max_tokens: usize,
    sampler: Sampler,
    detokenizer: Detokenizer,
    watch: StopWatch,
    text: String,
    events: Sender<Event>,
    cancelled: Arc<AtomicBool>,
    queue_ms: u64,
    started: Instant,
    first_token_ms: Option<u64>,
}

pub(super) struct Worker {
    backend: Box<dyn Backend>,
    tokenizer: Arc<Tokenizer>,
    trouble: Trouble,
    running: Vec<Running>,
    logits: Vec<f32>,
}

impl Worker {
    pub(super) fn new(backend: Box<dyn Backend>, tokenizer: Arc<Tokenizer>, trouble: Trouble) -> Self {
        Self { backend, tokenizer, trouble, running: Vec::new(), logits: Vec::new() }
    }

    /// Works until nobody can order any more.
    pub(super) fn run(mut self, orders: &Receiver<Message>) {
        loop {
            while let Some(slot) = self.free_slot() {
                let message = if self.running.is_empty() {
                    orders.recv().map_err(|_| TryRecvError::Disconnected)
                } else {
                    orders.try_recv()
                };
                match message {
                    Ok(Message::Generate(order)) => self.begin(slot, *order),
                    Ok(Message::Probe(answer)) => {
                        let _ = answer.send(self.probe(slot));
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) if self.running.is_empty() => return,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
            self.end_cancelled();
            if let Err(error) = self.pass() {
                self.fail(&error);
            }
        }
    }

    fn free_slot(&self) -> Option<u32> {
        (0..self.backend.capabilities().slots).find(|slot| self.running.iter().all(|running| running.slot != *slot))
    }

    fn begin(&mut self, slot: u32, order: Order) {
        let Order { prompt, max_tokens, sampler, stop, events, cancelled, queued } = order;
        if let Some(reason) = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            // Ordered just before it broke.
            let _ = events.send(Event::Done(Err(BackendError::Failed(reason).into())));
            return;
        }
        self.backend.reset(slot);
        self.running.push(Running {
            slot,
            prompt,
            read: 0,
            generated: Vec::new(),
            max_tokens,
            sampler,
            detokenizer: Detokenizer::default(),
            watch: StopWatch::new(stop),
            text: String::new(),
            events,
            cancelled,
            queue_ms: ms(queued),
            started: Instant::now(),
            first_token_ms: None,
        });
    }

    fn end_cancelled(&mut self) {
        let Self { running, backend, .. } = self;
        running.retain_mut(|running| {
            let cancelled = running.cancelled.load(Ordering::Relaxed);
            if cancelled {
                running.end(Finish::Cancelled);
                backend.reset(running.slot);
            }
            !cancelled
        });
    }

    /// One pass over the sequences under way.
    fn pass(&mut self) -> Result<(), BackendError> {
        let capabilities = self.backend.capabilities();
        let vocabulary = capabilities.vocabulary as usize;
        let mut room = capabilities.batch_tokens as usize;
        let mut batch = Batch::default();
        let mut carried = Vec::new();
        // Those that answer first: they wait for one token each.
        for reading in [false, true] {
            for (index, running) in self.running.iter_mut().enumerate() {
                if (running.read < running.prompt.len()) != reading || room == 0 {
                    continue;
                }
                let piece = if reading {
                    let end = running.prompt.len().min(running.read + room);
                    let piece = running.prompt.get(running.read..end).unwrap_or_default();
                    running.read = end;
                    piece
                } else {
                    running.generated.last().map(std::slice::from_ref).unwrap_or_default()
                };
                room -= piece.len();
                batch.push(running.slot, piece);
                carried.push(index);
            }
        }
        if carried.is_empty() {
            return Ok(());
        }
        self.logits.resize(carried.len() * vocabulary, 0.0);
        let Self { backend, logits, .. } = self;
        forward(backend.as_mut(), &batch, logits)?;

        let mut ended = Vec::new();
        for (index, row) in carried.into_iter().zip(self.logits.chunks_mut(vocabulary)) {
            let Some(running) = self.running.get_mut(index) else { continue };
            if running.read < running.prompt.len() {
                continue; // more of the prompt is still to be read
            }
            let Some(token) = running.sampler.next(row, &running.generated) else {
                return Err(BackendError::Failed("no logit is a number; the weights are broken".to_owned()));
            };
            if running.take(token, &self.tokenizer) {
                ended.push(index);
            }
        }
        ended.sort_unstable();
        for index in ended.into_iter().rev() {
            let ended = self.running.swap_remove(index);
            self.backend.reset(ended.slot); // gives back what a long sequence held
        }
        Ok(())
    }

    /// Tells everybody that the backend broke, and remembers it.
    fn fail(&mut self, error: &BackendError) {
        let (BackendError::Failed(reason) | BackendError::Refused(reason)) = error;
        log::error!("{error}");
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        for running in self.running.drain(..) {
            self.backend.reset(running.slot);
            let _ = running.events.send(Event::Done(Err(error.clone().into())));
        }
    }

    fn probe(&mut self, slot: u32) -> Result<(), EngineError> {
        self.backend.reset(slot);
        self.logits.resize(self.backend.capabilities().vocabulary as usize, 0.0);
        let Self { backend, logits, .. } = self;
        let result = forward(backend.as_mut(), &Batch::single(slot, &[0]), logits);
        self.backend.reset(slot);
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

/// A pass that turns a panic inside the runtime into a failure: the thread, and the role, live on.
fn forward(backend: &mut dyn Backend, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
    // Unwind safe: after a failure every slot is reset before it is used again.
    catch_unwind(AssertUnwindSafe(|| backend.forward(batch, logits)))
        .unwrap_or_else(|_| Err(BackendError::Failed("it hit a fault in the program".to_owned())))
}

impl Running {
    /// Takes the chosen token; true if the answer ended with it.
    fn take(&mut self, token: u32, tokenizer: &Tokenizer) -> bool {
        self.first_token_ms.get_or_insert_with(|| ms(self.started));
        if tokenizer.is_end(token) {
            self.end(Finish::EndOfText);
            return true;
        }
        self.generated.push(token);
        let piece = self.detokenizer.push(tokenizer.bytes_of(token));
        let (shown, stopped) = self.watch.push(&piece);
        self.show(shown);
        if stopped {
            self.finish(Finish::Stop);
        } else if self.generated.len() >= self.max_tokens {
            self.end(Finish::Length);
        } else {
            return false;
        }
        true
    }

    fn show(&mut self, text: String) {
        if !text.is_empty() {
            self.text.push_str(&text);
            let _ = self.events.send(Event::Text(text)); // a caller that is gone hears nothing
        }
    }

    /// Shows what was held back, then finishes.
    fn end(&mut self, finish: Finish) {
        let rest = self.detokenizer.finish();
        let (shown, stopped) = self.watch.push(&rest);
        let held = if stopped { String::new() } else { self.watch.finish() };
        self.show(shown + &held);
        self.finish(finish);
    }

    fn finish(&mut self, finish: Finish) {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let total_ms = ms(self.started);
        let done = Done {
            text: std::mem::take(&mut self.text),
            prompt_tokens: count(self.prompt.len()),
            generated_tokens: count(self.generated.len()),
            finish,
            queue_ms: self.queue_ms,
            first_token_ms: self.first_token_ms.unwrap_or(total_ms),
            total_ms,
        };
        let _ = self.events.send(Event::Done(Ok(done)));
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
