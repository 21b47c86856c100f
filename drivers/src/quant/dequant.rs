//! Blocks to floats, one function for each type: [`DType::block_bytes`](crate::gguf::DType) bytes in, `block` floats out.
//!
//! The order of operations is ggml's (`dequantize_row_*` in `ggml/src/ggml-quants.c`, 2026-06), so that the floats are the
//! same to the last bit.

use super::half::f16_to_f32;

/// Decodes block after block. `bytes` and `out` are whole blocks, as the caller checked.
pub(super) fn each<const B: usize, const N: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; B], &mut [f32; N]),
) {
    let (blocks, outs) = (bytes.as_chunks::<B>().0, out.as_chunks_mut::<N>().0);
    for (block, out) in blocks.iter().zip(outs) {
        decode(block, out);
    }
}

/// The 16 values of IQ4_NL and IQ4_XS (`kvalues_iq4nl`).
const IQ4_VALUES: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];
/// The 16 values of FP4 E2M1, doubled (`kvalues_mxfp4`).
const FP4_VALUES: [f32; 16] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// Two nibbles a byte: the low ones are the first half of `out`, the high ones the second.
fn nibbles(bytes: &[u8], out: &mut [f32], value: impl Fn(usize, u8) -> f32) {
    let middle = out.len() / 2;
    let (low, high) = out.split_at_mut(middle);
    for (j, ((byte, low), high)) in bytes.iter().zip(low).zip(high).enumerate() {
        *low = value(j, byte & 15);
        *high = value(j + middle, byte >> 4);
    }
}

pub(super) fn q4_0(b: &[u8; 18], out: &mut [f32; 32]) {
    let d = f16_to_f32([b[0], b[1]]);
    nibbles(&b[2..], out, |_, q| (f32::from(q) - 8.0) * d);
}

pub(super) fn q4_1(b: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (f16_to_f32([b[0], b[1]]), f16_to_f32([b[2], b[3]]));
    nibbles(&b[4..], out, |_, q| f32::from(q) * d + m);
}

pub(super) fn q5_0(b: &[u8; 22], out: &mut [f32; 32]) {
    let d = f16_to_f32([b[0], b[1]]);
    let high = u32::from_le_bytes([b[2], b[3], b[4], b[5]]);
    nibbles(&b[6..], out, |j, q| (f32::from(q | fifth(high, j)) - 16.0) * d);
}

pub(super) fn q5_1(b: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (f16_to_f32([b[0], b[1]]), f16_to_f32([b[2], b[3]]));
    let high = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
    nibbles(&b[8..], out, |j, q| f32::from(q | fifth(high, j)) * d + m);
}

/// Bit `j` of `high`, as the fifth bit of a number.
fn fifth(high: u32, j: usize) -> u8 {
    (((high >> j) & 1) << 4) as u8
}

pub(super) fn q8_0(b: &[u8; 34], out: &mut [f32; 32]) {
    let d = f16_to_f32([b[0], b[1]]);
    for (out, &q) in out.iter_mut().zip(&b[2..]) {
        *out = f32::from(q as i8) * d;
    }
}

/// 16 scales and minima of 4 bits, 256 numbers of 2 bits, the scales' scale, the minima's.
pub(super) fn q2_k(b: &[u8; 84], out: &mut [f32; 256]) {
    let (d, dmin) = (f16_to_f32([b[80], b[81]]), f16_to_f32([b[82], b[83]]));
    // 128 numbers lie in 32 bytes: bits 0 and 1 of all, then bits 2 and 3 ...; a scale for each 16.
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (half, shift, side) = (group / 8, group % 8 / 2 * 2, group % 2);
        let scale = b[group];
        let (dl, ml) = (d * f32::from(scale & 15), dmin * f32::from(scale >> 4));
        for (l, out) in out.iter_mut().enumerate() {
            let q = (b[16 + half * 32 + side * 16 + l] >> shift) & 3;
            *out = dl * f32::from(q) - ml;
        }
    }
}

