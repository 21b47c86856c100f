//! `haechi setup`: a packaged appliance from installed to running.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Common, doctor, terminal};
use crate::error::Failure;
use crate::setup::answers::Answers;
use crate::setup::{apply, check_place, configure, make_key};

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Take the answers from this TOML file instead of asking
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    answers: Option<PathBuf>,
    /// Put a changed haechi.toml into force, and ask nothing
    #[arg(long)]
    apply: bool,
    /// Replace the configuration of a machine that is set up
    #[arg(long, conflicts_with = "apply")]
    replace: bool,
}

pub(crate) fn run(args: &SetupArgs) -> Result<ExitCode, Failure> {
    check_place()?;
    let accelerator = if args.apply {
        None
    } else {
        let answers = match &args.answers {
            Some(file) => Answers::read(file)?,
            None if std::io::stdin().is_terminal() => {
                Answers::ask(&mut std::io::stdin().lock(), &mut std::io::stderr())?
            }
            None => {
                return Err(Failure::new("HAECHI-0184", "there is no terminal to ask in")
                    .effect("nothing was changed")
                    .remedy("answer with --answers FILE"));
            }
        };
        configure(&answers, args.replace)?;
        Some(answers.accelerator)
    };
    if let Some(key) = make_key()? {
        terminal::line(
            "The recovery key of the record. It is shown this once and kept nowhere. Write it down and lock it away:",
        );
        terminal::line(
            "without it, a machine that is lost takes the record with it; with it and the disk, anybody can read the record.",
        );
        terminal::line("");
        terminal::line(&format!("    {}", key.as_str()));
        terminal::line("");
    }
    apply(accelerator)?;
    doctor::run(&Common { home: None, json: false })
}
