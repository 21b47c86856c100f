//! Citations: what a sentence shows of its evidence, numbered, and whether a citation resolves to the element it names.

use haechi_record::chart::{Chart, Deceased, Entry, Person};

use crate::answer::Citation;
use crate::draft::sentence::{Cite, Of, Sentence, quantity};
use crate::draft::{Context, line, moment};
use crate::plan::Shape;

/// True if the quote stands at the element that the cite names, as the chart reader read it.
#[must_use]
pub(crate) fn holds(cite: &Cite<'_>) -> bool {
    match cite.of {
        Of::Entry(entry) => stands_in_entry(entry, &cite.path, &cite.quote),
        Of::Person(person) => stands_in_person(person, &cite.path, &cite.quote),
    }
}

fn stands_in_entry(entry: &Entry, path: &str, quote: &str) -> bool {
    if quote.trim().is_empty() {
        return false;
    }
    let at_title = path == entry.title_path || entry.title_path.strip_suffix(".modality") == Some(path);
    let title = at_title && (line::name(entry) == quote || entry.title.contains(quote));
    let value = entry.values.iter().filter(|value| value.path == path).any(|value| {
        value.text == quote
            || quantity(value) == quote
            || (value.text.is_empty() && value.absent.as_deref() == Some(quote))
            || (value.text.chars().count() > 40 && value.text.contains(quote))
    });
    let fact = entry.facts.iter().chain(&entry.texts).any(|fact| fact.path == path && fact.text.contains(quote));
    title || value || fact
}

fn stands_in_person(person: &Person, path: &str, quote: &str) -> bool {
    match path {
        "birthDate" => person.birth_date.is_some_and(|date| moment::show_partial(date) == quote),
        "gender" => person.sex.as_deref() == Some(quote),
        "name" => person.names.iter().any(|name| name == quote),
        "identifier" => person.identifiers.iter().any(|(_, value)| value == quote),
        "deceasedBoolean" => match &person.deceased {
            Some(Deceased::Yes) => quote == "true",
            Some(Deceased::No) => quote == "false",
            _ => false,
        },
        "deceasedDateTime" => matches!(&person.deceased, Some(Deceased::On(when)) if death_quote(when) == quote),
        path => person.facts.iter().any(|fact| fact.path == path && fact.text.contains(quote)),
    }
}

/// What of a recorded time of death stands in the record in every zone: a date as recorded, of an instant its year.
pub(crate) fn death_quote(when: &haechi_record::chart::When) -> String {
    use haechi_record::chart::When;
    match when {
        When::Date(_) => moment::show(when, &jiff::tz::TimeZone::UTC, moment::Grain::Day),
        When::Instant(instant) => instant.strftime("%Y").to_string(),
    }
}

/// Citations of one answer, numbered in order of first use.
#[derive(Default)]
pub(crate) struct Numbered {
    /// So far.
    pub(crate) citations: Vec<Citation>,
    known: std::collections::HashMap<(String, String, String), u32>,
}

