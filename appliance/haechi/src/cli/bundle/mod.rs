//! `haechi bundle`: models, evidence and software as signed bundles. The center's half is [`center`], a site's [`site`].

pub(crate) mod build;
mod canary;
mod center;
mod site;
mod switch;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use build::recipe;

use crate::error::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Make one GGUF file of a published model folder (config.json, safetensors, tokenizer.json)
    Build(build::BuildArgs),
    /// Center: make a signing key of your own; hand on only the .pub file
    Key(center::KeyArgs),
    /// Center: begin a repository of bundles; names the keys that may sign
    Init(center::InitArgs),
    /// Center: put files into the repository as one bundle, to be signed
    Pack(center::PackArgs),
    /// Center: sign what waits with your key; published once nobody is missing. Without a key: what waits
    Sign(center::SignArgs),
    /// Center: move the ends of what is published, to be signed
    Refresh(center::RefreshArgs),
    /// Site: trust a publisher's root, after comparing its fingerprint with what the center told you
    Trust(site::TrustArgs),
    /// Site: check a medium (a folder or a stick): signatures, ends, versions, every byte
    Verify(site::VerifyArgs),
    /// Site: check, stage, inspect and install a bundle of a medium; what is in use stays in use
    Install(site::InstallArgs),
    /// Site: install what is staged already; needs nothing but the staged folder and the trusted root
    Apply(site::ApplyArgs),
    /// Site: test an installed bundle, put it in use, watch it, and go back by itself if it does not do
    Activate(switch::ActivateArgs),
    /// Site: go back to the bundle before
    Rollback(switch::RollbackArgs),
    /// Site: which bundles are installed, which are in use, since when, who signed
    List(super::Common),
    /// Ask a model the canary questions (started by `activate`)
    #[command(hide = true)]
    Canary(canary::CanaryArgs),
}

pub(crate) fn run(command: BundleCommand) -> Result<ExitCode, Failure> {
    let now = jiff::Timestamp::now();
    match command {
        BundleCommand::Build(args) => return build::run(&args),
        BundleCommand::Key(args) => center::key(&args)?,
        BundleCommand::Init(args) => center::init(&args, now)?,
        BundleCommand::Pack(args) => center::pack(&args, now)?,
        BundleCommand::Sign(args) => center::sign(&args)?,
        BundleCommand::Refresh(args) => center::refresh(&args, now)?,
        BundleCommand::Trust(args) => site::trust(args)?,
        BundleCommand::Verify(args) => site::verify(args, now)?,
        BundleCommand::Install(args) => site::install(args, now)?,
        BundleCommand::Apply(args) => site::apply(args, now)?,
        BundleCommand::Activate(args) => switch::activate(args, now)?,
        BundleCommand::Rollback(args) => switch::rollback(args, now)?,
        BundleCommand::List(common) => site::list(&common)?,
        BundleCommand::Canary(args) => canary::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
