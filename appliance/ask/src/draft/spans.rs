//! When, how long, how long ago, at what age.

use haechi_record::chart::{Entry, When};
use jiff::civil::Date;

use super::line::{self, Line};
use super::sentence::{Cite, Of, Part, Rule};
use super::{Context, Draft, absence, list, moment, shapes, words};
use crate::evidence::{Group, Hit};
use crate::plan::{Attribute, Edge, Language, Pick};

/// The end of the entry that is asked: its start or its end.
fn edge<'c>(context: Context<'_>, entry: &'c Entry) -> Option<&'c When> {
    match context.plan.edge {
        Edge::Start => moment::of(entry),
        Edge::End => entry.until.as_ref(),
    }
}

/// On which day: of the one that was picked, else of all, newest first.
pub(super) fn when<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let shown = shapes::picked(context, &group.hits, Pick::All);
    if context.plan.edge == Edge::Start && shown.len() > 1 {
        return list::list(context, group, draft);
    }
    let several = shown.len() > 1;
    for hit in shown.iter().rev().take(shapes::LISTED) {
        let mut line = Line::new(context);
        match edge(context, hit.entry) {
            Some(_) if context.plan.edge == Edge::Start => line::push(&mut line, context, hit, group.subject),
            Some(when) => {
                let date = line::date(context, hit.entry, when);
                line.part(line::label_part(context, hit, group.subject));
                let ended = format!("{} {date}", context.say("ended", "종료"));
                line.say(": ", ": ").part(Part::one(ended, Cite::title(hit.entry)));
                line.brackets(line::event_details(context, hit.entry));
            }
            None => {
                line.part(line::label_part(context, hit, group.subject)).say(": ", ": ");
                line.part(no_date(context, hit.entry));
                line.brackets(line::event_details(context, hit.entry));
            }
        }
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
    shapes::rest(context, shown.get(..shown.len().saturating_sub(shapes::LISTED)).unwrap_or_default(), draft);
}

fn no_end<'c>(context: Context<'c>, entry: &'c Entry) -> Part<'c> {
    let text = context.say("no end recorded", "종료일 기록 없음");
    Part::one(text, Cite::title(entry)).with(Rule::NoEnd, text)
}

fn undated<'c>(context: Context<'c>, entry: &'c Entry) -> Part<'c> {
    Part::one(context.say("undated", "날짜 없음"), Cite::title(entry))
}

/// The date that was asked is not recorded: of an end, that there is none.
fn no_date<'c>(context: Context<'c>, entry: &'c Entry) -> Part<'c> {
    if context.plan.edge == Edge::End { no_end(context, entry) } else { undated(context, entry) }
}

/// From when until when and how long; or how long ago.
pub(super) fn durations<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let since = context.plan.shape == crate::plan::Shape::Since;
    let shown = shapes::picked(context, &group.hits, if since { Pick::Newest } else { Pick::All });
    let several = shown.len() > 1;
    for hit in shown.iter().rev().take(shapes::LISTED) {
        let mut line = Line::new(context);
        line.part(line::label_part(context, hit, group.subject)).say(": ", ": ");
        if since {
            ago(&mut line, context, hit)
        } else {
            long(&mut line, context, hit)
        }
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
    shapes::rest(context, shown.get(..shown.len().saturating_sub(shapes::LISTED)).unwrap_or_default(), draft);
}

fn day(context: Context<'_>, when: Option<&When>) -> Option<Date> {
    moment::days(when?, &context.setting.zone).map(|(first, _)| first)
}

