//! Chance that repeats: the same seed and patient give the same life on every machine.
//!
//! A patient's dice depend on nobody else's, so that patient 7 of 12 is patient 7 of 10,000. Bell curves are sums of
//! uniform numbers: additions give the same bits everywhere, logarithms of different libraries may not.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One patient's source of chance.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of patient `number` of the hospital with this `seed`.
    pub(crate) fn new(seed: u64, number: u64) -> Dice {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        Dice(ChaCha8Rng::from_seed(key))
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A bell curve of mean 0 and deviation 1 that ends at ±6 (sum of twelve uniform numbers).
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// One of `items`, which is a table of ours and never empty.
    pub(crate) fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.0.random_range(0..items.len())]
    }
}
