//! Frames over a stream: reading into one buffer that never holds more than one frame and a read ahead, and encoding.

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::frame::{self, FrameError, HEADER_BYTES, Kind, Limits};

/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 << 10;

/// Why no frame came.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stream failed, or ended inside a frame.
    Stream,
    /// The peer broke the framing.
    Frame(FrameError),
}

/// Reads frames. [`FrameReader::next`] may be dropped while it waits; nothing is lost.
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// Where the next frame starts in `buffer`.
    start: usize,
    limits: Limits,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(stream: R, limits: Limits) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, limits }
    }

    /// The next frame; `None` if the peer ended the stream between two.
    pub(crate) async fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, ReadError> {
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            if let Some((found, used)) = frame::first_frame(unread, self.limits).map_err(ReadError::Frame)? {
                let owned = (found.kind, found.payload.to_vec());
                self.start += used;
                return Ok(Some(owned));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.is_empty() {
                self.buffer.shrink_to(READ_BYTES); // one large frame does not hold its memory for the connection's life
            }
            self.buffer.reserve(READ_BYTES);
            let count = self.stream.read_buf(&mut self.buffer).await.map_err(|_| ReadError::Stream)?;
            if count == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ReadError::Stream) };
            }
        }
    }
}

/// One JSON frame.
pub(crate) fn json_frame<T: Serialize>(message: &T, limits: Limits) -> Result<Vec<u8>, FrameError> {
    // Our own messages have string keys and no failing serializers: an error here is not reachable by input.
    let payload = serde_json::to_vec(message).unwrap_or_default();
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame::write(Kind::Json, &payload, limits, &mut out)?;
    Ok(out)
}

/// A body for the envelope.
pub(crate) fn body<T: Serialize>(message: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(message).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn frames_arrive_whole_however_they_are_cut() {
        let limits = Limits::default();
        let mut bytes = Vec::new();
        let long = vec![7; 100_000];
        frame::write(Kind::Json, b"{}", limits, &mut bytes).unwrap();
        frame::write_raw(1, &long, limits, &mut bytes).unwrap();
        frame::write(Kind::Json, b"[]", limits, &mut bytes).unwrap();
        let (mut a, b) = tokio::io::duplex(1000);
        let writer = tokio::spawn(async move {
            for piece in bytes.chunks(777) {
                a.write_all(piece).await.unwrap();
            }
        });
        let mut reader = FrameReader::new(b, limits);
        assert_eq!(reader.next().await.unwrap(), Some((Kind::Json, b"{}".to_vec())));
        let (kind, payload) = reader.next().await.unwrap().unwrap();
        assert_eq!((kind, frame::split_raw(&payload)), (Kind::Raw, Some((1, &long[..]))));
        assert_eq!(reader.next().await.unwrap(), Some((Kind::Json, b"[]".to_vec())));
        assert_eq!(reader.next().await.unwrap(), None);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn an_end_inside_a_frame_is_not_an_end_between_two() {
        let mut reader = FrameReader::new(&b"\0\0\0\x02\0{"[..], Limits::default());
        assert!(matches!(reader.next().await, Err(ReadError::Stream)));
    }
}
