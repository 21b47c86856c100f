//! The record as the HL7 v2.5.1 messages that would have built it, in the order in which they would have come: what a
//! hospital's interface engine hands out, in CP949 for every second patient and in UTF-8 for the others.
//!
//! Four fields that 2.5.1 still calls `IS` (PV1-4, PV1-10, PV1-36, TXA-2) carry code, words and system, as 2.7 has them
//! and as Korean systems send them.

mod adt;
mod orders;
mod segment;

use encoding_rs::EUC_KR;
use jiff::civil::DateTime;

use crate::HospitalError;
use crate::moment;
use crate::record::{Chart, Record};
use segment::Segment;

/// A message before it has a header: when, and what.
struct Message {
    at: DateTime,
    /// Among messages of the same minute: registrations first, discharges last.
    rank: u8,
    /// `ADT^A01^ADT_A01`
    kind: &'static str,
    segments: Vec<Segment>,
}

/// The messages of one patient, collected in any order.
struct Feed<'r> {
    record: &'r Record,
    messages: Vec<Message>,
}

impl Feed<'_> {
    fn send(&mut self, at: DateTime, rank: u8, kind: &'static str, segments: Vec<Segment>) {
        self.messages.push(Message { at, rank, kind, segments });
    }
}

/// All messages as one file's bytes, and how many there are.
///
/// # Errors
/// A character that CP949 lacks: a mistake in this crate's tables.
pub(crate) fn messages(record: &Record) -> Result<(Vec<u8>, usize), HospitalError> {
    let mut feed = Feed { record, messages: Vec::new() };
    adt::write(&mut feed);
    orders::write(&mut feed);
    let mut all = feed.messages;
    all.sort_by_key(|message| (message.at, message.rank));
    let is_cp949 = record.number.is_multiple_of(2);
    let charset = if is_cp949 { "KS X 1001" } else { "UNICODE UTF-8" };
    let mut text = String::new();
    for (at, message) in all.iter().enumerate() {
        let control = format!("H{:05}{:06}", record.number, at + 1);
        let header = Segment::header(message.kind, &moment::v2(message.at), &control, charset);
        for segment in std::iter::once(&header).chain(&message.segments) {
            segment.write(&mut text);
        }
    }
    let bytes = if is_cp949 {
        let (bytes, _, is_lossy) = EUC_KR.encode(&text);
        if is_lossy {
            return Err(HospitalError::Encoding { patient: record.number });
        }
        bytes.into_owned()
    } else {
        text.into_bytes()
    };
    Ok((bytes, all.len()))
}

/// Which chart a visit's things are in.
fn chart(record: &Record, visit: Option<usize>) -> Chart {
    record.chart(visit)
}
