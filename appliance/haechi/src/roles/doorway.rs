//! Where the door's connections enter the core: each is led to the room that its listener belongs to. TLS ends here.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use haechi_certs::revoked::Revoked;
use haechi_link::Forwarded;
use haechi_link::peer::{Allowed, Peer, own_uid};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Connections at once through all listeners. The door bounds each listener; this bounds the core's memory.
const CONNECTIONS: usize = 1024;

/// Lines to the door on which nobody speaks yet: so many connections can come at the same moment without waiting.
const LINES: usize = 16;

/// The door has this long to say whose connection it is, once it began.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to reach a door that does not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// A peer has this long for its TLS handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How often a connection under a certificate is asked whether that still counts. Feeds stay connected for weeks.
const STILL_GOOD: Duration = Duration::from_secs(2);

/// After the stop signal, so long for connections to end by themselves. What was acknowledged is on disk already.
const GRACE: Duration = Duration::from_secs(1);

/// What a room reads from and writes to.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection on its way into a room.
#[allow(dead_code, reason = "who a client is matters to rooms with users")]
pub(crate) struct Connection {
    /// The peer's bytes, in clear.
    pub(crate) stream: Box<dyn Stream>,
    /// Its address, as the kernel gave it to the door.
    pub(crate) peer: SocketAddr,
    /// The subject of its client certificate, where the listener asks for one.
    pub(crate) client: Option<String>,
}

/// A room that serves connections.
pub(crate) trait Room: Send + Sync {
    /// Serves one connection to its end.
    fn take(self: Arc<Self>, connection: Connection) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A listener's room and its TLS settings; `None`: in clear.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) room: Arc<dyn Room>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// The core's end of the door. The core calls the door, never the other way round: so the door can do without `connect`.
pub(crate) struct Doorway {
    door: PathBuf,
    /// Who the door may be.
    runs_as: Allowed,
    entrances: Arc<HashMap<String, Entrance>>,
    revoked: Arc<Revoked>,
}

impl Doorway {
    /// Takes connections from the door that listens at `door`; it need not be there yet. `entrances`: by the listener's name.
    /// `revoked`: who of the site is not heard.
    pub(crate) fn new(
        door: PathBuf,
        runs_as: Allowed,
        entrances: HashMap<String, Entrance>,
        revoked: Arc<Revoked>,
    ) -> Self {
        Self { door, runs_as, entrances: Arc::new(entrances), revoked }
    }

    /// Leads connections to their rooms until `stop` completes.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let mut connections = JoinSet::new();
        let lines = Arc::new(Semaphore::new(LINES));
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let (stopping, stopped) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            let (stream, line) = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                opened = self.line(&lines) => match opened {
                    Some(opened) => opened,
                    None => continue,
                },
            };
            let (entrances, revoked) = (Arc::clone(&self.entrances), Arc::clone(&self.revoked));
            let (places, stopped) = (Arc::clone(&places), stopped.clone());
            connections.spawn(async move {
                let mut stream = stream;
                let Some(head) = hear(&mut stream, stopped).await else { return };
                drop(line); // another may be opened in its place
                if let Ok(_place) = places.try_acquire() {
                    lead(stream, head, entrances, revoked).await;
                }
            });
        }
        stopping.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            connections.abort_all();
        }
    }

    /// Another line to the door, once one is wanted. `None`: the door does not answer now.
    async fn line(&self, lines: &Arc<Semaphore>) -> Option<(UnixStream, OwnedSemaphorePermit)> {
        let line = Arc::clone(lines).acquire_owned().await.ok()?;
        let Ok(stream) = UnixStream::connect(&self.door).await else {
            tokio::time::sleep(PAUSE).await;
            return None;
        };
        if Peer::of(&stream).is_ok_and(|peer| self.runs_as.admits(peer, own_uid())) {
            return Some((stream, line));
        }
        log::warn!("HAECHI-0146: a process of another user sits at the door's socket and is given nothing");
        tokio::time::sleep(HEAD_PATIENCE).await;
        None
    }
}

/// Waits until the door says whose connection the line carries. `None`: the line carries none, or the role stops.
async fn hear(line: &mut UnixStream, mut stopped: watch::Receiver<bool>) -> Option<Forwarded> {
    tokio::select! {
        _ = stopped.changed() => return None,
        ready = line.readable() => ready.ok()?,
    }
    match timeout(HEAD_PATIENCE, Forwarded::read_from(line)).await {
        Ok(Ok(head)) => return Some(head),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {} // a door that stopped
        Ok(Err(error)) => log::warn!("HAECHI-0147: a connection from the door is refused: {error}"),
        Err(_) => log::warn!("HAECHI-0147: a connection from the door is refused: its head did not come"),
    }
    tokio::time::sleep(PAUSE).await; // one that closes its lines at once is not called in a frenzy
    None
}

