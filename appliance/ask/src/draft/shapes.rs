//! What each kind of question gets: which of the found entries are shown, and what is computed from them.

use haechi_record::chart::{Entry, Kind, Measured};

use super::sentence::{Cite, Computed, Direction, Of, Part, Rule, Sentence};
use super::{Context, Draft, absence, line, moment, span, words};
use crate::evidence::{Group, Hit};
use crate::plan::{Attribute, Edge, Filter, Language, Pick, Shape};

/// Lines of a list that are shown; the rest is counted.
const LISTED: usize = 60;

/// Words one subject's evidence.
pub(super) fn group<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let before = draft.sentences.len();
    if group.hits.is_empty() {
        nothing(context, group, draft);
    } else {
        found(context, group, draft);
    }
    if draft.sentences.len() == before && draft.missing.is_empty() {
        draft.missing.push(absence::not_found(context, group));
    }
    if let Some(withdrawn) = absence::withdrawn(context, group) {
        draft.warnings.push(withdrawn);
    }
}

fn nothing<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    if let (false, Some(filter)) = (group.failing.is_empty(), filter_of(context, group)) {
        draft.sentences.push(none_passes(context, group, filter));
        return;
    }
    if let Some(entry) = group.nothing_known.last() {
        draft.sentences.push(nothing_known(context, entry));
        return;
    }
    draft.missing.push(absence::not_found(context, group));
}

fn filter_of(context: Context<'_>, group: &Group<'_>) -> Option<Filter> {
    group.subject.and_then(|subject| subject.filter).or(context.plan.filter)
}

/// A recorded statement of absence is an answer, and not the same as finding nothing.
fn nothing_known<'c>(context: Context<'c>, entry: &'c Entry) -> Sentence<'c> {
    let hit = Hit { entry, value: None, qualified: None };
    let mut parts = vec![connecting(context.say("Recorded: ", "기록됨: "))];
    parts.extend(line::parts(context, &hit));
    parts.push(connecting("."));
    Sentence::of(parts, None)
}

/// Values are there, none satisfies the condition: the extreme one shows how near it came.
fn none_passes<'c>(context: Context<'c>, group: &Group<'c>, filter: Filter) -> Sentence<'c> {
    let count = group.failing.len();
    let cites: Vec<Cite<'c>> = group.failing.iter().filter_map(value_cite).collect();
    let text = match context.language() {
        Language::En => format!("No: of {count} recorded values none meets the condition; the latest is "),
        Language::Ko => format!("아니요: 기록된 값 {count}개 중 조건에 해당하는 값은 없습니다. 가장 최근 값은 "),
    };
    let part = Part::all(text, cites).with(Rule::Entries, count.to_string()).with(Rule::NonePasses(filter), "");
    let mut parts = vec![part];
    if let Some(last) = group.failing.last() {
        parts.extend(line::parts(context, last));
    }
    parts.push(connecting(context.say(".", "입니다.")));
    Sentence::of(parts, group.subject)
}

fn found<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let hits = &group.hits;
    match context.plan.shape {
        Shape::Latest => moment_of(context, group, false, draft),
        Shape::First => moment_of(context, group, true, draft),
        Shape::Series => series(context, group, draft),
        Shape::Trend => {
            trend(context, group, draft);
            series(context, group, draft);
        }
        Shape::Highest => extreme(context, group, true, draft),
        Shape::Lowest => extreme(context, group, false, draft),
        Shape::Average => average(context, group, draft),
        Shape::Change => change(context, group, draft),
        Shape::Count => count(context, group, draft),
        Shape::When => picked_lines(context, group, draft, None),
        Shape::Duration | Shape::Since => durations(context, group, draft),
        Shape::AgeAt => ages(context, group, draft),
        Shape::Attribute => attribute(context, group, draft),
        Shape::Whether => whether(context, group, draft),
        Shape::List | Shape::Summary | Shape::Demographic => list(context, hits, group, draft),
    }
}

