//! How weights lie in memory while they are used.
//!
//! A matrix `[rows, columns]` is cut into tiles of 16 rows; a tile is one stream of units along the columns, so that an
//! address order is a memory order. A unit of quantized weights holds blocks of 32 columns (one block, or eight that share
//! scales); in a block, byte `4 * row + c` of the 64-byte group `j` belongs to column `4 * j + c` in its low nibble and to
//! column `16 + 4 * j + c` in its high nibble: what one integer dot product takes. Bits above the fourth lie in planes of
//! the same order behind the nibbles. Scales of 16 rows stand together, in the file's own precision: nothing is rounded anew.
//!
//! A head of `Q8_0` may lie in two planes instead, all high nibbles with the scales before all low nibbles: the likeliest token
//! is found by streaming the first alone (see `pass/head.rs`).
//!
//! Sizes in bytes of a block of 32 columns by 16 rows, beside what the file needs: `Q4_0` 288 (288), `Q4_1` 320 (320), `Q5_0`
//! 352 (352), `Q5_1` 384 (384), `Q8_0` 544 (544), `Q4_K` 296 (288), `Q5_K` 360 (352), `Q6_K` 424 (420).

use super::isa::TILE_ROWS;
use crate::gguf::DType;
use crate::quant::half::{bf16_to_f32, f16_to_f32};

/// Columns of a block.
pub(super) const BLOCK: usize = 32;
/// Blocks that share scales in the K formats.
const SUPER: usize = 8;

/// A format that kernels exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    /// `Q8_0` in two planes; unit and tile are those of the first.
    Q8Planes,
    Q4K,
    Q5K,
    Q6K,
    F16,
    BF16,
    F32,
}

/// Bytes of a block of low nibbles in the second plane of [`Format::Q8Planes`].
pub(super) const LOW_PLANE_BYTES: usize = 256;

