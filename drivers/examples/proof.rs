//! The native engine's logits against the plain reference's, teacher-forced, with bars: `proof MODEL [OPTIONS]`.
//!
//! The reference is the tests' forward pass in f32 over the numbers that the file's weights stand for. A model with experts is
//! compared twice: with the reference's choice of experts imposed, where nothing can turn, and with its own. Prints one line
//! of JSON for each comparison; the exit status is 1 if one that has bars misses one.
//!
//! ```text
//! --text FILE        the text that is read; this repository's docs/src/engine.md unless given
//! --positions N      so many tokens of it, 1000 unless given
//! --tokens FILE      write the token ids there, for tests/performance/logits.py, and stop
//! --peer FILE        what logits.py wrote for them: measured too, without bars
//! --level NAME       instructions of the engine
//! --high             the engine with finer activations
//! --q8-cache         the engine with keys and values of 8 bits
//! --error E          bar: relative root-mean-square error, at most
//! --top1 S           bar: share of positions whose likeliest token is the same, at least; with --clear of the clear ones
//! --clear            judge the likeliest token only where the reference's second is five times the error behind
//! --kl K             bar: mean Kullback-Leibler divergence, at most
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for developers: it may stop anywhere"
)]
#![allow(clippy::print_stdout, reason = "it speaks to a terminal")]

use std::io::{BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use haechi_drivers::cpu::{CacheFormat, CpuBackend, Level, Limits, Precision};
use haechi_drivers::gguf::File;
use haechi_drivers::tokenizer::Tokenizer;
use haechi_drivers::{Backend, Batch};

#[path = "../tests/backend/reference/mod.rs"]
mod reference;

const TEXT: &str = include_str!("../../docs/src/engine.md");
/// The likeliest token is clear where the second is so many times the position's error behind.
const CLEAR: f64 = 5.0;
/// Positions of one pass.
const CHUNK: usize = 128;

#[derive(Default)]
struct Bars {
    error: Option<f64>,
    top1: Option<f64>,
    clear: bool,
    kl: Option<f64>,
}

fn main() -> ExitCode {
    let (mut model, mut text, mut tokens_out, mut peer, mut level) = (None, None, None, None, None);
    let (mut positions, mut bars) = (1000_usize, Bars::default());
    let (mut precision, mut cache) = (Precision::Standard, CacheFormat::Bf16);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        match argument.as_str() {
            "--text" => text = Some(std::fs::read_to_string(value()).unwrap()),
            "--positions" => positions = value().parse().unwrap(),
            "--tokens" => tokens_out = Some(value()),
            "--peer" => peer = Some(value()),
            "--level" => {
                let name = value();
                level = Some(Level::ALL.into_iter().find(|level| level.name() == name).expect("a level"));
            }
            "--error" => bars.error = Some(value().parse().unwrap()),
            "--top1" => bars.top1 = Some(value().parse().unwrap()),
            "--kl" => bars.kl = Some(value().parse().unwrap()),
            "--clear" => bars.clear = true,
            "--high" => precision = Precision::High,
            "--q8-cache" => cache = CacheFormat::Q8,
            other if other.starts_with('-') => panic!("there is no option {other}"),
            _ => model = Some(argument),
        }
    }
    let model = model.expect("usage: proof MODEL [OPTIONS]; the options are in the source's head");
    let file = File::open(Path::new(&model)).unwrap();
    let tokenizer = Tokenizer::from_header(file.header()).unwrap();
    let mut tokens = tokenizer.encode(text.as_deref().unwrap_or(TEXT)).unwrap();
    let (context, cache_tokens) = (positions as u32, positions as u32);
    let limits = Limits { level, precision, cache, context, cache_tokens, ..Limits::default() };
    let mut backend = CpuBackend::load(&file, limits).unwrap();
    tokens.truncate(positions.min(backend.capabilities().context as usize));
    if let Some(path) = tokens_out {
        let ids: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        std::fs::write(path, ids.join(" ")).unwrap();
        return ExitCode::SUCCESS;
    }
    let (expected, routing) = reference::Reference::load(Path::new(&model)).logits_routed(&tokens, None);
    let experts = routing.experts();
    let name = Path::new(&model).file_name().unwrap().to_string_lossy().into_owned();
    let driver = backend.capabilities().driver.clone();
    let mut good = true;
    if !experts.is_empty() {
        let imposed = ours(&mut backend, &tokens, Some(&experts), &expected);
        good &= imposed.report(&name, &format!("{driver}, the reference's experts"), &bars);
    }
    let own = ours(&mut backend, &tokens, None, &expected);
    // With its own choice of experts a close one can turn, as in every engine: figures, no bars.
    let none = Bars { clear: bars.clear, ..Bars::default() };
    good &= own.report(&name, &driver, if experts.is_empty() { &bars } else { &none });
    if let Some(peer) = peer {
        theirs(&peer, &expected).report(&name, "peer", &none);
    }
    ExitCode::from(u8::from(!good))
}

