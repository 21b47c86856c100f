//! Structured reports as text: the content tree of PS3.3 C.17.3, a line for each statement, indented as it is nested.

use serde::{Deserialize, Serialize};

use super::charset::Charset;
use super::dataset::{Dataset, Tag};
use super::name::PersonName;

/// Longest text kept of one report, in characters.
const MAX_TEXT_CHARS: usize = 1 << 20;

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its concept name: `Chest CT report`.
    pub(crate) title: Option<String>,
    pub(crate) text: String,
    /// (0040,A491): `COMPLETE` or `PARTIAL`.
    pub(crate) completion: Option<String>,
    /// (0040,A493): `VERIFIED` or `UNVERIFIED`.
    pub(crate) verification: Option<String>,
}

const SEQUENCE: Tag = (0x0040, 0xa730);
const NAME: Tag = (0x0040, 0xa043);
const MEANING: Tag = (0x0008, 0x0104);

/// SR documents. Key object selections and the like, which only point at images, are not.
pub(crate) fn is_report(class: &str) -> bool {
    let Some(kind) = class.strip_prefix("1.2.840.10008.5.1.4.1.1.88.") else { return false };
    // 59: Key Object Selection Document.
    kind != "59"
}

/// Reads the tree. Never fails: what is no content item is passed over.
pub(crate) fn read(root: &Dataset, charset: &Charset) -> Report {
    let mut text = String::new();
    items(root, charset, 0, &mut text);
    Report {
        title: meaning(root, NAME, charset).or_else(|| root.text((0x0008, 0x103e), charset)),
        text: text.trim_end().chars().take(MAX_TEXT_CHARS).collect(),
        completion: root.code((0x0040, 0xa491)),
        verification: root.code((0x0040, 0xa493)),
    }
}

fn meaning(item: &Dataset, sequence: Tag, charset: &Charset) -> Option<String> {
    item.items(sequence).first().and_then(|code| code.text(MEANING, charset))
}

/// The nesting was bounded when the data set was read.
fn items(parent: &Dataset, charset: &Charset, depth: usize, out: &mut String) {
    for item in parent.items(SEQUENCE) {
        // An item may have a character set of its own (PS3.5 7.5.3).
        let own = item.bytes((0x0008, 0x0005)).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let own = own.map(|values| charset.with(values));
        let charset = own.as_ref().unwrap_or(charset);
        let name = meaning(item, NAME, charset);
        let value = value(item, charset);
        let is_container = item.code((0x0040, 0xa040)).as_deref() == Some("CONTAINER");
        let line = match (name, value) {
            (Some(name), Some(value)) => Some(format!("{name}: {value}")),
            (None, Some(value)) => Some(value),
            (Some(name), None) if is_container => Some(format!("{name}:")),
            _ => None,
        };
        let mut inner = String::new();
        let shown = line.is_some();
        items(item, charset, if shown { depth + 1 } else { depth }, &mut inner);
        // A heading with nothing below it says nothing.
        if let Some(line) = line.filter(|line| !line.ends_with(':') || !inner.is_empty()) {
            out.extend(std::iter::repeat_n("  ", depth));
            out.push_str(&line);
            out.push('\n');
        }
        out.push_str(&inner);
        if out.len() > 4 * MAX_TEXT_CHARS {
            return;
        }
    }
}

/// The value of a content item in words; `None` for references to images and for containers.
fn value(item: &Dataset, charset: &Charset) -> Option<String> {
    match item.code((0x0040, 0xa040))?.as_str() {
        "TEXT" => item.text((0x0040, 0xa160), charset),
        "CODE" => meaning(item, (0x0040, 0xa168), charset),
        "NUM" => {
            let measured = item.items((0x0040, 0xa300)).first()?;
            let number = measured.code((0x0040, 0xa30a))?;
            let unit = measured
                .items((0x0040, 0x08ea))
                .first()
                .and_then(|unit| unit.text((0x0008, 0x0100), charset))
                .filter(|unit| unit != "1" && unit != "{nounits}");
            Some(unit.map_or_else(|| number.clone(), |unit| format!("{number} {unit}")))
        }
        "PNAME" => item.name((0x0040, 0xa123), charset).map(|name| PersonName::read(&name).shown()),
        "DATE" => item.code((0x0040, 0xa121)),
        "TIME" => item.code((0x0040, 0xa122)),
        "DATETIME" => item.code((0x0040, 0xa120)),
        _ => None,
    }
}
