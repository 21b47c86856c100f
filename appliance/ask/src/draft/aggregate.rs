//! What is computed from values: trend, change, extremes, mean, count. Values of different things are never put into one
//! computation, values in different units only where they convert, and then both are shown; every value that went in is
//! cited, and the sentence says that it was computed.

use haechi_record::chart::Measured;

use super::korean::Particle;
use super::line::{self, Line};
use super::sentence::{Cite, Direction, Part, Rule, quantity};
use super::{Context, Draft, series, shapes, single, words};
use crate::evidence::{self, Group, Hit};
use crate::plan::{Filter, Language};

/// Lines shown beneath a count; beyond, a list is asked for.
const COUNT_LISTS: usize = 10;

/// Values of one thing in units that convert, oldest first. With comparators (`<5`) only where `open` allows: a mean cannot
/// hold them.
fn numeric<'c>(hits: &[Hit<'c>], open: bool) -> Vec<Vec<Hit<'c>>> {
    let mut sets: Vec<Vec<Hit<'c>>> = Vec::new();
    for hit in hits {
        for value in hit.values() {
            if value.number.is_none() || (!open && value.comparator.is_some()) {
                continue;
            }
            let hit = Hit { value: Some(value), ..*hit };
            let same = |set: &&mut Vec<Hit<'c>>| {
                set.first()
                    .and_then(|first| Some((first.entry, first.value?)))
                    .is_some_and(|first| evidence::comparable(first, (hit.entry, value)))
            };
            match sets.iter_mut().find(same) {
                Some(set) => set.push(hit),
                None => sets.push(vec![hit]),
            }
        }
    }
    sets
}

/// The values of a set in the unit of its last one.
fn in_one_unit(hits: &[Hit<'_>]) -> Option<Vec<Measured>> {
    let values: Vec<_> = hits.iter().filter_map(|hit| Some((hit.entry, hit.value?))).collect();
    evidence::in_one_unit(&values)
}

/// The unit of the last value.
fn unit_of<'h>(hits: &'h [Hit<'_>]) -> Option<&'h str> {
    hits.last().and_then(|hit| hit.value).map(|value| value.unit.as_str())
}

fn decimals(value: &Measured) -> usize {
    value.text.split_once('.').map_or(0, |(_, fraction)| fraction.len()).min(6)
}

/// The mean of numbers, rounded to one decimal more than the most precise of them has, at most two: a mean of readings is
/// not more precise than that.
pub(crate) fn mean(values: &[Measured]) -> Option<String> {
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.number).collect();
    if numbers.is_empty() || numbers.len() != values.len() {
        return None;
    }
    let precision = values.iter().map(decimals).max().unwrap_or(0).min(1) + 1;
    Some(round(numbers.iter().sum::<f64>() / numbers.len() as f64, precision))
}

/// How far two values are apart, without sign, as precise as the more precise of them.
pub(crate) fn difference(one: &Measured, other: &Measured) -> Option<String> {
    Some(round((other.number? - one.number?).abs(), decimals(one).max(decimals(other)).min(3)))
}

fn round(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The word for a direction.
pub(crate) fn direction_word(direction: Direction, language: Language) -> &'static str {
    match direction {
        Direction::Rose => words::pick(language, "rose", "상승했습니다"),
        Direction::Fell => words::pick(language, "fell", "하락했습니다"),
        Direction::Same => words::pick(language, "stayed the same", "변화가 없습니다"),
    }
}

fn direction(from: f64, to: f64) -> Direction {
    if to > from {
        Direction::Rose
    } else if to < from {
        Direction::Fell
    } else {
        Direction::Same
    }
}

/// Where it went from first to last, then all values.
pub(super) fn trend<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let mut any = false;
    for hits in numeric(&group.hits, true) {
        if let ([first, ..], Some(last)) = (hits.as_slice(), hits.last())
            && hits.len() > 1
            && let Some(sentence) = moved(context, group, first, last, &hits)
        {
            draft.sentences.push(sentence);
            any = true;
        }
    }
    if !any && group.hits.len() == 1 {
        draft.warn(
            context
                .say("Only one value is recorded; a trend needs two.", "값이 하나만 기록되어 추세를 말할 수 없습니다.")
                .to_owned(),
        );
    }
    series::all(context, group, &group.hits, draft);
}

