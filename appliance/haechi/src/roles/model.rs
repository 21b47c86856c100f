//! `haechi model`: holds the weights, writes text. Sees no record and no network.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use haechi_bundle::{Kind, Store};
use haechi_drivers::engine::{Engine, EngineError, Finish, Request, Turn};
use haechi_drivers::sampling::Sampling;
use haechi_link::model::{self as wire, Generate, ModelReply, ModelRequest};
use haechi_link::server::{Call, Replies, Server, ServerSettings, Service};

use super::systemd::{self, Sockets};
use super::{GRACE, runtime, stop_signal, tie_to_parent, wall};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::site::{Chosen, chosen_model, draft_file, model_settings};

/// How often the role looks whether another bundle is in use.
const LOOK: Duration = Duration::from_secs(1);

/// The model role, from start to stop.
pub(crate) fn run(home: Option<PathBuf>) -> Result<ExitCode, Failure> {
    tie_to_parent();
    let home = Home::at(home);
    if !home.is_packaged() {
        home.create()?;
    }
    let config = Config::load(&home)?; // nothing is open yet
    let Some(chosen) = chosen_model(&home, &config)? else {
        return Err(Failure::new("HAECHI-0107", "no model is installed")
            .file(&home.models_folder())
            .effect("the model role does not start; answers are assembled from the record without it")
            .remedy("put a GGUF file there"));
    };
    let draft = draft_file(&home, &config)?;
    let mut sockets = Sockets::take();
    let files: Vec<PathBuf> = [Some(chosen.file.clone()), draft].into_iter().flatten().collect();
    wall::model(&home, &files)?; // while this is the only thread, and before a foreign byte is read
    let runtime = runtime()?;
    runtime.block_on(async {
        let settings = ServerSettings { allowed: home.callers(), grace: GRACE, ..ServerSettings::default() };
        // The socket first: whoever asks while the weights load waits instead of failing.
        let server = match sockets.unix("model") {
            Some(listener) => Server::from_listener(listener, settings).map_err(systemd::unusable)?,
            None => Server::bind::<wire::Model>(&home.model_socket(), settings).map_err(Failure::from_room)?,
        };
        let running = Running::start(home, config, chosen)?;
        let service = Arc::new(ModelService { running: Arc::clone(&running) });
        let watching = tokio::spawn(running.follow());
        systemd::ready();
        let stop = async {
            if let Err(failure) = stop_signal().await {
                log::error!("{}", failure.sentence());
            }
            systemd::stopping();
        };
        server.serve(service, stop).await;
        watching.abort();
        Ok(ExitCode::SUCCESS)
    })
}

/// The model that runs, and the way to another one.
struct Running {
    home: Home,
    config: Config,
    now: RwLock<Now>,
}

/// What runs now.
struct Now {
    chosen: Chosen,
    /// `None` while one model makes room for the next.
    engine: Option<Arc<Engine>>,
    /// A model that was put in use and does not run, and why.
    refused: Option<(Chosen, String)>,
}

impl Running {
    /// Loads the model in use; the one before it, if a bundle on trial does not run.
    fn start(home: Home, config: Config, chosen: Chosen) -> Result<Arc<Self>, Failure> {
        let (chosen, engine, refused) = match load(&home, &config, &chosen) {
            Ok(engine) => (chosen, engine, None),
            Err(failure) => match before(&home)? {
                Some(previous) if previous != chosen => {
                    log::error!(
                        "HAECHI-0974: the bundle in use does not run, the one before it does instead: {failure}"
                    );
                    let engine = load(&home, &config, &previous)?;
                    (previous, engine, Some((chosen, failure.to_string())))
                }
                _ => return Err(failure),
            },
        };
        log::info!("{} ready on {}", engine.info().name, engine.info().driver);
        let now = RwLock::new(Now { chosen, engine: Some(Arc::new(engine)), refused });
        Ok(Arc::new(Self { home, config, now }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Now> {
        self.now.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Now> {
        self.now.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up another bundle when one is put in use, until the task is dropped.
    async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let this = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || this.look()).await {
                log::error!("HAECHI-0123: the watcher of the model in use failed: {error}");
            }
        }
    }

    /// Switches, if another model is in use than the one that runs. Requests in hand end with the model they began with.
    fn look(&self) {
        // Without a pointer that can be read, what runs goes on.
        let Ok(Some(wanted)) = chosen_model(&self.home, &self.config) else { return };
        {
            let now = self.read();
            if now.chosen == wanted {
                if now.refused.is_some() {
                    drop(now);
                    self.write().refused = None; // somebody went back
                }
                return;
            }
            if now.refused.as_ref().is_some_and(|(refused, _)| *refused == wanted) {
                return;
            }
        }
        log::info!("another model is in use: {}", wanted.file.display());
        let before = self.read().chosen.clone();
        if !fits_beside(&wanted) {
            // From here to the end of loading, requests are refused by name; those in hand keep the old one until they end.
            let old = self.write().engine.take();
            drop(old);
        }
        match load(&self.home, &self.config, &wanted) {
            Ok(engine) => {
                log::info!("{} ready on {}", engine.info().name, engine.info().driver);
                *self.write() = Now { chosen: wanted, engine: Some(Arc::new(engine)), refused: None };
            }
            Err(failure) => {
                log::error!("HAECHI-0974: the bundle in use does not run, the one before it does instead: {failure}");
                let mut engine = self.read().engine.clone();
                if engine.is_none() {
                    engine = load(&self.home, &self.config, &before).map(Arc::new).ok();
                }
                *self.write() = Now { chosen: before, engine, refused: Some((wanted, failure.to_string())) };
            }
        }
    }
}

/// Loads a model; one of a bundle is compared with its signed digest before anybody may ask it.
fn load(home: &Home, config: &Config, chosen: &Chosen) -> Result<Engine, Failure> {
    let draft = draft_file(home, config)?;
    let engine =
        Engine::start_drafted(&chosen.file, draft.as_deref(), model_settings(config)).map_err(Failure::from_room)?;
    match &chosen.sha256 {
        Some(signed) if *signed != engine.info().sha256 => {
            Err(Failure::new("HAECHI-0976", "the model file is not the one that was signed")
                .file(&chosen.file)
                .effect("it is not used")
                .remedy("install the bundle again from its medium"))
        }
        _ => Ok(engine),
    }
}

/// The bundle that was in use before the one on trial.
fn before(home: &Home) -> Result<Option<Chosen>, Failure> {
    let store = Store::at(home.bundles_folder());
    let Some(previous) = store.active(Kind::Model)?.and_then(|active| active.previous) else { return Ok(None) };
    let bundle = store.by_digest(&previous)?;
    Ok(Some(Chosen { file: bundle.start(), sha256: bundle.only_sha256().map(str::to_owned) }))
}

/// True if the machine has the memory to load a model beside the one that runs: twice its file, for what loading needs.
fn fits_beside(chosen: &Chosen) -> bool {
    let folder = chosen.file.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let bytes: u64 = match &chosen.sha256 {
        Some(_) => std::fs::metadata(&chosen.file).map_or(u64::MAX, |metadata| metadata.len()),
        None => folder.into_iter().flatten().flatten().filter_map(|entry| Some(entry.metadata().ok()?.len())).sum(),
    };
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = text.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    });
    free.is_some_and(|free| bytes.saturating_mul(2) < free)
}

