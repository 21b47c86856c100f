//! `haechi core`: holds the record and answers. Touches no network.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use haechi_ask::Event;
use haechi_ask::plan::Language;
use haechi_certs::tls::Clients;
use haechi_intake::import::Input as ImportInput;
use haechi_intake::mllp::Feeds;
use haechi_link::core::{Core, CoreReply, CoreRequest};
use haechi_link::server::{Call, Input, Inputs, Replies, Server, ServerSettings, Service};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::api::ApiRoom;
use super::certificates::Certificates;
use super::doorway::{Doorway, Entrance};
use super::images::{self, Images};
use super::systemd::{self, Sockets};
use super::{GRACE, begin, runtime, stop_signal, wall, watch as watch_folder};
use crate::config::Config;
use crate::config::{dicom, serve};
use crate::error::Failure;
use crate::home::Home;
use crate::site::{Load, Lookup, Mapping, Question, RoleModel, Site};

/// A sentence, if an appliance runs on this home already.
pub(crate) fn refuse_second(home: &Home) -> Result<(), Failure> {
    if crate::site::running(home)? {
        return Err(Failure::new("HAECHI-0108", "an appliance already runs on this home")
            .file(home.path())
            .effect("no second one was started")
            .remedy("use it with `haechi ask` and the like, or stop it with Ctrl-C where it runs"));
    }
    Ok(())
}

/// The core role, from start to stop.
pub(crate) fn run(home: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let home = begin(home)?;
    let config = Config::load(&home)?; // nothing is open yet
    let mut sockets = Sockets::take();
    wall::core(&home, &config)?; // while this is the only thread
    let runtime = runtime()?;
    runtime.block_on(async {
        let model = RoleModel::new(&home, tokio::runtime::Handle::current());
        let has_model = crate::site::model_file(&home, &config)?.is_some();
        let site = Site::open(home.clone(), has_model.then_some(model as Arc<dyn haechi_ask::Model>))?; // unseals the key, migrates
        let settings = ServerSettings { allowed: home.callers(), grace: GRACE, ..ServerSettings::default() };
        let server = match sockets.unix("core") {
            Some(listener) => Server::from_listener(listener, settings).map_err(systemd::unusable)?,
            None => Server::bind::<Core>(&home.core_socket(), settings).map_err(Failure::from_room)?,
        };
        log::info!("ready at {}", home.core_socket().display());
        let stopping = Arc::new(tokio::sync::Notify::new());
        let site = Arc::new(site);
        let feeds = site.start_feeds()?;
        let (tell, stopped) = watch::channel(false);
        let mut beside = JoinSet::new();
        if !config.listeners().is_empty() {
            let certificates = Arc::new(Certificates::open(&home, &config)?);
            let entrances = entrances(&config, &site, feeds.as_ref(), &certificates)?;
            let (door, revoked) = (home.door_socket(), certificates.revoked());
            let doorway = Doorway::new(door, home.role_runs_as(), entrances, revoked);
            beside.spawn(unless_stopped(certificates.look_after(), stopped.clone()));
            beside.spawn(doorway.serve(until_stopped(stopped.clone())));
        }
        if let Some(folder) = config.import.folder(&home) {
            let watching = watch_folder::look_after(Arc::clone(&site), folder, config.import.settle());
            beside.spawn(unless_stopped(watching, stopped.clone()));
        }
        beside.spawn(unless_stopped(images::look_after(Arc::clone(&site)), stopped));
        let service = Arc::new(CoreService { home, site, feeds, stopping: Arc::clone(&stopping) });
        systemd::ready();
        let stop = async {
            tokio::select! {
                () = stopping.notified() => {}
                signal = stop_signal() => if let Err(failure) = signal {
                    log::error!("{}", failure.sentence());
                },
            }
            systemd::stopping();
        };
        server.serve(service, stop).await;
        tell.send_replace(true);
        while beside.join_next().await.is_some() {}
        Ok(ExitCode::SUCCESS)
    })
}

/// Ends when the role stops.
async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    drop(stopped.changed().await);
}

/// Does `work` to its end, or until the role stops.
async fn unless_stopped(work: impl Future<Output = ()>, stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        () = until_stopped(stopped) => {}
    }
}

