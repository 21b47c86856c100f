//! `haechi cert list`: every certificate of the site with its state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use haechi_certs::authority::RENEW_BELOW_DAYS;
use haechi_certs::identity::{IMPORTED_FILE, SERVER_FILE};
use haechi_certs::revoked::Entry;
use haechi_certs::{Facts, Purpose};
use serde::Serialize;

use super::super::{Common, terminal};
use crate::error::Failure;

/// A line of the list.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    kind: &'static str,
    /// valid, ends soon, ended, not yet, revoked, or replaced.
    state: &'static str,
    subject: String,
    names: Vec<String>,
    from: String,
    until: String,
    days_left: i64,
    serial: String,
    /// Since when it counts no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    /// Where it lies; none for one that another took the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

pub(super) fn run(common: &Common, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, authority) = super::open(common.home.clone(), now)?;
    let revoked = authority.revoked(now).and_then(|list| list.entries()).map_err(Failure::from_room)?;
    let mut lines = vec![line("root", authority.facts(), now, Some(authority.root_file()))];
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
        } else if name == IMPORTED_FILE {
            lines.push(read(&file, "imported", now)?);
        } else if name.starts_with("client-") && name.ends_with(".pem") {
            lines.push(read(&file, "client", now)?);
        }
    }
    let current: Vec<String> = lines.iter().map(|line| line.serial.clone()).collect();
    for (purpose, facts) in authority.issued().map_err(Failure::from_room)? {
        if !current.contains(&facts.serial) {
            let kind = if purpose == Purpose::Server { "server" } else { "client" };
            let replaced = line(kind, &facts, now, None);
            // One that ended concerns nobody any more.
            if replaced.days_left >= 0 {
                lines.push(Line { state: "replaced", ..replaced });
            }
        }
    }
    for line in &mut lines {
        mark(line, &revoked);
    }
    show(common.json, &lines)
}

fn mark(line: &mut Line, revoked: &BTreeMap<String, Entry>) {
    if let Some(entry) = revoked.get(&line.serial).filter(|_| line.kind != "imported") {
        line.state = "revoked";
        line.revoked = Some(entry.at.to_string());
    }
}

/// The line of a certificate's file, as if it were not revoked.
pub(super) fn read(file: &Path, kind: &'static str, now: jiff::Timestamp) -> Result<Line, Failure> {
    let all = haechi_certs::tls::roots_from(file).map_err(Failure::from_room)?;
    let leaf = all.first().ok_or_else(|| Failure::new("HAECHI-0149", "the file holds no certificate").file(file))?;
    let facts = Facts::of(leaf).map_err(|why| Failure::new("HAECHI-0149", why).file(file))?;
    Ok(line(kind, &facts, now, Some(file.to_owned())))
}

pub(super) fn line(kind: &'static str, facts: &Facts, now: jiff::Timestamp, file: Option<PathBuf>) -> Line {
    let days_left = facts.days_left(now);
    let state = if facts.until <= now {
        "ended"
    } else if facts.from > now {
        "not yet"
    } else if days_left < RENEW_BELOW_DAYS {
        "ends soon"
    } else {
        "valid"
    };
    Line {
        kind,
        state,
        subject: facts.subject.clone(),
        names: facts.names.clone(),
        from: facts.from.to_string(),
        until: facts.until.to_string(),
        days_left,
        serial: facts.serial.clone(),
        revoked: None,
        file,
    }
}

pub(super) fn show(json: bool, lines: &[Line]) -> Result<(), Failure> {
    if json {
        return terminal::json(&lines);
    }
    for line in lines {
        let until = line.until.get(..10).unwrap_or(&line.until);
        let names = if line.names.is_empty() { String::new() } else { format!("  for {}", line.names.join(", ")) };
        let place =
            line.file.as_ref().map_or_else(|| format!("serial {}", line.serial), |file| file.display().to_string());
        terminal::line(&format!(
            "{:<8}  {:<9}  {}  until {until} ({} days){names}  {place}",
            line.kind, line.state, line.subject, line.days_left,
        ));
    }
    Ok(())
}
