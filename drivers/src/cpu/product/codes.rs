//! How the quantized formats are read: a block's codes as the integer dot product takes them, and what its sum is made of.
#![allow(unsafe_code, reason = "vectors and pointers; the contract stands at `Job`")]

use super::super::format::{BLOCK, Format};
use super::super::isa::Isa;

/// Which numbers of [`super::Job::meta`] are the sums of the codes times -128, times -8 and times -16.
pub(super) const MINUS_128: usize = 2;
const MINUS_8: usize = 5;
const MINUS_16: usize = 6;

/// Where a block's activations lie.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) codes: *const i8,
    pub(super) meta: *const f32,
    pub(super) width: usize,
}

/// How a quantized format is read.
pub(super) trait Codes {
    /// Blocks of a unit.
    const BLOCKS: usize;
    const UNIT_BYTES: usize;
    /// What holds for a whole unit.
    type Held<S: Isa>: Copy;
    unsafe fn held<S: Isa>(unit: *const u8, row: usize) -> Self::Held<S>;
    /// Adds one block's products to the tokens' sums.
    unsafe fn block<S: Isa, const T: usize>(
        unit: *const u8,
        block: usize,
        row: usize,
        held: Self::Held<S>,
        side: Side,
        sums: &mut [S::F; T],
    );
}

/// The eight groups of a block's nibbles: `[low of 0..4, high of 0..4]`.
#[inline(always)]
pub(super) unsafe fn nibbles<S: Isa>(block: *const u8, row: usize) -> [S::B; 8] {
    // SAFETY: 256 bytes of nibbles lie at `block`.
    unsafe {
        let block = block.add(4 * row);
        let (a, b) = (S::load_b(block), S::load_b(block.add(64)));
        let (c, d) = (S::load_b(block.add(128)), S::load_b(block.add(192)));
        [
            S::and_b(a, 15),
            S::and_b(b, 15),
            S::and_b(c, 15),
            S::and_b(d, 15),
            S::and_b(S::right::<4>(a), 15),
            S::and_b(S::right::<4>(b), 15),
            S::and_b(S::right::<4>(c), 15),
            S::and_b(S::right::<4>(d), 15),
        ]
    }
}

/// The eight groups of a block's bytes.
#[inline(always)]
pub(super) unsafe fn bytes<S: Isa>(block: *const u8, row: usize) -> [S::B; 8] {
    // SAFETY: 512 bytes of codes lie at `block`.
    unsafe {
        let block = block.add(4 * row);
        [
            S::load_b(block),
            S::load_b(block.add(64)),
            S::load_b(block.add(128)),
            S::load_b(block.add(192)),
            S::load_b(block.add(256)),
            S::load_b(block.add(320)),
            S::load_b(block.add(384)),
            S::load_b(block.add(448)),
        ]
    }
}

/// As [`nibbles`], with the fifth bits from the plane at `plane`.
#[inline(always)]
pub(super) unsafe fn fives<S: Isa>(block: *const u8, plane: *const u8, row: usize) -> [S::B; 8] {
    // SAFETY: 64 bytes lie at `plane`.
    unsafe {
        let q = nibbles::<S>(block, row);
        let plane = S::load_b(plane.add(4 * row));
        [
            S::or_b(q[0], S::and_b(S::left::<4>(plane), 16)),
            S::or_b(q[1], S::and_b(S::left::<3>(plane), 16)),
            S::or_b(q[2], S::and_b(S::left::<2>(plane), 16)),
            S::or_b(q[3], S::and_b(S::left::<1>(plane), 16)),
            S::or_b(q[4], S::and_b(plane, 16)),
            S::or_b(q[5], S::and_b(S::right::<1>(plane), 16)),
            S::or_b(q[6], S::and_b(S::right::<2>(plane), 16)),
            S::or_b(q[7], S::and_b(S::right::<3>(plane), 16)),
        ]
    }
}

/// Four groups of nibbles with the two bits above them, from one plane: two bits of each byte for each group.
#[inline(always)]
pub(super) unsafe fn sixes<S: Isa>(q: [S::B; 4], plane: S::B) -> [S::B; 4] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        [
            S::or_b(q[0], S::and_b(S::left::<4>(plane), 0x30)),
            S::or_b(q[1], S::and_b(S::left::<2>(plane), 0x30)),
            S::or_b(q[2], S::and_b(plane, 0x30)),
            S::or_b(q[3], S::and_b(S::right::<2>(plane), 0x30)),
        ]
    }
}

