//! AVX-512 with VNNI, with or without BF16.

use std::arch::x86_64::*;

use super::Isa;

#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool>;

// SAFETY of every method: the trait's contract. The caller has the instruction set and good pointers.
#[expect(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl<const BF16: bool> Isa for Avx512<BF16> {
    const LANES: usize = 16;
    const QUERIES: usize = 12;
    const SIGNED: bool = false;
    type F = __m512;
    type I = __m512i;
    type B = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<0>(a) }
    }
    #[inline(always)]
    unsafe fn times_exp2(a: __m512, power: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(a, power) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    unsafe fn highest(a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(to: *mut u16, x: __m512) {
        unsafe {
            if BF16 {
                // The instruction rounds alike; numbers below the smallest normal one become zero.
                let rounded = _mm512_cvtneps_pbh(x);
                _mm256_storeu_si256(to.cast(), std::mem::transmute::<__m256bh, __m256i>(rounded));
                return;
            }
            // Adds half of the last place that stays, and one more if that place is odd.
            let bits = _mm512_castps_si512(x);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded)));
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, x: __m512) -> __m512i {
        unsafe {
            let whole = _mm512_cvtps_epi32(x);
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(whole));
            whole
        }
    }

    #[inline(always)]
    unsafe fn store_codes(to: *mut i8, from: *const f32, factor: __m512) -> [i32; 2] {
        unsafe {
            let codes = _mm512_castsi512_si256(codes([from, from], [factor, factor]));
            _mm256_storeu_si256(to.cast(), codes);
            let fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), codes);
            let pairs = _mm256_add_epi32(fours, _mm256_shuffle_epi32::<0b01_00_11_10>(fours));
            let sums = _mm256_add_epi32(pairs, _mm256_shuffle_epi32::<0b10_11_00_01>(pairs));
            [_mm256_extract_epi32::<0>(sums), _mm256_extract_epi32::<4>(sums)]
        }
    }
    #[inline(always)]
    unsafe fn highest_each(from: *const f32, stride: usize) -> [f32; 8] {
        unsafe {
            let mut eights = [_mm256_setzero_ps(); 8];
            for (i, eight) in eights.iter_mut().enumerate() {
                let from = from.add(i * stride);
                let sixteen =
                    _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(from)), _mm512_abs_ps(_mm512_loadu_ps(from.add(16))));
                *eight = _mm256_max_ps(_mm512_castps512_ps256(sixteen), _mm512_extractf32x8_ps::<1>(sixteen));
            }
            // Neighbours change places and meet, three times: what is left of each vector is one number.
            let mut twos = [_mm256_setzero_pd(); 4];
            for (i, two) in twos.iter_mut().enumerate() {
                let (a, b) = (eights[2 * i], eights[2 * i + 1]);
                *two = _mm256_castps_pd(_mm256_max_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)));
            }
            let mut fours = [_mm256_setzero_ps(); 2];
            for (i, four) in fours.iter_mut().enumerate() {
                let (a, b) = (twos[2 * i], twos[2 * i + 1]);
                let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                *four = _mm256_max_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
            }
            let [first, second] = fours;
            let each = _mm256_max_ps(
                _mm256_permute2f128_ps::<0x20>(first, second),
                _mm256_permute2f128_ps::<0x31>(first, second),
            );
            std::mem::transmute::<__m256, [f32; 8]>(each)
        }
    }
    #[inline(always)]
    unsafe fn store_codes_each(to: *mut i8, from: *const f32, stride: usize, factors: &[f32; 8]) -> [[i32; 8]; 2] {
        unsafe {
            let mut fours = [_mm512_setzero_si512(); 4];
            for (i, four) in fours.iter_mut().enumerate() {
                let codes = codes(
                    [from.add(i * stride), from.add((i + 4) * stride)],
                    [_mm512_set1_ps(factors[i]), _mm512_set1_ps(factors[i + 4])],
                );
                _mm256_storeu_si256(to.add(32 * i).cast(), _mm512_castsi512_si256(codes));
                _mm256_storeu_si256(to.add(32 * (i + 4)).cast(), _mm512_extracti64x4_epi64::<1>(codes));
                *four = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), codes);
            }
            // A quarter of each vector becomes one sum.
            let [a, b, c, d] = fours;
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            // First halves of 0..4, second halves of 0..4, first halves of 4..8, second halves of 4..8.
            let halves = _mm512_shuffle_i64x2::<0b11_01_10_00>(sums, sums);
            std::mem::transmute::<__m512i, [[i32; 8]; 2]>(halves)
        }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn sum_i(a: __m512i) -> i32 {
        unsafe { _mm512_reduce_add_epi32(a) }
    }
    #[inline(always)]
    unsafe fn to_f(a: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_b(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn and_b(a: __m512i, mask: u8) -> __m512i {
        unsafe { _mm512_and_si512(a, _mm512_set1_epi8(mask.cast_signed())) }
    }
    #[inline(always)]
    unsafe fn or_b(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn left<const N: i32>(a: __m512i) -> __m512i {
        // The intrinsic takes its count as another type; a shift by a register costs the same.
        unsafe { _mm512_sll_epi16(a, _mm_cvtsi32_si128(N)) }
    }
    #[inline(always)]
    unsafe fn right<const N: i32>(a: __m512i) -> __m512i {
        unsafe { _mm512_srl_epi16(a, _mm_cvtsi32_si128(N)) }
    }
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const N: usize>(mut sum: __m512i, weights: &[__m512i; N], a: *const i8) -> __m512i {
        unsafe {
            // Unrolled by the compiler: N is 4 or 8.
            let mut j = 0;
            while j < N {
                sum = _mm512_dpbusd_epi32(
                    sum,
                    weights[j],
                    _mm512_set1_epi32(a.add(4 * j).cast::<i32>().read_unaligned()),
                );
                j += 1;
            }
            sum
        }
    }

    #[inline(always)]
    unsafe fn dot_bf16(c: __m512, pairs: *const u16, with: u32) -> __m512 {
        unsafe {
            let pairs = _mm512_loadu_si512(pairs.cast());
            if BF16 {
                let with = _mm512_set1_epi32(with.cast_signed());
                // Both types are 512 bits without a rule of their own; the standard library offers no cast.
                _mm512_dpbf16_ps(
                    c,
                    std::mem::transmute::<__m512i, __m512bh>(pairs),
                    std::mem::transmute::<__m512i, __m512bh>(with),
                )
            } else {
                let low = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs));
                let high = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)));
                let c = _mm512_fmadd_ps(low, _mm512_set1_ps(f32::from_bits(with << 16)), c);
                _mm512_fmadd_ps(high, _mm512_set1_ps(f32::from_bits(with & 0xffff_0000)), c)
            }
        }
    }
}

/// The codes of two blocks of 32 numbers, each times its factor and rounded to a byte.
#[expect(clippy::undocumented_unsafe_blocks, reason = "as above")]
#[inline(always)]
unsafe fn codes(from: [*const f32; 2], factors: [__m512; 2]) -> __m512i {
    unsafe {
        let mut pairs = [_mm512_setzero_si512(); 2];
        for i in 0..2 {
            let (a, b) = (_mm512_loadu_ps(from[i]), _mm512_loadu_ps(from[i].add(16)));
            let (a, b) = (_mm512_mul_ps(a, factors[i]), _mm512_mul_ps(b, factors[i]));
            pairs[i] = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
        }
        // What packing leaves in every quarter: four codes of each of the four vectors.
        let order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
        _mm512_permutexvar_epi32(order, _mm512_packs_epi16(pairs[0], pairs[1]))
    }
}
