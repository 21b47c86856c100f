//! Images by the command line and through the door: imported, sent by a third-party archive's tool, listed, asked about.

use std::net::TcpListener;
use std::process::Command;

use haechi_e2e::{Site, eventually, third_party_data};
use serde_json::Value;

/// The patient whom pydicom's CT_small.dcm is about.
const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","name":[{"text":"Compressed Samples"}],
    "identifier":[{"system":"urn:example:pacs","value":"1CT1"}]}"#;

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !found {
        eprintln!("skipped: {program} is not installed (Debian: dcmtk)");
    }
    found
}

fn instances(studies: &Value) -> u64 {
    studies.as_array().unwrap().iter().filter_map(|study| study["instances"].as_u64()).sum()
}

#[test]
fn images_are_imported_listed_previewed_and_asked_about() {
    let Some(data) = third_party_data() else { return };
    let image = data.join("dicom/pydicom/CT_small.dcm");
    let site = Site::new();
    let patient = site.beside("patient.json");
    std::fs::write(&patient, PATIENT).unwrap();
    let summary = site.json(&["import", image.to_str().unwrap()]);
    assert_eq!(summary["instances"], 1, "{summary}");
    let unmatched = site.json(&["imaging", "list", "--unmatched"]);
    assert!(unmatched[0]["why"].as_str().unwrap().contains("no patient has this number"), "{unmatched}");
    let _ = site.json(&["import", patient.to_str().unwrap()]);
    // The sender names neither issuer nor birth date: a bare number that somebody has elsewhere is no proof.
    let listed = site.json(&["imaging", "list"]);
    assert_eq!(instances(&listed), 1);
    assert!(listed[0]["why"].as_str().unwrap().contains("confirms the number"), "{listed}");
    let id = listed[0]["id"].as_str().unwrap();
    assert!(!id.is_empty());
    let out = site.beside("preview.png");
    let missing = site.run(&["imaging", "preview", "1.2.3", "--out", out.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("HAECHI-0380"));
    let done = site.json(&[
        "imaging",
        "preview",
        "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(done["bytes"].as_u64().unwrap() > 500);
    assert!(std::fs::read(&out).unwrap().starts_with(b"\x89PNG"));
}

/// A site that takes images from PACS at a free port; `more`: what else stands in the section `[dicom]` and after it.
fn listening(more: &str) -> (Site, u16) {
    let site = Site::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::create_dir_all(site.home()).unwrap();
    let dicom = format!("[dicom]\nlisten = \"127.0.0.1:{port}\"\ncallers = [\"PACS@127.0.0.1\"]\n{more}");
    std::fs::write(site.home().join("haechi.toml"), dicom).unwrap();
    (site, port)
}

#[test]
fn an_archive_with_a_certificate_sends_over_tls_and_others_are_not_heard() {
    if !has("storescu") {
        return;
    }
    let Some(data) = third_party_data() else { return };
    // dcmtk of Debian speaks 1.2.
    let (site, port) = listening("tls = \"mutual\"\n[tls]\nallow-tls12 = true\n");
    let mut appliance = site.up();
    let made = site.json(&["cert", "client", "pacs"]);
    let pem = made[0]["file"].as_str().unwrap();
    let root = site.beside("root.pem");
    let printed = haechi_e2e::haechi(&["cert", "root", "--home", site.home().to_str().unwrap()]);
    std::fs::write(&root, &printed.stdout).unwrap();
    let send = |tls: &[&str], file: &str| {
        let mut command = Command::new("storescu");
        command.args(["-aet", "PACS", "-aec", "HAECHI", "-to", "20", "-ta", "20"]).args(tls);
        command.args(["127.0.0.1", &port.to_string()]).arg(data.join("dicom/pydicom").join(file)).output().unwrap()
    };
    let root = root.to_str().unwrap();
    let shown = ["+tls", pem, pem, "+cf", root];
    let mut said = String::new();
    for _ in 0..40 {
        let output = send(&shown, "CT_small.dcm");
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            said.clear();
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    assert!(said.is_empty(), "{said}");
    eventually("the study to be listed", || instances(&site.json(&["imaging", "list"])) == 1);
    assert!(!send(&[], "MR_small.dcm").status.success(), "in clear");
    assert!(!send(&["+tla", "+cf", root], "MR_small.dcm").status.success(), "without a certificate");
    assert_eq!(instances(&site.json(&["imaging", "list"])), 1);
    assert!(appliance.stop(rustix::process::Signal::TERM).0.success());
}

#[test]
fn an_archive_sends_through_the_door_and_the_study_outlives_a_kill() {
    if !has("storescu") {
        return;
    }
    let Some(data) = third_party_data() else { return };
    let (site, port) = listening("");
    let mut appliance = site.up();
    let send = |file: &str| {
        let file = data.join("dicom/pydicom").join(file);
        Command::new("storescu")
            .args(["-aet", "PACS", "-aec", "HAECHI", "-to", "20", "127.0.0.1", &port.to_string()])
            .arg(file)
            .output()
            .unwrap()
    };
    eventually("the door to take images", || send("CT_small.dcm").status.success());
    eventually("the study to be listed", || instances(&site.json(&["imaging", "list"])) == 1);
    let refused = Command::new("storescu")
        .args(["-aet", "STRANGER", "-aec", "HAECHI", "-to", "20", "127.0.0.1", &port.to_string()])
        .arg(data.join("dicom/pydicom/MR_small.dcm"))
        .output()
        .unwrap();
    assert!(!refused.status.success());
    // Answered with success is on the disk: the core is killed at once, and a new one has the image.
    assert!(send("MR_small.dcm").status.success());
    for pid in site.pids("core") {
        haechi_e2e::send(pid, rustix::process::Signal::KILL);
    }
    eventually("the restarted core to have both", || {
        let listed = site.run(&["imaging", "list"]);
        listed.status.success()
            && serde_json::from_slice::<Value>(&listed.stdout).is_ok_and(|studies| instances(&studies) == 2)
    });
    let (status, _) = appliance.stop(rustix::process::Signal::TERM);
    assert!(status.success());
}
