//! Under `haechi up`, without systemd, every role has locked itself in before it serves, and still does its work.

use haechi_e2e::{Site, eventually, model};

#[test]
fn every_role_runs_locked_and_doctor_says_so() {
    let site = Site::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::create_dir_all(site.home()).unwrap();
    let text = format!("[[feed]]\nname = \"adt\"\nlisten = \"127.0.0.1:{port}\"\n");
    std::fs::write(site.home().join("haechi.toml"), text).unwrap();
    let mut roles = vec!["core", "door"];
    if let Some(file) = model() {
        site.install_model(&file);
        roles.push("model");
    }
    let _appliance = site.up();
    for role in roles {
        eventually("the role to be locked", || {
            let pids = site.pids(role);
            let status = pids.first().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
            let status = status.unwrap_or_default();
            // Mode 2 is a filter; every thread must have it, and no right can be gained past it.
            status.contains("\nSeccomp:\t2\n") && status.contains("\nNoNewPrivs:\t1\n")
        });
        for pid in site.pids(role) {
            for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
                let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
                assert!(status.is_empty() || status.contains("\nSeccomp:\t2\n"), "{role}: a thread runs unlocked");
            }
        }
    }
    let findings = site.json(&["doctor"]);
    let lock = findings.as_array().unwrap().iter().find(|finding| finding["item"] == "lock");
    assert_eq!(lock.map(|finding| &finding["level"]), Some(&"good".into()), "{findings}");
}
