//! The threads that compute: one parallel region a pass, and barriers inside it.
//!
//! Between passes the threads spin for a moment, then sleep: an answer's next pass comes within microseconds, and an idle
//! appliance uses no processor. The caller is member 0.
#![allow(unsafe_code, reason = "the work is borrowed by threads that outlive it; the block says why that is sound")]

use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::placement;

/// Rounds of spinning before a thread sleeps: some 100 µs.
const SPINS_BEFORE_SLEEP: u32 = 20_000;
/// Rounds of spinning at a barrier before giving the processor away: others may need it to arrive.
const SPINS_BEFORE_YIELD: u32 = 10_000;
/// Counters of shared work; one is in use, one was, one is being cleared.
const COUNTERS: usize = 4;

type Work = dyn Fn(&Member<'_>) + Sync;

#[derive(Debug)]
struct Shared {
    size: usize,
    /// Counts regions; a change is the order to work.
    region: Line<AtomicUsize>,
    /// The two halves of the `&Work` of this region.
    work: Mutex<Option<WorkPointer>>,
    /// Members that are done with this region.
    done: Line<AtomicUsize>,
    arrived: Line<AtomicUsize>,
    generation: Line<AtomicUsize>,
    counters: [Line<AtomicUsize>; COUNTERS],
    /// A member panicked: nobody waits for it.
    broken: AtomicBool,
    quit: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
}

/// Alone on its cache line, so that those who spin on one value are not woken by another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Clone, Copy)]
struct WorkPointer(*const Work);
impl std::fmt::Debug for WorkPointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("work")
    }
}
// SAFETY: it points to a `Sync` closure.
unsafe impl Send for WorkPointer {}

/// A fixed number of threads.
#[derive(Debug)]
pub(super) struct Team {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// A thread inside a region.
pub(super) struct Member<'a> {
    /// From 0 to `size - 1`.
    pub(super) index: usize,
    /// Threads in the team.
    pub(super) size: usize,
    shared: &'a Shared,
    /// Shared works that this member has passed: all members count alike.
    works: Cell<usize>,
}

impl Team {
    /// A team of `size` threads, the caller's among them; the others keep to a processor each if `pinned`.
    pub(super) fn new(size: usize, pinned: bool) -> Result<Self, std::io::Error> {
        let shared = Arc::new(Shared {
            size: size.max(1),
            region: Line::default(),
            work: Mutex::new(None),
            done: Line::default(),
            arrived: Line::default(),
            generation: Line::default(),
            counters: Default::default(),
            broken: AtomicBool::new(false),
            quit: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
        });
        let mut team = Self { shared: Arc::clone(&shared), threads: Vec::new() };
        for index in 1..size {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("cpu-{index}")).spawn(move || {
                if pinned {
                    placement::pin(index);
                }
                follow(&shared, index);
            })?;
            team.threads.push(thread);
        }
        Ok(team)
    }

    /// Threads, the caller's among them.
    pub(super) fn size(&self) -> usize {
        self.shared.size
    }

    /// Runs `work` on every member at once; returns when all are done.
    ///
    /// # Panics
    /// If one of them panicked, after all are done.
    pub(super) fn run(&mut self, work: &(dyn Fn(&Member<'_>) + Sync)) {
        let shared = &*self.shared;
        for counter in &shared.counters {
            counter.0.store(0, Ordering::Relaxed);
        }
        shared.arrived.0.store(0, Ordering::Relaxed);
        shared.done.0.store(0, Ordering::Relaxed);
        // SAFETY: only the lifetime changes. The members use it before they count themselves done, and this function waits
        // for all of them below, also when its own share panics.
        let pointer = unsafe { std::mem::transmute::<*const (dyn Fn(&Member<'_>) + Sync + '_), *const Work>(work) };
        *shared.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(WorkPointer(pointer));
        shared.region.0.fetch_add(1, Ordering::Release);
        if *shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            shared.wake.notify_all();
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(&Member::new(shared, 0))));
        if own.is_err() {
            shared.broken.store(true, Ordering::Release);
        }
        spin_until(|| shared.done.0.load(Ordering::Acquire) == shared.size - 1);
        let broken = shared.broken.swap(false, Ordering::AcqRel);
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!broken, "a computing thread hit a fault in the program");
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::Relaxed);
        self.shared.region.0.fetch_add(1, Ordering::Release);
        drop(self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The life of every member but the caller.
fn follow(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while shared.region.0.load(Ordering::Acquire) == seen {
            std::hint::spin_loop();
            spins += 1;
            if spins == SPINS_BEFORE_SLEEP {
                let mut sleepers = shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
                *sleepers += 1;
                // The order may have come just before the lock: then nobody would wake us.
                while shared.region.0.load(Ordering::Acquire) == seen {
                    sleepers = shared.wake.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
                }
                *sleepers -= 1;
            }
        }
        seen = seen.wrapping_add(1);
        if shared.quit.load(Ordering::Relaxed) {
            return;
        }
        let work = *shared.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(WorkPointer(work)) = work {
            // SAFETY: `Team::run` keeps the closure alive until this member counts itself done.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)(&Member::new(shared, index)) }));
            if outcome.is_err() {
                shared.broken.store(true, Ordering::Release);
            }
        }
        shared.done.0.fetch_add(1, Ordering::Release);
    }
}

