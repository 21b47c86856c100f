//! Publishers' files become [`Row`]s, one at a time: nothing here holds a whole file, knows a database or a clock.
//!
//! Reading order: [`Table`] (which file is which), `delimited` (CSV, TSV, RRF, RF2 and spreadsheets row by row), then one
//! module a publisher.

mod classification;
mod delimited;
mod korean;
mod list;
mod loinc;
mod rxnorm;
mod snomed;
mod ucum;
mod xml;

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::error::TerminologyError;
use super::system::System;

/// Longest code, characters.
pub(crate) const LONGEST_CODE: usize = 64;
/// Longest designation, characters: SNOMED CT's longest is below 300, LOINC's below 1,000.
pub(crate) const LONGEST_TEXT: usize = 2_000;
/// Rows of one file: twice SNOMED CT's relationships.
const MOST_ROWS: u64 = 20_000_000;
/// Rows put aside that are told one by one.
const TOLD: usize = 100;

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A code exists.
    Concept {
        /// Code.
        code: String,
        /// False for what the publisher has retired.
        active: bool,
    },
    /// A code is called so.
    Designation {
        /// Code.
        code: String,
        /// `ko`, `en` ...
        language: &'static str,
        /// What sort of name.
        kind: Kind,
        /// The name to show.
        preferred: bool,
        /// The name.
        text: String,
        /// The publisher's number of this name, where other files speak of it (SNOMED CT).
        id: Option<i64>,
    },
    /// A name announced before is the one to show in its language.
    Preferred {
        /// The publisher's number of the name.
        id: i64,
    },
    /// A code lies beneath another.
    Parent {
        /// The narrower one.
        code: String,
        /// The wider one.
        parent: String,
    },
    /// A code means what one of another system means.
    Mapping {
        /// Code here.
        code: String,
        /// The other system.
        target: System,
        /// Code there.
        target_code: String,
        /// How near.
        equivalence: Equivalence,
    },
}

/// What sort of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The full name.
    Name,
    /// Short or print name.
    Short,
    /// Another name for the same.
    Synonym,
    /// One part of what the code means (LOINC component): not a name of the whole.
    Part,
}

impl Kind {
    /// As stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Short => "short",
            Self::Synonym => "synonym",
            Self::Part => "part",
        }
    }
}

/// FHIR R4 `ConceptMap` equivalence: the target, seen from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Equivalence {
    /// The same meaning.
    Equivalent,
    /// The target means more.
    Wider,
    /// The target means less.
    Narrower,
    /// Something in common.
    RelatedTo,
}

impl Equivalence {
    /// As stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::RelatedTo => "relatedto",
        }
    }

    /// From what is stored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Equivalent, Self::Wider, Self::Narrower, Self::RelatedTo].into_iter().find(|one| one.as_str() == text)
    }

    /// The same mapping read backwards.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
            same => same,
        }
    }

    /// One mapping behind another; `None` where nothing sound is left (wider, then narrower: a sibling).
    #[must_use]
    pub fn then(self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Equivalent, next) => Some(next),
            (one, Self::Equivalent) => Some(one),
            (one, next) if one == next && one != Self::RelatedTo => Some(one),
            _ => None,
        }
    }
}

/// One table of one publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Codes with Korean and English names (KCD, EDI).
    Korean(System),
    /// KPIS standard codes.
    Kd,
    /// ATC index, CSV or XML.
    Atc,
    /// ICD-10-CM order file.
    Icd10CmOrder,
    /// ICD-10-CM tabular list.
    Icd10CmTabular,
    /// `Loinc.csv`.
    Loinc,
    /// LOINC linguistic variant, Korean.
    LoincKorean,
    /// SNOMED CT concepts.
    SnomedConcept,
    /// SNOMED CT descriptions: after the concepts.
    SnomedDescription,
    /// SNOMED CT relationships.
    SnomedRelationship,
    /// SNOMED CT language reference set: after the descriptions it speaks of.
    SnomedLanguage,
    /// SNOMED CT extended map (to ICD-10).
    SnomedMap,
    /// RXNCONSO.
    RxNormNames,
    /// RXNREL.
    RxNormRelations,
    /// RXNSAT.
    RxNormAttributes,
    /// UCUM essence.
    Ucum,
    /// A list in this appliance's own simple form.
    List(System),
}

