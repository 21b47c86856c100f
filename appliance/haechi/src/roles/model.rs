//! `haechi model`: holds the weights, writes text. Sees no record and no network.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use haechi_drivers::engine::{Engine, EngineError, Finish, Request, Turn};
use haechi_drivers::sampling::Sampling;
use haechi_link::model::{self as wire, Generate, ModelReply, ModelRequest};
use haechi_link::server::{Call, Replies, Server, ServerSettings, Service};

use super::systemd::{self, Sockets};
use super::{GRACE, runtime, stop_signal, tie_to_parent, wall};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::site::{draft_file, model_file, model_settings};

/// The model role, from start to stop.
pub(crate) fn run(home: Option<PathBuf>) -> Result<ExitCode, Failure> {
    tie_to_parent();
    let home = Home::at(home);
    if !home.is_packaged() {
        home.create()?;
    }
    let config = Config::load(&home)?; // nothing is open yet
    let Some(file) = model_file(&home, &config)? else {
        return Err(Failure::new("HAECHI-0107", "no model is installed")
            .file(&home.models_folder())
            .effect("the model role does not start; answers are assembled from the record without it")
            .remedy("put a GGUF file there"));
    };
    let draft = draft_file(&home, &config)?;
    let mut sockets = Sockets::take();
    let files: Vec<PathBuf> = [Some(file.clone()), draft.clone()].into_iter().flatten().collect();
    wall::model(&home, &files)?; // while this is the only thread, and before a foreign byte is read
    let runtime = runtime()?;
    runtime.block_on(async {
        let settings = ServerSettings { allowed: home.callers(), grace: GRACE, ..ServerSettings::default() };
        // The socket first: whoever asks while the weights load waits instead of failing.
        let server = match sockets.unix("model") {
            Some(listener) => Server::from_listener(listener, settings).map_err(systemd::unusable)?,
            None => Server::bind::<wire::Model>(&home.model_socket(), settings).map_err(Failure::from_room)?,
        };
        let settings = model_settings(&config);
        let engine = Engine::start_drafted(&file, draft.as_deref(), settings).map_err(Failure::from_room)?;
        log::info!("{} ready on {}", engine.info().name, engine.info().driver);
        systemd::ready();
        let stop = async {
            if let Err(failure) = stop_signal().await {
                log::error!("{}", failure.sentence());
            }
            systemd::stopping();
        };
        server.serve(Arc::new(ModelService { engine: Arc::new(engine) }), stop).await;
        Ok(ExitCode::SUCCESS)
    })
}

struct ModelService {
    engine: Arc<Engine>,
}

impl Service for ModelService {
    type Protocol = wire::Model;

    async fn call(self: Arc<Self>, call: Call<wire::Model>) {
        let replies = call.replies;
        let reply = match call.request {
            ModelRequest::Info => ModelReply::Info(self.info()),
            ModelRequest::Health => match self.engine.health() {
                Ok(()) => ModelReply::Healthy,
                Err(error) => failed(&error),
            },
            ModelRequest::Generate(generate) => {
                let engine = Arc::clone(&self.engine);
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

impl ModelService {
    fn info(&self) -> wire::ModelInfo {
        let info = self.engine.info();
        wire::ModelInfo {
            name: info.name.clone(),
            sha256: info.sha256.clone(),
            driver: info.driver.clone(),
            context: info.context,
            vocabulary: info.vocabulary,
        }
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
