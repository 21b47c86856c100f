//! `haechi bench model`: the backend alone, without engine and text.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::{resident_bytes, status_bytes};
use crate::cpu::{self, CpuBackend, Level, Limits};
use crate::engine::EngineError;
use crate::sampling::likeliest;
use crate::{Backend, Batch, gguf};

/// Rounds that are measured, after one that is not; the median is reported.
const ROUNDS: usize = 3;
/// Tokens by which a sequence's last page may exceed it.
const PAGE_ROOM: u32 = 64;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens of the prompt read in a second.
    pub prefill_tokens_per_s: f64,
    /// Tokens generated in a second, all sequences together.
    pub decode_tokens_per_s: f64,
    /// From the prompt to the first token, in milliseconds.
    pub first_token_ms: f64,
    /// From opening the file to the first pass, without the digest, in milliseconds.
    pub load_ms: f64,
    /// The most memory that the process held, in bytes.
    pub peak_rss_bytes: u64,
    /// Resident at the end, in bytes.
    pub rss_bytes: u64,
    /// Packed weights, in bytes.
    pub weight_bytes: u64,
    /// The cache of these tokens, in bytes.
    pub cache_bytes: u64,
    /// Packed bits of a weight of the file's matrices.
    pub bits_per_weight: f64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Tokens that are generated after it, by each sequence.
    pub generate: usize,
    /// Threads that compute; 0 takes every core.
    pub threads: usize,
    /// Sequences that generate at once.
    pub batch: usize,
    /// The instructions to use; the best that there are if `None`.
    pub level: Option<Level>,
    /// Keep each thread on a processor of its own.
    pub pin: bool,
}

/// Reads a prompt and generates more, greedily and not stopping at an end token.
///
/// # Errors
/// [`EngineError::File`] if the model cannot be loaded, [`EngineError::Request`] if the numbers do not fit it.
pub fn run(path: &Path, order: Order) -> Result<Figures, EngineError> {
    let Order { prompt, generate, threads, batch, level, pin } = order;
    let opened = Instant::now();
    let file = gguf::File::open(path)?;
    let fits = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
    let context = fits(prompt.saturating_add(generate));
    let cache_tokens = context.saturating_add(PAGE_ROOM).saturating_mul(fits(batch));
    let limits = Limits { context, cache_tokens, threads, level, pin, ..Limits::default() };
    if pin {
        cpu::pin_caller();
    }
    let mut backend = CpuBackend::load(&file, limits)?;
    let weights = matrices(&file);
    // As in the engine: the header, with every token's text, is not kept.
    drop(file);
    let load_ms = opened.elapsed().as_secs_f64() * 1e3;
    let capabilities = backend.capabilities().clone();
    if prompt == 0 || generate == 0 || batch == 0 || capabilities.context < context {
        let most = capabilities.context;
        let message =
            format!("{prompt} and {generate} tokens in {batch} sequences must be at least 1 and fit into {most}");
        return Err(EngineError::Request(message));
    }
    let pages_each = context.div_ceil(capabilities.page_tokens);
    let tables: Vec<Vec<u32>> = (0..fits(batch)).map(|i| (i * pages_each..(i + 1) * pages_each).collect()).collect();
    // Any tokens will do; these are spread over the vocabulary (Knuth's multiplier) and the same each time.
    let tokens: Vec<u32> = (0..prompt as u64)
        .map(|i| (i.wrapping_mul(2_654_435_761) % u64::from(capabilities.vocabulary)) as u32)
        .collect();
    let vocabulary = capabilities.vocabulary as usize;
    let mut logits = vec![0.0; vocabulary * batch];
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for _ in 0..=ROUNDS {
        let mut next = vec![0; batch];
        for (pages, next) in tables.iter().zip(&mut next) {
            let started = Instant::now();
            let mut position = 0;
            for piece in tokens.chunks(capabilities.batch_tokens as usize) {
                backend.forward(&Batch::single(piece, position, pages), &mut logits[..vocabulary])?;
                position += fits(piece.len());
            }
            *next = likeliest(&logits[..vocabulary]).unwrap_or(0);
            prefill.push(started.elapsed().as_secs_f64());
        }
        let started = Instant::now();
        for step in 0..generate {
            let mut batch = Batch { likeliest_only: true, ..Batch::default() };
            for (pages, next) in tables.iter().zip(&next) {
                batch.push(&[*next], fits(prompt + step), pages);
                batch.want_last();
            }
            backend.forward(&batch, &mut logits)?;
            for (row, next) in logits.chunks(vocabulary).zip(&mut next) {
                *next = likeliest(row).unwrap_or(0);
            }
        }
        decode.push(started.elapsed().as_secs_f64());
    }
    let (prefill, decode) = (median_after_first(&prefill), median_after_first(&decode));
    Ok(Figures {
        prefill_tokens_per_s: prompt as f64 / prefill,
        decode_tokens_per_s: (generate * batch) as f64 / decode,
        first_token_ms: prefill * 1e3,
        load_ms,
        peak_rss_bytes: peak_rss_bytes(),
        rss_bytes: resident_bytes(),
        weight_bytes: backend.weight_bytes() as u64,
        cache_bytes: u64::from(pages_each) * batch as u64 * capabilities.page_bytes as u64,
        bits_per_weight: backend.weight_bytes() as f64 * 8.0 / weights,
    })
}

/// Numbers of all matrices of a file.
fn matrices(file: &gguf::File) -> f64 {
    let matrices = file.header().tensors.iter().filter(|tensor| tensor.dimensions.len() > 1);
    matrices.map(|tensor| tensor.dimensions.iter().map(|&n| n as f64).product::<f64>()).sum()
}

/// The first round warms caches and pages up.
fn median_after_first(seconds: &[f64]) -> f64 {
    let mut measured = seconds.get(1..).unwrap_or_default().to_vec();
    measured.sort_by(f64::total_cmp);
    measured.get(measured.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The most resident memory of this process so far.
fn peak_rss_bytes() -> u64 {
    status_bytes("VmHWM:")
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
