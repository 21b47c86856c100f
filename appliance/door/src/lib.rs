//! The door: the one role that owns Internet sockets. It takes connections and forwards their bytes to the core over Unix
//! sockets, with the peer's address in front ([`Forwarded`]). It holds no key, no record and no state, cannot read what it
//! forwards (TLS ends in the core), and connects to nothing at all: the core calls the door and keeps a few lines open, of
//! which each new connection takes one ([`lines`]). So the door can give `connect` up altogether, and what came in over a
//! socket cannot be turned to go out, whatever the kernel knows of landlock.
//!
//! Why it exists: a process that was handed an Internet socket can turn it into a way out, whatever its own network walls;
//! so the core, which holds the records, never sees one.

mod lines;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_link::peer::Allowed;
use haechi_link::{Claimed, Forwarded};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use lines::Lines;

/// Bytes held in each direction of a connection.
const BUFFER_BYTES: usize = 64 << 10;

/// After an accept that failed: out of file descriptors, most likely, and those in use must first come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One address to listen at, and what the core calls it. Written `NAME=ADDRESS`, as `https=0.0.0.0:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// See [`Forwarded::is_name`].
    pub name: String,
    /// Where to listen.
    pub address: SocketAddr,
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("a listener is written NAME=ADDRESS:PORT")?;
        if !Forwarded::is_name(name) {
            return Err(format!("\"{name}\" is no name of a listener (a-z, 0-9, '-' and ':', at most 64)"));
        }
        let address = address
            .parse()
            .map_err(|_| format!("\"{address}\" is no address and port (examples: 0.0.0.0:8443, [::]:2575)"))?;
        Ok(Self { name: name.to_owned(), address })
    }
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.address)
    }
}

/// How much the door lets in, and who may be the core.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections at once over one listener: a flood at one must not shut the others. More are closed unheard.
    pub connections: usize,
    /// After the stop signal, so long for connections to end by themselves.
    pub grace: Duration,
    /// A connection waits so long for a line of the core; after that it is closed.
    pub patience: Duration,
    /// Whose lines are taken.
    pub core: Allowed,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 512,
            grace: Duration::from_secs(2),
            patience: Duration::from_secs(5),
            core: Allowed::OwnUser,
        }
    }
}

/// The door cannot open.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// An address cannot be listened at.
    #[error(
        "HAECHI-0140: the door cannot listen at {address} for `{name}`: {why}\n  effect  nothing was opened\n  to do   {remedy}"
    )]
    CannotListen {
        /// The listener.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// The system's words.
        why: io::Error,
        /// What to do.
        remedy: &'static str,
    },
}

/// The open door. No thread of its own yet: between opening and serving a role takes its lock.
#[derive(Debug)]
pub struct Door {
    listeners: Vec<(Arc<str>, StdListener)>,
    core: Claimed,
    settings: Settings,
}

impl Door {
    /// Opens every listener, or none. `core`: where the core calls.
    ///
    /// # Errors
    /// [`DoorError::CannotListen`].
    pub fn open(listeners: &[Listener], core: Claimed, settings: Settings) -> Result<Self, DoorError> {
        let mut open = Vec::with_capacity(listeners.len());
        for Listener { name, address } in listeners {
            let listener = StdListener::bind(address).map_err(|why| DoorError::CannotListen {
                name: name.clone(),
                address: *address,
                remedy: match why.kind() {
                    io::ErrorKind::AddrInUse => "another program listens there: stop it, or choose another port",
                    io::ErrorKind::PermissionDenied => {
                        "ports below 1024 need a right this user has not: choose one above"
                    }
                    io::ErrorKind::AddrNotAvailable => "this machine has no such address: correct it in haechi.toml",
                    _ => "correct the address in haechi.toml",
                },
                why,
            })?;
            open.push((Arc::from(name.as_str()), listener));
        }
        Ok(Self { listeners: open, core, settings })
    }

