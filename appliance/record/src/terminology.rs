//! Code systems: what a code means on a day, what it is called in Korean and English, and where it leads in another system.
//!
//! They live in an encrypted file of their own beside the record, not in it. They are public (or licensed to the site),
//! large (SNOMED CT is larger than many a hospital's record) and replaceable from the publisher's files: in the record they
//! would slow every backup and restore, and loading one would hold the lock under which messages are taken. The file is
//! encrypted with the record's key all the same, because licences forbid handing the content on. If it is lost or
//! damaged, records and answers go on without names from code systems.
//!
//! Reading order: [`system`], [`read`] (publishers' files), `store` (the file and loading), `lookup`.

mod error;
mod lookup;
pub mod read;
mod store;
pub mod system;

pub use error::TerminologyError;
pub use lookup::{Asked, Breadth, Found, Listed, Mapped, Name, Names};
pub use store::{Edition, Input, Loaded, LoadedFile, Terminology};
pub use system::System;

#[cfg(test)]
mod tests;
