//! `haechi cert`: the site's certificates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use haechi_certs::identity::SERVER_FILE;
use haechi_certs::{Authority, Facts, Identity, Purpose};
use serde::Serialize;

use super::{Common, terminal};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// Longest name of a sender: what an X.509 common name holds.
const MAX_NAME_BYTES: usize = 64;

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// The site's root, the appliance's certificate and those of senders: for whom, until when
    List(Common),
    /// Print the site's root certificate (PEM), which every sender that uses TLS must trust
    Root(Common),
    /// Make the appliance's certificate anew; one that runs takes it within a minute and drops no connection
    Renew(Common),
    /// Make a certificate with its key for a sender that shows one; prints the file's place
    Client {
        #[command(flatten)]
        common: Common,
        /// Name of the sender: letters, digits, '-', '.'
        name: String,
    },
}

/// A line of the list.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    subject: String,
    names: Vec<String>,
    from: String,
    until: String,
    days_left: i64,
    serial: String,
    file: PathBuf,
}

pub(crate) fn run(command: CertCommand) -> Result<ExitCode, Failure> {
    let now = jiff::Timestamp::now();
    match command {
        CertCommand::List(common) => list(&common, now)?,
        CertCommand::Root(common) => {
            let (_, authority) = open(common.home, now)?;
            let file = authority.root_file();
            let text = std::fs::read_to_string(&file).map_err(|error| {
                Failure::new("HAECHI-0149", format_args!("the root certificate cannot be read: {error}")).file(&file)
            })?;
            terminal::line(text.trim_end());
        }
        CertCommand::Renew(common) => {
            let (home, authority) = open(common.home.clone(), now)?;
            let names = Config::load(&home)?.tls.names;
            let file = home.certs_folder().join(SERVER_FILE);
            authority.issue(&file, Purpose::Server, &names, now).map_err(Failure::from_room)?;
            let identity = Identity::open(&authority, &home.certs_folder(), &names, now).map_err(Failure::from_room)?;
            show(common.json, &[line("server", &identity.facts(), now, file)])?;
        }
        CertCommand::Client { common, name } => {
            let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(usable) || name.starts_with('.') {
                return Err(Failure::new("HAECHI-0149", "the sender's name cannot stand in a certificate")
                    .effect("nothing was made")
                    .remedy("use letters, digits, '-' and '.', at most 64"));
            }
            let (home, authority) = open(common.home, now)?;
            let file = home.certs_folder().join(format!("client-{name}.pem"));
            authority.issue(&file, Purpose::Client, &[name], now).map_err(Failure::from_room)?;
            show(common.json, &[read(&file, "client", now)?])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(home: Option<PathBuf>, now: jiff::Timestamp) -> Result<(Home, Authority), Failure> {
    let home = Home::at(home).existing()?;
    let config = Config::load(&home)?;
    let authority =
        Authority::open_or_create(&home.certs_folder(), &config.site.name, now).map_err(Failure::from_room)?;
    Ok((home, authority))
}

fn list(common: &Common, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, authority) = open(common.home.clone(), now)?;
    let mut lines = vec![line("root", authority.facts(), now, authority.root_file())];
    let folder = home.certs_folder();
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        Failure::new("HAECHI-0149", format_args!("the certificates' folder cannot be read: {error}")).file(&folder)
    })?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == SERVER_FILE {
            lines.push(read(&file, "server", now)?);
        } else if name.starts_with("client-") && name.ends_with(".pem") {
            lines.push(read(&file, "client", now)?);
        }
    }
    show(common.json, &lines)
}

fn read(file: &Path, kind: &'static str, now: jiff::Timestamp) -> Result<Line, Failure> {
    let all = haechi_certs::tls::roots_from(file).map_err(Failure::from_room)?;
    let leaf = all.first().ok_or_else(|| Failure::new("HAECHI-0149", "the file holds no certificate").file(file))?;
    let facts = Facts::of(leaf).map_err(|why| Failure::new("HAECHI-0149", why).file(file))?;
    Ok(line(kind, &facts, now, file.to_owned()))
}

fn line(kind: &'static str, facts: &Facts, now: jiff::Timestamp, file: PathBuf) -> Line {
    Line {
        kind,
        subject: facts.subject.clone(),
        names: facts.names.clone(),
        from: facts.from.to_string(),
        until: facts.until.to_string(),
        days_left: facts.days_left(now),
        serial: facts.serial.clone(),
        file,
    }
}

fn show(json: bool, lines: &[Line]) -> Result<(), Failure> {
    if json {
        return terminal::json(&lines);
    }
    for line in lines {
        let until = line.until.get(..10).unwrap_or(&line.until);
        let names = if line.names.is_empty() { String::new() } else { format!("  for {}", line.names.join(", ")) };
        terminal::line(&format!(
            "{:<6}  {}  until {until} ({} days){names}  {}",
            line.kind,
            line.subject,
            line.days_left,
            line.file.display()
        ));
    }
    Ok(())
}
