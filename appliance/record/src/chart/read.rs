//! From a FHIR R4 resource's bytes to a chart entry. Pure: no store, no clock.
//!
//! Most of what a resource says is read by tables (`tables`), one row a fact: the name an answer uses
//! and the elements it may stand in. What needs more than a row has its own file: values (`observation`), doses
//! (`medication`), free text (`document`), the person (`person`), and what a status means
//! (`standing`).

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;

use super::json::Json;
use super::tables::{ANY_TITLE, COMMON_FACTS, NOT_CHART, facts, times, titles};
use super::words::{codings, concept, timeline, when, words};
use super::{Coding, Entry, Fact, Kind, Origin, Person, When};
use super::{document, medication, observation, person, standing};

/// Looks up the display of a resource that is not the patient's (a practitioner, a place, a drug) by its reference as
/// written; `None` if it is not there.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads one resource of a patient's. `None` for the Patient itself, for what is no part of a chart, and for bytes that
/// are not a FHIR resource.
///
/// `id` is the logical id under which the record holds it (the bytes may have none); `received` when this version came.
pub fn entry(raw: &[u8], id: &str, received: Timestamp, origin: Option<Origin>) -> Option<Entry> {
    entry_with(raw, id, received, origin, &|_| None)
}

/// [`entry`], with names for references that come without `display`.
pub fn entry_with(
    raw: &[u8],
    id: &str,
    received: Timestamp,
    origin: Option<Origin>,
    lookup: Lookup<'_>,
) -> Option<Entry> {
    entry_of(&Json::parse(raw)?, id, received, origin, lookup)
}

/// [`entry_with`], for bytes that are parsed already.
pub(crate) fn entry_of(
    root: &Json<'_>,
    id: &str,
    received: Timestamp,
    origin: Option<Origin>,
    lookup: Lookup<'_>,
) -> Option<Entry> {
    let resource_type = root.string("resourceType")?;
    if NOT_CHART.contains(&resource_type) {
        return None;
    }
    let mut reader = Reader::new(root, resource_type, id, received, origin, lookup);
    reader.title();
    reader.dates();
    reader.categories();
    reader.facts();
    reader.links();
    match reader.entry.kind {
        Kind::Lab | Kind::Vital | Kind::SocialHistory | Kind::OtherObservation => observation::read(&mut reader),
        Kind::Medication => medication::read(&mut reader),
        _ => {}
    }
    if resource_type == "QuestionnaireResponse" {
        observation::answers(&mut reader);
    }
    document::read(&mut reader);
    reader.nothing_known();
    reader.nameless();
    Some(reader.entry)
}

/// Reads the Patient resources that merges have joined, the surviving one first: (logical id, bytes).
pub fn person(raws: &[(&str, &[u8])]) -> Person {
    person::read(raws)
}

/// The name under which a practitioner, place, organization or drug is shown: what a [`Lookup`] answers with.
pub fn display(raw: &[u8]) -> Option<String> {
    person::display(&Json::parse(raw)?)
}

/// The order of a chart: oldest first, undated first of all; ties by source, so that it is the same on every run.
pub fn order(a: &Entry, b: &Entry) -> Ordering {
    timeline(a.when.as_ref()).cmp(&timeline(b.when.as_ref())).then_with(|| a.source.cmp(&b.source))
}

/// Makes the links of a whole chart point at its sources: inside a bundle, resources name each other by `urn:uuid:` or
/// by a server's address, and the bytes are kept as they came. What points elsewhere stays as written.
pub fn join(entries: &mut [Entry]) {
    let titles: HashMap<String, String> =
        entries.iter().map(|entry| (entry.source.clone(), entry.title.clone())).collect();
    let by_id: HashMap<String, String> =
        titles.keys().filter_map(|source| Some((source.split_once('/')?.1.to_owned(), source.clone()))).collect();
    for entry in entries {
        for (element, reference) in &mut entry.links {
            if let Some(source) = target(reference, &titles, &by_id) {
                *reference = source;
            }
            // "Why?" is often answered only by a reference: then by the title of what it points at.
            let (Some(name), Some(title)) = (fact_of(element), titles.get(reference)) else { continue };
            if !entry.facts.iter().any(|fact| fact.name == name && fact.text == *title) {
                entry.facts.push(Fact { name: name.to_owned(), text: title.clone(), path: element.clone() });
            }
        }
    }
}

