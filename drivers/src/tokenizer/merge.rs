//! Neighbours become one, the strongest pair first: what byte-level BPE and SentencePiece's BPE have in common.
//!
//! A heap of pairs and a chain of symbols: the time is that of sorting, however long the word and whatever its merges. (As
//! llama.cpp, `llm_tokenizer_bpe_session` and `llm_tokenizer_spm_session`, 2026-10: of equal pairs the leftmost.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No symbol, or no token.
pub(super) const NONE: u32 = u32::MAX;

/// A stretch of the word, one after the other; after merging, one token each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    /// Where it begins, in bytes.
    pub(super) from: u32,
    /// Its length in bytes; 0 once its left neighbour took it in.
    pub(super) size: u32,
    /// The token it is, if that is known, or [`NONE`].
    pub(super) token: u32,
    /// The next symbol.
    next: u32,
    /// The symbol before.
    before: u32,
}

impl Symbol {
    /// Where it ends, in bytes.
    pub(super) const fn end(&self) -> u32 {
        self.from + self.size
    }
}

/// Makes the chain of a word anew. `pieces` are lengths in bytes and tokens, at most 2³¹ of them.
pub(super) fn chain(symbols: &mut Vec<Symbol>, pieces: impl Iterator<Item = (u32, u32)>) {
    symbols.clear();
    let mut from = 0;
    for ((size, token), index) in pieces.zip(0_u32..) {
        symbols.push(Symbol { from, size, token, next: index + 1, before: index.wrapping_sub(1) });
        from += size;
    }
    if let Some(last) = symbols.last_mut() {
        last.next = NONE;
    }
}

/// Two neighbours that can become one. The greatest is merged next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pair<P> {
    strength: P,
    left: Reverse<u32>,
    right: u32,
    /// Of both, when they met: one that has grown since is another pair.
    size: u32,
    token: u32,
}

/// Merges until nothing can be. `join` says how strong a pair is and what token comes of it.
pub(super) fn merge<P: Ord>(symbols: &mut [Symbol], join: impl Fn(&Symbol, &Symbol) -> Option<(P, u32)>) {
    let pair = |symbols: &[Symbol], left: u32, right: u32| {
        let (a, b) = (symbols.get(left as usize)?, symbols.get(right as usize)?);
        let (strength, token) = join(a, b)?;
        Some(Pair { strength, left: Reverse(left), right, size: a.size + b.size, token })
    };
    let count = u32::try_from(symbols.len()).unwrap_or(NONE);
    let mut pairs: BinaryHeap<Pair<P>> = (1..count).filter_map(|right| pair(symbols, right - 1, right)).collect();
    while let Some(Pair { left: Reverse(left), right, size, token, .. }) = pairs.pop() {
        let (Some(a), Some(b)) = (symbols.get(left as usize).copied(), symbols.get(right as usize).copied()) else {
            continue;
        };
        if a.size == 0 || b.size == 0 || a.size + b.size != size {
            continue;
        }
        if let Some(a) = symbols.get_mut(left as usize) {
            *a = Symbol { size, token, next: b.next, ..*a };
        }
        if let Some(b) = symbols.get_mut(right as usize) {
            b.size = 0;
        }
        if let Some(after) = symbols.get_mut(b.next as usize) {
            after.before = left;
        }
        pairs.extend(pair(symbols, a.before, left));
        pairs.extend(pair(symbols, left, b.next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters merge into any run of the same letter, the longer the stronger, up to `longest`.
    fn runs(word: &str, longest: u32) -> Vec<u32> {
        let mut symbols = Vec::new();
        chain(&mut symbols, word.bytes().map(|byte| (1, u32::from(byte))));
        merge(&mut symbols, |a, b| {
            let size = a.size + b.size;
            (a.token == b.token && size <= longest).then_some((size, a.token))
        });
        symbols.iter().filter(|symbol| symbol.size > 0).map(|symbol| symbol.size).collect()
    }

    #[test]
    fn the_strongest_then_the_leftmost_is_merged() {
        for (word, longest, sizes) in [
            ("", 9, &[][..]),
            ("a", 9, &[1]),
            ("aaa", 2, &[2, 1]), // leftmost
            ("aab", 9, &[2, 1]),
            ("aaaab", 4, &[4, 1]),
            ("abab", 4, &[1, 1, 1, 1]),
        ] {
            assert_eq!(runs(word, longest), sizes, "{word} {longest}");
        }
    }

    #[test]
    fn a_pair_that_has_grown_is_no_longer_the_pair() {
        // b+c is strongest; then a+b, which was asked for first, has become a+bc.
        let mut symbols = Vec::new();
        chain(&mut symbols, b"abc".iter().map(|&byte| (1, u32::from(byte))));
        merge(&mut symbols, |a, b| match (a.token as u8, b.token as u8) {
            (b'b', b'c') => Some((2, 1)),
            (b'a', b'b') => Some((1, 2)),
            _ => None,
        });
        let tokens: Vec<u32> = symbols.iter().filter(|symbol| symbol.size > 0).map(|symbol| symbol.token).collect();
        assert_eq!(tokens, [u32::from(b'a'), 1]);
    }

    #[test]
    fn a_long_word_takes_the_time_of_sorting() {
        let sizes = runs(&"a".repeat(1 << 20), 1 << 10);
        assert_eq!(sizes, vec![1 << 10; 1 << 10]);
    }
}
