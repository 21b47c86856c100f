//! Whole connections over streams in memory, a real queue and a real record.

use std::time::{Duration, Instant};

use haechi_record::key::Key;
use haechi_record::queue::{FeedState, Which};
use haechi_record::store::OpenOptions;
use jiff::tz::TimeZone;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

struct Site {
    folder: tempfile::TempDir,
    store: Store,
    queue: Queue,
}

impl Site {
    fn new() -> Self {
        Self::with(&OpenOptions::default())
    }

    fn with(queue: &OpenOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new([5; 32]);
        let store = Store::open(&folder.path().join("record.db"), &key).unwrap();
        let queue = Queue::open_with(&folder.path().join("queue.db"), &key, queue).unwrap();
        Self { folder, store, queue }
    }

    fn start(&self, feeds: Vec<FeedSettings>) -> Arc<Feeds> {
        let clock: Clock = Arc::new(|| Timestamp::from_second(1_700_000_000).unwrap());
        Feeds::start(self.queue.clone(), self.store.clone(), feeds, hl7("utf-8"), clock).unwrap()
    }

    fn feed(&self, name: &str) -> FeedState {
        self.queue.feeds().unwrap().into_iter().find(|feed| feed.name == name).unwrap_or_default()
    }

    fn patient(&self) -> serde_json::Value {
        let id = self.store.patients(None).unwrap().pop().unwrap().id;
        serde_json::from_slice(&self.store.current("Patient", &id).unwrap().unwrap()).unwrap()
    }
}

fn hl7(charset: &str) -> Hl7Settings {
    Hl7Settings {
        charset_override: None,
        assume_charset: charset.to_owned(),
        zone: TimeZone::UTC,
        assigning_authority: "SITE".to_owned(),
    }
}

fn lab() -> FeedSettings {
    FeedSettings {
        name: "lab".to_owned(),
        listener: "mllp:2575".to_owned(),
        from: Vec::new(),
        hl7: hl7("utf-8"),
        accept: Vec::new(),
        acknowledge: Acknowledge::AsAsked,
        longest: 1 << 20,
        idle: Duration::from_secs(60),
        connections: 8,
        silent_after: None,
    }
}

fn connect(feeds: &Arc<Feeds>, feed: &str) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let feed = feeds.settings().iter().find(|one| one.name == feed).unwrap().clone();
    tokio::spawn(feeds.clone().serve(feed, theirs, "192.0.2.1:4000".parse().unwrap()));
    ours
}

/// Sends a frame and reads one acknowledgement: its lines, without frame.
async fn ask(stream: &mut DuplexStream, message: &[u8]) -> Vec<String> {
    stream.write_all(&[b"\x0b", message, b"\x1c\r"].concat()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut DuplexStream) -> Vec<String> {
    let mut said = Vec::new();
    while !said.ends_with(b"\x1c\r") {
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "closed without an answer");
        // One byte too many would be another answer.
    }
    let text = String::from_utf8_lossy(&said);
    text.trim_matches(['\x0b', '\x1c', '\r']).split('\r').map(str::to_owned).collect()
}

fn adt(id: &str, number: &str, name: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|ADT|H|HAECHI|H|20240101120000||ADT^A08^ADT_A01|{id}|P|2.5.1||||||UNICODE UTF-8\r\
         EVN|A08|20240101120000\rPID|1||{number}^^^SITE^MR||{name}||19700101|M"
    )
    .into_bytes()
}

/// Waits until `ready`; a minute at most, for a machine that is busy.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_filed_once_in_its_order() {
    let site = Site::new();
    let feeds = site.start(vec![lab()]);
    let mut stream = connect(&feeds, "lab");
    for at in 0..30 {
        let said = ask(&mut stream, &adt(&format!("c{at}"), "881", &format!("Kim^V{at}"))).await;
        assert_eq!(said[1], format!("MSA|AA|c{at}|"));
    }
    assert_eq!(ask(&mut stream, &adt("c3", "881", "Kim^V3")).await[1], "MSA|AA|c3|", "again: acknowledged again");
    assert_eq!(ask(&mut stream, &adt("c3", "881", "Kim^Last")).await[1], "MSA|AA|c3|", "other bytes: a new message");
    until("all are filed", || site.feed("lab").processed == 31).await;
    let lab = site.feed("lab");
    assert_eq!((lab.received, lab.duplicates, lab.reused_ids, lab.waiting, lab.dead), (31, 1, 1, 0, 0));
    assert_eq!(site.store.counts().unwrap().messages, 31);
    assert_eq!(site.patient()["name"][0]["given"][0], "Last", "the newest message about a patient stands");
    let id = site.store.patients(None).unwrap().pop().unwrap().id;
    assert_eq!(site.store.fed(&[id]).unwrap()[0].feed, "lab");
    assert_eq!(ask(&mut stream, &adt("c5", "881", "Kim^V5")).await[1], "MSA|AA|c5|");
    assert_eq!(site.feed("lab").duplicates, 2, "known after it left the queue, too");
}

