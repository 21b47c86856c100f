//! What FHIR R4 says of each element: whether JSON has it as a list, and whether it is a text, a number, or has parts.
//! XML says neither. The table is generated from HL7's definitions (`tables/fhir-r4.py`).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

static TABLE: &str = include_str!("../../../tables/fhir-r4.txt");
static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| Definitions::read(TABLE));

/// What an element holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Holds {
    Boolean,
    Number,
    Text,
    /// The narrative's XHTML.
    Narrative,
    /// A resource of any type.
    Resource,
    /// Elements of its own.
    Parts(&'static Type),
}

/// An element of a type.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: Cow<'static, str>,
    /// JSON has it as a list.
    pub(super) many: bool,
    /// XML has it as an attribute.
    pub(super) attribute: bool,
    pub(super) holds: Holds,
}

/// A type that has elements.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: &'static str,
    base: Option<&'static str>,
    elements: HashMap<&'static str, Word>,
    /// What stands before the type in the names of `value[x]` and its like.
    choices: Vec<&'static str>,
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        self.name == other.name
    }
}

#[derive(Debug)]
struct Word {
    name: &'static str,
    many: bool,
    attribute: bool,
    holds: &'static str,
}

struct Definitions {
    types: HashMap<&'static str, Type>,
    boolean: HashSet<&'static str>,
    number: HashSet<&'static str>,
    text: HashSet<&'static str>,
}

/// The type of a resource; `None` for what is none.
pub(super) fn resource(name: &str) -> Option<&'static Type> {
    let found = DEFINITIONS.types.get(name)?;
    let mut base = found.base;
    // The two that others inherit from are themselves no resource that exists.
    while let Some(above) = base {
        if above == "Resource" {
            return Some(found).filter(|found| found.name != "DomainResource");
        }
        base = DEFINITIONS.types.get(above)?.base;
    }
    None
}

/// What every element may have, also a text or a number.
pub(super) fn any_element() -> Option<&'static Type> {
    DEFINITIONS.types.get("Element")
}

impl Type {
    /// The element called `name`, of this type or of those it inherits from.
    pub(super) fn element(&'static self, name: &str) -> Option<Element> {
        let mut one = self;
        loop {
            if let Some(found) = one.elements.get(name) {
                let holds = DEFINITIONS.holds(found.holds)?;
                let (many, attribute) = (found.many, found.attribute);
                return Some(Element { name: Cow::Borrowed(found.name), many, attribute, holds });
            }
            let choice = one.choices.iter().find_map(|prefix| DEFINITIONS.named(name.strip_prefix(prefix)?));
            if let Some(holds) = choice {
                return Some(Element { name: Cow::Owned(name.to_owned()), many: false, attribute: false, holds });
            }
            one = DEFINITIONS.types.get(one.base?)?;
        }
    }
}

impl Definitions {
    fn read(table: &'static str) -> Definitions {
        let mut all = Definitions {
            types: HashMap::new(),
            boolean: HashSet::new(),
            number: HashSet::new(),
            text: HashSet::new(),
        };
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let Some(first) = words.next() else { continue };
            match first {
                "b" => all.boolean.extend(words),
                "n" => all.number.extend(words),
                "s" => all.text.extend(words),
                _ => {
                    let (name, base) = first.split_once('<').map_or((first, None), |(name, base)| (name, Some(base)));
                    let mut one = Type { name, base, elements: HashMap::new(), choices: Vec::new() };
                    words.for_each(|word| one.add(word));
                    all.types.insert(name, one);
                }
            }
        }
        all
    }

    /// What the table calls `kind`.
    fn holds(&'static self, kind: &str) -> Option<Holds> {
        Some(match kind {
            "b" => Holds::Boolean,
            "n" => Holds::Number,
            "s" => Holds::Text,
            "x" => Holds::Narrative,
            "R" => Holds::Resource,
            parts => Holds::Parts(self.types.get(parts)?),
        })
    }

    /// What the end of a `value[x]`'s name says, such as `Quantity` or `DateTime`.
    fn named(&'static self, end: &str) -> Option<Holds> {
        let first = end.chars().next().filter(char::is_ascii_uppercase)?;
        let small = format!("{}{}", first.to_ascii_lowercase(), end.get(1..)?);
        let small = small.as_str();
        if self.boolean.contains(small) {
            return Some(Holds::Boolean);
        }
        if self.number.contains(small) {
            return Some(Holds::Number);
        }
        if self.text.contains(small) {
            return Some(Holds::Text);
        }
        let part = end.contains('.') || resource(end).is_some();
        self.types.get(end).filter(|_| !part).map(Holds::Parts)
    }
}

impl Type {
    /// Adds one word of the table.
    fn add(&mut self, word: &'static str) {
        if let Some(prefix) = word.strip_suffix('+') {
            self.choices.push(prefix);
        } else if let Some(name) = word.strip_suffix('-') {
            self.elements.insert(name, Word { name, many: false, attribute: true, holds: "s" });
        } else if let Some((name, holds)) = word.split_once(':') {
            let (name, many) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
            self.elements.insert(name, Word { name, many, attribute: false, holds });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_table_means_something() {
        let mut count = 0;
        for one in DEFINITIONS.types.values() {
            assert!(one.base.is_none_or(|base| DEFINITIONS.types.contains_key(base)), "{}", one.name);
            for (name, word) in &one.elements {
                assert!(DEFINITIONS.holds(word.holds).is_some(), "{}.{name}", one.name);
                count += 1;
            }
        }
        let resources = DEFINITIONS.types.keys().filter(|name| resource(name).is_some());
        let known = resources.filter(|name| crate::fhir::types::is_known(name)).count();
        assert_eq!((DEFINITIONS.types.len(), known), (672, 146), "every type that JSON is read of");
        assert!(count > 4_000, "{count}");
    }

    #[test]
    fn elements_are_found_where_they_are_inherited_and_where_their_name_says_the_type() {
        let patient = resource("Patient").unwrap();
        let parts = |element: Element| match element.holds {
            Holds::Parts(parts) => parts.name,
            other => panic!("{other:?}"),
        };
        for (name, many, holds) in [
            ("id", false, Holds::Text),
            ("active", false, Holds::Boolean),
            ("deceasedBoolean", false, Holds::Boolean),
            ("deceasedDateTime", false, Holds::Text),
            ("multipleBirthInteger", false, Holds::Number),
            ("contained", true, Holds::Resource),
        ] {
            let element = patient.element(name).unwrap();
            assert_eq!((element.many, element.holds), (many, holds), "{name}");
        }
        assert_eq!(parts(patient.element("contact").unwrap()), "Patient.contact");
        assert_eq!(parts(patient.element("text").unwrap()), "Narrative");
        let extension = any_element().unwrap().element("extension").unwrap();
        assert!(extension.many);
        let Holds::Parts(extension) = extension.holds else { panic!("an extension has parts") };
        assert!(extension.element("url").unwrap().attribute);
        assert_eq!(parts(extension.element("valueCodeableConcept").unwrap()), "CodeableConcept");
        for wrong in ["value", "valuePatient", "valuequantity", "valueX", "valueÄ", "nothing", ""] {
            assert!(extension.element(wrong).is_none(), "{wrong}");
        }
        for none in ["Resource", "DomainResource", "HumanName", "Element", "b", ""] {
            assert!(resource(none).is_none(), "{none}");
        }
    }
}
