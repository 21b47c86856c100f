//! Makes GGUF files, version 3: for the tests of every backend, and for tools that convert models.

use std::collections::BTreeMap;

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
        let mut out = b"GGUF".to_vec();
        out.extend_from_slice(&3_u32.to_le_bytes());
        out.extend_from_slice(&(self.tensors.len() as u64).to_le_bytes());
        out.extend_from_slice(&(self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            string(key, &mut out);
            self::value(value, &mut out);
        }
        let mut offset = 0_usize;
        for (name, dimensions, dtype, bytes) in &self.tensors {
            string(name, &mut out);
            out.extend_from_slice(&(dimensions.len() as u32).to_le_bytes());
            for length in dimensions {
                out.extend_from_slice(&length.to_le_bytes());
            }
            out.extend_from_slice(&dtype.id.to_le_bytes());
            out.extend_from_slice(&(offset as u64).to_le_bytes());
            offset = (offset + bytes.len()).next_multiple_of(ALIGNMENT);
        }
        for (_, _, _, bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
            out.extend_from_slice(bytes);
        }
        out
    }
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
