//! What happens to numbers between two products: norms, rotations, gates, and the way to 8 bits.
//!
//! Each function is written once, generic over the instruction set, and made for each by `dispatched!`.
#![allow(unsafe_code, reason = "vectors and pointers; each function says what must lie where")]

use super::activation::Place;
use super::format::BLOCK;
#[cfg(target_arch = "aarch64")]
use super::isa::Neon;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512};
use super::isa::{Isa, Level, Portable};
use super::product::{META, TOKENS};

/// Makes `$name(level, ...)` out of the generic `$generic::<Isa>(...)`: one function with the features of each level.
macro_rules! dispatched {
    ($(#[$doc:meta])* fn $name:ident = $generic:ident($($arg:ident: $ty:ty),* $(,)?);) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The level is available on this processor, and the pointers are good for what is said above.
        pub(super) unsafe fn $name(level: Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma,f16c")]
            unsafe fn avx512_bf16($($arg: $ty),*) {
                // SAFETY: the caller's contract.
                unsafe { $generic::<Avx512<true>>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
            unsafe fn avx512($($arg: $ty),*) {
                // SAFETY: the caller's contract.
                unsafe { $generic::<Avx512<false>>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            unsafe fn avx2($($arg: $ty),*) {
                // SAFETY: the caller's contract.
                unsafe { $generic::<Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            unsafe fn neon($($arg: $ty),*) {
                // SAFETY: the caller's contract.
                unsafe { $generic::<Neon>($($arg),*) }
            }
            // SAFETY: the caller's contract.
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512Bf16 => avx512_bf16($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => neon($($arg),*),
                    _ => $generic::<Portable>($($arg),*),
                }
            }
        }
    };
}
pub(super) use dispatched;

/// e to the power of each number; no less than e^-87.
///
/// # Safety
/// As [`Isa`].
#[inline(always)]
pub(super) unsafe fn exp<S: Isa>(x: S::F) -> S::F {
    // SAFETY: the caller's contract.
    unsafe {
        // 2^(whole + fraction), the fraction in [-1/2, 1/2] by the polynomial of degree 4 that is nearest (Remez): relative
        // error 3e-6. What comes out is rounded to 8 bits or to bf16.
        let scaled = S::mul(S::max(x, S::splat(-87.0)), S::splat(std::f32::consts::LOG2_E));
        let whole = S::round(scaled);
        let fraction = S::sub(scaled, whole);
        let mut p = S::splat(9.570_102e-3);
        p = S::fma(p, fraction, S::splat(5.591_786e-2));
        p = S::fma(p, fraction, S::splat(2.402_474_4e-1));
        p = S::fma(p, fraction, S::splat(6.931_218e-1));
        p = S::fma(p, fraction, S::splat(9.999_993e-1));
        S::times_exp2(p, whole)
    }
}

/// Writes what stands beside a row of 32 codes: their scale, and what their sums in either half are made to.
#[inline(always)]
unsafe fn beside(meta: *mut f32, width: usize, scale: f32, halves: [i32; 2]) {
    let sum = halves[0] + halves[1];
    // SAFETY: the caller's contract: META places at every `width` from `meta` on.
    unsafe {
        *meta = scale;
        // From the rounded codes: that is what the products see.
        *meta.add(width) = scale * sum as f32;
        *meta.add(2 * width).cast::<i32>() = -128 * sum;
        *meta.add(3 * width).cast::<i32>() = -32 * halves[0];
        *meta.add(4 * width).cast::<i32>() = -32 * halves[1];
        *meta.add(5 * width).cast::<i32>() = -8 * sum;
        *meta.add(6 * width).cast::<i32>() = -16 * sum;
    }
}

/// Steps of the second row in one of the first: what is rounded off is half a step at most, and its codes go to 127.
const FINER: f32 = 254.0;

/// Rounds 32 numbers, in the vectors of `x`, to codes and a scale; writes them at `place`.
#[inline(always)]
unsafe fn quantize_block<S: Isa>(x: *const f32, place: Place) {
    // SAFETY: the caller's contract: 32 numbers at `x`, room for a block at `place`.
    unsafe {
        let mut highest = S::abs(S::load(x));
        let mut at = S::LANES;
        while at < BLOCK {
            highest = S::max(highest, S::abs(S::load(x.add(at))));
            at += S::LANES;
        }
        let highest = S::highest(highest);
        // Numbers so small are zero: 127 divided by them would be infinite.
        let highest = if highest < 1e-30 { 0.0 } else { highest };
        let inverse = S::splat(if highest > 0.0 { 127.0 / highest } else { 0.0 });
        let mut halves = [[0; 2]; 2];
        if place.rows == 1 {
            halves[0] = S::store_codes(place.codes, x, inverse);
        } else {
            let mut at = 0;
            while at < BLOCK {
                let scaled = S::mul(S::load(x.add(at)), inverse);
                let whole = S::store_i8(place.codes.add(at), scaled);
                halves[0][at / 16] += S::sum_i(whole);
                let rest = S::mul(S::sub(scaled, S::to_f(whole)), S::splat(FINER));
                halves[1][at / 16] += S::sum_i(S::store_i8(place.codes.add(BLOCK + at), rest));
                at += S::LANES;
            }
        }
        let scale = highest / 127.0;
        beside(place.meta, place.width, scale, halves[0]);
        if place.rows == 2 {
            beside(place.meta.add(1), place.width, scale / FINER, halves[1]);
        }
        if !place.floats.is_null() {
            std::ptr::copy_nonoverlapping(x, place.floats, BLOCK);
        }
    }
}

/// [`quantize_block`] for the eight tokens of a tile of one row each, whose numbers lie at every `stride` from `x` on: to the
/// bit what it is for each alone. `place` is that of the first; the tokens' f32 activations lie `floats_stride` apart.
#[inline(always)]
unsafe fn quantize_tile<S: Isa>(x: *const f32, stride: usize, place: Place, floats_stride: usize) {
    // SAFETY: the caller's contract: 32 numbers at every `stride`, room for a block of each token at `place`.
    unsafe {
        let highest = S::highest_each(x, stride);
        let (mut inverse, mut scale) = ([0.0; TOKENS], [0.0; TOKENS]);
        for t in 0..TOKENS {
            let highest = if highest[t] < 1e-30 { 0.0 } else { highest[t] };
            inverse[t] = if highest > 0.0 { 127.0 / highest } else { 0.0 };
            scale[t] = highest / 127.0;
        }
        let [first, second] = S::store_codes_each(place.codes, x, stride, &inverse);
        // As in `beside`, for all tokens at once.
        let mut floats = [[0.0; TOKENS]; 2];
        let mut whole = [[0_i32; TOKENS]; 5];
        for t in 0..TOKENS {
            let sum = first[t] + second[t];
            floats[0][t] = scale[t];
            floats[1][t] = scale[t] * sum as f32;
            whole[0][t] = -128 * sum;
            whole[1][t] = -32 * first[t];
            whole[2][t] = -32 * second[t];
            whole[3][t] = -8 * sum;
            whole[4][t] = -16 * sum;
        }
        place.meta.cast::<[[f32; TOKENS]; 2]>().write_unaligned(floats);
        place.meta.add(2 * TOKENS).cast::<[[i32; TOKENS]; 5]>().write_unaligned(whole);
        if !place.floats.is_null() {
            for token in 0..TOKENS {
                std::ptr::copy_nonoverlapping(x.add(token * stride), place.floats.add(token * floats_stride), BLOCK);
            }
        }
    }
}

#[inline(always)]
unsafe fn advance(place: Place) -> Place {
    Place {
        codes: place.codes.wrapping_add(BLOCK * place.width),
        meta: place.meta.wrapping_add(META * place.width),
        floats: if place.floats.is_null() { place.floats } else { place.floats.wrapping_add(BLOCK) },
        ..place
    }
}

#[inline(always)]
unsafe fn quantize_generic<S: Isa>(x: *const f32, count: usize, mut place: Place) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut at = 0;
        while at < count {
            quantize_block::<S>(x.add(at), place);
            place = advance(place);
            at += BLOCK;
        }
    }
}
dispatched! {
    /// `count` numbers at `x`, a multiple of 32, to activations at `place`.
    fn quantize = quantize_generic(x: *const f32, count: usize, place: Place);
}

#[inline(always)]
unsafe fn sum_of_squares<S: Isa>(x: *const f32, count: usize) -> f32 {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        let mut at = 0;
        while at + 2 * S::LANES <= count {
            let (a, b) = (S::load(x.add(at)), S::load(x.add(at + S::LANES)));
            sums = [S::fma(a, a, sums[0]), S::fma(b, b, sums[1])];
            at += 2 * S::LANES;
        }
        let mut sum = S::sum(S::add(sums[0], sums[1]));
        while at < count {
            sum += *x.add(at) * *x.add(at);
            at += 1;
        }
        sum
    }
}

/// `1 / sqrt(mean of squares + epsilon)`.
#[inline(always)]
unsafe fn inverse_norm<S: Isa>(x: *const f32, count: usize, epsilon: f32) -> f32 {
    // SAFETY: the caller's contract.
    unsafe { 1.0 / (sum_of_squares::<S>(x, count) / count as f32 + epsilon).sqrt() }
}

#[inline(always)]
unsafe fn norm_quantize_generic<S: Isa>(
    x: *const f32,
    weight: *const f32,
    count: usize,
    epsilon: f32,
    mut place: Place,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let inverse = S::splat(inverse_norm::<S>(x, count, epsilon));
        let mut block = [0.0_f32; BLOCK];
        let mut at = 0;
        while at < count {
            let mut i = 0;
            while i < BLOCK {
                let normed = S::mul(S::mul(S::load(x.add(at + i)), inverse), S::load(weight.add(at + i)));
                S::store(block.as_mut_ptr().add(i), normed);
                i += S::LANES;
            }
            quantize_block::<S>(block.as_ptr(), place);
            place = advance(place);
            at += BLOCK;
        }
    }
}
#[inline(always)]
unsafe fn norm_quantize_tile_generic<S: Isa>(
    x: *const f32,
    weight: *const f32,
    count: usize,
    epsilon: f32,
    mut place: Place,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut inverses = [0.0; TOKENS];
        for (token, inverse) in inverses.iter_mut().enumerate() {
            *inverse = inverse_norm::<S>(x.add(token * count), count, epsilon);
        }
        let mut blocks = [0.0_f32; TOKENS * BLOCK];
        let mut at = 0;
        while at < count {
            for (token, &inverse) in inverses.iter().enumerate() {
                let (from, to) = (x.add(token * count + at), blocks.as_mut_ptr().add(token * BLOCK));
                let mut i = 0;
                while i < BLOCK {
                    let normed = S::mul(S::mul(S::load(from.add(i)), S::splat(inverse)), S::load(weight.add(at + i)));
                    S::store(to.add(i), normed);
                    i += S::LANES;
                }
            }
            quantize_tile::<S>(blocks.as_ptr(), BLOCK, place, count);
            place = advance(place);
            at += BLOCK;
        }
    }
}
dispatched! {
    /// [`norm_quantize`] for the eight tokens of a tile of one row each, one after another at `x`; `place` is the first's.
    fn norm_quantize_tile = norm_quantize_tile_generic(
        x: *const f32,
        weight: *const f32,
        count: usize,
        epsilon: f32,
        place: Place,
    );
}
dispatched! {
    /// RMS norm of `count` numbers at `x` (a multiple of 32) times `weight`, to activations at `place`.
    fn norm_quantize = norm_quantize_generic(x: *const f32, weight: *const f32, count: usize, epsilon: f32, place: Place);
}

#[inline(always)]
unsafe fn norm_generic<S: Isa>(x: *mut f32, weight: *const f32, count: usize, epsilon: f32) {
    // SAFETY: the caller's contract.
    unsafe {
        let inverse = inverse_norm::<S>(x, count, epsilon);
        let mut at = 0;
        while at + S::LANES <= count {
            let to = x.add(at);
            S::store(to, S::mul(S::mul(S::load(to), S::splat(inverse)), S::load(weight.add(at))));
            at += S::LANES;
        }
        while at < count {
            *x.add(at) = *x.add(at) * inverse * *weight.add(at);
            at += 1;
        }
    }
}
dispatched! {
    /// RMS norm of `count` numbers at `x` times `weight`, in place.
    fn norm = norm_generic(x: *mut f32, weight: *const f32, count: usize, epsilon: f32);
}

#[inline(always)]
unsafe fn norm_add_generic<S: Isa>(from: *const f32, weight: *const f32, count: usize, epsilon: f32, to: *mut f32) {
    // SAFETY: the caller's contract.
    unsafe {
        let inverse = S::splat(inverse_norm::<S>(from, count, epsilon));
        let mut at = 0;
        while at < count {
            let normed = S::mul(S::mul(S::load(from.add(at)), inverse), S::load(weight.add(at)));
            S::store(to.add(at), S::add(S::load(to.add(at)), normed));
            at += S::LANES;
        }
    }
}
dispatched! {
    /// RMS norm of `count` numbers at `from` (a multiple of 32) times `weight`, added to those at `to`.
    fn norm_add = norm_add_generic(from: *const f32, weight: *const f32, count: usize, epsilon: f32, to: *mut f32);
}

#[inline(always)]
unsafe fn rotate_generic<S: Isa>(x: *mut f32, half: usize, cos: *const f32, sin: *const f32) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut at = 0;
        while at + S::LANES <= half {
            let (a, b) = (S::load(x.add(at)), S::load(x.add(half + at)));
            let (c, s) = (S::load(cos.add(at)), S::load(sin.add(at)));
            S::store(x.add(at), S::sub(S::mul(a, c), S::mul(b, s)));
            S::store(x.add(half + at), S::fma(a, s, S::mul(b, c)));
            at += S::LANES;
        }
        while at < half {
            let (a, b, c, s) = (*x.add(at), *x.add(half + at), *cos.add(at), *sin.add(at));
            *x.add(at) = a * c - b * s;
            *x.add(half + at) = a * s + b * c;
            at += 1;
        }
    }
}
dispatched! {
    /// Rotates the pairs `(x[i], x[half + i])` by the angles whose cosines and sines are given.
    fn rotate = rotate_generic(x: *mut f32, half: usize, cos: *const f32, sin: *const f32);
}

