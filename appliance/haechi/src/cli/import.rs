//! `haechi import`: files and folders go into the record.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_intake::import::{Progress, Summary};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Common, terminal};
use crate::error::Failure;
use crate::site;

/// Rejected items shown on a terminal; `--json` has them all.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    common: Common,
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    for path in &args.paths {
        if !path.exists() {
            return Err(Failure::new("HAECHI-0111", "there is no such file or folder")
                .file(path)
                .effect("nothing was imported")
                .remedy("check the path"));
        }
    }
    let summary = site::reach_or_create(args.common.home.clone())?.import(&args.paths)?;
    if args.common.json {
        terminal::json(&summary)?;
    } else {
        terminal::line(&in_words(&summary));
    }
    Ok(ExitCode::SUCCESS) // rejects are reported, not a failure
}

fn in_words(summary: &Summary) -> String {
    let count = |number: u64| terminal::thousands(number);
    let images = if summary.instances == 0 { String::new() } else { format!(", {} images", count(summary.instances)) };
    let mut text = format!(
        "Imported {} files in {:.1} s: {} resources, {} messages{images} of {} patients; {} unchanged, {} put aside.",
        count(summary.files),
        summary.seconds,
        count(summary.resources),
        count(summary.messages),
        count(summary.patients),
        count(summary.unchanged),
        count(summary.rejected.len() as u64 + summary.rejected_more),
    );
    for rejected in summary.rejected.iter().take(SHOWN) {
        let place = [
            rejected.line.map(|line| format!("line {line}")),
            rejected.resource.clone(),
            rejected.segment.clone(),
            rejected.field.clone(),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        text.push_str(&format!("\n  {}: {}: {}", rejected.file, place.join(", "), rejected.reason));
    }
    let more = summary.rejected.len().saturating_sub(SHOWN) as u64 + summary.rejected_more;
    if more > 0 {
        text.push_str(&format!("\n  and {} more; --json lists the first 10,000", count(more)));
    }
    text
}

/// The progress bar, drawn on standard error where a person watches.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        let target = if terminal::watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}  {elapsed}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn begin(&self, files: u64, bytes: u64) {
        self.0.set_length(bytes);
        self.0.set_message(format!("{files} files"));
    }

    fn read(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    fn stored(&self, resources: u64, messages: u64) {
        self.0.set_message(format!(
            "{} resources, {} messages",
            terminal::thousands(resources),
            terminal::thousands(messages)
        ));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
