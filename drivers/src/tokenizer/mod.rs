//! Text to token ids and back, from a model file's own vocabulary.
//!
//! In reading order: [`vocabulary`] and [`pieces`] (what a file holds: byte-level BPE, SentencePiece), [`cut`] with
//! [`classes`] (where words end), [`merge`] with [`bpe`] and [`spm`] (neighbours become one), [`unigram`], [`bytes`] (and
//! back). What each does is what llama.cpp does, token for token (`tests/performance/tokenizers.py` compares them), with one
//! exception: text that a person or a record wrote never becomes a control token, nor a sign that the template or the model
//! uses. Only the template's own words may ([`Tokenizer::encode_prompt`]).
//!
//! A vocabulary is untrusted input. The time for a text is that of sorting it, whatever the vocabulary.

mod bpe;
mod bytes;
mod classes;
mod cut;
mod merge;
mod pieces;
mod spm;
mod unigram;
mod vocabulary;

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use thiserror::Error;

use crate::gguf::{GgufError, Header};
use bpe::Bpe;
use bytes::Alphabet;
use spm::Spm;
use unigram::Unigram;

pub use bytes::Detokenizer;
pub(crate) use bytes::alphabet;
pub use cut::Cut;
pub use pieces::{Method, Pieces};
pub use vocabulary::Vocabulary;

/// Longest text that is encoded, in bytes: twenty times what the longest context holds.
pub const MAX_TEXT_BYTES: usize = 8 << 20;
/// Most tokens of a vocabulary; the largest published have 262,144.
const MAX_TOKENS: usize = 1 << 20;
/// Longest token, in bytes; published ones stay below 600 (runs of spaces).
const MAX_TOKEN_BYTES: usize = 2048;
/// All words that are searched for in texts, in bytes: the search holds some ten times as many. Gemma 3's have 60,000.
const MAX_SEARCHED_BYTES: usize = 1 << 20;

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
    /// Text, in the byte alphabet or as a piece.
    Normal,
    /// A sign of the template or the model that is shown (`<think>`). No other text becomes it.
    UserDefined,
    /// Text as written, cut out of any text before merging (Gemma's runs of newlines).
    Verbatim,
    /// A sign between template and model; never text.
    Control,
    /// Never used.
    Unused,
    /// One byte of what is no piece: `<0x0A>`.
    Byte,
}

/// Text to token ids and back.
#[derive(Debug)]
pub struct Tokenizer {
    merger: Merger,
    /// What each token adds to the text; nothing for control tokens.
    bytes: Vec<Vec<u8>>,
    names: Vec<String>,
    /// The template's own words, longest first.
    specials: Vec<(String, u32)>,
    /// Finds them.
    signs: Words,
    /// Cut out of any text before merging.
    verbatim: Words,
    begin: Option<u32>,
    begin_name: Option<u32>,
    ends: Vec<u32>,
}

/// How what lies between the signs becomes tokens.
#[derive(Debug)]
enum Merger {
    Bpe(Bpe),
    Spm { spm: Spm, space_prefix: bool },
    Unigram(Unigram),
}

/// Words to be found in texts, the longest of those that begin in one place.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    search: Option<AhoCorasick>,
    tokens: Vec<u32>,
}

impl Words {
    fn new<'text>(words: impl Iterator<Item = (&'text str, u32)>) -> Result<Self, TokenizerError> {
        let wrong = TokenizerError::Vocabulary;
        let (words, tokens): (Vec<&str>, Vec<u32>) = words.filter(|(text, _)| !text.is_empty()).unzip();
        if words.is_empty() {
            return Ok(Self { search: None, tokens });
        }
        if words.iter().map(|word| word.len()).sum::<usize>() > MAX_SEARCHED_BYTES {
            return Err(wrong(format!("its special tokens have more than {MAX_SEARCHED_BYTES} bytes")));
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(words)
            .map_err(|_| wrong("its special tokens are too many".to_owned()))?;
        Ok(Self { search: Some(search), tokens })
    }

    /// Where they stand in a text, in order.
    pub(crate) fn find(&self, text: &str) -> impl Iterator<Item = (Range<usize>, u32)> {
        let found = self.search.iter().flat_map(move |search| search.find_iter(text));
        found.filter_map(|found| Some((found.range(), *self.tokens.get(found.pattern().as_usize())?)))
    }
}