/// The newest against the one before, or against the first of the period.
pub(super) fn change<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    series::units(context, &group.hits, draft);
    let whole_period = context.plan.window.is_some() || context.plan.anchor.is_some() || context.plan.limit.is_some();
    let mut any = false;
    for hits in numeric(&group.hits, true) {
        let earlier = if whole_period { hits.first() } else { hits.iter().rev().nth(1) };
        if let (Some(earlier), Some(last)) = (earlier, hits.last())
            && hits.len() > 1
        {
            let pair = [*earlier, *last];
            draft.sentences.extend(moved(context, group, earlier, last, &pair));
            any = true;
        }
    }
    if !any {
        draft.warn(
            context
                .say("Only one value is recorded; a change needs two.", "값이 하나만 기록되어 변화를 말할 수 없습니다.")
                .to_owned(),
        );
        single::at_end(context, group, false, draft);
    }
}

/// `HbA1c rose from 6.5% (2023-01-02) to 7.1% (2024-03-12), by 0.6 (computed from 5 values).`
/// `당화혈색소는 6.5%(2023-01-02)에서 7.1%(2024-03-12)로 상승했습니다(차이 0.6, 값 5개로 계산).`
fn moved<'c>(
    context: Context<'c>,
    group: &Group<'c>,
    first: &Hit<'c>,
    last: &Hit<'c>,
    all: &[Hit<'c>],
) -> Option<super::sentence::Sentence<'c>> {
    let [from, to] = <[Measured; 2]>::try_from(in_one_unit(&[*first, *last])?).ok()?;
    let direction = direction(from.number?, to.number?);
    let word = direction_word(direction, context.language());
    let apart = difference(&from, &to)?;
    let unit = Some(to.unit.as_str());
    let ends = || shapes::cites(&[*first, *last]);
    let went = Part::all(word, ends()).with(Rule::Direction(direction), word);
    let by = |text: String| Part::all(text, ends()).with(Rule::Difference, apart.clone());
    let count = all.len().to_string();
    let counted = |text: String| Part::all(text, shapes::cites(all)).with(Rule::Entries, count.clone());
    let mut line = Line::new(context);
    let label = line::label_part(context, last, group.subject);
    if context.is_korean() {
        line.part(label).particle(Particle::Topic).say("", " ");
        end(&mut line, context, first, unit);
        line.say("", "에서 ");
        end(&mut line, context, last, unit);
        line.particle(Particle::Toward).say("", " ").part(went);
        line.part(by(format!("(차이 {apart}, "))).part(counted(format!("값 {count}개로 계산)")));
    } else {
        line.part(label).say(" ", "").part(went).say(" from ", "");
        end(&mut line, context, first, unit);
        line.say(" to ", "");
        end(&mut line, context, last, unit);
        line.part(by(format!(", by {apart}"))).part(counted(format!(" (computed from {count} values)")));
    }
    for part in shapes::reservations(context, all) {
        line.part(part);
    }
    line.say(".", ".");
    Some(line.sentence(group.subject))
}

fn values(count: usize) -> &'static str {
    if count == 1 { "value" } else { "values" }
}

/// `6.5% (2023-01-02)`
fn end<'c>(line: &mut Line<'c>, context: Context<'c>, hit: &Hit<'c>, unit: Option<&str>) {
    for part in line::value_parts(context, hit).into_iter().chain(line::converted_part(hit, unit)) {
        line.part(part);
    }
    let mut details = line::date_parts(context, hit.entry);
    details.extend(line::state_parts(context, hit.entry));
    line.brackets(details);
}