impl Table {
    /// Which table of `system` a file of this name is; publishers' names are kept, a spreadsheet may be called anything.
    #[must_use]
    pub fn of(system: System, file: &str) -> Option<Self> {
        let lower = file.to_lowercase();
        let starts = |prefix: &str| lower.starts_with(prefix);
        let ends = |suffix: &str| lower.ends_with(suffix);
        if ends(".haechi.tsv") {
            return Some(Self::List(system));
        }
        let table = [".csv", ".tsv", ".txt", ".xlsx"].iter().any(|ending| ends(ending));
        match system {
            System::Kcd | System::EdiProcedure | System::EdiMedication | System::EdiMaterial | System::Icd10
                if table =>
            {
                Some(Self::Korean(system))
            }
            System::MainIngredient if table => Some(Self::Korean(system)),
            System::Kd if table => Some(Self::Kd),
            System::Atc if table || ends(".xml") => Some(Self::Atc),
            System::Icd10Cm if ends(".xml") => Some(Self::Icd10CmTabular),
            System::Icd10Cm if lower.contains("order") => Some(Self::Icd10CmOrder),
            System::Loinc if lower.contains("linguisticvariant") && starts("kokr") => Some(Self::LoincKorean),
            System::Loinc if lower == "loinc.csv" => Some(Self::Loinc),
            System::Snomed if starts("sct2_concept_snapshot") => Some(Self::SnomedConcept),
            System::Snomed if starts("sct2_description_snapshot") => Some(Self::SnomedDescription),
            System::Snomed if starts("sct2_relationship_snapshot") => Some(Self::SnomedRelationship),
            System::Snomed if starts("der2_crefset_language") => Some(Self::SnomedLanguage),
            System::Snomed if lower.contains("extendedmap") => Some(Self::SnomedMap),
            System::RxNorm if lower == "rxnconso.rrf" => Some(Self::RxNormNames),
            System::RxNorm if lower == "rxnrel.rrf" => Some(Self::RxNormRelations),
            System::RxNorm if lower == "rxnsat.rrf" => Some(Self::RxNormAttributes),
            System::Ucum if ends(".xml") => Some(Self::Ucum),
            _ => None,
        }
    }

    /// What a file of this table brings, apart from the others of its edition: loading it again replaces only this.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Korean(_) => "codes",
            Self::Kd => "packages",
            Self::Atc => "index",
            Self::Icd10CmOrder => "order",
            Self::Icd10CmTabular => "tabular",
            Self::Loinc => "terms",
            Self::LoincKorean => "korean",
            Self::SnomedConcept => "concepts",
            Self::SnomedDescription => "descriptions",
            Self::SnomedRelationship => "relationships",
            Self::SnomedLanguage => "language",
            Self::SnomedMap => "map",
            Self::RxNormNames => "names",
            Self::RxNormRelations => "relations",
            Self::RxNormAttributes => "attributes",
            Self::Ucum => "units",
            Self::List(_) => "list",
        }
    }

    /// The code system it belongs to.
    #[must_use]
    pub fn system(self) -> System {
        match self {
            Self::Korean(system) | Self::List(system) => system,
            Self::Kd => System::Kd,
            Self::Atc => System::Atc,
            Self::Icd10CmOrder | Self::Icd10CmTabular => System::Icd10Cm,
            Self::Loinc | Self::LoincKorean => System::Loinc,
            Self::SnomedConcept
            | Self::SnomedDescription
            | Self::SnomedRelationship
            | Self::SnomedLanguage
            | Self::SnomedMap => System::Snomed,
            Self::RxNormNames | Self::RxNormRelations | Self::RxNormAttributes => System::RxNorm,
            Self::Ucum => System::Ucum,
        }
    }

    /// True where one edition may hold several files of this table: one a language, and those of a national extension.
    #[must_use]
    pub fn comes_in_parts(self) -> bool {
        self.system() == System::Snomed || matches!(self, Self::List(_))
    }
}

/// Bytes that can be read twice: once for their character set.
pub trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// What a reader is told about a file.
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// File name, for messages.
    pub file: String,
    /// Field (`code`, `korean`, `english`, `ingredient`, `atc`, `product`) to the heading it has in this file.
    pub columns: BTreeMap<String, String>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Rows of the file.
    pub rows: u64,
    /// Rows put aside.
    pub rejected: u64,
    /// The first of them: (line, reason).
    pub told: Vec<(u64, String)>,
}

/// Takes rows. An error stops the file.
pub type Sink<'s> = dyn FnMut(Row) -> Result<(), TerminologyError> + 's;

/// Reads one file, handing out its rows in order.
///
/// # Errors
/// [`TerminologyError`]: what is wrong with the file as a whole. A row that is wrong is put aside and counted.
pub fn read(
    table: Table,
    described: &Described,
    source: &mut dyn Source,
    sink: &mut Sink<'_>,
) -> Result<Tally, TerminologyError> {
    let mut reading = Reading { described, table, report: Tally::default(), sink };
    match table {
        Table::Korean(system) => korean::codes(system, source, &mut reading)?,
        Table::Kd => korean::packages(source, &mut reading)?,
        Table::Atc => classification::atc(source, &mut reading)?,
        Table::Icd10CmOrder => classification::order(source, &mut reading)?,
        Table::Icd10CmTabular => classification::tabular(source, &mut reading)?,
        Table::Loinc => loinc::terms(source, &mut reading)?,
        Table::LoincKorean => loinc::korean(source, &mut reading)?,
        Table::SnomedConcept => snomed::concepts(source, &mut reading)?,
        Table::SnomedDescription => snomed::descriptions(source, &mut reading)?,
        Table::SnomedRelationship => snomed::relationships(source, &mut reading)?,
        Table::SnomedLanguage => snomed::language(source, &mut reading)?,
        Table::SnomedMap => snomed::map(source, &mut reading)?,
        Table::RxNormNames => rxnorm::names(source, &mut reading)?,
        Table::RxNormRelations => rxnorm::relations(source, &mut reading)?,
        Table::RxNormAttributes => rxnorm::attributes(source, &mut reading)?,
        Table::Ucum => ucum::essence(source, &mut reading)?,
        Table::List(_) => list::list(source, &mut reading)?,
    }
    let report = reading.report;
    if report.rows == report.rejected {
        let first = report
            .told
            .first()
            .map_or_else(|| "the file has no rows".to_owned(), |(line, reason)| format!("line {line}: {reason}"));
        return Err(TerminologyError::NothingUsable { file: described.file.clone(), first });
    }
    Ok(report)
}

