//! NEON with dot products, and ARM's half-precision conversions, which every such processor has.

use std::arch::aarch64::*;

use super::Isa;
use crate::quant::half;

#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Four bytes, the same in every lane.
#[inline(always)]
unsafe fn four(a: *const i8) -> int8x16_t {
    // SAFETY: the caller's contract: four bytes at `a`.
    unsafe { vreinterpretq_s8_s32(vdupq_n_s32(a.cast::<i32>().read_unaligned())) }
}

/// `sum` plus, for each lane, the products of four signed bytes. The intrinsic is not stable (rust-lang/rust#117224).
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes registers alone, and the caller has it.
    unsafe {
        std::arch::asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

// SAFETY of every method: the trait's contract. The caller has the instruction set and good pointers.
#[expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Isa for Neon {
    const LANES: usize = 4;
    const QUERIES: usize = 4;
    const SIGNED: bool = true;
    type F = float32x4_t;
    type I = int32x4_t;
    type B = uint8x16_t;

    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: float32x4_t) {
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmaxnmq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: float32x4_t) -> float32x4_t {
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    unsafe fn abs(a: float32x4_t) -> float32x4_t {
        unsafe { vabsq_f32(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn round(a: float32x4_t) -> float32x4_t {
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    unsafe fn times_exp2(a: float32x4_t, power: float32x4_t) -> float32x4_t {
        unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(power), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn sum(a: float32x4_t) -> f32 {
        unsafe { vaddvq_f32(a) }
    }
    #[inline(always)]
    unsafe fn highest(a: float32x4_t) -> f32 {
        unsafe { vmaxnmvq_f32(a) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> float32x4_t {
        // The conversion's intrinsic needs a type that is not stable; the compiler makes this a few vector instructions.
        let [a, b, c, d] = unsafe { from.cast::<[[u8; 2]; 4]>().read_unaligned() }.map(half::f16_to_f32);
        unsafe { vld1q_f32([a, b, c, d].as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: float32x4_t) {
        unsafe {
            // Adds half of the last place that stays, and one more if that place is odd.
            let bits = vreinterpretq_u32_f32(x);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            vst1_u16(to, vshrn_n_u32::<16>(rounded));
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> float32x4_t {
        let numbers = unsafe { from.cast::<[u8; 4]>().read_unaligned() }.map(f32::from);
        unsafe { vld1q_f32(numbers.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> float32x4_t {
        let numbers = unsafe { from.cast::<[i8; 4]>().read_unaligned() }.map(f32::from);
        unsafe { vld1q_f32(numbers.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, x: float32x4_t) -> int32x4_t {
        unsafe {
            let whole = vcvtnq_s32_f32(x);
            let words = vqmovn_s32(whole);
            let bytes = vqmovn_s16(vcombine_s16(words, words));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(bytes)));
            whole
        }
    }

    #[inline(always)]
    unsafe fn splat_i(x: i32) -> int32x4_t {
        unsafe { vdupq_n_s32(x) }
    }
    #[inline(always)]
    unsafe fn sum_i(a: int32x4_t) -> i32 {
        unsafe { vaddvq_s32(a) }
    }
    #[inline(always)]
    unsafe fn to_f(a: int32x4_t) -> float32x4_t {
        unsafe { vcvtq_f32_s32(a) }
    }

    #[inline(always)]
    unsafe fn load_b(from: *const u8) -> uint8x16_t {
        unsafe { vld1q_u8(from) }
    }
    #[inline(always)]
    unsafe fn and_b(a: uint8x16_t, mask: u8) -> uint8x16_t {
        unsafe { vandq_u8(a, vdupq_n_u8(mask)) }
    }
    #[inline(always)]
    unsafe fn or_b(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        unsafe { vorrq_u8(a, b) }
    }
    #[inline(always)]
    unsafe fn left<const N: i32>(a: uint8x16_t) -> uint8x16_t {
        unsafe { vshlq_u8(a, vdupq_n_s8(N as i8)) }
    }
    #[inline(always)]
    unsafe fn right<const N: i32>(a: uint8x16_t) -> uint8x16_t {
        unsafe { vshlq_u8(a, vdupq_n_s8(-(N as i8))) }
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const N: usize>(
        mut sum: int32x4_t,
        weights: &[uint8x16_t; N],
        a: *const i8,
    ) -> int32x4_t {
        unsafe {
            let mut j = 0;
            while j < N {
                let numbers = four(a.add(4 * j));
                if BITS == 8 {
                    // Signed by signed is what every processor has.
                    let signed = vreinterpretq_s8_u8(veorq_u8(weights[j], vdupq_n_u8(0x80)));
                    sum = sdot(sum, signed, numbers);
                } else {
                    sum = sdot(sum, vreinterpretq_s8_u8(weights[j]), numbers);
                }
                j += 1;
            }
            sum
        }
    }

    #[inline(always)]
    unsafe fn dot_bf16(c: float32x4_t, pairs: *const u16, with: u32) -> float32x4_t {
        unsafe {
            let pairs = vld1q_u32(pairs.cast());
            let low = vreinterpretq_f32_u32(vshlq_n_u32::<16>(pairs));
            let high = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff_0000)));
            let c = vfmaq_n_f32(c, low, f32::from_bits(with << 16));
            vfmaq_n_f32(c, high, f32::from_bits(with & 0xffff_0000))
        }
    }
}
