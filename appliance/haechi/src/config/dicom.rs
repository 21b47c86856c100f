//! `[dicom]`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use haechi_intake::dicom::{Caller, ServiceSettings, Settings};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::feed::Transport;

/// The listener's name at the door.
pub(crate) const LISTENER: &str = "dicom";
/// Longest AE title (PS3.5 table 6.2-1).
const MAX_TITLE_CHARS: usize = 16;
/// Data units shorter than this make a transfer slow, longer ones cost memory for each association.
const PDU_BYTES: std::ops::RangeInclusive<u32> = 4096..=(4 << 20);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Dicom {
    /// Address and port to listen at. Default: none, nobody can send.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether connections are encrypted. Default: "none".
    pub(crate) tls: Transport,
    /// PEM file of the authorities whose certificates senders show, for `tls = "mutual"`. Default: the site's own.
    pub(crate) client_roots: Option<PathBuf>,
    /// Our AE title: what a sender must call. Default: "HAECHI".
    pub(crate) ae_title: String,
    /// Who may send: calling AE titles, with an address behind `@` only from there. Default: nobody.
    pub(crate) callers: Vec<String>,
    /// Most room for images on the disk, in GiB. Default: 100.
    pub(crate) quota_gib: u64,
    /// Longest object accepted, in MiB. Default: 4096.
    pub(crate) max_object_mib: u64,
    /// Longest data unit accepted, in bytes. Default: 262144.
    pub(crate) max_pdu_bytes: u32,
    /// Associations at a time. Default: 16.
    pub(crate) max_associations: usize,
    /// How long an association may be silent, in seconds. Default: 300.
    pub(crate) idle_timeout_s: u64,
    /// Character set of text whose sender names none. Default: "cp949".
    pub(crate) assume_charset: String,
    /// Assigning authority of patient numbers without an issuer. Default: that of [intake.hl7].
    pub(crate) assigning_authority: Option<String>,
    /// Take every patient number for one of the assigning authority's, whatever issuer the sender writes. Default: false.
    pub(crate) ignore_issuer: bool,
}

impl Default for Dicom {
    fn default() -> Self {
        Self {
            listen: None,
            tls: Transport::None,
            client_roots: None,
            ae_title: "HAECHI".to_owned(),
            callers: Vec::new(),
            quota_gib: 100,
            max_object_mib: 4096,
            max_pdu_bytes: 256 << 10,
            max_associations: 16,
            idle_timeout_s: 300,
            assume_charset: "cp949".to_owned(),
            assigning_authority: None,
            ignore_issuer: false,
        }
    }
}

impl Dicom {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !is_title(&self.ae_title) {
            return Err(format!("dicom.ae-title: \"{}\" is no AE title (1 to 16 printable characters)", self.ae_title));
        }
        if !haechi_intake::hl7::knows_charset(&self.assume_charset) {
            return Err(format!("dicom.assume-charset: \"{}\" is no character set known here", self.assume_charset));
        }
        if !PDU_BYTES.contains(&self.max_pdu_bytes) {
            let (least, most) = PDU_BYTES.into_inner();
            return Err(format!("dicom.max-pdu-bytes = {} is not between {least} and {most}", self.max_pdu_bytes));
        }
        if self.client_roots.is_some() && self.tls != Transport::Mutual {
            return Err("dicom.client-roots: only with tls = \"mutual\"".to_owned());
        }
        for (key, value) in [
            ("quota-gib", self.quota_gib),
            ("max-object-mib", self.max_object_mib),
            ("idle-timeout-s", self.idle_timeout_s),
            ("max-associations", self.max_associations as u64),
        ] {
            if value == 0 || value > 1 << 24 {
                return Err(format!("dicom.{key} = {value} is not between 1 and 16777216"));
            }
        }
        self.callers.iter().try_for_each(|written| caller(written).map(|_| ()))
    }

    /// What the archive needs.
    pub(crate) fn settings(&self, zone: TimeZone, assigning_authority: &str) -> Settings {
        Settings {
            quota_bytes: self.quota_gib << 30,
            max_object_bytes: self.max_object_mib << 20,
            zone,
            assume_charset: self.assume_charset.clone(),
            assigning_authority: self.assigning_authority.as_deref().unwrap_or(assigning_authority).to_owned(),
            ignore_issuer: self.ignore_issuer,
        }
    }

    /// What the listener's room needs. Callers were checked when the file was read.
    pub(crate) fn service(&self) -> ServiceSettings {
        ServiceSettings {
            ae_title: self.ae_title.clone(),
            callers: self.callers.iter().filter_map(|written| caller(written).ok()).collect(),
            max_pdu_bytes: self.max_pdu_bytes,
            max_associations: self.max_associations,
            idle_patience: Duration::from_secs(self.idle_timeout_s),
            ..ServiceSettings::default()
        }
    }
}

/// `TITLE` or `TITLE@10.0.0.5`.
fn caller(written: &str) -> Result<Caller, String> {
    let (title, address) = match written.rsplit_once('@') {
        Some((title, address)) => {
            let address =
                address.parse().map_err(|_| format!("dicom.callers: \"{written}\" has no address behind its @"))?;
            (title, Some(address))
        }
        None => (written, None),
    };
    if !is_title(title) {
        return Err(format!("dicom.callers: \"{written}\" is no AE title (1 to 16 printable characters)"));
    }
    Ok(Caller { title: title.to_owned(), address })
}

fn is_title(text: &str) -> bool {
    (1..=MAX_TITLE_CHARS).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_titles_with_or_without_an_address() {
        assert_eq!(caller("PACS"), Ok(Caller { title: "PACS".into(), address: None }));
        assert_eq!(caller("CT@1@10.0.0.5").unwrap().title, "CT@1");
        assert!(caller("PACS@10.0.0").is_err() && caller("").is_err() && caller("SEVENTEEN_LETTERS").is_err());
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_their_key() {
        for (wrong, key) in [
            (Dicom { ae_title: String::new(), ..Dicom::default() }, "ae-title"),
            (Dicom { quota_gib: 0, ..Dicom::default() }, "quota-gib"),
            (Dicom { max_pdu_bytes: 1, ..Dicom::default() }, "max-pdu-bytes"),
            (Dicom { callers: vec!["A@B".into()], ..Dicom::default() }, "callers"),
            (Dicom { assume_charset: "klingon".into(), ..Dicom::default() }, "assume-charset"),
            (Dicom { client_roots: Some("x".into()), tls: Transport::Server, ..Dicom::default() }, "client-roots"),
        ] {
            assert!(wrong.check().unwrap_err().contains(key));
        }
        assert!(Dicom::default().check().is_ok());
    }
}
