//! `haechi bench ask`: many questions against one home; writes the answers and the time they took.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::site::{self, Question};

/// A line of the question file; further members are left alone.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    patient: String,
    question: String,
    #[serde(default)]
    now: Option<jiff::Timestamp>,
}

/// What `bench ask` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Times {
    pub(crate) questions: usize,
    pub(crate) failed: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) peak_rss_bytes: u64,
}

/// Asks every line of `questions` (JSON lines: `id`, `patient`, `question`, optional `now`), writes `{id, answer}` or
/// `{id, error}` lines to `answers`.
pub(crate) fn run(
    home: Option<std::path::PathBuf>,
    questions: &Path,
    answers: &Path,
    now: Option<jiff::Timestamp>,
) -> Result<Times, Failure> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::new("HAECHI-0131", format_args!("questions or answers: {error}")).file(path)
    };
    let site = site::reach(home)?;
    let file = std::fs::File::open(questions).map_err(|error| failed(questions, &error))?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(answers).map_err(|error| failed(answers, &error))?);
    let (mut times, mut broken) = (Vec::new(), 0);
    for text in std::io::BufReader::new(file).lines() {
        let text = text.map_err(|error| failed(questions, &error))?;
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| failed(questions, &error))?;
        let question =
            Question { text: line.question, patient: Some(line.patient), language: None, now: line.now.or(now) };
        let started = std::time::Instant::now();
        let result = match site.ask(&question) {
            Ok(answer) => serde_json::json!({ "id": line.id, "answer": answer }),
            Err(failure) => {
                broken += 1;
                serde_json::json!({ "id": line.id, "error": failure.sentence() })
            }
        };
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        writeln!(out, "{result}").map_err(|error| failed(answers, &error))?;
    }
    out.flush().map_err(|error| failed(answers, &error))?;
    times.sort_by(f64::total_cmp);
    Ok(Times {
        questions: times.len(),
        failed: broken,
        p50_ms: super::percentile(&times, 0.5),
        p95_ms: super::percentile(&times, 0.95),
        max_ms: super::percentile(&times, 1.0),
        peak_rss_bytes: super::peak_rss_bytes().unwrap_or(0),
    })
}
