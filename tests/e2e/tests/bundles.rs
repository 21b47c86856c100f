//! Signed bundles with the real program: a ceremony, a stick, a site, a switch under load; and python-tuf at either end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use haechi_e2e::{Site, checkout, haechi, model};
use serde_json::Value;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ok(arguments: &[&str]) -> String {
    let output = haechi(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A center in a folder of the site's: five keys and a published, empty repository.
struct Center {
    folder: PathBuf,
}

impl Center {
    fn begin(site: &Site) -> Self {
        let center = Self { folder: site.beside("center") };
        std::fs::create_dir(&center.folder).unwrap();
        for name in ["a", "b", "c", "model", "evidence", "software", "stamp"] {
            ok(&["bundle", "key", "--out", &center.path(&format!("{name}.pem"))]);
        }
        let public = |name: &str| center.path(&format!("{name}.pub"));
        ok(&[
            "bundle",
            "init",
            "--repo",
            &center.repo(),
            "--threshold",
            "2",
            "--root",
            &public("a"),
            "--root",
            &public("b"),
            "--root",
            &public("c"),
            "--model",
            &public("model"),
            "--evidence",
            &public("evidence"),
            "--software",
            &public("software"),
            "--stamp",
            &public("stamp"),
        ]);
        for name in ["a", "c", "model", "evidence", "software", "stamp"] {
            center.sign(name);
        }
        center
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn repo(&self) -> String {
        self.path("repo")
    }

    fn sign(&self, name: &str) -> Value {
        let text =
            ok(&["bundle", "sign", "--repo", &self.repo(), "--key", &self.path(&format!("{name}.pem")), "--json"]);
        serde_json::from_str(&text).unwrap()
    }

    fn release(&self, name: &str, version: &str, file: &Path) -> String {
        let text = ok(&[
            "bundle",
            "pack",
            "--repo",
            &self.repo(),
            "--kind",
            "model",
            "--name",
            name,
            "--version",
            version,
            "--json",
            file.to_str().unwrap(),
        ]);
        self.sign("model");
        assert_eq!(self.sign("stamp")["published"], true);
        serde_json::from_str::<Value>(&text).unwrap()["digest"].as_str().unwrap().to_owned()
    }

    fn trusted_by(&self, site: &Site) {
        let root = self.path("repo/metadata/1.root.json");
        let sum = Command::new("sha256sum").arg(&root).output().unwrap();
        let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().unwrap().to_owned();
        let _ = site.json(&["bundle", "trust", &root, "--fingerprint", &sum]);
    }
}

#[test]
fn a_model_is_released_installed_switched_under_load_and_rolled_back() {
    let Some(file) = model() else { return };
    let site = Site::new();
    let hospital = site.hospital(1, 3);
    let _ = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    let center = Center::begin(&site);
    let first = center.release("clinic", "1.0", &file);
    let untrusted = site.run(&["bundle", "verify", &center.repo()]);
    assert!(said(&untrusted).starts_with("HAECHI-0951"), "{}", said(&untrusted));
    center.trusted_by(&site);
    let verified = site.json(&["bundle", "verify", &center.repo()]);
    assert_eq!(verified["bundles"][0]["digest"], first.as_str());
    let _ = site.json(&["bundle", "install", &center.repo(), "clinic", "--stage-only"]);
    let _ = site.json(&["bundle", "apply", &first]);
    let done = site.json(&["bundle", "activate", "clinic"]);
    assert_eq!((done["active"].as_str(), done["watched"].as_bool()), (Some(first.as_str()), Some(false)));
    assert_eq!(done["self_test"]["faults"], serde_json::json!([]));

    // Another version: the same weights with another length, so that it is another file.
    let other = site.beside("other.gguf");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend([0; 32]);
    std::fs::write(&other, bytes).unwrap();
    let second = center.release("clinic", "2.0", &other);
    let _ = site.json(&["bundle", "install", &center.repo(), "clinic"]);
    let _appliance = site.up();
    let patient = site.json(&["patient", "list"])[0]["id"].as_str().unwrap().to_owned();
    let over = AtomicBool::new(false);
    let (answered, refused) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut answered, mut refused) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let output = site.run(&["ask", "--patient", &patient, "최근 기록 요약해 줘"]);
                if output.status.success() {
                    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
                    assert!(!answer["claims"].as_array().unwrap().is_empty());
                    answered += 1;
                } else {
                    assert!(said(&output).starts_with("HAECHI-"), "{}", said(&output));
                    refused += 1;
                }
            }
            (answered, refused)
        });
        let done = site.json(&["bundle", "activate", &second, "--watch", "4"]);
        over.store(true, Ordering::Relaxed);
        assert_eq!((done["active"].as_str(), done["watched"].as_bool()), (Some(second.as_str()), Some(true)));
        asking.join().unwrap()
    });
    assert!(answered > 0, "{answered} answered, {refused} refused by name");
    let answer = site.json(&["ask", "--patient", &patient, "최근 기록 요약해 줘"]);
    let sum = Command::new("sha256sum").arg(&other).output().unwrap();
    let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().unwrap().to_owned();
    assert_eq!(answer["model"]["sha256"], sum.as_str(), "the new model wrote it");
    let back = site.json(&["bundle", "rollback"]);
    assert_eq!(back["active"], first.as_str());
    let lines = site.json(&["bundle", "list"]);
    let used: Vec<&Value> = lines.as_array().unwrap().iter().filter(|line| line["active_since"].is_string()).collect();
    assert_eq!((used.len(), used[0]["digest"].as_str()), (1, Some(first.as_str())));
}

