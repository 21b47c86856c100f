use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::chart::Rejected;
use crate::prepare::{Prepared, Source, prepare};

fn key() -> Key {
    Key::new([7; 32])
}

fn source(second: i64) -> Source {
    Source { file: "t.json".to_owned(), received: Timestamp::from_second(second).unwrap(), origin: None }
}

fn because() -> Because {
    Because { at: Timestamp::UNIX_EPOCH, origin: "t.hl7".to_owned(), reason: None }
}

fn ready(json: &str, second: i64) -> Prepared {
    prepare(json.as_bytes().to_vec(), None, &|_| None, &source(second)).unwrap()
}

fn put(store: &Store, json: &str, second: i64) -> Put {
    store.write(|writer| writer.put(&ready(json, second))).unwrap()
}

fn patient(id: &str, number: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"urn:mrn","value":"{number}"}}],"name":[{{"text":"김민수"}}],"birthDate":"1960-01-02"}}"#
    )
}

fn condition(id: &str, patient: &str, text: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"text":"{text}"}}}}"#
    )
}

#[test]
fn what_was_worked_out_from_an_older_record_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("record.db"), &Key::new([7; 32])).unwrap();
    let note = |number: u8| {
        move |writer: &mut Writer<'_>| writer.message_seen(&[number; 32], "c", Timestamp::UNIX_EPOCH).map(drop)
    };
    let known = store.written();
    assert_eq!(store.write_since(known, note(1)).unwrap(), Some(()));
    assert_eq!(store.write_since(known, note(2)).unwrap(), Some(()), "a caller knows what it wrote itself");
    store.write(note(3)).unwrap();
    assert_eq!(store.write_since(known, note(4)).unwrap(), None);
    assert_eq!(store.write_since(store.written(), note(5)).unwrap(), Some(()));
    let has: Vec<bool> = (1..=5).map(|number| store.has_message(&[number; 32]).unwrap()).collect();
    assert_eq!(has, [true, true, true, false, true]);
}

#[test]
fn bytes_come_back_as_they_came_and_every_version_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.db");
    let store = Store::open(&file, &key()).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let odd = r#"{ "resourceType":"Observation" , "id":"a","valueQuantity":{"value":7.10}, "subject":{"reference":"Patient/p"} }"#;
    assert_eq!(put(&store, odd, 1), Put::New);
    assert_eq!(put(&store, odd, 2), Put::Unchanged);
    let second = odd.replace("7.10", "7.2");
    assert_eq!(put(&store, &second, 3), Put::Updated);
    assert_eq!(put(&store, odd, 4), Put::Unchanged, "an old file imported again is no news");
    assert_eq!(store.current("Observation", "a").unwrap().unwrap(), second.as_bytes());
    let versions = store.versions("Observation", "a").unwrap();
    assert_eq!(versions.iter().map(|(version, ..)| *version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(versions[0].2, odd.as_bytes());
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(11).any(|window| window == b"Observation"), "the file is encrypted");
}

#[test]
fn an_older_update_does_not_replace_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    let at = |updated: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"c","meta":{{"lastUpdated":"{updated}"}},"subject":{{"reference":"Patient/p"}}}}"#
        )
    };
    assert_eq!(put(&store, &at("2024-02-01T00:00:00Z"), 1), Put::New);
    assert_eq!(put(&store, &at("2024-01-01T00:00:00Z"), 2), Put::Past);
    assert!(String::from_utf8(store.current("Condition", "c").unwrap().unwrap()).unwrap().contains("2024-02"));
    assert_eq!(store.versions("Condition", "c").unwrap().len(), 2);
    assert_eq!(put(&store, &at("2024-03-01T00:00:00Z"), 3), Put::Updated);
}

#[test]
fn a_chart_holds_its_patient_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    put(&store, &condition("early", "p1", "천식"), 1); // before its patient is known
    put(&store, &patient("p1", "100"), 2);
    put(&store, &patient("p2", "200"), 3);
    put(&store, &condition("other", "p2", "폐렴"), 4);
    for asked in ["p1", "100", "urn:mrn|100"] {
        let chart = store.chart(asked).unwrap().unwrap();
        assert_eq!(chart.patient.ids, ["p1"], "{asked}");
        assert_eq!(chart.entries.iter().map(|entry| entry.source.as_str()).collect::<Vec<_>>(), ["Condition/early"]);
        assert_eq!(chart.as_of.as_second(), 2);
    }
    assert!(store.chart("nobody").unwrap().is_none());
    assert!(store.search("p1", "폐렴", 10).unwrap().is_empty());
}

