//! The caller's side: one connection to a role, many exchanges over it.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::error::LinkError;
use crate::frame::{self, Kind, Limits};
use crate::hello::{Hello, Welcome};
use crate::message::{Down, Protocol, Up, where_json_broke};
use crate::peer::{Allowed, Peer, own_uid};
use crate::wire::{FrameReader, ReadError, body, json_frame};

/// Replies held for an exchange that is not read; then the connection waits. Read an exchange, or drop it.
const UNREAD_REPLIES: usize = 64;
/// Frames waiting to be written.
const UNSENT_FRAMES: usize = 16;

/// How a caller behaves.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// What is sent at most; the role accepts no more.
    pub send: Limits,
    /// What is accepted at most. The list of all patients is one reply: hence 64 MiB for JSON.
    pub accept: Limits,
    /// For connecting and greeting. Default 5 s.
    pub connect_timeout: Duration,
    /// Longest silence within an exchange. Default 120 s: a long prompt on a slow machine takes a minute before its first token.
    pub reply_timeout: Duration,
    /// Who may be the role. A program of another user that sits on our socket would be handed questions about patients.
    pub role_runs_as: Allowed,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            send: Limits::default(),
            accept: Limits { json_bytes: 64 << 20, raw_bytes: 1 << 20 },
            connect_timeout: Duration::from_secs(5),
            reply_timeout: Duration::from_secs(120),
            role_runs_as: Allowed::OwnUser,
        }
    }
}

/// A connection to a role. Cheap to clone; it closes with its last clone and last exchange.
#[derive(Debug)]
pub struct Client<P: Protocol> {
    line: Arc<Line>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { line: Arc::clone(&self.line), protocol: PhantomData }
    }
}

/// Replies are JSON text until the exchange that knows their type reads them.
enum Event {
    Reply(String),
    End,
}

type Exchanges = Arc<Mutex<Option<HashMap<u64, mpsc::Sender<Event>>>>>;

