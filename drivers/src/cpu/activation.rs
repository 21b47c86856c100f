//! Activations as the products want them: 8 bits with a scale for each 32, tokens of a tile side by side.
//!
//! Where they are to be finer, a token has a second row of codes behind its first, which keeps what the first rounds off. A
//! product takes the rows as two tokens and adds their sums, so that the weights are read once all the same.

use super::format::BLOCK;
use super::memory::Buffer;
use super::product::{META, TOKENS, padded};

/// What is kept of activations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// Rows of codes of a token: 1, or 2 where the second keeps what the first rounds off.
    pub(super) rows: usize,
    /// Also the numbers as f32, where a float matrix reads them.
    pub(super) floats: bool,
}

/// Room for the activations of a pass: `room` tokens of `columns` numbers.
#[derive(Debug)]
pub(super) struct Activations {
    columns: usize,
    rows: usize,
    codes: Buffer<i8>,
    meta: Buffer<f32>,
    floats: Option<Buffer<f32>>,
}

/// Where one token's activations go, and where a block's neighbours are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// 32 codes of block 0, those of the second row behind them; the next block is `width` times as far.
    pub(super) codes: *mut i8,
    /// The first of the token's [`META`] numbers of block 0, each `width` apart, those of the second row behind them.
    pub(super) meta: *mut f32,
    /// The token as f32, or null.
    pub(super) floats: *mut f32,
    /// Rows of codes side by side.
    pub(super) width: usize,
    /// Rows of this token.
    pub(super) rows: usize,
}

impl Place {
    /// The token that is `tokens` further in the same tile, where the f32 activations of each have `floats_stride` numbers.
    ///
    /// # Safety
    /// The tile has such a token.
    #[allow(unsafe_code, reason = "pointer arithmetic; the contract stands above")]
    #[inline(always)]
    pub(super) unsafe fn at_neighbour(self, tokens: usize, floats_stride: usize) -> Self {
        // SAFETY: in bounds, as the caller vouches.
        unsafe {
            Self {
                codes: self.codes.add(tokens * self.rows * BLOCK),
                meta: self.meta.add(tokens * self.rows),
                floats: if self.floats.is_null() { self.floats } else { self.floats.add(tokens * floats_stride) },
                ..self
            }
        }
    }

    /// The same token from block `block` on.
    ///
    /// # Safety
    /// The token has more than `block` blocks.
    #[allow(unsafe_code, reason = "pointer arithmetic; the contract stands above")]
    pub(super) unsafe fn at_block(self, block: usize) -> Self {
        // SAFETY: in bounds, as the caller vouches.
        unsafe {
            Self {
                codes: self.codes.add(block * BLOCK * self.width),
                meta: self.meta.add(block * META * self.width),
                floats: if self.floats.is_null() { self.floats } else { self.floats.add(block * BLOCK) },
                ..self
            }
        }
    }
}

/// Activations from one token on, as a product reads them: those of a group of tokens that a pass keeps together.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    codes: *mut i8,
    meta: *mut f32,
    floats: *mut f32,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

#[allow(unsafe_code, reason = "pointer arithmetic; the contracts stand above the functions")]
impl View {
    fn blocks(&self) -> usize {
        self.columns.div_ceil(BLOCK)
    }

    /// How many of `tokens` tokens lie side by side: a kernel takes them at once.
    pub(super) fn together(&self, tokens: usize) -> usize {
        padded(tokens * self.rows) / self.rows
    }

    /// Where token `token` of `tokens` lies.
    ///
    /// # Safety
    /// There is room for `tokens` tokens, padded to whole tiles, and `token` is one of them.
    pub(super) unsafe fn place(&self, tokens: usize, token: usize) -> Place {
        let width = padded(tokens * self.rows);
        let (tile, within) = (token * self.rows / width, token * self.rows % width);
        let block = tile * self.blocks();
        // SAFETY: in bounds, as the caller vouches.
        unsafe {
            Place {
                codes: self.codes.add((block * width + within) * BLOCK),
                meta: self.meta.add(block * META * width + within),
                floats: if self.floats.is_null() { self.floats } else { self.floats.add(token * self.columns) },
                width,
                rows: self.rows,
            }
        }
    }
}

#[allow(unsafe_code, reason = "pointer arithmetic; the contracts stand above the functions")]
impl Activations {
    /// Room for `room` tokens of `columns` numbers, a multiple of 32.
    pub(super) fn new(room: usize, columns: usize, Kept { rows, floats }: Kept) -> Result<Self, std::io::Error> {
        let room = room.next_multiple_of(TOKENS);
        let padded = columns.next_multiple_of(BLOCK);
        Ok(Self {
            columns,
            rows,
            codes: Buffer::new(room * rows * padded)?,
            meta: Buffer::new(room * rows * (padded / BLOCK) * META)?,
            floats: if floats { Some(Buffer::new(room * columns)?) } else { None },
        })
    }

    /// The activations from token `base` on, a multiple of [`TOKENS`].
    ///
    /// # Safety
    /// `base` is below the room that was asked for.
    pub(super) unsafe fn view(&self, base: usize) -> View {
        let before = base * self.rows * self.columns.div_ceil(BLOCK);
        // SAFETY: in bounds, as the caller vouches.
        unsafe {
            View {
                codes: self.codes.pointer().add(before * BLOCK),
                meta: self.meta.pointer().add(before * META),
                floats: match &self.floats {
                    Some(floats) => floats.pointer().add(base * self.columns),
                    None => std::ptr::null_mut(),
                },
                columns: self.columns,
                rows: self.rows,
            }
        }
    }
}
