//! What a citation holds letter for letter, in the spellings that templates use.

use haechi_record::chart::{Deceased, Entry, Kind, Person};

use crate::draft::sentence::{Author, Cite, Of, Part, Sentence, quantity};
use crate::draft::{Context, absence, attribute_fact, line, moment, words};
use crate::evidence;
use crate::gate::neutral;
use crate::matching;
use crate::plan::{Attribute, Language, Subject};

/// Stands in a text where a phrase was taken out.
const TAKEN: char = '\u{fffc}';

/// All phrases that the citations and computations of the piece carry.
pub(crate) fn of(part: &Part<'_>, sentence: &Sentence<'_>, context: Context<'_>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for cite in &part.cites {
        match (cite.of, sentence.author) {
            (Of::Entry(entry), Author::Template) => {
                name(entry, context, &mut known);
                value(cite, entry, context, &mut known);
                fact(cite, context, &mut known);
                quoted(cite, &mut known);
            }
            // The model's words are judged against the quoted text alone; only the note's own name and state are given.
            (Of::Entry(entry), Author::Model) => {
                known.push(line::name(entry).to_owned());
                known.extend(words::states(entry, context.language()));
            }
            (Of::Person(found), _) => {
                person(cite, found, context, &mut known);
                quoted(cite, &mut known);
            }
        }
    }
    known.extend(dates(part, context));
    if sentence.author == Author::Template {
        known.extend(part.computed.iter().map(|computed| computed.text.clone()));
        if let Some(subject) = sentence.subject {
            known.extend(subject_names(subject, part));
        }
        if !part.cites.is_empty() {
            known.push(absence::window(context).trim().to_owned());
        }
    }
    known.retain(|phrase| !phrase.trim().is_empty());
    known
}

/// The days and moments of the cited entries, as they are shown.
pub(crate) fn dates(part: &Part<'_>, context: Context<'_>) -> Vec<String> {
    let zone = &context.setting.zone;
    let mut known = Vec::new();
    for entry in part.cites.iter().filter_map(|cite| cite.of.entry()) {
        for when in [moment::of(entry), entry.until.as_ref()].into_iter().flatten() {
            known.push(moment::show(when, zone, moment::Grain::Minute));
            known.push(moment::show(when, zone, moment::Grain::Day));
        }
    }
    known
}

/// Names, kind, states: what the entry is called and how it stands.
fn name(entry: &Entry, context: Context<'_>, known: &mut Vec<String>) {
    let language = context.language();
    known.push(line::name(entry).to_owned());
    known.extend(entry.other_titles.iter().cloned());
    known.extend(entry.codes.iter().map(|coding| coding.display.clone()));
    known.push(words::kind(entry.kind, language).to_owned());
    known.push(words::kinds(&[entry.kind], 2, language));
    known.extend(words::states(entry, language));
    known.extend(entry.status.as_deref().map(|status| words::state(status, language)));
    known.extend(entry.verification.as_deref().map(|code| words::state(code, language)));
    if moment::of(entry).is_none() {
        known.push(context.say("undated", "날짜 없음").to_owned());
    }
    if entry.until.is_some() {
        known.push(context.say("ended", "종료").to_owned());
    }
    if matches!(entry.kind, Kind::Note | Kind::Report | Kind::Imaging) {
        known.push(context.say("Mentioned in", "기록지 언급").to_owned());
    }
}

/// A value with its unit, its flag and its range. Digits alone are enough where the unit follows in the next piece.
fn value(cite: &Cite<'_>, _entry: &Entry, context: Context<'_>, known: &mut Vec<String>) {
    let Some(value) = cite.measured() else { return };
    let language = context.language();
    known.push(value.name.clone());
    match &value.absent {
        Some(reason) if value.text.is_empty() => {
            known.push(format!("{} ({reason})", context.say("no value recorded", "값이 기록되지 않음")));
            known.push(format!("{}({reason})", context.say("no value recorded", "값이 기록되지 않음")));
        }
        _ => {
            known.push(quantity(value));
            known.push(format!("{}{}", value.comparator.as_deref().unwrap_or(""), value.text));
        }
    }
    known.push(value.unit.clone());
    match value.interpretation.as_deref().and_then(|code| words::flag(code, language)) {
        Some(flag) => known.push(flag.to_owned()),
        None => known.extend(evidence::by_range(value).map(|order| words::by_range(order, language).to_owned())),
    }
    if let Some(range) = value.range.as_ref().filter(|range| !range.text.is_empty()) {
        known.push(format!("{} {}", context.say("reference", "참고치"), range.text));
        if context.plan.attribute == Some(Attribute::ReferenceRange) {
            known.push(range.text.clone());
        }
    }
    labels(None, context, known);
}