impl Format {
    /// The format for weights that a file stores as `dtype`.
    pub(super) fn of(dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::Q4_0 => Self::Q4_0,
            DType::Q4_1 => Self::Q4_1,
            DType::Q5_0 => Self::Q5_0,
            DType::Q5_1 => Self::Q5_1,
            DType::Q8_0 => Self::Q8_0,
            DType::Q4_K => Self::Q4K,
            DType::Q5_K => Self::Q5K,
            DType::Q6_K => Self::Q6K,
            DType::F16 => Self::F16,
            DType::BF16 => Self::BF16,
            DType::F32 => Self::F32,
            _ => return None,
        })
    }

    /// True if the other side of a product is f32, not 8-bit numbers with scales.
    pub(super) const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32)
    }

    /// Columns of a unit.
    pub(super) const fn unit_columns(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::Q8Planes => BLOCK,
            Self::Q4K | Self::Q5K | Self::Q6K => SUPER * BLOCK,
            Self::F16 | Self::BF16 | Self::F32 => 1,
        }
    }

    /// Bytes of a unit of 16 rows.
    pub(super) const fn unit_bytes(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q8Planes => 256 + 32,
            Self::Q4_1 => 256 + 64,
            Self::Q5_0 => 256 + 64 + 32,
            Self::Q5_1 => 256 + 64 + 64,
            Self::Q8_0 => 512 + 32,
            Self::Q4K => 64 + SUPER * (256 + 32),
            Self::Q5K => 64 + SUPER * (256 + 64 + 32),
            Self::Q6K => 64 + SUPER * (256 + 128 + 32), // 32 of the first 64 are empty: units stay on cache lines
            Self::F16 | Self::BF16 => 32,
            Self::F32 => 64,
        }
    }

    /// Bytes of a unit of one row, as the file stores it.
    const fn file_unit_bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 | Self::Q8Planes => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
        }
    }

    /// Bytes of a tile of 16 rows and `columns` columns.
    pub(super) const fn tile_bytes(self, columns: usize) -> usize {
        columns / self.unit_columns() * self.unit_bytes()
    }

    /// Bytes of a row of `columns` columns, as the file stores it.
    pub(super) const fn file_row_bytes(self, columns: usize) -> usize {
        columns / self.unit_columns() * self.file_unit_bytes()
    }

    /// Packs up to 16 rows, each as the file stores it, into `tile`, and into `low` what lies in a second plane. Both are
    /// zeroed; a missing row stays zero.
    pub(super) fn pack(self, rows: &[&[u8]], tile: &mut [u8], low: &mut [u8]) {
        for (row, bytes) in rows.iter().enumerate().take(TILE_ROWS) {
            let units = bytes.chunks_exact(self.file_unit_bytes()).zip(tile.chunks_exact_mut(self.unit_bytes()));
            match self {
                Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => {
                    units.for_each(|(file, unit)| self.pack_block(row, file, unit));
                }
                Self::Q8Planes => units
                    .zip(low.chunks_exact_mut(LOW_PLANE_BYTES))
                    .for_each(|((file, high), low)| pack_planes(row, file, high, low)),
                Self::Q4K | Self::Q5K => units.for_each(|(file, unit)| self.pack_affine_super(row, file, unit)),
                Self::Q6K => units.for_each(|(file, unit)| pack_q6k(row, file, unit)),
                Self::F16 | Self::BF16 => units.for_each(|(file, unit)| put(unit, 2 * row, file)),
                Self::F32 => units.for_each(|(file, unit)| put(unit, 4 * row, file)),
            }
        }
    }

    /// ggml's blocks of 32: scale, minimum, high bits, codes.
    fn pack_block(self, row: usize, file: &[u8], unit: &mut [u8]) {
        if self == Self::Q8_0 {
            put(unit, 512 + 2 * row, &file[..2]);
            for (j, four) in file[2..].chunks_exact(4).enumerate() {
                put(unit, 64 * j + 4 * row, &[four[0] ^ 0x80, four[1] ^ 0x80, four[2] ^ 0x80, four[3] ^ 0x80]);
            }
            return;
        }
        let has_minimum = matches!(self, Self::Q4_1 | Self::Q5_1);
        let has_high = matches!(self, Self::Q5_0 | Self::Q5_1);
        let (scales, rest) = file.split_at(if has_minimum { 4 } else { 2 });
        let (high, codes) = rest.split_at(if has_high { 4 } else { 0 });
        // ggml pairs columns i and 16 + i in a byte as the tile does: a move of bytes.
        for (j, four) in codes.chunks_exact(4).enumerate() {
            put(unit, 64 * j + 4 * row, four);
        }
        let mut at = 256;
        if let [a, b, c, d] = *high {
            let bits = u32::from_le_bytes([a, b, c, d]);
            put(unit, at + 4 * row, &high_plane(|column| (bits >> column) & 1 != 0));
            at += 64;
        }
        put(unit, at + 2 * row, &scales[..2]);
        if has_minimum {
            put(unit, at + 32 + 2 * row, &scales[2..]);
        }
    }

    /// ggml's `Q4_K` and `Q5_K`: 256 columns under two f16 and, for each 32, a scale and a minimum of six bits.
    fn pack_affine_super(self, row: usize, file: &[u8], unit: &mut [u8]) {
        let five = self == Self::Q5K;
        put(unit, 2 * row, &file[..2]);
        put(unit, 32 + 2 * row, &file[2..4]);
        let packed = &file[4..16];
        let (high, codes) = if five { (&file[16..48], &file[48..]) } else { (&file[..0], &file[16..]) };
        let block_bytes = if five { 352 } else { 288 };
        for block in 0..SUPER {
            let (scale, minimum) = six_bit_scales(packed, block);
            // 64 columns share 32 bytes: the first half in the low nibbles, the second in the high ones.
            let bytes = &codes[32 * (block / 2)..][..32];
            let shift = 4 * (block % 2);
            let base = 64 + block * block_bytes;
            let code = |column: usize| (bytes[column] >> shift) & 15;
            for j in 0..4 {
                let pair = |c: usize| code(4 * j + c) | (code(16 + 4 * j + c) << 4);
                put(unit, base + 64 * j + 4 * row, &[pair(0), pair(1), pair(2), pair(3)]);
            }
            let mut at = base + 256;
            if five {
                put(unit, at + 4 * row, &high_plane(|column| (high[column] >> block) & 1 != 0));
                at += 64;
            }
            put(unit, at + row, &[scale]);
            put(unit, at + 16 + row, &[minimum]);
        }
    }

    /// Row `row` of a tile as numbers: `columns` of them. For looking up one row now and then.
    pub(super) fn unpack_row(self, tile: &[u8], low: &[u8], row: usize, out: &mut [f32]) {
        if self == Self::Q8Planes {
            let units = tile.chunks_exact(self.unit_bytes()).zip(low.chunks_exact(LOW_PLANE_BYTES));
            for ((high, low), out) in units.zip(out.chunks_mut(BLOCK)) {
                let scale = f16_to_f32([high[256 + 2 * row], high[257 + 2 * row]]);
                for (i, x) in out.iter_mut().enumerate() {
                    let at = 64 * (i % 16 / 4) + 4 * row + i % 4;
                    let code =
                        if i < 16 { (high[at] << 4) | (low[at] & 15) } else { (high[at] & 0xf0) | (low[at] >> 4) };
                    *x = scale * f32::from((code ^ 0x80).cast_signed());
                }
            }
            return;
        }
        let units = tile.chunks_exact(self.unit_bytes()).zip(out.chunks_mut(self.unit_columns()));
        for (unit, out) in units {
            let half = |at: usize| f16_to_f32([unit[at + 2 * row], unit[at + 2 * row + 1]]);
            let nibble = |base: usize, column: usize| {
                let byte = unit[base + 64 * (column % 16 / 4) + 4 * row + column % 4];
                if column < 16 { byte & 15 } else { byte >> 4 }
            };
            let high = |base: usize, column: usize| {
                (unit[base + 4 * row + column % 4] >> (column % 16 / 4 + column / 16 * 4) & 1) << 4
            };
            match self {
                Self::Q4_0 | Self::Q4_1 => {
                    let scale = half(256);
                    let minimum = if self == Self::Q4_1 { half(288) } else { -8.0 * scale };
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = scale * f32::from(nibble(0, i)) + minimum);
                }
                Self::Q5_0 | Self::Q5_1 => {
                    let scale = half(320);
                    let minimum = if self == Self::Q5_1 { half(352) } else { -16.0 * scale };
                    let code = |i| f32::from(nibble(0, i) | high(256, i));
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = scale * code(i) + minimum);
                }
                Self::Q8_0 => {
                    let scale = half(512);
                    let code = |i: usize| f32::from((unit[64 * (i / 4) + 4 * row + i % 4] ^ 0x80).cast_signed());
                    out.iter_mut().enumerate().for_each(|(i, x)| *x = scale * code(i));
                }
                Self::Q4K | Self::Q5K => {
                    let five = self == Self::Q5K;
                    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                        let base = 64 + block * if five { 352 } else { 288 };
                        let at = base + if five { 320 } else { 256 };
                        let scale = half(0) * f32::from(unit[at + row]);
                        let minimum = half(32) * f32::from(unit[at + 16 + row]);
                        let code = |i| f32::from(nibble(base, i) | if five { high(base + 256, i) } else { 0 });
                        out.iter_mut().enumerate().for_each(|(i, x)| *x = scale * code(i) - minimum);
                    }
                }
                Self::Q6K => {
                    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                        let base = 64 + block * 416;
                        for (i, x) in out.iter_mut().enumerate() {
                            let bits = unit[base + 256 + 64 * (i / 16) + 4 * row + i % 4] >> (2 * (i % 16 / 4)) & 3;
                            let code = f32::from(nibble(base, i) | (bits << 4)) - 32.0;
                            let scale = f32::from(unit[base + 384 + 16 * (i / 16) + row].cast_signed());
                            *x = half(0) * scale * code;
                        }
                    }
                }
                Self::Q8Planes => {} // above
                Self::F16 => out.iter_mut().for_each(|x| *x = half(0)),
                Self::BF16 => {
                    let number = bf16_to_f32([unit[2 * row], unit[2 * row + 1]]);
                    out.iter_mut().for_each(|x| *x = number);
                }
                Self::F32 => {
                    let bytes = [0, 1, 2, 3].map(|i| unit[4 * row + i]);
                    out.iter_mut().for_each(|x| *x = f32::from_le_bytes(bytes));
                }
            }
        }
    }
}