#[tokio::test]
async fn a_control_id_is_known_after_a_restart() {
    let site = Site::new();
    let feeds = site.start(vec![lab()]);
    let mut stream = connect(&feeds, "lab");
    assert_eq!(ask(&mut stream, &adt("c1", "881", "Kim^A")).await[1], "MSA|AA|c1|");
    until("it is filed", || site.feed("lab").processed == 1).await;
    drop((stream, feeds));
    let feeds = site.start(vec![lab()]);
    let mut stream = connect(&feeds, "lab");
    assert_eq!(ask(&mut stream, &adt("c1", "881", "Kim^B")).await[1], "MSA|AA|c1|");
    assert_eq!(site.feed("lab").reused_ids, 1, "other bytes under an id of before");
    assert_eq!(ask(&mut stream, &adt("c1", "881", "Kim^A")).await[1], "MSA|AA|c1|");
    assert_eq!((site.feed("lab").duplicates, site.feed("lab").reused_ids), (1, 1), "the same bytes: no reuse");
}

#[tokio::test]
async fn what_is_not_taken_is_refused_with_its_place() {
    let site = Site::new();
    let accept = vec!["ADT".parse().unwrap(), "ORU^R01".parse().unwrap()];
    let feeds = site.start(vec![FeedSettings { accept, longest: 20_000, ..lab() }]);
    let mut stream = connect(&feeds, "lab");
    let header = |kind: &str, id: &str| format!("MSH|^~\\&|A|B|C|D|||{kind}|{id}|P|2.5.1\rPID|1||7");
    let mut long = header("ADT^A01", "9").into_bytes();
    long.resize(30_000, b'x');
    for (message, code, error) in [
        (b"hello".to_vec(), "AR", "|MSH^1|100^"),
        (b"MSH|^~~&|A".to_vec(), "AR", "|MSH^1^2|102^"),
        (header("", "9").into_bytes(), "AR", "|MSH^1^9^1^1|101^"),
        (header("MFN^M01", "9").into_bytes(), "AR", "|MSH^1^9^1^1|200^"),
        (header("MDM^T02", "9").into_bytes(), "AR", "|MSH^1^9^1^1|200^"),
        (header("ORU^R40", "9").into_bytes(), "AR", "|MSH^1^9^1^2|201^"),
        (header("ADT^A24", "9").into_bytes(), "AR", "|MSH^1^9^1^2|201^"),
        (header("ADT^A01", "").into_bytes(), "AE", "|MSH^1^10|101^"),
        (b"MSH|^~\\&|A|B|C|D|||ADT^A01|9|P|2.5\rEVN|A01".to_vec(), "AE", "|PID^1|100^"),
        (b"MSH|^~\\&|A|B|C|D|||ADT^A01|9|P|2.5\rPID|1||^^^SITE||Secret^Name".to_vec(), "AE", "|PID^1^3|101^"),
        (long, "AR", "|MSH^1|104^"),
    ] {
        let said = ask(&mut stream, &message).await;
        assert!(said[1].starts_with(&format!("MSA|{code}|")), "{said:?}");
        assert!(said[2].starts_with(&format!("ERR|{error}")) && !said[2].contains("Secret"), "{said:?}");
    }
    assert_eq!(ask(&mut stream, header("ADT^A01", "10").as_bytes()).await[1], "MSA|AA|10|", "and the next is taken");
    until("it is counted", || site.feed("lab").refused == 11).await;
}

#[tokio::test]
async fn several_messages_in_a_frame_are_answered_each() {
    let site = Site::new();
    let feeds = site.start(vec![lab()]);
    let mut stream = connect(&feeds, "lab");
    let two = [adt("1", "881", "Kim"), adt("2", "882", "Lee")].join(&b'\r');
    stream.write_all(&[b"\x0b", &two[..], b"\x1c"].concat()).await.unwrap();
    let mut said = Vec::new();
    while String::from_utf8_lossy(&said).matches("MSA|AA|").count() < 2 {
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0);
    }
    until("both are filed", || site.feed("lab").processed == 2).await;
    assert_eq!(site.store.counts().unwrap().patients, 2);
}

