//! The gate: a sentence passes only if what it cites carries it. Code, not a prompt; it judges templates and models alike.
//!
//! Of every sentence: its numbers and dates stand in its citations or are computed again here from them; no cited entry is
//! void; a state that must be said is said. Of a sentence that the model worded, besides ([`wording`]): every word that
//! carries content stands in the cited text, with the same polarity.

pub mod wording;

use haechi_record::chart::{Entry, Standing};

use crate::draft::sentence::{Author, Cite, Computed, Direction, Of, Part, Rule, Sentence, quantity};
use crate::draft::{self, Context, line, moment, words};
use crate::evidence;

/// Lets a sentence through, or says why not.
///
/// # Errors
/// One reason, for the list of dropped sentences.
pub fn check(sentence: &Sentence<'_>, context: Context<'_>) -> Result<(), String> {
    let text = sentence.text();
    if text.is_empty() {
        return Err("empty".to_owned());
    }
    if sentence.cites().next().is_none() {
        return Err("no evidence".to_owned());
    }
    for cite in sentence.cites() {
        let Some(entry) = cite.of.entry() else { continue };
        if !context.chart.entries.iter().any(|own| std::ptr::eq(own, entry)) {
            return Err("the evidence is not this patient's".to_owned());
        }
        if let Standing::Void(why) = entry.standing {
            return Err(format!("the cited entry is {why}"));
        }
    }
    match sentence.author {
        Author::Model => wording::carried(sentence),
        Author::Template => {
            states_are_said(sentence, &text, context)?;
            sentence.parts.iter().try_for_each(|part| numbers_are_carried(part, context))
        }
    }
}

/// Preliminary, on hold, patient-reported and the like must be said with whatever they qualify.
fn states_are_said(sentence: &Sentence<'_>, text: &str, context: Context<'_>) -> Result<(), String> {
    // What only enters a computation is not shown as a statement of its own.
    let shown = sentence.parts.iter().filter(|part| part.computed.is_empty()).flat_map(|part| &part.cites);
    for entry in shown.filter_map(|cite| cite.of.entry()) {
        if let Standing::SaidAs(word) = entry.standing {
            let said = words::state(word, context.language());
            // Dates of earlier entries in a list line stand for the line's own entry.
            let main = sentence.cites().find_map(|cite| cite.of.entry()).is_some_and(|first| std::ptr::eq(first, entry));
            if main && !text.contains(&said) {
                return Err(format!("the entry is {word} and the sentence does not say so"));
            }
        }
    }
    Ok(())
}

fn numbers_are_carried(part: &Part<'_>, context: Context<'_>) -> Result<(), String> {
    for computed in &part.computed {
        if !holds(computed, &part.cites, context) {
            return Err(format!("a computed value does not follow from its evidence ({:?})", computed.rule));
        }
    }
    let mut carried: Vec<String> = part.computed.iter().map(|computed| computed.text.clone()).collect();
    for cite in &part.cites {
        carried.push(cite.quote.clone());
        carried.extend(cite.measured().map(quantity));
        if let Some(entry) = cite.of.entry() {
            carried.push(entry.title.clone());
            carried.extend(line::dates(context, entry));
            carried.extend(cite.measured().map(|value| value.name.clone()));
            if entry.title.is_empty() {
                carried.push(entry.source.clone());
            }
        }
    }
    for number in numbers(&part.text) {
        if !carried.iter().any(|text| numbers(text).contains(&number)) {
            return Err(format!("the number {number} does not stand in the evidence"));
        }
    }
    Ok(())
}

/// The numbers of a text, digit for digit: `7.10`, `120/80`, `2024-03-05`, `09:30`.
pub(crate) fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut number = String::new();
    for character in text.chars().chain([' ']) {
        let inside = character.is_ascii_digit() || (!number.is_empty() && matches!(character, '.' | ',' | ':' | '-' | '/'));
        if inside {
            number.push(character);
        } else if !number.is_empty() {
            found.push(number.trim_end_matches(['.', ',', ':', '-', '/']).to_owned());
            number.clear();
        }
    }
    found
}

