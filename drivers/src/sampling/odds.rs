//! How likely the model itself held a token to be: before any penalty, bias, temperature or grammar.

/// The log-probability of one generated token, and of those that were likeliest at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Odds {
    /// The token that was chosen.
    pub token: u32,
    /// Natural logarithm of its probability; at most 0.
    pub logprob: f32,
    /// The likeliest tokens with theirs, likeliest first, the lower id among equals.
    pub top: Vec<(u32, f32)>,
}

impl Odds {
    /// The odds of `token` and of the `top` likeliest after `logits`, shape `[vocabulary]`. Logits that are no finite number
    /// count as impossible, minus infinity.
    #[must_use]
    pub fn of(logits: &[f32], token: u32, top: usize) -> Self {
        let finite = || logits.iter().copied().filter(|logit| logit.is_finite());
        let highest = f64::from(finite().fold(f32::MIN, f32::max));
        let total: f64 = finite().map(|logit| (f64::from(logit) - highest).exp()).sum();
        let logprob = |logit: f32| {
            if logit.is_finite() { (f64::from(logit) - highest - total.ln()) as f32 } else { f32::NEG_INFINITY }
        };
        let chosen = logits.get(token as usize).map_or(f32::NEG_INFINITY, |&logit| logprob(logit));
        let mut likeliest: Vec<(u32, f32)> = logits
            .iter()
            .zip(0..)
            .filter(|(logit, _)| logit.is_finite())
            .map(|(&logit, token)| (token, logit))
            .collect();
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top < likeliest.len() {
            likeliest.select_nth_unstable_by(top, order);
            likeliest.truncate(top);
        }
        likeliest.sort_unstable_by(order);
        Self {
            token,
            logprob: chosen,
            top: likeliest.into_iter().map(|(token, logit)| (token, logprob(logit))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_softmax() {
        // Odds of 1, 2, 5 and 2 in 10.
        let logits = [0.0, 2_f32.ln(), 5_f32.ln(), 2_f32.ln(), f32::NAN, f32::NEG_INFINITY];
        let odds = Odds::of(&logits, 0, 3);
        assert!((odds.logprob - 0.1_f32.ln()).abs() < 1e-6, "{odds:?}");
        let tokens: Vec<_> = odds.top.iter().map(|(token, _)| *token).collect();
        assert_eq!(tokens, [2, 1, 3]);
        let together: f32 = odds.top.iter().map(|(_, logprob)| logprob.exp()).sum();
        assert!((together - 0.9).abs() < 1e-6);
        assert_eq!(Odds::of(&logits, 4, 9).logprob, f32::NEG_INFINITY);
        assert_eq!(Odds::of(&logits, 99, 9).top.len(), 4, "what is impossible is not listed");
        // Far from zero nothing overflows.
        assert!((Odds::of(&[1000.0, 1000.0], 1, 0).logprob - 0.5_f32.ln()).abs() < 1e-6);
    }
}
