//! A listening Unix socket: made for its owner alone, taken by one process at a time, gone when that process is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::error::LinkError;
use crate::peer::own_uid;

/// Longest path of a Unix socket on Linux, in bytes, without the closing zero (`sun_path` in `unix(7)`).
const MAX_PATH_BYTES: usize = 107;

/// A listening socket. Dropping it removes the socket file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    _place: Place,
}

/// A listening socket that nothing waits at yet: made before there is a runtime with its threads, so that a role can lock
/// itself in between.
#[derive(Debug)]
pub struct Claimed {
    listener: StdUnixListener,
    place: Place,
}

/// The socket file, where it is ours to remove.
#[derive(Debug, Default)]
struct Place {
    path: Option<PathBuf>,
    /// Held for the socket's life: two starting roles must not both remove the other's "stale" socket.
    _lock: Option<File>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

impl Claimed {
    /// Listens for `role` at `path`, mode 0600, in a folder that is made with mode 0700 if absent. What a role that was
    /// killed left there is removed; nothing else is.
    ///
    /// # Errors
    /// [`LinkError::AlreadyRunning`]; [`LinkError::CannotListen`], also if others may write into the folder.
    pub fn bind(role: &'static str, path: &Path) -> Result<Self, LinkError> {
        let cannot = |why: String| LinkError::CannotListen { role, path: path.to_owned(), why };
        let failed = |what: &'static str| move |error: io::Error| cannot(format!("{what}: {error}"));
        let running = || LinkError::AlreadyRunning { role, path: path.to_owned() };

        let length = path.as_os_str().len();
        if length > MAX_PATH_BYTES {
            return Err(cannot(format!(
                "the path has {length} bytes, a socket's may have {MAX_PATH_BYTES}; use a shorter --home"
            )));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("the folder cannot be made"))?;
        let metadata = fs::metadata(folder).map_err(failed("the folder cannot be read"))?;
        if metadata.mode() & 0o022 != 0 || ![own_uid(), 0].contains(&metadata.uid()) {
            return Err(cannot(format!(
                "others may write into the folder {} (user id {}, mode {:03o}); make it yours with mode 700",
                folder.display(),
                metadata.uid(),
                metadata.mode() & 0o777
            )));
        }
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_path)
            .map_err(failed("its lock file cannot be made"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(running()),
            Err(fs::TryLockError::Error(error)) => return Err(failed("its lock file cannot be locked")(error)),
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("the path cannot be read")(error)),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(cannot("something that is no socket lies there; move it away".to_owned()));
            }
            Ok(_) if StdUnixStream::connect(path).is_ok() => return Err(running()),
            Ok(_) => fs::remove_file(path).map_err(failed("the socket of an earlier run cannot be removed"))?,
        }
        let listener = StdUnixListener::bind(path).map_err(failed("the socket cannot be made"))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed("its mode cannot be set"))?;
        Ok(Self { listener, place: Place { path: Some(path.to_owned()), _lock: Some(lock) } })
    }

    /// Begins to listen. Within a runtime.
    ///
    /// # Errors
    /// The kernel's.
    pub fn listen(self) -> io::Result<Socket> {
        self.listener.set_nonblocking(true)?;
        Ok(Socket { listener: UnixListener::from_std(self.listener)?, _place: self.place })
    }
}

/// A socket that somebody else made and owns, for instance systemd.
impl From<StdUnixListener> for Claimed {
    fn from(listener: StdUnixListener) -> Self {
        Self { listener, place: Place::default() }
    }
}

impl Socket {
    /// As [`Claimed::bind`], and listens at once. Within a runtime.
    ///
    /// # Errors
    /// Those of [`Claimed::bind`].
    pub fn bind(role: &'static str, path: &Path) -> Result<Self, LinkError> {
        let claimed = Claimed::bind(role, path)?;
        claimed.listen().map_err(|error| LinkError::CannotListen {
            role,
            path: path.to_owned(),
            why: error.to_string(),
        })
    }

    /// Takes over a socket that somebody else made and owns, for instance systemd.
    ///
    /// # Errors
    /// The kernel's.
    pub fn from_listener(listener: StdUnixListener) -> io::Result<Self> {
        Claimed::from(listener).listen()
    }

    /// The next caller. May be dropped while it waits.
    ///
    /// # Errors
    /// The kernel's; out of file descriptors, most likely.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}
