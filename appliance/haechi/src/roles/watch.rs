//! The watched folder, while the core runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_intake::import::Input;
use haechi_intake::watch::{Report, Watch, WatchError};
use jiff::Timestamp;

use crate::site::Site;

/// How often the folder is looked at, and how long it is left alone after something went wrong.
const LOOK: Duration = Duration::from_secs(1);
const WRONG: Duration = Duration::from_secs(30);

/// Imports what comes into `folder`, until the task is dropped.
pub(crate) async fn look_after(site: Arc<Site>, folder: PathBuf, settle: Duration) {
    let mut watch = None;
    let mut said = String::new();
    loop {
        let (these, folder) = (Arc::clone(&site), folder.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let result = look(&these, &mut watch, &folder, settle);
            (watch, result)
        });
        let wrong = match looked.await {
            Ok((kept, result)) => {
                watch = kept;
                result.err().map(|error| error.to_string())
            }
            Err(error) => {
                watch = None;
                Some(format!("HAECHI-0123: the watcher of the folder failed: {error}"))
            }
        };
        let pause = if wrong.is_some() { WRONG } else { LOOK };
        let wrong = wrong.unwrap_or_default();
        // Once is enough, however long it lasts.
        if !wrong.is_empty() && wrong != said {
            log::error!("{wrong}");
        }
        said = wrong;
        tokio::time::sleep(pause).await;
    }
}

fn look(site: &Site, watch: &mut Option<Watch>, folder: &std::path::Path, settle: Duration) -> Result<(), WatchError> {
    if watch.is_none() {
        *watch = Some(Watch::open(folder, settle)?);
        log::info!("watching {}", folder.display());
    }
    let Some(watch) = watch else { return Ok(()) };
    let mut import =
        |files: &[PathBuf]| site.import_quietly(&files.iter().cloned().map(Input::path).collect::<Vec<_>>());
    for (name, report) in watch.look(Instant::now(), Timestamp::now(), &mut import)? {
        say(&name, &report);
    }
    Ok(())
}

fn say(name: &str, report: &Report) {
    let summary = report.summary.clone().unwrap_or_default();
    let aside = summary.rejected.len() as u64 + summary.rejected_more;
    if report.failed {
        let why = report.reason.clone().unwrap_or_else(|| format!("{aside} items were put aside and nothing went in"));
        log::warn!("HAECHI-0563: {name} from the watched folder failed: {why}; its report lies beside it");
    } else {
        log::info!(
            "{name} from the watched folder is in: {} resources, {} messages, {} images, {} unchanged, {aside} put aside",
            summary.resources,
            summary.messages,
            summary.instances,
            summary.unchanged
        );
    }
}