/// A fact and what it is called.
fn fact(cite: &Cite<'_>, context: Context<'_>, known: &mut Vec<String>) {
    if let Some(fact) = attribute_fact(cite) {
        known.push(words::fact(&fact.name, context.language()));
        labels(Some(&fact.name), context, known);
    } else {
        labels(None, context, known);
    }
}

/// The asked attribute's own name, where the citation is of that attribute.
fn labels(fact: Option<&str>, context: Context<'_>, known: &mut Vec<String>) {
    let Some(attribute) = context.plan.attribute else { return };
    let fits = match attribute {
        Attribute::Status | Attribute::ReferenceRange | Attribute::Unit | Attribute::Conclusion => true,
        other => fact.is_some_and(|fact| words::facts_of(other).iter().any(|name| name.eq_ignore_ascii_case(fact))),
    };
    if fits {
        known.push(words::attribute(attribute, context.language()));
    }
}

/// The quote itself, also on one line and as a beginning.
fn quoted(cite: &Cite<'_>, known: &mut Vec<String>) {
    known.push(cite.quote.clone());
    known.push(cite.quote.split_whitespace().collect::<Vec<_>>().join(" "));
}

fn person(cite: &Cite<'_>, person: &Person, context: Context<'_>, known: &mut Vec<String>) {
    let language = context.language();
    for attribute in context.plan.attribute.iter().chain(&context.plan.also) {
        if person_attribute(cite, *attribute) {
            known.push(words::attribute(*attribute, language));
        }
    }
    if cite.path == "gender" {
        known.extend(person.sex.as_deref().map(|sex| words::sex(sex, language).to_owned()));
    }
    if cite.path == "birthDate" {
        known.push(context.say("birth date", "생년월일").to_owned());
    }
    let phrases: &[(&str, &str)] = match &person.deceased {
        Some(Deceased::No) => &[("alive", "생존")],
        Some(Deceased::Yes) => {
            &[("deceased; the date is not recorded", "사망"), ("deceased", "날짜는 기록되지 않았습니다")]
        }
        Some(Deceased::On(when)) => {
            known.push(moment::show(when, &context.setting.zone, moment::Grain::Day));
            &[("deceased", "사망"), ("at death", "사망 당시")]
        }
        None => &[],
    };
    known.extend(
        phrases.iter().map(|(english, korean)| if language == Language::En { english } else { korean }.to_string()),
    );
}

/// The attribute's name is given only to the element that holds it.
fn person_attribute(cite: &Cite<'_>, attribute: Attribute) -> bool {
    match attribute {
        Attribute::Age | Attribute::BirthDate => cite.path == "birthDate",
        Attribute::Sex => cite.path == "gender",
        Attribute::Name => cite.path == "name",
        Attribute::Identifier => cite.path == "identifier",
        Attribute::Death => cite.path.starts_with("deceased"),
        other => attribute_fact(cite)
            .is_some_and(|fact| words::facts_of(other).iter().any(|name| name.eq_ignore_ascii_case(&fact.name))),
    }
}

/// The subject's own names stand for the entries' names only where every cited entry is that subject.
fn subject_names(subject: &Subject, part: &Part<'_>) -> Vec<String> {
    let mut entries = part.cites.iter().filter(|cite| cite.of.entry().is_some()).peekable();
    if entries.peek().is_none() {
        return Vec::new();
    }
    let fits = entries.all(|cite| {
        let Some(entry) = cite.of.entry() else { return false };
        matching::matches(subject, entry).is_some_and(|found| match (found.component, cite.measured()) {
            (Some(index), Some(value)) => entry.values.get(index) == Some(value),
            _ => true,
        })
    });
    if !fits {
        return Vec::new();
    }
    vec![subject.names.0.clone(), subject.names.1.clone(), subject.said.clone()]
}

