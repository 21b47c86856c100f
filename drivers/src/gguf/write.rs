//! Makes GGUF files, version 3: for the tests of every backend, and for tools that convert models.

use std::collections::BTreeMap;
use std::io;

use super::{Array, DType, Value};

/// One file in the making.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    metadata: BTreeMap<String, Value>,
    tensors: Vec<(String, Vec<u64>, DType, Vec<u8>)>,
}

/// As the format's default.
const ALIGNMENT: usize = 32;

impl Writer {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one metadata value.
    pub fn set(&mut self, key: &str, value: Value) {
        self.metadata.insert(key.to_owned(), value);
    }

    /// Adds one tensor: dimensions the fastest-running first, and its bytes as `dtype` stores them.
    pub fn tensor(&mut self, name: &str, dimensions: &[u64], dtype: DType, bytes: Vec<u8>) {
        debug_assert_eq!(
            dtype.size_of(dimensions),
            Some(bytes.len() as u64),
            "{name}: dimensions and bytes must agree"
        );
        self.tensors.push((name.to_owned(), dimensions.to_vec(), dtype, bytes));
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let planned: Vec<Planned> = self
            .tensors
            .iter()
            .map(|(name, dimensions, dtype, _)| Planned {
                name: name.clone(),
                dimensions: dimensions.clone(),
                dtype: *dtype,
            })
            .collect();
        let (mut out, _) = header(&self.metadata, &planned);
        for (_, _, _, bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend_from_slice(bytes);
        }
        out
    }
}

/// A tensor that a [`Stream`] will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Length of each dimension, the fastest-running first.
    pub dimensions: Vec<u64>,
    /// How its numbers are stored.
    pub dtype: DType,
}

/// A file that is written from start to end, its tensors in pieces: no more than a piece is ever held.
#[derive(Debug)]
pub struct Stream<W> {
    out: W,
    /// Bytes of each tensor that is still to come, the next one last.
    sizes: Vec<u64>,
    /// Bytes of the tensor in hand that are still to come.
    missing: u64,
    /// Zero bytes between the tensor in hand and the next.
    padding: usize,
}

