//! Free text: notes, report texts, narratives, annotations. Decoded from base64 and the character set that the
//! attachment names; mark-up is taken off. PDF, RTF and images are not read here: the entry says that they are there.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::json::Json;
use super::read::Reader;
use super::words::concept;
use super::{Fact, KEPT_SEGMENT};

/// Longest text taken from one attachment, in bytes after decoding; the longest real notes are a hundredth of it.
/// It bounds what one entry of a chart can hold in memory.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Real senders pad or do not; both are read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Collects the texts of a resource.
pub(super) fn read(reader: &mut Reader<'_>) {
    let root = reader.root;
    for (path, node) in root.find("note.text").into_iter().chain(root.find("conclusion")) {
        let name = if path == "conclusion" { "conclusion" } else { "note" };
        text(reader, name, node.text().unwrap_or_default(), &path);
    }
    match reader.entry.resource_type.as_str() {
        "DiagnosticReport" => attachments(reader, "report", "presentedForm"),
        "DocumentReference" => attachments(reader, "body", "content.attachment"),
        "Media" => attachments(reader, "body", "content"),
        "Communication" => {
            for (path, node) in root.find("payload.contentString") {
                text(reader, "message", node.text().unwrap_or_default(), &path);
            }
            attachments(reader, "message", "payload.contentAttachment");
        }
        "Composition" => sections(reader, root, "", 0),
        "Basic" => {
            for (path, node) in root.find("extension") {
                if node.string("url") == Some(KEPT_SEGMENT) {
                    let body = node.string("valueString").unwrap_or_default();
                    text(reader, "segment", body, &format!("{path}.valueString"));
                }
            }
        }
        "ClinicalImpression" => {
            for (path, node) in root.find("summary") {
                text(reader, "summary", node.text().unwrap_or_default(), &path);
            }
        }
        _ => {}
    }
    // A generated narrative repeats the data; where the resource has neither values nor text it may be all there is.
    let speaks = !reader.entry.texts.is_empty();
    let is_written =
        root.get("text").and_then(|text| text.string("status")).is_some_and(|status| status != "generated");
    let is_document =
        matches!(reader.entry.resource_type.as_str(), "DiagnosticReport" | "DocumentReference" | "Composition");
    if (is_document && !speaks || is_written)
        && let Some(div) = root.get("text").and_then(|text| text.string("div"))
    {
        text(reader, "narrative", &plain(div), "text.div");
    }
}

fn text(reader: &mut Reader<'_>, name: &str, body: &str, path: &str) {
    let body = body.trim();
    if !body.is_empty() && !reader.entry.texts.iter().any(|known| known.text == body) {
        reader.entry.texts.push(Fact { name: name.to_owned(), text: body.to_owned(), path: path.to_owned() });
    }
}

fn attachments(reader: &mut Reader<'_>, name: &str, pattern: &str) {
    for (path, node) in reader.root.find(pattern) {
        match attachment(node, &path) {
            Some((body, path)) => text(reader, name, &body, &path),
            None => {
                let kind = node.string("contentType").or_else(|| node.string("title")).unwrap_or("attachment");
                reader.fact("attachment", kind, &path);
            }
        }
    }
}

/// Sections of a composition, each under its title, with its narrative as text.
fn sections(reader: &mut Reader<'_>, node: &Json<'_>, path: &str, depth: usize) {
    if depth > 16 {
        return; // deeper than any document that a person reads
    }
    for (at, section) in node.items("section").iter().enumerate() {
        let path = if path.is_empty() { format!("section[{at}]") } else { format!("{path}.section[{at}]") };
        let title = section
            .string("title")
            .map(str::to_owned)
            .or_else(|| section.get("code").and_then(|code| concept(code, "")).map(|(text, _)| text))
            .unwrap_or_else(|| "section".to_owned());
        if let Some(div) = section.get("text").and_then(|text| text.string("div")) {
            text(reader, &title, &plain(div), &format!("{path}.text.div"));
        }
        if let Some((reason, at)) =
            section.get("emptyReason").and_then(|why| concept(why, &format!("{path}.emptyReason")))
        {
            reader.fact(&title, &reason, &at);
        }
        sections(reader, section, &path, depth + 1);
    }
}

