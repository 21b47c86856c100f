//! Answers of a given form: the tokens that cannot follow are taken out before one is chosen.
//!
//! The `llguidance` crate works out which tokens those are, over this vocabulary's bytes. A grammar is compiled on the
//! caller's thread, the mask of each token on the model's; both are bounded, and a grammar that needs more is refused. What
//! is refused is not quoted: a grammar may hold what a record says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use thiserror::Error;

use crate::tokenizer::Tokenizer;

/// Longest schema or expression, and all choices together, in bytes.
pub const MAX_GRAMMAR_BYTES: usize = 64 << 10;
/// Longest token that a grammar can use, in bytes: the crate's tree counts depth in few bits. Longer ones are runs of blanks.
const MAX_TOKEN_BYTES: usize = 200;
/// Largest number of choices.
pub const MAX_CHOICES: usize = 512;

/// Bounds what one grammar costs. The speeds are the crate's own (`ParserLimits`, version 1.9).
const LIMITS: ParserLimits = ParserLimits {
    max_items_in_row: 2000,
    initial_lexer_fuel: 1_000_000, // 20 ms, on the caller's thread
    step_lexer_fuel: 200_000,      // 14 ms a token at the very most; a tenth of a millisecond is usual
    step_max_items: 50_000,        // 2.5 ms
    max_lexer_states: 20_000,      // 40 MB
    max_grammar_size: 100_000,
    precompute_large_lexemes: false, // its time has no bound
    verbose_errors: false,           // they would quote the answer
};

/// The form of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Grammar {
    /// JSON of this schema (a subset of draft 2020-12, without references to elsewhere).
    JsonSchema(serde_json::Value),
    /// Text that this expression matches as a whole. Rust's syntax, without look-around.
    Regex(String),
    /// One of these texts.
    OneOf(Vec<String>),
    /// Text of any kind in which every opening square bracket begins one of these marks, such as `[2]`.
    Citing(Vec<String>),
}

/// Why there is no answer of this form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GrammarError {
    /// It cannot be compiled.
    #[error("HAECHI-0516: the form of the answer is refused: {0}")]
    Refused(String),
    /// Nothing that the model could say next fits.
    #[error("HAECHI-0517: the answer could not be continued in its form: {0}")]
    Stuck(&'static str),
}

impl GrammarError {
    /// `HAECHI-NNNN`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "HAECHI-0516",
            Self::Stuck(_) => "HAECHI-0517",
        }
    }
}

