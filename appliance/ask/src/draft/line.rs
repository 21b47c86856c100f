//! One entry in words: its name, its value or what tells it apart, its date, and the status that must be said with it.

use haechi_record::chart::{Entry, Fact, Kind, Measured};

use super::sentence::{Cite, Of, Part, quantity};
use super::{Context, moment, words};
use crate::evidence::Hit;

/// Characters of free text shown in a line; the rest is one click away.
const TEXT_SHOWN: usize = 400;

/// The name of an entry; its reference where the record gives it none.
#[must_use]
pub fn name(entry: &Entry) -> &str {
    if entry.title.is_empty() { &entry.source } else { &entry.title }
}

/// The whole line.
#[must_use]
pub fn parts<'c>(context: Context<'c>, hit: &Hit<'c>) -> Vec<Part<'c>> {
    let entry = hit.entry;
    let mut parts = Vec::new();
    let values: Vec<&'c Measured> = match hit.value {
        Some(value) => vec![value],
        None => entry.values.iter().collect(),
    };
    if values.is_empty() {
        parts.push(Part::one(name(entry), Cite::title(entry)));
    } else {
        push_values(context, entry, &values, &mut parts);
    }
    push_details(context, hit, &mut parts);
    parts
}

fn push_values<'c>(context: Context<'c>, entry: &'c Entry, values: &[&'c Measured], parts: &mut Vec<Part<'c>>) {
    parts.push(Part::one(format!("{}: ", name(entry)), Cite::title(entry)));
    for (index, value) in values.iter().enumerate() {
        let joint = if index == 0 { "" } else { ", " };
        let own_name = value.name.as_str();
        let label = if own_name.is_empty() || own_name == entry.title { String::new() } else { format!("{own_name} ") };
        let shown = match &value.absent {
            Some(reason) if value.text.is_empty() => format!("{} ({reason})", context.say("no value recorded", "값이 기록되지 않음")),
            _ => quantity(value),
        };
        let flag = value.interpretation.as_deref().and_then(|code| words::flag(code, context.language()));
        let flag = flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
        parts.push(Part::one(format!("{joint}{label}{shown}{flag}"), Cite::value(entry, value)));
    }
}

/// What stands in brackets behind the name: date, status, and what a reader of this kind expects.
fn push_details<'c>(context: Context<'c>, hit: &Hit<'c>, parts: &mut Vec<Part<'c>>) {
    let entry = hit.entry;
    let facts: Vec<&'c Fact> = wanted_facts(entry).iter().filter_map(|wanted| fact(entry, wanted)).collect();
    let mut details: Vec<Part<'c>> = Vec::new();
    if let Some(date) = dates(context, entry) {
        details.push(Part::one(date, Cite::title(entry)));
    }
    for state in words::states(entry, context.language()) {
        details.push(Part::one(state, Cite::title(entry)));
    }
    for fact in facts {
        details.push(Part::one(fact.text.clone(), fact_cite(entry, fact)));
    }
    for (index, mut detail) in details.into_iter().enumerate() {
        detail.text = format!("{}{}", if index == 0 { " (" } else { ", " }, detail.text);
        parts.push(detail);
    }
    if parts.last().is_some_and(|part| part.text.starts_with([' ', ','])) {
        parts.push(Part::all(")", Vec::new()));
    }
    if let Some(text) = report_text(entry) {
        parts.push(Part::one(format!(" — {}", excerpt(&text.text)), fact_cite(entry, text)));
    }
}

/// The dates of a line: a day or moment, or from and until.
#[must_use]
pub fn dates(context: Context<'_>, entry: &Entry) -> Option<String> {
    let grain = moment::grain(entry.kind);
    let zone = &context.setting.zone;
    let begin = moment::of(entry).map(|when| moment::show(when, zone, grain));
    let end = entry.until.as_ref().map(|until| moment::show(until, zone, grain)).filter(|end| begin.as_ref() != Some(end));
    match (begin, end) {
        (Some(begin), Some(end)) if lasts(entry.kind) => Some(format!("{begin} – {end}")),
        (Some(begin), _) => Some(begin),
        (None, Some(end)) => Some(format!("– {end}")),
        (None, None) => None,
    }
}

fn lasts(kind: Kind) -> bool {
    matches!(kind, Kind::Problem | Kind::Medication | Kind::Encounter | Kind::Device | Kind::Planned | Kind::Appointment | Kind::Procedure)
}

/// What a reader expects beside the name, by kind: fact names of the chart reader.
fn wanted_facts(entry: &Entry) -> &'static [&'static str] {
    match entry.kind {
        Kind::Medication => &["dosage"],
        Kind::Allergy => &["criticality", "severity", "reaction"],
        Kind::Encounter => &["class", "serviceType", "ward", "location", "reason"],
        Kind::FamilyHistory => &["relationship", "condition"],
        Kind::Appointment => &["reason", "location", "serviceType"],
        Kind::Note => &["author"],
        Kind::Procedure => &["outcome"],
        _ => &[],
    }
}

/// The first fact of that name.
#[must_use]
pub fn fact<'c>(entry: &'c Entry, name: &str) -> Option<&'c Fact> {
    entry.facts.iter().find(|fact| fact.name.eq_ignore_ascii_case(name))
}

/// Cites a fact.
#[must_use]
pub fn fact_cite<'c>(entry: &'c Entry, fact: &Fact) -> Cite<'c> {
    Cite { of: Of::Entry(entry), path: fact.path.clone(), quote: fact.text.clone() }
}

/// The conclusion of a report, else its text.
fn report_text(entry: &Entry) -> Option<&Fact> {
    if !matches!(entry.kind, Kind::Report | Kind::Imaging) {
        return None;
    }
    fact(entry, "conclusion").or_else(|| entry.texts.iter().find(|text| text.name == "conclusion")).or_else(|| entry.texts.first())
}

/// The beginning of a text, on one line, ended at a word.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= TEXT_SHOWN {
        return flat;
    }
    let cut: String = flat.chars().take(TEXT_SHOWN).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{} …", cut.get(..end).unwrap_or(&cut))
}

/// Names shown once each, in order, with all their hits.
#[must_use]
pub fn by_name<'c>(hits: &[Hit<'c>]) -> Vec<(String, Vec<Hit<'c>>)> {
    let mut named: Vec<(String, Vec<Hit<'c>>)> = Vec::new();
    for hit in hits {
        let key = hit.entry.title.to_lowercase();
        match named.iter_mut().find(|(name, _)| *name == key) {
            Some((_, same)) => same.push(*hit),
            None => named.push((key, vec![*hit])),
        }
    }
    named
}
