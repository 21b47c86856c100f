//! Text to token ids and back, from a model file's own vocabulary: byte-level BPE as GPT-2, SmolLM, Llama 3 and Qwen 2 have it.
//!
//! Merging is the `tokenizers` crate's work. Special tokens are cut out here and not there, because text that a person or
//! a record wrote must never become one: only the template's own words may ([`Tokenizer::encode_prompt`]).

mod bytes;

use std::collections::HashSet;
use std::ops::Range;

use thiserror::Error;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use crate::gguf::{Array, GgufError, Header, Value};

pub use bytes::Detokenizer;
pub(crate) use bytes::alphabet;

/// Longest text that is encoded, in bytes: twenty times what the longest context holds.
pub const MAX_TEXT_BYTES: usize = 8 << 20;

/// What is wrong with a vocabulary or a text.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The file's vocabulary cannot be used.
    #[error("HAECHI-0504: the model file's vocabulary cannot be used: {0}")]
    Vocabulary(String),
    /// The text cannot be encoded. Nothing of it is quoted.
    #[error("HAECHI-0505: the text cannot be turned into tokens: {0}")]
    Text(String),
}

impl From<GgufError> for TokenizerError {
    fn from(error: GgufError) -> Self {
        Self::Vocabulary(error.to_string())
    }
}

/// What a token is (`tokenizer.ggml.token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, in the byte alphabet.
    Normal,
    /// Text as written, cut out before merging.
    UserDefined,
    /// A sign between template and model; never text.
    Control,
    /// Never used.
    Unused,
}

/// How text is cut before merging (`tokenizer.ggml.pre`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// GPT-2: words with the space before them, numbers, punctuation.
    Gpt2,
    /// SmolLM: each digit alone, then as GPT-2.
    SmolLm,
    /// Llama 3: numbers up to three digits.
    Llama3,
    /// Qwen 2: each digit alone; text is composed first (NFC).
    Qwen2,
}

/// A vocabulary, by hand or from a file.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// The tokens by id, and what each is.
    pub tokens: Vec<(String, Kind)>,
    /// Pairs that become one, the strongest first.
    pub merges: Vec<(String, String)>,
    /// How text is cut.
    pub cut: Cut,
    /// Put before every prompt, if any.
    pub begin: Option<u32>,
    /// What a template may call `bos_token`.
    pub begin_name: Option<u32>,
    /// The model says with one of these that it is done.
    pub ends: Vec<u32>,
}

/// Control tokens that end an answer, whatever the file names as its end: some chat models end a turn with another token
/// than the text. The list is llama.cpp's (`llama-vocab.cpp`, "special_eog_ids", 2026-06).
const ENDS: [&str; 9] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "<|eot|>",
];

impl Vocabulary {
    /// Out of a model file.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn from_header(header: &Header) -> Result<Self, TokenizerError> {
        let wrong = TokenizerError::Vocabulary;
        match header.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            other => {
                return Err(wrong(format!(
                    "its kind is `{}`; byte-level BPE (`gpt2`) is read",
                    other.unwrap_or("not given")
                )));
            }
        }
        let cut = match header.text("tokenizer.ggml.pre") {
            Some("gpt-2" | "gpt2" | "default") | None => Cut::Gpt2,
            Some("smollm") => Cut::SmolLm,
            Some("llama-bpe" | "llama3" | "llama-v3") => Cut::Llama3,
            Some("qwen2") => Cut::Qwen2,
            Some(other) => {
                return Err(wrong(format!(
                    "it cuts text in the way `{other}`; gpt-2, smollm, llama-bpe and qwen2 are known"
                )));
            }
        };
        let texts = header.texts("tokenizer.ggml.tokens")?;
        let count = u32::try_from(texts.len()).map_err(|_| wrong("it is too large".to_owned()))?;
        let kinds = match header.metadata.get("tokenizer.ggml.token_type") {
            Some(Value::Array(Array::I32(kinds))) if kinds.len() == texts.len() => {
                kinds.iter().map(|&kind| i64::from(kind)).collect()
            }
            Some(Value::Array(Array::U32(kinds))) if kinds.len() == texts.len() => {
                kinds.iter().map(|&kind| i64::from(kind)).collect()
            }
            None => vec![1; texts.len()],
            Some(_) => return Err(wrong("`tokenizer.ggml.token_type` does not say a kind for each token".to_owned())),
        };
        let kind = |number: i64| match number {
            2 | 3 => Kind::Control, // "unknown" never stands for text either
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            _ => Kind::Normal,
        };
        let tokens: Vec<(String, Kind)> = texts.iter().cloned().zip(kinds.into_iter().map(kind)).collect();
        let merges = header.texts("tokenizer.ggml.merges")?.iter().map(|merge| {
            // The first character may itself be a space in vocabularies that are not byte-level.
            let space = merge.char_indices().skip(1).find(|(_, character)| *character == ' ').map(|(at, _)| at);
            let pair = space.and_then(|at| Some((merge.get(..at)?, merge.get(at + 1..)?)));
            pair.map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or_else(|| wrong("a merge is no pair".to_owned()))
        });
        let merges = merges.collect::<Result<_, _>>()?;
        let id = |key: &str| -> Result<Option<u32>, TokenizerError> {
            let Some(number) = header.number_if_any(key)? else { return Ok(None) };
            let id = u32::try_from(number).ok().filter(|&id| id < count);
            id.map(Some).ok_or_else(|| wrong(format!("`{key}` is {number}, and there are {count} tokens")))
        };
        let begin_name = id("tokenizer.ggml.bos_token_id")?;
        // llama.cpp: only the vocabularies of this kind add it unless told otherwise.
        let adds_begin = header.flag("tokenizer.ggml.add_bos_token").unwrap_or(cut == Cut::Llama3);
        let mut ends: Vec<u32> =
            [id("tokenizer.ggml.eos_token_id")?, id("tokenizer.ggml.eot_token_id")?].into_iter().flatten().collect();
        let named =
            tokens.iter().zip(0..).filter(|((text, kind), _)| *kind == Kind::Control && ENDS.contains(&text.as_str()));
        ends.extend(named.map(|(_, id)| id));
        ends.sort_unstable();
        ends.dedup();
        Ok(Self { tokens, merges, cut, begin: begin_name.filter(|_| adds_begin), begin_name, ends })
    }
}

