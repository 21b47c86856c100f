//! `haechi demo generate`: writes the demo hospital's files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::terminal;
use crate::error::Failure;

/// Patients in the demo that `haechi up --demo` loads.
pub(crate) const DEMO_PATIENTS: usize = 12;
/// Its seed: the same demo everywhere.
pub(crate) const DEMO_SEED: u64 = 7;

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Write a synthetic Korean hospital as FHIR R4 and as HL7 v2
    Generate {
        /// How many patients
        #[arg(long, value_name = "N", default_value_t = DEMO_PATIENTS)]
        patients: usize,
        /// The same seed gives the same bytes
        #[arg(long, value_name = "S", default_value_t = DEMO_SEED)]
        seed: u64,
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: DemoCommand) -> Result<ExitCode, Failure> {
    let DemoCommand::Generate { patients, seed, out, json } = command;
    let written = generate(patients, seed, out)?;
    if json {
        terminal::json(&written)?;
    } else {
        terminal::line(&written.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the hospital.
pub(crate) fn generate(patients: usize, seed: u64, out: PathBuf) -> Result<haechi_hospital::Written, Failure> {
    Ok(haechi_hospital::generate(&haechi_hospital::Options { patients, seed, out, ..Default::default() })?)
}
