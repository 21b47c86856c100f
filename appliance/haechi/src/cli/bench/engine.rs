//! `haechi bench serve`, `prefix`, `soak`, `form` and `quoting`: the engine as it serves. They fail if an answer is not what
//! it should be.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_drivers::bench::{form, prefix, quoting, serve, soak};

use super::super::terminal;
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// GGUF file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// How many users at once, one row for each number
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16])]
    users: Vec<usize>,
    /// Tokens of each prompt
    #[arg(long, value_name = "N", default_value_t = 256)]
    prompt: usize,
    /// Tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 64)]
    generate: usize,
    /// Tokens with which all prompts begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    shared: usize,
    /// Threads; 0: every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Guess ahead from the text, as the appliance does; without, the figures tell what sharing a pass is worth
    #[arg(long)]
    guesses: bool,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Prefix {
    /// GGUF file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Tokens of the prefix
    #[arg(long, value_name = "N", default_value_t = 4000)]
    tokens: usize,
    /// Threads; 0: every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Quoting {
    /// GGUF file; it is loaded twice
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// GGUF file of a small model of the same vocabulary that guesses where the text gives no hint
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
    /// Threads; 0: every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// GGUF file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// How many requests
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    requests: usize,
    /// Threads; 0: every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Form {
    /// GGUF file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Most tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 256)]
    generate: usize,
    /// Threads; 0: every core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn soak(args: &Soak) -> Result<ExitCode, Failure> {
    let figures = soak::run(&args.model, args.requests, args.threads).map_err(Failure::from_room)?;
    if args.json {
        terminal::json(&figures)?;
    } else {
        terminal::line(&format!(
            "{} requests in {:.0} s: {} completed, {} broken off, {} at their deadline, {} failed; {} of a given form",
            figures.requests,
            figures.seconds,
            figures.completed,
            figures.cancelled,
            figures.deadlines,
            figures.failed,
            figures.formed
        ));
        terminal::line(&format!(
            "{} of {} prompt tokens from the cache; the same question got the same answer: {}",
            figures.cached_tokens,
            figures.prompt_tokens,
            yes_or_no(figures.same_text)
        ));
        terminal::line(&format!(
            "resident after a tenth {:.1} MiB, at the end {:.1} MiB",
            figures.settled_bytes as f64 / 1_048_576.0,
            figures.final_bytes as f64 / 1_048_576.0
        ));
    }
    Ok(exit_code(figures.sound()))
}

pub(super) fn form(args: &Form) -> Result<ExitCode, Failure> {
    let figures = form::run(&args.model, args.generate, args.threads).map_err(Failure::from_room)?;
    if args.json {
        terminal::json(&figures)?;
    } else {
        terminal::line("form         tokens  tokens/s  cost %");
        for row in &figures.rows {
            terminal::line(&format!(
                "{:<11}  {:>6}  {:>8.1}  {:>6.1}",
                row.form,
                row.tokens,
                row.tokens_per_s,
                row.cost * 100.0
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn serve(args: Serve) -> Result<ExitCode, Failure> {
    let Serve { model, users, prompt, generate, shared, threads, guesses, json } = args;
    let order = serve::Order { users, prompt, generate, shared, threads, guesses };
    let figures = serve::run(&model, &order).map_err(Failure::from_room)?;
    if json {
        terminal::json(&figures)?;
    } else {
        terminal::line(&format!(
            "prompts of {} tokens, the first {} alike; answers of {} tokens; alone the first token takes {:.0} ms",
            figures.prompt_tokens, figures.shared_tokens, figures.generated_tokens, figures.alone_first_token_ms
        ));
        terminal::line(
            "users  decode tokens/s  total tokens/s  first token p50 ms  p95 ms  newcomer ms  prompts computed  same text",
        );
        for row in &figures.rows {
            let decode = row.decode_tokens_per_s.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.1}"));
            terminal::line(&format!(
                "{:>5}  {decode:>15}  {:>14.1}  {:>18.0}  {:>6.0}  {:>11.0}  {:>16}  {:>9}",
                row.users,
                row.total_tokens_per_s,
                row.first_token_p50_ms,
                row.first_token_p95_ms,
                row.newcomer_first_token_ms,
                format!("{}/{}", row.computed_tokens, row.prompt_tokens),
                yes_or_no(row.same_text)
            ));
        }
    }
    Ok(exit_code(figures.same_text()))
}

pub(super) fn prefix(args: &Prefix) -> Result<ExitCode, Failure> {
    let figures = prefix::run(&args.model, args.tokens, args.threads).map_err(Failure::from_room)?;
    if args.json {
        terminal::json(&figures)?;
    } else {
        for (name, value) in [
            ("prefix", format!("{} tokens, {} saved", figures.prefix_tokens, figures.saved_tokens)),
            ("save", format!("{:.0} ms, {:.1} MiB", figures.save_ms, figures.file_bytes as f64 / 1_048_576.0)),
            ("restore", format!("{:.0} ms, {} tokens not computed", figures.restore_ms, figures.restored_tokens)),
            ("first token, computed", format!("{:.0} ms", figures.first_token_ms)),
            ("first token, restored", format!("{:.0} ms with the restoring", figures.restored_first_token_ms)),
            ("same text", yes_or_no(figures.same_text).to_owned()),
        ] {
            terminal::line(&format!("{name:<23}{value}"));
        }
    }
    Ok(exit_code(figures.same_text))
}

pub(super) fn quoting(args: &Quoting) -> Result<ExitCode, Failure> {
    let figures = quoting::run(&args.model, args.draft.as_deref(), args.threads).map_err(Failure::from_room)?;
    if args.json {
        terminal::json(&figures)?;
    } else {
        terminal::line(
            "language  answers  tokens  plain tokens/s  guessing tokens/s  ratio  tokens per pass  same text",
        );
        for row in &figures.rows {
            terminal::line(&format!(
                "{:<8}  {:>7}  {:>6}  {:>14.1}  {:>17.1}  {:>5.2}  {:>15.2}  {:>9}",
                row.language,
                row.answers,
                row.generated_tokens,
                row.plain_tokens_per_s,
                row.guessed_tokens_per_s,
                row.ratio,
                row.tokens_per_pass,
                yes_or_no(row.same_text)
            ));
        }
    }
    Ok(exit_code(figures.same_text()))
}

const fn yes_or_no(same: bool) -> &'static str {
    if same { "yes" } else { "NO" }
}

/// A text that differs is a fault, however fast it came.
fn exit_code(same: bool) -> ExitCode {
    if same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