/// Text to token ids and back.
#[derive(Debug)]
pub struct Tokenizer {
    merger: tokenizers::Tokenizer,
    /// What each token adds to the text; nothing for control tokens.
    bytes: Vec<Vec<u8>>,
    names: Vec<String>,
    /// Cut out of text before merging, longest first: the template's own words only.
    specials: Vec<(String, u32)>,
    begin: Option<u32>,
    begin_name: Option<u32>,
    ends: Vec<u32>,
}

impl Tokenizer {
    /// The tokenizer of a model file.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn from_header(header: &Header) -> Result<Self, TokenizerError> {
        Self::new(Vocabulary::from_header(header)?)
    }

    /// A tokenizer with this vocabulary.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn new(vocabulary: Vocabulary) -> Result<Self, TokenizerError> {
        let wrong = TokenizerError::Vocabulary;
        let Vocabulary { tokens, merges, cut, begin, begin_name, ends } = vocabulary;
        if tokens.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let alphabet = alphabet();
        // Control tokens are no part of what merging can reach: no text becomes one.
        let mergeable = tokens.iter().zip(0..).filter(|((_, kind), _)| *kind == Kind::Normal);
        let mergeable = mergeable.map(|((text, _), id)| (text.clone(), id)).collect::<Vec<(String, u32)>>();
        let all: HashSet<&str> = mergeable.iter().map(|(text, _)| text.as_str()).collect();
        // Control characters and rare planes are often missing (SmolLM2 lacks 21 bytes): text loses them. Any other would be
        // a broken file, since merging leaves out what it does not find.
        let may_lack = |byte: usize| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127 | 0xc0 | 0xc1 | 0xf1..=0xff);
        let lacks = |letter: &char| !all.contains(&*letter.encode_utf8(&mut [0; 4]));
        if let Some((byte, _)) = alphabet.iter().enumerate().find(|(byte, letter)| !may_lack(*byte) && lacks(letter)) {
            return Err(wrong(format!("it has no token for the byte {byte:#04x}")));
        }
        drop(all);
        let bpe = BPE::builder()
            .vocab_and_merges(mergeable.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
            .ignore_merges(cut == Cut::Llama3)
            .build()
            .map_err(|error| wrong(format!("its merges do not fit its tokens ({error})")))?;
        let mut merger = tokenizers::Tokenizer::new(bpe);
        merger.with_pre_tokenizer(Some(cutter(cut)?));
        if cut == Cut::Qwen2 {
            merger.with_normalizer(Some(NFC)).map_err(|_| wrong("NFC cannot be set".to_owned()))?;
        }
        let text_of = |(text, kind): &(String, Kind)| match kind {
            Kind::Normal => bytes::bytes_of(text, &alphabet),
            Kind::UserDefined => text.clone().into_bytes(),
            Kind::Control | Kind::Unused => Vec::new(),
        };
        let bytes = tokens.iter().map(text_of).collect();
        let special = |((text, kind), id): (&(String, Kind), u32)| {
            (matches!(kind, Kind::Control | Kind::UserDefined) && !text.is_empty()).then(|| (text.clone(), id))
        };
        let mut specials: Vec<(String, u32)> = tokens.iter().zip(0..).filter_map(special).collect();
        specials.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.1.cmp(&b.1)));
        let names = tokens.into_iter().map(|(text, _)| text).collect();
        Ok(Self { merger, bytes, names, specials, begin, begin_name, ends })
    }

    /// Number of token ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if there are no tokens, which [`Tokenizer::new`] refuses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// True if the model says with this token that it is done.
    #[must_use]
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// What a template may call `bos_token` and `eos_token`; empty if there is none.
    #[must_use]
    pub fn begin_and_end_names(&self) -> (&str, &str) {
        let name = |id: Option<u32>| id.and_then(|id| self.names.get(id as usize)).map_or("", String::as_str);
        (name(self.begin_name), name(self.ends.first().copied()))
    }

    /// The words that only a template may say, longest first.
    pub fn specials(&self) -> impl Iterator<Item = &str> {
        self.specials.iter().map(|(text, _)| text.as_str())
    }

    /// Tokens of plain text. Nothing in it becomes a special token.
    ///
    /// # Errors
    /// [`TokenizerError::Text`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = Vec::new();
        self.encode_plain(text, &mut tokens)?;
        Ok(tokens)
    }

    /// Tokens of a prompt that a template wrote: special tokens are recognised, except where they touch one of the
    /// `quoted` ranges (bytes), which hold what others wrote. Begins with the begin token if the model wants one and the
    /// template did not write it.
    ///
    /// # Errors
    /// [`TokenizerError::Text`].
    pub fn encode_prompt(&self, text: &str, quoted: &[Range<usize>]) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = Vec::new();
        let mut plain_from = 0;
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let found = self.specials.iter().find(|(special, _)| {
                let end = at + special.len();
                rest.starts_with(special.as_str()) && !quoted.iter().any(|range| range.start < end && at < range.end)
            });
            match found {
                Some((special, id)) => {
                    self.encode_plain(text.get(plain_from..at).unwrap_or_default(), &mut tokens)?;
                    tokens.push(*id);
                    at += special.len();
                    plain_from = at;
                }
                None => {
                    // Quoted text is left out of the search altogether: it may be long.
                    let skip = quoted.iter().find(|range| range.contains(&at)).map(|range| range.end);
                    at = skip.unwrap_or_else(|| at + rest.chars().next().map_or(1, char::len_utf8));
                }
            }
        }
        self.encode_plain(text.get(plain_from..).unwrap_or_default(), &mut tokens)?;
        if let Some(begin) = self.begin.filter(|begin| tokens.first() != Some(begin)) {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    fn encode_plain(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), TokenizerError> {
        if text.is_empty() {
            return Ok(());
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenizerError::Text(format!(
                "it has {} bytes; at most {MAX_TEXT_BYTES} are accepted",
                text.len()
            )));
        }
        // The crate's own words may quote the text.
        let encoding = self
            .merger
            .encode_fast(text, false)
            .map_err(|_| TokenizerError::Text("cutting it into words failed".to_owned()))?;
        tokens.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// What a token adds to the text, in bytes; feed them to a [`Detokenizer`].
    #[must_use]
    pub fn bytes_of(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut detokenizer = Detokenizer::default();
        let mut text: String = tokens.iter().map(|&token| detokenizer.push(self.bytes_of(token))).collect();
        text.push_str(&detokenizer.finish());
        text
    }
}

