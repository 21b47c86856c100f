//! Hand-made charts for tests: FHIR resources as text, read by the record's own reader, so that paths and quotes are real.

use std::time::Duration;

use haechi_record::chart::{Chart, Entry, Kind, Rejected, read};
use jiff::tz::TimeZone;

use crate::answer::Answer;
use crate::plan::{Language, Plan, Shape, Subject};
use crate::{Model, Setting, answer_plan, citation_resolves, citation_resolves_in};

pub(crate) const LOINC: &str = "http://loinc.org";

/// A chart and the bytes it was read from.
pub(crate) struct Hand {
    pub(crate) chart: Chart,
    raws: Vec<(String, Vec<u8>)>,
}

pub(crate) const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","gender":"male","birthDate":"1960-05-20",
    "identifier":[{"system":"urn:oid:1.2.410.100000.1.1","value":"00012345"}],
    "name":[{"use":"official","text":"김민수"},{"text":"Kim Minsu"}],
    "telecom":[{"system":"phone","value":"010-1234-5678"}],
    "address":[{"text":"서울특별시 종로구 세종대로 110"}],
    "maritalStatus":{"text":"Married"}}"#;

impl Hand {
    pub(crate) fn of(patient: &str, resources: &[String]) -> Self {
        let received = "2024-05-01T00:00:00Z".parse().expect("instant");
        let mut raws = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for raw in resources {
            let id = serde_json::from_str::<serde_json::Value>(raw).expect("test JSON")["id"]
                .as_str()
                .expect("id")
                .to_owned();
            let entry = read::entry(raw.as_bytes(), &id, received, None).expect("an entry");
            raws.push((entry.source.clone(), raw.clone().into_bytes()));
            entries.push(entry);
        }
        read::join(&mut entries);
        entries.sort_by(read::order);
        let person = read::person(&[("p1", patient.as_bytes())]);
        raws.push(("Patient/p1".to_owned(), patient.as_bytes().to_vec()));
        Self { chart: Chart { patient: person, entries, as_of: received, rejected: Vec::new() }, raws }
    }

    pub(crate) fn new(resources: &[String]) -> Self {
        Self::of(PATIENT, resources)
    }

    pub(crate) fn rejecting(mut self, reason: &str) -> Self {
        self.chart.rejected.push(Rejected {
            file: "feed.hl7".to_owned(),
            line: Some(3),
            segment: None,
            field: None,
            resource: None,
            reason: reason.to_owned(),
        });
        self
    }

    pub(crate) fn entry(&self, source: &str) -> &Entry {
        self.chart.entries.iter().find(|entry| entry.source == source).expect("the entry")
    }

    /// The answer, checked for what every answer must be: claims cited, citations found in the chart and in the raw bytes,
    /// the freshness said.
    pub(crate) fn answer(&self, plan: &Plan) -> Answer {
        self.answer_with(plan, None)
    }

    pub(crate) fn answer_with(&self, plan: &Plan, model: Option<&dyn Model>) -> Answer {
        let mut streamed = String::new();
        let answer =
            answer_plan(plan, &self.chart, &setting(), model, &mut || Duration::from_millis(7), &mut |event| {
                let crate::Event::Text(text) = event;
                streamed.push_str(text);
            });
        assert_eq!(streamed.trim(), answer.answer, "what was streamed is the answer");
        for claim in &answer.claims {
            assert!(!claim.citations.is_empty(), "uncited: {}", claim.text);
            assert!(answer.answer.contains(&claim.text), "not in the answer: {}", claim.text);
            for id in &claim.citations {
                assert!(answer.citations.iter().any(|citation| citation.id == *id), "no citation {id}");
            }
        }
        for citation in &answer.citations {
            assert!(citation_resolves(&self.chart, citation), "does not resolve in the chart: {citation:?}");
            let raw = self.raws.iter().find(|(source, _)| *source == citation.source).expect("the cited resource");
            assert!(citation_resolves_in(&raw.1, citation), "does not resolve in the bytes: {citation:?}");
        }
        assert_eq!(answer.as_of.as_deref(), Some("2024-05-01T09:00:00+09:00"));
        answer
    }

