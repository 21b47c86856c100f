//! 16-bit floats, as two bytes, little endian: IEEE 754 binary16 and bfloat16.

/// The value of a binary16. Exact: every one is an `f32`, and a NaN stays a NaN.
#[inline]
#[must_use]
pub const fn f16_to_f32(bytes: [u8; 2]) -> f32 {
    let half = u16::from_le_bytes(bytes) as u32;
    let sign = (half & 0x8000) << 16;
    let magnitude = half & 0x7fff;
    // The exponent moves from bias 15 to bias 127 by a multiplication, which is right for subnormals as well and has no
    // branch: kernels without an instruction for it call this for each number.
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits((254 - 15) << 23);
    let number = if magnitude >= 0x7c00 { 0x7f80_0000 | (magnitude << 13) } else { scaled.to_bits() };
    f32::from_bits(sign | number)
}

/// The nearest binary16, ties to even; beyond 65,520 it is infinite.
#[must_use]
pub const fn f32_to_f16(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00 | ((magnitude >> 13) & 0x3ff) as u16 // NaN, kept quiet
    } else if magnitude >= 0x4780_0000 {
        0x7c00 // 65,536 and more
    } else if magnitude >= 0x3880_0000 {
        // Normal, 2^-14 and more. A carry out of the fraction goes into the exponent, as it must.
        round_shift(magnitude - (112 << 23), 13) as u16
    } else if magnitude < 0x3300_0000 {
        0 // below 2^-25, half of the smallest
    } else {
        // Subnormal: the fraction with its leading one, shifted to units of 2^-24.
        let exponent = magnitude >> 23;
        let fraction = (magnitude & 0x007f_ffff) | 0x0080_0000;
        round_shift(fraction, 126 - exponent) as u16
    };
    (sign | half).to_le_bytes()
}

/// `number >> shift`, rounded to the nearest, ties to even.
const fn round_shift(number: u32, shift: u32) -> u32 {
    let kept = number >> shift;
    let rest = number & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    if rest > half || (rest == half && kept & 1 == 1) { kept + 1 } else { kept }
}

/// The value of a bfloat16: the upper half of an `f32`.
#[inline]
#[must_use]
pub const fn bf16_to_f32(bytes: [u8; 2]) -> f32 {
    f32::from_bits((u16::from_le_bytes(bytes) as u32) << 16)
}

/// The nearest bfloat16, ties to even; a NaN stays a NaN.
#[inline]
#[must_use]
pub const fn f32_to_bf16(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let half = if number.is_nan() { (bits >> 16) | 0x40 } else { (bits + 0x7fff + ((bits >> 16) & 1)) >> 16 };
    (half as u16).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary16_comes_back() {
        for half in 0..=u16::MAX {
            let number = f16_to_f32(half.to_le_bytes());
            let back = u16::from_le_bytes(f32_to_f16(number));
            if number.is_nan() {
                assert!(f16_to_f32(back.to_le_bytes()).is_nan(), "{half:04x}");
            } else {
                assert_eq!(back, half, "{number}");
            }
        }
    }

    #[test]
    fn halves_are_read_as_ieee_754_says() {
        for (bits, number) in [
            (0x0000_u16, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8), // the smallest denormal
            (0x03ff, 6.097_555e-5),   // the largest denormal
            (0x0400, 6.103_515_6e-5), // the smallest normal
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits.to_le_bytes()), number, "{bits:#x}");
        }
        assert!(f16_to_f32(0x7e00_u16.to_le_bytes()).is_nan());
        assert_eq!(f16_to_f32(0x8000_u16.to_le_bytes()).to_bits(), (-0.0_f32).to_bits());
    }

    #[test]
    fn bf16_rounds_to_even() {
        for (bits, rounded) in
            [(0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82), (0x3f80_8001, 0x3f81), (0xbf80_7fff, 0xbf80_u16)]
        {
            assert_eq!(f32_to_bf16(f32::from_bits(bits)), rounded.to_le_bytes(), "{bits:#x}");
        }
        assert_eq!(bf16_to_f32(0x3f80_u16.to_le_bytes()), 1.0);
    }

    #[test]
    fn known_values_and_ties() {
        for (number, half) in [
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65519.9, 0x7bff),
            (65520.0, 0x7c00),
            (f32::NEG_INFINITY, 0xfc00),
            (5.960_464_5e-8, 0x0001),   // 2^-24
            (2.980_232_2e-8, 0x0000),   // 2^-25: a tie, to even
            (2.980_233e-8, 0x0001),     // just above
            (8.940_697e-8, 0x0002),     // 1.5 * 2^-24: a tie, to even
            (1.000_488_3, 0x3c00),      // 1 + 2^-11: a tie, to even
            (1.001_464_8, 0x3c02),      // 1 + 3 * 2^-11: a tie, to even
            (0.000_061_035_16, 0x0400), // 2^-14
        ] {
            assert_eq!(u16::from_le_bytes(f32_to_f16(number)), half, "{number}");
        }
        assert_eq!(f32_to_bf16(1.0), [0x80, 0x3f]);
        assert_eq!(f32_to_bf16(f32::from_bits(0x3f80_8000)), [0x80, 0x3f]); // a tie, to even
        assert_eq!(f32_to_bf16(f32::from_bits(0x3f81_8000)), [0x82, 0x3f]);
        assert!(bf16_to_f32(f32_to_bf16(f32::NAN)).is_nan());
    }

    #[test]
    fn the_nearest_of_all_is_taken() {
        let mut bits = 1_u32;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            let number = f32::from_bits((bits & 0x8fff_ffff) | 0x3000_0000);
            if number.abs() > 65_000.0 {
                continue;
            }
            let half = u16::from_le_bytes(f32_to_f16(number));
            let error = (f16_to_f32(half.to_le_bytes()) - number).abs();
            for other in [half.wrapping_sub(1), half + 1] {
                let other = f16_to_f32(other.to_le_bytes());
                assert!(other.is_nan() || (other - number).abs() >= error, "{number}");
            }
        }
    }
}
