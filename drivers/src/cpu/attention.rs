//! Attention over the paged cache.
//!
//! Keys of a page lie as `[head][position / 16][dimension / 2][16 positions][2]`, values as `[head][position / 2]
//! [dimension][2 positions]`, bf16: each vector is one operand of the processor's bf16 dot product, for scores as for sums.
//! (bf16 keys and values cost no accuracy that can be measured beside the 8-bit activations.)
//!
//! The positions are cut into spans of 128. For every query and span there is one part: highest score, sum of the
//! exponentials, weighted sum of the values. Parts are joined in the order of the spans. A prompt joins them as it goes,
//! a decoding step computes them on all threads first: the arithmetic is the same, so the result is the same bit for bit.
//!
//! A decoding step lives on memory, and a head's part of a page is too short a run of addresses for a processor to guess
//! what follows. So a page's values are asked for while its keys are read, and the next piece's keys while the values are.
#![allow(unsafe_code, reason = "vectors and pointers; the contract stands at `Span`")]

#[cfg(target_arch = "aarch64")]
use super::isa::Neon;
#[cfg(target_arch = "x86_64")]
use super::isa::{Avx2, Avx512};
use super::isa::{Isa, Level, Portable};
use super::ops::{dispatched, exp};

/// Tokens of a page.
pub(super) const PAGE: usize = 32;
/// Positions of a span: what one part stands for.
pub(super) const SPAN: usize = 128;
/// Queries that one call takes.
pub(super) const QUERIES: usize = 16;
/// Fewer queries than these at once wait for memory.
const FEW: usize = 6;
/// Queries of one piece of work: what is done for a span is shared by them.
pub(super) const PIECE_QUERIES: usize = 64;

/// One span of the cache for some queries that share a key head.
///
/// # Safety
/// Whoever runs it vouches: `keys` and `values` point to as many pages as `positions` need, of the head that is asked and of
/// the sizes here; `queries`, `scores`, `sums` and `stats` have room as said; nobody else uses them meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    /// Where each page's keys of this head begin.
    pub(super) keys: &'a [*const u16],
    /// Where each page's values of this head begin.
    pub(super) values: &'a [*const u16],
    /// Where the keys of the pages that are read after this span begin, or null.
    pub(super) next: &'a [*const u16],
    /// Positions in the span, from its first page on: at most [`SPAN`].
    pub(super) positions: usize,
    /// Queries as pairs of bf16, scaled: `[key dimension / 2][count]`.
    pub(super) queries: *const u32,
    /// Number of queries, at most [`QUERIES`].
    pub(super) count: usize,
    /// For each query the positions that it sees, from the span's first: `from..to`.
    pub(super) seen: &'a [(usize, usize)],
    /// Even.
    pub(super) key_dimension: usize,
    /// A multiple of 16.
    pub(super) value_dimension: usize,
    /// Scratch, `[count][SPAN]`.
    pub(super) scores: *mut f32,
    /// The parts' weighted sums: `[count][value_dimension]`.
    pub(super) sums: *mut f32,
    /// The parts' highest score and sum of exponentials: `[count][2]`. The highest is minus infinity where nothing is seen.
    pub(super) stats: *mut f32,
}

/// Scores of `N` queries from `first` on against one page.
#[inline(always)]
unsafe fn page_scores<S: Isa, const N: usize>(span: &Span<'_>, page: usize, first: usize) {
    // SAFETY: the span's contract.
    unsafe {
        let keys = span.keys[page];
        let pairs = span.key_dimension / 2;
        let values = span.values[page];
        // Two vectors of positions at once: twice as many sums that do not wait for each other.
        let mut position = 0;
        while position < PAGE {
            let at = |position: usize| keys.add(position / 16 * pairs * 32 + position % 16 * 2);
            let (a, b) = (at(position), at(position + S::LANES));
            let mut sums = [[S::splat(0.0); N]; 2];
            for pair in 0..pairs {
                if N < FEW && position == 0 {
                    // Two lines, as many as a page's keys have for a pair.
                    S::prefetch(values.wrapping_add(pair * 64).cast());
                    S::prefetch(values.wrapping_add(pair * 64 + 32).cast());
                }
                let queries = span.queries.add(pair * span.count + first);
                let mut i = 0;
                while i < N {
                    let query = *queries.add(i);
                    sums[0][i] = S::dot_bf16(sums[0][i], a.add(pair * 32), query);
                    sums[1][i] = S::dot_bf16(sums[1][i], b.add(pair * 32), query);
                    i += 1;
                }
            }
            let mut i = 0;
            while i < N {
                let to = span.scores.add((first + i) * SPAN + page * PAGE + position);
                S::store(to, sums[0][i]);
                S::store(to.add(S::LANES), sums[1][i]);
                i += 1;
            }
            position += 2 * S::LANES;
        }
    }
}

