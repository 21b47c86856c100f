//! The table of search parameters (`params.psv`), read once.

use std::collections::HashMap;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

const TABLE: &str = include_str!("params.psv");

/// How a parameter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Codes, identifiers, booleans.
    Token,
    /// Whether an element is there and is not `false` (`Patient.deceased`); asked as a token.
    Flag,
    /// References to resources.
    Reference,
    /// Dates, instants, periods.
    Date,
    /// Words.
    String,
    /// Numbers with a unit.
    Quantity,
    /// Addresses, compared whole.
    Uri,
    /// An element's code together with its quantity, asked as `code$quantity`.
    CodeQuantity,
    /// An element's code together with its coded value, asked as `code$code`.
    CodeConcept,
}

impl Kind {
    /// Whether values have an order, so that `_sort` can name the parameter.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Date | Self::String | Self::Quantity | Self::Uri)
    }

    /// FHIR's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token | Self::Flag => "token",
            Self::Reference => "reference",
            Self::Date => "date",
            Self::String => "string",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::CodeQuantity | Self::CodeConcept => "composite",
        }
    }
}

/// One step of an element path: a name, and a member that must have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) with: Option<(&'static str, &'static str)>,
}

/// A search parameter of one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// How it compares.
    pub kind: Kind,
    /// The elements it reads, as written in the table.
    pub paths: &'static str,
    /// Only references to this type count.
    pub target: Option<&'static str>,
    pub(crate) steps: Vec<Vec<Step>>,
    /// Its number in global keys.
    pub(crate) number: u64,
    /// A global key exists for each value.
    pub(crate) keyed: bool,
    /// Its dates are indexed globally.
    pub(crate) dated: bool,
    /// Its text is indexed globally.
    pub(crate) worded: bool,
    /// Rows lie by the patient that it names.
    pub(crate) places: bool,
}

/// The parameters of a type.
#[derive(Debug)]
pub struct TypeParams {
    /// Resource type.
    pub resource_type: &'static str,
    /// In the order of their numbers.
    pub params: Vec<Param>,
}

impl TypeParams {
    /// The parameter `name` and its number.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(u16, &Param)> {
        let at = self.params.iter().position(|param| param.name == name)?;
        Some((u16::try_from(at).ok()?, self.params.get(at)?))
    }

    /// The parameter numbered `at`.
    #[must_use]
    pub fn get(&self, at: u16) -> Option<&Param> {
        self.params.get(usize::from(at))
    }
}

struct Tables {
    by_type: HashMap<&'static str, TypeParams>,
    others: TypeParams,
}

/// The parameters of `resource_type`; those of every type for one without a table of its own.
#[must_use]
pub fn of(resource_type: &str) -> &'static TypeParams {
    let tables = tables();
    tables.by_type.get(resource_type).unwrap_or(&tables.others)
}

/// The types with parameters of their own, sorted.
#[must_use]
pub fn types() -> Vec<&'static str> {
    let mut types: Vec<_> = tables().by_type.keys().copied().collect();
    types.sort_unstable();
    types
}

/// Changes when a parameter or the layout of packed values does: stores packed by another one are packed again.
pub(crate) fn fingerprint() -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update([super::FORMAT]);
    digest.update(TABLE.as_bytes());
    digest.finalize().into()
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let rows: Vec<(&str, Param)> = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect();
        let shared = || rows.iter().filter(|(of, _)| *of == "*").map(|(_, param)| param.clone());
        let mut by_type: HashMap<&'static str, TypeParams> = HashMap::new();
        for (of, param) in rows.iter().filter(|(of, _)| *of != "*") {
            let table = by_type.entry(of).or_insert_with(|| TypeParams { resource_type: of, params: Vec::new() });
            table.params.push(param.clone());
        }
        for table in by_type.values_mut() {
            let more: Vec<_> = shared().filter(|param| table.find(param.name).is_none()).collect();
            table.params.extend(more);
            for param in &mut table.params {
                param.number = super::number_of(&[table.resource_type, param.name]);
            }
        }
        let mut others = TypeParams { resource_type: "*", params: shared().collect() };
        for param in &mut others.params {
            param.number = super::number_of(&["*", param.name]);
        }
        Tables { by_type, others }
    })
}

fn row(line: &'static str) -> Option<(&'static str, Param)> {
    let mut cells = line.split('|');
    let (of, name, kind, paths, flags) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    let kind = match kind {
        "token" => Kind::Token,
        "flag" => Kind::Flag,
        "reference" => Kind::Reference,
        "date" => Kind::Date,
        "string" => Kind::String,
        "quantity" => Kind::Quantity,
        "uri" => Kind::Uri,
        "code-quantity" => Kind::CodeQuantity,
        "code-concept" => Kind::CodeConcept,
        _ => return None,
    };
    let (flags, target) = match flags.split_once('>') {
        Some((flags, target)) => (flags, Some(target)),
        None => (flags, None),
    };
    let steps =
        paths.split(',').map(|path| path.split('.').filter(|name| !name.is_empty()).map(step).collect()).collect();
    let has = |flag| flags.contains(flag);
    Some((
        of,
        Param {
            name,
            kind,
            paths,
            target,
            steps,
            number: 0,
            keyed: has('k'),
            dated: has('d'),
            worded: has('t'),
            places: has('p'),
        },
    ))
}

fn step(text: &'static str) -> Step {
    let filter = text.strip_suffix(']').and_then(|rest| rest.split_once('['));
    match filter {
        Some((name, with)) => Step { name, with: with.split_once('=') },
        None => Step { name: text, with: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let read = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).count();
        assert_eq!(lines, read);
        let (_, phone) = of("Patient").find("phone").unwrap();
        assert_eq!(phone.steps, [vec![Step { name: "telecom", with: Some(("system", "phone")) }]]);
        assert!(of("Patient").find("identifier").is_some_and(|(_, param)| param.keyed));
        let page = include_str!("../../../../docs/src/fhir-api.md");
        for (of, param) in TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row) {
            let of = if of == "*" { "every type" } else { of };
            let line = format!("| {of} | `{}` | {} |", param.name, param.kind.name());
            assert!(page.contains(&line), "docs/src/fhir-api.md lacks {line}");
        }
        assert!(of("Basic").find("identifier").is_some());
        assert!(of("Basic").find("patient").is_none());
    }
}
