//! Root works on the core's own files as the core's user: what it makes there must be the core's to read and replace.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::error::Failure;
use crate::home::Home;

/// Where root calls for the packaged home: runs this very command again as the owner of the core's folder, and returns how
/// that ended. `None`: go on.
pub(super) fn instead_of_root() -> Result<Option<ExitCode>, Failure> {
    let elsewhere = std::env::args().any(|argument| argument == "--home" || argument.starts_with("--home="));
    if elsewhere || !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let folder = Home::at(None).core_folder();
    let Ok(owner) = std::fs::metadata(&folder) else { return Ok(None) }; // not installed: the command says so itself
    if owner.uid() == 0 {
        return Ok(None);
    }
    // Leaves root's groups as well (the standard library drops them with the user).
    let status = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .uid(owner.uid())
        .gid(owner.gid())
        .status()
        .map_err(|error| {
            Failure::new("HAECHI-0181", format_args!("the command cannot be run as the core's user: {error}"))
                .file(&folder)
                .effect("nothing was changed")
                .remedy("run it as root on the machine itself")
        })?;
    Ok(Some(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))))
}