#[test]
fn unsound_and_useless_models_are_refused_though_they_are_signed() {
    let site = Site::new();
    let center = Center::begin(&site);
    center.trusted_by(&site);
    // The center's own tools refuse a bad header; a publisher with other tools would not.
    let bad = site.beside("bad.gguf");
    std::fs::write(&bad, b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f").unwrap();
    let packed = haechi(&[
        "bundle",
        "pack",
        "--repo",
        &center.repo(),
        "--kind",
        "model",
        "--name",
        "bad",
        "--version",
        "1",
        bad.to_str().unwrap(),
    ]);
    assert!(said(&packed).starts_with("HAECHI-0970"), "{}", said(&packed));
    // Noise that has every form of a model: it fails its self-test and nothing is switched.
    let noise = site.beside("noise.gguf");
    ok(&["bench", "make-model", "--shape", "llama-tiny", "--out", noise.to_str().unwrap()]);
    let digest = center.release("noise", "1", &noise);
    let _ = site.json(&["bundle", "install", &center.repo(), &digest]);
    let refused = site.run(&["bundle", "activate", "noise"]);
    assert!(said(&refused).starts_with("HAECHI-0971"), "{}", said(&refused));
    assert!(site.json(&["bundle", "list"])[0]["active_since"].is_null());
    // Cut off on the stick.
    let target = std::fs::read_dir(center.path("repo/targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with("noise.gguf"))
        .unwrap();
    let bytes = std::fs::read(&target).unwrap();
    std::fs::write(&target, &bytes[..bytes.len() / 2]).unwrap();
    let cut = site.run(&["bundle", "verify", &center.repo()]);
    assert!(said(&cut).starts_with("HAECHI-0955") && said(&cut).contains("cut off"), "{}", said(&cut));
}

#[test]
fn python_tuf_reads_ours_and_we_read_theirs() {
    let python = checkout().join("tests/.venv/bin/python");
    let python = std::env::var_os("HAECHI_PYTHON").map_or(python, PathBuf::from);
    let there = Command::new(&python).args(["-c", "import tuf, cryptography"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: python-tuf is not here (tests/run installs it)");
    }
    let peer = |arguments: &[&str]| {
        let script = checkout().join("tests/e2e/peers/tuf_peer.py");
        let output = Command::new(&python).arg(script).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let site = Site::new();
    let center = Center::begin(&site);
    let file = site.beside("guide.md");
    std::fs::write(&file, "# A guide\n").unwrap();
    ok(&[
        "bundle",
        "pack",
        "--repo",
        &center.repo(),
        "--kind",
        "evidence",
        "--name",
        "guide",
        "--version",
        "1",
        file.to_str().unwrap(),
    ]);
    center.sign("evidence");
    center.sign("stamp");
    let scratch = site.beside("scratch");
    let got = peer(&[
        "read",
        &center.repo(),
        &center.path("repo/metadata/1.root.json"),
        "evidence_guide_1_guide.md",
        scratch.to_str().unwrap(),
    ]);
    assert_eq!(got, "23204120677569646 50a".replace(' ', ""));

    let theirs = site.beside("theirs");
    let name = peer(&["make", theirs.to_str().unwrap()]);
    let root = theirs.join("metadata/1.root.json");
    let sum = Command::new("sha256sum").arg(&root).output().unwrap();
    let sum = String::from_utf8_lossy(&sum.stdout).split(' ').next().unwrap().to_owned();
    let _ = site.json(&["bundle", "trust", root.to_str().unwrap(), "--fingerprint", &sum]);
    let verified = site.json(&["bundle", "verify", theirs.to_str().unwrap()]);
    assert_eq!(verified["bundles"][0]["name"], name.as_str());
    let refused = site.run(&["bundle", "install", theirs.to_str().unwrap(), &name]);
    assert!(said(&refused).starts_with("HAECHI-0970"), "its signatures hold, and it is no model: {}", said(&refused));
    assert_eq!(site.json(&["bundle", "list"]).as_array().unwrap().len(), 0);
}
