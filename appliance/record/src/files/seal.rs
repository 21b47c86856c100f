//! One encrypted file: its layout, sealing while it is written, opening while it is read.
//!
//! The plain bytes are cut into chunks of 64 KiB, each sealed with XChaCha20-Poly1305, so that a file of any size is read
//! and written with one chunk in memory and read from any place. The nonce of a chunk is the file's random prefix, the
//! chunk's number, and whether it is the last one (the STREAM construction, Hoang, Reyhanitabar, Rogaway and Vizár 2015):
//! chunks that were swapped, repeated, cut off or taken from another file do not open. The layout, numbers little-endian:
//!
//! | Bytes | What |
//! | --- | --- |
//! | 8 | `HAECHIFS` |
//! | 4 | version, 1 |
//! | 4 | bytes of a chunk before sealing |
//! | 16 | random prefix |
//! | each chunk: 0 to 65,536 and 16 | sealed bytes and tag; the last chunk may be short, all before it are full |

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use chacha20poly1305::aead::Generate;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};

const MAGIC: &[u8; 8] = b"HAECHIFS";
const VERSION: u32 = 1;
/// Plain bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
const TAG_BYTES: usize = 16;
const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
const PREFIX_BYTES: usize = 16;
/// Bytes before the first chunk.
pub(super) const HEADER_BYTES: usize = 16 + PREFIX_BYTES;

type Header = [u8; HEADER_BYTES];

fn nonce(header: &Header, number: u64, last: bool) -> XNonce {
    let mut nonce = [0; 24];
    let (prefix, rest) = nonce.split_at_mut(PREFIX_BYTES);
    prefix.copy_from_slice(header.get(16..).unwrap_or_default());
    // 2^56 chunks are 2^72 bytes: the top byte is free for the mark.
    rest.copy_from_slice(&number.to_le_bytes());
    if let Some(mark) = rest.last_mut() {
        *mark = u8::from(last);
    }
    nonce.into()
}

/// Bytes on disk of a file with `plain` bytes.
pub(super) fn sealed_bytes(plain: u64) -> u64 {
    let chunks = plain.div_ceil(CHUNK_BYTES as u64).max(1);
    HEADER_BYTES as u64 + plain + chunks * TAG_BYTES as u64
}

/// Seals what is written to it.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    header: Header,
    file: File,
    chunk: Vec<u8>,
    number: u64,
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32], mut file: File) -> io::Result<Self> {
        let random = XNonce::generate();
        let mut header = [0; HEADER_BYTES];
        for (place, byte) in header.iter_mut().zip(
            MAGIC
                .iter()
                .copied()
                .chain(VERSION.to_le_bytes())
                .chain((CHUNK_BYTES as u32).to_le_bytes())
                .chain(random.iter().copied().take(PREFIX_BYTES)),
        ) {
            *place = byte;
        }
        file.write_all(&header)?;
        let cipher = XChaCha20Poly1305::new(key.into());
        Ok(Self { cipher, header, file, chunk: Vec::with_capacity(SEALED_BYTES), number: 0 })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A full chunk waits until more comes: only then is it known not to be the last.
            if self.chunk.len() == CHUNK_BYTES {
                self.seal(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Seals the last chunk; the file is on the disk when this returns.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.seal(true)?;
        self.file.sync_all()
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = nonce(&self.header, self.number, last);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &self.header, self.chunk.as_mut_slice().into())
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.file.write_all(&self.chunk)?;
        self.file.write_all(&tag)?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

/// Why a chunk did not open.
#[derive(Debug)]
pub(super) enum Broken {
    /// The disk.
    Io(io::Error),
    /// Header or chunk is not what was written.
    Damaged(String),
}

/// Reads a sealed file from any place, one chunk in memory.
pub(super) struct Opener {
    cipher: XChaCha20Poly1305,
    header: Header,
    file: File,
    plain: u64,
    chunks: u64,
    chunk: Vec<u8>,
    /// Number of the chunk in `chunk`.
    held: Option<u64>,
}

impl Opener {
    pub(super) fn new(key: &[u8; 32], mut file: File) -> Result<Self, Broken> {
        let damaged = |what: &str| Broken::Damaged(what.to_owned());
        let bytes = file.metadata().map_err(Broken::Io)?.len();
        let mut header = [0; HEADER_BYTES];
        match file.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(damaged("it is cut off")),
            Err(error) => return Err(Broken::Io(error)),
        }
        let field = |at: usize| {
            header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default()
        };
        if !header.starts_with(MAGIC) || field(8) != VERSION || field(12) as usize != CHUNK_BYTES {
            return Err(damaged("its header is not one of ours"));
        }
        let body = bytes - HEADER_BYTES as u64;
        let chunks = body.div_ceil(SEALED_BYTES as u64);
        let tags = chunks * TAG_BYTES as u64;
        if chunks == 0 || body < tags {
            return Err(damaged("it is cut off"));
        }
        let cipher = XChaCha20Poly1305::new(key.into());
        Ok(Self { cipher, header, file, plain: body - tags, chunks, chunk: Vec::new(), held: None })
    }

    /// Plain bytes in all.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.plain
    }

    /// The plain bytes from `at` to the end of its chunk; nothing at the end.
    pub(super) fn from(&mut self, at: u64) -> Result<&[u8], Broken> {
        if at >= self.plain && self.held.is_some() {
            return Ok(&[]);
        }
        // Also the one empty chunk of an empty file is opened once: its tag proves that it was empty.
        let number = (at / CHUNK_BYTES as u64).min(self.chunks - 1);
        if self.held != Some(number) {
            self.held = None;
            self.open(number)?;
            self.held = Some(number);
        }
        let inside = usize::try_from(at - number * CHUNK_BYTES as u64).unwrap_or(usize::MAX);
        Ok(self.chunk.get(inside..).unwrap_or_default())
    }

    fn open(&mut self, number: u64) -> Result<(), Broken> {
        let last = number + 1 == self.chunks;
        let start = number * SEALED_BYTES as u64;
        let sealed = if last {
            usize::try_from(self.plain + self.chunks * TAG_BYTES as u64 - start).unwrap_or(SEALED_BYTES)
        } else {
            SEALED_BYTES
        };
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64 + start)).map_err(Broken::Io)?;
        self.chunk.resize(sealed.min(SEALED_BYTES), 0);
        self.file.read_exact(&mut self.chunk).map_err(Broken::Io)?;
        let damaged = || Broken::Damaged(format!("chunk {} of {} does not open", number + 1, self.chunks));
        let tag = self.chunk.split_off(self.chunk.len().saturating_sub(TAG_BYTES));
        let tag = Tag::try_from(tag.as_slice()).map_err(|_| damaged())?;
        let nonce = nonce(&self.header, number, last);
        let opened = self.cipher.decrypt_inout_detached(&nonce, &self.header, self.chunk.as_mut_slice().into(), &tag);
        if opened.is_err() {
            self.chunk.clear();
            return Err(damaged());
        }
        Ok(())
    }
}
