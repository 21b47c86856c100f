//! What messages do to a record, told as short stories over a record in memory.

use std::collections::HashMap;

use haechi_record::chart::Rejected;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;

/// A record as `current` sees it.
#[derive(Default)]
pub(super) struct Record {
    pub(super) resources: HashMap<(String, String), Vec<u8>>,
}

pub(super) fn settings() -> Hl7Settings {
    Hl7Settings {
        charset_override: None,
        assume_charset: "cp949".into(),
        zone: TimeZone::get("Asia/Seoul").unwrap(),
        assigning_authority: "HAECHI&1.2.410.100000.1.1&ISO".into(),
    }
}

impl Record {
    pub(super) fn try_file(&mut self, message: &[u8]) -> Result<Mapped, Vec<Rejected>> {
        let mapped =
            map(message, &settings(), &|kind, id| self.resources.get(&(kind.to_owned(), id.to_owned())).cloned())?;
        for resource in &mapped.resources {
            let json: Value = serde_json::from_slice(&resource.json).unwrap();
            let key = |name: &str| json[name].as_str().unwrap().to_owned();
            self.resources.insert((key("resourceType"), key("id")), resource.json.clone());
        }
        Ok(mapped)
    }

    /// Files a message given from `MSH-9` on: `ADT^A01` and the segments after MSH.
    pub(super) fn file(&mut self, kind: &str, segments: &str) -> Mapped {
        self.try_file(message(kind, segments).as_bytes()).unwrap_or_else(|rejected| panic!("{rejected:?}"))
    }

    pub(super) fn all(&self, kind: &str) -> Vec<Value> {
        let mut out: Vec<Value> = self
            .resources
            .iter()
            .filter(|((of, _), _)| of == kind)
            .map(|(_, json)| serde_json::from_slice(json).unwrap())
            .collect();
        out.sort_by_key(Value::to_string);
        out
    }

    pub(super) fn only(&self, kind: &str) -> Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{all:#?}");
        all.into_iter().next().unwrap()
    }
}

pub(super) fn message(kind: &str, segments: &str) -> String {
    let head = format!("MSH|^~\\&|HIS|HAECHI|||20250310120000||{kind}|C1|P|2.5|||||KOR|UNICODE UTF-8\r");
    head + segments.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r").as_str()
}

pub(super) const PID: &str = "PID|1||00012345^^^HAECHI&1.2.410.100000.1.1&ISO^MR||김^민수^^^^^L^I~Kim^Minsu^^^^^L^A||19600102|M|||세종대로 110^^중구^서울^04524^KOR^H||010-1234-5678^PRN^CP";

pub(super) fn with_pid(segments: &str) -> String {
    format!("{PID}\n{segments}")
}

fn origin<'m>(mapped: &'m Mapped, kind: &str, path: &str) -> Vec<&'m str> {
    let of_kind = mapped
        .resources
        .iter()
        .filter(|r| String::from_utf8_lossy(&r.json).contains(&format!("\"resourceType\":\"{kind}\"")));
    of_kind.flat_map(|r| &r.origin.fields).filter(|(at, _)| at == path).map(|(_, field)| field.as_str()).collect()
}

#[test]
fn a_stay_from_admission_to_discharge_and_back() {
    let mut record = Record::default();
    record.file(
        "ADT^A01",
        &with_pid("PV1|1|I|71병동^701^1^HAECHI||||D77^이^영희|||IMD|||||||||V100|||||||||||||||||||||||||20250301093000\nDG1|1||J18.9^폐렴^KCD||20250301|A"),
    );
    let visit = record.only("Encounter");
    assert_eq!((&visit["status"], &visit["class"]["code"]), (&json!("in-progress"), &json!("IMP")));
    assert_eq!(visit["period"], json!({"start": "2025-03-01T09:30:00+09:00"}));
    assert_eq!(visit["participant"][0]["individual"]["display"], "이영희");
    assert_eq!(visit["location"][0]["location"]["display"], "71병동 701 1 HAECHI");
    let problem = record.only("Condition");
    assert_eq!(problem["code"]["coding"][0]["system"], "http://www.hira.or.kr/CodeSystem/kcd-9");
    assert_eq!(problem["verificationStatus"]["coding"][0]["code"], "provisional");
    assert_eq!(
        visit["diagnosis"][0]["condition"]["reference"],
        json!(format!("Condition/{}", problem["id"].as_str().unwrap()))
    );

    record.file("ADT^A02", &with_pid("PV1|1|I|ICU^1^1|||71병동^701^1^HAECHI|||||||||||||V100"));
    let places = record.only("Encounter")["location"].clone();
    assert_eq!((&places[0]["status"], &places[0]["location"]["display"]), (&json!("active"), &json!("ICU 1 1")));
    assert_eq!(
        (&places[1]["status"], &places[1]["location"]["display"]),
        (&json!("completed"), &json!("71병동 701 1 HAECHI"))
    );

    let end =
        "PV1|1|I|||||||||||||||||V100|||||||||||||||||01||||||||||20250309110000\nDG1|1||J18.9^폐렴^KCD||20250301|F";
    // PV1-36 and PV1-45 by position.
    let end = end.replace(
        "|||||||||||||||||01||||||||||20250309110000",
        &format!("{}01{}20250309110000", "|".repeat(17), "|".repeat(9)),
    );
    record.file("ADT^A03", &with_pid(&end));
    let visit = record.only("Encounter");
    assert_eq!(visit["status"], "finished");
    assert_eq!(visit["period"], json!({"start": "2025-03-01T09:30:00+09:00", "end": "2025-03-09T11:00:00+09:00"}));
    assert_eq!(visit["hospitalization"]["dischargeDisposition"]["coding"][0]["code"], "01");
    assert_eq!(visit["location"][0]["status"], "completed");
    assert_eq!(visit["participant"][0]["individual"]["display"], "이영희", "what A03 does not mention stays");
    assert_eq!(record.only("Condition")["verificationStatus"]["coding"][0]["code"], "confirmed");

    record.file("ADT^A08", &with_pid("PV1|1|I|||||||||||||||||V100"));
    assert_eq!(record.only("Encounter")["status"], "finished", "an update leaves the status alone");

    record.file("ADT^A13", &with_pid("PV1|1|I|||||||||||||||||V100"));
    let visit = record.only("Encounter");
    assert_eq!(
        (&visit["status"], &visit["period"]),
        (&json!("in-progress"), &json!({"start": "2025-03-01T09:30:00+09:00"}))
    );
    assert!(visit["hospitalization"].is_null());

    record.file("ADT^A11", &with_pid("PV1|1|I|||||||||||||||||V100"));
    assert_eq!(record.only("Encounter")["status"], "cancelled");
}

