//! Floats to blocks, one function for each type: `block` floats and their weights in, the block's bytes out.
//!
//! The integers are chosen last, with the scales as the block stores them, so that the rounding of a scale to 16 or 6 bits
//! is made up for.

use super::dequant::scale_min;
use super::half::{f16_to_f32, f32_to_f16};
use super::search::{affine, nearest, positive, symmetric};

/// Encodes block after block. `row` and `weights` have the same length, whole blocks.
pub(super) fn each<const B: usize, const N: usize>(
    row: &[f32],
    weights: &[f32],
    out: &mut Vec<u8>,
    encode: impl Fn(&[f32; N], &[f32; N]) -> [u8; B],
) {
    for (x, w) in row.as_chunks::<N>().0.iter().zip(weights.as_chunks::<N>().0) {
        out.extend_from_slice(&encode(x, w));
    }
}

/// `1 / scale`; 0 for 0, so that every integer becomes the lowest.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The 16 bits of a scale, and what they stand for.
fn rounded(scale: f32) -> ([u8; 2], f32) {
    let bytes = f32_to_f16(scale);
    (bytes, f16_to_f32(bytes))
}

/// Two nibbles a byte: the first half of `q` low, the second high. What is above 4 bits falls away.
fn nibbles(q: &[u8; 32], out: &mut [u8]) {
    let (low, high) = q.split_at(16);
    for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
        *out = (low & 15) | (high << 4);
    }
}

/// The fifth bits of 32 numbers.
fn fifths(q: &[u8; 32]) -> [u8; 4] {
    q.iter().enumerate().fold(0_u32, |bits, (j, q)| bits | (u32::from(q >> 4) & 1) << j).to_le_bytes()
}

/// Integers from 0 to `2 * half - 1`, `half` standing for zero, and their scale.
fn around_zero(x: &[f32; 32], w: &[f32; 32], half: f32) -> ([u8; 2], [u8; 32]) {
    let (bytes, scale) = rounded(symmetric(x, w, half));
    let inverse = inverse(scale);
    (bytes, x.map(|x| (nearest((x * inverse).clamp(-half, half - 1.0)) + half) as u8))
}

/// Integers from 0 to `top`, their scale and offset.
fn with_offset(x: &[f32; 32], w: &[f32; 32], top: f32) -> ([u8; 4], [u8; 32]) {
    let (scale, offset) = affine(x, w, top, false);
    let ((d, scale), (m, offset)) = (rounded(scale), rounded(offset));
    let inverse = inverse(scale);
    ([d[0], d[1], m[0], m[1]], x.map(|x| nearest(((x - offset) * inverse).clamp(0.0, top)) as u8))
}

pub(super) fn q4_0(x: &[f32; 32], w: &[f32; 32]) -> [u8; 18] {
    let (d, q) = around_zero(x, w, 8.0);
    let mut block = [0; 18];
    block[..2].copy_from_slice(&d);
    nibbles(&q, &mut block[2..]);
    block
}

pub(super) fn q5_0(x: &[f32; 32], w: &[f32; 32]) -> [u8; 22] {
    let (d, q) = around_zero(x, w, 16.0);
    let mut block = [0; 22];
    block[..2].copy_from_slice(&d);
    block[2..6].copy_from_slice(&fifths(&q));
    nibbles(&q, &mut block[6..]);
    block
}

pub(super) fn q4_1(x: &[f32; 32], w: &[f32; 32]) -> [u8; 20] {
    let (dm, q) = with_offset(x, w, 15.0);
    let mut block = [0; 20];
    block[..4].copy_from_slice(&dm);
    nibbles(&q, &mut block[4..]);
    block
}

pub(super) fn q5_1(x: &[f32; 32], w: &[f32; 32]) -> [u8; 24] {
    let (dm, q) = with_offset(x, w, 31.0);
    let mut block = [0; 24];
    block[..4].copy_from_slice(&dm);
    block[4..8].copy_from_slice(&fifths(&q));
    nibbles(&q, &mut block[8..]);
    block
}

/// No search: at 8 bits the largest number decides. Byte for byte what ggml makes (`quantize_row_q8_0_ref`).
pub(super) fn q8_0(x: &[f32; 32], _: &[f32; 32]) -> [u8; 34] {
    let scale = x.iter().fold(0.0_f32, |peak, x| peak.max(x.abs())) / 127.0;
    let inverse = inverse(scale);
    let mut block = [0; 34];
    block[..2].copy_from_slice(&f32_to_f16(scale));
    for (out, x) in block[2..].iter_mut().zip(x) {
        *out = (x * inverse).round() as i8 as u8; // halves away from zero, as C's roundf
    }
    block
}

