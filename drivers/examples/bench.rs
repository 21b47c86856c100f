//! Single samples of the native engine's speed, on request: `bench MODEL [--threads N] [--context N] [--level NAME]
//! [--high]`.
//!
//! Each line on standard input, `PROMPT GENERATE [greedy]`, is one sample: a prompt of so many tokens is read into an empty
//! cache, then so many are generated, one after another; with `greedy` only the likeliest token is asked for. Each is
//! answered by one line of JSON with the seconds of both. `tests/performance/llama_samples.py` speaks the same way, so that
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

use haechi_drivers::cpu::{CpuBackend, Level, Limits, Precision};
use haechi_drivers::gguf::File;
use haechi_drivers::tokenizer::Tokenizer;
use haechi_drivers::{Backend, Batch};

/// Some four thousand tokens of English.
const TEXT: &str = include_str!("../../docs/src/engine.md");

fn main() {
    let (mut limits, mut model) = (Limits::default(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            "--threads" => limits.threads = value().parse().unwrap(),
            "--context" => limits.context = value().parse().unwrap(),
            "--level" => {
                let name = value();
                limits.level = Some(Level::ALL.into_iter().find(|level| level.name() == name).expect("a level"));
            }
            "--high" => limits.precision = Precision::High,
            _ => model = Some(argument),
        }
    }
    let model = model.expect("usage: bench MODEL [--threads N] [--context N] [--level NAME] [--high]");
    limits.cache_tokens = limits.context;
    let started = Instant::now();
    let file = File::open(Path::new(&model)).unwrap();
    let mut backend = CpuBackend::load(&file, limits).unwrap();
    // Natural text: the head's shortcut for the likeliest token lives on some tokens being far likelier than others. Speed
    // depends on the tokens in no other way. Random weights know no language: for them any tokens of the text will do.
    let text = Tokenizer::from_header(file.header()).unwrap().encode(TEXT).unwrap();
    let capabilities = backend.capabilities();
    println!(r#"{{"load_s": {:.4}, "context": {}}}"#, started.elapsed().as_secs_f64(), capabilities.context);
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [prompt, generate, rest @ ..] = words.as_slice() else { panic!("PROMPT GENERATE [greedy]") };
        let (prefill, decode) =
            sample(&mut backend, &text, prompt.parse().unwrap(), generate.parse().unwrap(), rest == ["greedy"]);
        println!(r#"{{"prefill_s": {prefill:.6}, "decode_s": {decode:.6}}}"#);
    }
}

fn sample(backend: &mut CpuBackend, text: &[u32], prompt: u32, generate: u32, likeliest_only: bool) -> (f64, f64) {
    let capabilities = backend.capabilities().clone();
    let pages: Vec<u32> = (0..capabilities.pages).collect();
    let token = |i: u32| text[i as usize % text.len()];
    let mut logits = vec![0.0; capabilities.vocabulary as usize];
    let mut run = |from: u32, to: u32, wanted: bool| {
        let tokens: Vec<u32> = (from..to).map(token).collect();
        let mut batch = Batch { likeliest_only, ..Batch::default() };
        batch.push(&tokens, from, &pages);
        if wanted {
            batch.want_last();
        }
        backend.forward(&batch, if wanted { &mut logits } else { &mut [] }).unwrap();
    };
    let started = Instant::now();
    for from in (0..prompt).step_by(capabilities.batch_tokens as usize) {
        let to = prompt.min(from + capabilities.batch_tokens);
        run(from, to, to == prompt);
    }
    let prefill = started.elapsed().as_secs_f64();
    let started = Instant::now();
    (prompt..prompt + generate).for_each(|position| run(position, position + 1, true));
    (prefill, started.elapsed().as_secs_f64())
}