#[derive(Debug)]
struct Line {
    frames: mpsc::Sender<Vec<u8>>,
    /// Unbounded, since a cancellation is sent from `drop`; at most one for each exchange ever opened is in it.
    cancels: mpsc::UnboundedSender<u64>,
    /// `None` once the connection is over.
    exchanges: Exchanges,
    next_id: AtomicU64,
    settings: ClientSettings,
    release: String,
    /// Waits for the peer, so it is ended with the line. The writer ends by itself once its queues close and are written.
    reader: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl<P: Protocol> Client<P> {
    /// Connects and greets.
    ///
    /// # Errors
    /// [`LinkError::NobodyThere`], [`LinkError::Refused`], [`LinkError::Silent`] after `connect_timeout`.
    pub async fn connect(path: &Path, settings: ClientSettings) -> Result<Self, LinkError> {
        let after = settings.connect_timeout;
        timeout(after, Self::greet(path, settings)).await.unwrap_or(Err(LinkError::Silent { role: P::ROLE, after }))
    }

    /// As [`Client::connect`], but waits up to `patience` for a role that is still starting.
    ///
    /// # Errors
    /// As [`Client::connect`]; [`LinkError::NobodyThere`] only once the patience is over.
    pub async fn connect_when_ready(
        path: &Path,
        settings: ClientSettings,
        patience: Duration,
    ) -> Result<Self, LinkError> {
        let until = Instant::now() + patience;
        loop {
            match Self::connect(path, settings.clone()).await {
                Err(LinkError::NobodyThere { .. }) if Instant::now() < until => sleep(Duration::from_millis(30)).await,
                other => return other,
            }
        }
    }

    async fn greet(path: &Path, settings: ClientSettings) -> Result<Self, LinkError> {
        let nobody = |source| LinkError::NobodyThere { role: P::ROLE, path: path.to_owned(), source };
        let stream = UnixStream::connect(path).await.map_err(nobody)?;
        let peer = Peer::of(&stream).map_err(nobody)?;
        if !settings.role_runs_as.admits(peer, own_uid()) {
            let why = format!(
                "a program of user id {} listens at {}, which is none that may be `{}`",
                peer.uid,
                path.display(),
                P::ROLE
            );
            return Err(LinkError::Refused(why));
        }
        let (read, mut write) = stream.into_split();
        let hello = json_frame(&Hello::to(P::ROLE), settings.send)?;
        // A role that turns us away at once may close before it has read this; its sentence is still there to be read.
        let _ = write.write_all(&hello).await;
        let mut reader = FrameReader::new(read, settings.accept);
        let welcome = match reader.next().await {
            Ok(Some((Kind::Json, payload))) => serde_json::from_slice::<Welcome>(&payload)
                .map_err(|error| LinkError::Broken(format!("its greeting is {}", where_json_broke(&error))))?,
            Ok(Some((Kind::Raw, _))) => return Err(LinkError::Broken("its greeting is not JSON".to_owned())),
            Ok(None) | Err(ReadError::Stream) => {
                return Err(nobody(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")));
            }
            Err(ReadError::Frame(error)) => return Err(error.into()),
        };
        if let Some(why) = welcome.obstacle(P::ROLE) {
            return Err(LinkError::Refused(why));
        }
        let exchanges: Exchanges = Arc::new(Mutex::new(Some(HashMap::new())));
        let (frames, unsent) = mpsc::channel(UNSENT_FRAMES);
        let (cancels, uncancelled) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read_replies(reader, Arc::clone(&exchanges)));
        tokio::spawn(write_frames(write, unsent, uncancelled, settings.send));
        let release = welcome.release;
        let line = Line { frames, cancels, exchanges, next_id: AtomicU64::new(1), settings, release, reader };
        Ok(Self { line: Arc::new(line), protocol: PhantomData })
    }

    /// The role's release.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.line.release
    }

    /// False once the connection is over; connect again then.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.line.exchanges.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sends a request that nothing follows; its replies are read from the exchange.
    ///
    /// # Errors
    /// [`LinkError::Gone`], [`LinkError::TooLong`].
    pub async fn request(&self, request: &P::Request) -> Result<Exchange<P>, LinkError> {
        let exchange = self.open(request).await?;
        exchange.said().await?;
        Ok(exchange)
    }

    /// Sends a request that further messages and bytes may follow in the same exchange.
    ///
    /// # Errors
    /// [`LinkError::Gone`], [`LinkError::TooLong`].
    pub async fn open(&self, request: &P::Request) -> Result<Exchange<P>, LinkError> {
        let id = self.line.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, replies) = mpsc::channel(UNREAD_REPLIES);
        match &mut *self.line.exchanges.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(open) => open.insert(id, sender),
            None => return Err(LinkError::Gone { role: P::ROLE }),
        };
        let exchange = Exchange { id, replies, over: false, line: Arc::clone(&self.line), protocol: PhantomData };
        exchange.send_frame(&Up::Request { id, body: &body(request) }).await?;
        Ok(exchange)
    }

    /// Sends a request and returns its last reply; `on_reply` sees the ones before.
    ///
    /// # Errors
    /// As [`Client::open`] and [`Exchange::next`].
    pub async fn ask(&self, request: &P::Request, mut on_reply: impl FnMut(P::Reply)) -> Result<P::Reply, LinkError> {
        let mut exchange = self.request(request).await?;
        let mut last = None;
        while let Some(reply) = exchange.next().await? {
            if let Some(earlier) = last.replace(reply) {
                on_reply(earlier);
            }
        }
        last.ok_or_else(|| LinkError::Broken("the exchange ended without a reply".to_owned()))
    }
}

/// One request and what follows it. Dropping it cancels it.
#[derive(Debug)]
pub struct Exchange<P: Protocol> {
    id: u64,
    replies: mpsc::Receiver<Event>,
    over: bool,
    line: Arc<Line>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol> Exchange<P> {
    /// The next reply; `None` when the exchange is over.
    ///
    /// # Errors
    /// [`LinkError::Silent`] after `reply_timeout` (the exchange stays open), [`LinkError::Gone`], [`LinkError::Broken`].
    pub async fn next(&mut self) -> Result<Option<P::Reply>, LinkError> {
        if self.over {
            return Ok(None);
        }
        let after = self.line.settings.reply_timeout;
        let event =
            timeout(after, self.replies.recv()).await.map_err(|_| LinkError::Silent { role: P::ROLE, after })?;
        match event {
            Some(Event::Reply(text)) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| LinkError::Broken(format!("a reply is {}", where_json_broke(&error)))),
            Some(Event::End) => {
                self.over = true;
                Ok(None)
            }
            None => Err(LinkError::Gone { role: P::ROLE }),
        }
    }

