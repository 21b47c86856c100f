//! A model file's weights, packed for the kernels.
//!
//! Loading plans first and reads after: each matrix gets its place, then all threads pack, each the rows that it will read
//! in a decoding step. The file is read in pieces of a few hundred kilobytes and never mapped: a file that shrinks meanwhile
//! is an error, not a crash.
#![allow(unsafe_code, reason = "threads write disjoint tiles of one region; each block says why that is sound")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::activation::View;
use super::config::unusable;
use super::format::{BLOCK, Format, LOW_PLANE_BYTES};
use super::isa::{Level, TILE_ROWS};
use super::memory::{LINE, Region};
use super::product::{Kernel, Kernels, kernels};
use super::team::Team;
use crate::gguf::{self, DType, GgufError, TensorInfo, shown};
use crate::quant::{dequantize, quantize};

/// The end of the name of latent attention's two up-projections in one matrix.
const JOINED: &str = ".attn_kv_b.weight";
/// How what is turned round is kept: its blocks would run across the file's. Half floats keep each number to 1 in 2,000,
/// far below the steps of any format of fewer bits.
const TURNED: Format = Format::F16;
/// Bytes of the file that a thread reads at once.
const READ_BYTES: usize = 256 << 10;

/// A packed matrix `[rows, columns]`.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) format: Format,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) tile_bytes: usize,
    pub(super) kernels: Kernels,
    data: *const u8,
    /// The second plane, where the format has one.
    low: *const u8,
    _region: Arc<Region>,
}

// SAFETY: once loaded it is only read, and the region lives as long as it does.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl Matrix {
    /// Tiles of 16 rows; the last may be padded with zeros.
    pub(super) fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE_ROWS)
    }

    /// Units of a tile, as [`super::product::Job`] counts them.
    pub(super) fn units(&self) -> usize {
        self.columns / self.format.unit_columns()
    }

    /// Bytes of all tiles, of both planes.
    pub(super) fn bytes(&self) -> usize {
        self.tiles() * (self.tile_bytes + self.low_bytes())
    }

    /// The kernel for as many of `count` tokens of `input` as lie side by side.
    pub(super) fn kernel(&self, input: View, count: usize) -> Kernel {
        let rows = if self.format.is_float() { 1 } else { input.rows };
        self.kernels.of(input.together(count) * rows)
    }

    /// Where tile `tile` begins.
    pub(super) fn tile(&self, tile: usize) -> *const u8 {
        debug_assert!(tile <= self.tiles());
        self.data.wrapping_add(tile * self.tile_bytes)
    }

    /// Where the second plane of tile `tile` begins; null if the format has none.
    pub(super) fn low(&self, tile: usize) -> *const u8 {
        if self.low.is_null() { self.low } else { self.low.wrapping_add(tile * self.low_bytes()) }
    }

    /// Bytes of a tile's second plane.
    fn low_bytes(&self) -> usize {
        if self.low.is_null() { 0 } else { self.units() * LOW_PLANE_BYTES }
    }

    /// True if the low nibbles of a second plane are spread evenly, as those of trained 8-bit weights are: their mean is then
    /// 7.5 and their variance 21.25. Weights that lay on a coarser grid before have others. Looks at one byte in 61.
    pub(super) fn low_nibbles_are_even(&self) -> bool {
        if self.low.is_null() {
            return false;
        }
        // SAFETY: the matrix has so many bytes in its second plane, and nothing writes to them any more.
        let low = unsafe { std::slice::from_raw_parts(self.low, self.tiles() * self.low_bytes()) };
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for byte in low.iter().step_by(61) {
            for nibble in [byte & 15, byte >> 4].map(|nibble| f64::from(nibble) - 7.5) {
                (count, sum, squares) = (count + 1.0, sum + nibble, squares + nibble * nibble);
            }
        }
        (sum / count).abs() < 0.25 && squares / count < 23.0
    }

    /// Packs rows of the file's bytes into tile `tile`.
    ///
    /// # Safety
    /// The matrix has this tile, and nobody else reads or writes it meanwhile.
    unsafe fn pack(&self, tile: usize, rows: &[&[u8]]) {
        // SAFETY: a tile has so many bytes; the caller vouches for the rest.
        let (tile, low) = unsafe {
            let low = self.low(tile).cast_mut();
            let low = if low.is_null() { &mut [] } else { std::slice::from_raw_parts_mut(low, self.low_bytes()) };
            (std::slice::from_raw_parts_mut(self.tile(tile).cast_mut(), self.tile_bytes), low)
        };
        self.format.pack(rows, tile, low);
    }

    /// Row `row` as numbers; `out` has `columns` places. False if there is no such row.
    pub(super) fn row(&self, row: usize, out: &mut [f32]) -> bool {
        if row >= self.rows {
            return false;
        }
        // SAFETY: the matrix has this tile, and nothing writes to it any more.
        let (tile, low) = unsafe {
            let low = self.low(row / TILE_ROWS);
            let low = if low.is_null() { &[] } else { std::slice::from_raw_parts(low, self.low_bytes()) };
            (std::slice::from_raw_parts(self.tile(row / TILE_ROWS), self.tile_bytes), low)
        };
        self.format.unpack_row(tile, low, row % TILE_ROWS, out);
        true
    }
}