/// The entries that the plan picks: one end in time, or all.
fn picked<'h, 'c>(context: Context<'_>, hits: &'h [Hit<'c>], default: Pick) -> &'h [Hit<'c>] {
    match context.plan.pick.unwrap_or(default) {
        Pick::Newest => newest(hits, context),
        Pick::Oldest => oldest(hits, context),
        Pick::Next => {
            let today = context.today();
            let zone = &context.setting.zone;
            let coming = |hit: &Hit<'_>| moment::order(hit.entry, zone).0.is_some_and(|day| day >= today);
            match hits.iter().position(coming) {
                Some(at) => hits.get(at..=at).unwrap_or_default(),
                None => &[],
            }
        }
        Pick::All => hits,
    }
}

/// Every hit of the newest moment: two results of one moment that differ are both shown.
fn newest<'h, 'c>(hits: &'h [Hit<'c>], context: Context<'_>) -> &'h [Hit<'c>] {
    let key = |hit: &Hit<'_>| moment::order(hit.entry, &context.setting.zone);
    let Some(last) = hits.last().map(key) else { return hits };
    let from = hits.iter().position(|hit| key(hit) == last).unwrap_or(0);
    hits.get(from..).unwrap_or(hits)
}

/// The dated hits of the oldest moment.
fn oldest<'h, 'c>(hits: &'h [Hit<'c>], context: Context<'_>) -> &'h [Hit<'c>] {
    let key = |hit: &Hit<'_>| moment::order(hit.entry, &context.setting.zone);
    let from = hits.iter().position(|hit| key(hit).0.is_some()).unwrap_or(0);
    let Some(first) = hits.get(from).map(key) else { return hits };
    let until = hits.iter().rposition(|hit| key(hit) == first).unwrap_or(from);
    hits.get(from..=until).unwrap_or(hits)
}

fn moment_of<'c>(context: Context<'c>, group: &Group<'c>, first: bool, draft: &mut Draft<'c>) {
    let limit = context.plan.limit.unwrap_or(1);
    let shown: Vec<Hit<'c>> = if limit > 1 {
        group.hits.clone()
    } else if first {
        oldest(&group.hits, context).to_vec()
    } else {
        newest(&group.hits, context).to_vec()
    };
    let mut shown = shown;
    shown.dedup_by(|a, b| a.entry.source == b.entry.source && a.value.map(|value| &value.path) == b.value.map(|value| &value.path));
    warn_of_conflict(context, &shown, limit, draft);
    let lead = match (first, limit > 1 || shown.len() > 1) {
        (false, false) => context.say("Latest: ", "가장 최근: "),
        (true, false) => context.say("First: ", "최초: "),
        _ => "",
    };
    for hit in shown.iter().rev() {
        push_line(context, lead, hit, group, limit > 1 || shown.len() > 1, draft);
    }
}

/// Several values for one thing at one moment.
fn warn_of_conflict(context: Context<'_>, shown: &[Hit<'_>], limit: usize, draft: &mut Draft<'_>) {
    let values: Vec<&Measured> = shown.iter().filter_map(|hit| hit.value).collect();
    let differ = values.iter().any(|value| values.first().is_some_and(|first| first.name == value.name && first.text != value.text));
    if limit == 1 && shown.len() > 1 && differ {
        draft.warnings.push(
            context
                .say(
                    "The record holds conflicting entries for the same time; all are shown.",
                    "같은 시각에 서로 다른 기록이 있어 모두 표시했습니다.",
                )
                .to_owned(),
        );
    }
}

fn push_line<'c>(context: Context<'c>, lead: &str, hit: &Hit<'c>, group: &Group<'c>, item: bool, draft: &mut Draft<'c>) {
    let mut parts = Vec::new();
    if !lead.is_empty() {
        parts.push(connecting(lead));
    }
    parts.extend(line::parts(context, hit));
    draft.sentences.push(if item {
        Sentence::item(parts, group.subject)
    } else {
        parts.push(connecting("."));
        Sentence::of(parts, group.subject)
    });
}

fn series<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    warn_of_units(context, &group.hits, draft);
    for hit in group.hits.iter().rev().take(LISTED) {
        push_line(context, "", hit, group, true, draft);
    }
    warn_of_rest(context, group.hits.len(), draft);
}

fn warn_of_units(context: Context<'_>, hits: &[Hit<'_>], draft: &mut Draft<'_>) {
    let mut units: Vec<&str> = hits.iter().filter_map(|hit| hit.value).map(|value| value.unit.as_str()).collect();
    units.sort_unstable();
    units.dedup();
    if units.len() > 1 {
        let units = units.iter().map(|unit| if unit.is_empty() { "-" } else { unit }).collect::<Vec<_>>().join(", ");
        draft.warnings.push(match context.language() {
            Language::En => format!("Values are recorded in different units ({units}) and are not converted."),
            Language::Ko => format!("단위가 서로 다르게 기록되어 있으며({units}) 변환하지 않았습니다."),
        });
    }
}