/// Turns the scores of one query into exponentials, as bf16 in place; writes its stats. What is not seen becomes zero.
#[inline(always)]
unsafe fn exponentials<S: Isa>(span: &Span<'_>, query: usize) {
    // SAFETY: the span's contract.
    unsafe {
        let scores = span.scores.add(query * SPAN);
        let (from, to) = span.seen[query];
        // Whole vectors, of which the values of the last may be multiplied.
        let positions = span.positions.next_multiple_of(16);
        for position in (0..from.min(positions)).chain(to..positions) {
            *scores.add(position) = f32::NEG_INFINITY;
        }
        let mut highest = S::splat(f32::NEG_INFINITY);
        let mut at = 0;
        while at < positions {
            highest = S::max(highest, S::load(scores.add(at)));
            at += S::LANES;
        }
        let highest = if from < to { S::highest(highest) } else { f32::NEG_INFINITY };
        let stats = span.stats.add(2 * query);
        *stats = highest;
        let mut sum = S::splat(0.0);
        let shift = S::splat(if highest.is_finite() { highest } else { 0.0 });
        let weights = scores.cast::<u16>();
        let mut at = 0;
        while at < positions {
            // What is not seen adds e^-87 here, which is nothing beside the highest's 1.
            let e = exp::<S>(S::sub(S::load(scores.add(at)), shift));
            sum = S::add(sum, e);
            // In place: what is written over was read already.
            S::store_bf16(weights.add(at), e);
            at += S::LANES;
        }
        *stats.add(1) = S::sum(sum);
        // But times a large value it would be something.
        for position in (0..from.min(positions)).chain(to..positions) {
            *weights.add(position) = 0;
        }
    }
}

/// Asks for the keys that are read after this span: the share of pair `pair` of page `page`.
#[inline(always)]
unsafe fn ahead<S: Isa>(span: &Span<'_>, page: usize, pair: usize) {
    // SAFETY: a prefetch reads nothing.
    unsafe {
        let next = span.next[page];
        if next.is_null() {
            return;
        }
        let share = 2 * span.key_dimension;
        let mut at = pair * share;
        while at < (pair + 1) * share {
            S::prefetch(next.wrapping_add(at).cast());
            at += 32; // a line
        }
    }
}

/// Weighted sums of `V` vectors of value dimensions from `dimension` on, for `N` queries from `first` on.
#[inline(always)]
unsafe fn weighted<S: Isa, const N: usize, const V: usize>(
    span: &Span<'_>,
    pages: usize,
    first: usize,
    dimension: usize,
) {
    // SAFETY: the span's contract.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; N];
        for page in 0..pages {
            let values = span.values[page].add(2 * dimension);
            for pair in 0..(span.positions - page * PAGE).min(PAGE).div_ceil(2) {
                if N < FEW && dimension == 0 {
                    ahead::<S>(span, page, pair);
                }
                let values = values.add(pair * 2 * span.value_dimension);
                let mut i = 0;
                while i < N {
                    let weights = span.scores.add((first + i) * SPAN).cast::<u32>().add(page * PAGE / 2 + pair);
                    let weight = *weights;
                    let mut v = 0;
                    while v < V {
                        sums[i][v] = S::dot_bf16(sums[i][v], values.add(v * 2 * S::LANES), weight);
                        v += 1;
                    }
                    i += 1;
                }
            }
        }
        let mut i = 0;
        while i < N {
            let to = span.sums.add((first + i) * span.value_dimension + dimension);
            let mut v = 0;
            while v < V {
                S::store(to.add(v * S::LANES), sums[i][v]);
                v += 1;
            }
            i += 1;
        }
    }
}

