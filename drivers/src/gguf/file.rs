//! A model file on disk: its header, the bytes of its tensors, its digest.

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

/// An open model file whose header is sound.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    path: PathBuf,
    bytes: u64,
    header: Header,
}

impl File {
    /// Opens `path` and reads its header.
    ///
    /// # Errors
    /// [`GgufError::Io`], [`GgufError::Broken`].
    pub fn open(path: &Path) -> Result<Self, GgufError> {
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
                Ok(header) => return Ok(Self { file, path: path.to_owned(), bytes, header }),
                Err(read::Stop::Broken { at, rule }) => return Err(GgufError::Broken { at, rule }),
                Err(read::Stop::NeedMore) if length < MAX_HEADER_BYTES && length < bytes => {
                    length = (length * 2).min(bytes);
                }
                Err(read::Stop::NeedMore) => {
                    return Err(GgufError::Broken {
                        at: length,
                        rule: format!("the header has more than {length} bytes"),
                    });
                }
            }
        }
    }

    /// What stands before the weights.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of `tensor`, in the first `size` bytes of `buffer` that are aligned to 16; returns where they are.
    /// The buffer is the caller's, so that loading needs one and not one for each tensor.
    ///
    /// # Errors
    /// [`GgufError::Io`], also if the file was cut off since its header was read.
    pub fn read_tensor<'a>(&self, tensor: &TensorInfo, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], GgufError> {
        const ALIGN: usize = 16; // what the blocks of every type are content with
        let io = |source| GgufError::Io { path: self.path.clone(), source };
        let size = usize::try_from(tensor.size).map_err(|_| io(io::ErrorKind::OutOfMemory.into()))?;
        if buffer.len() < size + ALIGN {
            buffer.resize(size + ALIGN, 0);
        }
        let skip = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        // In bounds: the buffer has `size + ALIGN` bytes, and `skip` is at most `ALIGN`.
        let room = buffer.get_mut(skip..skip + size).ok_or_else(|| io(io::ErrorKind::OutOfMemory.into()))?;
        self.file.read_exact_at(room, self.header.data_start + tensor.offset).map_err(io)?;
        Ok(room)
    }

    /// Fills `piece` with the bytes of `tensor` from byte `from` of it on.
    ///
    /// # Errors
    /// [`GgufError::Io`], also if the tensor ends before.
    pub fn read_part(&self, tensor: &TensorInfo, from: u64, piece: &mut [u8]) -> Result<(), GgufError> {
        let io = |source| GgufError::Io { path: self.path.clone(), source };
        if from.checked_add(piece.len() as u64).is_none_or(|end| end > tensor.size) {
            return Err(io(io::ErrorKind::UnexpectedEof.into()));
        }
        self.file.read_exact_at(piece, self.header.data_start + tensor.offset + from).map_err(io)
    }

    /// SHA-256 of the whole file, lower-case hex.
    ///
    /// # Errors
    /// [`GgufError::Io`].
    pub fn sha256(&self) -> Result<String, GgufError> {
        let io = |source| GgufError::Io { path: self.path.clone(), source };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; HASH_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let count = usize::try_from(self.bytes - at).unwrap_or(HASH_BYTES).min(HASH_BYTES);
            let piece = buffer.get_mut(..count).unwrap_or_default();
            self.file.read_exact_at(piece, at).map_err(io)?;
            hash.update(&*piece);
            at += count as u64;
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
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
        writer.set("long", Value::Array(Array::String(vec!["x".repeat(1000); 5000])));
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
}
