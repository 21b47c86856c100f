//! One patient's resources as a clinician reads them: typed, dated, with status said aloud and every value still
//! pointing at the place it was copied from. Nothing is computed, merged or converted here.

mod document;
pub(crate) mod json;
mod medication;
mod observation;
mod person;
pub mod read;
mod standing;
mod tables;
pub(crate) mod words;

use jiff::Timestamp;
use jiff::civil::Date;

/// Extension of a `Basic` that holds an HL7 v2 segment which no resource holds, as it was sent.
pub const KEPT_SEGMENT: &str = "urn:haechi:hl7v2-segment";

/// Everything the record holds about one patient. Made only by `Store::chart`, which reads no other patient's rows.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The person, with every logical id that merges have joined into one.
    pub patient: Person,
    /// All entries, oldest first; undated ones first of all. Entered-in-error entries are in here, marked: see [`Entry::standing`].
    pub entries: Vec<Entry>,
    /// When the newest data about this patient was received by this site (not when it happened).
    pub as_of: Timestamp,
    /// Messages or resources of this patient that were put aside at import.
    pub rejected: Vec<Rejected>,
}

/// An item that import put aside, without its content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rejected {
    /// File name (not the whole path) or feed.
    pub file: String,
    /// Line in the file, from 1, where known.
    pub line: Option<u64>,
    /// HL7 segment, as `OBX[3]`.
    pub segment: Option<String>,
    /// Field or FHIR element, as `OBX-5` or `Observation.valueQuantity`.
    pub field: Option<String>,
    /// FHIR reference of the resource, or `MSH-10` control id, where readable.
    pub resource: Option<String>,
    /// What is wrong, for a person; never the content found there.
    pub reason: String,
}

/// Who the patient is.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// Logical ids (FHIR), the surviving one first, then those merged into it.
    pub ids: Vec<String>,
    /// Names as displayed: official first. A Korean record often holds a Hangul and a Latin one.
    pub names: Vec<String>,
    /// `system` and `value` of each identifier.
    pub identifiers: Vec<(String, String)>,
    /// Birth date as precise as recorded.
    pub birth_date: Option<PartialDate>,
    /// FHIR administrative gender code.
    pub sex: Option<String>,
    /// Date of death, or that there was one.
    pub deceased: Option<Deceased>,
    /// Further demographic facts, each with the element it stands in: phone, address, marital status, language, contact.
    pub facts: Vec<Fact>,
}

/// `deceased[x]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deceased {
    /// `deceasedBoolean: true`.
    Yes,
    /// `deceasedBoolean: false`.
    No,
    /// `deceasedDateTime`.
    On(When),
}

/// A named fact in words, copied from one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is: `phone`, `address`, `maritalStatus`, `language`, `contact`, `generalPractitioner`, `birthSex` …
    pub name: String,
    /// The value as recorded.
    pub text: String,
    /// FHIR element path inside the resource.
    pub path: String,
}

/// A date as precise as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartialDate {
    /// `1972`
    Year(i16),
    /// `1972-03`
    Month(i16, i8),
    /// `1972-03-05`
    Day(Date),
}

/// A point in time as recorded: date only, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// No time of day was recorded.
    Date(PartialDate),
    /// An instant. Shown in the site's time zone.
    Instant(Timestamp),
}

/// What kind of chart entry this is, decided by resource type and category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Laboratory Observation.
    Lab,
    /// Vital sign Observation.
    Vital,
    /// Smoking, alcohol, occupation and the like.
    SocialHistory,
    /// Survey, score, exam, imaging and any other Observation.
    OtherObservation,
    /// Condition.
    Problem,
    /// MedicationRequest, MedicationStatement, MedicationAdministration, MedicationDispense.
    Medication,
    /// AllergyIntolerance.
    Allergy,
    /// Immunization.
    Immunization,
    /// Procedure.
    Procedure,
    /// Encounter.
    Encounter,
    /// DiagnosticReport.
    Report,
    /// DocumentReference or Composition, with its text.
    Note,
    /// ServiceRequest, CarePlan, Goal: what is intended, not what happened.
    Planned,
    /// Appointment.
    Appointment,
    /// FamilyMemberHistory: somebody else's condition.
    FamilyHistory,
    /// ImagingStudy.
    Imaging,
    /// Device in or on the patient.
    Device,
    /// CareTeam, Coverage, Claim, Consent and everything else.
    Other,
}

