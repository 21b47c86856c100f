//! The few operations.

use super::config::{Rope, Yarn};

/// Eight sums side by side: the compiler makes one vector of them, and they lose less than one long sum.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}

pub(super) fn add(x: &mut [Vec<f32>], y: &[Vec<f32>]) {
    x.iter_mut().flatten().zip(y.iter().flatten()).for_each(|(x, y)| *x += y);
}

pub(super) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32) -> Vec<f32> {
    assert_eq!(x.len(), weight.len());
    let scale = 1.0 / (dot(x, x) / x.len() as f32 + epsilon).sqrt();
    x.iter().zip(weight).map(|(x, weight)| x * scale * weight).collect()
}

pub(super) fn softmax(x: &mut [f32]) {
    let highest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    x.iter_mut().for_each(|x| *x = (*x - highest).exp());
    let sum: f32 = x.iter().sum();
    x.iter_mut().for_each(|x| *x /= sum);
}

pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// Hendrycks and Gimpel, arXiv 1606.08415, the approximation by tanh.
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + ((2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
}

/// Which part of pair `i` of `half` is stretched: the ramp runs evenly along the pairs, from the one that turns `beta_fast`
/// times in the trained length to the one that turns `beta_slow` times.
#[inline(never)] // or the compiler computes it where there is no `yarn`, and valgrind complains
fn stretched(yarn: &Yarn, i: usize, half: usize, base: f64) -> f64 {
    let pair_of = |turns: f64| {
        let length = yarn.trained / (2.0 * std::f64::consts::PI * turns);
        half as f64 * length.ln() / base.ln()
    };
    let first = pair_of(yarn.beta_fast).floor().max(0.0);
    let last = pair_of(yarn.beta_slow).ceil().min(2.0 * half as f64 - 1.0);
    ((i as f64 - first) / (last - first).max(1e-3)).clamp(0.0, 1.0)
}

/// Turns the pairs of `head` by angles that grow with `position`; the angles in f64, for a late position's are large.
pub(super) fn rotate(head: &mut [f32], position: usize, rope: &Rope, factors: Option<&[f32]>) {
    let half = head.len() / 2;
    for i in 0..half {
        let factor = f64::from(factors.map_or(1.0, |factors| factors[i]));
        let whole = f64::from(rope.base).powf(-(i as f64) / half as f64) / factor;
        let (mut speed, mut size) = (whole * f64::from(rope.scale), 1.0);
        if let Some(yarn) = &rope.yarn {
            let stretched = stretched(yarn, i, half, f64::from(rope.base));
            speed = whole * (1.0 - stretched) + speed * stretched;
            size = yarn.magnitude;
        }
        let (sin, cos) = (position as f64 * speed).sin_cos();
        let (sin, cos) = (size * sin, size * cos);
        let (a, b) = if rope.halves { (i, i + half) } else { (2 * i, 2 * i + 1) };
        let (x, y) = (f64::from(head[a]), f64::from(head[b]));
        head[a] = (x * cos - y * sin) as f32;
        head[b] = (x * sin + y * cos) as f32;
    }
}
