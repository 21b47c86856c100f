//! `haechi patient list` and `haechi patient show`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, terminal};
use crate::error::Failure;
use crate::site;

#[derive(Debug, Subcommand)]
pub(crate) enum PatientCommand {
    /// All patients, or those whose name or identifier contains a text
    List {
        #[command(flatten)]
        common: Common,
        /// Part of a name or an identifier
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
    },
    /// One patient: who it is and what the record holds
    Show {
        #[command(flatten)]
        common: Common,
        /// FHIR id or identifier
        id: String,
    },
}

pub(crate) fn run(command: PatientCommand) -> Result<ExitCode, Failure> {
    match command {
        PatientCommand::List { common, find } => {
            let patients = site::reach(common.home)?.patients(find.as_deref())?;
            if common.json {
                terminal::json(&patients)?;
            } else {
                for patient in &patients {
                    let number = patient.identifiers.first().map(|identifier| identifier.value.as_str()).unwrap_or("-");
                    terminal::line(&format!(
                        "{}  {}  {}  {}  {}  {} resources",
                        patient.id,
                        number,
                        patient.birth_date.as_deref().unwrap_or("-"),
                        patient.sex.as_deref().unwrap_or("-"),
                        patient.name,
                        patient.resources
                    ));
                }
                if patients.is_empty() {
                    terminal::line("no patient found");
                }
            }
        }
        PatientCommand::Show { common, id } => {
            let patient = site::reach(common.home)?.patient(&id)?;
            if common.json {
                terminal::json(&patient)?;
            } else {
                terminal::line(&patient.in_words());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
