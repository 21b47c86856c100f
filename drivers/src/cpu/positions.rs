//! How positions turn into angles: rotary embeddings (arXiv 2104.09864), plain, stretched evenly, or by YaRN (arXiv
//! 2309.00071). The constants and where they apply are llama.cpp's, which wrote the files (`ggml_rope_yarn`,
//! `llama_context`'s constructor and `src/models/deepseek2.cpp`, 2026-10).

use std::f64::consts::PI;

/// How positions turn into angles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rotations {
    pub(super) base: f64,
    /// Positions are divided by it.
    pub(super) divisor: f64,
    pub(super) yarn: Option<Yarn>,
    /// The base in windowed layers.
    pub(super) window_base: f64,
    /// What positions are divided by there.
    pub(super) window_divisor: f64,
}

/// Pairs that turn fast keep their angles, those that turn slowly are divided, and a ramp joins them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Yarn {
    /// Tokens of the longest sequence before it was stretched.
    pub(super) trained: f64,
    /// Turns in so many tokens: a pair with more is kept, one with fewer than `slow` is divided.
    pub(super) fast: f64,
    pub(super) slow: f64,
    /// Share of the ramp that counts; 1 as a rule.
    pub(super) share: f64,
    /// Rotated queries and keys are longer by it.
    pub(super) magnitude: f64,
}

impl Yarn {
    /// Defaults of the paper, for pairs that turn fast and slowly.
    pub(super) const FAST: f64 = 32.0;
    pub(super) const SLOW: f64 = 1.0;

    /// `1 + 0.1 · multiplier · ln(divisor)`: how much longer vectors get, section 3.4 of the paper.
    pub(super) fn growth(divisor: f64, multiplier: f64) -> f64 {
        if divisor <= 1.0 { 1.0 } else { 1.0 + 0.1 * multiplier * divisor.ln() }
    }

    /// Which part of pair `pair`'s angle is not divided, of `rotated / 2` pairs.
    fn kept(&self, pair: usize, rotated: usize, base: f64) -> f64 {
        // The pair that turns so many times in the trained length.
        let turning = |turns: f64| rotated as f64 * (self.trained / (turns * 2.0 * PI)).ln() / (2.0 * base.ln());
        let (low, high) = (turning(self.fast).floor().max(0.0), turning(self.slow).ceil().min(rotated as f64 - 1.0));
        let along = (pair as f64 - low) / (high - low).max(0.001);
        (1.0 - along.clamp(0.0, 1.0)) * self.share
    }
}

/// Cosine and sine of every position's angles: `[position][rotated / 2]`.
pub(super) struct Angles {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
    pub(super) half: usize,
}

impl Angles {
    /// Angles: position · base^(-2i / rotated) for the i-th pair. Computed in f64: at position 100,000 an f32 angle is off
    /// by 0.004.
    pub(super) fn new(
        context: usize,
        rotated: usize,
        base: f64,
        divisor: f64,
        yarn: Option<Yarn>,
        factors: Option<&[f32]>,
    ) -> Self {
        let half = rotated / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| {
                let factor = factors.and_then(|factors| factors.get(i)).map_or(1.0, |&factor| f64::from(factor));
                let whole = base.powf(-2.0 * i as f64 / rotated as f64) / factor;
                let kept = yarn.map_or(0.0, |yarn| yarn.kept(i, rotated, base));
                whole / divisor * (1.0 - kept) + whole * kept
            })
            .collect();
        let magnitude = yarn.map_or(1.0, |yarn| yarn.magnitude);
        let table = |function: fn(f64) -> f64| {
            (0..context)
                .flat_map(|position| {
                    frequencies.iter().map(move |f| (function(position as f64 * f) * magnitude) as f32)
                })
                .collect()
        };
        Self { cos: table(f64::cos), sin: table(f64::sin), half }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_pairs_keep_their_angles_and_slow_ones_are_divided() {
        // DeepSeek-V3: 64 rotated numbers, base 10,000, 4,096 tokens stretched 40 times.
        let yarn = Yarn { trained: 4096.0, fast: 32.0, slow: 1.0, share: 1.0, magnitude: 1.0 };
        let kept: Vec<f64> = (0..32).map(|pair| yarn.kept(pair, 64, 10_000.0)).collect();
        // Of the 10.4th pair the angle turns 32 times in 4,096 tokens, of the 22.5th once.
        assert!(kept[..=10].iter().all(|&kept| kept == 1.0) && kept[23..].iter().all(|&kept| kept == 0.0), "{kept:?}");
        assert!(kept[10..24].is_sorted_by(|a, b| a > b || (*a == 0.0 && *b == 0.0)), "{kept:?}");
        assert!((kept[16] - 7.0 / 13.0).abs() < 1e-9, "{}", kept[16]);
        let angles = Angles::new(2, 64, 10_000.0, 40.0, Some(Yarn { magnitude: 2.0, ..yarn }), None);
        assert!((angles.sin[32] - 2.0 * 1.0_f32.sin()).abs() < 1e-6, "the first pair at position 1");
        let last = 10_000_f64.powf(-62.0 / 64.0) / 40.0;
        assert!((f64::from(angles.sin[63]) - 2.0 * last.sin()).abs() < 1e-9);
    }

    #[test]
    fn vectors_grow_with_the_logarithm() {
        assert_eq!(Yarn::growth(1.0, 1.0), 1.0);
        assert!((Yarn::growth(40.0, 1.0) - 1.368_887_9).abs() < 1e-6, "the published DeepSeek-V3's mscale");
    }
}