/// The text of an attachment, if it is text and stands in it; with the path of its data.
pub(super) fn attachment(node: &Json<'_>, path: &str) -> Option<(String, String)> {
    let content_type = node.string("contentType").unwrap_or("text/plain").to_ascii_lowercase();
    let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let kind = kind.trim();
    let is_markup = matches!(
        kind,
        "text/html"
            | "application/xhtml+xml"
            | "text/xml"
            | "application/xml"
            | "application/hl7-v3+xml"
            | "text/cda+xml"
    );
    if !kind.starts_with("text/") && !is_markup || kind == "text/rtf" {
        return None;
    }
    let data = node.string("data")?;
    let packed: Cow<'_, str> = if data.bytes().any(|b| b.is_ascii_whitespace()) {
        Cow::Owned(data.split_ascii_whitespace().collect())
    } else {
        Cow::Borrowed(data)
    };
    let mut bytes = BASE64.decode(packed.as_bytes()).ok()?;
    bytes.truncate(MAX_TEXT_BYTES);
    let charset = parameters.split(';').find_map(|p| p.trim().strip_prefix("charset=")).map(|c| c.trim_matches('"'));
    let body = decode(&bytes, charset)?;
    let body = if is_markup { plain(&body) } else { body };
    Some((body, format!("{path}.data")))
}

/// Bytes in the character set that is named, else UTF-8, else CP949, which covers what Korean systems write unnamed.
/// `None` for bytes that are no text in any of them.
fn decode(bytes: &[u8], charset: Option<&str>) -> Option<String> {
    let named = charset.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let tries = [named, Some(encoding_rs::UTF_8), Some(encoding_rs::EUC_KR)];
    tries.into_iter().flatten().find_map(|encoding| {
        let (text, _, broken) = encoding.decode(bytes);
        (!broken && !text.contains('\0')).then(|| text.into_owned())
    })
}

/// XHTML or XML as text: tags off, entities decoded, a line for each block, a tab between cells.
pub(super) fn plain(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len() / 2);
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, from) = rest.split_at(at);
        push_words(&mut out, before);
        if let Some(body) = from.strip_prefix("<!--") {
            rest = body.split_once("-->").map_or("", |(_, after)| after);
        } else if let Some(body) = from.strip_prefix('<') {
            let (tag, after) = body.split_once('>').unwrap_or((body, ""));
            rest = after;
            let name =
                tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "style" | "script" if !tag.starts_with('/') && !tag.ends_with('/') => {
                    let close = format!("</{name}");
                    rest = rest.to_ascii_lowercase().find(&close).and_then(|at| rest.get(at..)).unwrap_or("");
                }
                "td" | "th" if tag.starts_with('/') => gap(&mut out, '\t'),
                "br" | "p" | "div" | "tr" | "li" | "ul" | "ol" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6"
                | "section" | "title" | "paragraph" | "item" | "text" | "component" | "hr" | "caption" | "thead"
                | "tbody" => gap(&mut out, '\n'),
                _ => {}
            }
        } else {
            let (text, after) = entity(from);
            out.push_str(&text);
            rest = after;
        }
    }
    push_words(&mut out, rest);
    out.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// White space in mark-up is one space.
fn push_words(out: &mut String, text: &str) {
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(char::is_whitespace) && !out.is_empty() {
            out.push(' ');
        }
    }
}

fn gap(out: &mut String, mark: char) {
    while out.ends_with(' ') {
        out.pop();
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push(mark);
    }
}

