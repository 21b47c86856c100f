//! `haechi bench import`: durable import speed and memory, FHIR and HL7, at one size and at ten times that size.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::site;

/// One import into an empty record, run as its own process so that its peak memory is its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) road: String,
    pub(crate) patients: usize,
    pub(crate) input_bytes: u64,
    pub(crate) resources: u64,
    pub(crate) messages: u64,
    pub(crate) rejected: usize,
    pub(crate) seconds: f64,
    pub(crate) resources_per_s: f64,
    pub(crate) messages_per_s: f64,
    pub(crate) peak_rss_bytes: u64,
}

/// All runs: both roads, `patients` and ten times as many.
pub(crate) fn run(patients: usize, seed: u64, work: &Path) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    for size in [patients, patients * 10] {
        let hospital = work.join(format!("hospital-{size}"));
        log::info!("writing a hospital of {size} patients");
        crate::cli::demo::generate(size, seed, hospital.clone())?;
        for road in ["fhir", "hl7"] {
            let home = work.join(format!("home-{road}-{size}"));
            let run = one_as_process(road, size, &home, &hospital.join(road))?;
            log::info!(
                "{road}, {size} patients: {:.0} resources/s, {:.0} messages/s, peak {} MiB",
                run.resources_per_s,
                run.messages_per_s,
                run.peak_rss_bytes >> 20
            );
            runs.push(run);
            // Large; the next run starts from nothing anyway.
            let _ = std::fs::remove_dir_all(&home);
        }
        let _ = std::fs::remove_dir_all(&hospital);
    }
    Ok(runs)
}

fn one_as_process(road: &str, patients: usize, home: &Path, input: &Path) -> Result<Run, Failure> {
    let failed = |what: String| Failure::new("HAECHI-0130", format_args!("a benchmark run failed: {what}"));
    let output = Command::new("/proc/self/exe")
        .args(["bench", "import-one", "--road", road, "--patients", &patients.to_string(), "--home"])
        .arg(home)
        .arg(input)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

/// The body of such a process.
pub(crate) fn one(road: String, patients: usize, home: PathBuf, input: &Path) -> Result<Run, Failure> {
    let summary = site::reach_or_create(Some(home))?.import(&[input.to_owned()])?;
    let rate = |count: u64| if summary.seconds > 0.0 { count as f64 / summary.seconds } else { 0.0 };
    Ok(Run {
        road,
        patients,
        input_bytes: size_of(input),
        resources: summary.resources,
        messages: summary.messages,
        rejected: summary.rejected.len(),
        seconds: summary.seconds,
        resources_per_s: rate(summary.resources),
        messages_per_s: rate(summary.messages),
        peak_rss_bytes: super::peak_rss_bytes().unwrap_or(0),
    })
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
