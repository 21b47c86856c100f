//! `haechi cert import`: a certificate of the hospital's own authority.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use haechi_certs::identity::IMPORTED_FILE;
use haechi_certs::import::{MAX_IMPORT_BYTES, Offer};
use haechi_certs::request;

use super::super::{Common, terminal};
use super::list;
use crate::config::Config;
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    common: Common,
    /// The certificate, its chain and, where it was not requested by `haechi cert csr`, its key: PEM files, or one PKCS#12
    #[arg(required_unless_present = "remove", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File whose first line is the password of the PKCS#12; without it the terminal is asked
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Show the site's own certificate again
    #[arg(long, conflicts_with = "files")]
    remove: bool,
}

pub(super) fn run(args: ImportArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, _) = super::open(args.common.home.clone(), now)?;
    let folder = home.certs_folder();
    let file = folder.join(IMPORTED_FILE);
    if args.remove {
        std::fs::remove_file(&file).map_err(|error| {
            Failure::new("HAECHI-0912", format_args!("the imported certificate cannot be removed: {error}")).file(&file)
        })?;
        if args.common.json {
            return terminal::json(&serde_json::json!({ "removed": true }));
        }
        terminal::line("Removed: the site's own certificate is shown again within a minute.");
        return Ok(());
    }
    let mut offer = Offer::default();
    for file in &args.files {
        let bytes = read(file)?;
        let refused = |why: String| {
            Failure::new("HAECHI-0912", format_args!("a file is not taken: {why}"))
                .file(file)
                .effect("what was in use stays in use")
                .remedy("hand in PEM (certificate, chain, key) or PKCS#12 with its password")
        };
        match offer.add(&bytes, None) {
            Ok(()) => {}
            Err(why) if why.contains("needs its password") => {
                let password = password(args.password_file.as_deref())?;
                offer.add(&bytes, Some(&password)).map_err(refused)?;
            }
            Err(why) => return Err(refused(why)),
        }
    }
    let names = Config::load(&home)?.tls.names;
    let own = request::open_key(&folder).map_err(Failure::from_room)?;
    let checked = offer.check(own, &names, now).map_err(Failure::from_room)?;
    checked.install(&folder).map_err(Failure::from_room)?;
    request::close(&folder).map_err(Failure::from_room)?;
    let line = list::line("imported", checked.facts(), now, Some(file));
    if args.common.json {
        return terminal::json(&serde_json::json!({ "certificate": line, "notes": checked.notes() }));
    }
    list::show(false, &[line])?;
    for note in checked.notes() {
        terminal::line(&format!("Note: {note}."));
    }
    terminal::line(
        "An appliance that runs shows it within a minute and drops no connection. Senders need the root of the authority that made it.",
    );
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(MAX_IMPORT_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::new("HAECHI-0912", format_args!("a file cannot be read: {error}")).file(file))?;
    Ok(bytes)
}

/// The first line of `file`, or of the terminal, where it is not shown.
fn password(file: Option<&Path>) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0912", format_args!("the password cannot be read: {error}"))
            .remedy("name a file that holds it with --password-file")
    };
    let mut line = String::new();
    match file {
        Some(file) => {
            let open = std::fs::File::open(file).map_err(failed)?;
            std::io::BufReader::new(open.take(4096)).read_line(&mut line).map_err(failed)?;
        }
        None => line = terminal::ask_secret("Password of the PKCS#12: ").map_err(failed)?,
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
