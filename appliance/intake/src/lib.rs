//! Bytes from a hospital become FHIR resources in the record.
//!
//! What reads bytes ([`hl7`], [`fhir`]) knows no file, thread or store; what moves them ([`import`]) knows no HL7 and no
//! FHIR. A bad message or resource is put aside with its place and reason, and the rest goes in.
//!
//! Reading order: [`import`], `input` (files and folders), `sniff` (what a file is), [`fhir`] and `blocks` and [`hl7`]
//! (what it holds), [`dicom`] and `images`, `reading`, `mapping`, `working`, `writing` (the steps of the pipeline), `changes`
//! (what is done to whole charts), `budget` (why memory stays flat), [`mllp`] (the same for what feeds bring).

mod blocks;
mod budget;
mod changes;
pub mod dicom;
mod error;
pub mod fhir;
pub mod hl7;
mod images;
pub mod import;
mod input;
mod mapping;
pub mod mllp;
mod reading;
mod sniff;
pub mod watch;
mod working;
mod writing;

pub use changes::unmerge;
pub use error::IntakeError;
