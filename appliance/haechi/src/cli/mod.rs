//! The command line (contract: the design page, "The command line"). One file per command; each prints for a person, or
//! one JSON document with `--json`.

mod ask;
mod backup;
mod bench;
mod bundle;
mod cert;
pub(crate) mod demo;
mod doctor;
mod feed;
mod imaging;
pub(crate) mod import;
mod key;
mod manual;
mod owner;
mod patient;
mod setup;
mod status;
pub(crate) mod terminal;
mod terminology;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::Failure;
use crate::roles;

/// Haechi answers clinicians' questions from the hospital's own records, on the hospital's own machine.
#[derive(Debug, Parser)]
#[command(name = "haechi", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Options that every command on a site takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// State folder of the site [default: /var/lib/haechi; `haechi up`: ./.haechi]
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start all roles in the foreground, on this machine only
    Up(up::UpArgs),
    /// Put files or folders into the record: FHIR JSON/NDJSON(.gz), HL7 v2, DICOM
    Import(import::ImportArgs),
    /// Ask about a patient; every sentence of the answer cites the record
    Ask(ask::AskArgs),
    /// List patients, or show one
    #[command(subcommand)]
    Patient(patient::PatientCommand),
    /// The HL7 feeds: how they do, what waits, what could not be filed
    #[command(subcommand)]
    Feed(feed::FeedCommand),
    /// Imaging studies: list them, or make a small picture of one image
    #[command(subcommand)]
    Imaging(imaging::ImagingCommand),
    /// What runs here, which model, how much is in the record
    Status(Common),
    /// What does not work, and what to do about it
    Doctor(Common),
    /// The benchmarks that the docs quote
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// The site's certificates
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Encrypted copies of the site's state, and the way back
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Make model files; make, sign, check, install and switch bundles of models, evidence and software
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Code systems: load them, look codes up, map them
    #[command(subcommand)]
    Terminology(terminology::TerminologyCommand),
    /// The demo hospital
    #[command(subcommand)]
    Demo(demo::DemoCommand),
    /// Role: records and answers (started by `up`)
    #[command(hide = true)]
    Core(Common),
    /// Role: the listeners (started by `up`)
    #[command(hide = true)]
    Door(roles::door::DoorArgs),
    /// Role: the model (started by `up`)
    #[command(hide = true)]
    Model(Common),
    /// One forbidden connection, tried before the door opens (started by systemd)
    #[command(hide = true)]
    Probe,
    /// Write the manual pages and shell completions (for packages)
    #[command(hide = true)]
    Manual(manual::ManualArgs),
    /// The key of the record in a packaged appliance
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Set this machine up: configuration, key, certificate, listeners; then what `doctor` says
    Setup(setup::SetupArgs),
}

/// Answer language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Korean
    Ko,
    /// English
    En,
    /// That of the question
    Auto,
}

/// Reads the command line. Usage errors are printed here and end with exit code 2.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    Cli::try_parse().map(|cli| cli.command).map_err(|error| {
        // Printing fails only if the terminal is gone, and then nobody reads it.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
    })
}

/// Runs one command to its exit code.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    if matches!(command, Command::Cert(_))
        && let Some(code) = owner::instead_of_root()?
    {
        return Ok(code);
    }
    match command {
        Command::Up(args) => up::run(args),
        Command::Import(args) => import::run(&args),
        Command::Ask(args) => ask::run(&args),
        Command::Patient(command) => patient::run(command),
        Command::Feed(command) => feed::run(command),
        Command::Imaging(command) => imaging::run(command),
        Command::Status(common) => status::run(&common),
        Command::Doctor(common) => doctor::run(&common),
        Command::Bench(command) => bench::run(command),
        Command::Cert(command) => cert::run(command),
        Command::Backup(command) => backup::run(command),
        Command::Bundle(command) => bundle::run(command),
        Command::Terminology(command) => terminology::run(command),
        Command::Demo(command) => demo::run(command),
        Command::Core(common) => roles::core::run(common.home),
        Command::Door(args) => roles::door::run(args),
        Command::Model(common) => roles::model::run(common.home),
        Command::Probe => roles::wall::probe().map(|()| ExitCode::SUCCESS),
        Command::Manual(args) => manual::run(&args),
        Command::Key(command) => key::run(&command),
        Command::Setup(args) => setup::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contract_parses() {
        for line in [
            "haechi up --demo",
            "haechi up --home d",
            "haechi import --home d --json a b",
            "haechi ask --home d --json --patient 1 --lang ko question",
            "haechi patient list --json --home d",
            "haechi patient show 1 --home d",
            "haechi feed list --json --home d",
            "haechi feed pause lab",
            "haechi feed resume lab --json",
            "haechi feed replay 12 --json",
            "haechi feed replay --feed lab",
            "haechi feed dead-letters --feed lab --json",
            "haechi feed show 12 --content",
            "haechi bench mllp --messages 1000 --connections 8 --json --peer",
            "haechi imaging list --unmatched --json",
            "haechi imaging preview 1.2.3 --out f.png --home d",
            "haechi status --json",
            "haechi doctor",
            "haechi bench model --model f --prompt 128 --generate 16 --threads 2 --json",
            "haechi bench serve --model f --users 1,2,4 --prompt 128 --generate 16 --shared 64 --threads 2 --json",
            "haechi bench prefix --model f --tokens 4000 --json",
            "haechi bench quoting --model f --json",
            "haechi bench make-model --shape l1-tiny --quant q4_k_m --out f --seed 2",
            "haechi backup init --to d --home h",
            "haechi backup create --to d --home h --with-models --json",
            "haechi backup list --to d",
            "haechi backup verify --to d --key f --scratch s",
            "haechi backup prune --to d --keep 14",
            "haechi backup restore --from d --home h --snapshot s --key f --json",
            "haechi bundle build --from d --quant q5_k_m --out f --imatrix i --json",
            "haechi bundle key --out k.pem",
            "haechi bundle init --repo r --root a.pub --root b.pub --threshold 2 --model m.pub --evidence e.pub --software s.pub --stamp t.pub",
            "haechi bundle pack --repo r --kind model --name clinic --version 1.0 f.gguf --json",
            "haechi bundle sign --repo r --key k.pem --key l.pem --json",
            "haechi bundle refresh --repo r --all",
            "haechi bundle trust 1.root.json --fingerprint 00 --home d",
            "haechi bundle verify m --home d --json",
            "haechi bundle install m clinic --home d --stage-only",
            "haechi bundle apply 0123456789 --home d",
            "haechi bundle activate clinic --watch 5 --home d",
            "haechi bundle rollback --kind model --home d --json",
            "haechi bundle list --home d --json",
            "haechi cert list --json --home d",
            "haechi cert client lab --home d",
            "haechi cert csr --home d --name haechi.hospital.example",
            "haechi cert import --home d --password-file p a.pem b.pem",
            "haechi cert import --remove --home d",
            "haechi cert revoke lab --reason key-compromise --home d --json",
            "haechi cert crl --home d",
            "haechi terminology import --home d --json --system kcd --version 9 --from 2026-01-01 --column code=a f.csv",
            "haechi terminology list --json",
            "haechi terminology lookup --system kcd --date 2026-03-01 E11.9",
            "haechi terminology map --system rxnorm --to atc 6809",
            "haechi demo generate --patients 3 --seed 1 --out d",
            "haechi setup --answers f",
            "haechi setup --apply",
            "haechi key recover",
            "haechi manual --out d",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["haechi", "ask"]).is_err());
    }
}