/// The source in this chart that a reference, as written, points at.
fn target(written: &str, titles: &HashMap<String, String>, by_id: &HashMap<String, String>) -> Option<String> {
    let written = written.split("/_history/").next().unwrap_or_default();
    if let Some(id) = written.strip_prefix("urn:uuid:") {
        return by_id.get(id).cloned();
    }
    let mut parts = written.rsplit('/');
    let (id, kind) = (parts.next()?, parts.next()?);
    Some(format!("{kind}/{id}")).filter(|source| titles.contains_key(source))
}

/// The fact that a reference in `element` states about its holder.
fn fact_of(element: &str) -> Option<&'static str> {
    Some(match element {
        "reasonReference" => "reason",
        "diagnosis.condition" => "diagnosis",
        "addresses" => "addresses",
        "goal" => "goal",
        "result" => "result",
        "report" => "report",
        "activity.reference" => "activity",
        "reaction.detail" => "reaction",
        _ => return None,
    })
}

/// One resource while it is read.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Json<'a>,
    pub(super) lookup: Lookup<'a>,
    pub(super) entry: Entry,
}

impl<'a> Reader<'a> {
    fn new(
        root: &'a Json<'a>,
        resource_type: &str,
        id: &str,
        received: Timestamp,
        origin: Option<Origin>,
        lookup: Lookup<'a>,
    ) -> Reader<'a> {
        let status = standing::read(root, resource_type);
        let entry = Entry {
            source: format!("{resource_type}/{id}"),
            kind: kind(root, resource_type),
            resource_type: resource_type.to_owned(),
            status: status.status,
            verification: status.verification,
            standing: status.standing,
            codes: Vec::new(),
            title: String::new(),
            other_titles: Vec::new(),
            categories: Vec::new(),
            when: None,
            until: None,
            recorded: None,
            values: Vec::new(),
            facts: Vec::new(),
            texts: Vec::new(),
            title_path: String::new(),
            when_path: None,
            links: Vec::new(),
            origin,
            received,
        };
        Reader { root, lookup, entry }
    }

    /// Adds a fact unless its words are blank or said already under the same name.
    pub(super) fn fact(&mut self, name: &str, text: &str, path: &str) {
        let text = text.trim();
        if !text.is_empty() && !self.entry.facts.iter().any(|fact| fact.name == name && fact.text == text) {
            self.entry.facts.push(Fact { name: name.to_owned(), text: text.to_owned(), path: path.to_owned() });
        }
    }

    /// Adds everything `pattern` reaches as facts called `name`.
    pub(super) fn facts_at(&mut self, name: &str, pattern: &str) {
        for (path, node) in self.root.find(pattern) {
            if let Some((text, path)) = self.say(node, &path) {
                self.fact(name, &text, &path);
            }
        }
    }

    /// An element in words; a reference without `display` by looking it up, inside the resource first.
    pub(super) fn say(&self, node: &Json<'_>, path: &str) -> Option<(String, String)> {
        if let Some(said) = words(node, path) {
            return Some(said);
        }
        let reference = node.string("reference")?;
        let text = match reference.strip_prefix('#') {
            Some(id) => person::display(self.contained(id)?)?,
            None => (self.lookup)(reference)?,
        };
        Some((text, path.to_owned()))
    }

    /// The contained resource called `id`.
    pub(super) fn contained(&self, id: &str) -> Option<&'a Json<'a>> {
        self.root.items("contained").iter().find(|inner| inner.string("id") == Some(id))
    }

    /// Takes the concept at `path` as the entry's main one, if it has none yet; its other names beside it.
    pub(super) fn name_by(&mut self, node: &Json<'_>, path: &str) {
        let found = codings(node);
        if let Some((title, title_path)) = concept(node, path) {
            if self.entry.title.is_empty() {
                self.entry.title = title;
                self.entry.title_path = title_path;
            } else {
                self.also_named(&title);
            }
        }
        for coding in &found {
            self.also_named(&coding.display);
        }
        for coding in found {
            self.code(coding);
        }
    }

    fn code(&mut self, coding: Coding) {
        if !coding.code.is_empty() && !self.entry.codes.contains(&coding) {
            self.entry.codes.push(coding);
        }
    }

    pub(super) fn also_named(&mut self, name: &str) {
        if !name.is_empty() && self.entry.title != name && !self.entry.other_titles.iter().any(|other| other == name) {
            self.entry.other_titles.push(name.to_owned());
        }
    }

    fn title(&mut self) {
        let resource_type = self.entry.resource_type.clone();
        let patterns = titles(&resource_type);
        for pattern in patterns {
            // Types without a row of their own: the first element that names them is enough.
            if patterns == ANY_TITLE && !self.entry.title.is_empty() {
                break;
            }
            for (path, node) in self.root.find(pattern) {
                match node {
                    Json::Object(_) => self.name_by(node, &path),
                    plain => {
                        let Some(text) = plain.primitive() else { continue };
                        if self.entry.title.is_empty() {
                            self.entry.title = text.to_owned();
                            self.entry.title_path = path;
                        } else {
                            self.also_named(text);
                        }
                    }
                }
            }
        }
        if resource_type == "ImagingStudy" && self.entry.title.is_empty() {
            self.imaging_title();
        }
    }

    /// A study without description is called by its modality and body site, as recorded.
    fn imaging_title(&mut self) {
        let parts: Vec<String> = ["series.modality", "series.bodySite"]
            .iter()
            .filter_map(|pattern| {
                let (path, node) = self.root.find(pattern).into_iter().next()?;
                words(node, &path).map(|(text, _)| text)
            })
            .collect();
        self.entry.title = parts.join(", ");
        self.entry.title_path = "series[0].modality".to_owned();
    }

    fn dates(&mut self) {
        let row = times(&self.entry.resource_type);
        let first = |patterns: &[&str]| -> Option<(When, String)> {
            patterns.iter().find_map(|pattern| {
                self.root.find(pattern).into_iter().find_map(|(path, node)| Some((when(node.text()?)?, path)))
            })
        };
        let started = first(row.when);
        let until = first(row.until);
        let recorded = first(row.recorded);
        self.entry.until = until.map(|(when, _)| when);
        self.entry.recorded =
            recorded.map(|(when, _)| when).filter(|when| started.as_ref().is_none_or(|(s, _)| s != when));
        if let Some((when, path)) = started {
            self.entry.when = Some(when);
            self.entry.when_path = Some(path);
        }
    }

    fn categories(&mut self) {
        for pattern in ["category", "class"] {
            for (_, node) in self.root.find(pattern) {
                let mut said: Vec<String> = node.text().map(str::to_owned).into_iter().collect();
                said.extend(node.string("text").map(str::to_owned));
                for coding in codings(node) {
                    said.extend([coding.code, coding.display]);
                }
                for word in said {
                    if !word.is_empty() && !self.entry.categories.contains(&word) {
                        self.entry.categories.push(word);
                    }
                }
            }
        }
    }

    fn facts(&mut self) {
        for (name, pattern) in COMMON_FACTS.iter().chain(facts(&self.entry.resource_type)) {
            self.facts_at(name, pattern);
        }
        if self.entry.resource_type == "Encounter" {
            self.participants();
        }
    }

    /// Who took part in an encounter, by role: `attending` where the role says so, `participant` for everyone.
    fn participants(&mut self) {
        for (path, participant) in self.root.find("participant") {
            let Some(individual) = participant.get("individual") else { continue };
            let Some((text, path)) = self.say(individual, &format!("{path}.individual")) else { continue };
            for coding in participant.items("type").iter().flat_map(codings) {
                // HL7 v3 ParticipationType.
                match coding.code.as_str() {
                    "ATND" => self.fact("attending", &text, &path),
                    "ADM" => self.fact("admitter", &text, &path),
                    "REF" => self.fact("referrer", &text, &path),
                    "CON" => self.fact("consultant", &text, &path),
                    "DIS" => self.fact("discharger", &text, &path),
                    _ => {}
                }
            }
            self.fact("participant", &text, &path);
        }
    }

    /// All references to other resources, but not to the patient, nor inside the resource.
    fn links(&mut self) {
        let mut found = Vec::new();
        collect_links(self.root, "", &mut found);
        found.dedup();
        self.entry.links = found;
    }

    /// What names itself in no element is called by its type.
    fn nameless(&mut self) {
        if self.entry.title.is_empty() {
            self.entry.title = self.entry.resource_type.clone();
            self.entry.title_path = "resourceType".to_owned();
        }
    }

    /// Marks an entry that says there is nothing to say ("no known allergy"): it is evidence of absence, not of a thing.
    fn nothing_known(&mut self) {
        let name = match self.entry.kind {
            Kind::Allergy => "noKnownAllergy",
            Kind::Problem => "noKnownProblem",
            Kind::Medication => "noKnownMedication",
            _ => return,
        };
        let by_code = self.entry.codes.iter().any(|coding| NOTHING_KNOWN.contains(&coding.code.as_str()));
        let lower = self.entry.title.to_lowercase();
        let by_words = NOTHING_KNOWN_WORDS.iter().any(|words| lower.contains(words))
            || (self.entry.kind == Kind::Allergy && matches!(lower.as_str(), "nka" | "nkda" | "nkfa"));
        if by_code || by_words {
            let (title, path) = (self.entry.title.clone(), self.entry.title_path.clone());
            self.fact(name, &title, &path);
        }
    }
}

