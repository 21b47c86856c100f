//! `haechi patient list`, `show`, `merges` and `unmerge`.

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
    /// The trail of merges: who was joined with whom, parted again, which visits were moved, when and by whose word
    Merges {
        #[command(flatten)]
        common: Common,
    },
    /// Part a merged patient from the one whose chart it is part of now
    Unmerge {
        #[command(flatten)]
        common: Common,
        /// FHIR id or identifier of the patient who was merged (not of the one who remained)
        id: String,
        /// Why; it stands in the trail. Do not name the patient in it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
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
        PatientCommand::Merges { common } => {
            let merges = site::reach(common.home)?.merges()?;
            if common.json {
                terminal::json(&merges)?;
            } else {
                merges.iter().for_each(|merge| terminal::line(&merge.in_words()));
                if merges.is_empty() {
                    terminal::line("no patient was merged");
                }
            }
        }
        PatientCommand::Unmerge { common, id, reason } => {
            let by = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
            let by = by.map_or_else(|_| "command line".to_owned(), |name| format!("command line, user {name}"));
            let done = site::reach(common.home)?.unmerge(&id, by, reason)?;
            if common.json {
                terminal::json(&done)?;
            } else {
                terminal::line(&done.in_words());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
