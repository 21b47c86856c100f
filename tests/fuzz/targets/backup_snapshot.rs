//! The head of a backup's snapshot, from a disk that anybody may have held.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What does not fit is a sentence.
    if let Err(why) = haechi_backup::check_header(bytes) {
        assert!(!why.is_empty());
    }
});