#[test]
fn merges_join_charts_follow_chains_and_refuse_circles() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    for (id, number) in [("a", "1"), ("b", "2"), ("c", "3")] {
        put(&store, &patient(id, number), 1);
        put(&store, &condition(&format!("of-{id}"), id, "천식"), 1);
    }
    store.write(|writer| writer.merge("a", "b", &because())).unwrap();
    store.write(|writer| writer.merge("a", "b", &because())).unwrap();
    store.write(|writer| writer.merge("b", "c", &because())).unwrap();
    assert!(matches!(store.write(|writer| writer.merge("c", "a", &because())), Err(RecordError::MergeCircle)));
    let chart = store.chart("1").unwrap().unwrap();
    assert_eq!(chart.patient.ids, ["c", "b", "a"]);
    assert_eq!(chart.entries.len(), 3);
    let list = store.patients(None).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].id.as_str(), list[0].resources), ("c", 6));
    assert_eq!(store.counts().unwrap().patients, 1);
}

#[test]
fn a_merge_is_not_redirected_and_an_id_that_is_anothers_number_opens_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    put(&store, &patient("a", "1"), 1);
    put(&store, &patient("b", "a"), 1);
    put(&store, &patient("c", "3"), 1);
    assert!(matches!(store.chart("a"), Err(RecordError::AmbiguousPatient { count: 2 })));
    store.write(|writer| writer.merge("a", "c", &because())).unwrap();
    assert!(matches!(store.write(|writer| writer.merge("a", "b", &because())), Err(RecordError::MergedElsewhere)));
    assert_eq!(store.chart("3").unwrap().unwrap().patient.ids, ["c", "a"]);
}

#[test]
fn a_value_that_a_new_message_brings_back_is_current_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    let by_message = |text: &str, control_id: &str| {
        let origin = crate::chart::Origin { control_id: control_id.to_owned(), fields: Vec::new() };
        let source = Source { origin: Some(origin), ..source(1) };
        let json = condition("c", "p", text);
        store.write(|writer| writer.put(&prepare(json.into_bytes(), None, &|_| None, &source).unwrap())).unwrap()
    };
    assert_eq!(by_message("A", "1"), Put::New);
    assert_eq!(by_message("B", "2"), Put::Updated);
    assert_eq!(by_message("A", "3"), Put::Updated);
    assert_eq!(by_message("B", "2"), Put::Unchanged, "the old message once more");
    assert!(String::from_utf8(store.current("Condition", "c").unwrap().unwrap()).unwrap().contains("\"A\""));
}

#[test]
fn an_identifier_of_two_patients_is_asked_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    put(&store, &patient("a", "7"), 1);
    put(&store, &patient("b", "7"), 1);
    assert!(matches!(store.chart("7"), Err(RecordError::AmbiguousPatient { count: 2 })));
}

#[test]
fn two_syllable_words_are_found_with_particles_attached() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    put(&store, &patient("p", "1"), 1);
    put(&store, &condition("c1", "p", "당뇨병으로 입원"), 1);
    put(&store, &condition("c2", "p", "폐렴이 의심됨"), 1);
    put(&store, &condition("c3", "p", "Community acquired pneumonia"), 1);
    for (query, found) in [
        ("당뇨", vec!["Condition/c1"]),
        ("당뇨병", vec!["Condition/c1"]),
        ("폐렴", vec!["Condition/c2"]),
        ("폐렴은", vec!["Condition/c2"]),
        ("Pneumonia", vec!["Condition/c3"]),
        ("고혈압", vec![]),
        ("김민수", vec!["Patient/p"]),
    ] {
        let hits = store.search("p", query, 10).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.source.as_str()).collect::<Vec<_>>(), found, "{query}");
    }
    put(&store, &condition("c1", "p", "천식으로 입원"), 2);
    assert!(store.search("p", "당뇨", 10).unwrap().is_empty(), "the index follows the current version");
}

