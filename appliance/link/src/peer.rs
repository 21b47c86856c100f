//! Who is at the other end, as the kernel says it (`SO_PEERCRED`).

use tokio::net::UnixStream;

/// The process at the other end, when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User id, as seen from our user namespace.
    pub uid: u32,
    /// Process id, where the kernel tells it.
    pub pid: Option<i32>,
}

/// Which peers may speak.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Allowed {
    /// Processes of our own user: `haechi up`.
    #[default]
    OwnUser,
    /// Processes of these users: packaged roles, each with its system user.
    Users(Vec<u32>),
    /// Whoever can open the socket. For units with `PrivateUsers=yes`, where every peer shows as 65534: there each peer
    /// gets a socket of its own, whose owner and mode are the identity.
    WhoeverReachesTheSocket,
}

impl Allowed {
    /// True if `peer` may speak to a process of user `own_uid`.
    #[must_use]
    pub fn admits(&self, peer: Peer, own_uid: u32) -> bool {
        match self {
            Self::OwnUser => peer.uid == own_uid,
            Self::Users(uids) => uids.contains(&peer.uid),
            Self::WhoeverReachesTheSocket => true,
        }
    }
}

impl Peer {
    /// The peer of a connected socket.
    ///
    /// # Errors
    /// The kernel's, which then leaves the peer unknown: do not talk to it.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }
}

/// The effective user id of this process.
#[must_use]
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allowed_are_admitted() {
        let peer = |uid| Peer { uid, pid: None };
        assert!(Allowed::OwnUser.admits(peer(1000), 1000));
        assert!(!Allowed::OwnUser.admits(peer(1001), 1000));
        assert!(!Allowed::OwnUser.admits(peer(0), 1000), "root is another user");
        assert!(Allowed::Users(vec![5, 6]).admits(peer(6), 1000));
        assert!(!Allowed::Users(vec![5, 6]).admits(peer(1000), 1000));
        assert!(!Allowed::Users(vec![]).admits(peer(1000), 1000));
        assert!(Allowed::WhoeverReachesTheSocket.admits(peer(65534), 1000));
    }

    #[tokio::test]
    async fn the_kernel_names_the_peer() {
        let (a, _b) = UnixStream::pair().unwrap();
        let peer = Peer::of(&a).unwrap();
        assert_eq!(peer.uid, own_uid());
        assert_eq!(peer.pid, i32::try_from(std::process::id()).ok());
    }
}
