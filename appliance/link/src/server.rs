//! The role's side: listens, checks who calls, runs one task for each exchange, lets nobody hold more than its share.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::error::LinkError;
use crate::frame::{self, Kind, Limits};
use crate::hello::{Hello, Welcome};
use crate::message::{Down, Protocol, Reply, Up, where_json_broke};
use crate::peer::{Allowed, Peer, own_uid};
use crate::socket::Socket;
use crate::wire::{FrameReader, ReadError, body, json_frame};

/// What a role allows.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Who may call.
    pub allowed: Allowed,
    /// What is accepted at most.
    pub accept: Limits,
    /// What is sent at most. The list of all patients is one reply: hence 64 MiB for JSON.
    pub send: Limits,
    /// Connections at once. Bounds memory together with the limits above; further callers are turned away with a sentence.
    pub connections: usize,
    /// Exchanges at once over one connection; further requests are answered "overloaded".
    pub exchanges_per_connection: usize,
    /// Exchanges at once in all; further requests are answered "overloaded".
    pub exchanges: usize,
    /// Messages and pieces of files waiting in an exchange before the caller has to wait.
    pub input_queue: usize,
    /// Frames waiting for a caller that reads slowly before the exchange has to wait.
    pub reply_queue: usize,
    /// A caller that has not greeted by then is let go.
    pub hello_timeout: Duration,
    /// A caller that takes no byte for so long is let go and its exchanges are cancelled.
    pub write_timeout: Duration,
    /// After the stop signal, so long for exchanges to end by themselves.
    pub grace: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            allowed: Allowed::OwnUser,
            accept: Limits::default(),
            send: Limits { json_bytes: 64 << 20, raw_bytes: 1 << 20 },
            connections: 64,
            exchanges_per_connection: 32,
            exchanges: 128,
            input_queue: 4,
            reply_queue: 16,
            hello_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(3),
        }
    }
}

/// What a role does with a request.
pub trait Service: Send + Sync + 'static {
    /// Its messages.
    type Protocol: Protocol;

    /// Answers one exchange: any number of replies through [`Call::replies`], the last of which is the answer. The exchange
    /// ends when the future does. Watch [`Replies::cancelled`] in long work; a cancelled exchange may still send a last reply.
    fn call(self: Arc<Self>, call: Call<Self::Protocol>) -> impl Future<Output = ()> + Send;
}

/// One exchange, as the role sees it.
#[derive(Debug)]
pub struct Call<P: Protocol> {
    /// What is asked.
    pub request: P::Request,
    /// Who asks.
    pub peer: Peer,
    /// What follows the request.
    pub input: Inputs<P>,
    /// The way back.
    pub replies: Replies<P>,
}

/// What may follow a request.
#[derive(Debug)]
pub enum Input<M> {
    /// A further message.
    Message(M),
    /// Bytes, for instance a piece of a file.
    Bytes(Vec<u8>),
}

/// The messages and bytes that follow a request.
#[derive(Debug)]
pub struct Inputs<P: Protocol>(mpsc::Receiver<Input<P::Request>>);

impl<P: Protocol> Inputs<P> {
    /// The next; `None` when the caller has said everything, cancelled or gone away ([`Replies::is_cancelled`] tells).
    pub async fn next(&mut self) -> Option<Input<P::Request>> {
        self.0.recv().await
    }

    /// As [`Inputs::next`], for a thread outside the runtime.
    pub fn blocking_next(&mut self) -> Option<Input<P::Request>> {
        self.0.blocking_recv()
    }
}

/// The caller is not there any more: stop working for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerGone;

/// The way back to the caller. Cheap to clone.
#[derive(Debug)]
pub struct Replies<P: Protocol> {
    id: u64,
    frames: mpsc::Sender<Vec<u8>>,
    cancel: watch::Receiver<bool>,
    limits: Limits,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Clone for Replies<P> {
    fn clone(&self) -> Self {
        let Self { id, frames, cancel, limits, protocol } = self;
        Self { id: *id, frames: frames.clone(), cancel: cancel.clone(), limits: *limits, protocol: *protocol }
    }
}

impl<P: Protocol> Replies<P> {
    /// Sends one reply; waits while the caller reads slowly.
    ///
    /// # Errors
    /// [`CallerGone`].
    pub async fn send(&self, reply: &P::Reply) -> Result<(), CallerGone> {
        self.frames.send(self.reply_frame(reply)?).await.map_err(|_| CallerGone)
    }

