//! From a plan to the entries of the chart that are complete evidence for it. Nothing is worded here.
//!
//! Entries that must not support a statement are kept apart ([`Group::void`]): an answer may mention that something was
//! recorded and withdrawn, never say that it is so.

mod value;

use haechi_record::chart::{Chart, Entry, Kind, Measured, Standing};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::draft::moment;
use crate::matching::{self, Qualified};
use crate::plan::{Anchor, Pick, Plan, Relation, Shape, State, Subject, Window};

pub(crate) use value::{is_abnormal, passes};

/// One entry that is meant, and the value in it that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'c> {
    /// The entry.
    pub entry: &'c Entry,
    /// The value asked about; `None` for entries that hold none, or several (a panel as a whole).
    pub value: Option<&'c Measured>,
    /// The title says less than a plain yes.
    pub qualified: Option<Qualified>,
}

/// What was found for one subject, oldest first.
#[derive(Debug, Clone)]
pub struct Group<'c> {
    /// The thing asked about; `None`: everything in scope.
    pub subject: Option<&'c Subject>,
    /// Supports statements.
    pub hits: Vec<Hit<'c>>,
    /// Matches, and must not support a statement: with the word that says why.
    pub void: Vec<(&'c Entry, &'static str)>,
    /// Matches in every respect but the condition on the value: what "never above 140" stands on.
    pub failing: Vec<Hit<'c>>,
    /// Entries that say that there is none (`No known allergies`).
    pub nothing_known: Vec<&'c Entry>,
}

/// Everything found.
#[derive(Debug, Clone)]
pub struct Evidence<'c> {
    /// One group a subject, in the order asked.
    pub groups: Vec<Group<'c>>,
    /// The event that opened or closed the window, if the plan names one.
    pub anchor: Option<&'c Entry>,
    /// The plan names an event that the chart does not hold: nothing can be said.
    pub anchor_missing: bool,
}

/// Collects the evidence.
#[must_use]
pub fn collect<'c>(plan: &'c Plan, chart: &'c Chart, zone: &TimeZone) -> Evidence<'c> {
    let anchor = plan.anchor.as_ref().map(|anchor| (anchor, find_anchor(anchor, chart, zone)));
    let anchor_missing = matches!(anchor, Some((_, None)));
    let anchored = match anchor {
        Some((anchor, Some(entry))) => Some((anchor.relation, entry)),
        _ => None,
    };
    let mut groups: Vec<Group<'c>> = if plan.subjects.is_empty() {
        vec![group(plan, None, chart, zone, anchored)]
    } else {
        plan.subjects.iter().map(|subject| group(plan, Some(subject), chart, zone, anchored)).collect()
    };
    for group in &mut groups {
        narrow(plan, group);
    }
    Evidence { groups, anchor: anchored.map(|(_, entry)| entry), anchor_missing }
}

fn group<'c>(
    plan: &'c Plan,
    subject: Option<&'c Subject>,
    chart: &'c Chart,
    zone: &TimeZone,
    anchor: Option<(Relation, &'c Entry)>,
) -> Group<'c> {
    let mut group = Group { subject, hits: Vec::new(), void: Vec::new(), failing: Vec::new(), nothing_known: Vec::new() };
    let filter = subject.and_then(|subject| subject.filter).or(plan.filter);
    for entry in chart.entries.iter().filter(|entry| in_scope(plan, subject, entry.kind)) {
        if says_nothing_known(entry) && !matches!(entry.standing, Standing::Void(_)) {
            group.nothing_known.push(entry);
            continue;
        }
        let found = match subject {
            None => Some((None, None)),
            Some(subject) => matching::matches(subject, entry).map(|found| (found.component, found.qualified)),
        };
        let Some((component, qualified)) = found else { continue };
        if !in_state(entry, plan.state) || !in_time(plan, entry, zone) || !beside(anchor, entry, zone) || !because(plan, entry, chart) {
            continue;
        }
        if let Standing::Void(why) = entry.standing {
            group.void.push((entry, why));
            continue;
        }
        let values: Vec<Option<&Measured>> = match component {
            Some(index) => vec![entry.values.get(index)],
            None if entry.values.len() == 1 => vec![entry.values.first()],
            // A panel as a whole; a condition is looked at value by value.
            None if filter.is_some() && !entry.values.is_empty() => entry.values.iter().map(Some).collect(),
            None => vec![None],
        };
        for value in values {
            let hit = Hit { entry, value, qualified };
            match (filter, value) {
                (None, _) => group.hits.push(hit),
                (Some(filter), Some(value)) if passes(value, filter) => group.hits.push(hit),
                (Some(_), Some(_)) => group.failing.push(hit),
                (Some(filter), None) if value::says(entry, filter) => group.hits.push(hit),
                (Some(_), None) => {}
            }
        }
    }
    let key = |hit: &Hit<'_>| moment::order(hit.entry, zone);
    group.hits.sort_by_key(key);
    group.failing.sort_by_key(key);
    group
}

/// Entries of the newest (or oldest) moment only, where the plan picks one; at most as many as asked.
fn narrow(plan: &Plan, group: &mut Group<'_>) {
    if let Some(limit) = plan.limit {
        let surplus = group.hits.len().saturating_sub(limit);
        match plan.pick {
            Some(Pick::Oldest | Pick::Next) => group.hits.truncate(limit),
            _ => drop(group.hits.drain(..surplus)),
        }
    }
}

fn in_scope(plan: &Plan, subject: Option<&Subject>, kind: Kind) -> bool {
    match subject {
        Some(subject) if !subject.kinds.is_empty() => {
            subject.kinds.contains(&kind) && (plan.scope.is_empty() || plan.scope.contains(&kind))
        }
        _ => plan.scope.contains(&kind),
    }
}

