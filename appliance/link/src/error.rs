//! What goes wrong between two roles, in sentences. No content of a message stands in any of them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::frame::FrameError;

/// A fault of the link; codes `HAECHI-04xx`.
#[derive(Debug, Error)]
pub enum LinkError {
    /// There is no socket, or nobody listens on it.
    #[error("HAECHI-0401: `{role}` does not answer at {}: {source}; start the appliance with `haechi up`", path.display())]
    NobodyThere {
        /// The role.
        role: &'static str,
        /// Its socket.
        path: PathBuf,
        /// The kernel's words.
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("HAECHI-0402: `{role}` cannot listen at {}: {why}", path.display())]
    CannotListen {
        /// The role.
        role: &'static str,
        /// Its socket.
        path: PathBuf,
        /// What is in the way and what to do.
        why: String,
    },
    /// The role runs already.
    #[error("HAECHI-0403: `{role}` already listens at {}; use it, or stop it first", path.display())]
    AlreadyRunning {
        /// The role.
        role: &'static str,
        /// Its socket.
        path: PathBuf,
    },
    /// The greeting did not end in a welcome: another version, another role, another user.
    #[error("HAECHI-0404: the role messages are refused: {0}")]
    Refused(String),
    /// The peer broke a rule of the messages; the connection is closed.
    #[error(
        "HAECHI-0405: the peer broke the message rules: {0}; restart the appliance so that all roles are of one release"
    )]
    Broken(String),
    /// Nothing came for too long.
    #[error("HAECHI-0406: `{role}` did not answer within {after:?}; see `haechi doctor`")]
    Silent {
        /// The role.
        role: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended before the exchange did.
    #[error(
        "HAECHI-0407: the connection to `{role}` ended in the middle of an exchange; it may have been restarted, ask again"
    )]
    Gone {
        /// The role.
        role: &'static str,
    },
    /// A message of our own is longer than the peer accepts.
    #[error("HAECHI-0408: the message is too long: {0}")]
    TooLong(FrameError),
}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Broken(error.to_string())
    }
}
