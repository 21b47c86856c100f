//! What was not found, worded so that nobody takes it for "there is none".

use super::line::{self, Line};
use super::sentence::{Cite, Part};
use super::{Context, Draft, shapes, words};
use crate::evidence::{Group, Hit};
use crate::plan::{Filter, State};

/// The time up to which the record was looked at.
#[must_use]
pub fn as_of(context: Context<'_>) -> String {
    context.setting.zone.to_datetime(context.chart.as_of).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `HbA1c: not found in the record (lab results) as of 2024-05-01 09:00.`
#[must_use]
pub fn not_found(context: Context<'_>, group: &Group<'_>) -> String {
    let plan = context.plan;
    let kinds = match group.subject {
        Some(subject) if !subject.kinds.is_empty() => &subject.kinds,
        _ => &plan.scope,
    };
    let searched = words::searched(kinds, plan.language);
    let as_of = as_of(context);
    let limits = limits(context, group);
    let what = group.subject.map(|subject| {
        let name = if context.is_korean() { &subject.names.1 } else { &subject.names.0 };
        if name.is_empty() { subject.said.clone() } else { name.clone() }
    });
    match (context.is_korean(), what) {
        (false, Some(what)) => format!("{what}: not found{limits} in the record as of {as_of} (searched: {searched})."),
        (false, None) => format!("Nothing was found{limits} in the record as of {as_of} (searched: {searched})."),
        (true, Some(what)) => format!("{what}: {as_of} 기준 기록에서{limits} 찾지 못했습니다(검색 범위: {searched})."),
        (true, None) => format!("{as_of} 기준 기록에서{limits} 해당 내용을 찾지 못했습니다(검색 범위: {searched})."),
    }
}

/// ` between 2024-01-01 and 2024-12-31`, ` since ...`, ` until ...`.
#[must_use]
pub fn window(context: Context<'_>) -> String {
    let Some(window) = context.plan.window else { return String::new() };
    match (window.from, window.to, context.is_korean()) {
        (Some(from), Some(to), false) if from == to => format!(" on {from}"),
        (Some(from), Some(to), false) => format!(" between {from} and {to}"),
        (Some(from), None, false) => format!(" since {from}"),
        (None, Some(to), false) => format!(" until {to}"),
        (Some(from), Some(to), true) if from == to => format!(" ({from})"),
        (Some(from), Some(to), true) => format!(" ({from}~{to})"),
        (Some(from), None, true) => format!(" ({from}부터)"),
        (None, Some(to), true) => format!(" ({to}까지)"),
        (None, None, _) => String::new(),
    }
}

/// What the question narrowed the search to.
fn limits(context: Context<'_>, group: &Group<'_>) -> String {
    let plan = context.plan;
    let mut said = window(context);
    said.push_str(match plan.state {
        State::Active => context.say(" as active", " 활성 상태로는"),
        State::Ended => context.say(" as ended", " 종료된 상태로는"),
        State::Any => "",
    });
    // Without any entry the condition was never looked at: "not found" says enough.
    let condition = match group.filter.filter(|_| !group.unjudged.is_empty()) {
        Some(Filter::Above(..) | Filter::Below(..)) => {
            context.say(" with a value that can be compared with that one", " 그 값과 비교할 수 있는 값을")
        }
        Some(Filter::Positive | Filter::Negative) => {
            context.say(" with a result that says so", " 양성·음성을 말해 주는 결과를")
        }
        Some(_) => context.say(" with a flag or reference range to judge it by", " 판정 표시나 참고치가 있는 값을"),
        None => "",
    };
    said.push_str(condition);
    if plan.because.is_some() {
        said.push_str(context.say(" given for that reason", " 그 사유로 기록된 것은"));
    }
    said
}

/// Entries that match and must not support a statement: mentioned and cited, so that nobody wonders.
pub(super) fn withdrawn<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    // Beside an answer the newest few are enough; with no answer they are what there is.
    let most = if group.hits.is_empty() { 5 } else { 2 };
    // Everything in scope was asked, and withdrawn entries are no part of it.
    if group.subject.is_none() && !group.hits.is_empty() {
        let count = group.void.len();
        if count > 0 {
            draft.warn(if context.is_korean() {
                format!("취소·오입력·배제 등으로 표시된 기록 {count}건은 답변에 쓰지 않았습니다.")
            } else {
                format!("{count} entries marked as cancelled, entered in error, refuted or the like are not used in the answer.")
            });
        }
        return;
    }
    for (entry, why) in group.void.iter().rev().take(most) {
        let hit = Hit::whole(entry);
        let state = words::state(why, context.language());
        let mut line = Line::new(context);
        line.say("An entry for ", "").part(line::label_part(context, &hit, group.subject));
        line.say(" is marked as ", " 기록은 '")
            .part(Part::one(state, Cite::title(entry)))
            .say("", "' 상태로 표시되어 있습니다");
        line.brackets(line::date_parts(context, entry));
        line.say(".", ".");
        draft.mentions.push(line.sentence(group.subject));
    }
}