/// The third bit of 256 numbers (absent means minus 4), their lower 2 bits, 16 scales of 6 bits, the scales' scale.
pub(super) fn q3_k(b: &[u8; 110], out: &mut [f32; 256]) {
    let d = f16_to_f32([b[108], b[109]]);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (half, lane, side) = (group / 8, group % 8 / 2, group % 2);
        let low = (b[96 + group % 8] >> (group / 8 * 4)) & 15;
        let high = (b[104 + group % 4] >> (group / 4 * 2)) & 3;
        let dl = d * (f32::from(low | (high << 4)) - 32.0);
        for (l, out) in out.iter_mut().enumerate() {
            let at = side * 16 + l;
            let low = (b[32 + half * 32 + at] >> (lane * 2)) & 3;
            let third = (b[at] >> (half * 4 + lane)) & 1;
            *out = dl * (f32::from(low) - if third == 1 { 0.0 } else { 4.0 });
        }
    }
}

/// The scale and the minimum of 32 numbers, out of the 12 bytes that hold 8 of each in 6 bits (`get_scale_min_k4`).
pub(super) fn scale_min(packed: &[u8; 12], group: usize) -> (u8, u8) {
    if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        ((low & 15) | ((packed[group - 4] >> 6) << 4), (low >> 4) | ((packed[group] >> 6) << 4))
    }
}

/// The scales' scale, the minima's, 8 scales and minima of 6 bits, 256 numbers of 4 bits.
pub(super) fn q4_k(b: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (f16_to_f32([b[0], b[1]]), f16_to_f32([b[2], b[3]]));
    let packed = packed_scales(&b[4..16]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_min(&packed, group);
        let (d1, m1) = (d * f32::from(scale), dmin * f32::from(min));
        for (l, out) in out.iter_mut().enumerate() {
            let q = (b[16 + group / 2 * 32 + l] >> (group % 2 * 4)) & 15;
            *out = d1 * f32::from(q) - m1;
        }
    }
}

/// As [`q4_k`], with the fifth bits of all between the scales and the rest.
pub(super) fn q5_k(b: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin) = (f16_to_f32([b[0], b[1]]), f16_to_f32([b[2], b[3]]));
    let packed = packed_scales(&b[4..16]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_min(&packed, group);
        let (d1, m1) = (d * f32::from(scale), dmin * f32::from(min));
        for (l, out) in out.iter_mut().enumerate() {
            let low = (b[48 + group / 2 * 32 + l] >> (group % 2 * 4)) & 15;
            let high = (b[16 + l] >> group) & 1;
            *out = d1 * f32::from(low | (high << 4)) - m1;
        }
    }
}

fn packed_scales(bytes: &[u8]) -> [u8; 12] {
    let mut packed = [0; 12];
    packed.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    packed
}

/// The lower 4 bits of 256 numbers, their upper 2, 16 signed scales, the scales' scale. Numbers are minus 32.
pub(super) fn q6_k(b: &[u8; 210], out: &mut [f32; 256]) {
    let d = f16_to_f32([b[208], b[209]]);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (half, lane, side) = (group / 8, group % 8 / 2, group % 2);
        let scale = d * f32::from(b[192 + group] as i8);
        for (l, out) in out.iter_mut().enumerate() {
            let at = side * 16 + l;
            let low = (b[half * 64 + lane % 2 * 32 + at] >> (lane / 2 * 4)) & 15;
            let high = (b[128 + half * 32 + at] >> (lane * 2)) & 3;
            *out = scale * (f32::from(low | (high << 4)) - 32.0);
        }
    }
}

pub(super) fn iq4_nl(b: &[u8; 18], out: &mut [f32; 32]) {
    let d = f16_to_f32([b[0], b[1]]);
    nibbles(&b[2..], out, |_, q| d * IQ4_VALUES[usize::from(q & 15)]);
}

/// The scales' scale, the upper 2 bits of 8 scales, their lower 4, 256 nibbles.
pub(super) fn iq4_xs(b: &[u8; 136], out: &mut [f32; 256]) {
    let d = f16_to_f32([b[0], b[1]]);
    let high = u16::from_le_bytes([b[2], b[3]]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let low = (b[4 + group / 2] >> (group % 2 * 4)) & 15;
        let scale = low | ((((high >> (group * 2)) & 3) << 4) as u8);
        let dl = d * (f32::from(scale) - 32.0);
        nibbles(&b[8 + group * 16..24 + group * 16], out, |_, q| dl * IQ4_VALUES[usize::from(q & 15)]);
    }
}

