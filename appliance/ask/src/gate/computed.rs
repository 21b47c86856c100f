//! What a sentence says was computed, computed again from what its piece cites.

use haechi_record::chart::{Deceased, Entry, Kind, Measured, Standing};
use jiff::civil::Date;

use crate::draft::sentence::{Cite, Computed, Direction, Of, Part, Rule, Sentence};
use crate::draft::{self, Context, moment};
use crate::evidence::{self, Verdict};
use crate::plan::{Filter, State};

/// True if `computed` follows from the citations of `part`.
pub(crate) fn holds(computed: &Computed, part: &Part<'_>, sentence: &Sentence<'_>, context: Context<'_>) -> bool {
    let cites = &part.cites;
    // In the unit of the last one cited; empty where they do not share one.
    let values: Vec<Measured> = evidence::in_one_unit(&measured(cites)).unwrap_or_default();
    let entries: Vec<&Entry> = cites.iter().filter_map(|cite| cite.of.entry()).collect();
    let ends = || Some((values.first()?.number?, values.last()?.number?));
    let text = &computed.text;
    match &computed.rule {
        Rule::Entries => counts(cites).iter().any(|count| *text == count.to_string()),
        Rule::Names => *text == names(cites).to_string(),
        Rule::Mean => draft::mean(&values).as_ref() == Some(text),
        Rule::Difference => {
            let (Some(first), Some(last)) = (values.first(), values.last()) else { return false };
            draft::difference(first, last).as_ref() == Some(text)
        }
        Rule::Converted(unit) => measured(cites)
            .first()
            .and_then(|(entry, value)| draft::converted(entry, value, unit))
            .is_some_and(|converted| converted == *text),
        Rule::Greatest => {
            let all = |first: f64| values.iter().all(|value| value.number.is_some_and(|number| number <= first));
            !values.is_empty()
                && text == context.say("highest", "최고값")
                && values.first().and_then(|first| first.number).is_some_and(all)
        }
        Rule::Smallest => {
            let all = |first: f64| values.iter().all(|value| value.number.is_some_and(|number| number >= first));
            !values.is_empty()
                && text == context.say("lowest", "최저값")
                && values.first().and_then(|first| first.number).is_some_and(all)
        }
        Rule::Direction(direction) => {
            let went = ends().map(|(first, last)| {
                if last > first {
                    Direction::Rose
                } else if last < first {
                    Direction::Fell
                } else {
                    Direction::Same
                }
            });
            went == Some(*direction) && text == draft::direction_word(*direction, context.language())
        }
        Rule::NonePasses(filter) => judged(cites, *filter, Verdict::Fails, sentence, context),
        Rule::AllPass(filter) => judged(cites, *filter, Verdict::Passes, sentence, context),
        Rule::NoneActive => {
            !entries.is_empty() && entries.iter().all(|entry| !evidence::in_state(entry, State::Active))
        }
        Rule::Yes => {
            !entries.is_empty()
                && entries
                    .iter()
                    .all(|entry| !matches!(entry.standing, Standing::Void(_)) && entry.kind != Kind::FamilyHistory)
        }
        Rule::NoEnd => entries.first().is_some_and(|entry| entry.until.is_none()),
        Rule::Age => age(text, cites, context),
        Rule::Span => span(text, &entries, context),
        Rule::Asked => asked(text, sentence, context),
        Rule::Today => {
            *text == context.today().to_string() || death_day(context).is_some_and(|day| *text == day.to_string())
        }
    }
}

