//! One asked condition: a parameter, how it is to be compared, and the alternatives of which one must hold.

use super::extract::{Pair, Value, Values, displays, pairs, target};
use super::number_of;
use super::params::{Kind, Param, TypeParams};
use super::text::fold;
use super::time::{Prefix, Range};

/// Alternatives (separated by commas) in one condition.
const MAX_ALTERNATIVES: usize = 1000;

/// Why a condition cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// The type has no such parameter.
    #[error("{resource_type} has no search parameter `{name}`")]
    Unknown {
        /// Resource type.
        resource_type: String,
        /// As asked.
        name: String,
    },
    /// The parameter cannot be compared like that.
    #[error("the search parameter `{name}` does not take the modifier `:{modifier}`")]
    Modifier {
        /// Parameter.
        name: String,
        /// As asked.
        modifier: String,
    },
    /// The value is not of the parameter's type.
    #[error("the value of the search parameter `{name}` is no {expected}")]
    Value {
        /// Parameter.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Too many alternatives.
    #[error("the search parameter `{name}` has more than 1000 alternatives")]
    TooMany {
        /// Parameter.
        name: String,
    },
}

/// A condition on one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Number of the parameter in its table.
    pub(crate) param: u16,
    pub(crate) test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Missing(bool),
    Token {
        not: bool,
        any: Vec<Token>,
    },
    /// Folded beginnings of the words of the concept.
    Words(Vec<String>),
    Reference(Vec<Target>),
    ReferenceIdentifier(Vec<Token>),
    Date(Vec<(Prefix, Range)>),
    Text(Match, Vec<String>),
    Quantity(Vec<Quantity>),
    Uri {
        below: bool,
        any: Vec<String>,
    },
    /// Code and value of the same element.
    Composite(Vec<(Token, Other)>),
}

/// The second part of a composite value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Other {
    Quantity(Quantity),
    Concept(Token),
}

/// `system|code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// `None`: any; 0: none.
    pub(crate) system: Option<u64>,
    pub(crate) code: Option<u64>,
}

/// What a reference must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: Option<String>,
    pub(crate) id: String,
    /// Of `Type/id`, or of the id alone where no type was asked.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Begins,
    Contains,
    Exact,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantity {
    prefix: Prefix,
    value: f64,
    /// Half of the last digit written.
    half: f64,
    system: Option<u64>,
    code: Option<u64>,
}

impl Condition {
    /// Reads `name:modifier=value` (value: decoded from the address, commas and escapes as written).
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn read(table: &TypeParams, name: &str, modifier: Option<&str>, value: &str) -> Result<Self, ConditionError> {
        let (at, param) = table.find(name).ok_or_else(|| ConditionError::Unknown {
            resource_type: table.resource_type.to_owned(),
            name: name.to_owned(),
        })?;
        let alternatives = split(value, ',');
        if alternatives.len() > MAX_ALTERNATIVES {
            return Err(ConditionError::TooMany { name: name.to_owned() });
        }
        Ok(Self { param: at, test: test(param, modifier, value, &alternatives)? })
    }

    /// A condition that references of `name` name one of `targets` (`Type/id`): for chains and `_revinclude`.
    #[must_use]
    pub fn references(table: &TypeParams, name: &str, targets: &[String]) -> Option<Self> {
        let (at, param) = table.find(name).filter(|(_, param)| param.kind == Kind::Reference)?;
        let any = targets.iter().map(|written| reference(param, None, written)).collect();
        Some(Self { param: at, test: Test::Reference(any) })
    }

