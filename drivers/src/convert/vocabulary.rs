//! `tokenizer.json` and what stands beside it: tokens, merges, how text is cut, special tokens, the chat template.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::gguf::{Array, GgufError, Value};
use crate::safetensors::read_small;

/// Gemma's, the largest published, has 33 MB.
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;
const MAX_SMALL_BYTES: u64 = 16 << 20;

// Kinds of tokens: llama.h, `enum llama_token_type`.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// Bounds what a hostile file can make us hold; DeepSeek's, Gemma's and Qwen's vocabularies have 130,000 to 262,000.
const MAX_TOKENS: u64 = 1 << 21;

#[derive(Deserialize)]
struct Tokenizer {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
    pre_tokenizer: Option<Json>,
    normalizer: Option<Json>,
    post_processor: Option<Json>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: BTreeMap<String, u64>,
    merges: Vec<Merge>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

/// Transformers 4.45 began to write pairs.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair([String; 2]),
}

#[derive(Deserialize)]
struct Added {
    id: u64,
    content: String,
    #[serde(default)]
    special: bool,
}

/// Adds the settings of the tokenizer in `folder`; the model has `rows` token embeddings.
pub(super) fn metadata(folder: &Path, rows: u64, all: &mut BTreeMap<String, Value>) -> Result<(), GgufError> {
    let path = folder.join("tokenizer.json");
    let broken = |rule: String| GgufError::Folder { path: path.clone(), rule };
    let bytes = read_small(&path, MAX_TOKENIZER_BYTES)?;
    let tokenizer: Tokenizer =
        serde_json::from_slice(&bytes).map_err(|error| broken(format!("it is no such tokenizer: {error}")))?;
    if tokenizer.model.kind.as_deref().is_some_and(|kind| kind != "BPE") {
        return Err(broken("its tokens are not merged from pairs (BPE), which is not converted here".to_owned()));
    }
    let (tokens, kinds) = tokens(&tokenizer, rows).map_err(broken)?;
    let merges: Vec<(&str, &str)> = tokenizer.model.merges.iter().filter_map(Merge::pair).collect();
    if merges.len() != tokenizer.model.merges.len() {
        return Err(broken("a merge is no pair".to_owned()));
    }
    let mut set = |key: &str, value: Value| all.insert(format!("tokenizer.{key}"), value);
    if tokenizer.model.byte_fallback {
        // Letters are tokens, bytes only stand in: what SentencePiece makes. There a score says which pair comes first.
        set("ggml.model", Value::String("llama".to_owned()));
        set("ggml.pre", Value::String("default".to_owned()));
        set("ggml.scores", Value::Array(Array::F32(scores(&tokens, &merges))));
        let prepends = tokenizer.normalizer.as_ref().is_some_and(|normalizer| mentions(normalizer, "Prepend"));
        set("ggml.add_space_prefix", Value::Bool(prepends));
    } else {
        set("ggml.model", Value::String("gpt2".to_owned()));
        set("ggml.pre", Value::String(cutting(&tokenizer).map_err(broken)?.to_owned()));
        // A space inside a token of a pair is written as the letter that stands for it.
        let merges = merges.iter().map(|(a, b)| format!("{} {}", a.replace(' ', "Ġ"), b.replace(' ', "Ġ")));
        set("ggml.merges", Value::Array(Array::String(merges.collect())));
    }

    let settings = optional(folder, "tokenizer_config.json")?;
    let generation = optional(folder, "generation_config.json")?;
    let config = optional(folder, "config.json")?;
    let id = |content: &str| tokens.iter().position(|token| token == content).and_then(|at| u32::try_from(at).ok());
    for (key, name) in [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")]
    {
        let content = settings.get(name).map(|token| token.get("content").unwrap_or(token)).and_then(Json::as_str);
        let told = content.and_then(id).or_else(|| {
            // Where the tokenizer does not say it, the model may; of several ends the first.
            let key = format!("{key}_token_id");
            let number =
                [&generation, &config].into_iter().find_map(|file| file.get(&key).filter(|id| !id.is_null()))?;
            u32::try_from(number.get(0).unwrap_or(number).as_u64()?).ok().filter(|&id| u64::from(id) < rows)
        });
        if let Some(told) = told {
            set(&format!("ggml.{key}_token_id"), Value::U32(told));
        }
    }
    let begins = settings.get("add_bos_token").and_then(Json::as_bool);
    let bos = settings.get("bos_token").map(|token| token.get("content").unwrap_or(token)).and_then(Json::as_str);
    let template_begins =
        bos.is_some_and(|bos| tokenizer.post_processor.as_ref().is_some_and(|processor| begins_with(processor, bos)));
    set("ggml.add_bos_token", Value::Bool(begins.unwrap_or(template_begins)));
    if let Some(template) = template(folder, &settings)? {
        set("chat_template", Value::String(template));
    }
    set("ggml.tokens", Value::Array(Array::String(tokens.iter().collect())));
    set("ggml.token_type", Value::Array(Array::I32(kinds)));
    Ok(())
}

impl Merge {
    fn pair(&self) -> Option<(&str, &str)> {
        match self {
            Self::Text(text) => text.split_once(' '),
            Self::Pair([a, b]) => Some((a, b)),
        }
    }
}

/// Text and kind of every token id below `rows`.
fn tokens(tokenizer: &Tokenizer, rows: u64) -> Result<(Vec<String>, Vec<i32>), String> {
    let rows = usize::try_from(rows.min(MAX_TOKENS + 1)).unwrap_or(usize::MAX);
    if rows as u64 > MAX_TOKENS {
        return Err(format!("the model has more than {MAX_TOKENS} tokens"));
    }
    let mut tokens = vec![None; rows];
    let mut place = |id: u64, text: &str, kind: i32| {
        let slot = usize::try_from(id).ok().and_then(|id| tokens.get_mut(id));
        let slot = slot.ok_or_else(|| format!("a token has the number {id}; the model has {rows}"))?;
        *slot = Some((text.to_owned(), kind));
        Ok::<(), String>(())
    };
    for (text, &id) in &tokenizer.model.vocab {
        let byte = tokenizer.model.byte_fallback && text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
        let unknown = tokenizer.model.byte_fallback && text == "<unk>";
        place(
            id,
            text,
            if byte {
                BYTE
            } else if unknown {
                UNKNOWN
            } else {
                NORMAL
            },
        )?;
    }
    for added in &tokenizer.added_tokens {
        let unknown = tokenizer.model.byte_fallback && added.content == "<unk>";
        let kind = if unknown {
            UNKNOWN
        } else if added.special {
            CONTROL
        } else {
            USER_DEFINED
        };
        place(added.id, &added.content, kind)?;
    }
    // Embeddings are padded to a round number of rows; those have no text.
    let named =
        tokens.into_iter().enumerate().map(|(id, token)| token.unwrap_or_else(|| (format!("[PAD{id}]"), UNUSED)));
    Ok(named.unzip())
}

/// A token's score: the earlier it is merged, the higher.
fn scores(tokens: &[String], merges: &[(&str, &str)]) -> Vec<f32> {
    let mut ranks = HashMap::new();
    for (rank, (a, b)) in merges.iter().enumerate() {
        ranks.entry(format!("{a}{b}")).or_insert(rank);
    }
    tokens.iter().map(|token| ranks.get(token).map_or(0.0, |&rank| -(rank as f32) - 1.0)).collect()
}

/// The name that llama.cpp gives to the way text is cut before merging (`llama-vocab.cpp`, the original expressions there).
fn cutting(tokenizer: &Tokenizer) -> Result<&'static str, String> {
    const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+";
    const REST: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const DEEPSEEK_3: [&str; 3] = [
        r"\p{N}{1,3}",
        "[一-龥\u{3040}-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    ];
    const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    let mut cuts = Cuts::default();
    if let Some(part) = &tokenizer.pre_tokenizer {
        cuts.add(part, 0)?;
    }
    let glm = tokenizer.added_tokens.iter().any(|token| token.content == "[gMASK]");
    let expressions: Vec<&str> = cuts.expressions.iter().map(String::as_str).collect();
    match (expressions.as_slice(), cuts.digits, cuts.words) {
        ([], false, true) => Ok("gpt-2"),
        ([], true, true) => Ok("smollm"),
        ([one], false, false) if *one == format!(r"{WORDS}|\p{{N}}{{1,3}}{REST}") => {
            Ok(match tokenizer.model.ignore_merges {
                _ if glm => "glm4",
                true => "llama-bpe",
                false => "smaug-bpe", // the same expression, and no token is taken whole
            })
        }
        ([one], false, false) if *one == format!(r"{WORDS}|\p{{N}}{REST}") => Ok("qwen2"),
        ([one], false, false) if *one == GPT_4O => Ok("gpt-4o"),
        (three, false, false) if *three == DEEPSEEK_3 => Ok("deepseek-v3"),
        (others, ..) => {
            let shown: String = others.join("  ").chars().filter(|c| !c.is_control()).take(200).collect();
            Err(format!("text is cut in a way that is not known here: `{shown}`"))
        }
    }
}

/// What the parts of a pre-tokenizer do.
#[derive(Default)]
struct Cuts {
    /// Expressions whose matches are pieces.
    expressions: Vec<String>,
    /// Every digit alone.
    digits: bool,
    /// GPT-2's own expression.
    words: bool,
}

impl Cuts {
    fn add(&mut self, part: &Json, depth: u32) -> Result<(), String> {
        let flag = |key: &str, usual: bool| part.get(key).and_then(Json::as_bool).unwrap_or(usual);
        match part.get("type").and_then(Json::as_str).unwrap_or_default() {
            "Sequence" if depth < 4 => {
                for inner in part.get("pretokenizers").and_then(Json::as_array).into_iter().flatten() {
                    self.add(inner, depth + 1)?;
                }
            }
            "Split" => {
                let expression = part.get("pattern").and_then(|pattern| pattern.get("Regex")).and_then(Json::as_str);
                let isolated =
                    part.get("behavior").and_then(Json::as_str) == Some("Isolated") && !flag("invert", false);
                // Keeping the matches and dropping what lies between is the same, for the expressions match everything.
                let kept = part.get("behavior").and_then(Json::as_str) == Some("Removed") && flag("invert", false);
                match expression {
                    Some(expression) if isolated || kept => self.expressions.push(expression.to_owned()),
                    _ => return Err("text is cut by a part that is not known here".to_owned()),
                }
            }
            "ByteLevel" if !flag("add_prefix_space", false) => self.words |= flag("use_regex", true),
            "Digits" if flag("individual_digits", false) => self.digits = true,
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(format!("text is cut by the part `{shown}`, which is not known here"));
            }
        }
        Ok(())
    }
}

