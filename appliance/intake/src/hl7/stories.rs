//! More of what messages do to a record: late corrections, orders taken back, times, charts joined and parted, segments
//! that no resource holds.

use serde_json::json;

use super::behaviour::{PID, Record, message, with_pid};
use super::*;

/// OBX-11 by the meaning of table 0085.
#[test]
fn a_result_is_corrected_deleted_wrong_or_only_confirmed() {
    let mut record = Record::default();
    let obx = |status: &str, value: &str| {
        let fields =
            ["1", "NM", "2823-3^Potassium^LN", "", value, "mmol/L", "", "", "", "", status, "", "", "20250310080000"];
        with_pid(&format!("OBR|1||F7^LAB|2823-3^Potassium^LN|||20250310080000\nOBX|{}", fields.join("|")))
    };
    record.file("ORU^R01", &obx("P", "5.9"));
    assert_eq!(record.only("Observation")["status"], "preliminary");
    record.file("ORU^R01", &obx("U", ""));
    let confirmed = record.only("Observation");
    assert_eq!(
        (&confirmed["status"], &confirmed["valueQuantity"]["value"]),
        (&json!("final"), &json!(5.9)),
        "U: without retransmitting"
    );
    assert!(confirmed["note"].is_null(), "nothing was changed");

    record.file("ORU^R01", &obx("C", "4.1"));
    let corrected = record.only("Observation");
    assert_eq!((&corrected["status"], &corrected["valueQuantity"]["value"]), (&json!("corrected"), &json!(4.1)));
    assert_eq!(corrected["note"], json!([{"text": "earlier value: 5.9 mmol/L (final)"}]));
    // The same correction again keeps the note; another adds to it.
    record.file("ORU^R01", &obx("C", "4.1"));
    assert_eq!(record.only("Observation")["note"], corrected["note"]);
    record.file("ORU^R01", &obx("C", "4.2"));
    assert_eq!(record.only("Observation")["note"][1]["text"], "earlier value: 4.1 mmol/L (corrected)");

    record.file("ORU^R01", &obx("W", ""));
    let wrong = record.only("Observation");
    assert_eq!(
        (&wrong["status"], &wrong["valueQuantity"]["value"]),
        (&json!("entered-in-error"), &json!(4.2)),
        "W: taken out of support, kept"
    );
    record.file("ORU^R01", &obx("D", ""));
    assert_eq!(record.only("Observation")["status"], "entered-in-error");

    let mut record = Record::default();
    record.file("ORU^R01", &obx("P", "5.9"));
    record.file("ORU^R01", &obx("X", ""));
    let cancelled = record.only("Observation");
    assert_eq!(
        (&cancelled["status"], &cancelled["dataAbsentReason"]["coding"][0]["code"]),
        (&json!("cancelled"), &json!("not-performed"))
    );
    assert!(cancelled["valueQuantity"].is_null());
    assert_eq!(cancelled["note"][0]["text"], "earlier value: 5.9 mmol/L (preliminary)");
}

#[test]
fn an_order_is_replaced() {
    let mut record = Record::default();
    record.file("ORM^O01", &with_pid("ORC|NW|P1^HIS|||||||20250310\nOBR|1|P1^HIS||2823-3^Potassium^LN"));
    record.file(
        "ORM^O01",
        &with_pid("ORC|RP|P1^HIS|||||||20250311\nOBR|1|P1^HIS||2823-3^Potassium^LN\nORC|RO|P2^HIS||G1^HIS|||||20250311|||||||ERR^wrong tube^L\nOBR|2|P2^HIS||2823-3^Potassium^LN"),
    );
    let orders = record.all("ServiceRequest");
    let of = |number: &str| orders.iter().find(|o| o["identifier"][0]["value"] == number).unwrap();
    assert_eq!((&of("P1")["status"], &of("P2")["status"]), (&json!("revoked"), &json!("active")));
    let old = format!("ServiceRequest/{}", of("P1")["id"].as_str().unwrap());
    assert_eq!(of("P2")["replaces"], json!([{"reference": old}]));
    assert_eq!(of("P2")["requisition"]["value"], "G1");
    assert_eq!(of("P2")["note"][0]["text"], "wrong tube");
    for (code, status) in [
        ("CA", "revoked"),
        ("OC", "revoked"),
        ("CR", "revoked"),
        ("DC", "revoked"),
        ("DE", "entered-in-error"),
        ("HD", "on-hold"),
    ] {
        record.file("ORM^O01", &with_pid(&format!("ORC|{code}|P2^HIS\nOBR|1|P2^HIS||2823-3^Potassium^LN")));
        let orders = record.all("ServiceRequest");
        assert_eq!(orders.iter().find(|o| o["identifier"][0]["value"] == "P2").unwrap()["status"], status, "{code}");
    }
    record.file("ORM^O01", &with_pid("ORC|SC|P2^HIS|||CM\nOBR|1|P2^HIS||2823-3^Potassium^LN"));
    let orders = record.all("ServiceRequest");
    assert_eq!(orders.iter().find(|o| o["identifier"][0]["value"] == "P2").unwrap()["status"], "completed", "ORC-5");
}

