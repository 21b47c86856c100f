//! Units as written, compared. Only spellings of one unit are equal (`mm[Hg]` and `mmHg`); nothing is converted, and what
//! happens to be equal in number (`mEq/L` and `mmol/L` of potassium) is still two units.

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

#[cfg(test)]
mod tests {
    use super::same;

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
