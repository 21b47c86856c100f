//! `kill -9` at any moment loses nothing that was acknowledged, and the record is whole afterwards.

use std::process::{Command, Stdio};
use std::time::Duration;

use haechi_e2e::{Site, program, send};
use rustix::process::Signal;

/// Kills in the short run; `HAECHI_KILLS` asks for more.
const KILLS: usize = 8;

#[test]
fn kill_9_during_imports_loses_nothing_acknowledged() {
    let kills = std::env::var("HAECHI_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(KILLS);
    let site = Site::new();
    let hospital = site.hospital(8, 11);
    let mut files: Vec<_> = ["fhir", "hl7"]
        .iter()
        .flat_map(|road| std::fs::read_dir(hospital.join(road)).unwrap().flatten().map(|entry| entry.path()))
        .collect();
    files.sort();
    std::fs::create_dir_all(site.home()).unwrap();
    let _appliance = site.up();
    let mut acknowledged = Vec::new();
    for (round, file) in (0..kills).zip(files.iter().cycle()) {
        let import = Command::new(program())
            .args(["import", "--json", "--home"])
            .arg(site.home())
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Uneven moments between "just started" and "almost done".
        std::thread::sleep(Duration::from_millis((round as u64 * 37) % 160));
        for role in ["core", "model"] {
            site.pids(role).into_iter().for_each(|pid| send(pid, Signal::KILL));
        }
        if import.wait_with_output().unwrap().status.success() {
            acknowledged.push(file.clone());
        }
        site.wait_until_running();
        // An acknowledged file again brings nothing new: all of it is there.
        for file in &acknowledged {
            let again = site.json(&["import", file.to_str().unwrap()]);
            let taken = again["resources"].as_u64().unwrap() + again["messages"].as_u64().unwrap();
            assert!(taken > 0 && again["unchanged"].as_u64().unwrap() > 0, "round {round}: {again}");
            let everything = if file.extension().is_some_and(|extension| extension == "hl7") {
                &again["messages"]
            } else {
                &again["resources"]
            };
            assert_eq!(
                &again["unchanged"],
                everything,
                "round {round}: something acknowledged was missing in {}",
                file.display()
            );
        }
        let findings = site.json(&["doctor"]);
        assert!(
            findings.as_array().unwrap().iter().all(|finding| finding["level"] != "broken"),
            "round {round}: {findings}"
        );
    }
}
