//! Which scale a few numbers share, so that the integers they become lose least.
//!
//! All three searches go the same way: round with some candidate scale, then take the scale (and offset) that is best for
//! the integers so found, by weighted least squares; the candidate with the smallest error wins. ggml goes this way too
//! (`make_qx_quants`, `make_qkx3_quants`, `make_qp_quants`); the candidates here are about as many and as far apart.
//!
//! The sums run in eight lanes in a fixed order: the compiler can use vectors, and every machine gets the same bytes.

/// Numbers below this are all zero as far as a 16-bit scale can tell.
const NOTHING: f32 = 1e-15;
const LANES: usize = 8;

/// The nearest whole number, ties to even, for magnitudes below 2^22. Without a library call, so that loops vectorise.
#[inline(always)]
pub(super) fn nearest(number: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: beside it, an f32 has no fraction left
    (number + SHIFT) - SHIFT
}

/// `term(i)` over all `i` below `N`, three sums at once.
#[inline(always)]
fn sums<const N: usize>(term: impl Fn(usize) -> [f32; 3]) -> [f32; 3] {
    let mut lanes = [[0.0; LANES]; 3];
    for at in (0..N).step_by(LANES) {
        let [first, second, third] = &mut lanes;
        for (lane, ((first, second), third)) in first.iter_mut().zip(second).zip(third).enumerate() {
            let [a, b, c] = term(at + lane);
            *first += a;
            *second += b;
            *third += c;
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

/// The scale with which integers from `-half` to `half - 1` come nearest to `x`, each error squared times its weight.
///
/// Zero if the numbers are. The number farthest from zero is given the end that has one integer more, so the scale has the
/// opposite sign of that number.
pub(super) fn symmetric<const N: usize>(x: &[f32; N], w: &[f32; N], half: f32) -> f32 {
    let peak = x.iter().fold(0.0_f32, |peak, &x| if x.abs() > peak.abs() { x } else { peak });
    if peak.abs() < NOTHING {
        return 0.0;
    }
    let (mut best, mut scale) = (0.0, -peak / half);
    for step in -9..=9_i8 {
        let inverse = -(half + 0.1 * f32::from(step)) / peak;
        let [xq, qq, _] = sums::<N>(|i| {
            let q = nearest(inverse * x[i]).clamp(-half, half - 1.0);
            [w[i] * x[i] * q, w[i] * q * q, 0.0]
        });
        // The error is sum(w x x) - xq^2 / qq.
        if qq > 0.0 && xq * xq > best * qq {
            best = xq * xq / qq;
            scale = xq / qq;
        }
    }
    scale
}

/// Scale and offset with which `scale * q + offset`, `q` from 0 to `top`, comes nearest to `x`.
///
/// With `below_zero` the offset is never above zero, as the K types demand.
pub(super) fn affine<const N: usize>(x: &[f32; N], w: &[f32; N], top: f32, below_zero: bool) -> (f32, f32) {
    let mut low = x.iter().copied().fold(f32::INFINITY, f32::min);
    let high = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if below_zero {
        low = low.min(0.0);
    }
    if high - low < NOTHING {
        return (0.0, low);
    }
    let error = |scale: f32, offset: f32, inverse: f32| {
        let [error, ..] = sums::<N>(|i| {
            let q = nearest(inverse * (x[i] - low)).clamp(0.0, top);
            let miss = scale * q + offset - x[i];
            [w[i] * miss * miss, 0.0, 0.0]
        });
        error
    };
    let [weight, wx, _] = sums::<N>(|i| [w[i], w[i] * x[i], 0.0]);
    let mut found = ((high - low) / top, low);
    let mut least = error(found.0, found.1, top / (high - low));
    for step in -10..=10_i8 {
        let inverse = (top + 0.1 * f32::from(step)) / (high - low);
        let [q1, q2, xq] = sums::<N>(|i| {
            let q = nearest(inverse * (x[i] - low)).clamp(0.0, top);
            [w[i] * q, w[i] * q * q, w[i] * q * x[i]]
        });
        let determinant = weight * q2 - q1 * q1;
        if determinant <= 0.0 {
            continue;
        }
        let (mut scale, mut offset) = ((weight * xq - wx * q1) / determinant, (q2 * wx - q1 * xq) / determinant);
        if below_zero && offset > 0.0 {
            (scale, offset) = (xq / q2, 0.0);
        }
        let error = error(scale, offset, inverse);
        if error < least {
            (least, found) = (error, (scale, offset));
        }
    }
    found
}

/// The scale with which integers from 0 to `top` come nearest to `x`, none of which is negative, and those integers.
pub(super) fn positive<const N: usize>(x: &[f32; N], w: &[f32; N], top: f32) -> (f32, [u8; N]) {
    let peak = x.iter().copied().fold(0.0, f32::max);
    if peak < NOTHING {
        return (0.0, [0; N]);
    }
    let (mut best, mut found, mut with) = (0.0, peak / top, top / peak);
    for step in -6..=6_i8 {
        let inverse = (top + 0.1 * f32::from(step)) / peak;
        let [xq, qq, _] = sums::<N>(|i| {
            let q = nearest(inverse * x[i]).clamp(0.0, top);
            [w[i] * x[i] * q, w[i] * q * q, 0.0]
        });
        if qq > 0.0 && xq * xq > best * qq {
            (best, found, with) = (xq * xq / qq, xq / qq, inverse);
        }
    }
    (found, x.map(|x| nearest(with * x).clamp(0.0, top) as u8))
}
