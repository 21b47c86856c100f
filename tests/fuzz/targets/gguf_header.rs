//! Any bytes as a model file's header: refused with a sentence, or every tensor lies inside the file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = haechi_drivers::gguf::Header::read(bytes);
});
