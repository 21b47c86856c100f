//! What the commands print about patients and the site. The JSON names are the command line's contract.

use haechi_record::chart::{Chart, Deceased, Kind, PartialDate, Rejected, When};
use haechi_record::store::{MergeEvent, MergeKind};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// One line of `haechi patient list`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatientLine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) birth_date: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) identifiers: Vec<Identifier>,
    /// Current resources of this patient.
    pub(crate) resources: u64,
}

/// A number that somebody assigned to the patient.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identifier {
    pub(crate) system: String,
    pub(crate) value: String,
}

/// `haechi patient show`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatientShown {
    pub(crate) id: String,
    /// Ids merged into this one.
    pub(crate) merged: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) birth_date: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) deceased: Option<String>,
    pub(crate) identifiers: Vec<Identifier>,
    /// Phone, address and the like, as recorded.
    pub(crate) facts: Vec<(String, String)>,
    /// Current entries by kind.
    pub(crate) entries: Vec<(Kind, u64)>,
    pub(crate) as_of: String,
    /// Each feed that brought something about this patient, and when it last did, RFC 3339 with the site's offset.
    #[serde(default)]
    pub(crate) feeds: Vec<(String, String)>,
    pub(crate) rejected: Vec<Rejected>,
}

/// One line of `haechi patient merges`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MergeLine {
    pub(crate) number: u64,
    /// `merge`, `unmerge` or `move`.
    pub(crate) kind: MergeKind,
    /// FHIR id of the patient who was merged, or whose visit was moved.
    pub(crate) source: String,
    pub(crate) target: String,
    /// FHIR id of the visit that was moved.
    pub(crate) visit: Option<String>,
    pub(crate) at: String,
    /// The message or file that said so, or the user.
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
    /// True while `source` is part of `target` by this merge.
    pub(crate) stands: bool,
}

impl MergeLine {
    pub(crate) fn of(event: MergeEvent, zone: &TimeZone) -> Self {
        Self {
            number: event.number,
            kind: event.kind,
            source: event.source,
            target: event.target,
            visit: event.visit,
            at: event.because.at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            by: event.because.origin,
            reason: event.because.reason,
            stands: event.stands,
        }
    }

    pub(crate) fn in_words(&self) -> String {
        let Self { source, target, .. } = self;
        let what = match (self.kind, &self.visit) {
            (MergeKind::Merge, _) if self.stands => format!("{source} is part of {target}"),
            (MergeKind::Merge, _) => format!("{source} became part of {target} (taken back)"),
            (MergeKind::Unmerge, _) => format!("{source} was parted from {target}"),
            (MergeKind::Move, visit) => {
                format!("visit {} of {source} went to {target}", visit.as_deref().unwrap_or("-"))
            }
        };
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}  {}  {what}  ({}{reason})", self.number, self.at, self.by)
    }
}

/// `haechi status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) site: String,
    pub(crate) version: String,
    /// True if an appliance runs on this home.
    pub(crate) running: bool,
    pub(crate) home: String,
    pub(crate) time_zone: String,
    /// Name of the model in use or that would be; `None`: none is installed.
    pub(crate) model: Option<String>,
    pub(crate) record: RecordCounts,
    /// HL7 feeds; empty where none is configured.
    pub(crate) feeds: Vec<super::FeedLine>,
    /// The watched folder; `None`: there is none.
    #[serde(default)]
    pub(crate) watched: Option<WatchedFolder>,
}

/// A folder whose files are imported as they come.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchedFolder {
    pub(crate) folder: String,
    /// When something of it went in last, RFC 3339 with the site's offset.
    pub(crate) last: Option<String>,
    /// Why it cannot be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    #[serde(flatten)]
    pub(crate) standing: haechi_intake::watch::Standing,
}

impl WatchedFolder {
    /// For a terminal.
    pub(crate) fn in_words(&self) -> String {
        let number = crate::cli::terminal::thousands;
        if let Some(problem) = &self.problem {
            return problem.lines().next().unwrap_or_default().to_owned();
        }
        format!(
            "{}: last taken {}, {} waiting, {} missing, {} failed",
            self.folder,
            self.last.as_deref().unwrap_or("never"),
            number(self.standing.waiting),
            number(self.standing.missing),
            number(self.standing.failed)
        )
    }
}

/// How much is in the record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordCounts {
    pub(crate) patients: u64,
    pub(crate) resources: u64,
    pub(crate) versions: u64,
    pub(crate) messages: u64,
    pub(crate) rejected: u64,
    /// When data was last received, RFC 3339.
    pub(crate) last_received: Option<String>,
}

/// One line of `haechi imaging list`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StudyLine {
    /// Study Instance UID.
    pub(crate) uid: String,
    /// Logical id of its ImagingStudy.
    pub(crate) id: String,
    /// Logical id of its patient.
    pub(crate) patient: Option<String>,
    /// Why it has none.
    pub(crate) why: Option<String>,
    /// The patient's number as the sender wrote it, and its identifier system.
    pub(crate) number: String,
    pub(crate) system: String,
    pub(crate) instances: u64,
}

