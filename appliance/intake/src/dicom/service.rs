//! The association: C-ECHO and C-STORE as a service class provider, PS3.8 and PS3.4 annexes A and B, over any stream.
//!
//! dicom-ul reads and writes the protocol data units; what follows what is kept here. An object streams through: never more
//! than a few of its data units are in memory. The sender is told success only when the object is committed.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason, AssociationRJSource, AssociationRQ,
    PDataValue, PDataValueType, Pdu, PresentationContextResult, PresentationContextResultReason, UserVariableItem,
};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::archive::Archive;
use super::command::{self, Command, MAX_COMMAND_BYTES, Status};
use super::part10::{IMPLEMENTATION_CLASS, IMPLEMENTATION_NAME, Meta};
use super::{Refused, RefusedKind};
use crate::working::guarded;

/// Longest association request, in bytes: 128 contexts with a dozen transfer syntaxes each are below 64 KiB.
const MAX_REQUEST_BYTES: u32 = 256 << 10;
/// Data units of one object between the network and the disk.
const PIECES: usize = 8;
/// A study is written into the chart when nothing came for so long: each time makes a version.
const SETTLE: Duration = Duration::from_secs(3);
/// During a long association settled studies are written this often.
const BETWEEN: Duration = Duration::from_secs(30);

const VERIFICATION: &str = "1.2.840.10008.1.1";
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// Who may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Calling AE title.
    pub title: String,
    /// From this address only; from any if `None`.
    pub address: Option<IpAddr>,
}

/// How associations are held.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// Our AE title: what a caller must call.
    pub ae_title: String,
    /// Who may call. Nobody if empty.
    pub callers: Vec<Caller>,
    /// Longest data unit taken, in bytes.
    pub max_pdu_bytes: u32,
    /// Associations at a time; more are refused for the moment.
    pub max_associations: usize,
    /// How long a caller may take to ask for an association, and to take an answer.
    pub request_patience: Duration,
    /// How long an association may be silent.
    pub idle_patience: Duration,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            ae_title: "HAECHI".to_owned(),
            callers: Vec::new(),
            max_pdu_bytes: 256 << 10,
            max_associations: 16,
            request_patience: Duration::from_secs(30),
            idle_patience: Duration::from_secs(300),
        }
    }
}

/// The DICOM listener's room: one for all connections.
pub struct Service {
    archive: Archive,
    settings: ServiceSettings,
    places: Semaphore,
    now: fn() -> Timestamp,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why an association ended other than by its release.
#[derive(Debug)]
enum End {
    /// The caller went away, or aborted.
    Gone,
    /// The caller was silent too long.
    Silent,
    /// The caller broke the protocol.
    Broken(&'static str, AbortRQServiceProviderReason),
    /// The caller was refused.
    Refused,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// An accepted presentation context.
struct Context {
    id: u8,
    class: String,
    syntax: String,
}

/// An object on its way.
struct Incoming {
    command: Command,
    context: u8,
    pieces: mpsc::Sender<Option<Vec<u8>>>,
    work: JoinHandle<Result<Option<String>, Refused>>,
}

impl Service {
    /// A service over `archive`. `now`: the clock.
    #[must_use]
    pub fn new(archive: Archive, settings: ServiceSettings, now: fn() -> Timestamp) -> Arc<Self> {
        let places = Semaphore::new(settings.max_associations);
        Arc::new(Self { archive, settings, places, now })
    }

    /// Where the objects go.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Holds one association on a stream, from its request to its end. `peer`: who connected to the door.
    pub async fn serve<S>(self: Arc<Self>, mut stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let end = self.associate(&mut stream, peer).await;
        match end {
            Ok(()) | Err(End::Gone | End::Refused) => {}
            Err(End::Silent) => {
                log::warn!(
                    "HAECHI-0378: a DICOM sender was silent for too long: {peer}; the association was ended, what was answered with success is kept"
                );
                let _ = self.abort(&mut stream, AbortRQServiceProviderReason::ReasonNotSpecified).await;
            }
            Err(End::Broken(what, reason)) => {
                log::warn!(
                    "HAECHI-0379: a DICOM sender broke the protocol: {what}: {peer}; the association was ended, what was answered with success is kept"
                );
                let _ = self.abort(&mut stream, reason).await;
            }
        }
        let _ = stream.shutdown().await;
        drop(stream);
        tokio::time::sleep(SETTLE).await;
        self.refresh().await;
    }

    /// Writes the studies that have settled into the chart. Also called by whoever owns the service from time to time.
    pub async fn refresh(&self) {
        let (archive, before) = (self.archive.clone(), (self.now)() - SETTLE);
        let done = tokio::task::spawn_blocking(move || archive.refresh(before)).await;
        if let Ok(Err(error)) = done {
            log::error!("{error}");
        }
    }

    async fn abort<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        reason: AbortRQServiceProviderReason,
    ) -> Result<(), End> {
        self.send(stream, &Pdu::AbortRQ { source: AbortRQSource::ServiceProvider(reason) }).await
    }

    async fn send<S: AsyncWrite + Unpin>(&self, stream: &mut S, pdu: &Pdu) -> Result<(), End> {
        let mut bytes = Vec::new();
        dicom_ul::pdu::write_pdu(&mut bytes, pdu).map_err(|_| End::Gone)?;
        let write = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        match tokio::time::timeout(self.settings.request_patience, write).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Silent),
        }
    }

