//! Which entries are meant: scope, state, period, anchor, reason.

use haechi_record::chart::{Chart, Entry, Kind, Standing};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::draft::moment;
use crate::matching;
use crate::plan::{Anchor, Plan, Relation, Shape, State, Subject, Window};

pub(super) fn in_scope(plan: &Plan, subject: Option<&Subject>, kind: Kind) -> bool {
    match subject {
        Some(subject) if !subject.kinds.is_empty() => {
            subject.kinds.contains(&kind) && (plan.scope.is_empty() || plan.scope.contains(&kind))
        }
        _ => plan.scope.contains(&kind),
    }
}

/// `No known allergies` and the like, as the chart reader marks them.
pub(crate) fn says_nothing_known(entry: &Entry) -> bool {
    entry
        .facts
        .iter()
        .any(|fact| matches!(fact.name.as_str(), "noKnownAllergy" | "noKnownProblem" | "noKnownMedication"))
}

/// Life-cycle state, as far as the entry has one. What says neither (a visit's diagnosis without clinical status, an order
/// on hold) is in neither state.
pub(crate) fn in_state(entry: &Entry, asked: State) -> bool {
    if asked == State::Any {
        return true;
    }
    let status = entry.status.as_deref().unwrap_or("");
    let is = |codes: &[&str]| codes.contains(&status);
    let (active, ended) = match entry.kind {
        Kind::Problem | Kind::Allergy if status.is_empty() => {
            // A diagnosis of one visit says what was treated then, not what the patient has.
            let of_a_visit = entry.categories.iter().any(|category| category == "encounter-diagnosis");
            (entry.until.is_none() && !of_a_visit, entry.until.is_some())
        }
        Kind::Problem | Kind::Allergy => {
            let active = is(&["active", "recurrence", "relapse", "well-controlled", "poorly-controlled"]);
            (active, !active)
        }
        // What is on hold is not being taken.
        Kind::Medication => (
            is(&["active", "in-progress", "intended", ""]),
            !is(&["active", "in-progress", "intended", "", "on-hold", "draft", "unknown"]),
        ),
        Kind::Encounter => {
            let active = is(&["in-progress", "arrived", "triaged", "onleave"]);
            (active, !active && !is(&["planned"]))
        }
        Kind::Planned | Kind::Device => {
            let active = is(&["active", "accepted", "proposed", "planned", "on-hold", "draft", "in-progress", ""]);
            (active, !active)
        }
        Kind::Appointment => {
            let active = is(&["proposed", "pending", "booked", "arrived", "checked-in", "waitlist", ""]);
            (active, !active)
        }
        // The others happen and are over: no state to ask for.
        _ => return true,
    };
    if asked == State::Active { active } else { ended }
}

pub(super) fn in_time(plan: &Plan, entry: &Entry, zone: &TimeZone) -> bool {
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

/// Whether the entry is in one of the states that the question names; true if it names none.
pub(super) fn has_standing(plan: &Plan, entry: &Entry) -> bool {
    let standing = match entry.standing {
        Standing::SaidAs(word) => Some(word),
        Standing::Stands | Standing::Void(_) => None,
    };
    let codes = [entry.status.as_deref(), entry.verification.as_deref(), standing];
    plan.standings.is_empty()
        || codes.into_iter().flatten().any(|code| plan.standings.iter().any(|asked| asked == code))
}

pub(super) fn find_anchor<'c>(anchor: &Anchor, chart: &'c Chart, zone: &TimeZone) -> Option<&'c Entry> {
    chart
        .entries
        .iter()
        .filter(|entry| anchor.kinds.contains(&entry.kind) && !matches!(entry.standing, Standing::Void(_)))
        .filter(|entry| anchor.subject.as_ref().is_none_or(|subject| matching::matches(subject, entry).is_some()))
        .filter(|entry| moment::of(entry).is_some())
        .max_by_key(|entry| moment::order(entry, zone))
}

pub(super) fn beside(anchor: Option<(Relation, &Entry)>, entry: &Entry, zone: &TimeZone) -> bool {
    let Some((relation, anchor)) = anchor else { return true };
    if entry.source == anchor.source {
        return false;
    }
    let day = |when| moment::days(when, zone);
    let (Some((from, to)), Some((begin, begin_last))) =
        (moment::of(entry).and_then(day), moment::of(anchor).and_then(day))
    else {
        return false;
    };
    let end = anchor.until.as_ref().and_then(day).map_or(begin_last, |(_, last)| last);
    let linked = entry.links.iter().any(|(_, target)| *target == anchor.source);
    match relation {
        Relation::Before => to < begin || (to == begin && precedes(entry, anchor, zone)),
        Relation::After => from > end || (from == end && precedes(anchor, entry, zone)),
        Relation::Since => from >= begin,
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
pub(super) fn because(plan: &Plan, entry: &Entry, chart: &Chart) -> bool {
    let Some(reason) = &plan.because else { return true };
    let worded = entry
        .facts
        .iter()
        .filter(|fact| {
            matches!(fact.name.as_str(), "reason" | "reasonCode" | "indication" | "reasonReference" | "diagnosis")
        })
        .any(|fact| matching::names(reason, &fact.text));
    worded
        || entry.links.iter().filter(|(element, _)| element.contains("reason") || element.contains("diagnosis")).any(
            |(_, target)| {
                chart.entries.iter().any(|other| other.source == *target && matching::matches(reason, other).is_some())
            },
        )
}
