//! Facts about the person: age, birth date, sex, names, numbers, address, telephone, death.

use haechi_record::chart::{Deceased, Person};

use super::sentence::{Cite, Of, Part, Rule, Sentence};
use super::{Context, Draft, absence, moment, words};
use crate::plan::{Attribute, Language};

/// Answers a question about the person, one attribute after another.
pub fn draft(context: Context<'_>) -> Draft<'_> {
    let mut draft = Draft::default();
    let first = context.plan.attribute.unwrap_or(Attribute::Name);
    for attribute in std::iter::once(first).chain(context.plan.also.iter().copied()) {
        let found = sentences(context, attribute);
        if found.is_empty() {
            let what = words::attribute(attribute, context.language());
            draft.missing.push(match context.language() {
                Language::En => {
                    format!("The patient's {what} was not found in the record as of {}.", absence::as_of(context))
                }
                Language::Ko => {
                    format!("환자의 {what} 정보를 {} 기준 기록에서 찾지 못했습니다.", absence::as_of(context))
                }
            });
        }
        draft.sentences.extend(found);
    }
    draft
}

fn sentences(context: Context<'_>, attribute: Attribute) -> Vec<Sentence<'_>> {
    let person = &context.chart.patient;
    let label = words::attribute(attribute, context.language());
    let one = |text: String, path: &str, quote: &str| Part::one(text, cite(person, path, quote));
    let stated = |value: &str, path: &str| {
        let text = match context.language() {
            Language::En => format!("Recorded {label}: {value}."),
            Language::Ko => format!("기록된 {label}: {value}."),
        };
        Sentence::of(vec![one(text, path, value)], None)
    };
    match attribute {
        Attribute::Age => age(context).into_iter().collect(),
        Attribute::BirthDate => {
            person.birth_date.map(moment::show_partial).map(|date| stated(&date, "birthDate")).into_iter().collect()
        }
        Attribute::Sex => person
            .sex
            .as_deref()
            .map(|sex| {
                let word = words::sex(sex, context.language());
                let text = format!("{}: {word}.", context.say("Recorded sex", "기록된 성별"));
                Sentence::of(vec![one(text, "gender", sex)], None)
            })
            .into_iter()
            .collect(),
        Attribute::Name => person.names.iter().map(|name| stated(name, "name")).collect(),
        Attribute::Identifier => person.identifiers.iter().map(|(_, value)| stated(value, "identifier")).collect(),
        Attribute::Death => death(context, person).into_iter().collect(),
        other => {
            let wanted = words::facts_of(other);
            person
                .facts
                .iter()
                .filter(|fact| wanted.iter().any(|name| fact.name.eq_ignore_ascii_case(name)))
                .map(|fact| stated(&fact.text, &fact.path))
                .collect()
        }
    }
}

fn cite<'c>(person: &'c Person, path: &str, quote: &str) -> Cite<'c> {
    Cite { of: Of::Person(person), path: path.to_owned(), quote: quote.to_owned() }
}

/// Age today, or at death.
fn age(context: Context<'_>) -> Option<Sentence<'_>> {
    let person = &context.chart.patient;
    let birth = person.birth_date?;
    let (first, last) = moment::partial_days(birth)?;
    let (until, at_death) = match &person.deceased {
        Some(Deceased::On(when)) => (moment::days(when, &context.setting.zone)?.0, true),
        Some(Deceased::Yes) => return None,
        _ => (context.today(), false),
    };
    let (least, most) = (moment::years(last, until), moment::years(first, until));
    let years = if least == most { most.to_string() } else { format!("{least}–{most}") };
    let born = moment::show_partial(birth);
    let text = match (context.language(), at_death) {
        (Language::En, false) => format!("Age {years} years on {until} (computed from the birth date {born})."),
        (Language::En, true) => format!("Age {years} years at death on {until} (computed from the birth date {born})."),
        (Language::Ko, false) => format!("{until} 기준 만 {years}세입니다 (생년월일 {born}에서 계산)."),
        (Language::Ko, true) => format!("{until} 사망 당시 만 {years}세였습니다 (생년월일 {born}에서 계산)."),
    };
    let part =
        Part::one(text, cite(person, "birthDate", &born)).with(Rule::Age, years).with(Rule::Today, until.to_string());
    Some(Sentence::of(vec![part], None))
}

fn death<'c>(context: Context<'c>, person: &'c Person) -> Option<Sentence<'c>> {
    let (text, path, quote) = match person.deceased.as_ref()? {
        Deceased::No => (
            context.say("Recorded as alive.", "생존으로 기록되어 있습니다.").to_owned(),
            "deceasedBoolean",
            "false".to_owned(),
        ),
        Deceased::Yes => (
            context
                .say(
                    "Recorded as deceased; the date is not recorded.",
                    "사망으로 기록되어 있습니다. 날짜는 기록되지 않았습니다.",
                )
                .to_owned(),
            "deceasedBoolean",
            "true".to_owned(),
        ),
        Deceased::On(when) => {
            let date = moment::show(when, &context.setting.zone, moment::Grain::Day);
            let text = match context.language() {
                Language::En => format!("Recorded as deceased on {date}."),
                Language::Ko => format!("{date}에 사망한 것으로 기록되어 있습니다."),
            };
            (text, "deceasedDateTime", crate::citation::death_quote(when))
        }
    };
    Some(Sentence::of(vec![Part::one(text, cite(person, path, &quote))], None))
}