#[test]
fn times_that_cannot_be_are_left_out_and_times_to_come_are_said() {
    let mut record = Record::default();
    for (time, words, kept) in [
        ("20250230", Some("does not exist"), None),
        ("yesterday", Some("is no timestamp"), None),
        ("20310101", Some("lies after the time of the message"), Some("2031-01-01")),
        ("20250311", None, Some("2025-03-11")),
        ("2025", None, Some("2025")),
        ("20250309101112.25+0900", None, Some("2025-03-09T10:11:12.25+09:00")),
    ] {
        let mapped = record.file(
            "ORU^R01",
            &with_pid(&format!("OBR|1||F{time}^LAB|1^K^L|||{time}\nOBX|1|NM|1^K^L||5|||||||||{time}")),
        );
        let reason = mapped.rejected.iter().find(|r| r.field.as_deref() == Some("OBX-14")).map(|r| r.reason.as_str());
        match words {
            Some(words) => assert!(reason.unwrap().contains(words), "{time}: {reason:?}"),
            None => assert_eq!(reason, None, "{time}"),
        }
        let observation: serde_json::Value = serde_json::from_slice(
            &mapped
                .resources
                .iter()
                .find(|r| String::from_utf8_lossy(&r.json).contains("\"Observation\""))
                .unwrap()
                .json,
        )
        .unwrap();
        assert_eq!(observation["effectiveDateTime"].as_str(), kept, "{time}");
    }
}

const OTHER: &str = "PID|1||777^^^HAECHI&1.2.410.100000.1.1&ISO^MR||이^영희||19700101|F";

