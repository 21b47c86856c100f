//! A reader that counts lines and bytes, and ends where one tag or text never does.

use std::io::{self, BufRead, Read};

/// See the module.
pub(super) struct Metered<R> {
    inner: R,
    /// The line of the next byte, from 1.
    pub(super) line: u64,
    /// Bytes taken so far.
    pub(super) bytes: u64,
    /// How far the present piece may reach.
    end: u64,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R) -> Metered<R> {
        Metered { inner, line: 1, bytes: 0, end: 0 }
    }

    /// From here on `bytes` more may be taken.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.end = self.bytes.saturating_add(bytes);
    }

    /// Whether all that was allowed is taken.
    pub(super) fn is_spent(&self) -> bool {
        self.bytes >= self.end
    }
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let count = from.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), from.get(..count)) {
            into.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = usize::try_from(self.end.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let buffer = self.inner.fill_buf()?;
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("one tag or text is larger than may be"));
        }
        Ok(buffer.get(..left).unwrap_or(buffer))
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was filled before, so this reads nothing.
        let buffer = self.inner.fill_buf().unwrap_or_default();
        let passed = buffer.get(..count).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.bytes += count as u64;
        self.inner.consume(count);
    }
}
