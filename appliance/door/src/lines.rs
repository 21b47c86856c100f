//! The lines that the core keeps open to the door: each is a Unix connection on which nothing was said yet, and carries one
//! forwarded connection. The core opens another for each that is taken.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_link::Socket;
use haechi_link::peer::{Allowed, Peer, own_uid};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// Lines held; the core opens fewer. Bounds what a caller of the socket can make the door hold.
const MOST: usize = 64;
/// After an accept that failed: out of file descriptors, most likely, and those in use must first come back.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Lines {
    socket: Socket,
    core: Allowed,
    waiting: Mutex<VecDeque<UnixStream>>,
    more: Notify,
}

impl Lines {
    pub(crate) fn new(socket: Socket, core: Allowed) -> Arc<Self> {
        Arc::new(Self { socket, core, waiting: Mutex::default(), more: Notify::new() })
    }

    /// Takes what the core offers, until dropped.
    pub(crate) async fn take(&self) {
        loop {
            match self.socket.accept().await {
                Ok(line) if Peer::of(&line).is_ok_and(|peer| self.core.admits(peer, own_uid())) => {
                    let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    waiting.retain(is_open); // a core that was restarted left its lines behind
                    if waiting.len() < MOST {
                        waiting.push_back(line);
                        drop(waiting);
                        self.more.notify_one();
                    }
                }
                Ok(_) => log::warn!("HAECHI-0146: a process of another user called the door and was turned away"),
                Err(error) => {
                    log::warn!("HAECHI-0145: the door cannot take a line of the core: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The next line, when there is one.
    pub(crate) async fn next(&self) -> UnixStream {
        loop {
            let more = self.more.notified();
            let line = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.retain(is_open);
                let line = waiting.pop_front();
                if !waiting.is_empty() {
                    self.more.notify_one(); // whoever else waits
                }
                line
            };
            match line {
                Some(line) => return line,
                None => more.await,
            }
        }
    }
}

/// False once the core has closed it. It says nothing before it is spoken to, so there is nothing else to read.
fn is_open(line: &UnixStream) -> bool {
    matches!(line.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
