//! `haechi up` starts the roles, restarts them, stops in time, and gives the answers that a command alone gives.

use std::time::Duration;

use haechi_e2e::{Site, eventually, haechi, model, send};
use rustix::process::Signal;

fn demo_site() -> (Site, String) {
    let site = Site::new();
    let hospital = site.hospital(2, 7);
    let summary = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    assert!(summary["patients"].as_u64().unwrap() >= 2);
    let patient = site.json(&["patient", "list"])[0]["id"].as_str().unwrap().to_owned();
    (site, patient)
}

#[test]
fn it_stops_within_five_seconds_of_either_signal() {
    let (site, _) = demo_site();
    for signal in [Signal::TERM, Signal::INT] {
        let mut appliance = site.up();
        let (status, took) = appliance.stop(signal);
        assert!(status.success(), "{status}");
        assert!(took < Duration::from_secs(5), "took {took:?}");
        assert!(site.pids("core").is_empty());
        assert_eq!(site.json(&["status"])["running"], false);
    }
}

#[test]
fn a_killed_role_comes_back() {
    let (site, patient) = demo_site();
    if let Some(file) = model() {
        site.install_model(&file);
    }
    let _appliance = site.up();
    for role in ["core", "model"] {
        for _ in 0..2 {
            eventually("the role to be there", || role == "model" && model().is_none() || !site.pids(role).is_empty());
            let before = site.pids(role);
            before.iter().for_each(|pid| send(*pid, Signal::KILL));
            eventually("another process of the role", || {
                let now = site.pids(role);
                before.is_empty() || (!now.is_empty() && now != before)
            });
            site.wait_until_running();
            let answer = site.json(&["ask", "--patient", &patient, "나이가 어떻게 되나요?"]);
            assert_eq!(answer["abstained"], false);
        }
    }
}

#[test]
fn nothing_is_left_when_the_parent_is_killed() {
    let (site, _) = demo_site();
    let mut appliance = site.up();
    appliance.stop(Signal::KILL);
    eventually("the roles to follow their parent", || site.pids("core").is_empty() && site.pids("model").is_empty());
    let _again = site.up(); // the sockets that were left behind are no obstacle
}

#[test]
fn a_second_appliance_on_the_same_home_is_refused() {
    let (site, _) = demo_site();
    let _appliance = site.up();
    let home = site.home();
    let second = haechi(&["up", "--home", home.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("HAECHI-0108"));
}

#[test]
fn through_the_appliance_or_alone_the_answer_is_the_same() {
    let (site, patient) = demo_site();
    let questions =
        ["What medications is the patient on?", "알레르기가 있나요?", "most recent blood pressure", "등록번호가 뭐죠?"];
    let ask = |question: &str| {
        let mut answer = site.json(&["ask", "--patient", &patient, "--now", "2026-11-24T09:00:00+09:00", question]);
        for member in ["timings_ms", "model"] {
            answer.as_object_mut().unwrap().remove(member);
        }
        answer
    };
    let alone: Vec<_> = questions.iter().map(|question| ask(question)).collect();
    let listed = site.json(&["patient", "list"]);
    let _appliance = site.up();
    let through: Vec<_> = questions.iter().map(|question| ask(question)).collect();
    assert_eq!(alone, through);
    assert_eq!(listed, site.json(&["patient", "list"]));
}

#[test]
fn files_are_handed_over_to_a_running_appliance() {
    let site = Site::new();
    let hospital = site.hospital(3, 5);
    std::fs::create_dir_all(site.home()).unwrap();
    let _appliance = site.up();
    let first = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    assert!(first["patients"].as_u64().unwrap() >= 3); // those merged away later count too
    assert_eq!(first["rejected"].as_array().unwrap().len(), 0);
    let again = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    assert_eq!(again["unchanged"], first["resources"]);
    assert_eq!(site.json(&["patient", "list"]).as_array().unwrap().len(), 3);
}
