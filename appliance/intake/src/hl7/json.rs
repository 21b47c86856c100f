//! A small JSON tree that keeps every number's digits and every stored element as it was written.
//!
//! `serde_json::Value` would read `7.10` as a float and write `7.1`; a chart must show what the laboratory sent. Here a
//! number is its text, and an element taken over from a stored resource is its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// A string, unescaped.
    Text(String),
    /// JSON text taken over or checked by the caller: a number, or an element of a stored resource.
    Raw(String),
    /// `true` or `false`.
    Bool(bool),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order it was built.
    Object(Object),
}

/// An object: names and values in the order they were put.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object {
    fields: Vec<(Cow<'static, str>, Json)>,
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Json::Raw(value.to_string())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Json::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Self {
        Json::List(list)
    }
}

impl Json {
    /// A decimal as HL7 writes it, as JSON writes it, digit for digit: `+5` is `5`, `.5` is `0.5`, `007.10` is `7.10`.
    /// `None` if `text` is no number.
    pub(crate) fn number(text: &str) -> Option<Json> {
        decimal(text).map(Json::Raw)
    }

    /// The string, if it is one.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Json::Text(text) => Some(Cow::Borrowed(text)),
            Json::Raw(raw) if raw.starts_with('"') => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// The elements, if it is an array; stored ones stay as written.
    pub(crate) fn into_items(self) -> Vec<Json> {
        match self {
            Json::List(items) => items,
            Json::Raw(raw) if raw.starts_with('[') => serde_json::from_str::<Vec<Box<RawValue>>>(&raw)
                .map(|items| items.iter().map(|item| Json::Raw(item.get().to_owned())).collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The object, if it is one; the values of a stored one stay as written.
    pub(crate) fn into_object(self) -> Option<Object> {
        match self {
            Json::Object(object) => Some(object),
            Json::Raw(raw) if raw.starts_with('{') => Object::parse(raw.as_bytes()),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Text(text) => write_text(text, out),
            Json::Raw(raw) => out.extend_from_slice(raw.as_bytes()),
            Json::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Json::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Json::Object(object) => object.write(out),
        }
    }
}

impl Object {
    /// Reads one level of a stored resource: every value stays as it was written. `None` if it is no JSON object.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Object> {
        let Pairs(pairs) = serde_json::from_slice(bytes).ok()?;
        let fields = pairs.into_iter().map(|(key, raw)| (Cow::Owned(key), Json::Raw(raw.get().to_owned()))).collect();
        Some(Object { fields })
    }

    /// Adds or replaces `key`.
    pub(crate) fn put(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) {
        let key = key.into();
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value.into(),
            None => self.fields.push((key, value.into())),
        }
    }

    /// [`Object::put`] if there is a value.
    pub(crate) fn maybe(&mut self, key: &'static str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// [`Object::put`] if the list has elements: FHIR knows no empty arrays.
    pub(crate) fn list(&mut self, key: &'static str, items: Vec<Json>) {
        if !items.is_empty() {
            self.put(key, items);
        }
    }

    /// Builder form of [`Object::put`].
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Json>) -> Self {
        self.put(key, value);
        self
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Takes the value of `key` out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Json> {
        let at = self.fields.iter().position(|(name, _)| name == key)?;
        Some(self.fields.remove(at).1)
    }

    /// The string at `key`.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Json::text).map(Cow::into_owned)
    }

    /// The names, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_ref())
    }

    /// Removes every form of a choice element: `value` removes `valueString`, `valueQuantity`, ...
    pub(crate) fn drop_choice(&mut self, prefix: &str) {
        let form = |name: &str| {
            name.strip_prefix(prefix).is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        self.fields.retain(|(name, _)| !form(name));
    }

    /// Whether nothing was put.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values, emptying the object.
    pub(crate) fn into_fields(self) -> Vec<(Cow<'static, str>, Json)> {
        self.fields
    }

    /// The object as JSON text.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (key, value)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(key, out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }
}

/// Writes a JSON string. Control characters become `\u00XX`, as RFC 8259 asks; everything else stays as it is.
fn write_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Runs of plain text are copied as they are.
    while let Some(at) = rest.iter().position(|byte| matches!(*byte, b'"' | b'\\' | 0x00..=0x1f)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        rest = after;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                for nibble in [control >> 4, control & 0x0f] {
                    out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
                }
            }
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The text of a JSON number with the digits of `text`, or `None`.
fn decimal(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // 40 digits: more is no measurement, and a reader's float would be asked for nothing it can hold.
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 40 {
        return None;
    }
    if !exponent.is_empty() {
        let power = exponent.get(1..)?;
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        if power.is_empty() || power.len() > 3 || !digits(power) {
            return None;
        }
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}{exponent}"))
}

/// One level of an object, values unread.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_digits() {
        for (hl7, json) in [
            ("7.10", Some("7.10")),
            ("+5", Some("5")),
            (".50", Some("0.50")),
            ("-.5", Some("-0.5")),
            ("5.", Some("5")),
            ("007.10", Some("7.10")),
            ("0", Some("0")),
            ("1.5E-3", Some("1.5E-3")),
            ("1,234", None),
            ("", None),
            ("-", None),
            (".", None),
            ("NaN", None),
            ("1e", None),
            ("１２", None),
        ] {
            assert_eq!(Json::number(hl7), json.map(|text| Json::Raw(text.to_owned())), "{hl7}");
        }
    }

    #[test]
    fn a_stored_element_stays_as_it_was_written() {
        let stored = br#"{"id":"a","value": {"x" : 7.10},"list":[1.0,{"b":2}]}"#;
        let mut object = Object::parse(stored).unwrap();
        object.put("id", "b");
        assert_eq!(object.to_bytes(), br#"{"id":"b","value":{"x" : 7.10},"list":[1.0,{"b":2}]}"#);
        let items = object.take("list").unwrap().into_items();
        assert_eq!(items, [Json::Raw("1.0".into()), Json::Raw(r#"{"b":2}"#.into())]);
    }

    #[test]
    fn text_is_escaped_so_that_any_reader_takes_it_back() {
        let text = "a\"b\\c\n\u{1}\u{1f}환자\u{7f}";
        let bytes = Object::default().with("t", text).to_bytes();
        let back: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back["t"], text);
    }
}