/// `haechi imaging preview`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PreviewShown {
    pub(crate) png: Option<Vec<u8>>,
    /// Why none is made.
    pub(crate) why: Option<String>,
}

impl StudyLine {
    pub(crate) fn of(row: haechi_record::store::StudyRow) -> Self {
        Self {
            uid: row.uid,
            id: row.id,
            patient: row.patient,
            why: row.why,
            number: row.number,
            system: row.system,
            instances: row.instances,
        }
    }
}

impl PatientLine {
    pub(crate) fn of(row: haechi_record::store::PatientRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            birth_date: row.birth_date,
            sex: row.sex,
            identifiers: identifiers(row.identifiers),
            resources: row.resources,
        }
    }
}

impl PatientShown {
    pub(crate) fn of(chart: &Chart, zone: &jiff::tz::TimeZone) -> Self {
        let person = &chart.patient;
        let mut entries = std::collections::BTreeMap::<Kind, u64>::new();
        for entry in &chart.entries {
            *entries.entry(entry.kind).or_default() += 1;
        }
        Self {
            id: person.ids.first().cloned().unwrap_or_default(),
            merged: person.ids.iter().skip(1).cloned().collect(),
            names: person.names.clone(),
            birth_date: person.birth_date.map(partial),
            sex: person.sex.clone(),
            deceased: person.deceased.as_ref().and_then(|deceased| match deceased {
                Deceased::No => None,
                Deceased::Yes => Some("yes".to_owned()),
                Deceased::On(When::Date(date)) => Some(partial(*date)),
                Deceased::On(When::Instant(at)) => Some(at.to_zoned(zone.clone()).date().to_string()),
            }),
            identifiers: identifiers(person.identifiers.clone()),
            facts: person.facts.iter().map(|fact| (fact.name.clone(), fact.text.clone())).collect(),
            entries: entries.into_iter().collect(),
            as_of: chart.as_of.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            feeds: Vec::new(),
            rejected: chart.rejected.clone(),
        }
    }

    /// For a terminal.
    pub(crate) fn in_words(&self) -> String {
        let mut lines = vec![self.names.join(" / ")];
        let mut say = |name: &str, text: &str| lines.push(format!("  {name:<14} {text}"));
        say("id", &self.id);
        for id in &self.merged {
            say("merged from", id);
        }
        say("born", self.birth_date.as_deref().unwrap_or("not recorded"));
        say("sex", self.sex.as_deref().unwrap_or("not recorded"));
        if let Some(deceased) = &self.deceased {
            say("deceased", deceased);
        }
        for identifier in &self.identifiers {
            say("identifier", &format!("{}  ({})", identifier.value, identifier.system));
        }
        for (name, text) in &self.facts {
            say(name, text);
        }
        for (kind, count) in &self.entries {
            // The serde name is the one in docs and JSON.
            let name =
                serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
            say(&name, &count.to_string());
        }
        say("as of", &self.as_of);
        for (feed, last) in &self.feeds {
            say("feed", &format!("{feed}: last message for this patient at {last}"));
        }
        if !self.rejected.is_empty() {
            say("put aside", &format!("{} items at import; see `haechi doctor`", self.rejected.len()));
        }
        lines.join("\n")
    }
}

impl Status {
    /// For a terminal.
    pub(crate) fn in_words(&self) -> String {
        let record = &self.record;
        let number = crate::cli::terminal::thousands;
        let feeds: String = self.feeds.iter().map(|feed| format!("\n  feed       {}", feed.in_words())).collect();
        let watched: String =
            self.watched.iter().map(|folder| format!("\n  watched    {}", folder.in_words())).collect();
        format!(
            "{} (haechi {})\n  state      {}\n  running    {}\n  model      {}\n  time zone  {}\n  record     {} patients, {} resources ({} versions), {} HL7 messages, {} items put aside\n  received   {}{feeds}{watched}",
            self.site,
            self.version,
            self.home,
            if self.running { "yes" } else { "no" },
            self.model
                .as_deref()
                .unwrap_or("none installed: answers are assembled from the record, note summaries quote"),
            self.time_zone,
            number(record.patients),
            number(record.resources),
            number(record.versions),
            number(record.messages),
            number(record.rejected),
            record.last_received.as_deref().unwrap_or("nothing yet"),
        )
    }
}

fn identifiers(pairs: Vec<(String, String)>) -> Vec<Identifier> {
    pairs.into_iter().map(|(system, value)| Identifier { system, value }).collect()
}

fn partial(date: PartialDate) -> String {
    match date {
        PartialDate::Year(year) => format!("{year:04}"),
        PartialDate::Month(year, month) => format!("{year:04}-{month:02}"),
        PartialDate::Day(day) => day.to_string(),
    }
}