fn long<'c>(line: &mut Line<'c>, context: Context<'c>, hit: &Hit<'c>) {
    let entry = hit.entry;
    let (begin, end) = (day(context, moment::of(entry)), day(context, entry.until.as_ref()));
    let Some(begin) = begin else {
        line.part(undated(context, entry)).brackets(line::event_details(context, entry));
        return;
    };
    let today = context.today();
    let length = length(context, entry, begin, end.unwrap_or(today));
    let computed = Part::one(length.clone(), Cite::title(entry)).with(Rule::Span, length);
    line.part(computed);
    let mut details = line::event_details(context, entry);
    if end.is_none() {
        line.say(" so far, ", "째, ").part(no_end(context, entry));
        let text =
            if context.is_korean() { format!("{today} 기준 계산") } else { format!("computed as of {today}") };
        details.push(Part::one(text, Cite::title(entry)).with(Rule::Today, today.to_string()));
    } else {
        details.push(Part::one(context.say("computed", "계산"), Cite::title(entry)));
    }
    line.brackets(details);
}

/// Within a day, by the clock where both ends have one.
fn length(context: Context<'_>, entry: &Entry, begin: Date, end: Date) -> String {
    clock(entry, context.language()).unwrap_or_else(|| span(begin, end, context.language()))
}

/// `3 hours 20 minutes` for what began and ended within 24 hours.
#[must_use]
pub(crate) fn clock(entry: &Entry, language: Language) -> Option<String> {
    let (Some(When::Instant(begin)), Some(When::Instant(end))) = (moment::of(entry), &entry.until) else { return None };
    let minutes = end.as_second().checked_sub(begin.as_second())? / 60;
    if !(0..24 * 60).contains(&minutes) {
        return None;
    }
    let (hours, minutes) = (minutes / 60, minutes % 60);
    Some(match (language, hours, minutes) {
        (Language::En, 0, _) => plural(minutes, "minute"),
        (Language::En, _, 0) => plural(hours, "hour"),
        (Language::En, ..) => format!("{} {}", plural(hours, "hour"), plural(minutes, "minute")),
        (Language::Ko, 0, _) => format!("{minutes}분"),
        (Language::Ko, _, 0) => format!("{hours}시간"),
        (Language::Ko, ..) => format!("{hours}시간 {minutes}분"),
    })
}

fn ago<'c>(line: &mut Line<'c>, context: Context<'c>, hit: &Hit<'c>) {
    let entry = hit.entry;
    let Some(from) = day(context, edge(context, entry)) else {
        line.part(no_date(context, entry)).brackets(line::event_details(context, entry));
        return;
    };
    let today = context.today();
    let length = span(from, today, context.language());
    line.part(Part::one(length.clone(), Cite::title(entry)).with(Rule::Span, length));
    if from <= today {
        line.say(" ago", " 전");
    } else {
        line.say(" from now", " 후");
    }
    let mut details = if hit.values().is_empty() {
        line::event_details(context, entry)
    } else {
        let mut details = line::value_parts(context, hit);
        details.extend(line::value_details(context, hit, true));
        details
    };
    let text = if context.is_korean() { format!("{today} 기준 계산") } else { format!("computed as of {today}") };
    details.push(Part::one(text, Cite::title(entry)).with(Rule::Today, today.to_string()));
    line.brackets(details);
}

