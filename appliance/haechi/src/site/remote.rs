//! The site reached through the appliance that runs on its home.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_ask::answer::Answer;
use haechi_ask::plan::Language;
use haechi_intake::import::Summary;
use haechi_link::LinkError;
use haechi_link::client::{Client, ClientSettings};
use haechi_link::core::{Core, CoreReply, CoreRequest};
use serde::de::DeserializeOwned;

use super::{Load, Lookup, Mapping, MergeLine, PatientLine, PatientShown, PreviewShown, Question, Status, StudyLine};
use crate::error::Failure;
use crate::home::Home;

/// An import of a whole hospital takes its time between two signs of life; a question does not, but shares the connection.
const REPLY_PATIENCE: Duration = Duration::from_secs(3600);
/// Bytes of a file sent at once; below the link's bound for raw frames.
const PIECE_BYTES: usize = 256 << 10;

/// A connection to a running core.
pub(crate) struct Remote {
    runtime: tokio::runtime::Runtime,
    client: Client<Core>,
}

impl Remote {
    /// `None` if nobody listens on this home.
    pub(crate) fn connect(home: &Home) -> Result<Option<Self>, Failure> {
        if !home.core_socket().exists() {
            return Ok(None);
        }
        if home.is_packaged()
            && !Path::new(crate::home::SYSTEM_CREDENTIALS).join(crate::home::RECORD_KEY).try_exists().unwrap_or(true)
        {
            return Ok(None); // not set up: systemd listens, and nobody would answer
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            Failure::new("HAECHI-0120", format_args!("the process cannot start its threads: {error}"))
        })?;
        let settings = ClientSettings {
            reply_timeout: REPLY_PATIENCE,
            role_runs_as: home.role_runs_as(),
            ..ClientSettings::default()
        };
        match runtime.block_on(Client::connect(&home.core_socket(), settings)) {
            Ok(client) => Ok(Some(Self { runtime, client })),
            Err(LinkError::NobodyThere { .. }) => Ok(None), // the socket of an appliance that was killed
            Err(error) => Err(Failure::from_room(error)),
        }
    }

    pub(crate) fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        let lang = match question.language {
            Some(Language::Ko) => "ko",
            Some(Language::En) => "en",
            None => "auto",
        };
        self.request(&CoreRequest::Ask {
            question: question.text.clone(),
            patient: question.patient.clone(),
            lang: lang.to_owned(),
            now: question.now.map(|now| now.to_string()),
        })
    }

    pub(crate) fn patients(&self, find: Option<&str>) -> Result<Vec<PatientLine>, Failure> {
        self.request(&CoreRequest::PatientList { find: find.map(str::to_owned) })
    }

    pub(crate) fn patient(&self, id: &str) -> Result<PatientShown, Failure> {
        self.request(&CoreRequest::PatientShow { id: id.to_owned() })
    }

    pub(crate) fn merges(&self) -> Result<Vec<MergeLine>, Failure> {
        self.request(&CoreRequest::PatientMerges)
    }

    pub(crate) fn unmerge(&self, id: &str, by: String, reason: Option<String>) -> Result<MergeLine, Failure> {
        self.request(&CoreRequest::PatientUnmerge { id: id.to_owned(), by, reason })
    }

    pub(crate) fn feed<T: DeserializeOwned>(&self, request: haechi_link::core::FeedRequest) -> Result<T, Failure> {
        self.request(&CoreRequest::Feed(request))
    }

    pub(crate) fn imaging(&self, unmatched: bool) -> Result<Vec<StudyLine>, Failure> {
        self.request(&CoreRequest::ImagingList { unmatched })
    }

    pub(crate) fn preview(&self, sop: &str) -> Result<PreviewShown, Failure> {
        self.request(&CoreRequest::ImagingPreview { sop: sop.to_owned() })
    }

    /// What the core finds wrong with itself.
    pub(crate) fn doctor(&self) -> Result<Vec<crate::doctor::Finding>, Failure> {
        self.request(&CoreRequest::Doctor)
    }

    pub(crate) fn status(&self) -> Result<Status, Failure> {
        self.request(&CoreRequest::Status)
    }

    /// Sends the files' bytes: the core may not be allowed to read where the person may.
    pub(crate) fn import(&self, paths: &[PathBuf]) -> Result<Summary, Failure> {
        let files = haechi_intake::import::files_under(paths)?;
        self.hand_over(&CoreRequest::ImportBegin { files: files.len() as u64, bytes: 0, charset: None }, &files)
    }

    /// As [`Self::import`], for files of a code system.
    pub(crate) fn terminology_load(&self, load: &Load, files: &[PathBuf]) -> Result<serde_json::Value, Failure> {
        let begin = CoreRequest::TerminologyBegin {
            system: load.system.clone(),
            version: load.version.clone(),
            from: load.from.clone(),
            to: load.to.clone(),
            columns: load.columns.clone(),
        };
        self.hand_over(&begin, files)
    }

    pub(crate) fn terminology_list(&self) -> Result<serde_json::Value, Failure> {
        self.request(&CoreRequest::TerminologyList)
    }

    pub(crate) fn terminology_lookup(&self, lookup: &Lookup) -> Result<serde_json::Value, Failure> {
        self.request(&CoreRequest::TerminologyLookup {
            text: lookup.text.clone(),
            system: lookup.system.clone(),
            date: lookup.date.clone(),
            limit: lookup.limit as u64,
        })
    }

    pub(crate) fn terminology_map(&self, mapping: &Mapping) -> Result<serde_json::Value, Failure> {
        self.request(&CoreRequest::TerminologyMap {
            system: mapping.system.clone(),
            code: mapping.code.clone(),
            target: mapping.target.clone(),
            date: mapping.date.clone(),
        })
    }

    /// Opens an exchange with `begin`, sends the files and waits for the result.
    fn hand_over<T: DeserializeOwned>(&self, begin: &CoreRequest, files: &[PathBuf]) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let mut exchange = self.client.open(begin).await.map_err(Failure::from_room)?;
            for file in files {
                let unreadable = |error: std::io::Error| {
                    Failure::new("HAECHI-0118", format_args!("a file cannot be read: {error}"))
                        .file(file)
                        .effect("nothing was imported")
                };
                let mut source = std::fs::File::open(file).map_err(unreadable)?;
                let size = source.metadata().map_err(unreadable)?.len();
                exchange
                    .send(&CoreRequest::ImportFile { name: name_of(file), size })
                    .await
                    .map_err(Failure::from_room)?;
                let mut piece = vec![0; PIECE_BYTES];
                loop {
                    let count = source.read(&mut piece).map_err(unreadable)?;
                    let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                    exchange.send_bytes(bytes).await.map_err(Failure::from_room)?;
                }
                exchange.send(&CoreRequest::ImportFileEnd).await.map_err(Failure::from_room)?;
            }
            exchange.send(&CoreRequest::ImportEnd).await.map_err(Failure::from_room)?;
            exchange.said().await.map_err(Failure::from_room)?;
            while let Some(reply) = exchange.next().await.map_err(Failure::from_room)? {
                if let Some(result) = last(reply) {
                    return read(result?);
                }
            }
            Err(Failure::new("HAECHI-0119", "the appliance ended the import without an answer")
                .remedy("see its log, then import again: what went in is not imported twice"))
        })
    }

    fn request<T: DeserializeOwned>(&self, request: &CoreRequest) -> Result<T, Failure> {
        let reply = self.runtime.block_on(self.client.ask(request, |_| {})).map_err(Failure::from_room)?;
        match last(reply) {
            Some(result) => read(result?),
            None => Err(Failure::new("HAECHI-0119", "the appliance ended the request without an answer")
                .remedy("see its log, then ask again")),
        }
    }
}

/// The final word, if this reply is one.
fn last(reply: CoreReply) -> Option<Result<serde_json::Value, Failure>> {
    match reply {
        CoreReply::Json(value) => Some(Ok(value)),
        CoreReply::Failed { message, .. } => Some(Err(Failure::from_room(message))),
        CoreReply::Overloaded => Some(Err(Failure::new("HAECHI-0126", "the appliance is busy")
            .effect("nothing was done")
            .remedy("ask again in a moment"))),
        CoreReply::Progress { .. } | CoreReply::Token { .. } => None,
    }
}

/// An answer as what it stands for.
pub(super) fn read<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::new("HAECHI-0127", format_args!("the appliance's answer is not understood: {error}"))
            .remedy("the running appliance is of another release; restart it")
    })
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
