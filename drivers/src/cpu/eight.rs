//! Keys and values of 8 bits: half the memory of bf16.
//!
//! A head's part of a page holds its numbers in the order of [`super::attention`], a byte each, and behind them a scale (f32)
//! for each position: a number is its byte times the scale. Attention itself runs over bf16: whoever mixes a span makes it of
//! the bytes first, in memory of its own.
#![allow(unsafe_code, reason = "vectors and pointers; the contract stands above each function")]

use super::attention::{PAGE, finite};
#[cfg(target_arch = "aarch64")]
use super::isa::Neon;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512};
use super::isa::{Isa, Level, Portable};
use super::ops::dispatched;

/// Numbers of 16 bits that a head's part of a page takes, of `dimension` numbers a position.
pub(super) const fn part_numbers(dimension: usize) -> usize {
    PAGE * dimension / 2 + PAGE * size_of::<f32>() / 2
}

/// Where the scales of a head's part begin.
///
/// # Safety
/// A part for `dimension` numbers a position lies at `part`.
#[inline(always)]
unsafe fn scales(part: *mut u16, dimension: usize) -> *mut f32 {
    // SAFETY: they stand behind the bytes, of which there is a multiple of 32.
    unsafe { part.add(PAGE * dimension / 2).cast() }
}

/// Rounds `dimension` numbers (a multiple of 16) to bytes: `TOGETHER` side by side, the next so many `STEP` bytes further.
/// Returns their scale.
#[inline(always)]
unsafe fn round<S: Isa, const TOGETHER: usize, const STEP: usize>(x: *const f32, dimension: usize, to: *mut i8) -> f32 {
    // SAFETY: the caller's contract.
    unsafe {
        let mut highest = S::splat(0.0);
        let mut at = 0;
        while at < dimension {
            highest = S::max(highest, S::abs(finite::<S>(S::load(x.add(at)))));
            at += S::LANES;
        }
        let highest = S::highest(highest);
        // Numbers so small that their inverse would be none are zeros.
        let (scale, factor) = if highest < SMALLEST { (0.0, 0.0) } else { (highest / 127.0, 127.0 / highest) };
        let mut bytes = [0_i8; 16];
        let mut at = 0;
        while at < dimension {
            let whole = S::round(S::mul(finite::<S>(S::load(x.add(at))), S::splat(factor)));
            S::store_i8(bytes.as_mut_ptr(), whole);
            let mut i = 0;
            while i < S::LANES {
                *to.add((at + i) / TOGETHER * STEP + (at + i) % TOGETHER) = bytes[i];
                i += 1;
            }
            at += S::LANES;
        }
        scale
    }
}

const SMALLEST: f32 = 1e-30;

#[inline(always)]
unsafe fn store_key_generic<S: Isa>(key: *const f32, dimension: usize, part: *mut u16, position: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let to = part.cast::<i8>().add(position / 16 * dimension * 16 + position % 16 * 2);
        scales(part, dimension).add(position).write_unaligned(round::<S, 2, 32>(key, dimension, to));
    }
}
dispatched! {
    /// Puts one key of `dimension` numbers (a multiple of 16) at `position` of its head's part of a page.
    fn store_key = store_key_generic(key: *const f32, dimension: usize, part: *mut u16, position: usize);
}

#[inline(always)]
unsafe fn store_value_generic<S: Isa>(value: *const f32, dimension: usize, part: *mut u16, position: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let to = part.cast::<i8>().add(position / 2 * dimension * 2 + position % 2);
        scales(part, dimension).add(position).write_unaligned(round::<S, 1, 2>(value, dimension, to));
    }
}
dispatched! {
    /// Puts one value of `dimension` numbers (a multiple of 16) at `position` of its head's part of a page.
    fn store_value = store_value_generic(value: *const f32, dimension: usize, part: *mut u16, position: usize);
}

#[inline(always)]
unsafe fn widen_keys_generic<S: Isa>(part: *const u16, dimension: usize, to: *mut u16) {
    // SAFETY: the caller's contract.
    unsafe {
        let (bytes, scales) = (part.cast::<i8>(), scales(part.cast_mut(), dimension));
        for half in 0..PAGE / 16 {
            // Two numbers of each position stand side by side.
            let mut twice = [0.0_f32; 32];
            for (i, scale) in twice.iter_mut().enumerate() {
                *scale = scales.add(half * 16 + i / 2).read_unaligned();
            }
            for pair in 0..dimension / 2 {
                let at = half * dimension * 16 + pair * 32;
                let mut lane = 0;
                while lane < 32 {
                    let x = S::mul(S::load_i8(bytes.add(at + lane)), S::load(twice.as_ptr().add(lane)));
                    S::store_bf16(to.add(at + lane), x);
                    lane += S::LANES;
                }
            }
        }
    }
}
dispatched! {
    /// Makes a page of bf16 keys at `to` of a head's part at `part`.
    fn widen_keys = widen_keys_generic(part: *const u16, dimension: usize, to: *mut u16);
}

