//! The site opened in this process: by a command when no appliance runs, and by the core role.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use haechi_ask::answer::Answer;
use haechi_intake::IntakeError;
use haechi_intake::dicom::{Archive, OpenArchive, Preview, Settings};
use haechi_intake::import::{self, Summary};
use haechi_intake::mllp::Feeds;
use haechi_intake::watch;
use haechi_record::queue::Queue;
use haechi_record::store::{Because, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Question;
use super::feeds::open_queue;
use super::model::{InProcessModel, draft_file, model_file, model_settings};
use super::shown::{
    MergeLine, PatientLine, PatientShown, PreviewShown, RecordCounts, Status, StudyLine, WatchedFolder,
};
use super::terminology::{Load, Lookup, Mapping, Terms};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// Studies that one list shows.
const LISTED_STUDIES: usize = 10_000;

/// One site, open.
pub(crate) struct Site {
    pub(super) home: Home,
    pub(super) config: Config,
    zone: TimeZone,
    store: Store,
    terms: Terms,
    pub(super) queue: Option<Queue>,
    images: Arc<LazyArchive>,
    model: Option<Arc<dyn haechi_ask::Model>>,
}

/// The images, opened when they are first needed: what a power cut left over is removed then, which takes a look at every
/// file.
struct LazyArchive {
    home: Home,
    settings: Settings,
    store: Store,
    opened: OnceLock<Archive>,
}

impl LazyArchive {
    fn open(&self) -> Result<Archive, Failure> {
        if let Some(archive) = self.opened.get() {
            return Ok(archive.clone());
        }
        let key = self.home.key()?;
        let opened = Archive::open(self.store.clone(), &self.home.files_folder(), &key, self.settings.clone())?;
        // Of two that opened it at once both are good: one is kept.
        Ok(self.opened.get_or_init(|| opened).clone())
    }
}

impl OpenArchive for LazyArchive {
    fn archive(&self) -> Result<Archive, String> {
        self.open().map_err(|failure| failure.sentence().to_owned())
    }
}

impl fmt::Debug for LazyArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyArchive").field("open", &self.opened.get().is_some()).finish_non_exhaustive()
    }
}

impl Site {
    /// Opens the record, made empty if there is none. `model`: the model role; `None` loads the installed model in this
    /// process when an answer first needs it.
    pub(crate) fn open(home: Home, model: Option<Arc<dyn haechi_ask::Model>>) -> Result<Self, Failure> {
        let config = Config::load(&home)?; // nothing is open yet
        let zone = config.zone().map_err(|problem| Failure::new("HAECHI-0104", problem).file(&home.config_file()))?;
        let key = home.key()?;
        let store = Store::open(&home.record_file(), &key)?; // migrates
        let queue = open_queue(&home, &config, &key)?;
        let terms = Terms::open(&home, key);
        let model = match model {
            Some(model) => Some(model),
            None => {
                let draft = draft_file(&home, &config)?;
                let settings = model_settings(&config);
                let load = |file| InProcessModel::new(file, draft, settings) as Arc<dyn haechi_ask::Model>;
                model_file(&home, &config)?.map(load)
            }
        };
        let images = Arc::new(LazyArchive {
            home: home.clone(),
            settings: config.dicom.settings(zone.clone(), &config.intake.hl7.assigning_authority),
            store: store.clone(),
            opened: OnceLock::new(),
        });
        Ok(Self { home, config, zone, store, terms, queue, images, model })
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
        let names =
            if self.config.terminology.names_in_questions { self.terms.names(&chart, &self.zone) } else { Vec::new() };
        let mut answer = haechi_ask::ask_with(
            &question.text,
            &chart,
            &names,
            &setting,
            self.model.as_deref(),
            &mut || started.elapsed(),
            on_event,
        );
        answer.feeds = self.fed(&chart)?;
        answer.warnings.extend(self.feed_warnings(&chart, answer.language == "ko", setting.now)?);
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
        Ok(import::import(&self.store, inputs, &self.import_options(), &crate::cli::import::Bar::new())?)
    }

    /// The same, for nobody who watches.
    pub(crate) fn import_quietly(&self, inputs: &[import::Input]) -> Result<Summary, IntakeError> {
        import::import(&self.store, inputs, &self.import_options(), &import::Silent)
    }

    fn import_options(&self) -> import::Options {
        let images = Some(self.images());
        import::Options { received: Timestamp::now(), hl7: self.hl7(), images, ..import::Options::default() }
    }