async fn lead(stream: UnixStream, head: Forwarded, entrances: Arc<HashMap<String, Entrance>>, revoked: Arc<Revoked>) {
    let Some(entrance) = entrances.get(&head.listener) else {
        return log::warn!(
            "HAECHI-0148: the door has a listener `{}` that the core does not serve; restart the appliance after changing haechi.toml",
            head.listener
        );
    };
    let Some(tls) = &entrance.tls else {
        return Arc::clone(&entrance.room)
            .take(Connection { stream: Box::new(stream), peer: head.peer, client: None })
            .await;
    };
    match timeout(HANDSHAKE_PATIENCE, TlsAcceptor::from(Arc::clone(tls)).accept(stream)).await {
        Ok(Ok(stream)) => {
            let leaf =
                stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
            let client = leaf.as_ref().and_then(|leaf| haechi_certs::Facts::of(leaf).ok()).map(|facts| facts.subject);
            let connection = Connection { stream: Box::new(stream), peer: head.peer, client };
            let served = Arc::clone(&entrance.room).take(connection);
            tokio::select! {
                () = served => {}
                () = until_revoked(leaf, revoked) => log::warn!(
                    "HAECHI-0910: a connection at `{}` from {} was closed: its certificate was revoked",
                    head.listener,
                    head.peer.ip()
                ),
            }
        }
        // Scanners and wrong clients are a matter of every day; the interface engineer looks for just this line.
        Ok(Err(error)) => log::info!("`{}`: no TLS with {}: {error}", head.listener, head.peer.ip()),
        Err(_) => log::info!("`{}`: no TLS with {}: the handshake took too long", head.listener, head.peer.ip()),
    }
}

/// Ends when the client's certificate is revoked; never, where it showed none.
async fn until_revoked(leaf: Option<CertificateDer<'static>>, revoked: Arc<Revoked>) {
    let Some(leaf) = leaf else { return std::future::pending().await };
    while !revoked.is_revoked(&leaf) {
        tokio::time::sleep(STILL_GOOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_certs::tls::{Clients, Versions, server_config};
    use haechi_certs::{Authority, Identity, Purpose};
    use haechi_door::{Door, Listener, Settings};
    use haechi_link::Claimed;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    /// Answers with what it knows of its caller, then with what the caller says.
    struct Echo;

    impl Room for Echo {
        fn take(self: Arc<Self>, mut connection: Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let about = format!("{} {}\n", connection.peer.ip(), connection.client.unwrap_or_default());
                connection.stream.write_all(about.as_bytes()).await.unwrap();
                let (mut read, mut write) = tokio::io::split(connection.stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            })
        }
    }

    #[tokio::test]
    async fn connections_reach_their_room_through_the_door_in_clear_and_under_tls() {
        let dir = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now(); // rustls looks at the clock
        let authority = Authority::open_or_create(dir.path(), "Test", now).unwrap();
        let identity = Identity::open(&authority, dir.path(), &["localhost".to_owned()], now).unwrap();
        let pem = dir.path().join("lab.pem");
        authority.issue(&pem, Purpose::Client, &["lab".to_owned()], now).unwrap();
        let revoked = Arc::new(authority.revoked(now).unwrap());
        let clients = Clients::OfTheSite(Arc::clone(&revoked));
        let tls = server_config(identity, clients, Versions::Tls13, &[]).unwrap();
        let room: Arc<dyn Room> = Arc::new(Echo);
        let entrances = HashMap::from([
            ("mllp:lab".to_owned(), Entrance { room: Arc::clone(&room), tls: None }),
            ("https".to_owned(), Entrance { room, tls: Some(tls) }),
        ]);
        let path = dir.path().join("door.sock");
        let doorway = Doorway::new(path.clone(), Allowed::OwnUser, entrances, revoked);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let until = |mut stopped: tokio::sync::watch::Receiver<bool>| async move { drop(stopped.changed().await) };
        let core = tokio::spawn(doorway.serve(until(stopped.clone())));
        let listeners: Vec<Listener> =
            ["mllp:lab=127.0.0.1:0", "https=127.0.0.1:0", "dicom=127.0.0.1:0"].map(|text| text.parse().unwrap()).into();
        let door = Door::open(&listeners, Claimed::bind("door", &path).unwrap(), Settings::default()).unwrap();
        let addresses: Vec<SocketAddr> = door.addresses().into_iter().map(|(_, address)| address).collect();
        let door = tokio::spawn(door.serve(until(stopped)));

        let mut plain = TcpStream::connect(addresses[0]).await.unwrap();
        plain.write_all(b"hello").await.unwrap();
        plain.shutdown().await.unwrap();
        let mut text = String::new();
        plain.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "127.0.0.1 \nhello");

        let mut roots = RootCertStore::empty();
        roots.add(authority.root().clone()).unwrap();
        let file = std::fs::read(&pem).unwrap();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&file).map(Result::unwrap).collect();
        let leaf = chain[0].clone();
        let key = PrivateKeyDer::from_pem_slice(&file).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
        let outside = TcpStream::connect(addresses[1]).await.unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let mut secret = connector.connect("localhost".try_into().unwrap(), outside).await.unwrap();
        secret.write_all(b"hello").await.unwrap();
        secret.shutdown().await.unwrap();
        text.clear();
        secret.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "127.0.0.1 CN=lab\nhello");

        // Revoked while it is connected: closed within moments.
        let outside = TcpStream::connect(addresses[1]).await.unwrap();
        let mut open = connector.connect("localhost".try_into().unwrap(), outside).await.unwrap();
        let mut first = [0; 4];
        open.read_exact(&mut first).await.unwrap();
        let serial = haechi_certs::Facts::of(&leaf).unwrap().serial;
        authority.revoke(&serial, haechi_certs::revoked::Reason::KeyCompromise, now).unwrap();
        text.clear();
        timeout(Duration::from_secs(10), open.read_to_string(&mut text)).await.unwrap().unwrap_or_default();
        // A listener that nobody serves: closed, unheard.
        let mut nobody = TcpStream::connect(addresses[2]).await.unwrap();
        assert_eq!(nobody.read(&mut [0; 8]).await.unwrap_or(0), 0);

        stop.send_replace(true);
        core.await.unwrap();
        door.await.unwrap();
    }
}
