//! What does not work, in sentences, each with its remedy. What only the core may look at it says itself ([`core`]); what
//! concerns the machine and the roles' walls is looked at from outside ([`machine`]).

mod machine;
mod record;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::site::{self, Remote};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// Works, and somebody should know.
    Notice,
    /// Does not work.
    Broken,
}

/// One thing looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) item: String,
    pub(crate) level: Level,
    pub(crate) sentence: String,
    pub(crate) remedy: Option<String>,
    /// The items themselves, newest first, without their content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<haechi_record::chart::Rejected>,
}

impl Finding {
    fn good(item: &str, sentence: impl Into<String>) -> Self {
        Self { item: item.to_owned(), level: Level::Good, sentence: sentence.into(), remedy: None, items: Vec::new() }
    }
    fn notice(item: &str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            item: item.to_owned(),
            level: Level::Notice,
            sentence: sentence.into(),
            remedy: Some(remedy.to_owned()),
            items: Vec::new(),
        }
    }
    fn broken(item: &str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            item: item.to_owned(),
            level: Level::Broken,
            sentence: sentence.into(),
            remedy: Some(remedy.to_owned()),
            items: Vec::new(),
        }
    }
}

/// Free space below which a site should act, bytes: a day of a large hospital's feed with its write-ahead log.
const LOW_SPACE_BYTES: u64 = 2 << 30;

/// Days before its end at which a certificate that should have been renewed is a matter for somebody.
const EXPIRES_SOON_DAYS: i64 = 14;

/// Looks at everything. Fails only where there is nothing to look at.
pub(crate) fn examine(home: Option<PathBuf>) -> Result<Vec<Finding>, Failure> {
    let home = Home::at(home).existing()?;
    let mut findings = vec![machine::clock()];
    let stopped =
        if home.is_packaged() { "start it with `systemctl start haechi.target`" } else { "start it with `haechi up`" };
    match Remote::connect(&home) {
        Ok(Some(running)) => {
            findings.extend(running.doctor()?);
            findings.push(Finding::good("roles", "an appliance runs on this home and its core answers"));
        }
        Ok(None) if home.is_packaged() => {
            findings.push(Finding::broken(
                "roles",
                "the appliance does not run; nobody but its core may look at the record",
                stopped,
            ));
        }
        Ok(None) => {
            findings.extend(core(&home)?);
            findings.push(Finding::notice(
                "roles",
                "no appliance runs on this home; commands open it by themselves",
                stopped,
            ));
        }
        Err(failure) => findings.push(Finding::broken(
            "roles",
            failure.to_string(),
            "stop it and start it again; its log says why it does not answer",
        )),
    }
    if home.is_packaged() {
        findings.extend(machine::walls());
    } else if let Ok(config) = Config::load(&home) {
        findings.push(model(&home, &config));
    }
    Ok(findings)
}

/// What the core itself can see. It starts no program and reads no model file.
pub(crate) fn core(home: &Home) -> Result<Vec<Finding>, Failure> {
    let mut findings = vec![folder(home), space(home), key(home)];
    match Config::load(home) {
        Ok(config) => {
            findings.push(Finding::good("settings", format!("read; time zone {}", config.site.time_zone)));
            findings.extend(certificate(home, &config));
        }
        Err(failure) => findings.push(Finding::broken("settings", failure.to_string(), "correct the file")),
    }
    findings.extend(record::record(home));
    findings.extend(machine::own_lock());
    Ok(findings)
}

fn key(home: &Home) -> Finding {
    if home.is_packaged() {
        Finding::good("key", "the key of the record is sealed to this machine and was unsealed for the core alone")
    } else {
        Finding::notice(
            "key",
            "the key lies in a file beside the record: whoever takes the disk can read both",
            "keep a copy of `record/key` apart; a packaged appliance (`haechi setup`) seals it to the machine",
        )
    }
}

/// The certificate that listeners show, where there are listeners.
fn certificate(home: &Home, config: &Config) -> Option<Finding> {
    if config.listeners().is_empty() {
        return None;
    }
    let file = home.certs_folder().join(haechi_certs::identity::SERVER_FILE);
    let facts = haechi_certs::tls::roots_from(&file).map_err(|error| error.to_string()).and_then(|chain| {
        let leaf = chain.first().ok_or("the file holds no certificate")?;
        haechi_certs::Facts::of(leaf)
    });
    Some(match facts {
        Ok(facts) => {
            let days = facts.days_left(jiff::Timestamp::now());
            let words =
                format!("the listeners' certificate is good for {days} more days, for {}", facts.names.join(", "));
            let remedy = "`haechi cert renew`; if its root ends too, give senders the new one (`haechi cert root`)";
            match days {
                ..0 => {
                    Finding::broken("certificate", "the listeners' certificate has expired: senders turn away", remedy)
                }
                0..EXPIRES_SOON_DAYS => Finding::notice("certificate", words, remedy),
                _ => Finding::good("certificate", words),
            }
        }
        Err(why) => Finding::notice(
            "certificate",
            format!("the listeners' certificate cannot be read: {why}"),
            "start the appliance, which makes it, or `haechi cert renew`",
        ),
    })
}

fn folder(home: &Home) -> Finding {
    match home.foreign_access() {
        None => Finding::good("folder", format!("{} belongs to its owner alone", home.path().display())),
        Some(mode) => Finding::broken(
            "folder",
            format!("others may enter the record's folder (mode bits {mode:03o})"),
            "chmod 700 on the `record` folder inside the home",
        ),
    }
}

fn space(home: &Home) -> Finding {
    match rustix::fs::statvfs(home.record_folder()) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let words = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
            if free < LOW_SPACE_BYTES {
                Finding::notice(
                    "disk",
                    words,
                    "make room before the feed stops: below 2 GiB the record may not grow for a day",
                )
            } else {
                Finding::good("disk", words)
            }
        }
        Err(error) => {
            Finding::broken("disk", format!("the disk does not say how full it is: {error}"), "check the mount")
        }
    }
}

fn model(home: &Home, config: &Config) -> Finding {
    match site::model_file(home, config) {
        Ok(Some(file)) => match haechi_drivers::gguf::check_file(&file) {
            Ok(()) => Finding::good("model", format!("{} has a sound header", file.display())),
            Err(error) => Finding::broken(
                "model",
                error.to_string(),
                "fetch the file again, or name another under [model] in haechi.toml",
            ),
        },
        Ok(None) => Finding::notice(
            "model",
            "none installed: answers are assembled from the record as always, note summaries only quote",
            "put a GGUF file into the home's `models` folder",
        ),
        Err(failure) => Finding::broken("model", failure.to_string(), "name the file under [model] in haechi.toml"),
    }
}
