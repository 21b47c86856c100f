//! Other people's FHIR clients read, search and write through the appliance's HTTPS listener: door, TLS, API, record.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use haechi_e2e::{Appliance, Site, checkout, eventually, third_party_data};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-the-test";
/// `printf %s a-token-of-the-test | sha256sum`
const DIGEST: &str = "5be83403bcf6a6d14387dbe913dcfe58cd68d448d387441ab001d817cfdece9f";

/// A site with the demo hospital and the API on a free port, running.
struct Served {
    _appliance: Appliance,
    site: Site,
    address: String,
    root: PathBuf,
    patient: String,
}

impl Served {
    fn start() -> Self {
        let site = Site::new();
        let hospital = site.hospital(3, 11);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::create_dir_all(site.home()).unwrap();
        let text = format!("[serve]\nlisten = \"127.0.0.1:{port}\"\ntokens-sha256 = [\"{DIGEST}\"]\n");
        std::fs::write(site.home().join("haechi.toml"), text).unwrap();
        let _ = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
        let appliance = site.up();
        eventually("the listener to open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let rows = site.json(&["patient", "list"]);
        let by_resources = |row: &&Value| row["resources"].as_u64();
        let patient =
            rows.as_array().unwrap().iter().max_by_key(by_resources).unwrap()["id"].as_str().unwrap().to_owned();
        let root = site.home().join("certs/root.crt");
        Self { _appliance: appliance, address: format!("https://localhost:{port}/fhir"), root, patient, site }
    }

    /// How many resources of a type are recorded of the patient, by what was imported.
    fn recorded(&self, kind: &str) -> u64 {
        let folder = self.site.beside("hospital").join("fhir");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let bundle: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
            let of = |entry: &&Value| {
                let resource = &entry["resource"];
                resource["resourceType"] == kind
                    && resource["subject"]["reference"] == format!("Patient/{}", self.patient)
            };
            count += bundle["entry"].as_array().unwrap().iter().filter(of).count() as u64;
        }
        count
    }

    /// Runs a client to its end and reads its JSON.
    fn peer(&self, command: &mut Command) -> Value {
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn fhir_kit_client_is_served_through_tls() {
    let modules = std::env::var_os("HAECHI_NODE_MODULES")
        .map_or_else(|| checkout().join(".cache/npm/node_modules"), PathBuf::from);
    if !modules.join("fhir-kit-client").is_dir() {
        return eprintln!("skipped: the npm clients are not here (tests/run installs them where node is)");
    }
    let served = Served::start();
    let said = served.peer(
        Command::new("node")
            .arg(checkout().join("tests/e2e/peers/fhir_kit.mjs"))
            .args([&served.address, TOKEN, &served.patient])
            .env("NODE_PATH", modules)
            .env("NODE_EXTRA_CA_CERTS", &served.root),
    );
    let results = served.recorded("Observation");
    assert!(results > 20);
    let everything = said["everything"].as_u64().unwrap();
    assert!(everything > results, "{said}");
    let refused = |status: u16| json!({"status": status, "kind": "OperationOutcome"});
    let expected = json!({
        "capability": "4.0.1",
        "patient": served.patient,
        "total": results,
        "seen": results,
        "compartment": served.recorded("Condition"),
        "posted": 1,
        "everything": everything,
        "made": "string",
        "changed": "1971-02-03",
        "patched": "1972-03-04",
        "history": 3,
        "first": "1970-01-01",
        "transaction": ["201", "200"],
        "deleted": refused(410),
        "unknown": refused(404),
        "stranger": refused(401),
    });
    assert_eq!(said, expected);
}

#[test]
fn fhirpy_is_served_through_tls() {
    let python =
        std::env::var_os("HAECHI_TEST_PYTHON").map_or_else(|| checkout().join("tests/.venv/bin/python"), PathBuf::from);
    let has = Command::new(&python).args(["-c", "import fhirpy"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: fhirpy is not in tests/.venv (tests/run makes it)");
    }
    let served = Served::start();
    let said = served.peer(
        Command::new(python)
            .arg(checkout().join("tests/e2e/peers/fhir_py.py"))
            .args([&served.address, TOKEN, &served.patient])
            .arg(&served.root),
    );
    let results = served.recorded("Observation");
    let expected = json!({
        "patient": served.patient,
        "count": results,
        "seen": results,
        "since": results,
        "chained": results,
        "first": "Encounter",
        "made": true,
        "changed": "1970-01-01",
        "found": true,
        "conditional": true,
        "conditional_again": false,
        "gone": true,
        "invalid": true,
        "stranger": true,
    });
    assert_eq!(said, expected);
}

#[test]
fn images_are_stored_by_stow_beside_the_api() {
    let Some(data) = third_party_data() else { return };
    let served = Served::start();
    let stow = |token: &str, files: &[PathBuf]| {
        served.peer(
            Command::new("python3")
                .arg(checkout().join("tests/e2e/peers/stow.py"))
                .args([&served.address.replace("/fhir", "/dicom-web/studies"), token])
                .arg(&served.root)
                .args(files),
        )
    };
    let image = data.join("dicom/pydicom/CT_small.dcm");
    let (media, refused) = ("application/dicom+json", "application/fhir+json; charset=utf-8");
    let both = [image.clone(), checkout().join("LICENSE")];
    let answer = |status: u16, media: &str, stored: u64, refused: u64| json!({"status": status, "media": media, "stored": stored, "refused": refused});
    assert_eq!(stow("wrong", &both), answer(401, refused, 0, 0));
    assert_eq!(stow(TOKEN, &both), answer(202, media, 1, 1));
    assert_eq!(stow(TOKEN, &[image]), answer(200, media, 1, 0));
    assert_eq!(stow(TOKEN, &[]), answer(400, refused, 0, 0));
    let studies = served.site.json(&["imaging", "list", "--unmatched"]);
    assert_eq!(studies.as_array().map(Vec::len), Some(1), "{studies}");
}
