//! Nothing acknowledged is lost in a power cut on its way from a feed through the queue into the record, and nothing is
//! filed twice. Both files lie on the simulated disk of haechi-sys: of what was written since the last sync any subset may
//! survive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::path::Path;

use haechi_record::key::Key;
use haechi_record::queue::{New, Queue, Settled};
use haechi_record::store::{OpenOptions, Store, Synchronous};
use haechi_sys::power_cut::Recorder;
use jiff::Timestamp;

/// Moments at which power is cut.
const CUTS: usize = 150;
/// Messages that come.
const MESSAGES: u64 = 120;
/// Messages that are filed together.
const TOGETHER: u64 = 7;

fn digest(message: u64) -> [u8; 32] {
    let mut digest = [1; 32];
    digest[..8].copy_from_slice(&message.to_be_bytes());
    digest
}

fn take(queue: &Queue, message: u64) {
    // Long enough that the log is checkpointed on the way.
    let raw = format!("{message};").repeat(usize::try_from(500 + message * 997 % 20_000).unwrap());
    let (control_id, about) = (message.to_string(), [format!("p{}", message % 5)]);
    let new = New {
        feed: "lab",
        received: Timestamp::UNIX_EPOCH,
        digest: digest(message),
        control_id: &control_id,
        kind: "ADT^A01",
        about: &about,
        raw: raw.as_bytes(),
    };
    assert!(queue.write(|writer| writer.add(&new)).unwrap());
}

/// Files what waits as the feeds do: first the record commits, then the queue lets go. How many were new to the record.
fn file(store: &Store, queue: &Queue) -> usize {
    let waiting = queue.waiting(0, 1000, usize::MAX).unwrap();
    let new = store
        .write(|writer| {
            let mut new = 0;
            for one in &waiting {
                let text = String::from_utf8_lossy(&one.raw);
                let number: u64 = text.split(';').next().unwrap().parse().unwrap();
                new +=
                    usize::from(!writer.message_seen(&digest(number), &number.to_string(), Timestamp::UNIX_EPOCH)?);
            }
            Ok(new)
        })
        .unwrap();
    queue
        .write(|writer| {
            waiting.iter().try_for_each(|one| writer.settle(one.seq, &Settled::Filed, Timestamp::UNIX_EPOCH))
        })
        .unwrap();
    new
}

/// Takes and files the messages, acknowledging each when it is in the queue; at how many moments something was lost.
fn losses(vfs: &str, synchronous: Synchronous) -> usize {
    let recorder = Recorder::register(vfs).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { vfs: Some(vfs.to_owned()), synchronous, ..OpenOptions::default() };
    let key = Key::new([3; 32]);
    let store = Store::open_with(&folder.path().join("record.db"), &key, &options).unwrap();
    let queue = Queue::open_with(&folder.path().join("queue.db"), &key, &options).unwrap();
    let begun = recorder.len();
    for message in 0..MESSAGES {
        take(&queue, message);
        recorder.acknowledge(message);
        if message % TOGETHER == TOGETHER - 1 {
            file(&store, &queue);
        }
    }
    let mut lost = 0;
    for cut in 0..CUTS {
        let moment = begun + ((recorder.len() - begun) * (cut + 1) / CUTS).saturating_sub(cut % 3);
        let image = tempfile::tempdir().unwrap();
        let acknowledged = recorder.cut(moment, cut as u64, image.path()).unwrap();
        lost += usize::from(!is_whole(image.path(), &key, &acknowledged, cut));
    }
    lost
}

/// True if both files open, are undamaged, and hold every acknowledged message; filing what waits then files each once.
fn is_whole(folder: &Path, key: &Key, acknowledged: &[u64], cut: usize) -> bool {
    let opened = Store::open(&folder.join("record.db"), key)
        .and_then(|store| Ok((store, Queue::open(&folder.join("queue.db"), key)?)));
    let (store, queue) = match opened {
        Ok(both) => both,
        Err(error) => {
            eprintln!("cut {cut}: {} acknowledged, and: {error}", acknowledged.len());
            return false;
        }
    };
    for (file, health) in [("record", store.check()), ("queue", queue.check())] {
        if !health.as_ref().is_ok_and(|health| health.problems.is_empty()) {
            eprintln!("cut {cut}: the {file} is damaged: {health:?}");
            return false;
        }
    }
    let there = |message: u64| store.has_message(&digest(message)).unwrap() || queue.holds(&digest(message)).unwrap();
    if !acknowledged.iter().all(|message| there(*message)) {
        eprintln!("cut {cut}: an acknowledged message is in neither file");
        return false;
    }
    let expected = (0..MESSAGES).filter(|message| there(*message)).count() as u64;
    file(&store, &queue);
    let counts = store.counts().unwrap();
    counts.messages == expected && queue.feeds().unwrap().iter().all(|feed| feed.waiting == 0)
}

#[test]
fn nothing_acknowledged_is_lost_between_feed_and_record_at_any_of_150_cuts() {
    assert_eq!(losses("power-cut-queue-full", Synchronous::Full), 0);
}

#[test]
fn without_waiting_for_the_disk_the_same_test_fails() {
    assert!(
        losses("power-cut-queue-off", Synchronous::Off) > 0,
        "the simulated disk forgets nothing: the test above proves nothing"
    );
}
