//! What the kernels reach by themselves, without a model: the figures that the docs quote beside a processor's limits.
#![allow(unsafe_code, reason = "kernels run on buffers made here for exactly their sizes")]

use std::time::Instant;

use serde::Serialize;

use super::activation::{Activations, Kept};
use super::format::{BLOCK, Format};
use super::isa::{Level, TILE_ROWS};
use super::memory::Buffer;
use super::ops;
use super::product::{Job, TOKENS, kernels, padded};
use super::team::Team;

/// Weights are streamed from this many bytes: more than any cache.
const COLD_BYTES: usize = 128 << 20;

/// Read by [`read_bandwidth`]: many times any cache.
const STREAM_BYTES: usize = 512 << 20;

/// What `threads` threads (0: every core) read from memory together, in 10^9 bytes a second: each its own part, as a decoding
/// step reads weights, with nothing computed. The median of five.
///
/// # Errors
/// The system's words, if it gives no memory or threads.
pub fn read_bandwidth(threads: usize) -> Result<f64, std::io::Error> {
    let threads = if threads == 0 { std::thread::available_parallelism()?.get() } else { threads };
    let mut team = Team::new(threads, false)?;
    let memory = Buffer::<u64>::new(STREAM_BYTES / 8)?;
    let part = |member: usize| {
        let each = memory.len() / threads;
        // SAFETY: the parts lie side by side inside the buffer.
        (unsafe { memory.pointer().add(member * each) }, each)
    };
    team.run(&|member| {
        let (start, length) = part(member.index);
        // SAFETY: this part is this thread's alone until the region ends. Writing it takes the memory from the system.
        unsafe { std::slice::from_raw_parts_mut(start, length) }.fill(1);
    });
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let started = Instant::now();
            team.run(&|member| {
                let (start, length) = part(member.index);
                // SAFETY: it was written above, and nobody writes any more.
                let numbers = unsafe { std::slice::from_raw_parts(start.cast_const(), length) };
                std::hint::black_box(numbers.iter().fold(0_u64, |sum, number| sum.wrapping_add(*number)));
            });
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    Ok(STREAM_BYTES as f64 / seconds[2] / 1e9)
}

/// One kernel on one thread.
#[derive(Debug, Clone, Serialize)]
pub struct KernelFigures {
    /// The weights' format.
    pub format: String,
    /// Tokens at once.
    pub tokens: usize,
    /// Weights streamed from memory, 10^9 bytes a second.
    pub cold_gb_per_s: f64,
    /// Multiplications and additions with a tile in the cache, 10^9 a second.
    pub warm_gops: f64,
}

/// Measures every quantized format, for matrices of `columns` columns (a multiple of 256).
///
/// # Errors
/// The system's words, if it gives no memory or the processor has no such level.
pub fn kernel_figures(level: Level, columns: usize) -> Result<Vec<KernelFigures>, std::io::Error> {
    if !level.available() {
        return Err(std::io::Error::new(std::io::ErrorKind::Unsupported, format!("no {} instructions", level.name())));
    }
    use Format::{Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};
    let columns = columns.next_multiple_of(256);
    let mut weights = Buffer::<u8>::new(COLD_BYTES)?;
    // Any bytes are weights; these make halves between 2^-14 and 2, so that no result is infinite.
    weights.slice().iter_mut().enumerate().for_each(|(i, byte)| *byte = (i % 61) as u8);
    let activations = Activations::new(TOKENS, columns, Kept { rows: 1, floats: false })?;
    let x: Vec<f32> = (0..columns).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let mut figures = Vec::new();
    for format in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4K, Q5K, Q6K] {
        let tile_bytes = format.tile_bytes(columns);
        let tiles = COLD_BYTES / tile_bytes;
        for tokens in [1, 4, TOKENS] {
            let mut out = Buffer::<f32>::new(TOKENS * tiles * TILE_ROWS)?;
            // SAFETY: the view has room for TOKENS tokens, and x has `columns` numbers.
            let place = unsafe {
                let view = activations.view(0);
                for token in 0..tokens {
                    ops::quantize(level, x.as_ptr(), columns / BLOCK * BLOCK, view.place(tokens, token));
                }
                view.place(tokens, 0)
            };
            let job = Job {
                weights: weights.pointer(),
                low: std::ptr::null(),
                tile_bytes,
                tiles,
                units: columns / format.unit_columns(),
                codes: place.codes,
                meta: place.meta,
                floats: std::ptr::null(),
                floats_stride: 0,
                width: padded(tokens),
                pairs: false,
                out: out.slice().as_mut_ptr(),
                out_stride: tiles * TILE_ROWS,
                add: false,
                cold: true,
            };
            let kernel = kernels(level, format).of(tokens);
            let time = |job: &Job, times: usize| {
                let mut seconds: Vec<f64> = (0..5)
                    .map(|_| {
                        let started = Instant::now();
                        // SAFETY: the buffers have the sizes that the job names.
                        (0..times).for_each(|_| unsafe { kernel(job) });
                        started.elapsed().as_secs_f64() / times as f64
                    })
                    .collect();
                seconds.sort_by(f64::total_cmp);
                seconds[2]
            };
            let cold = time(&job, 1);
            let few = 2.min(tiles);
            let warm = time(&Job { tiles: few, ..job }, (1 << 22) / (few * TILE_ROWS * columns * tokens).max(1) + 1);
            figures.push(KernelFigures {
                format: format!("{format:?}"),
                tokens,
                cold_gb_per_s: (tiles * tile_bytes) as f64 / cold / 1e9,
                warm_gops: (2 * few * TILE_ROWS * columns * tokens) as f64 / warm / 1e9,
            });
        }
    }
    Ok(figures)
}