    /// As [`Hand::answer`], and nothing was held back.
    pub(crate) fn clean(&self, plan: &Plan) -> Answer {
        let answer = self.answer(plan);
        assert!(answer.dropped.is_empty(), "held back: {:#?}", answer.dropped);
        answer
    }
}

pub(crate) fn setting() -> Setting {
    Setting {
        now: "2024-05-01T01:00:00Z".parse().expect("instant"),
        zone: TimeZone::get("Asia/Seoul").expect("bundled"),
        language: None,
    }
}

pub(crate) fn plan(language: Language, shape: Shape, scope: &[Kind]) -> Plan {
    Plan { shape, scope: scope.to_vec(), ..Plan::empty(language) }
}

pub(crate) fn about(language: Language, shape: Shape, scope: &[Kind], subject: Subject) -> Plan {
    Plan { subjects: vec![subject], ..plan(language, shape, scope) }
}

pub(crate) fn subject(english: &str, korean: &str, codes: &[(&str, &str)], terms: &[&str]) -> Subject {
    Subject {
        said: english.to_owned(),
        names: (english.to_owned(), korean.to_owned()),
        codes: codes.iter().map(|(system, code)| ((*system).to_owned(), (*code).to_owned())).collect(),
        terms: terms.iter().map(|term| (*term).to_owned()).collect(),
        ..Subject::default()
    }
}

pub(crate) fn hba1c() -> Subject {
    subject("HbA1c", "당화혈색소", &[(LOINC, "4548-4")], &["hba1c", "hemoglobin a1c"])
}

pub(crate) fn pressure() -> Subject {
    subject("blood pressure", "혈압", &[(LOINC, "85354-9")], &["blood pressure", "혈압"])
}

pub(crate) fn metformin() -> Subject {
    subject("metformin", "메트포르민", &[], &["metformin", "메트포르민"])
}

/// A laboratory value; `more` are further members, each beginning with a comma.
pub(crate) fn lab(id: &str, title: &str, loinc: &str, value: &str, unit: &str, when: &str, more: &str) -> String {
    let status = if more.contains("\"status\"") { "" } else { r#""status":"final","# };
    let quantity = if unit.is_empty() && !value.starts_with(|c: char| c.is_ascii_digit()) {
        format!(r#""valueString":"{value}""#)
    } else {
        let unit = if unit.is_empty() { String::new() } else { format!(r#","unit":"{unit}""#) };
        format!(r#""valueQuantity":{{"value":{value}{unit}}}"#)
    };
    let when = if when.is_empty() { String::new() } else { format!(r#""effectiveDateTime":"{when}","#) };
    format!(
        r#"{{"resourceType":"Observation","id":"{id}",{status}"category":[{{"coding":[{{"code":"laboratory"}}]}}],
            "code":{{"coding":[{{"system":"http://loinc.org","code":"{loinc}","display":"{title}"}}],"text":"{title}"}},{when}{quantity}{more}}}"#
    )
}

pub(crate) fn a1c(id: &str, value: &str, when: &str, more: &str) -> String {
    lab(id, "Hemoglobin A1c", "4548-4", value, "%", when, more)
}

pub(crate) fn flag(code: &str) -> String {
    format!(r#","interpretation":[{{"coding":[{{"code":"{code}"}}]}}]"#)
}

pub(crate) fn range(low: &str, high: &str, unit: &str) -> String {
    format!(
        r#","referenceRange":[{{"low":{{"value":{low},"unit":"{unit}"}},"high":{{"value":{high},"unit":"{unit}"}}}}]"#
    )
}

pub(crate) fn status(code: &str) -> String {
    format!(r#","status":"{code}""#)
}

pub(crate) fn bp(id: &str, systolic: &str, diastolic: &str, when: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","category":[{{"coding":[{{"code":"vital-signs"}}]}}],
            "code":{{"coding":[{{"system":"http://loinc.org","code":"85354-9"}}],"text":"Blood pressure panel"}},"effectiveDateTime":"{when}",
            "component":[
              {{"code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"}}]}},"valueQuantity":{{"value":{systolic},"unit":"mmHg"}}}},
              {{"code":{{"coding":[{{"system":"http://loinc.org","code":"8462-4","display":"Diastolic blood pressure"}}]}},"valueQuantity":{{"value":{diastolic},"unit":"mmHg"}}}}]}}"#
    )
}