impl Tokenizer {
    /// The tokenizer of a model file.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn from_header(header: &Header) -> Result<Self, TokenizerError> {
        match header.text("tokenizer.ggml.model") {
            Some("gpt2") => Self::new(Vocabulary::from_header(header)?),
            Some("llama") => Self::from_pieces(Pieces::from_header(header, Method::Merge)?),
            Some("t5") => Self::from_pieces(Pieces::from_header(header, Method::Unigram)?),
            other => Err(TokenizerError::Vocabulary(format!(
                "its kind is `{}`; byte-level BPE (`gpt2`) and SentencePiece (`llama`, `t5`) are read",
                other.unwrap_or("not given")
            ))),
        }
    }

    /// A tokenizer with this byte-level vocabulary.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn new(vocabulary: Vocabulary) -> Result<Self, TokenizerError> {
        check(&vocabulary.tokens)?;
        let alphabet = Alphabet::new();
        let merger = Merger::Bpe(Bpe::new(&vocabulary, &alphabet)?);
        let Vocabulary { tokens, begin, begin_name, ends, .. } = vocabulary;
        let bytes_of = |text: &str, kind: Kind| match kind {
            Kind::Normal | Kind::Byte => alphabet.bytes_of(text),
            Kind::UserDefined | Kind::Verbatim => text.to_owned().into_bytes(),
            Kind::Control | Kind::Unused => Vec::new(),
        };
        Self::with(merger, tokens, bytes_of, begin, begin_name, ends)
    }

    /// A tokenizer with this vocabulary of SentencePiece.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn from_pieces(vocabulary: Pieces) -> Result<Self, TokenizerError> {
        check(&vocabulary.tokens)?;
        vocabulary.check()?;
        let merger = match vocabulary.method {
            Method::Merge => Merger::Spm { spm: Spm::new(&vocabulary)?, space_prefix: vocabulary.space_prefix },
            Method::Unigram => Merger::Unigram(Unigram::new(&vocabulary)?),
        };
        let Pieces { tokens, begin, begin_name, ends, .. } = vocabulary;
        Self::with(merger, tokens, pieces::bytes_of, begin, begin_name, ends)
    }

    fn with(
        merger: Merger,
        tokens: Vec<(String, Kind)>,
        bytes_of: impl Fn(&str, Kind) -> Vec<u8>,
        begin: Option<u32>,
        begin_name: Option<u32>,
        ends: Vec<u32>,
    ) -> Result<Self, TokenizerError> {
        let bytes = tokens.iter().map(|(text, kind)| bytes_of(text, *kind)).collect();
        let of_kind = |kinds: &'static [Kind]| {
            let found = tokens.iter().zip(0..).filter(|((_, kind), _)| kinds.contains(kind));
            found.map(|((text, _), id)| (text.as_str(), id))
        };
        let signs = &[Kind::Control, Kind::UserDefined];
        let mut specials: Vec<(String, u32)> =
            of_kind(signs).filter(|(text, _)| !text.is_empty()).map(|(text, id)| (text.to_owned(), id)).collect();
        specials.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.1.cmp(&b.1)));
        let (signs, verbatim) = (Words::new(of_kind(signs))?, Words::new(of_kind(&[Kind::Verbatim]))?);
        let names = tokens.into_iter().map(|(text, _)| text).collect();
        Ok(Self { merger, bytes, names, specials, signs, verbatim, begin, begin_name, ends })
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

    /// From now on no token ends an answer: for measuring.
    pub(crate) fn forget_ends(&mut self) {
        self.ends.clear();
    }

    /// What a template may call `bos_token` and `eos_token`; empty if there is none.
    #[must_use]
    pub fn begin_and_end_names(&self) -> (&str, &str) {
        let name = |id: Option<u32>| id.map_or("", |id| self.name(id));
        (name(self.begin_name), name(self.ends.first().copied()))
    }

    /// How a token is written in the vocabulary; empty if there is none with this id.
    #[must_use]
    pub fn name(&self, token: u32) -> &str {
        self.names.get(token as usize).map_or("", String::as_str)
    }

    /// The words that only a template may say, longest first.
    pub fn specials(&self) -> impl Iterator<Item = &str> {
        self.specials.iter().map(|(text, _)| text.as_str())
    }

    /// Finds those words.
    pub(crate) const fn signs(&self) -> &Words {
        &self.signs
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
    /// `quoted` ranges (bytes, in order), which hold what others wrote. Begins with the begin token if the model wants one
    /// and the template did not write it.
    ///
    /// # Errors
    /// [`TokenizerError::Text`].
    pub fn encode_prompt(&self, text: &str, quoted: &[Range<usize>]) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = Vec::new();
        let mut plain_from = 0;
        let mut own_from = 0;
        // The template's own words lie between the quoted ranges, and no sign is looked for anywhere else.
        for quoted in quoted.iter().chain([&(text.len()..text.len())]) {
            let own = text.get(own_from..quoted.start.max(own_from)).unwrap_or_default();
            for (found, token) in self.signs.find(own) {
                self.encode_plain(text.get(plain_from..own_from + found.start).unwrap_or_default(), &mut tokens)?;
                tokens.push(token);
                plain_from = own_from + found.end;
            }
            own_from = quoted.end.max(own_from);
        }
        self.encode_plain(text.get(plain_from..).unwrap_or_default(), &mut tokens)?;
        if let Some(begin) = self.begin.filter(|begin| tokens.first() != Some(begin)) {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }

    /// What stands between two special tokens.
    fn encode_plain(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), TokenizerError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenizerError::Text(format!(
                "it has {} bytes; at most {MAX_TEXT_BYTES} are accepted",
                text.len()
            )));
        }
        let mut from = 0;
        for (found, token) in self.verbatim.find(text) {
            self.merge(text.get(from..found.start).unwrap_or_default(), tokens);
            tokens.push(token);
            from = found.end;
        }
        self.merge(text.get(from..).unwrap_or_default(), tokens);
        Ok(())
    }

    /// What stands at the beginning or after a token that was cut out.
    fn merge(&self, text: &str, tokens: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        match &self.merger {
            Merger::Bpe(bpe) => bpe.encode(text, tokens),
            Merger::Spm { spm, space_prefix } => spm.encode(text, *space_prefix, tokens),
            Merger::Unigram(unigram) => unigram.encode(text, tokens),
        }
    }

    /// What a token adds to the text, in bytes; feed them to a [`Detokenizer`].
    #[must_use]
    pub fn bytes_of(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens. A space that encoding put before it is left out.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut detokenizer = Detokenizer::default();
        let mut text: String = tokens.iter().map(|&token| detokenizer.push(self.bytes_of(token))).collect();
        text.push_str(&detokenizer.finish());
        let prefixed = match &self.merger {
            Merger::Bpe(_) => false,
            Merger::Spm { space_prefix, .. } => *space_prefix,
            Merger::Unigram(unigram) => unigram.puts_space_before(),
        };
        if prefixed && text.starts_with(' ') {
            text.remove(0);
        }
        text
    }
}

