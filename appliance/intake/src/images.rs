//! DICOM files of an import: each goes into the archive at once, and many are named in one durable transaction.

use std::io::Read;
use std::sync::atomic::Ordering;

use haechi_record::store::Placed;

use crate::dicom::{Archive, Pending};
use crate::fhir::{Found, Place};
use crate::import::Shared;
use crate::reading::Out;

/// Objects named in one transaction. Their files are on the disk already; a power cut before it only costs importing again.
const TOGETHER: usize = 64;

/// See the module.
pub(crate) struct Images<'i> {
    shared: &'i Shared<'i>,
    /// Opened when the first image comes.
    archive: Option<Archive>,
    pending: Vec<(Pending, Place)>,
}

impl<'i> Images<'i> {
    pub(crate) fn new(shared: &'i Shared<'i>) -> Self {
        Self { shared, archive: None, pending: Vec::new() }
    }

    /// Takes one file. `alone`: it is the only one that was named. `false`: stop.
    pub(crate) fn take(&mut self, reader: &mut impl Read, place: &Place, alone: bool, out: &mut Out<'_>) -> bool {
        let place = Place { line: None, ..place.clone() };
        let reject = |tag, reason: String| Found::Rejected(place.reject(None, tag, reason), None);
        let Some(images) = &self.shared.options.images else {
            return out
                .take(reject(None, "a DICOM file cannot be imported here: no place for images is set".to_owned()));
        };
        if self.archive.is_none() {
            match images.archive() {
                Ok(archive) => self.archive = Some(archive),
                Err(why) => return out.take(reject(None, format!("the place of the images cannot be opened: {why}"))),
            }
        }
        let Some(archive) = &self.archive else { return true };
        match archive.receive_file(reader, &place.file) {
            Ok(pending) => {
                let problem = pending.problem.clone();
                self.pending.push((pending, place.clone()));
                let said = problem.is_none_or(|problem| {
                    let reason = format!("taken, but it could not be read to its end: {problem}");
                    out.take(reject(None, reason))
                });
                said && (self.pending.len() < TOGETHER || self.flush(out))
            }
            // Among its files a list of them is nothing to report.
            Err(refused) if refused.is_directory && !alone => true,
            Err(refused) => out.take(reject(refused.tag, refused.reason)),
        }
    }

    /// Names what was taken. `false`: stop.
    pub(crate) fn flush(&mut self, out: &mut Out<'_>) -> bool {
        let Some(archive) = &self.archive else { return true };
        let (pending, places): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending).into_iter().unzip();
        if pending.is_empty() {
            return true;
        }
        match archive.commit(&pending, self.shared.options.received) {
            Ok(placed) => {
                let unchanged = placed.iter().filter(|placed| **placed == Placed::Unchanged).count();
                self.shared.instances.fetch_add(placed.len() as u64, Ordering::Release);
                self.shared.unchanged_instances.fetch_add(unchanged as u64, Ordering::Release);
                true
            }
            Err(error) => places.iter().all(|place| {
                let reason = format!("the record did not take it: {error}");
                out.take(Found::Rejected(place.reject(None, None, reason), None))
            }),
        }
    }
}
