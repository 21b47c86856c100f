//! `haechi bench mllp`: a real server on loopback TCP in a process of its own, senders that each wait for every
//! acknowledgement, and a count of every acknowledged message in the record afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_record::queue::Queue;
use haechi_record::store::Store;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::home::Home;
use crate::site::Site;

/// A sender waits so long for an acknowledgement before the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) connections: usize,
    /// Messages sent; each sender waits for the answer before its next one.
    pub(crate) messages: u64,
    pub(crate) input_bytes: u64,
    /// Answered AA, or CA where the message asks for that (MSH-15).
    pub(crate) acknowledged: u64,
    pub(crate) acknowledged_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Filed in the record, from the first message until none waited.
    pub(crate) processed: u64,
    pub(crate) processed_per_s: f64,
    pub(crate) dead: u64,
    /// Acknowledged, and neither in the record nor with the dead letters.
    pub(crate) lost: u64,
    /// Filed more often than they were acknowledged.
    pub(crate) duplicated: u64,
    /// Of the server.
    pub(crate) peak_rss_bytes: u64,
    /// Of the server when the first tenth of the messages was acknowledged: how flat memory is.
    pub(crate) rss_at_a_tenth_bytes: u64,
    /// A server that only acknowledges, on the same machine in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<Peer>,
}

/// What the peer does with the same messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) acknowledged_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Ours by theirs; ours wait for the disk.
    pub(crate) ratio: f64,
}

/// What the server's process says at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    processed: u64,
    dead: u64,
    peak_rss_bytes: u64,
}

/// What to do.
pub(crate) struct Order<'o> {
    pub(crate) messages: u64,
    pub(crate) connections: usize,
    pub(crate) seed: u64,
    pub(crate) work: &'o Path,
    /// Script of the peer.
    pub(crate) peer: Option<&'o Path>,
}

/// The whole run.
pub(crate) fn run(order: &Order<'_>) -> Result<Figures, Failure> {
    let hospital = order.work.join("hospital");
    let files = messages(&hospital, order)?;
    let home = order.work.join("home");
    let server = Server::start(&home)?;
    let begun = Instant::now();
    let pumped = pump(&files, order, server.address, Some(server.process.id()))?;
    let served = server.end()?;
    let seconds = begun.elapsed().as_secs_f64();
    let (lost, acknowledged) = missing(&home, &pumped.acknowledged)?;
    let rate = pumped.rate();
    let peer = match order.peer {
        Some(script) => peer(script, &files, order, rate)?,
        None => None,
    };
    Ok(Figures {
        connections: order.connections,
        messages: pumped.sent,
        input_bytes: pumped.bytes,
        acknowledged: pumped.acknowledged.len() as u64,
        acknowledged_per_s: rate,
        p50_ms: super::percentile(&pumped.latencies, 0.5),
        p99_ms: super::percentile(&pumped.latencies, 0.99),
        processed: served.processed,
        processed_per_s: served.processed as f64 / seconds,
        dead: served.dead,
        lost,
        duplicated: (served.processed + served.dead).saturating_sub(acknowledged),
        peak_rss_bytes: served.peak_rss_bytes,
        rss_at_a_tenth_bytes: pumped.rss_at_a_tenth,
        peer,
    })
}

/// Writes a hospital with at least so many messages; its files, one patient each.
fn messages(folder: &Path, order: &Order<'_>) -> Result<Vec<PathBuf>, Failure> {
    let options = |patients: usize| haechi_hospital::Options {
        patients,
        seed: order.seed,
        out: folder.to_owned(),
        formats: haechi_hospital::Formats { fhir: false, hl7: true },
        ..haechi_hospital::Options::default()
    };
    let mut patients = 24;
    loop {
        let written = haechi_hospital::generate(&options(patients))?;
        if written.messages as u64 >= order.messages {
            break;
        }
        let each = (written.messages as u64 / patients as u64).max(1);
        patients = usize::try_from(order.messages / each).unwrap_or(usize::MAX).max(patients) * 21 / 20 + 8;
    }
    let mut files: Vec<_> = std::fs::read_dir(folder.join("hl7"))
        .map_err(|error| failed(&error))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    Ok(files)
}

