//! One log stream: the journal under systemd, plain lines on stderr elsewhere. Never patient data.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

/// Starts logging before anything else runs. `HAECHI_LOG` (`error`, `warn`, `info`, `debug`) sets the level.
pub(crate) fn init() {
    let level = std::env::var("HAECHI_LOG").ok().and_then(|word| word.parse().ok()).unwrap_or(LevelFilter::Info);
    log::set_max_level(level);
    if systemd_journal_logger::connected_to_journal()
        && let Ok(journal) = systemd_journal_logger::JournalLog::new()
        && journal.install().is_ok()
    {
        return;
    }
    // A second logger cannot be there yet: this is the first thing the process does.
    let _ = log::set_boxed_logger(Box::new(Terminal));
}

/// `2026-11-24T09:30:00Z core  warn  sentence`; the role's name comes from the environment that `haechi up` sets.
struct Terminal;

impl Log for Terminal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries speak only when something is wrong; their chatter is not the site's log.
        metadata.target().starts_with("haechi") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let role = std::env::var(super::roles::ROLE_VARIABLE).unwrap_or_else(|_| "haechi".to_owned());
        let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default();
        let level = record.level().as_str().to_ascii_lowercase();
        // One write a line, so that the roles' lines do not mix.
        let line = format!("{now} {role:<6} {level:<5} {}\n", record.args());
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
