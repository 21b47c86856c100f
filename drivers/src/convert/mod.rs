//! A published model folder (`config.json`, safetensors, `tokenizer.json`) to one GGUF file.
//!
//! In reading order: this file (the work, piece by piece), `config` (the folder's settings), `settings` (the file's), `plan`
//! (which tensor is made of what), `vocabulary` (the tokenizer), `importance` (an importance matrix). Names, keys and orders
//! are those of llama.cpp's converter (`conversion/*.py`, 2026-11), so the file runs there too. The same folder makes the
//! same bytes on every machine.
//!
//! The folder is untrusted input: what is missing, has another shape than its settings say, or is not understood is refused
//! with a sentence. No tensor is held whole.

mod config;
mod importance;
mod plan;
mod settings;
mod vocabulary;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde::Serialize;

use crate::gguf::write::{Planned, Stream};
use crate::gguf::{DType, GgufError};
use crate::quant::quantize;
use crate::quant::recipe::Recipe;
use crate::safetensors::Weights;
use config::Config;
use importance::Importance;
use plan::{Order, Slab};

/// Numbers that are read, quantized and written together: 16 MB as floats.
const PIECE_NUMBERS: u64 = 4 << 20;

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Tensors in the file.
    pub tensors: usize,
    /// Numbers in all of them.
    pub numbers: u64,
    /// Of them with an importance.
    pub with_importance: usize,
    /// Tensors of the folder that are no part of the language model, or of a part that is not run (predicting several tokens,
    /// seeing), and were left out.
    pub left_out: usize,
}

/// Converts the model in `folder` to the file `out`.
///
/// `out` appears when it is whole; until then the bytes lie beside it, in `out` with `.part` at its end. `progress` hears how
/// many numbers of how many are done.
///
/// # Errors
/// [`GgufError::Unusable`] if the model is of no kind that is known here, or lacks something; [`GgufError::Folder`],
/// [`GgufError::Io`], [`GgufError::Write`].
pub fn convert(
    folder: &Path,
    out: &Path,
    recipe: Recipe,
    importance: Option<&Path>,
    progress: impl FnMut(u64, u64),
) -> Result<Made, GgufError> {
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let made = into_part(folder, part, recipe, importance, progress);
    if made.is_err() {
        let _ = std::fs::remove_file(part); // of no use to anybody, and as large as a disk's rest
        return made;
    }
    std::fs::rename(part, out).map_err(|source| GgufError::Write { path: out.to_owned(), source })?;
    made
}

