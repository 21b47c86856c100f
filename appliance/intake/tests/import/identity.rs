//! Charts joined, parted and moved, through the whole import and the record.

use haechi_intake::unmerge;
use haechi_record::store::{Because, MergeKind};
use jiff::Timestamp;

use super::Site;

fn message(kind: &str, control: &str, segments: &str) -> String {
    format!(
        "MSH|^~\\&|HIS|H|||20250310120000||{kind}|{control}|P|2.5|||||KOR|UNICODE UTF-8\r{}\r",
        segments.replace('\n', "\r")
    )
}

fn pid(number: &str, name: &str) -> String {
    format!("PID|1||{number}^^^H^MR||{name}")
}

fn result(number: &str, visit: &str, order: &str, value: &str) -> String {
    format!(
        "{}\nPV1|1|I|71^1^1||||||||||||||||{visit}\nORC|RE|{order}^HIS\nOBR|1|{order}^HIS|F{order}^LAB|1^K^L|||20250309080000|||||||||||||||||CH|F\nOBX|1|NM|1^K^L||{value}|mmol/L|||||F",
        pid(number, "김^민수")
    )
}

fn sources(site: &Site, asked: &str) -> Vec<String> {
    let chart = site.store.chart(asked).unwrap().unwrap();
    let mut out: Vec<String> = chart
        .entries
        .iter()
        .filter(|e| e.kind == haechi_record::chart::Kind::Lab)
        .map(|e| e.values[0].text.clone())
        .collect();
    out.sort();
    out
}

#[test]
fn a_merge_moves_everything_and_comes_undone() {
    let site = Site::new();
    let import = |name: &str, text: String| site.import(&[site.file(name, text)]);
    import(
        "a.hl7",
        message("ORU^R01", "1", &result("111", "V1", "P1", "3.1"))
            + &message("ORU^R01", "2", &result("222", "V2", "P2", "3.2")),
    );
    assert_eq!(sources(&site, "111"), ["3.1"]);
    let merge = message("ADT^A40", "3", &format!("{}\nMRG|111^^^H^MR", pid("222", "김^민수")));
    import("merge.hl7", merge.clone());
    assert_eq!(sources(&site, "111"), ["3.1", "3.2"], "the old number opens the chart that is now");
    let list = site.store.patients(Some("111")).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].identifiers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["222", "111"]);
    // What comes for the old number is the joined chart's.
    import("b.hl7", message("ORU^R01", "4", &result("111", "V1", "P3", "3.3")));
    assert_eq!(sources(&site, "222"), ["3.1", "3.2", "3.3"]);

    let because =
        Because { at: Timestamp::UNIX_EPOCH, origin: "a user".to_owned(), reason: Some("wrong person".to_owned()) };
    let merged = site.store.merged_patient("111").unwrap();
    unmerge(&site.store, &merged, &because).unwrap();
    assert_eq!(
        (sources(&site, "111"), sources(&site, "222")),
        (vec!["3.1".to_owned(), "3.3".to_owned()], vec!["3.2".to_owned()])
    );
    let patient = String::from_utf8(site.store.current("Patient", &merged).unwrap().unwrap()).unwrap();
    assert!(patient.contains("\"active\":true") && !patient.contains("replaced-by"), "{patient}");
    // The message that merged them, read again, is not news; a new one is.
    import("merge.hl7", merge.clone());
    assert_eq!(sources(&site, "111").len(), 2);
    import("again.hl7", merge.replace("|3|P|", "|9|P|"));
    assert_eq!(sources(&site, "111").len(), 3);
    // And A37 parts them by message.
    import("a37.hl7", message("ADT^A37", "10", &format!("{}\n{}", pid("222", "김^민수"), pid("111", "김^민수"))));
    assert_eq!(sources(&site, "111").len(), 2);
    let trail: Vec<_> = site.store.merges().unwrap().into_iter().map(|e| (e.kind, e.because.origin)).collect();
    assert_eq!(
        trail,
        [
            (MergeKind::Merge, "merge.hl7, message 3".to_owned()),
            (MergeKind::Unmerge, "a user".to_owned()),
            (MergeKind::Merge, "again.hl7, message 9".to_owned()),
            (MergeKind::Unmerge, "a37.hl7, message 10".to_owned()),
        ]
    );
}

#[test]
fn a_link_of_a_fhir_file_does_not_undo_its_taking_back() {
    let site = Site::new();
    let old = r#"{"resourceType":"Patient","id":"old","identifier":[{"system":"s","value":"1"}],"active":false,"link":[{"other":{"reference":"Patient/new"},"type":"replaced-by"}]}"#;
    let new = r#"{"resourceType":"Patient","id":"new","identifier":[{"system":"s","value":"2"}]}"#;
    let file = site.file("p.ndjson", format!("{new}\n{old}\n"));
    site.import(std::slice::from_ref(&file));
    assert_eq!(site.store.patients(None).unwrap().len(), 1);
    let because = Because { at: Timestamp::UNIX_EPOCH, origin: "a user".to_owned(), reason: None };
    unmerge(&site.store, "old", &because).unwrap();
    site.import(&[file]);
    assert_eq!(site.store.patients(None).unwrap().len(), 2, "the same file again is no news");
}

