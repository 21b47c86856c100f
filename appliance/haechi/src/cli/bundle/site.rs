//! A site's half: trust, check, stage, inspect, install, list.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use haechi_bundle::store::{Active, State};
use haechi_bundle::trust::Found;
use haechi_bundle::{Kind, Store};
use serde::Serialize;

use super::super::{Common, terminal};
use crate::error::Failure;
use crate::home::Home;

/// Largest root file.
const MAX_ROOT_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    #[command(flatten)]
    common: Common,
    /// The publisher's root: N.root.json of a medium
    root: PathBuf,
    /// Its SHA-256 as the center told it to you by another way than the medium
    #[arg(long, value_name = "SHA256")]
    fingerprint: String,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    common: Common,
    /// Folder with `metadata` and `targets`
    medium: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    common: Common,
    /// Folder with `metadata` and `targets`
    medium: PathBuf,
    /// Name of the bundle (its newest) or digest
    which: String,
    /// Only stage and inspect it; `haechi bundle apply DIGEST` installs it
    #[arg(long)]
    stage_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    common: Common,
    /// Digest of a staged bundle
    digest: String,
}

#[derive(Debug, Serialize)]
struct Line {
    digest: String,
    kind: Kind,
    name: String,
    version: String,
    bytes: u64,
    signed_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    installed: Option<String>,
    /// Since when it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
}

pub(super) fn store(home: Option<PathBuf>) -> (Home, Store) {
    let home = Home::at(home);
    let store = Store::at(home.bundles_folder());
    (home, store)
}

pub(super) fn trust(args: TrustArgs) -> Result<(), Failure> {
    let (home, store) = store(args.common.home);
    home.create()?;
    store.trust().begin(&read_small(&args.root)?, &args.fingerprint)?;
    if args.common.json {
        return terminal::json(&serde_json::json!({ "trusted": true }));
    }
    terminal::line("Trusted from now on. Later roots of the same publisher come with each medium, signed by this one.");
    Ok(())
}

pub(super) fn verify(args: VerifyArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (_, store) = store(args.common.home);
    let verified = store.trust().verify(&args.medium, now)?;
    let bundles = verified.bundles()?;
    for bundle in &bundles {
        verified.check_files(bundle)?;
    }
    let lines: Vec<Line> = bundles.into_iter().map(found).collect();
    let until = verified.until().strftime("%F").to_string();
    if args.common.json {
        return terminal::json(
            &serde_json::json!({ "until": until, "root": verified.root_version(), "bundles": lines }),
        );
    }
    terminal::line(&format!("The medium holds, until {until}; root {}. On it:", verified.root_version()));
    lines.iter().for_each(show);
    Ok(())
}

pub(super) fn install(args: InstallArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, store) = store(args.common.home);
    home.create()?;
    let verified = store.trust().verify(&args.medium, now)?;
    let bundle = verified.bundle(&args.which)?;
    let staged = store.stage(&verified, &bundle)?;
    if bundle.manifest.kind == Kind::Model {
        inspect_staged(&staged, &bundle).inspect_err(|_| {
            // Refused: it must not lie where a later step could take it up.
            let _ = std::fs::remove_dir_all(&staged);
        })?;
    }
    verified.remember(now)?;
    if args.stage_only {
        if args.common.json {
            return terminal::json(&serde_json::json!({ "staged": found(bundle) }));
        }
        terminal::line(&format!("Staged and inspected; install it with `haechi bundle apply {}`.", bundle.digest));
        return Ok(());
    }
    installed(&store, &bundle.digest, args.common.json, now)
}

pub(super) fn apply(args: ApplyArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (_, store) = store(args.common.home);
    installed(&store, &args.digest, args.common.json, now)
}

fn installed(store: &Store, digest: &str, json: bool, now: jiff::Timestamp) -> Result<(), Failure> {
    let bundle = store.apply(digest, now)?;
    if json {
        return terminal::json(&serde_json::json!({ "installed": bundle }));
    }
    terminal::line(&format!(
        "Installed {} {} {} ({}). Put it in use with `haechi bundle activate {}`.",
        bundle.manifest.kind,
        bundle.manifest.name,
        bundle.manifest.version,
        bundle.digest.get(..12).unwrap_or(&bundle.digest),
        bundle.digest.get(..12).unwrap_or(&bundle.digest),
    ));
    Ok(())
}

