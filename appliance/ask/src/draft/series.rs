//! All values over time, newest first.

use haechi_record::chart::{Entry, Measured};
use haechi_record::units::analyte::{Analyte, By};

use super::line::{self, Line};
use super::sentence::{Cite, Part, Rule};
use super::{Context, Draft, shapes, words};
use crate::evidence::{self, Group, Hit};

/// A line that counts them, then one line a value.
pub(super) fn all<'c>(context: Context<'c>, group: &Group<'c>, hits: &[Hit<'c>], draft: &mut Draft<'c>) {
    let unit = units(context, hits, draft);
    let unit = unit.as_deref().or(context.plan.filter_unit.as_deref());
    let one_name = line::by_name(hits).len() == 1;
    let several = hits.len() > 1;
    if several {
        draft.sentences.push(header(context, group, hits, one_name));
    }
    let shown = hits.len().min(shapes::LISTED);
    for hit in hits.iter().rev().take(shown) {
        let mut line = Line::new(context);
        if several && one_name && !hit.values().is_empty() {
            for part in line::date_parts(context, hit.entry) {
                line.part(part);
            }
            line.say(": ", ": ");
            for part in line::value_parts(context, hit).into_iter().chain(line::converted_part(hit, unit)) {
                line.part(part);
            }
            line.brackets(line::value_details(context, hit, false));
        } else {
            line::push_in(&mut line, context, hit, group.subject, unit);
        }
        draft.sentences.push(if several {
            line.item(group.subject)
        } else {
            line.say(".", ".").sentence(group.subject)
        });
    }
    shapes::rest(context, hits.get(..hits.len() - shown).unwrap_or_default(), draft);
}

/// `7 values of HbA1c are recorded:` / `당화혈색소 기록은 총 7건입니다:`
fn header<'c>(
    context: Context<'c>,
    group: &Group<'c>,
    hits: &[Hit<'c>],
    one_name: bool,
) -> super::sentence::Sentence<'c> {
    let count = hits.len().to_string();
    // A panel is cited by its values, which the lines below cite too.
    let cites: Vec<Cite<'c>> = hits
        .iter()
        .flat_map(|hit| {
            let values = hit.values();
            if values.is_empty() {
                vec![Cite::title(hit.entry)]
            } else {
                values.into_iter().map(|value| Cite::value(hit.entry, value)).collect()
            }
        })
        .collect();
    let mut line = Line::new(context);
    let label = hits.last().map(|hit| label(context, hit, group, one_name)).unwrap_or_default();
    let counted = |text: String| Part::all(text, cites.clone()).with(Rule::Entries, count.clone());
    let named = Part::all(label, hits.iter().map(|hit| Cite::title(hit.entry)).chain(cites.clone()).collect());
    if group.subject.is_none() && !one_name {
        // Of several things, none of them asked by name, the kind is counted.
        let kind = words::kinds(&shapes::kinds(hits), hits.len(), context.language());
        if context.is_korean() {
            line.part(counted(format!("{kind} 기록은 총 {count}건입니다")));
        } else {
            line.part(counted(format!("{count} {kind}"))).say(" are recorded", "");
        }
    } else if context.is_korean() {
        line.part(named).part(counted(format!(" 기록은 총 {count}건입니다")));
    } else {
        line.part(counted(format!("{count} values of "))).part(named).say(" are recorded", "");
    }
    line.part(shapes::window(context, &cites));
    for part in shapes::reservations(context, hits) {
        line.part(part);
    }
    line.say(":", ":");
    line.sentence(group.subject)
}

fn label<'c>(context: Context<'c>, hit: &Hit<'c>, group: &Group<'c>, one_name: bool) -> String {
    match group.subject {
        Some(subject) if !one_name => said(context, subject),
        _ => line::label(context, hit, group.subject),
    }
}

/// What the subject is called in the answer's language.
pub(super) fn said(context: Context<'_>, subject: &crate::plan::Subject) -> String {
    let name = if context.is_korean() { &subject.names.1 } else { &subject.names.0 };
    let name = if name.is_empty() { &subject.names.0 } else { name };
    if name.is_empty() { subject.said.clone() } else { name.clone() }
}

/// Units are never merged silently: where values of one thing were recorded in several, the answer says so, and whether
/// they were converted. Gives back the unit that they are compared in, that of the newest, if they had to be.
pub(super) fn units(context: Context<'_>, hits: &[Hit<'_>], draft: &mut Draft<'_>) -> Option<String> {
    let values: Vec<(&Entry, &Measured)> = hits
        .iter()
        .filter_map(|hit| Some((hit.entry, hit.value?)))
        .filter(|(_, value)| value.number.is_some())
        .collect();
    let mut units: Vec<&str> = Vec::new();
    for (_, value) in &values {
        if !units.iter().any(|unit| evidence::same_unit(unit, &value.unit)) {
            units.push(&value.unit);
        }
    }
    let newest = *values.last()?;
    let together = values.iter().all(|value| evidence::comparable(*value, newest));
    if units.len() < 2 || !(together || line::by_name(hits).len() == 1) {
        return None;
    }
    let listed = units
        .iter()
        .map(|unit| if unit.is_empty() { context.say("no unit", "단위 없음") } else { unit })
        .collect::<Vec<_>>()
        .join(", ");
    if !together {
        draft.warn(if context.is_korean() {
            format!("단위가 서로 다르게 기록되어 있으며({listed}) 변환하거나 합치지 않았습니다.")
        } else {
            format!("Values are recorded in different units ({listed}); they are kept apart and not converted.")
        });
        return None;
    }
    let target = &newest.1.unit;
    let by = values
        .iter()
        .find_map(|(entry, value)| evidence::convert(entry, value, target)?.by)
        .map(|analyte| basis(context, analyte))
        .unwrap_or_default();
    draft.warn(if context.is_korean() {
        format!("단위가 서로 다르게 기록되어 있어({listed}) {target} 기준으로 환산하여 비교했습니다{by}. 기록된 값과 환산값(=)을 함께 표시합니다.")
    } else {
        format!("Values are recorded in different units ({listed}); they were converted to {target} to compare them{by}. The recorded value is shown with the converted one (=) beside it.")
    });
    Some(target.clone())
}

/// What a conversion rests on.
fn basis(context: Context<'_>, analyte: &Analyte) -> String {
    let name = context.say(analyte.english, analyte.korean);
    match analyte.by {
        By::MolarMass(mass, _) => format!(" ({name}, {mass} g/mol)"),
        By::HbA1c => format!(" ({name}, {})", context.say("IFCC-NGSP master equation", "IFCC-NGSP 환산식")),
    }
}