    /// Whether the resource with these packed values answers. `raw`: reads the resource, for what is not packed.
    pub(crate) fn answers(
        &self,
        packed: &[u8],
        now: i64,
        table: &TypeParams,
        raw: &mut dyn FnMut() -> Vec<u8>,
    ) -> bool {
        let mut values = Values(packed).filter(|(at, _)| *at == self.param).map(|(_, value)| value);
        match &self.test {
            Test::Missing(missing) => values.next().is_none() == *missing,
            Test::Token { not, any } => {
                let found = values.any(|value| matches!(value, Value::Token(system, code) if any.iter().any(|one| one.is(system, code))));
                found != *not
            }
            Test::Words(any) => {
                let said = table.get(self.param).map(|param| displays(&raw(), param)).unwrap_or_default();
                said.iter().any(|text| any.iter().any(|asked| text.starts_with(asked)))
            }
            Test::Composite(any) => {
                let pairs = table.get(self.param).map(|param| pairs(&raw(), param)).unwrap_or_default();
                pairs.iter().any(|pair| any.iter().any(|(code, other)| is_pair(pair, *code, *other)))
            }
            Test::Reference(any) => {
                values.any(|value| matches!(value, Value::Reference(full, id, _) if any.iter().any(|one| one.is(full, id))))
            }
            Test::ReferenceIdentifier(any) => values.any(
                |value| matches!(value, Value::ReferenceIdentifier(system, code) if any.iter().any(|one| one.is(system, code))),
            ),
            Test::Date(any) => values.any(
                |value| matches!(value, Value::Date(range) if any.iter().any(|(prefix, asked)| range.answers(*prefix, *asked, now))),
            ),
            Test::Text(how, any) => values.any(|value| {
                let Value::Text(text) = value else { return false };
                if *how == Match::Exact {
                    return any.iter().any(|asked| asked == text);
                }
                let text = fold(text);
                any.iter().any(|asked| if *how == Match::Begins { text.starts_with(asked) } else { text.contains(asked) })
            }),
            Test::Quantity(any) => values.any(|value| {
                matches!(value, Value::Quantity(number, system, code, unit) if any.iter().any(|one| one.is(number, system, code, unit)))
            }),
            Test::Uri { below, any } => values.any(|value| {
                let Value::Uri(text) = value else { return false };
                any.iter().any(|asked| {
                    let rest = text.strip_prefix(asked.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || (*below && rest.starts_with('/')))
                })
            }),
        }
    }
}

fn is_pair(pair: &Pair, code: Token, other: Other) -> bool {
    let is = |token: Token, value| matches!(value, Value::Token(system, code) if token.is(system, code));
    Values(&pair.codes).any(|(_, value)| is(code, value))
        && Values(&pair.values).any(|(_, value)| match (other, value) {
            (Other::Concept(token), value) => is(token, value),
            (Other::Quantity(quantity), Value::Quantity(number, system, code, unit)) => {
                quantity.is(number, system, code, unit)
            }
            (Other::Quantity(_), _) => false,
        })
}

impl Token {
    fn is(self, system: u64, code: u64) -> bool {
        self.system.is_none_or(|asked| asked == system) && self.code.is_none_or(|asked| asked == code)
    }
}

impl Target {
    pub(crate) fn new(kind: Option<&str>, id: &str) -> Self {
        let number = match kind {
            Some(kind) => number_of(&[kind, id]),
            None => number_of(&[id]),
        };
        Self { kind: kind.map(str::to_owned), id: id.to_owned(), number }
    }

    fn is(&self, full: u64, id: u64) -> bool {
        self.number == if self.kind.is_some() { full } else { id }
    }
}

impl Quantity {
    fn is(self, number: f64, system: u64, code: u64, unit: u64) -> bool {
        let unit_fits = match (self.system, self.code) {
            (_, None) => self.system.is_none_or(|asked| asked == system),
            // `value||code`: the code or the unit as shown.
            (None, Some(asked)) => asked == code || asked == unit,
            (Some(own), Some(asked)) => own == system && asked == code,
        };
        let (low, high) = (self.value - self.half, self.value + self.half);
        let inside = number >= low && number < high;
        let fits = match self.prefix {
            Prefix::Eq => inside,
            Prefix::Ne => !inside,
            Prefix::Gt | Prefix::Sa => number > self.value,
            Prefix::Lt | Prefix::Eb => number < self.value,
            Prefix::Ge => number >= self.value,
            Prefix::Le => number <= self.value,
            Prefix::Ap => (number - self.value).abs() <= (self.value / 10.0).abs(),
        };
        unit_fits && fits
    }
}

