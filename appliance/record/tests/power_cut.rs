//! Nothing acknowledged is lost in a power cut, wherever it falls. The disk is simulated (haechi-sys, `power_cut`): of what
//! was written since the last sync any subset may survive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use haechi_record::key::Key;
use haechi_record::prepare::{Prepared, Source, prepare};
use haechi_record::store::{OpenOptions, Store, Synchronous};
use haechi_sys::power_cut::Recorder;
use jiff::Timestamp;

/// Moments at which power is cut.
const CUTS: usize = 200;
/// Transactions of the work that is interrupted.
const TRANSACTIONS: u64 = 60;

fn key() -> Key {
    Key::new([3; 32])
}

fn resource(transaction: u64, number: u64) -> Prepared {
    // Long enough that a transaction writes many pages and the log is checkpointed several times on the way.
    let text = "흉부 방사선 소견 ".repeat(40 + usize::try_from(transaction * 7 % 90).unwrap());
    let json = format!(
        r#"{{"resourceType":"Observation","id":"t{transaction}-{number}","status":"final","subject":{{"reference":"Patient/p"}},"valueString":"{text}"}}"#
    );
    let source = Source { file: "t".to_owned(), received: Timestamp::from_second(1).unwrap(), origin: None };
    prepare(json.into_bytes(), None, &|_| None, &source).unwrap()
}

/// Works through the transactions, acknowledging each after it was committed; returns at how many moments what was lost.
fn losses(vfs: &str, synchronous: Synchronous) -> usize {
    let recorder = Recorder::register(vfs).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { vfs: Some(vfs.to_owned()), synchronous, ..OpenOptions::default() };
    let store = Store::open_with(&folder.path().join("record.db"), &key(), &options).unwrap();
    for transaction in 0..TRANSACTIONS {
        store
            .write(|writer| {
                for number in 0..12 {
                    writer.put(&resource(transaction, number))?;
                }
                Ok(())
            })
            .unwrap();
        recorder.acknowledge(transaction);
    }
    let mut lost = 0;
    for cut in 0..CUTS {
        // Spread over the whole work, at uneven places.
        let moment = (recorder.len() * (cut + 1) / CUTS).saturating_sub(cut % 3);
        let image = tempfile::tempdir().unwrap();
        let acknowledged = recorder.cut(moment, cut as u64, image.path()).unwrap();
        lost += usize::from(!is_whole(&image.path().join("record.db"), &acknowledged, cut));
    }
    lost
}

/// True if the record opens, is undamaged, and holds every acknowledged transaction whole and every other one whole or not at all.
fn is_whole(file: &std::path::Path, acknowledged: &[u64], cut: usize) -> bool {
    let store = match Store::open(file, &key()) {
        Ok(store) => store,
        Err(error) => {
            eprintln!("cut {cut}: {} acknowledged, and: {error}", acknowledged.len());
            return false;
        }
    };
    if !store.check().is_ok_and(|health| health.problems.is_empty()) {
        eprintln!("cut {cut}: damaged");
        return false;
    }
    (0..TRANSACTIONS).all(|transaction| {
        let there = (0..12)
            .filter(|number| store.current("Observation", &format!("t{transaction}-{number}")).unwrap().is_some())
            .count();
        there == 12 || (there == 0 && !acknowledged.contains(&transaction))
    })
}

#[test]
fn nothing_acknowledged_is_lost_at_any_of_200_cuts() {
    assert_eq!(losses("power-cut-full", Synchronous::Full), 0);
}

#[test]
fn without_waiting_for_the_disk_the_same_test_fails() {
    assert!(
        losses("power-cut-off", Synchronous::Off) > 0,
        "the simulated disk forgets nothing: the test above proves nothing"
    );
}
