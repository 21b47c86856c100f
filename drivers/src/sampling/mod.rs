//! Which token comes next. Randomness is an input: the same seed and logits choose the same token, on any machine.
//!
//! In reading order: this file (settings, and the draw), `penalties` (what is changed before), `odds` (how likely the
//! model held a token to be).

mod odds;
mod penalties;

pub use odds::Odds;

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
    /// Only tokens at least `min_p` times as likely as the likeliest can be chosen (Nguyen et al. 2024); 0 allows all.
    pub min_p: f32,
    /// Above 1, tokens that came already are less likely: their logits are divided by it where positive, else multiplied
    /// (Keskar et al. 2019). 1 changes nothing.
    pub repetition: f32,
    /// Taken from a token's logit for each time it came already. 0 changes nothing.
    pub frequency: f32,
    /// Taken from a token's logit if it came already. 0 changes nothing.
    pub presence: f32,
    /// How many tokens back count as "already" for the three settings above; at most [`MAX_WINDOW`].
    pub window: usize,
    /// Added to the logits of single tokens; at most [`MAX_BIASES`]. Tokens that the vocabulary lacks are passed over.
    pub bias: Vec<(u32, f32)>,
    /// Also note the [`Odds`] of the chosen token and of so many of the likeliest; at most [`MAX_TOP`].
    pub odds: Option<usize>,
    /// Start of the random numbers.
    pub seed: u64,
}

/// Largest [`Sampling::window`]: the penalties are worked out anew for each token.
pub const MAX_WINDOW: usize = 4096;
/// Largest number of [`Sampling::bias`] entries.
pub const MAX_BIASES: usize = 1024;
/// Largest number of likeliest tokens that are noted.
pub const MAX_TOP: usize = 20;

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition: 1.0,
            frequency: 0.0,
            presence: 0.0,
            window: 1024,
            bias: Vec::new(),
            odds: None,
            seed: 0,
        }
    }
}