    /// The next data unit. `Ok(None)`: the caller closed the stream between two of them.
    async fn next<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        patience: Duration,
        most: u32,
    ) -> Result<Option<Pdu>, End> {
        let read = async {
            let mut bytes = vec![0; 6];
            match stream.read_exact(&mut bytes).await {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            let length = bytes.get(2..).and_then(|length| length.try_into().ok()).map_or(0, u32::from_be_bytes);
            if length > most {
                let reason = AbortRQServiceProviderReason::InvalidPduParameter;
                return Err(End::Broken("a data unit is longer than agreed", reason));
            }
            // Memory grows with what comes, not with what is announced.
            stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
            if bytes.len() < 6 + length as usize {
                return Ok(None);
            }
            parse(&bytes).map(Some)
        };
        tokio::time::timeout(patience, read).await.map_err(|_| End::Silent)?
    }

    async fn associate<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S, peer: SocketAddr) -> Result<(), End> {
        let request = match self.next(stream, self.settings.request_patience, MAX_REQUEST_BYTES).await? {
            Some(Pdu::AssociationRQ(request)) => request,
            Some(_) => {
                return Err(End::Broken(
                    "an association request was expected",
                    AbortRQServiceProviderReason::UnexpectedPdu,
                ));
            }
            None => return Err(End::Gone),
        };
        let place = self.places.try_acquire();
        if let Some((source, why)) = self.objection(&request, peer, place.is_ok()) {
            log::warn!(
                "HAECHI-0371: a DICOM association was refused: {why}\n  from    {peer}\n  effect  nothing was taken; the sender was told so\n  to do   if this sender may send, name it under [dicom] in haechi.toml; if it says `limit`, raise max-associations"
            );
            let result = match source {
                AssociationRJSource::ServiceProviderPresentation(_) => AssociationRJResult::Transient,
                _ => AssociationRJResult::Permanent,
            };
            self.send(stream, &Pdu::AssociationRJ(AssociationRJ { result, source })).await?;
            return Err(End::Refused);
        }
        let contexts = negotiate(&request);
        let accepted: Vec<Context> = contexts
            .iter()
            .filter(|(result, _)| result.reason == PresentationContextResultReason::Acceptance)
            .map(|(result, class)| Context {
                id: result.id,
                class: class.clone(),
                syntax: result.transfer_syntax.clone(),
            })
            .collect();
        let acceptance = AssociationAC {
            protocol_version: 1,
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            called_ae_title: request.called_ae_title.clone(),
            calling_ae_title: request.calling_ae_title.clone(),
            presentation_contexts: contexts.into_iter().map(|(result, _)| result).collect(),
            user_variables: vec![
                UserVariableItem::MaxLength(self.settings.max_pdu_bytes),
                UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS.to_owned()),
                UserVariableItem::ImplementationVersionName(IMPLEMENTATION_NAME.to_owned()),
            ],
        };
        self.send(stream, &Pdu::AssociationAC(acceptance)).await?;
        self.exchange(stream, &request.calling_ae_title, &accepted).await
    }

    /// Why an association is refused; `None` if it is not.
    fn objection(
        &self,
        request: &AssociationRQ,
        peer: SocketAddr,
        room: bool,
    ) -> Option<(AssociationRJSource, &'static str)> {
        use AssociationRJServiceUserReason as User;
        let user = |reason| AssociationRJSource::ServiceUser(reason);
        if request.application_context_name != APPLICATION_CONTEXT {
            return Some((user(User::ApplicationContextNameNotSupported), "its application context is not DICOM's"));
        }
        if request.called_ae_title != self.settings.ae_title {
            return Some((user(User::CalledAETitleNotRecognized), "it calls another AE title than ours"));
        }
        let ip = peer.ip().to_canonical();
        let known = self.settings.callers.iter().any(|caller| {
            caller.title == request.calling_ae_title
                && caller.address.is_none_or(|address| address.to_canonical() == ip)
        });
        if !known {
            return Some((
                user(User::CallingAETitleNotRecognized),
                "its AE title, or the address it comes from, is not on the list",
            ));
        }
        if !room {
            let reason = AssociationRJServiceProviderPresentationReason::LocalLimitExceeded;
            return Some((
                AssociationRJSource::ServiceProviderPresentation(reason),
                "the limit of associations is reached",
            ));
        }
        None
    }

    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        caller: &str,
        contexts: &[Context],
    ) -> Result<(), End> {
        use AbortRQServiceProviderReason::{InvalidPduParameter, UnexpectedPdu};
        let mut command_bytes: Vec<u8> = Vec::new();
        let mut incoming: Option<Incoming> = None;
        let mut refreshed = Instant::now();
        loop {
            let values = match self.next(stream, self.settings.idle_patience, self.settings.max_pdu_bytes).await? {
                Some(Pdu::PData { data }) => data,
                Some(Pdu::ReleaseRQ) => return self.send(stream, &Pdu::ReleaseRP).await,
                Some(Pdu::AbortRQ { .. }) | None => return Err(End::Gone),
                Some(_) => return Err(End::Broken("a data unit came out of turn", UnexpectedPdu)),
            };
            for value in values {
                let Some(context) = contexts.iter().find(|one| one.id == value.presentation_context_id) else {
                    return Err(End::Broken("a presentation context was not agreed", InvalidPduParameter));
                };
                match value.value_type {
                    PDataValueType::Command if incoming.is_none() => {
                        command_bytes.extend_from_slice(&value.data);
                        if command_bytes.len() > MAX_COMMAND_BYTES {
                            return Err(End::Broken("a command is longer than 64 KiB", InvalidPduParameter));
                        }
                        if value.is_last {
                            let command = command::read(&std::mem::take(&mut command_bytes))
                                .ok_or(End::Broken("a command cannot be read", InvalidPduParameter))?;
                            incoming = self.command(stream, caller, context, command).await?;
                        }
                    }
                    PDataValueType::Data => {
                        let Some(object) = incoming.as_mut().filter(|one| one.context == context.id) else {
                            return Err(End::Broken("a data set came without its command", UnexpectedPdu));
                        };
                        // Fails when the work has ended already with a refusal: the rest is let pass.
                        let _ = object.pieces.send(Some(value.data)).await;
                        if value.is_last
                            && let Some(object) = incoming.take()
                        {
                            self.finish(stream, caller, object).await?;
                        }
                    }
                    PDataValueType::Command => {
                        return Err(End::Broken("a command came within a data set", UnexpectedPdu));
                    }
                }
            }
            if incoming.is_none() && refreshed.elapsed() >= BETWEEN {
                self.refresh().await;
                refreshed = Instant::now();
            }
        }
    }

    /// Answers a command, or begins to take the object that follows it.
    async fn command<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        caller: &str,
        context: &Context,
        command: Command,
    ) -> Result<Option<Incoming>, End> {
        use AbortRQServiceProviderReason::InvalidPduParameter;
        match command.field {
            command::C_ECHO => {
                let answer = command::answer(&command, Status::Success, None, None);
                self.reply(stream, context.id, answer).await?;
                Ok(None)
            }
            command::C_STORE if command.has_data && context.class != VERIFICATION => {
                let (pieces, queue) = mpsc::channel(PIECES);
                let meta = Meta {
                    class: command.class.clone(),
                    sop: command.instance.clone(),
                    syntax: context.syntax.clone(),
                };
                let (archive, caller, received) = (self.archive.clone(), caller.to_owned(), (self.now)());
                let work = tokio::task::spawn_blocking(move || {
                    let mut reader = Pieces { queue, piece: io::Cursor::new(Vec::new()), ended: false };
                    let pending = archive.receive_dataset(&meta, &mut reader, &caller)?;
                    let problem = pending.problem.clone();
                    archive.commit(&[pending], received).map_err(|error| Refused::record(&error))?;
                    Ok(problem)
                });
                Ok(Some(Incoming { command, context: context.id, pieces, work }))
            }
            command::C_CANCEL => Ok(None),
            _ if command.has_data => {
                Err(End::Broken("an operation that is not C-STORE brings a data set", InvalidPduParameter))
            }
            _ => {
                let answer = command::answer(&command, Status::UnrecognizedOperation, None, None);
                self.reply(stream, context.id, answer).await?;
                Ok(None)
            }
        }
    }

    /// The object is whole: it is committed, or not, and the sender is told.
    async fn finish<S: AsyncWrite + Unpin>(&self, stream: &mut S, caller: &str, object: Incoming) -> Result<(), End> {
        let _ = object.pieces.send(None).await;
        drop(object.pieces);
        let outcome = object.work.await.unwrap_or_else(|_| {
            Err(Refused::new(RefusedKind::Failed, "storing it failed inside the program; please report this"))
        });
        let answer = match &outcome {
            Ok(None) => command::answer(&object.command, Status::Success, None, None),
            Ok(Some(problem)) => {
                log::warn!(
                    "HAECHI-0375: an object could not be read to its end: {problem}\n  from    {caller}\n  effect  it is kept as it came; the chart lists it with what could be read\n  to do   tell the maker of the sending system"
                );
                command::answer(&object.command, Status::Success, None, None)
            }
            Err(refused) => {
                let tag = refused.tag.as_deref().unwrap_or("-");
                log::warn!(
                    "{}: an object was not stored: {}\n  from    {caller}\n  at      {tag}\n  effect  the sender was told so\n  to do   see the reason; when it is solved, let the sender send it again",
                    refused.code(),
                    refused.reason
                );
                let status = match refused.kind {
                    RefusedKind::Full | RefusedKind::TooLong => Status::OutOfResources,
                    RefusedKind::NotAsAnnounced => Status::NotAsAnnounced,
                    RefusedKind::NotUnderstood | RefusedKind::CutOff => Status::CannotUnderstand,
                    RefusedKind::Failed => Status::ProcessingFailure,
                };
                // Only the first line leaves the house: what follows are this machine's folders.
                let comment = refused.reason.lines().next();
                command::answer(&object.command, status, refused.tag.as_deref().and_then(element), comment)
            }
        };
        self.reply(stream, object.context, answer).await
    }

    async fn reply<S: AsyncWrite + Unpin>(&self, stream: &mut S, context: u8, answer: Vec<u8>) -> Result<(), End> {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: answer,
        };
        self.send(stream, &Pdu::PData { data: vec![value] }).await
    }
}

