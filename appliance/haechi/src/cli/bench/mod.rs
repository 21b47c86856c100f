//! `haechi bench`: the figures that the docs quote.

mod engine;
mod fhir;
mod mllp;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use haechi_drivers::bench::model;
use haechi_drivers::cpu::{Level, kernel_figures};
use haechi_drivers::quant::recipe::Recipe;
use haechi_drivers::shapes::{self, Shape};

use super::terminal;
use crate::bench;
use crate::error::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Speed and memory of a model file
    Model {
        /// GGUF file
        #[arg(long, value_name = "FILE")]
        model: PathBuf,
        /// Tokens of the prompt
        #[arg(long, value_name = "N", default_value_t = 512)]
        prompt: usize,
        /// Tokens to generate
        #[arg(long, value_name = "N", default_value_t = 64)]
        generate: usize,
        /// Threads; 0: every core
        #[arg(long, value_name = "N", default_value_t = 0)]
        threads: usize,
        /// Sequences that generate at once
        #[arg(long, value_name = "N", default_value_t = 1)]
        batch: usize,
        /// Instructions: avx512-bf16, avx512, avx2, neon, portable; the best that there are unless given
        #[arg(long, value_name = "NAME", value_parser = level)]
        level: Option<Level>,
        /// Keep each thread on a processor of its own
        #[arg(long)]
        pin: bool,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Several users at once: speed, waiting, and that each answer is the one given alone
    Serve(engine::Serve),
    /// A long beginning that is computed once, saved, and read back
    Prefix(engine::Prefix),
    /// Thousands of short requests of every kind, and the memory that they leave held
    Soak(engine::Soak),
    /// What an answer's form costs: a JSON schema, an expression, citations
    Form(engine::Form),
    /// Answers that quote their prompt, with and without guessing ahead
    Quoting(engine::Quoting),
    /// The arithmetic of one thread by itself, for every format of weights
    Kernels {
        /// Columns of the matrices
        #[arg(long, value_name = "N", default_value_t = 2048)]
        columns: usize,
        /// Instructions: avx512-bf16, avx512, avx2, neon, portable; the best that there are unless given
        #[arg(long, value_name = "NAME", value_parser = level)]
        level: Option<Level>,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Durable import speed and memory, FHIR and HL7, at N patients and at 10 N
    Import {
        /// Patients of the smaller hospital
        #[arg(long, value_name = "N", default_value_t = 50)]
        patients: usize,
        /// Seed of the hospital
        #[arg(long, value_name = "S", default_value_t = 7)]
        seed: u64,
        /// Folder to work in; must not exist yet, is removed afterwards
        #[arg(long, value_name = "DIR", default_value = ".haechi-bench")]
        work: PathBuf,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// HL7 messages over MLLP: acknowledged durably, filed, none lost
    Mllp(mllp::Mllp),
    /// What a patient's page asks of the FHIR API, over HTTP on loopback
    Fhir(fhir::Fhir),
    /// Answer a file of questions (JSON lines: id, patient, question) and time it
    Ask {
        /// State folder of the site
        #[arg(long, value_name = "DIR")]
        home: Option<PathBuf>,
        /// Questions
        #[arg(long, value_name = "FILE")]
        questions: PathBuf,
        /// Where to write the answers
        #[arg(long, value_name = "FILE")]
        answers: PathBuf,
        /// Answer as if it were this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        now: Option<jiff::Timestamp>,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Make a model file with random weights of a known shape
    MakeModel {
        /// l1, llama-1.5b, or a tiny one: l1-tiny, llama-tiny, qwen3-tiny, gemma3-tiny, ...
        #[arg(long, value_name = "SHAPE", value_parser = shape)]
        shape: Shape,
        /// How weights are stored: q4_k_m, q8_0, f16, ...
        #[arg(long, value_name = "RECIPE", default_value = "q4_k_m", value_parser = super::bundle::recipe)]
        quant: Recipe,
        /// File to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Seed of the weights
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// A feed's server on loopback, in a process of its own
    #[command(hide = true)]
    MllpServer(mllp::MllpServer),
    /// One import in a process of its own
    #[command(hide = true)]
    ImportOne {
        #[arg(long)]
        road: String,
        #[arg(long)]
        patients: usize,
        #[arg(long)]
        home: PathBuf,
        input: PathBuf,
    },
}

fn level(name: &str) -> Result<Level, String> {
    let level = Level::ALL.into_iter().find(|level| level.name() == name);
    level.ok_or_else(|| format!("the names are {}", Level::ALL.map(Level::name).join(", ")))
}

/// Runs a benchmark in a folder that it makes before and removes after, whatever comes of it.
fn within<T>(work: &Path, run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    std::fs::create_dir(work).map_err(|error| {
        Failure::new("HAECHI-0132", format_args!("the benchmark's folder cannot be made: {error}"))
            .file(work)
            .remedy("name another with --work, or remove what an earlier run left")
    })?;
    let figures = run();
    let _ = std::fs::remove_dir_all(work);
    figures
}

pub(crate) fn run(command: BenchCommand) -> Result<ExitCode, Failure> {
    match command {
        BenchCommand::Model { model, prompt, generate, threads, batch, level, pin, json } => {
            let order = model::Order { prompt, generate, threads, batch, level, pin };
            let figures = model::run(&model, order).map_err(Failure::from_room)?;
            if json {
                terminal::json(&figures)?;
            } else {
                terminal::line(&format!(
                    "prefill {:.0} tokens/s, decode {:.1} tokens/s, first token {:.0} ms, load {:.0} ms, peak {} MiB",
                    figures.prefill_tokens_per_s,
                    figures.decode_tokens_per_s,
                    figures.first_token_ms,
                    figures.load_ms,
                    figures.peak_rss_bytes >> 20
                ));
                terminal::line(&format!(
                    "weights {} MiB, {:.3} bits each; cache {} MiB; resident {} MiB",
                    figures.weight_bytes >> 20,
                    figures.bits_per_weight,
                    figures.cache_bytes >> 20,
                    figures.rss_bytes >> 20
                ));
            }
        }
        BenchCommand::Serve(args) => return engine::serve(args),
        BenchCommand::Prefix(args) => return engine::prefix(&args),
        BenchCommand::Soak(args) => return engine::soak(&args),
        BenchCommand::Form(args) => return engine::form(&args),
        BenchCommand::Quoting(args) => return engine::quoting(&args),
        BenchCommand::Kernels { columns, level, json } => {
            let level = level.unwrap_or_else(Level::detect);
            let figures = kernel_figures(level, columns).map_err(|error| {
                Failure::new("HAECHI-0137", format_args!("the kernels cannot be measured: {error}"))
                    .remedy("a level that this processor has, and some 200 MB of free memory, are needed")
            })?;
            if json {
                terminal::json(&figures)?;
            } else {
                terminal::line("format  tokens  weights GB/s from memory  10^9 operations/s from the cache");
                for kernel in &figures {
                    let (format, tokens) = (&kernel.format, kernel.tokens);
                    let (cold, warm) = (kernel.cold_gb_per_s, kernel.warm_gops);
                    terminal::line(&format!("{format:<8}  {tokens:>4}  {cold:>24.1}  {warm:>33.0}"));
                }
            }
        }
        BenchCommand::Import { patients, seed, work, json } => {
            let runs = within(&work, || bench::import::run(patients, seed, &work))?;
            if json {
                terminal::json(&runs)?;
            } else {
                terminal::line("road  patients  input MiB  resources/s  messages/s  seconds  peak MiB  put aside");
                for run in &runs {
                    terminal::line(&format!(
                        "{:<5} {:>8}  {:>9.1}  {:>11.0}  {:>10.0}  {:>7.2}  {:>8}  {:>9}",
                        run.road,
                        run.patients,
                        run.input_bytes as f64 / 1_048_576.0,
                        run.resources_per_s,
                        run.messages_per_s,
                        run.seconds,
                        run.peak_rss_bytes >> 20,
                        run.rejected
                    ));
                }
            }
        }
        BenchCommand::Mllp(args) => return mllp::run(&args),
        BenchCommand::Fhir(args) => return fhir::run(&args),
        BenchCommand::MllpServer(args) => return mllp::serve(args),
        BenchCommand::Ask { home, questions, answers, now, json } => {
            let times = bench::ask::run(home, &questions, &answers, now)?;
            if json {
                terminal::json(&times)?;
            } else {
                terminal::line(&format!(
                    "{} questions ({} failed): p50 {:.1} ms, p95 {:.1} ms, longest {:.1} ms, peak {} MiB",
                    times.questions,
                    times.failed,
                    times.p50_ms,
                    times.p95_ms,
                    times.max_ms,
                    times.peak_rss_bytes >> 20
                ));
            }
        }
        BenchCommand::MakeModel { shape, quant, out, seed } => {
            if out.exists() {
                return Err(Failure::new("HAECHI-0133", "the file to write is there already")
                    .file(&out)
                    .effect("nothing was written")
                    .remedy("remove it, or choose another name"));
            }
            shapes::make_file(&shape, quant, seed, &out).map_err(Failure::from_room)?;
            terminal::line(&format!("Made {}: {} with random weights.", out.display(), shape.name));
        }
        BenchCommand::ImportOne { road, patients, home, input } => {
            terminal::json(&bench::import::one(road, patients, home, &input)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A shape by its name.
fn shape(name: &str) -> Result<Shape, String> {
    Shape::named(name).ok_or_else(|| format!("there are {}", Shape::names()))
}
