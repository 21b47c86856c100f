//! The processor's vectors, as the kernels see them.
//!
//! A kernel is written once, generic over [`Isa`], and always inlined into one function for each instruction set that
//! carries the `target_feature`. The methods are thin names for instructions; what a vector holds is `LANES` numbers, and a
//! tile of 16 rows is `16 / LANES` vectors.
#![allow(unsafe_code, reason = "instructions of the processor; the contract stands at `Isa`")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;

/// Rows of a tile: what the widest instruction set takes at once.
pub(super) const TILE_ROWS: usize = 16;

/// Which instructions the kernels use, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// AVX-512 with VNNI and BF16 (Zen 4, Sapphire Rapids and later).
    Avx512Bf16,
    /// AVX-512 with VNNI (Ice Lake, Cascade Lake).
    Avx512,
    /// AVX2, FMA and F16C (most x86-64 servers since 2013).
    Avx2,
    /// NEON with dot products (most ARM servers since 2019).
    Neon,
    /// No instructions beyond the target's baseline.
    Portable,
}

impl Level {
    /// The best that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|level| level.available()).unwrap_or(Self::Portable)
    }

    /// Every level, best first.
    pub const ALL: [Self; 5] = [Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// True if this processor can run it.
    #[must_use]
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => Self::Avx512.available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("dotprod"),
            Self::Portable => true,
            #[cfg_attr(
                not(any(target_arch = "x86_64", target_arch = "aarch64")),
                expect(unreachable_patterns, reason = "other targets know no level but the last")
            )]
            _ => false,
        }
    }

    /// Its name, as `--level` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }
}

/// One instruction set.
///
/// # Safety
/// Every method may only run on a processor that has the instruction set, and every pointer must be good for what the
/// method's name says it reads or writes: `LANES` numbers, or `4 * LANES` bytes for `B`. No alignment is asked.
pub(super) trait Isa: Copy {
    /// Numbers of 32 bits in a vector.
    const LANES: usize;
    /// Queries that attention takes at once, so that their sums stay in registers.
    const QUERIES: usize;
    /// Bytes are multiplied as signed ones: where weights have 8 bits, [`Isa::dot`] takes them as `code - 128`.
    const SIGNED: bool;
    /// `LANES` times f32.
    type F: Copy;
    /// `LANES` times i32.
    type I: Copy;
    /// `4 * LANES` bytes.
    type B: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sqrt(a: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// `a * b + c`.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// To the nearest whole number, halves to even.
    unsafe fn round(a: Self::F) -> Self::F;
    /// `a` times 2 to the power of each whole number from -126 to 127.
    unsafe fn times_exp2(a: Self::F, power: Self::F) -> Self::F;
    /// The sum, always in the same order.
    unsafe fn sum(a: Self::F) -> f32;
    unsafe fn highest(a: Self::F) -> f32;

    unsafe fn load_f16(from: *const u16) -> Self::F;
    unsafe fn load_bf16(from: *const u16) -> Self::F;
    /// Rounds to the nearest, halves to even.
    unsafe fn store_bf16(to: *mut u16, x: Self::F);
    unsafe fn load_u8(from: *const u8) -> Self::F;
    unsafe fn load_i8(from: *const i8) -> Self::F;
    /// Stores whole numbers from -127 to 127 as bytes; returns them.
    unsafe fn store_i8(to: *mut i8, x: Self::F) -> Self::I;

    /// Stores the 32 numbers at `from`, each times `factor` and rounded to a byte; returns the sums of the first 16 bytes and
    /// of the others.
    #[inline(always)]
    unsafe fn store_codes(to: *mut i8, from: *const f32, factor: Self::F) -> [i32; 2] {
        // SAFETY: the caller's contract.
        unsafe {
            let mut halves = [0, 0];
            let mut at = 0;
            while at < 32 {
                halves[at / 16] += Self::sum_i(Self::store_i8(to.add(at), Self::mul(Self::load(from.add(at)), factor)));
                at += Self::LANES;
            }
            halves
        }
    }

    /// The greatest absolute value of each of eight blocks of 32 numbers, which lie at every `stride` from `from` on.
    #[inline(always)]
    unsafe fn highest_each(from: *const f32, stride: usize) -> [f32; 8] {
        // SAFETY: the caller's contract.
        unsafe {
            let mut each = [0.0; 8];
            for (i, each) in each.iter_mut().enumerate() {
                let from = from.add(i * stride);
                let mut highest = Self::abs(Self::load(from));
                let mut at = Self::LANES;
                while at < 32 {
                    highest = Self::max(highest, Self::abs(Self::load(from.add(at))));
                    at += Self::LANES;
                }
                *each = Self::highest(highest);
            }
            each
        }
    }

    /// [`Isa::store_codes`] for eight blocks, at every `stride` from `from` on, side by side at `to`: the sums of the first 16
    /// bytes of each, and of the others.
    #[inline(always)]
    unsafe fn store_codes_each(to: *mut i8, from: *const f32, stride: usize, factors: &[f32; 8]) -> [[i32; 8]; 2] {
        // SAFETY: the caller's contract.
        unsafe {
            let mut halves = [[0; 8]; 2];
            for (i, &factor) in factors.iter().enumerate() {
                let [first, second] = Self::store_codes(to.add(32 * i), from.add(i * stride), Self::splat(factor));
                (halves[0][i], halves[1][i]) = (first, second);
            }
            halves
        }
    }

    unsafe fn splat_i(x: i32) -> Self::I;
    unsafe fn sum_i(a: Self::I) -> i32;
    unsafe fn to_f(a: Self::I) -> Self::F;

    /// Asks for the cache line of `at`, which may lie beyond any memory: nothing is read. No effect where there is no name
    /// for it.
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}

    unsafe fn load_b(from: *const u8) -> Self::B;
    unsafe fn and_b(a: Self::B, mask: u8) -> Self::B;
    unsafe fn or_b(a: Self::B, b: Self::B) -> Self::B;
    /// Shifts every pair of bytes left; what crosses a byte is the caller's to mask.
    unsafe fn left<const N: i32>(a: Self::B) -> Self::B;
    /// Shifts every pair of bytes right; what crosses a byte is the caller's to mask.
    unsafe fn right<const N: i32>(a: Self::B) -> Self::B;
    /// `sum` plus, for each lane, the products of four unsigned weights below `2^BITS` with four signed numbers from -127 to
    /// 127: weights in `N` vectors, the numbers of vector `j` at `a + 4 * j`, the same for every lane. See also [`Isa::SIGNED`].
    unsafe fn dot<const BITS: u32, const N: usize>(sum: Self::I, weights: &[Self::B; N], a: *const i8) -> Self::I;

    /// `c` plus, for each lane, the products of the two bf16 numbers at `pairs + 2 * lane` with the two of `with`.
    unsafe fn dot_bf16(c: Self::F, pairs: *const u16, with: u32) -> Self::F;
}