/// All value dimensions for `N` queries.
#[inline(always)]
unsafe fn weighted_all<S: Isa, const N: usize>(span: &Span<'_>, pages: usize, first: usize) {
    // SAFETY: the span's contract.
    unsafe {
        let mut dimension = 0;
        while dimension + 4 * S::LANES <= span.value_dimension {
            weighted::<S, N, 4>(span, pages, first, dimension);
            dimension += 4 * S::LANES;
        }
        while dimension < span.value_dimension {
            weighted::<S, N, 1>(span, pages, first, dimension);
            dimension += S::LANES;
        }
    }
}

#[inline(always)]
unsafe fn part_generic<S: Isa>(span: &Span<'_>) {
    // SAFETY: the caller's contract.
    unsafe {
        let pages = span.positions.div_ceil(PAGE);
        let mut first = 0;
        while first < span.count {
            let left = span.count - first;
            let taken = if left >= 12 && S::QUERIES >= 12 {
                (0..pages).for_each(|page| page_scores::<S, 12>(span, page, first));
                12
            } else if left >= 4 {
                (0..pages).for_each(|page| page_scores::<S, 4>(span, page, first));
                4
            } else if left == 3 {
                (0..pages).for_each(|page| page_scores::<S, 3>(span, page, first));
                3
            } else if left == 2 {
                (0..pages).for_each(|page| page_scores::<S, 2>(span, page, first));
                2
            } else {
                (0..pages).for_each(|page| page_scores::<S, 1>(span, page, first));
                1
            };
            first += taken;
        }
        for query in 0..span.count {
            exponentials::<S>(span, query);
        }
        let mut first = 0;
        while first < span.count {
            let left = span.count - first;
            first += if left >= 6 && S::QUERIES >= 12 {
                weighted_all::<S, 6>(span, pages, first);
                6
            } else if left >= 3 && S::QUERIES >= 12 {
                weighted_all::<S, 3>(span, pages, first);
                3
            } else if left >= 2 {
                weighted_all::<S, 2>(span, pages, first);
                2
            } else {
                weighted_all::<S, 1>(span, pages, first);
                1
            };
        }
    }
}
dispatched! {
    /// Computes the parts of one span.
    fn part = part_generic(span: &Span<'_>);
}

#[inline(always)]
unsafe fn join_generic<S: Isa>(
    sums: *mut f32,
    stats: *mut f32,
    more_sums: *const f32,
    more_stats: *const f32,
    count: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let (highest, more) = (*stats, *more_stats);
        if more == f32::NEG_INFINITY {
            return;
        }
        let new = highest.max(more);
        // A scalar e^x of the standard library would do, but not bit for bit on every system.
        let mut factors = [0.0_f32; 16];
        S::store(factors.as_mut_ptr(), exp::<S>(S::splat(highest - new)));
        let mine = if highest == f32::NEG_INFINITY { 0.0 } else { factors[0] };
        S::store(factors.as_mut_ptr(), exp::<S>(S::splat(more - new)));
        let theirs = factors[0];
        *stats = new;
        *stats.add(1) = *stats.add(1) * mine + *more_stats.add(1) * theirs;
        let (mine, theirs) = (S::splat(mine), S::splat(theirs));
        let mut at = 0;
        while at < count {
            let scaled = S::mul(S::load(sums.add(at)), mine);
            S::store(sums.add(at), S::fma(S::load(more_sums.add(at)), theirs, scaled));
            at += S::LANES;
        }
    }
}
dispatched! {
    /// Joins the part at `more_sums` and `more_stats` (`count` sums, two stats) to the one at `sums` and `stats`, whose
    /// positions come before. An empty one has a highest score of minus infinity.
    fn join = join_generic(sums: *mut f32, stats: *mut f32, more_sums: *const f32, more_stats: *const f32, count: usize);
}

