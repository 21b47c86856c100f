//! Any bytes as a DICOM file and as a DICOMweb store request: read as an import would, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = haechi_intake::dicom::survey(bytes);
    let _ = haechi_intake::dicom::survey_multipart("multipart/related; boundary=b", bytes);
});