struct ModelService {
    running: Arc<Running>,
}

impl Service for ModelService {
    type Protocol = wire::Model;

    async fn call(self: Arc<Self>, call: Call<wire::Model>) {
        let replies = call.replies;
        let (engine, refused) = {
            let now = self.running.read();
            (now.engine.clone(), now.refused.as_ref().map(|(_, why)| why.clone()))
        };
        let reply = match (call.request, engine) {
            // Whoever waits for the model that was put in use learns that it does not run.
            (ModelRequest::Info, _) if refused.is_some() => {
                ModelReply::Failed { code: "HAECHI-0974".to_owned(), message: refused.unwrap_or_default() }
            }
            (_, None) => ModelReply::Failed {
                code: "HAECHI-0975".to_owned(),
                message: "another model is being loaded; ask again in a moment".to_owned(),
            },
            (ModelRequest::Info, Some(engine)) => ModelReply::Info(info(&engine)),
            (ModelRequest::Health, Some(engine)) => match engine.health() {
                Ok(()) => ModelReply::Healthy,
                Err(error) => failed(&error),
            },
            (ModelRequest::Generate(generate), Some(engine)) => {
                let stream = replies.clone();
                let work = tokio::task::spawn_blocking(move || generate_to(&engine, generate, &stream));
                match work.await {
                    Ok(reply) => reply,
                    Err(_) => ModelReply::Failed {
                        code: "HAECHI-0124".to_owned(),
                        message: "the model hit a fault in the program; ask again".to_owned(),
                    },
                }
            }
        };
        let _ = replies.send(&reply).await; // an asker that is gone needs no answer
    }
}

fn info(engine: &Engine) -> wire::ModelInfo {
    let info = engine.info();
    wire::ModelInfo {
        name: info.name.clone(),
        sha256: info.sha256.clone(),
        driver: info.driver.clone(),
        context: info.context,
        vocabulary: info.vocabulary,
    }
}

fn generate_to(engine: &Engine, generate: Generate, stream: &Replies<wire::Model>) -> ModelReply {
    let request = Request {
        turns: generate.messages.iter().map(|message| Turn::new(&message.role, &message.content)).collect(),
        max_tokens: generate.max_tokens as usize,
        sampling: Sampling { temperature: generate.temperature, seed: generate.seed, ..Sampling::default() },
        stop: generate.stop,
        ..Request::default()
    };
    let mut on_text = |text: &str| {
        let gone = stream.is_cancelled() || stream.blocking_send(&ModelReply::Token { text: text.to_owned() }).is_err();
        if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match engine.generate_until(request, &mut on_text, &|| stream.is_cancelled()) {
        Ok(done) => ModelReply::Done {
            text: done.text,
            prompt_tokens: done.prompt_tokens,
            generated_tokens: done.generated_tokens,
            reason: match done.finish {
                Finish::EndOfText => wire::Reason::EndOfText,
                Finish::Stop => wire::Reason::Stop,
                Finish::Length => wire::Reason::Length,
                Finish::Cancelled | Finish::Deadline => wire::Reason::Cancelled,
            },
            timings: wire::Timings { queue: done.queue_ms, first_token: done.first_token_ms, total: done.total_ms },
        },
        Err(error) => failed(&error),
    }
}

fn failed(error: &EngineError) -> ModelReply {
    match error {
        EngineError::Overloaded => ModelReply::Overloaded,
        error => ModelReply::Failed { code: error.code().to_owned(), message: error.to_string() },
    }
}
