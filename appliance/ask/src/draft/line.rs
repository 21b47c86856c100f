//! One entry in words: its name, its value or what tells it apart, its date, and the status that must be said with it.

use std::cmp::Ordering;

use haechi_record::chart::{Entry, Fact, Kind, Measured, When};

use super::sentence::{Cite, Of, Part, Rule, Sentence, quantity};
use super::{Context, excerpt, korean, moment, words};
use crate::evidence::{self, Hit};
use crate::plan::{Filter, Subject};

/// Pieces of one sentence in the making.
pub(crate) struct Line<'c> {
    context: Context<'c>,
    parts: Vec<Part<'c>>,
}

impl<'c> Line<'c> {
    pub(crate) fn new(context: Context<'c>) -> Self {
        Self { context, parts: Vec::new() }
    }

    /// Connecting words in the answer's language.
    pub(crate) fn say(&mut self, english: &str, korean: &str) -> &mut Self {
        let text = self.context.say(english, korean);
        if !text.is_empty() {
            self.parts.push(Part::all(text, Vec::new()));
        }
        self
    }

    pub(crate) fn part(&mut self, part: Part<'c>) -> &mut Self {
        if !part.text.is_empty() {
            self.parts.push(part);
        }
        self
    }

    /// A Korean particle that fits what was said last; nothing in English.
    pub(crate) fn particle(&mut self, particle: korean::Particle) -> &mut Self {
        if self.context.is_korean() {
            let said: String = self.parts.iter().map(|part| part.text.as_str()).collect();
            self.parts.push(Part::all(korean::form(&said, particle), Vec::new()));
        }
        self
    }

    /// Details in brackets, if there are any.
    pub(crate) fn brackets(&mut self, details: Vec<Part<'c>>) -> &mut Self {
        let open = self.context.say(" (", "(");
        let mut any = false;
        for mut detail in details.into_iter().filter(|detail| !detail.text.is_empty()) {
            detail.text.insert_str(0, if any { ", " } else { open });
            any = true;
            self.parts.push(detail);
        }
        if any {
            self.parts.push(Part::all(")", Vec::new()));
        }
        self
    }

    pub(crate) fn sentence(&mut self, subject: Option<&'c Subject>) -> Sentence<'c> {
        Sentence::of(std::mem::take(&mut self.parts), subject)
    }

    pub(crate) fn item(&mut self, subject: Option<&'c Subject>) -> Sentence<'c> {
        Sentence::item(std::mem::take(&mut self.parts), subject)
    }
}

/// The name of an entry; its reference where the record gives it none.
#[must_use]
pub fn name(entry: &Entry) -> &str {
    if entry.title.is_empty() { &entry.source } else { &entry.title }
}

/// What the hit is called: as the question's subject is called in the answer's language, with the recorded name beside it
/// where that reads differently.
#[must_use]
pub fn label(context: Context<'_>, hit: &Hit<'_>, subject: Option<&Subject>) -> String {
    let component = hit.value.map(|value| value.name.as_str()).filter(|name| !name.is_empty());
    let recorded = component.unwrap_or_else(|| name(hit.entry));
    let said = subject.filter(|subject| subject.class.is_none() && hit.said.is_none()).map(|subject| {
        let (english, korean) = (&subject.names.0, &subject.names.1);
        if context.is_korean() && !korean.is_empty() { korean.as_str() } else { english.as_str() }
    });
    match said {
        Some(said) if !said.is_empty() && !contains(recorded, said) => {
            format!("{said}{}{recorded})", context.say(" (", "("))
        }
        _ => recorded.to_owned(),
    }
}

/// Case and spacing apart.
fn contains(recorded: &str, said: &str) -> bool {
    let fold =
        |text: &str| text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect::<String>();
    fold(recorded).contains(&fold(said))
}

/// The label as a piece, carried by the entry's name (or by the component, whose name stands beside its value).
pub(super) fn label_part<'c>(context: Context<'c>, hit: &Hit<'c>, subject: Option<&'c Subject>) -> Part<'c> {
    let mut part = Part::one(label(context, hit, subject), Cite::title(hit.entry));
    if let Some(value) = hit.value.filter(|value| !value.name.is_empty()) {
        part.cites.push(Cite::value(hit.entry, value));
    }
    part
}

