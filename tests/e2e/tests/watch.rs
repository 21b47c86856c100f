//! The watched folder: what is put there goes into the record once, whatever happens in the middle.

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_e2e::{Site, eventually, send};
use rustix::process::Signal;

/// A site that watches `in` beside its home.
fn watching(site: &Site) -> PathBuf {
    let folder = site.beside("in");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(site.home()).unwrap();
    let settings = format!("[import]\nwatch = \"{}\"\nsettle-s = 1\n", folder.display());
    std::fs::write(site.home().join("haechi.toml"), settings).unwrap();
    folder
}

/// Names in a folder, without what is hidden.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[test]
fn files_and_manifests_go_in_and_what_fails_lies_apart_with_its_reason() {
    let site = Site::new();
    let folder = watching(&site);
    let _appliance = site.up();
    let patient = r#"<Patient xmlns="http://hl7.org/fhir"><id value="w1"/><birthDate value="1970-01-01"/></Patient>"#;
    std::fs::write(folder.join(".patient.xml"), patient).unwrap();
    std::fs::rename(folder.join(".patient.xml"), folder.join("patient.xml")).unwrap();
    std::fs::write(folder.join("notes.bin"), [0u8, 1, 2]).unwrap();
    std::fs::create_dir(folder.join("bulk")).unwrap();
    let line = |id: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"K"}},"subject":{{"reference":"Patient/w2"}}}}"#
        )
    };
    std::fs::write(folder.join("bulk/Observation.ndjson"), line("b1") + "\n" + &line("b2")).unwrap();
    let other = r#"{"resourceType":"Patient","id":"w2"}"#;
    std::fs::write(folder.join("bulk/Patient.ndjson"), other).unwrap();
    let manifest = r#"{"transactionTime":"2026-11-24T00:00:00Z","output":[{"type":"Patient","url":"bulk/Patient.ndjson"},
        {"type":"Observation","url":"bulk/Observation.ndjson"}],"error":[]}"#;
    std::fs::write(folder.join("manifest.json"), manifest).unwrap();
    eventually("the folder to be empty", || {
        names(&folder) == ["bulk", "done", "failed", "work"] && names(&folder.join("work")).is_empty()
    });
    assert_eq!((names(&folder.join("done")).len(), names(&folder.join("failed")).len()), (2, 1));
    assert!(names(&folder.join("bulk")).is_empty());
    let status = site.json(&["status"]);
    assert_eq!((&status["record"]["patients"], &status["record"]["resources"]), (&2.into(), &4.into()), "{status}");
    let watched = &status["watched"];
    assert_eq!((&watched["waiting"], &watched["failed"]), (&0.into(), &1.into()));
    assert!(watched["last"].as_str().unwrap().ends_with("+09:00"), "{watched}");
    let failed = folder.join("failed").join(&names(&folder.join("failed"))[0]);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(failed.join("report.json")).unwrap()).unwrap();
    assert!(report["summary"]["rejected"][0]["reason"].as_str().unwrap().contains("first bytes"), "{report}");
    let findings = site.json(&["doctor"]);
    let finding = findings.as_array().unwrap().iter().find(|finding| finding["item"] == "watched folder").unwrap();
    assert_eq!(finding["level"], "notice", "{finding}");
}

#[test]
fn kill_9_in_the_middle_loses_nothing_and_takes_nothing_twice() {
    let site = Site::new();
    let folder = watching(&site);
    let hospital = site.hospital(8, 11);
    let files: Vec<PathBuf> =
        std::fs::read_dir(hospital.join("hl7")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let _appliance = site.up();
    for file in &files {
        std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    // Uneven moments: before the first is taken, in the middle of one, between two.
    for pause in [900, 1300, 700, 1100] {
        std::thread::sleep(Duration::from_millis(pause));
        site.pids("core").into_iter().for_each(|pid| send(pid, Signal::KILL));
        site.wait_until_running();
    }
    eventually("every file to be taken", || {
        names(&folder.join("done")).len() >= files.len() && names(&folder.join("work")).is_empty()
    });
    assert_eq!(names(&folder), ["done", "failed", "work"]);
    assert!(names(&folder.join("failed")).is_empty());
    let taken = names(&folder.join("done"));
    for file in &files {
        let name = format!("-{}", file.file_name().unwrap().to_string_lossy());
        let parcels: Vec<_> = taken.iter().filter(|parcel| parcel.ends_with(&name)).collect();
        assert_eq!(parcels.len(), 1, "{name}: {taken:?}");
        let parcel = folder.join("done").join(parcels[0]);
        assert_eq!(std::fs::read(parcel.join(&name[1..])).unwrap(), std::fs::read(file).unwrap());
        assert!(parcel.join("report.json").is_file());
    }
    // The record is the one that a single import makes.
    let plain = Site::new();
    std::fs::create_dir_all(plain.home()).unwrap();
    let _ = plain.json(&["import", hospital.join("hl7").to_str().unwrap()]);
    let counts = |site: &Site| {
        let record = site.json(&["status"])["record"].clone();
        ["patients", "resources", "versions", "messages", "rejected"].map(|name| record[name].clone())
    };
    assert_eq!(counts(&site), counts(&plain));
}