/// `(0020,000d)` as numbers.
fn element(shown: &str) -> Option<(u16, u16)> {
    let (group, element) = shown.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some((u16::from_str_radix(group, 16).ok()?, u16::from_str_radix(element, 16).ok()?))
}

/// Reads one whole data unit.
fn parse(bytes: &[u8]) -> Result<Pdu, End> {
    let unrecognized = AbortRQServiceProviderReason::UnrecognizedPdu;
    // Lengths were checked; a mistake in the library's reading must not end more than this association.
    match guarded(|| dicom_ul::pdu::read_pdu(bytes, dicom_ul::pdu::MAXIMUM_PDU_SIZE, true)) {
        Some(Ok(Some(Pdu::Unknown { .. }))) => Err(End::Broken("a data unit is of an unknown kind", unrecognized)),
        Some(Ok(Some(pdu))) => Ok(pdu),
        Some(Ok(None) | Err(_)) | None => {
            Err(End::Broken("a data unit cannot be read", AbortRQServiceProviderReason::InvalidPduParameter))
        }
    }
}

/// Reads a data unit and, from an association request, makes what would be answered. For fuzzing: nothing is sent.
pub fn survey_pdu(bytes: &[u8]) {
    if let Ok(Pdu::AssociationRQ(request)) = parse(bytes) {
        let _ = negotiate(&request);
    }
    let _ = command::read(bytes);
}

