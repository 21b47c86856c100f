//! Third-party senders against the real service: dcmtk, pynetdicom, Orthanc. Each is skipped in words where it is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use haechi_intake::dicom::{Caller, Service, Settings};

use crate::made::Object;
use crate::site::{Site, data, listen, settings};

/// Runs a command while the service works on the runtime's other threads.
async fn run(program: &str, arguments: Vec<String>) -> Output {
    let program = program.to_owned();
    tokio::task::spawn_blocking(move || Command::new(program).args(arguments).output().unwrap()).await.unwrap()
}

fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    if !found {
        eprintln!("skipped: {program} is not installed (Debian: dcmtk, orthanc)");
    }
    found
}

/// The arguments of dcmtk's tools for our service.
fn arguments(port: u16, more: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = ["-aet", "PACS", "-aec", "HAECHI", "-to", "20"].map(str::to_owned).to_vec();
    all.extend(more.iter().map(|&one| one.to_owned()));
    all.splice(6.min(all.len())..6.min(all.len()), ["127.0.0.1".to_owned(), port.to_string()]);
    all
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn own_files(site: &Site, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|at| site.file(&format!("send/{at}.dcm"), Object { pixels: 300 * 300, ..Object::new(at) }.file()))
        .collect()
}

fn paths(files: &[PathBuf]) -> Vec<&str> {
    files.iter().map(|path| path.to_str().unwrap()).collect()
}