/// [`convert`], but for the name of the file.
fn into_part(
    folder: &Path,
    part: &Path,
    recipe: Recipe,
    importance: Option<&Path>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Made, GgufError> {
    let config = Config::read(folder)?;
    let weights = Weights::open(folder)?;
    let plan = plan::plan(&config, &weights)?;
    let mut metadata = plan.metadata;
    vocabulary::metadata(folder, plan.vocabulary, &mut metadata)?;
    settings::general(&config, recipe, &mut metadata);
    let importance = importance.map(Importance::open).transpose()?;

    let planned: Vec<Planned> = plan
        .tensors
        .iter()
        .map(|tensor| Planned {
            name: tensor.name.clone(),
            dimensions: tensor.dimensions.clone(),
            dtype: recipe.dtype(&tensor.name, &tensor.dimensions, plan.facts),
        })
        .collect();
    let write = |source| GgufError::Write { path: part.to_owned(), source };
    let file = File::create(part).map_err(write)?;
    let mut stream = Stream::begin(BufWriter::with_capacity(1 << 20, file), &metadata, &planned).map_err(write)?;

    let total = planned.iter().map(|planned| planned.dimensions.iter().product::<u64>()).sum();
    let mut made = Made { tensors: planned.len(), numbers: 0, with_importance: 0, left_out: plan.left_out };
    let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
    for (tensor, planned) in plan.tensors.iter().zip(&planned) {
        let columns = planned.dimensions.first().copied().unwrap_or(1);
        let slabs = tensor.slabs.len() as u64;
        let importance = importance.as_ref().map(|all| all.of(&tensor.name, columns, slabs)).transpose()?.flatten();
        made.with_importance += usize::from(importance.is_some());
        for (number, slab) in tensor.slabs.iter().enumerate() {
            let importance = importance.as_ref().and_then(|all| all.get(number)).map(Vec::as_slice);
            let mut row = 0;
            while row < slab.rows {
                let rows = slab.piece((PIECE_NUMBERS / slab.columns.max(1)).max(1), row);
                slab.read(&weights, row, rows, &mut numbers, &mut bytes)?;
                for piece in encode(planned.dtype, &numbers, slab.columns as usize, importance)
                    .map_err(|error| named(error, &tensor.name))?
                {
                    stream.write(&piece).map_err(write)?;
                }
                row += rows;
                made.numbers += rows * slab.columns;
                progress(made.numbers, total);
            }
        }
    }
    let file = stream.finish().map_err(write)?.into_inner().map_err(|error| write(error.into_error()))?;
    file.sync_all().map_err(write)?;
    Ok(made)
}

/// The error with the tensor's name.
fn named(error: GgufError, name: &str) -> GgufError {
    match error {
        GgufError::Unusable(words) => GgufError::Unusable(format!("in the tensor `{name}`, {words}")),
        other => other,
    }
}

/// Rows as `dtype` stores them, on every core, in order.
fn encode(
    dtype: DType,
    numbers: &[f32],
    columns: usize,
    importance: Option<&[f32]>,
) -> Result<Vec<Vec<u8>>, GgufError> {
    let rows = numbers.len() / columns.max(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(rows.max(1));
    // Small pieces are not worth a thread.
    let each = if numbers.len() < 1 << 16 { rows.max(1) } else { rows.div_ceil(threads) };
    let part = |rows: &[f32]| {
        let mut out = Vec::new();
        rows.chunks(columns.max(1)).try_for_each(|row| quantize(dtype, row, importance, &mut out))?;
        Ok(out)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            numbers.chunks((each * columns).max(1)).map(|rows| scope.spawn(move || part(rows))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(GgufError::Unusable("a worker broke".to_owned()))))
            .collect()
    })
}

impl Slab {
    /// How many rows from `row` on are read together: at most about `most`, and whole heads where rows change places.
    fn piece(&self, most: u64, row: u64) -> u64 {
        let rest = self.rows - row;
        match self.order {
            Order::AsIs => most.min(rest),
            Order::Interleaved { head, .. } => (most / head.max(1)).max(1).saturating_mul(head).min(rest),
            Order::Transposed => rest, // one expert or one head: a few megabytes
        }
    }

    /// Reads `rows` rows from `row` on.
    fn read(
        &self,
        weights: &Weights,
        row: u64,
        rows: u64,
        out: &mut Vec<f32>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), GgufError> {
        let (columns, count) = (self.columns as usize, rows as usize);
        out.clear();
        if !self.given.is_empty() {
            out.extend_from_slice(&self.given);
            return Ok(());
        }
        out.resize(columns * count, 0.0);
        match self.order {
            Order::AsIs if self.stride == self.columns => {
                weights.read(&self.name, self.start + row * self.stride, out, bytes)?;
            }
            Order::AsIs => {
                for (at, out) in out.chunks_exact_mut(columns).enumerate() {
                    weights.read(&self.name, self.start + (row + at as u64) * self.stride, out, bytes)?;
                }
            }
            // `head` rows: those before `from` stay, of the rest the two halves are laced into each other.
            Order::Interleaved { head, from } => {
                let half = (head - from) / 2;
                for (at, out) in out.chunks_exact_mut(columns).enumerate() {
                    let row = row + at as u64;
                    let (first, within) = (row / head * head, row % head);
                    let source = match within.checked_sub(from) {
                        Some(turned) => from + turned % 2 * half + turned / 2,
                        None => within,
                    };
                    weights.read(&self.name, self.start + (first + source) * self.stride, out, bytes)?;
                }
            }
            Order::Transposed => {
                let mut column = vec![0.0; count];
                for at in 0..columns {
                    weights.read(&self.name, self.start + at as u64 * self.stride + row, &mut column, bytes)?;
                    for (out, number) in out.iter_mut().skip(at).step_by(columns).zip(&column) {
                        *out = *number;
                    }
                }
            }
        }
        out.iter_mut().for_each(|number| *number += self.add);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