/// What the senders saw.
struct Pumped {
    sent: u64,
    bytes: u64,
    seconds: f64,
    /// Milliseconds, sorted.
    latencies: Vec<f64>,
    acknowledged: Vec<[u8; 32]>,
    rss_at_a_tenth: u64,
}

impl Pumped {
    fn rate(&self) -> f64 {
        self.acknowledged.len() as f64 / self.seconds.max(1e-9)
    }
}

/// Sends the messages over several connections; a patient's over one, in their order.
fn pump(files: &[PathBuf], order: &Order<'_>, address: SocketAddr, server: Option<u32>) -> Result<Pumped, Failure> {
    let share = order.messages.div_ceil(order.connections as u64);
    let tenth = std::sync::atomic::AtomicU64::new(0);
    let begun = Instant::now();
    let parts = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..order.connections)
            .map(|connection| {
                let tenth = &tenth;
                let mine: Vec<&PathBuf> = files.iter().skip(connection).step_by(order.connections).collect();
                scope.spawn(move || {
                    send(&mine, share, address, &mut |sent| {
                        if connection == 0 && sent == share.div_ceil(10) {
                            let rss = server.and_then(rss_of).unwrap_or(0);
                            tenth.store(rss, std::sync::atomic::Ordering::Relaxed);
                        }
                    })
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap_or_else(|_| Err(failed(&"a sender stopped")))).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let parts: Result<Vec<Pumped>, Failure> = parts;
    let mut all = Pumped {
        sent: 0,
        bytes: 0,
        seconds,
        latencies: Vec::new(),
        acknowledged: Vec::new(),
        rss_at_a_tenth: tenth.into_inner(),
    };
    for part in parts? {
        all.sent += part.sent;
        all.bytes += part.bytes;
        all.latencies.extend(part.latencies);
        all.acknowledged.extend(part.acknowledged);
    }
    all.latencies.sort_by(f64::total_cmp);
    Ok(all)
}

/// One sender. A connection that has run out of patients has sent less than its share.
fn send(files: &[&PathBuf], share: u64, address: SocketAddr, on_sent: &mut dyn FnMut(u64)) -> Result<Pumped, Failure> {
    let mut stream = TcpStream::connect(address).map_err(|error| failed(&error))?;
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).map_err(|error| failed(&error))?;
    let mut out =
        Pumped { sent: 0, bytes: 0, seconds: 0.0, latencies: Vec::new(), acknowledged: Vec::new(), rss_at_a_tenth: 0 };
    let mut frame = Vec::new();
    let mut answer = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| failed(&error))?;
        for piece in haechi_intake::hl7::split(&bytes) {
            if out.sent == share {
                return Ok(out);
            }
            frame.clear();
            frame.push(0x0b);
            frame.extend_from_slice(piece.bytes);
            frame.extend_from_slice(b"\r\x1c\r");
            let begun = Instant::now();
            stream.write_all(&frame).map_err(|error| failed(&error))?;
            read_answer(&mut stream, &mut answer)?;
            out.latencies.push(begun.elapsed().as_secs_f64() * 1000.0);
            out.sent += 1;
            out.bytes += frame.len() as u64;
            if answer.windows(8).any(|window| window == b"\rMSA|AA|" || window == b"\rMSA|CA|") {
                out.acknowledged.push(Sha256::digest(piece.bytes).into());
            }
            on_sent(out.sent);
        }
    }
    Ok(out)
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<(), Failure> {
    answer.clear();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"\x1c\r") {
        let count = stream.read(&mut piece).map_err(|error| failed(&error))?;
        if count == 0 {
            return Err(failed(&"the server closed a connection"));
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    Ok(())
}

/// How many acknowledged messages are nowhere, and how many different ones there are.
fn missing(home: &Path, acknowledged: &[[u8; 32]]) -> Result<(u64, u64), Failure> {
    let home = Home::at(Some(home.to_owned()));
    let key = home.key()?;
    let (store, queue) = (Store::open(&home.record_file(), &key)?, Queue::open(&home.queue_file(), &key)?);
    let (mut lost, mut digests) = (0, acknowledged.to_vec());
    digests.sort_unstable();
    digests.dedup();
    for digest in &digests {
        lost += u64::from(!store.has_message(digest)? && !queue.holds(digest)?);
    }
    Ok((lost, digests.len() as u64))
}

/// The server's process.
struct Server {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(home: &Path) -> Result<Self, Failure> {
        let mut command = Command::new("/proc/self/exe");
        command.args(["bench", "mllp-server", "--home"]).arg(home);
        Self::spawn(command)
    }

    /// Starts a program that says `{"port": N}` on its first line and ends with its standard input.
    fn spawn(mut command: Command) -> Result<Self, Failure> {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().ok_or_else(|| failed(&"the server has no output"))?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).map_err(|error| failed(&error))?;
        let said: Listening = serde_json::from_str(&line).map_err(|error| failed(&error))?;
        Ok(Self { process, stdin, stdout, address: SocketAddr::from(([127, 0, 0, 1], said.port)) })
    }

    fn end(mut self) -> Result<Served, Failure> {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).map_err(|error| failed(&error))?;
        self.process.wait().map_err(|error| failed(&error))?;
        serde_json::from_str(&rest).map_err(|error| failed(&error))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Has ended already, unless the run failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Serialize, Deserialize)]
