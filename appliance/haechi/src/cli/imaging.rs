//! `haechi imaging list` and `haechi imaging preview`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Common, terminal};
use crate::error::Failure;
use crate::site;

#[derive(Debug, Subcommand)]
pub(crate) enum ImagingCommand {
    /// All studies, or those whose patient is not known
    List {
        #[command(flatten)]
        common: Common,
        /// Only studies that are nobody's yet, and why
        #[arg(long)]
        unmatched: bool,
    },
    /// A small PNG of one image, without the patient's name
    Preview {
        #[command(flatten)]
        common: Common,
        /// SOP Instance UID
        uid: String,
        /// Where the PNG goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(crate) fn run(command: ImagingCommand) -> Result<ExitCode, Failure> {
    match command {
        ImagingCommand::List { common, unmatched } => {
            let studies = site::reach(common.home)?.imaging(unmatched)?;
            if common.json {
                terminal::json(&studies)?;
            } else {
                for study in &studies {
                    let whose = study.patient.as_deref().or(study.why.as_deref()).unwrap_or("not looked at yet");
                    let number = if study.number.is_empty() { "-" } else { study.number.as_str() };
                    terminal::line(&format!("{}  {number}  {} images  {whose}", study.uid, study.instances));
                }
                if studies.is_empty() {
                    terminal::line("no study found");
                }
            }
        }
        ImagingCommand::Preview { common, uid, out } => {
            let preview = site::reach(common.home)?.preview(&uid)?;
            let Some(png) = preview.png else {
                let why = preview.why.unwrap_or_default();
                return Err(Failure::new("HAECHI-0381", format_args!("no preview is made: {why}"))
                    .effect("the image is kept as it came")
                    .remedy("look at it in the archive that it came from"));
            };
            let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&out);
            let written = file
                .as_mut()
                .map_err(|error| error.to_string())
                .and_then(|file| file.write_all(&png).map_err(|error| error.to_string()));
            written.map_err(|error| {
                Failure::new("HAECHI-0382", format_args!("the preview cannot be written: {error}"))
                    .file(&out)
                    .remedy("name a file that you may write with --out")
            })?;
            if common.json {
                terminal::json(&serde_json::json!({"file": out, "bytes": png.len()}))?;
            } else {
                terminal::line(&format!("{} bytes written to {}", png.len(), out.display()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