/// The values of a hit: `7.1%`, `120/80 mmHg`, `Positive`, or each component by name.
pub(super) fn value_parts<'c>(context: Context<'c>, hit: &Hit<'c>) -> Vec<Part<'c>> {
    let values = hit.values();
    if let [one, other] = values.as_slice()
        && let (systolic, diastolic) = if is_pressure(one, "8480-6") { (*one, *other) } else { (*other, *one) }
        && is_pressure(systolic, "8480-6")
        && is_pressure(diastolic, "8462-4")
        && evidence::same_unit(&systolic.unit, &diastolic.unit)
    {
        return vec![
            Part::one(systolic.text.clone(), Cite::value(hit.entry, systolic)),
            Part::one(format!("/{}", quantity(diastolic)), Cite::value(hit.entry, diastolic)),
        ];
    }
    let several = values.len() > 1;
    let mut parts = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let joint = if index == 0 { "" } else { ", " };
        let own = if several && !value.name.is_empty() { format!("{} ", value.name) } else { String::new() };
        let shown = match &value.absent {
            Some(reason) if value.text.is_empty() => {
                format!("{} ({reason})", context.say("no value recorded", "값이 기록되지 않음"))
            }
            _ => quantity(value),
        };
        parts.push(Part::one(format!("{joint}{own}{shown}"), Cite::value(hit.entry, value)));
        if several && let Some(flag) = flag_part(context, hit.entry, value) {
            parts.push(Part { text: format!(" [{}]", flag.text), ..flag });
        }
    }
    parts
}

/// A recorded value in another unit, as it is shown beside it; `None` where there is nothing to convert.
pub(crate) fn converted(entry: &Entry, value: &Measured, unit: &str) -> Option<String> {
    if evidence::same_unit(&value.unit, unit) {
        return None;
    }
    evidence::in_unit(entry, value, unit).map(|converted| quantity(&converted))
}

/// ` (= 99.1 mg/dL)`, behind the value as recorded.
pub(super) fn converted_part<'c>(hit: &Hit<'c>, unit: Option<&str>) -> Option<Part<'c>> {
    let (unit, value) = (unit?, hit.value?);
    let text = converted(hit.entry, value, unit)?;
    Some(Part::one(format!(" (= {text})"), Cite::value(hit.entry, value)).with(Rule::Converted(unit.to_owned()), text))
}

fn is_pressure(value: &Measured, code: &str) -> bool {
    value.number.is_some() && value.comparator.is_none() && value.codes.iter().any(|coding| coding.code == code)
}

/// `high`, `low`: as flagged, else by the recorded range. Normal is said only where it was asked.
fn flag_part<'c>(context: Context<'c>, entry: &'c Entry, value: &'c Measured) -> Option<Part<'c>> {
    let asked = matches!(context.plan.filter, Some(Filter::Normal | Filter::Abnormal | Filter::High | Filter::Low));
    let cite = || Cite::value(entry, value);
    if let Some(word) = value.interpretation.as_deref().and_then(|code| words::flag(code, context.language())) {
        let normal = value.interpretation.as_deref().is_some_and(|code| code.eq_ignore_ascii_case("N"));
        return (!normal || asked).then(|| Part::one(word, cite()));
    }
    let word = words::by_range(evidence::by_range(value)?, context.language());
    (evidence::by_range(value) != Some(Ordering::Equal) || asked).then(|| Part::one(word, cite()))
}

/// The recorded range, shown where the value is judged by it.
fn range_part<'c>(context: Context<'c>, entry: &'c Entry, value: &'c Measured) -> Option<Part<'c>> {
    let range = value.range.as_ref().filter(|range| !range.text.is_empty())?;
    let normal = value.interpretation.as_deref().is_some_and(|code| code.eq_ignore_ascii_case("N"))
        || (value.interpretation.is_none() && evidence::by_range(value) == Some(Ordering::Equal));
    let text = format!("{} {}", context.say("reference", "참고치"), range.text);
    (!normal && flag_part(context, entry, value).is_some()).then(|| Part::one(text, Cite::value(entry, value)))
}

/// What stands in brackets behind a value: date, flag, range, status.
pub(super) fn value_details<'c>(context: Context<'c>, hit: &Hit<'c>, with_date: bool) -> Vec<Part<'c>> {
    let mut details = Vec::new();
    if with_date {
        details.extend(date_parts(context, hit.entry));
    }
    if let [value] = hit.values().as_slice() {
        details.extend(flag_part(context, hit.entry, value));
        details.extend(range_part(context, hit.entry, value));
    }
    details.extend(state_parts(context, hit.entry));
    details
}

/// What stands in brackets behind a name: dates, status, and what a reader of this kind expects.
pub(crate) fn event_details<'c>(context: Context<'c>, entry: &'c Entry) -> Vec<Part<'c>> {
    let mut details = date_parts(context, entry);
    details.extend(state_parts(context, entry));
    let mut said: Vec<&str> = vec![name(entry)];
    for wanted in wanted_facts(entry) {
        let Some(fact) = fact(entry, wanted) else { continue };
        if !said.contains(&fact.text.as_str()) {
            said.push(&fact.text);
            details.push(fact_part(entry, fact));
        }
    }
    details
}

/// A fact, cut where it is long; the cut text is what is cited.
pub(super) fn fact_part<'c>(entry: &'c Entry, fact: &'c Fact) -> Part<'c> {
    let shown = excerpt::cut(&fact.text);
    let text = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    Part::one(text, Cite { of: Of::Entry(entry), path: fact.path.clone(), quote: shown.to_owned() })
}

/// Status words, each on its own.
pub(crate) fn state_parts<'c>(context: Context<'c>, entry: &'c Entry) -> Vec<Part<'c>> {
    words::states(entry, context.language()).into_iter().map(|state| Part::one(state, Cite::title(entry))).collect()
}

