//! Which kind of question gets what: the evidence of one subject goes to the shape that was asked for.

use haechi_record::chart::{Kind, Standing};

use super::line::{self, Line};
use super::sentence::{Cite, Part, Rule};
use super::{Context, Draft, absence, aggregate, attribute, conflict, list, moment, series, single, spans, words};
use crate::evidence::{Group, Hit};
use crate::plan::{Pick, Shape, State};

/// Lines of a list that are shown; what is over is counted and cited. A page of the record view holds about as many.
pub(super) const LISTED: usize = 60;

/// Words one subject's evidence.
pub(super) fn group<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let before = draft.sentences.len();
    let missing = draft.missing.len();
    if group.hits.is_empty() {
        nothing(context, group, draft);
    } else {
        found(context, group, draft);
    }
    if draft.sentences.len() == before && draft.missing.len() == missing {
        draft.missing.push(absence::not_found(context, group));
    }
    absence::on_hold(context, group, draft);
    absence::withdrawn(context, group, draft);
    conflict::warn(context, group, draft);
    unjudged(context, group, draft);
}

fn nothing<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    if !group.failing.is_empty() {
        return single::none_passes(context, group, draft);
    }
    if let Some(entry) = group.nothing_known.last() {
        // A recorded statement that there is none is an answer, and not the same as finding nothing.
        let mut line = Line::new(context);
        line.say("Recorded: ", "기록: ");
        line::push(&mut line, context, &Hit::whole(entry), None);
        line.say(".", ".");
        draft.sentences.push(line.sentence(None));
        if group.subject.is_some() {
            draft.missing.push(absence::not_found(context, group));
        }
        return;
    }
    let is_asked_if_active = context.plan.shape == Shape::Whether && context.plan.state == State::Active;
    if is_asked_if_active && group.subject.is_some() && !group.other_state.is_empty() {
        return single::no_longer(context, group, draft);
    }
    draft.missing.push(absence::not_found(context, group));
    absence::elsewhere(context, group, draft);
}

fn found<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    if group.hits.iter().all(|hit| hit.said.is_some()) {
        return single::mentioned(context, group, draft);
    }
    match context.plan.shape {
        Shape::Latest => single::at_end(context, group, false, draft),
        Shape::First => single::at_end(context, group, true, draft),
        Shape::Series => series::all(context, group, &group.hits, draft),
        Shape::Trend => aggregate::trend(context, group, draft),
        Shape::Highest => aggregate::extreme(context, group, true, draft),
        Shape::Lowest => aggregate::extreme(context, group, false, draft),
        Shape::Average => aggregate::average(context, group, draft),
        Shape::Change => aggregate::change(context, group, draft),
        Shape::Count => aggregate::count(context, group, draft),
        Shape::When => spans::when(context, group, draft),
        Shape::Duration | Shape::Since => spans::durations(context, group, draft),
        Shape::AgeAt => spans::ages(context, group, draft),
        Shape::Attribute => attribute::attribute(context, group, draft),
        Shape::Whether => single::whether(context, group, draft),
        Shape::List | Shape::Summary | Shape::Demographic => list::list(context, group, draft),
    }
}

/// Values that nothing recorded lets us judge must not look as if they had been.
fn unjudged(context: Context<'_>, group: &Group<'_>, draft: &mut Draft<'_>) {
    if group.unjudged.is_empty() || (group.hits.is_empty() && group.failing.is_empty()) {
        return;
    }
    let count = group.unjudged.len();
    draft.warn(if context.is_korean() {
        format!("값 {count}개는 판정 표시나 참고치가 없거나 단위가 달라 조건에 따라 판정하지 못했습니다.")
    } else {
        format!("{count} further values could not be judged: they carry no flag or reference range, or another unit.")
    });
}

