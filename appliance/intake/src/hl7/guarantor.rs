//! GT1: who answers for the bill, as somebody beside the patient.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::Json;
use super::message::Seg;
use super::patient::Subject;
use super::{terms, types};

/// The guarantor as a RelatedPerson. One who is the patient or an organisation is kept
/// word for word. (The guide has no table of this segment; the fields are those of NK1.)
pub(super) fn guarantor(ctx: &mut Context<'_>, subject: &Subject, gt1: &Seg<'_>) {
    let Some(name) = types::human_name(gt1.rep(3)) else { return };
    let relation = gt1.rep(11);
    if matches!(relation.part(1).as_deref(), Some("SEL" | "SLF")) {
        return;
    }
    let number = types::cx_number(gt1.rep(2));
    let shown = types::shown_name(&name).unwrap_or_default();
    let key = number.as_ref().map_or_else(|| shown.clone(), number_key);
    let mut draft = Draft::new("RelatedPerson", id_of("RelatedPerson", &[&subject.id, "guarantor", &key]));
    draft.list("identifier", number.iter().map(|number| types::identifier(number, None).into()).collect(), gt1, 2);
    draft.body.put("patient", subject.reference());
    let guarantor = types::coded("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "GUAR", Some("guarantor"));
    let mut relations = vec![Json::Object(guarantor)];
    let mapped = relation.part(1).as_deref().and_then(terms::relationship);
    let related = match mapped {
        Some((code, display)) => Some(types::coded(&terms::hl7("v3-RoleCode"), code, Some(display))),
        None => types::table(relation, "v2-0063"),
    };
    relations.extend(related.map(Json::Object));
    draft.list("relationship", relations, gt1, 11);
    draft.list("name", vec![Json::Object(name)], gt1, 3);
    let mut telecom: Vec<Json> = Vec::new();
    for (field, usual) in [(6, Some("home")), (7, Some("work"))] {
        telecom.extend(gt1.reps(field).filter_map(|rep| types::contact_point(rep, usual)).map(Json::Object));
    }
    draft.list("telecom", telecom, gt1, 6);
    draft.maybe("gender", gt1.text(9).as_deref().and_then(terms::gender), gt1, 9);
    draft.maybe("birthDate", ctx.day(gt1, 8), gt1, 8);
    let addresses = gt1.reps(5).filter_map(|rep| types::address(rep, None)).map(Json::Object).collect();
    draft.list("address", addresses, gt1, 5);
    draft.maybe("period", types::period(gt1.text(13), gt1.text(14)), gt1, 13);
    ctx.emit(draft, Meet::Amend);
}

#[cfg(test)]
mod tests {
    use super::super::behaviour::{Record, with_pid};

    #[test]
    fn a_guarantor_is_a_related_person_of_the_patient() {
        let mut record = Record::default();
        let gt1 = "GT1|1|G77^^^HAECHI|김^영희||세종대로 110^^중구^서울^04524^KOR^H|010-1111-2222^PRN^CP||19650203|F||SPO^Spouse^HL70063||20200101";
        let mapped = record.file("ADT^A08", &with_pid(gt1));
        assert!(mapped.rejected.is_empty(), "{:?}", mapped.rejected);
        let person = record.only("RelatedPerson");
        let patient = record.only("Patient")["id"].as_str().unwrap().to_owned();
        assert_eq!(person["patient"]["reference"], format!("Patient/{patient}"));
        assert_eq!(person["relationship"][0]["coding"][0]["code"], "GUAR");
        assert_eq!(person["relationship"][1]["coding"][0]["code"], "SPS");
        assert_eq!((&person["birthDate"], &person["gender"]), (&"1965-02-03".into(), &"female".into()));
        assert_eq!(person["telecom"][0]["value"], "010-1111-2222");
        assert_eq!(person["period"]["start"], "2020-01-01");
        assert!(record.all("Basic").is_empty(), "what was read is not kept word for word");
        // The same guarantor again, moved: one person, the newer address.
        record.file("ADT^A08", &with_pid("GT1|1|G77^^^HAECHI|김^영희||강남대로 1^^강남구^서울^06000^KOR^H"));
        let moved = record.only("RelatedPerson");
        assert_eq!((moved["address"][0]["postalCode"].as_str(), &moved["id"]), (Some("06000"), &person["id"]));
    }

    #[test]
    fn the_patient_or_an_organisation_as_guarantor_is_kept_word_for_word() {
        for gt1 in ["GT1|1||김^민수||||||||SEL^Self^HL70063", "GT1|1||||||||||||||||||국민건강보험공단"] {
            let mut record = Record::default();
            record.file("ADT^A08", &with_pid(gt1));
            assert!(record.all("RelatedPerson").is_empty());
            assert_eq!(record.only("Basic")["extension"][0]["valueString"].as_str().unwrap(), gt1);
        }
    }

    #[test]
    fn a_prt_of_patient_or_visit_is_a_participant_and_one_of_a_result_is_kept() {
        let mut record = Record::default();
        let visit = "PV1|1|I|71^1^1||||||||||||||||V1";
        let prt = "PRT|1|AD||AT^Attending^HL70912|D7^이^영희||||||20250301|20250310";
        record.file("ADT^A01", &with_pid(&format!("{prt}\n{visit}\n{}", prt.replace("D7^이^영희", "D8^박^철수"))));
        let team = record.only("CareTeam");
        assert_eq!(team["participant"][0]["member"]["display"], "이영희");
        assert_eq!(team["participant"][0]["role"][0]["coding"][0]["code"], "AT");
        assert_eq!(team["participant"][0]["period"]["end"], "2025-03-10");
        let people = record.only("Encounter")["participant"].clone();
        assert!(people.as_array().unwrap().iter().any(|one| one["individual"]["display"] == "박철수"), "{people}");
        // Taken away.
        record.file("ADT^A08", &with_pid(&prt.replace("|AD|", "|DE|")));
        assert!(record.only("CareTeam").get("participant").is_none());
        // Who measured is nobody who cares for the patient; so is a device nobody.
        let mut record = Record::default();
        let result = format!("OBR|1|P1^HIS|F1^LAB|1^K^L\nOBX|1|NM|1^K^L||5\n{prt}");
        record.file("ORU^R01", &with_pid(&result));
        record.file("ADT^A08", &with_pid("PRT|2|AD||EQUIP^Equipment|||||PUMP7"));
        assert!(record.all("CareTeam").is_empty());
        assert_eq!(record.all("Basic").len(), 2);
    }
}
