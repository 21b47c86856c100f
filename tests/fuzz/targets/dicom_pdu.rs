//! Any bytes as a DICOM protocol data unit and as a DIMSE command, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| haechi_intake::dicom::survey_pdu(bytes));
