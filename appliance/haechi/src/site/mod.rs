//! One site: its record, its planner and its model, as the commands and the core role use them.
//!
//! A command reaches the site in one of two ways with the same result: [`Reach::Running`] asks the appliance that holds
//! this home; [`Reach::Here`] opens the home itself when none runs.

pub(crate) mod backup;
mod feeds;
mod local;
mod model;
mod remote;
mod shown;
mod terminology;

use std::path::PathBuf;

use haechi_ask::answer::Answer;
use haechi_intake::import::Summary;

pub(crate) use feeds::{FeedLine, LetterShown, MessageShown};
pub(crate) use local::Site;
pub(crate) use model::{Chosen, InProcessModel, RoleModel, chosen_model, draft_file, model_file, model_settings};
pub(crate) use remote::Remote;
pub(crate) use shown::{MergeLine, PatientLine, PatientShown, PreviewShown, Status, StudyLine};
pub(crate) use terminology::{Load, Lookup, Mapping};

use crate::error::Failure;
use crate::home::Home;

/// A question as asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) text: String,
    /// FHIR id or identifier.
    pub(crate) patient: Option<String>,
    pub(crate) language: Option<haechi_ask::plan::Language>,
    /// `None`: the clock.
    pub(crate) now: Option<jiff::Timestamp>,
}

/// A way to the site.
pub(crate) enum Reach {
    /// No appliance runs on this home.
    Here(Box<Site>),
    /// One does.
    Running(remote::Remote),
}

/// The way to a site that exists.
pub(crate) fn reach(home: Option<PathBuf>) -> Result<Reach, Failure> {
    open(Home::at(home).existing()?)
}

/// The way to a site, made if there is none.
pub(crate) fn reach_or_create(home: Option<PathBuf>) -> Result<Reach, Failure> {
    let home = Home::at(home);
    if !home.is_packaged() {
        home.create()?;
    }
    open(home)
}

fn open(home: Home) -> Result<Reach, Failure> {
    match remote::Remote::connect(&home)? {
        Some(remote) => Ok(Reach::Running(remote)),
        None if home.is_packaged() => Err(Failure::new("HAECHI-0173", "the appliance does not run, or this user may not call it")
            .effect("nothing was read or written: the record of a packaged appliance is opened by its core alone")
            .remedy("call it as root or as a member of the group `haechi`; start it with `systemctl start haechi.target`, before the first start with `haechi setup`")),
        None => Ok(Reach::Here(Box::new(Site::open(home, None)?))),
    }
}

impl Reach {
    /// Answers a question.
    pub(crate) fn ask(&self, question: &Question) -> Result<Answer, Failure> {
        match self {
            Self::Here(site) => site.ask(question, &mut |_| {}),
            Self::Running(remote) => remote.ask(question),
        }
    }

    /// Imports files and folders.
    pub(crate) fn import(&self, paths: &[PathBuf]) -> Result<Summary, Failure> {
        match self {
            Self::Here(site) => site.import(paths),
            Self::Running(remote) => remote.import(paths),
        }
    }

    /// Lists patients.
    pub(crate) fn patients(&self, find: Option<&str>) -> Result<Vec<PatientLine>, Failure> {
        match self {
            Self::Here(site) => site.patients(find),
            Self::Running(remote) => remote.patients(find),
        }
    }

    /// Shows one patient.
    pub(crate) fn patient(&self, id: &str) -> Result<PatientShown, Failure> {
        match self {
            Self::Here(site) => site.patient(id),
            Self::Running(remote) => remote.patient(id),
        }
    }

    /// Loads files of a code system.
    pub(crate) fn terminology_load(&self, load: &Load, paths: &[PathBuf]) -> Result<serde_json::Value, Failure> {
        let files = terminology::files(&load.system, paths)?;
        match self {
            Self::Here(site) => site.terminology_load(load, terminology::opened(&files)?),
            Self::Running(remote) => remote.terminology_load(load, &files),
        }
    }

    /// Lists the editions.
    pub(crate) fn terminology_list(&self) -> Result<serde_json::Value, Failure> {
        match self {
            Self::Here(site) => site.terminology_list(),
            Self::Running(remote) => remote.terminology_list(),
        }
    }

    /// Looks a code or words up.
    pub(crate) fn terminology_lookup(&self, lookup: &Lookup) -> Result<serde_json::Value, Failure> {
        match self {
            Self::Here(site) => site.terminology_lookup(lookup),
            Self::Running(remote) => remote.terminology_lookup(lookup),
        }
    }

    /// Maps a code.
    pub(crate) fn terminology_map(&self, mapping: &Mapping) -> Result<serde_json::Value, Failure> {
        match self {
            Self::Here(site) => site.terminology_map(mapping),
            Self::Running(remote) => remote.terminology_map(mapping),
        }
    }

    /// What was done about whose the charts are.
    pub(crate) fn merges(&self) -> Result<Vec<MergeLine>, Failure> {
        match self {
            Self::Here(site) => site.merges(),
            Self::Running(remote) => remote.merges(),
        }
    }

    /// Parts a merged patient from the one whose chart it is part of; what is said of it in the trail.
    pub(crate) fn unmerge(&self, id: &str, by: String, reason: Option<String>) -> Result<MergeLine, Failure> {
        match self {
            Self::Here(site) => site.unmerge(id, by, reason),
            Self::Running(remote) => remote.unmerge(id, by, reason),
        }
    }

    /// Asks about feeds.
    pub(crate) fn feed<T: serde::de::DeserializeOwned>(
        &self,
        request: haechi_link::core::FeedRequest,
    ) -> Result<T, Failure> {
        match self {
            Self::Here(site) => remote::read(site.feed(&request, &|| {})?),
            Self::Running(remote) => remote.feed(request),
        }
    }

    /// Lists imaging studies.
    pub(crate) fn imaging(&self, unmatched: bool) -> Result<Vec<StudyLine>, Failure> {
        match self {
            Self::Here(site) => site.imaging(unmatched),
            Self::Running(remote) => remote.imaging(unmatched),
        }
    }

    /// Makes a preview of one instance.
    pub(crate) fn preview(&self, sop: &str) -> Result<PreviewShown, Failure> {
        match self {
            Self::Here(site) => site.preview(sop),
            Self::Running(remote) => remote.preview(sop),
        }
    }

    /// What runs and what is there.
    pub(crate) fn status(&self) -> Result<Status, Failure> {
        match self {
            Self::Here(site) => site.status(false),
            Self::Running(remote) => remote.status(),
        }
    }
}

/// True if an appliance runs on this home and its core answers.
pub(crate) fn running(home: &Home) -> Result<bool, Failure> {
    Ok(remote::Remote::connect(home)?.is_some())
}
