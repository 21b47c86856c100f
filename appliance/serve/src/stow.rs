//! DICOMweb STOW-RS (PS3.18 10.5) beside the FHIR API: objects are stored while they come and never held whole.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use haechi_intake::dicom::OpenArchive;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::outcome::Fail;
use crate::route::Reply;

/// Where studies are stored.
pub(crate) const BASE: &str = "/dicom-web/studies";
/// A sender may be silent for so long in the middle of a body.
const SILENCE: Duration = Duration::from_secs(60);
/// Pieces of a body that wait to be stored.
const PIECES: usize = 8;

/// `None`: not an address of studies; else the Study Instance UID in it, if there is one.
pub(crate) fn study_in(path: &str) -> Option<Option<&str>> {
    let rest = path.strip_prefix(BASE)?;
    if matches!(rest, "" | "/") {
        return Some(None);
    }
    let uid = rest.strip_prefix('/')?;
    let is_uid = uid.len() <= 64 && uid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_uid.then_some(Some(uid))
}

/// A request to store.
pub(crate) struct Order {
    pub(crate) images: Arc<dyn OpenArchive>,
    pub(crate) study: Option<String>,
    pub(crate) content_type: String,
    /// Who sends.
    pub(crate) source: String,
    pub(crate) now: Timestamp,
}

/// Stores what the body brings and answers for each object.
pub(crate) async fn store(order: Order, mut body: Incoming) -> Result<Reply, Fail> {
    let (pieces, receiver) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    let storing = tokio::task::spawn_blocking(move || {
        let mut body = Pieces { receiver, rest: Bytes::new() };
        let Order { images, study, content_type, source, now } = order;
        Ok::<_, String>(images.archive()?.stow(&content_type, &mut body, study.as_deref(), &source, now))
    });
    loop {
        let piece = match tokio::time::timeout(SILENCE, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_) => continue, // trailers
            },
            Ok(Some(Err(_))) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        let last = piece.is_err();
        // Nobody takes them any more once the archive has heard enough.
        if pieces.send(piece).await.is_err() || last {
            break;
        }
    }
    drop(pieces);
    let stored = storing.await.map_err(|_| Fail::fault())?;
    let answer = stored.map_err(|problem| {
        log::error!("HAECHI-0741: an object was refused because the place of the images cannot be opened: {problem}");
        let text = "the place of the images cannot be opened; nothing was stored, send it again later";
        Fail::new(StatusCode::SERVICE_UNAVAILABLE, "transient", "HAECHI-0741", text)
    })?;
    if let Some(problem) = &answer.problem {
        log::warn!("{problem}");
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let (Some(problem), true) = (answer.problem, answer.json.as_object().is_none_or(serde_json::Map::is_empty)) {
        return Err(Fail::new(status, "invalid", "HAECHI-0717", problem));
    }
    let mut reply = Reply::json(status, answer.json.to_string().into_bytes());
    reply.media_type = "application/dicom+json";
    Ok(reply)
}

/// A body that comes in pieces, read by a thread that may wait.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.split_to(self.rest.len().min(into.len()));
        for (to, from) in into.iter_mut().zip(&taken) {
            *to = *from;
        }
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_studies_are_taken() {
        for (path, expected) in [
            ("/dicom-web/studies", Some(None)),
            ("/dicom-web/studies/", Some(None)),
            ("/dicom-web/studies/1.2.840", Some(Some("1.2.840"))),
            ("/dicom-web/studies/1.2/series", None),
            ("/dicom-web/studies/..%2f", None),
            ("/dicom-web/studiesx", None),
            ("/fhir/Patient", None),
        ] {
            assert_eq!(study_in(path), expected, "{path}");
        }
    }

    #[test]
    fn pieces_are_read_as_one_body() {
        let (pieces, receiver) = mpsc::channel(4);
        for piece in [Ok(Bytes::from_static(b"ab")), Ok(Bytes::new()), Ok(Bytes::from_static(b"cde"))] {
            pieces.blocking_send(piece).unwrap();
        }
        drop(pieces);
        let mut whole = Vec::new();
        Pieces { receiver, rest: Bytes::new() }.read_to_end(&mut whole).unwrap();
        assert_eq!(whole, b"abcde");
    }
}