/// One file on its way.
struct Reading<'r, 's> {
    described: &'r Described,
    table: Table,
    report: Tally,
    sink: &'r mut Sink<'s>,
}

impl Reading<'_, '_> {
    /// Counts a row of the file.
    fn row(&mut self) -> Result<(), TerminologyError> {
        self.report.rows += 1;
        if self.report.rows > MOST_ROWS {
            return Err(self.too_large(format!("more than {MOST_ROWS} rows")));
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, reason: impl Into<String>) {
        self.report.rejected += 1;
        if self.report.told.len() < TOLD {
            self.report.told.push((line, reason.into()));
        }
    }

    fn give(&mut self, row: Row) -> Result<(), TerminologyError> {
        (self.sink)(row)
    }

    fn concept(&mut self, code: &str, active: bool) -> Result<(), TerminologyError> {
        self.give(Row::Concept { code: code.to_owned(), active })
    }

    /// A name, if there is one.
    fn name(
        &mut self,
        code: &str,
        language: &'static str,
        kind: Kind,
        preferred: bool,
        text: &str,
    ) -> Result<(), TerminologyError> {
        let text = clean(text);
        if text.is_empty() || text.chars().count() > LONGEST_TEXT {
            return Ok(());
        }
        self.give(Row::Designation { code: code.to_owned(), language, kind, preferred, text, id: None })
    }

    fn unreadable(&self, expected: &'static str, what: impl std::fmt::Display) -> TerminologyError {
        TerminologyError::Unreadable { file: self.described.file.clone(), expected, what: what.to_string() }
    }

    fn too_large(&self, what: String) -> TerminologyError {
        TerminologyError::TooLarge { file: self.described.file.clone(), what }
    }
}

/// A code, or why it is none.
fn code(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the code is empty");
    }
    if text.chars().count() > LONGEST_CODE {
        return Err("the code is longer than 64 characters");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the code holds a space or a control character");
    }
    Ok(text.to_owned())
}

/// One line of text: runs of spaces and control characters are one space.
fn clean(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads a fixture whole.
    pub(crate) fn rows(table: Table, bytes: &[u8]) -> (Vec<Row>, Tally) {
        let mut rows = Vec::new();
        let described = Described { file: "fixture".to_owned(), ..Described::default() };
        let report = read(table, &described, &mut std::io::Cursor::new(bytes), &mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
        (rows, report)
    }

    #[test]
    fn a_file_is_known_by_its_publishers_name() {
        for (system, file, expected) in [
            (System::Kcd, "KCD-9_masterfile.xlsx", Some(Table::Korean(System::Kcd))),
            (System::Kd, "의약품표준코드.csv", Some(Table::Kd)),
            (System::Loinc, "Loinc.csv", Some(Table::Loinc)),
            (System::Loinc, "koKR18LinguisticVariant.csv", Some(Table::LoincKorean)),
            (System::Loinc, "deDE15LinguisticVariant.csv", None),
            (System::Snomed, "sct2_Concept_Snapshot_INT_20260101.txt", Some(Table::SnomedConcept)),
            (System::Snomed, "sct2_Description_Snapshot-en_INT_20260101.txt", Some(Table::SnomedDescription)),
            (System::Snomed, "der2_cRefset_LanguageSnapshot-en_INT_20260101.txt", Some(Table::SnomedLanguage)),
            (System::Snomed, "sct2_StatedRelationship_Snapshot_INT.txt", None),
            (System::RxNorm, "RXNCONSO.RRF", Some(Table::RxNormNames)),
            (System::Icd10Cm, "icd10cm-order-2026.txt", Some(Table::Icd10CmOrder)),
            (System::Icd10Cm, "icd10cm-tabular-2026.xml", Some(Table::Icd10CmTabular)),
            (System::Ucum, "ucum-essence.xml", Some(Table::Ucum)),
        ] {
            assert_eq!(Table::of(system, file), expected, "{file}");
        }
    }

    #[test]
    fn mappings_in_a_row_keep_only_what_follows() {
        use Equivalence::{Equivalent, Narrower, RelatedTo, Wider};
        for (one, next, expected) in [
            (Equivalent, Wider, Some(Wider)),
            (Wider, Equivalent, Some(Wider)),
            (Wider, Wider, Some(Wider)),
            (Wider, Narrower, None),
            (RelatedTo, RelatedTo, None),
            (Equivalent, RelatedTo, Some(RelatedTo)),
        ] {
            assert_eq!(one.then(next), expected, "{one:?} then {next:?}");
        }
    }
}