#[test]
fn messages_and_rejects_are_noted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    assert!(!store.write(|writer| writer.message_seen(&[1; 32], "A", now)).unwrap());
    assert!(store.write(|writer| writer.message_seen(&[1; 32], "A", now)).unwrap());
    let item = Rejected {
        file: "f".into(),
        line: Some(3),
        segment: None,
        field: None,
        resource: None,
        reason: "no id".into(),
    };
    put(&store, &patient("p", "1"), 1);
    for _ in 0..2 {
        store.write(|writer| writer.reject(&item, Some("p"), None, now)).unwrap();
    }
    assert_eq!(store.rejects(10).unwrap(), std::slice::from_ref(&item));
    assert_eq!(store.chart("p").unwrap().unwrap().rejected, [item]);
}

#[test]
fn many_that_make_the_record_at_once_all_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r");
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..6).map(|_| scope.spawn(|| Store::open(&file, &key()).map(|_| ()))).collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    let failed: Result<(), _> = store.write(|writer| {
        writer.put(&ready(&patient("p", "1"), 1))?;
        Err(RecordError::MergeCircle)
    });
    assert!(failed.is_err());
    assert!(store.chart("p").unwrap().is_none());
}

#[test]
fn a_wrong_key_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r");
    put(&Store::open(&file, &key()).unwrap(), &patient("p", "1"), 1);
    let before = fs::read(&file).unwrap();
    assert!(matches!(Store::open(&file, &Key::new([8; 32])), Err(RecordError::WrongKey { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(Store::open(&file, &key()).unwrap().chart("p").unwrap().is_some());
}

#[test]
fn other_files_are_not_taken_for_a_record_and_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.db");
    rusqlite::Connection::open(&plain).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Store::open(&plain, &key()), Err(RecordError::NotARecord { .. })));
    let text = folder.path().join("text");
    fs::write(&text, "this is not a record, but a text of some length\n".repeat(200)).unwrap();
    let before = fs::read(&text).unwrap();
    assert!(matches!(Store::open(&text, &key()), Err(RecordError::WrongKey { .. })));
    assert_eq!(fs::read(&text).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r");
    let store = Store::open(&file, &key()).unwrap();
    store.shared.writer.lock().unwrap().pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    assert!(matches!(Store::open(&file, &key()), Err(RecordError::NewerSchema { found: 99, .. })));
}

#[test]
fn damage_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r");
    let store = Store::open(&file, &key()).unwrap();
    for number in 0..200 {
        put(&store, &condition(&format!("c{number}"), "p", &"x".repeat(500)), 1);
    }
    drop(store); // checkpoints
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0);
    fs::write(&file, &bytes).unwrap();
    let store = Store::open(&file, &key()).unwrap();
    match store.check() {
        Ok(health) => assert!(!health.problems.is_empty()),
        Err(error) => assert!(matches!(error, RecordError::Damaged { .. } | RecordError::WrongKey { .. }), "{error}"),
    }
}

#[test]
fn a_full_disk_undoes_the_step_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r");
    let options = OpenOptions { max_pages: Some(80), ..OpenOptions::default() };
    let store = Store::open_with(&file, &key(), &options).unwrap();
    put(&store, &patient("p", "1"), 1);
    let big = condition("big", "p", &"x".repeat(2_000_000));
    let full = store.write(|writer| writer.put(&ready(&big, 2)));
    assert!(matches!(full, Err(RecordError::DiskFull { .. })), "{full:?}");
    assert!(store.chart("p").unwrap().is_some());
    put(&store, &condition("small", "p", "천식"), 3);
}

#[test]
fn a_read_only_folder_is_said() {
    if rustix_is_root() {
        eprintln!("skipped: root may write everywhere, so a read-only folder cannot be tested");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    assert!(matches!(Store::open(&folder.path().join("r"), &key()), Err(RecordError::NotWritable { .. })));
}

fn rustix_is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")))
}

#[test]
fn readers_see_a_steady_chart_while_a_writer_works() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("r"), &key()).unwrap();
    put(&store, &patient("p", "1"), 1);
    let writing = store.clone();
    let writer = std::thread::spawn(move || {
        for number in 0..50 {
            // Two resources belong together: a chart shows both or none.
            writing
                .write(|writer| {
                    writer.put(&ready(&condition(&format!("a{number}"), "p", "천식"), 2))?;
                    writer.put(&ready(&condition(&format!("b{number}"), "p", "폐렴"), 2))
                })
                .unwrap();
        }
    });
    for _ in 0..50 {
        assert_eq!(store.chart("p").unwrap().unwrap().entries.len() % 2, 0);
    }
    writer.join().unwrap();
}
