//! Any bytes as an MLLP stream, in pieces of any size: frames, headers, acknowledgements. How the stream arrives changes
//! nothing, memory stays bounded, and an acknowledgement is always one well-formed frame.
#![no_main]

use haechi_intake::hl7;
use haechi_intake::mllp::Acknowledge;
use haechi_intake::mllp::ack::{acknowledgement, codes};
use haechi_intake::mllp::check::{TOO_LONG, no_header};
use haechi_intake::mllp::frame::{Frame, Frames, HEAD_BYTES};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 600;

fn frames(bytes: &[u8], size: usize) -> (Vec<Frame>, u64) {
    let mut frames = Frames::new(LONGEST);
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        frames.push(piece);
        while let Some(frame) = frames.next_frame() {
            found.push(frame);
        }
        assert!(frames.held() <= LONGEST.max(HEAD_BYTES) + size + 3, "{} bytes are held", frames.held());
    }
    (found, frames.noise())
}

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else { return };
    let (found, _) = frames(bytes, usize::from(*size).max(1));
    let (whole, _) = frames(bytes, bytes.len().max(1));
    let kinds = |found: &[Frame]| {
        found
            .iter()
            .map(|frame| match frame {
                Frame::Whole(content) => Some(content.clone()),
                Frame::TooLong(_) => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&found), kinds(&whole), "how a stream is cut changes what is found");
    let (now, zone) = (jiff::Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC);
    for frame in found {
        let (content, too_long) = match frame {
            Frame::Whole(content) => (content, false),
            Frame::TooLong(head) => (head, true),
        };
        for piece in hl7::split(&content) {
            let header = hl7::header(piece.bytes);
            let problem = match &header {
                Ok(_) if too_long => Some(TOO_LONG),
                Ok(_) => None,
                Err(rejected) => Some(no_header(rejected)),
            };
            let header = header.ok();
            for code in codes(Acknowledge::AsAsked, header.as_ref(), problem.as_ref()) {
                let answer = acknowledgement(code, header.as_ref(), problem.as_ref(), now, &zone, 1);
                let (read, noise) = frames(&answer, 7);
                assert!(noise == 0 && read.len() == 1, "the answer is not one frame");
            }
        }
    }
});