/// Compiles grammars for one vocabulary.
pub struct Compiler {
    factory: ParserFactory,
    ends: Vec<u32>,
    /// Tokens that have a text, by number.
    usable: Arc<[bool]>,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Compiler").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Compiler {
    /// A compiler for the vocabulary of `tokenizer`. Takes some tens of milliseconds: keep it.
    ///
    /// # Errors
    /// [`GrammarError::Refused`] if the vocabulary has no token that ends an answer, or is unusable for the crate.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, GrammarError> {
        let unusable = || GrammarError::Refused("the model's vocabulary cannot follow one".to_owned());
        let count = u32::try_from(tokenizer.len()).map_err(|_| unusable())?;
        let ends: Vec<u32> = (0..count).filter(|&token| tokenizer.is_end(token)).collect();
        let first = *ends.first().ok_or_else(unusable)?;
        let words: Vec<Vec<u8>> = (0..count)
            .map(|token| {
                let bytes = tokenizer.bytes_of(token);
                // The crate's mark for special tokens is no part of any text.
                let usable = bytes.len() <= MAX_TOKEN_BYTES && !bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER);
                if usable { bytes.to_vec() } else { Vec::new() }
            })
            .collect();
        let usable = words.iter().map(|word| !word.is_empty()).collect();
        // The vocabulary is a model file's, and the crate asserts what it expects of one.
        let build = || {
            let trie = TokTrie::from(&TokRxInfo::new(count, first), &words).with_eos_tokens(&ends);
            let environment: TokEnv = Arc::new(Environment { trie });
            ParserFactory::new(&environment, InferenceCapabilities::default(), &SlicedBiasComputer::general_slices())
        };
        let built = catch_unwind(AssertUnwindSafe(build)).map_err(|_| unusable())?;
        let mut factory = built.map_err(|_| unusable())?;
        *factory.limits_mut() = LIMITS;
        factory.quiet();
        Ok(Self { factory, ends, usable })
    }

    /// A guide through one answer.
    ///
    /// # Errors
    /// [`GrammarError::Refused`] if the grammar is too large, or says something that cannot be followed.
    pub fn compile(&self, grammar: &Grammar) -> Result<Guide, GrammarError> {
        let refuse = |reason: &str| Err(GrammarError::Refused(reason.to_owned()));
        let (top, what) = match grammar {
            Grammar::JsonSchema(schema) => {
                if schema.to_string().len() > MAX_GRAMMAR_BYTES {
                    return refuse("its schema is longer than 64 KiB");
                }
                (
                    TopLevelGrammar::from_json_schema(schema.clone()),
                    "its JSON schema is too large or says what cannot be followed",
                )
            }
            Grammar::Regex(expression) => {
                if expression.len() > MAX_GRAMMAR_BYTES {
                    return refuse("its expression is longer than 64 KiB");
                }
                (TopLevelGrammar::from_regex(expression), "its expression is none, or too large")
            }
            Grammar::OneOf(choices) => {
                let any = alternatives(choices)?;
                (TopLevelGrammar::from_regex(&any), "its choices are too large")
            }
            Grammar::Citing(marks) => {
                if marks.iter().any(|mark| !mark.starts_with('[')) {
                    return refuse("a mark does not begin with an opening bracket");
                }
                let any = alternatives(marks)?;
                (TopLevelGrammar::from_regex(&format!(r"([^\[]|{any})*")), "its marks are too large")
            }
        };
        let matcher = Matcher::new(self.factory.create_parser(top));
        if matcher.is_error() {
            return refuse(what);
        }
        Ok(Guide { matcher, ends: self.ends.clone(), usable: Arc::clone(&self.usable) })
    }
}

/// An expression for one of the texts.
fn alternatives(texts: &[String]) -> Result<String, GrammarError> {
    let bytes: usize = texts.iter().map(String::len).sum();
    if texts.is_empty() || texts.len() > MAX_CHOICES || bytes > MAX_GRAMMAR_BYTES || texts.iter().any(String::is_empty)
    {
        let reason = format!("1 to {MAX_CHOICES} texts of together at most 64 KiB are taken, and none that is empty");
        return Err(GrammarError::Refused(reason));
    }
    let escaped: Vec<String> = texts.iter().map(|text| escape(text)).collect();
    Ok(format!("({})", escaped.join("|")))
}

/// The expression that matches `text` and nothing else.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        if character.is_ascii() && !character.is_ascii_alphanumeric() {
            escaped.push_str(&format!(r"\x{:02x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// Says at each place of one answer what can follow.
pub struct Guide {
    matcher: Matcher,
    ends: Vec<u32>,
    usable: Arc<[bool]>,
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Guide(..)")
    }
}

impl Guide {
    /// Sets the logits of all tokens that cannot follow to minus infinity. Shape `[vocabulary]`.
    ///
    /// # Errors
    /// [`GrammarError::Stuck`] if no token is left, or finding out costs too much.
    pub fn mask(&mut self, logits: &mut [f32]) -> Result<(), GrammarError> {
        let mask = self
            .matcher
            .compute_mask_or_eos()
            .map_err(|_| GrammarError::Stuck("finding out what fits costs more than is allowed"))?;
        let mut left = false;
        // 32 tokens at a time: nearly all words are all ones or all zeros.
        let mut words = mask.as_slice().iter().copied();
        for logits in logits.chunks_mut(32) {
            match words.next().unwrap_or(0) {
                0 => logits.fill(f32::NEG_INFINITY),
                u32::MAX => left = left || logits.iter().any(|logit| logit.is_finite()),
                word => {
                    for (place, logit) in logits.iter_mut().enumerate() {
                        if word >> place & 1 == 1 {
                            left |= logit.is_finite();
                        } else {
                            *logit = f32::NEG_INFINITY;
                        }
                    }
                }
            }
        }
        if left { Ok(()) } else { Err(GrammarError::Stuck("the vocabulary has no token that fits")) }
    }

    /// True if `token` can follow. Asked of one token this costs far less than [`Guide::mask`]; a `false` may also mean that
    /// the crate cannot tell.
    pub fn allows(&mut self, token: u32) -> bool {
        if self.ends.contains(&token) {
            return self.matcher.is_accepting().unwrap_or(false);
        }
        let usable = self.usable.get(token as usize).is_some_and(|&usable| usable);
        usable && !self.matcher.is_stopped() && self.matcher.validate_tokens(&[token]).is_ok_and(|valid| valid == 1)
    }

    /// Takes the chosen token.
    ///
    /// # Errors
    /// [`GrammarError::Stuck`] if it cannot follow.
    pub fn take(&mut self, token: u32) -> Result<(), GrammarError> {
        if self.ends.contains(&token) {
            return Ok(());
        }
        self.matcher.consume_token(token).map_err(|_| GrammarError::Stuck("a token was chosen that does not fit"))
    }

    /// True if the answer is complete and nothing but its end can follow.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.matcher.is_stopped()
    }
}