/// What is answered to each proposed context, and the class it proposes.
fn negotiate(request: &AssociationRQ) -> Vec<(PresentationContextResult, String)> {
    use PresentationContextResultReason as Reason;
    let clean = |uid: &str| uid.trim_matches(['\0', ' ']).to_owned();
    let mut answers: Vec<(PresentationContextResult, String)> = Vec::new();
    // An association has at most 128 contexts, with odd ids (PS3.8 9.3.2.2).
    for proposed in request.presentation_contexts.iter().take(128) {
        let class = clean(&proposed.abstract_syntax);
        let syntaxes: Vec<String> = proposed.transfer_syntaxes.iter().map(|uid| clean(uid)).collect();
        let chosen = choose(&syntaxes);
        let reason = match chosen {
            _ if class != VERIFICATION && !is_storage(&class) => Reason::AbstractSyntaxNotSupported,
            None => Reason::TransferSyntaxesNotSupported,
            Some(_) => Reason::Acceptance,
        };
        let transfer_syntax = chosen.cloned().unwrap_or_else(|| "1.2.840.10008.1.2".to_owned());
        answers.push((PresentationContextResult { id: proposed.id, reason, transfer_syntax }, class));
    }
    answers
}

/// What can be read without decoding first, else what the sender names first: everything can be kept.
fn choose(syntaxes: &[String]) -> Option<&String> {
    let named = |uid: &str| syntaxes.iter().find(|syntax| *syntax == uid);
    named("1.2.840.10008.1.2.1")
        .or_else(|| named("1.2.840.10008.1.2"))
        .or_else(|| syntaxes.iter().find(|syntax| super::header::is_uid(syntax)))
}