/// Entries, and values of entries: a panel's values count one by one where values are cited.
fn counts(cites: &[Cite<'_>]) -> [usize; 2] {
    let mut sources: Vec<String> = cites.iter().map(|cite| cite.of.source()).collect();
    sources.sort_unstable();
    sources.dedup();
    let mut values: Vec<(String, &str)> = cites.iter().map(|cite| (cite.of.source(), cite.path.as_str())).collect();
    values.sort_unstable();
    values.dedup();
    [sources.len(), values.len()]
}

fn names(cites: &[Cite<'_>]) -> usize {
    let mut names: Vec<(String, String)> = cites
        .iter()
        .filter_map(|cite| {
            let component = cite.measured().map(|value| value.name.to_lowercase()).unwrap_or_default();
            Some((cite.of.entry()?.title.to_lowercase(), component))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

/// The cited values with the entries they stand in.
fn measured<'c>(cites: &[Cite<'c>]) -> Vec<(&'c Entry, &'c Measured)> {
    cites.iter().filter_map(|cite| Some((cite.of.entry()?, cite.measured()?))).collect()
}

/// Every cited value was judged so, by the condition that was really asked.
fn judged(cites: &[Cite<'_>], filter: Filter, wanted: Verdict, sentence: &Sentence<'_>, context: Context<'_>) -> bool {
    let asked = sentence.subject.and_then(|subject| subject.filter).or(context.plan.filter);
    let values = measured(cites);
    asked == Some(filter)
        && !values.is_empty()
        && values
            .iter()
            .all(|(entry, value)| evidence::judge(entry, value, filter, context.plan.filter_unit.as_deref()) == wanted)
}

fn span(text: &str, entries: &[&Entry], context: Context<'_>) -> bool {
    let Some(entry) = entries.first() else { return false };
    let day = |when| moment::days(when, &context.setting.zone).map(|(first, _)| first);
    let begin = moment::of(entry).and_then(day);
    let end = entry.until.as_ref().and_then(day);
    let today = Some(context.today());
    let of = |from: Option<Date>, to: Option<Date>| Some(draft::span(from?, to?, context.language()));
    let asked = match (context.plan.shape, end) {
        (crate::plan::Shape::Since, _) => vec![of(begin, today), of(end, today)],
        (_, Some(_)) => vec![draft::clock(entry, context.language()), of(begin, end)],
        (_, None) => vec![of(begin, today)],
    };
    asked.into_iter().flatten().any(|span| span == text)
}

fn death_day(context: Context<'_>) -> Option<Date> {
    match &context.chart.patient.deceased {
        Some(Deceased::On(when)) => moment::days(when, &context.setting.zone).map(|(first, _)| first),
        _ => None,
    }
}

fn age(text: &str, cites: &[Cite<'_>], context: Context<'_>) -> bool {
    let Some((born_first, born_last)) = context.chart.patient.birth_date.and_then(moment::partial_days) else {
        return false;
    };
    if !cites.iter().any(|cite| matches!(cite.of, Of::Person(_)) && cite.path == "birthDate") {
        return false;
    }
    let day = |when| moment::days(when, &context.setting.zone);
    let mut moments: Vec<(Date, Date)> = Vec::new();
    let mut about_entries = false;
    for entry in cites.iter().filter_map(|cite| cite.of.entry()) {
        about_entries = true;
        moments.extend(moment::of(entry).and_then(day));
        moments.extend(entry.until.as_ref().and_then(day));
    }
    if !about_entries {
        let now = death_day(context).unwrap_or_else(|| context.today());
        moments.push((now, now));
    }
    moments.into_iter().any(|(first, last)| text == draft::years(born_first, born_last, first, last))
}

/// A number or day that the question itself gave.
fn asked(text: &str, sentence: &Sentence<'_>, context: Context<'_>) -> bool {
    let bounds = [sentence.subject.and_then(|subject| subject.filter), context.plan.filter];
    let bound = bounds.into_iter().flatten().any(|filter| match filter {
        Filter::Above(number, _) | Filter::Below(number, _) => number.to_string() == text,
        _ => false,
    });
    let days = context.plan.window.map(|window| [window.from, window.to]).into_iter().flatten().flatten();
    bound || days.into_iter().any(|day| day.to_string() == text)
}
