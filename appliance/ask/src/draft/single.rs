//! Answers of one sentence: the latest, the first, yes, no longer, none passes, mentioned in a text.

use haechi_record::chart::Kind;

use super::korean::Particle;
use super::line::{self, Line};
use super::sentence::{Part, Rule};
use super::{Context, Draft, excerpt, shapes, words};
use crate::evidence::{self, Conflict, Group, Hit};
use crate::plan::Filter;

/// The newest or the oldest; as many as were asked.
pub(super) fn at_end<'c>(context: Context<'c>, group: &Group<'c>, first: bool, draft: &mut Draft<'c>) {
    if context.plan.limit.is_some_and(|limit| limit > 1) {
        for hit in group.hits.iter().rev().take(shapes::LISTED) {
            item(context, hit, group, draft);
        }
        return;
    }
    let mut shown: Vec<Hit<'c>> =
        if first { shapes::oldest(&group.hits, context) } else { shapes::newest(&group.hits, context) }.to_vec();
    for conflict in &group.conflicts {
        if let Conflict::Unchanging(one, other) = conflict {
            shown = vec![*one, *other];
        }
    }
    if let [hit] = shown.as_slice() {
        let (english, korean) =
            if first { ("The first recorded ", "기록상 첫 ") } else { ("The latest ", "가장 최근 ") };
        draft.sentences.push(stated(context, hit, group, english, korean));
        return;
    }
    for hit in shown.iter().rev().take(shapes::LISTED) {
        item(context, hit, group, draft);
    }
}

fn item<'c>(context: Context<'c>, hit: &Hit<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let mut line = Line::new(context);
    line::push(&mut line, context, hit, group.subject);
    draft.sentences.push(line.item(group.subject));
}

/// `The latest HbA1c is 7.1% (2024-03-12).` / `가장 최근 당화혈색소는 7.1%입니다(2024-03-12).`
fn stated<'c>(
    context: Context<'c>,
    hit: &Hit<'c>,
    group: &Group<'c>,
    english: &str,
    korean: &str,
) -> super::sentence::Sentence<'c> {
    let mut line = Line::new(context);
    line.say(english, korean);
    let values = hit.values();
    if values.is_empty() {
        let kind = words::kind(hit.entry.kind, context.language());
        line.part(Part::one(kind, super::sentence::Cite::title(hit.entry)));
        line.particle(Particle::Topic).say(" is ", " ");
        line.part(line::label_part(context, hit, group.subject)).say("", "입니다");
        line.brackets(line::event_details(context, hit.entry));
        if let Some(text) = hit.entry.texts.first().filter(|_| matches!(hit.entry.kind, Kind::Report | Kind::Imaging)) {
            line.say(": ", ": ").part(line::quote_part(hit.entry, text, excerpt::cut(&text.text)));
        }
    } else {
        line.part(line::label_part(context, hit, group.subject));
        let has_value = values.iter().any(|value| !value.text.is_empty());
        if has_value {
            line.particle(Particle::Topic).say(" is ", " ");
        } else {
            line.say(": ", ": ");
        }
        for part in line::value_parts(context, hit) {
            line.part(part);
        }
        if has_value {
            line.say("", "입니다");
        }
        line.brackets(line::value_details(context, hit, true));
    }
    line.say(".", ".");
    line.sentence(group.subject)
}

/// Yes with its witness: the newest of each name, and since when.
pub(super) fn whether<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let sure = |hit: &Hit<'_>| {
        hit.qualified.is_none()
            && hit.said.is_none()
            && !matches!(hit.entry.kind, Kind::FamilyHistory | Kind::Planned | Kind::Appointment)
    };
    let yes = group.hits.iter().any(sure);
    let named = line::by_name(&group.hits);
    let mut ordered: Vec<&Hit<'c>> = Vec::new();
    for (_, hits) in named.iter().rev() {
        ordered.extend(shapes::newest(hits, context).iter().take(3));
    }
    // What answers plainly stands before what only comes near.
    ordered.sort_by_key(|hit| !sure(hit));
    let several = ordered.len() > 1;
    for (index, hit) in ordered.iter().take(shapes::LISTED).enumerate() {
        let mut line = Line::new(context);
        if index == 0 && yes {
            let word = context.say("Yes", "예");
            line.part(Part::all(word, shapes::cites(&[**hit])).with(Rule::Yes, word));
            line.say(": ", ", ");
        } else if !yes && index == 0 {
            line.say("Recorded: ", "기록: ");
        }
        line::push(&mut line, context, hit, group.subject);
        let line = if several { line.item(group.subject) } else { line.say(".", ".").sentence(group.subject) };
        draft.sentences.push(line);
    }
    if let ([(_, hits)], false) = (named.as_slice(), several)
        && let (Some(first), Some(last)) = (shapes::oldest(hits, context).first(), hits.last())
        && first.entry.source != last.entry.source
    {
        draft.sentences.push(stated(context, first, group, "The first recorded ", "기록상 첫 "));
    }
}

