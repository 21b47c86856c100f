//! `haechi bench fhir`: a hospital in a record, the API on loopback TCP, and what a patient's page asks of it, one request after
//! another over a connection that is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_record::store::Store;
use haechi_serve::{Api, Settings, escaped};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::home::Home;
use crate::site::{self, Site};

/// Patients that are asked about, evenly taken from all by how much is recorded of them.
const ASKED: usize = 200;
/// Patients in the middle of whom everything is asked.
const MIDDLE: usize = 20;
/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bearer token of the run.
const TOKEN: &str = "bench";

/// What is measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) patients: usize,
    pub(crate) resources: u64,
    pub(crate) store_bytes: u64,
    pub(crate) import_seconds: f64,
    /// Of all queries but `$everything`.
    pub(crate) p95_ms: f64,
    pub(crate) queries: Vec<Query>,
    /// Resources of the patients of whom everything is asked: those in the middle.
    pub(crate) median_patient_resources: u64,
    pub(crate) peak_rss_bytes: u64,
}

/// One query, over many patients.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Query {
    /// The address, with what differs in capitals.
    pub(crate) name: String,
    pub(crate) requests: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) mean_bytes: u64,
    /// Entries of an answer.
    pub(crate) mean_entries: f64,
}

/// What a patient's page asks. ID, TOKEN, LOINC and FAMILY are filled in for each patient.
const QUERIES: [&str; 15] = [
    "Patient/ID",
    "Patient?identifier=TOKEN",
    "Patient?name=FAMILY&birthdate=BORN",
    "Encounter?patient=ID&_sort=-date&_count=20",
    "Condition?patient=ID&clinical-status=active",
    "AllergyIntolerance?patient=ID",
    "MedicationRequest?patient=ID&status=active",
    "Immunization?patient=ID",
    "Procedure?patient=ID&_sort=-date",
    "DiagnosticReport?patient=ID&_sort=-date&_count=20",
    "DocumentReference?patient=ID&_sort=-date&_count=20",
    "Observation?patient=ID&category=laboratory&_sort=-date&_count=50",
    "Observation?patient=ID&category=vital-signs&date=ge2025",
    "Observation?patient=ID&code=LOINC&_sort=-date",
    "Observation?patient.identifier=TOKEN&_summary=count",
];
const EVERYTHING: &str = "Patient/ID/$everything";

/// What stands for the capitals.
struct Patient {
    id: String,
    token: String,
    family: String,
    born: String,
    loinc: String,
}

/// The whole run.
pub(crate) fn run(patients: usize, seed: u64, work: &Path) -> Result<Figures, Failure> {
    let hospital = work.join("hospital");
    let options = haechi_hospital::Options {
        patients,
        seed,
        out: hospital.clone(),
        formats: haechi_hospital::Formats { fhir: true, hl7: false },
        ..haechi_hospital::Options::default()
    };
    haechi_hospital::generate(&options)?;
    let home = work.join("home");
    let imported = site::reach_or_create(Some(home.clone()))?.import(&[hospital.join("fhir")])?;
    // Large, and not needed any more.
    let _ = std::fs::remove_dir_all(&hospital);
    let home = Home::at(Some(home));
    let folder = home.record_folder();
    let site = Site::open(home, None)?;
    let store = site.store().clone();
    let mut rows = store.patients(None).map_err(Failure::from_room)?;
    rows.sort_by_key(|row| row.resources);
    let resources = store.counts().map_err(Failure::from_room)?.resources;
    let step = (rows.len() / ASKED).max(1);
    let asked = rows.iter().step_by(step).take(ASKED).map(|row| row.id.as_str());
    let middle = rows.get((rows.len() / 2).saturating_sub(MIDDLE / 2)..).unwrap_or_default();
    let middle: Vec<_> = middle.iter().take(MIDDLE).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let mut client = Client::open(serve(&runtime, store)?)?;
    let mut known = Vec::new();
    for id in asked {
        known.push(client.patient(id)?);
    }
    let mut queries = Vec::new();
    let mut all = Vec::new();
    for name in QUERIES {
        queries.push(measure(&mut client, name, &known, &mut all)?);
    }
    let mut whole = Vec::new();
    for row in &middle {
        whole.push(client.patient(&row.id)?);
    }
    queries.push(measure(&mut client, EVERYTHING, &whole, &mut Vec::new())?);
    all.sort_by(f64::total_cmp);
    let store_bytes = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(Figures {
        patients,
        resources,
        store_bytes: store_bytes.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum(),
        import_seconds: imported.seconds,
        p95_ms: super::percentile(&all, 0.95),
        queries,
        median_patient_resources: middle.get(middle.len() / 2).map_or(0, |row| row.resources),
        peak_rss_bytes: super::peak_rss_bytes().unwrap_or(0),
    })
}

