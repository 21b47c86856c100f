//! What has been written down about one patient, before it is FHIR or HL7: each thing with its number, its final state and
//! the steps that led there, so that one writer can show the end and the other replay the way.

use jiff::civil::{Date, DateTime};

use crate::catalog::drug::Drug;
use crate::catalog::lab::Unit;
use crate::catalog::service::Vaccine;
use crate::codes::{Code, Concept};
use crate::ids::{self, Authority, id_of, number_key, order_key};
use crate::moment::Since;
use crate::people::{Address, Department, Doctor, Person};

/// Everything about one patient.
pub(crate) struct Record {
    /// From 1; names the files.
    pub(crate) number: usize,
    pub(crate) person: Person,
    /// When the hospital first heard of the patient.
    pub(crate) registered: DateTime,
    /// A new address or telephone, told later.
    pub(crate) moved: Option<Moved>,
    /// A second chart that was opened by mistake and merged.
    pub(crate) former: Option<Former>,
    pub(crate) visits: Vec<Visit>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) allergies: Vec<Allergy>,
    pub(crate) medications: Vec<Medication>,
    pub(crate) orders: Vec<Order>,
    pub(crate) reports: Vec<Report>,
    pub(crate) notes: Vec<Note>,
    pub(crate) procedures: Vec<Procedure>,
    pub(crate) immunizations: Vec<Immunization>,
    pub(crate) appointments: Vec<Appointment>,
    pub(crate) social: Vec<Social>,
    pub(crate) family: Vec<Family>,
    /// Died at home or here.
    pub(crate) died: Option<DateTime>,
}

/// Where the patient lived until a day.
pub(crate) struct Moved {
    pub(crate) at: DateTime,
    pub(crate) address: Address,
    pub(crate) phone: String,
}

/// The chart that went up in the other one.
pub(crate) struct Former {
    pub(crate) mrn: String,
    pub(crate) opened: DateTime,
    pub(crate) merged: DateTime,
}

/// Which of the two charts something was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chart {
    Own,
    Former,
}

impl Record {
    /// The number of a chart.
    pub(crate) fn mrn(&self, chart: Chart) -> &str {
        match (chart, &self.former) {
            (Chart::Former, Some(former)) => &former.mrn,
            _ => &self.person.mrn,
        }
    }

    /// The logical id of a chart's patient.
    pub(crate) fn subject(&self, chart: Chart) -> String {
        ids::patient(self.mrn(chart))
    }

    /// The chart of what belongs to this visit.
    pub(crate) fn chart(&self, visit: Option<usize>) -> Chart {
        visit.and_then(|at| self.visits.get(at)).map_or(Chart::Own, |visit| visit.chart)
    }
}

/// How a patient is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Clinic,
    Inpatient,
    Emergency,
    /// Planned: not here yet.
    Planned,
}

/// Where a patient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) unit: &'static str,
    /// Room and bed, for those who lie.
    pub(crate) bed: Option<(u16, u8)>,
}

impl Place {
    /// `51병동 5103 2`
    pub(crate) fn shown(&self) -> String {
        match self.bed {
            Some((room, bed)) => format!("{} {room} {bed}", self.unit),
            None => self.unit.to_owned(),
        }
    }
}

/// How a visit went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Over, and how it ended (table 0112).
    Ended(DateTime, Code),
    /// Still here.
    Here,
    /// Registered by mistake or did not come: cancelled then.
    Cancelled(DateTime),
    /// Not begun.
    Planned,
}

/// A visit: outpatient, emergency or a stay.
pub(crate) struct Visit {
    pub(crate) number: String,
    pub(crate) chart: Chart,
    pub(crate) class: Class,
    pub(crate) department: Department,
    pub(crate) attending: Doctor,
    pub(crate) start: DateTime,
    pub(crate) course: Course,
    /// Where, and since when; the first is where it began.
    pub(crate) places: Vec<(DateTime, Place)>,
    pub(crate) reason: Concept,
    pub(crate) diagnoses: Vec<Diagnosis>,
}

impl Visit {
    /// Logical id, given its patient's.
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Encounter", &[subject, &number_key(Authority::Visit, &self.number)])
    }

    /// When it ended, if it has.
    pub(crate) fn end(&self) -> Option<DateTime> {
        match self.course {
            Course::Ended(at, _) => Some(at),
            _ => None,
        }
    }
}

/// A diagnosis made for a visit.
pub(crate) struct Diagnosis {
    pub(crate) number: String,
    pub(crate) what: Concept,
    pub(crate) recorded: DateTime,
    /// From 1, the main one.
    pub(crate) rank: u32,
    /// Known at admission: sent provisionally then.
    pub(crate) admitting: bool,
    /// Settled at the end. A working diagnosis that was never settled stays provisional.
    pub(crate) settled: bool,
}

impl Diagnosis {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Condition", &[subject, &number_key(Authority::Diagnosis, &self.number)])
    }
}

/// How sure an entry is, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    Confirmed,
    Provisional,
    Unconfirmed,
    Refuted(DateTime),
    Wrong(DateTime),
}

