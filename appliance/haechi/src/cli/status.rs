//! `haechi status`: what runs here and what is in the record.

use std::process::ExitCode;

use super::{Common, terminal};
use crate::error::Failure;
use crate::site;

pub(crate) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let status = site::reach(common.home.clone())?.status()?;
    if common.json {
        terminal::json(&status)?;
    } else {
        terminal::line(&status.in_words());
    }
    Ok(ExitCode::SUCCESS)
}
