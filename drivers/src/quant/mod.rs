//! Numbers as model files store them: blocks of small integers with shared scales, to floats and back.
//!
//! In reading order: this file (the two entrances), [`half`] (16-bit floats), `dequant` (blocks to floats), `encode` (floats
//! to blocks), `search` (which scale loses least), [`recipe`] (which tensor of a model becomes what). Everything here is plain and scalar: it is what conversion needs and what fast kernels are tested against. The layouts of the blocks are
//! those of ggml (`ggml/src/ggml-common.h`, `ggml-quants.c`), and the floats are exactly those of its reference
//! `dequantize_row_*`.

mod dequant;
mod encode;
pub mod half;
pub mod recipe;
mod search;

use crate::gguf::{DType, GgufError};

/// The floats that `bytes`, whole blocks of `dtype`, stand for.
///
/// `out` has as many numbers as the blocks hold: [`DType::block`] for each [`DType::block_bytes`] bytes.
///
/// # Errors
/// [`GgufError::Unusable`] if `bytes` is no whole number of blocks, `out` has another length, or the type is none of F32,
/// F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4.
pub fn dequantize(dtype: DType, bytes: &[u8], out: &mut [f32]) -> Result<(), GgufError> {
    let numbers = (bytes.len() as u64 / dtype.block_bytes) * dtype.block;
    if !(bytes.len() as u64).is_multiple_of(dtype.block_bytes) || out.len() as u64 != numbers {
        return Err(GgufError::Unusable(format!(
            "{} bytes of type {} do not hold the {} numbers that are asked for",
            bytes.len(),
            dtype.name,
            out.len()
        )));
    }
    match dtype {
        DType::F32 => dequant::each(bytes, out, |block, out: &mut [f32; 1]| out[0] = f32::from_le_bytes(*block)),
        DType::F16 => dequant::each(bytes, out, |block, out: &mut [f32; 1]| out[0] = half::f16_to_f32(*block)),
        DType::BF16 => dequant::each(bytes, out, |block, out: &mut [f32; 1]| out[0] = half::bf16_to_f32(*block)),
        DType::Q4_0 => dequant::each(bytes, out, dequant::q4_0),
        DType::Q4_1 => dequant::each(bytes, out, dequant::q4_1),
        DType::Q5_0 => dequant::each(bytes, out, dequant::q5_0),
        DType::Q5_1 => dequant::each(bytes, out, dequant::q5_1),
        DType::Q8_0 => dequant::each(bytes, out, dequant::q8_0),
        DType::Q2_K => dequant::each(bytes, out, dequant::q2_k),
        DType::Q3_K => dequant::each(bytes, out, dequant::q3_k),
        DType::Q4_K => dequant::each(bytes, out, dequant::q4_k),
        DType::Q5_K => dequant::each(bytes, out, dequant::q5_k),
        DType::Q6_K => dequant::each(bytes, out, dequant::q6_k),
        DType::IQ4_NL => dequant::each(bytes, out, dequant::iq4_nl),
        DType::IQ4_XS => dequant::each(bytes, out, dequant::iq4_xs),
        DType::MXFP4 => dequant::each(bytes, out, dequant::mxfp4),
        other => {
            return Err(GgufError::Unusable(format!(
                "numbers of type {} are not read here; convert the model to Q4_K_M or Q8_0",
                other.name
            )));
        }
    }
    Ok(())
}

/// The largest magnitude that is quantized: what a 16-bit scale or offset can still hold.
const LARGEST: f32 = 65_504.0;

