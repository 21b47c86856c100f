//! Backup and the way back, by the command line, while the appliance works.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use haechi_e2e::{Site, haechi};
use serde_json::Value;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The recovery key in a file, as somebody would type it in.
fn first_repository(site: &Site) -> (String, String) {
    let to = site.beside("usb");
    let made = site.json(&["backup", "init", "--to", text(&to)]);
    let key = made["recoveryKey"].as_str().unwrap().to_owned();
    let file = site.beside("key.txt");
    fs::write(&file, format!("# kept in the safe\n\n{key}\n")).unwrap();
    (text(&to).to_owned(), text(&file).to_owned())
}

#[test]
fn a_site_is_copied_while_it_works_and_comes_back_on_another_machine() {
    let site = Site::new();
    let hospital = site.hospital(4, 5);
    let fhir = text(&hospital.join("fhir")).to_owned();
    let _ = site.json(&["import", &fhir]);
    let appliance = site.up();
    let (to, key) = first_repository(&site);
    let again = site.json(&["backup", "init", "--to", &to]);
    assert_eq!(again["recoveryKey"], Value::Null, "it is shown once");
    let first = site.json(&["backup", "create", "--to", &to]);
    // More comes in while the second copy is made.
    let more = text(&hospital.join("hl7")).to_owned();
    std::thread::scope(|scope| {
        let importing = scope.spawn(|| site.json(&["import", &more]));
        let second = site.json(&["backup", "create", "--to", &to]);
        assert!(second["files"].as_u64() >= first["files"].as_u64());
        let _ = importing.join().unwrap();
    });
    let third = site.json(&["backup", "create", "--to", &to]);
    let patients = site.json(&["patient", "list"]);
    let status = site.json(&["status"]);
    drop(appliance);

    let listed = site.json(&["backup", "list", "--to", &to]);
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 3);
    let scratch = site.beside("scratch");
    fs::create_dir(&scratch).unwrap();
    let verified = site.json(&["backup", "verify", "--to", &to, "--key", &key, "--scratch", text(&scratch)]);
    assert_eq!((&verified["opened"], verified["faults"].as_array().unwrap().len()), (&third["id"], 0));
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);

    let other = Site::new();
    let restored = other.json(&["backup", "restore", "--from", &to, "--key", &key]);
    assert_eq!(restored["id"], third["id"]);
    assert_eq!(other.json(&["patient", "list"]), patients);
    assert_eq!(other.json(&["status"])["record"], status["record"]);
    let id = patients[0]["id"].as_str().unwrap();
    let question = ["ask", "--patient", id, "How old is the patient?"];
    assert_eq!(other.json(&question)["citations"], site.json(&question)["citations"]);
    // It goes on where the other stood, under the same recovery key.
    let on = other.json(&["backup", "create", "--to", &to]);
    assert!(on["made"].as_str() > third["made"].as_str(), "{on}");
    let pruned = other.json(&["backup", "prune", "--to", &to, "--keep", "2"]);
    assert_eq!((pruned["removed"].as_u64(), pruned["kept"].as_u64()), (Some(2), Some(2)));
    assert_eq!(other.json(&["backup", "verify", "--to", &to])["faults"].as_array().unwrap().len(), 0);
    // The first snapshot of what was imported later is the middle one, and is gone.
    let gone = other.beside("home2");
    let said = haechi(&[
        "backup",
        "restore",
        "--from",
        &to,
        "--home",
        text(&gone),
        "--snapshot",
        first["id"].as_str().unwrap(),
        "--key",
        &key,
    ]);
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("HAECHI-0857"));
    assert!(!gone.exists());
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    let site = Site::new();
    let hospital = site.hospital(1, 5);
    let _ = site.json(&["import", text(&hospital.join("fhir"))]);
    let said = |arguments: &[&str]| {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let to = text(&site.beside("usb")).to_owned();
    assert!(said(&["backup", "create", "--to", &to]).contains("backup init"));
    let full = site.beside("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("somebody's"), "x").unwrap();
    assert!(said(&["backup", "init", "--to", text(&full)]).contains("HAECHI-0851"));
    let (to, key) = first_repository(&site);
    let _ = site.json(&["backup", "create", "--to", &to]);
    assert!(said(&["backup", "restore", "--from", &to, "--key", &key]).contains("HAECHI-0858"), "the home is in use");
    let wrong = site.beside("wrong.txt");
    fs::write(&wrong, "AGE-SECRET-KEY-1QQQQ").unwrap();
    let elsewhere = text(&site.beside("new")).to_owned();
    let restore = |key: &str| {
        let output = haechi(&["backup", "restore", "--from", &to, "--home", &elsewhere, "--key", key]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(restore(text(&wrong)).contains("HAECHI-0854"));
    assert!(!Path::new(&elsewhere).exists());
    let inside = site.home().join("here");
    let _ = site.json(&["backup", "init", "--to", text(&inside)]);
    assert!(said(&["backup", "create", "--to", text(&inside)]).contains("HAECHI-0163"));
}

#[test]
fn a_pack_opens_with_the_age_program() {
    if Command::new("age").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: the age program is not here (Debian: apt-get install age)");
        return;
    }
    let site = Site::new();
    let hospital = site.hospital(1, 5);
    let _ = site.json(&["import", text(&hospital.join("fhir"))]);
    let (to, key) = first_repository(&site);
    let made = site.json(&["backup", "create", "--to", &to]);
    let pack = fs::read_dir(Path::new(&to).join("packs")).unwrap().next().unwrap().unwrap().path();
    let opened = Command::new("age").arg("--decrypt").arg("--identity").arg(&key).arg(&pack).output().unwrap();
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert!(opened.stdout.len() as u64 <= made["bytes"].as_u64().unwrap());
    // The key of the record is in it: a small file whose 32 bytes stand somewhere in the pack.
    let secret = fs::read(site.home().join("record/key")).unwrap();
    assert!(opened.stdout.windows(secret.len()).any(|window| window == secret));
    assert!(!fs::read(&pack).unwrap().windows(secret.len()).any(|window| window == secret));
}