/// The vocabulary as the crate sees it.
struct Environment {
    trie: TokTrie,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.trie.greedy_tokenize(bytes)
    }

    fn tokenize_is_canonical(&self) -> bool {
        false // forced tokens are never asked for
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    use serde_json::json;

    use super::*;
    use crate::fake::tokenizer;

    /// An answer of a model that knows nothing: of the tokens that may follow, a random one.
    fn babble(grammar: &Grammar, seed: u64) -> String {
        let tokenizer = tokenizer();
        let mut guide = Compiler::new(&tokenizer).unwrap().compile(grammar).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut tokens = Vec::new();
        while !guide.is_done() && tokens.len() < 400 {
            let mut logits: Vec<f32> = (0..tokenizer.len()).map(|_| (random.next_u32() >> 8) as f32).collect();
            let allowed: Vec<bool> = (0..tokenizer.len() as u32).map(|token| guide.allows(token)).collect();
            guide.mask(&mut logits).unwrap();
            let left: Vec<bool> = logits.iter().map(|logit| logit.is_finite()).collect();
            assert_eq!(allowed, left, "asked one by one or all at once, the same tokens can follow");
            let token = crate::sampling::likeliest(&logits).unwrap();
            guide.take(token).unwrap();
            if tokenizer.is_end(token) {
                break;
            }
            tokens.push(token);
        }
        tokenizer.decode(&tokens)
    }

    #[test]
    fn only_json_of_the_schema_comes_out() {
        let schema = json!({
            "type": "object",
            "properties": {
                "finding": { "enum": ["정상", "높음"] },
                "value": { "type": "integer", "minimum": 0, "maximum": 999 },
            },
            "required": ["finding", "value"],
            "additionalProperties": false,
        });
        for seed in 0..10 {
            let text = babble(&Grammar::JsonSchema(schema.clone()), seed);
            // Blanks between words are allowed and may fill the whole answer; then it is cut off.
            if text.len() >= 400 {
                continue;
            }
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value["value"].as_u64().unwrap() <= 999, "{text}");
            assert!(["정상", "높음"].contains(&value["finding"].as_str().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_what_the_expression_matches_comes_out() {
        for seed in 0..10 {
            let text = babble(&Grammar::Regex(r"[0-9]{2,4} mg/dL(, (높음|낮음))?".to_owned()), seed);
            let (number, rest) = text.split_once(' ').unwrap();
            assert!((2..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
            assert!(["mg/dL", "mg/dL, 높음", "mg/dL, 낮음"].contains(&rest), "{text}");
        }
    }

    #[test]
    fn only_one_of_the_choices_comes_out() {
        let choices = ["[1]", "a|b (c)*", "혈당/\\\"", "혈당"].map(str::to_owned).to_vec();
        let mut seen: Vec<String> = (0..40).map(|seed| babble(&Grammar::OneOf(choices.clone()), seed)).collect();
        assert!(seen.iter().all(|text| choices.contains(text)), "{seen:?}");
        seen.sort();
        seen.dedup();
        assert!(seen.len() >= 3, "{seen:?}");
    }

    #[test]
    fn only_these_marks_are_cited() {
        let marks = ["[1]", "[12]"].map(str::to_owned).to_vec();
        let mut cited = 0;
        for seed in 0..20 {
            let text = babble(&Grammar::Citing(marks.clone()), seed);
            let mut parts = text.split('[').skip(1).peekable();
            while let Some(part) = parts.next() {
                let cut_off = parts.peek().is_none() && text.chars().count() >= 130;
                assert!(part.starts_with("1]") || part.starts_with("12]") || cut_off, "{text}");
                cited += 1;
            }
        }
        assert!(cited > 0);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_in_words() {
        let compiler = Compiler::new(&tokenizer()).unwrap();
        let long = "x".repeat(MAX_GRAMMAR_BYTES + 1);
        for (case, grammar) in [
            ("no expression", Grammar::Regex("(secret".to_owned())),
            ("a long expression", Grammar::Regex(long.clone())),
            ("no schema", Grammar::JsonSchema(json!({"type": "secret"}))),
            ("a schema elsewhere", Grammar::JsonSchema(json!({"$ref": "http://secret.example/x"}))),
            ("a long schema", Grammar::JsonSchema(json!({ "const": long }))),
            ("a schema that nothing fits", Grammar::JsonSchema(json!(false))),
            ("no choices", Grammar::OneOf(Vec::new())),
            ("an empty choice", Grammar::OneOf(vec![String::new()])),
            ("many choices", Grammar::OneOf(vec!["x".to_owned(); MAX_CHOICES + 1])),
            ("a mark without its bracket", Grammar::Citing(vec!["secret".to_owned()])),
        ] {
            let error = compiler.compile(&grammar).err().unwrap_or_else(|| panic!("{case} was taken"));
            assert!(error.to_string().starts_with("HAECHI-0516"), "{case}: {error}");
            assert!(!error.to_string().contains("secret"), "{case}: {error}");
        }
    }

    #[test]
    fn odd_vocabularies_do_no_harm() {
        use crate::tokenizer::{Cut, Kind, Vocabulary, alphabet};
        let mut tokens: Vec<(String, Kind)> =
            alphabet().iter().map(|letter| (letter.to_string(), Kind::Normal)).collect();
        tokens.extend(["ab", "ab", &"a".repeat(2000), "\u{fffd}"].map(|text| (text.to_owned(), Kind::UserDefined)));
        let vocabulary = |ends| Vocabulary {
            tokens: tokens.clone(),
            merges: vec![],
            cut: Cut::Gpt2,
            begin: None,
            begin_name: None,
            ends,
        };
        let without_end = Tokenizer::new(vocabulary(vec![])).unwrap();
        assert_eq!(Compiler::new(&without_end).unwrap_err().code(), "HAECHI-0516");
        let tokenizer = Tokenizer::new(vocabulary(vec![10])).unwrap();
        let mut guide = Compiler::new(&tokenizer).unwrap().compile(&Grammar::Regex("a{1999}b".to_owned())).unwrap();
        let mut logits = vec![1.0; tokenizer.len()];
        guide.mask(&mut logits).unwrap();
        let left: Vec<_> =
            logits.iter().zip(0..).filter(|(logit, _)| logit.is_finite()).map(|(_, token)| token).collect();
        assert_eq!(left, [97], "neither what comes too early nor what is too long");
    }

    #[test]
    fn a_dead_end_is_told() {
        let mut guide = Compiler::new(&tokenizer()).unwrap().compile(&Grammar::OneOf(vec!["ab".to_owned()])).unwrap();
        let mut logits = vec![0.0; 258];
        logits[97] = f32::NAN; // the only token that fits
        assert_eq!(guide.mask(&mut logits).unwrap_err().code(), "HAECHI-0517");
        assert!(guide.take(98).is_err());
    }
}
