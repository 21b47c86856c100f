//! How much of an import may be in hand at once, between the disk it is read from and the commit that makes it safe.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes in hand, with a limit. Waiting here is what keeps memory flat however large the input is.
pub(crate) struct Budget {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    in_hand: usize,
    stopped: bool,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Budget {
        Budget { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes `cost` bytes into hand, waiting for room; what alone exceeds the limit gets all of it. `false`: stop.
    pub(crate) fn take(&self, cost: usize) -> bool {
        let mut state = self.wait_while(|state| state.in_hand > 0 && state.in_hand + cost > self.limit);
        state.in_hand += cost;
        !state.stopped
    }

    /// Gives `cost` bytes back: they are committed, or given up.
    pub(crate) fn give_back(&self, cost: usize) {
        let mut state = self.lock();
        state.in_hand = state.in_hand.saturating_sub(cost);
        self.changed.notify_all();
    }

    /// Waits until nothing is in hand. `false`: stop.
    pub(crate) fn wait_empty(&self) -> bool {
        !self.wait_while(|state| state.in_hand > 0).stopped
    }

    /// Ends all waiting, for good.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn wait_while(&self, mut busy: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let condition = |state: &mut State| !state.stopped && busy(state);
        self.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// Two numbers are whole even if a thread ended while it held them.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_hand_waits_and_a_stop_wakes() {
        let budget = Budget::new(10);
        assert!(budget.take(25), "one thing larger than the limit still passes, alone");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.take(1));
            budget.give_back(25);
            assert!(waiting.join().unwrap());
            let stopped = scope.spawn(|| budget.wait_empty());
            budget.stop();
            assert!(!stopped.join().unwrap());
        });
        assert!(!budget.take(100), "after a stop nothing waits");
    }
}