#[test]
fn registration_changes_a_person_and_others_only_add() {
    let mut record = Record::default();
    let mapped = record.file("ADT^A28", &with_pid("NK1|1|박^영자^^^^^L|SPO^Spouse|||010-9999-0000"));
    let person = record.only("Patient");
    assert_eq!(person["identifier"][0]["system"], "urn:oid:1.2.410.100000.1.1");
    assert_eq!(person["identifier"][0]["value"], "00012345");
    assert_eq!((&person["name"][0]["text"], &person["name"][1]["family"]), (&json!("김민수"), &json!("Kim")));
    assert_eq!((&person["birthDate"], &person["gender"]), (&json!("1960-01-02"), &json!("male")));
    assert_eq!(person["telecom"][0], json!({"system": "phone", "value": "010-1234-5678", "use": "mobile"}));
    assert_eq!(person["contact"][0]["name"]["text"], "박영자");
    assert_eq!(origin(&mapped, "Patient", "birthDate"), ["PID[1]-7"]);
    assert_eq!(mapped.patient.as_deref(), person["id"].as_str());
    assert_eq!(mapped.number, Some(("urn:oid:1.2.410.100000.1.1".into(), "00012345".into())));

    // The laboratory knows the patient by a short name and adds nothing: the registration's words stay.
    let short = "PID|1||00012345||KIM^M S||1960|U";
    let mapped = record.file(
        "ORU^R01",
        &format!("{short}\nOBR|1|P1|F1|2345-7^Glucose^LN\nOBX|1|NM|2345-7^Glucose^LN||98|mg/dL|||||F"),
    );
    assert_eq!(record.only("Patient"), person);
    assert!(origin(&mapped, "Patient", "name[0]").is_empty());

    // A08: new telephone, address deleted, everything else kept.
    record.file("ADT^A08", "PID|1||00012345||||||||\"\"||010-0000-1111^PRN^CP");
    let changed = record.only("Patient");
    assert_eq!(changed["telecom"][0]["value"], "010-0000-1111");
    assert!(changed["address"].is_null());
    assert_eq!((&changed["name"], &changed["contact"]), (&person["name"], &person["contact"]));

    record.file("ADT^A31", &format!("PID|1||00012345|||||||||||||||||{}20250308|Y", "|".repeat(9)));
    assert_eq!(record.only("Patient")["deceasedDateTime"], "2025-03-08");
}

#[test]
fn a_result_is_preliminary_final_corrected_and_taken_back() {
    let mut record = Record::default();
    let result = |value: &str, status: &str| {
        with_pid(&format!(
            "ORC|RE|P77^HIS|F88^LIS\nOBR|1|P77^HIS|F88^LIS|24323-8^Chem^LN|||20250310080000|||||||||||||||20250310090000||LAB|{status}\n\
             OBX|1|NM|6298-4^Potassium^LN||{value}|mmol/L^mmol/L^UCUM|3.5-5.1|H|||{status}|||20250310080500||D1^박^검사\nNTE|1||용혈 ~재검 3~4일 후"
        ))
    };
    let mapped = record.file("ORU^R01", &result("7.10", "P"));
    let raw = String::from_utf8(
        mapped
            .resources
            .iter()
            .find(|r| String::from_utf8_lossy(&r.json).contains("\"Observation\""))
            .unwrap()
            .json
            .clone(),
    )
    .unwrap();
    assert!(raw.contains("\"value\":7.10,"), "{raw}");
    assert!(raw.contains("\"low\":{\"value\":3.5,"), "{raw}");
    assert_eq!(origin(&mapped, "Observation", "valueQuantity"), ["OBX[1]-5"]);
    assert_eq!(origin(&mapped, "Observation", "effectiveDateTime"), ["OBX[1]-14"]);
    let first = record.only("Observation");
    assert_eq!(first["status"], "preliminary");
    assert_eq!(first["category"][0]["coding"][0]["code"], "laboratory");
    assert_eq!(first["interpretation"][0]["coding"][0]["display"], "High");
    assert_eq!(first["performer"][0]["display"], "박검사");
    assert_eq!(first["note"][0]["text"], "용혈 \n재검 3~4일 후");
    assert_eq!(first["effectiveDateTime"], "2025-03-10T08:05:00+09:00");
    assert_eq!(first["issued"], "2025-03-10T09:00:00+09:00");
    let report = record.only("DiagnosticReport");
    assert_eq!(report["result"][0]["reference"], json!(format!("Observation/{}", first["id"].as_str().unwrap())));

    for (value, status, expected, shown) in [
        ("5.4", "F", "final", json!(5.4)),
        ("5.6", "C", "corrected", json!(5.6)),
        ("", "D", "entered-in-error", json!(5.6)),
    ] {
        record.file("ORU^R01", &result(value, status));
        let now = record.only("Observation");
        assert_eq!((&now["id"], &now["status"]), (&first["id"], &json!(expected)));
        assert_eq!(now["valueQuantity"]["value"], shown, "{status}");
    }
    assert_eq!(record.only("DiagnosticReport")["result"].as_array().unwrap().len(), 1);
}

