//! Which token comes next. Randomness is an input: the same seed and logits choose the same token, on any machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How to choose. The default is greedy.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 always takes the likeliest token (the lowest id among equals). Higher flattens the odds.
    pub temperature: f32,
    /// Only the `top_k` likeliest can be chosen; 0 allows all.
    pub top_k: usize,
    /// Only the likeliest whose odds together reach `top_p` can be chosen (Holtzman et al. 2020); 1 allows all.
    pub top_p: f32,
    /// Above 1, tokens that came already are less likely: their logits are divided by it where positive, else multiplied
    /// (Keskar et al. 2019). 1 changes nothing.
    pub repetition: f32,
    /// Start of the random numbers.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, repetition: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// What is wrong with the settings, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if !(0.0..=100.0).contains(&self.temperature) {
            Some("temperature must lie between 0 and 100")
        } else if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            Some("top_p must lie above 0 and at most at 1")
        } else if !(0.1..=10.0).contains(&self.repetition) {
            Some("repetition must lie between 0.1 and 10")
        } else {
            None
        }
    }
}

/// Chooses token after token for one sequence.
#[derive(Debug)]
pub struct Sampler {
    settings: Sampling,
    random: ChaCha8Rng,
    /// Kept for its memory.
    candidates: Vec<(f32, u32)>,
}

impl Sampler {
    /// A sampler at the start of its random numbers.
    #[must_use]
    pub fn new(settings: Sampling) -> Self {
        let random = ChaCha8Rng::seed_from_u64(settings.seed);
        Self { settings, random, candidates: Vec::new() }
    }

    /// True if the choice needs no logit but the highest: see [`Batch::likeliest_only`](crate::Batch::likeliest_only).
    #[must_use]
    pub fn wants_likeliest_only(&self) -> bool {
        let Sampling { temperature, top_k, repetition, .. } = self.settings;
        (temperature == 0.0 || top_k == 1) && repetition == 1.0
    }

    /// The next token after `logits`, shape `[vocabulary]`; `earlier` are the tokens that the repetition setting looks at.
    /// `None` if no logit is a finite number: the weights or the runtime are broken.
    pub fn next(&mut self, logits: &mut [f32], earlier: &[u32]) -> Option<u32> {
        let Sampling { temperature, top_k, top_p, repetition, .. } = self.settings;
        if repetition != 1.0 {
            let mut seen = earlier.to_vec();
            seen.sort_unstable();
            seen.dedup();
            for token in seen {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
                }
            }
        }
        if temperature == 0.0 || top_k == 1 {
            return likeliest(logits);
        }
        self.candidates.clear();
        let finite = logits.iter().zip(0_u32..).filter(|(logit, _)| logit.is_finite());
        self.candidates.extend(finite.map(|(&logit, token)| (logit, token)));
        // Likeliest first; equal ones by id, so that the order does not depend on the sort.
        let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if top_k > 0 && top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(top_k - 1, order);
            self.candidates.truncate(top_k);
        }
        self.candidates.sort_unstable_by(order);

        let &(highest, _) = self.candidates.first()?;
        let odds = |logit: f32| (f64::from(logit - highest) / f64::from(temperature)).exp();
        let total: f64 = self.candidates.iter().map(|&(logit, _)| odds(logit)).sum();
        let mut kept = 0.0;
        let mut count = 0;
        for &(logit, _) in &self.candidates {
            kept += odds(logit);
            count += 1;
            if kept >= f64::from(top_p) * total {
                break;
            }
        }
        // 53 bits: every value a double can take in [0, 1) with equal steps.
        let point = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * kept;
        let mut reached = 0.0;
        let mut chosen = None;
        for &(logit, token) in self.candidates.iter().take(count) {
            reached += odds(logit);
            chosen = Some(token);
            if point < reached {
                break;
            }
        }
        chosen
    }
}

/// The token with the highest finite logit; the lowest id among equals.
#[must_use]
pub fn likeliest(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(f32, u32)> = None;
    for (&logit, token) in logits.iter().zip(0..) {
        if logit.is_finite() && best.is_none_or(|(highest, _)| logit > highest) {
            best = Some((logit, token));
        }
    }
    best.map(|(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [0.0, 2.0, 1.0, 2.0, -1.0];

    fn counts(settings: Sampling, draws: usize) -> [usize; 5] {
        let mut sampler = Sampler::new(settings);
        let mut counts = [0; 5];
        for _ in 0..draws {
            counts[sampler.next(&mut LOGITS.clone(), &[]).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_lowest_among_equals() {
        assert_eq!(counts(Sampling::default(), 10), [0, 10, 0, 0, 0]);
        assert_eq!(likeliest(&[f32::NAN, f32::NEG_INFINITY, -3.0, f32::INFINITY]), Some(2));
        assert_eq!(likeliest(&[f32::NAN]), None);
        assert_eq!(Sampler::new(Sampling { temperature: 1.0, ..Sampling::default() }).next(&mut [f32::NAN], &[]), None);
    }

    #[test]
    fn the_odds_are_those_of_the_softmax() {
        let counts = counts(Sampling { temperature: 1.0, seed: 7, ..Sampling::default() }, 20_000);
        let total: f64 = LOGITS.iter().map(|&logit| f64::from(logit).exp()).sum();
        for (count, logit) in counts.iter().zip(LOGITS) {
            let expected = f64::from(logit).exp() / total * 20_000.0;
            // Five standard deviations of a binomial count.
            assert!((*count as f64 - expected).abs() < 5.0 * expected.sqrt(), "{count} for {expected}");
        }
    }

    #[test]
    fn top_k_and_top_p_keep_the_head() {
        let hot = Sampling { temperature: 50.0, seed: 1, ..Sampling::default() };
        let [a, b, c, d, e] = counts(Sampling { top_k: 3, ..hot.clone() }, 300);
        assert!(a + e == 0 && b > 0 && c > 0 && d > 0);
        let [a, b, c, d, e] = counts(Sampling { top_p: 0.3, ..hot }, 300);
        assert!(a + c + e == 0 && b > 0 && d > 0, "two of five nearly equal odds reach 0.3");
    }

    #[test]
    fn the_seed_fixes_the_draws() {
        let draw = |seed| {
            let mut sampler = Sampler::new(Sampling { temperature: 5.0, seed, ..Sampling::default() });
            (0..20).map(|_| sampler.next(&mut LOGITS.clone(), &[]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn repetition_makes_earlier_tokens_less_likely() {
        let mut sampler = Sampler::new(Sampling { repetition: 2.0, ..Sampling::default() });
        assert_eq!(sampler.next(&mut LOGITS.clone(), &[1, 1, 4, 999]), Some(3));
    }

    #[test]
    fn impossible_settings_are_named() {
        for settings in [
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { repetition: 0.0, ..Sampling::default() },
        ] {
            assert!(settings.problem().is_some(), "{settings:?}");
        }
        assert_eq!(Sampling::default().problem(), None);
    }
}
