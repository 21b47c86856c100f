//! Two ends over a real socket: what the link promises, by promise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haechi_link::client::ClientSettings;
use haechi_link::core::{Core, CoreReply, CoreRequest};
use haechi_link::model::{Generate, Model, ModelReply, ModelRequest};
use haechi_link::peer::Allowed;
use haechi_link::server::ServerSettings;
use haechi_link::{Call, Client, Input, LinkError, Server, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// A core that counts bytes, talks without end, or breaks, as it is asked.
#[derive(Default)]
struct TestCore {
    /// Exchanges that run.
    running: AtomicUsize,
    /// Replies accepted by the link.
    sent: AtomicUsize,
}

impl Service for TestCore {
    type Protocol = Core;

    async fn call(self: Arc<Self>, mut call: Call<Core>) {
        self.running.fetch_add(1, Ordering::SeqCst);
        match call.request {
            CoreRequest::Status => {
                let _ = call.replies.send(&CoreReply::Json(serde_json::json!({"ok": true}))).await;
            }
            CoreRequest::Doctor => panic!("as asked"),
            CoreRequest::PatientList { .. } => {
                let text = "가".repeat(1 << 20); // 3 MiB
                let _ = call.replies.send(&CoreReply::Json(text.into())).await;
            }
            CoreRequest::Ask { .. } => {
                let text = "x".repeat(10_000);
                while !call.replies.is_cancelled()
                    && call.replies.send(&CoreReply::Token { text: text.clone() }).await.is_ok()
                {
                    self.sent.fetch_add(1, Ordering::SeqCst);
                }
                let _ = call
                    .replies
                    .send(&CoreReply::Failed { code: "cancelled".to_owned(), message: String::new() })
                    .await;
            }
            CoreRequest::Stop => call.replies.cancelled().await,
            CoreRequest::ImportBegin { .. } => {
                let (mut files, mut bytes) = (0_u64, 0_usize);
                while let Some(input) = call.input.next().await {
                    match input {
                        Input::Bytes(piece) => bytes += piece.len(),
                        Input::Message(CoreRequest::ImportFile { .. }) => files += 1,
                        Input::Message(_) => {}
                    }
                }
                let _ = call.replies.send(&CoreReply::Json(serde_json::json!([files, bytes]))).await;
            }
            other => panic!("{other:?} is not tested"),
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Site {
    core: Arc<TestCore>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn site(settings: ServerSettings) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run").join("core.sock");
    let server = Server::bind::<Core>(&socket, settings).unwrap();
    let core = Arc::new(TestCore::default());
    let (stop, stopped) = oneshot::channel();
    let service = Arc::clone(&core);
    let server = tokio::spawn(server.serve(service, async move {
        let _ = stopped.await;
    }));
    Site { core, socket, stop: Some(stop), server, _folder: folder }
}

impl Site {
    async fn client(&self) -> Client<Core> {
        Client::connect(&self.socket, ClientSettings::default()).await.unwrap()
    }

    async fn until_idle(&self) {
        for _ in 0..500 {
            if self.core.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("exchanges still run");
    }
}

fn endless() -> CoreRequest {
    CoreRequest::Ask { question: "?".to_owned(), patient: None, lang: "ko".to_owned(), now: None }
}

fn ok() -> CoreReply {
    CoreReply::Json(serde_json::json!({"ok": true}))
}

#[tokio::test]
async fn a_question_is_answered() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    assert_eq!(client.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok());
    assert_eq!(client.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok());
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone() {
    let site = site(ServerSettings::default());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&site.socket), 0o600);
    assert_eq!(mode(site.socket.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn a_reply_may_be_as_large_as_agreed_and_no_larger() {
    let list = CoreRequest::PatientList { find: None };
    let wide = ServerSettings::default();
    let narrow =
        ServerSettings { send: haechi_link::frame::Limits { json_bytes: 1000, raw_bytes: 1000 }, ..wide.clone() };
    for (settings, fits) in [(wide, true), (narrow, false)] {
        let site = site(settings);
        let client = site.client().await;
        match client.ask(&list, |_| ()).await.unwrap() {
            CoreReply::Json(serde_json::Value::String(text)) => assert!(fits && text.len() == 3 << 20),
            CoreReply::Failed { code, .. } => assert!(!fits && code == "HAECHI-0408", "{code}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok(), "the connection lives");
    }
}

#[tokio::test]
async fn files_travel_in_pieces() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    let begin = CoreRequest::ImportBegin { files: 2, bytes: 0, charset: None };
    let mut exchange = client.open(&begin).await.unwrap();
    for size in [3_000_000, 5] {
        exchange.send(&CoreRequest::ImportFile { name: "f".to_owned(), size: size as u64 }).await.unwrap();
        exchange.send_bytes(&vec![7; size]).await.unwrap();
        exchange.send(&CoreRequest::ImportFileEnd).await.unwrap();
    }
    exchange.said().await.unwrap();
    assert_eq!(exchange.next().await.unwrap(), Some(CoreReply::Json(serde_json::json!([2, 3_000_005]))));
    assert_eq!(exchange.next().await.unwrap(), None);
}

#[tokio::test]
async fn cancelling_stops_the_work_and_the_last_word_still_comes() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    let mut exchange = client.open(&endless()).await.unwrap();
    assert!(matches!(exchange.next().await.unwrap(), Some(CoreReply::Token { .. })));
    exchange.cancel();
    let mut last = None;
    while let Some(reply) = exchange.next().await.unwrap() {
        last = Some(reply);
    }
    assert!(matches!(last, Some(CoreReply::Failed { .. })), "{last:?}");
    site.until_idle().await;
}

#[tokio::test]
async fn dropping_the_exchange_stops_the_work_and_others_go_on() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    let mut exchange = client.open(&endless()).await.unwrap();
    exchange.next().await.unwrap();
    drop(exchange);
    site.until_idle().await;
    assert_eq!(client.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok());
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_the_work() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    let mut exchange = client.open(&endless()).await.unwrap();
    exchange.next().await.unwrap();
    drop((exchange, client));
    site.until_idle().await;
    // Also one that dies without a word, in the middle of a silent exchange.
    let mut raw = greeted(&site.socket).await;
    raw.write_all(&json(r#"{"request":{"id":1,"body":"stop"}}"#)).await.unwrap();
    while site.core.running.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    drop(raw);
    site.until_idle().await;
}

#[tokio::test]
async fn a_slow_reader_holds_a_bounded_amount_and_is_let_go() {
    let site = site(ServerSettings { write_timeout: Duration::from_millis(300), ..ServerSettings::default() });
    let mut raw = greeted(&site.socket).await;
    raw.write_all(&json(r#"{"request":{"id":1,"body":{"ask":{"question":"?"}}}}"#)).await.unwrap();
    sleep(Duration::from_millis(150)).await;
    let sent = site.core.sent.load(Ordering::SeqCst);
    assert!(sent > 0, "it did start");
    site.until_idle().await; // let go after the write timeout
    let sent = site.core.sent.load(Ordering::SeqCst);
    assert!(sent < 100, "{sent} replies of 10 kB were taken for a caller that reads none"); // 16 queued, the rest in the kernel's buffer
}

#[tokio::test]
async fn more_than_the_limit_is_answered_overloaded() {
    let site = site(ServerSettings { exchanges_per_connection: 2, exchanges: 3, ..ServerSettings::default() });
    let (one, two) = (site.client().await, site.client().await);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(one.open(&CoreRequest::Stop).await.unwrap());
    }
    assert_eq!(one.ask(&CoreRequest::Status, |_| ()).await.unwrap(), CoreReply::Overloaded, "this connection's share");
    held.push(two.open(&CoreRequest::Stop).await.unwrap());
    assert_eq!(two.ask(&CoreRequest::Status, |_| ()).await.unwrap(), CoreReply::Overloaded, "all together");
    drop(held);
    site.until_idle().await;
    assert_eq!(two.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok(), "places come back");
}

#[tokio::test]
async fn one_connection_too_many_gets_a_sentence() {
    let site = site(ServerSettings { connections: 1, ..ServerSettings::default() });
    let first = site.client().await;
    let error = Client::<Core>::connect(&site.socket, ClientSettings::default()).await.unwrap_err();
    assert!(matches!(&error, LinkError::Refused(why) if why.contains("1 connections")), "{error}");
    drop(first);
    for _ in 0..100 {
        if Client::<Core>::connect(&site.socket, ClientSettings::default()).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the place did not come back");
}

#[tokio::test]
async fn an_unknown_user_is_refused_on_both_sides() {
    let site = site(ServerSettings { allowed: Allowed::Users(vec![4_000_000_000]), ..ServerSettings::default() });
    let error = Client::<Core>::connect(&site.socket, ClientSettings::default()).await.unwrap_err();
    assert!(matches!(&error, LinkError::Refused(why) if why.contains("may not speak")), "{error}");
    let settings = ClientSettings { role_runs_as: Allowed::Users(vec![4_000_000_000]), ..ClientSettings::default() };
    let error = Client::<Core>::connect(&site.socket, settings).await.unwrap_err();
    assert!(matches!(&error, LinkError::Refused(why) if why.contains("none that may be `core`")), "{error}");
}

#[tokio::test]
async fn another_version_and_another_role_get_a_sentence() {
    let site = site(ServerSettings::default());
    let error = Client::<Model>::connect(&site.socket, ClientSettings::default()).await.unwrap_err();
    assert!(matches!(&error, LinkError::Refused(why) if why.contains("socket of `core`")), "{error}");
    let mut raw = UnixStream::connect(&site.socket).await.unwrap();
    raw.write_all(&json(r#"{"haechi_link":999,"to":"core","release":"9.9"}"#)).await.unwrap();
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("version 999") && answer.contains("restart"), "{answer}");
}

#[tokio::test]
async fn a_broken_message_ends_its_connection_and_no_other() {
    let site = site(ServerSettings::default());
    let good = site.client().await;
    for bad in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\xff\xff\xff\xff\0".to_vec(),
        json("{\"request\":{\"id\":1}}"),
        json("null"),
        [json(r#"{"request":{"id":1,"body":"stop"}}"#), json(r#"{"request":{"id":1,"body":"stop"}}"#)].concat(),
    ] {
        let mut raw = greeted(&site.socket).await;
        raw.write_all(&bad).await.unwrap();
        let mut rest = Vec::new();
        let read = timeout(Duration::from_secs(5), raw.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection was kept after {:?}", String::from_utf8_lossy(&bad));
    }
    assert_eq!(good.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok());
    site.until_idle().await;
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_answered() {
    let site = site(ServerSettings::default());
    let mut raw = greeted(&site.socket).await;
    raw.write_all(&json(r#"{"request":{"id":5,"body":{"dance":"Kim Minsu"}}}"#)).await.unwrap();
    let mut buffer = vec![0; 1000];
    let count = raw.read(&mut buffer).await.unwrap();
    let answer = String::from_utf8_lossy(&buffer[..count]).into_owned();
    assert!(answer.contains("HAECHI-0405") && !answer.contains("Kim"), "{answer}");
}

#[tokio::test]
async fn a_panic_is_one_exchanges_misfortune() {
    let site = site(ServerSettings::default());
    let client = site.client().await;
    let reply = client.ask(&CoreRequest::Doctor, |_| ()).await.unwrap();
    assert!(matches!(&reply, CoreReply::Failed { code, .. } if code == "HAECHI-0409"), "{reply:?}");
    assert_eq!(client.ask(&CoreRequest::Status, |_| ()).await.unwrap(), ok());
}

#[tokio::test]
async fn stopping_ends_exchanges_and_removes_the_socket() {
    let mut site = site(ServerSettings::default());
    let client = site.client().await;
    let mut exchange = client.open(&CoreRequest::Stop).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    site.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(2), &mut site.server).await.unwrap().unwrap();
    assert!(matches!(exchange.next().await, Ok(None) | Err(LinkError::Gone { .. })));
    assert!(!site.socket.exists());
    assert!(!client.is_open() || client.ask(&CoreRequest::Status, |_| ()).await.is_err());
    let error = Client::<Core>::connect(&site.socket, ClientSettings::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("HAECHI-0401") && error.to_string().contains("haechi up"), "{error}");
}

#[tokio::test]
async fn only_a_dead_socket_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("core.sock");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let bind = || Server::bind::<Core>(&path, ServerSettings::default());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // as after kill -9
    let first = bind().unwrap();
    assert!(matches!(bind(), Err(LinkError::AlreadyRunning { .. })));
    drop(first);
    let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap(); // answers, but holds no lock
    assert!(matches!(bind(), Err(LinkError::AlreadyRunning { .. })));
    drop(foreign);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "a file").unwrap();
    assert!(bind().unwrap_err().to_string().contains("no socket"));
    std::fs::remove_file(&path).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(bind().unwrap_err().to_string().contains("others may write"));
    let long = folder.path().join("x".repeat(120));
    assert!(Server::bind::<Core>(&long, ServerSettings::default()).unwrap_err().to_string().contains("shorter"));
}

#[tokio::test]
async fn a_role_that_starts_late_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run").join("core.sock");
    let path = socket.clone();
    let waiting = tokio::spawn(async move {
        Client::<Core>::connect_when_ready(&path, ClientSettings::default(), Duration::from_secs(5)).await.map(|_| ())
    });
    sleep(Duration::from_millis(100)).await;
    let server = Server::bind::<Core>(&socket, ServerSettings::default()).unwrap();
    let serving = tokio::spawn(server.serve(Arc::new(TestCore::default()), std::future::pending()));
    waiting.await.unwrap().unwrap();
    serving.abort();
}

#[tokio::test]
async fn a_silent_role_is_named_after_the_timeout() {
    let site = site(ServerSettings::default());
    let settings = ClientSettings { reply_timeout: Duration::from_millis(50), ..ClientSettings::default() };
    let client = Client::<Core>::connect(&site.socket, settings).await.unwrap();
    let error = client.ask(&CoreRequest::Stop, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("`core` did not answer within 50ms"), "{error}");
    site.until_idle().await;
}

/// The model's messages over the same plumbing, from a thread outside the runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_stream_from_a_thread() {
    struct Speaker;
    impl Service for Speaker {
        type Protocol = Model;
        async fn call(self: Arc<Self>, call: Call<Model>) {
            let work = tokio::task::spawn_blocking(move || {
                for text in ["안", "녕"] {
                    if call.replies.blocking_send(&ModelReply::Token { text: text.to_owned() }).is_err() {
                        return;
                    }
                }
                let _ = call.replies.blocking_send(&ModelReply::Healthy);
            });
            work.await.unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run").join("model.sock");
    let server = Server::bind::<Model>(&socket, ServerSettings::default()).unwrap();
    let serving = tokio::spawn(server.serve(Arc::new(Speaker), std::future::pending()));
    let client = Client::<Model>::connect(&socket, ClientSettings::default()).await.unwrap();
    let generate = Generate { messages: vec![], max_tokens: 2, temperature: 0.0, seed: 0, stop: vec![] };
    let mut text = String::new();
    let request = ModelRequest::Generate(generate);
    let last = client.ask(&request, |reply| {
        if let ModelReply::Token { text: piece } = reply {
            text.push_str(&piece);
        }
    });
    assert_eq!(last.await.unwrap(), ModelReply::Healthy);
    assert_eq!(text, "안녕");
    serving.abort();
}

async fn greeted(socket: &std::path::Path) -> UnixStream {
    let mut raw = UnixStream::connect(socket).await.unwrap();
    raw.write_all(&json(r#"{"haechi_link":1,"to":"core","release":"0"}"#)).await.unwrap();
    let mut header = [0; 5];
    raw.read_exact(&mut header).await.unwrap();
    let mut welcome = vec![0; u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize];
    raw.read_exact(&mut welcome).await.unwrap();
    assert!(!String::from_utf8_lossy(&welcome).contains("refused"));
    raw
}

fn json(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], &[0], text.as_bytes()].concat()
}
