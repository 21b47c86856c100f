//! What a role and systemd say to each other: sockets that are handed over, "ready", and signs of life.
//! <https://www.freedesktop.org/software/systemd/man/sd_notify.html>

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use crate::error::Failure;

/// The sockets that systemd made for this role, by the name in their unit (`FileDescriptorName=`).
pub(crate) struct Sockets(HashMap<String, OwnedFd>);

impl Sockets {
    /// Takes them. Empty without systemd.
    pub(crate) fn take() -> Self {
        Self(haechi_sys::inherited::sockets().into_iter().collect())
    }

    /// The Unix socket of this name.
    pub(crate) fn unix(&mut self, name: &str) -> Option<UnixListener> {
        self.0.remove(name).map(UnixListener::from)
    }

    /// All of them, as listeners of the door. A unit's name cannot hold ':', so `mllp-2575` stands for `mllp:2575`.
    pub(crate) fn listeners(self) -> Vec<(String, TcpListener)> {
        let mut all: Vec<_> =
            self.0.into_iter().map(|(name, socket)| (listener_name(&name), TcpListener::from(socket))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

fn listener_name(unit: &str) -> String {
    match unit.strip_prefix("mllp-") {
        Some(port) => format!("mllp:{port}"),
        None => unit.to_owned(),
    }
}

/// The name in a socket unit for a listener of the door.
pub(crate) fn unit_name(listener: &str) -> String {
    listener.replace(':', "-")
}

/// A socket from systemd that cannot be listened at.
pub(crate) fn unusable(error: io::Error) -> Failure {
    Failure::new("HAECHI-0177", format_args!("a socket that systemd made cannot be used: {error}"))
        .effect("the role does not start")
        .remedy("`systemctl restart haechi.target`; if it says this again, report it")
}

/// Tells systemd that the role is ready, and from then on that it lives, for as long as its runtime turns and has threads to
/// spare. Nothing happens without systemd.
pub(crate) fn ready() {
    tell("READY=1");
    let Some(every) = watchdog() else { return };
    tokio::spawn(async move {
        loop {
            // A pool whose threads are all stuck cannot read the record any more: the role is as good as dead.
            if tokio::task::spawn_blocking(|| {}).await.is_ok() {
                tell("WATCHDOG=1");
            }
            tokio::time::sleep(every).await;
        }
    });
}

/// Tells systemd that the role ends because it was asked to.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

/// How often systemd wants to hear from us: half of what it waits.
fn watchdog() -> Option<Duration> {
    let wait: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    (wait > 0).then(|| Duration::from_micros(wait / 2))
}

fn tell(state: &str) {
    let Some(place) = std::env::var("NOTIFY_SOCKET").ok().filter(|place| !place.is_empty()) else { return };
    if let Err(error) = send(&place, state) {
        log::warn!("HAECHI-0178: systemd cannot be told {state}: {error}; it may restart this role");
    }
}

fn send(place: &str, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_listeners_survive_the_unit_file() {
        for name in ["https", "dicom", "mllp:2575"] {
            assert_eq!(listener_name(&unit_name(name)), name);
        }
    }

    #[test]
    fn what_is_told_arrives_at_both_kinds_of_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listening = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "READY=1").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(listening.recv(&mut bytes).unwrap(), 7);
        let name = format!("haechi-test-{}", std::process::id());
        let hidden = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(&format!("@{name}"), "WATCHDOG=1").unwrap();
        assert_eq!(hidden.recv(&mut bytes).unwrap(), 10);
    }
}
