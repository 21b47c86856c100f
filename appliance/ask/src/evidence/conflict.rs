//! Entries that cannot both be right. None is chosen: the answer shows both and says so.

use haechi_record::chart::{Entry, Kind};
use jiff::tz::TimeZone;

use super::{Group, Hit, in_state, unit};
use crate::draft::moment;
use crate::plan::State;

/// Two entries that disagree.
#[derive(Debug, Clone, Copy)]
pub enum Conflict<'c> {
    /// Different values for one thing at one recorded time.
    SameMoment(Hit<'c>, Hit<'c>),
    /// Different values of something that does not change (blood group).
    Unchanging(Hit<'c>, Hit<'c>),
    /// One thing, active in one entry and over in another that covers the same time.
    State(&'c Entry, &'c Entry),
    /// One medicine, active twice with different instructions.
    Dosage(&'c Entry, &'c Entry),
    /// "None known" beside a recorded one.
    NothingKnown(&'c Entry, &'c Entry),
}

/// Conflicts reported for one subject; more of them would say the same.
const MOST: usize = 5;

pub(super) fn find<'c>(group: &Group<'c>, zone: &TimeZone) -> Vec<Conflict<'c>> {
    let mut found = Vec::new();
    values(group, zone, &mut found);
    states(group, zone, &mut found);
    dosages(group, &mut found);
    if let Some(nothing) = group.nothing_known.last() {
        let stands = |hit: &&Hit<'c>| hit.entry.kind == nothing.kind && in_state(hit.entry, State::Active);
        if let Some(hit) = group.hits.iter().rev().find(stands) {
            found.push(Conflict::NothingKnown(nothing, hit.entry));
        }
    }
    found.truncate(MOST);
    found
}

fn values<'c>(group: &Group<'c>, zone: &TimeZone, found: &mut Vec<Conflict<'c>>) {
    let measured: Vec<Hit<'c>> = group
        .hits
        .iter()
        .flat_map(|hit| hit.values().into_iter().map(|value| Hit { value: Some(value), ..*hit }))
        .filter(|hit| hit.value.is_some_and(|value| !value.text.is_empty()))
        .collect();
    for (at, one) in measured.iter().enumerate() {
        // Sorted by time: what is of one moment stands together.
        for other in measured.iter().skip(at + 1) {
            let same_moment = moment::order(one.entry, zone) == moment::order(other.entry, zone);
            if !same_moment {
                break;
            }
            if one.entry.source != other.entry.source
                && same_thing(one, other)
                && differ(one, other)
                && has_moment(one.entry)
            {
                found.push(Conflict::SameMoment(*one, *other));
            }
        }
    }
    let fixed: Vec<&Hit<'c>> = measured.iter().filter(|hit| does_not_change(hit)).collect();
    if let Some(last) = fixed.last()
        && let Some(other) = fixed.iter().rev().find(|hit| same_thing(hit, last) && differ(hit, last))
    {
        found.push(Conflict::Unchanging(**other, **last));
    }
}

/// Blood groups, LOINC: ABO, ABO and Rh, Rh.
fn does_not_change(hit: &Hit<'_>) -> bool {
    const CODES: &[&str] = &["882-1", "883-9", "10331-7", "77397-8", "884-7"];
    let codes = hit.entry.codes.iter().chain(hit.value.map(|value| value.codes.iter()).unwrap_or_default());
    let mut codes = codes.map(|coding| coding.code.as_str());
    codes.any(|code| CODES.contains(&code))
}

fn has_moment(entry: &Entry) -> bool {
    matches!(moment::of(entry), Some(haechi_record::chart::When::Instant(_)))
        || (matches!(moment::of(entry), Some(haechi_record::chart::When::Date(_))) && entry.kind != Kind::Vital)
}

/// The same concept by code, else by name; and the same component of it.
fn same_thing(one: &Hit<'_>, other: &Hit<'_>) -> bool {
    let component = |hit: &Hit<'_>| hit.value.map(|value| value.name.clone()).unwrap_or_default();
    component(one) == component(other) && same_concept(one.entry, other.entry)
}

fn same_concept(one: &Entry, other: &Entry) -> bool {
    one.kind == other.kind
        && (one.title.eq_ignore_ascii_case(&other.title)
            || one.codes.iter().any(|code| {
                !code.code.is_empty() && other.codes.iter().any(|o| o.code == code.code && o.system == code.system)
            }))
}

fn differ(one: &Hit<'_>, other: &Hit<'_>) -> bool {
    let (entry, Some(one), Some(other)) = (one.entry, one.value, other.value) else { return false };
    // The same result once in mg/dL and once in mmol/L is no contradiction; each was rounded in its own unit.
    if !unit::same(&one.unit, &other.unit)
        && one.comparator == other.comparator
        && let (Some(converted), Some(number)) = (unit::convert(entry, one, &other.unit), other.number)
    {
        return (converted.number - number).abs() > 0.01 * number.abs();
    }
    let same_number = one.number.is_some() && one.number == other.number && one.comparator == other.comparator;
    let same = (same_number || one.text.eq_ignore_ascii_case(&other.text)) && unit::same(&one.unit, &other.unit);
    !same
}

/// Problems and allergies: active here, over there, for the same time.
fn states<'c>(group: &Group<'c>, zone: &TimeZone, found: &mut Vec<Conflict<'c>>) {
    let lasting: Vec<&'c Entry> = group
        .hits
        .iter()
        .chain(&group.other_state)
        .map(|hit| hit.entry)
        .filter(|entry| matches!(entry.kind, Kind::Problem | Kind::Allergy))
        .collect();
    // Only what says so is active: most diagnoses of a visit carry no status, and contradict nobody.
    let says_active = |entry: &&&'c Entry| entry.status.is_some() && in_state(entry, State::Active);
    for active in lasting.iter().filter(says_active) {
        for over in lasting.iter().filter(|entry| in_state(entry, State::Ended)) {
            if same_concept(active, over) && one_time(active, over, zone) {
                found.push(Conflict::State(active, over));
            }
        }
    }
}

/// What ended before the other began is an earlier episode, not a contradiction. Without an end, only the same first day is.
fn one_time(active: &Entry, over: &Entry, zone: &TimeZone) -> bool {
    let day = |when| moment::days(when, zone);
    let begun = moment::of(active).and_then(day).map(|(first, _)| first);
    let ended = over.until.as_ref().and_then(day).map(|(_, last)| last);
    let over_begun = moment::of(over).and_then(day).map(|(first, _)| first);
    match (begun, ended, over_begun) {
        (Some(begun), Some(ended), _) => ended > begun,
        (Some(begun), None, Some(over_begun)) => begun == over_begun,
        _ => true,
    }
}

fn dosages<'c>(group: &Group<'c>, found: &mut Vec<Conflict<'c>>) {
    let dosage =
        |entry: &'c Entry| entry.facts.iter().find(|fact| fact.name == "dosage").map(|fact| fact.text.as_str());
    let active: Vec<&'c Entry> = group
        .hits
        .iter()
        .map(|hit| hit.entry)
        .filter(|entry| entry.kind == Kind::Medication && entry.status.as_deref() == Some("active"))
        .collect();
    for (at, one) in active.iter().enumerate() {
        for other in active.iter().skip(at + 1) {
            if let (Some(first), Some(second)) = (dosage(one), dosage(other))
                && same_concept(one, other)
                && first != second
            {
                found.push(Conflict::Dosage(one, other));
            }
        }
    }
}