/// SNOMED CT International, 2024-09: no known allergy, drug, food, environmental allergy; no current problems or
/// disability; no known medications; no drug therapy; HL7 `no-known-*` of the IPS code system for absent data.
const NOTHING_KNOWN: [&str; 14] = [
    "716186003",
    "409137002",
    "429625007",
    "428607008",
    "428197003",
    "716184000",
    "716220001",
    "160244002",
    "160245001",
    "787481004",
    "no-known-allergies",
    "no-known-medication-allergies",
    "no-known-medications",
    "no-known-problems",
];

const NOTHING_KNOWN_WORDS: [&str; 9] = [
    "no known",
    "no current problem",
    "no current medication",
    "no allerg",
    "알레르기 없음",
    "알러지 없음",
    "알레르기 병력 없음",
    "특이 알레르기 없음",
    "복용약 없음",
];

fn collect_links(node: &Json<'_>, path: &str, found: &mut Vec<(String, String)>) {
    match node {
        Json::Object(members) => {
            if let Some(reference) = node.string("reference") {
                let of_patient = matches!(path, "subject" | "patient" | "beneficiary" | "individual");
                let to_patient = reference.starts_with("Patient/") || reference.contains("/Patient/");
                if !reference.starts_with('#') && !of_patient && !to_patient {
                    found.push((path.to_owned(), reference.to_owned()));
                }
            }
            for (name, member) in members {
                if matches!(name.as_ref(), "contained" | "extension" | "modifierExtension" | "meta" | "text") {
                    continue;
                }
                let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
                collect_links(member, &path, found);
            }
        }
        Json::List(items) => items.iter().for_each(|item| collect_links(item, path, found)),
        _ => {}
    }
}

