//! Safetensors, the format in which models are published (<https://github.com/huggingface/safetensors>, "Format"): a length,
//! a header in JSON, then the numbers. One file, or several with an index beside them.
//!
//! A downloaded folder is untrusted input: the header's length is bounded, no tensor reaches beyond its file or shares a byte
//! with another, and the index names files of its own folder only.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::gguf::{DType, GgufError, shown};
use crate::quant::dequantize;

/// The format's own limit (`MAX_HEADER_SIZE`).
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The index of DeepSeek-V3 (91,991 tensors) has 9 MB.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Far above any model published so far.
const MAX_TENSORS: usize = 1 << 18;
/// More than any tensor has; bounds what a header can make us hold.
const MAX_DIMENSIONS: usize = 8;

/// Where one tensor lies in its file and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name: `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Length of each dimension, the slowest-running first, as in the file: `[rows, columns]` for a matrix.
    pub shape: Vec<u64>,
    /// F32, F16 or BF16; `None` for types that are not read here.
    pub dtype: Option<DType>,
    /// Of its first byte, from the start of the file.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Tensor {
    /// Numbers in it.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        // Of a type that is read, the product fits; of others nobody has compared it with the tensor's bytes.
        self.shape.iter().fold(1, |product, &length| product.saturating_mul(length))
    }
}

/// The tensors in the header of a file of `file_bytes` bytes, of which `bytes` holds at least the header.
///
/// # Errors
/// The rule that is broken.
pub fn header(bytes: &[u8], file_bytes: u64) -> Result<Vec<Tensor>, String> {
    let length = header_bytes(bytes, file_bytes)?;
    let end = 8 + length;
    let json = usize::try_from(end).ok().and_then(|end| bytes.get(8..end)).ok_or("the header is not at hand")?;
    let mut parser = serde_json::Deserializer::from_slice(json);
    let entries = Entries.deserialize(&mut parser).map_err(|error| format!("its header is no such JSON: {error}"))?;
    parser.end().map_err(|error| format!("its header is no such JSON: {error}"))?;

    let room = file_bytes - end;
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let [from, to] = entry.data_offsets;
        if from > to || to > room {
            return Err(format!("the tensor `{}` lies from {from} to {to} of {room} bytes", shown(&name)));
        }
        if entry.shape.len() > MAX_DIMENSIONS {
            return Err(format!("the tensor `{}` has {} dimensions", shown(&name), entry.shape.len()));
        }
        let dtype = match entry.dtype.as_str() {
            "F32" => Some(DType::F32),
            "F16" => Some(DType::F16),
            "BF16" => Some(DType::BF16),
            _ => None,
        };
        let numbers = entry.shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length));
        let size = to - from;
        if let Some(dtype) = dtype
            && numbers.and_then(|numbers| numbers.checked_mul(dtype.block_bytes)) != Some(size)
        {
            return Err(format!("the tensor `{}` has {size} bytes, which its shape does not fill", shown(&name)));
        }
        tensors.push(Tensor { name, shape: entry.shape, dtype, start: end + from, size });
    }
    let mut places: Vec<&Tensor> = tensors.iter().filter(|tensor| tensor.size > 0).collect();
    places.sort_unstable_by_key(|tensor| tensor.start);
    if let Some([_, second]) = places.array_windows().find(|[a, b]| a.start + a.size > b.start) {
        return Err(format!("the tensor `{}` shares bytes with the one before it", shown(&second.name)));
    }
    Ok(tensors)
}

/// Length of the JSON, which the first 8 bytes say.
fn header_bytes(bytes: &[u8], file_bytes: u64) -> Result<u64, String> {
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length)).ok_or("it has fewer than 8 bytes")?;
    if length > MAX_HEADER_BYTES || length > file_bytes.saturating_sub(8) {
        return Err(format!("its header of {length} bytes does not fit"));
    }
    Ok(length)
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The header's entries, in order; a name that comes twice is an error, which a plain map would hide.
struct Entries;

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<(String, Entry)>;

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Entry)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut entries, mut names) = (Vec::new(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom(format!("`{}` comes twice", shown(&name))));
            }
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else if entries.len() == MAX_TENSORS {
                return Err(serde::de::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            } else {
                entries.push((name, map.next_value()?));
            }
        }
        Ok(entries)
    }
}

/// The weights of a model folder: `model.safetensors`, or the files that `model.safetensors.index.json` names.
#[derive(Debug)]
pub struct Weights {
    files: Vec<(PathBuf, std::fs::File)>,
    /// Each tensor and its file.
    tensors: BTreeMap<String, (usize, Tensor)>,
}