/// How far an entry may support a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It stands as said.
    Stands,
    /// It stands, but the answer must say this word with it: `preliminary`, `corrected`, `amended`, `on-hold`,
    /// `provisional`, `differential`, `unconfirmed`, `planned`, `draft`, `patient-reported`, `registered` ...
    SaidAs(&'static str),
    /// It must not support a statement: `entered-in-error`, `cancelled`, `refuted`, `not-done`, `nullified` ...
    Void(&'static str),
}

/// One resource of the patient's, read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// FHIR reference, `Observation/abc`: what a citation names.
    pub source: String,
    /// Kind.
    pub kind: Kind,
    /// FHIR resource type.
    pub resource_type: String,
    /// The resource's own `status` / clinicalStatus code, as recorded.
    pub status: Option<String>,
    /// verificationStatus, as recorded (problems and allergies).
    pub verification: Option<String>,
    /// What that means for an answer.
    pub standing: Standing,
    /// All codings of the main concept.
    pub codes: Vec<Coding>,
    /// The main concept in words, as recorded: `code.text`, else the first display; for notes and encounters, title or type.
    pub title: String,
    /// Every other name the resource gives it (displays of the other codings, the drug's brand beside its ingredient).
    pub other_titles: Vec<String>,
    /// Category codes and displays, as recorded.
    pub categories: Vec<String>,
    /// When it happened, started, was taken or was authored.
    pub when: Option<When>,
    /// When it ended (abatement, period end, discharge).
    pub until: Option<When>,
    /// When it was written down or issued, if that differs.
    pub recorded: Option<When>,
    /// Values: one for a plain Observation, one a component for a panel such as blood pressure.
    pub values: Vec<Measured>,
    /// Named facts in words: dosage, route, reason, severity, reaction, performer, location, reasonCode, site, lot, dose number,
    /// discharge disposition, criticality, note ... each with its element path.
    pub facts: Vec<Fact>,
    /// Free text: note body, report conclusion or narrative, annotation. Decoded from attachments that are text.
    pub texts: Vec<Fact>,
    /// FHIR element of the title, and of `when`, for citations.
    pub title_path: String,
    /// Element path of `when`.
    pub when_path: Option<String>,
    /// References to other resources of this patient (`result`, `basedOn`, `encounter`, `reasonReference`, `partOf`, `replaces` ...): (element, reference).
    pub links: Vec<(String, String)>,
    /// HL7 origin: (FHIR element path, `OBX[2]-5`) pairs and the message control id, when the entry came from HL7 v2.
    pub origin: Option<Origin>,
    /// When this version was received.
    pub received: Timestamp,
}

/// Where in an HL7 v2 message a resource came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// MSH-10.
    pub control_id: String,
    /// FHIR element path to segment and field: `valueQuantity` -> `OBX[2]-5`.
    pub fields: Vec<(String, String)>,
}

/// A coding as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// Code system URI, or the HL7 v2 name.
    pub system: String,
    /// Code.
    pub code: String,
    /// Display.
    pub display: String,
}

/// A measured or assessed value with the words to show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Component name (`Systolic blood pressure`), or empty for the entry's own value.
    pub name: String,
    /// Component codes.
    pub codes: Vec<Coding>,
    /// The number, if it is one. The decimal text is in `text`, digit for digit.
    pub number: Option<f64>,
    /// `<`, `<=`, `>`, `>=`, as recorded.
    pub comparator: Option<String>,
    /// The value's digits or words exactly as recorded, without unit: `7.10`, `Positive`, `A형`.
    pub text: String,
    /// Unit as recorded, or empty.
    pub unit: String,
    /// Interpretation code as recorded: `H`, `L`, `HH`, `N`, `A` ...
    pub interpretation: Option<String>,
    /// Reference range low and high in the value's unit, and its text.
    pub range: Option<Range>,
    /// FHIR element path: `valueQuantity`, `component[1].valueQuantity`.
    pub path: String,
    /// dataAbsentReason, if there is no value.
    pub absent: Option<String>,
}

/// A reference range as recorded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Range {
    /// Lower bound.
    pub low: Option<f64>,
    /// Upper bound.
    pub high: Option<f64>,
    /// As shown.
    pub text: String,
}
