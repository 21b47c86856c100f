//! An attribute of the entries: who, where, which dose, why, which reaction.

use haechi_record::chart::{Fact, Kind};

use super::line::{self, Line};
use super::sentence::{Cite, Of, Part, quantity};
use super::{Context, Draft, absence, excerpt, list, shapes, words};
use crate::evidence::{Group, Hit};
use crate::plan::{Attribute, Pick};

/// Says the attribute of the entries that are meant.
pub(super) fn attribute<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let Some(attribute) = context.plan.attribute else {
        return list::list(context, group, draft);
    };
    let label = words::attribute(attribute, context.language());
    let shown = shapes::picked(context, &group.hits, default_pick(group, attribute));
    let several = shown.len() > 1;
    let before = draft.sentences.len();
    let mut missing = Vec::new();
    for hit in shown.iter().rev().take(shapes::LISTED) {
        let details = parts(context, hit, attribute);
        // Without a recorded dosage the strength in the product's name is what the record says.
        if details.is_empty() && attribute == Attribute::Dose && hit.entry.title.contains(|c: char| c.is_ascii_digit())
        {
            let mut line = Line::new(context);
            line::push(&mut line, context, hit, group.subject);
            draft.sentences.push(line.item(group.subject));
            continue;
        }
        if details.is_empty() {
            missing.push(line::name(hit.entry).to_owned());
            continue;
        }
        let mut line = Line::new(context);
        line.part(line::label_part(context, hit, group.subject));
        let mut about = line::date_parts(context, hit.entry);
        if attribute != Attribute::Status {
            about.extend(line::state_parts(context, hit.entry));
        }
        line.brackets(about).say(", ", ", ");
        let cites = details.first().map(|detail| detail.cites.clone()).unwrap_or_default();
        line.part(Part::all(format!("{label}: "), cites));
        for (index, detail) in details.into_iter().enumerate() {
            if index > 0 {
                line.say("; ", "; ");
            }
            line.part(detail);
        }
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
    if draft.sentences.len() == before {
        missing.dedup();
        for name in missing {
            draft.missing.push(absence::no_attribute(context, &label, &name));
        }
    } else if !missing.is_empty() {
        let count = missing.len();
        draft.warn(if context.is_korean() {
            format!("해당 기록 {count}건에는 {label} 항목이 없습니다.")
        } else {
            format!("{count} further matching entries record no {label}.")
        });
    }
    shapes::rest(context, shown.get(..shown.len().saturating_sub(shapes::LISTED)).unwrap_or_default(), draft);
}

/// Of medicines, allergies and problems every matching entry is meant; of events the newest.
fn default_pick(group: &Group<'_>, attribute: Attribute) -> Pick {
    let lasting =
        group.hits.iter().all(|hit| matches!(hit.entry.kind, Kind::Allergy | Kind::Medication | Kind::Problem));
    if lasting && !matches!(attribute, Attribute::Who | Attribute::Where) { Pick::All } else { Pick::Newest }
}

fn parts<'c>(context: Context<'c>, hit: &Hit<'c>, attribute: Attribute) -> Vec<Part<'c>> {
    let entry = hit.entry;
    match attribute {
        Attribute::Status => {
            let mut said = words::states(entry, context.language());
            if said.is_empty() {
                said.extend(entry.status.as_deref().map(|status| words::state(status, context.language())));
            }
            said.extend(entry.verification.as_deref().map(|code| words::state(code, context.language())));
            said.dedup();
            let values = hit.values().into_iter().map(|value| Part::one(quantity(value), Cite::value(entry, value)));
            values.chain(said.into_iter().map(|state| Part::one(state, Cite::title(entry)))).collect()
        }
        Attribute::ReferenceRange => hit
            .values()
            .into_iter()
            .filter_map(|value| {
                let range = value.range.as_ref().filter(|range| !range.text.is_empty())?;
                Some(Part::one(range.text.clone(), Cite::value(entry, value)))
            })
            .collect(),
        Attribute::Unit => hit
            .values()
            .into_iter()
            .filter(|value| !value.unit.is_empty())
            .map(|value| Part::one(value.unit.clone(), Cite::value(entry, value)))
            .collect(),
        Attribute::Conclusion => conclusion(context, hit),
        other => facts(hit, &words::facts_of(other)),
    }
}

/// The first name that the entry has facts of; dosage and its parts belong together.
fn facts<'c>(hit: &Hit<'c>, wanted: &[&str]) -> Vec<Part<'c>> {
    let of = |name: &str| -> Vec<&'c Fact> {
        hit.entry.facts.iter().filter(|fact| fact.name.eq_ignore_ascii_case(name)).collect()
    };
    let Some(found) = wanted.iter().map(|name| of(name)).find(|found| !found.is_empty()) else { return Vec::new() };
    let mut said: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    for fact in found {
        if !said.contains(&fact.text.as_str()) {
            said.push(&fact.text);
            parts.push(line::fact_part(hit.entry, fact));
        }
    }
    parts
}

/// The conclusion, else the results, else the text.
fn conclusion<'c>(context: Context<'c>, hit: &Hit<'c>) -> Vec<Part<'c>> {
    let entry = hit.entry;
    let named = words::facts_of(Attribute::Conclusion);
    let mut found: Vec<&'c Fact> = Vec::new();
    for fact in entry.texts.iter().chain(&entry.facts) {
        let is_conclusion = named.iter().any(|name| fact.name.eq_ignore_ascii_case(name));
        if is_conclusion && !found.iter().any(|known| known.text == fact.text) {
            found.push(fact);
        }
    }
    if !found.is_empty() {
        return found.into_iter().map(|fact| line::quote_part(entry, fact, excerpt::cut(&fact.text))).collect();
    }
    if !entry.values.is_empty() {
        let mut parts = Vec::new();
        for value in hit.values() {
            let name = if value.name.is_empty() { String::new() } else { format!("{} ", value.name) };
            parts.push(Part::one(format!("{name}{}", quantity(value)), Cite::value(entry, value)));
        }
        return parts;
    }
    if let Some(text) = entry.texts.first() {
        return vec![line::quote_part(entry, text, excerpt::cut(&text.text))];
    }
    // A report that only points at its results: their values are its conclusion.
    let results = entry
        .links
        .iter()
        .filter(|(element, _)| element.starts_with("result"))
        .filter_map(|(_, target)| context.chart.entries.iter().find(|other| other.source == *target));
    results
        .filter(|result| !matches!(result.standing, haechi_record::chart::Standing::Void(_)))
        .take(30)
        .flat_map(|result| {
            result.values.iter().filter(|value| !value.text.is_empty()).map(move |value| {
                let name = if value.name.is_empty() { &result.title } else { &value.name };
                let cites = vec![Cite::title(result), Cite::value(result, value)];
                Part { text: format!("{name} {}", quantity(value)), cites, computed: Vec::new() }
            })
        })
        .collect()
}

/// A person's or entry's fact by path, for the gate.
pub(crate) fn fact_at<'c>(cite: &Cite<'c>) -> Option<&'c Fact> {
    match cite.of {
        Of::Entry(entry) => entry
            .facts
            .iter()
            .chain(&entry.texts)
            .find(|fact| fact.path == cite.path && fact.text.contains(&cite.quote)),
        Of::Person(person) => person.facts.iter().find(|fact| fact.path == cite.path),
    }
}