fn warn_of_rest(context: Context<'_>, count: usize, draft: &mut Draft<'_>) {
    let rest = count.saturating_sub(LISTED);
    if rest > 0 {
        draft.warnings.push(match context.language() {
            Language::En => format!("{count} entries were found; the newest {LISTED} are shown, {rest} older ones are not."),
            Language::Ko => format!("{count}개 중 최근 {LISTED}개를 표시했으며 이전 {rest}개는 표시하지 않았습니다."),
        });
    }
}

/// Hits with numbers in the unit of the newest one, by component name.
fn numeric<'c>(hits: &[Hit<'c>]) -> Vec<(String, Vec<Hit<'c>>)> {
    let mut named: Vec<(String, Vec<Hit<'c>>)> = Vec::new();
    for hit in hits {
        let values: Vec<&'c Measured> = match hit.value {
            Some(value) => vec![value],
            None => hit.entry.values.iter().collect(),
        };
        for value in values.into_iter().filter(|value| value.number.is_some()) {
            let hit = Hit { value: Some(value), ..*hit };
            match named.iter_mut().find(|(name, _)| *name == value.name) {
                Some((_, same)) => same.push(hit),
                None => named.push((value.name.clone(), vec![hit])),
            }
        }
    }
    for (_, hits) in &mut named {
        let unit = hits.last().and_then(|hit| hit.value).map(|value| value.unit.clone()).unwrap_or_default();
        hits.retain(|hit| hit.value.is_some_and(|value| value.unit == unit));
    }
    named
}

fn value_cite<'c>(hit: &Hit<'c>) -> Option<Cite<'c>> {
    Some(Cite::value(hit.entry, hit.value?))
}

fn trend<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    for (_, hits) in numeric(&group.hits) {
        let (Some(first), Some(last)) = (hits.first(), hits.last()) else { continue };
        if hits.len() < 2 {
            continue;
        }
        let (Some(from), Some(to)) = (first.value.and_then(|value| value.number), last.value.and_then(|value| value.number)) else { continue };
        let direction = if to > from {
            Direction::Rose
        } else if to < from {
            Direction::Fell
        } else {
            Direction::Same
        };
        let word = direction_word(direction, context.language());
        let cites = [first, last].into_iter().filter_map(value_cite).collect();
        let count = hits.len().to_string();
        let text = match context.language() {
            Language::En => format!("Over {count} values it {word} (first to last, computed): "),
            Language::Ko => format!("{count}개 값에서 처음에 비해 마지막 값이 {word} (계산): "),
        };
        let all: Vec<Cite<'c>> = hits.iter().filter_map(value_cite).collect();
        let counted = Part::all(text, all).with(Rule::Entries, count);
        let mut parts = vec![counted];
        parts.push(Part::all("", cites).with(Rule::Direction(direction), word));
        parts.extend(line::parts(context, first));
        parts.push(connecting(" → "));
        parts.extend(line::parts(context, last));
        parts.push(connecting("."));
        draft.sentences.push(Sentence::of(parts, group.subject));
    }
}

/// The word for a direction.
pub(crate) fn direction_word(direction: Direction, language: Language) -> &'static str {
    match (direction, language) {
        (Direction::Rose, Language::En) => "rose",
        (Direction::Fell, Language::En) => "fell",
        (Direction::Same, Language::En) => "did not change",
        (Direction::Rose, Language::Ko) => "상승했습니다",
        (Direction::Fell, Language::Ko) => "하락했습니다",
        (Direction::Same, Language::Ko) => "변화가 없습니다",
    }
}