/// The room of each listener, by the listener's name.
fn entrances(
    config: &Config,
    site: &Arc<Site>,
    feeds: Option<&Arc<Feeds>>,
    certificates: &Certificates,
) -> Result<HashMap<String, Entrance>, Failure> {
    let mut entrances = HashMap::new();
    if let Some(feeds) = feeds {
        super::mllp::entrances(config, feeds, certificates, &mut entrances)?;
    }
    if config.dicom.listen.is_some() {
        let tls = certificates.listener(config.dicom.tls, config.dicom.client_roots.as_deref())?;
        let room = Arc::new(Images::open(config, site)?);
        entrances.insert(dicom::LISTENER.to_owned(), Entrance { room, tls });
    }
    if config.serve.listen.is_some() {
        let room = Arc::new(ApiRoom::open(site, &config.serve)?);
        let tls = certificates.server(Clients::Anybody, &["h2", "http/1.1"])?;
        entrances.insert(serve::LISTENER.to_owned(), Entrance { room, tls: Some(tls) });
    }
    Ok(entrances)
}

struct CoreService {
    home: Home,
    site: Arc<Site>,
    /// Taking and filing what feeds bring, where there are any.
    feeds: Option<Arc<Feeds>>,
    stopping: Arc<tokio::sync::Notify>,
}

impl Service for CoreService {
    type Protocol = Core;

    async fn call(self: Arc<Self>, call: Call<Core>) {
        let Call { request, mut input, replies, .. } = call;
        let stop = matches!(request, CoreRequest::Stop);
        let stopping = Arc::clone(&self.stopping);
        let back = replies.clone();
        // Reading the record blocks: a thread of its own, so that the socket goes on.
        let work = tokio::task::spawn_blocking(move || self.answer(request, &mut input, &back));
        let reply = match work.await {
            Ok(Ok(value)) => CoreReply::Json(value),
            Ok(Err(failure)) => {
                log::warn!("{}", failure.sentence());
                CoreReply::Failed { code: failure.code().to_owned(), message: failure.to_string() }
            }
            Err(_) => CoreReply::Failed {
                code: "HAECHI-0125".to_owned(),
                message: "HAECHI-0125: the request hit a fault in the program; others go on. Report it with the log"
                    .to_owned(),
            },
        };
        let _ = replies.send(&reply).await; // an asker that is gone needs no answer
        if stop {
            stopping.notify_one();
        }
    }
}