/// An entry of the problem list.
pub(crate) struct Problem {
    pub(crate) number: String,
    pub(crate) what: Concept,
    pub(crate) onset: Since,
    pub(crate) resolved: Option<Date>,
    pub(crate) recorded: DateTime,
    pub(crate) certainty: Certainty,
    pub(crate) visit: Option<usize>,
}

impl Problem {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Condition", &[subject, "problem", &number_key(Authority::Problem, &self.number)])
    }

    /// Active on this day.
    pub(crate) fn is_active(&self, day: Date) -> bool {
        self.recorded.date() <= day
            && self.resolved.is_none_or(|end| end > day)
            && !matches!(self.certainty, Certainty::Refuted(_) | Certainty::Wrong(_))
    }
}

/// How an allergy was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// At registration: AL1, which has no number.
    AtRegistration,
    /// By a clinician: IAM.
    Numbered,
}

/// An allergy, or the statement that there is none.
pub(crate) struct Allergy {
    pub(crate) number: String,
    pub(crate) told: Told,
    pub(crate) substance: Concept,
    /// Table 0127 and FHIR's category; none for "no known allergy".
    pub(crate) kind: Option<(&'static str, &'static str)>,
    /// `SV`, `MO`, `MI`.
    pub(crate) severity: Option<&'static str>,
    pub(crate) reactions: Vec<&'static str>,
    pub(crate) onset: Option<Date>,
    pub(crate) recorded: DateTime,
    pub(crate) certainty: Certainty,
}

impl Allergy {
    pub(crate) fn id(&self, subject: &str) -> String {
        let key = match self.told {
            Told::AtRegistration => self.substance.key().to_owned(),
            Told::Numbered => number_key(Authority::Allergy, &self.number),
        };
        id_of("AllergyIntolerance", &[subject, &key])
    }
}

/// What happened to a prescription after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Hold,
    Resume,
    Stop,
    Finish,
    Cancel,
    Wrong,
}

/// A prescription.
pub(crate) struct Medication {
    pub(crate) number: String,
    pub(crate) drug: Drug,
    /// Amount a dose, as digits.
    pub(crate) dose: &'static str,
    /// Table 0335.
    pub(crate) repeat: &'static str,
    /// As the label says it.
    pub(crate) instruction: String,
    pub(crate) ordered: DateTime,
    pub(crate) end: Option<Date>,
    pub(crate) steps: Vec<(DateTime, Step)>,
    pub(crate) reason: Option<Concept>,
    pub(crate) note: Option<String>,
    pub(crate) by: Doctor,
    pub(crate) visit: Option<usize>,
}

impl Medication {
    pub(crate) fn id(&self, subject: &str) -> String {
        let key = order_key(Authority::Drug, &self.number, self.drug.name.key());
        id_of("MedicationRequest", &[subject, &key])
    }

    /// The step that holds now.
    pub(crate) fn now(&self) -> Option<Step> {
        self.steps.last().map(|(_, step)| *step)
    }

    /// Taken on this day.
    pub(crate) fn is_taken(&self, day: Date) -> bool {
        let last = self.steps.iter().rev().find(|(at, _)| at.date() <= day).map(|(_, step)| *step);
        let mistaken = self.steps.iter().any(|(_, step)| matches!(step, Step::Wrong | Step::Cancel));
        self.ordered.date() <= day && !mistaken && matches!(last, None | Some(Step::Resume))
    }
}

/// How an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    /// A final report answers it.
    Answered,
    OnHold(DateTime),
    Cancelled(DateTime, String),
}

/// An order for a test or a study.
pub(crate) struct Order {
    pub(crate) number: String,
    pub(crate) what: Concept,
    pub(crate) section: &'static str,
    pub(crate) at: DateTime,
    /// When it is to be done, if not at once.
    pub(crate) planned: Option<DateTime>,
    pub(crate) urgent: bool,
    pub(crate) standing: Standing,
    pub(crate) by: Doctor,
    pub(crate) reason: Option<Concept>,
    pub(crate) visit: Option<usize>,
}

impl Order {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("ServiceRequest", &[subject, &order_key(Authority::Order, &self.number, self.what.key())])
    }
}

/// Status of a report or a result (table 0085 and 0123 share these letters).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Preliminary,
    Final,
    Corrected,
    Wrong,
}

impl Status {
    pub(crate) fn v2(self) -> &'static str {
        match self {
            Status::Preliminary => "P",
            Status::Final => "F",
            Status::Corrected => "C",
            Status::Wrong => "W",
        }
    }

    pub(crate) fn fhir(self) -> &'static str {
        match self {
            Status::Preliminary => "preliminary",
            Status::Final => "final",
            Status::Corrected => "corrected",
            Status::Wrong => "entered-in-error",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(String),
    /// Systolic and diastolic.
    Pressure(String, String),
    Text(String),
    Coded(Concept),
}