/// Works a computed text out again.
fn holds(computed: &Computed, cites: &[Cite<'_>], context: Context<'_>) -> bool {
    let values: Vec<f64> = cites.iter().filter_map(|cite| cite.measured()?.number).collect();
    let entries: Vec<&Entry> = cites.iter().filter_map(|cite| cite.of.entry()).collect();
    match &computed.rule {
        Rule::Entries => {
            let mut cited: Vec<(&str, &str)> = cites.iter().filter_map(|cite| Some((cite.of.entry()?.source.as_str(), cite.measured().map_or("", |value| value.path.as_str())))).collect();
            cited.sort_unstable();
            cited.dedup();
            let mut sources: Vec<&str> = entries.iter().map(|entry| entry.source.as_str()).collect();
            sources.sort_unstable();
            sources.dedup();
            // Values of one panel count one by one, whole entries once.
            let with_value = cited.iter().filter(|(_, path)| !path.is_empty()).count();
            [sources.len(), cited.len(), with_value].iter().any(|count| computed.text == count.to_string())
        }
        Rule::Names => {
            let mut names: Vec<String> = entries.iter().map(|entry| entry.title.to_lowercase()).collect();
            names.sort_unstable();
            names.dedup();
            computed.text == names.len().to_string()
        }
        Rule::Mean => !values.is_empty() && computed.text == draft::mean(&values),
        Rule::Difference => {
            matches!((values.first(), values.last()), (Some(first), Some(last)) if computed.text == draft::short((last - first).abs()))
        }
        Rule::Greatest => values.first().is_some_and(|first| values.iter().all(|value| value <= first)),
        Rule::Smallest => values.first().is_some_and(|first| values.iter().all(|value| value >= first)),
        Rule::Direction(direction) => match (values.first(), values.last()) {
            (Some(first), Some(last)) => {
                *direction
                    == if last > first {
                        Direction::Rose
                    } else if last < first {
                        Direction::Fell
                    } else {
                        Direction::Same
                    }
            }
            _ => false,
        },
        Rule::NonePasses(filter) => cites.iter().filter_map(Cite::measured).all(|value| !evidence::passes(value, *filter)),
        Rule::Age => age_holds(&computed.text, cites, context),
        Rule::Span => entries.first().is_some_and(|entry| {
            let day = |when| moment::days(when, &context.setting.zone);
            let begin = moment::of(entry).and_then(day).map(|(first, _)| first);
            let end = entry.until.as_ref().and_then(day).map(|(_, last)| last);
            let today = Some(context.today());
            [(begin, end), (begin, today), (end, today)]
                .into_iter()
                .filter_map(|(from, to)| Some(draft::span(from?, to?, context.language())))
                .any(|span| span == computed.text)
        }),
        Rule::Asked => true,
        Rule::Today => computed.text == context.today().to_string() || computed.text.parse().is_ok_and(|day| is_death_day(day, context)),
    }
}

fn is_death_day(day: jiff::civil::Date, context: Context<'_>) -> bool {
    use haechi_record::chart::Deceased;
    match &context.chart.patient.deceased {
        Some(Deceased::On(when)) => moment::days(when, &context.setting.zone).is_some_and(|(first, _)| first == day),
        _ => false,
    }
}

fn age_holds(text: &str, cites: &[Cite<'_>], context: Context<'_>) -> bool {
    let Some((born_first, born_last)) = context.chart.patient.birth_date.and_then(moment::partial_days) else { return false };
    let day = |when| moment::days(when, &context.setting.zone);
    let mut moments = Vec::new();
    for cite in cites {
        if let Of::Entry(entry) = cite.of {
            moments.extend(moment::of(entry).and_then(day));
            moments.extend(entry.until.as_ref().and_then(day));
        }
    }
    if moments.is_empty() {
        moments.push((context.today(), context.today()));
        if let Some(haechi_record::chart::Deceased::On(when)) = &context.chart.patient.deceased {
            moments.extend(day(when));
        }
    }
    moments.into_iter().any(|(first, last)| {
        let (least, most) = (moment::years(born_last, first), moment::years(born_first, last));
        text == if least == most { most.to_string() } else { format!("{least}–{most}") }
    })
}
