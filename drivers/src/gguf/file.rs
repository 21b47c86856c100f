//! A model on disk, in one file or in several: its header, the bytes of its tensors, its digest.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{GgufError, Header, TensorInfo, read};

/// Tried first; then twice as much each time. SmolLM2's header has 1.7 MB, Qwen's 6 MB.
const FIRST_READ_BYTES: u64 = 2 << 20;
/// No vocabulary comes near; a file that needs more is refused instead of being read into memory whole.
const MAX_HEADER_BYTES: u64 = 256 << 20;
/// Read at once when hashing.
const HASH_BYTES: usize = 1 << 20;

/// Far above any set published so far (DeepSeek-R1 in F16: 30 parts).
const MAX_PARTS: usize = 1000;

/// An open model whose header is sound: one file, or a set of files split as llama.cpp splits them.
#[derive(Debug)]
pub struct File {
    /// In order; the first is the one that was named.
    parts: Vec<Part>,
    header: Header,
    /// In which part each tensor lies; empty if there is one part.
    places: HashMap<String, usize>,
}

/// One file of a set.
#[derive(Debug)]
struct Part {
    file: std::fs::File,
    path: PathBuf,
    bytes: u64,
    data_start: u64,
}

impl File {
    /// Opens `path` and reads its header. If it is the first file of a set (`NAME-00001-of-00005.gguf`), opens them all.
    ///
    /// # Errors
    /// [`GgufError::Io`], [`GgufError::Broken`]; [`GgufError::Unusable`] if a file of the set is missing or belongs to
    /// another set.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let (part, mut header) = open_part(path)?;
        let mut file = Self {
            parts: vec![part],
            header: Header { tensors: Vec::new(), ..header.clone() },
            places: HashMap::new(),
        };
        let Some(split) = Split::of(&header)? else {
            file.header = header;
            return Ok(file);
        };
        if split.number != 0 {
            return Err(GgufError::Unusable(format!(
                "it is part {} of {}; name the first part, the others are found beside it",
                split.number + 1,
                split.count
            )));
        }
        for number in 0..split.count {
            if number > 0 {
                let path = split.path(path, number)?;
                let missing = |error: GgufError| match error {
                    GgufError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                        GgufError::Unusable(format!(
                            "part {} of {}, {}, is missing; copy every part into one folder",
                            number + 1,
                            split.count,
                            path.display()
                        ))
                    }
                    other => other,
                };
                let (part, of_part) = open_part(&path).map_err(missing)?;
                if Split::of(&of_part)? != Some(Split { number, ..split }) {
                    return Err(GgufError::Unusable(format!(
                        "{} does not say that it is part {} of this set",
                        path.display(),
                        number + 1
                    )));
                }
                file.parts.push(part);
                header = of_part;
            }
            for tensor in std::mem::take(&mut header.tensors) {
                if file.places.insert(tensor.name.clone(), number).is_some() {
                    return Err(GgufError::Unusable(format!(
                        "two parts hold the tensor `{}`",
                        read::shown(&tensor.name)
                    )));
                }
                file.header.tensors.push(tensor);
            }
        }
        if split.tensors.is_some_and(|tensors| tensors != file.header.tensors.len()) {
            return Err(GgufError::Unusable(format!(
                "its {} parts hold {} tensors together, another number than the first part says",
                split.count,
                file.header.tensors.len()
            )));
        }
        Ok(file)
    }

    /// What stands before the weights. Of a set: the first file's metadata, and the tensors of all.
    ///
    /// A tensor's offset counts from the start of the data in its own file, so use [`File::read_rows`], not
    /// [`Header::data_start`], to find its bytes.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the file lies; of a set, its first.
    #[must_use]
    pub fn path(&self) -> &Path {
        // There is always a first part.
        self.parts.first().map_or(Path::new(""), |part| &part.path)
    }

    /// Bytes on disk, all parts together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The bytes of `tensor`, in the first `size` bytes of `buffer` that are aligned to 16; returns where they are.
    /// The buffer is the caller's, so that loading needs one and not one for each tensor.
    ///
    /// # Errors
    /// [`GgufError::Io`], also if the file was cut off since its header was read.
    pub fn read_tensor<'a>(&self, tensor: &TensorInfo, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], GgufError> {
        self.read_at(tensor, 0, tensor.size, buffer)
    }

    /// As [`File::read_tensor`], but only `rows` rows from `first_row` on, so that a tensor of gigabytes is read in pieces.
    ///
    /// A row is what the first dimension counts; a tensor of dimensions `[c, r, n]` has `r * n` rows.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the tensor has no such rows; otherwise as [`File::read_tensor`].
    pub fn read_rows<'a>(
        &self,
        tensor: &TensorInfo,
        first_row: u64,
        rows: u64,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], GgufError> {
        // No overflow: the header's reader found that the product of all dimensions fits.
        let all: u64 = tensor.dimensions.iter().skip(1).product();
        let row_bytes = tensor.size / all.max(1);
        if first_row.checked_add(rows).is_none_or(|end| end > all) {
            return Err(GgufError::Unusable(format!(
                "rows {first_row} and {rows} more are asked of the tensor `{}`, which has {all}",
                read::shown(&tensor.name)
            )));
        }
        self.read_at(tensor, first_row * row_bytes, rows * row_bytes, buffer)
    }

    /// `size` bytes of `tensor`, `from` bytes after its start.
    fn read_at<'a>(
        &self,
        tensor: &TensorInfo,
        from: u64,
        size: u64,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], GgufError> {
        const ALIGN: usize = 16; // what the blocks of every type are content with
        let place = self.places.get(&tensor.name).copied().unwrap_or(0);
        let part = self.parts.get(place).ok_or_else(|| GgufError::Unusable("it has no parts".to_owned()))?;
        let io = |source| GgufError::Io { path: part.path.clone(), source };
        let size = usize::try_from(size).map_err(|_| io(io::ErrorKind::OutOfMemory.into()))?;
        if buffer.len() < size + ALIGN {
            buffer.resize(size + ALIGN, 0);
        }
        let skip = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        // In bounds: the buffer has `size + ALIGN` bytes, and `skip` is at most `ALIGN`.
        let room = buffer.get_mut(skip..skip + size).ok_or_else(|| io(io::ErrorKind::OutOfMemory.into()))?;
        part.file.read_exact_at(room, part.data_start + tensor.offset + from).map_err(io)?;
        Ok(room)
    }

    /// SHA-256 of the whole file, lower-case hex; of a set, of its files one after another.
    ///
    /// # Errors
    /// [`GgufError::Io`].
    pub fn sha256(&self) -> Result<String, GgufError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; HASH_BYTES];
        for part in &self.parts {
            let io = |source| GgufError::Io { path: part.path.clone(), source };
            let mut at = 0;
            while at < part.bytes {
                let count = usize::try_from(part.bytes - at).unwrap_or(HASH_BYTES).min(HASH_BYTES);
                let piece = buffer.get_mut(..count).unwrap_or_default();
                part.file.read_exact_at(piece, at).map_err(io)?;
                hash.update(&*piece);
                at += count as u64;
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Opens one file and reads its header.
fn open_part(path: &Path) -> Result<(Part, Header), GgufError> {
    let io = |source| GgufError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    let bytes = metadata.len();
    let mut length = FIRST_READ_BYTES.min(bytes);
    loop {
        let mut prefix = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut prefix, 0).map_err(io)?;
        match read::header(&prefix, bytes) {
            Ok(header) => {
                return Ok((Part { file, path: path.to_owned(), bytes, data_start: header.data_start }, header));
            }
            Err(read::Stop::Broken { at, rule }) => return Err(GgufError::Broken { at, rule }),
            Err(read::Stop::NeedMore) if length < MAX_HEADER_BYTES && length < bytes => {
                length = (length * 2).min(bytes);
            }
            Err(read::Stop::NeedMore) => {
                return Err(GgufError::Broken { at: length, rule: format!("the header has more than {length} bytes") });
            }
        }
    }
}

/// What a file says about the set it belongs to (`split.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Split {
    number: usize,
    count: usize,
    tensors: Option<usize>,
}

