//! Power cuts for SQLite, simulated: a VFS that passes everything through to the real one and remembers each write,
//! truncation, deletion and sync, so that the disk can be rebuilt as any moment's power cut could have left it.
//!
//! The model of the disk: what was written before the last sync of a file is there. Of what was written after it, any
//! subset is there, down to single 512-byte sectors, in any order. A file's creation is durable with the first sync of
//! the file (SQLite syncs the folder with it), a deletion with the next sync of the folder.
//!
//! Reading order: [`disk`] (the remembered operations and the rebuilt images; no unsafe code), `vfs` (the pass-through).

pub mod disk;
mod vfs;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use disk::{Disk, Operation};

/// The memory of one registered VFS.
#[derive(Debug, Clone)]
pub struct Recorder {
    operations: Arc<Mutex<Vec<Operation>>>,
}

impl Recorder {
    /// Registers a VFS under `name` for the life of the process; databases opened with it are recorded.
    ///
    /// # Errors
    /// A sentence, if SQLite refuses or the name is no C string.
    pub fn register(name: &str) -> Result<Self, String> {
        let recorder = Self { operations: Arc::default() };
        vfs::register(name, recorder.clone())?;
        Ok(recorder)
    }

    /// Notes that the work numbered `number` was acknowledged just now.
    pub fn acknowledge(&self, number: u64) {
        self.note(Operation::Acknowledged(number));
    }

    /// Operations so far: every count from 0 to this is a moment at which power can be cut.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// True if nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the files as a power cut after `moment` operations may have left them to `folder`; `seed` chooses among the
    /// possible outcomes. Returns the numbers acknowledged before the cut.
    ///
    /// # Errors
    /// Those of writing the files.
    pub fn cut(&self, moment: usize, seed: u64, folder: &Path) -> std::io::Result<Vec<u64>> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let mut disk = Disk::default();
        let mut acknowledged = Vec::new();
        for operation in operations.iter().take(moment) {
            match operation {
                Operation::Acknowledged(number) => acknowledged.push(*number),
                operation => disk.apply(operation),
            }
        }
        disk.power_cut(seed).write_to(folder)?;
        Ok(acknowledged)
    }

    fn note(&self, operation: Operation) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }
}
