//! Images end to end: objects made here, the third-party files of `../shared/data/dicom`, and third-party senders.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod behaviour;
mod damage;
mod files;
mod made;
mod peers;
mod site;