/// Asked whether it is so now, and only entries that are over were found.
pub(super) fn no_longer<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let mut line = Line::new(context);
    let phrase = context.say("Not recorded as active now", "현재 활성으로 기록된 것은 없습니다");
    line.part(Part::all(phrase, shapes::cites(&group.other_state)).with(Rule::NoneActive, phrase));
    line.say("; the latest entry is ", ". 가장 최근 기록: ");
    for (index, hit) in shapes::newest(&group.other_state, context).iter().take(3).enumerate() {
        if index > 0 {
            line.say("; ", "; ");
        }
        line::push(&mut line, context, hit, group.subject);
    }
    for part in shapes::reservations(context, &group.other_state) {
        line.part(part);
    }
    line.say(".", ".");
    draft.sentences.push(line.sentence(group.subject));
}

/// Values are there, none satisfies the condition: the one that came nearest shows how near.
pub(super) fn none_passes<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let Some(filter) = group.filter else { return };
    let count = group.failing.len().to_string();
    let cites = shapes::cites(&group.failing);
    let (condition, asked) = condition(context, filter);
    let phrase = if context.is_korean() {
        format!("기록된 값 {count}개 중 {condition} 값은 없습니다")
    } else {
        let values = if group.failing.len() == 1 { "value" } else { "values" };
        format!("Of {count} recorded {values} none is {condition}")
    };
    let mut line = Line::new(context);
    let mut part = Part::all(phrase.clone(), cites).with(Rule::NonePasses(filter), phrase).with(Rule::Entries, count);
    if let Some(asked) = asked {
        part = part.with(Rule::Asked, asked);
    }
    line.part(part);
    line.part(shapes::window(context, &shapes::cites(&group.failing)));
    for part in shapes::reservations(context, &group.failing) {
        line.part(part);
    }
    let nearest = nearest(context, group, filter).or_else(|| group.failing.last());
    if let Some(hit) = nearest {
        line.say("; closest: ", ". 가장 가까운 값: ");
        line::push(&mut line, context, hit, group.subject);
    }
    line.say(".", ".");
    draft.sentences.push(line.sentence(group.subject));
}

fn nearest<'g, 'c>(context: Context<'_>, group: &'g Group<'c>, filter: Filter) -> Option<&'g Hit<'c>> {
    let number = |hit: &&Hit<'_>| {
        let value = hit.value?;
        let asked = context.plan.filter_unit.as_deref().and_then(|unit| evidence::convert(hit.entry, value, unit));
        asked.map(|converted| converted.number).or(value.number)
    };
    let by = |a: &&Hit<'_>, b: &&Hit<'_>| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal);
    match filter {
        Filter::Above(..) => group.failing.iter().filter(|hit| number(hit).is_some()).max_by(by),
        Filter::Below(..) => group.failing.iter().filter(|hit| number(hit).is_some()).min_by(by),
        _ => None,
    }
}

/// The condition in words, and the number in it that the question gave.
pub(super) fn condition(context: Context<'_>, filter: Filter) -> (String, Option<String>) {
    let word = |english: &str, korean: &str| (context.say(english, korean).to_owned(), None);
    let bound = |bound: f64, english: &str, korean: &str| {
        let bound = bound.to_string();
        let unit = match context.plan.filter_unit.as_deref() {
            Some("%") => "%".to_owned(),
            Some(unit) => format!(" {unit}"),
            None => String::new(),
        };
        let text =
            if context.is_korean() { format!("{bound}{unit} {korean}") } else { format!("{english} {bound}{unit}") };
        (text, Some(bound))
    };
    match filter {
        Filter::Abnormal => word("abnormal", "이상인"),
        Filter::Normal => word("normal", "정상인"),
        Filter::High => word("high", "높은"),
        Filter::Low => word("low", "낮은"),
        Filter::Positive => word("positive", "양성인"),
        Filter::Negative => word("negative", "음성인"),
        Filter::Above(number, false) => bound(number, "above", "초과인"),
        Filter::Above(number, true) => bound(number, "at or above", "이상인"),
        Filter::Below(number, false) => bound(number, "below", "미만인"),
        Filter::Below(number, true) => bound(number, "at or below", "이하인"),
    }
}

/// The subject stands in no entry of its own, but in texts: they are quoted, newest first.
pub(super) fn mentioned<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let limit = context.plan.limit.unwrap_or(5).min(shapes::LISTED);
    for hit in group.hits.iter().rev().take(limit) {
        let mut line = Line::new(context);
        line.say("Mentioned in ", "기록지 언급: ");
        line::push(&mut line, context, hit, None);
        draft.sentences.push(line.item(None));
    }
    let rest = group.hits.len().saturating_sub(limit);
    if rest > 0 && context.plan.limit.is_none() {
        draft.warn(if context.is_korean() {
            format!("언급이 {rest}건 더 있으며 최근 {limit}건만 인용했습니다.")
        } else {
            format!("{rest} older mentions are not quoted; the newest {limit} are.")
        });
    }
}