    /// As [`Replies::send`], for a thread outside the runtime.
    ///
    /// # Errors
    /// [`CallerGone`].
    pub fn blocking_send(&self, reply: &P::Reply) -> Result<(), CallerGone> {
        self.frames.blocking_send(self.reply_frame(reply)?).map_err(|_| CallerGone)
    }

    /// True once the caller cancelled or went away.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // A dropped sender is a connection that is over.
        *self.cancel.borrow() || self.cancel.has_changed().is_err()
    }

    /// Returns once the caller cancelled or went away.
    pub async fn cancelled(&self) {
        raised(&self.cancel).await;
    }

    fn reply_frame(&self, reply: &P::Reply) -> Result<Vec<u8>, CallerGone> {
        let frame = |reply: &P::Reply| json_frame(&Down::Reply { id: self.id, body: &body(reply) }, self.limits);
        frame(reply)
            .or_else(|error| {
                frame(&P::Reply::failed("HAECHI-0408", format!("the answer is too long to be sent: {error}")))
            })
            .map_err(|_| CallerGone)
    }

    async fn end(&self) {
        if let Ok(frame) = json_frame(&Down::End { id: self.id }, self.limits) {
            let _ = self.frames.send(frame).await;
        }
    }
}

/// A role's socket, and what the role allows on it.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    settings: ServerSettings,
}

impl Server {
    /// Listens at `path`; see [`Socket::bind`].
    ///
    /// # Errors
    /// Those of [`Socket::bind`].
    pub fn bind<P: Protocol>(path: &Path, settings: ServerSettings) -> Result<Self, LinkError> {
        Ok(Self { socket: Socket::bind(P::ROLE, path)?, settings })
    }

    /// Serves a socket that somebody else made and owns, for instance systemd.
    ///
    /// # Errors
    /// The kernel's.
    pub fn from_listener(listener: std::os::unix::net::UnixListener, settings: ServerSettings) -> io::Result<Self> {
        Ok(Self { socket: Socket::from_listener(listener)?, settings })
    }

