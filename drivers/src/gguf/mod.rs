//! GGUF, the file format of ggml models (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3).
//!
//! A model file is untrusted input. [`read`] turns bytes into a [`Header`] or a sentence, bounds checked and pure; nothing
//! in a header is believed before it was compared with the length of the file. [`file`] does the I/O, [`Texts`] holds vocabularies,
//! [`mod@write`] makes files.

pub mod file;
mod read;
mod texts;
pub mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use file::File;
pub(crate) use read::shown;
pub use texts::Texts;

/// What stands before the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Key and value.
    pub metadata: BTreeMap<String, Value>,
    /// In the order of the file. No two share a name or a byte, and none reaches beyond the file.
    pub tensors: Vec<TensorInfo>,
    /// Every tensor starts at a multiple of this, counted from `data_start`. A power of two.
    pub alignment: u64,
    /// Where tensor data begin, in bytes from the start of the file.
    pub data_start: u64,
}

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(Array),
}

/// Values of one type. Typed, so that a file of `n` bytes cannot make us hold many times `n`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Texts),
    Array(Vec<Array>),
}

/// Where one tensor lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name: `blk.0.attn_q.weight`.
    pub name: String,
    /// Length of each dimension, the fastest-running first, as in the file: `[columns, rows]` for a matrix.
    pub dimensions: Vec<u64>,
    /// How its numbers are stored.
    pub dtype: DType,
    /// From [`Header::data_start`], in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// How numbers are stored: ggml's type number, its name, numbers in a block, and bytes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DType {
    /// ggml's number.
    pub id: u32,
    /// ggml's name.
    pub name: &'static str,
    /// Numbers in one block; a row is a whole number of blocks.
    pub block: u64,
    /// Bytes of one block.
    pub block_bytes: u64,
}

macro_rules! dtypes {
    ($($constant:ident $id:literal $block:literal $bytes:literal),* $(,)?) => {
        impl DType {
            $(#[doc = concat!("ggml type ", $id, ": blocks of ", $block, " in ", $bytes, " bytes.")]
            pub const $constant: Self = Self { id: $id, name: stringify!($constant), block: $block, block_bytes: $bytes };)*

            /// The type with ggml's number `id`, if it is known here.
            #[must_use]
            pub fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$constant),)*
                    _ => None,
                }
            }
        }
    };
}

// Numbers: ggml/include/ggml.h, `enum ggml_type`; sizes: ggml/src/ggml-common.h (2026-06).
dtypes! {
    F32 0 1 4, F16 1 1 2, Q4_0 2 32 18, Q4_1 3 32 20, Q5_0 6 32 22, Q5_1 7 32 24, Q8_0 8 32 34, Q8_1 9 32 36,
    Q2_K 10 256 84, Q3_K 11 256 110, Q4_K 12 256 144, Q5_K 13 256 176, Q6_K 14 256 210, Q8_K 15 256 292,
    IQ2_XXS 16 256 66, IQ2_XS 17 256 74, IQ3_XXS 18 256 98, IQ1_S 19 256 50, IQ4_NL 20 32 18, IQ3_S 21 256 110,
    IQ2_S 22 256 82, IQ4_XS 23 256 136, I8 24 1 1, I16 25 1 2, I32 26 1 4, I64 27 1 8, F64 28 1 8, IQ1_M 29 256 56,
    BF16 30 1 2, TQ1_0 34 256 54, TQ2_0 35 256 66, MXFP4 39 32 17,
}

impl DType {
    /// Bytes of a tensor with these dimensions; `None` if a row is no whole number of blocks or the product overflows.
    #[must_use]
    pub fn size_of(self, dimensions: &[u64]) -> Option<u64> {
        let columns = dimensions.first().copied().unwrap_or(1);
        if columns % self.block != 0 {
            return None;
        }
        let rows = dimensions.iter().skip(1).try_fold(1_u64, |product, &length| product.checked_mul(length))?;
        (columns / self.block).checked_mul(self.block_bytes)?.checked_mul(rows)
    }
}

