//! The center's half: keys, a repository, its bundles and their signatures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use haechi_bundle::Kind;
use haechi_bundle::keys::{PublicKey, SigningKey};
use haechi_bundle::publish::{Publisher, Signers, Standing};

use super::super::terminal;
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// File for the private key; the public half goes beside it, ending in .pub
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER")]
    repo: PathBuf,
    /// Public key of somebody who signs for the root; once for each
    #[arg(long, value_name = "PUB", required = true)]
    root: Vec<PathBuf>,
    /// How many of them must sign
    #[arg(long, value_name = "N", default_value_t = 2)]
    threshold: u64,
    /// Public key of who signs models
    #[arg(long, value_name = "PUB", required = true)]
    model: Vec<PathBuf>,
    /// Public key of who signs evidence
    #[arg(long, value_name = "PUB", required = true)]
    evidence: Vec<PathBuf>,
    /// Public key of who signs software
    #[arg(long, value_name = "PUB", required = true)]
    software: Vec<PathBuf>,
    /// Public key of who says every month what is newest
    #[arg(long, value_name = "PUB", required = true)]
    stamp: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER")]
    repo: PathBuf,
    /// What it is: model, evidence or software
    #[arg(long)]
    kind: Kind,
    /// Name of the line of bundles: a-z, 0-9, '-'
    #[arg(long)]
    name: String,
    /// Version in that line: a-z, 0-9, '-', '.'
    #[arg(long)]
    version: String,
    /// Its files; the first is the one to open
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER")]
    repo: PathBuf,
    /// Private key; several where one person holds several
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// Folder of the repository
    #[arg(long, value_name = "FOLDER")]
    repo: PathBuf,
    /// Every role, not only what says which metadata is newest
    #[arg(long)]
    all: bool,
}

pub(super) fn key(args: &KeyArgs) -> Result<(), Failure> {
    let key = SigningKey::generate()?;
    key.write(&args.out)?;
    let public = args.out.with_extension("pub");
    key.public().write(&public)?;
    terminal::line(&format!(
        "Made {} (keep it apart from every network, and nobody else may have it) and {} (hand this on). Key {}.",
        args.out.display(),
        public.display(),
        key.public().short()
    ));
    Ok(())
}

pub(super) fn init(args: &InitArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let read = |paths: &[PathBuf]| paths.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>();
    let signers = Signers {
        root: read(&args.root)?,
        threshold: args.threshold,
        kinds: BTreeMap::from([
            (Kind::Model, read(&args.model)?),
            (Kind::Evidence, read(&args.evidence)?),
            (Kind::Software, read(&args.software)?),
        ]),
        stamp: read(&args.stamp)?,
    };
    let publisher = Publisher::at(args.repo.clone());
    publisher.begin(&signers, now)?;
    terminal::line("The repository is drafted; now each signs it (`haechi bundle sign`):");
    waiting(&publisher.waiting()?);
    Ok(())
}

pub(super) fn pack(args: &PackArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    if args.kind == Kind::Model {
        super::site::inspect_files(&args.files)?; // what sites would refuse is not worth a signature
    }
    let publisher = Publisher::at(args.repo.clone());
    let (manifest, digest) = publisher.pack(args.kind, &args.name, &args.version, &args.files, now)?;
    let standing = publisher.waiting()?;
    if args.json {
        return terminal::json(&serde_json::json!({ "digest": digest, "manifest": manifest, "waiting": standing }));
    }
    terminal::line(&format!("Packed {} {} {} as {digest}; to be signed:", args.kind, args.name, args.version));
    waiting(&standing);
    Ok(())
}

pub(super) fn sign(args: &SignArgs) -> Result<(), Failure> {
    let publisher = Publisher::at(args.repo.clone());
    if args.key.is_empty() {
        let standing = publisher.waiting()?;
        if args.json {
            return terminal::json(&serde_json::json!({ "waiting": standing }));
        }
        if standing.is_empty() {
            terminal::line("Nothing waits to be signed.");
        }
        waiting(&standing);
        return Ok(());
    }
    let keys = args.key.iter().map(|path| SigningKey::read(path)).collect::<Result<Vec<_>, _>>()?;
    let standing = publisher.sign(&keys)?;
    let published = standing.is_empty();
    let root = publisher.root_file().ok();
    let print = root.as_deref().map(fingerprint).transpose()?;
    if args.json {
        return terminal::json(
            &serde_json::json!({ "published": published, "waiting": standing, "root": root, "fingerprint": print }),
        );
    }
    if published {
        terminal::line(&format!("Published: hand on the folder {} (metadata and targets).", args.repo.display()));
        if let (Some(root), Some(print)) = (root, print) {
            terminal::line(&format!(
                "New sites trust {}, fingerprint {print}; tell it by another way.",
                root.display()
            ));
        }
    } else {
        terminal::line("Signed; still to be signed by others:");
        waiting(&standing);
    }
    Ok(())
}

pub(super) fn refresh(args: &RefreshArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let publisher = Publisher::at(args.repo.clone());
    if args.all {
        publisher.renew(now)?
    } else {
        publisher.stamp(now)?
    }
    terminal::line("Drafted with new ends; to be signed:");
    waiting(&publisher.waiting()?);
    Ok(())
}

fn waiting(standing: &[Standing]) {
    for one in standing {
        terminal::line(&format!("  {:<10} {} of {} signatures", one.role, one.have, one.need));
    }
}

fn fingerprint(root: &Path) -> Result<String, Failure> {
    Ok(haechi_bundle::trust::fingerprint(&super::site::read_small(root)?))
}