#[inline(always)]
unsafe fn widen_values_generic<S: Isa>(part: *const u16, dimension: usize, to: *mut u16) {
    // SAFETY: the caller's contract.
    unsafe {
        let (bytes, scales) = (part.cast::<i8>(), scales(part.cast_mut(), dimension));
        for pair in 0..PAGE / 2 {
            let mut both = [0.0_f32; 16];
            for (i, scale) in both.iter_mut().enumerate() {
                *scale = scales.add(2 * pair + i % 2).read_unaligned();
            }
            let both = S::load(both.as_ptr());
            let mut at = pair * dimension * 2;
            while at < (pair + 1) * dimension * 2 {
                S::store_bf16(to.add(at), S::mul(S::load_i8(bytes.add(at)), both));
                at += S::LANES;
            }
        }
    }
}
dispatched! {
    /// Makes a page of bf16 values at `to` of a head's part at `part`.
    fn widen_values = widen_values_generic(part: *const u16, dimension: usize, to: *mut u16);
}

#[cfg(test)]
mod tests {
    use super::super::attention;
    use super::*;
    use crate::quant::half::bf16_to_f32;

    #[test]
    fn what_is_stored_is_within_half_a_step_and_in_attentions_order() {
        for level in Level::ALL.into_iter().filter(|level| level.available()) {
            for dimension in [16, 64, 80] {
                let mut parts = [vec![0_u16; part_numbers(dimension)], vec![0_u16; part_numbers(dimension)]];
                let mut found = [vec![0_u16; PAGE * dimension], vec![0_u16; PAGE * dimension]];
                let mut expected = found.clone();
                let mut largest = 0.0_f32;
                // SAFETY: parts and pages of the sizes that are named; the level is available.
                unsafe {
                    for position in 0..PAGE {
                        let number = |d: usize| ((position * 131 + d * 7) % 97) as f32 / 40.0 - 1.2;
                        let x: Vec<f32> = (0..dimension).map(number).collect();
                        largest = x.iter().fold(largest, |most, x| most.max(x.abs()));
                        store_key(level, x.as_ptr(), dimension, parts[0].as_mut_ptr(), position);
                        store_value(level, x.as_ptr(), dimension, parts[1].as_mut_ptr(), position);
                        attention::store_key(level, x.as_ptr(), dimension, expected[0].as_mut_ptr(), position);
                        attention::store_value(level, x.as_ptr(), dimension, expected[1].as_mut_ptr(), position);
                    }
                    widen_keys(level, parts[0].as_ptr(), dimension, found[0].as_mut_ptr());
                    widen_values(level, parts[1].as_ptr(), dimension, found[1].as_mut_ptr());
                }
                // Half a step of 127, and what bf16 rounds off on both sides.
                let bound = largest * (0.5 / 127.0 + 1.0 / 128.0);
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    let [found, expected] = [found, expected].map(|bits| bf16_to_f32(bits.to_le_bytes()));
                    assert!((found - expected).abs() <= bound, "{level:?} {dimension}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn a_part_holds_finite_numbers_alone() {
        for level in Level::ALL.into_iter().filter(|level| level.available()) {
            for x in [f32::INFINITY, f32::NAN, 1e-40, 0.0, f32::MAX] {
                let key: Vec<f32> = (0..16).map(|i| if i % 3 == 0 { x } else { 1e-3 * x }).collect();
                let (mut part, mut page) = (vec![0; part_numbers(16)], vec![0; PAGE * 16]);
                // SAFETY: a part and a page of sixteen numbers a position.
                unsafe {
                    store_key(level, key.as_ptr(), 16, part.as_mut_ptr(), 5);
                    widen_keys(level, part.as_ptr(), 16, page.as_mut_ptr());
                }
                assert!(page.iter().all(|&bits| bf16_to_f32(bits.to_le_bytes()).is_finite()), "{level:?} {x}");
            }
        }
    }
}
