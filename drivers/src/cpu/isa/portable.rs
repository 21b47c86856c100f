//! No instruction beyond the target's baseline: the last resort, and what the others are tested against.

use super::Isa;
use crate::quant::half;

const LANES: usize = 4;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn each<A: Copy, B: Copy + Default>(a: [A; LANES], f: impl Fn(A) -> B) -> [B; LANES] {
    let mut out = [B::default(); LANES];
    for i in 0..LANES {
        out[i] = f(a[i]);
    }
    out
}

#[inline(always)]
fn both<A: Copy, B: Copy + Default>(a: [A; LANES], b: [A; LANES], f: impl Fn(A, A) -> B) -> [B; LANES] {
    let mut out = [B::default(); LANES];
    for i in 0..LANES {
        out[i] = f(a[i], b[i]);
    }
    out
}

// SAFETY of every method: the trait's contract. The caller has good pointers; no instruction is special.
#[expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Isa for Portable {
    const LANES: usize = LANES;
    const QUERIES: usize = 4;
    const SIGNED: bool = false;
    type F = [f32; LANES];
    type I = [i32; LANES];
    type B = [u8; 4 * LANES];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        unsafe { to.cast::<Self::F>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        both(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::F) -> Self::F {
        each(a, f32::sqrt)
    }
    #[inline(always)]
    unsafe fn abs(a: Self::F) -> Self::F {
        each(a, f32::abs)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `mul_add`: without the instruction that is a call into the maths library for each number.
        both(both(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }
    #[inline(always)]
    unsafe fn round(a: Self::F) -> Self::F {
        // Exact below 2^22, where the kernels stay: adding 1.5 * 2^23 leaves no place for a fraction.
        each(a, |a| (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn times_exp2(a: Self::F, power: Self::F) -> Self::F {
        let power = each(power, |power| f32::from_bits(((power as i32).wrapping_add(127) as u32) << 23));
        unsafe { Self::mul(a, power) }
    }
    #[inline(always)]
    unsafe fn sum(a: Self::F) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    unsafe fn highest(a: Self::F) -> f32 {
        a.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self::F {
        each(unsafe { from.cast::<[[u8; 2]; LANES]>().read_unaligned() }, half::f16_to_f32)
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self::F {
        each(unsafe { from.cast::<[[u8; 2]; LANES]>().read_unaligned() }, half::bf16_to_f32)
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: Self::F) {
        unsafe { to.cast::<[[u8; 2]; LANES]>().write_unaligned(each(x, half::f32_to_bf16)) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::F {
        each(unsafe { from.cast::<[u8; LANES]>().read_unaligned() }, f32::from)
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self::F {
        each(unsafe { from.cast::<[i8; LANES]>().read_unaligned() }, f32::from)
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, x: Self::F) -> Self::I {
        let whole = each(unsafe { Self::round(x) }, |x| x as i32);
        unsafe { to.cast::<[i8; LANES]>().write_unaligned(each(whole, |x| x as i8)) };
        whole
    }

    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn sum_i(a: Self::I) -> i32 {
        a.iter().sum()
    }
    #[inline(always)]
    unsafe fn to_f(a: Self::I) -> Self::F {
        each(a, |a| a as f32)
    }

    #[inline(always)]
    unsafe fn load_b(from: *const u8) -> Self::B {
        unsafe { from.cast::<Self::B>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn and_b(mut a: Self::B, mask: u8) -> Self::B {
        a.iter_mut().for_each(|a| *a &= mask);
        a
    }
    #[inline(always)]
    unsafe fn or_b(mut a: Self::B, b: Self::B) -> Self::B {
        a.iter_mut().zip(b).for_each(|(a, b)| *a |= b);
        a
    }
    #[inline(always)]
    unsafe fn left<const N: i32>(mut a: Self::B) -> Self::B {
        a.iter_mut().for_each(|a| *a <<= N); // what would cross is masked by the caller in any case
        a
    }
    #[inline(always)]
    unsafe fn right<const N: i32>(mut a: Self::B) -> Self::B {
        a.iter_mut().for_each(|a| *a >>= N);
        a
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const N: usize>(mut sum: Self::I, weights: &[Self::B; N], a: *const i8) -> Self::I {
        for (j, weights) in weights.iter().enumerate() {
            let a = unsafe { a.add(4 * j).cast::<[i8; 4]>().read_unaligned() };
            for (lane, sum) in sum.iter_mut().enumerate() {
                for (c, a) in a.iter().enumerate() {
                    *sum += i32::from(weights[4 * lane + c]) * i32::from(*a);
                }
            }
        }
        sum
    }

    #[inline(always)]
    unsafe fn dot_bf16(mut c: Self::F, pairs: *const u16, with: u32) -> Self::F {
        let pairs = unsafe { pairs.cast::<[u32; LANES]>().read_unaligned() };
        let (low, high) = (f32::from_bits(with << 16), f32::from_bits(with & 0xffff_0000));
        for (c, pair) in c.iter_mut().zip(pairs) {
            *c += f32::from_bits(pair << 16) * low;
            *c += f32::from_bits(pair & 0xffff_0000) * high;
        }
        c
    }
}