/// The greatest or smallest, every day it was reached, among how many.
pub(super) fn extreme<'c>(context: Context<'c>, group: &Group<'c>, greatest: bool, draft: &mut Draft<'c>) {
    series::units(context, &group.hits, draft);
    let mut any = false;
    for hits in numeric(&group.hits, true) {
        let Some(measured) = in_one_unit(&hits) else { continue };
        let numbers: Vec<f64> = measured.iter().filter_map(|value| value.number).collect();
        let best = numbers.iter().copied().reduce(|a, b| if greatest { a.max(b) } else { a.min(b) });
        let Some(best) = best else { continue };
        let (tied, others): (Vec<_>, Vec<_>) = hits.iter().zip(numbers).partition(|(_, number)| *number == best);
        let plain = |hits: Vec<(&Hit<'c>, f64)>| hits.into_iter().map(|(hit, _)| *hit).collect::<Vec<Hit<'c>>>();
        let (tied, others) = (plain(tied), plain(others));
        let rule = if greatest { Rule::Greatest } else { Rule::Smallest };
        let count = hits.len().to_string();
        for hit in tied.iter().rev().take(shapes::LISTED) {
            any = true;
            // The extreme one first: the gate compares it with all the others.
            let ranked: Vec<Hit<'c>> = std::iter::once(*hit)
                .chain(tied.iter().filter(|t| t.entry.source != hit.entry.source).copied())
                .chain(others.iter().copied())
                .collect();
            let word =
                context.say(if greatest { "highest" } else { "lowest" }, if greatest { "최고값" } else { "최저값" });
            let superlative = |text: String| Part::all(text, shapes::cites(&ranked)).with(rule.clone(), word);
            let mut line = Line::new(context);
            let label = line::label_part(context, hit, group.subject);
            if context.is_korean() {
                line.part(label).part(superlative(format!(" {word}"))).particle(Particle::Topic).say("", " ");
            } else {
                line.say("The ", "").part(superlative(format!("{word} "))).part(label).say(" is ", "");
            }
            let converted = line::converted_part(hit, unit_of(&hits));
            for part in line::value_parts(context, hit).into_iter().chain(converted) {
                line.part(part);
            }
            line.say("", "입니다");
            let mut details = line::value_details(context, hit, true);
            let of = if context.is_korean() {
                format!("값 {count}개 중")
            } else {
                format!("of {count} {}", values(hits.len()))
            };
            details.push(Part::all(of, shapes::cites(&hits)).with(Rule::Entries, count.clone()));
            line.brackets(details);
            for part in shapes::reservations(context, &hits) {
                line.part(part);
            }
            line.say(".", ".");
            draft.sentences.push(line.sentence(group.subject));
        }
    }
    if !any {
        // Words have no greatest: all are shown.
        series::all(context, group, &group.hits, draft);
    }
}

/// `The mean HbA1c is 6.87% (computed from 3 values, 2023-01-02 to 2024-03-12).`
pub(super) fn average<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    series::units(context, &group.hits, draft);
    let mut used = 0;
    for hits in numeric(&group.hits, false) {
        let Some(measured) = in_one_unit(&hits) else { continue };
        let (Some(mean), Some(first), Some(last)) = (mean(&measured), hits.first(), hits.last()) else { continue };
        let Some(value) = last.value else { continue };
        used += hits.len();
        let count = hits.len().to_string();
        let shown = quantity(&Measured { text: mean.clone(), comparator: None, ..value.clone() });
        let all = || shapes::cites(&hits);
        let mut line = Line::new(context);
        let label = line::label_part(context, last, group.subject);
        let computed = Part::all(shown, all()).with(Rule::Mean, mean);
        if context.is_korean() {
            line.part(label).say("", " 평균은 ").part(computed).say("", "입니다");
        } else {
            line.say("The mean ", "").part(label).say(" is ", "").part(computed);
        }
        let from = if context.is_korean() {
            format!("값 {count}개로 계산")
        } else {
            format!("computed from {count} {}", values(hits.len()))
        };
        let mut details = vec![Part::all(from, all()).with(Rule::Entries, count)];
        let mut dates = line::date_parts(context, first.entry);
        if first.entry.source != last.entry.source {
            let joint = context.say(" to ", "~");
            dates.extend(line::date_parts(context, last.entry).into_iter().map(|mut part| {
                part.text.insert_str(0, joint);
                part
            }));
        }
        let dates = Part::all(
            dates.iter().map(|part| part.text.as_str()).collect::<String>(),
            dates.into_iter().flat_map(|part| part.cites).collect(),
        );
        details.push(dates);
        line.brackets(details);
        for part in shapes::reservations(context, &hits) {
            line.part(part);
        }
        line.say(".", ".");
        draft.sentences.push(line.sentence(group.subject));
    }
    let left =
        group.hits.iter().flat_map(Hit::values).filter(|value| !value.text.is_empty()).count().saturating_sub(used);
    if used == 0 {
        draft.warn(
            context
                .say("No mean can be computed from these entries.", "이 기록으로는 평균을 계산할 수 없습니다.")
                .to_owned(),
        );
        series::all(context, group, &group.hits, draft);
    } else if left > 0 {
        draft.warn(if context.is_korean() {
            format!("숫자가 아니거나 부등호가 있는 값 {left}개는 평균에서 제외했습니다.")
        } else {
            format!("{left} values that are no plain numbers are left out of the mean.")
        });
    }
}

