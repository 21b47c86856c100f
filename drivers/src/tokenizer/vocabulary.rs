//! Vocabularies out of model files: byte-level BPE (`tokenizer.ggml.model` is `gpt2`), and what all kinds share.

use super::cut::Cut;
use super::{Kind, TokenizerError};
use crate::gguf::{Array, Header, Value};

/// A byte-level vocabulary, by hand or from a file.
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
/// than the text. The list is llama.cpp's (`llama-vocab.cpp`, "special_eog_ids", 2026-10).
const ENDS: [&str; 20] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "<|eot|>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "<turn|>",
    "[e~[",
];

/// Signs that models write and templates read, whatever the file's template is.
const SIGNS: [&str; 12] = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<tools>",
    "</tools>",
];
/// Comparing each word of the vocabulary with the template takes time: with more to do, each counts as the template's.
const MAX_COMPARED: usize = 1 << 31;

impl Vocabulary {
    /// Out of a model file of the kind `gpt2`.
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`].
    pub fn from_header(header: &Header) -> Result<Self, TokenizerError> {
        let wrong = TokenizerError::Vocabulary;
        let pre = header.text("tokenizer.ggml.pre");
        let cut = Cut::named(pre).ok_or_else(|| {
            let pre = pre.unwrap_or_default();
            wrong(format!("it cuts text in the way `{pre}`; those of GPT-2, SmolLM, Llama, Qwen, GLM, EXAONE and DeepSeek are known"))
        })?;
        let tokens = tokens_of(header, false)?;
        let merges = header.texts("tokenizer.ggml.merges")?.iter().map(|merge| {
            // The first character may itself be a space in vocabularies that are not byte-level.
            let space = merge.char_indices().skip(1).find(|(_, character)| *character == ' ').map(|(at, _)| at);
            let pair = space.and_then(|at| Some((merge.get(..at)?, merge.get(at + 1..)?)));
            pair.map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or_else(|| wrong("a merge is no pair".to_owned()))
        });
        let merges = merges.collect::<Result<_, _>>()?;
        let names = Names::of(header, &tokens, None, None)?;
        // llama.cpp: only the vocabularies of this kind add it unless told otherwise.
        let adds_begin = header.flag("tokenizer.ggml.add_bos_token").unwrap_or(cut.adds_begin());
        let begin = names.begin.filter(|_| adds_begin);
        Ok(Self { tokens, merges, cut, begin, begin_name: names.begin, ends: names.ends })
    }
}

/// The tokens that have a name of their own.
pub(super) struct Names {
    pub(super) begin: Option<u32>,
    pub(super) ends: Vec<u32>,
}

impl Names {
    /// As the file says, otherwise these.
    pub(super) fn of(
        header: &Header,
        tokens: &[(String, Kind)],
        begin: Option<u32>,
        end: Option<u32>,
    ) -> Result<Self, TokenizerError> {
        let id = |key: &str| number_of(header, key, tokens.len());
        let begin = id("tokenizer.ggml.bos_token_id")?.or(begin);
        let end = id("tokenizer.ggml.eos_token_id")?.or(end);
        let others = [id("tokenizer.ggml.eot_token_id")?, id("tokenizer.ggml.eom_token_id")?];
        let mut ends: Vec<u32> = [end].into_iter().chain(others).flatten().collect();
        let named = tokens.iter().zip(0..).filter(|((text, kind), _)| *kind == Kind::Control && is_end(text));
        ends.extend(named.map(|(_, id)| id));
        ends.sort_unstable();
        ends.dedup();
        Ok(Self { begin, ends })
    }
}

fn is_end(text: &str) -> bool {
    ENDS.contains(&text)
}

/// The id that a file gives under `key`, if any.
pub(super) fn number_of(header: &Header, key: &str, count: usize) -> Result<Option<u32>, TokenizerError> {
    let Some(number) = header.number_if_any(key)? else { return Ok(None) };
    let id = u32::try_from(number).ok().filter(|&id| (id as usize) < count);
    let wrong = || TokenizerError::Vocabulary(format!("`{key}` is {number}, and there are {count} tokens"));
    id.map(Some).ok_or_else(wrong)
}

/// The tokens of a file, and what each is.
pub(super) fn tokens_of(header: &Header, pieces: bool) -> Result<Vec<(String, Kind)>, TokenizerError> {
    let texts = header.texts("tokenizer.ggml.tokens")?;
    let kinds: Vec<i64> = match header.metadata.get("tokenizer.ggml.token_type") {
        Some(Value::Array(Array::I32(kinds))) if kinds.len() == texts.len() => {
            kinds.iter().map(|&kind| i64::from(kind)).collect()
        }
        Some(Value::Array(Array::U32(kinds))) if kinds.len() == texts.len() => {
            kinds.iter().map(|&kind| i64::from(kind)).collect()
        }
        None => vec![1; texts.len()],
        Some(_) => {
            let rule = "`tokenizer.ggml.token_type` does not say a kind for each token";
            return Err(TokenizerError::Vocabulary(rule.to_owned()));
        }
    };
    let template = header.text("tokenizer.chat_template").unwrap_or_default();
    let user_defined = kinds.iter().filter(|&&kind| kind == 4).count();
    let too_many = user_defined.saturating_mul(template.len()) > MAX_COMPARED;
    let kind = |text: &str, number: i64| match number {
        2 | 3 => Kind::Control, // "unknown" never stands for text either
        4 if is_end(text) => Kind::Control,
        4 if is_sign(text) || !text.trim().is_empty() && (too_many || template.contains(text)) => Kind::UserDefined,
        4 => Kind::Verbatim,
        5 => Kind::Unused,
        6 if pieces => Kind::Byte,
        _ => Kind::Normal,
    };
    Ok(texts.iter().zip(kinds).map(|(text, number)| (text.to_owned(), kind(text, number))).collect())
}

/// True if a word looks like one between template and model.
fn is_sign(text: &str) -> bool {
    SIGNS.contains(&text) || text.starts_with("<|") || text.starts_with("<｜") || text.starts_with("[|")
}