async fn settled(service: &Arc<Service>) {
    service.refresh().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dcmtk_echoes_and_stores() {
    if !has("echoscu") || !has("storescu") {
        return;
    }
    let site = Site::new();
    let service = site.service(|_| {});
    let port = listen(Arc::clone(&service)).await;
    let echo = run("echoscu", arguments(port, &[])).await;
    assert!(echo.status.success(), "{}", text(&echo));
    let files = own_files(&site, 12);
    let sent = run("storescu", arguments(port, &paths(&files))).await;
    assert!(sent.status.success(), "{}", text(&sent));
    settled(&service).await;
    let studies = site.archive.studies(false, 10).unwrap();
    assert_eq!((studies.len(), studies[0].instances), (1, 12));
    // The same again changes nothing.
    let room = site.archive.room();
    let again = run("storescu", arguments(port, &paths(&files))).await;
    assert!(again.status.success(), "{}", text(&again));
    settled(&service).await;
    assert_eq!(site.archive.room(), room);
    assert_eq!(site.store.versions("ImagingStudy", &studies[0].id).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dcmtk_sends_the_development_set_in_its_own_transfer_syntaxes() {
    if !has("storescu") {
        return;
    }
    let Some(folder) = data("dicom") else { return };
    let site = Site::new();
    let service = site.service(|settings| settings.max_pdu_bytes = 16 << 10);
    let port = listen(Arc::clone(&service)).await;
    // (what dcmtk is to propose, files that it can send then)
    for (proposal, files) in [
        (
            "-R",
            vec![
                "pydicom/CT_small.dcm",
                "pydicom/MR_small.dcm",
                "pydicom/MR_small_implicit.dcm",
                "pydicom-data/SC_rgb.dcm",
                "charset/chrI2.dcm",
                "pydicom/reportsi.dcm",
                "pydicom/rtplan.dcm",
                "pydicom-data/emri_small.dcm",
            ],
        ),
        ("-xb", vec!["pydicom/MR_small_expb.dcm"]),
        ("-xv", vec!["pydicom-data/693_J2KR.dcm"]),
        ("-xy", vec!["pydicom/examples_ybr_color.dcm"]),
    ] {
        let files: Vec<PathBuf> =
            files.into_iter().map(|file| folder.join(file)).filter(|path| path.exists()).collect();
        let mut more = vec![proposal];
        more.extend(paths(&files));
        if proposal == "-R" {
            more.remove(0);
        }
        let sent = run("storescu", arguments_with(port, proposal, &files)).await;
        assert!(sent.status.success(), "{proposal}: {}", text(&sent));
    }
    settled(&service).await;
    // MR_small comes in three encodings of one instance.
    let instances: u64 = site.archive.studies(false, 100).unwrap().iter().map(|study| study.instances).sum();
    assert_eq!(instances, 9);
}

fn arguments_with(port: u16, proposal: &str, files: &[PathBuf]) -> Vec<String> {
    let mut all = arguments(port, &paths(files));
    all.insert(0, proposal.to_owned());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_too_many_are_turned_away_and_a_full_disk_is_said() {
    if !has("echoscu") || !has("storescu") {
        return;
    }
    let site = Site::with(Settings { quota_bytes: 200_000, ..settings() });
    let elsewhere = Caller { title: "FAR".into(), address: Some("10.9.9.9".parse().unwrap()) };
    let service = site.service(|settings| {
        settings.callers.push(elsewhere);
        settings.max_associations = 1;
    });
    let port = listen(Arc::clone(&service)).await;
    for (calling, called, word) in [
        ("NOBODY", "HAECHI", "Calling AE Title Not Recognized"),
        ("FAR", "HAECHI", "Calling AE Title Not Recognized"),
        ("PACS", "OTHER", "Called AE Title Not Recognized"),
    ] {
        let mut given = arguments(port, &[]);
        given[1] = calling.to_owned();
        given[3] = called.to_owned();
        let refused = run("echoscu", given).await;
        assert!(!refused.status.success() && text(&refused).contains(word), "{}", text(&refused));
    }
    let files = own_files(&site, 4); // 90,000 bytes each, and room for two
    let mut given = arguments(port, &paths(&files));
    given.insert(0, "-v".to_owned());
    given.insert(0, "+IP".to_owned());
    given.remove(0);
    let sent = run("storescu", given).await;
    let said = text(&sent);
    assert!(
        said.contains("OutOfResources")
            || said.contains("Out of Resources")
            || said.contains("a700")
            || said.contains("A700"),
        "{said}"
    );
    settled(&service).await;
    assert_eq!(site.archive.studies(false, 10).unwrap()[0].instances, 2);
    // One association is held open; the next is refused for the moment.
    let held = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let _held = hold(held).await;
    let refused = run("echoscu", arguments(port, &[])).await;
    assert!(!refused.status.success() && text(&refused).contains("Local Limit Exceeded"), "{}", text(&refused));
}

/// Asks for an association and keeps it.
async fn hold(mut stream: tokio::net::TcpStream) -> tokio::net::TcpStream {
    use dicom_ul::pdu::{AssociationRQ, Pdu, PresentationContextProposed, write_pdu};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "PACS".into(),
        called_ae_title: "HAECHI".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![PresentationContextProposed {
            id: 1,
            abstract_syntax: "1.2.840.10008.1.1".into(),
            transfer_syntaxes: vec!["1.2.840.10008.1.2".into()],
        }],
        user_variables: vec![],
    };
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &Pdu::AssociationRQ(request)).unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[0], 2, "accepted");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_breaks_off_or_breaks_the_protocol_leaves_nothing_behind() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let site = Site::new();
    let service = site.service(|settings| {
        settings.request_patience = Duration::from_millis(1500);
        settings.idle_patience = Duration::from_millis(1500);
    });
    let port = listen(Arc::clone(&service)).await;
    let connect = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap() };
    for junk in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x01\0\xff\xff\xff\xff",
        b"\x04\0\0\0\0\x04\0\0\0\0",
        b"\x05\0\0\0\0\x04\0\0\0\0",
        b"\x01\0\0\0\0\x08\0\x01\0\0\0\0\0\0",
    ] {
        let mut stream = connect().await;
        stream.write_all(junk).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer.first(), Some(&7), "an A-ABORT for {junk:?}");
    }
    // Silence, before and after the request, ends too.
    let mut silent = connect().await;
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&7));
    let mut held = hold(connect().await).await;
    // A data set without its command, in a context that was agreed.
    held.write_all(b"\x04\0\0\0\0\x08\0\0\0\x04\x01\0ab").await.unwrap();
    let mut answer = Vec::new();
    held.read_to_end(&mut answer).await.unwrap();
    assert!(answer.windows(2).any(|window| window == b"\x07\0"), "{answer:?}");
    assert!(site.archive.studies(false, 10).unwrap().is_empty());
    assert_eq!(site.archive.room().0, 0);
}

/// The Python of the test tools, if it has pynetdicom.
fn python() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/.venv/bin/python");
    let named = std::env::var_os("HAECHI_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or(tools);
    let there =
        Command::new(&python).args(["-c", "import pynetdicom"]).output().is_ok_and(|done| done.status.success());
    if !there {
        eprintln!("skipped: no pynetdicom (tests/run makes tests/.venv; or set HAECHI_TEST_PYTHON)");
    }
    there.then_some(python)
}

const PACKER: &str = r"
import sys, pydicom
one = pydicom.dcmread(sys.argv[1])
one.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
one.save_as(sys.argv[2])
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pydicom_packs_is_shown_as_what_it_packed() {
    let Some(python) = python() else { return };
    let Some(folder) = data("dicom") else { return };
    for file in ["pydicom/CT_small.dcm", "pydicom-data/emri_small.dcm", "highdicom/dx_image.dcm"] {
        let site = Site::new();
        let plain = folder.join(file);
        let packed = site.folder.path().join("packed.dcm");
        let names = [&plain, &packed].map(|path| path.to_str().unwrap().to_owned());
        let given = [vec!["-c".to_owned(), PACKER.to_owned()], names.to_vec()].concat();
        let done = run(python.to_str().unwrap(), given).await;
        assert!(done.status.success(), "{}", text(&done));
        let (archive, sop) = (site.archive.clone(), crate::files::sop_of(&std::fs::read(&plain).unwrap()));
        let preview = move || archive.preview(&sop).unwrap().unwrap();
        site.import(&[&plain]);
        let before = preview();
        assert!(matches!(before, haechi_intake::dicom::Preview::Png(_)), "{file}: {before:?}");
        site.import(&[&packed]);
        assert!(preview() == before, "{file}");
    }
}

