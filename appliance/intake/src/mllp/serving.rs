//! One connection: bytes in, acknowledgements out. While nothing can be taken nothing is read, so that a sender waits
//! instead of filling our memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_record::queue::Tally;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::Feeds;
use super::ack::{acknowledgement, codes};
use super::check::{NOT_NOW, Problem, TOO_LONG, check, no_header};
use super::frame::{Frame, Frames};
use super::settings::FeedSettings;
use super::taking::{Offer, Order, short};
use crate::hl7::{self, Header};

/// Read at once.
const READ_BYTES: usize = 32 << 10;
/// A connection may hold so much without asking: the usual message is a tenth of it.
const FREE_BYTES: usize = 64 << 10;
/// A sender that stops in the middle of a message, or takes no acknowledgement, is let go after so long.
const STALL: Duration = Duration::from_secs(60);

/// One answer that is due, in the order of the messages.
struct Due {
    header: Option<Header>,
    verdict: Verdict,
}

enum Verdict {
    /// Known already.
    Problem(Problem),
    /// The queue says.
    Taken(oneshot::Receiver<bool>),
}

impl Feeds {
    /// Serves one connection of `feed` until either side ends it. `peer`: for the log.
    pub async fn serve<S>(self: Arc<Self>, feed: Arc<FeedSettings>, mut stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let place = self.feeds.iter().position(|one| one.name == feed.name).and_then(|at| self.places.get(at));
        let place = place.map(|place| Arc::clone(place).try_acquire_owned());
        if matches!(place, Some(Err(_))) {
            log::warn!(
                "HAECHI-0347: feed {} has {} connections, as many as it may; {peer} was closed",
                feed.name,
                feed.connections
            );
            return;
        }
        let mut frames = Frames::new(feed.longest);
        let mut chunk = vec![0; READ_BYTES];
        let mut room: Option<OwnedSemaphorePermit> = None;
        let mut noise = 0;
        loop {
            let patience = if frames.is_inside() { STALL } else { feed.idle };
            let count = match timeout(patience, stream.read(&mut chunk)).await {
                Ok(Ok(count)) if count > 0 => count,
                Ok(_) => break,
                Err(_) if frames.is_inside() => {
                    log::warn!(
                        "HAECHI-0348: feed {}: {peer} stopped in the middle of a message and was let go",
                        feed.name
                    );
                    break;
                }
                Err(_) => break,
            };
            frames.push(chunk.get(..count).unwrap_or_default());
            let mut due = Vec::new();
            while let Some(frame) = frames.next_frame() {
                if !self.receive(&feed, frame, &mut due).await {
                    return;
                }
            }
            if frames.noise() > noise {
                if noise == 0 {
                    log::warn!(
                        "HAECHI-0343: feed {}: {peer} sends bytes outside of frames; they are dropped",
                        feed.name
                    );
                }
                noise = frames.noise();
            }
            let mut out = Vec::new();
            for one in due {
                self.answer(&feed, one, &mut out).await;
            }
            if !out.is_empty() && !matches!(timeout(STALL, stream.write_all(&out)).await, Ok(Ok(()))) {
                break;
            }
            // Twice the longest message: the buffer and the message cut out of it. All at once, so that no two senders wait
            // for each other's.
            if frames.held() <= FREE_BYTES {
                room = None;
            } else if room.is_none() {
                let kib = u32::try_from(2 * feed.longest.div_ceil(1024)).unwrap_or(u32::MAX);
                let kib = kib.min(super::IN_HAND_KIB as u32);
                room = self.in_hand.clone().acquire_many_owned(kib).await.ok();
            }
        }
        drop(room);
        // What began and did not end was never acknowledged.
        timeout(STALL, stream.shutdown()).await.ok();
    }

    /// Takes one frame apart; `false` if nothing can be taken any more.
    async fn receive(&self, feed: &Arc<FeedSettings>, frame: Frame, due: &mut Vec<Due>) -> bool {
        let content = match frame {
            Frame::TooLong(head) => {
                due.push(Due { header: hl7::header(&head).ok(), verdict: Verdict::Problem(TOO_LONG) });
                return true;
            }
            Frame::Whole(content) => content,
        };
        for piece in hl7::split(&content) {
            let (header, problem) = match hl7::header(piece.bytes) {
                Ok(header) => {
                    let problem = check(&header, feed);
                    (Some(header), problem)
                }
                Err(rejected) => (None, Some(no_header(&rejected))),
            };
            let verdict = match (problem, &header) {
                (None, Some(header)) => {
                    let (answer, taken) = oneshot::channel();
                    let control_id = String::from_utf8_lossy(&header.control_id).into_owned();
                    let offer = Offer {
                        feed: feed.clone(),
                        digest: Sha256::digest(piece.bytes).into(),
                        sender: short(&[&header.parties[0], &header.parties[1]]),
                        control_id,
                        kind: format!("{}^{}", header.kind, header.trigger),
                        about: header.numbers.clone(),
                        raw: piece.bytes.to_vec(),
                        answer,
                    };
                    if self.orders.send(Order::Take(offer)).await.is_err() {
                        return false;
                    }
                    Verdict::Taken(taken)
                }
                (problem, _) => Verdict::Problem(problem.unwrap_or(NOT_NOW)),
            };
            due.push(Due { header, verdict });
        }
        true
    }

    /// Waits for what became of a message and writes the answer that its sender wants.
    async fn answer(&self, feed: &Arc<FeedSettings>, due: Due, out: &mut Vec<u8>) {
        let problem = match due.verdict {
            Verdict::Problem(problem) => Some(problem),
            Verdict::Taken(taken) => (!matches!(taken.await, Ok(true))).then_some(NOT_NOW),
        };
        if problem.is_some_and(|problem| problem != NOT_NOW) {
            let tally = Tally { refused: 1, ..Tally::default() };
            self.orders.send(Order::Tally(feed.clone(), tally)).await.ok();
        }
        for code in codes(feed.acknowledge, due.header.as_ref(), problem.as_ref()) {
            let number = self.answers.fetch_add(1, Ordering::Relaxed) % 1_000_000;
            let now = (self.clock)();
            out.extend(acknowledgement(code, due.header.as_ref(), problem.as_ref(), now, &feed.hl7.zone, number));
        }
    }
}
