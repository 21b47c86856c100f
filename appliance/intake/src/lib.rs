//! Bytes from a hospital become FHIR resources in the record.
//!
//! What reads bytes ([`hl7`], [`fhir`]) knows no file, thread or store; what moves them ([`import`]) knows no HL7 and no
//! FHIR. A bad message or resource is put aside with its place and reason, and the rest goes in.
//!
//! Reading order: [`import`], `input` (files and folders), `sniff` (what a file is), [`fhir`] and `blocks` and [`hl7`]
//! (what it holds), [`dicom`] and `images`, `reading`, `working`, `writing` (the three steps of the pipeline), `budget` (why memory stays flat).

mod blocks;
mod budget;
pub mod dicom;
mod error;
pub mod fhir;
pub mod hl7;
mod images;
pub mod import;
mod input;
mod reading;
mod sniff;
mod working;
mod writing;

pub use error::IntakeError;