/// The engine over all tokens, in passes.
fn ours(backend: &mut CpuBackend, tokens: &[u32], experts: Option<&[u32]>, expected: &[Vec<f32>]) -> Sums {
    let pages: Vec<u32> = (0..backend.capabilities().pages).collect();
    let vocabulary = backend.capabilities().vocabulary as usize;
    let mut sums = Sums::default();
    for (number, piece) in tokens.chunks(CHUNK).enumerate() {
        let first = number * CHUNK;
        let mut batch = Batch::default();
        batch.push(piece, first as u32, &pages);
        batch.want_last_of(piece.len() as u32);
        let mut logits = vec![0.0; piece.len() * vocabulary];
        match experts {
            Some(experts) => {
                // `[layer][token][used]` of all tokens to that of this piece's.
                let used = experts_of_a_token(experts, tokens.len(), backend);
                let part: Vec<u32> = experts
                    .chunks(tokens.len() * used)
                    .flat_map(|layer| &layer[first * used..(first + piece.len()) * used])
                    .copied()
                    .collect();
                backend.forward_with_experts(&batch, &mut logits, &part).unwrap();
            }
            None => backend.forward(&batch, &mut logits).unwrap(),
        }
        logits.chunks(vocabulary).zip(&expected[first..]).for_each(|(found, expected)| sums.add(expected, found));
    }
    sums
}

/// How many experts a token uses: the imposed ones of all layers, by the number of layers.
fn experts_of_a_token(experts: &[u32], tokens: usize, backend: &CpuBackend) -> usize {
    experts.len() / tokens / backend.layers_with_experts()
}

/// What logits.py wrote.
fn theirs(path: &str, expected: &[Vec<f32>]) -> Sums {
    let mut file = BufReader::new(std::fs::File::open(path).unwrap());
    let mut number = [0; 4];
    let mut next = |file: &mut BufReader<std::fs::File>| {
        file.read_exact(&mut number).unwrap();
        number
    };
    let (rows, vocabulary) =
        (u32::from_le_bytes(next(&mut file)) as usize, u32::from_le_bytes(next(&mut file)) as usize);
    assert!(rows == expected.len() && vocabulary == expected[0].len(), "the peer has {rows} rows of {vocabulary}");
    let mut sums = Sums::default();
    for expected in expected {
        let row: Vec<f32> = (0..vocabulary).map(|_| f32::from_le_bytes(next(&mut file))).collect();
        sums.add(expected, &row);
    }
    sums
}

/// Over positions.
#[derive(Default)]
struct Sums {
    positions: f64,
    agree: f64,
    clear: f64,
    clear_agree: f64,
    kl: f64,
    squares: f64,
    sizes: f64,
    worst: f64,
}

impl Sums {
    fn add(&mut self, expected: &[f32], found: &[f32]) {
        assert!(found.iter().all(|n| n.is_finite()), "a logit that is no finite number");
        let count = expected.len() as f64;
        let mean = expected.iter().map(|&n| f64::from(n)).sum::<f64>() / count;
        let square = |n: f64| n * n;
        let error = expected.iter().zip(found).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum::<f64>() / count;
        // A logit counts from its row's mean: adding the same to all changes nothing.
        let size = expected.iter().map(|&n| square(f64::from(n) - mean)).sum::<f64>() / count;
        let first = likeliest(expected);
        let agrees = first == likeliest(found);
        let second = expected.iter().enumerate().filter(|(i, _)| *i != first).map(|(_, n)| *n);
        let margin = f64::from(expected[first] - second.fold(f32::NEG_INFINITY, f32::max));
        let clear = margin > CLEAR * error.sqrt();
        let [a, b] = [expected, found].map(log_softmax);
        self.kl += a.iter().zip(&b).map(|(a, b)| a.exp() * (a - b)).sum::<f64>();
        self.positions += 1.0;
        self.agree += f64::from(u8::from(agrees));
        self.clear += f64::from(u8::from(clear));
        self.clear_agree += f64::from(u8::from(clear && agrees));
        self.squares += error;
        self.sizes += size;
        self.worst = self.worst.max((error / size).sqrt());
    }

    /// Prints the figures; true if they keep the bars.
    fn report(&self, model: &str, what: &str, bars: &Bars) -> bool {
        let (error, kl) = ((self.squares / self.sizes).sqrt(), self.kl / self.positions);
        let (top1, clear) = (self.agree / self.positions, self.clear / self.positions);
        let clear_top1 = if self.clear > 0.0 { self.clear_agree / self.clear } else { 1.0 };
        let judged = if bars.clear { clear_top1 } else { top1 };
        let kept = bars.error.is_none_or(|bar| error <= bar)
            && bars.top1.is_none_or(|bar| judged >= bar)
            && bars.kl.is_none_or(|bar| kl <= bar);
        let barred = bars.error.or(bars.top1).or(bars.kl).is_some();
        let verdict = if !barred {
            "measured"
        } else if kept {
            "kept"
        } else {
            "MISSED"
        };
        println!(
            r#"{{"model": "{model}", "what": "{what}", "positions": {}, "relative_error": {error:.5}, "worst_position": {:.4}, "mean_kl": {kl:.6}, "top1": {top1:.4}, "clear_share": {clear:.4}, "clear_top1": {clear_top1:.4}, "bars": "{verdict}"}}"#,
            self.positions, self.worst
        );
        kept
    }
}

fn likeliest(row: &[f32]) -> usize {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum = row.iter().map(|&n| (f64::from(n) - highest).exp()).sum::<f64>().ln();
    row.iter().map(|&n| f64::from(n) - highest - sum).collect()
}