#[tokio::test]
async fn what_cannot_be_filed_is_kept_and_replayed_after_the_setting_is_right() {
    let site = Site::new();
    // The number is in CP949; the feed is read as UTF-8.
    let (number, _, _) = encoding_rs::EUC_KR.encode("가-881");
    let message =
        [b"MSH|^~\\&|ADT|H|HAECHI|H|||ADT^A01|77|P|2.5||||||UNICODE UTF-8\rPID|1||", &number[..], b"^^^SITE^MR||Kim"]
            .concat();
    let wrong =
        FeedSettings { hl7: Hl7Settings { charset_override: Some("utf-8".to_owned()), ..hl7("utf-8") }, ..lab() };
    {
        let feeds = site.start(vec![wrong]);
        let mut stream = connect(&feeds, "lab");
        assert_eq!(ask(&mut stream, &message).await[1], "MSA|AA|77|", "readable as HL7, and durable");
        until("it is dead", || site.feed("lab").dead == 1).await;
        let letter = site.queue.dead_letters(Which::All, 10).unwrap().pop().unwrap();
        assert_eq!((letter.control_id.as_str(), letter.kind.as_str()), ("77", "ADT^A01"));
        assert_eq!(letter.reasons[0].field.as_deref(), Some("PID-3"));
        assert_eq!(ask(&mut stream, &message).await[1], "MSA|AA|77|", "known: nothing changes");
        assert_eq!(site.feed("lab").dead, 1);
    }
    let right =
        FeedSettings { hl7: Hl7Settings { charset_override: Some("cp949".to_owned()), ..hl7("utf-8") }, ..lab() };
    let feeds = site.start(vec![right]);
    assert_eq!(site.queue.write(|writer| writer.replay(Which::All)).unwrap(), 1);
    feeds.look_again();
    until("it is filed", || site.feed("lab").processed == 1).await;
    assert_eq!(site.patient()["identifier"][0]["value"], "가-881");
    assert_eq!(site.feed("lab").dead, 0);
}

#[tokio::test]
async fn cp949_is_read_right_whatever_msh_18_says() {
    for declared in ["", "UNICODE UTF-8", "8859/1"] {
        let site = Site::new();
        let settings = Hl7Settings { charset_override: Some("cp949".to_owned()), ..hl7("utf-8") };
        let feeds = site.start(vec![FeedSettings { hl7: settings, ..lab() }]);
        let mut stream = connect(&feeds, "lab");
        let text =
            format!("MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5||||||{declared}\rPID|1||881^^^SITE^MR||홍^길동||19700101|M");
        let (bytes, _, _) = encoding_rs::EUC_KR.encode(&text);
        assert_eq!(ask(&mut stream, &bytes).await[1], "MSA|AA|1|");
        until("it is filed", || site.feed("lab").processed == 1).await;
        let patient = site.patient();
        assert_eq!((&patient["name"][0]["family"], &patient["name"][0]["given"][0]), (&"홍".into(), &"길동".into()));
    }
}

