//! `haechi bundle build`: one GGUF file of a published model folder.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_drivers::convert;
use haechi_drivers::quant::recipe::Recipe;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::terminal;
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Model folder
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// How weights are stored: q4_k_m (about 4.8 bits a weight), q5_k_m, q6_k, q8_0, f16, ...
    #[arg(long, value_name = "RECIPE", default_value = "q4_k_m", value_parser = recipe)]
    quant: Recipe,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Importance matrix (GGUF, as llama.cpp's imatrix writes it): loses less at 4 bits
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &BuildArgs) -> Result<ExitCode, Failure> {
    if args.out.exists() {
        return Err(Failure::new("HAECHI-0133", "the file to write is there already")
            .file(&args.out)
            .effect("nothing was made")
            .remedy("remove it, or choose another name with --out"));
    }
    let target = if terminal::watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent} %  {elapsed}, about {eta} left") {
        bar.set_style(style);
    }
    let made = convert::convert(&args.from, &args.out, args.quant, args.imatrix.as_deref(), |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let made = made.map_err(Failure::from_room)?;
    if args.json {
        terminal::json(&made)?;
    } else {
        terminal::line(&format!(
            "Made {}: {} weights in {} tensors ({} with an importance; {} tensors of the folder left out).",
            args.out.display(),
            terminal::thousands(made.numbers),
            made.tensors,
            made.with_importance,
            made.left_out
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A recipe by its name.
pub(crate) fn recipe(name: &str) -> Result<Recipe, String> {
    Recipe::named(name).ok_or_else(|| format!("there are {}", Recipe::names()))
}
