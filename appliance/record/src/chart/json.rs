//! A JSON tree that keeps every number as the digits it was written with.
//!
//! `serde_json`'s own tree turns `7.10` into `7.1`; a laboratory's precision is part of its result, so numbers stay text
//! here. Strings without escapes are borrowed from the input. Depth is bounded: see [`MAX_DEPTH`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting read; what lies deeper reads as absent. The same 128 levels at which `serde_json` stops, because
/// each level costs stack; FHIR's deepest real resources need about 20.
const MAX_DEPTH: usize = 128;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Digits as written.
    Number(&'a str),
    /// Decoded text.
    Text(Cow<'a, str>),
    /// Elements in order.
    List(Vec<Json<'a>>),
    /// Members in order; of a name given twice the first is found.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads one JSON document; `None` if it is not one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Json<'a>> {
        let raw: &'a RawValue = serde_json::from_slice(bytes).ok()?;
        Json::from_raw(raw, MAX_DEPTH)
    }

    fn from_raw(raw: &'a RawValue, depth: usize) -> Option<Json<'a>> {
        let depth = depth.checked_sub(1)?;
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'{' => serde_json::Deserializer::from_str(text).deserialize_map(Members(depth)).ok()?,
            b'[' => serde_json::Deserializer::from_str(text).deserialize_seq(Elements(depth)).ok()?,
            b'"' => Json::Text(string(text)),
            b't' => Json::Bool(true),
            b'f' => Json::Bool(false),
            b'n' => Json::Null,
            _ => Json::Number(text),
        })
    }

    /// The member `name` of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The elements of a list; a single value counts as a list of one, `null` as none.
    pub(crate) fn list(&self) -> &[Json<'a>] {
        match self {
            Json::List(items) => items,
            Json::Null => &[],
            one => std::slice::from_ref(one),
        }
    }

    /// The elements of the member `name`.
    pub(crate) fn items(&self, name: &str) -> &[Json<'a>] {
        self.get(name).map(Json::list).unwrap_or_default()
    }

    /// Text that is not blank, trimmed.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The member `name` as text that is not blank.
    pub(crate) fn string(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Json::text)
    }

    /// Whether the member `name` is `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Json::Bool(true))
    }

    /// Whether the member `name` is `false`, said and not merely absent.
    pub(crate) fn is_false(&self, name: &str) -> bool {
        self.get(name) == Some(&Json::Bool(false))
    }

    /// A number's digits, or a primitive's words. Numbers that a sender wrapped in quotes pass as they are.
    pub(crate) fn primitive(&self) -> Option<&str> {
        match self {
            Json::Number(digits) => Some(digits),
            Json::Bool(true) => Some("true"),
            Json::Bool(false) => Some("false"),
            other => other.text(),
        }
    }

    /// Everything that `pattern` (`reaction.manifestation`) reaches, each with its element path
    /// (`reaction[0].manifestation[1]`). Lists are entered at every step.
    pub(crate) fn find(&self, pattern: &str) -> Vec<(String, &Json<'a>)> {
        let mut found = vec![(String::new(), self)];
        for name in pattern.split('.') {
            let mut next = Vec::new();
            for (path, node) in found {
                let Some(member) = node.get(name) else { continue };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                match member {
                    Json::List(items) => {
                        next.extend(items.iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)));
                    }
                    Json::Null => {}
                    one => next.push((path, one)),
                }
            }
            found = next;
        }
        found
    }
}

/// The decoded text of a raw JSON string. Half a surrogate pair, which is no character, reads as U+FFFD.
fn string(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Owned(String::from(char::REPLACEMENT_CHARACTER)),
    }
}

struct Members(usize);

impl<'de> Visitor<'de> for Members {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<&'de RawValue>()? {
            let value = map.next_value::<&'de RawValue>()?;
            members.push((string(key.get()), Json::from_raw(value, self.0).unwrap_or(Json::Null)));
        }
        Ok(Json::Object(members))
    }
}

struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            items.push(Json::from_raw(item, self.0).unwrap_or(Json::Null));
        }
        Ok(Json::List(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_as_written() {
        let tree = Json::parse(br#"{"a":7.10,"b":[1e3,-0.50],"c":"x\"\uac00","d":null,"e":true}"#).unwrap();
        assert_eq!(tree.get("a").unwrap().primitive(), Some("7.10"));
        assert_eq!(tree.items("b")[0].primitive(), Some("1e3"));
        assert_eq!(tree.items("b")[1].primitive(), Some("-0.50"));
        assert_eq!(tree.string("c"), Some("x\"가"));
        assert!(tree.items("d").is_empty());
        assert!(tree.is_true("e"));
    }

    #[test]
    fn a_pattern_enters_lists_and_says_where() {
        let tree = Json::parse(br#"{"reaction":[{"manifestation":[{"text":"hives"},{"text":"cough"}]},{}]}"#).unwrap();
        let paths: Vec<_> = tree.find("reaction.manifestation").into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["reaction[0].manifestation[0]", "reaction[0].manifestation[1]"]);
    }

    #[test]
    fn what_is_not_json_is_none_and_depth_is_bounded() {
        assert!(Json::parse(b"{\"a\":").is_none());
        assert!(Json::parse(b"").is_none());
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Json::parse(deep.as_bytes()).is_some(), "read, without what lies too deep");
    }
}