const SENDER: &str = r"
import sys, pydicom
from pynetdicom import AE, build_context
port, files = int(sys.argv[1]), sys.argv[2:]
sets = [pydicom.dcmread(file) for file in files]
ae = AE(ae_title='PACS')
ae.requested_contexts = [build_context('1.2.840.10008.1.1')] + [
    build_context(uid, syntax) for uid, syntax in sorted({(d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in sets})]
association = ae.associate('127.0.0.1', port, ae_title='HAECHI')
assert association.is_established
assert association.send_c_echo().Status == 0
for one in sets:
    print(hex(association.send_c_store(one).Status))
# Not as announced: another study UID missing altogether.
broken = pydicom.dcmread(files[0]); del broken.StudyInstanceUID
status = association.send_c_store(broken)
print(hex(status.Status), status.get('OffendingElement'), status.get('ErrorComment'))
association.release()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pynetdicom_is_answered_object_by_object() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let service = site.service(|_| {});
    let port = listen(Arc::clone(&service)).await;
    let files = own_files(&site, 3);
    let mut given = vec!["-c".to_owned(), SENDER.to_owned(), port.to_string()];
    given.extend(paths(&files).into_iter().map(str::to_owned));
    let done = run(python.to_str().unwrap(), given).await;
    let said = text(&done);
    assert!(done.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("0x")).collect();
    assert_eq!(lines[..3], ["0x0", "0x0", "0x0"], "{said}");
    assert!(lines[3].starts_with("0xc000") && lines[3].contains("no Study Instance UID"), "{said}");
    settled(&service).await;
    assert_eq!(site.archive.studies(false, 10).unwrap()[0].instances, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orthanc_pushes_a_study() {
    // Debian installs it where ordinary users do not look.
    let program = ["/usr/sbin/Orthanc", "/usr/bin/Orthanc"].into_iter().find(|path| Path::new(path).exists());
    let (Some(program), true) = (program, has("curl")) else {
        eprintln!("skipped: Orthanc is not installed (Debian: orthanc)");
        return;
    };
    let site = Site::new();
    let service = site.service(|settings| settings.callers = vec![Caller { title: "ORTHANC".into(), address: None }]);
    let port = listen(Arc::clone(&service)).await;
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (http, dicom) = (free(), free());
    let config = format!(
        r#"{{"Name":"test","StorageDirectory":"{0}/db","IndexDirectory":"{0}/db","HttpPort":{http},"DicomPort":{dicom},
        "DicomAet":"ORTHANC","RemoteAccessAllowed":false,"AuthenticationEnabled":false,"Plugins":[],
        "DicomModalities":{{"haechi":["HAECHI","127.0.0.1",{port}]}}}}"#,
        site.folder.path().display()
    );
    let config = site.file("orthanc.json", config);
    let mut orthanc = Command::new(program)
        .arg(&config)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{http}");
    let curl = |more: &[&str]| run("curl", more.iter().map(|&one| one.to_owned()).collect());
    let mut up = false;
    for _ in 0..120 {
        if curl(&["-sf", &format!("{base}/system")]).await.status.success() {
            up = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(up, "Orthanc did not start");
    for file in own_files(&site, 5) {
        let data = format!("@{}", file.display());
        let taken = curl(&["-sf", "-X", "POST", "--data-binary", &data, &format!("{base}/instances")]).await;
        assert!(taken.status.success(), "{}", text(&taken));
    }
    let echo = curl(&["-sf", "-X", "POST", "-d", "{}", &format!("{base}/modalities/haechi/echo")]).await;
    assert!(echo.status.success(), "{}", text(&echo));
    let studies = curl(&["-sf", &format!("{base}/studies")]).await;
    let studies: Vec<String> = serde_json::from_slice(&studies.stdout).unwrap();
    let pushed = curl(&["-sf", "-X", "POST", "-d", &studies[0], &format!("{base}/modalities/haechi/store")]).await;
    let _ = orthanc.kill();
    let _ = orthanc.wait();
    assert!(pushed.status.success(), "{}", text(&pushed));
    settled(&service).await;
    let studies = site.archive.studies(false, 10).unwrap();
    assert_eq!((studies.len(), studies[0].instances), (1, 5));
}