fn extreme<'c>(context: Context<'c>, group: &Group<'c>, greatest: bool, draft: &mut Draft<'c>) {
    warn_of_units(context, &group.hits, draft);
    for (_, mut hits) in numeric(&group.hits) {
        let number = |hit: &Hit<'_>| hit.value.and_then(|value| value.number).unwrap_or(f64::NAN);
        let Some(best) = hits.iter().map(number).reduce(|a, b| if greatest { a.max(b) } else { a.min(b) }) else { continue };
        // The cited values with the extreme one first: the gate compares them all.
        let tied: Vec<Hit<'c>> = hits.iter().filter(|hit| number(hit) == best).copied().collect();
        hits.retain(|hit| number(hit) != best);
        let rule = if greatest { Rule::Greatest } else { Rule::Smallest };
        let lead = match (greatest, context.language()) {
            (true, Language::En) => "Highest: ",
            (false, Language::En) => "Lowest: ",
            (true, Language::Ko) => "최고: ",
            (false, Language::Ko) => "최저: ",
        };
        for hit in tied.iter().rev() {
            let cites = std::iter::once(hit).chain(&hits).filter_map(value_cite).collect();
            let mut parts = line::parts(context, hit);
            parts.insert(0, connecting(lead));
            parts.push(Part::all(context.say(".", "."), cites).with(rule.clone(), ""));
            draft.sentences.push(if tied.len() > 1 { Sentence::item(parts, group.subject) } else { Sentence::of(parts, group.subject) });
        }
    }
}

fn average<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    warn_of_units(context, &group.hits, draft);
    for (name, hits) in numeric(&group.hits) {
        let numbers: Vec<f64> = hits.iter().filter_map(|hit| hit.value?.number).collect();
        let Some(last) = hits.last() else { continue };
        let mean = mean(&numbers);
        let unit = last.value.map(|value| value.unit.clone()).unwrap_or_default();
        let label = if name.is_empty() { line::name(last.entry).to_owned() } else { name };
        let count = numbers.len().to_string();
        let text = match context.language() {
            Language::En => format!("{label}: mean {mean} {unit} of {count} recorded values (computed)."),
            Language::Ko => format!("{label}: 기록된 값 {count}개의 평균 {mean} {unit} (계산)."),
        };
        let cites: Vec<Cite<'c>> = hits.iter().flat_map(|hit| [value_cite(hit), Some(Cite::title(hit.entry))]).flatten().collect();
        let part = Part::all(text, cites).with(Rule::Mean, mean).with(Rule::Entries, count);
        draft.sentences.push(Sentence::of(vec![part], group.subject));
    }
}

/// The mean with two decimals, trailing zeros cut.
pub(crate) fn mean(numbers: &[f64]) -> String {
    let mean = numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
    short(mean)
}

/// A computed number without noise in the last digits.
pub(crate) fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn change<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    warn_of_units(context, &group.hits, draft);
    for (_, hits) in numeric(&group.hits) {
        // Within a window from its first value, else from the value before the newest.
        let earlier = if context.plan.window.is_some() || context.plan.anchor.is_some() { hits.first() } else { hits.iter().rev().nth(1) };
        let (Some(earlier), Some(last)) = (earlier, hits.last()) else { continue };
        if earlier.entry.source == last.entry.source {
            if let Some(hit) = hits.last() {
                push_line(context, context.say("Only one value: ", "값이 하나뿐입니다: "), hit, group, false, draft);
            }
            continue;
        }
        let (Some(from), Some(to)) = (earlier.value.and_then(|value| value.number), last.value.and_then(|value| value.number)) else { continue };
        let difference = short((to - from).abs());
        let direction = if to > from {
            Direction::Rose
        } else if to < from {
            Direction::Fell
        } else {
            Direction::Same
        };
        let word = direction_word(direction, context.language());
        let text = match context.language() {
            Language::En => format!("It {word} by {difference} (computed): "),
            Language::Ko => format!("{difference}만큼 {word} (계산): "),
        };
        let cites: Vec<Cite<'c>> = [earlier, last].into_iter().filter_map(value_cite).collect();
        let mut part = Part::all(text, cites);
        part.computed.push(Computed { rule: Rule::Difference, text: difference });
        part.computed.push(Computed { rule: Rule::Direction(direction), text: word.to_owned() });
        let mut parts = vec![part];
        parts.extend(line::parts(context, earlier));
        parts.push(connecting(" → "));
        parts.extend(line::parts(context, last));
        parts.push(connecting("."));
        draft.sentences.push(Sentence::of(parts, group.subject));
    }
    if draft.sentences.is_empty() {
        moment_of(context, group, false, draft);
    }
}