    /// The door with listeners that somebody else opened, for instance systemd.
    #[must_use]
    pub fn with(listeners: Vec<(String, StdListener)>, core: Claimed, settings: Settings) -> Self {
        let listeners = listeners.into_iter().map(|(name, listener)| (Arc::from(name), listener)).collect();
        Self { listeners, core, settings }
    }

    /// Where it listens: for a listener that asked for any free port (`:0`).
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let address =
            |(name, listener): &(Arc<str>, StdListener)| Some((name.to_string(), listener.local_addr().ok()?));
        self.listeners.iter().filter_map(address).collect()
    }

    /// Forwards until `stop` completes; then takes no more and waits for what is open at most [`Settings::grace`].
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let lines = match self.core.listen() {
            Ok(socket) => Lines::new(socket, self.settings.core.clone()),
            Err(error) => {
                log::error!("HAECHI-0176: the core's socket cannot be listened at: {error}; restart the door");
                return;
            }
        };
        let mut listening = JoinSet::new();
        for (name, listener) in self.listeners {
            let taken = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
            let listener = match taken {
                Ok(listener) => listener,
                Err(error) => {
                    log::error!("HAECHI-0176: the listener `{name}` cannot be used: {error}; restart the door");
                    continue;
                }
            };
            let way = Way {
                name,
                lines: Arc::clone(&lines),
                patience: self.settings.patience,
                core_silent: Arc::new(AtomicBool::new(false)),
                places: Arc::new(Semaphore::new(self.settings.connections)),
            };
            listening.spawn(way.listen(listener, stopped.clone(), self.settings.grace));
        }
        tokio::select! {
            () = stop => {}
            () = lines.take() => {}
        }
        stopping.send_replace(true);
        while listening.join_next().await.is_some() {}
    }
}

/// One listener's way to the core.
#[derive(Clone)]
struct Way {
    name: Arc<str>,
    lines: Arc<Lines>,
    patience: Duration,
    /// The core did not answer last time: said once, not at every connection.
    core_silent: Arc<AtomicBool>,
    places: Arc<Semaphore>,
}

