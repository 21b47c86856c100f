//! What does not work, in sentences, each with its remedy.

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::site::{self, Site};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) item: &'static str,
    pub(crate) level: Level,
    pub(crate) sentence: String,
    pub(crate) remedy: Option<String>,
    /// The items themselves, newest first, without their content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<haechi_record::chart::Rejected>,
}

/// Items put aside that are listed; the record keeps all of them.
const LISTED: usize = 1_000;

impl Finding {
    fn good(item: &'static str, sentence: impl Into<String>) -> Self {
        Self { item, level: Level::Good, sentence: sentence.into(), remedy: None, items: Vec::new() }
    }
    fn notice(item: &'static str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            item,
            level: Level::Notice,
            sentence: sentence.into(),
            remedy: Some(remedy.to_owned()),
            items: Vec::new(),
        }
    }
    fn broken(item: &'static str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self {
            item,
            level: Level::Broken,
            sentence: sentence.into(),
            remedy: Some(remedy.to_owned()),
            items: Vec::new(),
        }
    }
}

/// Free space below which a site should act, bytes: a day of a large hospital's feed with its write-ahead log.
const LOW_SPACE_BYTES: u64 = 2 << 30;

/// Looks at everything. Fails only where there is nothing to look at.
pub(crate) fn examine(home: Option<PathBuf>) -> Result<Vec<Finding>, Failure> {
    let home = Home::at(home).existing()?;
    let mut findings = vec![folder(&home), space(&home)];
    match Config::load(&home) {
        Ok(config) => {
            findings.push(Finding::good("settings", format!("read; time zone {}", config.site.time_zone)));
            findings.push(model(&home, &config));
        }
        Err(failure) => findings.push(Finding::broken("settings", failure.to_string(), "correct the file")),
    }
    findings.extend(record(&home));
    findings.push(match site::running(&home) {
        Ok(true) => Finding::good("roles", "an appliance runs on this home and its core answers"),
        Ok(false) => Finding::notice(
            "roles",
            "no appliance runs on this home; commands open it by themselves",
            "start it with `haechi up`",
        ),
        Err(failure) => Finding::broken(
            "roles",
            failure.to_string(),
            "stop it and start it again; its log says why it does not answer",
        ),
    });
    Ok(findings)
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
    match rustix::fs::statvfs(home.path()) {
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

fn record(home: &Home) -> Vec<Finding> {
    let site = match Site::open(home.clone(), None) {
        Ok(site) => site,
        Err(failure) => {
            return vec![Finding::broken("record", failure.to_string(), "do as the message says; nothing was changed")];
        }
    };
    let mut findings = Vec::new();
    match site.store().check() {
        Ok(health) if health.problems.is_empty() => {
            findings.push(Finding::good("record", "the file is whole and its seals are right"));
        }
        Ok(health) => findings.push(Finding::broken(
            "record",
            format!("the record's file is damaged: {}", health.problems.join("; ")),
            "stop the appliance, keep the file, and restore the newest backup",
        )),
        Err(error) => findings.push(Finding::broken("record", error.to_string(), "do as the message says")),
    }
    match site.store().counts() {
        Ok(counts) if counts.rejected == 0 => {
            findings.push(Finding::good("put aside", "nothing was put aside at import"))
        }
        Ok(counts) => {
            let sentence = format!("{} messages or resources were put aside at import", counts.rejected);
            let remedy = "`haechi doctor --json` lists each with its place and reason; correct them at their source and import again";
            let items = site.store().rejects(LISTED).unwrap_or_default();
            findings.push(Finding { items, ..Finding::notice("put aside", sentence, remedy) });
        }
        Err(error) => findings.push(Finding::broken("put aside", error.to_string(), "do as the message says")),
    }
    findings.extend(feeds(&site));
    findings.extend(watched(&site));
    findings
}

/// How the watched folder stands.
fn watched(site: &Site) -> Option<Finding> {
    let folder = site.watched()?;
    let words = folder.in_words();
    Some(if let Some(problem) = folder.problem {
        Finding::broken("watched folder", problem, "do as the message says")
    } else if folder.standing.failed > 0 {
        let remedy = "read report.json of each parcel in `failed`; correct it at its source, put it into the folder again, and remove it from `failed`";
        Finding::notice("watched folder", words, remedy)
    } else if folder.standing.missing > 0 {
        Finding::notice("watched folder", words, "put the files there that the manifest names, or remove the manifest")
    } else {
        Finding::good("watched folder", words)
    })
}

/// One finding a feed, and one about the queue's file.
fn feeds(site: &Site) -> Vec<Finding> {
    let Some(queue) = site.feed_queue() else { return Vec::new() };
    let mut findings = Vec::new();
    match queue.check() {
        Ok(health) if health.problems.is_empty() => {
            findings.push(Finding::good("queue", "the file of the feeds is whole"))
        }
        Ok(health) => findings.push(Finding::broken(
            "queue",
            format!("the file of the feeds is damaged: {}", health.problems.join("; ")),
            "stop the appliance and keep the file; ask the senders to send again what came since the last good backup",
        )),
        Err(error) => findings.push(Finding::broken("queue", error.to_string(), "do as the message says")),
    }
    let lines = match site.feed_lines(jiff::Timestamp::now()) {
        Ok(lines) => lines,
        Err(failure) => return vec![Finding::broken("feed", failure.to_string(), "do as the message says")],
    };
    for line in lines {
        let (name, state) = (&line.state.name, &line.state);
        let mut said = false;
        let mut notice = |sentence: String, remedy: &str| {
            said = true;
            findings.push(Finding::notice("feed", sentence, remedy));
        };
        if line.silent {
            let last = line.last.as_ref().map_or("ever".to_owned(), |at| format!("since {at}"));
            notice(
                format!(
                    "nothing came from {name} {last}; at most {} minutes are usual",
                    line.silent_after_minutes.unwrap_or(0)
                ),
                "look at the channel of the interface engine; after the gap, import what was missed (docs, \"Feeds\")",
            );
        }
        if state.dead > 0 {
            notice(
                format!("{} messages from {name} could not be filed", state.dead),
                "`haechi feed dead-letters` says why; correct it, then `haechi feed replay`",
            );
        }
        if state.paused {
            notice(
                format!("{name} is paused; {} messages wait", state.waiting),
                "`haechi feed resume` lets them go on",
            );
        }
        if state.reused_ids > 0 {
            notice(
                format!("{name} used a control id again with other bytes {} times", state.reused_ids),
                "each was taken as a message of its own; have the sender number its messages (MSH-10)",
            );
        }
        if !said {
            let last = line.last.as_ref().map_or("nothing came yet".to_owned(), |at| format!("last received {at}"));
            findings.push(Finding::good("feed", format!("{name}: {last}, {} waiting", state.waiting)));
        }
    }
    findings
}