fn test(param: &Param, modifier: Option<&str>, whole: &str, alternatives: &[&str]) -> Result<Test, ConditionError> {
    let name = || param.name.to_owned();
    let wrong = |expected| ConditionError::Value { name: name(), expected };
    if modifier == Some("missing") && param.kind.name() != "composite" {
        return match whole {
            "true" => Ok(Test::Missing(true)),
            "false" => Ok(Test::Missing(false)),
            _ => Err(wrong("boolean (`true` or `false`)")),
        };
    }
    let refused = || Err(ConditionError::Modifier { name: name(), modifier: modifier.unwrap_or_default().to_owned() });
    let present = |text: &&&str| !text.is_empty();
    if !alternatives.iter().any(|text| !text.is_empty()) {
        return Err(wrong("value: it is empty"));
    }
    let some = alternatives.iter().filter(present);
    match (param.kind, modifier) {
        (Kind::Token | Kind::Flag, None | Some("not")) => {
            let any = some.map(|text| token(text)).collect::<Option<_>>().ok_or_else(|| wrong("token"))?;
            Ok(Test::Token { not: modifier.is_some(), any })
        }
        (Kind::Token, Some("text")) => Ok(Test::Words(some.map(|text| fold(&unescaped(text))).collect())),
        (Kind::Reference, Some("identifier")) => {
            let any = some.map(|text| token(text)).collect::<Option<_>>().ok_or_else(|| wrong("token"))?;
            Ok(Test::ReferenceIdentifier(any))
        }
        (Kind::Reference, kind)
            if kind.is_none_or(|kind| kind.starts_with(|first: char| first.is_ascii_uppercase())) =>
        {
            Ok(Test::Reference(some.map(|text| reference(param, kind, &unescaped(text))).collect()))
        }
        (Kind::Date, None) => {
            let read = |text: &&&str| {
                let (prefix, rest) = Prefix::split(text);
                Some((prefix, Range::read(rest)?))
            };
            let any = some.map(|text| read(&text)).collect::<Option<_>>();
            Ok(Test::Date(any.ok_or_else(|| wrong("date (YYYY, YYYY-MM, YYYY-MM-DD or with time and offset)"))?))
        }
        (Kind::String, None) => Ok(Test::Text(Match::Begins, some.map(|text| fold(&unescaped(text))).collect())),
        (Kind::String, Some("contains")) => {
            Ok(Test::Text(Match::Contains, some.map(|text| fold(&unescaped(text))).collect()))
        }
        (Kind::String, Some("exact")) => Ok(Test::Text(Match::Exact, some.map(|text| unescaped(text)).collect())),
        (Kind::Quantity, None) => {
            let any = some.map(|text| quantity(text)).collect::<Option<_>>();
            Ok(Test::Quantity(any.ok_or_else(|| wrong("quantity (number, or number|system|code)"))?))
        }
        (Kind::CodeQuantity | Kind::CodeConcept, None) => {
            let read = |text: &&&str| match split(text, '$').as_slice() {
                [code, value] if param.kind == Kind::CodeConcept => Some((token(code)?, Other::Concept(token(value)?))),
                [code, value] => Some((token(code)?, Other::Quantity(quantity(value)?))),
                _ => None,
            };
            let any = some.map(|text| read(&text)).collect::<Option<_>>();
            Ok(Test::Composite(any.ok_or_else(|| wrong("pair (code$value)"))?))
        }
        (Kind::Uri, None | Some("below")) => {
            Ok(Test::Uri { below: modifier.is_some(), any: some.map(|text| unescaped(text)).collect() })
        }
        _ => refused(),
    }
}

fn token(text: &str) -> Option<Token> {
    let parts = split(text, '|');
    let number = |text: &str| number_of(&[&unescaped(text)]);
    match parts.as_slice() {
        [code] => Some(Token { system: None, code: Some(number(code)) }),
        [system, code] => Some(Token {
            system: Some(if system.is_empty() { 0 } else { number(system) }),
            code: (!code.is_empty()).then(|| number(code)),
        })
        .filter(|_| !(system.is_empty() && code.is_empty())),
        _ => None,
    }
}