/// The API on a free port.
fn serve(runtime: &tokio::runtime::Runtime, store: Store) -> Result<SocketAddr, Failure> {
    let settings = Settings { tokens: vec![Sha256::digest(TOKEN.as_bytes()).into()], ..Settings::default() };
    let api = Arc::new(Api::new(store, settings));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    runtime.spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            if stream.set_nodelay(true).is_ok() {
                tokio::spawn(Arc::clone(&api).serve(stream, peer));
            }
        }
    });
    Ok(address)
}

fn measure(client: &mut Client, name: &str, patients: &[Patient], all: &mut Vec<f64>) -> Result<Query, Failure> {
    let (mut times, mut bytes, mut entries) = (Vec::new(), 0u64, 0u64);
    // Once each: the second time a patient's pages lie in memory, and a clinician opens a record for the first time.
    for patient in patients {
        let address = filled(name, patient);
        let started = Instant::now();
        let body = client.get(&address)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        bytes += body.len() as u64;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
        entries += answer["entry"].as_array().map_or(0, Vec::len) as u64;
    }
    all.extend(&times);
    times.sort_by(f64::total_cmp);
    let mean = patients.len().max(1) as u64;
    Ok(Query {
        name: name.to_owned(),
        requests: times.len(),
        p50_ms: super::percentile(&times, 0.5),
        p95_ms: super::percentile(&times, 0.95),
        max_ms: super::percentile(&times, 1.0),
        mean_bytes: bytes / mean,
        mean_entries: entries as f64 / mean as f64,
    })
}

fn filled(name: &str, patient: &Patient) -> String {
    let filled = name.replace("ID", &patient.id).replace("TOKEN", &patient.token).replace("LOINC", &patient.loinc);
    filled.replace("FAMILY", &patient.family).replace("BORN", &patient.born)
}

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| failed(&error))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks `/fhir/ADDRESS`; the body of the answer, which must be a good one.
    fn get(&mut self, address: &str) -> Result<Vec<u8>, Failure> {
        let request =
            format!("GET /fhir/{address} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).map_err(|error| failed(&error))?;
        let (mut good, mut length) = (false, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).map_err(|error| failed(&error))?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            good |= line.starts_with("HTTP/1.1 200");
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|error| failed(&error))?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(|error| failed(&error))?;
        if good {
            Ok(body)
        } else {
            Err(failed(&format_args!("the API refused {}", address.split('?').next().unwrap_or(address))))
        }
    }

    /// What queries about a patient name.
    fn patient(&mut self, id: &str) -> Result<Patient, Failure> {
        let own: Value =
            serde_json::from_slice(&self.get(&format!("Patient/{id}"))?).map_err(|error| failed(&error))?;
        let results = self.get(&format!("Observation?patient={id}&_count=1"))?;
        let results: Value = serde_json::from_slice(&results).map_err(|error| failed(&error))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let token = |value: &Value, code: &str| escaped(&format!("{}|{}", text(&value["system"]), text(&value[code])));
        let name = &own["name"][0];
        Ok(Patient {
            id: id.to_owned(),
            token: token(&own["identifier"][0], "value"),
            family: escaped(name["family"].as_str().or(name["text"].as_str()).unwrap_or("-")),
            born: text(&own["birthDate"]),
            loinc: token(&results["entry"][0]["resource"]["code"]["coding"][0], "code"),
        })
    }
}

fn failed(what: &dyn std::fmt::Display) -> Failure {
    Failure::new("HAECHI-0155", format_args!("the benchmark of the FHIR API failed: {what}"))
}
