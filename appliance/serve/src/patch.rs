//! JSON Patch (RFC 6902) on a tree that keeps every scalar as it was written: a laboratory's `7.10` stays `7.10`.

use haechi_record::prepare::MAX_RESOURCE_BYTES;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::outcome::{Fail, quoted};

/// Operations in one patch, and levels of a tree. What operations add is bounded too: copies of copies double it each time.
const MAX_OPERATIONS: usize = 1000;
const MAX_DEPTH: usize = 100;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Scalar(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Deserialize)]
struct Operation<'a> {
    op: String,
    path: String,
    from: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// The resource after the patch.
///
/// # Errors
/// Which operation cannot be done: 400 for a patch that is none, 422 for one that does not fit.
pub(crate) fn apply(raw: &[u8], patch: &[u8]) -> Result<Vec<u8>, Fail> {
    let operations: Vec<Operation<'_>> =
        serde_json::from_slice(patch).map_err(|_| Fail::invalid("the body is no JSON Patch: a list of operations"))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Fail::invalid("the patch has more than 1000 operations"));
    }
    let whole: &RawValue = serde_json::from_slice(raw).map_err(|_| Fail::invalid("the stored resource is no JSON"))?;
    let mut root = read(whole, MAX_DEPTH).ok_or_else(|| Fail::invalid("the stored resource is nested too deeply"))?;
    let mut room = MAX_RESOURCE_BYTES;
    for (number, operation) in operations.iter().enumerate() {
        run(&mut root, operation, &mut room).ok_or_else(|| {
            let text = format!("operation {number} of the patch does not fit the resource; nothing was changed");
            Fail::new(StatusCode::UNPROCESSABLE_ENTITY, "processing", "HAECHI-0715", text)
        })?;
    }
    let mut out = String::with_capacity(raw.len());
    write(&root, &mut out);
    Ok(out.into_bytes())
}

/// `room`: bytes that may still be added.
fn run(root: &mut Node, operation: &Operation<'_>, room: &mut usize) -> Option<()> {
    let path = pointer(&operation.path)?;
    let value = || read(operation.value?, MAX_DEPTH.checked_sub(path.len())?);
    let from = || pointer(operation.from.as_deref()?);
    match operation.op.as_str() {
        "add" => add(root, &path, value()?),
        "remove" => remove(root, &path).map(drop),
        "replace" => {
            *find(root, &path)? = value()?;
            Some(())
        }
        "test" => (*find(root, &path)? == value()?).then_some(()),
        "copy" => {
            let found = find(root, &from()?)?;
            let (bytes, depth) = size(found);
            *room = room.checked_sub(bytes).filter(|_| path.len() + depth <= MAX_DEPTH)?;
            let copied = found.clone();
            add(root, &path, copied)
        }
        "move" => {
            let from = from()?;
            // Nothing moves into itself.
            if path.len() > from.len() && path.starts_with(&from) {
                return None;
            }
            let moved = remove(root, &from)?;
            if path.len() + size(&moved).1 > MAX_DEPTH {
                return None;
            }
            add(root, &path, moved)
        }
        _ => None,
    }
}

/// Bytes and levels of a tree, about.
fn size(node: &Node) -> (usize, usize) {
    let under = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((2, 1), |(bytes, depth), (more, below)| (bytes + more, depth.max(below + 1)))
    };
    match node {
        Node::Scalar(text) => (text.len() + 1, 1),
        Node::List(items) => under(&mut items.iter().map(size)),
        Node::Object(members) => under(&mut members.iter().map(|(name, value)| {
            let (bytes, depth) = size(value);
            (name.len() + 4 + bytes, depth)
        })),
    }
}

fn pointer(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parts = text.strip_prefix('/')?.split('/');
    Some(parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn index(text: &str) -> Option<usize> {
    let plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    plain.then(|| text.parse().ok())?
}

fn find<'n>(node: &'n mut Node, path: &[String]) -> Option<&'n mut Node> {
    let Some((step, rest)) = path.split_first() else { return Some(node) };
    let next = match node {
        Node::List(items) => items.get_mut(index(step)?)?,
        Node::Object(members) => members.iter_mut().find(|(name, _)| name == step).map(|(_, node)| node)?,
        Node::Scalar(_) => return None,
    };
    find(next, rest)
}

fn add(root: &mut Node, path: &[String], value: Node) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *root = value;
        return Some(());
    };
    match find(root, parents)? {
        Node::List(items) => {
            let at = if last == "-" { items.len() } else { index(last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        Node::Object(members) => match members.iter_mut().find(|(name, _)| name == last) {
            Some((_, own)) => *own = value,
            None => members.push((last.clone(), value)),
        },
        Node::Scalar(_) => return None,
    }
    Some(())
}

fn remove(root: &mut Node, path: &[String]) -> Option<Node> {
    let (last, parents) = path.split_last()?;
    match find(root, parents)? {
        Node::List(items) => {
            let at = index(last)?;
            (at < items.len()).then(|| items.remove(at))
        }
        Node::Object(members) => {
            let at = members.iter().position(|(name, _)| name == last)?;
            Some(members.remove(at).1)
        }
        Node::Scalar(_) => None,
    }
}

/// Members in the order of the text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> serde::de::Visitor<'de> for Visit {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Visit).map(Members)
    }
}

fn read(raw: &RawValue, depth: usize) -> Option<Node> {
    let depth = depth.checked_sub(1)?;
    let text = raw.get();
    match text.as_bytes().first()? {
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Some(Node::List(items.into_iter().map(|item| read(item, depth)).collect::<Option<_>>()?))
        }
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            let members = members.into_iter().map(|(name, value)| Some((name, read(value, depth)?)));
            Some(Node::Object(members.collect::<Option<_>>()?))
        }
        _ => Some(Node::Scalar(text.to_owned())),
    }
}

fn write(node: &Node, out: &mut String) {
    match node {
        Node::Scalar(text) => out.push_str(text),
        Node::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Node::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(raw: &str, patch: &str) -> Result<String, u16> {
        apply(raw.as_bytes(), patch.as_bytes())
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|fail| fail.status.as_u16())
    }

    #[test]
    fn operations_do_as_rfc_6902_says_and_numbers_stay_as_written() {
        for (raw, patch, expected) in [
            (r#"{"a":7.10,"b":1}"#, r#"[{"op":"replace","path":"/b","value":2.50}]"#, Ok(r#"{"a":7.10,"b":2.50}"#)),
            (
                r#"{"a":["x","z"]}"#,
                r#"[{"op":"add","path":"/a/1","value":"y"},{"op":"add","path":"/a/-","value":"!"}]"#,
                Ok(r#"{"a":["x","y","z","!"]}"#),
            ),
            (
                r#"{"a":1,"b":{"c":2}}"#,
                r#"[{"op":"move","from":"/b/c","path":"/d"},{"op":"remove","path":"/b"}]"#,
                Ok(r#"{"a":1,"d":2}"#),
            ),
            (r#"{"a~/":1}"#, r#"[{"op":"copy","from":"/a~0~1","path":"/b"}]"#, Ok(r#"{"a~/":1,"b":1}"#)),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1}]"#, Ok(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, Err(422)),
            (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/01"}]"#, Err(422)),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":1}]"#, Err(422)),
            (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, Err(422)),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":1}]"#, Err(422)),
            (r#"{"a":1}"#, r#"{"op":"remove","path":"/a"}"#, Err(400)),
        ] {
            assert_eq!(patched(raw, patch), expected.map(str::to_owned), "{patch}");
        }
    }
}
