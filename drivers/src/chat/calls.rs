//! Calls of tools, as the families of models write them. One call's text in, a call or nothing out; no state.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest name of a tool or of an argument, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// A model asks for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The tool's name, as the model wrote it: whether there is such a tool is for the caller to say.
    pub name: String,
    /// Its arguments: the text of a JSON object.
    pub arguments: String,
}

/// How a family of models writes calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Calls {
    /// It has none: everything is text.
    #[default]
    None,
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`: Hermes, Qwen 2.5 and 3, EXAONE 4.
    Hermes,
    /// `<tool_call>name <arg_key>…</arg_key><arg_value>…</arg_value></tool_call>`: GLM-4.5.
    Glm,
    /// `{"name": …, "parameters": {…}}` and nothing before it: Llama 3.
    Llama3,
}

/// What a call's text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A call.
    Call(Call),
    /// The beginning of one.
    Unfinished,
    /// None, however it goes on.
    Broken,
}

/// Arguments that are text, by tool and name: GLM writes text without quotes, and `007` is no number then.
pub(super) type Texts = HashSet<(String, String)>;

impl Calls {
    /// What a chat template teaches.
    #[must_use]
    pub fn of_template(source: &str) -> Self {
        let has = |words: &str| source.contains(words);
        if has("<arg_key>") {
            Self::Glm
        } else if has("<tool_call>") {
            Self::Hermes
        } else if has("tools") && has("parameters") && (has("ipython") || has("<|python_tag|>")) {
            Self::Llama3
        } else {
            Self::None
        }
    }

    /// True if calls stand between `<tool_call>` and `</tool_call>`.
    pub(super) const fn between_tags(self) -> bool {
        matches!(self, Self::Hermes | Self::Glm)
    }

    /// Reads what stands between the tags, or for Llama 3 the whole.
    pub(super) fn parse(self, text: &str, texts: &Texts) -> Parsed {
        match self {
            Self::None => Parsed::Broken,
            Self::Hermes | Self::Llama3 => json(text),
            Self::Glm => glm(text, texts),
        }
    }
}

/// The arguments that are declared as text, of tools as `transformers` takes them.
pub(super) fn texts_of(tools: &[serde_json::Value]) -> Texts {
    let mut texts = Texts::new();
    for tool in tools {
        let function = tool.get("function").unwrap_or(tool);
        let name = function.get("name").and_then(serde_json::Value::as_str);
        let properties = function.pointer("/parameters/properties").and_then(serde_json::Value::as_object);
        for (argument, schema) in properties.into_iter().flatten() {
            if schema.get("type").and_then(serde_json::Value::as_str) == Some("string") {
                texts.insert((name.unwrap_or_default().to_owned(), argument.clone()));
            }
        }
    }
    texts
}

#[derive(Deserialize)]
struct Wire<'text> {
    name: String,
    #[serde(borrow, alias = "parameters")]
    arguments: Option<&'text RawValue>,
}

fn json(text: &str) -> Parsed {
    match serde_json::from_str::<Wire<'_>>(text.trim()) {
        Ok(Wire { name, arguments }) => {
            let arguments = arguments.map_or("{}", RawValue::get);
            if is_name(&name) && arguments.starts_with('{') {
                Parsed::Call(Call { name, arguments: arguments.to_owned() })
            } else {
                Parsed::Broken
            }
        }
        Err(error) if error.is_eof() => Parsed::Unfinished,
        Err(_) => Parsed::Broken,
    }
}

fn glm(text: &str, texts: &Texts) -> Parsed {
    let (name, mut rest) = text.split_at(text.find("<arg_key>").unwrap_or(text.len()));
    let name = name.trim();
    if !is_name(name) {
        return Parsed::Broken;
    }
    let mut arguments = BTreeMap::new();
    let mut order = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let Some(after) = rest.strip_prefix("<arg_key>") else { return Parsed::Broken };
        let Some((key, after)) = after.split_once("</arg_key>") else { return Parsed::Unfinished };
        let Some(after) = after.trim_start().strip_prefix("<arg_value>") else { return Parsed::Broken };
        let Some((value, after)) = after.split_once("</arg_value>") else { return Parsed::Unfinished };
        let key = key.trim();
        let is_text = texts.contains(&(name.to_owned(), key.to_owned()));
        let value = match serde_json::from_str::<&RawValue>(value) {
            Ok(value) if !is_text => value.get().to_owned(),
            _ => quoted(value),
        };
        if !is_name(key) || arguments.insert(key, value).is_some() {
            return Parsed::Broken;
        }
        order.push(key);
        rest = after;
    }
    let pair = |key: &&str| format!("{}:{}", quoted(key), arguments.get(key).map_or("null", String::as_str));
    let pairs: Vec<String> = order.iter().map(pair).collect();
    Parsed::Call(Call { name: name.to_owned(), arguments: format!("{{{}}}", pairs.join(",")) })
}

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_name(name: &str) -> bool {
    let strange = |character: char| character.is_whitespace() || character.is_control() || "<>{}\"".contains(character);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> Parsed {
        Parsed::Call(Call { name: name.to_owned(), arguments: arguments.to_owned() })
    }

    #[test]
    fn calls_are_read_as_each_family_writes_them() {
        let tool = r#"{"type": "function", "function": {"name": "find", "parameters": {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}}}"#;
        let texts = texts_of(&[serde_json::from_str(tool).unwrap()]);
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for (calls, text, expected) in [
            (Calls::Hermes, "\n{\"name\": \"find\", \"arguments\": {\"id\": 1.50}}\n", call("find", r#"{"id": 1.50}"#)),
            (Calls::Hermes, r#"{"name": "now"}"#, call("now", "{}")),
            (Calls::Hermes, r#"{"name": "find", "arguments": {"id": "a"#, Parsed::Unfinished),
            (Calls::Hermes, r#"{"name": "find", "arguments": "no object"}"#, Parsed::Broken),
            (Calls::Hermes, r#"{"name": "a b", "arguments": {}}"#, Parsed::Broken),
            (Calls::Hermes, "not at all", Parsed::Broken),
            (Calls::Hermes, &"[".repeat(100_000), Parsed::Broken), // deeper than any reader goes
            (Calls::Llama3, r#"{"name": "find", "parameters": {"n": 2}}"#, call("find", r#"{"n": 2}"#)),
            (Calls::Glm, "now", call("now", "{}")),
            (
                Calls::Glm,
                "find\n<arg_key>id</arg_key>\n<arg_value>007</arg_value>\n<arg_key>n</arg_key>\n<arg_value>2</arg_value>\n",
                call("find", r#"{"id":"007","n":2}"#),
            ),
            (
                Calls::Glm,
                "other<arg_key>q</arg_key><arg_value>the \"red\" one</arg_value><arg_key>l</arg_key><arg_value>[1]</arg_value>",
                call("other", r#"{"q":"the \"red\" one","l":[1]}"#),
            ),
            (Calls::Glm, "find<arg_key>id</arg_key><arg_value>x", Parsed::Unfinished),
            (Calls::Glm, "find<arg_key>id</arg_key>x", Parsed::Broken),
            (
                Calls::Glm,
                "a<arg_key>k</arg_key><arg_value>1</arg_value><arg_key>k</arg_key><arg_value>2</arg_value>",
                Parsed::Broken,
            ),
            (Calls::Glm, "", Parsed::Broken),
            (Calls::Glm, &long, Parsed::Broken),
            (Calls::None, r#"{"name": "find"}"#, Parsed::Broken),
        ] {
            let shown: String = text.chars().take(80).collect();
            assert_eq!(calls.parse(text, &texts), expected, "{calls:?} {shown}");
        }
    }

    #[test]
    fn the_template_tells_the_family() {
        for (source, calls) in [
            ("{{ '<tool_call>' }}<arg_key>", Calls::Glm),
            ("{% if tools %}<tool_call>\\n{\"name\"", Calls::Hermes),
            ("{% if tools %}{{ '{\"name\": , \"parameters\": }' }}{% endif %}ipython", Calls::Llama3),
            ("{{ messages[0].content }}", Calls::None),
        ] {
            assert_eq!(Calls::of_template(source), calls, "{source}");
        }
    }
}
