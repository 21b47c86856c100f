//! An importance matrix: how much each column of a weight matters, measured by running the model over texts.
//!
//! Read is llama.cpp's file (`tools/imatrix`, GGUF since 2025-07): for each weight `NAME.in_sum2`, the sums of the squares it
//! was multiplied with, `[columns, experts]`, and `NAME.counts`, how many there were, `[1, experts]`.

use std::path::Path;

use crate::gguf::{DType, File, GgufError};
use crate::quant::dequantize;

#[derive(Debug)]
pub(super) struct Importance(File);

impl Importance {
    pub(super) fn open(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path)?;
        match file.header().text("general.type") {
            Some("imatrix") => Ok(Self(file)),
            _ => Err(GgufError::Unusable(format!("{} is no importance matrix in GGUF", path.display()))),
        }
    }

    /// For each of a weight's `slabs` (experts), the importance of its columns; `None` if it was not measured.
    pub(super) fn of(&self, name: &str, columns: u64, slabs: u64) -> Result<Option<Vec<Vec<f32>>>, GgufError> {
        let (Some(sums), Some(counts)) = (self.floats(name, "in_sum2")?, self.floats(name, "counts")?) else {
            return Ok(None);
        };
        let (columns, slabs) = (columns as usize, slabs as usize);
        if sums.len() != columns * counts.len() || (counts.len() != 1 && counts.len() != slabs) {
            return Err(GgufError::Unusable(format!("the importance of `{name}` has another shape than the weight")));
        }
        let measured: Vec<Vec<f32>> = sums
            .chunks_exact(columns.max(1))
            .zip(&counts)
            // An expert that was never asked has no importance; then all its columns count alike.
            .map(|(sums, &count)| sums.iter().map(|sum| if count > 0.0 { sum / count } else { 1.0 }).collect())
            .collect();
        Ok(Some(match measured.first() {
            Some(one) if measured.len() == 1 => vec![one.clone(); slabs.max(1)],
            _ => measured,
        }))
    }

    fn floats(&self, name: &str, what: &str) -> Result<Option<Vec<f32>>, GgufError> {
        let Some(tensor) = self.0.header().tensor(&format!("{name}.{what}")) else { return Ok(None) };
        if tensor.dtype != DType::F32 {
            return Err(GgufError::Unusable(format!("the importance of `{name}` is not stored as F32")));
        }
        let mut buffer = Vec::new();
        let bytes = self.0.read_tensor(tensor, &mut buffer)?;
        let mut out = vec![0.0; bytes.len() / 4];
        dequantize(DType::F32, bytes, &mut out)?;
        Ok(Some(out))
    }
}
