//! Any bytes as a bundle's manifest: read or refused, and what is read writes and reads back as itself.
#![no_main]

use haechi_bundle::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::read(bytes) {
        for file in &manifest.files {
            let target = manifest.target(&file.name);
            assert!(!target.contains('/') && !target.starts_with('.'));
            assert_eq!(target.splitn(4, '_').last(), Some(file.name.as_str()), "a name reads in one way");
        }
        let text = serde_json::to_vec(&manifest).expect("it has no map");
        assert_eq!(Manifest::read(&text).as_ref(), Ok(&manifest));
    }
});
