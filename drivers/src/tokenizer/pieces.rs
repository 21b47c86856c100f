//! Vocabularies of SentencePiece (`tokenizer.ggml.model` is `llama` or `t5`): pieces of text with scores.

use super::vocabulary::{Names, number_of, tokens_of};
use super::{Kind, TokenizerError};
use crate::gguf::{Array, Header, Value};

/// How SentencePiece writes a space.
pub(super) const SPACE: &str = "\u{2581}";

/// How text becomes pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Neighbours merge, the best score first; what is no piece is written in bytes (Llama 2, Gemma).
    Merge,
    /// The greatest sum of scores; what is no piece is unknown (T5).
    Unigram,
}

/// A vocabulary of pieces, by hand or from a file.
#[derive(Debug, Clone)]
pub struct Pieces {
    /// The tokens by id, and what each is. A space is written `▁`.
    pub tokens: Vec<(String, Kind)>,
    /// A score for each token; the greater is the better.
    pub scores: Vec<f32>,
    /// How text becomes pieces.
    pub method: Method,
    /// A space is put before text that begins a prompt or follows a special token.
    pub space_prefix: bool,
    /// A run of spaces is one (unigram only).
    pub one_space: bool,
    /// Stands for what cannot be written otherwise.
    pub unknown: Option<u32>,
    /// Put before every prompt, if any.
    pub begin: Option<u32>,
    /// What a template may call `bos_token`.
    pub begin_name: Option<u32>,
    /// The model says with one of these that it is done.
    pub ends: Vec<u32>,
}

impl Pieces {
    /// Out of a model file.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub(super) fn from_header(header: &Header, method: Method) -> Result<Self, TokenizerError> {
        let wrong = |rule: &str| TokenizerError::Vocabulary(rule.to_owned());
        if header.metadata.contains_key("tokenizer.ggml.precompiled_charsmap") {
            return Err(wrong("it changes text by a table (`precompiled_charsmap`) before cutting, which is not read"));
        }
        let tokens = tokens_of(header, true)?;
        let scores = match header.metadata.get("tokenizer.ggml.scores") {
            Some(Value::Array(Array::F32(scores))) if scores.len() == tokens.len() => scores.clone(),
            Some(Value::Array(Array::I32(scores))) if scores.len() == tokens.len() => {
                scores.iter().map(|&score| score as f32).collect()
            }
            _ => {
                let kind = header.text("tokenizer.ggml.model").unwrap_or_default();
                let rule =
                    format!("its kind is `{kind}`, and `tokenizer.ggml.scores` does not say a score for each token");
                return Err(TokenizerError::Vocabulary(rule));
            }
        };
        // What llama.cpp takes where the file says nothing (`llama-vocab.cpp`, "default special tokens", 2026-10).
        let count = tokens.len();
        let default = |id: u32| Some(id).filter(|&id| (id as usize) < count);
        let (begin, end, unknown) = match method {
            Method::Merge => (default(1), default(2), default(0)),
            Method::Unigram => (None, default(1), default(2)),
        };
        let names = Names::of(header, &tokens, begin, end)?;
        let adds_begin = header.flag("tokenizer.ggml.add_bos_token").unwrap_or(method == Method::Merge);
        let flag = |key: &str, otherwise| header.flag(key).unwrap_or(otherwise);
        Ok(Self {
            scores,
            method,
            space_prefix: flag("tokenizer.ggml.add_space_prefix", method == Method::Merge),
            one_space: flag("tokenizer.ggml.remove_extra_whitespaces", false),
            unknown: number_of(header, "tokenizer.ggml.unknown_token_id", count)?.or(unknown),
            begin: names.begin.filter(|_| adds_begin),
            begin_name: names.begin,
            ends: names.ends,
            tokens,
        })
    }

    /// Checks what the fields promise.
    pub(super) fn check(&self) -> Result<(), TokenizerError> {
        let wrong = |rule: &str| Err(TokenizerError::Vocabulary(rule.to_owned()));
        if self.scores.len() != self.tokens.len() {
            return wrong("there is no score for each token");
        }
        if !self.scores.iter().all(|score| score.is_finite()) {
            return wrong("a score is no finite number");
        }
        if self.unknown.is_some_and(|id| id as usize >= self.tokens.len()) {
            return wrong("there is no token with the id of the unknown one");
        }
        Ok(())
    }
}