/// What a gate does before it multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// x / (1 + e^-x).
    Silu,
    /// GELU by its tanh form, as Gemma has it.
    Gelu,
}

#[inline(always)]
unsafe fn gated<S: Isa>(gate: Gate, g: S::F, u: S::F) -> S::F {
    // SAFETY: the caller's contract.
    unsafe {
        let one = S::splat(1.0);
        let inner = match gate {
            Gate::Silu => g,
            // x/2 (1 + tanh(y)) = x / (1 + e^-2y), y = sqrt(2/pi) (x + 0.044715 x^3)
            Gate::Gelu => {
                let cubic = S::fma(S::mul(S::mul(g, g), g), S::splat(0.044_715), g);
                S::mul(cubic, S::splat(2.0 * 0.797_884_6))
            }
        };
        // Bounded from below: infinity over infinity would be no number, and what a gate leaves of -80 is nothing.
        let g = S::max(g, S::splat(-80.0));
        let negative = S::sub(S::splat(0.0), S::max(inner, S::splat(-80.0)));
        S::mul(S::div(g, S::add(one, exp::<S>(negative))), u)
    }
}

#[inline(always)]
unsafe fn gate_quantize_generic<S: Isa>(
    from: *const f32,
    tokens: usize,
    gate: Gate,
    place: Place,
    floats_stride: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut blocks = [0.0_f32; TOKENS * BLOCK];
        for token in 0..tokens {
            let (from, to) = (from.add(64 * token), blocks.as_mut_ptr().add(BLOCK * token));
            let mut at = 0;
            while at < BLOCK {
                // Sixteen rows of the gate, then sixteen of what it lets through.
                let g = from.add(at / 16 * 32 + at % 16);
                S::store(to.add(at), gated::<S>(gate, S::load(g), S::load(g.add(16))));
                at += S::LANES;
            }
        }
        if tokens == TOKENS && place.rows == 1 {
            quantize_tile::<S>(blocks.as_ptr(), BLOCK, place, floats_stride);
            return;
        }
        for token in 0..tokens {
            quantize_block::<S>(blocks.as_ptr().add(BLOCK * token), place.at_neighbour(token, floats_stride));
        }
    }
}
dispatched! {
    /// 64 numbers at `from` for each of `tokens` tokens, at most [`TOKENS`], as the products of two gate tiles and two up tiles interleaved leave
    /// them (16 gate, 16 up, 16 gate, 16 up), gated and as one block of activations to `place`, side by side there.
    fn gate_quantize = gate_quantize_generic(
        from: *const f32,
        tokens: usize,
        gate: Gate,
        place: Place,
        floats_stride: usize,
    );
}

