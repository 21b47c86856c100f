//! What was not found, worded so that nobody takes it for "there is none".

use super::{Context, line, words};
use crate::evidence::Group;
use crate::plan::{Language, State};

/// The time up to which the record was looked at.
#[must_use]
pub fn as_of(context: Context<'_>) -> String {
    context.setting.zone.to_datetime(context.chart.as_of).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `not found in lab results as of ...`.
#[must_use]
pub fn not_found(context: Context<'_>, group: &Group<'_>) -> String {
    let plan = context.plan;
    let kinds = match group.subject {
        Some(subject) if !subject.kinds.is_empty() => &subject.kinds,
        _ => &plan.scope,
    };
    let searched = words::searched(kinds, plan.language);
    let as_of = as_of(context);
    let what = group.subject.map(|subject| match plan.language {
        Language::En if !subject.names.0.is_empty() => subject.names.0.clone(),
        Language::Ko if !subject.names.1.is_empty() => subject.names.1.clone(),
        _ => subject.said.clone(),
    });
    let limits = limits(context);
    match (plan.language, what) {
        (Language::En, Some(what)) => format!("{what}: not found{limits} in the record ({searched}) as of {as_of}."),
        (Language::En, None) => format!("Nothing of the kind was found{limits} in the record ({searched}) as of {as_of}."),
        (Language::Ko, Some(what)) => format!("{what}: {as_of} 기준 기록({searched})에서{limits} 찾지 못했습니다."),
        (Language::Ko, None) => format!("{as_of} 기준 기록({searched})에서{limits} 해당하는 내용을 찾지 못했습니다."),
    }
}

/// What the question narrowed the search to.
fn limits(context: Context<'_>) -> String {
    let plan = context.plan;
    let mut said = String::new();
    if let Some(window) = plan.window {
        let from = window.from.map(|day| day.to_string()).unwrap_or_default();
        let to = window.to.map(|day| day.to_string()).unwrap_or_default();
        said.push_str(&match plan.language {
            Language::En => format!(" for {from}–{to}"),
            Language::Ko => format!(" {from}~{to} 기간의"),
        });
    }
    match (plan.state, plan.language) {
        (State::Active, Language::En) => said.push_str(" as active"),
        (State::Active, Language::Ko) => said.push_str(" 활성 상태로"),
        (State::Ended, Language::En) => said.push_str(" as ended"),
        (State::Ended, Language::Ko) => said.push_str(" 종료된 것으로"),
        (State::Any, _) => {}
    }
    said
}

/// Entries that match and must not support a statement: mentioned, so that nobody wonders.
#[must_use]
pub fn withdrawn(context: Context<'_>, group: &Group<'_>) -> Option<String> {
    let (entry, why) = group.void.last()?;
    let why = words::state(why, context.language());
    let name = line::name(entry);
    let date = line::dates(context, entry).map(|date| format!(", {date}")).unwrap_or_default();
    Some(match context.language() {
        Language::En => format!("An entry \"{name}\"{date} exists but is marked as {why}; it supports no statement [{}].", entry.source),
        Language::Ko => format!("\"{name}\"{date} 항목이 있으나 '{why}' 상태이므로 근거로 쓰지 않았습니다 [{}].", entry.source),
    })
}

/// The event that the question hangs on is not in the chart.
#[must_use]
pub fn no_anchor(context: Context<'_>) -> String {
    let said = context.plan.anchor.as_ref().and_then(|anchor| anchor.subject.as_ref()).map(|subject| subject.said.clone());
    let as_of = as_of(context);
    match (context.language(), said) {
        (Language::En, Some(said)) => format!("The question refers to {said}, which was not found in the record as of {as_of}."),
        (Language::En, None) => format!("The question refers to an event that was not found in the record as of {as_of}."),
        (Language::Ko, Some(said)) => format!("질문이 가리키는 '{said}' 기록을 {as_of} 기준으로 찾지 못했습니다."),
        (Language::Ko, None) => format!("질문이 가리키는 사건을 {as_of} 기준 기록에서 찾지 못했습니다."),
    }
}

/// An attribute that the matching entries do not have.
#[must_use]
pub fn no_attribute(context: Context<'_>, what: &str, name: &str) -> String {
    let as_of = as_of(context);
    match context.language() {
        Language::En => format!("{name}: the record has no {what} for it as of {as_of}."),
        Language::Ko => format!("{name}: {as_of} 기준 기록에 {what} 항목이 없습니다."),
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
    match plan.language {
        Language::En => format!("Not answered: {words} is neither known here nor found in this patient's record as of {as_of}."),
        Language::Ko => format!("답하지 않았습니다: {words}에 해당하는 내용을 이 환자의 {as_of} 기준 기록에서 찾지 못했습니다."),
    }
}