fn spin_until(ready: impl Fn() -> bool) {
    let mut spins = 0;
    while !ready() {
        std::hint::spin_loop();
        spins = u32::saturating_add(spins, 1);
        if spins > SPINS_BEFORE_YIELD {
            std::thread::yield_now();
        }
    }
}

impl<'a> Member<'a> {
    fn new(shared: &'a Shared, index: usize) -> Self {
        Self { index, size: shared.size, shared, works: Cell::new(0) }
    }

    /// Waits until every member is here; what each wrote before, all see after.
    pub(super) fn barrier(&self) {
        if self.size == 1 {
            return;
        }
        let shared = self.shared;
        let generation = shared.generation.0.load(Ordering::Relaxed);
        if shared.arrived.0.fetch_add(1, Ordering::AcqRel) == self.size - 1 {
            shared.arrived.0.store(0, Ordering::Relaxed);
            shared.generation.0.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        spin_until(|| {
            shared.generation.0.load(Ordering::Acquire) != generation || shared.broken.load(Ordering::Acquire)
        });
        assert!(!shared.broken.load(Ordering::Acquire), "another computing thread hit a fault in the program");
    }

    /// This member's even part of `count` things, the same each time: the memory it reads lies in one piece.
    pub(super) fn share(&self, count: usize) -> Range<usize> {
        self.index * count / self.size..(self.index + 1) * count / self.size
    }

    /// Does things `0..count`, each member its even part; then a barrier.
    pub(super) fn evenly(&self, count: usize, mut work: impl FnMut(Range<usize>)) {
        work(self.share(count));
        self.barrier();
    }

    /// Does things `0..count`, `chunk` at a time by whoever is free; then a barrier. The first are taken first.
    pub(super) fn freely(&self, count: usize, chunk: usize, mut work: impl FnMut(Range<usize>)) {
        let number = self.works.get();
        self.works.set(number + 1);
        let [counter, next] = [number, number + 2].map(|n| &self.shared.counters[n % COUNTERS].0);
        if self.index == 0 {
            // Nobody is left at the work before the last, whose counter this is, and nobody is at the one after next.
            next.store(0, Ordering::Relaxed);
        }
        loop {
            let from = counter.fetch_add(chunk, Ordering::Relaxed);
            if from >= count {
                break;
            }
            work(from..count.min(from + chunk));
        }
        self.barrier();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_seen_by_all() {
        for size in [1, 2, 5] {
            let mut team = Team::new(size, false).unwrap();
            for round in 0..50 {
                let counts: Vec<AtomicUsize> = (0..37).map(|_| AtomicUsize::new(0)).collect();
                team.run(&|member| {
                    for step in 1..=7 {
                        let count =
                            |range: Range<usize>| range.for_each(|i| _ = counts[i].fetch_add(1, Ordering::Relaxed));
                        if step % 2 == 0 {
                            member.evenly(37, count);
                        } else {
                            member.freely(37, 1 + step % 3, count);
                        }
                        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) >= step), "round {round}");
                        member.barrier(); // the next step would add before others looked
                    }
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 7));
                if round == 20 {
                    std::thread::sleep(std::time::Duration::from_millis(20)); // the members fall asleep
                }
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        let mut team = Team::new(3, true).unwrap();
        for at in 0..3 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                team.run(&|member| {
                    assert!(member.index != at, "on purpose");
                    member.barrier();
                });
            }));
            assert!(outcome.is_err());
            let sum = AtomicUsize::new(0);
            team.run(&|member| {
                member.barrier();
                sum.fetch_add(member.index, Ordering::Relaxed);
            });
            assert_eq!(sum.load(Ordering::Relaxed), 3);
        }
    }
}
