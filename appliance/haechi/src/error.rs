//! What a person reads when a command fails: code, sentence, evidence, effect, what to do.

use std::fmt;

/// A failure of the work (exit code 1). The codes of this crate are `HAECHI-01xx`; rooms bring their own.
#[derive(Debug)]
pub(crate) struct Failure {
    sentence: String,
    lines: Vec<(&'static str, String)>,
}

impl Failure {
    /// A failure with its code and one sentence.
    pub(crate) fn new(code: &str, sentence: impl fmt::Display) -> Self {
        Self { sentence: format!("{code}: {sentence}"), lines: Vec::new() }
    }

    /// A room's own error, which starts with its code already.
    pub(crate) fn from_room(error: impl fmt::Display) -> Self {
        Self { sentence: error.to_string(), lines: Vec::new() }
    }

    /// Adds the file or folder concerned.
    pub(crate) fn file(self, path: &std::path::Path) -> Self {
        self.line("file", path.display())
    }

    /// Adds what this means for the site.
    pub(crate) fn effect(self, text: impl fmt::Display) -> Self {
        self.line("effect", text)
    }

    /// Adds the remedy.
    pub(crate) fn remedy(self, text: impl fmt::Display) -> Self {
        self.line("to do", text)
    }

    /// `HAECHI-NNNN`.
    pub(crate) fn code(&self) -> &str {
        self.sentence.split(':').next().unwrap_or_default()
    }

    fn line(mut self, name: &'static str, text: impl fmt::Display) -> Self {
        self.lines.push((name, text.to_string()));
        self
    }

    /// The first line: enough for a peer on a socket.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sentence)?;
        for (name, text) in &self.lines {
            write!(f, "\n  {name:<7} {text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

macro_rules! from_room {
    ($($error:ty),*) => { $(impl From<$error> for Failure { fn from(error: $error) -> Self { Self::from_room(error) } })* };
}
from_room!(
    haechi_backup::BackupError,
    haechi_bundle::BundleError,
    haechi_record::RecordError,
    haechi_record::terminology::TerminologyError,
    haechi_intake::dicom::ArchiveError,
    haechi_intake::IntakeError,
    haechi_hospital::HospitalError
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_code_sentence_and_named_lines() {
        let failure = Failure::new("HAECHI-0102", "the folder cannot be made")
            .file(std::path::Path::new("x/y"))
            .effect("nothing was started")
            .remedy("choose another with --home");
        assert_eq!(
            failure.to_string(),
            "HAECHI-0102: the folder cannot be made\n  file    x/y\n  effect  nothing was started\n  to do   choose another with --home"
        );
    }
}