/// Whether a processor of this type is in `part` or in a sequence of it.
fn mentions(part: &Json, kind: &str) -> bool {
    part.get("type").and_then(Json::as_str) == Some(kind)
        || part
            .get("normalizers")
            .and_then(Json::as_array)
            .is_some_and(|list| list.iter().any(|one| mentions(one, kind)))
}

/// Whether the template in `part` puts the token `bos` first.
fn begins_with(part: &Json, bos: &str) -> bool {
    let first = part.get("single").and_then(|single| single.get(0)?.get("SpecialToken")?.get("id")?.as_str());
    first == Some(bos)
        || part
            .get("processors")
            .and_then(Json::as_array)
            .is_some_and(|list| list.iter().any(|one| begins_with(one, bos)))
}

/// A file of settings; an empty object if the folder has none.
fn optional(folder: &Path, name: &str) -> Result<Json, GgufError> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&read_small(&path, MAX_SMALL_BYTES)?)
        .map_err(|error| GgufError::Folder { path, rule: format!("it is no such JSON: {error}") })
}

/// `chat_template.jinja`, or the setting `chat_template`: a text, or several with names, of which `default` is meant.
fn template(folder: &Path, settings: &Json) -> Result<Option<String>, GgufError> {
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        return match String::from_utf8(read_small(&path, MAX_SMALL_BYTES)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(GgufError::Folder { path, rule: "it is not UTF-8".to_owned() }),
        };
    }
    let named = |list: &Vec<Json>| {
        let text = |one: &Json| one.get("template").and_then(Json::as_str).map(str::to_owned);
        let default = |one: &&Json| one.get("name").and_then(Json::as_str) == Some("default");
        list.iter().find(default).or(list.first()).and_then(text)
    };
    Ok(match settings.get("chat_template") {
        Some(Json::String(text)) => Some(text.clone()),
        Some(Json::Array(list)) => named(list),
        _ => None,
    })
}
