//! HL7 feeds: what is acknowledged is in the record exactly once, whoever sends and whatever happens to the receiver.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use haechi_e2e::feed::{FeedServer, Sender, messages, says};
use haechi_e2e::{Site, checkout};
use serde_json::Value;

/// Kills in the short run; `HAECHI_FEED_KILLS` asks for more.
const KILLS: usize = 4;

fn configure(site: &Site, feed: &str) {
    std::fs::create_dir_all(site.home()).unwrap();
    let text = format!("[[feed]]\nname = \"lab\"\nlisten = \"127.0.0.1:1\"\n{feed}");
    std::fs::write(site.home().join("haechi.toml"), text).unwrap();
}

fn feed(site: &Site) -> Value {
    site.json(&["feed", "list"])[0].clone()
}

/// What is in the record: totals, and resources of each patient by number.
fn held(site: &Site) -> (Value, Value, BTreeMap<String, Value>) {
    let record = site.json(&["status"])["record"].clone();
    let patients = site.json(&["patient", "list"]);
    let by_number =
        patients.as_array().unwrap().iter().map(|patient| {
            (patient["identifiers"][0]["value"].as_str().unwrap().to_owned(), patient["resources"].clone())
        });
    (record["messages"].clone(), record["resources"].clone(), by_number.collect())
}

#[test]
fn kill_9_under_load_loses_no_acknowledged_message_and_files_none_twice() {
    let kills: usize = std::env::var("HAECHI_FEED_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(KILLS);
    let (fed, imported) = (Site::new(), Site::new());
    let patients = 4 + kills;
    let hospital = imported.hospital(patients, 23);
    let _ = imported.json(&["import", hospital.join("hl7").to_str().unwrap()]);
    configure(&fed, "");

    let mut files: Vec<_> =
        std::fs::read_dir(hospital.join("hl7")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let all: Vec<Vec<Vec<u8>>> = files.iter().map(|file| messages(&std::fs::read(file).unwrap())).collect();
    let total: usize = all.iter().map(Vec::len).sum();
    // Each sender takes whole patients and goes on where its last acknowledgement was, as an interface engine does.
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let port = Mutex::new(None::<u16>);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let (all, port, acknowledged, done) = (&all, &port, &acknowledged, &done);
            scope.spawn(move || {
                let mut connection = None;
                for message in all.iter().skip(sender).step_by(4).flatten() {
                    while !done.load(Ordering::Relaxed) {
                        if connection.is_none() {
                            connection = port.lock().unwrap().and_then(Sender::connect);
                        }
                        match connection.as_mut().and_then(|connection: &mut Sender| connection.send(message)) {
                            Some(answer) => {
                                // The demo hospital's messages ask for an accept acknowledgement (MSH-15) alone.
                                assert!(says(&answer, "CA"), "{}", String::from_utf8_lossy(&answer));
                                acknowledged.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            None => {
                                connection = None;
                                std::thread::sleep(Duration::from_millis(5));
                            }
                        }
                    }
                }
            });
        }
        for round in 0..kills {
            let server = FeedServer::start(&fed);
            *port.lock().unwrap() = Some(server.port);
            let goal = total * (round + 1) / (kills + 1);
            // Uneven moments: in the middle of a message, of a transaction, of filing.
            haechi_e2e::eventually("messages to be acknowledged", || acknowledged.load(Ordering::Relaxed) >= goal);
            std::thread::sleep(Duration::from_millis((round as u64 * 7) % 23));
            *port.lock().unwrap() = None;
            server.kill();
        }
        let server = FeedServer::start(&fed);
        *port.lock().unwrap() = Some(server.port);
        let deadline = std::time::Instant::now() + Duration::from_secs(600);
        while acknowledged.load(Ordering::Relaxed) < total && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        server.finish();
    });
    assert_eq!(acknowledged.into_inner(), total);
    let line = feed(&fed);
    assert_eq!((&line["received"], &line["processed"]), (&total.into(), &total.into()), "{line}");
    assert_eq!((&line["waiting"], &line["dead"]), (&0.into(), &0.into()), "{line}");
    assert_eq!(held(&fed), held(&imported), "fed under {kills} kills, it is not the record that an import makes");
    let findings = fed.json(&["doctor"]);
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["level"] != "broken"), "{findings}");
}