/// Every OBX-2 with the element it becomes.
#[test]
fn every_value_type_has_its_element() {
    for (kind, value, units, element, expected) in [
        (
            "NM",
            "7.10",
            "mg/dL^^UCUM",
            "valueQuantity",
            json!({"value": 7.10, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}),
        ),
        ("NM", "<0.01", "ng/mL", "valueQuantity", json!({"value": 0.01, "comparator": "<", "unit": "ng/mL"})),
        ("NM", "검체부족", "", "valueString", json!("검체부족")),
        ("ST", "7.1", "mg/dL", "valueQuantity", json!({"value": 7.1, "unit": "mg/dL"})),
        ("ST", "3~4", "", "valueString", json!("3~4")),
        ("ST", "A^B & C", "", "valueString", json!("A^B & C")),
        ("TX", "first~second \\T\\ third", "", "valueString", json!("first\nsecond & third")),
        ("FT", "a\\.br\\b", "", "valueString", json!("a\nb")),
        ("", "text without a type", "", "valueString", json!("text without a type")),
        (
            "CWE",
            "260385009^Negative^SCT",
            "",
            "valueCodeableConcept",
            json!({"coding": [{"system": "http://snomed.info/sct", "code": "260385009", "display": "Negative"}]}),
        ),
        ("CE", "^음성", "", "valueCodeableConcept", json!({"text": "음성"})),
        (
            "CNE",
            "LA6576-8^Positive^LN",
            "",
            "valueCodeableConcept",
            json!({"coding": [{"system": "http://loinc.org", "code": "LA6576-8", "display": "Positive"}]}),
        ),
        ("IS", "POS", "", "valueCodeableConcept", json!({"coding": [{"code": "POS"}], "text": "POS"})),
        ("DT", "20250310", "", "valueDateTime", json!("2025-03-10")),
        ("DTM", "202503101011", "", "valueDateTime", json!("2025-03-10T10:11:00+09:00")),
        ("TS", "20250310101112-0500", "", "valueDateTime", json!("2025-03-10T10:11:12-05:00")),
        ("TM", "1011", "", "valueTime", json!("10:11:00")),
        ("SN", ">^100", "mg/dL", "valueQuantity", json!({"value": 100, "comparator": ">", "unit": "mg/dL"})),
        ("SN", "^1^:^128", "", "valueRatio", json!({"numerator": {"value": 1}, "denominator": {"value": 128}})),
        (
            "SN",
            "^3^-^5",
            "mm",
            "valueRange",
            json!({"low": {"value": 3, "unit": "mm"}, "high": {"value": 5, "unit": "mm"}}),
        ),
        ("SN", "^2^+", "", "valueString", json!("2+")),
        ("SN", "~5", "", "valueString", json!("5")),
        (
            "NR",
            "3^5",
            "mm",
            "valueRange",
            json!({"low": {"value": 3, "unit": "mm"}, "high": {"value": 5, "unit": "mm"}}),
        ),
        ("DR", "20250301^20250302", "", "valuePeriod", json!({"start": "2025-03-01", "end": "2025-03-02"})),
        ("XAD", "세종대로 110^^중구", "", "valueString", json!("세종대로 110, 중구")),
        ("XPN", "김^민수", "", "valueString", json!("김민수")),
        ("ZZ9", "whatever", "", "valueString", json!("whatever")),
    ] {
        let mut record = Record::default();
        record.file(
            "ORU^R01",
            &with_pid(&format!("OBR|1|P1|F1|X^Panel|||20250310\nOBX|1|{kind}|T1^Test^99L||{value}|{units}|||||F")),
        );
        let out = if kind == "TX" || kind == "FT" || kind.is_empty() {
            // Prose alone is the report itself.
            let report = record.only("DiagnosticReport");
            let data = report["presentedForm"][0]["data"].as_str().unwrap();
            use base64::Engine as _;
            json!(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(data).unwrap()).unwrap())
        } else {
            record.only("Observation")[element].clone()
        };
        assert_eq!(out, expected, "{kind} {value}");
    }
    let mut record = Record::default();
    record.file("ORU^R01", &with_pid("OBR|1|P1|F1|X^Panel\nOBX|1|NM|T1^Test^99L||60~120|/min|||||F"));
    let parts = record.only("Observation")["component"].clone();
    assert_eq!((&parts[0]["valueQuantity"]["value"], &parts[1]["valueQuantity"]["value"]), (&json!(60), &json!(120)));
}

