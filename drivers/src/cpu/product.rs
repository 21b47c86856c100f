//! Products of packed weights with activations: the loops where nearly all time goes.
//!
//! The weights are the unsigned side of the processor's integer dot product, the activations (8 bits with a scale for each
//! 32, see [`super::activation`]) the signed side, which may be one broadcast from memory. For 16 rows, 32 columns and one
//! token that is eight dot products, a conversion, and two or three float operations; unpacking is shared by the tokens.
//!
//! There is no closure in a kernel: a closure is a function of its own, without the kernel's instructions.
//!
//! Each token's sum runs over the blocks in one order, whatever else is in the pass: results are the same bit for bit.
#![allow(unsafe_code, reason = "vectors and pointers; the contract stands at `Job`")]

use super::format::{BLOCK, Format, LOW_PLANE_BYTES};
#[cfg(target_arch = "aarch64")]
use super::isa::Neon;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512};
use super::isa::{Isa, Level, Portable, TILE_ROWS};

/// Tokens that a kernel takes at most: more would spill registers.
pub(super) const TOKENS: usize = 8;
/// Numbers beside each block of 32 bytes of activations: see [`Job::meta`].
/// Seven are used; with eight no two blocks of eight tokens share a cache line, on which two threads might write.
pub(super) const META: usize = 8;

/// One order to a kernel.
///
/// # Safety
/// Whoever runs it vouches: `weights` has `tiles` tiles of the kernel's format at every `tile_bytes`, each `units` units
/// long; the activations have as many columns for `width` tokens, at least as many as the kernel takes; `out` has room for
/// `tiles * 16` numbers for each token at every `out_stride`; nobody else reads or writes them meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) weights: *const u8,
    /// The second plane of the first tile, for the format that has one; [`LOW_PLANE_BYTES`] a unit.
    pub(super) low: *const u8,
    pub(super) tile_bytes: usize,
    pub(super) tiles: usize,
    /// Units of a tile.
    pub(super) units: usize,
    /// Activations of eight bits: `[block][width][32]`.
    pub(super) codes: *const i8,
    /// Beside them `[block][META][width]`: scale (f32); scale times the sum of the codes (f32); -128 times that sum (i32);
    /// -32 times the sum of the first 16 and of the second 16 (i32); -8 and -16 times the whole sum (i32).
    pub(super) meta: *const f32,
    /// Activations as f32, for formats that are float: `[token]` at every `floats_stride`.
    pub(super) floats: *const f32,
    pub(super) floats_stride: usize,
    /// Tokens that lie side by side in the activations.
    pub(super) width: usize,
    /// Every two tokens are the two rows of one: their sums are added. Not for float formats.
    pub(super) pairs: bool,
    /// Where the results go: `[token][tiles * 16]`.
    pub(super) out: *mut f32,
    pub(super) out_stride: usize,
    /// Adds to what stands there.
    pub(super) add: bool,
    /// The weights come from memory: each is used once, by a few tokens.
    pub(super) cold: bool,
}

/// A kernel for one instruction set, format and number of tokens.
pub(super) type Kernel = unsafe fn(&Job);

/// The kernels of one format, by number of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernels {
    one: Kernel,
    two: Kernel,
    four: Kernel,
    eight: Kernel,
}

/// Numbers of tokens that have a kernel; activations are padded to the next.
pub(super) const fn padded(tokens: usize) -> usize {
    match tokens {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 4,
        _ => TOKENS,
    }
}

impl Kernels {
    /// For `tokens` tokens: [`padded`] many.
    pub(super) fn of(&self, tokens: usize) -> Kernel {
        match padded(tokens) {
            1 => self.one,
            2 => self.two,
            4 => self.four,
            _ => self.eight,
        }
    }
}

