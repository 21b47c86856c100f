//! Whether a message may be acknowledged: it begins as HL7, its type is one that this feed takes, it has a control id and
//! names its patient. What else may be wrong with it is found when it is filed.

use haechi_record::chart::Rejected;

use super::settings::FeedSettings;
use crate::hl7::{self, Header};

/// Longest control id, in bytes (HL7 v2.6 and later: 199).
const MAX_CONTROL_ID_BYTES: usize = 199;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// HL7 table 0357.
    pub condition: Condition,
    /// Whether it can never be taken as it is (AR, CR), or by an error in its content or ours (AE, CE).
    pub rejected: bool,
    /// Segment, its place, field, component: ERR-2. Fields and components from 1; 0: none.
    pub place: (&'static str, usize, usize, usize),
    /// For the person who reads the acknowledgement; never the content of a message.
    pub text: &'static str,
}

/// HL7 table 0357, as far as we use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// 100
    SegmentSequence,
    /// 101
    RequiredField,
    /// 102
    DataType,
    /// 104
    TooLong,
    /// 200
    UnsupportedType,
    /// 201
    UnsupportedEvent,
    /// 207
    Internal,
}

impl Condition {
    /// Code and words of the table.
    #[must_use]
    pub fn code(self) -> (u16, &'static str) {
        match self {
            Self::SegmentSequence => (100, "Segment sequence error"),
            Self::RequiredField => (101, "Required field missing"),
            Self::DataType => (102, "Data type error"),
            Self::TooLong => (104, "Value too long"),
            Self::UnsupportedType => (200, "Unsupported message type"),
            Self::UnsupportedEvent => (201, "Unsupported event code"),
            Self::Internal => (207, "Application internal error"),
        }
    }
}

/// The queue cannot take anything now; the sender should try again.
pub const NOT_NOW: Problem = Problem {
    condition: Condition::Internal,
    rejected: false,
    place: ("", 0, 0, 0),
    text: "The message was not stored. Send it again later.",
};

/// The message is longer than this feed takes.
pub const TOO_LONG: Problem = Problem {
    condition: Condition::TooLong,
    rejected: true,
    place: ("MSH", 1, 0, 0),
    text: "The message is longer than this feed takes.",
};

/// What is wrong with text that has no header.
#[must_use]
pub fn no_header(rejected: &Rejected) -> Problem {
    let field = match rejected.field.as_deref() {
        Some("MSH-1") => 1,
        Some("MSH-2") => 2,
        _ => 0,
    };
    let (condition, text) = if field == 0 {
        (Condition::SegmentSequence, "The text does not begin with an MSH segment.")
    } else {
        (Condition::DataType, "The delimiters in MSH-1 and MSH-2 cannot be used.")
    };
    Problem { condition, rejected: true, place: ("MSH", 1, field, 0), text }
}

/// Looks at a message's header by the rules of its feed; `None`: it may be taken.
#[must_use]
pub fn check(header: &Header, feed: &FeedSettings) -> Option<Problem> {
    let reject = |condition, place, text| Some(Problem { condition, rejected: true, place, text });
    let error = |condition, place, text| Some(Problem { condition, rejected: false, place, text });
    let (kind, trigger) = (header.kind.as_str(), header.trigger.as_str());
    if kind.is_empty() {
        return reject(Condition::RequiredField, ("MSH", 1, 9, 1), "The message type is missing.");
    }
    let (known, event_known) = hl7::reads(kind, trigger);
    if !known {
        return reject(Condition::UnsupportedType, ("MSH", 1, 9, 1), "Messages of this type are not filed.");
    }
    if !event_known {
        return reject(Condition::UnsupportedEvent, ("MSH", 1, 9, 2), "Messages of this event are not filed.");
    }
    let of_type = |accepted: &&super::Accepted| accepted.kind == kind;
    if !feed.accept.is_empty() && !feed.accept.iter().any(|accepted| of_type(&accepted)) {
        return reject(Condition::UnsupportedType, ("MSH", 1, 9, 1), "This feed does not take messages of this type.");
    }
    if !feed.accept.is_empty() && !feed.accept.iter().any(|accepted| accepted.is(kind, trigger)) {
        return reject(Condition::UnsupportedEvent, ("MSH", 1, 9, 2), "This feed does not take this event.");
    }
    if header.control_id.is_empty() {
        return error(Condition::RequiredField, ("MSH", 1, 10, 0), "The message control id is missing.");
    }
    if header.control_id.len() > MAX_CONTROL_ID_BYTES {
        return error(Condition::TooLong, ("MSH", 1, 10, 0), "The message control id is longer than 199 characters.");
    }
    if !header.has_patient {
        return error(Condition::SegmentSequence, ("PID", 1, 0, 0), "There is no PID segment.");
    }
    if header.nameless {
        return error(Condition::RequiredField, ("PID", 1, 3, 0), "The patient identifier list is empty.");
    }
    None
}
