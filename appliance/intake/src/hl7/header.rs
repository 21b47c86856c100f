//! What the receiver of a message must know before it is mapped: who sends what, and about whom. Bytes, nothing decoded:
//! an acknowledgement echoes them as they came.

use super::message::delimiters;
use haechi_record::chart::Rejected;

/// Longest field that is echoed or compared, in bytes; HL7 allows 199 for the longest of them (MSH-10).
const MAX_FIELD_BYTES: usize = 250;
/// Patient numbers read, and the longest of them in bytes.
const MAX_NUMBERS: usize = 16;
const MAX_NUMBER_BYTES: usize = 64;

/// A message's MSH, and the patient numbers in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// MSH-1.
    pub separator: u8,
    /// MSH-2 as sent.
    pub encoding: Vec<u8>,
    /// MSH-3 to MSH-6 as sent.
    pub parties: [Vec<u8>; 4],
    /// MSH-9.1 in capitals: `ADT`.
    pub kind: String,
    /// MSH-9.2 in capitals: `A01`.
    pub trigger: String,
    /// MSH-10 as sent.
    pub control_id: Vec<u8>,
    /// MSH-11 as sent.
    pub processing_id: Vec<u8>,
    /// MSH-12 as sent.
    pub version: Vec<u8>,
    /// MSH-15: when the sender wants an accept acknowledgement; `None`: not said.
    pub accept: Option<Condition>,
    /// MSH-16: when the sender wants an application acknowledgement; `None`: not said.
    pub application: Option<Condition>,
    /// MSH-18 as sent.
    pub charset: Vec<u8>,
    /// Whether there is a PID segment.
    pub has_patient: bool,
    /// Numbers in PID-3, PID-2, PID-4 and MRG-1, without their authorities.
    pub numbers: Vec<String>,
    /// Whether a PID segment names no number at all.
    pub nameless: bool,
}

/// HL7 table 0155.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `AL`
    Always,
    /// `NE`
    Never,
    /// `ER`
    OnError,
    /// `SU`
    OnSuccess,
}

impl Condition {
    /// Whether an acknowledgement is wanted for what went well, or did not.
    #[must_use]
    pub fn wants(self, success: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => !success,
            Self::OnSuccess => success,
        }
    }

    fn read(field: &[u8]) -> Option<Self> {
        match field.to_ascii_uppercase().as_slice() {
            b"AL" => Some(Self::Always),
            b"NE" => Some(Self::Never),
            b"ER" => Some(Self::OnError),
            b"SU" => Some(Self::OnSuccess),
            _ => None,
        }
    }
}

/// Reads the header of one message, or of the beginning of one.
///
/// # Errors
/// The bytes do not begin as a message; segment and field are named.
pub fn header(message: &[u8]) -> Result<Header, Box<Rejected>> {
    let start = message.strip_prefix(super::charset::BOM).unwrap_or(message);
    let mut lines = start.split(|byte| matches!(*byte, b'\r' | b'\n'));
    let msh = lines.next().unwrap_or_default();
    let Some((b"MSH", rest)) = msh.split_at_checked(3) else {
        let reason = "the text does not begin with an MSH segment";
        return Err(Box::new(super::message::problem(1, "MSH[1]", None, reason)));
    };
    let marks = delimiters(rest)?;
    let [separator, component, repetition] =
        [marks.field, marks.component, marks.repetition].map(|mark| u8::try_from(mark).unwrap_or(b'|'));
    // fields[0] is MSH-1, the separator.
    let fields: Vec<&[u8]> = msh.get(3..).unwrap_or_default().split(|byte| *byte == separator).take(25).collect();
    let field = |number: usize| bounded(fields.get(number - 1).copied().unwrap_or_default());
    let kind = fields.get(8).copied().unwrap_or_default();
    let mut parts = kind.split(|byte| *byte == component).map(word);
    let (kind, trigger) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // Older senders write the structure alone: `ADT_A01`.
    let (kind, trigger) = match kind.split_once('_') {
        Some((kind, trigger)) if trigger.len() == 3 => (kind.to_owned(), trigger.to_owned()),
        _ => (kind, trigger),
    };
    let mut out = Header {
        separator,
        encoding: field(2),
        parties: [field(3), field(4), field(5), field(6)],
        kind,
        trigger,
        control_id: field(10),
        processing_id: field(11),
        version: field(12),
        accept: Condition::read(&field(15)),
        application: Condition::read(&field(16)),
        charset: field(18),
        has_patient: false,
        numbers: Vec::new(),
        nameless: false,
    };
    for line in lines {
        let line = line.trim_ascii_start();
        let (places, name): (&[usize], &[u8]) = match line.get(..3) {
            Some(b"PID") => (&[3, 2, 4], b"PID"),
            Some(b"MRG") => (&[1], b"MRG"),
            _ => continue,
        };
        if line.get(3) != Some(&separator) {
            continue;
        }
        let fields: Vec<&[u8]> = line.split(|byte| *byte == separator).take(5).collect();
        let values = places.iter().filter_map(|place| fields.get(*place)).flat_map(|field| {
            field.split(|byte| *byte == repetition).filter_map(|one| one.split(|byte| *byte == component).next())
        });
        let mut named = false;
        for value in values.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty() && *value != b"\"\"") {
            named = true;
            let value = String::from_utf8_lossy(value.get(..MAX_NUMBER_BYTES).unwrap_or(value)).into_owned();
            if out.numbers.len() < MAX_NUMBERS && !out.numbers.contains(&value) {
                out.numbers.push(value);
            }
        }
        if name == b"PID" {
            out.has_patient = true;
            out.nameless |= !named;
        }
    }
    Ok(out)
}