#[test]
fn statuses_are_said_and_absence_has_its_reason() {
    for (code, status, reason) in [
        ("F", "final", None),
        ("P", "preliminary", None),
        ("C", "corrected", None),
        ("X", "cancelled", Some("not-performed")),
        ("N", "cancelled", Some("not-asked")),
        ("W", "entered-in-error", None),
        ("D", "entered-in-error", None),
        ("I", "registered", None),
        ("", "unknown", None),
    ] {
        let mut record = Record::default();
        record.file("ORU^R01", &with_pid(&format!("OBR|1|P1|F1|X\nOBX|1|NM|T1^Test^99L||||||||{code}")));
        let out = record.only("Observation");
        assert_eq!(out["status"], status, "{code}");
        assert_eq!(out["dataAbsentReason"]["coding"][0]["code"].as_str(), reason, "{code}");
    }
}

#[test]
fn a_report_in_prose_keeps_its_lines_and_its_impression() {
    let mut record = Record::default();
    let mapped = record.file(
        "ORU^R01",
        &with_pid(
            "OBR|1|P9|F9|36643-5^Chest X-ray^LN|||20250310|||||||||||||||20250310100000||RAD|F\n\
             OBX|1|TX|18782-3^Findings^LN||우하엽에 경결 음영.||||||F\n\
             OBX|2|TX|18782-3^Findings^LN||||||||F\n\
             OBX|3|TX|18782-3^Findings^LN||흉수 없음.||||||F\n\
             OBX|4|TX|19005-8^Impression^LN||폐렴 의심.||||||F\n\
             OBX|5|ED|18748-4^Report^LN||^application^pdf^Base64^JVBERi0xLjQ=||||||F",
        ),
    );
    assert!(record.all("Observation").is_empty());
    let report = record.only("DiagnosticReport");
    assert_eq!(report["conclusion"], "폐렴 의심.");
    assert_eq!(
        report["presentedForm"][0],
        json!({"contentType": "application/pdf", "data": "JVBERi0xLjQ=", "title": "Report"})
    );
    use base64::Engine as _;
    let text =
        base64::engine::general_purpose::STANDARD.decode(report["presentedForm"][1]["data"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "우하엽에 경결 음영.\n\n흉수 없음.\n폐렴 의심.");
    assert_eq!(origin(&mapped, "DiagnosticReport", "conclusion"), ["OBX[4]-5"]);
    assert_eq!(origin(&mapped, "DiagnosticReport", "presentedForm[1]"), ["OBX[1]-5", "OBX[3]-5", "OBX[4]-5"]);
}

#[test]
fn a_wards_measurements_are_vital_signs_and_pressure_is_one_of_them() {
    let pair = "OBX|2|NM|8480-6^Systolic^LN||128|mmHg^mmHg^UCUM|||||F|||20250310080000\nOBX|3|NM|8462-4^Diastolic^LN||82|mmHg^mmHg^UCUM|||||F|||20250310080000\nNTE|1||누워서";
    for (header, name) in
        [("OBX|1|ST|85354-9^Blood pressure^LN^P00^혈압^99L||||||||F|||20250310080000\n", "혈압"), ("", "")]
    {
        let mut record = Record::default();
        let pulse = "OBX|4|NM|8867-4^Heart rate^LN||72|/min^/min^UCUM|||||F|||20250310080000";
        record.file(
            "ORU^R01",
            &with_pid(&format!("OBR|1||W1|VS^Vital signs^99L|||20250310080000\n{header}{pair}\n{pulse}")),
        );
        assert!(record.all("DiagnosticReport").is_empty(), "nobody reported on them");
        let all = record.all("Observation");
        assert_eq!(all.len(), 2);
        let pressure = all.iter().find(|o| o["component"].is_array()).unwrap();
        assert_eq!(pressure["code"]["coding"][0]["code"], "85354-9");
        assert_eq!(pressure["code"]["coding"][1]["display"].as_str().unwrap_or_default(), name);
        assert_eq!(pressure["category"][0]["coding"][0]["code"], "vital-signs");
        let parts = &pressure["component"];
        assert_eq!(
            (&parts[0]["valueQuantity"]["value"], &parts[1]["valueQuantity"]["value"]),
            (&json!(128), &json!(82))
        );
        assert_eq!(
            (&parts[0]["code"]["coding"][0]["code"], &parts[1]["code"]["coding"][0]["code"]),
            (&json!("8480-6"), &json!("8462-4"))
        );
        assert_eq!((&pressure["status"], &pressure["note"][0]["text"]), (&json!("final"), &json!("누워서")));
    }
    // Taken at different times they stay apart.
    let mut record = Record::default();
    let late = pair.replacen("20250310080000", "20250310070000", 1);
    record.file("ORU^R01", &with_pid(&format!("OBR|1||W1|VS^Vital signs^99L\n{late}")));
    assert!(record.all("Observation").iter().all(|o| o["component"].is_null()));
}

#[test]
fn a_relatives_disease_is_not_the_patients() {
    let mut record = Record::default();
    record.file("ORU^R01", &with_pid("OBR|1||FH1^HAECHI|54114-4^Family member health history panel^LN|||20250310||||||||||||||||||F\nOBX|1|CE|54136-6^Relationship^LN||MTH^mother^HL70063||||||F\nOBX|2|CE|54116-9^History of diseases^LN||E11.9^당뇨병^KCD||||||F\nOBX|3|NM|54115-1^Age at onset^LN||52|a^a^UCUM|||||F"));
    let mother = record.only("FamilyMemberHistory");
    assert_eq!((&mother["status"], &mother["date"]), (&json!("completed"), &json!("2025-03-10")));
    assert_eq!(mother["relationship"]["coding"][0]["display"], "mother");
    assert_eq!(mother["condition"][0]["onsetAge"]["value"], 52);
    assert!(record.all("Observation").is_empty() && record.all("Condition").is_empty());
}

#[test]
fn a_merge_names_who_lives_on() {
    let mut record = Record::default();
    record.file("ADT^A28", "PID|1||A1||옛^이름");
    record.file("ADT^A28", "PID|1||B2||새^이름");
    let ids: HashMap<String, String> = record
        .all("Patient")
        .iter()
        .map(|p| (p["identifier"][0]["value"].as_str().unwrap().to_owned(), p["id"].as_str().unwrap().to_owned()))
        .collect();
    let mapped = record.file("ADT^A40", "PID|1||B2||새^이름\nMRG|A1");
    assert_eq!(mapped.changes, [Change::Merge { from: ids["A1"].clone(), into: ids["B2"].clone() }]);
    let old = record.all("Patient").into_iter().find(|p| p["id"].as_str() == Some(&ids["A1"])).unwrap();
    assert_eq!((&old["active"], &old["link"][0]["type"]), (&json!(false), &json!("replaced-by")));
    assert_eq!(old["name"][0]["text"], "옛이름", "the old entry keeps what it says");
    let mapped = record.file("ADT^A45", "PID|1||B2\nMRG|A1||||V9");
    assert!(mapped.changes.is_empty());
    assert_eq!(mapped.rejected[0].segment.as_deref(), Some("MRG[1]"));
}

#[test]
fn an_order_is_placed_filled_and_taken_back() {
    let mut record = Record::default();
    let order = |control: &str| {
        with_pid(&format!(
            "ORC|{control}|P5^HIS|||||||20250310090000|||D77^이^영희\nOBR|1|P5^HIS||24323-8^Chem^LN||||||||||||||||||||LAB"
        ))
    };
    record.file("OML^O21", &order("NW"));
    let placed = record.only("ServiceRequest");
    assert_eq!((&placed["status"], &placed["requester"]["display"]), (&json!("active"), &json!("이영희")));
    record.file(
        "ORU^R01",
        &with_pid("OBR|1|P5^HIS|F5^LIS|24323-8^Chem^LN|||||||||||||||||||||F\nOBX|1|NM|6298-4^K^LN||4.1|mmol/L|||||F"),
    );
    assert_eq!(record.only("ServiceRequest")["status"], "completed");
    let reference = json!(format!("ServiceRequest/{}", placed["id"].as_str().unwrap()));
    assert_eq!(record.only("Observation")["basedOn"][0]["reference"], reference);

    let mut record = Record::default();
    record.file("ORM^O01", &order("NW"));
    record.file("ORM^O01", &order("CA"));
    assert_eq!(record.only("ServiceRequest")["status"], "revoked");
    // By its number alone: the record finds the order.
    let mapped = record.file("ORM^O01", &with_pid("ORC|DC|P5^HIS"));
    let patient = mapped.patient.clone().unwrap();
    let number = (Some("urn:id:HIS".to_owned()), "P5".to_owned());
    assert_eq!(mapped.changes, [Change::Order { patient, number, request: "revoked", medication: "stopped" }]);
    let mapped = record.file("ORM^O01", &with_pid("ORC|CA"));
    assert_eq!(
        (mapped.rejected[0].segment.as_deref(), mapped.rejected[0].field.as_deref()),
        (Some("ORC[1]"), Some("ORC-2"))
    );
}

#[test]
fn a_medicine_is_ordered_stopped_and_dispensed() {
    let mut record = Record::default();
    let order = |control: &str| {
        with_pid(&format!(
            "ORC|{control}|RX1^HIS|||||||20250310090000|||D77^이^영희\n\
             RXE||644900120^아모디핀정 5mg^KD^C08CA01^amlodipine^ATC|5||mg^mg^UCUM||^1일 1회 아침 식후|||30|T\n\
             TQ1|1||QD|||30^&d&UCUM|20250310|20250409\nRXR|PO^Oral^HL70162"
        ))
    };
    let mapped = record.file("RDE^O11", &order("NW"));
    let drug = record.only("MedicationRequest");
    assert_eq!(drug["status"], "active");
    assert_eq!(
        drug["medicationCodeableConcept"]["coding"][0]["system"],
        "http://www.hira.or.kr/CodeSystem/edi-medication"
    );
    assert_eq!(drug["medicationCodeableConcept"]["coding"][1]["system"], "http://www.whocc.no/atc");
    let dosage = &drug["dosageInstruction"][0];
    assert_eq!(dosage["text"], "1일 1회 아침 식후");
    assert_eq!(dosage["doseAndRate"][0]["doseQuantity"]["value"], 5);
    assert_eq!(dosage["timing"]["repeat"]["boundsPeriod"], json!({"start": "2025-03-10", "end": "2025-04-09"}));
    assert_eq!(
        (&dosage["timing"]["repeat"]["frequency"], &dosage["timing"]["code"]["coding"][0]["code"]),
        (&json!(1), &json!("QD"))
    );
    assert_eq!(dosage["route"]["coding"][0]["code"], "PO");
    assert_eq!(drug["dispenseRequest"]["quantity"]["value"], 30);
    assert_eq!(origin(&mapped, "MedicationRequest", "dosageInstruction[0].doseAndRate[0].doseQuantity"), ["RXE[1]-3"]);

    record.file("RDE^O11", &order("DC"));
    assert_eq!(record.only("MedicationRequest")["status"], "stopped");
    record.file("RDS^O13", &format!("{}\nRXD|1|644900120^아모디핀정 5mg^KD|20250310101500|30|T", order("RE")));
    assert_eq!(record.only("MedicationRequest")["status"], "stopped", "handing out does not restart an order");
    let given = record.only("MedicationDispense");
    assert_eq!(
        (&given["quantity"]["value"], &given["whenHandedOver"]),
        (&json!(30), &json!("2025-03-10T10:15:00+09:00"))
    );
}

#[test]
fn documents_are_written_amended_and_taken_back() {
    let mut record = Record::default();
    let note = |number: &str, parent: &str, text: &str| {
        with_pid(&format!(
            "TXA|1|DS^퇴원요약|TX|20250309|D77^이^영희|20250309120000||||||{number}|{parent}||||LA\nOBX|1|TX|18842-5^Discharge summary^LN||{text}||||||F\nOBX|2|TX|18842-5^Discharge summary^LN||둘째 줄||||||F"
        ))
    };
    record.file("MDM^T02", &note("DOC1", "", "폐렴으로 입원."));
    let first = record.only("DocumentReference");
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD
        .decode(first["content"][0]["attachment"]["data"].as_str().unwrap())
        .unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "폐렴으로 입원.\n둘째 줄");
    assert_eq!((&first["status"], &first["docStatus"]), (&json!("current"), &json!("final")));
    assert_eq!(
        (&first["author"][0]["display"], &first["date"]),
        (&json!("이영희"), &json!("2025-03-09T12:00:00+09:00"))
    );
    record.file("MDM^T10", &note("DOC2", "DOC1", "고친 글."));
    let by_number = |record: &Record, number: &str| {
        record.all("DocumentReference").into_iter().find(|d| d["masterIdentifier"]["value"] == number).unwrap()
    };
    assert_eq!(by_number(&record, "DOC1")["status"], "superseded");
    assert_eq!(by_number(&record, "DOC2")["relatesTo"][0]["code"], "replaces");
    record.file("MDM^T11", &with_pid("TXA|1|DS|TX|||||||||DOC2"));
    assert_eq!(by_number(&record, "DOC2")["status"], "entered-in-error");
    assert!(by_number(&record, "DOC2")["content"][0]["attachment"]["data"].is_string(), "the text stays, marked");
}

