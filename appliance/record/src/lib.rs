//! The patient record: one encrypted SQLite file per site, and beside it the queue of what feeds bring.
//!
//! FHIR resources are kept byte for byte as they came, every version of them; beside the bytes stand only the columns
//! that search and the patient view need. What a resource *says* is read by [`chart`], from the bytes, when somebody asks.
//!
//! Not in here: where bytes come from (`haechi-intake`), what a question means (`haechi-ask`), any network.
//!
//! Reading order: [`key`], `file`, `migrations`, [`prepare`], [`store`], [`queue`], [`files`] (large objects), [`chart`],
//! [`search`] (words), [`index`] (FHIR search); beside the record [`terminology`] and [`units`].

pub mod chart;
mod error;
mod file;
pub mod files;
pub mod index;
pub mod key;
mod migrations;
pub mod prepare;
pub mod queue;
pub mod search;
pub mod store;
pub mod terminology;
pub mod units;

pub use error::RecordError;
pub use file::{Pinned, check, pin};