/// The bounds of every vocabulary.
fn check(tokens: &[(String, Kind)]) -> Result<(), TokenizerError> {
    let wrong = |rule: String| Err(TokenizerError::Vocabulary(rule));
    if tokens.is_empty() {
        return wrong("it is empty".to_owned());
    }
    if tokens.len() > MAX_TOKENS {
        return wrong(format!("it has {} tokens; at most {MAX_TOKENS} are read", tokens.len()));
    }
    match tokens.iter().position(|(text, _)| text.len() > MAX_TOKEN_BYTES) {
        Some(id) => wrong(format!("its token {id} is longer than the at most {MAX_TOKEN_BYTES} bytes that are read")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::gguf::{Array, Texts, Value};

    const ALL: [Cut; 11] = [
        Cut::Default,
        Cut::Gpt2,
        Cut::SmolLm,
        Cut::Llama3,
        Cut::ChatGlm,
        Cut::Glm4,
        Cut::Qwen2,
        Cut::Qwen35,
        Cut::ExaoneMoe,
        Cut::DeepSeekLlm,
        Cut::DeepSeek3,
    ];

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
        for cut in ALL {
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
    fn no_run_is_a_trap() {
        for cut in ALL {
            let tokenizer = small(cut);
            for run in [" ", "x", "12", "'s", "\n", "\u{301}", "가 ", "!"] {
                let text = run.repeat(20_000) + "x";
                assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()), text, "{cut:?} {run:?}");
            }
        }
        let error = small(Cut::Gpt2).encode(&"y".repeat(MAX_TEXT_BYTES + 1)).unwrap_err();
        assert!(error.to_string().starts_with("HAECHI-0505"));
    }

    #[test]
    fn a_byte_without_a_token_is_lost_and_nothing_merges_across_it() {
        let letters = alphabet();
        let mut tokens: Vec<(String, Kind)> = letters.iter().map(|letter| (letter.to_string(), Kind::Normal)).collect();
        tokens[0].1 = Kind::Unused;
        tokens.push(("he".to_owned(), Kind::Normal));
        let merges = vec![("h".to_owned(), "e".to_owned())];
        let vocabulary = Vocabulary { tokens, merges, cut: Cut::Gpt2, begin: None, begin_name: None, ends: vec![] };
        let tokenizer = Tokenizer::new(vocabulary).unwrap();
        assert_eq!(tokenizer.encode("he").unwrap(), [256]);
        assert_eq!(tokenizer.encode("h\0e").unwrap(), [u32::from(b'h'), u32::from(b'e')]);
    }

    #[test]
    fn kinds_and_names_come_out_of_the_file() {
        let text = |text: &str| Value::String(text.to_owned());
        let mut tokens: Vec<String> = alphabet().iter().map(char::to_string).collect();
        let added =
            [("<|im_end|>", 4), ("<think>", 4), ("[mine]", 4), ("<b>", 4), ("\n\n", 4), ("<|x|>", 3), ("old", 5)];
        tokens.extend(added.iter().map(|(text, _)| (*text).to_owned()));
        let kinds = std::iter::repeat_n(1, 256).chain(added.iter().map(|(_, kind)| *kind)).collect();
        let mut header =
            Header { version: 3, metadata: BTreeMap::new(), tensors: vec![], alignment: 32, data_start: 0 };
        for (key, value) in [
            ("model", text("gpt2")),
            ("pre", text("glm4")),
            ("tokens", Value::Array(Array::String(tokens.iter().collect()))),
            ("token_type", Value::Array(Array::I32(kinds))),
            ("merges", Value::Array(Array::String(Texts::default()))),
            ("eom_token_id", Value::U32(261)),
        ] {
            header.metadata.insert(format!("tokenizer.ggml.{key}"), value);
        }
        header.metadata.insert("tokenizer.chat_template".to_owned(), text("{{ '[mine]' }}\n\n"));
        let vocabulary = Vocabulary::from_header(&header).unwrap();
        assert_eq!(vocabulary.cut, Cut::Glm4);
        assert_eq!(vocabulary.ends, [256, 261], "an end of turn is one whatever its kind");
        let kinds: Vec<Kind> = vocabulary.tokens[256..].iter().map(|(_, kind)| *kind).collect();
        let (sign, verbatim) = (Kind::UserDefined, Kind::Verbatim);
        assert_eq!(kinds, [Kind::Control, sign, sign, verbatim, verbatim, Kind::Control, Kind::Unused]);
        let tokenizer = Tokenizer::from_header(&header).unwrap();
        assert_eq!(tokenizer.encode("<b>\n\n").unwrap(), [259, 260]);
        assert!(tokenizer.encode("<think>[mine]<|im_end|>").unwrap().iter().all(|&token| token < 256));
        assert_eq!(tokenizer.encode_prompt("<think>[mine]<b>", &[]).unwrap(), [257, 258, 259]);
        for (key, value, words) in [
            ("pre", text("made-up"), "in the way `made-up`"),
            ("model", text("rwkv"), "its kind is `rwkv`"),
            ("model", text("llama"), "`tokenizer.ggml.scores`"),
            ("precompiled_charsmap", Value::Array(Array::U8(vec![])), "`precompiled_charsmap`"),
        ] {
            let mut header = header.clone();
            header.metadata.insert(format!("tokenizer.ggml.{key}"), value);
            if key == "precompiled_charsmap" {
                header.metadata.insert("tokenizer.ggml.model".to_owned(), text("t5"));
            }
            let error = Tokenizer::from_header(&header).unwrap_err().to_string();
            assert!(error.contains(words), "{error} should say {words}");
        }
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
