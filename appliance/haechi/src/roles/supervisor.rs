//! Keeps child roles running: restarts with growing pauses, stops them in order within five seconds.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{GRACE, ROLE_VARIABLE};
use crate::error::Failure;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A role that lived this long was well: its next crash starts again with the shortest pause.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Keeps `role`, started with `args`, alive until `stop` says so.
pub(crate) async fn keep(
    role: &'static str,
    args: Vec<OsString>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut pause = FIRST_PAUSE;
    while !*stop.borrow() {
        let started = Instant::now();
        let mut child = spawn(role, &args)?;
        let ended = tokio::select! {
            ended = child.wait() => ended,
            _ = stop.changed() => return end(role, child).await,
        };
        match ended {
            Ok(status) => {
                log::error!("the {role} role ended {}; it starts again in {} ms", in_words(status), pause.as_millis())
            }
            Err(error) => log::error!("the {role} role cannot be watched ({error}); it starts again"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
        pause = next_pause(pause, started.elapsed());
    }
    Ok(())
}

/// The pause before the start after next.
fn next_pause(pause: Duration, lived: Duration) -> Duration {
    if lived >= WELL_AFTER { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) }
}

fn spawn(role: &'static str, args: &[OsString]) -> Result<Child, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0122", format_args!("the {role} role cannot be started: {error}"))
            .remedy("check that the haechi program is still where it was started from")
    };
    // The very file that runs now, also when it was replaced on disk meanwhile.
    Command::new("/proc/self/exe")
        .arg(role)
        .args(args)
        .env(ROLE_VARIABLE, role)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)
}

async fn end(role: &str, mut child: Child) -> Result<(), Failure> {
    if let Some(pid) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
        // Fails only if it has just ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(GRACE + Duration::from_secs(1), child.wait()).await.is_err() {
        log::warn!("the {role} role did not stop in time and is killed; what was acknowledged is on disk");
        let _ = child.kill().await;
    }
    Ok(())
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "for an unknown reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_over_after_a_healthy_life() {
        let mut pause = FIRST_PAUSE;
        for _ in 0..20 {
            pause = next_pause(pause, Duration::ZERO);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        assert_eq!(next_pause(pause, WELL_AFTER), FIRST_PAUSE);
    }
}
