//! One site: its record, its planner and its model, as the commands and the core role use them.
//!
//! A command reaches the site in one of two ways with the same result: [`Reach::Running`] asks the appliance that holds
//! this home; [`Reach::Here`] opens the home itself when none runs.

mod local;
mod model;
mod remote;
mod shown;

use std::path::PathBuf;

use haechi_ask::answer::Answer;
use haechi_intake::import::Summary;

pub(crate) use local::Site;
pub(crate) use model::{RoleModel, model_file};
pub(crate) use shown::{PatientLine, PatientShown, PreviewShown, Status, StudyLine};

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
    home.create()?;
    open(home)
}

fn open(home: Home) -> Result<Reach, Failure> {
    match remote::Remote::connect(&home)? {
        Some(remote) => Ok(Reach::Running(remote)),
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
