//! Bytes to [`Header`]. No I/O, no allocation that the bytes at hand do not justify, no panic.

use std::collections::{BTreeMap, HashSet};

use super::{Array, DType, Header, TensorInfo, Texts, Value};

/// Far above any model published so far (DeepSeek-V3: 1,025 tensors, 50 keys), far below what would hurt.
const MAX_COUNT: u64 = 1 << 17;
/// ggml's `GGML_MAX_DIMS`.
const MAX_DIMENSIONS: u32 = 4;
/// Longest key or tensor name, in bytes (the format's own limit for keys).
const MAX_NAME_BYTES: u64 = 65_535;
/// Arrays in arrays in arrays: the format allows any depth, no model uses more than one.
const MAX_DEPTH: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// Why there is no header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A rule is broken at this byte.
    Broken { at: u64, rule: String },
    /// The header goes on beyond the bytes at hand, and the file does too.
    NeedMore,
}

type Read<T> = Result<T, Stop>;

/// The header at the start of `bytes`, the first part of a file of `file_bytes` bytes.
pub(super) fn header(bytes: &[u8], file_bytes: u64) -> Read<Header> {
    let mut r = Reader { bytes, at: 0, file_bytes };
    if r.take(4)? != b"GGUF" {
        return Err(broken(0, "the first four bytes are not `GGUF`"));
    }
    let version = r.u32()?;
    match version {
        2 | 3 => {}
        v if matches!(v.swap_bytes(), 1..=3) => {
            return Err(broken(4, "the numbers are big endian, which is not read here"));
        }
        v => return Err(broken(4, format!("the version is {v}; 2 and 3 are read"))),
    }
    let tensor_count = r.count("tensors", 8 + 4 + 8 + 4 + 8)?;
    let metadata_count = r.count("metadata keys", 8 + 4 + 1)?;

    let mut metadata = BTreeMap::new();
    for _ in 0..metadata_count {
        let at = r.at;
        let key = r.name()?;
        let kind = r.u32()?;
        let value = r.value(kind)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(broken(at, format!("the metadata key `{}` comes twice", shown(&key))));
        }
    }
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(Value::U32(n)) if n.is_power_of_two() && *n <= 1 << 20 => u64::from(*n),
        Some(_) => return Err(broken(0, "`general.alignment` is no power of two up to 1048576 stored as u32")),
    };

    let mut tensors = Vec::new();
    let mut places = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..tensor_count {
        let at = r.at;
        let tensor = r.tensor()?;
        if tensor.offset % alignment != 0 {
            return Err(broken(
                at,
                format!("tensor `{}` starts at {}, no multiple of {alignment}", shown(&tensor.name), tensor.offset),
            ));
        }
        if !names.insert(tensor.name.clone()) {
            return Err(broken(at, format!("the tensor `{}` comes twice", shown(&tensor.name))));
        }
        places.push((tensor.offset, tensor.size, at));
        tensors.push(tensor);
    }
    // Cannot overflow: `at` is a position in a slice.
    let data_start = (r.at as u64).next_multiple_of(alignment);

    places.sort_unstable();
    let mut free_from = 0;
    for (offset, size, at) in places {
        if offset < free_from {
            return Err(broken(at as u64, format!("the tensor at {offset} shares bytes with the one before it")));
        }
        let end =
            offset.checked_add(size).filter(|end| end.checked_add(data_start).is_some_and(|end| end <= file_bytes));
        free_from = end.ok_or_else(|| {
            broken(
                at as u64,
                format!("a tensor of {size} bytes at {offset} reaches beyond the file's end ({file_bytes} bytes)"),
            )
        })?;
    }
    Ok(Header { version, metadata, tensors, alignment, data_start })
}

fn broken(at: impl TryInto<u64>, rule: impl Into<String>) -> Stop {
    Stop::Broken { at: at.try_into().unwrap_or(u64::MAX), rule: rule.into() }
}

/// A name out of a file, fit for a sentence: short, and without control characters.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    text
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    file_bytes: u64,
}

macro_rules! numbers {
    ($($name:ident $type:ty),*) => { $(
        fn $name(&mut self) -> Read<$type> {
            let mut number = [0; size_of::<$type>()];
            number.copy_from_slice(self.take(size_of::<$type>() as u64)?);
            Ok(<$type>::from_le_bytes(number))
        }
    )* };
}

