//! What keeps the end-to-end tests short: the built program, a site in a temporary folder, a running appliance.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

pub mod feed;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program under test, built beside this test (`cargo build -p haechi`), or `HAECHI_BIN`.
///
/// # Panics
/// If it is not built.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("HAECHI_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("haechi");
    assert!(
        program.is_file(),
        "{} is not built: run `cargo build -p haechi` first (tests/run does)",
        program.display()
    );
    program
}

/// The root of the checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The third-party data, where it is here; else says that the test is skipped.
#[must_use]
pub fn third_party_data() -> Option<PathBuf> {
    let folder = std::env::var_os("HAECHI_TEST_DATA").map_or_else(|| checkout().join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: the third-party data is not here (HAECHI_TEST_DATA names its folder)");
    None
}

/// The embedded default model, where it was fetched; else says that the test is skipped.
#[must_use]
pub fn model() -> Option<PathBuf> {
    let default = || checkout().join(".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let file = std::env::var_os("HAECHI_MODEL").map_or_else(default, PathBuf::from);
    if file.is_file() {
        return Some(file);
    }
    eprintln!("skipped: the default model is not here (tests/run fetches it; HAECHI_MODEL names it)");
    None
}

/// Runs the program to its end.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn haechi<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    Command::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A site in a folder of its own, removed with it.
#[derive(Debug)]
pub struct Site {
    folder: tempfile::TempDir,
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// An empty one.
    ///
    /// # Panics
    /// If no folder can be made.
    #[must_use]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Its state folder.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A path beside its state folder.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the default model in place, by a link.
    ///
    /// # Panics
    /// If that fails.
    pub fn install_model(&self, file: &Path) {
        let models = self.home().join("models");
        std::fs::create_dir_all(&models).unwrap();
        std::os::unix::fs::symlink(file.canonicalize().unwrap(), models.join(file.file_name().unwrap())).unwrap();
    }

    /// Writes the demo hospital and returns its folder.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn hospital(&self, patients: usize, seed: u64) -> PathBuf {
        let out = self.beside("hospital");
        let done = haechi(&[
            "demo".as_ref(),
            "generate".as_ref(),
            "--patients".as_ref(),
            patients.to_string().as_ref(),
            "--seed".as_ref(),
            seed.to_string().as_ref(),
            "--out".as_ref(),
            out.as_os_str(),
        ]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        out
    }

    /// Runs a command on this site and reads its JSON.
    ///
    /// # Panics
    /// If the command fails or prints something else.
    #[must_use]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} failed: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{arguments:?} printed no JSON ({error}): {}", String::from_utf8_lossy(&output.stdout))
        })
    }

    /// Runs a command on this site, with `--json`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(program())
            .args(arguments)
            .arg("--json")
            .arg("--home")
            .arg(self.home())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Starts the appliance and waits until it answers.
    ///
    /// # Panics
    /// If it does not within 30 s.
    #[must_use]
    pub fn up(&self) -> Appliance {
        let log = std::fs::File::create(self.beside("up.log")).unwrap();
        let process = Command::new(program())
            .arg("up")
            .arg("--home")
            .arg(self.home())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let appliance = Appliance { process };
        self.wait_until_running();
        appliance
    }

    /// Waits until the core answers.
    ///
    /// # Panics
    /// After 30 s.
    pub fn wait_until_running(&self) {
        eventually("the appliance to answer", || {
            let output = self.run(&["status"]);
            output.status.success()
                && serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|status| status["running"] == true)
        });
    }

    /// Process ids of a role of this site.
    ///
    /// # Panics
    /// If the process table cannot be read.
    #[must_use]
    pub fn pids(&self, role: &str) -> Vec<i32> {
        let home = self.home();
        let home = home.to_string_lossy();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
            if words.get(1).is_some_and(|word| word == role) && words.iter().any(|word| word.starts_with(&*home)) {
                found.push(pid);
            }
        }
        found
    }
}

/// A running `haechi up`; killed when dropped.
#[derive(Debug)]
pub struct Appliance {
    process: Child,
}

impl Appliance {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Sends a signal to `up` and waits for its end; how long it took.
    ///
    /// # Panics
    /// If it does not end within 30 s.
    pub fn stop(&mut self, signal: rustix::process::Signal) -> (std::process::ExitStatus, Duration) {
        let started = Instant::now();
        send(self.pid(), signal);
        let mut status = None;
        eventually("the appliance to stop", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), started.elapsed())
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // Already gone, in most tests.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal; a process that has just ended is no fault.
pub fn send(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Waits at most 30 s for `what`.
///
/// # Panics
/// If it does not come.
pub fn eventually(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ready() {
        assert!(Instant::now() < deadline, "waited 30 s in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