impl Numbered {
    /// The numbers of what the sentence shows of its evidence.
    pub(crate) fn numbers(&mut self, sentence: &Sentence<'_>, context: Context<'_>) -> Vec<u32> {
        let mut numbers = Vec::new();
        for cite in shown(sentence, context) {
            let number = self.number(&cite, context);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    }

    fn number(&mut self, cite: &Cite<'_>, context: Context<'_>) -> u32 {
        let (path, quote) = literal(cite);
        let key = (cite.of.source(), place(cite, &path), quote);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let id = u32::try_from(self.citations.len() + 1).unwrap_or(u32::MAX);
        self.known.insert(key.clone(), id);
        let (source, r#where, quote) = key;
        let date = cite
            .of
            .entry()
            .and_then(|entry| Some(moment::show(moment::of(entry)?, &context.setting.zone, moment::grain(entry.kind))));
        self.citations.push(Citation { id, source, kind: "record".to_owned(), quote, r#where, date });
        id
    }
}

/// Of each cited resource the values that are said, else the words quoted from it, else its name; what only stands in
/// brackets behind a name is found where the name is.
fn shown<'c>(sentence: &Sentence<'c>, context: Context<'_>) -> Vec<Cite<'c>> {
    let rank = |cite: &Cite<'c>| -> u8 {
        let Some(entry) = cite.of.entry() else { return 3 };
        let in_text = entry.texts.iter().any(|text| text.path == cite.path);
        if cite.measured().is_some() || in_text {
            3
        } else if cite.path == entry.title_path {
            2
        } else if context.plan.shape == Shape::Attribute && is_literal(cite) {
            3
        } else {
            1
        }
    };
    let mut best: std::collections::HashMap<String, u8> = std::collections::HashMap::new();
    for cite in sentence.cites() {
        let kept = best.entry(cite.of.source()).or_insert(0);
        *kept = (*kept).max(rank(cite));
    }
    sentence.cites().filter(|cite| best.get(&cite.of.source()) == Some(&rank(cite))).cloned().collect()
}

/// True if the quote stands letter for letter at its element, and was not put together from several.
fn is_literal(cite: &Cite<'_>) -> bool {
    const LEAVES: &[&str] = &[
        "text",
        "display",
        "value",
        "code",
        "conclusion",
        "description",
        "reference",
        "status",
        "data",
        "div",
        "lotNumber",
        "criticality",
        "severity",
        "title",
        "summary",
        "String",
    ];
    LEAVES.iter().any(|leaf| cite.path.ends_with(leaf))
}

/// What a citation quotes: digits and words exactly as they stand in the resource.
fn literal(cite: &Cite<'_>) -> (String, String) {
    let Of::Entry(entry) = cite.of else { return (cite.path.clone(), cite.quote.clone()) };
    if let Some(value) = cite.measured() {
        return match &value.absent {
            Some(reason) if value.text.is_empty() => (value.path.clone(), reason.clone()),
            _ => (value.path.clone(), value.text.clone()),
        };
    }
    // A name that a reference stands for is not in this resource: its status is.
    if cite.path == entry.title_path
        && cite.path.contains("Reference")
        && !cite.path.ends_with("display")
        && let Some(status) = &entry.status
    {
        return ("status".to_owned(), status.clone());
    }
    let in_text = entry.texts.iter().any(|text| text.path == cite.path);
    // An imaging study without a description is named by modality and body site: both stand in the series.
    if let Some(series) = entry.title_path.strip_suffix(".modality")
        && cite.path == entry.title_path
    {
        return (series.to_owned(), cite.quote.clone());
    }
    if in_text || is_literal(cite) || cite.path == entry.title_path {
        return (cite.path.clone(), cite.quote.clone());
    }
    // Put together from several elements: its first digits stand there as they are; else the name is cited.
    let digits: String = cite.quote.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if !digits.is_empty() && digits.trim_end_matches('.') == digits {
        return (cite.path.clone(), digits);
    }
    (entry.title_path.clone(), line::name(entry).to_owned())
}

/// The element, and the HL7 segment and field it came from.
fn place(cite: &Cite<'_>, path: &str) -> String {
    let origin = cite.of.entry().and_then(|entry| entry.origin.as_ref());
    let field = origin.and_then(|origin| {
        let exact = origin.fields.iter().find(|(element, _)| element == path);
        // `code.text` came from where `code` came from.
        exact.or_else(|| {
            origin
                .fields
                .iter()
                .filter(|(element, _)| {
                    path.strip_prefix(element.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
                })
                .max_by_key(|(element, _)| element.len())
        })
    });
    match field {
        Some((_, field)) => format!("{path} ({field})"),
        None => path.to_owned(),
    }
}

/// The element path of a citation, without the HL7 field behind it.
fn element(citation: &Citation) -> &str {
    citation.r#where.split(" (").next().unwrap_or_default()
}

/// True if the citation's resource is this patient's and its quote is found at the named element.
#[must_use]
pub fn citation_resolves(chart: &Chart, citation: &Citation) -> bool {
    let path = element(citation);
    if let Some(id) = citation.source.strip_prefix("Patient/") {
        return chart.patient.ids.iter().any(|own| own == id)
            && stands_in_person(&chart.patient, path, &citation.quote);
    }
    let Some(entry) = chart.entries.iter().find(|entry| entry.source == citation.source) else { return false };
    let digits = citation.quote.chars().all(|c| c.is_ascii_digit() || c == '.');
    let begins = || entry.facts.iter().any(|fact| fact.path == path && fact.text.starts_with(&citation.quote));
    stands_in_entry(entry, path, &citation.quote) || (digits && begins())
}

/// The same against the raw resource: the quote is found in the element at the path, in its strings and numbers (decoded
/// where the element is an attachment's base64 data). `None` of the elements named: false.
#[must_use]
pub fn citation_resolves_in(raw: &[u8], citation: &Citation) -> bool {
    let Ok(root) = serde_json::from_slice::<serde_json::Value>(raw) else { return false };
    let path = element(citation);
    let mut nodes = vec![&root];
    for step in path.split('.') {
        nodes = nodes.into_iter().flat_map(|node| descend(node, step)).collect();
    }
    let mut pieces = Vec::new();
    for node in nodes {
        collect(node, &mut pieces);
    }
    if path.ends_with("data") {
        pieces = pieces.iter().filter_map(|piece| base64_text(piece)).collect();
    }
    let markup = path.ends_with("div");
    let fold = |text: &str| -> String {
        let text = if markup { without_markup(text) } else { text.to_owned() };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let quote = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    if quote.is_empty() {
        return false;
    }
    if let Ok(number) = quote.parse::<f64>() {
        // Digit for digit as the bytes have it: `7.10` is not quoted as `7.1`. JSON numbers lose that when they are parsed.
        let same = pieces.iter().any(|piece| piece.parse::<f64>() == Ok(number));
        return (same && stands_in_bytes(raw, &quote))
            || pieces.iter().any(|piece| piece.parse::<f64>().is_err() && fold(piece).contains(&quote));
    }
    pieces.iter().any(|piece| fold(piece).contains(&quote)) || covered(&quote, &pieces)
}

fn stands_in_bytes(raw: &[u8], digits: &str) -> bool {
    let part_of_number = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    (0..raw.len()).any(|at| {
        raw.get(at..).is_some_and(|tail| tail.starts_with(digits.as_bytes()))
            && !part_of_number(at.checked_sub(1).and_then(|before| raw.get(before)))
            && !part_of_number(raw.get(at + digits.len()))
    })
}

/// A name or an address is put together from several strings of its element: each word of the quote is one of them.
fn covered(quote: &str, pieces: &[String]) -> bool {
    let mut rest = quote.to_owned();
    let mut ordered: Vec<&String> = pieces.iter().filter(|piece| !piece.trim().is_empty()).collect();
    ordered.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    for piece in ordered {
        if let Some(at) = rest.find(piece.as_str()) {
            rest.replace_range(at..at + piece.len(), " ");
        }
    }
    rest.chars().all(|c| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '/' | '-' | '–' | ':' | '<' | '>'))
}

/// `component[1]`, `contained[id]`, or a name; a list without an index means all its items.
fn descend<'v>(node: &'v serde_json::Value, step: &str) -> Vec<&'v serde_json::Value> {
    let (name, index) = match step.split_once('[') {
        Some((name, index)) => (name, Some(index.trim_end_matches(']'))),
        None => (step, None),
    };
    let holders: Vec<&serde_json::Value> = match node {
        serde_json::Value::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    let mut found = Vec::new();
    for holder in holders {
        let Some(member) = holder.get(name) else { continue };
        match (member, index) {
            (serde_json::Value::Array(items), Some(index)) => match index.parse::<usize>() {
                Ok(at) => found.extend(items.get(at)),
                Err(_) => {
                    found.extend(items.iter().filter(|item| item.get("id").and_then(|id| id.as_str()) == Some(index)))
                }
            },
            (member, _) => found.push(member),
        }
    }
    found
}

fn collect(node: &serde_json::Value, pieces: &mut Vec<String>) {
    match node {
        serde_json::Value::String(text) => pieces.push(text.clone()),
        serde_json::Value::Number(number) => pieces.push(number.to_string()),
        serde_json::Value::Bool(flag) => pieces.push(flag.to_string()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, pieces)),
        serde_json::Value::Object(members) => members.values().for_each(|member| collect(member, pieces)),
        serde_json::Value::Null => {}
    }
}

/// Base64 as attachments hold it. Small on purpose: this only checks what the chart reader decoded.
fn base64_text(data: &str) -> Option<String> {
    let mut bits = 0_u32;
    let mut held = 0_u8;
    let mut bytes = Vec::with_capacity(data.len() * 3 / 4);
    for c in data.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

fn without_markup(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                plain.push(' ');
            }
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(r#where: &str, quote: &str) -> Citation {
        Citation {
            id: 1,
            source: "Observation/1".to_owned(),
            kind: "record".to_owned(),
            quote: quote.to_owned(),
            r#where: r#where.to_owned(),
            date: None,
        }
    }

    #[test]
    fn a_quote_is_found_at_its_element_and_nowhere_else() {
        let raw = r#"{"resourceType":"Observation","code":{"text":"HbA1c"},"valueQuantity":{"value":7.10,"unit":"%"},
            "component":[{"valueQuantity":{"value":120,"unit":"mmHg"}},{"valueQuantity":{"value":80}}],
            "name":[{"family":"김","given":["민수"]}],
            "text":{"div":"<div>Stable &amp; well</div>"},
            "content":[{"attachment":{"data":"7Y+Q66C07Jy866GcIOyeheybkO2VqC4="}}]}"#
            .as_bytes();
        for (path, quote, expected) in [
            ("code.text", "HbA1c", true),
            ("valueQuantity", "7.10", true),
            ("valueQuantity (OBX[2]-5)", "7.10", true),
            ("valueQuantity", "7.1", false),
            ("valueQuantity", "7.2", false),
            ("valueQuantity", "%", true),
            ("valueQuantity", "10", false),
            ("component[1].valueQuantity", "80", true),
            ("component[0].valueQuantity", "80", false),
            ("name", "김민수", true),
            ("name", "김철수", false),
            ("text.div", "Stable & well", true),
            ("content[0].attachment.data", "폐렴으로 입원함.", true),
            ("content[0].attachment.data", "폐렴 없음", false),
            ("code", "", false),
            ("nothing.there", "HbA1c", false),
        ] {
            assert_eq!(citation_resolves_in(raw, &citation(path, quote)), expected, "{quote} at {path}");
        }
        assert!(!citation_resolves_in(b"no json", &citation("code.text", "HbA1c")));
    }
}
