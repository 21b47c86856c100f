//! Set-up of a packaged appliance: the configuration file, the sealed key, the model, the units, and the start.

pub(crate) mod answers;
pub(crate) mod seal;
mod units;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::site::Remote;
use answers::{Accelerator, Answers};

/// The core has this long to answer after its start: it may migrate a large record.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Refuses where there is nothing to set up.
pub(crate) fn check_place() -> Result<(), Failure> {
    let refuse = |why: &str, remedy: &str| {
        Err(Failure::new("HAECHI-0187", format_args!("this machine cannot be set up: {why}"))
            .effect("nothing was changed")
            .remedy(remedy))
    };
    if !rustix::process::geteuid().is_root() {
        return refuse("set-up makes units and seals a key, which is root's to do", "run it as root");
    }
    if !Path::new("/run/systemd/system").exists() {
        return refuse("systemd does not run here", "use `haechi up --home DIR`, which needs no set-up");
    }
    if !Path::new("/usr/lib/systemd/system/haechi.target").exists() {
        return refuse(
            "the package is not installed",
            "install the .deb or .rpm; from a clone use `haechi up --home DIR`",
        );
    }
    Ok(())
}

/// Writes the configuration that was answered; the package's own file is replaced, a site's only with `replace`.
pub(crate) fn configure(answers: &Answers, replace: bool) -> Result<Config, Failure> {
    let home = Home::at(None);
    let file = home.config_file();
    let text = answers.configuration();
    let wrong = |problem: String| {
        Failure::new("HAECHI-0183", format_args!("the answers cannot be used: {problem}"))
            .effect("nothing was changed")
            .remedy("correct the answer that is named")
    };
    let config = Config::parse(&text).map_err(wrong)?;
    check(&config).map_err(wrong)?;
    if let Some(model) = answers.model.as_deref()
        && !model.is_file()
    {
        return Err(wrong(format!("model: {} is no file", model.display())));
    }
    let before = fs::read_to_string(&file).unwrap_or_default();
    if !before.is_empty() && before != Answers::default().configuration() && before != text && !replace {
        return Err(Failure::new("HAECHI-0188", "this machine is set up already")
            .file(&file)
            .effect("nothing was changed")
            .remedy("change the file and run `haechi setup --apply`; or answer anew with --replace (the old file is kept as haechi.toml.old)"));
    }
    let unwritable = |error: std::io::Error| cannot(&file, &error);
    if !before.is_empty() {
        fs::write(file.with_extension("toml.old"), before).map_err(unwritable)?;
    }
    units::put(&file, &text).map_err(unwritable)?;
    if let Some(model) = &answers.model {
        install_model(&home, model)?;
    }
    Ok(config)
}

/// What a packaged appliance wants beyond what the configuration's own check does.
fn check(config: &Config) -> Result<(), String> {
    if !config.listeners().is_empty() && config.door.allow.is_empty() {
        return Err("something listens, and door.allow (networks) names nobody who may reach it".to_owned());
    }
    Ok(())
}

fn cannot(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new("HAECHI-0189", format_args!("a file of the set-up cannot be written: {error}"))
        .file(file)
        .effect("set-up stopped there; it can be run again")
        .remedy("make room, or mount the folder writable")
}

/// Copies a model to where the model role reads it and nobody but root writes it.
fn install_model(home: &Home, from: &Path) -> Result<(), Failure> {
    let Some(name) = from.file_name() else { return Ok(()) };
    let to = home.models_folder().join(name);
    let aside = to.with_extension("new");
    fs::copy(from, &aside)
        .and_then(|_| fs::set_permissions(&aside, fs::Permissions::from_mode(0o644)))
        .and_then(|()| fs::File::open(&aside)?.sync_all())
        .and_then(|()| fs::rename(&aside, &to))
        .map_err(|error| cannot(&to, &error))
}

/// Puts the configuration into force: units, restart; returns when the core answers.
pub(crate) fn apply(accelerator: Option<Accelerator>) -> Result<(), Failure> {
    let home = Home::at(None);
    let config = Config::load(&home)?;
    check(&config).map_err(|problem| {
        Failure::new("HAECHI-0104", problem)
            .file(&home.config_file())
            .effect("nothing was changed")
            .remedy("correct the file, then `haechi setup --apply`")
    })?;
    let root = Path::new(units::SITE_UNITS);
    let mut stop = vec!["stop".to_owned(), "haechi.target".to_owned()];
    stop.extend(["core", "model", "door"].map(|role| format!("haechi-{role}.service")));
    stop.extend(units::sockets(root));
    systemctl(&stop)?;
    units::write(root, &home, &config, accelerator).map_err(|error| cannot(root, &error))?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", "--quiet", "haechi.target"])?;
    systemctl(&["restart", "haechi.target"])?;
    let until = Instant::now() + START_PATIENCE;
    loop {
        match Remote::connect(&home) {
            Ok(Some(_)) => return Ok(()),
            _ if Instant::now() < until && !gave_up() => std::thread::sleep(Duration::from_millis(200)),
            Err(failure) => return Err(failure),
            Ok(None) => break,
        }
    }
    Err(Failure::new("HAECHI-0190", "the core was started and does not answer")
        .effect("everything is in place, but nobody answers")
        .remedy("`journalctl -u haechi-core` says why; then `haechi setup --apply`"))
}

/// True once systemd has given the core up: waiting longer changes nothing.
fn gave_up() -> bool {
    Command::new("systemctl")
        .args(["is-failed", "--quiet", "haechi-core.service"])
        .status()
        .is_ok_and(|status| status.success())
}

/// Makes and seals the key of the record, unless there is one. Returns its recovery key, for the person who sets the machine
/// up: whoever calls this shows it at once, since it is kept nowhere and the steps that follow can fail.
pub(crate) fn make_key() -> Result<Option<Zeroizing<String>>, Failure> {
    let home = Home::at(None);
    if seal::sealed_file().exists() {
        return Ok(None);
    }
    if home.record_file().exists() {
        return Err(Failure::new("HAECHI-0191", "there is a record and no key for it")
            .file(&seal::sealed_file())
            .effect("nothing was changed; a new key would open no old record")
            .remedy("`haechi key recover` seals the key anew from the recovery key that the first set-up printed"));
    }
    let key = seal::new_key()?;
    seal::seal(&key)?;
    Ok(Some(seal::written(&key)))
}

/// Asks systemd.
pub(crate) fn systemctl<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Result<(), Failure> {
    let words = || arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
    let failed = |why: String| {
        Failure::new("HAECHI-0192", format_args!("`systemctl {}` failed: {}", words(), why.trim()))
            .effect("set-up stopped there; it can be run again")
            .remedy("`systemctl status 'haechi*'` and `journalctl -b` say more")
    };
    let output = Command::new("systemctl").args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())) }
}