fn bounded(field: &[u8]) -> Vec<u8> {
    let field = field.trim_ascii();
    field.get(..MAX_FIELD_BYTES).unwrap_or(field).to_vec()
}

/// A code of a table, in capitals; what cannot be one becomes `?`, so that data in the wrong place is not repeated.
fn word(part: &[u8]) -> String {
    let part = part.trim_ascii();
    if part.len() <= 12 && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        String::from_utf8_lossy(part).to_ascii_uppercase()
    } else {
        "?".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_what_about_whom() {
        let message =
            b"\xef\xbb\xbfMSH|^~\\&|LAB|H1|HAECHI|H1|20240101||oru^r01^ORU_R01|42|P|2.5.1|||AL|ER||KS X 1001\r\
            PID|1|99|8812345^^^MR~A-7^^^X||\xc8\xab^\xb1\xe6\r\nMRG|555^^^MR\rPIDX|no";
        let header = header(message).unwrap();
        assert_eq!((header.kind.as_str(), header.trigger.as_str()), ("ORU", "R01"));
        assert_eq!((header.control_id.as_slice(), header.version.as_slice()), (&b"42"[..], &b"2.5.1"[..]));
        assert_eq!(header.parties[0], b"LAB");
        assert_eq!((header.accept, header.application), (Some(Condition::Always), Some(Condition::OnError)));
        assert_eq!(header.charset, b"KS X 1001");
        assert_eq!(header.numbers, ["8812345", "A-7", "99", "555"]);
        assert!(header.has_patient && !header.nameless);
    }

    #[test]
    fn other_marks_old_types_and_nobody() {
        let header = header(b"MSH$*@!%$A$B$$$$$ADT_A08$7\rPID$1$$ $\"\"").unwrap();
        assert_eq!((header.separator, header.encoding.as_slice()), (b'$', &b"*@!%"[..]));
        assert_eq!((header.kind.as_str(), header.trigger.as_str()), ("ADT", "A08"));
        assert!(header.has_patient && header.nameless && header.numbers.is_empty());
        assert_eq!(super::header(b"MSH|^~\\&|||||||Kim Chul-soo|1").unwrap().kind, "?");
    }

    #[test]
    fn what_is_no_message_is_named() {
        for (bytes, field) in [(&b"hello"[..], None), (b"", None), (b"MSH", Some("MSH-1")), (b"MSH|^^", Some("MSH-2"))]
        {
            let rejected = header(bytes).unwrap_err();
            assert_eq!((rejected.segment.as_deref(), rejected.field.as_deref()), (Some("MSH[1]"), field));
        }
    }
}