/// The whole line: `name: value (date, flag, status)` or `name (dates, status, details)`.
pub(crate) fn push<'c>(line: &mut Line<'c>, context: Context<'c>, hit: &Hit<'c>, subject: Option<&'c Subject>) {
    push_in(line, context, hit, subject, context.plan.filter_unit.as_deref());
}

/// As [`push`], with the value in `unit` too where it was recorded in another.
pub(super) fn push_in<'c>(
    line: &mut Line<'c>,
    context: Context<'c>,
    hit: &Hit<'c>,
    subject: Option<&'c Subject>,
    unit: Option<&str>,
) {
    line.part(label_part(context, hit, subject));
    if let Some((text, said)) = hit.said {
        line.brackets(event_details(context, hit.entry));
        line.say(": ", ": ").part(quote_part(hit.entry, text, said));
    } else if hit.values().is_empty() {
        line.brackets(event_details(context, hit.entry));
        if let Some(text) = report_text(hit.entry) {
            line.say(": ", ": ").part(quote_part(hit.entry, text, excerpt::cut(&text.text)));
        }
    } else {
        line.say(": ", ": ");
        for part in value_parts(context, hit).into_iter().chain(converted_part(hit, unit)) {
            line.part(part);
        }
        line.brackets(value_details(context, hit, true));
    }
}

/// Words quoted from a text.
pub(crate) fn quote_part<'c>(entry: &'c Entry, text: &'c Fact, said: &'c str) -> Part<'c> {
    let shown = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let cite = Cite { of: Of::Entry(entry), path: text.path.clone(), quote: said.to_owned() };
    // Only the beginning is shown of a text that goes on.
    let goes_on = said == excerpt::cut(&text.text) && said.len() < text.text.trim().len() && !said.ends_with('.');
    Part::one(format!("\"{shown}\"{}", if goes_on { " …" } else { "" }), cite)
}

/// The dates of a line: a day or moment, or from and until.
pub(crate) fn date_parts<'c>(context: Context<'c>, entry: &'c Entry) -> Vec<Part<'c>> {
    let text = dates(context, entry).unwrap_or_else(|| context.say("undated", "날짜 없음").to_owned());
    vec![Part::one(text, Cite::title(entry))]
}

/// The dates of an entry in words.
#[must_use]
pub fn dates(context: Context<'_>, entry: &Entry) -> Option<String> {
    let grain = moment::grain(entry.kind);
    let zone = &context.setting.zone;
    let show = |when: &When| moment::show(when, zone, grain);
    let begin = moment::of(entry).map(show);
    let end = entry.until.as_ref().map(show).filter(|end| lasts(entry.kind) && begin.as_ref() != Some(end));
    match (begin, end) {
        (Some(begin), Some(end)) if context.is_korean() => Some(format!("{begin}~{end}")),
        (Some(begin), Some(end)) => Some(format!("{begin} to {end}")),
        (Some(begin), None) => Some(begin),
        (None, Some(end)) if context.is_korean() => Some(format!("{end}까지")),
        (None, Some(end)) => Some(format!("until {end}")),
        (None, None) => None,
    }
}

/// The date of one moment, for sentences that name one.
#[must_use]
pub fn date(context: Context<'_>, entry: &Entry, when: &When) -> String {
    moment::show(when, &context.setting.zone, moment::grain(entry.kind))
}

fn lasts(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Problem
            | Kind::Medication
            | Kind::Encounter
            | Kind::Device
            | Kind::Planned
            | Kind::Appointment
            | Kind::Procedure
            | Kind::Other
    )
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
        Kind::Immunization => &["doseNumber"],
        _ => &[],
    }
}

/// The first fact of that name.
#[must_use]
pub fn fact<'c>(entry: &'c Entry, name: &str) -> Option<&'c Fact> {
    entry.facts.iter().find(|fact| fact.name.eq_ignore_ascii_case(name))
}

/// The conclusion of a report, else its text.
fn report_text(entry: &Entry) -> Option<&Fact> {
    if !matches!(entry.kind, Kind::Report | Kind::Imaging) {
        return None;
    }
    entry
        .texts
        .iter()
        .find(|text| text.name == "conclusion")
        .or_else(|| fact(entry, "conclusion"))
        .or_else(|| entry.texts.first())
}

/// Names once each, in order of first appearance, with all their hits.
#[must_use]
pub fn by_name<'c>(hits: &[Hit<'c>]) -> Vec<(String, Vec<Hit<'c>>)> {
    let mut named: Vec<(String, Vec<Hit<'c>>)> = Vec::new();
    for hit in hits {
        let component = hit.value.map(|value| value.name.to_lowercase()).unwrap_or_default();
        let key = format!("{}\u{1f}{component}", hit.entry.title.to_lowercase());
        match named.iter_mut().find(|(name, _)| *name == key) {
            Some((_, same)) => same.push(*hit),
            None => named.push((key, vec![*hit])),
        }
    }
    named
}