/// What Q4_K and Q5_K share: the first 16 bytes (scales) and 256 integers from 0 to `top`.
fn super_block(x: &[f32; 256], w: &[f32; 256], top: f32) -> ([u8; 16], [u8; 256]) {
    let (mut scales, mut minima, mut weights) = ([0.0; 8], [0.0; 8], [0.0; 8]);
    let parts = x.as_chunks::<32>().0.iter().zip(w.as_chunks::<32>().0);
    for ((((x, w), scale), minimum), weight) in parts.zip(&mut scales).zip(&mut minima).zip(&mut weights) {
        let (found, offset) = affine(x, w, top, true);
        (*scale, *minimum, *weight) = (found, -offset, w.iter().sum());
    }
    let (d, scale_numbers) = positive(&scales, &weights, 63.0);
    let (dmin, minimum_numbers) = positive(&minima, &weights, 63.0);
    let ((d_bytes, d), (dmin_bytes, dmin)) = (rounded(d), rounded(dmin));

    let mut packed = [0; 12];
    for j in 0..4 {
        let (scale, minimum) = (scale_numbers[j + 4], minimum_numbers[j + 4]);
        packed[j] = scale_numbers[j] | (scale >> 4) << 6;
        packed[j + 4] = minimum_numbers[j] | (minimum >> 4) << 6;
        packed[j + 8] = (scale & 15) | (minimum & 15) << 4;
    }
    let mut head = [0; 16];
    head[..2].copy_from_slice(&d_bytes);
    head[2..4].copy_from_slice(&dmin_bytes);
    head[4..].copy_from_slice(&packed);

    let mut q = [0; 256];
    for (group, (x, q)) in x.as_chunks::<32>().0.iter().zip(q.as_chunks_mut::<32>().0).enumerate() {
        let (scale, minimum) = scale_min(&packed, group);
        let (inverse, minimum) = (inverse(d * f32::from(scale)), dmin * f32::from(minimum));
        *q = x.map(|x| nearest(((x + minimum) * inverse).clamp(0.0, top)) as u8);
    }
    (head, q)
}

pub(super) fn q4_k(x: &[f32; 256], w: &[f32; 256]) -> [u8; 144] {
    let (head, q) = super_block(x, w, 15.0);
    let mut block = [0; 144];
    block[..16].copy_from_slice(&head);
    fours(&q, &mut block[16..]);
    block
}

pub(super) fn q5_k(x: &[f32; 256], w: &[f32; 256]) -> [u8; 176] {
    let (head, q) = super_block(x, w, 31.0);
    let mut block = [0; 176];
    block[..16].copy_from_slice(&head);
    for (group, q) in q.as_chunks::<32>().0.iter().enumerate() {
        for (out, q) in block[16..48].iter_mut().zip(q) {
            *out |= (q >> 4) << group;
        }
    }
    fours(&q, &mut block[48..]);
    block
}

/// The lower 4 bits of 64 numbers in 32 bytes.
fn fours(q: &[u8; 256], out: &mut [u8]) {
    for (out, [low, high]) in out.as_chunks_mut::<32>().0.iter_mut().zip(q.as_chunks::<32>().0.as_chunks::<2>().0) {
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = (low & 15) | (high << 4);
        }
    }
}

pub(super) fn q6_k(x: &[f32; 256], w: &[f32; 256]) -> [u8; 210] {
    let mut scales = [0.0; 16];
    for ((x, w), scale) in x.as_chunks::<16>().0.iter().zip(w.as_chunks::<16>().0).zip(&mut scales) {
        *scale = symmetric(x, w, 32.0);
    }
    // The largest scale becomes minus 128: a signed byte reaches one further down.
    let peak = scales.iter().fold(0.0_f32, |peak, &scale| if scale.abs() > peak.abs() { scale } else { peak });
    let (d_bytes, d) = rounded(-peak / 128.0);
    let over = inverse(d);
    let mut block = [0; 210];
    block[208..].copy_from_slice(&d_bytes);
    let mut q = [32_u8; 256];
    for (group, (x, q)) in x.as_chunks::<16>().0.iter().zip(q.as_chunks_mut::<16>().0).enumerate() {
        let number = nearest((over * scales[group]).clamp(-128.0, 127.0));
        block[192 + group] = number as i8 as u8;
        let inverse = inverse(d * number);
        *q = x.map(|x| (nearest((x * inverse).clamp(-32.0, 31.0)) + 32.0) as u8);
    }
    // In each half: numbers 0..32 and 64..96 share 32 bytes of low bits, 32..64 and 96..128 the next; see `q6_k` there.
    for (half, q) in q.as_chunks::<128>().0.iter().enumerate() {
        for l in 0..32 {
            let [a, b, c, d] = [q[l], q[l + 32], q[l + 64], q[l + 96]];
            block[half * 64 + l] = (a & 15) | (c & 15) << 4;
            block[half * 64 + 32 + l] = (b & 15) | (d & 15) << 4;
            block[128 + half * 32 + l] = a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6;
        }
    }
    block
}