    /// Sends a further message in this exchange.
    ///
    /// # Errors
    /// [`LinkError::Gone`], [`LinkError::TooLong`].
    pub async fn send(&self, message: &P::Request) -> Result<(), LinkError> {
        self.send_frame(&Up::More { id: self.id, body: &body(message) }).await
    }

    /// Sends bytes in this exchange, in frames as large as allowed.
    ///
    /// # Errors
    /// [`LinkError::Gone`].
    pub async fn send_bytes(&self, bytes: &[u8]) -> Result<(), LinkError> {
        let limits = self.line.settings.send;
        for piece in bytes.chunks(limits.raw_bytes.saturating_sub(frame::RAW_ID_BYTES).max(1)) {
            let mut out = Vec::new();
            frame::write_raw(self.id, piece, limits, &mut out).map_err(LinkError::TooLong)?;
            self.push(out).await?;
        }
        Ok(())
    }

    /// Says that nothing more follows from this side; replies may still come.
    ///
    /// # Errors
    /// [`LinkError::Gone`].
    pub async fn said(&self) -> Result<(), LinkError> {
        self.send_frame(&Up::Said { id: self.id }).await
    }

    /// Asks the role to stop. Replies still come until it has, for instance a last one that says "cancelled".
    pub fn cancel(&self) {
        // Fails only if the connection is over, and with it the exchange.
        let _ = self.line.cancels.send(self.id);
    }

    async fn send_frame(&self, message: &Up<'_>) -> Result<(), LinkError> {
        self.push(json_frame(message, self.line.settings.send).map_err(LinkError::TooLong)?).await
    }

    async fn push(&self, frame: Vec<u8>) -> Result<(), LinkError> {
        self.line.frames.send(frame).await.map_err(|_| LinkError::Gone { role: P::ROLE })
    }
}

impl<P: Protocol> Drop for Exchange<P> {
    fn drop(&mut self) {
        if let Some(open) = &mut *self.line.exchanges.lock().unwrap_or_else(PoisonError::into_inner) {
            open.remove(&self.id);
        }
        if !self.over {
            self.cancel();
        }
    }
}

async fn read_replies(mut reader: FrameReader<OwnedReadHalf>, exchanges: Exchanges) {
    while let Ok(Some((Kind::Json, payload))) = reader.next().await {
        let (id, event) = match serde_json::from_slice::<Down<'_>>(&payload) {
            Ok(Down::Reply { id, body }) => (id, Event::Reply(body.get().to_owned())),
            Ok(Down::End { id }) => (id, Event::End),
            Err(error) => {
                log::warn!("HAECHI-0405: a role's message is {}; the connection is closed", where_json_broke(&error));
                break;
            }
        };
        let sender = match &mut *exchanges.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(open) if matches!(event, Event::End) => open.remove(&id),
            Some(open) => open.get(&id).cloned(),
            None => None,
        };
        if let Some(sender) = sender {
            let _ = sender.send(event).await; // an exchange dropped meanwhile wants nothing
        }
    }
    // The senders go, and every waiting exchange learns that the role is gone.
    exchanges.lock().unwrap_or_else(PoisonError::into_inner).take();
}

async fn write_frames(
    mut stream: OwnedWriteHalf,
    mut frames: mpsc::Receiver<Vec<u8>>,
    mut cancels: mpsc::UnboundedReceiver<u64>,
    limits: Limits,
) {
    loop {
        // Frames first: a cancellation must not overtake the request that it cancels.
        let frame = tokio::select! {
            biased;
            Some(frame) = frames.recv() => frame,
            Some(id) = cancels.recv() => match json_frame(&Up::Cancel { id }, limits) {
                Ok(frame) => frame,
                Err(_) => return,
            },
            else => return,
        };
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}
