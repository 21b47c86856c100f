//! What the record, the feeds and the watched folder say of themselves.

use super::Finding;
use crate::home::Home;
use crate::site::Site;

/// Items put aside that are listed; the record keeps all of them.
const LISTED: usize = 1_000;

/// The record, its feeds and the watched folder.
pub(super) fn record(home: &Home) -> Vec<Finding> {
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