/// A power of two (E8M0) and 32 numbers of FP4 (E2M1).
pub(super) fn mxfp4(b: &[u8; 17], out: &mut [f32; 32]) {
    // Half of 2^(e-127), for the values are doubled. Below e = 2 that is subnormal.
    let e = u32::from(b[0]);
    let d = f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e - 1) << 23 });
    nibbles(&b[1..], out, |_, q| d * FP4_VALUES[usize::from(q & 15)]);
}

#[cfg(test)]
mod tests {
    use super::super::dequantize;
    use crate::gguf::DType;

    /// 64 blocks of pseudo-random bytes whose scales (16-bit floats at `scales`) are kept small.
    fn blocks(dtype: DType, scales: &[usize]) -> Vec<u8> {
        let mut state = 7_u32;
        let mut bytes: Vec<u8> = (0..dtype.block_bytes * 64)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        for block in bytes.chunks_exact_mut(dtype.block_bytes as usize) {
            for &at in scales {
                let byte = block[at + 1];
                block[at + 1] = (byte & 0x83) | 0x20 | ((byte >> 2) & 0x0c);
            }
        }
        bytes
    }

    /// FNV-1a of the floats' bytes, minus zero taken as zero.
    fn digest(numbers: &[f32]) -> u64 {
        numbers
            .iter()
            .flat_map(|n| (n + 0.0).to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Digests by the Python package `gguf` 0.17.1 (`gguf/quants.py`), which follows ggml's reference.
    #[test]
    fn every_type_is_decoded_to_the_last_bit() {
        let cases: [(DType, &[usize], u64); 12] = [
            (DType::Q4_0, &[0], 0x68a2_acba_ada8_233c),
            (DType::Q4_1, &[0, 2], 0x30f4_99b6_f511_30bc),
            (DType::Q5_0, &[0], 0x54b3_6f4d_9682_9c93),
            (DType::Q5_1, &[0, 2], 0x0bc2_f82d_e165_7d5d),
            (DType::Q8_0, &[0], 0xd528_bd2d_7994_928c),
            (DType::Q2_K, &[80, 82], 0xd6fa_8d8f_f203_b384),
            (DType::Q3_K, &[108], 0xf3cb_f5e8_05c3_26a9),
            (DType::Q4_K, &[0, 2], 0x5e6d_e5e1_14a3_09ee),
            (DType::Q5_K, &[0, 2], 0x3cd3_1243_3a62_bb8c),
            (DType::Q6_K, &[208], 0x106d_912e_1e25_aede),
            (DType::IQ4_NL, &[0], 0x447f_d90f_bca4_b4a9),
            (DType::IQ4_XS, &[0], 0xeff0_2c74_922e_7da0),
        ];
        for (dtype, scales, expected) in cases {
            let bytes = blocks(dtype, scales);
            let mut out = vec![0.0; (dtype.block * 64) as usize];
            dequantize(dtype, &bytes, &mut out).unwrap();
            assert_eq!(digest(&out), expected, "{}: {:?}", dtype.name, &out[..8]);
        }
    }

    #[test]
    fn plain_floats_and_fp4() {
        let mut out = [0.0; 2];
        dequantize(DType::F32, &[0, 0, 128, 63, 0, 0, 0, 192], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
        dequantize(DType::F16, &[0, 0x3c, 0, 0xc0], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
        dequantize(DType::BF16, &[128, 63, 0, 192], &mut out).unwrap();
        assert_eq!(out, [1.0, -2.0]);
        let mut block = [0x7a; 17]; // low nibble 10: minus 1 (doubled 2), high nibble 7: 6 (doubled 12)
        let mut out = [0.0; 32];
        for (exponent, one) in [(127_u8, 1.0), (0, 2.0_f32.powi(-127)), (1, 2.0_f32.powi(-126)), (129, 4.0)] {
            block[0] = exponent;
            dequantize(DType::MXFP4, &block, &mut out).unwrap();
            assert_eq!((out[0], out[31]), (-one, 6.0 * one));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (dtype, bytes, numbers) in [
            (DType::Q8_0, 33, 32),
            (DType::Q8_0, 34, 31),
            (DType::Q4_K, 288, 256),
            (DType::IQ1_S, 50, 256),
            (DType::Q8_K, 292, 256),
        ] {
            let error = dequantize(dtype, &vec![0; bytes], &mut vec![0.0; numbers]).unwrap_err();
            assert!(error.to_string().starts_with("HAECHI-0503"), "{error}");
        }
    }
}