/// Which row of the file stands where in a matrix.
#[derive(Debug, Clone)]
enum Source {
    /// Rows `first..` of a tensor, `first` counted over all its planes.
    Plain { tensor: TensorInfo, first: usize },
    /// Sixteen rows of the one, then sixteen of the other.
    Interleaved { gate: TensorInfo, up: TensorInfo, first: usize },
    /// Heads of `head` rows, in each of which `rotated` rows from `start` on are pairs of neighbours: all first ones come
    /// before all second ones, so that every family rotates alike. Scores do not change: keys are exchanged as queries are.
    Exchanged { tensor: TensorInfo, head: usize, start: usize, rotated: usize },
    /// Rows `first..` of a tensor turned round: row `i` is column `i` of all of them.
    Turned { tensor: TensorInfo, first: usize },
}

impl Source {
    /// Tensor and file row of row `row`.
    fn row(&self, row: usize) -> (&TensorInfo, usize) {
        match self {
            // Turned round: that many rows are read whole, see `pack_turned`.
            Self::Plain { tensor, first } | Self::Turned { tensor, first } => (tensor, first + row),
            Self::Interleaved { gate, up, first } => {
                let (pair, within) = (row / (2 * TILE_ROWS), row % (2 * TILE_ROWS));
                let tensor = if within < TILE_ROWS { gate } else { up };
                (tensor, first + pair * TILE_ROWS + within % TILE_ROWS)
            }
            Self::Exchanged { tensor, head, start, rotated } => {
                let within = row % head;
                let exchanged = match within.checked_sub(*start).filter(|at| at < rotated) {
                    Some(at) if at < rotated / 2 => start + 2 * at,
                    Some(at) => start + 2 * (at - rotated / 2) + 1,
                    None => within,
                };
                (tensor, row - within + exchanged)
            }
        }
    }
}

/// Plans and reads the weights of one file.
pub(super) struct Loader<'a> {
    file: &'a gguf::File,
    level: Level,
    region: Arc<Region>,
    plan: Vec<(Matrix, Source)>,
    /// The file's tensors by name: there may be a hundred thousand.
    tensors: HashMap<&'a str, &'a TensorInfo>,
    /// Names of the tensors that the network reads.
    taken: Mutex<HashSet<&'a str>>,
    floats: bool,
}

impl<'a> Loader<'a> {
    /// A loader with room for every matrix of the file.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the system gives no memory.
    pub(super) fn new(file: &'a gguf::File, level: Level) -> Result<Self, GgufError> {
        let tensors = file.header().tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut bytes = 0_usize;
        for tensor in &file.header().tensors {
            let [columns, rows, planes] = [0, 1, 2].map(|i| tensor.dimensions.get(i).map_or(1, |&n| n as usize));
            if let (Some(format), true) = (Format::of(tensor.dtype), tensor.dimensions.len() >= 2) {
                // No overflow: the header was compared with the file's length, and a tile is at most twice its rows.
                // A second plane begins on a line of its own.
                bytes += planes * (rows.div_ceil(TILE_ROWS) * format.tile_bytes(columns) + 2 * LINE);
                if tensor.name.ends_with(JOINED) {
                    bytes += TURNED.tile_bytes(rows.next_multiple_of(BLOCK)) * columns.div_ceil(TILE_ROWS);
                    bytes += rows * LINE; // each of at most so many heads begins on a line of its own
                }
            }
        }
        let region = Region::new(bytes).map_err(|error| {
            let gib = bytes as f64 / f64::from(1 << 30);
            unusable(format!("its weights need {gib:.1} GiB of memory, which the system does not give ({error})"))
        })?;
        Ok(Self {
            file,
            level,
            region: Arc::new(region),
            plan: Vec::new(),
            tensors,
            taken: Mutex::default(),
            floats: false,
        })
    }

