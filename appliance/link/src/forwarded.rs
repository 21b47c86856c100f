//! The head of a connection that the door forwards: which listener took it, and from whom. After it come the peer's own
//! bytes, both ways, untouched.
//!
//! ```text
//! 0..4  "HDR1"
//! 4..6  length of the rest, u16, big endian
//! 6..   JSON: {"listener": "https", "peer": "192.0.2.7:51544"}
//! ```

use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAGIC: [u8; 4] = *b"HDR1";

/// Longest name of a listener, in bytes.
pub const MAX_LISTENER_BYTES: usize = 64;

/// Longest JSON in a head: a name, an IPv6 address with its scope, and the words around them.
const MAX_HEAD_BYTES: usize = 256;

/// Who is at the far end of a forwarded connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    /// The listener that took the connection, as the door was told to call it: `https`, `dicom`, `mllp:lab`.
    pub listener: String,
    /// The peer's address, as the kernel gave it to the door.
    pub peer: SocketAddr,
}

impl Forwarded {
    /// True for what may name a listener: 1 to 64 of `a-z`, `0-9`, `-`, `:`.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b':');
        (1..=MAX_LISTENER_BYTES).contains(&name.len()) && name.bytes().all(usable)
    }

    /// Reads the head, and not one byte more: the next byte in `stream` is the peer's first.
    ///
    /// # Errors
    /// `InvalidData` for what is no head; the stream's.
    pub async fn read_from(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let wrong = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let mut start = [0; 6];
        stream.read_exact(&mut start).await?;
        let [a, b, c, d, high, low] = start;
        if [a, b, c, d] != MAGIC {
            return Err(wrong("it does not begin as the door's connections do"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_HEAD_BYTES {
            return Err(wrong("its head is too long"));
        }
        let mut head = vec![0; length];
        stream.read_exact(&mut head).await?;
        let head: Self = serde_json::from_slice(&head).map_err(|_| wrong("its head is not understood"))?;
        if Self::is_name(&head.listener) { Ok(head) } else { Err(wrong("its head names no listener")) }
    }

    /// Writes the head.
    ///
    /// # Errors
    /// `InvalidData` for a name that [`Forwarded::is_name`] refuses; the stream's.
    pub async fn write_to(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the listener's name cannot be sent");
        if !Self::is_name(&self.listener) {
            return Err(wrong());
        }
        let json = serde_json::to_vec(self)?;
        let length = u16::try_from(json.len()).map_err(|_| wrong())?;
        stream.write_all(&[&MAGIC[..], &length.to_be_bytes(), &json].concat()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Forwarded {
        Forwarded { listener: "mllp:lab".to_owned(), peer: "[2001:db8::7]:51544".parse().unwrap() }
    }

    #[tokio::test]
    async fn a_head_arrives_and_takes_nothing_of_what_follows() {
        let mut bytes = Vec::new();
        head().write_to(&mut bytes).await.unwrap();
        bytes.extend(b"MSH|");
        let mut stream = &bytes[..];
        assert_eq!(Forwarded::read_from(&mut stream).await.unwrap(), head());
        assert_eq!(stream, b"MSH|");
    }

    #[tokio::test]
    async fn what_is_no_head_is_refused() {
        let cases: [&[u8]; 6] = [
            b"GET / HTTP/1.1\r\n",
            b"HDR1\xff\xff",
            b"HDR1\x00\x02{}",
            b"HDR1\x00\x02[1",
            b"HDR1\x00\x22{\"listener\":\"\",\"peer\":\"1.2.3.4:5\"}",
            b"HDR",
        ];
        for case in cases {
            let mut stream = case;
            let error = Forwarded::read_from(&mut stream).await.unwrap_err();
            let cut = case.len() < 6;
            let kind = if cut { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
            assert_eq!(error.kind(), kind, "{case:?}");
        }
        let mut bytes = Vec::new();
        let shouting = Forwarded { listener: "HTTPS".to_owned(), ..head() };
        assert!(shouting.write_to(&mut bytes).await.is_err());
        assert_eq!(bytes, b"");
    }
}