impl Way {
    async fn listen(self, listener: TcpListener, mut stopped: watch::Receiver<bool>, grace: Duration) {
        let mut connections = JoinSet::new();
        let mut full = false;
        loop {
            let (stream, peer) = tokio::select! {
                _ = stopped.changed() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        log::warn!("HAECHI-0141: `{}` cannot accept a connection: {error}", self.name);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                if !full {
                    log::warn!("HAECHI-0142: `{}` has all its connections taken; more are closed unheard", self.name);
                }
                full = true;
                continue;
            };
            full = false;
            let way = self.clone();
            connections.spawn(async move {
                way.forward(stream, peer).await;
                drop(place);
            });
        }
        drop(listener); // nobody queues for a door that closes
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            log::info!("`{}` closes with {} connections open", self.name, connections.len());
        }
    }

    async fn forward(&self, mut outside: TcpStream, peer: SocketAddr) {
        // Acknowledgements are small and waited for.
        let _ = outside.set_nodelay(true);
        let head = Forwarded { listener: self.name.to_string(), peer };
        let greet = async {
            loop {
                let mut inside = self.lines.next().await;
                // A line whose core is gone refuses the head; the next one may not.
                if head.write_to(&mut inside).await.is_ok() {
                    return inside;
                }
            }
        };
        let Ok(mut inside) = timeout(self.patience, greet).await else {
            if !self.core_silent.swap(true, Ordering::Relaxed) {
                log::warn!(
                    "HAECHI-0143: the core does not take connections of `{}`; they are closed until it does",
                    self.name
                );
            }
            return;
        };
        if self.core_silent.swap(false, Ordering::Relaxed) {
            log::info!("the core takes connections of `{}` again", self.name);
        }
        // An end that fails ends the other: whoever waits there is told by the closing.
        let _ = tokio::io::copy_bidirectional_with_sizes(&mut outside, &mut inside, BUFFER_BYTES, BUFFER_BYTES).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn listener(text: &str) -> Listener {
        text.parse().unwrap()
    }

    async fn open(
        core: &Path,
        connections: usize,
    ) -> (SocketAddr, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let (grace, patience) = (Duration::from_millis(200), Duration::from_millis(500));
        let settings = Settings { connections, grace, patience, ..Settings::default() };
        let claimed = Claimed::bind("door", core).unwrap();
        let door = Door::open(&[listener("mllp:lab=127.0.0.1:0")], claimed, settings).unwrap();
        let address = door.addresses()[0].1;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(door.serve(async { drop(stopped.await) }));
        (address, stop, serving)
    }

    /// A line of the core, as the core opens it.
    async fn line(core: &Path) -> UnixStream {
        UnixStream::connect(core).await.unwrap()
    }

    #[test]
    fn listeners_are_written_by_name_and_address() {
        for text in ["https=0.0.0.0:8443", "mllp:lab-2=[::1]:2575"] {
            assert_eq!(listener(text).to_string(), text);
        }
        for (text, word) in [("https", "NAME=ADDRESS"), ("HTTPS=1.2.3.4:5", "no name"), ("a=localhost:80", "localhost")]
        {
            assert!(text.parse::<Listener>().unwrap_err().contains(word), "{text}");
        }
    }

    #[tokio::test]
    async fn bytes_go_both_ways_behind_the_peers_address() {
        let folder = tempfile::tempdir().unwrap();
        let core = folder.path().join("door.sock");
        let (address, stop, serving) = open(&core, 8).await;
        let mut inside = line(&core).await;
        let mut outside = TcpStream::connect(address).await.unwrap();
        let head = Forwarded::read_from(&mut inside).await.unwrap();
        assert_eq!(head, Forwarded { listener: "mllp:lab".to_owned(), peer: outside.local_addr().unwrap() });

        // More than every buffer on the way, so that both sides must read while they write.
        let long = vec![7_u8; 3 << 20];
        let (mut from, mut to) = outside.split();
        let sent = async {
            to.write_all(&long).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let echoed = async {
            let (mut read, mut write) = inside.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        let (_, _, count) = tokio::join!(sent, echoed, from.read_to_end(&mut back));
        assert_eq!((count.unwrap(), back == long), (long.len(), true));

        drop(stop);
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn without_a_core_callers_are_closed_and_with_one_again_they_are_heard() {
        let folder = tempfile::tempdir().unwrap();
        let core = folder.path().join("door.sock");
        let (address, _stop, _serving) = open(&core, 8).await;
        let mut early = TcpStream::connect(address).await.unwrap();
        assert_eq!(early.read(&mut [0; 8]).await.unwrap_or(0), 0);
        drop(line(&core).await); // a core that came and went
        let _late = TcpStream::connect(address).await.unwrap();
        let mut inside = line(&core).await;
        assert!(Forwarded::read_from(&mut inside).await.is_ok());
    }

    #[tokio::test]
    async fn a_full_listener_closes_further_callers_and_recovers() {
        let folder = tempfile::tempdir().unwrap();
        let core = folder.path().join("door.sock");
        let (address, _stop, _serving) = open(&core, 1).await;
        let mut inside = line(&core).await;
        let first = TcpStream::connect(address).await.unwrap();
        Forwarded::read_from(&mut inside).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0; 8]).await.unwrap_or(0), 0);
        drop((first, inside));
        // The place comes back once both ends are seen to be closed.
        for _ in 0..100 {
            let mut inside = line(&core).await;
            let _third = TcpStream::connect(address).await.unwrap();
            if matches!(timeout(Duration::from_millis(100), Forwarded::read_from(&mut inside)).await, Ok(Ok(_))) {
                return;
            }
        }
        panic!("the place never came back");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listeners = [listener(&format!("https={}", taken.local_addr().unwrap()))];
        let folder = tempfile::tempdir().unwrap();
        let claimed = Claimed::bind("door", &folder.path().join("door.sock")).unwrap();
        let error = Door::open(&listeners, claimed, Settings::default()).unwrap_err().to_string();
        assert!(
            error.contains("HAECHI-0140") && error.contains("`https`") && error.contains("another program"),
            "{error}"
        );
    }
}
