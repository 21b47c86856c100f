//! HL7 v2 by MLLP: many feeds, each with settings of its own, one queue.
//!
//! A message that comes is framed ([`frame`]), its header is checked ([`check`]), it is written to the queue in a
//! transaction that it shares with whatever comes at the same moment (`taking`), and only then acknowledged ([`ack`]).
//! A thread maps what waits (`ahead`), through the same mapping as files on import, and another one files it, in the order
//! in which it came (`filing`).
//!
//! Not in here: sockets and TLS. [`Feeds::serve`] takes any stream and believes the peer's address it is told.
//!
//! What is promised when: docs, "Feeds".

pub mod ack;
mod ahead;
pub mod check;
mod filing;
pub mod frame;
mod serving;
mod settings;
mod subnet;
mod taking;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use haechi_record::queue::Queue;
use haechi_record::store::Store;
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use crate::error::IntakeError;
use crate::hl7::Hl7Settings;

pub use settings::{Accepted, Acknowledge, FeedSettings};
pub use subnet::Subnet;

/// The time, for whoever needs it: a test gives another.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Bytes of long messages in hand at once, all connections together, in KiB: a sender of one more waits unread.
const IN_HAND_KIB: usize = 64 << 10;
/// Messages on their way to the queue. More make their connections wait, and so their senders.
const ORDERS: usize = 1024;

/// All feeds of a site, at work.
pub struct Feeds {
    feeds: Vec<Arc<FeedSettings>>,
    orders: mpsc::Sender<taking::Order>,
    in_hand: Arc<Semaphore>,
    /// Free connections of each feed, in the order of `feeds`.
    places: Vec<Arc<Semaphore>>,
    clock: Clock,
    /// Numbers our acknowledgements.
    answers: AtomicU64,
    signals: Arc<Signals>,
    bell: Sender<()>,
    /// Dropped after `orders`: the taking thread ends when nobody can send any more.
    _threads: Threads,
}

/// The threads that write, waited for when they are dropped: a process that ends while one is inside the database takes the
/// cipher away under it.
struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What the threads are told.
#[derive(Debug, Default)]
struct Signals {
    stop: AtomicBool,
    /// Messages with lower numbers may wait again: look from the beginning.
    again: AtomicBool,
    /// Counts transactions in which messages were taken.
    taken: AtomicU64,
}

impl std::fmt::Debug for Feeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeds").field("feeds", &self.feeds).finish_non_exhaustive()
    }
}

impl Feeds {
    /// Starts the threads that write. `otherwise`: how to read what waits from a feed that is configured no more.
    ///
    /// # Errors
    /// [`IntakeError::Feeds`] if the system gives no threads.
    pub fn start(
        queue: Queue,
        store: Store,
        feeds: Vec<FeedSettings>,
        otherwise: Hl7Settings,
        clock: Clock,
    ) -> Result<Arc<Self>, IntakeError> {
        let feeds: Vec<Arc<FeedSettings>> = feeds.into_iter().map(Arc::new).collect();
        let mut threads = Threads(Vec::new());
        let (orders, come) = mpsc::channel(ORDERS);
        let (bell, rung) = crossbeam_channel::bounded(1);
        let signals = Arc::<Signals>::default();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let taking = taking::Taking::new(queue.clone(), store.clone(), clock.clone(), bell.clone(), signals.clone());
        threads.0.push(thread("feed-take").spawn(move || taking.run(come)).map_err(IntakeError::Feeds)?);
        let reading = ahead::Reading { store: store.clone(), feeds: feeds.clone(), otherwise };
        let progress = Arc::<ahead::Progress>::default();
        let turns = Arc::new(ahead::Turns::new(std::thread::available_parallelism().map_or(1, usize::from)));
        // One batch is filed, one waits, one is mapped.
        let (batches, mapped) = crossbeam_channel::bounded(1);
        let ahead = ahead::Ahead {
            queue: queue.clone(),
            reading: reading.clone(),
            signals: signals.clone(),
            progress: progress.clone(),
            turns: turns.clone(),
            bell: rung,
            batches,
        };
        threads.0.push(thread("feed-map").spawn(move || ahead.run()).map_err(IntakeError::Feeds)?);
        let filing = filing::Filing {
            queue,
            store,
            reading,
            clock: clock.clone(),
            orders: orders.downgrade(),
            signals: signals.clone(),
            progress,
            turns,
            batches: mapped,
        };
        threads.0.push(thread("feed-file").spawn(move || filing.run()).map_err(IntakeError::Feeds)?);
        let in_hand = Arc::new(Semaphore::new(IN_HAND_KIB));
        let places = feeds.iter().map(|feed| Arc::new(Semaphore::new(feed.connections))).collect();
        let answers = AtomicU64::new(0);
        Ok(Arc::new(Self { feeds, orders, in_hand, places, clock, answers, signals, bell, _threads: threads }))
    }

    /// The feeds.
    #[must_use]
    pub fn settings(&self) -> &[Arc<FeedSettings>] {
        &self.feeds
    }

    /// The feed that takes a connection at `listener` from `peer`: the one that names the smallest network around it.
    #[must_use]
    pub fn choose(&self, listener: &str, peer: std::net::IpAddr) -> Option<Arc<FeedSettings>> {
        let of = self.feeds.iter().filter(|feed| feed.listener == listener);
        of.filter_map(|feed| Some((feed.takes(peer)?, feed)))
            .max_by_key(|(bits, _)| *bits)
            .map(|(_, feed)| feed.clone())
    }

    /// Has the thread that maps look at everything that waits: a feed was resumed, or dead letters wait again.
    pub fn look_again(&self) {
        self.signals.again.store(true, Ordering::Release);
        self.bell.try_send(()).ok(); // a full bell has rung
    }
}

impl Drop for Feeds {
    /// The threads that map and file end after what they have in hand; the taking thread with the last connection.
    fn drop(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        self.bell.try_send(()).ok();
    }
}