/// Expands a block for each token number below 8, so that the compiler cannot leave a loop whose sums live in memory.
macro_rules! for_tokens {
    ($t:ident < $count:ident $body:block) => {
        for_tokens!(@ $t $count $body 0 1 2 3 4 5 6 7)
    };
    (@ $t:ident $count:ident $body:block $($number:literal)*) => {
        $(if $number < $count { #[allow(non_upper_case_globals, reason = "a loop variable")] const $t: usize = $number; $body })*
    };
}

mod codes;
use codes::{Codes, MINUS_128, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, Side, eights, nibbles, offset};

/// What a low nibble adds is taken as its mean, 7.5, give or take: its variance is 21.25 (uniform), so the sum's is 21.25 times
/// the sum over the blocks of (scale · activation scale)² · sum of squared codes. A bound is [`SIGMAS`] of its roots away.
#[inline(always)]
unsafe fn bounds_generic<S: Isa>(job: &Job, squares: *const f32, best: &mut (f32, usize)) {
    // SAFETY: the caller's contract.
    unsafe {
        for tile in 0..job.tiles {
            let mut highest = S::splat(f32::NEG_INFINITY);
            let mut row = 0;
            while row < TILE_ROWS {
                let mut unit = job.weights.add(tile * job.tile_bytes);
                let mut sum = S::splat(0.0);
                let mut variance = S::splat(0.0);
                for block in 0..job.units {
                    let q = nibbles::<S>(unit, row);
                    let scale = S::load_f16(unit.add(256 + 2 * row).cast());
                    let meta = job.meta.add(META * block);
                    let whole = S::to_f(S::dot::<4, 8>(S::splat_i(0), &q, job.codes.add(BLOCK * block)));
                    // 16 · high + 7.5 - 128
                    sum = S::fma(scale, S::splat(-120.5 * *meta.add(1)), sum);
                    sum = S::fma(whole, S::mul(scale, S::splat(16.0 * *meta)), sum);
                    variance = S::fma(S::mul(scale, scale), S::splat(*squares.add(block)), variance);
                    unit = unit.add(Q4_0::UNIT_BYTES);
                }
                let away = S::mul(S::sqrt(variance), S::splat(SIGMAS * 4.609_772));
                let upper = S::add(sum, away);
                S::store(job.out.add(tile * TILE_ROWS + row), upper);
                highest = S::max(highest, upper);
                row += S::LANES;
            }
            let highest = S::highest(highest);
            if highest > best.0 {
                *best = (highest, tile);
            }
        }
    }
}
super::ops::dispatched! {
    /// Upper bounds of the logits of one token, from the high nibbles of [`Format::Q8Planes`] alone, to the job's `out`;
    /// `squares` has for each block the activations' sum of squares. `best` becomes the highest bound and its tile, if there is
    /// one above it.
    fn bounds = bounds_generic(job: &Job, squares: *const f32, best: &mut (f32, usize));
}

/// How far a bound lies from its estimate: of 10^9 likeliest tokens one lies beyond. The nibbles' spread is measured when a
/// head is loaded (`Matrix::low_nibbles_are_even`); any other head is computed whole.
const SIGMAS: f32 = 6.0;

/// All tiles of a job, `T` tokens from token `from`.
#[inline(always)]
unsafe fn quantized<S: Isa, C: Codes, const T: usize>(job: &Job, from: usize) {
    // SAFETY: the job's contract.
    unsafe {
        for tile in 0..job.tiles {
            let mut row = 0;
            while row < TILE_ROWS {
                let mut unit = job.weights.add(tile * job.tile_bytes);
                let mut side = Side { codes: job.codes.add(BLOCK * from), meta: job.meta.add(from), width: job.width };
                let mut sums = [S::splat(0.0); T];
                for _ in 0..job.units {
                    let held = C::held::<S>(unit, row);
                    for block in 0..C::BLOCKS {
                        if T > 1 && job.cold && row == 0 {
                            let bytes = C::UNIT_BYTES / C::BLOCKS;
                            ahead::<S, T>(unit.add(block * bytes), bytes);
                        }
                        C::block::<S, T>(unit, block, row, held, side, &mut sums);
                        side.codes = side.codes.add(BLOCK * job.width);
                        side.meta = side.meta.add(META * job.width);
                    }
                    unit = unit.add(C::UNIT_BYTES);
                }
                put::<S, T>(job, from, tile * TILE_ROWS + row, &sums);
                row += S::LANES;
            }
        }
    }
}

/// How far before its use a weight is asked for, in bytes, as measured: eight tokens keep a thread busy for long, and one alone
/// is quick enough that the processor looks so far ahead by itself.
const fn distance(tokens: usize) -> usize {
    if tokens < TOKENS { 1024 } else { 2048 }
}

/// Asks for the `bytes` bytes that `T` tokens will need soon.
#[inline(always)]
unsafe fn ahead<S: Isa, const T: usize>(at: *const u8, bytes: usize) {
    // SAFETY: a prefetch reads nothing.
    unsafe {
        let mut line = 0;
        while line < bytes {
            S::prefetch(at.wrapping_add(distance(T) + line));
            line += 64;
        }
    }
}

/// Stores or adds the sums of `T` tokens at column `at`.
#[inline(always)]
unsafe fn put<S: Isa, const T: usize>(job: &Job, from: usize, at: usize, sums: &[S::F; T]) {
    // SAFETY: the job's contract.
    unsafe {
        if T > 1 && job.pairs {
            for_tokens!(t < T {
                if t.is_multiple_of(2) {
                    let to = job.out.add((from + t) / 2 * job.out_stride + at);
                    let sum = S::add(sums[t], sums[(t + 1) % T]);
                    S::store(to, if job.add { S::add(S::load(to), sum) } else { sum });
                }
            });
            return;
        }
        for_tokens!(t < T {
            let to = job.out.add((from + t) * job.out_stride + at);
            S::store(to, if job.add { S::add(S::load(to), sums[t]) } else { sums[t] });
        });
    }
}

/// As [`quantized`], for `Q8_0` in two planes: to the bit what it is in one.
#[inline(always)]
unsafe fn planes<S: Isa, C: Codes, const T: usize>(job: &Job, from: usize) {
    // SAFETY: the job's contract.
    unsafe {
        for tile in 0..job.tiles {
            let mut row = 0;
            while row < TILE_ROWS {
                let mut high = job.weights.add(tile * job.tile_bytes);
                let mut low = job.low.add(tile * job.units * LOW_PLANE_BYTES);
                let mut side = Side { codes: job.codes.add(BLOCK * from), meta: job.meta.add(from), width: job.width };
                let mut sums = [S::splat(0.0); T];
                for _ in 0..job.units {
                    if T > 1 && job.cold && row == 0 {
                        ahead::<S, T>(high, C::UNIT_BYTES);
                        ahead::<S, T>(low, LOW_PLANE_BYTES);
                    }
                    let q = eights::<S>(high.add(4 * row), low.add(4 * row));
                    let scale = S::load_f16(high.add(256 + 2 * row).cast());
                    offset::<S, 8, MINUS_128, T>(&q, scale, side, &mut sums);
                    side.codes = side.codes.add(BLOCK * job.width);
                    side.meta = side.meta.add(META * job.width);
                    high = high.add(C::UNIT_BYTES);
                    low = low.add(LOW_PLANE_BYTES);
                }
                put::<S, T>(job, from, tile * TILE_ROWS + row, &sums);
                row += S::LANES;
            }
        }
    }
}

/// How a float format is read.
trait Floats {
    const UNIT_BYTES: usize;
    unsafe fn load<S: Isa>(at: *const u8, row: usize) -> S::F;
}
struct F16;
struct BF16;
struct F32;
impl Floats for F16 {
    const UNIT_BYTES: usize = 32;
    #[inline(always)]
    unsafe fn load<S: Isa>(at: *const u8, row: usize) -> S::F {
        // SAFETY: 16 numbers lie at `at`.
        unsafe { S::load_f16(at.cast::<u16>().add(row)) }
    }
}
impl Floats for BF16 {
    const UNIT_BYTES: usize = 32;
    #[inline(always)]
    unsafe fn load<S: Isa>(at: *const u8, row: usize) -> S::F {
        // SAFETY: 16 numbers lie at `at`.
        unsafe { S::load_bf16(at.cast::<u16>().add(row)) }
    }
}
impl Floats for F32 {
    const UNIT_BYTES: usize = 64;
    #[inline(always)]
    unsafe fn load<S: Isa>(at: *const u8, row: usize) -> S::F {
        // SAFETY: 16 numbers lie at `at`.
        unsafe { S::load(at.cast::<f32>().add(row)) }
    }
}

/// As [`quantized`], for weights that are floats.
#[inline(always)]
unsafe fn float<S: Isa, C: Floats, const T: usize>(job: &Job, from: usize) {
    // SAFETY: the job's contract.
    unsafe {
        for tile in 0..job.tiles {
            let mut row = 0;
            while row < TILE_ROWS {
                let weights = job.weights.add(tile * job.tile_bytes);
                let mut sums = [S::splat(0.0); T];
                for column in 0..job.units {
                    let w = C::load::<S>(weights.add(column * C::UNIT_BYTES), row);
                    for_tokens!(t < T {
                        let x = *job.floats.add((from + t) * job.floats_stride + column);
                        sums[t] = S::fma(w, S::splat(x), sums[t]);
                    });
                }
                put::<S, T>(job, from, tile * TILE_ROWS + row, &sums);
                row += S::LANES;
            }
        }
    }
}

/// One function for each kernel, with the features of its instruction set. The narrow ones have half the registers: they
/// take eight tokens as two fours.
macro_rules! kernels {
    ($loop:ident, $isa:ty, $code:ident, $wide:literal, [$($feature:literal),*]) => {{
        $(#[target_feature(enable = $feature)])*
        unsafe fn one(job: &Job) {
            // SAFETY: the job's contract.
            unsafe { $loop::<$isa, $code, 1>(job, 0) }
        }
        $(#[target_feature(enable = $feature)])*
        unsafe fn two(job: &Job) {
            // SAFETY: the job's contract.
            unsafe { $loop::<$isa, $code, 2>(job, 0) }
        }
        $(#[target_feature(enable = $feature)])*
        unsafe fn four(job: &Job) {
            // SAFETY: the job's contract.
            unsafe { $loop::<$isa, $code, 4>(job, 0) }
        }
        $(#[target_feature(enable = $feature)])*
        unsafe fn eight(job: &Job) {
            // SAFETY: the job's contract.
            unsafe {
                if $wide {
                    $loop::<$isa, $code, 8>(job, 0);
                } else {
                    $loop::<$isa, $code, 4>(job, 0);
                    $loop::<$isa, $code, 4>(job, 4);
                }
            }
        }
        Kernels { one, two, four, eight }
    }};
}

macro_rules! by_format {
    ($format:expr, $isa:ty, $wide:literal, $features:tt) => {
        match $format {
            Format::Q4_0 => kernels!(quantized, $isa, Q4_0, $wide, $features),
            Format::Q4_1 => kernels!(quantized, $isa, Q4_1, $wide, $features),
            Format::Q5_0 => kernels!(quantized, $isa, Q5_0, $wide, $features),
            Format::Q5_1 => kernels!(quantized, $isa, Q5_1, $wide, $features),
            Format::Q8_0 => kernels!(quantized, $isa, Q8_0, $wide, $features),
            Format::Q8Planes => kernels!(planes, $isa, Q4_0, $wide, $features),
            Format::Q4K => kernels!(quantized, $isa, Q4K, $wide, $features),
            Format::Q5K => kernels!(quantized, $isa, Q5K, $wide, $features),
            Format::Q6K => kernels!(quantized, $isa, Q6K, $wide, $features),
            Format::F16 => kernels!(float, $isa, F16, $wide, $features),
            Format::BF16 => kernels!(float, $isa, BF16, $wide, $features),
            Format::F32 => kernels!(float, $isa, F32, $wide, $features),
        }
    };
}

/// The kernels for `format` on a processor of `level`.
///
/// # Safety
/// Those that it returns may only run where [`Level::available`] says so.
pub(super) fn kernels(level: Level, format: Format) -> Kernels {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Bf16 | Level::Avx512 => by_format!(
            format,
            Avx512<false>,
            true,
            ["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni", "avx2", "fma", "f16c"]
        ),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => by_format!(format, Avx2, false, ["avx2", "fma", "f16c"]),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => by_format!(format, Neon, true, ["neon", "dotprod"]),
        _ => by_format!(format, Portable, false, []),
    }
}

#[cfg(test)]
mod tests;
