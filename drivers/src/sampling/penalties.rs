//! Tokens that came already are made less likely, and tokens that the caller names more or less.

use super::Sampling;

/// Changes `logits`, shape `[vocabulary]`, as the settings say. `earlier` are the tokens generated so far, of which the last
/// [`Sampling::window`] count.
pub(super) fn apply(settings: &Sampling, logits: &mut [f32], earlier: &[u32]) {
    for &(token, bias) in &settings.bias {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit += bias;
        }
    }
    if !settings.has_penalty() {
        return;
    }
    let mut seen = earlier.get(earlier.len().saturating_sub(settings.window)..).unwrap_or_default().to_vec();
    seen.sort_unstable();
    for same in seen.chunk_by(|a, b| a == b) {
        let Some(logit) = same.first().and_then(|&token| logits.get_mut(token as usize)) else { continue };
        *logit = if *logit > 0.0 { *logit / settings.repetition } else { *logit * settings.repetition };
        *logit -= settings.presence + settings.frequency * same.len() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(settings: &Sampling, earlier: &[u32]) -> [f32; 4] {
        let mut logits = [4.0, -4.0, 1.0, 0.0];
        apply(settings, &mut logits, earlier);
        logits
    }

    #[test]
    fn each_setting_changes_what_it_says() {
        let earlier = [1, 0, 0, 999];
        let plain = Sampling::default();
        assert_eq!(applied(&plain, &earlier), [4.0, -4.0, 1.0, 0.0]);
        assert_eq!(applied(&Sampling { repetition: 2.0, ..plain.clone() }, &earlier), [2.0, -8.0, 1.0, 0.0]);
        assert_eq!(applied(&Sampling { presence: 0.5, ..plain.clone() }, &earlier), [3.5, -4.5, 1.0, 0.0]);
        assert_eq!(applied(&Sampling { frequency: 0.5, ..plain.clone() }, &earlier), [3.0, -4.5, 1.0, 0.0]);
        let bias = vec![(2, 3.0), (999, 1.0)];
        assert_eq!(applied(&Sampling { bias, ..plain.clone() }, &earlier), [4.0, -4.0, 4.0, 0.0]);
        let windowed = Sampling { frequency: 0.5, window: 2, ..plain };
        assert_eq!(applied(&windowed, &earlier), [3.5, -4.0, 1.0, 0.0], "only the last two tokens count");
    }
}
