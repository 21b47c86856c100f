//! Code systems by both of their names, and concepts of at most two codings: what HL7 2.5.1's `CE` can carry.

use crate::json::{Json, Object};

/// Root of the hospital's own numbers. Synthetic: the arc is not registered.
pub(crate) const ROOT: &str = "1.2.410.100000.1";

/// A code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Loinc,
    Snomed,
    Kcd,
    Drug,
    Atc,
    Edi,
    Cvx,
    Department,
    /// The hospital's own catalogue of tests, documents and studies.
    Local,
    /// One of HL7's tables by number, as `"0112"`.
    Table(&'static str),
    /// v3-RoleCode.
    Role,
}

impl System {
    /// As FHIR names it.
    pub(crate) fn uri(self) -> String {
        match self {
            System::Loinc => "http://loinc.org".into(),
            System::Snomed => "http://snomed.info/sct".into(),
            System::Kcd => "http://www.hira.or.kr/CodeSystem/kcd-9".into(),
            System::Drug => "http://www.hira.or.kr/CodeSystem/edi-medication".into(),
            System::Atc => "http://www.whocc.no/atc".into(),
            System::Edi => "http://www.hira.or.kr/CodeSystem/edi-procedure".into(),
            System::Cvx => "http://hl7.org/fhir/sid/cvx".into(),
            System::Department => "http://www.hl7korea.or.kr/CodeSystem/hira-medical-department".into(),
            System::Local => format!("urn:oid:{ROOT}.20"),
            System::Table(number) => format!("http://terminology.hl7.org/CodeSystem/v2-{number}"),
            System::Role => "http://terminology.hl7.org/CodeSystem/v3-RoleCode".into(),
        }
    }

    /// As HL7 v2 names it (table 0396, or what stands for itself).
    pub(crate) fn v2(self) -> String {
        match self {
            System::Loinc => "LN".into(),
            System::Snomed => "SCT".into(),
            System::Kcd => "KCD".into(),
            System::Drug => "KD".into(),
            System::Atc => "ATC".into(),
            System::Edi => "EDI".into(),
            System::Cvx => "CVX".into(),
            System::Department | System::Role => self.uri(),
            System::Local => format!("{ROOT}.20"),
            System::Table(number) => format!("HL7{number}"),
        }
    }
}

/// A code with its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) system: System,
    pub(crate) code: &'static str,
    pub(crate) display: &'static str,
}

/// A code.
pub(crate) const fn code(system: System, code: &'static str, display: &'static str) -> Code {
    Code { system, code, display }
}

/// A concept: up to two codings, or words alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Concept {
    pub(crate) first: Option<Code>,
    pub(crate) second: Option<Code>,
    pub(crate) text: Option<&'static str>,
}

impl Concept {
    pub(crate) const fn one(first: Code) -> Concept {
        Concept { first: Some(first), second: None, text: None }
    }

    pub(crate) const fn two(first: Code, second: Code) -> Concept {
        Concept { first: Some(first), second: Some(second), text: None }
    }

    pub(crate) const fn words(text: &'static str) -> Concept {
        Concept { first: None, second: None, text: Some(text) }
    }

    fn codes(&self) -> impl Iterator<Item = &Code> {
        self.first.iter().chain(&self.second)
    }

    /// The first code, or the words: what identifiers are built from, as the HL7 mapping does.
    pub(crate) fn key(&self) -> &'static str {
        self.first.map(|code| code.code).or(self.text).unwrap_or_default()
    }

    /// The words in Hangul, or whatever words there are.
    pub(crate) fn korean(&self) -> &'static str {
        let hangul = |text: &&'static str| text.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c));
        let words = || self.codes().map(|code| code.display).chain(self.text);
        words().find(hangul).or_else(|| words().next()).unwrap_or_default()
    }

    /// The words in Latin letters, or whatever words there are.
    pub(crate) fn english(&self) -> &'static str {
        let words = || self.codes().map(|code| code.display).chain(self.text);
        let latin = |text: &&'static str| !text.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c));
        words().find(latin).or_else(|| words().next()).unwrap_or_default()
    }

    /// A FHIR CodeableConcept.
    pub(crate) fn fhir(&self) -> Object {
        let codings = self.codes().map(|code| {
            let coding = Object::default().with("system", code.system.uri()).with("code", code.code);
            Json::Object(coding.with("display", code.display))
        });
        Object::default().list("coding", codings.collect()).maybe("text", self.text)
    }
}

/// A CodeableConcept of one coding in `http://terminology.hl7.org/CodeSystem/`.
pub(crate) fn hl7_concept(system: &str, code: &'static str, display: Option<&'static str>) -> Object {
    Object::default().list("coding", vec![hl7_coding(system, code, display).into()])
}

/// A Coding in `http://terminology.hl7.org/CodeSystem/`.
pub(crate) fn hl7_coding(system: &str, code: &'static str, display: Option<&'static str>) -> Object {
    let system = format!("http://terminology.hl7.org/CodeSystem/{system}");
    Object::default().with("system", system).with("code", code).maybe("display", display)
}
