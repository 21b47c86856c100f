//! The model as the planner's answers use it: through the model role, or loaded in this process when a command works alone.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use haechi_ask::Model;
use haechi_ask::answer::ModelInfo;
use haechi_bundle::{Kind, Store};
use haechi_drivers::cpu::Limits;
use haechi_drivers::engine::{Engine, Request, Settings, Turn};
use haechi_link::client::{Client, ClientSettings};
use haechi_link::model::{Generate, Message, Model as ModelProtocol, ModelReply, ModelRequest};

use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// How long the core waits for a model role that is just starting or restarting: loading takes a second or two.
const ROLE_PATIENCE: Duration = Duration::from_secs(10);

/// A model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) file: PathBuf,
    /// Its signed SHA-256, where it is the one file of a bundle.
    pub(crate) sha256: Option<String>,
}

/// The model to run: the one named in the configuration, else the bundle in use, else the only `.gguf` in the models folder.
pub(crate) fn chosen_model(home: &Home, config: &Config) -> Result<Option<Chosen>, Failure> {
    if config.model.file.is_none()
        && let Some(bundle) = Store::at(home.bundles_folder()).in_use(Kind::Model)?
    {
        let sha256 = bundle.only_sha256().map(str::to_owned);
        return Ok(Some(Chosen { file: bundle.start(), sha256 }));
    }
    Ok(loose_file(home, config)?.map(|file| Chosen { file, sha256: None }))
}

/// The file of the model to run.
pub(crate) fn model_file(home: &Home, config: &Config) -> Result<Option<PathBuf>, Failure> {
    Ok(chosen_model(home, config)?.map(|chosen| chosen.file))
}

/// The file that somebody put into the models folder.
fn loose_file(home: &Home, config: &Config) -> Result<Option<PathBuf>, Failure> {
    let folder = home.models_folder();
    if let Some(name) = &config.model.file {
        return named(home, name, "file").map(Some);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gguf"));
    let draft = config.model.draft_file.as_ref().map(|name| folder.join(name));
    files.retain(|file| Some(file) != draft.as_ref()); // it guesses and does not answer
    if files.len() > 1 {
        return Err(Failure::new(
            "HAECHI-0106",
            format_args!("{} models are installed and none is chosen", files.len()),
        )
        .file(&folder)
        .effect("the model role does not start")
        .remedy("name one with `file` under [model] in haechi.toml"));
    }
    Ok(files.pop())
}

/// The file of the model that guesses ahead, if one is configured.
pub(crate) fn draft_file(home: &Home, config: &Config) -> Result<Option<PathBuf>, Failure> {
    config.model.draft_file.as_ref().map(|name| named(home, name, "draft-file")).transpose()
}

/// How the engine runs.
pub(crate) fn model_settings(config: &Config) -> Settings {
    let model = &config.model;
    let limits = Limits {
        threads: model.threads,
        pin: model.pin_threads,
        precision: model.precision,
        cache: model.cache,
        ..Limits::default()
    };
    Settings { limits, ..Settings::default() }
}

/// A configured file of the models folder.
fn named(home: &Home, name: &str, key: &str) -> Result<PathBuf, Failure> {
    let file = home.models_folder().join(name);
    if file.is_file() {
        return Ok(file);
    }
    Err(Failure::new("HAECHI-0105", "the configured model is not there")
        .file(&file)
        .effect("the model role does not start")
        .remedy(format_args!("put the file there, or correct `{key}` under [model] in haechi.toml")))
}

/// The model loaded in this process, at the first word it is asked for: most questions never need it.
pub(crate) struct InProcessModel {
    file: PathBuf,
    draft: Option<PathBuf>,
    settings: Settings,
    engine: OnceLock<Result<Engine, String>>,
}

impl InProcessModel {
    pub(crate) fn new(file: PathBuf, draft: Option<PathBuf>, settings: Settings) -> Arc<Self> {
        Arc::new(Self { file, draft, settings, engine: OnceLock::new() })
    }

    fn engine(&self) -> Result<&Engine, String> {
        let start = || {
            Engine::start_drafted(&self.file, self.draft.as_deref(), self.settings).map_err(|error| error.to_string())
        };
        self.engine.get_or_init(start).as_ref().map_err(Clone::clone)
    }
}

impl Model for InProcessModel {
    fn info(&self) -> Option<ModelInfo> {
        let info = self.engine().ok()?.info();
        Some(ModelInfo { name: info.name.clone(), sha256: info.sha256.clone(), driver: info.driver.clone() })
    }

    fn generate(
        &self,
        system: &str,
        user: &str,
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<String, String> {
        let request = Request {
            turns: vec![Turn::new("system", system), Turn::new("user", user)],
            max_tokens,
            ..Request::default()
        };
        let done = self.engine()?.generate(request, on_text).map_err(|error| error.to_string())?;
        Ok(done.text)
    }
}

/// The model role, asked over its socket. Connects anew after the role was restarted.
pub(crate) struct RoleModel {
    socket: PathBuf,
    settings: ClientSettings,
    runtime: tokio::runtime::Handle,
    /// What it said last: a role that just restarts is named by that.
    info: Mutex<Option<ModelInfo>>,
}

impl RoleModel {
    pub(crate) fn new(home: &Home, runtime: tokio::runtime::Handle) -> Arc<Self> {
        let settings = ClientSettings { role_runs_as: home.role_runs_as(), ..ClientSettings::default() };
        Arc::new(Self { socket: home.model_socket(), settings, runtime, info: Mutex::new(None) })
    }

    async fn connect(&self, patience: Duration) -> Result<Client<ModelProtocol>, String> {
        Client::connect_when_ready(&self.socket, self.settings.clone(), patience)
            .await
            .map_err(|error| error.to_string())
    }
}

impl Model for RoleModel {
    fn info(&self) -> Option<ModelInfo> {
        // Asked anew: another model may be in use since. Waited for only while nothing is known.
        let known = self.info.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let patience = if known { Duration::ZERO } else { ROLE_PATIENCE };
        let asked = self.runtime.block_on(async {
            self.connect(patience).await?.ask(&ModelRequest::Info, |_| {}).await.map_err(|error| error.to_string())
        });
        let mut last = self.info.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(ModelReply::Info(info)) = asked {
            *last = Some(ModelInfo { name: info.name, sha256: info.sha256, driver: info.driver });
        }
        last.clone()
    }

    fn generate(
        &self,
        system: &str,
        user: &str,
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<String, String> {
        let turn = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
        let request = ModelRequest::Generate(Generate {
            messages: vec![turn("system", system), turn("user", user)],
            max_tokens: u32::try_from(max_tokens).unwrap_or(u32::MAX),
            temperature: 0.0,
            seed: 0,
            stop: Vec::new(),
        });
        self.runtime.block_on(async {
            let client = self.connect(ROLE_PATIENCE).await?;
            let mut exchange = client.request(&request).await.map_err(|error| error.to_string())?;
            let mut written = String::new();
            while let Some(reply) = exchange.next().await.map_err(|error| error.to_string())? {
                match reply {
                    ModelReply::Token { text } => {
                        written.push_str(&text);
                        if on_text(&text).is_break() {
                            exchange.cancel();
                            return Ok(written);
                        }
                    }
                    ModelReply::Done { text, .. } => return Ok(text),
                    ModelReply::Failed { message, .. } => return Err(message),
                    ModelReply::Overloaded => return Err("the model is busy; ask again in a moment".to_owned()),
                    ModelReply::Info(_) | ModelReply::Healthy => {}
                }
            }
            Err("the model role ended in the middle of its answer".to_owned())
        })
    }
}