/// What a token adds to the text.
pub(super) fn bytes_of(text: &str, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Normal | Kind::Unused => text.replace(SPACE, " ").into_bytes(),
        Kind::UserDefined | Kind::Verbatim => text.to_owned().into_bytes(),
        Kind::Byte => byte_of(text).into_iter().collect(),
        Kind::Control => Vec::new(),
    }
}

/// The byte of `<0x0A>`.
pub(super) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let hexadecimal = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    /// A begin sign, unknown, 256 bytes, then these pieces.
    fn vocabulary(method: Method, pieces: &[(&str, Kind, f32)]) -> Pieces {
        let mut tokens = vec![("<s>".to_owned(), Kind::Control), ("<unk>".to_owned(), Kind::Control)];
        tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), Kind::Byte)));
        let mut scores = vec![0.0; tokens.len()];
        tokens.extend(pieces.iter().map(|(text, kind, _)| ((*text).to_owned(), *kind)));
        scores.extend(pieces.iter().map(|(_, _, score)| score));
        Pieces {
            tokens,
            scores,
            method,
            space_prefix: false,
            one_space: false,
            unknown: Some(1),
            begin: Some(0),
            begin_name: Some(0),
            ends: vec![],
        }
    }

    /// The tokens as they are written, pieces by name.
    fn written(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
        tokens.iter().map(|&token| tokenizer.name(token).to_owned()).collect()
    }

    const NORMAL: Kind = Kind::Normal;

    #[test]
    fn the_best_score_merges_first_and_the_rest_is_bytes() {
        let pieces = [
            ("a", NORMAL, -9.0),
            ("b", NORMAL, -9.0),
            ("ab", NORMAL, -3.0),
            ("bc", NORMAL, -2.0),
            ("abc", NORMAL, -1.0),
            ("▁", NORMAL, -8.0),
            ("▁a", NORMAL, -4.0),
            ("혈당", NORMAL, -5.0),
            ("<s>x", NORMAL, -5.0),
        ];
        let plain = Tokenizer::from_pieces(vocabulary(Method::Merge, &pieces)).unwrap();
        let prefixed = Pieces { space_prefix: true, ..vocabulary(Method::Merge, &pieces) };
        let prefixed = Tokenizer::from_pieces(prefixed).unwrap();
        for (text, tokens, with_prefix) in [
            ("abc", &["abc"][..], &["▁", "abc"][..]),
            ("ab", &["ab"], &["▁", "ab"]), // -3 before -4
            ("a", &["a"], &["▁a"]),
            ("a a", &["a", "▁a"], &["▁a", "▁a"]),
            ("혈당", &["혈당"], &["▁", "혈당"]),
            ("혈", &["<0xED>", "<0x98>", "<0x88>"], &["▁", "<0xED>", "<0x98>", "<0x88>"]),
            ("\n", &["<0x0A>"], &["▁", "<0x0A>"]),
            ("", &[], &[]),
        ] {
            assert_eq!(written(&plain, &plain.encode(text).unwrap()), tokens, "{text:?}");
            assert_eq!(plain.decode(&plain.encode(text).unwrap()), text);
            assert_eq!(written(&prefixed, &prefixed.encode(text).unwrap()), with_prefix, "{text:?}");
            assert_eq!(prefixed.decode(&prefixed.encode(text).unwrap()), text);
        }
    }

    #[test]
    fn text_becomes_no_control_and_no_byte_token() {
        // Every way to the signs is open: each of their beginnings is a piece.
        let ways = ["<", "<s", "<0", "<0x", "<0x0", "<0x0A", "s", "0", "x", "A", ">"];
        let pieces: Vec<(&str, Kind, f32)> = ways.iter().map(|&way| (way, NORMAL, -1.0)).collect();
        for method in [Method::Merge, Method::Unigram] {
            let tokenizer = Tokenizer::from_pieces(vocabulary(method, &pieces)).unwrap();
            let tokens = tokenizer.encode("<s><0x0A>").unwrap();
            assert!(tokens.iter().all(|&token| token > 257), "{:?}", written(&tokenizer, &tokens));
            assert_eq!(tokenizer.decode(&tokens), "<s><0x0A>");
            let prompt = "<s><s>";
            assert_eq!(tokenizer.encode_prompt(prompt, std::slice::from_ref(&(3..6))).unwrap().first(), Some(&0));
            let signs = tokenizer.encode_prompt(prompt, &[]).unwrap();
            assert_eq!(signs, [0, 0]);
        }
    }

    #[test]
    fn verbatim_pieces_are_cut_out_of_any_text() {
        let pieces = [("\n\n", Kind::Verbatim, 0.0), ("\n\n\n", Kind::Verbatim, 0.0), ("a", NORMAL, -1.0)];
        let tokenizer = Tokenizer::from_pieces(vocabulary(Method::Merge, &pieces)).unwrap();
        for (text, tokens) in [
            ("a\n\na", &["a", "\n\n", "a"][..]),
            ("\n\n\n\n\n", &["\n\n\n", "\n\n"]),
            ("\n\n\n\n", &["\n\n\n", "<0x0A>"]),
        ] {
            assert_eq!(written(&tokenizer, &tokenizer.encode(text).unwrap()), tokens, "{text:?}");
        }
    }

    #[test]
    fn a_unigram_takes_the_greatest_sum() {
        let pieces = [
            ("▁", NORMAL, -3.0),
            ("a", NORMAL, -2.0),
            ("ab", NORMAL, -2.5),
            ("b", NORMAL, -2.0),
            ("bc", NORMAL, -2.0),
            ("c", NORMAL, -5.0),
            ("▁a", NORMAL, -1.0),
        ];
        let all = |space_prefix, one_space| {
            let vocabulary = Pieces { space_prefix, one_space, ..vocabulary(Method::Unigram, &pieces) };
            Tokenizer::from_pieces(vocabulary).unwrap()
        };
        for (tokenizer, text, tokens) in [
            (all(false, false), "abc", &["a", "bc"][..]), // -4 against -7.5
            (all(false, false), "ab", &["ab"]),
            (all(true, false), "abc", &["▁a", "bc"]),
            (all(true, false), "  a", &["▁", "▁", "▁a"]),
            (all(false, true), "  b   a ", &["▁", "b", "▁a"]),
            (all(false, false), "a혈당b", &["a", "<unk>", "b"]), // unknown neighbours are one
            (all(false, false), "", &[]),
        ] {
            assert_eq!(written(&tokenizer, &tokenizer.encode(text).unwrap()), tokens, "{text:?}");
        }
    }

    #[test]
    fn long_texts_take_no_long_time() {
        let runs: Vec<String> = (1..=200).map(|length| "a".repeat(length)).collect();
        let pieces: Vec<(&str, Kind, f32)> = runs.iter().map(|run| (run.as_str(), NORMAL, run.len() as f32)).collect();
        for method in [Method::Merge, Method::Unigram] {
            let tokenizer = Tokenizer::from_pieces(vocabulary(method, &pieces)).unwrap();
            let text = "a".repeat(1 << 18);
            assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()), text);
        }
    }

    #[test]
    fn broken_vocabularies_are_refused_in_words() {
        let good = || vocabulary(Method::Merge, &[("a", NORMAL, 0.0)]);
        let with = |change: fn(&mut Pieces)| {
            let mut vocabulary = good();
            change(&mut vocabulary);
            vocabulary
        };
        let unigram = |change: fn(&mut Pieces)| Pieces { method: Method::Unigram, ..with(change) };
        for (vocabulary, words) in [
            (with(|v| v.scores.truncate(5)), "no score for each"),
            (with(|v| v.scores[3] = f32::NAN), "no finite number"),
            (with(|v| v.unknown = Some(9999)), "the unknown one"),
            (with(|v| (v.tokens[2].1, v.unknown) = (Kind::Control, None)), "the byte 0x00"),
            (with(|v| v.tokens[258].0 = "a".repeat(1 << 12)), "at most 2048"),
            (unigram(|v| v.unknown = None), "what is unknown"),
            (unigram(|v| v.tokens[258].0 = "a".repeat(257)), "more than 256 bytes"),
        ] {
            let error = Tokenizer::from_pieces(vocabulary).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0504") && error.contains(words), "{error} should say {words}");
        }
    }

    #[test]
    fn a_byte_token_names_its_byte() {
        for (token, byte) in
            [("<0x0A>", Some(10)), ("<0xff>", Some(255)), ("<0x+A>", None), ("<0xA>", None), ("0x0A", None)]
        {
            assert_eq!(byte_of(token), byte, "{token}");
        }
    }
}
