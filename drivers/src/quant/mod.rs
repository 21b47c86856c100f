//! Numbers as model files store them: blocks of small integers with shared scales, to floats and back.
//!
//! In reading order: this file (the two entrances), [`half`] (16-bit floats), `dequant` (blocks to floats). Everything here
//! is plain and scalar: it is what conversion needs and what fast kernels are tested against. The layouts of the blocks are
//! those of ggml (`ggml/src/ggml-common.h`, `ggml-quants.c`), and the floats are exactly those of its reference
//! `dequantize_row_*`.

mod dequant;
pub mod half;

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
