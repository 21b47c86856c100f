//! `haechi doctor`: what does not work, and what to do. Exit code 1 if something is broken.

use std::process::ExitCode;

use super::{Common, terminal};
use crate::doctor::{self, Level};
use crate::error::Failure;

pub(crate) fn run(common: &Common) -> Result<ExitCode, Failure> {
    let findings = doctor::examine(common.home.clone())?;
    if common.json {
        terminal::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = match finding.level {
                Level::Good => "ok  ",
                Level::Notice => "note",
                Level::Broken => "FAIL",
            };
            terminal::line(&format!("{mark}  {:<10} {}", finding.item, finding.sentence));
            if let Some(remedy) = &finding.remedy {
                terminal::line(&format!("      to do      {remedy}"));
            }
        }
    }
    let broken = findings.iter().any(|finding| finding.level == Level::Broken);
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