/// The entries that the plan picks: one end in time, or all.
pub(super) fn picked<'h, 'c>(context: Context<'_>, hits: &'h [Hit<'c>], default: Pick) -> &'h [Hit<'c>] {
    match context.plan.pick.unwrap_or(default) {
        Pick::Newest => newest(hits, context),
        Pick::Oldest => oldest(hits, context),
        Pick::Next => next(hits, context),
        Pick::All => hits,
    }
}

/// Every hit of the newest moment: two results of one moment that differ are both shown.
pub(super) fn newest<'h, 'c>(hits: &'h [Hit<'c>], context: Context<'_>) -> &'h [Hit<'c>] {
    let key = |hit: &Hit<'_>| moment::order(hit.entry, &context.setting.zone);
    let Some(last) = hits.last().map(key) else { return hits };
    let from = hits.iter().position(|hit| key(hit) == last).unwrap_or(0);
    hits.get(from..).unwrap_or(hits)
}

/// The dated hits of the oldest moment.
pub(super) fn oldest<'h, 'c>(hits: &'h [Hit<'c>], context: Context<'_>) -> &'h [Hit<'c>] {
    let key = |hit: &Hit<'_>| moment::order(hit.entry, &context.setting.zone);
    let from = hits.iter().position(|hit| key(hit).0.is_some()).unwrap_or(0);
    let Some(first) = hits.get(from).map(key) else { return hits };
    let until = hits.iter().rposition(|hit| key(hit) == first).unwrap_or(from);
    hits.get(from..=until).unwrap_or(hits)
}

/// The first that lies ahead.
fn next<'h, 'c>(hits: &'h [Hit<'c>], context: Context<'_>) -> &'h [Hit<'c>] {
    let now = context.setting.now;
    let coming = |hit: &Hit<'_>| match moment::order(hit.entry, &context.setting.zone) {
        (_, Some(instant)) => instant >= now,
        (Some(day), None) => day >= context.today(),
        (None, None) => false,
    };
    hits.iter().position(coming).and_then(|at| hits.get(at..=at)).unwrap_or_default()
}

/// The kinds that were found.
pub(super) fn kinds(hits: &[Hit<'_>]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = hits.iter().map(|hit| hit.entry.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Entries, each once.
pub(super) fn entries(hits: &[Hit<'_>]) -> usize {
    let mut sources: Vec<&str> = hits.iter().map(|hit| hit.entry.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    sources.len()
}

/// The period that was asked, as ` between 2024-01-01 and 2024-12-31`.
pub(super) fn window<'c>(context: Context<'c>, cites: &[Cite<'c>]) -> Part<'c> {
    let text = absence::window(context);
    let mut part = Part::all(text.clone(), cites.to_vec());
    if let Some(window) = context.plan.window {
        for day in [window.from, window.to].into_iter().flatten() {
            part = part.with(Rule::Asked, day.to_string());
        }
    }
    part
}

/// What must be said of some of the entries: ` (including: preliminary)`.
pub(super) fn reservations<'c>(context: Context<'c>, hits: &[Hit<'c>]) -> Vec<Part<'c>> {
    let mut found: Vec<(&'static str, Cite<'c>)> = Vec::new();
    for hit in hits {
        if let Standing::SaidAs(word) = hit.entry.standing
            && !found.iter().any(|(known, _)| *known == word)
        {
            found.push((word, Cite::title(hit.entry)));
        }
    }
    let last = found.len();
    let mut parts = Vec::new();
    for (index, (word, cite)) in found.into_iter().enumerate() {
        let word = words::state(word, context.language());
        let open = if index == 0 { context.say(" (including: ", "(포함: ") } else { ", " };
        let close = if index + 1 == last { ")" } else { "" };
        parts.push(Part::one(format!("{open}{word}{close}"), cite));
    }
    parts
}

/// Value citations where there are values, names otherwise.
pub(super) fn cites<'c>(hits: &[Hit<'c>]) -> Vec<Cite<'c>> {
    hits.iter()
        .map(|hit| match hit.value {
            Some(value) => Cite::value(hit.entry, value),
            None => Cite::title(hit.entry),
        })
        .collect()
}

/// The older ones that a list does not show are counted and cited.
pub(super) fn rest<'c>(context: Context<'c>, hits: &[Hit<'c>], draft: &mut Draft<'c>) {
    if hits.is_empty() {
        return;
    }
    let count = entries(hits).to_string();
    let mut line = Line::new(context);
    let text = if context.is_korean() {
        format!("이전 {count}건은 총 건수에 포함되며 여기에는 인용만 합니다.")
    } else {
        format!("{count} older entries, counted in the total, are only cited here.")
    };
    line.part(Part::all(text, cites(hits)).with(Rule::Entries, count));
    for part in reservations(context, hits) {
        line.part(part);
    }
    draft.sentences.push(line.item(None));
}