#[test]
fn a_visit_moves_with_its_results_and_back() {
    let site = Site::new();
    let import = |name: &str, text: String| site.import(&[site.file(name, text)]);
    import(
        "a.hl7",
        message("ORU^R01", "1", &result("111", "V1", "P1", "3.1"))
            + &message("ORU^R01", "2", &result("111", "V2", "P2", "3.2")),
    );
    let moving = |control: &str, to: &str, from: &str| {
        message(
            "ADT^A45",
            control,
            &format!("{}\nMRG|{from}^^^H^MR||||V1\nPV1|1|I|71^1^1||||||||||||||||V1", pid(to, "이^영희")),
        )
    };
    import("m.hl7", moving("3", "222", "111"));
    assert_eq!((sources(&site, "111"), sources(&site, "222")), (vec!["3.2".to_owned()], vec!["3.1".to_owned()]));
    import("n.hl7", moving("4", "111", "222"));
    assert_eq!(sources(&site, "111"), ["3.1", "3.2"], "moved back by the opposite message");
    import("o.hl7", moving("5", "222", "111"));
    assert_eq!(sources(&site, "222"), ["3.1"], "and there again");
    assert_eq!(site.store.merges().unwrap().iter().filter(|e| e.kind == MergeKind::Move).count(), 3);
}

#[test]
fn an_order_is_stopped_by_its_number_alone() {
    let site = Site::new();
    let order =
        "ORC|NW|P1^HIS|||||||20250310\nOBR|1|P1^HIS||1^K^L\nORC|NW|R1^HIS|||||||20250310\nRXE||A^아모디핀^KD|5||mg";
    site.import(&[site.file("a.hl7", message("ORM^O01", "1", &format!("{}\n{order}", pid("1", "김^민수"))))]);
    let stop = format!("{}\nORC|CA|P1^HIS\nORC|DC|R1^HIS\nORC|DC|X9^HIS", pid("1", "김^민수"));
    let summary = site.import(&[site.file("b.hl7", message("ORM^O01", "2", &stop))]);
    let statuses: Vec<_> =
        site.store.chart("1").unwrap().unwrap().entries.into_iter().filter_map(|e| e.status).collect();
    assert!(statuses.contains(&"revoked".to_owned()) && statuses.contains(&"stopped".to_owned()), "{statuses:?}");
    let [rejected] = &summary.rejected[..] else { panic!("{:?}", summary.rejected) };
    assert_eq!((rejected.field.as_deref(), rejected.line), (Some("ORC-2"), Some(1)));
}

#[test]
fn what_a_message_left_out_is_named_each_time_it_is_read() {
    let site = Site::new();
    let text = message("ADT^A08", "1", &format!("{}\nZPI|1|낙상고위험군\nAL1|1|DA", pid("1", "김^민수")));
    let file = site.file("a.hl7", text);
    let (first, again) = (site.import(std::slice::from_ref(&file)), site.import(&[file]));
    assert_eq!(first.rejected.len(), 1);
    assert_eq!((again.rejected, again.unchanged), (first.rejected, 1));
    let hits = site.store.search("1", "낙상", 5).unwrap();
    assert_eq!(hits.len(), 1);
    assert!(hits[0].source.starts_with("Basic/") && hits[0].snippet.contains("낙상고위험군"), "{hits:?}");
    let chart = site.store.chart("1").unwrap().unwrap();
    let kept = chart.entries.iter().find(|entry| entry.title == "HL7 v2 segment ZPI").unwrap();
    assert_eq!(kept.texts[0].text, "ZPI|1|낙상고위험군");
    assert_eq!(kept.origin.as_ref().unwrap().fields[0].1, "ZPI[1]");
}

#[test]
fn a_subject_that_is_only_an_identifier_is_found_or_reported() {
    let site = Site::new();
    let patient = r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1"}]}"#;
    let about = |id: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"{id}","code":{{"text":"천식"}},"subject":{{"type":"Patient","identifier":{{"system":"s","value":"{value}"}}}}}}"#
        )
    };
    // The patient comes after what is about them.
    let summary =
        site.import(&[site.file("a.ndjson", format!("{}\n{patient}\n{}\n", about("c1", "1"), about("c2", "9")))]);
    let entries = site.store.chart("p").unwrap().unwrap().entries;
    assert_eq!(entries.iter().map(|e| e.source.as_str()).collect::<Vec<_>>(), ["Condition/c1"]);
    let [rejected] = &summary.rejected[..] else { panic!("{:?}", summary.rejected) };
    assert!(rejected.reason.contains("identifier"), "{rejected:?}");
}
