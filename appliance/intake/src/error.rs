//! What can stop an import as a whole. One bad file, message or resource does not: it is put aside with its reason.

use std::path::PathBuf;

/// An import that did not finish. Everything stored before stays; importing again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// A folder could not be listed.
    #[error(
        "HAECHI-0301: cannot read the folder {}: {source}\n  effect  nothing was imported\n  to do   check that the folder exists and that this user may read it",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The record refused to take more.
    #[error(
        "HAECHI-0302: the record took no more of the import: {0}\n  effect  what was stored before stays; the rest was not imported\n  to do   solve what the record reports, then import the same files again: what is there already is not stored twice"
    )]
    Record(#[from] haechi_record::RecordError),
    /// The system gives no more threads.
    #[error(
        "HAECHI-0304: the import could not start: {0}\n  effect  nothing was imported\n  to do   raise the limit on threads for this user, or import when the machine is less busy"
    )]
    Thread(std::io::Error),
    /// A thread of the import ended early.
    #[error(
        "HAECHI-0303: a part of the import stopped unexpectedly\n  effect  what was stored before stays; the rest was not imported\n  to do   import the same files again; if it happens again, send support the log"
    )]
    Stopped,
    /// The place of the images cannot be opened, and there are studies to be filed.
    #[error(
        "HAECHI-0562: what was imported is in, but imaging studies wait: the place of the images cannot be opened: {0}\n  effect  studies that changed are not in the chart yet\n  to do   solve what the message says; the appliance files them by itself, or import anything again"
    )]
    Images(String),
    /// The feeds' threads could not be started.
    #[error(
        "HAECHI-0340: the feeds could not start: {0}\n  effect  no message is taken\n  to do   raise the limit on threads for this user"
    )]
    Feeds(std::io::Error),
}