#[inline(always)]
unsafe fn finish_generic<S: Isa>(sums: *mut f32, sum: f32, count: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let inverse = S::splat(1.0 / sum);
        let mut at = 0;
        while at < count {
            S::store(sums.add(at), S::mul(S::load(sums.add(at)), inverse));
            at += S::LANES;
        }
    }
}
dispatched! {
    /// Divides `count` weighted sums by the sum of their weights.
    fn finish = finish_generic(sums: *mut f32, sum: f32, count: usize);
}

/// No infinity and no NaN: what a page holds beyond a sequence's end is multiplied by zero, which must give zero whatever an
/// earlier sequence left there. No sound model comes near the bound.
#[inline(always)]
pub(super) unsafe fn finite<S: Isa>(x: S::F) -> S::F {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let zero = S::splat(0.0);
        // Of a NaN and a bound, the bound is the greater.
        let bounded = S::max(x, S::splat(-LARGEST));
        S::sub(zero, S::max(S::sub(zero, bounded), S::splat(-LARGEST)))
    }
}

/// Half of what bf16 can hold.
const LARGEST: f32 = 1.7e38;

#[inline(always)]
unsafe fn store_key_generic<S: Isa>(key: *const f32, dimension: usize, page: *mut u16, position: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let to = page.add(position / 16 * dimension * 16 + position % 16 * 2).cast::<u32>();
        let mut rounded = [0_u16; 16];
        let mut at = 0;
        while at + S::LANES <= dimension {
            S::store_bf16(rounded.as_mut_ptr(), finite::<S>(S::load(key.add(at))));
            let pairs = rounded.as_ptr().cast::<u32>();
            let mut i = 0;
            while i < S::LANES / 2 {
                *to.add((at / 2 + i) * 16) = pairs.add(i).read_unaligned();
                i += 1;
            }
            at += S::LANES;
        }
    }
}
dispatched! {
    /// Puts one key of `dimension` numbers (a multiple of 16) at `position` of its head's part of a page.
    fn store_key = store_key_generic(key: *const f32, dimension: usize, page: *mut u16, position: usize);
}