/// `5 encounters are recorded between ...`, and which, if they are few.
pub(super) fn count<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let hits = &group.hits;
    let entries = shapes::entries(hits);
    let count = entries.to_string();
    let names = line::by_name(hits).len();
    let cites: Vec<Cite<'c>> = hits.iter().map(|hit| Cite::title(hit.entry)).collect();
    let kind = words::kinds(&shapes::kinds(hits), entries, context.language());
    let counted = |text: String| Part::all(text, cites.clone()).with(Rule::Entries, count.clone());
    let subject = group.subject.map(|subject| series::said(context, subject));
    let mut line = Line::new(context);
    if context.is_korean() {
        if let Some(subject) = subject {
            line.part(Part::all(format!("{subject} "), cites.clone()));
        }
        line.part(counted(format!("{kind} 기록은 총 {count}건입니다")));
    } else {
        line.part(counted(format!("{count} {kind}")));
        if let Some(subject) = subject {
            line.part(Part::all(format!(" for {subject}"), cites.clone()));
        }
        line.say(if entries == 1 { " is recorded" } else { " are recorded" }, "");
    }
    line.part(shapes::window(context, &cites));
    if let Some(filter) = group.filter {
        line.part(passing(context, group, filter));
    }
    if names < entries && names > 1 && group.subject.is_none() {
        let names = names.to_string();
        let text = if context.is_korean() {
            format!(", 이름이 다른 것은 {names}가지입니다")
        } else {
            format!(", of {names} different names")
        };
        line.part(Part::all(text, shapes::cites(hits)).with(Rule::Names, names));
    }
    for part in shapes::reservations(context, hits) {
        line.part(part);
    }
    line.say(" (counted).", " (집계).");
    draft.sentences.push(line.sentence(group.subject));
    if hits.len() <= COUNT_LISTS {
        for hit in hits.iter().rev() {
            let mut line = Line::new(context);
            line::push(&mut line, context, hit, group.subject);
            draft.sentences.push(line.item(group.subject));
        }
    }
}

/// The condition that the counted values satisfy.
fn passing<'c>(context: Context<'c>, group: &Group<'c>, filter: Filter) -> Part<'c> {
    let (text, asked) = single::condition(context, filter);
    let text = if context.is_korean() { format!(", {text} 값") } else { format!(", {text}") };
    let mut part = Part::all(text.clone(), shapes::cites(&group.hits)).with(Rule::AllPass(filter), text);
    if let Some(asked) = asked {
        part = part.with(Rule::Asked, asked);
    }
    part
}