impl Split {
    /// `None` if the file stands alone.
    fn of(header: &Header) -> Result<Option<Self>, GgufError> {
        let count = header.number_if_any("split.count")?.unwrap_or(0);
        if count <= 1 {
            return Ok(None);
        }
        if count > MAX_PARTS {
            return Err(GgufError::Unusable(format!("it is one of {count} parts; at most {MAX_PARTS} are read")));
        }
        Ok(Some(Self {
            number: header.number("split.no")?,
            count,
            tensors: header.number_if_any("split.tensors.count")?,
        }))
    }

    /// Where part `number`, counted from 0, lies beside the first.
    fn path(self, first: &Path, number: usize) -> Result<PathBuf, GgufError> {
        let ending = |number: usize| format!("-{:05}-of-{:05}.gguf", number + 1, self.count);
        let name = first.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = name.strip_suffix(&ending(0)).ok_or_else(|| {
            GgufError::Unusable(format!(
                "it is the first of {} parts, so its name must end in `{}`; give it its name back",
                self.count,
                ending(0)
            ))
        })?;
        Ok(first.with_file_name(format!("{stem}{}", ending(number))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::write::Writer;
    use crate::gguf::{Array, DType, Value, check_file};

    #[test]
    fn tensors_and_digest_come_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        let mut writer = Writer::new();
        // A header longer than the first read.
        writer.set("long", Value::Array(Array::String(vec!["x".repeat(1000); 5000].iter().collect())));
        writer.tensor("t", &[4], DType::F32, (0..16).collect());
        std::fs::write(&path, writer.bytes()).unwrap();
        let file = File::open(&path).unwrap();
        let mut buffer = Vec::new();
        let bytes = file.read_tensor(file.header().tensor("t").unwrap(), &mut buffer).unwrap();
        assert_eq!(bytes, (0..16).collect::<Vec<u8>>());
        assert_eq!(bytes.as_ptr() as usize % 16, 0);
        let expected: String = Sha256::digest(writer.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file.sha256().unwrap(), expected);
    }

    #[test]
    fn what_is_no_model_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        assert!(check_file(&path).unwrap_err().to_string().starts_with("HAECHI-0501"));
        assert!(check_file(folder.path()).unwrap_err().to_string().contains("no regular file"));
        std::fs::write(&path, "version https://git-lfs.github.com/spec/v1").unwrap();
        let error = check_file(&path).unwrap_err().to_string();
        assert!(error.starts_with("HAECHI-0502") && error.contains("not `GGUF`"), "{error}");
    }

    /// The three parts of a set: `a` in the first, `b` and `c` in the second, nothing in the third.
    fn parts() -> [Writer; 3] {
        let mut parts = [(); 3].map(|()| Writer::new());
        for (number, part) in parts.iter_mut().enumerate() {
            part.set("split.no", Value::U16(number as u16));
            part.set("split.count", Value::U16(3));
            part.set("split.tensors.count", Value::I32(3));
        }
        parts[0].set("general.name", Value::String("a set".to_owned()));
        parts[0].tensor("a", &[4], DType::F32, vec![1; 16]);
        parts[1].tensor("b", &[4], DType::F32, vec![2; 16]);
        parts[1].tensor("c", &[2, 2, 2], DType::F32, (0..32).collect());
        parts
    }

    fn written(parts: &[Writer]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (number, part) in parts.iter().enumerate() {
            let name = format!("m-{:05}-of-00003.gguf", number + 1);
            std::fs::write(folder.path().join(name), part.bytes()).unwrap();
        }
        let first = folder.path().join("m-00001-of-00003.gguf");
        (folder, first)
    }

    #[test]
    fn a_set_of_files_reads_as_one() {
        let parts = parts();
        let (_folder, first) = written(&parts);
        let file = File::open(&first).unwrap();
        assert_eq!(file.header().text("general.name"), Some("a set"));
        let mut buffer = Vec::new();
        for (name, expected) in [("a", vec![1; 16]), ("b", vec![2; 16]), ("c", (0..32).collect::<Vec<u8>>())] {
            let tensor = file.header().tensor(name).unwrap();
            assert_eq!(file.read_tensor(tensor, &mut buffer).unwrap(), expected);
        }
        let c = file.header().tensor("c").unwrap();
        assert_eq!(file.read_rows(c, 1, 2, &mut buffer).unwrap(), (8..24).collect::<Vec<u8>>());
        assert!(file.read_rows(c, 4, 0, &mut buffer).unwrap().is_empty());
        for (row, rows) in [(0, 5), (4, 1), (u64::MAX, 1), (1, u64::MAX)] {
            let error = file.read_rows(c, row, rows, &mut buffer).unwrap_err();
            assert!(error.to_string().contains("which has 4"), "{error}");
        }
        let whole: Vec<u8> = parts.iter().flat_map(Writer::bytes).collect();
        let expected: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.sha256().unwrap(), file.bytes()), (expected, whole.len() as u64));
    }

    #[test]
    fn a_set_that_is_not_whole_is_refused_in_words() {
        let refused = |change: &dyn Fn(&mut [Writer; 3], &Path), open: &str, words: &str| {
            let mut parts = parts();
            change(&mut parts, Path::new(""));
            let (folder, first) = written(&parts);
            change(&mut parts, &first);
            let error = File::open(&folder.path().join(open)).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0503") && error.contains(words), "{error} should say {words}");
        };
        let first = "m-00001-of-00003.gguf";
        let gone = |_: &mut [Writer; 3], first: &Path| {
            let _ = std::fs::remove_file(first.with_file_name("m-00002-of-00003.gguf"));
        };
        refused(&gone, first, "part 2 of 3");
        refused(&|_, _| {}, "m-00002-of-00003.gguf", "name the first part");
        let renamed = |_: &mut [Writer; 3], first: &Path| {
            let _ = std::fs::rename(first, first.with_file_name("n.gguf"));
        };
        refused(&renamed, "n.gguf", "must end in `-00001-of-00003.gguf`");
        refused(&|parts, _| parts[1].set("split.no", Value::U16(2)), first, "part 2 of this set");
        refused(&|parts, _| parts[2].set("split.count", Value::U16(4)), first, "part 3 of this set");
        refused(&|parts, _| parts[2].tensor("a", &[1], DType::F32, vec![0; 4]), first, "two parts hold the tensor `a`");
        refused(&|parts, _| parts[2].tensor("d", &[1], DType::F32, vec![0; 4]), first, "4 tensors together");
        refused(&|parts, _| parts[0].set("split.count", Value::U32(1_000_000)), first, "at most 1000");
        refused(&|parts, _| parts[0].set("split.no", Value::String(String::new())), first, "no whole number");
    }
}
