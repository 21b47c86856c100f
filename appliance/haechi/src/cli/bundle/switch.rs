//! Putting a bundle in use: tested first, then switched, then watched; what does not do goes back by itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use haechi_bundle::Kind;
use haechi_bundle::store::Installed;
use haechi_link::client::{Client, ClientSettings};
use haechi_link::model::{Generate, Message, Model, ModelReply, ModelRequest};
use serde_json::json;

use super::super::{Common, terminal};
use super::canary::Report;
use super::site;
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// The canary has this long: a large model takes minutes to load from a slow disk.
const CANARY_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Between two looks at the model role while it is watched.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct ActivateArgs {
    #[command(flatten)]
    common: Common,
    /// Name of an installed bundle (its newest) or the beginning of its digest
    which: String,
    /// How long the appliance that runs is watched after the switch
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    watch: u64,
    /// How long it may take to load the new model
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    common: Common,
    /// Which kind goes back: model, evidence or software
    #[arg(long, default_value = "model")]
    kind: Kind,
}

pub(super) fn activate(args: ActivateArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, store) = site::store(args.common.home.clone());
    let bundle = store.bundle(&args.which)?;
    if bundle.manifest.kind != Kind::Model {
        return Err(Failure::new(
            "HAECHI-0973",
            format_args!("{} bundles cannot be put in use by this command yet", bundle.manifest.kind),
        )
        .effect("nothing was changed")
        .remedy("evidence: `haechi import` the files of its folder; software: the package manager"));
    }
    let config = Config::load(&home)?;
    if config.model.file.is_some() {
        return Err(Failure::new("HAECHI-0973", "haechi.toml names the model by hand")
            .file(&home.config_file())
            .effect("nothing was changed: the file named there would go on running")
            .remedy("remove `file` under [model], restart, and try again"));
    }
    let report = canary(&home, &bundle, config.model.threads)?;
    if !report.faults.is_empty() {
        return Err(Failure::new("HAECHI-0971", "the model failed its self-test")
            .file(&bundle.start())
            .effect("it was not put in use; what was in use stays in use")
            .remedy(format_args!("call the center with this: {}", report.faults.join("; "))));
    }
    store.switch(&bundle, now)?;
    let watched = match watch(&home, &report.sha256, &args) {
        Ok(watched) => watched,
        Err(why) => {
            let back = store.back(Kind::Model, jiff::Timestamp::now())?;
            let back = back.map_or_else(
                || "no bundle is in use, as before".to_owned(),
                |back| format!("{} is in use again", back.digest.get(..12).unwrap_or(&back.digest)),
            );
            return Err(Failure::new(
                "HAECHI-0972",
                format_args!("the new model did not do, and was rolled back: {why}"),
            )
            .file(&bundle.start())
            .effect(back)
            .remedy("call the center with this text"));
        }
    };
    store.confirm(Kind::Model)?;
    if args.common.json {
        return terminal::json(&json!({ "active": bundle.digest, "self_test": report, "watched": watched }));
    }
    terminal::line(&format!(
        "In use: {} {}. Self-test: {} of {} simple questions, {} over the demo hospital. {}",
        bundle.manifest.name,
        bundle.manifest.version,
        report.known,
        report.asked,
        report.questions,
        if watched {
            "The appliance runs it and was watched."
        } else {
            "No appliance runs here; it is used from the next start."
        }
    ));
    Ok(())
}

pub(super) fn rollback(args: RollbackArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (_, store) = site::store(args.common.home);
    let back = store.back(args.kind, now)?;
    if args.common.json {
        return terminal::json(&json!({ "active": back.map(|back| back.digest) }));
    }
    match back {
        Some(back) => {
            let bundle = store.by_digest(&back.digest)?;
            terminal::line(&format!(
                "In use again: {} {}. An appliance that runs takes it within seconds.",
                bundle.manifest.name, bundle.manifest.version
            ));
        }
        None => terminal::line("No bundle is in use now, as before the first one."),
    }
    Ok(())
}

/// Asks the canary questions in a process of its own.
fn canary(home: &Home, bundle: &Installed, threads: usize) -> Result<Report, Failure> {
    let failed = |what: &dyn std::fmt::Display| {
        Failure::new("HAECHI-0971", format_args!("the model's self-test did not come to its end: {what}"))
            .file(&bundle.start())
            .effect("it was not put in use; what was in use stays in use")
            .remedy("look for room on the disk and memory; if both are there, call the center with this text")
    };
    let scratch = Scratch(home.bundles_folder().join(format!(".canary-{}", std::process::id())));
    std::fs::create_dir_all(&scratch.0).map_err(|error| failed(&error))?;
    let out = scratch.0.join("report.json");
    let file = std::fs::File::create(&out).map_err(|error| failed(&error))?;
    let mut child = Command::new("/proc/self/exe")
        .args(["bundle", "canary", "--threads", &threads.to_string(), "--model"])
        .arg(bundle.start())
        .arg("--scratch")
        .arg(&scratch.0)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))?;
    let until = Instant::now() + CANARY_PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| failed(&error))? {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(&"it took too long"));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    if !status.success() {
        return Err(failed(&format_args!("its process ended with {status}")));
    }
    let text = std::fs::read(&out).map_err(|error| failed(&error))?;
    serde_json::from_slice(&text).map_err(|error| failed(&error))
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until the model role that runs here took the new model, then watches it; false if none runs.
fn watch(home: &Home, wanted: &str, args: &ActivateArgs) -> Result<bool, String> {
    let socket = home.model_socket();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        if Client::<Model>::connect(&socket, ClientSettings::default()).await.is_err() {
            return Ok(false);
        }
        let until = Instant::now() + Duration::from_secs(args.patience);
        loop {
            match ask(home, &ModelRequest::Info).await {
                Ok(ModelReply::Info(info)) if info.sha256 == wanted => break,
                Ok(ModelReply::Failed { code, message }) if code == "HAECHI-0974" => return Err(message),
                _ if Instant::now() > until => return Err("the appliance did not take it in time".to_owned()),
                _ => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
        let until = Instant::now() + Duration::from_secs(args.watch);
        loop {
            let question = Message { role: "user".to_owned(), content: "Which organ pumps blood?".to_owned() };
            let request = ModelRequest::Generate(Generate {
                messages: vec![question],
                max_tokens: 16,
                temperature: 0.0,
                seed: 0,
                stop: Vec::new(),
            });
            match ask(home, &request).await? {
                // A full queue is a busy hospital, and no fault of the model.
                ModelReply::Done { .. } | ModelReply::Overloaded => {}
                ModelReply::Failed { message, .. } => return Err(message),
                _ => return Err("it answered out of turn".to_owned()),
            }
            if Instant::now() > until {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
    })
}

async fn ask(home: &Home, request: &ModelRequest) -> Result<ModelReply, String> {
    let client =
        Client::<Model>::connect_when_ready(&home.model_socket(), ClientSettings::default(), Duration::from_secs(10))
            .await
            .map_err(|error| format!("the model role is gone: {error}"))?;
    client.ask(request, |_| {}).await.map_err(|error| error.to_string())
}
