//! What one asks the core role. Answers of the record travel as the JSON that the command line prints: the link knows no record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Protocol, Reply};

/// The core role's messages.
#[derive(Debug, Clone, Copy)]
pub struct Core;

impl Protocol for Core {
    const ROLE: &'static str = "core";
    type Request = CoreRequest;
    type Reply = CoreReply;
}

/// To the core role. Unless said otherwise the answer is one [`CoreReply::Json`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CoreRequest {
    /// What runs and what the record holds.
    Status,
    /// What does not work.
    Doctor,
    /// A question about a patient. Answers: [`CoreReply::Token`]s as the model words something, then [`CoreReply::Json`].
    Ask {
        /// The question.
        question: String,
        /// FHIR id or identifier.
        #[serde(default)]
        patient: Option<String>,
        /// `ko`, `en` or `auto`.
        #[serde(default = "auto")]
        lang: String,
        /// Answer as if it were this time, RFC 3339; the clock's if absent.
        #[serde(default)]
        now: Option<String>,
    },
    /// Patients.
    PatientList {
        /// Part of a name or identifier; all if absent.
        #[serde(default)]
        find: Option<String>,
    },
    /// One patient.
    PatientShow {
        /// FHIR id or identifier.
        id: String,
    },
    /// What was done about whose the charts are: merges, unmerges, visits moved.
    PatientMerges,
    /// Parts a merged patient from the one whose chart it is part of.
    PatientUnmerge {
        /// FHIR id or identifier of the patient who was merged.
        id: String,
        /// The user who wants it.
        by: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Imaging studies.
    ImagingList {
        /// Only those that are nobody's yet.
        #[serde(default)]
        unmatched: bool,
    },
    /// A small picture of one instance, as PNG.
    ImagingPreview {
        /// SOP Instance UID.
        sop: String,
    },
    /// Opens an import. In the same exchange follow, for each file, [`CoreRequest::ImportFile`], its bytes as raw frames and
    /// [`CoreRequest::ImportFileEnd`]; then [`CoreRequest::ImportEnd`]. Answers: [`CoreReply::Progress`] on the way, then
    /// [`CoreReply::Json`]. An exchange that ends without `ImportEnd` was broken off: files that were complete stay.
    ImportBegin {
        /// Number of files announced, for the progress.
        #[serde(default)]
        files: u64,
        /// Bytes announced, for the progress.
        #[serde(default)]
        bytes: u64,
        /// Character set used whatever the messages say.
        #[serde(default)]
        charset: Option<String>,
    },
    /// A file begins.
    ImportFile {
        /// As the importing person named it; it stands in citations and in reasons for rejects.
        name: String,
        /// Its size in bytes, as far as known.
        size: u64,
    },
    /// The file is complete.
    ImportFileEnd,
    /// The import is complete.
    ImportEnd,
    /// Opens a load of code systems: files follow as in an import ([`CoreRequest::ImportFile`] to [`CoreRequest::ImportEnd`]).
    TerminologyBegin {
        /// Code system, by any of its names.
        system: String,
        /// Version.
        version: String,
        /// First day of its use, `YYYY-MM-DD`.
        #[serde(default)]
        from: Option<String>,
        /// Last day.
        #[serde(default)]
        to: Option<String>,
        /// Field to heading, where a table has headings of its own.
        #[serde(default)]
        columns: std::collections::BTreeMap<String, String>,
    },
    /// Editions of code systems.
    TerminologyList,
    /// What a code means, or which codes are called so.
    TerminologyLookup {
        /// A code, or words of a name.
        text: String,
        /// Only this code system.
        #[serde(default)]
        system: Option<String>,
        /// Day on which the code is used.
        #[serde(default)]
        date: Option<String>,
        /// Codes at most.
        limit: u64,
    },
    /// Where a code leads in another system.
    TerminologyMap {
        /// Its code system.
        system: String,
        /// Code.
        code: String,
        /// The other code system.
        target: String,
        /// Day on which the code is used.
        #[serde(default)]
        date: Option<String>,
    },
    /// About the feeds.
    Feed(FeedRequest),
    /// Stop the role in order. The answer comes before the end.
    Stop,
}

/// What one asks about feeds and their queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FeedRequest {
    /// Every feed and how it does.
    List,
    /// Hold a feed's messages back from the record, or let them go on.
    Pause {
        /// Its name.
        feed: String,
        /// Whether it is to wait.
        paused: bool,
    },
    /// Messages that cannot be filed.
    DeadLetters {
        /// Of this feed; of all if absent.
        #[serde(default)]
        feed: Option<String>,
    },
    /// Have messages that cannot be filed wait again.
    Replay {
        /// Those of this feed; of all if both are absent.
        #[serde(default)]
        feed: Option<String>,
        /// This one.
        #[serde(default)]
        message: Option<u64>,
    },
    /// One message that is not in the record.
    Message {
        /// Its number.
        message: u64,
        /// Whether its bytes are wanted too.
        #[serde(default)]
        content: bool,
    },
}

fn auto() -> String {
    "auto".to_owned()
}

/// From the core role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreReply {
    /// The answer.
    Json(Value),
    /// How far a long work is.
    Progress {
        /// What is being done, for a person.
        what: String,
        /// Done so far, in the work's unit.
        done: u64,
        /// Of so many; 0 if unknown.
        total: u64,
    },
    /// The next piece of text that the model words. Not checked yet: for showing that something happens, never as an answer.
    Token {
        /// What it adds.
        text: String,
    },
    /// It did not work.
    Failed {
        /// `HAECHI-NNNN`.
        code: String,
        /// A sentence for a person.
        message: String,
    },
    /// All places are taken; try later.
    Overloaded,
}

impl Reply for CoreReply {
    fn overloaded() -> Self {
        Self::Overloaded
    }
    fn failed(code: &str, message: String) -> Self {
        Self::Failed { code: code.to_owned(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_fixed() {
        for (request, text) in [
            (CoreRequest::Status, r#""status""#),
            (
                CoreRequest::Ask {
                    question: "최근 혈당은?".to_owned(),
                    patient: Some("p1".to_owned()),
                    lang: "ko".to_owned(),
                    now: None,
                },
                r#"{"ask":{"question":"최근 혈당은?","patient":"p1","lang":"ko","now":null}}"#,
            ),
            (
                CoreRequest::ImportFile { name: "a.json".to_owned(), size: 3 },
                r#"{"import_file":{"name":"a.json","size":3}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<CoreRequest>(text).unwrap(), request);
        }
        let short = serde_json::from_str::<CoreRequest>(r#"{"ask":{"question":"q"}}"#).unwrap();
        assert!(matches!(short, CoreRequest::Ask { lang, patient: None, .. } if lang == "auto"));
        assert!(serde_json::from_str::<CoreRequest>(r#"{"ask":{"question":"q","patietn":"p"}}"#).is_err());
    }
}
