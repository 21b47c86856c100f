//! `haechi key`: the sealed key of a packaged record.

use std::process::ExitCode;

use clap::Subcommand;
use zeroize::Zeroizing;

use super::terminal;
use crate::error::Failure;
use crate::setup::{check_place, seal, systemctl};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Seal the key anew from the recovery key, read from standard input: after a new mainboard, or on another machine
    Recover,
}

pub(crate) fn run(command: &KeyCommand) -> Result<ExitCode, Failure> {
    let KeyCommand::Recover = command;
    check_place()?;
    if terminal::watched() {
        eprint!("Recovery key: ");
    }
    let mut line = Zeroizing::new(String::new());
    let wrong = |why: String| {
        Failure::new("HAECHI-0193", format_args!("the recovery key cannot be used: {why}"))
            .effect("nothing was changed")
            .remedy("type it as set-up printed it, seven groups of eight")
    };
    std::io::stdin().read_line(&mut line).map_err(|error| wrong(error.to_string()))?;
    let key = seal::read(line.trim()).map_err(wrong)?;
    seal::seal(&key)?;
    systemctl(&["restart", "haechi-core.service"])?;
    terminal::line(
        "The key is sealed to this machine and the core was started with it. `haechi doctor` says whether it opens the record.",
    );
    Ok(ExitCode::SUCCESS)
}