impl Weights {
    /// Opens the files of `folder` and reads their headers.
    ///
    /// # Errors
    /// [`GgufError::Io`], [`GgufError::Folder`].
    pub fn open(folder: &Path) -> Result<Self, GgufError> {
        let index = folder.join("model.safetensors.index.json");
        let mut weights = Self { files: Vec::new(), tensors: BTreeMap::new() };
        if !index.exists() {
            for tensor in weights.add(folder.join("model.safetensors"))? {
                weights.tensors.insert(tensor.name.clone(), (0, tensor));
            }
            return Ok(weights);
        }
        let broken = |rule: String| GgufError::Folder { path: index.clone(), rule };
        let map = read_index(&index)?;
        let names: std::collections::BTreeSet<&String> = map.values().collect();
        for (number, name) in names.into_iter().enumerate() {
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
                return Err(broken(format!("it names `{}`, which is no file of this folder", shown(name))));
            }
            for tensor in weights.add(folder.join(name))? {
                if map.get(&tensor.name) == Some(name) {
                    weights.tensors.insert(tensor.name.clone(), (number, tensor));
                }
            }
        }
        match map.keys().find(|name| !weights.tensors.contains_key(*name)) {
            Some(name) => Err(broken(format!("the tensor `{}` is not in the file that it names", shown(name)))),
            None => Ok(weights),
        }
    }

    /// Opens one more file and reads its header.
    fn add(&mut self, path: PathBuf) -> Result<Vec<Tensor>, GgufError> {
        let io = |source| GgufError::Io { path: path.clone(), source };
        let broken = |rule| GgufError::Folder { path: path.clone(), rule };
        let file = std::fs::File::open(&path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut start = vec![0; 8.min(bytes) as usize];
        file.read_exact_at(&mut start, 0).map_err(io)?;
        let length = header_bytes(&start, bytes).map_err(broken)?;
        start.resize(8 + length as usize, 0); // bounded: `header_bytes` compared it with the limit and the file
        file.read_exact_at(&mut start, 0).map_err(io)?;
        let tensors = header(&start, bytes).map_err(broken)?;
        self.files.push((path, file));
        Ok(tensors)
    }

    /// The tensor named `name`.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name).map(|(_, tensor)| tensor)
    }

    /// Every tensor, by name.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors.values().map(|(_, tensor)| tensor)
    }

    /// Numbers of the tensor `name`, from the `first` on, as many as `out` holds. `buffer` is room for their bytes.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if there is no such tensor, it has no such numbers, or its type is not read here;
    /// [`GgufError::Io`].
    pub fn read(&self, name: &str, first: u64, out: &mut [f32], buffer: &mut Vec<u8>) -> Result<(), GgufError> {
        let unusable = |words: &str| GgufError::Unusable(format!("the tensor `{}` {words}", shown(name)));
        let (number, tensor) = self.tensors.get(name).ok_or_else(|| unusable("is missing"))?;
        let (path, file) = self.files.get(*number).ok_or_else(|| unusable("is in no file"))?;
        let dtype =
            tensor.dtype.ok_or_else(|| unusable("is stored in a type that is not read here; F32, F16 and BF16 are"))?;
        let count = out.len() as u64;
        if first.checked_add(count).is_none_or(|end| end > tensor.numbers()) {
            return Err(unusable("is smaller than its part in the model"));
        }
        let io = |source| GgufError::Io { path: path.clone(), source };
        let size = usize::try_from(count * dtype.block_bytes).map_err(|_| io(io::ErrorKind::OutOfMemory.into()))?;
        buffer.resize(size, 0);
        file.read_exact_at(buffer, tensor.start + first * dtype.block_bytes).map_err(io)?;
        dequantize(dtype, buffer, out)
    }
}

/// Which file holds which tensor.
fn read_index(path: &Path) -> Result<BTreeMap<String, String>, GgufError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let bytes = read_small(path, MAX_INDEX_BYTES)?;
    serde_json::from_slice::<Index>(&bytes)
        .map(|index| index.weight_map)
        .map_err(|error| GgufError::Folder { path: path.to_owned(), rule: format!("it is no such JSON: {error}") })
}

