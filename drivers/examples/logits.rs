//! The native engine's logits after every token: `logits [--reference] [--chunk N] MODEL TOKENS_FILE OUT`.
//!
//! TOKENS_FILE holds token ids, separated by white space. OUT: rows and vocabulary as little-endian u32, then f32 row by row,
//! as `tests/performance/logits.py` writes llama.cpp's, for `tests/performance/compare.py`. With `--reference` the plain
//! forward pass of the tests runs instead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for developers: it may stop anywhere"
)]
#![allow(clippy::print_stderr, reason = "it speaks to a terminal")]

use std::path::Path;

use haechi_drivers::cpu::{CpuBackend, Limits};
use haechi_drivers::gguf::File;
use haechi_drivers::{Backend, Batch};

#[path = "../tests/backend/reference/mod.rs"]
mod reference;

fn main() {
    let (mut plain, mut chunk, mut files) = (false, 256, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--reference" => plain = true,
            "--chunk" => chunk = arguments.next().and_then(|n| n.parse().ok()).expect("--chunk takes a number"),
            _ => files.push(argument),
        }
    }
    let [model, tokens, out] = files.as_slice() else {
        panic!("usage: logits [--reference] [--chunk N] MODEL TOKENS_FILE OUT");
    };
    let tokens = std::fs::read_to_string(tokens).unwrap();
    let tokens: Vec<u32> = tokens.split_whitespace().map(|id| id.parse().unwrap()).collect();
    let started = std::time::Instant::now();
    let rows = if plain {
        reference::Reference::load(Path::new(model)).logits(&tokens)
    } else {
        native(Path::new(model), &tokens, chunk)
    };
    eprintln!("{} rows in {:.1} s", rows.len(), started.elapsed().as_secs_f64());
    let vocabulary = rows.first().map_or(0, Vec::len);
    let mut bytes = Vec::with_capacity(8 + rows.len() * vocabulary * 4);
    bytes.extend((rows.len() as u32).to_le_bytes());
    bytes.extend((vocabulary as u32).to_le_bytes());
    rows.iter().flatten().for_each(|n| bytes.extend(n.to_le_bytes()));
    std::fs::write(out, bytes).unwrap();
}

/// In passes of `chunk` tokens, every position wanted.
fn native(model: &Path, tokens: &[u32], chunk: usize) -> Vec<Vec<f32>> {
    let count = u32::try_from(tokens.len()).unwrap();
    let limits = Limits { context: count, cache_tokens: count, ..Limits::default() };
    let mut backend = CpuBackend::load(&File::open(model).unwrap(), limits).unwrap();
    let capabilities = backend.capabilities().clone();
    let pages: Vec<u32> = (0..capabilities.pages).collect();
    let vocabulary = capabilities.vocabulary as usize;
    let mut rows = Vec::new();
    for piece in tokens.chunks(chunk.clamp(1, capabilities.batch_tokens as usize)) {
        let mut batch = Batch::default();
        batch.push(piece, rows.len() as u32, &pages);
        batch.want_last_of(piece.len() as u32);
        let mut logits = vec![0.0; piece.len() * vocabulary];
        backend.forward(&batch, &mut logits).unwrap();
        rows.extend(logits.chunks(vocabulary).map(<[f32]>::to_vec));
    }
    rows
}
