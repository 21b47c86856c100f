//! Units as written, compared and converted. Only spellings of one unit are equal (`mm[Hg]` and `mmHg`); what happens to be
//! equal in number (`mEq/L` and `mmol/L` of potassium) is still two units, and converts only because the code says potassium.
//!
//! Whoever shows a converted value shows the recorded one with it.

use haechi_record::chart::{Entry, Measured};
use haechi_record::terminology::System;
use haechi_record::units::analyte::{self, Analyte};
use haechi_record::units::{self, Converted};

/// True if both spellings name one unit. An absent unit equals only an absent one.
#[must_use]
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other || fold(one) == fold(other)
}

/// One spelling for all: case, brackets and braces, `μ`, powers and percent signs. What stands in braces stays: a
/// clearance for 1.73 m² of body surface is not a clearance.
pub(crate) fn fold(unit: &str) -> String {
    let mut folded = String::new();
    for c in unit.chars() {
        match c {
            'µ' | 'μ' => folded.push('u'),
            '㎎' => folded.push_str("mg"),
            '㎗' => folded.push_str("dl"),
            '㎜' => folded.push_str("mm"),
            '㎏' => folded.push_str("kg"),
            '㎝' => folded.push_str("cm"),
            '℃' => folded.push('c'),
            '％' => folded.push('%'),
            '^' | '*' | '[' | ']' | '{' | '}' | '_' | ' ' | '°' | '\u{a0}' => {}
            '³' => folded.push('3'),
            '²' => folded.push('2'),
            other => folded.extend(other.to_lowercase()),
        }
    }
    match folded.as_str() {
        "cel" | "degc" => "c".to_owned(),
        "mcg" => "ug".to_owned(),
        "mcg/ml" => "ug/ml".to_owned(),
        "mcg/dl" => "ug/dl".to_owned(),
        "percent" => "%".to_owned(),
        "cmm" => "mm3".to_owned(),
        _ => folded,
    }
}

/// The LOINC codes of what was measured: a component's own, else the entry's.
fn loinc<'c>(entry: &'c Entry, value: &'c Measured) -> impl Iterator<Item = &'c str> {
    let codes = if value.name.is_empty() { &entry.codes } else { &value.codes };
    codes
        .iter()
        .filter(|coding| System::named(&coding.system) == Some(System::Loinc))
        .map(|coding| coding.code.as_str())
}

/// The analyte that was measured, if the table of mass and moles knows its code.
pub(crate) fn analyte(entry: &Entry, value: &Measured) -> Option<&'static Analyte> {
    loinc(entry, value).find_map(analyte::of_loinc)
}

/// The value's number in `unit`; `None` if there is no number, or no conversion. An absent unit is converted to nothing.
pub(crate) fn convert(entry: &Entry, value: &Measured, unit: &str) -> Option<Converted> {
    let number = value.number?;
    if same(&value.unit, unit) {
        return Some(Converted { number, by: None });
    }
    units::convert(number, &value.unit, unit, loinc(entry, value))
}

/// True if both spellings are read as units: only then does a difference between them mean something.
pub(crate) fn understood(one: &str, other: &str) -> bool {
    let known = |unit: &str| units::ucum::Unit::written(unit).is_some();
    known(one) && known(other)
}

/// The value as it is in `unit`: its number, and its digits with as many figures as were recorded, three at least.
pub(crate) fn in_unit(entry: &Entry, value: &Measured, unit: &str) -> Option<Measured> {
    if same(&value.unit, unit) {
        return Some(value.clone());
    }
    let number = convert(entry, value, unit)?.number;
    Some(Measured { number: Some(number), text: figures(number, &value.text), unit: unit.to_owned(), ..value.clone() })
}

/// All values in the unit of the last; `None` if one does not convert.
pub(crate) fn in_one_unit(values: &[(&Entry, &Measured)]) -> Option<Vec<Measured>> {
    let (_, last) = values.last()?;
    values.iter().map(|(entry, value)| in_unit(entry, value, &last.unit)).collect()
}

/// True if two values may stand in one series: one name or one analyte, and units that convert.
pub(crate) fn comparable(one: (&Entry, &Measured), other: (&Entry, &Measured)) -> bool {
    let name = |(entry, value): (&Entry, &Measured)| {
        if value.name.is_empty() { entry.title.to_lowercase() } else { value.name.to_lowercase() }
    };
    let of = |(entry, value): (&Entry, &Measured)| analyte(entry, value);
    let one_thing =
        name(one) == name(other) || of(one).zip(of(other)).is_some_and(|(one, other)| std::ptr::eq(one, other));
    one_thing && convert(one.0, one.1, &other.1.unit).is_some()
}

/// `number` with as many figures as `like` has, three to six, without zeros at the end.
fn figures(number: f64, like: &str) -> String {
    let written = like.chars().filter(char::is_ascii_digit).collect::<String>();
    let wanted = written.trim_start_matches('0').len().clamp(3, 6);
    let before = if number == 0.0 { 1 } else { number.abs().log10().floor() as i64 + 1 };
    let decimals = usize::try_from(wanted as i64 - before).unwrap_or(0).min(9);
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::{figures, same};

    #[test]
    fn a_converted_value_is_as_precise_as_the_recorded_one() {
        for (number, like, expected) in [
            (5.549_8, "100", "5.55"),
            (99.086, "5.5", "99.1"),
            (88.4, "1.0", "88.4"),
            (1234.56, "5.5", "1235"),
            (0.012_345, "7", "0.0123"),
            (0.0, "0", "0"),
        ] {
            assert_eq!(figures(number, like), expected);
        }
    }

    #[test]
    fn spellings_of_one_unit_are_one_and_units_are_not() {
        for (one, other, expected) in [
            ("mm[Hg]", "mmHg", true),
            ("mg/dL", "mg/dl", true),
            ("10*3/uL", "10^3/µL", true),
            ("Cel", "℃", true),
            ("°C", "Cel", true),
            ("%", "％", true),
            ("mL/min/{1.73_m2}", "mL/min/1.73m²", true),
            ("mL/min/{1.73_m2}", "mL/min", false),
            ("mg/dL", "mmol/L", false),
            ("mEq/L", "mmol/L", false),
            ("mg", "g", false),
            ("", "mg", false),
            ("", "", true),
            ("kg", "lb", false),
            ("[degF]", "Cel", false),
        ] {
            assert_eq!(same(one, other), expected, "{one} and {other}");
        }
    }
}