/// A whole file of at most `limit` bytes.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, GgufError> {
    let io = |source| GgufError::Io { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > limit {
        return Err(GgufError::Folder {
            path: path.to_owned(),
            rule: format!("it has {bytes} bytes; at most {limit} are read"),
        });
    }
    std::fs::read(path).map_err(io)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file with these tensors: name, type, shape, numbers' bytes.
    pub(crate) fn file(tensors: &[(&str, &str, &[u64], Vec<u8>)]) -> Vec<u8> {
        let (mut json, mut data) = (String::from("{\"__metadata__\":{\"format\":\"pt\"}"), Vec::new());
        for (name, dtype, shape, bytes) in tensors {
            let (from, to) = (data.len(), data.len() + bytes.len());
            json += &format!(r#","{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#);
            data.extend_from_slice(bytes);
        }
        json.push('}');
        [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data].concat()
    }

    fn of(json: &str, data: usize) -> Result<Vec<Tensor>, String> {
        let bytes = [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &vec![0; data]].concat();
        header(&bytes, bytes.len() as u64)
    }

    #[test]
    fn one_file_is_read_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let half = [0x3c00_u16, 0xc000, 0x0000].iter().flat_map(|n| n.to_le_bytes()).collect();
        let tensors = [
            ("a", "F32", &[2_u64, 2][..], [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|n| n.to_le_bytes()).collect()),
            ("b", "F16", &[3], half),
            ("c", "BF16", &[1], vec![0x80, 0x3f]),
            ("d", "I64", &[1], vec![0; 8]),
        ];
        std::fs::write(folder.path().join("model.safetensors"), file(&tensors)).unwrap();
        let weights = Weights::open(folder.path()).unwrap();
        let mut buffer = Vec::new();
        let mut read = |name: &str, first: u64, count: usize| {
            let mut out = vec![0.0; count];
            weights.read(name, first, &mut out, &mut buffer).map(|()| out)
        };
        assert_eq!(read("a", 1, 2).unwrap(), [2.0, 3.0]);
        assert_eq!(read("b", 0, 3).unwrap(), [1.0, -2.0, 0.0]);
        assert_eq!(read("c", 0, 1).unwrap(), [1.0]);
        for (name, first, words) in
            [("a", 3, "smaller"), ("a", u64::MAX, "smaller"), ("d", 0, "type"), ("e", 0, "missing")]
        {
            let error = read(name, first, 2).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0503") && error.contains(words), "{error}");
        }
        assert_eq!(weights.tensors().count(), 4);
    }

    #[test]
    fn an_index_names_files_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("one.safetensors", &file(&[("a", "F32", &[1], vec![0, 0, 128, 63])]));
        write("two.safetensors", &file(&[("b", "F32", &[1], vec![0, 0, 0, 64]), ("a", "F32", &[1], vec![0; 4])]));
        let index = |map: &str| write("model.safetensors.index.json", format!("{{\"weight_map\":{map}}}").as_bytes());
        index(r#"{"a":"one.safetensors","b":"two.safetensors"}"#);
        let weights = Weights::open(folder.path()).unwrap();
        let mut out = [0.0];
        for (name, expected) in [("a", 1.0), ("b", 2.0)] {
            weights.read(name, 0, &mut out, &mut Vec::new()).unwrap();
            assert_eq!(out, [expected]);
        }
        for (map, words) in [
            (r#"{"a":"../one.safetensors"}"#, "no file of this folder"),
            (r#"{"a":"/etc/passwd"}"#, "no file of this folder"),
            (r#"{"a":""}"#, "no file of this folder"),
            (r#"{"a":"three.safetensors"}"#, "HAECHI-0501"),
            (r#"{"c":"one.safetensors"}"#, "`c` is not in the file"),
            ("[]", "no such JSON"),
        ] {
            index(map);
            let error = Weights::open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(words), "{error} should say {words}");
        }
    }

    #[test]
    fn hostile_headers_are_refused_in_words() {
        let entry = |rest: &str| format!(r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}{rest}}}"#);
        assert_eq!(of(&entry(""), 4).unwrap().len(), 1);
        for (json, data, words) in [
            (entry(""), 3, "lies from 0 to 4 of 3"),
            (entry(r#","b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}"#), 8, "shares bytes"),
            (entry(r#","a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#), 8, "`a` comes twice"),
            (entry(r#","b":{"dtype":"F32","shape":[2],"data_offsets":[4,8]}"#), 8, "does not fill"),
            (entry(r#","b":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[4,4]}"#), 8, "does not fill"),
            (entry(r#","b":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}"#), 8, "lies from 8 to 4"),
            (entry(r#","b":{"dtype":"F32","shape":[-1],"data_offsets":[4,8]}"#), 8, "no such JSON"),
            (entry(r#","b":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[4,5]}"#), 8, "9 dimensions"),
            (entry("") + "x", 4, "no such JSON"),
            ("[]".to_owned(), 4, "no such JSON"),
            ("[".repeat(100_000), 4, "no such JSON"),
        ] {
            let rule = of(&json, data).unwrap_err();
            assert!(rule.contains(words), "{rule} should say {words}");
        }
        assert!(header(&[1, 2, 3], 3).unwrap_err().contains("fewer than 8"));
        assert!(header(&u64::MAX.to_le_bytes(), 8).unwrap_err().contains("does not fit"));
    }

    /// Any single byte changed: an answer, never a panic, and never a tensor beyond the file.
    #[test]
    fn every_changed_byte_is_answered() {
        let bytes = file(&[("a", "F32", &[2], vec![0; 8]), ("b", "F16", &[3, 1], vec![0; 6])]);
        for at in 0..bytes.len() {
            for value in [0, b'"', b'0', b'9', b'-', b'[', b'}', 0xff] {
                let mut hostile = bytes.clone();
                hostile[at] = value;
                for tensor in header(&hostile, hostile.len() as u64).unwrap_or_default() {
                    assert!(tensor.start + tensor.size <= hostile.len() as u64);
                }
            }
        }
    }
}
