//! What can go wrong with certificates, for whoever is called at night. Never a key.

use std::path::PathBuf;

/// A fault of the site's certificates; codes `HAECHI-09xx`. What was in use stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// A file cannot be read or written.
    #[error("HAECHI-0901: the certificates' folder cannot be used: {what}\n  file    {}\n  effect  what was there is unchanged\n  to do   give the user that runs haechi the folder, mode 700, on a disk with room", path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        what: std::io::Error,
    },
    /// Others may read a private key.
    #[error("HAECHI-0902: others may read a private key (mode {mode:03o})\n  file    {}\n  effect  it is not used\n  to do   chmod 600 on it; if others may have read it, remove it and have a new one made (`haechi cert renew`)", path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is there and is not what its name says.
    #[error("HAECHI-0903: a certificate file is not understood: {why}\n  file    {}\n  effect  it is not used\n  to do   {remedy}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A certificate cannot be made.
    #[error("HAECHI-0904: a certificate cannot be made: {0}\n  effect  nothing was changed")]
    Making(String),
    /// A name cannot stand in a certificate.
    #[error(
        "HAECHI-0905: \"{0}\" cannot stand in a certificate\n  effect  no certificate was made\n  to do   use host names in ASCII (punycode for others) or IP addresses"
    )]
    Name(String),
    /// TLS cannot be set up with what is there.
    #[error("HAECHI-0906: TLS cannot be set up: {0}\n  effect  the listener stays closed")]
    Tls(String),
    /// The root ends.
    #[error(
        "HAECHI-0907: the site's root certificate ends on {until}, sooner than a new certificate would\n  effect  no certificate was made\n  to do   move the folder of certificates away, start again, and give every sender the new root (`haechi cert root`)"
    )]
    RootEnds {
        /// The last day.
        until: String,
    },
    /// A certificate that was handed in does not fit.
    #[error(
        "HAECHI-0908: the certificate is not taken: {why}\n  effect  what was in use stays in use\n  to do   {remedy}"
    )]
    Refused {
        /// What does not fit.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Nothing of that name or number was made here.
    #[error(
        "HAECHI-0909: no certificate of this site is called \"{0}\"\n  effect  nothing was revoked\n  to do   `haechi cert list` shows names and serial numbers"
    )]
    Unknown(String),
}
