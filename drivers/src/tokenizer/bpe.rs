//! Byte-level BPE, as GPT-2 has it: words are bytes, and pairs merge in the order in which they were learned.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::bytes::Alphabet;
use super::cut::Cut;
use super::merge::{NONE, Symbol, chain, merge};
use super::{Kind, TokenizerError, Vocabulary};

/// What merging needs of a vocabulary.
#[derive(Debug)]
pub(super) struct Bpe {
    cut: Cut,
    /// The token of each byte, or [`NONE`]: text loses that byte, as with llama.cpp.
    letters: [u32; 256],
    /// Two tokens: how late the merge was learned, and what comes of it.
    merges: HashMap<(u32, u32), (Reverse<u32>, u32)>,
    /// Words that are tokens as they are, by their bytes, where the model takes them so.
    whole: HashMap<Vec<u8>, u32>,
}

impl Bpe {
    /// Control tokens are no part of what merging can reach: no text becomes one.
    pub(super) fn new(vocabulary: &Vocabulary, alphabet: &Alphabet) -> Result<Self, TokenizerError> {
        let wrong = |rule: String| TokenizerError::Vocabulary(rule);
        let ids: HashMap<&str, (u32, Kind)> =
            vocabulary.tokens.iter().zip(0..).map(|((text, kind), id)| (text.as_str(), (id, *kind))).collect();
        let normal = |text: &str| ids.get(text).filter(|(_, kind)| *kind == Kind::Normal).map(|(id, _)| *id);
        let letters = alphabet.letters().map(|letter| normal(letter.encode_utf8(&mut [0; 4])).unwrap_or(NONE));
        // Control characters and rare planes are often missing (SmolLM2 lacks 21 bytes): text loses them. Any other would be
        // a broken file.
        let may_lack = |byte: usize| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127 | 0xc0 | 0xc1 | 0xf1..=0xff);
        if let Some((byte, _)) = letters.iter().enumerate().find(|(byte, letter)| !may_lack(*byte) && **letter == NONE)
        {
            return Err(wrong(format!("it has no token for the byte {byte:#04x}")));
        }
        let mut merges = HashMap::with_capacity(vocabulary.merges.len());
        for ((a, b), rank) in vocabulary.merges.iter().zip(0..) {
            let both = format!("{a}{b}");
            if let Some(missing) = [a, b, &both].into_iter().position(|text| !ids.contains_key(text.as_str())) {
                let what = ["first part", "second part", "result"].get(missing).copied().unwrap_or_default();
                return Err(wrong(format!("its merges do not fit its tokens (the {what} of merge {rank} is none)")));
            }
            if let (Some(a), Some(b), Some(both)) = (normal(a), normal(b), normal(&both)) {
                merges.entry((a, b)).or_insert((Reverse(rank), both));
            }
        }
        let mut whole = HashMap::new();
        if vocabulary.cut.takes_whole_words() {
            let normal = vocabulary.tokens.iter().zip(0..).filter(|((_, kind), _)| *kind == Kind::Normal);
            whole.extend(normal.filter_map(|((text, _), id)| Some((alphabet.strict_bytes_of(text)?, id))));
        }
        Ok(Self { cut: vocabulary.cut, letters, merges, whole })
    }

    /// Appends the tokens of a text.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut symbols = Vec::new();
        self.cut.words(text, &mut |word| self.encode_word(word.as_bytes(), &mut symbols, tokens));
    }

    fn encode_word(&self, word: &[u8], symbols: &mut Vec<Symbol>, tokens: &mut Vec<u32>) {
        if let Some(&token) = self.whole.get(word) {
            tokens.push(token);
            return;
        }
        let letter = |&byte: &u8| (1, self.letters.get(usize::from(byte)).copied().unwrap_or(NONE));
        chain(symbols, word.iter().map(letter));
        merge(symbols, |a, b| self.merges.get(&(a.token, b.token)).copied());
        tokens
            .extend(symbols.iter().filter(|symbol| symbol.size > 0 && symbol.token != NONE).map(|symbol| symbol.token));
    }
}