    /// How HL7 v2 messages are read where no feed says otherwise.
    pub(crate) fn hl7(&self) -> haechi_intake::hl7::Hl7Settings {
        haechi_intake::hl7::Hl7Settings {
            charset_override: self.config.intake.hl7.charset_override.clone(),
            assume_charset: self.config.intake.hl7.assume_charset.clone(),
            zone: self.zone.clone(),
            assigning_authority: self.config.intake.hl7.assigning_authority.clone(),
        }
    }

    /// Starts taking and filing what feeds bring; `None` where none is configured and none waits.
    pub(crate) fn start_feeds(&self) -> Result<Option<Arc<Feeds>>, Failure> {
        let Some(queue) = &self.queue else { return Ok(None) };
        let clock = Arc::new(Timestamp::now);
        Ok(Some(Feeds::start(queue.clone(), self.store.clone(), self.feed_settings()?, self.hl7(), clock)?))
    }

    /// The watched folder, where one is set.
    pub(crate) fn watched_folder(&self) -> Option<std::path::PathBuf> {
        self.config.import.folder(&self.home)
    }

    /// Where images go, opened when it is first asked for.
    pub(crate) fn images(&self) -> Arc<dyn OpenArchive> {
        Arc::clone(&self.images) as Arc<dyn OpenArchive>
    }

    /// Where images go.
    pub(crate) fn archive(&self) -> Result<Archive, Failure> {
        self.images.open()
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
        Ok(PatientShown { feeds: self.fed(&chart)?, ..PatientShown::of(&chart, &self.zone) })
    }

    /// When the newest message of each feed about this patient came that is in the record.
    fn fed(&self, chart: &haechi_record::chart::Chart) -> Result<Vec<(String, String)>, Failure> {
        let fed = self.store.fed(&chart.patient.ids)?;
        Ok(fed.into_iter().map(|fed| (fed.feed, self.local(fed.received))).collect())
    }

    /// A time as people here read it: RFC 3339 with the site's offset.
    pub(super) fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// What was done about whose the charts are, oldest first.
    pub(crate) fn merges(&self) -> Result<Vec<MergeLine>, Failure> {
        Ok(self.store.merges()?.into_iter().map(|event| MergeLine::of(event, &self.zone)).collect())
    }

    /// Parts a merged patient from the one whose chart it is part of.
    pub(crate) fn unmerge(&self, id: &str, by: String, reason: Option<String>) -> Result<MergeLine, Failure> {
        let merged = self.store.merged_patient(id)?;
        let because = Because { at: Timestamp::now(), origin: by, reason };
        haechi_intake::unmerge(&self.store, &merged, &because)?;
        let last = self.store.merges()?.into_iter().rev().find(|event| event.source == merged);
        let last = last.ok_or(haechi_record::RecordError::NotMerged)?;
        Ok(MergeLine::of(last, &self.zone))
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
            feeds: self.feed_lines(Timestamp::now())?,
            watched: self.watched(),
            record: RecordCounts {
                patients: counts.patients,
                resources: counts.resources,
                versions: counts.versions,
                messages: counts.messages,
                rejected: counts.rejected,
                last_received: counts.last_received.map(|at| self.local(at)),
            },
        })
    }

    /// Loads named files of a code system.
    pub(crate) fn terminology_load(
        &self,
        load: &Load,
        files: Vec<(String, std::fs::File)>,
    ) -> Result<serde_json::Value, Failure> {
        self.terms.load(load, files)
    }

    /// The editions that are loaded.
    pub(crate) fn terminology_list(&self) -> Result<serde_json::Value, Failure> {
        self.terms.list()
    }

    /// A code, or words.
    pub(crate) fn terminology_lookup(&self, lookup: &Lookup) -> Result<serde_json::Value, Failure> {
        self.terms.lookup(lookup)
    }

    /// Where a code leads.
    pub(crate) fn terminology_map(&self, mapping: &Mapping) -> Result<serde_json::Value, Failure> {
        self.terms.map(mapping)
    }

    /// The small sets that come with the demo.
    pub(crate) fn load_demo_terminology(&self) -> Result<(), Failure> {
        crate::demo::load(&self.terms.made()?)
    }

    /// The queue of the feeds, for `doctor`.
    pub(crate) fn feed_queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    /// How the watched folder stands; `None` where none is.
    pub(crate) fn watched(&self) -> Option<WatchedFolder> {
        let folder = self.watched_folder()?;
        let (standing, problem) = match watch::standing(&folder) {
            Ok(standing) => (standing, None),
            Err(error) => (watch::Standing::default(), Some(error.to_string())),
        };
        let last = standing.last.map(|at| self.local(at));
        Some(WatchedFolder { folder: folder.display().to_string(), last, problem, standing })
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
