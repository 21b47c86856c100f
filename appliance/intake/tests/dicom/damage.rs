//! Damaged files: thousands of mutations, each taken or refused for a reason, none with a crash or an endless wait.

use std::fs;

use haechi_intake::dicom::survey;

use crate::made::{Object, element, sequence};
use crate::site::{Site, data, late};

/// A plain linear congruential generator (Knuth's constants): the same damage on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.len() < 140 {
            return;
        }
        // Mostly in the header, where the structure is.
        let reach = bytes.len().min(if random.below(4) == 0 { usize::MAX } else { 2000 });
        let at = 128 + random.below(reach - 128);
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 0xff, 0xfe, 0x7f, b'\\', 0x1b][random.below(6)],
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at + 1),
            4 => {
                let piece = bytes[at..(at + 60).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let end = (at + 4).min(bytes.len());
                bytes.splice(at..end, [0xff, 0xff, 0xff, 0xff]);
            }
        }
    }
}

fn samples() -> Vec<Vec<u8>> {
    let nested =
        (0..40).fold(element((0x0040, 0xa160), "UT", b"deep"), |inner, _| sequence((0x0040, 0xa730), &[inner]));
    let report = Object {
        class: "1.2.840.10008.5.1.4.1.1.88.11",
        more: vec![((0x0040, 0xa730), nested)],
        charset: "\\ISO 2022 IR 149",
        name: b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce".to_vec(),
        ..Object::new(1)
    };
    let mut samples = vec![Object::new(1).file(), report.file(), Object::new(2).file_in("1.2.840.10008.1.2")];
    if let Some(folder) = data("dicom") {
        for name in [
            "pydicom/reportsi.dcm",
            "pydicom/MR_small_expb.dcm",
            "pydicom/MR_small_implicit.dcm",
            "pydicom/rtplan.dcm",
            "charset/chrI2.dcm",
            "pydicom-data/SC_rgb.dcm",
            "pydicom/examples_ybr_color.dcm",
        ] {
            samples.extend(fs::read(folder.join(name)));
        }
    }
    samples
}

#[test]
fn mutated_files_are_read_or_refused() {
    let mut random = Random(1);
    let (mut read, mut total) = (0, 0);
    // `HAECHI_MUTATIONS` is how many in all; the long proofs try 10,000.
    let samples = samples();
    let all: usize = std::env::var("HAECHI_MUTATIONS").map_or(6000, |count| count.parse().unwrap());
    for sample in &samples {
        assert!(survey(sample).is_some());
        for _ in 0..all.div_ceil(samples.len()) {
            let mut bytes = sample.clone();
            damage(&mut bytes, &mut random);
            total += 1;
            read += usize::from(survey(&bytes).is_some());
        }
    }
    assert!(read > total / 4, "most damage is inside, not in the head: {read} of {total}");
}

#[test]
fn mutated_files_are_imported_or_named_with_a_reason() {
    let site = Site::new();
    let mut random = Random(2);
    for sample in samples().iter().take(3) {
        for round in 0..70 {
            let mut bytes = sample.clone();
            damage(&mut bytes, &mut random);
            let path = site.file(&format!("m{round}"), &bytes);
            let summary = site.import(&[&path]);
            let taken = summary.instances == 1;
            assert!(taken || summary.rejected.len() == 1, "{summary:?}");
            assert!(summary.rejected.iter().all(|rejected| !rejected.reason.is_empty()));
        }
    }
    // The record still answers, and every file it names is whole.
    for study in site.archive.studies(false, 1000).unwrap() {
        assert!(site.store.current("ImagingStudy", &study.id).unwrap().is_some());
    }
    site.archive.refresh(late()).unwrap();
    assert!(site.store.check().unwrap().problems.is_empty());
}

#[test]
fn nesting_and_lengths_without_end_cost_nothing() {
    let head = Object::new(1).file_in("1.2.840.10008.1.2.1");
    let begin = head.len() - Object::new(1).dataset().len();
    let mut deep = head[..begin].to_vec();
    for _ in 0..100_000 {
        deep.extend_from_slice(b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff");
    }
    assert!(survey(&deep).is_some());
    // A value said to have four gigabytes.
    let mut long = head[..begin].to_vec();
    long.extend_from_slice(b"\x08\x00\x05\x00UT\0\0\xfe\xff\xff\xffx");
    assert!(survey(&long).is_some());
}
