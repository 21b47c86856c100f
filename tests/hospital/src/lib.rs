//! A synthetic Korean general hospital, the same one for the same seed: patients with Hangul and Latin names, their years
//! of visits, results, prescriptions and documents, written as FHIR R4 (in the shape of KR Core) and as the HL7 v2
//! messages that would have built the same record.
//!
//! Nobody in it lives or lived. It is the demo, the load generator, and the test that both roads into the record agree.
//! It is not a model of disease frequency: every dozen patients shows the whole house.
//!
//! In reading order: dice, moment, codes, ids, json (tools); people, catalog (what there is); body (what is measured);
//! record (what is written down), course (the pen), notes (documents), lives (the stories); fhir and hl7 (the two roads).

mod body;
mod catalog;
mod codes;
mod course;
mod dice;
mod fhir;
mod hl7;
mod ids;
mod json;
mod lives;
mod moment;
mod notes;
mod people;
mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};

/// What to write.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many patients; patient `n` is the same whatever this is.
    pub patients: usize,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Folder to write to; it is created if need be.
    pub out: PathBuf,
    /// The hospital's today: nothing but plans lies after it.
    pub as_of: Date,
    /// Which roads to write.
    pub formats: Formats,
}

impl Default for Options {
    fn default() -> Options {
        Options { patients: 12, seed: 7, out: PathBuf::new(), as_of: date(2026, 11, 1), formats: Formats::default() }
    }
}

/// Which of the two roads are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// `fhir/NNNN.json`: one Bundle a patient.
    pub fhir: bool,
    /// `hl7/NNNN.hl7`: one patient's messages in their order.
    pub hl7: bool,
}

impl Default for Formats {
    fn default() -> Formats {
        Formats { fhir: true, hl7: true }
    }
}

/// What was written; also the content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Patients.
    pub patients: usize,
    /// Seed.
    pub seed: u64,
    /// The hospital's today.
    pub as_of: Date,
    /// Files, without the manifest.
    pub files: usize,
    /// FHIR resources in all bundles.
    pub resources: usize,
    /// HL7 messages in all files.
    pub messages: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} synthetic patients as of {}: {} FHIR resources and {} HL7 messages in {} files, {} MiB",
            self.patients,
            self.as_of,
            self.resources,
            self.messages,
            self.files,
            self.bytes >> 20
        )
    }
}

/// Why the hospital could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HospitalError {
    /// A folder or file could not be made.
    #[error("HAECHI-0801: cannot write {}: {source}\n  effect  the hospital is incomplete\n  to do   choose a folder that can be written, with enough space", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The generator used a character that CP949 cannot write.
    #[error(
        "HAECHI-0802: patient {patient} has a character that CP949 lacks\n  effect  the hospital is incomplete\n  to do   report this with the seed"
    )]
    Encoding {
        /// Number of the patient in this hospital.
        patient: usize,
    },
}

/// Writes the hospital to `options.out`, patient by patient: memory does not grow with their number.
///
/// # Errors
/// [`HospitalError::Write`] if the folder or a file cannot be written.
pub fn generate(options: &Options) -> Result<Written, HospitalError> {
    let Options { patients, seed, out, as_of, formats } = options;
    let mut written =
        Written { patients: *patients, seed: *seed, as_of: *as_of, files: 0, resources: 0, messages: 0, bytes: 0 };
    for (folder, wanted) in [("fhir", formats.fhir), ("hl7", formats.hl7)] {
        if wanted {
            let path = out.join(folder);
            fs::create_dir_all(&path).map_err(|source| HospitalError::Write { path, source })?;
        }
    }
    for number in 1..=*patients {
        let record = lives::life(*seed, number, *as_of);
        if formats.fhir {
            let (text, count) = fhir::bundle(&record);
            written.resources += count;
            write(&mut written, &out.join(format!("fhir/{number:04}.json")), text.as_bytes())?;
        }
        if formats.hl7 {
            let (bytes, count) = hl7::messages(&record)?;
            written.messages += count;
            write(&mut written, &out.join(format!("hl7/{number:04}.hl7")), &bytes)?;
        }
    }
    let path = out.join("manifest.json");
    let manifest = serde_json::to_vec_pretty(&written).map_err(io::Error::other);
    let manifest = manifest.map_err(|source| HospitalError::Write { path: path.clone(), source })?;
    fs::write(&path, manifest).map_err(|source| HospitalError::Write { path, source })?;
    Ok(written)
}

fn write(written: &mut Written, path: &Path, bytes: &[u8]) -> Result<(), HospitalError> {
    fs::write(path, bytes).map_err(|source| HospitalError::Write { path: path.to_owned(), source })?;
    written.files += 1;
    written.bytes += bytes.len() as u64;
    Ok(())
}
