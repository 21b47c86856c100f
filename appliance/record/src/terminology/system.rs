//! The code systems that a site can load, and the many names that records and files have for them.

/// A code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// Korean classification of diseases, any revision: which one holds is decided by date.
    Kcd,
    /// ICD-10 of the WHO.
    Icd10,
    /// ICD-10-CM (US).
    Icd10Cm,
    /// HIRA EDI: procedures.
    EdiProcedure,
    /// HIRA EDI: medicines by nine-digit product code.
    EdiMedication,
    /// HIRA EDI: treatment materials.
    EdiMaterial,
    /// KPIS standard code of a package, 13 digits.
    Kd,
    /// HIRA main-ingredient code.
    MainIngredient,
    /// WHO Anatomical Therapeutic Chemical classification.
    Atc,
    /// LOINC.
    Loinc,
    /// SNOMED CT.
    Snomed,
    /// RxNorm.
    RxNorm,
    /// US National Drug Code.
    Ndc,
    /// Units of measure.
    Ucum,
}

/// A system, its name on the command line, its URI, and the other names that HL7 v2, OIDs and national profiles have for it.
struct Named(System, &'static str, &'static str, &'static [&'static str]);

const NAMES: &[Named] = &[
    Named(
        System::Kcd,
        "kcd",
        "http://www.hira.or.kr/CodeSystem/kcd",
        &[
            "http://www.hira.or.kr/codesystem/kcd-8",
            "http://www.hira.or.kr/codesystem/kcd-9",
            "kcd-8",
            "kcd-9",
            "kcd8",
            "kcd9",
            "urn:oid:1.2.410.100110.40.2.1.1",
        ],
    ),
    Named(
        System::Icd10,
        "icd10",
        "http://hl7.org/fhir/sid/icd-10",
        &["i10", "icd-10", "urn:oid:2.16.840.1.113883.6.3"],
    ),
    Named(
        System::Icd10Cm,
        "icd10cm",
        "http://hl7.org/fhir/sid/icd-10-cm",
        &["i10c", "icd-10-cm", "urn:oid:2.16.840.1.113883.6.90"],
    ),
    Named(System::EdiProcedure, "edi-procedure", "http://www.hira.or.kr/CodeSystem/edi-procedure", &["edi"]),
    Named(System::EdiMedication, "edi-medication", "http://www.hira.or.kr/CodeSystem/edi-medication", &[]),
    Named(System::EdiMaterial, "edi-material", "http://www.hira.or.kr/CodeSystem/edi-material", &[]),
    Named(System::Kd, "kd", "http://www.hira.or.kr/CodeSystem/kd", &["kd-code", "kpis"]),
    Named(System::MainIngredient, "main-ingredient", "http://www.hira.or.kr/CodeSystem/main-ingredient", &[]),
    Named(
        System::Atc,
        "atc",
        "http://www.whocc.no/atc",
        &["wc", "http://whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73"],
    ),
    Named(System::Loinc, "loinc", "http://loinc.org", &["ln", "lnc", "urn:oid:2.16.840.1.113883.6.1"]),
    Named(System::Snomed, "snomed", "http://snomed.info/sct", &["sct", "snm", "sno", "urn:oid:2.16.840.1.113883.6.96"]),
    Named(
        System::RxNorm,
        "rxnorm",
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        &["rxn", "urn:oid:2.16.840.1.113883.6.88"],
    ),
    Named(System::Ndc, "ndc", "http://hl7.org/fhir/sid/ndc", &["urn:oid:2.16.840.1.113883.6.69"]),
    Named(System::Ucum, "ucum", "http://unitsofmeasure.org", &["urn:oid:2.16.840.1.113883.6.8"]),
];

impl System {
    /// The system that a record, a file or a person calls `name`: URI, OID, HL7 v2 table name or short name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let lower = name.trim().to_ascii_lowercase();
        // A SNOMED edition is named behind the system.
        let lower = lower.split_once("/sct/").map_or(lower.as_str(), |_| "http://snomed.info/sct");
        NAMES
            .iter()
            .find(|Named(_, short, uri, others)| {
                lower == *short || lower == uri.to_ascii_lowercase() || others.contains(&lower)
            })
            .map(|Named(system, ..)| *system)
    }

    fn row(self) -> Option<&'static Named> {
        NAMES.iter().find(|Named(system, ..)| *system == self)
    }

    /// Its name on the command line and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |Named(_, name, ..)| name)
    }

    /// Its FHIR URI.
    #[must_use]
    pub fn uri(self) -> &'static str {
        self.row().map_or("", |Named(_, _, uri, _)| uri)
    }

    /// All short names, for messages.
    #[must_use]
    pub fn all() -> String {
        NAMES.iter().map(|Named(_, name, ..)| *name).collect::<Vec<_>>().join(", ")
    }

    /// True for the classifications that share ICD-10's first signs.
    #[must_use]
    pub fn is_icd10(self) -> bool {
        matches!(self, Self::Kcd | Self::Icd10 | Self::Icd10Cm)
    }

    /// What a code is compared by: `e11.9` and `E119` are one code of a classification of diseases; an LOINC keeps its dash
    /// and a unit its case.
    #[must_use]
    pub fn key(self, code: &str) -> String {
        match self {
            Self::Ucum => code.trim().to_owned(),
            _ if self.is_icd10() || self == Self::Atc => {
                code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
            }
            _ => code.trim().to_ascii_uppercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_known_by_every_name_it_has() {
        for (name, expected) in [
            ("http://www.hira.or.kr/CodeSystem/kcd-9", Some(System::Kcd)),
            ("KCD", Some(System::Kcd)),
            ("I10", Some(System::Icd10)),
            ("http://hl7.org/fhir/sid/icd-10-cm", Some(System::Icd10Cm)),
            ("LN", Some(System::Loinc)),
            ("http://snomed.info/sct/731000124108", Some(System::Snomed)),
            ("urn:oid:2.16.840.1.113883.6.88", Some(System::RxNorm)),
            ("urn:oid:1.2.3", None),
            ("", None),
        ] {
            assert_eq!(System::named(name), expected, "{name}");
        }
        for Named(system, name, uri, _) in NAMES {
            assert_eq!(System::named(name), Some(*system));
            assert_eq!(System::named(uri), Some(*system));
        }
    }

    #[test]
    fn codes_are_compared_without_their_dots() {
        assert_eq!(System::Kcd.key(" e11.9 "), "E119");
        assert_eq!(System::Loinc.key("4548-4"), "4548-4");
        assert_eq!(System::Ucum.key("mg/dL"), "mg/dL");
    }
}
