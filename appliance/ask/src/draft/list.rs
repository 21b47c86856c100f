//! Which, each with its status and date. A name stands once, with every entry of it.

use super::line::{self, Line};
use super::sentence::{Cite, Part, Rule};
use super::{Context, Draft, moment, series, shapes, words};
use crate::evidence::{Group, Hit};
use crate::plan::Pick;

/// Earlier entries of one name whose dates are shown; more of them are counted.
const EARLIER: usize = 5;

/// Lists the evidence of one subject.
pub(super) fn list<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let hits = shapes::picked(context, &group.hits, Pick::All);
    if hits.is_empty() {
        return;
    }
    // Values of what was asked by name, or that meet a condition, are wanted one by one.
    let measured = hits.iter().all(|hit| !hit.values().is_empty());
    if measured && (group.subject.is_some() || group.filter.is_some()) {
        return series::all(context, group, hits, draft);
    }
    let mut named = line::by_name(hits);
    let zone = &context.setting.zone;
    named.sort_by_key(|(_, same)| same.last().map(|hit| moment::order(hit.entry, zone)));
    named.reverse();
    if named.len() > 1 {
        draft.sentences.push(header(context, group, hits, named.len()));
    }
    let several = named.len() > 1;
    for (_, same) in named.iter().take(shapes::LISTED) {
        let mut line = Line::new(context);
        one_name(&mut line, context, group, same);
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
    let unlisted: Vec<Hit<'c>> = named.iter().skip(shapes::LISTED).flat_map(|(_, same)| same.iter().copied()).collect();
    shapes::rest(context, &unlisted, draft);
}

/// `4 active problems are recorded:` / `활성 진단 기록은 총 4건입니다:`
fn header<'c>(
    context: Context<'c>,
    group: &Group<'c>,
    hits: &[Hit<'c>],
    names: usize,
) -> super::sentence::Sentence<'c> {
    let entries = shapes::entries(hits);
    let count = entries.to_string();
    let kind = words::kinds(&shapes::kinds(hits), entries, context.language());
    let cites: Vec<Cite<'c>> = hits.iter().map(|hit| Cite::title(hit.entry)).collect();
    let mut line = Line::new(context);
    let counted = |text: String| Part::all(text, cites.clone()).with(Rule::Entries, count.clone());
    if context.is_korean() {
        line.part(counted(format!("{kind} 기록은 총 {count}건입니다")));
    } else {
        line.part(counted(format!("{count} {kind} are recorded")));
    }
    line.part(shapes::window(context, &cites));
    if names < entries {
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
    line.say(":", ":");
    line.sentence(group.subject)
}

/// The newest entry in full, the earlier ones by date and status.
fn one_name<'c>(line: &mut Line<'c>, context: Context<'c>, group: &Group<'c>, same: &[Hit<'c>]) {
    let Some((newest, earlier)) = same.split_last() else { return };
    line::push(line, context, newest, group.subject);
    if earlier.is_empty() {
        return;
    }
    if earlier.len() > EARLIER {
        let count = earlier.len().to_string();
        let text =
            if context.is_korean() { format!("; 이전 {count}건") } else { format!("; {count} earlier entries") };
        line.part(Part::all(text, shapes::cites(earlier)).with(Rule::Entries, count));
        if let Some(first) = earlier.first() {
            line.say(", the first ", ", 최초 ");
            for part in line::date_parts(context, first.entry) {
                line.part(part);
            }
        }
        for part in shapes::reservations(context, earlier) {
            line.part(part);
        }
        return;
    }
    line.say("; earlier: ", "; 이전: ");
    for (index, hit) in earlier.iter().rev().enumerate() {
        if index > 0 {
            line.say(", ", ", ");
        }
        for part in line::date_parts(context, hit.entry) {
            line.part(part);
        }
        for part in line::state_parts(context, hit.entry) {
            line.say(" ", " ");
            line.part(part);
        }
        if !hit.values().is_empty() {
            line.say(" ", " ");
            for part in line::value_parts(context, hit) {
                line.part(part);
            }
        }
    }
}
