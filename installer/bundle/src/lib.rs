//! Signed bundles: models, evidence and software, as targets of The Update Framework (TUF 1.0, through the `tough` crate).
//! The center makes and signs them, a site verifies, stages, installs, switches and rolls back; from a folder or a stick.
//! Folders and time go in; no network, no clock, no inference: whoever calls inspects and tests a model before it switches.
//!
//! Reading order: [`manifest`] (what a bundle is), [`keys`], [`publish`] (the center's half), [`trust`] (the site's half:
//! which signature counts), [`store`] (what lies in a site's folder, and which is in use).

#[cfg(test)]
mod attacks;
mod error;
mod files;
pub mod keys;
pub mod manifest;
mod medium;
pub mod publish;
pub mod store;
pub mod trust;

pub use error::BundleError;
pub use manifest::{Kind, Manifest};
pub use store::Store;
pub use trust::Trust;
