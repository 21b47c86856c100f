//! The one thread that writes to the queue. Whatever waits when a transaction begins goes into it together, so that one
//! wait for the disk serves many senders; nobody is answered before it is over.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use haechi_record::RecordError;
use haechi_record::queue::{ControlId, New, Queue, QueueWriter, REMEMBERED_IDS, Settled, Tally};
use haechi_record::store::Store;
use tokio::sync::{mpsc, oneshot};

use super::settings::FeedSettings;
use super::{Clock, Signals};

/// Most messages, and bytes of them, in a transaction: bounds how long the first one waits.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 8 << 20;
/// Control ids in memory, in two generations of this many; the queue keeps as many in all.
const REMEMBERED: usize = REMEMBERED_IDS as usize / 2;
/// A failure that lasts is said this often.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// What the thread is asked to do.
pub(super) enum Order {
    /// Take a message.
    Take(Offer),
    /// Count what was not taken.
    Tally(Arc<FeedSettings>, Tally),
    /// What became of messages that waited; the answer says whether it is on the disk.
    Settle(Vec<(u64, Settled)>, Sender<bool>),
}

/// A message that may be acknowledged once it is on the disk.
pub(super) struct Offer {
    pub(super) feed: Arc<FeedSettings>,
    pub(super) digest: [u8; 32],
    /// MSH-3 and MSH-4, for the control id's sake.
    pub(super) sender: u64,
    pub(super) control_id: String,
    pub(super) kind: String,
    pub(super) about: Vec<String>,
    pub(super) raw: Vec<u8>,
    /// `true`: it is durable, now or since it came first. Dropped or `false`: it is not.
    pub(super) answer: oneshot::Sender<bool>,
}

/// Eight bytes that stand for something longer.
pub(super) fn short(parts: &[&[u8]]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(parts)
}

pub(super) struct Taking {
    queue: Queue,
    store: Store,
    clock: Clock,
    bell: Sender<()>,
    signals: Arc<Signals>,
    ids: ControlIds,
    said: Option<Instant>,
}

impl Taking {
    pub(super) fn new(queue: Queue, store: Store, clock: Clock, bell: Sender<()>, signals: Arc<Signals>) -> Self {
        let ids = ControlIds::of(&queue);
        Self { queue, store, clock, bell, signals, ids, said: None }
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(first) = orders.blocking_recv() {
            let mut bytes = size(&first);
            let mut batch = vec![first];
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Ok(next) = orders.try_recv() else { break };
                bytes += size(&next);
                batch.push(next);
            }
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Order>) {
        // What the record holds has left the queue. Asked before the transaction: see the end of this file.
        let filed: Vec<bool> = batch
            .iter()
            .map(|order| match order {
                Order::Take(offer) => self.store.has_message(&offer.digest).unwrap_or(false),
                _ => false,
            })
            .collect();
        let (ids, now) = (&mut self.ids, (self.clock)());
        let done = self.queue.write(|writer| {
            let mut new = false;
            for (order, filed) in batch.iter().zip(&filed) {
                match order {
                    Order::Take(offer) => new |= take(writer, ids, offer, *filed, now)?,
                    Order::Tally(feed, tally) => writer.tally(&feed.name, *tally, Some(now)),
                    Order::Settle(all, _) => {
                        for (seq, outcome) in all {
                            writer.settle(*seq, outcome, now)?;
                        }
                    }
                }
            }
            Ok(new)
        });
        if let Err(error) = &done {
            self.say(error);
        }
        for order in batch {
            // An asker that is gone needs no answer.
            match order {
                Order::Take(offer) => drop(offer.answer.send(done.is_ok())),
                Order::Settle(_, answer) => drop(answer.try_send(done.is_ok())),
                Order::Tally(..) => {}
            }
        }
        if matches!(done, Ok(true)) {
            self.signals.taken.fetch_add(1, Ordering::Relaxed);
            self.bell.try_send(()).ok(); // a full bell has rung
        }
    }

    fn say(&mut self, error: &RecordError) {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            self.said = Some(Instant::now());
            log::error!(
                "HAECHI-0342: no message can be taken; senders are answered AE and send again. The queue says: {error}"
            );
        }
    }
}

/// `true` if the message is new.
fn take(
    writer: &mut QueueWriter<'_>,
    ids: &mut ControlIds,
    offer: &Offer,
    filed: bool,
    now: jiff::Timestamp,
) -> Result<bool, RecordError> {
    let Offer { feed, digest, control_id, kind, about, raw, .. } = offer;
    let new = New { feed: &feed.name, received: now, digest: *digest, control_id, kind, about, raw };
    if filed || !writer.add(&new)? {
        writer.tally(&feed.name, Tally { duplicates: 1, ..Tally::default() }, Some(now));
        return Ok(false);
    }
    let id = short(&[feed.name.as_bytes(), &offer.sender.to_ne_bytes(), control_id.as_bytes()]);
    let (reused, one) = ids.take(id, short(&[digest]));
    writer.remember(one)?;
    if reused {
        writer.tally(&feed.name, Tally { reused_ids: 1, ..Tally::default() }, None);
    }
    Ok(true)
}

fn size(order: &Order) -> usize {
    match order {
        Order::Take(offer) => offer.raw.len(),
        _ => 0,
    }
}

/// Control ids of late, to notice one that comes again with other bytes. Only for the counter: a message is known by its
/// bytes, so forgetting costs nothing but the note.
#[derive(Default)]
struct ControlIds {
    newer: HashMap<u64, u64>,
    older: HashMap<u64, u64>,
    /// The number of the next one.
    next: u64,
}

impl ControlIds {
    /// Those that the queue remembers from before.
    fn of(queue: &Queue) -> ControlIds {
        let mut ids = ControlIds::default();
        // A queue that cannot be read will not take anything either, and says so then.
        for one in queue.control_ids().unwrap_or_default() {
            ids.is_reused(one.id, one.digest);
            ids.next = one.number + 1;
        }
        ids
    }

    /// Remembers one; whether `id` stood for other bytes before, and what the queue is to remember.
    fn take(&mut self, id: u64, digest: u64) -> (bool, ControlId) {
        let number = self.next;
        self.next += 1;
        (self.is_reused(id, digest), ControlId { number, id, digest })
    }

    fn is_reused(&mut self, id: u64, digest: u64) -> bool {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        let before = self.newer.insert(id, digest).or_else(|| self.older.get(&id).copied());
        before.is_some_and(|before| before != digest)
    }
}

// Why asking the record before the transaction is enough. A message leaves the queue only by an order of the filing thread,
// which sends it after the record's commit, and orders are done one after another. So when a message is no longer in the
// queue at its turn, its settling stands before it, in this batch or an earlier one, and the record had it before this batch
// was asked about. A message that is filed meanwhile is still in the queue at its turn.
