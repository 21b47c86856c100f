//! The FHIR R4 API over HTTP.
//!
//! [`Api::serve`] takes one connection from wherever it came, reads requests within bounds, lets nobody in without a bearer
//! token, and answers in FHIR JSON. Resources are given back byte for byte; version and time stand in headers and bundles.
//!
//! Not in here: TLS and listeners (`appliance/haechi`, the door), what a resource says (`haechi_record::chart`), how values
//! are compared (`haechi_record::index`).
//!
//! Reading order: [`outcome`] (every refusal), `http` (a connection), `route` (which address means what), `ask` (searches),
//! `bundle` (answers of many), `change` (one resource written), `exchange` (batch and transaction), `import` (bulk import), `patch`, `matching`, `metadata`, `stow` (DICOM objects).

mod ask;
mod bundle;
mod change;
mod exchange;
mod http;
mod import;
mod matching;
mod metadata;
pub mod outcome;
mod patch;
mod route;
mod stow;

pub use ask::escaped;
pub use http::{Api, Settings};
pub use route::{Asked, Reply};
