//! The one thread that files what waits, in the order in which it came: so the messages about one patient amend each other
//! as their senders meant it. Mapping, merging and putting aside are those of an import.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use haechi_record::RecordError;
use haechi_record::queue::{Queue, Settled, Waiting};
use haechi_record::store::{Fed, Store};
use tokio::sync::mpsc;

use super::settings::FeedSettings;
use super::taking::Order;
use super::{Clock, Signals};
use crate::hl7::{Hl7Settings, Piece};
use crate::import::Summary;
use crate::mapping::{Mapping, Message, whole_message};
use crate::working::{self, ReadyMessage};
use crate::writing::{self, Step};

/// Messages in a transaction of the record, and their bytes.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 4 << 20;
/// How long it sleeps if nobody rings.
const SLEEP: Duration = Duration::from_secs(1);
/// Pause before trying again when the record takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// A failure that lasts is said this often.
const SAY_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Filing {
    pub(super) queue: Queue,
    pub(super) store: Store,
    pub(super) feeds: Vec<Arc<FeedSettings>>,
    pub(super) otherwise: Hl7Settings,
    pub(super) clock: Clock,
    /// Weak: the threads end when the server is gone.
    pub(super) orders: mpsc::WeakSender<Order>,
    pub(super) signals: Arc<Signals>,
    pub(super) bell: Receiver<()>,
}

/// A message on its way into the record.
struct OnItsWay {
    seq: u64,
    feed: String,
    received: jiff::Timestamp,
    patient: Option<String>,
    /// `None`: it cannot be filed.
    ready: Result<ReadyMessage, Vec<haechi_record::chart::Rejected>>,
}

impl Filing {
    /// Works until told to stop.
    pub(super) fn run(self) {
        let mut after = 0;
        let mut said: Option<Instant> = None;
        while !self.signals.stop.load(Ordering::Acquire) {
            if self.signals.again.swap(false, Ordering::AcqRel) {
                after = 0;
            }
            let filed = match self.queue.waiting(after, BATCH, BATCH_BYTES) {
                Ok(waiting) if waiting.is_empty() => {
                    let _ = self.bell.recv_timeout(SLEEP); // rung or not, it looks
                    continue;
                }
                Ok(waiting) => {
                    let last = waiting.last().map_or(after, |waiting| waiting.seq);
                    self.file(&waiting).map(|()| last)
                }
                Err(error) => Err(error),
            };
            match filed {
                Ok(last) => after = last,
                Err(error) => {
                    if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                        said = Some(Instant::now());
                        log::error!(
                            "HAECHI-0344: acknowledged messages wait and cannot be filed; they are tried again. The record says: {error}"
                        );
                    }
                    let _ = self.bell.recv_timeout(PATIENCE);
                }
            }
        }
    }

    /// Files messages together; one by one if the record refuses them together.
    fn file(&self, waiting: &[Waiting]) -> Result<(), RecordError> {
        match self.file_together(waiting) {
            Err(error) if is_of_the_message(&error) => match waiting {
                [alone] => {
                    let reason = format!("the record refused it: {error}");
                    let reasons = vec![whole_message(&source(&alone.feed), 1, None, &reason)];
                    self.settle(vec![(alone.seq, Settled::Dead(reasons))])
                }
                several => several.iter().try_for_each(|one| self.file(std::slice::from_ref(one))),
            },
            other => other,
        }
    }

    fn file_together(&self, waiting: &[Waiting]) -> Result<(), RecordError> {
        let mut mapping = Mapping::default();
        let on_their_way: Vec<OnItsWay> = waiting.iter().map(|one| self.ready(&mut mapping, one)).collect();
        let mut settled = Vec::with_capacity(on_their_way.len());
        let mut ready = Vec::with_capacity(on_their_way.len());
        for one in on_their_way {
            match one.ready {
                Ok(message) => {
                    settled.push((one.seq, Settled::Filed));
                    ready.push((one.feed, one.received, one.patient, message));
                }
                Err(reasons) => {
                    log::warn!(
                        "HAECHI-0346: message {} of feed {} cannot be filed; it is kept: `haechi feed show {}` says why",
                        one.seq,
                        one.feed,
                        one.seq
                    );
                    settled.push((one.seq, Settled::Dead(reasons)));
                }
            }
        }
        if !ready.is_empty() {
            let (mut summary, mut patients) = (Summary::default(), HashSet::new());
            self.store.write(|writer| {
                let processed = (self.clock)();
                for (feed, received, patient, message) in ready {
                    if let Some(patient) = patient {
                        writer.note_fed(&patient, &Fed { feed, received, processed })?;
                    }
                    let step = &mut Step::new(writer, received, &mut summary, &mut patients);
                    writing::message(step, message)?;
                }
                Ok(())
            })?;
        }
        self.settle(settled)
    }

    fn ready(&self, mapping: &mut Mapping, waiting: &Waiting) -> OnItsWay {
        let settings =
            self.feeds.iter().find(|feed| feed.name == waiting.feed).map_or(&self.otherwise, |feed| &feed.hl7);
        let file: Arc<str> = source(&waiting.feed).into();
        let piece = Piece { bytes: &waiting.raw, line: 1 };
        let mut patient = None;
        let ready = match mapping.message(&self.store, settings, piece, &file, 0) {
            Message::Rejected(reasons) => Err(reasons),
            message => {
                if let Message::Mapped(_, mapped, _) = &message {
                    patient = mapped.patient.clone();
                }
                Ok(working::message(waiting.received, &file, message))
            }
        };
        OnItsWay { seq: waiting.seq, feed: waiting.feed.clone(), received: waiting.received, patient, ready }
    }

    /// Has the queue let go of what is filed. What it cannot let go of is seen again, and the record knows it then.
    fn settle(&self, settled: Vec<(u64, Settled)>) -> Result<(), RecordError> {
        let Some(orders) = self.orders.upgrade() else { return Ok(()) };
        let (answer, answered) = crossbeam_channel::bounded(1);
        let sent = orders.blocking_send(Order::Settle(settled.clone(), answer)).is_ok();
        drop(orders);
        if sent && answered.recv() == Ok(true) {
            return Ok(());
        }
        // By itself, for its error's sake.
        let now = (self.clock)();
        self.queue.write(|writer| settled.iter().try_for_each(|(seq, outcome)| writer.settle(*seq, outcome, now)))
    }
}

/// What stands as the source of a fact.
pub(super) fn source(feed: &str) -> String {
    format!("feed {feed}")
}

/// Whether an error lies with the message rather than with the disk: trying the same again is no use then.
fn is_of_the_message(error: &RecordError) -> bool {
    matches!(error, RecordError::Failed { .. } | RecordError::MergeCircle | RecordError::MergedElsewhere)
}
