//! What is copied.

use std::path::PathBuf;

use zeroize::Zeroizing;

/// Keeps a database's main file as it is while it lives: its write-ahead log may grow meanwhile, and is not put into the
/// main file.
pub type Pin = Box<dyn FnOnce() -> Result<Box<dyn std::any::Any>, String>>;

/// One file of the state.
pub struct Source {
    /// Its path below the state folder, with `/`.
    pub name: String,
    /// Where its bytes come from.
    pub content: Content,
}

/// Where bytes come from.
pub enum Content {
    /// Bytes that lie in no file, such as a key that the system unsealed.
    Bytes(Zeroizing<Vec<u8>>),
    /// A file that is replaced as a whole or never changes.
    File(PathBuf),
    /// An SQLite database in WAL mode, that others may write to meanwhile. The main file is copied while pinned, then the
    /// log: what SQLite finds after a power cut at that moment, and recovers from. Pages that did not change have the same
    /// bytes in the next snapshot, encrypted or not, which a copy through SQLite would not give.
    Database {
        /// The main file.
        path: PathBuf,
        /// Called before the main file is read; what it gives is dropped after the log was read.
        pin: Pin,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = match &self.content {
            Content::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Content::File(path) => format!("file {}", path.display()),
            Content::Database { path, .. } => format!("database {}", path.display()),
        };
        f.debug_struct("Source").field("name", &self.name).field("content", &content).finish()
    }
}