fn count<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let mut sources: Vec<&str> = group.hits.iter().map(|hit| hit.entry.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let entries = sources.len();
    let names = line::by_name(&group.hits).len();
    let cites: Vec<Cite<'c>> = group.hits.iter().map(|hit| Cite::title(hit.entry)).collect();
    let kind = words::kinds(&kinds(&group.hits), entries, context.language());
    let (text, different) = match (context.language(), names == entries) {
        (Language::En, true) => (format!("{entries} {kind} (counted)."), None),
        (Language::En, false) => (format!("{entries} {kind}, {names} of them differently named (counted)."), Some(names)),
        (Language::Ko, true) => (format!("{kind} {entries}건입니다 (집계)."), None),
        (Language::Ko, false) => (format!("{kind} {entries}건, 서로 다른 이름 {names}가지입니다 (집계)."), Some(names)),
    };
    let mut part = Part::all(text, cites).with(Rule::Entries, entries.to_string());
    if let Some(names) = different {
        part = part.with(Rule::Names, names.to_string());
    }
    draft.sentences.push(Sentence::of(vec![part], group.subject));
    for hit in group.hits.iter().rev().take(LISTED) {
        push_line(context, "", hit, group, true, draft);
    }
    warn_of_rest(context, entries, draft);
}

fn kinds(hits: &[Hit<'_>]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = hits.iter().map(|hit| hit.entry.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn picked_lines<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>, lead: Option<&str>) {
    let shown = picked(context, &group.hits, Pick::All).to_vec();
    if shown.is_empty() {
        draft.missing.push(absence::not_found(context, group));
        return;
    }
    let several = shown.len() > 1;
    for hit in shown.iter().rev().take(LISTED) {
        push_line(context, lead.unwrap_or(""), hit, group, several, draft);
    }
    warn_of_rest(context, shown.len(), draft);
}

fn durations<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let zone = &context.setting.zone;
    let since = context.plan.shape == Shape::Since;
    let default = if since { Pick::Newest } else { Pick::All };
    for hit in picked(context, &group.hits, default).iter().rev().take(LISTED) {
        let day = |when| moment::days(when, zone);
        let begin = moment::of(hit.entry).and_then(day).map(|(first, _)| first);
        let end = hit.entry.until.as_ref().and_then(day).map(|(_, last)| last);
        let (from, to) = match (since, context.plan.edge) {
            (true, Edge::End) => (end, Some(context.today())),
            (true, Edge::Start) => (begin, Some(context.today())),
            (false, _) => (begin, end.or_else(|| Some(context.today()))),
        };
        let mut parts = line::parts(context, hit);
        if let (Some(from), Some(to)) = (from, to) {
            let length = span(from, to, context.language());
            let text = match (context.language(), since, end.is_some()) {
                (Language::En, true, _) => format!(": {length} ago (computed to {to})."),
                (Language::En, false, true) => format!(": {length} (computed)."),
                (Language::En, false, false) => format!(": {length} so far, no end recorded (computed to {to})."),
                (Language::Ko, true, _) => format!(": {length} 전 ({to} 기준 계산)."),
                (Language::Ko, false, true) => format!(": {length} (계산)."),
                (Language::Ko, false, false) => format!(": {length}째, 종료 기록 없음 ({to} 기준 계산)."),
            };
            let part = Part::one(text, Cite::title(hit.entry)).with(Rule::Span, length).with(Rule::Today, to.to_string());
            parts.push(part);
        } else {
            parts.push(connecting(context.say(": the dates needed are not recorded.", ": 필요한 날짜가 기록되지 않았습니다.")));
        }
        draft.sentences.push(Sentence::item(parts, group.subject));
    }
}

fn ages<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let person = &context.chart.patient;
    let Some(birth) = person.birth_date else {
        draft.missing.push(absence::no_attribute(context, &words::attribute(Attribute::BirthDate, context.language()), &person.names.join(" / ")));
        return;
    };
    let Some((born_first, born_last)) = moment::partial_days(birth) else { return };
    for hit in picked(context, &group.hits, Pick::Oldest).iter().take(LISTED) {
        let when = match (context.plan.edge, &hit.entry.until) {
            (Edge::End, Some(until)) => Some(until),
            _ => moment::of(hit.entry),
        };
        let mut parts = line::parts(context, hit);
        match when.and_then(|when| moment::days(when, &context.setting.zone)) {
            Some((first, last)) => {
                let (least, most) = (moment::years(born_last, first), moment::years(born_first, last));
                let years = if least == most { most.to_string() } else { format!("{least}–{most}") };
                let text = match context.language() {
                    Language::En => format!(": at age {years} (computed from the birth date)."),
                    Language::Ko => format!(": 만 {years}세 때 (생년월일에서 계산)."),
                };
                let born = Cite { of: Of::Person(person), path: "birthDate".to_owned(), quote: moment::show_partial(birth) };
                parts.push(Part::all(text, vec![Cite::title(hit.entry), born]).with(Rule::Age, years));
            }
            None => parts.push(connecting(context.say(": the date is not recorded.", ": 날짜가 기록되지 않았습니다."))),
        }
        draft.sentences.push(Sentence::item(parts, group.subject));
    }
}