#[tokio::test]
async fn a_paused_feed_is_acknowledged_and_waits_also_over_a_restart() {
    let site = Site::new();
    site.queue.write(|writer| writer.pause("lab", true)).unwrap();
    {
        let feeds = site.start(vec![lab()]);
        let mut stream = connect(&feeds, "lab");
        assert_eq!(ask(&mut stream, &adt("1", "881", "Kim")).await[1], "MSA|AA|1|");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((site.feed("lab").waiting, site.store.counts().unwrap().messages), (1, 0));
    assert_eq!(site.queue.pending(&["881".to_owned()]).unwrap().waiting, 1);
    let feeds = site.start(vec![]); // the feed is configured no more: what it brought is filed all the same
    site.queue.write(|writer| writer.pause("lab", false)).unwrap();
    feeds.look_again();
    until("it is filed", || site.feed("lab").processed == 1).await;
    assert_eq!(site.store.counts().unwrap().messages, 1);
}

#[tokio::test]
async fn a_message_that_was_filed_just_before_a_crash_is_not_filed_again() {
    let site = Site::new();
    // As after a crash between the two commits: the record has it, the queue still shows it.
    let message = adt("1", "881", "Kim");
    let file = site.folder.path().join("same.hl7");
    std::fs::write(&file, &message).unwrap();
    let options = crate::import::Options { hl7: hl7("utf-8"), ..Default::default() };
    crate::import::import(&site.store, &[crate::import::Input::path(file)], &options, &crate::import::Silent).unwrap();
    let before = site.store.counts().unwrap();
    use sha2::Digest as _;
    let new = haechi_record::queue::New {
        feed: "lab",
        received: Timestamp::UNIX_EPOCH,
        digest: sha2::Sha256::digest(&message).into(),
        control_id: "1",
        kind: "ADT^A08",
        about: &[],
        raw: &message,
    };
    site.queue.write(|writer| writer.add(&new)).unwrap();
    let _feeds = site.start(vec![lab()]);
    until("the queue lets go of it", || site.feed("lab").processed == 1).await;
    let after = site.store.counts().unwrap();
    assert_eq!((after.messages, after.versions), (before.messages, before.versions));
}

#[tokio::test]
async fn what_others_write_meanwhile_is_not_written_over() {
    let site = Site::new();
    let feeds = site.start(vec![lab()]);
    let mut stream = connect(&feeds, "lab");
    assert_eq!(ask(&mut stream, &adt("first", "881", "Kim^A")).await[1], "MSA|AA|first|");
    until("it is filed", || site.feed("lab").processed == 1).await;
    let id = site.store.patients(None).unwrap().pop().unwrap().id;
    let store = site.store.clone();
    // As the FHIR API does it: read and write under the record's lock. A message says nothing of this element.
    let other = std::thread::spawn(move || {
        for number in 1..=100u32 {
            store
                .write(|writer| {
                    let current = writer.current("Patient", &id)?.unwrap();
                    let mut patient: serde_json::Value = serde_json::from_slice(&current).unwrap();
                    assert!(
                        number == 1 || patient["multipleBirthInteger"] == number - 1,
                        "written over before {number}"
                    );
                    patient["multipleBirthInteger"] = number.into();
                    let source = haechi_record::prepare::Source {
                        file: "api".to_owned(),
                        received: Timestamp::UNIX_EPOCH,
                        origin: None,
                    };
                    let raw = serde_json::to_vec(&patient).unwrap();
                    let ready = haechi_record::prepare::prepare(raw, None, &|_| None, &source).unwrap();
                    writer.replace(&ready).map(drop)
                })
                .unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    for at in 0..200 {
        ask(&mut stream, &adt(&format!("c{at}"), "881", &format!("Kim^V{at}"))).await;
    }
    until("all are filed", || site.feed("lab").processed == 201).await;
    other.join().unwrap();
    assert_eq!(site.patient()["multipleBirthInteger"], 100);
    assert_eq!(site.patient()["name"][0]["given"][0], "V199");
    assert_eq!((site.store.counts().unwrap().messages, site.feed("lab").dead), (201, 0));
}

#[tokio::test]
async fn a_full_disk_is_an_ae_and_nothing_is_acknowledged() {
    let site = Site::with(&OpenOptions { max_pages: Some(24), ..OpenOptions::default() });
    let feeds = site.start(vec![lab()]);
    site.queue.write(|writer| writer.pause("lab", true)).unwrap();
    let mut stream = connect(&feeds, "lab");
    let mut taken = 0;
    let refused = loop {
        let message = adt(&format!("{taken}"), "881", &"Kim".repeat(1000));
        let said = ask(&mut stream, &message).await;
        if !said[1].starts_with("MSA|AA|") {
            break said;
        }
        taken += 1;
        assert!(taken < 100, "the file does not become full");
    };
    assert!(refused[1].starts_with(&format!("MSA|AE|{taken}|")) && refused[2].starts_with("ERR|||207^"), "{refused:?}");
    assert_eq!(site.queue.waiting(0, 1000, usize::MAX).unwrap().len(), 0, "paused");
    assert_eq!(site.feed("lab").waiting, taken, "all that was acknowledged is there");
}

#[tokio::test]
async fn long_messages_pass_and_more_than_fit_wait_for_each_other() {
    let site = Site::new();
    let feeds = site.start(vec![FeedSettings { longest: 16 << 20, ..lab() }]);
    let mut tasks = Vec::new();
    for at in 0..4 {
        let mut stream = connect(&feeds, "lab");
        tasks.push(tokio::spawn(async move {
            let mut message = adt(&format!("{at}"), "881", "Kim");
            message.extend_from_slice(b"\rNTE|1||");
            message.resize(3 << 20, b'x');
            ask(&mut stream, &message).await[1].clone()
        }));
    }
    for (at, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), format!("MSA|AA|{at}|"));
    }
}

#[tokio::test]
async fn the_feed_with_the_smallest_network_takes_a_connection() {
    let site = Site::new();
    let of = |name: &str, listener: &str, from: &[&str]| FeedSettings {
        name: name.to_owned(),
        listener: listener.to_owned(),
        from: from.iter().map(|network| network.parse().unwrap()).collect(),
        ..lab()
    };
    let feeds = site.start(vec![
        of("rest", "mllp:2575", &[]),
        of("net", "mllp:2575", &["10.1.0.0/16"]),
        of("one", "mllp:2575", &["10.1.2.3", "10.9.0.0/24"]),
        of("other", "mllp:2576", &["10.1.2.3"]),
    ]);
    for (listener, peer, expected) in [
        ("mllp:2575", "10.1.2.3", Some("one")),
        ("mllp:2575", "10.1.2.4", Some("net")),
        ("mllp:2575", "192.0.2.1", Some("rest")),
        ("mllp:2576", "10.1.2.3", Some("other")),
        ("mllp:2576", "10.1.2.4", None),
        ("https", "10.1.2.3", None),
    ] {
        let found = feeds.choose(listener, peer.parse().unwrap());
        assert_eq!(found.as_ref().map(|feed| feed.name.as_str()), expected, "{listener} {peer}");
    }
}