pub(super) fn list(common: &Common) -> Result<(), Failure> {
    let (_, store) = store(common.home.clone());
    let mut lines = Vec::new();
    let mut active: Vec<Active> = Vec::new();
    for kind in Kind::ALL {
        active.extend(store.active(kind)?);
    }
    for bundle in store.installed()? {
        let active = active.iter().find(|active| active.digest == bundle.digest);
        lines.push(Line {
            digest: bundle.digest,
            kind: bundle.manifest.kind,
            bytes: bundle.manifest.bytes(),
            name: bundle.manifest.name,
            version: bundle.manifest.version,
            signed_by: bundle.origin.signed_by,
            installed: Some(bundle.origin.installed.to_string()),
            active_since: active.map(|active| active.since.to_string()),
            state: active.map(|active| active.state),
        });
    }
    if common.json {
        return terminal::json(&lines);
    }
    if lines.is_empty() {
        terminal::line("No bundle is installed.");
    }
    lines.iter().for_each(show);
    Ok(())
}

fn found(bundle: Found) -> Line {
    Line {
        digest: bundle.digest,
        kind: bundle.manifest.kind,
        bytes: bundle.manifest.bytes(),
        name: bundle.manifest.name,
        version: bundle.manifest.version,
        signed_by: bundle.signed_by,
        installed: None,
        active_since: None,
        state: None,
    }
}

fn show(line: &Line) {
    let state = match (&line.active_since, line.state) {
        (Some(since), Some(State::Trial)) => format!("  in use on trial since {since}"),
        (Some(since), _) => format!("  in use since {since}"),
        _ => String::new(),
    };
    terminal::line(&format!(
        "{}  {:<8}  {} {}  {} bytes  signed by {}{state}",
        line.digest.get(..12).unwrap_or(&line.digest),
        line.kind.name(),
        line.name,
        line.version,
        terminal::thousands(line.bytes),
        line.signed_by.join(", "),
    ));
}

/// Looks into a staged model before anybody trusts it. Sets of parts are looked at under their own names.
fn inspect_staged(staged: &Path, bundle: &Found) -> Result<(), Failure> {
    let manifest = &bundle.manifest;
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0970", format_args!("the staged model cannot be inspected: {error}")).file(staged)
    };
    let named = staged.join("named");
    std::fs::create_dir(&named).map_err(failed)?;
    let looked = (|| {
        for file in &manifest.files {
            let target = staged.join("targets").join(format!("{}.{}", file.sha256, manifest.target(&file.name)));
            let target = std::path::absolute(target).map_err(failed)?;
            std::os::unix::fs::symlink(target, named.join(&file.name)).map_err(failed)?;
        }
        inspect_files(&[named.join(&manifest.start)])
    })();
    std::fs::remove_dir_all(&named).map_err(failed)?;
    looked
}

/// Header, lengths, tokenizer and chat template of GGUF files, with the bounds of the engine itself.
pub(super) fn inspect_files(files: &[PathBuf]) -> Result<(), Failure> {
    use haechi_drivers::{chat::Template, gguf, tokenizer::Tokenizer};
    let Some(file) = files.first() else { return Ok(()) };
    let look = || -> Result<(), String> {
        let open = gguf::File::open(file).map_err(|error| error.to_string())?;
        let tokenizer = Tokenizer::from_header(open.header()).map_err(|error| error.to_string())?;
        let template = open.header().text("tokenizer.chat_template").ok_or("it has no chat template")?;
        Template::new(template, &tokenizer).map(drop).map_err(|error| error.to_string())
    };
    look().map_err(|error| {
        Failure::new("HAECHI-0970", format_args!("the model is refused: {error}"))
            .file(file)
            .effect("it was not installed; what is in use stays in use")
            .remedy("call the center with this text: the file was signed and is not sound")
    })
}

/// A small file as a whole.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_ROOT_BYTES).read_to_end(&mut bytes))
        .map_err(|error| Failure::new("HAECHI-0950", format_args!("a file cannot be read: {error}")).file(path))?;
    Ok(bytes)
}
