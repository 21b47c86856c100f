//! Who waits, and who is next: clinicians before background work, each in the order they came.

use std::time::{Duration, Instant};

use super::request::Priority;

/// Background work that waited so long counts as a clinician's: it is slow, but it is never starved.
pub(super) const AGING: Duration = Duration::from_secs(15);

/// True if somebody who has waited since `since` comes before background work.
pub(super) fn is_urgent(priority: Priority, since: Instant, now: Instant) -> bool {
    priority == Priority::Clinician || now.saturating_duration_since(since) >= AGING
}

/// Waits in a [`Queue`].
pub(super) trait Waiting {
    /// Who waits.
    fn priority(&self) -> Priority;
    /// Since when.
    fn since(&self) -> Instant;
}

/// Those who wait, in the order they came.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Vec<T>,
}

impl<T: Waiting> Queue<T> {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    pub(super) fn push(&mut self, waiting: T) {
        self.waiting.push(waiting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes the next one if `fits`. One that does not fit is not overtaken: it would wait for as long as smaller ones come.
    pub(super) fn take_if(&mut self, now: Instant, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        let urgent = self.waiting.iter().position(|one| is_urgent(one.priority(), one.since(), now));
        let next = urgent.unwrap_or(0);
        fits(self.waiting.get(next)?).then(|| self.waiting.remove(next))
    }

    /// Takes out all that `which` says.
    pub(super) fn take_all(&mut self, which: impl FnMut(&mut T) -> bool) -> Vec<T> {
        self.waiting.extract_if(.., which).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(u32, Priority, Instant);

    impl Waiting for One {
        fn priority(&self) -> Priority {
            self.1
        }

        fn since(&self) -> Instant {
            self.2
        }
    }

    #[test]
    fn clinicians_come_first_and_nobody_waits_for_ever() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut queue = Queue::new();
        queue.push(One(1, Priority::Background, start));
        queue.push(One(2, Priority::Clinician, after(1)));
        queue.push(One(3, Priority::Clinician, after(2)));
        let next = |queue: &mut Queue<One>, now| queue.take_if(now, |_| true).map(|one| one.0);
        assert_eq!(next(&mut queue, after(3)), Some(2));
        queue.push(One(4, Priority::Clinician, after(4)));
        assert_eq!(next(&mut queue, after(15)), Some(1), "it waited long enough");
        assert!(queue.take_if(after(15), |one| one.0 == 4).is_none(), "4 does not overtake 3");
        assert_eq!(queue.take_all(|one| one.0 == 3).len(), 1);
        assert_eq!((next(&mut queue, after(15)), next(&mut queue, after(15))), (Some(4), None));
        assert!(queue.is_empty());
    }
}