    /// Answers until `stop` completes; then takes no more, cancels what runs and waits for it at most [`ServerSettings::grace`].
    pub async fn serve<S: Service>(self, service: Arc<S>, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let exchanges = Arc::new(Semaphore::new(self.settings.exchanges));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.socket.accept() => match accepted {
                    Ok(stream) => stream,
                    Err(error) => {
                        // Out of file descriptors, most likely: those in use must first come back.
                        log::warn!("HAECHI-0402: `{}` cannot accept a connection: {error}", S::Protocol::ROLE);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let connection = Connection {
                service: Arc::clone(&service),
                settings: self.settings.clone(),
                exchanges: Arc::clone(&exchanges),
                stopped: stopped.clone(),
                full: connections.len() >= self.settings.connections,
            };
            // Twice as many may wait for their refusal; beyond that not even a sentence.
            if connections.len() < 2 * self.settings.connections {
                connections.spawn(connection.run(stream));
            }
        }
        stopping.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(self.settings.grace, ended).await.is_err() {
            log::warn!("HAECHI-0407: `{}` stops while {} connections still work", S::Protocol::ROLE, connections.len());
            connections.abort_all();
        }
    }
}

struct Connection<S: Service> {
    service: Arc<S>,
    settings: ServerSettings,
    exchanges: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
    full: bool,
}

/// The connection's hold on a running exchange.
struct Running<P: Protocol> {
    /// `None` once the caller has said everything.
    input: Option<mpsc::Sender<Input<P::Request>>>,
    cancel: watch::Sender<bool>,
}

impl<S: Service> Connection<S> {
    async fn run(self, stream: UnixStream) {
        let Ok(peer) = Peer::of(&stream) else { return };
        let (read, write) = stream.into_split();
        let mut reader = FrameReader::new(read, self.settings.accept);
        let Some(write) = self.greet(peer, &mut reader, write).await else { return };
        let (frames, unsent) = mpsc::channel(self.settings.reply_queue.max(1));
        let mut writer = JoinSet::new();
        writer.spawn(write_frames(write, unsent, self.settings.write_timeout));
        let mut tasks = JoinSet::new();
        let mut running = HashMap::new();
        loop {
            tokio::select! {
                Some(ended) = tasks.join_next() => {
                    if let Ok(id) = ended { running.remove(&id); }
                }
                () = raised(&self.stopped) => break,
                _ = writer.join_next() => break, // the caller takes nothing any more
                read = reader.next() => match read {
                    Ok(Some((kind, payload))) => {
                        if let Err(rule) = self.message(kind, &payload, peer, &frames, &mut running, &mut tasks).await {
                            log::warn!("HAECHI-0405: a caller of `{}` broke the message rules: {rule}; it was let go", S::Protocol::ROLE);
                            break;
                        }
                    }
                    Ok(None) | Err(ReadError::Stream) => break,
                    Err(ReadError::Frame(error)) => {
                        log::warn!("HAECHI-0405: a caller of `{}` broke the message rules: {error}; it was let go", S::Protocol::ROLE);
                        break;
                    }
                },
            }
        }
        running.clear(); // cancels all and ends their input
        // On an orderly stop the caller is still there and gets the last replies; otherwise its queue must not hold anybody up.
        if !*self.stopped.borrow() {
            writer.abort_all();
        }
        drop(frames);
        while tasks.join_next().await.is_some() {}
        while writer.join_next().await.is_some() {}
    }

    /// Hears the greeting; `None` if the caller was turned away.
    async fn greet(
        &self,
        peer: Peer,
        reader: &mut FrameReader<OwnedReadHalf>,
        mut write: OwnedWriteHalf,
    ) -> Option<OwnedWriteHalf> {
        let role = S::Protocol::ROLE;
        let welcome = if !self.settings.allowed.admits(peer, own_uid()) {
            log::warn!("HAECHI-0404: a program of user id {} may not speak to `{role}`; it was turned away", peer.uid);
            Welcome::turned_away(role, &format!("user id {} may not speak to `{role}`", peer.uid))
        } else if self.full {
            Welcome::turned_away(
                role,
                &format!("`{role}` has {} connections, as many as it takes", self.settings.connections),
            )
        } else {
            let heard = timeout(self.settings.hello_timeout, reader.next()).await;
            let Ok(Ok(Some((Kind::Json, payload)))) = heard else { return None };
            match serde_json::from_slice::<Hello>(&payload) {
                Ok(hello) => Welcome::answer(&hello, role),
                Err(error) => Welcome::turned_away(role, &format!("the greeting is {}", where_json_broke(&error))),
            }
        };
        let frame = json_frame(&welcome, self.settings.send).ok()?;
        timeout(self.settings.hello_timeout, write.write_all(&frame)).await.ok()?.ok()?;
        welcome.refused.is_none().then_some(write)
    }