    /// True if a float matrix was planned: products with it read f32 activations.
    pub(super) fn has_floats(&self) -> bool {
        self.floats
    }

    /// Bytes of the planned matrices.
    pub(super) fn bytes(&self) -> usize {
        self.region.used()
    }

    /// True if the file has a tensor named `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<&'a TensorInfo, GgufError> {
        self.tensors.get(name).copied().ok_or_else(|| unusable(format!("it has no tensor `{name}`")))
    }

    /// A tensor that has these dimensions.
    fn shaped(&self, name: &str, dimensions: &[usize]) -> Result<&'a TensorInfo, GgufError> {
        let tensor = self.tensor(name)?;
        // Trailing ones are the same shape.
        let trimmed = |dimensions: &[u64]| {
            let end = dimensions.iter().rposition(|&n| n != 1).map_or(0, |at| at + 1);
            dimensions.iter().take(end).copied().collect::<Vec<u64>>()
        };
        let wanted: Vec<u64> = dimensions.iter().map(|&n| n as u64).collect();
        if trimmed(&tensor.dimensions) != trimmed(&wanted) {
            let found = &tensor.dimensions;
            return Err(unusable(format!("its tensor `{name}` has dimensions {found:?}; {wanted:?} are needed")));
        }
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(&tensor.name);
        Ok(tensor)
    }

    fn place(
        &mut self,
        name: &str,
        dtype: DType,
        rows: usize,
        columns: usize,
        source: Source,
    ) -> Result<Matrix, GgufError> {
        let format = Format::of(dtype).ok_or_else(|| {
            unusable(format!("its tensor `{name}` is stored as {}, which is not run here", dtype.name))
        })?;
        self.place_as(name, format, rows, columns, source)
    }

    fn place_as(
        &mut self,
        name: &str,
        format: Format,
        rows: usize,
        columns: usize,
        source: Source,
    ) -> Result<Matrix, GgufError> {
        if !columns.is_multiple_of(format.unit_columns()) {
            return Err(unusable(format!("its tensor `{name}` has {columns} columns, no whole number of blocks")));
        }
        let tile_bytes = format.tile_bytes(columns);
        let tiles = rows.div_ceil(TILE_ROWS);
        let room = |bytes| {
            let room = self.region.take(bytes);
            room.ok_or_else(|| unusable(format!("its tensor `{name}` has no room; it is named twice")))
        };
        let data = room(tiles * tile_bytes)?;
        let low = match format {
            Format::Q8Planes => room(tiles * columns / format.unit_columns() * LOW_PLANE_BYTES)?.as_ptr().cast_const(),
            _ => std::ptr::null(),
        };
        self.floats |= format.is_float();
        let matrix = Matrix {
            format,
            rows,
            columns,
            tile_bytes,
            kernels: kernels(self.level, format),
            data: data.as_ptr(),
            low,
            _region: Arc::clone(&self.region),
        };
        self.plan.push((matrix.clone(), source));
        Ok(matrix)
    }

    /// The matrix `[rows, columns]` named `name`.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is absent, of another shape, or of a format that no kernel reads.
    pub(super) fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, GgufError> {
        let tensor = self.shaped(name, &[columns, rows])?;
        self.place(name, tensor.dtype, rows, columns, Source::Plain { tensor: tensor.clone(), first: 0 })
    }

    /// As [`Loader::matrix`], for a head: 8-bit weights lie in two planes.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn head(&mut self, name: &str, rows: usize, columns: usize) -> Result<Matrix, GgufError> {
        let tensor = self.shaped(name, &[columns, rows])?;
        let source = Source::Plain { tensor: tensor.clone(), first: 0 };
        match tensor.dtype {
            DType::Q8_0 => self.place_as(name, Format::Q8Planes, rows, columns, source),
            dtype => self.place(name, dtype, rows, columns, source),
        }
    }

    /// Plane `plane` of the `planes` matrices `[rows, columns]` named `name`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn plane(
        &mut self,
        name: &str,
        plane: usize,
        planes: usize,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, GgufError> {
        let tensor = self.shaped(name, &[columns, rows, planes])?;
        let source = Source::Plain { tensor: tensor.clone(), first: plane * rows };
        self.place(name, tensor.dtype, rows, columns, source)
    }

    /// `count` rows from `first` on of the matrix `[rows, columns]` named `name`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn part(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
        first: usize,
        count: usize,
    ) -> Result<Matrix, GgufError> {
        let tensor = self.shaped(name, &[columns, rows])?;
        self.place(name, tensor.dtype, count, columns, Source::Plain { tensor: tensor.clone(), first })
    }

    /// As [`Loader::part`], turned round: `[columns, count]`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn turned(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
        first: usize,
        count: usize,
    ) -> Result<Matrix, GgufError> {
        let tensor = self.shaped(name, &[columns, rows])?;
        self.place_as(name, TURNED, columns, count, Source::Turned { tensor: tensor.clone(), first })
    }

    /// Plane `plane` of the gates and of what they let through: sixteen rows in turn, `[2 * rows, columns]`; or, if the file
    /// stores them in different formats, each by itself, `[rows, columns]`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn gate_and_up(
        &mut self,
        names: [&str; 2],
        plane: usize,
        planes: usize,
        rows: usize,
        columns: usize,
    ) -> Result<(Matrix, Option<Matrix>), GgufError> {
        let [gate, up] = names.map(|name| self.shaped(name, &[columns, rows, planes]));
        let (gate, up) = (gate?, up?);
        if gate.dtype != up.dtype {
            let [gate, up] = names.map(|name| self.plane(name, plane, planes, rows, columns));
            return Ok((gate?, Some(up?)));
        }
        let source = Source::Interleaved { gate: gate.clone(), up: up.clone(), first: plane * rows };
        Ok((self.place(names[0], gate.dtype, 2 * rows, columns, source)?, None))
    }

    /// As [`Loader::matrix`]; in each head of `head` rows the `rotated` rows from `start` on are exchanged if `neighbours`.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    #[expect(clippy::too_many_arguments, reason = "the place of the rotated rows has three numbers")]
    pub(super) fn rotated_matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
        head: usize,
        start: usize,
        rotated: usize,
        neighbours: bool,
    ) -> Result<Matrix, GgufError> {
        if !neighbours {
            return self.matrix(name, rows, columns);
        }
        let tensor = self.shaped(name, &[columns, rows])?;
        let source = Source::Exchanged { tensor: tensor.clone(), head, start, rotated };
        self.place(name, tensor.dtype, rows, columns, source)
    }

    /// The vector of `length` numbers named `name`, if the file has it.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if it is of another length or no float; [`GgufError::Io`].
    pub(super) fn vector_if_any(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, GgufError> {
        if !self.has(name) {
            return Ok(None);
        }
        let tensor = self.shaped(name, &[length])?;
        let mut buffer = Vec::new();
        let bytes = self.file.read_tensor(tensor, &mut buffer)?;
        if !matches!(tensor.dtype, DType::F32 | DType::F16 | DType::BF16) {
            let stored = tensor.dtype.name;
            return Err(unusable(format!("its tensor `{name}` is stored as {stored}, which is not run here")));
        }
        let mut numbers = vec![0.0; length];
        dequantize(tensor.dtype, bytes, &mut numbers)?;
        Ok(Some(numbers))
    }

    /// The vector of `length` numbers named `name`.
    ///
    /// # Errors
    /// As [`Loader::vector_if_any`], and if it is absent.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, GgufError> {
        self.vector_if_any(name, length)?.ok_or_else(|| unusable(format!("it has no tensor `{name}`")))
    }

    /// Reads and packs what was planned.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the file has a tensor that the network does not read: it has a meaning that is not
    /// computed, and the answers would be wrong without a word. [`GgufError::Io`].
    pub(super) fn read(self, team: &mut Team) -> Result<(), GgufError> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Older files hold the latent's up-projection twice: whole, and split for keys and values.
        let known = |name: &str| taken.contains(name) || name.ends_with(JOINED);
        if let Some(tensor) = self.file.header().tensors.iter().find(|tensor| !known(&tensor.name)) {
            let name = shown(&tensor.name);
            return Err(unusable(format!("its tensor `{name}` has no place in a network of its kind that runs here")));
        }
        let trouble = Mutex::new(None);
        team.run(&|member| {
            let mut buffers = [Vec::new(), Vec::new()];
            for (matrix, source) in &self.plan {
                if trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    return;
                }
                if let Err(error) = self.pack(matrix, source, member.share(matrix.tiles()), &mut buffers) {
                    *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        });
        match trouble.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Packs some tiles of one matrix. A matrix reads at most two tensors: one buffer each.
    fn pack(
        &self,
        matrix: &Matrix,
        source: &Source,
        tiles: std::ops::Range<usize>,
        buffers: &mut [Vec<u8>; 2],
    ) -> Result<(), GgufError> {
        if let Source::Turned { tensor, first } = source {
            return self.pack_turned(matrix, tensor, *first, tiles, &mut buffers[0]);
        }
        let row_bytes = matrix.format.file_row_bytes(matrix.columns);
        let at_once = (READ_BYTES / (TILE_ROWS * row_bytes).max(1)).max(1);
        let mut from = tiles.start;
        while from < tiles.end {
            let to = tiles.end.min(from + at_once);
            let places: Vec<(&TensorInfo, usize)> =
                (from * TILE_ROWS..matrix.rows.min(to * TILE_ROWS)).map(|row| source.row(row)).collect();
            // The piece of each tensor that these rows come from.
            let mut windows: [Option<(&TensorInfo, usize, usize)>; 2] = [None, None];
            for &(tensor, row) in &places {
                let window = windows.iter_mut().find(|w| w.is_none_or(|(other, ..)| std::ptr::eq(other, tensor)));
                if let Some(window) = window {
                    let (_, first, last) = window.get_or_insert((tensor, row, row));
                    (*first, *last) = ((*first).min(row), (*last).max(row));
                }
            }
            let mut pieces: [&[u8]; 2] = [&[], &[]];
            for ((window, buffer), piece) in windows.iter().zip(buffers.iter_mut()).zip(&mut pieces) {
                if let Some((tensor, first, last)) = *window {
                    *piece = self.file.read_rows(tensor, first as u64, (last - first + 1) as u64, buffer)?;
                }
            }
            for tile in from..to {
                let rows: Vec<&[u8]> = places
                    .iter()
                    .skip((tile - from) * TILE_ROWS)
                    .take(TILE_ROWS)
                    .filter_map(|&(tensor, row)| {
                        let at = windows.iter().position(|w| w.is_some_and(|(t, ..)| std::ptr::eq(t, tensor)))?;
                        let start = (row - windows[at]?.1) * row_bytes;
                        pieces[at].get(start..start + row_bytes)
                    })
                    .collect();
                // SAFETY: the tile lies in this matrix's part of the region, and no other member has this tile.
                unsafe { matrix.pack(tile, &rows) };
            }
            from = to;
        }
        Ok(())
    }

    /// As [`Loader::pack`], for columns that become rows.
    fn pack_turned(
        &self,
        matrix: &Matrix,
        tensor: &TensorInfo,
        first: usize,
        tiles: std::ops::Range<usize>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), GgufError> {
        let (count, columns) = (matrix.columns, matrix.rows);
        let bytes = self.file.read_rows(tensor, first as u64, count as u64, buffer)?;
        let mut numbers = vec![0.0; count * columns];
        dequantize(tensor.dtype, bytes, &mut numbers)?;
        for tile in tiles {
            let rows = (tile * TILE_ROWS..columns.min((tile + 1) * TILE_ROWS)).map(|column| {
                let turned: Vec<f32> = numbers.iter().skip(column).step_by(columns).copied().collect();
                let mut row = Vec::new();
                quantize(DType::F16, &turned, None, &mut row)?;
                Ok(row)
            });
            let rows = rows.collect::<Result<Vec<Vec<u8>>, GgufError>>()?;
            // SAFETY: as in `pack`.
            unsafe { matrix.pack(tile, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>()) };
        }
        Ok(())
    }
}
