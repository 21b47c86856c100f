//! Single samples of the native engine's speed, on request: `bench MODEL [--threads N] [--context N] [--level NAME]
//! [--high] [--q8-cache]`. `bench --bandwidth [--threads N]` instead says what so many threads read from memory.
//!
//! Each line on standard input, `PROMPT GENERATE [greedy|SEQUENCES]`, is one sample: a prompt of so many tokens is read into an
//! empty cache, then so many are generated, one after another; with `greedy` only the likeliest token is asked for, with a
//! number so many sequences of such prompts go on at once. Each is answered by one line of JSON with the seconds of both. `tests/performance/llama_samples.py` speaks the same way, so that
//! `tests/performance/race` can take samples of both in turn, each process loaded once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for developers: it may stop anywhere"
)]
#![allow(clippy::print_stdout, reason = "it speaks to a terminal")]

use std::path::Path;
use std::time::Instant;

use haechi_drivers::cpu::{CacheFormat, CpuBackend, Level, Limits, Precision, read_bandwidth};
use haechi_drivers::gguf::File;
use haechi_drivers::tokenizer::Tokenizer;
use haechi_drivers::{Backend, Batch};

/// Some four thousand tokens of English.
const TEXT: &str = include_str!("../../docs/src/engine.md");

fn main() {
    let (mut limits, mut model, mut bandwidth) = (Limits::default(), None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--bandwidth" {
            bandwidth = true;
            continue;
        }
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            "--threads" => limits.threads = value().parse().unwrap(),
            "--context" => limits.context = value().parse().unwrap(),
            "--level" => {
                let name = value();
                limits.level = Some(Level::ALL.into_iter().find(|level| level.name() == name).expect("a level"));
            }
            "--high" => limits.precision = Precision::High,
            "--q8-cache" => limits.cache = CacheFormat::Q8,
            _ => model = Some(argument),
        }
    }
    if bandwidth {
        println!(r#"{{"gb_per_s": {:.3}}}"#, read_bandwidth(limits.threads).unwrap());
        return;
    }
    let model = model.expect("usage: bench MODEL [--threads N] [--context N] [--level NAME] [--high]");
    limits.cache_tokens = 16 * limits.context;
    let started = Instant::now();
    let file = File::open(Path::new(&model)).unwrap();
    let mut backend = CpuBackend::load(&file, limits).unwrap();
    // Natural text: the head's shortcut for the likeliest token lives on some tokens being far likelier than others. Speed
    // depends on the tokens in no other way. Random weights know no language: for them any tokens of the text will do.
    let text = Tokenizer::from_header(file.header()).unwrap().encode(TEXT).unwrap();
    let capabilities = backend.capabilities();
    let shapes = file.header().tensors.iter().map(|tensor| tensor.dimensions.iter().product::<u64>());
    let weights: u64 = shapes.sum();
    println!(
        r#"{{"load_s": {:.4}, "context": {}, "weights": {}, "weight_bytes": {}, "step_bytes": {}, "position_bytes": {}}}"#,
        started.elapsed().as_secs_f64(),
        capabilities.context,
        weights,
        backend.weight_bytes(),
        backend.step_bytes(0),
        backend.step_bytes(1) - backend.step_bytes(0),
    );
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [prompt, generate, rest @ ..] = words.as_slice() else { panic!("PROMPT GENERATE [greedy|SEQUENCES]") };
        let greedy = rest == ["greedy"];
        let sequences = rest.first().filter(|_| !greedy).map_or(1, |n| n.parse().unwrap());
        let (prompt, generate) = (prompt.parse().unwrap(), generate.parse().unwrap());
        let (prefill, decode) = sample(&mut backend, &text, prompt, generate, sequences, greedy);
        println!(r#"{{"prefill_s": {prefill:.6}, "decode_s": {decode:.6}}}"#);
    }
}

fn sample(
    backend: &mut CpuBackend,
    text: &[u32],
    prompt: u32,
    generate: u32,
    sequences: u32,
    likeliest_only: bool,
) -> (f64, f64) {
    let capabilities = backend.capabilities().clone();
    let pages: Vec<u32> = (0..capabilities.pages).collect();
    let each = (prompt + generate).div_ceil(capabilities.page_tokens) as usize;
    let token = |i: u32| text[i as usize % text.len()];
    let mut logits = vec![0.0; sequences as usize * capabilities.vocabulary as usize];
    let mut run = |who: std::ops::Range<u32>, from: u32, to: u32, wanted: bool| {
        let mut batch = Batch { likeliest_only, ..Batch::default() };
        for sequence in who {
            // Not the same text at once: no two have the same keys.
            let tokens: Vec<u32> = (from..to).map(|i| token(i + 97 * sequence)).collect();
            batch.push(&tokens, from, &pages[sequence as usize * each..][..each]);
            if wanted {
                batch.want_last();
            }
        }
        let rows = batch.wanted.len() * capabilities.vocabulary as usize;
        backend.forward(&batch, &mut logits[..rows]).unwrap();
    };
    let started = Instant::now();
    for sequence in 0..sequences {
        for from in (0..prompt).step_by(capabilities.batch_tokens as usize) {
            let to = prompt.min(from + capabilities.batch_tokens);
            run(sequence..sequence + 1, from, to, to == prompt);
        }
    }
    let prefill = started.elapsed().as_secs_f64();
    let started = Instant::now();
    (prompt..prompt + generate).for_each(|position| run(0..sequences, position, position + 1, true));
    (prefill, started.elapsed().as_secs_f64())
}