fn ids(record: &Record) -> (String, String) {
    let of = |number: &str| {
        let patients = record.all("Patient");
        let found = patients.iter().find(|p| p["identifier"][0]["value"] == number).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    (of("00012345"), of("777"))
}

#[test]
fn patients_are_linked_and_unlinked_and_a_merge_is_taken_back() {
    let mut record = Record::default();
    record.file("ADT^A24", &format!("{PID}\n{OTHER}"));
    let (one, other) = ids(&record);
    let link_of =
        |record: &Record, id: &str| record.all("Patient").iter().find(|p| p["id"] == id).unwrap()["link"].clone();
    let to = |id: &str, kind: &str| json!([{"other": {"reference": format!("Patient/{id}")}, "type": kind}]);
    assert_eq!((link_of(&record, &one), link_of(&record, &other)), (to(&other, "seealso"), to(&one, "seealso")));
    record.file("ADT^A24", &format!("{PID}\n{OTHER}"));
    assert_eq!(link_of(&record, &one), to(&other, "seealso"), "again changes nothing");
    let mapped = record.file("ADT^A37", &format!("{OTHER}\n{PID}"));
    assert!(mapped.changes.is_empty() && link_of(&record, &one).is_null() && link_of(&record, &other).is_null());
    let mapped = record.file("ADT^A37", &format!("{OTHER}\n{PID}"));
    assert!(mapped.rejected[0].reason.contains("neither linked nor merged"));
    let mapped = record.file("ADT^A24", &format!("{PID}\n{PID}"));
    assert_eq!(mapped.rejected[0].field.as_deref(), Some("PID-3"));

    let mapped = record.file("ADT^A40", &format!("{PID}\nMRG|777^^^HAECHI&1.2.410.100000.1.1&ISO^MR"));
    assert_eq!(mapped.changes, [Change::Merge { from: other.clone(), into: one.clone() }]);
    assert_eq!(link_of(&record, &other), to(&one, "replaced-by"));
    let mapped = record.file("ADT^A37", &format!("{PID}\n{OTHER}"));
    assert_eq!(mapped.changes, [Change::Unmerge { from: other.clone(), into: one }]);
    let parted = record.all("Patient").into_iter().find(|p| p["id"] == other).unwrap();
    assert_eq!((&parted["active"], &parted["link"]), (&json!(true), &json!(null)));
}

#[test]
fn every_merging_event_joins_and_every_moving_event_moves() {
    for event in ["A18", "A30", "A34", "A36", "A39", "A40", "A43", "A46", "A47"] {
        let mut record = Record::default();
        let mapped =
            record.file(&format!("ADT^{event}"), &format!("{PID}\nMRG|777^^^HAECHI&1.2.410.100000.1.1&ISO^MR"));
        assert!(matches!(&mapped.changes[..], [Change::Merge { .. }]), "{event}: {:?}", mapped.rejected);
    }
    for (event, pv1, mrg) in [
        ("A45", "PV1|1|I|||||||||||||||||V9", "MRG|777^^^HAECHI&1.2.410.100000.1.1&ISO^MR||||V9"),
        ("A44", "PV1|1|I|||||||||||||||||V9", "MRG|777^^^HAECHI&1.2.410.100000.1.1&ISO^MR||ACC1"),
        ("A42", "PV1|1|I|||||||||||||||||V10", "MRG|777^^^HAECHI&1.2.410.100000.1.1&ISO^MR||||V9"),
    ] {
        let mut record = Record::default();
        record.file(
            "ADT^A01",
            &format!("{OTHER}\nPV1|1|I|71^1^1|||||||||||||||||V9|||||||||||||||||||||||||20250301093000")
                .replace("71^1^1|||||||||||||||||V9", "71^1^1||||||||||||||||V9"),
        );
        let mapped = record.file(&format!("ADT^{event}"), &format!("{PID}\n{pv1}\n{mrg}"));
        let [Change::Move { visit, to_visit, .. }] = &mapped.changes[..] else {
            panic!("{event} {:?}", mapped.rejected)
        };
        let visits = record.all("Encounter");
        let of = |id: &str| visits.iter().find(|v| v["id"] == id).unwrap();
        assert_eq!(of(visit)["status"], "entered-in-error", "{event}");
        let moved = of(to_visit);
        assert_eq!(moved["status"], "in-progress", "{event}");
        assert_eq!(moved["period"]["start"], "2025-03-01T09:30:00+09:00", "{event}");
        assert_eq!(moved["subject"]["reference"], format!("Patient/{}", ids(&record).0), "{event}");
        // The next message finds the visit where it is now.
        record.file("ADT^A03", &format!("{PID}\n{pv1}{}20250305", "|".repeat(26)));
        let visits = record.all("Encounter");
        assert_eq!(visits.iter().find(|v| v["id"] == *to_visit).unwrap()["status"], "finished", "{event}");
    }
    // A number that changes: one visit under its new number.
    let mut record = Record::default();
    record.file("ADT^A01", &with_pid("PV1|1|I|||||||||||||||||V1"));
    let mapped = record.file(
        "ADT^A50",
        &with_pid("MRG|00012345^^^HAECHI&1.2.410.100000.1.1&ISO^MR||||V1\nPV1|1|I|||||||||||||||||V2"),
    );
    assert!(matches!(&mapped.changes[..], [Change::Move { from, to, .. }] if from == to), "{:?}", mapped.rejected);
    let standing: Vec<_> = record.all("Encounter").into_iter().filter(|v| v["status"] != "entered-in-error").collect();
    assert_eq!(standing.len(), 1);
    let numbers: Vec<_> = standing[0]["identifier"].as_array().unwrap().iter().map(|i| i["value"].clone()).collect();
    assert_eq!(numbers, ["V2", "V1"], "the old number stays one of its numbers");
    // What cannot be moved says why.
    for (event, segments, words) in [
        ("A45", "PV1|1|I|||||||||||||||||V9\nMRG|888||||V77", "does not have"),
        ("A45", "MRG|888||||V77", "PV1-19 does not say"),
        (
            "A50",
            "PV1|1|I|||||||||||||||||V2\nMRG|00012345^^^HAECHI&1.2.410.100000.1.1&ISO^MR||||V2",
            "as it is already",
        ),
        ("A40", "MRG|00012345^^^HAECHI&1.2.410.100000.1.1&ISO^MR", "the same number"),
    ] {
        let mapped = record.file(&format!("ADT^{event}"), &with_pid(segments));
        assert!(mapped.rejected.iter().any(|r| r.reason.contains(words)), "{event}: {:?}", mapped.rejected);
        assert!(mapped.changes.is_empty(), "{event}");
    }
}

#[test]
fn two_patients_swap_beds_and_a_transfer_is_taken_back() {
    let mut record = Record::default();
    let swap = format!("{PID}\nPV1|1|I|71^1^2||||||||||||||||V1\n{OTHER}\nPV1|1|I|71^1^1||||||||||||||||V2");
    record.file("ADT^A17", &swap);
    let beds: Vec<_> =
        record.all("Encounter").iter().map(|v| v["location"][0]["location"]["display"].clone()).collect();
    assert!(beds.contains(&json!("71 1 1")) && beds.contains(&json!("71 1 2")), "{beds:?}");

    let mut record = Record::default();
    record.file("ADT^A01", &with_pid("PV1|1|I|71^1^1||||||||||||||||V1"));
    record.file("ADT^A15", &with_pid(&format!("PV1|1|I|71^1^1||||||||||||||||V1{}ICU", "|".repeat(23))));
    let places = record.only("Encounter")["location"].clone();
    assert_eq!((&places[1]["location"]["display"], &places[1]["status"]), (&json!("ICU"), &json!("planned")));
    assert_eq!(record.only("Encounter")["status"], "in-progress", "a pending transfer leaves the stay as it is");
    record.file("ADT^A26", &with_pid("PV1|1|I|71^1^1||||||||||||||||V1"));
    assert_eq!(record.only("Encounter")["location"].as_array().unwrap().len(), 1, "the plan was taken back");
    record.file("ADT^A02", &with_pid("PV1|1|I|ICU^1^1||||||||||||||||V1"));
    record.file("ADT^A12", &with_pid("PV1|1|I|71^1^1||||||||||||||||V1"));
    let places = record.only("Encounter")["location"].clone();
    assert_eq!(
        places,
        json!([{"location": {"display": "71 1 1"}, "status": "active"}]),
        "who was never there has not left"
    );
    for (event, status) in [
        ("A21", "onleave"),
        ("A52", "in-progress"),
        ("A22", "in-progress"),
        ("A53", "onleave"),
        ("A16", "onleave"),
        ("A25", "onleave"),
    ] {
        record.file(&format!("ADT^{event}"), &with_pid("PV1|1|I|71^1^1||||||||||||||||V1"));
        assert_eq!(record.only("Encounter")["status"], status, "{event}");
    }
}

#[test]
fn what_no_resource_holds_is_kept_word_for_word() {
    let mut record = Record::default();
    let segments = "ZPI|1|VIP|낙상 위험^높음\nACC|20250301|외상\nAL1|1|DA||SV|두드러기";
    let mapped = record.file("ADT^A08", &with_pid(segments));
    let kept = record.all("Basic");
    let texts: Vec<_> = kept.iter().map(|k| k["extension"][0]["valueString"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    for text in ["ZPI|1|VIP|낙상 위험^높음", "ACC|20250301|외상", "AL1|1|DA||SV|두드러기"] {
        assert!(texts.iter().any(|kept| kept == text), "{text}: also what was put aside");
    }
    let zpi = mapped.resources.iter().find(|r| String::from_utf8_lossy(&r.json).contains("ZPI")).unwrap();
    assert_eq!(zpi.origin.fields, [("extension[0].valueString".to_owned(), "ZPI[1]".to_owned())]);
    let again = record.file("ADT^A08", &with_pid(segments));
    assert!(!again.resources.iter().any(|r| String::from_utf8_lossy(&r.json).contains("Basic")), "the same day: once");
}

#[test]
fn bytes_that_cannot_be_read_are_kept() {
    let mut record = Record::default();
    let text = message("ORU^R01", &with_pid("OBR|1||F1^LAB|1^K^L\nOBX|1|ST|1^K^L||@@|||||F\nNTE|1||fine"));
    let mut bytes = text.into_bytes();
    let at = bytes.windows(2).position(|pair| pair == b"@@").unwrap();
    bytes.splice(at..at + 2, [0xb1, 0xe8]);
    let mapped = record.try_file(&bytes).unwrap();
    assert!(mapped.rejected.iter().any(|r| r.field.as_deref() == Some("OBX-5") && r.reason.contains("kept beside")));
    assert!(record.only("Observation")["valueString"].as_str().unwrap().contains('\u{fffd}'));
    let kept = record.only("Basic");
    let raw = kept["extension"][1]["valueBase64Binary"].as_str().unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, raw).unwrap();
    assert_eq!(raw, b"OBX|1|ST|1^K^L||\xb1\xe8|||||F");
}

#[test]
fn names_that_switch_their_characters() {
    let mut record = Record::default();
    let pid = "PID|1||9^^^HAECHI||Yamada^Tarou^^^^^L^A~@1^@2^^^^^L^I";
    let text = message("ADT^A28", pid).replace("UNICODE UTF-8", "ASCII~ISO IR87").into_bytes();
    let mut bytes = Vec::new();
    for byte in text {
        bytes.push(byte);
        if bytes.ends_with(b"@1") || bytes.ends_with(b"@2") {
            let name: &[u8] = if bytes.ends_with(b"@1") { b"\x1b$B;3ED\x1b(B" } else { b"\x1b$BB@O:\x1b(J" };
            bytes.truncate(bytes.len() - 2);
            bytes.extend_from_slice(name);
        }
    }
    record.try_file(&bytes).unwrap();
    let name = record.only("Patient")["name"][1].clone();
    assert_eq!((&name["family"], &name["given"][0]), (&json!("山田"), &json!("太郎")));
}