pub(crate) fn problem(
    id: &str,
    title: &str,
    clinical: &str,
    verification: &str,
    onset: &str,
    abatement: &str,
) -> String {
    let onset = if onset.is_empty() { String::new() } else { format!(r#","onsetDateTime":"{onset}""#) };
    let abatement = if abatement.is_empty() { String::new() } else { format!(r#","abatementDateTime":"{abatement}""#) };
    let clinical = if clinical.is_empty() {
        String::new()
    } else {
        format!(r#","clinicalStatus":{{"coding":[{{"code":"{clinical}"}}]}}"#)
    };
    format!(
        r#"{{"resourceType":"Condition","id":"{id}"{clinical},"verificationStatus":{{"coding":[{{"code":"{verification}"}}]}},
            "code":{{"text":"{title}"}}{onset}{abatement}}}"#
    )
}

pub(crate) fn order(id: &str, title: &str, status: &str, authored: &str, dosage: &str, more: &str) -> String {
    let dosage =
        if dosage.is_empty() { String::new() } else { format!(r#","dosageInstruction":[{{"text":"{dosage}"}}]"#) };
    format!(
        r#"{{"resourceType":"MedicationRequest","id":"{id}","status":"{status}","intent":"order",
            "medicationCodeableConcept":{{"text":"{title}"}},"authoredOn":"{authored}"{dosage}{more}}}"#
    )
}

pub(crate) fn allergy(id: &str, title: &str, code: &str, clinical: &str, verification: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"AllergyIntolerance","id":"{id}","clinicalStatus":{{"coding":[{{"code":"{clinical}"}}]}},
            "verificationStatus":{{"coding":[{{"code":"{verification}"}}]}},
            "code":{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}"}}],"text":"{title}"}},"recordedDate":"2019-04-01"{more}}}"#
    )
}

pub(crate) fn encounter(id: &str, title: &str, class: &str, start: &str, end: &str, more: &str) -> String {
    let (status, end) =
        if end.is_empty() { ("in-progress", String::new()) } else { ("finished", format!(r#","end":"{end}""#)) };
    format!(
        r#"{{"resourceType":"Encounter","id":"{id}","status":"{status}","class":{{"code":"{class}"}},"type":[{{"text":"{title}"}}],
            "period":{{"start":"{start}"{end}}}{more}}}"#
    )
}

pub(crate) fn note(id: &str, title: &str, date: &str, text: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Composition","id":"{id}","status":"final","title":"{title}","date":"{date}","author":[{{"display":"이정훈"}}],
            "section":[{{"title":"body","text":{{"div":"<div>{text}</div>"}}}}]{more}}}"#
    )
}

pub(crate) fn procedure(id: &str, title: &str, status: &str, when: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Procedure","id":"{id}","status":"{status}","code":{{"text":"{title}"}},"performedDateTime":"{when}"{more}}}"#
    )
}

pub(crate) fn vaccine(id: &str, title: &str, status: &str, when: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Immunization","id":"{id}","status":"{status}","vaccineCode":{{"text":"{title}"}},"occurrenceDateTime":"{when}"{more}}}"#
    )
}

pub(crate) fn report(id: &str, title: &str, status: &str, when: &str, conclusion: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"DiagnosticReport","id":"{id}","status":"{status}","code":{{"text":"{title}"}},"effectiveDateTime":"{when}",
            "conclusion":"{conclusion}"{more}}}"#
    )
}
