//! Conflicts in words. Both sides stand in the answer; the warning says that they disagree.

use haechi_record::chart::Entry;

use super::sentence::quantity;
use super::{Context, Draft, line, words};
use crate::evidence::{Conflict, Group, Hit};

pub(super) fn warn(context: Context<'_>, group: &Group<'_>, draft: &mut Draft<'_>) {
    for conflict in &group.conflicts {
        draft.warn(match conflict {
            Conflict::SameMoment(one, other) => values(
                context,
                one,
                other,
                "Conflicting values are recorded for the same time",
                "같은 시각에 서로 다른 값이 기록되어 있습니다",
            ),
            Conflict::Unchanging(one, other) => values(
                context,
                one,
                other,
                "The record disagrees about something that does not change",
                "변하지 않아야 할 항목이 서로 다르게 기록되어 있습니다",
            ),
            Conflict::State(one, other) => entries(
                context,
                one,
                other,
                "The record holds the same item with conflicting states",
                "같은 항목의 상태가 서로 다르게 기록되어 있습니다",
            ),
            Conflict::Dosage(one, other) => entries(
                context,
                one,
                other,
                "Two active entries of the same medication have different instructions",
                "같은 약물의 활성 기록 두 건의 용법이 서로 다릅니다",
            ),
            Conflict::NothingKnown(one, other) => entries(
                context,
                one,
                other,
                "\"None known\" is recorded beside a recorded item",
                "'알려진 것 없음' 기록과 개별 기록이 함께 있습니다",
            ),
        });
    }
}

fn values(context: Context<'_>, one: &Hit<'_>, other: &Hit<'_>, english: &str, korean: &str) -> String {
    let said = |hit: &Hit<'_>| {
        let value = hit.value.map(quantity).unwrap_or_default();
        let date = line::dates(context, hit.entry).unwrap_or_default();
        format!("{value} ({date}, {})", hit.entry.source)
    };
    let label = line::label(context, other, None);
    format!("{}: {label}: {} / {}", context.say(english, korean), said(one), said(other))
}

fn entries(context: Context<'_>, one: &Entry, other: &Entry, english: &str, korean: &str) -> String {
    let said = |entry: &Entry| {
        let mut about = words::states(entry, context.language());
        about.extend(line::dates(context, entry));
        about.extend(line::fact(entry, "dosage").map(|fact| fact.text.clone()));
        about.push(entry.source.clone());
        format!("{} ({})", line::name(entry), about.join(", "))
    };
    format!("{}: {} / {}", context.say(english, korean), said(one), said(other))
}
