//! A feed's server as a process of its own, and a sender that behaves as interface engines do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{Site, program};

/// The first feed of a site on a free port of this machine: what the core role does with it, without the door.
#[derive(Debug)]
pub struct FeedServer {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
    /// Where it listens.
    pub port: u16,
}

impl FeedServer {
    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(site: &Site) -> Self {
        let mut process = Command::new(program())
            .args(["bench", "mllp-server", "--home"])
            .arg(site.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let port = u16::try_from(said["port"].as_u64().unwrap()).unwrap();
        Self { process, stdin, stdout, port }
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn kill(mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    /// Waits until nothing waits in the queue, and ends it.
    ///
    /// # Panics
    /// If it fails.
    pub fn finish(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "the feed's server failed: {rest}");
    }
}

impl Drop for FeedServer {
    fn drop(&mut self) {
        // Has ended already, in most tests.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection of a sender.
#[derive(Debug)]
pub struct Sender(TcpStream);

impl Sender {
    /// Connects; `None` if nobody listens.
    #[must_use]
    pub fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        Some(Self(stream))
    }

    /// Sends one message and waits for its answer; `None` if the connection breaks before it is whole.
    pub fn send(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.write_all(&[b"\x0b", message, b"\r\x1c\r"].concat()).ok()?;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while !answer.ends_with(b"\x1c\r") {
            match self.0.read(&mut piece) {
                Ok(count) if count > 0 => answer.extend_from_slice(piece.get(..count)?),
                _ => return None,
            }
        }
        Some(answer)
    }
}

/// Whether an answer says `code` in MSA-1.
#[must_use]
pub fn says(answer: &[u8], code: &str) -> bool {
    String::from_utf8_lossy(answer).contains(&format!("\rMSA|{code}|"))
}

/// The messages of a file of the demo hospital, whose line ends are carriage returns.
#[must_use]
pub fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for segment in bytes.split(|byte| *byte == b'\r').filter(|segment| !segment.is_empty()) {
        match all.last_mut() {
            Some(message) if !segment.starts_with(b"MSH|") => {
                message.push(b'\r');
                message.extend_from_slice(segment);
            }
            _ => all.push(segment.to_vec()),
        }
    }
    all
}