/// The expressions are llama.cpp's (`llama-vocab.cpp`, `llm_tokenizer_bpe`, 2026-06), which are the models' own.
fn cutter(cut: Cut) -> Result<PreTokenizerWrapper, TokenizerError> {
    let gpt2 = ByteLevel::new(false, false, true);
    let bytes_only = ByteLevel::new(false, false, false);
    let split = |expression: &str| {
        Split::new(SplitPattern::Regex(expression.to_owned()), SplitDelimiterBehavior::Isolated, false)
            .map_err(|_| TokenizerError::Vocabulary("its cutting expression does not compile".to_owned()))
    };
    Ok(match cut {
        Cut::Gpt2 => gpt2.into(),
        Cut::SmolLm => Sequence::new(vec![Digits::new(true).into(), gpt2.into()]).into(),
        Cut::Llama3 => {
            let words = split(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            )?;
            Sequence::new(vec![words.into(), bytes_only.into()]).into()
        }
        Cut::Qwen2 => {
            let words = split(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            )?;
            Sequence::new(vec![words.into(), bytes_only.into()]).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 256 bytes, two merges, three special tokens.
    fn small(cut: Cut) -> Tokenizer {
        let mut tokens: Vec<(String, Kind)> =
            alphabet().iter().map(|letter| (letter.to_string(), Kind::Normal)).collect();
        tokens.push(("he".to_owned(), Kind::Normal));
        tokens.push(("hel".to_owned(), Kind::Normal));
        tokens.push(("<|end|>".to_owned(), Kind::Control));
        tokens.push(("<tool>".to_owned(), Kind::UserDefined));
        tokens.push(("12".to_owned(), Kind::Normal));
        let merges = [("h", "e"), ("he", "l"), ("1", "2")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        Tokenizer::new(Vocabulary { tokens, merges, cut, begin: None, begin_name: None, ends: vec![258] }).unwrap()
    }

    #[test]
    fn any_text_comes_back() {
        for cut in [Cut::Gpt2, Cut::SmolLm, Cut::Llama3, Cut::Qwen2] {
            let tokenizer = small(cut);
            for text in
                ["hello", "혈당 108 mg/dL, 정상", "a\n\n  b\t\r\n", "🩺👨‍👩‍👧", "<|end|>", "<tool>", "", " ", "\u{0}\u{7f}"]
            {
                let tokens = tokenizer.encode(text).unwrap();
                assert_eq!(tokenizer.decode(&tokens), text, "{cut:?}");
                assert!(!tokens.contains(&258) && !tokens.contains(&259), "plain text made a special token");
            }
        }
    }

    #[test]
    fn merges_and_digits_follow_the_model() {
        assert_eq!(small(Cut::Gpt2).encode("hel").unwrap(), [257]);
        assert_eq!(small(Cut::Gpt2).encode("12").unwrap(), [260]);
        assert_eq!(small(Cut::SmolLm).encode("12").unwrap().len(), 2, "SmolLM cuts between digits");
        assert_eq!(small(Cut::Llama3).encode("12").unwrap(), [260]);
    }

    #[test]
    fn only_the_templates_words_become_special() {
        let tokenizer = small(Cut::Gpt2);
        let prompt = "a<|end|>b<|end|>";
        assert_eq!(tokenizer.encode_prompt(prompt, &[]).unwrap().iter().filter(|&&token| token == 258).count(), 2);
        let quoted = 1..9; // the first one was written by somebody else
        let tokens = tokenizer.encode_prompt(prompt, &[quoted]).unwrap();
        assert_eq!(tokens.iter().filter(|&&token| token == 258).count(), 1);
        assert_eq!(tokens.last(), Some(&258));
        // One that begins outside and ends inside is not the template's either.
        let touching = 5..6;
        let tokens = tokenizer.encode_prompt(prompt, std::slice::from_ref(&touching)).unwrap();
        assert_eq!(tokens.iter().filter(|&&token| token == 258).count(), 1);
    }

    #[test]
    fn special_tokens_add_no_text_and_user_defined_do() {
        let tokenizer = small(Cut::Gpt2);
        assert_eq!(tokenizer.decode(&[258, 257, 259, 9999]), "hel<tool>");
        assert!(tokenizer.is_end(258) && !tokenizer.is_end(257));
    }

    #[test]
    fn a_long_run_of_blanks_is_no_trap() {
        let tokenizer = small(Cut::Llama3);
        let text = " ".repeat(200_000) + "x";
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()), text);
        let error = tokenizer.encode(&"y".repeat(MAX_TEXT_BYTES + 1)).unwrap_err();
        assert!(error.to_string().starts_with("HAECHI-0505"));
    }

    #[test]
    fn broken_vocabularies_are_refused_in_words() {
        let token = |text: &str| (text.to_owned(), Kind::Normal);
        let with =
            |tokens, merges| Vocabulary { tokens, merges, cut: Cut::Gpt2, begin: None, begin_name: None, ends: vec![] };
        assert!(Tokenizer::new(with(vec![], vec![])).is_err());
        let error = Tokenizer::new(with(vec![token("a")], vec![])).unwrap_err();
        assert!(error.to_string().contains("no token for the byte 0x09"), "{error}");
        let letters: Vec<_> = alphabet().iter().map(|letter| token(&letter.to_string())).collect();
        let error = Tokenizer::new(with(letters, vec![("a".to_owned(), "bc".to_owned())])).unwrap_err();
        assert!(error.to_string().contains("merges do not fit"), "{error}");
    }
}
