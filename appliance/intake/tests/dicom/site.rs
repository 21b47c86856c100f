//! A site of its own in a folder that goes away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_intake::dicom::{Archive, Caller, Service, ServiceSettings, Settings};
use haechi_intake::import::{Input, Options, Silent, Summary, import};
use haechi_record::key::Key;
use haechi_record::store::Store;
use jiff::Timestamp;

pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) archive: Archive,
}

pub(crate) fn now() -> Timestamp {
    "2026-11-24T09:30:00Z".parse().unwrap()
}

/// Later than everything, so that studies count as settled.
pub(crate) fn late() -> Timestamp {
    "2026-11-24T10:30:00Z".parse().unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        quota_bytes: 256 << 20,
        max_object_bytes: 64 << 20,
        zone: jiff::tz::TimeZone::get("Asia/Seoul").unwrap(),
        assume_charset: "cp949".into(),
        assigning_authority: "SITE".into(),
        ignore_issuer: false,
    }
}

/// The clock of a service: ten seconds pass whenever somebody looks, so that studies settle without waiting.
fn ticking() -> Timestamp {
    static SECONDS: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
    now() + jiff::SignedDuration::from_secs(SECONDS.fetch_add(10, std::sync::atomic::Ordering::Relaxed))
}

impl Site {
    pub(crate) fn new() -> Site {
        Site::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("record.db"), &key()).unwrap();
        let archive = Archive::open(store.clone(), &folder.path().join("files"), &key(), settings).unwrap();
        Site { folder, store, archive }
    }

    pub(crate) fn import(&self, paths: &[&Path]) -> Summary {
        let inputs: Vec<Input> = paths.iter().map(|path| Input::path(path.to_path_buf())).collect();
        let options =
            Options { received: now(), images: Some(std::sync::Arc::new(self.archive.clone())), ..Options::default() };
        import(&self.store, &inputs, &options, &Silent).unwrap()
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The patient whom [`super::made::Object::new`] is about, with this birth date.
    pub(crate) fn patient(&self, birth_date: &str) -> PathBuf {
        let system = "SITE";
        self.file(
            "patient.json",
            format!(
                r#"{{"resourceType":"Patient","id":"p1","birthDate":"{birth_date}","name":[{{"text":"김민수"}}],
                "identifier":[{{"system":"{}","value":"00012345"}}]}}"#,
                system_of(system)
            ),
        )
    }

    pub(crate) fn resource(&self, resource_type: &str, id: &str) -> serde_json::Value {
        serde_json::from_slice(&self.store.current(resource_type, id).unwrap().unwrap()).unwrap()
    }

    pub(crate) fn service(&self, change: impl FnOnce(&mut ServiceSettings)) -> Arc<Service> {
        let mut settings = ServiceSettings {
            callers: vec![Caller { title: "PACS".into(), address: None }],
            ..ServiceSettings::default()
        };
        change(&mut settings);
        Service::new(self.archive.clone(), settings, ticking)
    }
}

pub(crate) fn key() -> Key {
    Key::new([5; 32])
}

/// How HL7 messages' assigning authority becomes an identifier system, as the record shows it.
pub(crate) fn system_of(authority: &str) -> String {
    let message = format!("MSH|^~\\&|A|B|C|D|20250101||ADT^A04|1|P|2.5\rPID|1||1^^^{authority}^MR||X\rPV1|1|O\r");
    let settings = Options::default().hl7;
    let mapped = haechi_intake::hl7::map(message.as_bytes(), &settings, &|_, _| None).unwrap();
    mapped.number.unwrap().0
}

/// A service listening on loopback: its port. Serves until the runtime goes.
pub(crate) async fn listen(service: Arc<Service>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            tokio::spawn(Arc::clone(&service).serve(stream, peer));
        }
    });
    port
}

/// Where the third-party data lies; `None`, said aloud, where it does not.
pub(crate) fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HAECHI_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("skipped: no test data at {} (set HAECHI_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}