macro_rules! list {
    ($self:ident, $count:ident, $read:ident) => {{
        let mut list = Vec::with_capacity($self.reserve($count));
        for _ in 0..$count {
            list.push($self.$read()?);
        }
        list
    }};
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Read<&'a [u8]> {
        let end = (self.at as u64).checked_add(count).filter(|&end| end <= self.file_bytes);
        let end =
            end.ok_or_else(|| broken(self.at, format!("{count} bytes should follow, and the file ends before")))?;
        let end = usize::try_from(end).map_err(|_| Stop::NeedMore)?;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::NeedMore)?;
        self.at = end;
        Ok(taken)
    }

    numbers!(u8 u8, i8 i8, u16 u16, i16 i16, u32 u32, i32 i32, u64 u64, i64 i64, f32 f32, f64 f64);

    fn bool(&mut self) -> Read<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(broken(self.at - 1, format!("a truth value is {other}; it must be 0 or 1"))),
        }
    }

    /// A number of things of at least `least` bytes each.
    fn count(&mut self, what: &str, least: u64) -> Read<u64> {
        let at = self.at;
        let count = self.u64()?;
        let possible = self.file_bytes.saturating_sub(self.at as u64) / least;
        if count > possible || count > MAX_COUNT {
            return Err(broken(
                at,
                format!("{count} {what} are announced; at most {} are possible here", possible.min(MAX_COUNT)),
            ));
        }
        Ok(count)
    }

    fn string(&mut self, limit: u64) -> Read<&'a str> {
        let at = self.at;
        let length = self.u64()?;
        if length > limit {
            return Err(broken(
                at,
                format!("a text of {length} bytes is announced; at most {limit} are accepted here"),
            ));
        }
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| broken(at, "a text is not UTF-8"))
    }

    fn name(&mut self) -> Read<String> {
        let at = self.at;
        let name = self.string(MAX_NAME_BYTES)?;
        if name.is_empty() { Err(broken(at, "a name is empty")) } else { Ok(name.to_owned()) }
    }

    fn text(&mut self) -> Read<String> {
        self.string(self.file_bytes).map(str::to_owned)
    }

    fn texts(&mut self, count: u64) -> Read<Texts> {
        let mut texts = Texts::default();
        for _ in 0..count {
            texts.push(self.string(self.file_bytes)?);
        }
        Ok(texts)
    }

    fn value(&mut self, kind: u32) -> Read<Value> {
        Ok(match kind {
            0 => Value::U8(self.u8()?),
            1 => Value::I8(self.i8()?),
            2 => Value::U16(self.u16()?),
            3 => Value::I16(self.i16()?),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(self.i32()?),
            6 => Value::F32(self.f32()?),
            7 => Value::Bool(self.bool()?),
            8 => Value::String(self.text()?),
            9 => Value::Array(self.array(1)?),
            10 => Value::U64(self.u64()?),
            11 => Value::I64(self.i64()?),
            12 => Value::F64(self.f64()?),
            other => return Err(broken(self.at - 4, format!("a value has type {other}; 0 to 12 exist"))),
        })
    }

    fn array(&mut self, depth: u32) -> Read<Array> {
        let at = self.at;
        let kind = self.u32()?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 if depth < MAX_DEPTH => 12,
            9 => return Err(broken(at, format!("arrays lie {depth} deep in each other, which is not read here"))),
            other => return Err(broken(at, format!("an array's values have type {other}; 0 to 12 exist"))),
        };
        let count = self.u64()?;
        let possible = self.file_bytes.saturating_sub(self.at as u64) / least;
        if count > possible {
            return Err(broken(
                at,
                format!("an array of {count} values is announced; at most {possible} fit into the file"),
            ));
        }
        Ok(match kind {
            0 => Array::U8(list!(self, count, u8)),
            1 => Array::I8(list!(self, count, i8)),
            2 => Array::U16(list!(self, count, u16)),
            3 => Array::I16(list!(self, count, i16)),
            4 => Array::U32(list!(self, count, u32)),
            5 => Array::I32(list!(self, count, i32)),
            6 => Array::F32(list!(self, count, f32)),
            7 => Array::Bool(list!(self, count, bool)),
            8 => Array::String(self.texts(count)?),
            10 => Array::U64(list!(self, count, u64)),
            11 => Array::I64(list!(self, count, i64)),
            12 => Array::F64(list!(self, count, f64)),
            _ => {
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(self.array(depth + 1)?);
                }
                Array::Array(list)
            }
        })
    }

    /// Room to reserve for `count` values: they are announced by the file, but not all bytes may be at hand.
    fn reserve(&self, count: u64) -> usize {
        usize::try_from(count).unwrap_or(usize::MAX).min(self.bytes.len().saturating_sub(self.at))
    }

    fn tensor(&mut self) -> Read<TensorInfo> {
        let at = self.at;
        let name = self.name()?;
        let dimension_count = self.u32()?;
        if !(1..=MAX_DIMENSIONS).contains(&dimension_count) {
            return Err(broken(
                at,
                format!("tensor `{}` has {dimension_count} dimensions; 1 to 4 exist", shown(&name)),
            ));
        }
        let mut dimensions = Vec::with_capacity(dimension_count as usize);
        for _ in 0..dimension_count {
            dimensions.push(self.u64()?);
        }
        if dimensions.contains(&0) {
            return Err(broken(at, format!("tensor `{}` has a dimension of length 0", shown(&name))));
        }
        let id = self.u32()?;
        let dtype = DType::from_id(id).ok_or_else(|| {
            broken(at, format!("tensor `{}` is stored as type {id}, which is not known here", shown(&name)))
        })?;
        let offset = self.u64()?;
        let size = dtype.size_of(&dimensions).ok_or_else(|| {
            broken(
                at,
                format!(
                    "tensor `{}` has dimensions {dimensions:?}, which do not fit its type {}",
                    shown(&name),
                    dtype.name
                ),
            )
        })?;
        Ok(TensorInfo { name, dimensions, dtype, offset, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::write::Writer;

    fn small() -> Vec<u8> {
        let mut writer = Writer::new();
        writer.set("general.name", Value::String("작은 모형".to_owned()));
        writer.set("n", Value::I64(-3));
        writer.set(
            "list",
            Value::Array(Array::Array(vec![Array::U8(vec![1, 2]), Array::String(["a"].iter().collect())])),
        );
        writer.tensor("a", &[32, 2], DType::Q8_0, vec![1; 68]);
        writer.tensor("b", &[3], DType::F32, vec![2; 12]);
        writer.bytes()
    }

    fn rule(bytes: &[u8]) -> String {
        match header(bytes, bytes.len() as u64) {
            Err(Stop::Broken { rule, .. }) => rule,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = small();
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.version, header.text("general.name")), (3, Some("작은 모형")));
        let b = header.tensor("b").unwrap();
        assert_eq!((b.size, b.dtype, b.dimensions.as_slice()), (12, DType::F32, &[3_u64][..]));
        let start = (header.data_start + b.offset) as usize;
        assert_eq!(&bytes[start..start + 12], &[2; 12]);
    }

    #[test]
    fn every_cut_is_refused_or_needs_more() {
        let bytes = small();
        for length in 0..bytes.len() - 20 {
            assert!(matches!(header(&bytes[..length], length as u64), Err(Stop::Broken { .. })), "{length}");
            let prefix = header(&bytes[..length], bytes.len() as u64);
            assert!(matches!(prefix, Err(Stop::NeedMore) | Ok(_)), "{length}: {prefix:?}");
        }
    }

    /// Any single byte changed: an answer, never a panic, and never a tensor beyond the file.
    #[test]
    fn every_changed_byte_is_answered() {
        let bytes = small();
        for at in 0..bytes.len() {
            for value in [0, 1, 2, 7, 8, 9, 12, 0x7f, 0x80, 0xff] {
                let mut hostile = bytes.clone();
                hostile[at] = value;
                if let Ok(header) = Header::read(&hostile) {
                    for tensor in header.tensors {
                        assert!(header.data_start + tensor.offset + tensor.size <= hostile.len() as u64);
                    }
                }
            }
        }
    }

    #[test]
    fn hostile_headers_are_refused_in_words() {
        let start = |version: u32, tensors: u64, keys: u64| {
            [b"GGUF".as_slice(), &version.to_le_bytes(), &tensors.to_le_bytes(), &keys.to_le_bytes()].concat()
        };
        let key = |name: &str, kind: u32, rest: &[u8]| {
            [&(name.len() as u64).to_le_bytes(), name.as_bytes(), &kind.to_le_bytes(), rest].concat()
        };
        let tensor = |name: &str, dimensions: &[u64], kind: u32, offset: u64| {
            let mut bytes =
                [&(name.len() as u64).to_le_bytes(), name.as_bytes(), &(dimensions.len() as u32).to_le_bytes()]
                    .concat();
            dimensions.iter().for_each(|length| bytes.extend_from_slice(&length.to_le_bytes()));
            [bytes, kind.to_le_bytes().to_vec(), offset.to_le_bytes().to_vec()].concat()
        };
        let nested = [9_u32.to_le_bytes().as_slice(), &1_u64.to_le_bytes()].concat().repeat(9);
        let cases = [
            (b"GGML\x03\0\0\0".to_vec(), "not `GGUF`"),
            (start(1, 0, 0), "the version is 1"),
            (start(3_u32.swap_bytes(), 0, 0), "big endian"),
            (start(3, u64::MAX, 0), "18446744073709551615 tensors"),
            (start(3, 0, 1 << 40), "metadata keys are announced"),
            ([start(3, 0, 1), key("k", 8, &u64::MAX.to_le_bytes())].concat(), "a text of 18446744073709551615 bytes"),
            (
                [start(3, 0, 1), key("k", 9, &[4, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])].concat(),
                "an array of",
            ),
            ([start(3, 0, 1), key("k", 9, &nested)].concat(), "deep in each other"),
            ([start(3, 0, 1), key("k", 13, &[0; 8])].concat(), "a value has type 13"),
            ([start(3, 0, 1), key("k", 7, &[2])].concat(), "a truth value is 2"),
            ([start(3, 0, 1), key("k", 8, b"\x01\0\0\0\0\0\0\0\xff")].concat(), "not UTF-8"),
            ([start(3, 0, 1), key("", 0, &[0])].concat(), "a name is empty"),
            ([start(3, 0, 2), key("k", 0, &[0]), key("k", 0, &[0])].concat(), "`k` comes twice"),
            ([start(3, 0, 1), key("general.alignment", 4, &3_u32.to_le_bytes())].concat(), "no power of two"),
            ([start(3, 1, 0), tensor("t", &[], 0, 0), vec![0; 64]].concat(), "has 0 dimensions"),
            ([start(3, 1, 0), tensor("t", &[1, 1, 1, 1, 1], 0, 0), vec![0; 64]].concat(), "has 5 dimensions"),
            ([start(3, 1, 0), tensor("t", &[0], 0, 0), vec![0; 64]].concat(), "length 0"),
            ([start(3, 1, 0), tensor("t", &[u64::MAX, 8], 0, 0), vec![0; 64]].concat(), "do not fit its type F32"),
            ([start(3, 1, 0), tensor("t", &[33], 8, 0), vec![0; 64]].concat(), "do not fit its type Q8_0"),
            ([start(3, 1, 0), tensor("t", &[1], 99, 0), vec![0; 64]].concat(), "type 99"),
            ([start(3, 1, 0), tensor("t", &[1], 0, 1), vec![0; 64]].concat(), "no multiple of 32"),
            ([start(3, 1, 0), tensor("t", &[1000], 0, 0), vec![0; 64]].concat(), "beyond the file's end"),
            ([start(3, 1, 0), tensor("t", &[1], 0, u64::MAX - 31), vec![0; 64]].concat(), "beyond the file's end"),
            (
                [start(3, 2, 0), tensor("t", &[9], 0, 0), tensor("u", &[1], 0, 32), vec![0; 640]].concat(),
                "shares bytes",
            ),
            (
                [start(3, 2, 0), tensor("t", &[1], 0, 0), tensor("t", &[1], 0, 32), vec![0; 640]].concat(),
                "`t` comes twice",
            ),
        ];
        for (bytes, words) in cases {
            let rule = rule(&bytes);
            assert!(rule.contains(words), "{rule:?} should say {words:?}");
        }
    }

    #[test]
    fn a_name_in_a_sentence_is_short_and_printable() {
        assert_eq!(shown("a\x1b[31mb\n"), "a[31mb…");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 61);
    }
}
