//! `haechi bench fhir`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::within;
use crate::bench;
use crate::cli::terminal;
use crate::error::Failure;

/// Options of `haechi bench fhir`.
#[derive(Debug, Args)]
pub(crate) struct Fhir {
    /// Patients of the hospital
    #[arg(long, value_name = "N", default_value_t = 100)]
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
}

pub(crate) fn run(args: &Fhir) -> Result<ExitCode, Failure> {
    let figures = within(&args.work, || bench::fhir::run(args.patients, args.seed, &args.work))?;
    if args.json {
        terminal::json(&figures)?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal::line(&format!(
        "{} patients, {} resources, {} MiB, imported in {:.0} s; all queries p95 {:.1} ms; peak {} MiB",
        terminal::thousands(figures.patients as u64),
        terminal::thousands(figures.resources),
        figures.store_bytes >> 20,
        figures.import_seconds,
        figures.p95_ms,
        figures.peak_rss_bytes >> 20
    ));
    terminal::line(&format!("$everything: of patients with {} resources", figures.median_patient_resources));
    terminal::line("p50 ms  p95 ms  longest  entries      KiB  query");
    for query in &figures.queries {
        terminal::line(&format!(
            "{:>6.2}  {:>6.2}  {:>7.2}  {:>7.1}  {:>7.1}  {}",
            query.p50_ms,
            query.p95_ms,
            query.max_ms,
            query.mean_entries,
            query.mean_bytes as f64 / 1024.0,
            query.name
        ));
    }
    Ok(ExitCode::SUCCESS)
}
