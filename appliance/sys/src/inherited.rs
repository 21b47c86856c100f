//! Sockets that systemd made and handed over (`sd_listen_fds(3)`): descriptors from 3 on, counted by `LISTEN_FDS`, meant
//! for the process `LISTEN_PID`, named by `LISTEN_FDNAMES`.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// More sockets than any appliance has: a bound on what the environment can make us believe.
const MOST: i32 = 256;

/// The sockets handed to this process with their names, in systemd's order. Empty the second time: each has one owner.
#[must_use]
pub fn sockets() -> Vec<(String, OwnedFd)> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let count = count(&variable("LISTEN_PID"), &variable("LISTEN_FDS"), std::process::id());
    if count == 0 || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let mut sockets = Vec::new();
    for number in FIRST..FIRST + count {
        // SAFETY: systemd opened these descriptors for this very process (LISTEN_PID is its id), nothing else in the program
        // opened or owns them (they were there before `main`), and TAKEN hands each out once.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        // A number without an open descriptor behind it fails here and is let go without being closed.
        if rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).is_ok() {
            sockets.push((names.next().unwrap_or_default().to_owned(), socket));
        } else {
            std::mem::forget(socket);
        }
    }
    sockets
}

/// How many are meant for the process `own`.
fn count(pid: &str, count: &str, own: u32) -> i32 {
    if pid.parse() != Ok(own) {
        return 0; // they were meant for a parent
    }
    count.parse().unwrap_or(0).clamp(0, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_meant_for_this_process_are_counted() {
        for (pid, fds, expected) in
            [("7", "2", 2), ("8", "2", 0), ("", "2", 0), ("7", "", 0), ("7", "-1", 0), ("7", "99999", MOST)]
        {
            assert_eq!(count(pid, fds, 7), expected, "{pid} {fds}");
        }
        assert!(sockets().is_empty(), "a test has none");
    }
}