impl<W: io::Write> Stream<W> {
    /// Writes the header of a file with these metadata and tensors.
    ///
    /// # Errors
    /// What `out` says; or invalid input if a tensor's dimensions do not fit its type.
    pub fn begin(mut out: W, metadata: &BTreeMap<String, Value>, tensors: &[Planned]) -> io::Result<Self> {
        let (mut bytes, mut sizes) = header(metadata, tensors);
        if sizes.len() != tensors.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a tensor's dimensions do not fit its type"));
        }
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        out.write_all(&bytes)?;
        sizes.reverse();
        Ok(Self { out, sizes, missing: 0, padding: 0 })
    }

    /// Writes the next bytes of the tensors, in the order they were planned. A piece ends no later than its tensor.
    ///
    /// # Errors
    /// What the file says; or invalid input if there are more bytes than the tensor has.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.missing == 0 {
            self.out.write_all(&[0; ALIGNMENT][..self.padding])?;
            self.missing = self.sizes.pop().unwrap_or(0);
            self.padding = (self.missing.next_multiple_of(ALIGNMENT as u64) - self.missing) as usize;
        }
        self.missing = self
            .missing
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "more bytes than the tensor has"))?;
        self.out.write_all(piece)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the file says; or invalid input if bytes are missing.
    pub fn finish(mut self) -> io::Result<W> {
        if self.missing > 0 || !self.sizes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "tensors are missing"));
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Everything before the tensors' bytes, not yet padded, and the size of each tensor (as far as it has one).
fn header(metadata: &BTreeMap<String, Value>, tensors: &[Planned]) -> (Vec<u8>, Vec<u64>) {
    let mut out = b"GGUF".to_vec();
    out.extend_from_slice(&3_u32.to_le_bytes());
    out.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    out.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        string(key, &mut out);
        self::value(value, &mut out);
    }
    let mut sizes = Vec::with_capacity(tensors.len());
    let mut offset = 0_u64;
    for tensor in tensors {
        string(&tensor.name, &mut out);
        out.extend_from_slice(&(tensor.dimensions.len() as u32).to_le_bytes());
        for length in &tensor.dimensions {
            out.extend_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(&tensor.dtype.id.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        let Some(size) = tensor.dtype.size_of(&tensor.dimensions) else { continue };
        sizes.push(size);
        offset = offset.saturating_add(size).checked_next_multiple_of(ALIGNMENT as u64).unwrap_or(u64::MAX);
    }
    (out, sizes)
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

macro_rules! put {
    ($out:ident, $kind:literal, $number:expr) => {{
        $out.extend_from_slice(&u32::to_le_bytes($kind));
        $out.extend_from_slice(&$number.to_le_bytes());
    }};
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::U8(n) => put!(out, 0, n),
        Value::I8(n) => put!(out, 1, n),
        Value::U16(n) => put!(out, 2, n),
        Value::I16(n) => put!(out, 3, n),
        Value::U32(n) => put!(out, 4, n),
        Value::I32(n) => put!(out, 5, n),
        Value::F32(n) => put!(out, 6, n),
        Value::Bool(flag) => put!(out, 7, u8::from(*flag)),
        Value::String(text) => {
            out.extend_from_slice(&8_u32.to_le_bytes());
            string(text, out);
        }
        Value::Array(list) => {
            out.extend_from_slice(&9_u32.to_le_bytes());
            array(list, out);
        }
        Value::U64(n) => put!(out, 10, n),
        Value::I64(n) => put!(out, 11, n),
        Value::F64(n) => put!(out, 12, n),
    }
}

macro_rules! put_list {
    ($out:ident, $kind:literal, $list:ident) => {{
        $out.extend_from_slice(&u32::to_le_bytes($kind));
        $out.extend_from_slice(&($list.len() as u64).to_le_bytes());
        $list.iter().for_each(|n| $out.extend_from_slice(&n.to_le_bytes()));
    }};
}

fn array(array: &Array, out: &mut Vec<u8>) {
    match array {
        Array::U8(list) => put_list!(out, 0, list),
        Array::I8(list) => put_list!(out, 1, list),
        Array::U16(list) => put_list!(out, 2, list),
        Array::I16(list) => put_list!(out, 3, list),
        Array::U32(list) => put_list!(out, 4, list),
        Array::I32(list) => put_list!(out, 5, list),
        Array::F32(list) => put_list!(out, 6, list),
        Array::U64(list) => put_list!(out, 10, list),
        Array::I64(list) => put_list!(out, 11, list),
        Array::F64(list) => put_list!(out, 12, list),
        Array::Bool(list) => {
            out.extend_from_slice(&7_u32.to_le_bytes());
            out.extend_from_slice(&(list.len() as u64).to_le_bytes());
            out.extend(list.iter().map(|&flag| u8::from(flag)));
        }
        Array::String(list) => {
            out.extend_from_slice(&8_u32.to_le_bytes());
            out.extend_from_slice(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|text| string(text, out));
        }
        Array::Array(list) => {
            out.extend_from_slice(&9_u32.to_le_bytes());
            out.extend_from_slice(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|inner| self::array(inner, out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_pieces_or_whole_the_file_is_the_same() {
        let mut writer = Writer::new();
        writer.set("general.name", Value::String("조각".to_owned()));
        writer.tensor("a", &[3], DType::F32, vec![1; 12]);
        writer.tensor("b", &[32, 2], DType::Q8_0, (0..68).collect());
        let planned = [("a", vec![3], DType::F32), ("b", vec![32, 2], DType::Q8_0)];
        let planned = planned.map(|(name, dimensions, dtype)| Planned { name: name.to_owned(), dimensions, dtype });
        let mut stream = Stream::begin(Vec::new(), &writer.metadata, &planned).unwrap();
        let b: Vec<u8> = (0..68).collect();
        for piece in [&[1; 12][..], &b[..34], &b[34..]] {
            stream.write(piece).unwrap();
        }
        assert_eq!(stream.finish().unwrap(), writer.bytes());

        let mut short = Stream::begin(Vec::new(), &writer.metadata, &planned).unwrap();
        assert!(short.write(&[1; 13]).is_err());
        assert!(Stream::begin(Vec::new(), &writer.metadata, &planned).unwrap().finish().is_err());
        let odd = Planned { dimensions: vec![33], ..planned[1].clone() };
        assert!(Stream::begin(Vec::new(), &writer.metadata, &[odd]).is_err());
    }
}
