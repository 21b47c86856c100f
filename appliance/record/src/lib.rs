//! The patient record: one encrypted SQLite file per site.
//!
//! FHIR resources are kept byte for byte as they came, every version of them; beside the bytes stand only the columns
//! that search and the patient view need. What a resource *says* is read by [`chart`], from the bytes, when somebody asks.
//!
//! Not in here: where bytes come from (`haechi-intake`), what a question means (`haechi-ask`), any network.
//!
//! Reading order: [`key`], `migrations`, [`prepare`], [`store`], [`files`] (large objects beside it), [`chart`], [`search`].

pub mod chart;
mod error;
pub mod files;
pub mod key;
mod migrations;
pub mod prepare;
pub mod search;
pub mod store;

pub use error::RecordError;