/// ggml's `Q8_0`, its codes moved to 0..256 and cut into nibbles.
fn pack_planes(row: usize, file: &[u8], high: &mut [u8], low: &mut [u8]) {
    put(high, 256 + 2 * row, &file[..2]);
    let code = |column: usize| file[2 + column] ^ 0x80;
    for j in 0..4 {
        for c in 0..4 {
            let (first, second) = (code(4 * j + c), code(16 + 4 * j + c));
            high[64 * j + 4 * row + c] = (first >> 4) | (second & 0xf0);
            low[64 * j + 4 * row + c] = (first & 15) | (second << 4);
        }
    }
}

/// ggml's `Q6_K`: 256 columns under one f16 and, for each 16, a signed scale of eight bits.
fn pack_q6k(row: usize, file: &[u8], unit: &mut [u8]) {
    let (low, rest) = file.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    put(unit, 2 * row, d);
    for block in 0..SUPER {
        // Each half of 128 columns: 64 bytes of low nibbles (32 columns and the 32 after 64), 32 bytes of two bits.
        let (half, quarter) = (block / 4, block % 4);
        let nibbles = &low[64 * half + 32 * (quarter % 2)..][..32];
        let bits = &high[32 * half..][..32];
        let code = |column: usize| (nibbles[column] >> (4 * (quarter / 2))) & 15;
        let above = |column: usize| (bits[column] >> (2 * quarter)) & 3;
        let base = 64 + block * 416;
        for j in 0..4 {
            let pair = |c: usize| code(4 * j + c) | (code(16 + 4 * j + c) << 4);
            put(unit, base + 64 * j + 4 * row, &[pair(0), pair(1), pair(2), pair(3)]);
        }
        for part in 0..2 {
            let plane = |c: usize| (0..4).map(|j| above(16 * part + 4 * j + c) << (2 * j)).sum::<u8>();
            put(unit, base + 256 + 64 * part + 4 * row, &[plane(0), plane(1), plane(2), plane(3)]);
            put(unit, base + 384 + 16 * part + row, &[scales[2 * block + part]]);
        }
    }
}

/// The fifth bits of 32 columns: bit `j` of byte `c` belongs to column `4 * j + c`, bit `4 + j` to column `16 + 4 * j + c`.
fn high_plane(bit: impl Fn(usize) -> bool) -> [u8; 4] {
    [0, 1, 2, 3].map(|c| (0..8).map(|j| u8::from(bit(4 * j + c)) << j).sum())
}

/// Scale and minimum of block `block` in ggml's twelve bytes (`get_scale_min_k4` in ggml-quants.c).
fn six_bit_scales(packed: &[u8], block: usize) -> (u8, u8) {
    if block < 4 {
        (packed[block] & 63, packed[block + 4] & 63)
    } else {
        let low = packed[block + 4];
        ((low & 15) | (packed[block - 4] >> 6) << 4, (low >> 4) | (packed[block] >> 6) << 4)
    }
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    to[at..at + bytes.len()].copy_from_slice(bytes);
}