/// Weights are `scale * code + minimum`.
#[inline(always)]
pub(super) unsafe fn affine<S: Isa, const BITS: u32, const T: usize>(
    q: &[S::B; 8],
    scale: S::F,
    minimum: S::F,
    side: Side,
    sums: &mut [S::F; T],
) {
    // SAFETY: the side has T tokens.
    unsafe {
        let Side { codes, meta, width } = side;
        for_tokens!(t < T {
            let whole = S::to_f(S::dot::<BITS, 8>(S::splat_i(0), q, codes.add(BLOCK * t)));
            let sum = S::fma(minimum, S::splat(*meta.add(width + t)), sums[t]);
            sums[t] = S::fma(whole, S::mul(scale, S::splat(*meta.add(t))), sum);
        });
    }
}

/// Weights are `scale * (code - offset)`; the sums of the codes times `-offset` are number `AT` of the [`Job::meta`].
#[inline(always)]
pub(super) unsafe fn offset<S: Isa, const BITS: u32, const AT: usize, const T: usize>(
    q: &[S::B; 8],
    scale: S::F,
    side: Side,
    sums: &mut [S::F; T],
) {
    // SAFETY: the side has T tokens.
    unsafe {
        let Side { codes, meta, width } = side;
        for_tokens!(t < T {
            // The sum begins with what the offset takes away: no operation of its own, as a minimum would be.
            let begin = if BITS == 8 && S::SIGNED { 0 } else { meta.add(AT * width + t).cast::<i32>().read() };
            let whole = S::to_f(S::dot::<BITS, 8>(S::splat_i(begin), q, codes.add(BLOCK * t)));
            sums[t] = S::fma(whole, S::mul(scale, S::splat(*meta.add(t))), sums[t]);
        });
    }
}

/// The eight groups of a block's codes, put together from their nibbles.
#[inline(always)]
pub(super) unsafe fn eights<S: Isa>(high: *const u8, low: *const u8) -> [S::B; 8] {
    // SAFETY: 256 bytes of nibbles lie in either plane.
    unsafe {
        let (a, b) = (S::load_b(high), S::load_b(high.add(64)));
        let (c, d) = (S::load_b(high.add(128)), S::load_b(high.add(192)));
        let (e, f) = (S::load_b(low), S::load_b(low.add(64)));
        let (g, h) = (S::load_b(low.add(128)), S::load_b(low.add(192)));
        [
            S::or_b(S::and_b(S::left::<4>(a), 0xf0), S::and_b(e, 15)),
            S::or_b(S::and_b(S::left::<4>(b), 0xf0), S::and_b(f, 15)),
            S::or_b(S::and_b(S::left::<4>(c), 0xf0), S::and_b(g, 15)),
            S::or_b(S::and_b(S::left::<4>(d), 0xf0), S::and_b(h, 15)),
            S::or_b(S::and_b(a, 0xf0), S::and_b(S::right::<4>(e), 15)),
            S::or_b(S::and_b(b, 0xf0), S::and_b(S::right::<4>(f), 15)),
            S::or_b(S::and_b(c, 0xf0), S::and_b(S::right::<4>(g), 15)),
            S::or_b(S::and_b(d, 0xf0), S::and_b(S::right::<4>(h), 15)),
        ]
    }
}

pub(super) struct Q4_0;
pub(super) struct Q4_1;
pub(super) struct Q5_0;
pub(super) struct Q5_1;
pub(super) struct Q8_0;
pub(super) struct Q4K;
pub(super) struct Q5K;
pub(super) struct Q6K;

/// A format of one block with a scale at a byte of the unit, and what the block's sums are made of.
macro_rules! block {
    (@minimum($minimum:literal), $bits:literal, $unit:ident, $row:ident, $q:expr, $scale:expr, $side:ident, $sums:ident) => {
        affine::<S, $bits, T>($q, $scale, S::load_f16($unit.add($minimum + 2 * $row).cast()), $side, $sums)
    };
    (@offset($at:ident), $bits:literal, $unit:ident, $row:ident, $q:expr, $scale:expr, $side:ident, $sums:ident) => {
        offset::<S, $bits, $at, T>($q, $scale, $side, $sums)
    };
    ($name:ident, $bits:literal, $read:ident($($plane:literal)?), $scale:literal, $kind:ident($of:tt)) => {
        impl Codes for $name {
            const BLOCKS: usize = 1;
            const UNIT_BYTES: usize = Format::$name.unit_bytes();
            type Held<S: Isa> = ();
            #[inline(always)]
            unsafe fn held<S: Isa>(_unit: *const u8, _row: usize) {}
            #[inline(always)]
            unsafe fn block<S: Isa, const T: usize>(
                unit: *const u8,
                _block: usize,
                row: usize,
                (): (),
                side: Side,
                sums: &mut [S::F; T],
            ) {
                // SAFETY: a unit of this format lies at `unit`; the side has T tokens.
                unsafe {
                    let q = $read::<S>(unit, $(unit.add($plane),)? row);
                    let scale = S::load_f16(unit.add($scale + 2 * row).cast());
                    block!(@$kind($of), $bits, unit, row, &q, scale, side, sums);
                }
            }
        }
    };
}
block!(Q4_0, 4, nibbles(), 256, offset(MINUS_8));
block!(Q4_1, 4, nibbles(), 256, minimum(288));
block!(Q5_0, 5, fives(256), 320, offset(MINUS_16));
block!(Q5_1, 5, fives(256), 320, minimum(352));
block!(Q8_0, 8, bytes(), 512, offset(MINUS_128));

