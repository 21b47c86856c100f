//! The canary questions: what a new model must do before it is put in use. Asked in a process of its own, over the demo
//! hospital in a scratch folder, so that a model that crashes or eats memory takes nothing with it and sees no record.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;
use haechi_ask::Model;
use haechi_ask::answer::ModelInfo;
use haechi_drivers::engine::Settings;
use serde::{Deserialize, Serialize};

use super::super::demo::{DEMO_PATIENTS, DEMO_SEED, generate};
use super::super::terminal;
use crate::error::Failure;
use crate::home::Home;
use crate::site::{InProcessModel, Question, Site};

/// What every model must be able to say, however small: the question, and a word of the answer. A file of noise, a wrong
/// tokenizer or broken weights say none of them.
const KNOWN: [(&str, &str); 4] = [
    ("What is the capital of France?", "paris"),
    ("What is the opposite of hot?", "cold"),
    ("Name the planet that we live on.", "earth"),
    ("Which organ pumps blood through the body?", "heart"),
];
/// So many of them.
const MUST_KNOW: usize = 2;
const MAX_TOKENS: usize = 48;

/// Questions about each of the first patients of the demo hospital. What is looked up must not depend on the model; the
/// summary is where it writes.
const LOOKED_UP: [&str; 3] = ["최근 혈압 알려줘", "latest weight?", "현재 복용 중인 약은?"];
const SUMMARY: &str = "최근 기록 요약해 줘";
const PATIENTS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct CanaryArgs {
    /// GGUF file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Empty folder to work in
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
    /// Threads; 0: every core
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// What the canary found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// SHA-256 of the model as the engine computes it: of all parts of a set.
    pub(crate) sha256: String,
    /// Known answers, of how many.
    pub(crate) known: usize,
    pub(crate) asked: usize,
    /// Questions over the demo hospital.
    pub(crate) questions: usize,
    /// Times that the model was asked to write.
    pub(crate) worded: usize,
    /// What it did not do; empty: it passed.
    pub(crate) faults: Vec<String>,
}

pub(super) fn run(args: &CanaryArgs) -> Result<(), Failure> {
    terminal::json(&ask(&args.model, &args.scratch, args.threads)?)
}

fn ask(file: &Path, scratch: &Path, threads: usize) -> Result<Report, Failure> {
    let mut settings = Settings::default();
    settings.limits.threads = threads;
    let model = Arc::new(Counted {
        model: InProcessModel::new(file.to_owned(), None, settings),
        asked: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    });
    let mut report =
        Report { sha256: String::new(), known: 0, asked: KNOWN.len(), questions: 0, worded: 0, faults: Vec::new() };
    for (question, word) in KNOWN {
        match twice(&model, question) {
            Ok(text) => report.known += usize::from(text.to_lowercase().contains(word)),
            Err(fault) => report.faults.push(fault),
        }
    }
    report.sha256 = model.info().map(|info| info.sha256).unwrap_or_default();
    if report.known < MUST_KNOW {
        report.faults.push(format!("it answered {} of {} simple questions", report.known, KNOWN.len()));
    }
    if report.faults.is_empty() {
        over_the_demo(&model, scratch, &mut report)?;
    }
    Ok(report)
}

/// The answer, if two runs give the same one.
fn twice(model: &Counted, question: &str) -> Result<String, String> {
    let run =
        || model.generate("You are a helpful assistant.", question, MAX_TOKENS, &mut |_| ControlFlow::Continue(()));
    let first = run().map_err(|error| format!("it does not run: {}", error.lines().next().unwrap_or_default()))?;
    let second =
        run().map_err(|error| format!("it does not run twice: {}", error.lines().next().unwrap_or_default()))?;
    if first.trim().is_empty() {
        return Err("it says nothing".to_owned());
    }
    if first != second {
        return Err("it says something else the second time".to_owned());
    }
    Ok(first)
}

fn over_the_demo(model: &Arc<Counted>, scratch: &Path, report: &mut Report) -> Result<(), Failure> {
    let home = Home::at(Some(scratch.join("site")));
    home.create()?;
    let files = scratch.join("demo");
    generate(DEMO_PATIENTS, DEMO_SEED, files.clone())?;
    let with = Site::open(home.clone(), Some(Arc::clone(model) as Arc<dyn Model>))?;
    with.import_quietly(&[haechi_intake::import::Input::path(files.join("fhir"))])?;
    let without = Site::open(home, None)?;
    for patient in with.patients(None)?.into_iter().take(PATIENTS) {
        for text in LOOKED_UP {
            let question = question(text, &patient.id);
            let (one, other) = (with.ask(&question, &mut |_| {})?, without.ask(&question, &mut |_| {})?);
            report.questions += 1;
            if one.answer != other.answer {
                report.faults.push(format!("\"{text}\" is answered otherwise than without a model"));
            }
        }
        let before = model.asked.load(Ordering::Relaxed);
        let answer = with.ask(&question(SUMMARY, &patient.id), &mut |_| {})?;
        report.questions += 1;
        report.worded += model.asked.load(Ordering::Relaxed) - before;
        if answer.claims.is_empty() || answer.claims.iter().any(|claim| claim.citations.is_empty()) {
            report.faults.push("a summary shows a sentence that cites nothing, or none at all".to_owned());
        }
    }
    let failed = model.failed.load(Ordering::Relaxed);
    if failed > 0 {
        report.faults.push(format!("{failed} times it could not write"));
    }
    Ok(())
}

fn question(text: &str, patient: &str) -> Question {
    Question { text: text.to_owned(), patient: Some(patient.to_owned()), language: None, now: None }
}

/// A model that counts.
struct Counted {
    model: Arc<InProcessModel>,
    asked: AtomicUsize,
    failed: AtomicUsize,
}

impl Model for Counted {
    fn info(&self) -> Option<ModelInfo> {
        self.model.info()
    }

    fn generate(
        &self,
        system: &str,
        user: &str,
        max_tokens: usize,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.model.generate(system, user, max_tokens, on_text).inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })
    }
}
