//! `haechi backup`: encrypted copies of the site's state, and the way back.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_backup::{Keys, RecoveryKey, Repository};
use serde_json::json;

use super::{Common, terminal};
use crate::error::Failure;
use crate::home::Home;
use crate::site::backup;

/// Longest key file: a line and a comment.
const MAX_KEY_BYTES: u64 = 4096;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a repository in a new or empty folder; the first time it shows the recovery key, once
    Init(Place),
    /// Add a snapshot of the site; the appliance goes on working meanwhile
    Create {
        #[command(flatten)]
        place: Place,
        /// Copy the models too (they can be installed again from their bundles)
        #[arg(long)]
        with_models: bool,
    },
    /// The snapshots of a repository
    List(Place),
    /// Check seals and checksums of all snapshots; with the recovery key also what is in the newest
    Verify {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        key: KeyFile,
        /// A folder with room for the whole state, for the look inside (used with --key, emptied again)
        #[arg(long, value_name = "DIR", requires = "key")]
        scratch: Option<PathBuf>,
    },
    /// Keep the newest snapshots and remove the others
    Prune {
        #[command(flatten)]
        place: Place,
        /// How many to keep
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: u32,
    },
    /// Put a snapshot into a new home, on this machine or another; needs the recovery key
    Restore {
        #[command(flatten)]
        common: Common,
        /// The repository
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Which snapshot, as listed [default: the newest]
        #[arg(long, value_name = "ID")]
        snapshot: Option<String>,
        #[command(flatten)]
        key: KeyFile,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    common: Common,
    /// The repository: a folder on a disk that is carried away, or on another machine's share
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct KeyFile {
    /// File with the recovery key, `-` for standard input [default: asked for in a terminal]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

pub(crate) fn run(command: BackupCommand) -> Result<ExitCode, Failure> {
    match command {
        BackupCommand::Init(Place { common, .. })
        | BackupCommand::Create { place: Place { common, .. }, .. }
        | BackupCommand::Restore { common, .. }
            if Home::at(common.home.clone()).is_packaged() =>
        {
            return Err(Failure::new("HAECHI-0164", "the state of an installed package cannot be copied by this version")
                .effect("nothing was read or written")
                .remedy("copy /var/lib/haechi and /etc/haechi while `systemctl stop haechi.target` holds, and keep the recovery key of set-up"));
        }
        BackupCommand::Init(place) => init(&place)?,
        BackupCommand::Create { place, with_models } => create(&place, with_models)?,
        BackupCommand::List(place) => list(&place)?,
        BackupCommand::Verify { place, key, scratch } => return verify(&place, &key, scratch.as_deref()),
        BackupCommand::Prune { place, keep } => {
            let (_, keys, repository) = open(&place)?;
            let pruned = repository.prune(&keys, keep as usize)?;
            if place.common.json {
                terminal::json(&pruned)?;
            } else {
                let freed = size(pruned.freed);
                terminal::line(&format!("{} snapshots removed, {} kept, {freed} freed", pruned.removed, pruned.kept));
            }
        }
        BackupCommand::Restore { common, from, snapshot, key } => restore(&common, &from, snapshot.as_deref(), &key)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(place: &Place) -> Result<(), Failure> {
    let home = Home::at(place.common.home.clone()).existing()?;
    let known = Keys::load(&home.backup_keys())?;
    let (keys, new) = match known {
        Some(keys) => (keys, None),
        None => {
            let key = RecoveryKey::generate();
            (key.keys(), Some(key))
        }
    };
    let repository = Repository::init(&place.to, &keys)?;
    let mut line = None;
    if let Some(key) = new {
        make_folder(&home.backup_folder())?;
        keys.store(&home.backup_keys())?;
        line = Some(key.line());
    }
    if place.common.json {
        let key = line.as_ref().map(|line| line.as_str());
        return terminal::json(
            &json!({ "repository": repository.id(), "recipient": keys.recipient(), "recoveryKey": key }),
        );
    }
    terminal::line(&format!("backup repository {} is ready", place.to.display()));
    match line {
        Some(line) => terminal::line(&format!(
            "\nThe recovery key. It is shown this once and kept nowhere here. Write it down, twice, and lock it away:\n\n  {}\n\n\
             Without it no backup can be read, by anybody. With it and a backup, everything can.",
            line.as_str()
        )),
        None => terminal::line("it is read with the recovery key that was shown for the first one"),
    }
    Ok(())
}

fn create(place: &Place, with_models: bool) -> Result<(), Failure> {
    let (home, keys, repository) = open(place)?;
    if inside(&place.to, home.path()) {
        return Err(Failure::new("HAECHI-0163", "the repository lies in the state folder that it should keep")
            .file(&place.to)
            .effect("no backup was made")
            .remedy("name a folder on another disk"));
    }
    let sources = backup::sources(&home, with_models)?;
    let bar = Progress::new("copied");
    let made = haechi_backup::create(
        &repository,
        &keys,
        &home.backup_folder(),
        sources,
        jiff::Timestamp::now(),
        &mut |bytes| bar.add(bytes),
    )?;
    bar.end();
    if place.common.json {
        return terminal::json(&made);
    }
    terminal::line(&format!(
        "snapshot {}: {} in {} files, {} added to the repository",
        made.id,
        size(made.bytes),
        terminal::thousands(made.files),
        size(made.added)
    ));
    Ok(())
}

fn list(place: &Place) -> Result<(), Failure> {
    let (_, keys, repository) = open(place)?;
    let (snapshots, faults) = repository.list(&keys)?;
    if place.common.json {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        return terminal::json(&json!({ "snapshots": snapshots, "faults": faults }));
    }
    if snapshots.is_empty() {
        terminal::line("no snapshot yet");
    }
    for one in &snapshots {
        let (bytes, added) = (size(one.bytes), size(one.added));
        terminal::line(&format!("{}  {bytes:>9}  added {added:>9}  {} files", one.id, terminal::thousands(one.files)));
    }
    for fault in &faults {
        terminal::line(&format!("\n{fault}"));
    }
    Ok(())
}

fn verify(place: &Place, key: &KeyFile, scratch: Option<&Path>) -> Result<ExitCode, Failure> {
    // With the recovery key any machine can check, also one that is no appliance.
    let given = key.key.as_ref().map(|_| recovery_key(key)).transpose()?;
    let (keys, repository) = match &given {
        Some(given) => (given.keys(), Repository::open(&place.to, &given.keys())?),
        None => {
            let (_, keys, repository) = open(place)?;
            (keys, repository)
        }
    };
    let bar = Progress::new("checked");
    let (snapshots, faults) = repository.verify(&keys, &mut |bytes| bar.add(bytes))?;
    let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let mut opened = None;
    if let (Some(given), Some(scratch)) = (&given, scratch) {
        let target = scratch.join("haechi-verify");
        let restored =
            haechi_backup::restore(&place.to, given, None, &target, &mut backup::judge, &mut |bytes| bar.add(bytes));
        match restored {
            Ok(restored) => {
                opened = Some(restored.id);
                std::fs::remove_dir_all(&target).map_err(|error| {
                    Failure::new("HAECHI-0163", format_args!("the look inside cannot be removed again: {error}"))
                        .file(&target)
                })?;
            }
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    bar.end();
    if place.common.json {
        terminal::json(&json!({ "snapshots": snapshots, "opened": opened, "faults": faults }))?;
    } else {
        for fault in &faults {
            terminal::line(&format!("{fault}\n"));
        }
        let inside = match &opened {
            Some(id) => format!("; {id} was opened, and its databases are whole"),
            None => String::new(),
        };
        terminal::line(&format!("{snapshots} snapshots checked, {} faults{inside}", faults.len()));
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn restore(common: &Common, from: &Path, snapshot: Option<&str>, key: &KeyFile) -> Result<(), Failure> {
    let home = Home::at(common.home.clone());
    let key = recovery_key(key)?;
    let bar = Progress::new("restored");
    let restored =
        haechi_backup::restore(from, &key, snapshot, home.path(), &mut backup::judge, &mut |bytes| bar.add(bytes))?;
    bar.end();
    home.create()?; // what is never copied
    if common.json {
        return terminal::json(&restored);
    }
    terminal::line(&format!(
        "{} of {} restored into {}; the databases are whole",
        size(restored.bytes),
        restored.made,
        home.path().display()
    ));
    terminal::line("what came after that moment is not in it: ask the feeds' senders to send it again");
    Ok(())
}

fn open(place: &Place) -> Result<(Home, Keys, Repository), Failure> {
    let home = Home::at(place.common.home.clone()).existing()?;
    let keys = Keys::load(&home.backup_keys())?.ok_or_else(|| {
        Failure::new("HAECHI-0161", "this site has no recovery key yet")
            .file(&home.backup_keys())
            .effect("nothing was read or written")
            .remedy("make a repository first: haechi backup init --to DIR")
    })?;
    let repository = Repository::open(&place.to, &keys)?;
    Ok((home, keys, repository))
}

fn recovery_key(from: &KeyFile) -> Result<RecoveryKey, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0161", format_args!("the recovery key cannot be read: {error}")).effect("nothing was read")
    };
    let mut text = String::new();
    match from.key.as_deref() {
        Some(path) if path == Path::new("-") => std::io::stdin().take(MAX_KEY_BYTES).read_to_string(&mut text),
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(MAX_KEY_BYTES).read_to_string(&mut text)),
        None => {
            terminal::line("Recovery key (AGE-SECRET-KEY-1...):");
            std::io::stdin().lock().take(MAX_KEY_BYTES).read_line(&mut text)
        }
    }
    .map_err(failed)?;
    // A file of `age-keygen` has comments.
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    Ok(RecoveryKey::parse(line)?)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::new("HAECHI-0163", format_args!("the folder for the backup's keys cannot be made: {error}"))
            .file(folder)
    })
}

/// True if `path` lies in `folder`, whatever links lead there.
fn inside(path: &Path, folder: &Path) -> bool {
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => false,
    }
}

/// `1.5 GB`, `20 kB`.
fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Bytes so far, where a person watches.
struct Progress(indicatif::ProgressBar);

impl Progress {
    fn new(done: &str) -> Self {
        let bar =
            if terminal::watched() { indicatif::ProgressBar::new_spinner() } else { indicatif::ProgressBar::hidden() };
        if let Ok(style) =
            indicatif::ProgressStyle::with_template(&format!("{{spinner}} {{bytes}} {done}, {{bytes_per_sec}}"))
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456_789, "123 MB"), (7_000_000_000, "7.0 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