/// Which kind of entry a resource is.
fn kind(root: &Json<'_>, resource_type: &str) -> Kind {
    match resource_type {
        "Observation" => observation::kind(root),
        "Condition" => Kind::Problem,
        "MedicationRequest" | "MedicationStatement" | "MedicationAdministration" | "MedicationDispense" => {
            Kind::Medication
        }
        "AllergyIntolerance" => Kind::Allergy,
        "Immunization" => Kind::Immunization,
        "Procedure" => Kind::Procedure,
        "Encounter" => Kind::Encounter,
        "DiagnosticReport" => Kind::Report,
        "DocumentReference" | "Composition" => Kind::Note,
        "ServiceRequest"
        | "CarePlan"
        | "Goal"
        | "DeviceRequest"
        | "NutritionOrder"
        | "Task"
        | "RequestGroup"
        | "ImmunizationRecommendation"
        | "VisionPrescription" => Kind::Planned,
        "Appointment" | "AppointmentResponse" => Kind::Appointment,
        "FamilyMemberHistory" => Kind::FamilyHistory,
        "ImagingStudy" => Kind::Imaging,
        "Device" | "DeviceUseStatement" => Kind::Device,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Standing;

    fn read(json: &str) -> Entry {
        entry(json.as_bytes(), "1", Timestamp::UNIX_EPOCH, None).unwrap()
    }

    fn fact<'e>(entry: &'e Entry, name: &str) -> Option<(&'e str, &'e str)> {
        entry.facts.iter().find(|fact| fact.name == name).map(|fact| (fact.text.as_str(), fact.path.as_str()))
    }

    #[test]
    fn an_encounter_says_where_who_why_and_how_it_ended() {
        let entry = read(
            r#"{"resourceType":"Encounter","status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code":"IMP","display":"inpatient encounter"},"type":[{"text":"입원"}],"period":{"start":"2025-01-02T09:00:00+09:00","end":"2025-01-05"},
            "participant":[{"type":[{"coding":[{"code":"ATND"}]}],"individual":{"reference":"Practitioner/9","display":"이정훈"}}],
            "location":[{"location":{"display":"51병동"}}],"serviceProvider":{"display":"해치병원"},
            "reasonCode":[{"text":"폐렴"}],"diagnosis":[{"condition":{"reference":"Condition/3"}}],
            "hospitalization":{"dischargeDisposition":{"text":"귀가"}}}"#,
        );
        assert_eq!((entry.kind, entry.title.as_str()), (Kind::Encounter, "입원"));
        assert_eq!(entry.other_titles, ["inpatient encounter"]);
        assert_eq!(fact(&entry, "attending"), Some(("이정훈", "participant[0].individual.display")));
        assert_eq!(fact(&entry, "location"), Some(("51병동", "location[0].location.display")));
        assert_eq!(fact(&entry, "reason"), Some(("폐렴", "reasonCode[0].text")));
        assert_eq!(fact(&entry, "dischargeDisposition").map(|f| f.0), Some("귀가"));
        assert!(entry.until.is_some());
        assert!(entry.links.contains(&("diagnosis.condition".into(), "Condition/3".into())));
    }

    #[test]
    fn an_allergy_says_its_reaction_and_no_known_allergy_is_marked() {
        let allergy = read(
            r#"{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},
            "verificationStatus":{"coding":[{"code":"unconfirmed"}]},"code":{"text":"Penicillin"},"criticality":"high",
            "reaction":[{"manifestation":[{"text":"Hives"},{"text":"두드러기"}],"severity":"severe"}]}"#,
        );
        assert_eq!(allergy.standing, Standing::SaidAs("unconfirmed"));
        assert_eq!(allergy.facts.iter().filter(|f| f.name == "reaction").count(), 2);
        assert_eq!(fact(&allergy, "severity"), Some(("severe", "reaction[0].severity")));
        assert_eq!(fact(&allergy, "noKnownAllergy"), None);
        for none in [
            r#"{"coding":[{"system":"http://snomed.info/sct","code":"716186003","display":"No known allergy"}]}"#,
            r#"{"text":"알레르기 없음"}"#,
            r#"{"text":"NKDA"}"#,
        ] {
            let entry = read(&format!(r#"{{"resourceType":"AllergyIntolerance","code":{none}}}"#));
            assert!(fact(&entry, "noKnownAllergy").is_some(), "{none}");
        }
    }

    #[test]
    fn a_relatives_condition_is_said_to_be_one() {
        let entry = read(
            r#"{"resourceType":"FamilyMemberHistory","status":"completed","relationship":{"coding":[{"display":"father"}]},
            "condition":[{"code":{"text":"CKD"},"onsetAge":{"value":50,"unit":"a"}},{"code":{"text":"gout"}}]}"#,
        );
        assert_eq!((entry.title.as_str(), &entry.other_titles[..]), ("CKD", &["gout".to_owned()][..]));
        assert_eq!(entry.standing, Standing::SaidAs("family-history"));
        assert_eq!(fact(&entry, "relationship").map(|f| f.0), Some("father"));
        assert_eq!(fact(&entry, "onset"), Some(("50 a", "condition[0].onsetAge")));
    }

    #[test]
    fn other_things_are_nobodys_entry() {
        for json in [
            r#"{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Practitioner"}"#,
            r#"{"resourceType":"Medication"}"#,
            r#"{"no":"type"}"#,
            "not json",
        ] {
            assert!(entry(json.as_bytes(), "1", Timestamp::UNIX_EPOCH, None).is_none(), "{json}");
        }
        assert_eq!(read(r#"{"resourceType":"Flag","status":"active","code":{"text":"낙상 위험"}}"#).title, "낙상 위험");
    }

    #[test]
    fn a_chart_is_ordered_and_its_links_point_at_its_entries() {
        let bytes: [(&str, &str); 4] = [
            (
                "b",
                r#"{"resourceType":"Observation","status":"final","code":{"text":"K"},"effectiveDateTime":"2025-01-02T00:00:00Z"}"#,
            ),
            (
                "a",
                r#"{"resourceType":"DiagnosticReport","status":"final","code":{"text":"BMP"},"effectiveDateTime":"2025-01-02",
                     "result":[{"reference":"urn:uuid:b"},{"reference":"http://x/fhir/Observation/b/_history/2"},{"reference":"urn:uuid:z"}]}"#,
            ),
            ("c", r#"{"resourceType":"Condition","code":{"text":"gout"},"onsetDateTime":"2019"}"#),
            ("d", r#"{"resourceType":"Device","status":"active"}"#),
        ];
        let mut entries: Vec<Entry> =
            bytes.iter().filter_map(|(id, raw)| entry(raw.as_bytes(), id, Timestamp::UNIX_EPOCH, None)).collect();
        entries.sort_by(order);
        join(&mut entries);
        let sources: Vec<_> = entries.iter().map(|e| e.source.as_str()).collect();
        assert_eq!(sources, ["Device/d", "Condition/c", "DiagnosticReport/a", "Observation/b"]);
        let links: Vec<_> = entries[2].links.iter().map(|(_, to)| to.as_str()).collect();
        assert_eq!(links, ["Observation/b", "Observation/b", "urn:uuid:z"]);
        assert_eq!(fact(&entries[2], "result"), Some(("K", "result")), "named by what it points at");
        assert_eq!(entries[0].title, "Device", "what has no name is called by its type");
    }

    #[test]
    fn elements_of_the_wrong_type_are_survived() {
        // Every element that any table names, with every type of JSON value where FHIR wants another.
        let values = [
            "7.10",
            "true",
            "null",
            "\"x\"",
            "[]",
            "{}",
            "[[1],{\"coding\":7}]",
            r##"{"reference":"#x","value":{},"start":[]}"##,
        ];
        let types = [
            "Observation",
            "Condition",
            "MedicationRequest",
            "MedicationAdministration",
            "AllergyIntolerance",
            "Immunization",
            "Procedure",
            "Encounter",
            "DiagnosticReport",
            "DocumentReference",
            "Composition",
            "CarePlan",
            "Goal",
            "Appointment",
            "FamilyMemberHistory",
            "ImagingStudy",
            "Device",
            "QuestionnaireResponse",
            "Coverage",
            "Communication",
            "Flag",
        ];
        let other = [
            "status",
            "code",
            "component",
            "valueQuantity",
            "valueString",
            "referenceRange",
            "interpretation",
            "item",
            "section",
            "text",
            "content",
            "presentedForm",
            "dosageInstruction",
            "dosage",
            "medicationReference",
            "contained",
            "participant",
            "category",
            "class",
            "series",
            "clinicalStatus",
            "verificationStatus",
            "intent",
            "docStatus",
            "asserter",
            "subject",
        ];
        for resource_type in types {
            let named = titles(resource_type).iter().chain(times(resource_type).when).chain(&other).copied();
            let named = named.chain(facts(resource_type).iter().map(|(_, pattern)| *pattern));
            for element in named.map(|pattern| pattern.split('.').next().unwrap()) {
                for value in values {
                    let json = format!(r#"{{"resourceType":"{resource_type}","{element}":{value}}}"#);
                    assert!(entry(json.as_bytes(), "1", Timestamp::UNIX_EPOCH, None).is_some(), "{json}");
                }
            }
        }
        for element in
            ["name", "identifier", "telecom", "address", "contact", "communication", "extension", "birthDate", "gender"]
        {
            for value in values {
                person(&[("1", format!(r#"{{"resourceType":"Patient","{element}":{value}}}"#).as_bytes())]);
            }
        }
    }
}
