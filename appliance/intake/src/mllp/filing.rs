//! The one thread that files what waits, in the order in which it came: so the messages about one patient amend each other
//! as their senders meant it. Mapping, merging and putting aside are those of an import; [`super::ahead`] has done the
//! mapping.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use haechi_record::RecordError;
use haechi_record::queue::{Queue, Settled, Waiting};
use haechi_record::store::{Fed, Store, Writer};
use tokio::sync::mpsc;

use super::ahead::{Batch, OnItsWay, Progress, Reading, Turns};
use super::taking::Order;
use super::{Clock, Signals};
use crate::import::Summary;
use crate::mapping::{Mapping, whole_message};
use crate::working::ReadyMessage;
use crate::writing::{self, Step};

/// Pause before trying again when the record takes nothing, and how often it is looked whether to stop meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);
/// A failure that lasts is said this often.
pub(super) const SAY_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Filing {
    pub(super) queue: Queue,
    pub(super) store: Store,
    pub(super) reading: Reading,
    pub(super) clock: Clock,
    /// Weak: the threads end when the server is gone.
    pub(super) orders: mpsc::WeakSender<Order>,
    pub(super) signals: Arc<Signals>,
    pub(super) progress: Arc<Progress>,
    pub(super) turns: Arc<Turns>,
    pub(super) batches: Receiver<Batch>,
}

/// What became of messages, by their numbers.
type Outcomes = Vec<(u64, Settled)>;

/// Messages to file, and what to tell the queue about all of a batch once they are filed.
type ToFile = Vec<(String, jiff::Timestamp, Option<String>, ReadyMessage)>;

impl Filing {
    /// Works until told to stop.
    pub(super) fn run(self) {
        self.work();
        self.progress.end();
    }