/// Appends `row` to `out` as `dtype` stores it.
///
/// `importance` says how much an error at each place matters, in any unit: the mean square of what the weight is multiplied
/// with, as an importance matrix has it. The same input makes the same bytes on every machine.
///
/// # Errors
/// [`GgufError::Unusable`] if `row` is no whole number of blocks, holds a number that is not finite or too large for the
/// type, `importance` has another length or a value that is no weight, or the type is none of F32, F16, BF16, Q4_0, Q4_1,
/// Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K.
pub fn quantize(dtype: DType, row: &[f32], importance: Option<&[f32]>, out: &mut Vec<u8>) -> Result<(), GgufError> {
    let refuse = |words: String| Err(GgufError::Unusable(words));
    if !(row.len() as u64).is_multiple_of(dtype.block) {
        return refuse(format!("a row of {} numbers is no whole number of {} blocks", row.len(), dtype.name));
    }
    let limit = if matches!(dtype, DType::F32 | DType::BF16) { f32::MAX } else { LARGEST };
    if let Some((at, number)) = row.iter().enumerate().find(|(_, number)| number.is_nan() || number.abs() > limit) {
        return refuse(format!("number {at} of a row is {number}, which type {} cannot hold", dtype.name));
    }
    if let Some(importance) = importance {
        if importance.len() != row.len() {
            return refuse(format!("{} importances stand beside {} numbers", importance.len(), row.len()));
        }
        if importance.iter().any(|weight| !weight.is_finite() || *weight < 0.0) {
            return refuse("an importance is negative or no finite number".to_owned());
        }
    }
    match dtype {
        DType::F32 => row.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes())),
        DType::F16 => row.iter().for_each(|number| out.extend_from_slice(&half::f32_to_f16(*number))),
        DType::BF16 => row.iter().for_each(|number| out.extend_from_slice(&half::f32_to_bf16(*number))),
        DType::Q4_0 => encode::each(row, &weights(row, importance, 32, |_, _| 1.0), out, encode::q4_0),
        DType::Q4_1 => encode::each(row, &weights(row, importance, 32, |_, _| 1.0), out, encode::q4_1),
        DType::Q5_0 => encode::each(row, &weights(row, importance, 32, |_, _| 1.0), out, encode::q5_0),
        DType::Q5_1 => encode::each(row, &weights(row, importance, 32, |_, _| 1.0), out, encode::q5_1),
        DType::Q8_0 => encode::each(row, row, out, encode::q8_0),
        DType::Q4_K => encode::each(row, &weights(row, importance, 32, |rms, x| rms + x.abs()), out, encode::q4_k),
        DType::Q5_K => encode::each(row, &weights(row, importance, 32, |rms, x| rms + x.abs()), out, encode::q5_k),
        DType::Q6_K => encode::each(row, &weights(row, importance, 16, |_, x| x * x), out, encode::q6_k),
        other => return refuse(format!("type {} is not written here; choose Q4_K, Q5_K, Q6_K or Q8_0", other.name)),
    }
    Ok(())
}