/// The values of a page whose keys begin with them: the first `value` of a key's `key` numbers, in the order of values.
///
/// # Safety
/// A page of keys lies at `keys`, and `to` has room for a page of values.
pub(super) unsafe fn values_of_keys(keys: *const u16, key: usize, value: usize, to: *mut u16) {
    for block in 0..PAGE / 16 {
        for pair in 0..8 {
            for at in 0..value / 2 {
                // Two positions of two dimensions change places: four numbers of 16 bits, a square turned over.
                // SAFETY: as the caller vouches.
                unsafe {
                    let from = keys.add(block * key * 16 + at * 32 + pair * 4).cast::<u64>().read_unaligned();
                    let (first, second) = (from & 0xffff_ffff, from >> 32);
                    let even = (first & 0xffff) | (second & 0xffff) << 16;
                    let odd = (first >> 16) | (second & 0xffff_0000);
                    let to = to.add((block * 8 + pair) * value * 2 + at * 4).cast::<u64>();
                    to.write_unaligned(even | odd << 32);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn store_value_generic<S: Isa>(value: *const f32, dimension: usize, page: *mut u16, position: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let to = page.add(position / 2 * dimension * 2 + position % 2);
        let mut rounded = [0_u16; 16];
        let mut at = 0;
        while at + S::LANES <= dimension {
            S::store_bf16(rounded.as_mut_ptr(), finite::<S>(S::load(value.add(at))));
            let mut i = 0;
            while i < S::LANES {
                *to.add((at + i) * 2) = rounded[i];
                i += 1;
            }
            at += S::LANES;
        }
    }
}
dispatched! {
    /// Puts one value of `dimension` numbers (a multiple of 16) at `position` of its head's part of a page.
    fn store_value = store_value_generic(value: *const f32, dimension: usize, page: *mut u16, position: usize);
}

#[inline(always)]
unsafe fn pack_query_generic<S: Isa>(query: *const f32, dimension: usize, scale: f32, to: *mut u32, count: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut rounded = [0_u16; 16];
        let mut at = 0;
        while at + S::LANES <= dimension {
            S::store_bf16(rounded.as_mut_ptr(), S::mul(S::load(query.add(at)), S::splat(scale)));
            let pairs = rounded.as_ptr().cast::<u32>();
            let mut i = 0;
            while i < S::LANES / 2 {
                *to.add((at / 2 + i) * count) = pairs.add(i).read_unaligned();
                i += 1;
            }
            at += S::LANES;
        }
    }
}
dispatched! {
    /// One query of `dimension` numbers (a multiple of 16), scaled, to every `count`-th place from `to` on: as
    /// [`Span::queries`] wants it.
    fn pack_query = pack_query_generic(query: *const f32, dimension: usize, scale: f32, to: *mut u32, count: usize);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::half::{bf16_to_f32, f32_to_bf16};

    /// bf16 keys, values and weights, and sums in f32: as a part of the largest value.
    const ERROR: f32 = 1e-2;

    fn number(seed: usize) -> f32 {
        ((seed * 7919 + seed / 13 * 31) % 997) as f32 / 498.0 - 1.0
    }

    /// Attention of `count` queries over `positions` positions, by spans as the pass does it.
    fn spans(
        level: Level,
        count: usize,
        positions: usize,
        key: usize,
        value: usize,
        seen: impl Fn(usize) -> (usize, usize),
    ) -> Vec<f32> {
        let pages = positions.div_ceil(PAGE);
        let mut keys = vec![vec![0_u16; PAGE * key]; pages];
        let mut values = vec![vec![0_u16; PAGE * value]; pages];
        let mut queries = vec![0_u32; key / 2 * count];
        let (mut sums, mut stats) = (vec![0.0; count * value], vec![[f32::NEG_INFINITY, 0.0]; count]);
        // SAFETY: every buffer has the size that the span says, and the level is available.
        unsafe {
            for position in 0..positions {
                let k: Vec<f32> = (0..key).map(|d| number(position * 131 + d)).collect();
                let v: Vec<f32> = (0..value).map(|d| number(position * 57 + d * 3)).collect();
                store_key(level, k.as_ptr(), key, keys[position / PAGE].as_mut_ptr(), position % PAGE);
                store_value(level, v.as_ptr(), value, values[position / PAGE].as_mut_ptr(), position % PAGE);
            }
            for query in 0..count {
                let q: Vec<f32> = (0..key).map(|d| number(query * 977 + d * 5)).collect();
                pack_query(level, q.as_ptr(), key, 0.5, queries.as_mut_ptr().add(query), count);
            }
            for span in 0..positions.div_ceil(SPAN) {
                let start = span * SPAN;
                let here = positions.min(start + SPAN) - start;
                let page = |pages: &[Vec<u16>]| -> Vec<*const u16> {
                    pages[start / PAGE..].iter().take(here.div_ceil(PAGE)).map(|page| page.as_ptr()).collect()
                };
                let seen: Vec<(usize, usize)> = (0..count)
                    .map(|query| {
                        let (from, to) = seen(query);
                        let to = to.saturating_sub(start).min(SPAN);
                        (from.saturating_sub(start).min(to), to)
                    })
                    .collect();
                let mut scores = vec![0.0; count * SPAN];
                let (mut more, mut more_stats) = (vec![0.0; count * value], vec![0.0; count * 2]);
                let span = Span {
                    keys: &page(&keys),
                    next: &page(&keys),
                    values: &page(&values),
                    positions: here,
                    queries: queries.as_ptr(),
                    count,
                    seen: &seen,
                    key_dimension: key,
                    value_dimension: value,
                    scores: scores.as_mut_ptr(),
                    sums: more.as_mut_ptr(),
                    stats: more_stats.as_mut_ptr(),
                };
                part(level, &span);
                for (query, stats) in stats.iter_mut().enumerate() {
                    let to = sums.as_mut_ptr().add(query * value);
                    let from = more.as_ptr().add(query * value);
                    join(level, to, stats.as_mut_ptr(), from, more_stats.as_ptr().add(2 * query), value);
                }
            }
            for (query, [_, sum]) in stats.iter().enumerate() {
                finish(level, sums.as_mut_ptr().add(query * value), *sum, value);
            }
        }
        sums
    }

    fn plain(query: usize, key: usize, value: usize, seen: (usize, usize)) -> Vec<f32> {
        let half = |x: f32| bf16_to_f32(f32_to_bf16(x));
        let scores: Vec<f64> = (seen.0..seen.1)
            .map(|position| {
                (0..key)
                    .map(|d| {
                        let q = half(number(query * 977 + d * 5) * 0.5);
                        f64::from(q) * f64::from(half(number(position * 131 + d)))
                    })
                    .sum()
            })
            .collect();
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let weighted = |d: usize| {
            let terms = weights.iter().enumerate();
            terms.map(|(i, weight)| weight * f64::from(half(number((seen.0 + i) * 57 + d * 3)))).sum::<f64>() / sum
        };
        (0..value).map(|d| weighted(d) as f32).collect()
    }

    #[test]
    fn a_page_holds_finite_numbers_alone() {
        for level in Level::ALL.into_iter().filter(|level| level.available()) {
            let value: Vec<f32> = (0..16).map(|i| [1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN][i % 4]).collect();
            let mut page = vec![0; PAGE * 16];
            // SAFETY: a page of sixteen numbers a position.
            unsafe { store_value(level, value.as_ptr(), 16, page.as_mut_ptr(), 0) };
            assert!(page.iter().all(|&bits| bf16_to_f32(bits.to_le_bytes()).is_finite()), "{level:?}");
            assert_eq!(bf16_to_f32(page[0].to_le_bytes()), 1.0, "{level:?}");
        }
    }

    #[test]
    fn values_come_out_of_keys() {
        let (key, value) = (48, 32);
        let (mut keys, mut expected) = (vec![0_u16; PAGE * key], vec![0_u16; PAGE * value]);
        let mut found = vec![0_u16; PAGE * value];
        // SAFETY: pages of the sizes that are named.
        unsafe {
            for position in 0..PAGE {
                let k: Vec<f32> = (0..key).map(|d| number(position * 131 + d)).collect();
                store_key(Level::Portable, k.as_ptr(), key, keys.as_mut_ptr(), position);
                store_value(Level::Portable, k.as_ptr(), value, expected.as_mut_ptr(), position);
            }
            values_of_keys(keys.as_ptr(), key, value, found.as_mut_ptr());
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn it_is_the_plain_softmax_for_every_size_and_window() {
        for level in Level::ALL.into_iter().filter(|level| level.available()) {
            for (count, positions, key, value) in [
                (1, 1, 16, 16),
                (3, 33, 64, 64),
                (5, 128, 32, 48),
                (12, 129, 64, 64),
                (16, 300, 96, 80),
                (2, 517, 128, 128),
            ] {
                for window in [usize::MAX, 100] {
                    // Each query sees one position more than the one before, the last sees all.
                    let seen = |query: usize| {
                        let to = (positions + query + 1).saturating_sub(count).max(1);
                        (to.saturating_sub(window), to)
                    };
                    let found = spans(level, count, positions, key, value, seen);
                    for query in 0..count {
                        let expected = plain(query, key, value, seen(query));
                        let found = &found[query * value..][..value];
                        for (found, expected) in found.iter().zip(&expected) {
                            let what = format!("{level:?}, {count} queries, {positions} positions, window {window}");
                            assert!((found - expected).abs() < ERROR, "{what}: {found} for {expected}");
                        }
                    }
                    // A query among others is the query alone, to the last bit.
                    let last = count - 1;
                    let alone =
                        spans(
                            level,
                            count,
                            positions,
                            key,
                            value,
                            |query| {
                                if query == last { seen(last) } else { (0, 1) }
                            },
                        );
                    let same = found[last * value..].iter().zip(&alone[last * value..]);
                    assert!(same.into_iter().all(|(a, b)| a.to_bits() == b.to_bits()), "{level:?}: others matter");
                }
            }
        }
    }
}