/// Copies one token's activations, `blocks` blocks, to another place.
///
/// # Safety
/// Both places have that many blocks and the same rows; f32 activations are copied if `floats`.
pub(super) unsafe fn copy_place(mut from: Place, mut to: Place, blocks: usize, floats: bool) {
    // SAFETY: the caller's contract.
    unsafe {
        if floats {
            std::ptr::copy_nonoverlapping(from.floats, to.floats, blocks * BLOCK);
        }
        for _ in 0..blocks {
            std::ptr::copy_nonoverlapping(from.codes, to.codes, BLOCK * from.rows);
            for i in 0..META {
                for row in 0..from.rows {
                    *to.meta.add(i * to.width + row) = *from.meta.add(i * from.width + row);
                }
            }
            (from, to) = (advance(from), advance(to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::activation::{Activations, Kept};

    fn levels() -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|level| level.available())
    }

    fn numbers(count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 % 997) as f32 / 498.0 - 1.0) * scale).collect()
    }

    /// The activations of one token as numbers again.
    fn read(activations: &Activations, count: usize) -> Vec<f32> {
        // SAFETY: one token of `count` numbers was written.
        unsafe {
            let place = activations.view(0).place(1, 0);
            (0..count).map(|i| f32::from(*place.codes.add(i)) * *place.meta.add(i / BLOCK * META)).collect()
        }
    }

    #[test]
    fn norms_rotations_and_gates_are_what_the_formulas_say() {
        for level in levels() {
            for count in [32, 96, 576] {
                let (x, weight) = (numbers(count, 3.0), numbers(count, 1.0));
                let mean = x.iter().map(|x| x * x).sum::<f32>() / count as f32;
                let expected: Vec<f32> = x.iter().zip(&weight).map(|(x, w)| x / (mean + 1e-5).sqrt() * w).collect();
                let near = |found: &[f32], expected: &[f32], error: f32| {
                    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(off < error, "{level:?}, {count}: off by {off}");
                };
                let activations = Activations::new(1, count, Kept { rows: 1, floats: true }).unwrap();
                let (mut normed, mut added, mut turned) = (x.clone(), x.clone(), x.clone());
                let half = count / 2;
                let angles: Vec<(f32, f32)> = (0..half).map(|i| (i as f32 * 0.1).sin_cos()).collect();
                let (sin, cos): (Vec<f32>, Vec<f32>) = angles.iter().copied().unzip();
                // SAFETY: every pointer has `count` numbers, and the view room for a token.
                unsafe {
                    norm(level, normed.as_mut_ptr(), weight.as_ptr(), count, 1e-5);
                    norm_add(level, x.as_ptr(), weight.as_ptr(), count, 1e-5, added.as_mut_ptr());
                    norm_quantize(level, x.as_ptr(), weight.as_ptr(), count, 1e-5, activations.view(0).place(1, 0));
                    rotate(level, turned.as_mut_ptr(), half, cos.as_ptr(), sin.as_ptr());
                }
                near(&normed, &expected, 1e-5);
                near(&added, &x.iter().zip(&expected).map(|(a, b)| a + b).collect::<Vec<_>>(), 1e-5);
                // Half a step of the coarsest block.
                near(&read(&activations, count), &expected, 2.0 / 254.0 + 1e-4);
                for i in 0..half {
                    let (a, b, s, c) = (x[i], x[half + i], sin[i], cos[i]);
                    near(&[turned[i], turned[half + i]], &[a * c - b * s, a * s + b * c], 1e-5);
                }
            }
        }
    }

    #[test]
    fn gates_hold_at_the_ends() {
        for level in levels() {
            for (gate, formula) in [
                (Gate::Silu, (|x: f64| x / (1.0 + (-x).exp())) as fn(f64) -> f64),
                (Gate::Gelu, |x: f64| 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044_715 * x.powi(3))).tanh())),
            ] {
                for scale in [0.5, 8.0, 200.0] {
                    let g = numbers(32, scale);
                    let from: Vec<f32> = [&g[..16], &[1.0; 16], &g[16..], &[1.0; 16]].concat();
                    let activations = Activations::new(1, 32, Kept { rows: 1, floats: true }).unwrap();
                    // SAFETY: 64 numbers, and room for a block.
                    let found = unsafe {
                        let place = activations.view(0).place(1, 0);
                        gate_quantize(level, from.as_ptr(), 1, gate, place, 32);
                        std::slice::from_raw_parts(place.floats, 32).to_vec()
                    };
                    for (found, g) in found.iter().zip(&g) {
                        let expected = formula(f64::from(*g)) as f32;
                        assert!(
                            (found - expected).abs() < 1e-5 * scale.max(1.0),
                            "{level:?} {gate:?}: {found}, {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_tile_of_tokens_is_to_the_bit_what_each_is_alone() {
        const COLUMNS: usize = 96;
        for level in levels() {
            let mut x = numbers(TOKENS * COLUMNS, 3.0);
            x[COLUMNS..2 * COLUMNS].fill(0.0);
            x[3 * COLUMNS + 40] = -1e6;
            x[5 * COLUMNS..6 * COLUMNS].iter_mut().for_each(|x| *x *= 1e-33);
            let weight = numbers(COLUMNS, 1.0);
            let gates = numbers(TOKENS * 64, 9.0);
            let room = || Activations::new(TOKENS, COLUMNS, Kept { rows: 1, floats: true }).unwrap();
            let (together, alone) = ([room(), room()], [room(), room()]);
            // SAFETY: all have eight tokens of so many numbers, and the views room for them.
            unsafe {
                let first = together[0].view(0).place(TOKENS, 0);
                norm_quantize_tile(level, x.as_ptr(), weight.as_ptr(), COLUMNS, 1e-5, first);
                let first = together[1].view(0).place(TOKENS, 0);
                gate_quantize(level, gates.as_ptr(), TOKENS, Gate::Silu, first, COLUMNS);
                for token in 0..TOKENS {
                    let place = alone[0].view(0).place(TOKENS, token);
                    norm_quantize(level, x.as_ptr().add(token * COLUMNS), weight.as_ptr(), COLUMNS, 1e-5, place);
                    let place = alone[1].view(0).place(TOKENS, token);
                    gate_quantize(level, gates.as_ptr().add(token * 64), 1, Gate::Silu, place, COLUMNS);
                }
            }
            for (together, alone) in together.iter().zip(&alone) {
                // SAFETY: eight tokens of so many numbers lie in both.
                let bytes = |activations: &Activations| unsafe {
                    let place = activations.view(0).place(TOKENS, 0);
                    let meta = std::slice::from_raw_parts(place.meta.cast::<u32>(), TOKENS * COLUMNS / BLOCK * META);
                    let floats = std::slice::from_raw_parts(place.floats.cast::<u32>(), TOKENS * COLUMNS);
                    let codes = std::slice::from_raw_parts(place.codes, TOKENS * COLUMNS);
                    (codes.to_vec(), meta.to_vec(), floats.to_vec())
                };
                assert!(bytes(alone).0.iter().any(|&code| code == 127 || code == -127));
                assert_eq!(bytes(together), bytes(alone), "{level:?}");
            }
        }
    }

    #[test]
    fn a_block_of_zeros_and_one_of_one_number() {
        for level in levels() {
            let mut x = vec![0.0; 64];
            x[40] = -5.0;
            let activations = Activations::new(1, 64, Kept { rows: 1, floats: false }).unwrap();
            // SAFETY: 64 numbers, and room for them.
            unsafe { quantize(level, x.as_ptr(), 64, activations.view(0).place(1, 0)) };
            let found = read(&activations, 64);
            assert!(found[..32].iter().all(|x| *x == 0.0) && (found[40] + 5.0).abs() < 1e-6, "{level:?}: {found:?}");
        }
    }
}
