//! The site opened in this process: by a command when no appliance runs, and by the core role.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use haechi_ask::answer::Answer;
use haechi_intake::dicom::{Archive, Preview};
use haechi_intake::import::{self, Summary};
use haechi_record::key::Key;
use haechi_record::store::Store;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Question;
use super::model::{InProcessModel, model_file};
use super::shown::{PatientLine, PatientShown, PreviewShown, RecordCounts, Status, StudyLine};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// Studies that one list shows.
const LISTED_STUDIES: usize = 10_000;

/// One site, open.
pub(crate) struct Site {
    home: Home,
    config: Config,
    zone: TimeZone,
    store: Store,
    /// Opened when images are first needed: what a power cut left over is removed then, which takes a look at every file.
    archive: OnceLock<Archive>,
    model: Option<Arc<dyn haechi_ask::Model>>,
}

impl Site {
    /// Opens the record, made empty if there is none. `model`: the model role; `None` loads the installed model in this
    /// process when an answer first needs it.
    pub(crate) fn open(home: Home, model: Option<Arc<dyn haechi_ask::Model>>) -> Result<Self, Failure> {
        let config = Config::load(&home)?; // nothing is open yet
        let zone = config.zone().map_err(|problem| Failure::new("HAECHI-0104", problem).file(&home.config_file()))?;
        let key = Key::load_or_create(&home.key_file(), home.record_file().exists())?;
        let store = Store::open(&home.record_file(), &key)?; // migrates
        let model = match model {
            Some(model) => Some(model),
            None => model_file(&home, &config)?
                .map(|file| InProcessModel::new(file, config.model.threads) as Arc<dyn haechi_ask::Model>),
        };
        Ok(Self { home, config, zone, store, archive: OnceLock::new(), model })
    }

    /// Answers a question about one patient.
    pub(crate) fn ask(
        &self,
        question: &Question,
        on_event: &mut dyn FnMut(haechi_ask::Event<'_>),
    ) -> Result<Answer, Failure> {
        let Some(patient) = question.patient.as_deref() else {
            return Err(Failure::new("HAECHI-0112", "the question names no patient")
                .effect("nothing was read")
                .remedy("name one with --patient ID; `haechi patient list` shows them"));
        };
        let started = std::time::Instant::now();
        let chart = self.store.chart(patient)?.ok_or_else(unknown_patient)?;
        let setting = haechi_ask::Setting {
            now: question.now.unwrap_or_else(Timestamp::now),
            zone: self.zone.clone(),
            language: question.language,
        };
        let mut answer = haechi_ask::ask(
            &question.text,
            &chart,
            &setting,
            self.model.as_deref(),
            &mut || started.elapsed(),
            on_event,
        );
        answer.timings_ms.total = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(answer)
    }

    /// Imports files and folders, with a progress bar where a person watches.
    pub(crate) fn import(&self, paths: &[PathBuf]) -> Result<Summary, Failure> {
        let inputs: Vec<import::Input> = paths.iter().map(|path| import::Input::path(path.clone())).collect();
        self.import_inputs(&inputs)
    }

    /// Imports named inputs: files that a command handed over.
    pub(crate) fn import_inputs(&self, inputs: &[import::Input]) -> Result<Summary, Failure> {
        let options = import::Options {
            received: Timestamp::now(),
            hl7: haechi_intake::hl7::Hl7Settings {
                charset_override: self.config.intake.hl7.charset_override.clone(),
                assume_charset: self.config.intake.hl7.assume_charset.clone(),
                zone: self.zone.clone(),
                assigning_authority: self.config.intake.hl7.assigning_authority.clone(),
            },
            images: Some(self.archive()?),
            ..import::Options::default()
        };
        let progress = crate::cli::import::Bar::new();
        Ok(import::import(&self.store, inputs, &options, &progress)?)
    }

    /// Where images go.
    pub(crate) fn archive(&self) -> Result<Archive, Failure> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive.clone());
        }
        let key = Key::load_or_create(&self.home.key_file(), true)?;
        let settings = self.config.dicom.settings(self.zone.clone(), &self.config.intake.hl7.assigning_authority);
        let opened = Archive::open(self.store.clone(), &self.home.files_folder(), &key, settings)?;
        // Of two that opened it at once both are good: one is kept.
        Ok(self.archive.get_or_init(|| opened).clone())
    }

    /// Writes studies into the chart that changed, as when their patient has come.
    pub(crate) fn settle_images(&self) -> Result<(), Failure> {
        if self.store.has_changed_studies()? {
            self.archive()?.refresh(Timestamp::now())?;
        }
        Ok(())
    }

    /// Studies; `unmatched`: only those that are nobody's yet.
    pub(crate) fn imaging(&self, unmatched: bool) -> Result<Vec<StudyLine>, Failure> {
        Ok(self.archive()?.studies(unmatched, LISTED_STUDIES)?.into_iter().map(StudyLine::of).collect())
    }

    /// A preview of one instance.
    pub(crate) fn preview(&self, sop: &str) -> Result<PreviewShown, Failure> {
        match self.archive()?.preview(sop)? {
            Some(Preview::Png(png)) => Ok(PreviewShown { png: Some(png), why: None }),
            Some(Preview::None(why)) => Ok(PreviewShown { png: None, why: Some(why) }),
            None => Err(Failure::new("HAECHI-0380", "no instance with this SOP Instance UID is here")
                .effect("nothing was read")
                .remedy("the ImagingStudy of a study lists its instances")),
        }
    }

    /// Patients whose name or identifier contains `find`.
    pub(crate) fn patients(&self, find: Option<&str>) -> Result<Vec<PatientLine>, Failure> {
        Ok(self.store.patients(find)?.into_iter().map(PatientLine::of).collect())
    }

    /// One patient.
    pub(crate) fn patient(&self, id: &str) -> Result<PatientShown, Failure> {
        let chart = self.store.chart(id)?.ok_or_else(unknown_patient)?;
        Ok(PatientShown::of(&chart, &self.zone))
    }

    /// Counts, model and site. `running`: asked of an appliance.
    pub(crate) fn status(&self, running: bool) -> Result<Status, Failure> {
        let counts = self.store.counts()?;
        Ok(Status {
            site: self.config.site.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running,
            home: self.home.path().display().to_string(),
            time_zone: self.config.site.time_zone.clone(),
            model: model_file(&self.home, &self.config)?
                .and_then(|file| file.file_stem().map(|stem| stem.to_string_lossy().into_owned())),
            record: RecordCounts {
                patients: counts.patients,
                resources: counts.resources,
                versions: counts.versions,
                messages: counts.messages,
                rejected: counts.rejected,
                last_received: counts
                    .last_received
                    .map(|at| at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()),
            },
        })
    }

    /// The record, for `doctor`.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

/// Says nothing of the id that was asked for: it may be a patient's number, and errors reach logs.
fn unknown_patient() -> Failure {
    Failure::new("HAECHI-0113", "no patient with this id or identifier is in the record")
        .effect("nothing was read")
        .remedy("`haechi patient list` shows the patients; --patient takes the FHIR id or an identifier")
}