macro_rules! affine_super {
    ($name:ident, $format:ident, $bits:literal, $read:ident($($plane:literal)?), $block_bytes:literal, $scales:literal) => {
        impl Codes for $name {
            const BLOCKS: usize = 8;
            const UNIT_BYTES: usize = Format::$format.unit_bytes();
            type Held<S: Isa> = (S::F, S::F);
            #[inline(always)]
            unsafe fn held<S: Isa>(unit: *const u8, row: usize) -> (S::F, S::F) {
                // SAFETY: a unit of this format lies at `unit`.
                unsafe {
                    let minimum = S::load_f16(unit.add(32 + 2 * row).cast());
                    (S::load_f16(unit.add(2 * row).cast()), S::sub(S::splat(0.0), minimum))
                }
            }
            #[inline(always)]
            unsafe fn block<S: Isa, const T: usize>(
                unit: *const u8,
                block: usize,
                row: usize,
                (d, minus_dmin): (S::F, S::F),
                side: Side,
                sums: &mut [S::F; T],
            ) {
                // SAFETY: a unit of this format lies at `unit`.
                unsafe {
                    let block = unit.add(64 + $block_bytes * block);
                    let q = $read::<S>(block, $(block.add($plane),)? row);
                    let scale = S::mul(d, S::load_u8(block.add($scales + row)));
                    let minimum = S::mul(minus_dmin, S::load_u8(block.add($scales + 16 + row)));
                    affine::<S, $bits, T>(&q, scale, minimum, side, sums);
                }
            }
        }
    };
}
affine_super!(Q4K, Q4K, 4, nibbles(), 288, 256);
affine_super!(Q5K, Q5K, 5, fives(256), 352, 320);

impl Codes for Q6K {
    const BLOCKS: usize = 8;
    const UNIT_BYTES: usize = Format::Q6K.unit_bytes();
    type Held<S: Isa> = S::F;
    #[inline(always)]
    unsafe fn held<S: Isa>(unit: *const u8, row: usize) -> S::F {
        // SAFETY: a unit of this format lies at `unit`.
        unsafe { S::load_f16(unit.add(2 * row).cast()) }
    }
    #[inline(always)]
    unsafe fn block<S: Isa, const T: usize>(
        unit: *const u8,
        block: usize,
        row: usize,
        d: S::F,
        side: Side,
        sums: &mut [S::F; T],
    ) {
        // SAFETY: a unit of this format lies at `unit`; the side has T tokens.
        unsafe {
            let block = unit.add(64 + 416 * block);
            let q = nibbles::<S>(block, row);
            let first = sixes::<S>([q[0], q[1], q[2], q[3]], S::load_b(block.add(256 + 4 * row)));
            let second = sixes::<S>([q[4], q[5], q[6], q[7]], S::load_b(block.add(320 + 4 * row)));
            let scale_first = S::mul(d, S::load_i8(block.add(384 + row).cast()));
            let scale_second = S::mul(d, S::load_i8(block.add(400 + row).cast()));
            let Side { codes, meta, width } = side;
            for_tokens!(t < T {
                // The codes stand for `code - 32`: each sum begins with what that takes away.
                let begin_first = S::splat_i(meta.add(3 * width + t).cast::<i32>().read());
                let begin_second = S::splat_i(meta.add(4 * width + t).cast::<i32>().read());
                let a = S::to_f(S::dot::<6, 4>(begin_first, &first, codes.add(BLOCK * t)));
                let b = S::to_f(S::dot::<6, 4>(begin_second, &second, codes.add(BLOCK * t + 16)));
                let both = S::fma(b, scale_second, S::mul(a, scale_first));
                sums[t] = S::fma(both, S::splat(*meta.add(t)), sums[t]);
            });
        }
    }
}