#[test]
fn vaccines_given_refused_and_deleted() {
    let mut record = Record::default();
    let dose = |status: &str, action: &str| {
        with_pid(&format!(
            "ORC|RE||IZ1^HIS\nRXA|0|1|20241015||140^Influenza^CVX|0.5|mL^mL^UCUM||00^New^NIP001|D1^정^접종|||||LOT9|20250630|SKB^SK^MVX|||{status}|{action}\nRXR|IM^Intramuscular^HL70162|LD^Left Deltoid^HL70163\nOBX|1|NM|30973-2^Dose number^LN||2||||||F"
        ))
    };
    record.file("VXU^V04", &dose("CP", "A"));
    let shot = record.only("Immunization");
    assert_eq!(
        (&shot["status"], &shot["lotNumber"], &shot["expirationDate"]),
        (&json!("completed"), &json!("LOT9"), &json!("2025-06-30"))
    );
    assert_eq!(
        (&shot["primarySource"], &shot["protocolApplied"][0]["doseNumberPositiveInt"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(shot["doseQuantity"]["value"], 0.5);
    record.file("VXU^V04", &dose("CP", "D"));
    assert_eq!(record.only("Immunization")["status"], "entered-in-error");
    let mut record = Record::default();
    record.file(
        "VXU^V04",
        &with_pid("RXA|0|1|20241015||140^Influenza^CVX|999||||||||||||00^Parental decision^NIP002||RE"),
    );
    let refused = record.only("Immunization");
    assert_eq!(
        (&refused["status"], &refused["statusReason"]["coding"][0]["display"]),
        (&json!("not-done"), &json!("Parental decision"))
    );
    assert!(refused["doseQuantity"].is_null());
}

#[test]
fn appointments_are_booked_moved_and_cancelled() {
    let mut record = Record::default();
    let sch = |start: &str| {
        format!(
            "SCH|A1|B1||||FOLLOWUP^재진|FOLLOWUP^Follow-up|NORMAL|15|min|^^15^{start}\n{PID}\nRGS|1\nAIS|1||IMD^내과 진료^99L\nAIL|1||외래^3\nAIP|1||D77^이^영희"
        )
    };
    record.file("SIU^S12", &sch("20250401100000"));
    let booked = record.only("Appointment");
    assert_eq!(
        (&booked["status"], &booked["start"], &booked["end"]),
        (&json!("booked"), &json!("2025-04-01T10:00:00+09:00"), &json!("2025-04-01T10:15:00+09:00"))
    );
    assert_eq!(booked["participant"][2]["actor"]["display"], "이영희");
    record.file("SIU^S13", &sch("20250402100000"));
    assert_eq!(record.only("Appointment")["start"], "2025-04-02T10:00:00+09:00");
    record.file("SIU^S15", &sch("20250402100000"));
    assert_eq!(record.only("Appointment")["status"], "cancelled");
}

#[test]
fn allergies_and_problems_with_their_actions() {
    let mut record = Record::default();
    record
        .file("ADT^A01", &with_pid("PV1|1|I|||||||||||||||||V1\nAL1|1|DA|7980^페니실린^RXNORM|SV|발진~호흡곤란|2010"));
    let allergy = record.only("AllergyIntolerance");
    assert_eq!((&allergy["criticality"], &allergy["category"][0]), (&json!("high"), &json!("medication")));
    assert_eq!(allergy["reaction"][0]["manifestation"][1]["text"], "호흡곤란");
    assert_eq!(allergy["onsetDateTime"], "2010");
    let mut record = Record::default();
    let iam = |action: &str| with_pid(&format!("IAM|1|FA|91935009^Peanut^SCT|MO|^두드러기|{action}|K1||||||||||C"));
    record.file("ADT^A60", &iam("A"));
    assert_eq!(record.only("AllergyIntolerance")["verificationStatus"]["coding"][0]["code"], "confirmed");
    record.file("ADT^A60", &iam("D"));
    let gone = record.only("AllergyIntolerance");
    assert_eq!(gone["verificationStatus"]["coding"][0]["code"], "entered-in-error");
    assert!(gone["clinicalStatus"].is_null());
    let mut record = Record::default();
    record.file("PPR^PC1", &with_pid("PRB|AD|20250101|E11.9^당뇨병^KCD|PR1||||||||||ACTIVE||20150301"));
    assert_eq!(record.only("Condition")["clinicalStatus"]["coding"][0]["code"], "active");
    record.file("PPR^PC2", &with_pid("PRB|UP|20250102|E11.9^당뇨병^KCD|PR1|||||20250102"));
    let resolved = record.only("Condition");
    assert_eq!(
        (&resolved["clinicalStatus"]["coding"][0]["code"], &resolved["onsetDateTime"]),
        (&json!("resolved"), &json!("2015-03-01"))
    );
}

#[test]
fn the_sites_characters_arrive_whatever_the_feed_sends() {
    let utf8 = message("ADT^A28", PID);
    let cp949 = utf8.replace("UNICODE UTF-8", "KS X 1001");
    let (bytes, _, _) = encoding_rs::EUC_KR.encode(&cp949);
    let mut one = Record::default();
    one.try_file(utf8.as_bytes()).unwrap();
    let mut two = Record::default();
    two.try_file(&bytes).unwrap();
    assert_eq!(one.all("Patient"), two.all("Patient"));
}

#[test]
fn what_is_refused_says_segment_and_field() {
    for (case, bytes, segment, field) in [
        ("no patient", message("ADT^A01", "PID|1||||김^민수"), "PID[1]", "PID-3"),
        ("no PID", message("ORU^R01", "OBX|1|NM|X||1"), "PID[1]", "PID-3"),
        ("unknown type", message("MFN^M02", PID), "MSH[1]", "MSH-9"),
        ("no type", message("", PID), "MSH[1]", "MSH-9"),
        ("answer", message("ACK^A01", "MSA|AA|1"), "MSH[1]", "MSH-9"),
        ("no encoding characters", "MSH||x".to_owned(), "MSH[1]", "MSH-2"),
    ] {
        let rejected = Record::default().try_file(bytes.as_bytes()).unwrap_err();
        assert_eq!(rejected.len(), 1, "{case}");
        assert_eq!(
            (rejected[0].segment.as_deref(), rejected[0].field.as_deref()),
            (Some(segment), Some(field)),
            "{case}"
        );
        assert!(!rejected[0].reason.is_empty());
    }
}

/// A second patient's wrong number in a message refuses all of it: nothing may land in a wrong chart.
#[test]
fn one_uncertain_patient_refuses_the_message() {
    let text = message("ORU^R01", "PID|1||1\nOBR|1|P|F|X\nOBX|1|NM|A^A||1\nPID|2||\nOBR|1|P|F|X\nOBX|1|NM|A^A||2");
    assert!(Record::default().try_file(text.as_bytes()).is_err());
    let mut record = Record::default();
    record.file("ORU^R01", "PID|1||1\nOBR|1|P|F|X\nOBX|1|NM|A^A||1\nPID|2||2\nOBR|1|P|F|X\nOBX|1|NM|A^A||2");
    assert_eq!((record.all("Patient").len(), record.all("Observation").len()), (2, 2));
}

#[test]
fn a_wrong_field_is_put_aside_and_the_rest_goes_in() {
    let mut record = Record::default();
    let mapped = record
        .file("ORU^R01", &with_pid("OBR|1|P|F|X\nOBX|1|NM|6298-4^K^LN||4.1|mmol/L|||||F|||20251399\nOBX|2|NM|||5.0"));
    let placed: Vec<_> = mapped.rejected.iter().map(|r| (r.segment.as_deref(), r.field.as_deref(), r.line)).collect();
    assert_eq!(placed, [(Some("OBX[1]"), Some("OBX-14"), Some(4)), (Some("OBX[2]"), Some("OBX-3"), Some(5))]);
    assert_eq!(mapped.rejected[0].resource.as_deref(), Some("C1"));
    let kept = record.only("Observation");
    assert_eq!(kept["valueQuantity"]["value"], 4.1);
    assert!(kept["effectiveDateTime"].is_null());
}

/// The same message over the same record changes nothing.
#[test]
fn nothing_changes_for_nothing() {
    let mut record = Record::default();
    let text = with_pid(
        "PV1|1|I|71병동||||||||||||||||V100|||||||||||||||||||||||||20250301093000\nDG1|1||J18.9^폐렴^KCD||20250301|A\nAL1|1|DA|7980^페니실린^RXNORM",
    );
    record.file("ADT^A08", &text);
    let before = record.resources.clone();
    let again = record.file("ADT^A08", &text);
    assert!(
        again.resources.is_empty(),
        "{:?}",
        again.resources.iter().map(|r| String::from_utf8_lossy(&r.json)).collect::<Vec<_>>()
    );
    assert_eq!(record.resources, before);
}

/// Damaged messages are refused or partly filed, never a panic, and what is filed is JSON. A poor man's fuzzer, so that
/// every run of the tests meets a few thousand of them; the real one is in `tests/fuzz`.
#[test]
fn damage_never_panics() {
    let whole = [
        message(
            "ADT^A01",
            &with_pid(
                "PV1|1|I|71병동^701||||D77^이^영희|||IMD|||||||||V100\nDG1|1||J18.9^폐렴^KCD||20250301|A\nAL1|1|DA|7980^P^RXNORM|SV|발진\nIAM|1|FA|1^P|MO|x|A|K1\nPR1|1||1^x^SCT||20250101\nIN1|1|A^B|1|C\nNK1|1|A^B|SPO",
            ),
        ),
        message(
            "ORU^R01",
            &with_pid(
                "ORC|RE|P|F\nOBR|1|P|F|X^Y^LN|||20250310||||||||Serum^x|||||||||LAB|F\nOBX|1|SN|A^A^LN||>^1^:^2|mg/dL|3-4|H|||F|||20250310\nNTE|1||x~y\nOBX|2|ED|B^B||^application^pdf^Base64^JVBERi0xLjQ=\nSPM|1|1&2^3&4||SER|||||||||||||20250310^20250311",
            ),
        ),
        message(
            "RDE^O11",
            &with_pid(
                "ORC|NW|1|||IP||1^BID^D5^20250301^20250302\nRXO|1^x|1|2|mg\nTQ1|1|1^&mg|Q6H|||3^&d|20250101\nRXR|PO\nRXC|A|1^y|2|mg\nRXE|1^QD|1^x^KD|5|6|mg^mg^UCUM||^text|||30|T|2\nRXD|1|1^x|20250101|30|T",
            ),
        ),
        message("MDM^T02", &with_pid("TXA|1|DS|TX|20250309|D^x|||||||N1|N0||||LA\nOBX|1|FT|1^x||가나다\\.br\\라")),
        message(
            "VXU^V04",
            &with_pid(
                "ORC|RE||1\nRXA|0|1|20241015||140^I^CVX|0.5|mL|||D^x|^^^C||||L|20250630|SKB^SK|1^a||CP|A\nRXR|IM|LD\nOBX|1|NM|30973-2^D^LN||2",
            ),
        ),
        message(
            "SIU^S12",
            &format!(
                "SCH|A|B||||F^x|F|N|15|min|^^15^20250401100000^20250401101500\n{PID}\nAIS|1||I^x\nAIG|1||1^x\nAIL|1||P^3\nAIP|1||D^x"
            ),
        ),
        message("ADT^A40", "PID|1||B2||x\nMRG|A1"),
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below.max(1) as u64).unwrap()
    };
    let marks = b"|^~\\&\r\n\"\0\x0b\x1c\xff\xb1 MSHOBX0129-+.";
    for round in 0..4000 {
        let mut bytes = whole[round % whole.len()].clone().into_bytes();
        for _ in 0..=next(6) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = marks[next(marks.len())],
                1 => bytes.insert(at, marks[next(marks.len())]),
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let end = (at + next(40)).min(bytes.len());
                    let piece: Vec<u8> = bytes[at..end].to_vec();
                    let to = next(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        let mut record = Record::default();
        for piece in split(&bytes) {
            match record.try_file(piece.bytes) {
                Ok(mapped) => assert!(mapped.rejected.iter().all(|r| r.segment.is_some() && !r.reason.is_empty())),
                Err(rejected) => assert!(rejected.iter().all(|r| r.segment.is_some() && !r.reason.is_empty())),
            }
        }
    }
}