    async fn message(
        &self,
        kind: Kind,
        payload: &[u8],
        peer: Peer,
        frames: &mpsc::Sender<Vec<u8>>,
        running: &mut HashMap<u64, Running<S::Protocol>>,
        tasks: &mut JoinSet<u64>,
    ) -> Result<(), String> {
        if kind == Kind::Raw {
            if let Some((id, bytes)) = frame::split_raw(payload) {
                give(running, id, Input::Bytes(bytes.to_vec())).await;
            }
            return Ok(());
        }
        let up =
            serde_json::from_slice(payload).map_err(|error| format!("a message is {}", where_json_broke(&error)))?;
        match up {
            Up::Request { id, body } => {
                if running.contains_key(&id) {
                    return Err(format!("exchange {id} is opened twice"));
                }
                let (cancel, cancelled) = watch::channel(false);
                let limits = self.settings.send;
                let replies = Replies { id, frames: frames.clone(), cancel: cancelled, limits, protocol: PhantomData };
                let request = serde_json::from_str(body.get()).map_err(|error| {
                    <S::Protocol as Protocol>::Reply::failed("HAECHI-0405", not_understood::<S>(&error))
                });
                let permit = Arc::clone(&self.exchanges).try_acquire_owned().ok();
                let permit = permit.filter(|_| running.len() < self.settings.exchanges_per_connection);
                let (request, permit) = match (request, permit) {
                    (Ok(request), Some(permit)) => (request, permit),
                    (Ok(_), None) => return answer(&replies, &Reply::overloaded()).await,
                    (Err(reply), _) => return answer(&replies, &reply).await,
                };
                let (input, inputs) = mpsc::channel(self.settings.input_queue.max(1));
                running.insert(id, Running { input: Some(input), cancel });
                let call = Call { request, peer, input: Inputs(inputs), replies };
                tasks.spawn(exchange(Arc::clone(&self.service), call, permit));
            }
            Up::More { id, body } => match serde_json::from_str(body.get()) {
                Ok(message) => give(running, id, Input::Message(message)).await,
                Err(error) => return Err(not_understood::<S>(&error)),
            },
            Up::Said { id } => {
                if let Some(exchange) = running.get_mut(&id) {
                    exchange.input = None;
                }
            }
            Up::Cancel { id } => {
                if let Some(exchange) = running.get_mut(&id) {
                    exchange.cancel.send_replace(true);
                    exchange.input = None;
                }
            }
        }
        Ok(())
    }
}

/// Returns once the flag is up, or nobody is left to raise it.
async fn raised(flag: &watch::Receiver<bool>) {
    let _ = flag.clone().wait_for(|up| *up).await;
}

/// Hands on what follows a request; what follows an exchange that is over is dropped, since it may have been under way.
/// Waits while the exchange is busy: the caller then waits too, and nothing piles up here.
async fn give<P: Protocol>(running: &HashMap<u64, Running<P>>, id: u64, input: Input<P::Request>) {
    if let Some(sender) = running.get(&id).and_then(|exchange| exchange.input.as_ref()) {
        let _ = sender.send(input).await;
    }
}

async fn answer<P: Protocol>(replies: &Replies<P>, reply: &P::Reply) -> Result<(), String> {
    let _ = replies.send(reply).await; // a caller that is gone needs no answer; the reader will notice
    replies.end().await;
    Ok(())
}

fn not_understood<S: Service>(error: &serde_json::Error) -> String {
    format!("`{}` does not understand the request: it is {}", S::Protocol::ROLE, where_json_broke(error))
}

/// Runs one exchange to its end. A panic is this exchange's misfortune and nobody else's.
async fn exchange<S: Service>(service: Arc<S>, call: Call<S::Protocol>, permit: OwnedSemaphorePermit) -> u64 {
    let replies = call.replies.clone();
    let mut work = JoinSet::new(); // unlike a bare handle it ends its task if this one is aborted
    work.spawn(async move { service.call(call).await });
    if let Some(Err(error)) = work.join_next().await
        && error.is_panic()
    {
        log::error!(
            "HAECHI-0409: a request to `{}` hit a fault in the program; other requests go on",
            S::Protocol::ROLE
        );
        let sentence =
            format!("`{}` hit a fault in the program; other requests go on. Report it with the log", S::Protocol::ROLE);
        let _ = replies.send(&Reply::failed("HAECHI-0409", sentence)).await;
    }
    drop(permit);
    replies.end().await;
    replies.id
}

/// Writes until the queue closes, the stream breaks, or the caller takes nothing for `patience`.
async fn write_frames(mut stream: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>, patience: Duration) {
    while let Some(frame) = frames.recv().await {
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match timeout(patience, stream.write(rest)).await {
                Ok(Ok(count)) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                _ => return,
            }
        }
    }
}
