//! The long-running processes. `haechi up` is their parent in development; systemd is in a package.

pub(crate) mod api;
mod certificates;
pub(crate) mod core;
pub(crate) mod door;
pub(crate) mod doorway;
pub(crate) mod images;
mod mllp;
pub(crate) mod model;
pub(crate) mod supervisor;
pub(crate) mod systemd;
pub(crate) mod wall;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Failure;
use crate::home::Home;

/// Tells a role's log lines which role speaks; set by the parent.
pub(crate) const ROLE_VARIABLE: &str = "HAECHI_ROLE";

/// How long a role finishes what is in hand after SIGTERM. The parent waits a little longer, then kills.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// What every role does first: it dies with its parent, so that a killed `haechi up` leaves nothing behind.
fn tie_to_parent() {
    let ended = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    if let Err(error) = ended {
        log::warn!("cannot be tied to the parent's life ({error}); stop this role by hand if `haechi up` is killed");
    }
}

/// The beginning of a role that works on a home.
fn begin(home: Option<PathBuf>) -> Result<Home, Failure> {
    tie_to_parent();
    let home = Home::at(home);
    home.create()?;
    Ok(home)
}

/// The async runtime of a role.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new("HAECHI-0120", format_args!("the process cannot start its threads: {error}")))
}

/// Resolves at SIGTERM or SIGINT.
async fn stop_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed =
        |error: std::io::Error| Failure::new("HAECHI-0121", format_args!("signals cannot be watched: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The arguments of a role that works on a home.
fn at_home(home: &Home) -> Vec<OsString> {
    vec!["--home".into(), home.path().into()]
}

/// Starts the roles of `home` and keeps them until a stop signal.
pub(crate) fn up(home: Home) -> Result<(), Failure> {
    let config = crate::config::Config::load(&home)?; // before anything is started
    let model = crate::site::model_file(&home, &config)?;
    runtime()?.block_on(async {
        let (tell, stop) = tokio::sync::watch::channel(false);
        let mut roles = tokio::task::JoinSet::new();
        match model {
            Some(file) => {
                log::info!("model {}", file.display());
                roles.spawn(supervisor::keep("model", at_home(&home), stop.clone()));
            }
            None => log::warn!(
                "no model in {}: answers are assembled from the record as always, note summaries only quote",
                home.models_folder().display()
            ),
        }
        roles.spawn(supervisor::keep("core", at_home(&home), stop.clone()));
        let listeners = config.listeners();
        if !listeners.is_empty() {
            let mut args = vec!["--core".into(), home.door_socket().into_os_string()];
            args.extend(listeners.iter().flat_map(|listener| ["--listen".into(), listener.to_string().into()]));
            roles.spawn(supervisor::keep("door", args, stop));
        }
        let stopped = tokio::select! {
            stopped = stop_signal() => stopped,
            // A role ends by itself only if it cannot be started at all.
            Some(ended) = roles.join_next() => ended.unwrap_or_else(|error| {
                Err(Failure::new("HAECHI-0123", format_args!("a role's watcher failed: {error}")))
            }),
        };
        log::info!("stopping");
        let _ = tell.send(true); // nobody listens only if every role is gone already
        while roles.join_next().await.is_some() {}
        log::info!("stopped");
        stopped
    })
}