#[test]
fn a_feed_comes_through_the_door_and_goes_on_after_the_core_was_killed() {
    let site = Site::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::create_dir_all(site.home()).unwrap();
    let text = format!("[[feed]]\nname = \"adt\"\nlisten = \"127.0.0.1:{port}\"\nfrom = [\"127.0.0.0/8\"]\n");
    std::fs::write(site.home().join("haechi.toml"), text).unwrap();
    let _appliance = site.up();
    let send = |id: &str| {
        let message = format!("MSH|^~\\&|ADT|H|HAECHI|H|||ADT^A01|{id}|P|2.5\rPID|1||{id}^^^SITE^MR||Kim");
        let mut answered = false;
        haechi_e2e::eventually("the feed to answer", || {
            answered = Sender::connect(port)
                .and_then(|mut sender| sender.send(message.as_bytes()))
                .is_some_and(|answer| says(&answer, "AA"));
            answered
        });
    };
    send("1");
    site.pids("core").into_iter().for_each(|pid| haechi_e2e::send(pid, rustix::process::Signal::KILL));
    send("2");
    haechi_e2e::eventually("both to be filed", || {
        let output = site.run(&["feed", "list"]);
        output.status.success()
            && serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|lines| lines[0]["processed"] == 2)
    });
    assert_eq!(site.json(&["status"])["feeds"][0]["name"], "adt");
    assert!(feed(&site)["last"].as_str().unwrap().ends_with("+09:00"), "{}", feed(&site));
    let patient = site.json(&["patient", "show", "1"]);
    assert_eq!(patient["feeds"][0][0], "adt", "{patient}");
    assert!(patient["feeds"][0][1].as_str().unwrap().ends_with("+09:00"), "{patient}");
    assert_eq!(site.json(&["feed", "pause", "adt"])["paused"], true);
    send("3");
    let line = feed(&site);
    assert_eq!((&line["waiting"], &line["processed"]), (&1.into(), &2.into()), "{line}");
    assert_eq!(site.json(&["feed", "resume", "adt"])["paused"], false);
    haechi_e2e::eventually("the third to be filed", || feed(&site)["processed"] == 3);
}