/// What is on hold is not being taken, and must not be forgotten either.
pub(super) fn on_hold(context: Context<'_>, group: &Group<'_>, draft: &mut Draft<'_>) {
    if context.plan.state != State::Active {
        return;
    }
    let held: Vec<String> = group
        .other_state
        .iter()
        .filter(|hit| matches!(hit.entry.standing, haechi_record::chart::Standing::SaidAs("on-hold")))
        .map(|hit| {
            let date = line::dates(context, hit.entry)
                .map(|date| format!("{}{date})", context.say(" (", "(")))
                .unwrap_or_default();
            format!("{}{date}", line::name(hit.entry))
        })
        .collect();
    if !held.is_empty() {
        let held = held.join(", ");
        draft.warn(if context.is_korean() {
            format!("보류 상태라 활성 목록에 넣지 않은 기록: {held}.")
        } else {
            format!("On hold, and not listed as active: {held}.")
        });
    }
}

/// Nothing was found in the period or state asked, but outside it: the newest of that is worth knowing.
pub(super) fn elsewhere<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let (english, korean, hits) = if !group.unjudged.is_empty() {
        ("The latest entry, as recorded: ", "가장 최근 기록: ", &group.unjudged)
    } else if !group.other_state.is_empty() {
        ("In another state, the latest is ", "다른 상태의 가장 최근 기록: ", &group.other_state)
    } else {
        ("Outside that period, the latest is ", "그 기간 밖의 가장 최근 기록: ", &group.outside)
    };
    if group.subject.is_none() && group.other_state.is_empty() {
        return;
    }
    for hit in shapes::newest(hits, context).iter().take(2) {
        let mut line = Line::new(context);
        line.say(english, korean);
        line::push(&mut line, context, hit, group.subject);
        line.say(".", ".");
        draft.mentions.push(line.sentence(group.subject));
    }
}

/// The event that the question hangs on is not in the chart.
#[must_use]
pub fn no_anchor(context: Context<'_>) -> String {
    let anchor = context.plan.anchor.as_ref();
    let said = anchor.and_then(|anchor| anchor.subject.as_ref()).map(|subject| subject.said.clone());
    let searched = words::searched(anchor.map_or(&[], |anchor| anchor.kinds.as_slice()), context.language());
    let as_of = as_of(context);
    match (context.is_korean(), said) {
        (false, Some(said)) => {
            format!(
                "The question refers to \"{said}\", which was not found in the record as of {as_of} (searched: {searched})."
            )
        }
        (false, None) => {
            format!(
                "The question refers to an event that was not found in the record as of {as_of} (searched: {searched})."
            )
        }
        (true, Some(said)) => {
            format!("질문이 가리키는 '{said}' 기록을 {as_of} 기준 기록에서 찾지 못했습니다(검색 범위: {searched}).")
        }
        (true, None) => format!("질문이 가리키는 사건을 {as_of} 기준 기록에서 찾지 못했습니다(검색 범위: {searched})."),
    }
}

/// An attribute that the matching entries do not have.
#[must_use]
pub fn no_attribute(context: Context<'_>, what: &str, name: &str) -> String {
    let as_of = as_of(context);
    if context.is_korean() {
        format!("{name}: {what} 정보를 {as_of} 기준 기록에서 찾지 못했습니다.")
    } else {
        format!("{name}: its {what} was not found in the record as of {as_of}.")
    }
}

/// The question holds words that nothing accounts for, or asks for what no chart holds.
#[must_use]
pub fn not_understood(context: Context<'_>) -> String {
    let plan = context.plan;
    if let Some(reason) = &plan.outside {
        return reason.clone();
    }
    let words = plan.unresolved.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let as_of = as_of(context);
    if context.is_korean() {
        format!("답하지 않았습니다. 이해하지 못했거나 {as_of} 기준 이 환자 기록에서 찾지 못한 표현: {words}.")
    } else {
        format!("Not answered: {words} was neither understood nor found in this patient's record as of {as_of}.")
    }
}