fn attribute<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let Some(attribute) = context.plan.attribute else {
        return list(context, &group.hits, group, draft);
    };
    let label = words::attribute(attribute, context.language());
    let shown = picked(context, &group.hits, default_pick(group, attribute)).to_vec();
    let mut missing = Vec::new();
    for hit in shown.iter().rev().take(LISTED) {
        let details = attribute_parts(context, hit, attribute);
        if details.is_empty() {
            missing.push(line::name(hit.entry).to_owned());
            continue;
        }
        let mut parts = vec![Part::one(line::name(hit.entry), Cite::title(hit.entry))];
        if let Some(dates) = line::dates(context, hit.entry) {
            parts.push(Part::one(format!(" ({dates})"), Cite::title(hit.entry)));
        }
        parts.push(connecting(&format!(" — {label}: ")));
        for (index, mut detail) in details.into_iter().enumerate() {
            if index > 0 {
                detail.text.insert_str(0, "; ");
            }
            parts.push(detail);
        }
        draft.sentences.push(if shown.len() > 1 { Sentence::item(parts, group.subject) } else { Sentence::of(parts, group.subject) });
    }
    if draft.sentences.is_empty() {
        missing.dedup();
        for name in missing {
            draft.missing.push(absence::no_attribute(context, &label, &name));
        }
    }
}

/// Of medicines and allergies every matching entry is meant; of events the newest.
fn default_pick(group: &Group<'_>, attribute: Attribute) -> Pick {
    let lasting = group.hits.iter().all(|hit| matches!(hit.entry.kind, Kind::Allergy | Kind::Medication | Kind::Problem));
    if lasting && !matches!(attribute, Attribute::Who | Attribute::Where) { Pick::All } else { Pick::Newest }
}

fn attribute_parts<'c>(context: Context<'c>, hit: &Hit<'c>, attribute: Attribute) -> Vec<Part<'c>> {
    let entry = hit.entry;
    let values: Vec<&'c Measured> = match hit.value {
        Some(value) => vec![value],
        None => entry.values.iter().collect(),
    };
    match attribute {
        Attribute::Status => {
            let mut said = words::states(entry, context.language());
            if said.is_empty() {
                said.extend(entry.status.as_deref().map(|status| words::state(status, context.language())));
            }
            said.extend(entry.verification.as_deref().map(|code| words::state(code, context.language())));
            said.dedup();
            said.into_iter().map(|state| Part::one(state, Cite::title(entry))).collect()
        }
        Attribute::ReferenceRange => values
            .iter()
            .filter_map(|value| {
                let range = value.range.as_ref().filter(|range| !range.text.is_empty())?;
                Some(Part::one(range.text.clone(), Cite { of: Of::Entry(entry), path: value.path.clone(), quote: range.text.clone() }))
            })
            .collect(),
        Attribute::Unit => values.iter().filter(|value| !value.unit.is_empty()).map(|value| Part::one(value.unit.clone(), Cite::value(entry, value))).collect(),
        Attribute::Conclusion => conclusion(context, hit),
        other => {
            let wanted = words::facts_of(other);
            let mut facts: Vec<_> = entry.facts.iter().filter(|fact| wanted.iter().any(|name| fact.name.eq_ignore_ascii_case(name))).collect();
            facts.sort_by_key(|fact| wanted.iter().position(|name| fact.name.eq_ignore_ascii_case(name)));
            facts.dedup_by(|a, b| a.text == b.text);
            facts.into_iter().map(|fact| Part::one(fact.text.clone(), line::fact_cite(entry, fact))).collect()
        }
    }
}