/// Storage classes: the standard's (PS3.4 table B.5-1 and what lies beside it), and private ones.
fn is_storage(class: &str) -> bool {
    if !super::header::is_uid(class) {
        return false;
    }
    match class.strip_prefix("1.2.840.10008.") {
        None => true,
        Some(rest) => {
            rest.starts_with("5.1.4.1.1.")
                || rest == "5.1.4.34.7"
                || rest == "5.1.4.34.10"
                || matches!(rest, "5.1.4.43.1" | "5.1.4.44.1" | "5.1.4.45.1")
        }
    }
}

/// The pieces of an object, as something to read from.
struct Pieces {
    queue: mpsc::Receiver<Option<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = Read::read(&mut self.piece, buffer)?;
            if count > 0 || buffer.is_empty() || self.ended {
                return Ok(count);
            }
            match self.queue.blocking_recv() {
                Some(Some(piece)) => self.piece = io::Cursor::new(piece),
                Some(None) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the sender went away")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_agreed_on_for_everything_that_can_be_kept() {
        let proposed = |id, class: &str, syntaxes: &[&str]| dicom_ul::pdu::PresentationContextProposed {
            id,
            abstract_syntax: class.to_owned(),
            transfer_syntaxes: syntaxes.iter().map(|&uid| uid.to_owned()).collect(),
        };
        let request = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "A".into(),
            called_ae_title: "B".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: vec![
                proposed(1, VERIFICATION, &["1.2.840.10008.1.2"]),
                proposed(3, "1.2.840.10008.5.1.4.1.1.2", &["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"]),
                proposed(5, "1.2.840.10008.5.1.4.1.1.2\0", &["1.2.840.10008.1.2.4.90"]),
                proposed(7, "1.2.840.113619.4.26", &["1.2.840.113619.5.2"]),
                proposed(9, "1.2.840.10008.5.1.4.1.2.2.1", &["1.2.840.10008.1.2"]), // query, not storage
                proposed(11, "1.2.840.10008.5.1.4.1.1.2", &["nonsense"]),
                proposed(13, "1.2.840.10008.5.1.4.1.1.2", &[]),
            ],
            user_variables: vec![],
        };
        use PresentationContextResultReason as Reason;
        let answered: Vec<_> =
            negotiate(&request).into_iter().map(|(r, _)| (r.id, r.reason, r.transfer_syntax)).collect();
        let implicit = "1.2.840.10008.1.2".to_owned();
        assert_eq!(
            answered,
            [
                (1, Reason::Acceptance, implicit.clone()),
                (3, Reason::Acceptance, "1.2.840.10008.1.2.1".to_owned()),
                (5, Reason::Acceptance, "1.2.840.10008.1.2.4.90".to_owned()),
                (7, Reason::Acceptance, "1.2.840.113619.5.2".to_owned()),
                (9, Reason::AbstractSyntaxNotSupported, implicit.clone()),
                (11, Reason::TransferSyntaxesNotSupported, implicit.clone()),
                (13, Reason::TransferSyntaxesNotSupported, implicit),
            ]
        );
    }
}
