//! What no resource holds: segments that are not read (Z-segments above all), that were put aside, or whose bytes are not
//! in the character set they should be in, kept word for word.
//!
//! Each becomes a `Basic`, which is FHIR's own place for what has no resource: a `DocumentReference` would stand among the
//! clinicians' notes and be counted as one. Its text is searched and cited like any other. The same segment for the same
//! patient on the same day is kept once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_record::chart::KEPT_SEGMENT;

use super::context::{Context, Draft, Meet, id_of};
use super::json::{Json, Object};
use super::message::Seg;
use super::patient::Subject;

/// Segments that carry the message and not the patient, and those that only complete the segment before them.
const CARRIERS: [&str; 15] =
    ["MSH", "EVN", "SFT", "UAC", "MSA", "ERR", "QAK", "QRD", "QRF", "DSC", "PID", "PV1", "ORC", "TQ1", "TQ2"];

/// Most segments of one message that are kept so.
const MAX_KEPT: usize = 500;

/// Keeps every segment of `segs` that nothing was made of, and every one with bytes that could not be read, whose raw
/// bytes `raw` knows by line.
pub(super) fn keep(
    ctx: &mut Context<'_>,
    subject: &Subject,
    segs: &[&Seg<'_>],
    raw: &dyn Fn(&Seg<'_>) -> Option<Vec<u8>>,
) {
    let mut count = 0;
    for seg in segs {
        let bytes = if seg.is_damaged() { raw(seg) } else { None };
        let made = CARRIERS.contains(&seg.name) || ctx.is_read(seg);
        if bytes.is_none() && ((made && !ctx.is_wanted(seg)) || !seg.says_something()) {
            continue;
        }
        count += 1;
        if count > MAX_KEPT {
            return ctx.reject(seg, None, format!("more than {MAX_KEPT} segments are not read; the rest is left out"));
        }
        let written = seg.written();
        let day = ctx.sent.get(..8).unwrap_or_default().to_owned();
        let mut draft = Draft::new("Basic", id_of("Basic", &[&subject.id, &day, &written]));
        draft.body.put("code", Object::default().with("text", format!("HL7 v2 segment {}", seg.name)));
        draft.body.put("subject", subject.reference());
        draft.body.maybe("created", super::time::date(&ctx.sent).ok());
        let mut extensions: Vec<Json> =
            vec![Object::default().with("url", KEPT_SEGMENT).with("valueString", written).into()];
        draft.came_from("extension[0].valueString", seg);
        if let Some(bytes) = bytes {
            let url = format!("{KEPT_SEGMENT}-bytes");
            extensions
                .push(Object::default().with("url", url).with("valueBase64Binary", STANDARD.encode(bytes)).into());
            draft.came_from("extension[1].valueBase64Binary", seg);
        }
        draft.body.put("extension", extensions);
        ctx.emit(draft, Meet::Fill);
    }
}

/// The bytes of the lines `from` to before `to`, counted as `\r`, `\n` and `\r\n` end them.
pub(super) fn lines(bytes: &[u8], from: u64, to: Option<u64>) -> Vec<u8> {
    let bytes = bytes.strip_prefix(super::charset::BOM).unwrap_or(bytes);
    let mut out = Vec::new();
    let mut line = 1;
    let mut last = 0;
    for byte in bytes {
        if last == b'\r' && *byte == b'\n' {
            last = *byte;
            continue;
        }
        if line >= from && to.is_none_or(|to| line < to) {
            out.push(*byte);
        }
        line += u64::from(matches!(byte, b'\r' | b'\n'));
        last = *byte;
    }
    while matches!(out.last(), Some(b'\r' | b'\n')) {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_are_counted_as_the_segments_are() {
        let bytes = b"MSH|a\rPID|b\r\nOBX|c\nd\rZZZ";
        assert_eq!(lines(bytes, 2, Some(3)), b"PID|b");
        assert_eq!(lines(bytes, 3, Some(5)), b"OBX|c\nd");
        assert_eq!(lines(bytes, 5, None), b"ZZZ");
        assert_eq!(lines(bytes, 9, None), b"");
    }
}