/// The conclusion, else the results, else the text.
fn conclusion<'c>(_context: Context<'c>, hit: &Hit<'c>) -> Vec<Part<'c>> {
    let entry = hit.entry;
    let named = words::facts_of(Attribute::Conclusion);
    let facts: Vec<_> =
        entry.facts.iter().chain(&entry.texts).filter(|fact| named.iter().any(|name| fact.name.eq_ignore_ascii_case(name))).collect();
    if !facts.is_empty() {
        return facts.into_iter().map(|fact| Part::one(line::excerpt(&fact.text), line::fact_cite(entry, fact))).collect();
    }
    if !entry.values.is_empty() {
        return entry.values.iter().map(|value| Part::one(super::sentence::quantity(value), Cite::value(entry, value))).collect();
    }
    entry.texts.first().map(|text| Part::one(line::excerpt(&text.text), line::fact_cite(entry, text))).into_iter().collect()
}

fn whether<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    if context.plan.subjects.is_empty() {
        return list(context, &group.hits, group, draft);
    }
    let unsure = group.hits.iter().all(|hit| hit.qualified.is_some() || hit.entry.kind == Kind::FamilyHistory || hit.entry.kind == Kind::Planned);
    let lead = if unsure { context.say("Recorded: ", "기록됨: ") } else { context.say("Yes: ", "예: ") };
    // The newest of each name: "was it ever" needs one witness, and shows how it stands now.
    let named = line::by_name(&group.hits);
    let several = named.len() > 1;
    for (_, hits) in named.iter().rev().take(LISTED) {
        for hit in newest(hits, context).iter().take(2) {
            push_line(context, if several { "" } else { lead }, hit, group, several, draft);
        }
        let earlier = hits.len().saturating_sub(1);
        if !several && earlier > 0 && let Some(first) = hits.first().filter(|first| Some(first.entry.source.as_str()) != hits.last().map(|last| last.entry.source.as_str())) {
            push_line(context, context.say("First recorded: ", "최초 기록: "), first, group, false, draft);
        }
    }
    if several && let Some(first) = draft.sentences.iter_mut().find(|sentence| sentence.item) {
        first.parts.insert(0, connecting(lead));
    }
}

/// Each name once, newest entry, the others' dates behind it.
fn list<'c>(context: Context<'c>, hits: &[Hit<'c>], group: &Group<'c>, draft: &mut Draft<'c>) {
    let hits = match context.plan.pick {
        Some(_) => picked(context, hits, Pick::All),
        None => hits,
    };
    if hits.is_empty() {
        return;
    }
    let mut named = line::by_name(hits);
    let zone = &context.setting.zone;
    named.sort_by_key(|(_, same)| same.last().map(|hit| moment::order(hit.entry, zone)));
    for (_, same) in named.iter().rev().take(LISTED) {
        let Some(newest) = same.last() else { continue };
        let mut parts = line::parts(context, newest);
        let earlier: Vec<&Hit<'c>> = same.iter().rev().skip(1).take(20).collect();
        if !earlier.is_empty() {
            parts.push(connecting(context.say("; also ", "; 이전 기록 ")));
            for (index, hit) in earlier.iter().enumerate() {
                let date = line::dates(context, hit.entry).unwrap_or_else(|| context.say("undated", "날짜 없음").to_owned());
                let value = hit.value.map(|value| format!("{} ", super::sentence::quantity(value))).unwrap_or_default();
                let joint = if index == 0 { "" } else { ", " };
                let cite = value_cite(hit).unwrap_or_else(|| Cite::title(hit.entry));
                parts.push(Part::one(format!("{joint}{value}{date}"), cite));
            }
            let rest = same.len().saturating_sub(1 + earlier.len());
            if rest > 0 {
                let cites: Vec<Cite<'c>> = same.iter().take(rest).map(|hit| Cite::title(hit.entry)).collect();
                let text = match context.language() {
                    Language::En => format!(" and {rest} more"),
                    Language::Ko => format!(" 외 {rest}건"),
                };
                parts.push(Part::all(text, cites).with(Rule::Entries, rest.to_string()));
            }
        }
        draft.sentences.push(Sentence::item(parts, group.subject));
    }
    warn_of_rest(context, named.len(), draft);
}

fn connecting<'c>(text: &str) -> Part<'c> {
    Part::all(text, Vec::new())
}
