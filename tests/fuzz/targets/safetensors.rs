//! Any bytes as a safetensors file: refused with a sentence, or every tensor lies inside the file, none shares a byte.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut tensors) = haechi_drivers::safetensors::header(bytes, bytes.len() as u64) else { return };
    tensors.retain(|tensor| tensor.size > 0);
    tensors.sort_by_key(|tensor| tensor.start);
    let mut free_from = 8;
    for tensor in tensors {
        assert!(tensor.start >= free_from);
        free_from = tensor.start + tensor.size;
        assert!(free_from <= bytes.len() as u64);
        if let Some(dtype) = tensor.dtype {
            assert_eq!(tensor.numbers() * dtype.block_bytes, tensor.size);
        }
    }
});
