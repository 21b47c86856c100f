//! The thread that reads what waits and maps it, a batch or two ahead of the one that files: so the processor works while
//! the record waits for the disk. It changes nothing.
//!
//! What is mapped ahead of the record stands on what the record said and on what was mapped before it and is still on its
//! way. If the record turns out otherwise (somebody else wrote, a message was refused), the filing thread calls
//! [`Progress::restart`], and everything that still waits is mapped anew.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use haechi_record::chart::Rejected;
use haechi_record::queue::{Queue, Waiting};
use haechi_record::store::Store;

use super::Signals;
use super::filing::{SAY_AGAIN, source};
use super::settings::FeedSettings;
use crate::hl7::{Change, Hl7Settings, Piece};
use crate::mapping::{Mapping, Message};
use crate::working::{self, ReadyMessage};

/// Messages in a transaction of the record, and their bytes. A large transaction writes each page of the indexes once for
/// many messages; a few such batches are in memory at once.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 2 << 20;
/// How long it sleeps if nobody rings.
const SLEEP: Duration = Duration::from_secs(1);
/// Pause before looking again when the queue cannot be read.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far filing has come: what the two threads tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Goes up when what was mapped ahead stands no more.
    epoch: u64,
    /// Batches below this number are in the record.
    committed: u64,
    /// The filing thread is gone.
    over: bool,
}

impl Progress {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Whether a batch of `epoch` stands.
    pub(super) fn stands(&self, epoch: u64) -> bool {
        self.state().epoch == epoch
    }

    /// Nothing that was mapped ahead stands; what waits is read from its beginning.
    pub(super) fn restart(&self) {
        self.change(|state| state.epoch += 1);
    }

    /// The batch `number` is in the record.
    pub(super) fn commit(&self, number: u64) {
        self.change(|state| state.committed = number + 1);
    }

    /// Nothing more is filed.
    pub(super) fn end(&self) {
        self.change(|state| state.over = true);
    }

    /// Waits until the batch `number` of `epoch` is in the record, or stands no more.
    fn wait_for(&self, epoch: u64, number: u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(state, |now| now.committed <= number && now.epoch == epoch && !now.over));
    }
}

/// On a machine with few processors mapping and filing take turns while messages come: a sender waits for its
/// acknowledgement, and nobody for these.
#[derive(Debug)]
pub(super) struct Turns {
    few: bool,
    turn: Mutex<()>,
}

impl Turns {
    /// For a machine with so many processors.
    pub(super) fn new(processors: usize) -> Self {
        Self { few: processors < 4, turn: Mutex::default() }
    }

    /// Waits for a turn if messages came since `taken`, which is brought up to date.
    pub(super) fn wait(&self, signals: &Signals, taken: &mut u64) -> Option<MutexGuard<'_, ()>> {
        let before = std::mem::replace(taken, signals.taken.load(Ordering::Relaxed));
        (self.few && before != *taken).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Messages on their way into the record, in their order.
pub(super) struct Batch {
    pub(super) epoch: u64,
    pub(super) number: u64,
    /// [`Store::written`], before any of it was mapped.
    pub(super) written: u64,
    pub(super) waiting: Vec<Waiting>,
    pub(super) ready: Vec<OnItsWay>,
}

/// A message on its way into the record.
pub(super) struct OnItsWay {
    pub(super) seq: u64,
    pub(super) feed: String,
    pub(super) received: jiff::Timestamp,
    pub(super) patient: Option<String>,
    /// `Err`: it cannot be filed.
    pub(super) ready: Result<ReadyMessage, Vec<Rejected>>,
    /// It changes resources that it does not show: what comes after it is mapped when it is filed.
    pub(super) last: bool,
}

/// How messages are read.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) store: Store,
    pub(super) feeds: Vec<Arc<FeedSettings>>,
    pub(super) otherwise: Hl7Settings,
}

impl Reading {
    /// Maps one message, which goes on with batch `number`.
    pub(super) fn ready(&self, mapping: &mut Mapping, waiting: &Waiting, number: u64) -> OnItsWay {
        let settings =
            self.feeds.iter().find(|feed| feed.name == waiting.feed).map_or(&self.otherwise, |feed| &feed.hl7);
        let file: Arc<str> = source(&waiting.feed).into();
        let piece = Piece { bytes: &waiting.raw, line: 1 };
        let (mut patient, mut last) = (None, false);
        let ready = match mapping.message(&self.store, settings, piece, &file, number) {
            Message::Rejected(reasons) => Err(reasons),
            message => {
                if let Message::Mapped(_, mapped, _) = &message {
                    patient = mapped.patient.clone();
                    last = mapped.changes.iter().any(|one| matches!(one, Change::Move { .. } | Change::Order { .. }));
                }
                Ok(working::message(waiting.received, &file, message))
            }
        };
        OnItsWay { seq: waiting.seq, feed: waiting.feed.clone(), received: waiting.received, patient, ready, last }
    }
}

pub(super) struct Ahead {
    pub(super) queue: Queue,
    pub(super) reading: Reading,
    pub(super) signals: Arc<Signals>,
    pub(super) progress: Arc<Progress>,
    pub(super) turns: Arc<Turns>,
    pub(super) bell: Receiver<()>,
    pub(super) batches: Sender<Batch>,
}

impl Ahead {
    /// Works until told to stop.
    pub(super) fn run(self) {
        let (mut mapping, mut after, mut number) = (Mapping::default(), 0, 0);
        let (mut epoch, mut written) = (0, self.reading.store.written());
        let (mut sent, mut taken) = (None, 0);
        let mut said: Option<Instant> = None;
        while !self.signals.stop.load(Ordering::Acquire) {
            let state = self.progress.state();
            if state.epoch != epoch {
                (mapping, after, epoch) = (Mapping::default(), 0, state.epoch);
            }
            if self.signals.again.swap(false, Ordering::AcqRel) {
                after = 0;
            }
            // Asked before anything is read. What was mapped before somebody else wrote is not built upon.
            let now = self.reading.store.written();
            if now != written {
                (mapping, written) = (Mapping::default(), now);
                if let Some((epoch, number)) = sent {
                    self.progress.wait_for(epoch, number);
                }
                continue;
            }
            mapping.keep_recent(state.committed);
            let waiting = match self.queue.waiting(after, BATCH, BATCH_BYTES) {
                Ok(waiting) if waiting.is_empty() => {
                    let _ = self.bell.recv_timeout(SLEEP); // rung or not, it looks
                    continue;
                }
                Ok(waiting) => waiting,
                Err(error) => {
                    if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                        said = Some(Instant::now());
                        log::error!(
                            "HAECHI-0344: acknowledged messages wait and cannot be filed; they are tried again. The queue says: {error}"
                        );
                    }
                    let _ = self.bell.recv_timeout(PATIENCE);
                    continue;
                }
            };
            let mut batch = Batch { epoch, number, written, waiting, ready: Vec::new() };
            let mut last = false;
            let turn = self.turns.wait(&self.signals, &mut taken);
            for one in &batch.waiting {
                let ready = self.reading.ready(&mut mapping, one, number);
                (after, last) = (one.seq, ready.last);
                batch.ready.push(ready);
                if last {
                    break;
                }
            }
            drop(turn);
            batch.waiting.truncate(batch.ready.len());
            if self.batches.send(batch).is_err() {
                return;
            }
            sent = Some((epoch, number));
            if last {
                self.progress.wait_for(epoch, number);
                mapping = Mapping::default();
            }
            number += 1;
        }
    }
}
