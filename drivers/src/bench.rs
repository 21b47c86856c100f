//! The figures of `haechi bench model`: how fast one model runs on this machine.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::candle::{CandleBackend, Limits};
use crate::engine::EngineError;
use crate::sampling::likeliest;
use crate::{Backend, Batch, gguf, threads};

/// Rounds that are measured, after one that is not; the median is reported.
const ROUNDS: usize = 3;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens of the prompt read in a second.
    pub prefill_tokens_per_s: f64,
    /// Tokens generated in a second, one sequence.
    pub decode_tokens_per_s: f64,
    /// From the prompt to the first token, in milliseconds.
    pub first_token_ms: f64,
    /// From opening the file to the first pass, without the digest, in milliseconds.
    pub load_ms: f64,
    /// The most memory that the process held, in bytes.
    pub peak_rss_bytes: u64,
}

/// Reads a prompt of `prompt` tokens and generates `generate` more, greedily and not stopping at an end token.
///
/// # Errors
/// [`EngineError::File`] if the model cannot be loaded, [`EngineError::Request`] if the numbers do not fit it.
pub fn run(path: &Path, prompt: usize, generate: usize, threads: usize) -> Result<Figures, EngineError> {
    if !threads::choose(threads) {
        return Err(EngineError::Request(format!("{threads} threads cannot be chosen any more: others run already")));
    }
    let opened = Instant::now();
    let file = gguf::File::open(path)?;
    let context = u32::try_from(prompt.saturating_add(generate)).unwrap_or(u32::MAX);
    let mut backend = CandleBackend::load(&file, Limits { context, slots: 1, ..Limits::default() })?;
    let load_ms = opened.elapsed().as_secs_f64() * 1e3;
    let capabilities = backend.capabilities().clone();
    if prompt == 0 || generate == 0 || capabilities.context < context {
        let message =
            format!("{prompt} and {generate} tokens must be at least 1 and fit into {}", capabilities.context);
        return Err(EngineError::Request(message));
    }
    // Any tokens will do; these are spread over the vocabulary (Knuth's multiplier) and the same each time.
    let tokens: Vec<u32> = (0..prompt as u64)
        .map(|i| (i.wrapping_mul(2_654_435_761) % u64::from(capabilities.vocabulary)) as u32)
        .collect();
    let mut logits = vec![0.0; capabilities.vocabulary as usize];
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        backend.reset(0);
        let started = Instant::now();
        for piece in tokens.chunks(capabilities.batch_tokens as usize) {
            backend.forward(&Batch::single(0, piece), &mut logits)?;
        }
        let mut next = likeliest(&logits).unwrap_or(0);
        prefill.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        for _ in 0..generate {
            backend.forward(&Batch::single(0, &[next]), &mut logits)?;
            next = likeliest(&logits).unwrap_or(0);
        }
        decode.push(started.elapsed().as_secs_f64());
    }
    let (prefill, decode) = (median_after_first(&prefill), median_after_first(&decode));
    Ok(Figures {
        prefill_tokens_per_s: prompt as f64 / prefill,
        decode_tokens_per_s: generate as f64 / decode,
        first_token_ms: prefill * 1e3,
        load_ms,
        peak_rss_bytes: peak_rss_bytes(),
    })
}

/// The first round warms caches and pages up.
fn median_after_first(seconds: &[f64]) -> f64 {
    let mut measured = seconds.get(1..).unwrap_or_default().to_vec();
    measured.sort_by(f64::total_cmp);
    measured.get(measured.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `VmHWM` of `proc(5)`; 0 where the kernel does not say.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_does_not_count() {
        assert_eq!(median_after_first(&[100.0, 3.0, 1.0, 2.0]), 2.0);
        assert!(peak_rss_bytes() > 1 << 20);
    }
}
