//! What can go wrong with bundles, for whoever is called at night; codes `HAECHI-0950` and on.

use std::path::{Path, PathBuf};

/// A bundle, or a repository of bundles, that is not taken. What was in use stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file or folder cannot be used.
    #[error("HAECHI-0950: a bundle's file or folder cannot be used: {what}\n  file    {}\n  effect  what was in use stays in use\n  to do   check that the medium is there, that the folder may be written to, and that the disk has room", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// The system's words.
        what: std::io::Error,
    },
    /// Nobody said yet whose signatures count.
    #[error("HAECHI-0951: this site trusts no publisher of bundles yet\n  file    {}\n  effect  nothing was taken\n  to do   `haechi bundle trust ROOT.json --fingerprint SHA256`, with the fingerprint that the center gave you by another way", path.display())]
    NoTrust {
        /// Where the root should lie.
        path: PathBuf,
    },
    /// Signatures are wrong or too few.
    #[error("HAECHI-0952: the signatures of the {role} metadata do not hold: {why}\n  file    {}\n  effect  nothing was taken\n  to do   fetch the medium again from the center; if it says the same, call the center with this text and do not use the medium", medium.display())]
    Signature {
        /// Whose.
        role: String,
        /// What is wrong.
        why: String,
        /// The medium.
        medium: PathBuf,
    },
    /// Metadata is over.
    #[error("HAECHI-0953: the {role} metadata ended on {until}: the medium is too old, or somebody holds newer ones back\n  file    {}\n  effect  nothing was taken\n  to do   fetch a fresh medium from the center; if this machine's clock is wrong, set it", medium.display())]
    Expired {
        /// Which.
        role: String,
        /// When.
        until: String,
        /// The medium.
        medium: PathBuf,
    },
    /// Older than what was seen before.
    #[error("HAECHI-0954: the medium is older than one that was seen here before: {why}\n  file    {}\n  effect  nothing was taken\n  to do   use the newest medium of the center; to go back to a bundle that was installed before, `haechi bundle rollback`", medium.display())]
    Rollback {
        /// What went back.
        why: String,
        /// The medium.
        medium: PathBuf,
    },
    /// A file is another than the signed one.
    #[error("HAECHI-0955: a file is not the one that was signed: {why}\n  file    {}\n  effect  nothing was taken\n  to do   copy the medium again; if it says the same, call the center with this text", path.display())]
    Swapped {
        /// What differs.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// A name that could reach elsewhere.
    #[error("HAECHI-0956: the medium holds a name that no bundle has: {name:?}\n  file    {}\n  effect  nothing was taken\n  to do   call the center with this text and do not use the medium", medium.display())]
    Name {
        /// The name, shortened.
        name: String,
        /// The medium.
        medium: PathBuf,
    },
    /// Metadata or a manifest is not what it should be.
    #[error("HAECHI-0957: {what} is not understood: {why}\n  file    {}\n  effect  nothing was taken\n  to do   copy the medium again; a newer format needs a newer appliance", path.display())]
    NotUnderstood {
        /// What.
        what: String,
        /// Why.
        why: String,
        /// The file or medium.
        path: PathBuf,
    },
    /// The clock went back.
    #[error(
        "HAECHI-0958: this machine's clock says {now}, and a bundle was taken at {seen} already\n  effect  nothing was taken: with a wrong clock nobody can tell whether a medium is too old\n  to do   set the clock, then try again"
    )]
    Clock {
        /// What it says.
        now: String,
        /// What it said before.
        seen: String,
    },
    /// No such bundle.
    #[error(
        "HAECHI-0959: no bundle {place} is called \"{which}\"\n  effect  nothing was changed\n  to do   `haechi bundle list` shows digests and names"
    )]
    Unknown {
        /// What was asked for.
        which: String,
        /// Where it was looked for.
        place: &'static str,
    },
    /// Nothing to go back to.
    #[error(
        "HAECHI-0960: there is no earlier {kind} bundle to go back to\n  effect  nothing was changed\n  to do   `haechi bundle list` shows what is installed; `haechi bundle activate DIGEST` switches to another one"
    )]
    NoEarlier {
        /// Which kind.
        kind: &'static str,
    },
    /// The center's half was used wrongly.
    #[error("HAECHI-0961: {why}\n  effect  nothing was published\n  to do   {remedy}")]
    Publishing {
        /// What.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl BundleError {
    pub(crate) fn files(path: &Path, what: std::io::Error) -> Self {
        Self::Files { path: path.to_owned(), what }
    }

    pub(crate) fn publishing(why: impl Into<String>, remedy: &'static str) -> Self {
        Self::Publishing { why: why.into(), remedy }
    }
}
