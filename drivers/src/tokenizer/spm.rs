//! SentencePiece's BPE, as Llama 2 and Gemma have it: no cutting, pairs merge by the score of the piece that comes of them,
//! and what is no piece is written in bytes. (As llama.cpp, `llm_tokenizer_spm_session`, 2026-10.)

use std::cmp::Ordering;
use std::collections::HashMap;

use super::merge::{NONE, chain, merge};
use super::pieces::{Pieces, SPACE, byte_of};
use super::{Kind, TokenizerError};

/// What merging needs of a vocabulary.
#[derive(Debug)]
pub(super) struct Spm {
    /// Pieces by their text. Control and byte tokens are not among them: no text becomes one, `<0x0A>` neither.
    pieces: HashMap<String, (Score, u32)>,
    /// Bytes of the longest: what is longer need not be looked up.
    longest: usize,
    /// The token of each byte.
    bytes: [u32; 256],
}

/// A score, no NaN. The greater merges first.
#[derive(Debug, Clone, Copy)]
struct Score(f32);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Spm {
    pub(super) fn new(vocabulary: &Pieces) -> Result<Self, TokenizerError> {
        let mut pieces = HashMap::new();
        let mut bytes = [vocabulary.unknown.unwrap_or(NONE); 256];
        for (((text, kind), &score), id) in vocabulary.tokens.iter().zip(&vocabulary.scores).zip(0..) {
            match kind {
                Kind::Control | Kind::UserDefined => {}
                Kind::Byte => {
                    if let Some(entry) = byte_of(text).and_then(|byte| bytes.get_mut(usize::from(byte))) {
                        *entry = id;
                    }
                }
                Kind::Normal | Kind::Unused | Kind::Verbatim => {
                    pieces.insert(text.clone(), (Score(score + 0.0), id)); // + 0.0: there is no second zero
                }
            }
        }
        if let Some((byte, _)) = bytes.iter().enumerate().find(|(_, token)| **token == NONE) {
            let rule = format!("it has no token for the byte {byte:#04x}, and none for what is unknown");
            return Err(TokenizerError::Vocabulary(rule));
        }
        let longest = pieces.keys().map(String::len).max().unwrap_or(0);
        Ok(Self { pieces, longest, bytes })
    }

    /// Appends the tokens of a text; `space_before` puts a space before it.
    pub(super) fn encode(&self, text: &str, space_before: bool, tokens: &mut Vec<u32>) {
        let mut escaped = String::with_capacity(text.len() + SPACE.len());
        if space_before {
            escaped.push_str(SPACE);
        }
        for (index, part) in text.split(' ').enumerate() {
            if index > 0 {
                escaped.push_str(SPACE);
            }
            escaped.push_str(part);
        }
        let mut symbols = Vec::new();
        chain(&mut symbols, escaped.chars().map(|character| (character.len_utf8() as u32, NONE)));
        let piece = |from: u32, to: u32| {
            let text = escaped.get(from as usize..to as usize).filter(|text| text.len() <= self.longest)?;
            self.pieces.get(text).copied()
        };
        merge(&mut symbols, |a, b| piece(a.from, b.end()));
        for symbol in symbols.iter().filter(|symbol| symbol.size > 0) {
            match piece(symbol.from, symbol.end()) {
                Some((_, token)) => tokens.push(token),
                None => {
                    let bytes = escaped.as_bytes().get(symbol.from as usize..symbol.end() as usize);
                    let token = |&byte: &u8| self.bytes.get(usize::from(byte)).copied();
                    tokens.extend(bytes.into_iter().flatten().filter_map(token));
                }
            }
        }
    }
}