/// What is wrong with a model file.
#[derive(Debug, Error)]
pub enum GgufError {
    /// The file system failed.
    #[error("HAECHI-0501: the model file {} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A rule of the format is broken.
    #[error("HAECHI-0502: this is no sound GGUF file: at byte {at}, {rule}; fetch it again and compare its checksum")]
    Broken {
        /// Where, in bytes from the start.
        at: u64,
        /// What rule.
        rule: String,
    },
    /// The file system did not take what was to be written.
    #[error("HAECHI-0520: the model file {} cannot be written: {source}; see that the disk has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file of a model folder breaks a rule of its format.
    #[error("HAECHI-0521: {} is not sound: {rule}; fetch it again and compare its checksum", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// What rule.
        rule: String,
    },
    /// The header is sound but lacks something that is needed.
    #[error("HAECHI-0503: the model file cannot be used: {0}")]
    Unusable(String),
}

impl GgufError {
    /// `HAECHI-NNNN`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "HAECHI-0501",
            Self::Broken { .. } => "HAECHI-0502",
            Self::Write { .. } => "HAECHI-0520",
            Self::Folder { .. } => "HAECHI-0521",
            Self::Unusable(_) => "HAECHI-0503",
        }
    }
}

/// Reads the header and compares it with the file's length. Weights are not read.
///
/// # Errors
/// [`GgufError`].
pub fn check_file(path: &Path) -> Result<(), GgufError> {
    File::open(path).map(|_| ())
}

impl Header {
    /// The header of the file whose every byte is `bytes`.
    ///
    /// # Errors
    /// [`GgufError::Broken`] with the byte and the rule.
    pub fn read(bytes: &[u8]) -> Result<Self, GgufError> {
        match read::header(bytes, bytes.len() as u64) {
            Ok(header) => Ok(header),
            Err(read::Stop::Broken { at, rule }) => Err(GgufError::Broken { at, rule }),
            // Not reachable: what ends at the file's end is `Broken`.
            Err(read::Stop::NeedMore) => {
                Err(GgufError::Broken { at: bytes.len() as u64, rule: "the file ends".to_owned() })
            }
        }
    }

    /// A whole number, whatever integer type it is stored in.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is absent or no such number.
    pub fn number(&self, key: &str) -> Result<usize, GgufError> {
        self.number_if_any(key)?.ok_or_else(|| GgufError::Unusable(format!("its metadata lack `{key}`")))
    }

    /// As [`Header::number`]; `None` if absent.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is no such number.
    pub fn number_if_any(&self, key: &str) -> Result<Option<usize>, GgufError> {
        let number = match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::U8(n)) => Some(usize::from(*n)),
            Some(Value::U16(n)) => Some(usize::from(*n)),
            Some(Value::U32(n)) => usize::try_from(*n).ok(),
            Some(Value::U64(n)) => usize::try_from(*n).ok(),
            Some(Value::I8(n)) => usize::try_from(*n).ok(),
            Some(Value::I16(n)) => usize::try_from(*n).ok(),
            Some(Value::I32(n)) => usize::try_from(*n).ok(),
            Some(Value::I64(n)) => usize::try_from(*n).ok(),
            Some(_) => None,
        };
        number
            .map(Some)
            .ok_or_else(|| GgufError::Unusable(format!("its metadata `{key}` is no whole number from 0 up")))
    }

    /// A finite number with a fraction; `None` if absent.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is no such number.
    pub fn fraction_if_any(&self, key: &str) -> Result<Option<f64>, GgufError> {
        let number = match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::F32(n)) => Some(f64::from(*n)),
            Some(Value::F64(n)) => Some(*n),
            Some(_) => None,
        };
        let finite = number.filter(|number| number.is_finite());
        finite.map(Some).ok_or_else(|| GgufError::Unusable(format!("its metadata `{key}` is no finite number")))
    }

    /// A text; `None` if absent or something else.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is absent or something else.
    pub fn texts(&self, key: &str) -> Result<&Texts, GgufError> {
        match self.metadata.get(key) {
            Some(Value::Array(Array::String(texts))) => Ok(texts),
            _ => Err(GgufError::Unusable(format!("its metadata lack the list of texts `{key}`"))),
        }
    }

    /// True or false; `None` if absent or something else.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The tensor named `name`.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}
