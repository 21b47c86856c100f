//! Half-precision numbers, one at a time.

/// The number that 16 bits of IEEE 754 binary16 stand for.
#[inline]
#[must_use]
pub(crate) fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    // The exponent moves from bias 15 to bias 127 by a multiplication, which is right for denormals as well.
    let scaled = f32::from_bits(magnitude << 13) * f32::from_bits((254 - 15) << 23);
    let number = if magnitude >= 0x7c00 { f32::from_bits((magnitude << 13) | 0x7f80_0000) } else { scaled };
    f32::from_bits(number.to_bits() | sign)
}

/// The number that the upper half of an f32 stands for.
#[inline]
#[must_use]
pub(crate) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16, halves to even.
#[inline]
#[must_use]
pub(crate) fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let odd = (bits >> 16) & 1;
    (bits.wrapping_add(0x7fff + odd) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_as_ieee_754_says() {
        for (bits, number) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8), // the smallest denormal
            (0x03ff, 6.097_555e-5),   // the largest denormal
            (0x0400, 6.103_515_6e-5), // the smallest normal
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(from_f16(bits), number, "{bits:#x}");
        }
        assert!(from_f16(0x7e00).is_nan());
        assert_eq!(from_f16(0x8000).to_bits(), (-0.0_f32).to_bits());
    }

    #[test]
    fn bf16_rounds_to_even() {
        for (bits, rounded) in
            [(0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82), (0x3f80_8001, 0x3f81), (0xbf80_7fff, 0xbf80)]
        {
            assert_eq!(to_bf16(f32::from_bits(bits)), rounded, "{bits:#x}");
        }
        assert_eq!(from_bf16(0x3f80), 1.0);
    }
}
