//! The built-in vocabulary: what clinicians ask about, by names and codes, in both languages. The table is
//! `concepts.psv`; its head explains the columns.

use std::collections::HashSet;
use std::sync::OnceLock;

use haechi_record::chart::Kind;

use crate::plan::Subject;

/// The table as text.
const TABLE: &str = include_str!("concepts.psv");

/// What sort of thing a concept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Lab,
    Vital,
    Problem,
    Medicine,
    Class,
    Immunization,
    Procedure,
    Social,
    Allergen,
    /// Several laboratory results that are ordered together.
    Panel,
    /// A visit or stay of its own name.
    Stay,
}

impl Sort {
    /// Entries that can be such a thing, when the question names no kind.
    pub(crate) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Stay => &[Kind::Encounter, Kind::Procedure],
            Self::Panel => &[Kind::Lab, Kind::OtherObservation],
            Self::Lab => &[Kind::Lab, Kind::OtherObservation, Kind::Vital],
            Self::Vital => &[Kind::Vital, Kind::OtherObservation, Kind::Lab],
            Self::Problem => &[Kind::Problem],
            Self::Medicine | Self::Class => &[Kind::Medication],
            Self::Immunization => &[Kind::Immunization],
            Self::Procedure => &[Kind::Procedure, Kind::Report, Kind::Imaging, Kind::OtherObservation],
            Self::Social => &[Kind::SocialHistory, Kind::OtherObservation, Kind::Lab, Kind::Vital],
            Self::Allergen => &[Kind::Allergy],
        }
    }
}

/// One concept.
#[derive(Debug)]
pub(crate) struct Concept {
    pub(crate) sort: Sort,
    pub(crate) english: Vec<Name>,
    pub(crate) korean: Vec<Name>,
    pub(crate) codes: Vec<(String, String)>,
    pub(crate) excluded: Vec<String>,
}

/// A name by which a question may call it.
#[derive(Debug)]
pub(crate) struct Name {
    /// Lower case.
    pub(crate) text: String,
    /// As the table writes it: what an answer shows.
    pub(crate) shown: String,
    /// Counts only when the question writes it in capitals.
    pub(crate) capital: bool,
    /// How people ask, not how records call it.
    pub(crate) asked_only: bool,
}

impl Concept {
    /// As the subject of a plan.
    pub(crate) fn subject(&self, said: &str) -> Subject {
        let names = |names: &[Name]| {
            names.iter().filter(|name| !name.asked_only).map(|name| name.text.clone()).collect::<Vec<_>>()
        };
        let first = |names: &[Name]| names.first().map(|name| name.shown.clone()).unwrap_or_default();
        let mut terms = names(&self.english);
        terms.extend(names(&self.korean));
        Subject {
            said: said.to_owned(),
            names: (first(&self.english), first(&self.korean)),
            codes: self.codes.clone(),
            terms,
            excluded: self.excluded.clone(),
            required: Vec::new(),
            class: matches!(self.sort, Sort::Class | Sort::Panel).then(|| first(&self.english)),
            kinds: self.sort.kinds().to_vec(),
            filter: None,
        }
    }
}

/// All concepts, in the table's order.
pub(crate) fn concepts() -> &'static [Concept] {
    static CONCEPTS: OnceLock<Vec<Concept>> = OnceLock::new();
    CONCEPTS.get_or_init(read)
}

/// Whether a LOINC code stands for a concept of the table.
pub(crate) fn knows_loinc(code: &str) -> bool {
    static KNOWN: OnceLock<HashSet<&'static str>> = OnceLock::new();
    KNOWN
        .get_or_init(|| {
            let codes = concepts().iter().flat_map(|concept| &concept.codes);
            codes.filter(|(system, _)| system == "http://loinc.org").map(|(_, code)| code.as_str()).collect()
        })
        .contains(code)
}

fn read() -> Vec<Concept> {
    let mut members: Vec<Vec<String>> = Vec::new();
    let mut concepts: Vec<Concept> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('|');
        let mut column = || columns.next().unwrap_or_default();
        let Some(sort) = sort(column()) else { continue };
        let (english, korean) = (names(column()), names(column()));
        let coded: Vec<&str> = column().split(';').filter(|code| !code.is_empty()).collect();
        members.push(coded.iter().filter_map(|code| code.strip_prefix('=')).map(str::to_owned).collect());
        let codes = coded
            .iter()
            .filter_map(|code| code.split_once(':'))
            .filter_map(|(system, code)| Some((uri(system)?.to_owned(), code.to_owned())));
        let excluded = column().split(';').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        concepts.push(Concept { sort, english, korean, codes: codes.collect(), excluded });
    }
    // A class or panel is called by its members' names and codes too: a record names the drug, not the class.
    let known: Vec<Member> = concepts
        .iter()
        .filter(|concept| matches!(concept.sort, Sort::Medicine | Sort::Lab))
        .filter_map(|concept| {
            let names = concept.english.iter().chain(&concept.korean).map(|name| name.text.clone()).collect();
            Some(Member {
                first: concept.english.first()?.text.clone(),
                names,
                codes: concept.codes.clone(),
                excluded: concept.excluded.clone(),
            })
        })
        .collect();
    for (concept, members) in concepts.iter_mut().zip(members) {
        for member in known.iter().filter(|member| members.contains(&member.first)) {
            concept.korean.extend(member.names.iter().map(|text| Name {
                text: text.clone(),
                shown: text.clone(),
                capital: true,
                asked_only: false,
            }));
            if concept.sort == Sort::Panel {
                concept.codes.extend(member.codes.iter().cloned());
                concept.excluded.extend(member.excluded.iter().cloned());
            }
        }
    }
    concepts
}

/// What a class or panel takes over from its members.
struct Member {
    first: String,
    names: Vec<String>,
    codes: Vec<(String, String)>,
    excluded: Vec<String>,
}

fn names(column: &str) -> Vec<Name> {
    column
        .split(';')
        .filter(|name| !name.is_empty())
        .map(|name| Name {
            text: name.trim_start_matches(['^', '~']).to_lowercase(),
            shown: name.trim_start_matches(['^', '~']).to_owned(),
            capital: name.starts_with('^'),
            asked_only: name.starts_with('~'),
        })
        .collect()
}

fn sort(letter: &str) -> Option<Sort> {
    Some(match letter {
        "L" => Sort::Lab,
        "V" => Sort::Vital,
        "P" => Sort::Problem,
        "M" => Sort::Medicine,
        "C" => Sort::Class,
        "I" => Sort::Immunization,
        "R" => Sort::Procedure,
        "S" => Sort::Social,
        "A" => Sort::Allergen,
        "G" => Sort::Panel,
        "E" => Sort::Stay,
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_concept_with_names_in_both_languages() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(concepts().len(), lines);
        for concept in concepts() {
            assert!(!concept.english.is_empty() && !concept.korean.is_empty(), "{concept:?}");
        }
    }

    #[test]
    fn classes_know_their_members() {
        let statins = concepts().iter().find(|concept| concept.english[0].text == "statins").unwrap();
        assert!(statins.korean.iter().any(|name| name.text == "로수바스타틴"));
        assert!(knows_loinc("4548-4") && !knows_loinc("0-0"));
    }
}