struct Listening {
    port: u16,
}

/// Ours by a plain Node server; `None`, in words, where Node is not installed.
fn peer(script: &Path, files: &[PathBuf], order: &Order<'_>, ours: f64) -> Result<Option<Peer>, Failure> {
    let version = Command::new("node").arg("--version").output();
    let Some(version) = version.ok().filter(|output| output.status.success()) else {
        log::warn!("node is not installed: no peer is measured");
        return Ok(None);
    };
    let mut command = Command::new("node");
    command.arg(script);
    let mut server = Server::spawn(command)?;
    let pumped = pump(files, order, server.address, None)?;
    drop(server.stdin.take());
    let theirs = pumped.rate();
    Ok(Some(Peer {
        name: format!("node {}", String::from_utf8_lossy(&version.stdout).trim()),
        acknowledged_per_s: theirs,
        p50_ms: super::percentile(&pumped.latencies, 0.5),
        p99_ms: super::percentile(&pumped.latencies, 0.99),
        ratio: ours / theirs.max(1e-9),
    }))
}

/// The body of the server's process: a site with one feed, until standard input ends and nothing waits any more.
pub(crate) fn serve(home: PathBuf) -> Result<(), Failure> {
    let home = Home::at(Some(home));
    home.create()?;
    if !home.config_file().exists() {
        // The port is not used: the listener below picks a free one.
        let text = "[[feed]]\nname = \"bench\"\nlisten = \"127.0.0.1:1\"\n";
        std::fs::write(home.config_file(), text).map_err(|error| failed(&error))?;
    }
    let site = Site::open(home, None)?;
    let feeds = site.start_feeds()?.ok_or_else(|| failed(&"no feed is configured"))?;
    let feed = feeds.settings().first().cloned().ok_or_else(|| failed(&"no feed is configured"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).map_err(|error| failed(&error))?;
    let port = listener.local_addr().map_err(|error| failed(&error))?.port();
    say(&Listening { port })?;
    let serving = Arc::clone(&feeds);
    runtime.spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            if stream.set_nodelay(true).is_ok() {
                tokio::spawn(serving.clone().serve(feed.clone(), stream, peer));
            }
        }
    });
    // Ends with its parent, whatever becomes of it.
    std::io::stdin().lock().read_to_end(&mut Vec::new()).map_err(|error| failed(&error))?;
    let state = loop {
        let lines = site.feed_lines(jiff::Timestamp::now())?;
        match lines.into_iter().next() {
            Some(line) if line.state.waiting > 0 => std::thread::sleep(Duration::from_millis(20)),
            Some(line) => break line.state,
            None => return Err(failed(&"the feed is gone")),
        }
    };
    say(&Served { processed: state.processed, dead: state.dead, peak_rss_bytes: super::peak_rss_bytes().unwrap_or(0) })
}

fn say(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| failed(&error))?;
    crate::cli::terminal::line(&text);
    Ok(())
}

/// Resident memory of a process now, bytes.
fn rss_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.trim();
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn failed(what: &dyn std::fmt::Display) -> Failure {
    Failure::new("HAECHI-0130", format_args!("a benchmark run failed: {what}"))
}
