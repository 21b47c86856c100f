//! DICOMweb STOW-RS, PS3.18 10.5: a body of many objects in, the store response out. No HTTP in here: the room that
//! speaks it hands over the content type and the body and sends back what it gets.

use std::io::{self, Read};

use haechi_record::store::Placed;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::archive::Archive;
use super::multipart::{Parts, parameter};
use super::{Refused, RefusedKind};

/// Most objects in one request: bounds the answer.
const MAX_OBJECTS: usize = 10_000;

/// What to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct StowAnswer {
    /// HTTP status: 200 all stored, 202 some, 409 none, 400 or 415 for a body that is not one, 507 for a full quota.
    pub status: u16,
    /// `application/dicom+json`: the store response, PS3.18 annex I.
    pub json: Value,
    /// For log and person, if the body as a whole was not understood.
    pub problem: Option<String>,
}

impl Archive {
    /// Stores what a request brings. `study`: the Study Instance UID in its path, if there is one; `source`: who sends.
    /// Blocks while it reads and stores.
    pub fn stow(
        &self,
        content_type: &str,
        body: &mut dyn Read,
        study: Option<&str>,
        source: &str,
        received: Timestamp,
    ) -> StowAnswer {
        let refuse = |status, problem: &str| StowAnswer {
            status,
            json: json!({}),
            problem: Some(format!("HAECHI-0370: a DICOMweb store request was refused: {problem}")),
        };
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/related") {
            return refuse(415, "its content type is not multipart/related");
        }
        // Without `type` the parts say it themselves.
        if parameter(content_type, "type").is_some_and(|inner| !inner.eq_ignore_ascii_case("application/dicom")) {
            return refuse(
                415,
                "its parts are not application/dicom: objects as JSON or XML with bulk data are not taken",
            );
        }
        let Some(mut parts) = parameter(content_type, "boundary").and_then(|boundary| Parts::new(body, &boundary))
        else {
            return refuse(400, "its content type names no usable boundary");
        };
        let (mut stored, mut failed) = (Vec::new(), Vec::new());
        let mut full = false;
        let mut problem = None;
        for _ in 0..MAX_OBJECTS {
            match parts.next() {
                Ok(Some(kind)) if kind.is_empty() || is_dicom(&kind) => {}
                Ok(Some(_)) => {
                    failed.push(failure(None, 0xc000));
                    continue;
                }
                Ok(None) => break,
                Err(error) => {
                    problem = Some(format!("HAECHI-0370: a DICOMweb store request was not read to its end: {error}"));
                    break;
                }
            }
            match self.one(&mut parts, study, source, received) {
                Ok((class, sop)) => stored.push(json!({
                    "00081150": {"vr": "UI", "Value": [class]},
                    "00081155": {"vr": "UI", "Value": [sop]},
                    "00081190": {"vr": "UR"},
                })),
                Err((refused, object)) => {
                    log::warn!(
                        "{}: an object was not stored: {}\n  from    {source}\n  effect  the sender was told so\n  to do   see the reason; when it is solved, let the sender send it again",
                        refused.code(),
                        refused.reason
                    );
                    full |= refused.kind == RefusedKind::Full;
                    let code = match refused.kind {
                        RefusedKind::Full | RefusedKind::TooLong => 0xa700,
                        RefusedKind::NotAsAnnounced => 0xa900,
                        RefusedKind::NotUnderstood | RefusedKind::CutOff => 0xc000,
                        RefusedKind::Failed => 0x0110,
                    };
                    failed.push(failure(object, code));
                }
            }
        }
        if let Err(error) = self.refresh(received) {
            // The objects are safe; the chart follows at the next refresh.
            log::error!("{error}");
        }
        let status = match (stored.is_empty(), failed.is_empty() && problem.is_none()) {
            (true, true) => return refuse(400, "it holds no object"),
            (false, true) => 200,
            (false, false) => 202,
            (true, false) if full => 507,
            (true, false) if failed.is_empty() => 400,
            (true, false) => 409,
        };
        let mut json = Map::new();
        json.insert("00081190".to_owned(), json!({"vr": "UR"}));
        if !failed.is_empty() {
            json.insert("00081198".to_owned(), json!({"vr": "SQ", "Value": failed}));
        }
        if !stored.is_empty() {
            json.insert("00081199".to_owned(), json!({"vr": "SQ", "Value": stored}));
        }
        StowAnswer { status, json: Value::Object(json), problem }
    }

    /// One object: its class and UID.
    fn one(
        &self,
        part: &mut impl Read,
        study: Option<&str>,
        source: &str,
        received: Timestamp,
    ) -> Result<Named, (Refused, Option<Named>)> {
        let pending = self.receive_file(part, source).map_err(|refused| (refused, None))?;
        let object = (pending.class.clone(), pending.new.sop.clone());
        if study.is_some_and(|study| study != pending.new.study) {
            self.give_up(&pending);
            let reason = "the object belongs to another study than the request names";
            let refused = Refused::at(RefusedKind::NotAsAnnounced, Some("(0020,000d)".to_owned()), reason);
            return Err((refused, Some(object)));
        }
        match self.commit(&[pending], received) {
            Ok(placed) => {
                debug_assert!(matches!(placed.as_slice(), [Placed::New | Placed::Replaced | Placed::Unchanged]));
                Ok(object)
            }
            Err(error) => Err((Refused::record(&error), Some(object))),
        }
    }
}

fn is_dicom(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/dicom")
}

/// SOP class and instance.
type Named = (String, String);

fn failure(object: Option<Named>, reason: u16) -> Value {
    let mut item = Map::new();
    if let Some((class, sop)) = object {
        item.insert("00081150".to_owned(), json!({"vr": "UI", "Value": [class]}));
        item.insert("00081155".to_owned(), json!({"vr": "UI", "Value": [sop]}));
    }
    item.insert("00081197".to_owned(), json!({"vr": "US", "Value": [reason]}));
    Value::Object(item)
}

/// Cuts a body into its parts without storing anything; how many there are. For fuzzing.
///
/// # Errors
/// What is wrong with the body.
pub fn survey_multipart(content_type: &str, body: &[u8]) -> io::Result<usize> {
    let parts = parameter(content_type, "boundary").and_then(|boundary| Parts::new(body, &boundary));
    let mut parts = parts.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no boundary"))?;
    let mut count = 0;
    while parts.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}