fn reference(param: &Param, kind: Option<&str>, written: &str) -> Target {
    let (own, id) = target(written);
    let kind = own.or(kind).or(param.target);
    Target::new(kind, id)
}

fn quantity(text: &str) -> Option<Quantity> {
    let (prefix, rest) = Prefix::split(text);
    let parts = split(rest, '|');
    let (digits, system, code) = match parts.as_slice() {
        [digits] => (*digits, "", ""),
        [digits, system, code] => (*digits, *system, *code),
        _ => return None,
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let value: f64 = digits.parse().ok().filter(|value: &f64| plain && value.is_finite())?;
    let number = |text: &str| (!text.is_empty()).then(|| number_of(&[&unescaped(text)]));
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, part)| part.len());
    let power = exponent.parse::<i32>().ok()?.saturating_sub(i32::try_from(decimals).ok()?);
    Some(Quantity { prefix, value, half: 10f64.powi(power) / 2.0, system: number(system), code: number(code) })
}

/// Splits at separators that are not escaped. The parts keep their escapes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(text.get(start..at).unwrap_or_default());
            start = at + separator.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::json::Json;
    use crate::index::{extract, params};

    const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final","identifier":[{"system":"urn:x","value":"a,b"}],
        "code":{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose"}],"text":"혈당"},
        "subject":{"reference":"Patient/p","identifier":{"system":"mrn","value":"7"}},
        "effectiveDateTime":"2024-05-01T08:00:00+09:00","valueQuantity":{"value":5.40,"system":"ucum","code":"mmol/L","unit":"mM"},
        "meta":{"profile":["http://x/StructureDefinition/a"]}}"#;
    const PRESSURE: &str = r#"{"resourceType":"Observation","code":{"coding":[{"code":"85354-9"}]},
        "valueCodeableConcept":{"coding":[{"code":"high"}]},
        "component":[{"code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":150}},
            {"code":{"coding":[{"code":"8462-4"}]},"valueQuantity":{"value":80}}]}"#;
    const PATIENT: &str = r#"{"resourceType":"Patient","name":[{"text":"김민수","family":"김","given":["민수"]},{"family":"Müller"}],
        "deceasedDateTime":"2024-01-01","telecom":[{"system":"phone","value":"02-123"},{"system":"email","value":"a@b"}]}"#;

    fn answers(json: &str, name: &str, modifier: Option<&str>, value: &str) -> Result<bool, ConditionError> {
        let root = Json::parse(json.as_bytes()).unwrap();
        let table = params::of(root.string("resourceType").unwrap());
        let packed = extract::index(&root, table, &|_| None).packed;
        let condition = Condition::read(table, name, modifier, value)?;
        Ok(condition.answers(&packed, 0, table, &mut || json.as_bytes().to_vec()))
    }

    #[test]
    fn conditions_compare_as_the_standard_says() {
        for (json, asked, expected) in [
            (OBSERVATION, "code=2345-7", true),
            (OBSERVATION, "code=http://loinc.org|2345-7", true),
            (OBSERVATION, "code=http://loinc.org|", true),
            (OBSERVATION, "code=|2345-7", false),
            (OBSERVATION, "code=x,2345-7", true),
            (OBSERVATION, "code:not=2345-7", false),
            (OBSERVATION, "code:not=1", true),
            (OBSERVATION, "code:text=glu", true),
            (OBSERVATION, "code:text=혈당", true),
            (OBSERVATION, "code:text=당", false),
            (OBSERVATION, "status=|final", true),
            (OBSERVATION, "identifier=urn:x|a\\,b", true),
            (OBSERVATION, "identifier=urn:x|a,b", false),
            (OBSERVATION, "category:missing=true", true),
            (OBSERVATION, "category:missing=false", false),
            (OBSERVATION, "subject=Patient/p", true),
            (OBSERVATION, "subject=p", true),
            (OBSERVATION, "subject:Patient=p", true),
            (OBSERVATION, "subject:Group=p", false),
            (OBSERVATION, "subject=http://any/Patient/p", true),
            (OBSERVATION, "patient=p", true),
            (OBSERVATION, "patient=q", false),
            (OBSERVATION, "subject:identifier=mrn|7", true),
            (OBSERVATION, "date=2024-05-01", true),
            (OBSERVATION, "date=2024-04-30", false),
            (OBSERVATION, "date=ge2024-05-01", true),
            (OBSERVATION, "date=lt2024-05-01T08:00:00+09:00", false),
            (OBSERVATION, "value-quantity=5.4", true),
            (OBSERVATION, "value-quantity=5", true),
            (OBSERVATION, "value-quantity=5.0", false),
            (OBSERVATION, "value-quantity=gt5.4", false),
            (OBSERVATION, "value-quantity=ge5.4||mM", true),
            (OBSERVATION, "value-quantity=5.4|ucum|mmol/L", true),
            (OBSERVATION, "value-quantity=5.4|ucum|mg/dL", false),
            (OBSERVATION, "value-quantity=ap5", true),
            (OBSERVATION, "code-value-quantity=http://loinc.org|2345-7$gt5|ucum|mmol/L", true),
            (OBSERVATION, "code-value-quantity=2345-7$gt6", false),
            (OBSERVATION, "code-value-quantity=1-1$gt5,2345-7$lt6", true),
            (OBSERVATION, "code-value-quantity=1-1$gt5", false),
            (OBSERVATION, "component-code-value-quantity=2345-7$gt5", false),
            (PRESSURE, "component-code-value-quantity=8480-6$gt140", true),
            (PRESSURE, "component-code-value-quantity=8462-4$gt140", false),
            (PRESSURE, "combo-code-value-quantity=8462-4$80", true),
            (PRESSURE, "combo-code-value-concept=85354-9$high", true),
            (PRESSURE, "code-value-concept=8480-6$high", false),
            (OBSERVATION, "_profile=http://x/StructureDefinition/a", true),
            (OBSERVATION, "_profile:below=http://x", true),
            (OBSERVATION, "_profile=http://x", false),
            (PATIENT, "name=김", true),
            (PATIENT, "name=민", true),
            (PATIENT, "name=기", false),
            (PATIENT, "family=MULL", true),
            (PATIENT, "family:exact=muller", false),
            (PATIENT, "family:exact=Müller", true),
            (PATIENT, "family:contains=LLE", true),
            (PATIENT, "deceased=true", true),
            (PATIENT, "phone=02-123", true),
            (PATIENT, "phone=a@b", false),
        ] {
            let (name, value) = asked.split_once('=').unwrap();
            let (name, modifier) = name.split_once(':').map_or((name, None), |(name, modifier)| (name, Some(modifier)));
            assert_eq!(answers(json, name, modifier, value), Ok(expected), "{asked}");
        }
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        for (name, modifier, value, word) in [
            ("colour", None, "x", "no search parameter"),
            ("date", None, "yesterday", "no date"),
            ("date", Some("exact"), "2024", "modifier"),
            ("value-quantity", None, "5|x", "no quantity"),
            ("value-quantity", None, "NaN", "no quantity"),
            ("code", None, "", "empty"),
            ("code", None, ",,", "empty"),
            ("code", None, "|", "no token"),
            ("code", Some("above"), "x", "modifier"),
            ("code", Some("missing"), "x", "boolean"),
            ("code", None, "a|b|c", "no token"),
            ("code-value-quantity", None, "2345-7", "no pair"),
            ("code-value-quantity", None, "2345-7$high", "no pair"),
            ("code-value-quantity", Some("missing"), "true", "modifier"),
        ] {
            let refused = answers(OBSERVATION, name, modifier, value).unwrap_err().to_string();
            assert!(refused.contains(word), "{name} {value}: {refused}");
        }
    }
}