#[test]
fn cp949_comes_out_right_whatever_msh_18_says_when_the_feed_says_so() {
    let site = Site::new();
    configure(&site, "charset-override = \"cp949\"\n");
    let server = FeedServer::start(&site);
    let mut sender = Sender::connect(server.port).unwrap();
    for (number, declared) in [("1", ""), ("2", "UNICODE UTF-8"), ("3", "8859/1")] {
        // 홍^길동 in CP949, and the syllable 뷁, which only CP949 has, in the note.
        let name = b"\xc8\xab^\xb1\xe6\xb5\xbf";
        let message = [
            format!("MSH|^~\\&|LAB|H|HAECHI|H|20260101||ORU^R01|c{number}|P|2.5||||||{declared}\rPID|1||{number}^^^SITE^MR||")
                .into_bytes(),
            name.to_vec(),
            b"||19800101|M\rOBR|1|||718-7^Hb^LN\rOBX|1|ST|NOTE^Note^L||\x94\xee||||||F|||20260101".to_vec(),
        ]
        .concat();
        assert!(says(&sender.send(&message).unwrap(), "AA"));
    }
    drop(sender);
    server.finish();
    let patients = site.json(&["patient", "list"]);
    let names: Vec<_> = patients.as_array().unwrap().iter().map(|patient| patient["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{patients}");
    assert!(names.iter().all(|name| name.contains('홍') && name.contains("길동")), "{names:?}");
    let answer = site.json(&["ask", "--patient", "2", "--lang", "ko", "Note 최근 결과는?"]);
    assert!(answer["answer"].as_str().unwrap().contains('뷁'), "{answer}");
}

#[test]
fn what_waits_or_is_dead_is_said_in_answers_status_and_doctor_and_can_be_replayed() {
    let site = Site::new();
    configure(&site, "charset-override = \"utf-8\"\nsilent-after-minutes = 30\n");
    let server = FeedServer::start(&site);
    let mut sender = Sender::connect(server.port).unwrap();
    let adt = |id: &str, more: &[u8]| {
        [format!("MSH|^~\\&|ADT|H|HAECHI|H|||ADT^A01|{id}|P|2.5\rPID|1||77^^^SITE^MR").as_bytes(), more].concat()
    };
    assert!(says(&sender.send(&adt("1", b"||Kim^A||19700101|M")).unwrap(), "AA"));
    // A second number in bytes that are no UTF-8, before the good one: whose message is this?
    let broken = b"MSH|^~\\&|ADT|H|HAECHI|H|||ADT^A08|2|P|2.5\rPID|1||\xb0\xa1^^^SITE^MR~77^^^SITE^MR||Kim^B";
    assert!(says(&sender.send(broken).unwrap(), "AA"));
    drop(sender);
    server.finish();
    let line = feed(&site);
    assert_eq!((&line["processed"], &line["dead"], &line["silent"]), (&1.into(), &1.into(), &false.into()), "{line}");
    let letters = site.json(&["feed", "dead-letters"]);
    assert_eq!((&letters[0]["kind"], &letters[0]["reasons"][0]["field"]), (&"ADT^A08".into(), &"PID-3".into()));
    let number = letters[0]["seq"].to_string();
    assert_eq!(site.json(&["feed", "show", &number])["state"], "dead");
    let shown = site.json(&["feed", "show", &number, "--content"]);
    assert!(shown["content"].as_str().unwrap().starts_with("MSH|"));

    let warnings = |arguments: &[&str]| {
        let answer = site.json(&[&["ask", "--patient", "77"], arguments].concat());
        answer["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(warnings(&["birth date?"]).iter().any(|text| text.contains("could not be processed")));
    assert!(warnings(&["생년월일은?"]).iter().any(|text| text.contains("처리되지 못하여")));
    let later = tomorrow();
    assert!(warnings(&["--now", &later, "birth date?"]).iter().any(|text| text.starts_with("Feed lab silent for")));
    assert!(warnings(&["--now", &later, "생년월일은?"]).iter().any(|text| text.starts_with("피드 lab에서")));
    let doctor = site.json(&["doctor"]);
    assert!(
        doctor.as_array().unwrap().iter().any(|finding| finding["item"] == "feed"
            && finding["level"] == "notice"
            && finding["sentence"].as_str().unwrap().contains("could not be filed")),
        "{doctor}"
    );

    // The setting is corrected, the message replayed while the feed is paused, and it goes on when resumed.
    configure(&site, "charset-override = \"cp949\"\n");
    assert_eq!(site.json(&["feed", "pause", "lab"])["paused"], true);
    assert_eq!(site.json(&["feed", "replay"])["replayed"], 1);
    assert!(warnings(&["birth date?"]).iter().any(|text| text.contains("not in the record yet")));
    assert_eq!(site.json(&["feed", "resume", "lab"])["paused"], false);
    FeedServer::start(&site).finish();
    let line = feed(&site);
    assert_eq!((&line["processed"], &line["dead"], &line["waiting"]), (&2.into(), &0.into(), &0.into()), "{line}");
    assert!(site.run(&["feed", "pause", "nowhere"]).status.code() == Some(1));
}

/// A day from now, as `--now` takes it.
fn tomorrow() -> String {
    let output = Command::new("date").args(["-u", "-d", "+1 day", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_python_client_is_answered_as_it_expects() {
    let python = checkout().join("tests/.venv/bin/python");
    if !python.is_file() {
        return eprintln!("skipped: tests/.venv is not here (tests/run makes it)");
    }
    let site = Site::new();
    configure(&site, "charset-override = \"cp949\"\n");
    let server = FeedServer::start(&site);
    let answers = peer(Command::new(python).arg(checkout().join("tests/e2e/peers/mllp_hl7.py")), server.port);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["AA", "AA", "AA", "AR", "AE"], "{answers}");
    assert_eq!(answers[3]["control_id"], "py-4");
    assert!(answers[4]["errors"][0].as_str().unwrap().contains("PID^1^3|101^Required field missing^HL70357|E"));
    server.finish();
    assert_eq!(site.json(&["patient", "list"]).as_array().unwrap().len(), 3);
    assert_eq!(feed(&site)["refused"], 2);
}

#[test]
fn node_clients_are_answered_as_they_expect() {
    let modules = std::env::var_os("HAECHI_NODE_MODULES")
        .map_or_else(|| checkout().join(".cache/npm/node_modules"), std::path::PathBuf::from);
    if !modules.is_dir() {
        return eprintln!("skipped: the npm clients are not here (tests/run installs them where node is)");
    }
    let site = Site::new();
    configure(&site, "");
    let server = FeedServer::start(&site);
    let script = checkout().join("tests/e2e/peers/mllp_clients.cjs");
    let answers = peer(Command::new("node").arg(script).env("NODE_PATH", modules), server.port);
    for (client, codes) in [("node-hl7-client", ["AA", "AA", "AA"]), ("@medplum/hl7", ["AA", "AA", "AR"])] {
        let said = answers[client].as_array().unwrap();
        assert_eq!(said.iter().map(|answer| answer["code"].as_str().unwrap()).collect::<Vec<_>>(), codes, "{answers}");
    }
    assert_eq!(answers["node-hl7-client"][1]["control_id"], "node-2");
    server.finish();
    assert_eq!(site.json(&["patient", "list"]).as_array().unwrap().len(), 3);
}

/// Runs a client to its end and reads its JSON.
fn peer(command: &mut Command, port: u16) -> Value {
    let output = command.arg(port.to_string()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
