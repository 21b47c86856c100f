//! Any bytes on a role's socket: refused with a rule, or read back as written.
#![no_main]

use haechi_link::frame::{self, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { json_bytes: 4096, raw_bytes: 4096 };
    let mut rest = bytes;
    while let Ok(Some((read, used))) = frame::first_frame(rest, limits) {
        let mut again = Vec::new();
        frame::write(read.kind, read.payload, limits, &mut again).expect("what was accepted can be written");
        assert_eq!(Some(again.as_slice()), rest.get(..used));
        let _ = frame::split_raw(read.payload);
        let _ = serde_json::from_slice::<haechi_link::core::CoreRequest>(read.payload);
        let _ = serde_json::from_slice::<haechi_link::core::CoreReply>(read.payload);
        let _ = serde_json::from_slice::<haechi_link::model::ModelRequest>(read.payload);
        let _ = serde_json::from_slice::<haechi_link::model::ModelReply>(read.payload);
        rest = rest.get(used..).unwrap_or_default();
    }
});