/// `text` with every occurrence of the phrases taken out, longest first, where each stands as whole words and numbers.
pub(crate) fn without(text: &str, phrases: &[String]) -> String {
    let mut ordered: Vec<&str> = phrases.iter().map(String::as_str).collect();
    ordered.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    ordered.dedup();
    let mut rest = text.to_owned();
    for phrase in ordered {
        let mut from = 0;
        while let Some(at) = rest.get(from..).and_then(|tail| tail.find(phrase)).map(|at| at + from) {
            let end = at + phrase.len();
            if stands_alone(&rest, at, end) {
                rest.replace_range(at..end, &TAKEN.to_string());
                from = at + TAKEN.len_utf8();
            } else {
                from = at + phrase.chars().next().map_or(1, char::len_utf8);
            }
        }
    }
    rest
}

/// Neither a part of a longer word nor of a longer number, nor behind a sign that changes the number.
fn stands_alone(text: &str, at: usize, end: usize) -> bool {
    let mut behind = text.get(..at).unwrap_or_default().chars().rev();
    let (before, further) = (behind.next(), behind.next());
    let mut ahead = text.get(end..).unwrap_or_default().chars();
    let (after, next) = (ahead.next(), ahead.next());
    let phrase = text.get(at..end).unwrap_or_default();
    let (Some(first), Some(last)) = (phrase.chars().next(), phrase.chars().last()) else { return false };
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let open = |edge: char, outside: Option<char>| match outside {
        None => true,
        Some(outside) if edge.is_ascii_alphanumeric() => !outside.is_ascii_alphanumeric(),
        Some(outside) if is_hangul(edge) => !is_hangul(outside),
        Some(_) => true,
    };
    let number_before = first.is_ascii_digit()
        && (matches!(before, Some('<' | '>' | '≤' | '≥' | '±' | '='))
            || (matches!(before, Some('.' | ',' | ':' | '/')) && digit(further))
            || (matches!(before, Some('-' | '−'))
                && !further.is_some_and(char::is_alphanumeric)
                && further != Some(TAKEN)));
    let number_after = last.is_ascii_digit() && matches!(after, Some('.' | ',' | ':' | '/' | '-')) && digit(next);
    // Behind a Korean word only a particle or an ending of the templates may go on, or it is a longer word.
    let tail: String = text.get(end..).unwrap_or_default().chars().take_while(|c| is_hangul(*c)).collect();
    let ends = if is_hangul(last) {
        tail.is_empty() || neutral::is_neutral(&tail, Author::Template)
    } else {
        open(last, after)
    };
    open(first, before) && ends && !number_before && !number_after
}

fn is_hangul(c: char) -> bool {
    matches!(c, '가'..='힣')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str, phrases: &[&str]) -> String {
        let phrases: Vec<String> = phrases.iter().map(|phrase| (*phrase).to_owned()).collect();
        without(text, &phrases).replace(TAKEN, "_")
    }

    #[test]
    fn phrases_are_taken_whole_and_longest_first() {
        assert_eq!(left("HbA1c is 7.1%.", &["HbA1c", "7.1%", "7.1"]), "_ is _.");
        assert_eq!(left("당화혈색소는 7.1%입니다", &["당화혈색소", "7.1%"]), "_는 _입니다");
    }

    #[test]
    fn a_part_of_a_number_or_word_is_not_the_phrase() {
        for (text, phrase) in [
            ("17.1", "7.1"),
            ("7.15", "7.1"),
            ("1,200", "200"),
            ("<7.1", "7.1"),
            (" -7.1", "7.1"),
            ("2020-01", "2020"),
            ("9:30", "30"),
            ("HbA1cx", "HbA1c"),
            ("비당뇨", "당뇨"),
            ("120/80", "120"),
            ("당뇨병성망막증", "당뇨"),
            ("인용만", "인"),
        ] {
            assert_eq!(left(text, &[phrase]), text);
        }
    }
}