/// The character that the entity at the start of `from` stands for, and what follows it. What is no entity stays.
fn entity(from: &str) -> (Cow<'static, str>, &str) {
    let after_mark = from.strip_prefix('&').unwrap_or(from);
    let name_and_rest = after_mark.split_once(';').filter(|(name, _)| name.len() <= 8);
    let Some((name, after)) = name_and_rest else { return (Cow::Borrowed("&"), after_mark) };
    let known = match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => " ",
        "deg" => "°",
        "micro" => "µ",
        "plusmn" => "±",
        "ndash" => "–",
        "mdash" => "—",
        "middot" => "·",
        "le" => "≤",
        "ge" => "≥",
        _ => {
            let number =
                name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")).map(|hex| u32::from_str_radix(hex, 16));
            let number = number.or_else(|| name.strip_prefix('#').map(str::parse));
            return match number.and_then(Result::ok).and_then(char::from_u32) {
                Some(c) => (Cow::Owned(c.to_string()), after),
                None => (Cow::Borrowed("&"), after_mark),
            };
        }
    };
    (Cow::Borrowed(known), after)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::read::entry;
    use super::*;
    use crate::chart::Standing;

    fn note(content_type: &str, bytes: &[u8]) -> crate::chart::Entry {
        let json = format!(
            r#"{{"resourceType":"DocumentReference","status":"current","type":{{"text":"경과기록"}},"date":"2025-01-02",
            "content":[{{"attachment":{{"contentType":"{content_type}","data":"{}"}}}}]}}"#,
            BASE64.encode(bytes)
        );
        entry(json.as_bytes(), "1", Timestamp::UNIX_EPOCH, None).unwrap()
    }

    #[test]
    fn attachments_are_decoded_by_their_character_set() {
        let korean = "환자는 폐렴으로 입원함";
        let (cp949, _, _) = encoding_rs::EUC_KR.encode(korean);
        for (content_type, bytes) in [
            ("text/plain; charset=utf-8", korean.as_bytes()),
            ("text/plain;charset=EUC-KR", cp949.as_ref()),
            ("text/plain", cp949.as_ref()),
            ("text/html; charset=utf-8", "<p>환자는 <b>폐렴</b>으로 입원함</p>".as_bytes()),
        ] {
            let entry = note(content_type, bytes);
            assert_eq!(entry.texts[0].text, korean, "{content_type}");
            assert_eq!(entry.texts[0].path, "content[0].attachment.data");
        }
        let pdf = note("application/pdf", b"%PDF-1.4");
        assert!(pdf.texts.is_empty());
        assert!(pdf.facts.iter().any(|fact| fact.name == "attachment" && fact.text == "application/pdf"));
    }

    #[test]
    fn mark_up_becomes_lines() {
        let html = "<div><style>p{}</style><p>Na&#8209;restricted &lt; 2&nbsp;g</p><table><tr><td>K</td><td>4.10</td></tr></table><!-- x -->a &b</div>";
        assert_eq!(plain(html), "Na\u{2011}restricted < 2 g\nK\t4.10\na &b");
        assert_eq!(plain("<unclosed"), "");
        assert_eq!(plain("a<style>never closed"), "a");
    }

    #[test]
    fn a_composition_gives_its_sections() {
        let entry = entry(
            r#"{"resourceType":"Composition","status":"amended","title":"Summary","date":"2025-05-14","type":{"text":"Patient summary"},
            "section":[{"title":"Problems","text":{"div":"<div>Asthma</div>"},"section":[{"title":"Past","text":{"div":"<div>Gout</div>"}}]},
            {"title":"Allergies","emptyReason":{"coding":[{"code":"unavailable","display":"Unavailable"}]}}]}"#
                .as_bytes(),
            "c",
            Timestamp::UNIX_EPOCH,
            None,
        )
        .unwrap();
        let texts: Vec<_> = entry.texts.iter().map(|t| (t.name.as_str(), t.text.as_str(), t.path.as_str())).collect();
        assert_eq!(
            texts,
            [("Problems", "Asthma", "section[0].text.div"), ("Past", "Gout", "section[0].section[0].text.div")]
        );
        assert!(entry.facts.iter().any(|f| f.name == "Allergies" && f.text == "Unavailable"));
        assert_eq!(entry.standing, Standing::SaidAs("amended"));
    }
}
