//! `haechi up`: all roles in the foreground, reachable on this machine only.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::demo::{DEMO_PATIENTS, DEMO_SEED};
use crate::error::Failure;
use crate::home::Home;
use crate::roles;
use crate::site::Site;

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// State folder of the site [default: ./.haechi]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Load the demo hospital first, if the record is empty
    #[arg(long)]
    demo: bool,
}

pub(crate) fn run(args: UpArgs) -> Result<ExitCode, Failure> {
    let home = Home::at(Some(args.home.unwrap_or_else(|| PathBuf::from(".haechi"))));
    home.create()?;
    roles::core::refuse_second(&home)?;
    if args.demo {
        load_demo(&home)?;
    }
    roles::up(home)?;
    Ok(ExitCode::SUCCESS)
}

/// Fills an empty record with the demo hospital.
fn load_demo(home: &Home) -> Result<(), Failure> {
    let site = Site::open(home.clone(), None)?;
    if site.status(false)?.record.patients > 0 {
        log::info!("the record is not empty: the demo hospital is not loaded again");
        return Ok(());
    }
    let folder = home.path().join("demo");
    log::info!("writing the demo hospital ({DEMO_PATIENTS} synthetic patients) to {}", folder.display());
    super::demo::generate(DEMO_PATIENTS, DEMO_SEED, folder.clone())?;
    // The HL7 road is the same record once more; the demo takes the FHIR one.
    let summary = site.import(&[folder.join("fhir")])?;
    site.load_demo_terminology()?;
    log::info!("demo hospital loaded: {} resources of {} patients", summary.resources, summary.patients);
    Ok(())
}