/// One result.
#[derive(Debug, Clone)]
pub(crate) struct Result {
    pub(crate) what: Concept,
    pub(crate) value: Value,
    pub(crate) unit: Option<Unit>,
    pub(crate) decimals: usize,
    pub(crate) range: (Option<f64>, Option<f64>),
    /// `N`, `H`, `L`, `HH`, `LL`, `A`.
    pub(crate) flag: Option<&'static str>,
    pub(crate) status: Status,
    pub(crate) note: Option<String>,
}

/// What a report says.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Laboratory values.
    Values(Vec<Result>),
    /// Vital signs: no report of their own in FHIR.
    Vitals(Vec<Result>),
    /// Prose: findings, then the impression. Lines.
    Prose { findings: Vec<String>, impression: Vec<String>, embedded: bool },
}

/// A version of a report that was sent before the one that holds.
pub(crate) struct Earlier {
    pub(crate) issued: DateTime,
    pub(crate) status: Status,
    pub(crate) content: Content,
}

/// The answer of a laboratory, a ward's measurement or a reader of images.
pub(crate) struct Report {
    pub(crate) number: String,
    pub(crate) order: Option<usize>,
    pub(crate) what: Concept,
    pub(crate) section: &'static str,
    pub(crate) taken: DateTime,
    pub(crate) issued: DateTime,
    pub(crate) status: Status,
    pub(crate) content: Content,
    pub(crate) by: Doctor,
    pub(crate) visit: Option<usize>,
    pub(crate) earlier: Vec<Earlier>,
}

impl Report {
    fn key(&self) -> String {
        order_key(Authority::Result, &self.number, self.what.key())
    }

    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("DiagnosticReport", &[subject, &self.key()])
    }

    /// Id of one of its results. The laboratory counts a test that is repeated under one number; ours repeats none.
    pub(crate) fn result_id(&self, subject: &str, code: &str) -> String {
        id_of("Observation", &[subject, &self.key(), code, "", ""])
    }

    /// The results that are numbers or words, if it has any.
    pub(crate) fn results(&self) -> &[Result] {
        match &self.content {
            Content::Values(results) | Content::Vitals(results) => results,
            Content::Prose { .. } => &[],
        }
    }
}

/// A document.
pub(crate) struct Note {
    pub(crate) number: String,
    pub(crate) kind: Concept,
    pub(crate) at: DateTime,
    pub(crate) by: Doctor,
    pub(crate) visit: Option<usize>,
    pub(crate) text: String,
    /// Signed.
    pub(crate) signed: bool,
    /// Taken back as an error.
    pub(crate) withdrawn: Option<DateTime>,
}

impl Note {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("DocumentReference", &[subject, &number_key(Authority::Document, &self.number)])
    }
}

/// Something done.
pub(crate) struct Procedure {
    pub(crate) number: String,
    pub(crate) what: Concept,
    pub(crate) at: DateTime,
    pub(crate) by: Doctor,
    pub(crate) reason: Option<Concept>,
    pub(crate) visit: Option<usize>,
    pub(crate) withdrawn: Option<DateTime>,
}

impl Procedure {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Procedure", &[subject, &number_key(Authority::Procedure, &self.number)])
    }
}

/// A vaccination, or one that was refused.
pub(crate) struct Immunization {
    pub(crate) number: String,
    pub(crate) vaccine: Vaccine,
    pub(crate) on: Date,
    pub(crate) lot: String,
    pub(crate) refused: bool,
    pub(crate) by: Doctor,
}

impl Immunization {
    pub(crate) fn id(&self, subject: &str) -> String {
        let key = order_key(Authority::Vaccine, &self.number, self.vaccine.what.key());
        id_of("Immunization", &[subject, &key])
    }
}

/// What became of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Booked,
    Fulfilled,
    Cancelled(DateTime),
    NoShow(DateTime),
}

/// An appointment.
pub(crate) struct Appointment {
    pub(crate) number: String,
    pub(crate) made: DateTime,
    pub(crate) start: DateTime,
    pub(crate) minutes: u32,
    pub(crate) department: Department,
    pub(crate) doctor: Doctor,
    pub(crate) reason: Concept,
    pub(crate) kept: Kept,
}

impl Appointment {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Appointment", &[subject, &number_key(Authority::Appointment, &self.number)])
    }
}

/// An answer about habits.
pub(crate) struct Social {
    pub(crate) what: Concept,
    pub(crate) value: Value,
    pub(crate) at: DateTime,
    pub(crate) visit: Option<usize>,
}

impl Social {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("Observation", &[subject, "at", &crate::moment::fhir(self.at), self.what.key(), "", ""])
    }
}

/// A relative's disease.
pub(crate) struct Family {
    pub(crate) number: String,
    pub(crate) relation: Code,
    pub(crate) what: Concept,
    /// Age at which it began, years.
    pub(crate) onset: Option<u32>,
    pub(crate) at: DateTime,
}

impl Family {
    pub(crate) fn id(&self, subject: &str) -> String {
        id_of("FamilyMemberHistory", &[subject, &number_key(Authority::Family, &self.number)])
    }
}
