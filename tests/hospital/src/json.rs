//! JSON in the order it is built, with numbers as the digits they were given: a laboratory's `7.10` stays `7.10`.

use std::borrow::Cow;

/// One JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Bool(bool),
    /// Digits, written as they are.
    Number(String),
    Text(Cow<'static, str>),
    List(Vec<Json>),
    Object(Object),
}

/// Members in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object(Vec<(&'static str, Json)>);

impl Object {
    /// A resource with its id.
    pub(crate) fn resource(kind: &'static str, id: &str) -> Object {
        Object::default().with("resourceType", kind).with("id", id.to_owned())
    }

    /// With one member more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Json>) -> Object {
        self.0.push((name, value.into()));
        self
    }

    /// With one member more, if there is a value.
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Into<Json>>) -> Object {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a list, unless it is empty: FHIR has no empty lists.
    pub(crate) fn list(self, name: &'static str, items: Vec<Json>) -> Object {
        if items.is_empty() { self } else { self.with(name, items) }
    }

    pub(crate) fn write(&self, out: &mut String) {
        out.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            quote(name, out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

impl Json {
    fn write(&self, out: &mut String) {
        match self {
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(digits) => out.push_str(digits),
            Json::Text(text) => quote(text, out),
            Json::Object(object) => object.write(out),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<&'static str> for Json {
    fn from(text: &'static str) -> Json {
        Json::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Json {
        Json::Text(Cow::Owned(text))
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Json {
        Json::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Json {
        Json::List(items)
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Json {
        Json::Number(number.to_string())
    }
}

/// Base64 with padding, for the documents inside messages and resources.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let sign = SIGNS[(all >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_order_and_escapes_are_kept() {
        let object = Object::default()
            .with("b", Json::Number("7.10".into()))
            .with("a", "줄\n\"둘\"\\")
            .maybe("none", None::<String>)
            .list("empty", Vec::new());
        let mut out = String::new();
        object.write(&mut out);
        assert_eq!(out, r#"{"b":7.10,"a":"줄\n\"둘\"\\"}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn base64_pads() {
        for (bytes, packed) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes), packed);
        }
    }
}