impl Sampling {
    /// What is wrong with the settings, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let small = -100.0..=100.0;
        if !(0.0..=100.0).contains(&self.temperature) {
            Some("temperature must lie between 0 and 100")
        } else if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            Some("top_p must lie above 0 and at most at 1")
        } else if !(0.0..=1.0).contains(&self.min_p) {
            Some("min_p must lie between 0 and 1")
        } else if !(0.1..=10.0).contains(&self.repetition) {
            Some("repetition must lie between 0.1 and 10")
        } else if !small.contains(&self.frequency) || !small.contains(&self.presence) {
            Some("frequency and presence must lie between -100 and 100")
        } else if self.window > MAX_WINDOW {
            Some("window must be at most 4096 tokens")
        } else if self.bias.len() > MAX_BIASES || self.bias.iter().any(|(_, bias)| !small.contains(bias)) {
            Some("at most 1024 biases between -100 and 100 are taken")
        } else if self.odds.is_some_and(|top| top > MAX_TOP) {
            Some("the odds of at most 20 tokens are noted")
        } else {
            None
        }
    }

    /// Earlier tokens count.
    fn has_penalty(&self) -> bool {
        self.repetition != 1.0 || self.frequency != 0.0 || self.presence != 0.0
    }

    /// Always the likeliest token, after penalties and biases.
    fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
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
        let settings = &self.settings;
        settings.is_greedy() && !settings.has_penalty() && settings.bias.is_empty() && settings.odds.is_none()
    }

    /// True if the same logits always choose the same token: drafts are worth trying.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.settings.is_greedy()
    }

    /// How many of the likeliest tokens' odds are noted, if any.
    #[must_use]
    pub fn odds(&self) -> Option<usize> {
        self.settings.odds
    }

    /// The next token after `logits`, shape `[vocabulary]`; `earlier` are the tokens that the penalties look at.
    /// `None` if no logit is a finite number: the weights or the runtime are broken.
    pub fn next(&mut self, logits: &mut [f32], earlier: &[u32]) -> Option<u32> {
        penalties::apply(&self.settings, logits, earlier);
        if self.settings.is_greedy() {
            return likeliest(logits);
        }
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
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
            if odds(logit) < f64::from(min_p) {
                break; // the likeliest has odds of 1
            }
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
    // A vocabulary is long, and whoever is beaten need not be looked at one by one.
    const AT_ONCE: usize = 64;
    let (mut highest, mut best) = (f32::NEG_INFINITY, None);
    for (chunk, first) in logits.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
        if !chunk.iter().fold(false, |any, &logit| any | (logit > highest)) {
            continue;
        }
        for (&logit, token) in chunk.iter().zip(first..) {
            if logit.is_finite() && logit > highest {
                (highest, best) = (logit, Some(token));
            }
        }
    }
    best
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
    fn the_likeliest_of_many_is_found_wherever_it_stands() {
        for at in [0, 4, 63, 64, 127, 200, 298] {
            let mut logits = vec![-1.0; 299];
            (logits[5], logits[70], logits[150]) = (f32::INFINITY, f32::NAN, f32::NEG_INFINITY);
            (logits[at], logits[298]) = (3.0, 3.0);
            assert_eq!(likeliest(&logits), Some(at as u32));
        }
        assert_eq!(likeliest(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY]), None);
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
    fn min_p_cuts_the_tail() {
        let settings = Sampling { temperature: 1.0, seed: 1, min_p: 0.3, ..Sampling::default() };
        let [a, b, c, d, e] = counts(settings.clone(), 300);
        assert!(a + e == 0 && b > 0 && c > 0 && d > 0, "e^-1 is above 0.3, e^-2 below");
        let [_, b, _, d, _] = counts(Sampling { min_p: 1.0, ..settings }, 300);
        assert_eq!(b + d, 300, "equals of the likeliest stay");
    }

    #[test]
    fn penalties_and_biases_change_the_choice() {
        let next = |settings| Sampler::new(settings).next(&mut LOGITS.clone(), &[1, 1, 4, 999]);
        assert_eq!(next(Sampling { repetition: 2.0, ..Sampling::default() }), Some(3));
        assert_eq!(next(Sampling { presence: 0.1, ..Sampling::default() }), Some(3));
        assert_eq!(next(Sampling { bias: vec![(4, 9.0)], ..Sampling::default() }), Some(4));
    }

    #[test]
    fn only_a_plain_choice_may_lack_logits() {
        let plain = Sampling::default();
        assert!(Sampler::new(plain.clone()).wants_likeliest_only());
        assert!(Sampler::new(Sampling { top_k: 1, temperature: 1.0, ..plain.clone() }).wants_likeliest_only());
        for settings in [
            Sampling { temperature: 1.0, ..plain.clone() },
            Sampling { repetition: 1.1, ..plain.clone() },
            Sampling { frequency: 0.1, ..plain.clone() },
            Sampling { presence: 0.1, ..plain.clone() },
            Sampling { bias: vec![(0, 1.0)], ..plain.clone() },
            Sampling { odds: Some(0), ..plain },
        ] {
            assert!(!Sampler::new(settings.clone()).wants_likeliest_only(), "{settings:?}");
        }
    }

    #[test]
    fn impossible_settings_are_named() {
        for settings in [
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { repetition: 0.0, ..Sampling::default() },
            Sampling { min_p: 1.1, ..Sampling::default() },
            Sampling { frequency: f32::INFINITY, ..Sampling::default() },
            Sampling { presence: f32::NAN, ..Sampling::default() },
            Sampling { window: MAX_WINDOW + 1, ..Sampling::default() },
            Sampling { bias: vec![(0, f32::NAN)], ..Sampling::default() },
            Sampling { bias: vec![(0, 0.0); MAX_BIASES + 1], ..Sampling::default() },
            Sampling { odds: Some(MAX_TOP + 1), ..Sampling::default() },
        ] {
            assert!(settings.problem().is_some(), "{settings:?}");
        }
        assert_eq!(Sampling::default().problem(), None);
    }
}