impl CoreService {
    fn answer(
        &self,
        request: CoreRequest,
        input: &mut Inputs<Core>,
        replies: &Replies<Core>,
    ) -> Result<serde_json::Value, Failure> {
        match request {
            CoreRequest::Status => json(&self.site.status(true)?),
            CoreRequest::Doctor => json(&crate::doctor::core(&self.home)?),
            CoreRequest::Ask { question, patient, lang, now } => {
                let question = Question {
                    text: question,
                    patient,
                    language: match lang.as_str() {
                        "ko" => Some(Language::Ko),
                        "en" => Some(Language::En),
                        _ => None,
                    },
                    now: match now {
                        Some(text) => Some(text.parse().map_err(|error| {
                            Failure::new("HAECHI-0114", format_args!("`now` is no RFC 3339 time: {error}"))
                        })?),
                        None => None,
                    },
                };
                let mut on_event = |event: Event<'_>| {
                    let Event::Text(text) = event;
                    // If the asker is gone the final answer notices.
                    let _ = replies.blocking_send(&CoreReply::Token { text: text.to_owned() });
                };
                json(&self.site.ask(&question, &mut on_event)?)
            }
            CoreRequest::PatientList { find } => json(&self.site.patients(find.as_deref())?),
            CoreRequest::PatientShow { id } => json(&self.site.patient(&id)?),
            CoreRequest::PatientMerges => json(&self.site.merges()?),
            CoreRequest::PatientUnmerge { id, by, reason } => json(&self.site.unmerge(&id, by, reason)?),
            CoreRequest::ImagingList { unmatched } => json(&self.site.imaging(unmatched)?),
            CoreRequest::ImagingPreview { sop } => json(&self.site.preview(&sop)?),
            CoreRequest::ImportBegin { .. } => self.import(input, replies),
            CoreRequest::TerminologyBegin { system, version, from, to, columns } => {
                let files = self.take_files(input)?;
                self.site.terminology_load(&Load { system, version, from, to, columns }, files)
            }
            CoreRequest::TerminologyList => self.site.terminology_list(),
            CoreRequest::TerminologyLookup { text, system, date, limit } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                self.site.terminology_lookup(&Lookup { text, system, date, limit })
            }
            CoreRequest::TerminologyMap { system, code, target, date } => {
                self.site.terminology_map(&Mapping { system, code, target, date })
            }
            CoreRequest::ImportFile { .. } | CoreRequest::ImportFileEnd | CoreRequest::ImportEnd => {
                Err(Failure::new("HAECHI-0115", "an import message came outside an import"))
            }
            CoreRequest::Feed(request) => self.site.feed(&request, &|| {
                if let Some(feeds) = &self.feeds {
                    feeds.look_again();
                }
            }),
            CoreRequest::Stop => Ok(serde_json::Value::Null),
        }
    }

    /// Imports files that the caller hands over, together at the end.
    fn import(&self, input: &mut Inputs<Core>, replies: &Replies<Core>) -> Result<serde_json::Value, Failure> {
        let files = self.take_files(input)?;
        let _ = replies.blocking_send(&CoreReply::Progress {
            what: "importing".to_owned(),
            done: 0,
            total: files.len() as u64,
        });
        let files: Vec<ImportInput> = files.into_iter().map(|(name, file)| ImportInput::open(name, file)).collect();
        json(&self.site.import_inputs(&files)?)
    }

    /// Takes files from the caller, who may read them where this role may not.
    fn take_files(&self, input: &mut Inputs<Core>) -> Result<Vec<(String, std::fs::File)>, Failure> {
        let broken =
            || Failure::new("HAECHI-0116", "the import was broken off by its caller").effect("nothing was imported");
        let mut files = Vec::new();
        let mut current: Option<Spool> = None;
        loop {
            match input.blocking_next() {
                Some(Input::Message(CoreRequest::ImportFile { name, .. })) => {
                    current = Some(Spool::begin(&self.home, name)?)
                }
                Some(Input::Bytes(bytes)) => current.as_mut().ok_or_else(broken)?.write(&bytes)?,
                Some(Input::Message(CoreRequest::ImportFileEnd)) => {
                    files.push(current.take().ok_or_else(broken)?.end()?)
                }
                Some(Input::Message(CoreRequest::ImportEnd)) => return Ok(files),
                Some(Input::Message(_)) | None => return Err(broken()),
            }
        }
    }
}

/// A file on its way in. It has no name on the disk, so that a crash at any moment leaves nothing readable behind.
struct Spool {
    name: String,
    file: std::fs::File,
}

impl Spool {
    fn begin(home: &Home, name: String) -> Result<Self, Failure> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(home.record_folder(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| cannot_spool(home, &error))?;
        Ok(Self { name, file: file.into() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        use std::io::Write;
        self.file.write_all(bytes).map_err(|error| {
            Failure::new("HAECHI-0117", format_args!("a file on its way in cannot be held: {error}"))
                .effect("nothing was imported")
                .remedy("make room on the disk of the home")
        })
    }

    fn end(mut self) -> Result<(String, std::fs::File), Failure> {
        use std::io::Seek;
        self.file.rewind().map_err(|error| {
            Failure::new("HAECHI-0117", format_args!("a file on its way in cannot be read back: {error}"))
        })?;
        Ok((self.name, self.file))
    }
}

fn cannot_spool(home: &Home, error: &dyn std::fmt::Display) -> Failure {
    Failure::new("HAECHI-0117", format_args!("a file on its way in cannot be held: {error}"))
        .file(&home.record_folder())
        .effect("nothing was imported")
        .remedy("the file system must support unnamed temporary files (ext4, xfs, btrfs, tmpfs do)")
}

fn json(value: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure::new("HAECHI-0110", format_args!("the result cannot be written as JSON: {error}")))
}
