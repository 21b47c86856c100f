//! The built-in concepts: what clinicians ask about, by names and codes, in both languages. The tables explain their columns.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use haechi_record::chart::Kind;

use crate::plan::Subject;
use crate::question::stems;

const TABLES: [&str; 4] = [
    include_str!("tables/measured.psv"),
    include_str!("tables/problems.psv"),
    include_str!("tables/medicines.psv"),
    include_str!("tables/rest.psv"),
];

/// `@serum` in a table: what says that a measurement was not made in blood.
const NOT_BLOOD: &str = "urine;urinary;csf;cerebrospinal;fluid;stool;fecal;feces;pleural;ascites;ascitic;peritoneal;saliva;dialysate;\
                         소변;뇨중;뇌척수액;대변;흉수;복수액;체액;투석액";

/// What sort of thing a concept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    Lab,
    Vital,
    Score,
    Social,
    /// Several things under one word.
    Panel,
    Problem,
    Medicine,
    Class,
    Vaccine,
    Allergen,
    Procedure,
    Note,
    Device,
    /// Narrows another thing: a part of the body, a side, acute or chronic.
    Part,
}

impl Sort {
    fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "L" => Self::Lab,
            "V" => Self::Vital,
            "O" => Self::Score,
            "S" => Self::Social,
            "G" => Self::Panel,
            "P" => Self::Problem,
            "M" => Self::Medicine,
            "C" => Self::Class,
            "I" => Self::Vaccine,
            "A" => Self::Allergen,
            "R" => Self::Procedure,
            "N" => Self::Note,
            "D" => Self::Device,
            "B" => Self::Part,
            _ => return None,
        })
    }

    /// Entries that can be such a thing, when the question names no kind. Senders file the same measurement under
    /// different categories, so measured things are looked for in all of them.
    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Lab | Self::Panel => &[Kind::Lab, Kind::OtherObservation, Kind::Vital],
            Self::Vital => &[Kind::Vital, Kind::OtherObservation, Kind::Lab],
            Self::Score => &[Kind::OtherObservation, Kind::Vital, Kind::Lab, Kind::SocialHistory],
            Self::Social => &[Kind::SocialHistory, Kind::OtherObservation, Kind::Problem],
            Self::Problem => &[Kind::Problem],
            Self::Medicine | Self::Class => &[Kind::Medication],
            Self::Vaccine => &[Kind::Immunization],
            Self::Allergen => &[Kind::Allergy],
            Self::Procedure => &[Kind::Procedure, Kind::Report, Kind::Imaging],
            Self::Note => &[Kind::Note],
            Self::Device => &[Kind::Device],
            Self::Part => &[],
        }
    }

    /// Things with a value.
    pub(super) fn is_measured(self) -> bool {
        matches!(self, Self::Lab | Self::Vital | Self::Score | Self::Social | Self::Panel)
    }
}

/// One concept.
#[derive(Debug)]
pub(super) struct Concept {
    pub(super) sort: Sort,
    pub(super) english: Vec<String>,
    pub(super) korean: Vec<String>,
    /// Further words of questions; in a title they count only if they are all of it.
    pub(super) ask: Vec<String>,
    codes: Vec<(String, String)>,
    excluded: Vec<String>,
    /// Members of a class or panel: indexes of concepts.
    pub(super) members: Vec<usize>,
    /// The problem that a class of medicines is taken for.
    pub(super) taken_for: Option<String>,
}

impl Concept {
    /// The name shown in English.
    pub(super) fn name(&self) -> &str {
        self.english.first().map_or("", |name| name.trim_start_matches('^'))
    }

    /// All names a question may use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.english.iter().chain(&self.korean).chain(&self.ask).map(String::as_str)
    }

    fn terms(&self) -> impl Iterator<Item = String> + '_ {
        let plain = |name: &String| name.trim_start_matches('^').to_lowercase();
        let exact = self.ask.iter().map(|name| format!("={}", name.trim_start_matches('^').to_lowercase()));
        self.english.iter().chain(&self.korean).map(plain).chain(exact)
    }

    /// As the subject of a plan, looked for among `kinds`.
    pub(super) fn subject(&self, said: &str, kinds: &[Kind]) -> Subject {
        let mut subject = Subject {
            said: said.to_owned(),
            names: (self.name().to_owned(), self.korean.first().cloned().unwrap_or_default()),
            codes: self.codes.clone(),
            terms: self.terms().collect(),
            excluded: self.excluded.clone(),
            class: (self.sort == Sort::Class).then(|| self.name().to_owned()),
            kinds: kinds.to_vec(),
            ..Subject::default()
        };
        if self.sort == Sort::Class {
            for member in self.members.iter().filter_map(|&member| all().get(member)) {
                subject.codes.extend(member.codes.iter().cloned());
                subject.terms.extend(member.terms());
                // Members' own exclusions are about their names (`lithium level`), not about the class.
            }
        }
        let mut seen = HashSet::new();
        subject.terms.retain(|term| seen.insert(term.clone()));
        subject
    }
}

/// All concepts, in the tables' order.
pub(super) fn all() -> &'static [Concept] {
    static ALL: OnceLock<Vec<Concept>> = OnceLock::new();
    ALL.get_or_init(read)
}