/// `No known allergies` and the like: SNOMED CT negated situations, and the words that sites write.
fn says_nothing_known(entry: &Entry) -> bool {
    const CODES: &[&str] =
        &["716186003", "409137002", "428607008", "429625007", "428197003", "716184000", "160244002", "787481004", "no-known-allergies"];
    const WORDS: &[&str] = &["no known", "nka", "nkda", "알레르기 없음", "알려진 알레르기 없", "알러지 없음", "특이 알레르기 없"];
    if !matches!(entry.kind, Kind::Allergy) {
        return false;
    }
    let title = entry.title.to_lowercase();
    entry.codes.iter().any(|coding| CODES.contains(&coding.code.as_str())) || WORDS.iter().any(|word| title.contains(word))
}

/// Life-cycle state, as far as the entry has one.
fn in_state(entry: &Entry, asked: State) -> bool {
    let status = entry.status.as_deref().unwrap_or("");
    let active = match entry.kind {
        Kind::Problem | Kind::Allergy => match status {
            "active" | "recurrence" | "relapse" => true,
            "" => entry.until.is_none(),
            _ => false,
        },
        Kind::Medication => matches!(status, "active" | "on-hold" | "in-progress" | "intended" | ""),
        Kind::Encounter => matches!(status, "in-progress" | "arrived" | "triaged" | "onleave"),
        Kind::Planned | Kind::Device => matches!(status, "active" | "accepted" | "proposed" | "planned" | "on-hold" | "draft" | ""),
        Kind::Appointment => matches!(status, "proposed" | "pending" | "booked" | "arrived" | "checked-in" | "waitlist" | ""),
        // The others happen and are over: no state to ask for.
        _ => return true,
    };
    match asked {
        State::Any => true,
        State::Active => active,
        State::Ended => !active,
    }
}

fn in_time(plan: &Plan, entry: &Entry, zone: &TimeZone) -> bool {
    match plan.window {
        None => true,
        Some(window) => extent(entry, zone, plan.shape).is_some_and(|(from, to)| overlaps(window, from, to)),
    }
}

/// The local days in which the entry counts: what lasts counts while it lasts, unless its beginning or end is asked.
fn extent(entry: &Entry, zone: &TimeZone, shape: Shape) -> Option<(Date, Option<Date>)> {
    let (from, to) = moment::days(moment::of(entry)?, zone)?;
    let lasting = matches!(entry.kind, Kind::Problem | Kind::Medication | Kind::Device | Kind::Planned);
    let point = matches!(shape, Shape::When | Shape::Count | Shape::First | Shape::Since) || !lasting;
    if point {
        return Some((from, Some(to)));
    }
    let end = entry.until.as_ref().and_then(|until| moment::days(until, zone)).map(|(_, last)| last);
    if end.is_none() && in_state(entry, State::Active) {
        return Some((from, None));
    }
    Some((from, Some(end.unwrap_or(to))))
}

/// A month or year that the window only touches counts as inside: it may have been.
fn overlaps(window: Window, from: Date, to: Option<Date>) -> bool {
    window.to.is_none_or(|last| from <= last) && window.from.is_none_or(|first| to.is_none_or(|to| to >= first))
}

fn find_anchor<'c>(anchor: &Anchor, chart: &'c Chart, zone: &TimeZone) -> Option<&'c Entry> {
    chart
        .entries
        .iter()
        .filter(|entry| anchor.kinds.contains(&entry.kind) && !matches!(entry.standing, Standing::Void(_)))
        .filter(|entry| anchor.subject.as_ref().is_none_or(|subject| matching::matches(subject, entry).is_some()))
        .filter(|entry| moment::of(entry).is_some())
        .max_by_key(|entry| moment::order(entry, zone))
}

fn beside(anchor: Option<(Relation, &Entry)>, entry: &Entry, zone: &TimeZone) -> bool {
    let Some((relation, anchor)) = anchor else { return true };
    if entry.source == anchor.source {
        return false;
    }
    let day = |when| moment::days(when, zone);
    let (Some((from, to)), Some((begin, begin_last))) = (moment::of(entry).and_then(day), moment::of(anchor).and_then(day)) else {
        return false;
    };
    let end = anchor.until.as_ref().and_then(day).map_or(begin_last, |(_, last)| last);
    let linked = entry.links.iter().any(|(_, target)| *target == anchor.source);
    match relation {
        Relation::Before => to < begin || (to == begin && precedes(entry, anchor, zone)),
        Relation::After => from > end || (from == end && precedes(anchor, entry, zone)),
        Relation::During => linked || (from >= begin && to <= end),
    }
}

/// Within one day: both have a time of day and the first is earlier.
fn precedes(first: &Entry, second: &Entry, zone: &TimeZone) -> bool {
    match (moment::order(first, zone).1, moment::order(second, zone).1) {
        (Some(first), Some(second)) => first < second,
        _ => false,
    }
}

/// Given or done for the named reason: by its words, or by a link to an entry that is the reason.
fn because(plan: &Plan, entry: &Entry, chart: &Chart) -> bool {
    let Some(reason) = &plan.because else { return true };
    let worded = entry
        .facts
        .iter()
        .filter(|fact| matches!(fact.name.as_str(), "reason" | "reasonCode" | "indication" | "reasonReference" | "diagnosis"))
        .any(|fact| matching::names(reason, &fact.text));
    worded
        || entry.links.iter().filter(|(element, _)| element.contains("reason") || element.contains("diagnosis")).any(|(_, target)| {
            chart.entries.iter().any(|other| other.source == *target && matching::matches(reason, other).is_some())
        })
}
