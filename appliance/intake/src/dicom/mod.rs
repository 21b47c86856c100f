//! DICOM: images and structured reports are kept as they came, and their headers become FHIR resources in the record.
//!
//! What reads bytes knows no file, socket or store: `charset`, `dataset`, `part10`, `header`, `name`, `report`. [`Archive`]
//! is the way of one object into the file store and the record; `study` writes what the record says of a study; [`Service`]
//! speaks to archives and modalities over any stream; [`Archive::stow`] takes them over HTTP; [`Archive::preview`] makes a
//! small picture without a patient's name.
//!
//! Not in here: sockets and TLS (the door and the caller), diagnosis, viewing.

mod archive;
mod charset;
mod command;
mod dataset;
mod header;
mod multipart;
mod name;
mod part10;
mod preview;
mod report;
mod rle;
mod service;
mod stow;
mod study;

pub use archive::{Archive, ArchiveError, OpenArchive, Settings};
pub(crate) use archive::{Pending, Refused, RefusedKind};
pub use preview::{MAX_SIDE, Preview};
pub use service::{Caller, Service, ServiceSettings, survey_pdu};
pub use stow::{StowAnswer, survey_multipart};
pub use study::Refreshed;

/// Reads a DICOM file as an import would, storing nothing: how many elements its header has, or nothing if it is none. For
/// fuzzing.
#[must_use]
pub fn survey(file: &[u8]) -> Option<usize> {
    let mut reader = file;
    let (meta, _, begun) = part10::read(&mut reader).ok()?;
    let body = std::io::Read::chain(begun.as_slice(), reader);
    let walked = dataset::read(body, &meta.syntax, dataset::Want { pixel_bytes: 1 << 20 });
    let _ = header::read(&walked, &meta.syntax, encoding_rs::EUC_KR, &jiff::tz::TimeZone::UTC);
    let _ = preview::png_of(&walked, &meta.syntax);
    Some(walked.root.len())
}