/// The patient's age at it.
pub(super) fn ages<'c>(context: Context<'c>, group: &Group<'c>, draft: &mut Draft<'c>) {
    let person = &context.chart.patient;
    let Some((birth, (born_first, born_last))) =
        person.birth_date.and_then(|birth| Some((birth, moment::partial_days(birth)?)))
    else {
        let birth_date = words::attribute(Attribute::BirthDate, context.language());
        draft.missing.push(absence::no_attribute(context, &birth_date, &person.names.join(" / ")));
        return;
    };
    let shown = shapes::picked(context, &group.hits, Pick::Oldest);
    let several = shown.len() > 1;
    for hit in shown.iter().take(shapes::LISTED) {
        let entry = hit.entry;
        let mut line = Line::new(context);
        line.part(line::label_part(context, hit, group.subject)).say(": ", ": ");
        let days = edge(context, entry).and_then(|when| moment::days(when, &context.setting.zone));
        if let Some((first, last)) = days {
            let years = years(born_first, born_last, first, last);
            let text = if context.is_korean() { format!("만 {years}세") } else { format!("age {years}") };
            let born = moment::show_partial(birth);
            let cite = || Cite { of: Of::Person(person), path: "birthDate".to_owned(), quote: born.clone() };
            line.part(Part::all(text, vec![Cite::title(entry), cite()]).with(Rule::Age, years));
            let mut details = line::date_parts(context, entry);
            details.extend(line::state_parts(context, entry));
            let text = if context.is_korean() {
                format!("생년월일 {born}에서 계산")
            } else {
                format!("computed from the birth date {born}")
            };
            details.push(Part::one(text, cite()));
            line.brackets(details);
        } else {
            line.part(no_date(context, entry)).brackets(line::state_parts(context, entry));
        }
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
}

/// Years of age between a birth and an event, each known to a day or to a month or year; a range where both can be.
#[must_use]
pub(crate) fn years(born_first: Date, born_last: Date, first: Date, last: Date) -> String {
    let (least, most) = (moment::years(born_last, first), moment::years(born_first, last));
    if least == most { most.to_string() } else { format!("{least}–{most}") }
}

fn plural(count: i64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// `2 years 3 months (823 days)`, `5 days`: how long from one day to another, as computed spans are worded.
#[must_use]
pub fn span(from: Date, to: Date, language: Language) -> String {
    let (from, to) = if from <= to { (from, to) } else { (to, from) };
    let mut months =
        (i64::from(to.year()) - i64::from(from.year())) * 12 + i64::from(to.month()) - i64::from(from.month());
    if to.day() < from.day() {
        months -= 1;
    }
    let (years, rest) = (months / 12, months % 12);
    let days = moment::days_between(from, to);
    match (language, years, rest) {
        (Language::En, 0, 0..=1) => plural(days, "day"),
        (Language::Ko, 0, 0..=1) => format!("{days}일"),
        (Language::En, 0, rest) => format!("{} ({})", plural(rest, "month"), plural(days, "day")),
        (Language::Ko, 0, rest) => format!("{rest}개월({days}일)"),
        (Language::En, years, 0) => format!("{} ({})", plural(years, "year"), plural(days, "day")),
        (Language::Ko, years, 0) => format!("{years}년({days}일)"),
        (Language::En, years, rest) => {
            format!("{} {} ({})", plural(years, "year"), plural(rest, "month"), plural(days, "day"))
        }
        (Language::Ko, years, rest) => format!("{years}년 {rest}개월({days}일)"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn spans_are_worded_in_whole_units() {
        for (from, to, english, korean) in [
            (date(2024, 3, 1), date(2024, 3, 6), "5 days", "5일"),
            (date(2024, 3, 1), date(2024, 3, 2), "1 day", "1일"),
            (date(2024, 3, 2), date(2024, 3, 2), "0 days", "0일"),
            (date(2024, 1, 1), date(2024, 4, 1), "3 months (91 days)", "3개월(91일)"),
            (date(2020, 5, 10), date(2024, 5, 9), "3 years 11 months (1460 days)", "3년 11개월(1460일)"),
            (date(2020, 5, 10), date(2024, 5, 10), "4 years (1461 days)", "4년(1461일)"),
        ] {
            assert_eq!(span(from, to, Language::En), english);
            assert_eq!(span(from, to, Language::Ko), korean);
            assert_eq!(span(to, from, Language::En), english, "order does not matter");
        }
    }

    #[test]
    fn a_birth_year_alone_gives_an_age_range() {
        assert_eq!(years(date(1970, 1, 1), date(1970, 12, 31), date(2020, 6, 1), date(2020, 6, 1)), "49–50");
        assert_eq!(years(date(1970, 2, 3), date(1970, 2, 3), date(2020, 6, 1), date(2020, 6, 1)), "50");
    }
}