/// The concept whose shown English name this is.
pub(super) fn by_name(name: &str) -> Option<usize> {
    static NAMES: OnceLock<HashMap<String, usize>> = OnceLock::new();
    NAMES
        .get_or_init(|| {
            let mut names = HashMap::new();
            for (index, concept) in all().iter().enumerate() {
                names.entry(concept.name().to_lowercase()).or_insert(index);
            }
            names
        })
        .get(&name.to_lowercase())
        .copied()
}

/// Whether a LOINC code stands for a measured concept of the tables.
pub(crate) fn knows_loinc(code: &str) -> bool {
    static KNOWN: OnceLock<HashSet<&'static str>> = OnceLock::new();
    KNOWN
        .get_or_init(|| {
            all()
                .iter()
                .filter(|concept| concept.sort.is_measured())
                .flat_map(|concept| &concept.codes)
                .filter(|(system, _)| system == "http://loinc.org")
                .map(|(_, code)| code.as_str())
                .collect()
        })
        .contains(code)
}

fn read() -> Vec<Concept> {
    let mut concepts: Vec<Concept> = Vec::new();
    let mut member_names: Vec<Vec<String>> = Vec::new();
    for line in TABLES.iter().flat_map(|table| table.lines()).filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('|');
        let mut column = || columns.next().unwrap_or_default();
        let Some(sort) = Sort::of(column()) else { continue };
        let (english, korean, ask) = (list(column()), list(column()), list(column()));
        let coded = list(column());
        let codes = coded.iter().filter_map(|code| code.split_once(':'));
        let codes = codes.filter_map(|(system, code)| Some((uri(system)?.to_owned(), code.to_owned()))).collect();
        let excluded = column().replace("@serum", NOT_BLOOD);
        member_names.push(coded.iter().filter_map(|code| code.strip_prefix('=')).map(str::to_owned).collect());
        concepts.push(Concept {
            sort,
            english,
            korean,
            ask,
            codes,
            excluded: list(&excluded),
            members: Vec::new(),
            taken_for: coded.iter().find_map(|code| code.strip_prefix('~')).map(str::to_owned),
        });
    }
    // The medicine goes before a laboratory level of the same name.
    let wanted = |class: Sort, name: &str| {
        let fits = |concept: &Concept| match class {
            Sort::Class => concept.sort == Sort::Medicine,
            _ => concept.sort.is_measured() && concept.sort != Sort::Panel,
        };
        concepts.iter().position(|concept| fits(concept) && concept.names().any(|known| known.eq_ignore_ascii_case(name)))
    };
    let members: Vec<Vec<usize>> = member_names
        .iter()
        .zip(&concepts)
        .map(|(names, concept)| names.iter().filter_map(|name| wanted(concept.sort, name)).collect())
        .collect();
    for (concept, members) in concepts.iter_mut().zip(members) {
        concept.members = members;
    }
    concepts
}

fn list(column: &str) -> Vec<String> {
    column.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn uri(letter: &str) -> Option<&'static str> {
    Some(match letter {
        "L" => "http://loinc.org",
        "S" => "http://snomed.info/sct",
        "I" => "http://hl7.org/fhir/sid/icd-10",
        "A" => "http://www.whocc.no/atc",
        "C" => "http://hl7.org/fhir/sid/cvx",
        _ => return None,
    })
}

/// Words of a name that say which problem it is for, compared by stems.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    stems(a) == stems(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_concept_with_names_in_both_languages() {
        let rows = TABLES.iter().flat_map(|table| table.lines()).filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(all().len(), rows.count());
        assert!(all().len() > 1_000);
        for concept in all() {
            assert!(!concept.english.is_empty() && !concept.korean.is_empty(), "{concept:?}");
        }
    }

    #[test]
    fn members_of_classes_and_panels_are_known() {
        for table in TABLES {
            for line in table.lines().filter(|line| line.starts_with("C|") || line.starts_with("G|")) {
                let name = line.split('|').nth(1).unwrap().split(';').next().unwrap();
                let wanted = line.split('|').nth(4).unwrap().matches('=').count();
                let concept = &all()[by_name(name).unwrap()];
                assert_eq!(concept.members.len(), wanted, "{name}");
            }
        }
        for concept in all() {
            if let Some(problem) = &concept.taken_for {
                let problem = by_name(problem).unwrap_or_else(|| panic!("{problem}"));
                assert_eq!(all()[problem].sort, Sort::Problem);
            }
        }
    }

    #[test]
    fn a_loinc_code_means_one_measured_thing_unless_a_wider_one_holds_it() {
        let mut owners: HashMap<&str, Vec<&str>> = HashMap::new();
        for concept in all().iter().filter(|concept| concept.sort.is_measured()) {
            for (_, code) in concept.codes.iter().filter(|(system, _)| system == "http://loinc.org") {
                owners.entry(code).or_default().push(concept.name());
            }
        }
        for (code, names) in owners {
            let shared = names.len() == 1 || names.contains(&"glucose") || names.contains(&"blood pressure");
            assert!(shared, "{code}: {names:?}");
        }
        assert!(knows_loinc("4548-4") && !knows_loinc("0-0"));
    }
}