    fn work(&self) {
        let (mut settling, mut taken) = (None, 0);
        let mut said: Option<Instant> = None;
        // Ends with the thread that maps ahead, after what that has sent.
        for batch in &self.batches {
            if self.signals.stop.load(Ordering::Acquire) {
                break;
            }
            if !self.progress.stands(batch.epoch) {
                continue;
            }
            let turn = self.turns.wait(&self.signals, &mut taken);
            let filed = self.batch(batch, &mut settling);
            drop(turn);
            if let Err(error) = filed {
                self.progress.restart();
                if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                    said = Some(Instant::now());
                    log::error!(
                        "HAECHI-0344: acknowledged messages wait and cannot be filed; they are tried again. The record says: {error}"
                    );
                }
                let begun = Instant::now();
                while begun.elapsed() < PATIENCE && !self.signals.stop.load(Ordering::Acquire) {
                    std::thread::sleep(LOOK);
                }
            }
        }
        if let Some(settling) = settling {
            // What the queue still shows of it is recognised by the record when it is seen again.
            let _ = self.settled(settling);
        }
    }

    /// Files a batch. The queue lets go of it while the next one is filed.
    fn batch(&self, batch: Batch, settling: &mut Option<Settling>) -> Result<(), RecordError> {
        let Batch { number, written, waiting, ready, .. } = batch;
        let (outcomes, to_file) = sort_out(ready);
        let filed = if to_file.is_empty() {
            Ok(Some(()))
        } else {
            self.store.write_since(written, |writer| self.store_all(writer, to_file))
        };
        match filed {
            Ok(Some(())) => {
                self.progress.commit(number);
                if let Some(before) = settling.take() {
                    self.settled(before)?;
                }
                *settling = self.settle(outcomes);
                Ok(())
            }
            Err(error) if !is_of_the_message(&error) => Err(error),
            // Refused together, or mapped from what somebody else has written over since.
            Ok(None) | Err(_) => {
                let filed = self.directly(&waiting);
                self.progress.restart();
                filed
            }
        }
    }

    /// Maps and files under the record's lock, so that nobody can write between the two; one by one if the record refuses
    /// them together.
    fn directly(&self, waiting: &[Waiting]) -> Result<(), RecordError> {
        let mut rest = waiting;
        while !rest.is_empty() {
            let filed = self.store.write(|writer| {
                let mut mapping = Mapping::default();
                let mut ready = Vec::new();
                for one in rest {
                    let one = self.reading.ready(&mut mapping, one, 0);
                    let last = one.last;
                    ready.push(one);
                    if last {
                        break;
                    }
                }
                let count = ready.len();
                let (outcomes, to_file) = sort_out(ready);
                self.store_all(writer, to_file)?;
                Ok((outcomes, count))
            });
            let (outcomes, count) = match filed {
                Ok(filed) => filed,
                Err(error) if is_of_the_message(&error) => match rest {
                    [alone] => {
                        let reason = format!("the record refused it: {error}");
                        let reasons = vec![whole_message(&source(&alone.feed), 1, None, &reason)];
                        (vec![(alone.seq, Settled::Dead(reasons))], 1)
                    }
                    several => return several.chunks(1).try_for_each(|one| self.directly(one)),
                },
                Err(error) => return Err(error),
            };
            if let Some(settling) = self.settle(outcomes) {
                self.settled(settling)?;
            }
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn store_all(&self, writer: &mut Writer<'_>, to_file: ToFile) -> Result<(), RecordError> {
        let (mut summary, mut patients) = (Summary::default(), HashSet::new());
        let processed = (self.clock)();
        for (feed, received, patient, message) in to_file {
            if let Some(patient) = patient {
                writer.note_fed(&patient, &Fed { feed, received, processed })?;
            }
            let step = &mut Step::new(writer, received, &mut summary, &mut patients);
            writing::message(step, message)?;
        }
        Ok(())
    }

    /// Has the queue let go of what is filed. `None`: the server is gone; what is filed is seen again, and the record knows
    /// it then.
    fn settle(&self, outcomes: Outcomes) -> Option<Settling> {
        let orders = self.orders.upgrade()?;
        let (answer, answered) = crossbeam_channel::bounded(1);
        let sent = orders.blocking_send(Order::Settle(outcomes.clone(), answer)).is_ok();
        Some(Settling { outcomes, answered: sent.then_some(answered) })
    }

    /// Waits until the queue has let go.
    fn settled(&self, settling: Settling) -> Result<(), RecordError> {
        if settling.answered.is_some_and(|answered| answered.recv() == Ok(true)) {
            return Ok(());
        }
        // By itself, for its error's sake.
        let now = (self.clock)();
        let outcomes = &settling.outcomes;
        self.queue.write(|writer| outcomes.iter().try_for_each(|(seq, outcome)| writer.settle(*seq, outcome, now)))
    }
}

/// Outcomes on their way into the queue.
struct Settling {
    outcomes: Outcomes,
    /// Whether they are on the disk; `None`: nobody took the order.
    answered: Option<Receiver<bool>>,
}

/// What to tell the queue, and what to file before.
fn sort_out(ready: Vec<OnItsWay>) -> (Outcomes, ToFile) {
    let (mut outcomes, mut to_file) = (Vec::with_capacity(ready.len()), Vec::with_capacity(ready.len()));
    for one in ready {
        match one.ready {
            Ok(message) => {
                outcomes.push((one.seq, Settled::Filed));
                to_file.push((one.feed, one.received, one.patient, message));
            }
            Err(reasons) => {
                log::warn!(
                    "HAECHI-0346: message {} of feed {} cannot be filed; it is kept: `haechi feed show {}` says why",
                    one.seq,
                    one.feed,
                    one.seq
                );
                outcomes.push((one.seq, Settled::Dead(reasons)));
            }
        }
    }
    (outcomes, to_file)
}

/// What stands as the source of a fact.
pub(super) fn source(feed: &str) -> String {
    format!("feed {feed}")
}

/// Whether an error lies with the message rather than with the disk: trying the same again is no use then.
fn is_of_the_message(error: &RecordError) -> bool {
    matches!(error, RecordError::Failed { .. } | RecordError::MergeCircle | RecordError::MergedElsewhere)
}