/// How much an error at each place counts.
///
/// With an importance: that times `sqrt(mean square + x^2)`, so that large weights count a little more, as in ggml. Without:
/// `plain(rms, x)` with the root mean square of its group. A group without any importance falls back to `plain`, for some
/// scale must be chosen.
fn weights(row: &[f32], importance: Option<&[f32]>, group: usize, plain: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let mut weights = Vec::with_capacity(row.len());
    let square = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
    let over_all = square(row);
    for (at, x) in row.chunks(group).enumerate() {
        let rms = square(x).sqrt();
        let given = importance.and_then(|all| all.get(at * group..at * group + x.len()));
        match given.filter(|given| given.iter().any(|&weight| weight > 0.0)) {
            Some(given) => weights.extend(given.iter().zip(x).map(|(weight, x)| weight * (over_all + x * x).sqrt())),
            None => weights.extend(x.iter().map(|&x| plain(rms, x))),
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// About normal, standard deviation 0.58: the sum of four uniform numbers.
    fn row() -> Vec<f32> {
        let mut state = 11_u32;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i64::from(state >> 16)
        };
        (0..256 * 64).map(|_| ((0..4).map(|_| uniform()).sum::<i64>() - 131_070) as f32 / 65_536.0).collect()
    }

    fn importance() -> Vec<f32> {
        (0..256 * 64).map(|i| 1.0 + ((i * 7) % 13) as f32).collect()
    }

    fn error(dtype: DType, row: &[f32], importance: Option<&[f32]>) -> f64 {
        let (mut bytes, mut back) = (Vec::new(), vec![0.0; row.len()]);
        quantize(dtype, row, importance, &mut bytes).unwrap();
        dequantize(dtype, &bytes, &mut back).unwrap();
        let weight = |i: usize| f64::from(importance.map_or(1.0, |all| all[i]));
        let square = |i: usize| (f64::from(row[i]) - f64::from(back[i])).powi(2);
        let total: f64 = (0..row.len()).map(weight).sum();
        ((0..row.len()).map(|i| weight(i) * square(i)).sum::<f64>() / total).sqrt()
    }

    /// Errors of `quantize_*` in ggml/src/ggml-quants.c (2026-11, built from source), without and with an importance.
    #[test]
    fn the_error_is_that_of_ggml() {
        for (dtype, plain, weighted) in [
            (DType::Q4_0, 0.046_934, 0.043_761),
            (DType::Q4_1, 0.043_859, 0.037_741),
            (DType::Q5_0, 0.023_661, 0.021_907),
            (DType::Q5_1, 0.021_098, 0.018_394),
            (DType::Q8_0, 0.002_933_8, 0.002_934_1),
            (DType::Q4_K, 0.039_935, 0.038_204),
            (DType::Q5_K, 0.020_157, 0.019_309),
            (DType::Q6_K, 0.009_808, 0.009_323),
        ] {
            let (row, importance) = (row(), importance());
            let found = [error(dtype, &row, None), error(dtype, &row, Some(&importance))];
            println!("{}: {:.4} {:.4} of ggml's", dtype.name, found[0] / plain, found[1] / weighted);
            assert!(found[0] <= 1.05 * plain && found[1] <= 1.05 * weighted, "{}: {found:?}", dtype.name);
        }
    }

    #[test]
    fn eight_bits_are_bytewise_those_of_ggml() {
        let mut bytes = Vec::new();
        quantize(DType::Q8_0, &row(), None, &mut bytes).unwrap();
        let digest = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(digest, 0xa4b7_ce43_cbac_6ea1);
    }

    #[test]
    fn plain_floats_come_back() {
        let row = [1.0, -2.5, 0.0, 65_504.0];
        for dtype in [DType::F32, DType::F16] {
            assert_eq!(error(dtype, &row, None), 0.0);
        }
        assert_eq!(error(DType::BF16, &row[..3], None), 0.0);
    }

    #[test]
    fn odd_rows_are_kept_as_well_as_they_can_be() {
        let ramp: Vec<f32> = (0..256).map(|i| i as f32 / 256.0).collect();
        let mut one = vec![0.0; 256];
        one[200] = -3.0;
        let mut last = [0.0; 256]; // most groups have no importance at all
        last[255] = 1.0;
        let far: Vec<f32> = (0..256).map(|i| 1000.0 + (i % 7) as f32).collect();
        for dtype in
            [DType::Q4_0, DType::Q4_1, DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K]
        {
            for (case, row, bound) in [
                ("zeros", vec![0.0; 256], 0.0),
                ("all alike", vec![-0.7; 256], 0.01),
                ("tiny", vec![1e-30; 256], 1e-29),
                ("a ramp", ramp.clone(), 0.03),
                ("one alone", one.clone(), 0.01),
                ("far from zero", far.clone(), 70.0),
            ] {
                let found = error(dtype, &row, None);
                assert!(found <= bound, "{case} as {}: {found}", dtype.name);
                assert!(error(dtype, &row, Some(&last)).is_finite(), "{case} as {}", dtype.name);
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_in_words() {
        let mut out = Vec::new();
        let with = |number: f32| {
            let mut row = [0.5; 256];
            row[77] = number;
            row
        };
        let negative = with(-1.0);
        for (dtype, row, importance, words) in [
            (DType::Q4_K, &with(f32::NAN)[..], None, "number 77 of a row is NaN"),
            (DType::Q8_0, &with(f32::INFINITY), None, "number 77 of a row is inf"),
            (DType::BF16, &with(f32::NEG_INFINITY), None, "is -inf"),
            (DType::F16, &with(65_505.0), None, "cannot hold"),
            (DType::Q4_K, &[0.0; 255], None, "no whole number"),
            (DType::Q4_K, &[0.0; 256], Some(&negative[..255]), "255 importances"),
            (DType::Q4_K, &[0.0; 256], Some(&negative), "negative"),
            (DType::Q2_K, &[0.0; 256], None, "not written here"),
        ] {
            let error = quantize(dtype, row, importance, &mut out).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0503") && error.contains(words), "{error} should say {words}");
        }
        assert!(out.is_empty());
    }
}
