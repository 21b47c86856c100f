use sha2::{Digest, Sha256};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn queue() -> (tempfile::TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::open(&folder.path().join("queue.db"), &Key::new([7; 32])).unwrap();
    (folder, queue)
}

fn add(queue: &Queue, feed: &str, raw: &str, number: &str, second: i64) -> bool {
    let about = [number.to_owned()];
    let new = New {
        feed,
        received: at(second),
        digest: Sha256::digest(raw.as_bytes()).into(),
        control_id: raw,
        kind: "ADT^A01",
        about: &about,
        raw: raw.as_bytes(),
    };
    queue.write(|writer| writer.add(&new)).unwrap()
}

fn dead(reason: &str) -> Settled {
    Settled::Dead(vec![Rejected {
        file: "feed lab".to_owned(),
        line: Some(2),
        segment: Some("PID[1]".to_owned()),
        field: Some("PID-3".to_owned()),
        resource: None,
        reason: reason.to_owned(),
    }])
}

fn seqs(queue: &Queue, after: u64) -> Vec<u64> {
    queue.waiting(after, 100, usize::MAX).unwrap().iter().map(|waiting| waiting.seq).collect()
}

#[test]
fn a_message_waits_once_and_leaves_once() {
    let (_folder, queue) = queue();
    assert!(add(&queue, "lab", "one", "1", 10));
    assert!(!add(&queue, "lab", "one", "1", 11), "the same bytes are known");
    assert!(add(&queue, "adt", "two", "1", 12));
    let waiting = queue.waiting(0, 100, usize::MAX).unwrap();
    assert_eq!(waiting[0], Waiting { seq: 1, feed: "lab".to_owned(), received: at(10), raw: b"one".to_vec() });
    assert_eq!(queue.waiting(0, 100, 1).unwrap().len(), 1, "one message is given however large");
    assert_eq!(queue.pending(&["1".to_owned(), "9".to_owned()]).unwrap(), Pending { waiting: 2, dead: 0 });
    assert!(queue.holds(&Sha256::digest(b"two").into()).unwrap());

    queue.write(|writer| writer.settle(1, &Settled::Filed, at(20))).unwrap();
    queue.write(|writer| writer.settle(1, &Settled::Filed, at(21))).unwrap(); // again: nothing
    let two = waiting[1].seq;
    assert_eq!(seqs(&queue, 0), [two]);
    assert_eq!(queue.pending(&["1".to_owned()]).unwrap(), Pending { waiting: 1, dead: 0 });
    let lab = queue.feeds().unwrap().into_iter().find(|feed| feed.name == "lab").unwrap();
    assert_eq!((lab.received, lab.processed, lab.waiting, lab.dead), (1, 1, 0, 0));
    assert_eq!((lab.last_received, lab.last_processed), (Some(at(11)), Some(at(20))));
    assert!(add(&queue, "lab", "three", "1", 30));
    queue.write(|writer| writer.settle(two, &Settled::Filed, at(31))).unwrap();
    assert!(seqs(&queue, 0)[0] > two, "a number is never used twice");
}

#[test]
fn a_dead_letter_is_kept_with_its_reason_and_can_be_replayed_or_let_go() {
    let (_folder, queue) = queue();
    for raw in ["one", "two", "three"] {
        add(&queue, "lab", raw, "1", 10);
    }
    queue
        .write(|writer| {
            writer.settle(1, &dead("no number"), at(20))?;
            writer.settle(2, &dead("no number"), at(20))
        })
        .unwrap();
    assert!(!add(&queue, "lab", "one", "1", 21), "a dead letter is known too");
    let letters = queue.dead_letters(Which::Feed("lab"), 10).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(letters[0].reasons[0].field.as_deref(), Some("PID-3"));
    assert_eq!(queue.pending(&["1".to_owned()]).unwrap(), Pending { waiting: 1, dead: 2 });
    assert_eq!(queue.dead_letters(Which::Feed("adt"), 10).unwrap(), []);

    assert_eq!(queue.write(|writer| writer.replay(Which::Seq(1))).unwrap(), 1);
    assert_eq!(seqs(&queue, 0), [1, 3], "under its old number");
    assert!(queue.write(|writer| writer.drop_dead(2)).unwrap());
    assert!(!queue.write(|writer| writer.drop_dead(2)).unwrap());
    assert_eq!(queue.pending(&["1".to_owned()]).unwrap(), Pending { waiting: 2, dead: 0 });
    let lab = &queue.feeds().unwrap()[0];
    assert_eq!((lab.received, lab.processed, lab.waiting, lab.dead), (3, 0, 2, 0));
    assert_eq!(queue.raw(3).unwrap().as_deref(), Some(&b"three"[..]));
    assert_eq!(queue.raw(2).unwrap(), None);
}

#[test]
fn the_newest_control_ids_are_remembered() {
    let (folder, queue) = queue();
    let one = |number: u64| ControlId { number, id: u64::MAX - number, digest: number << 60 };
    queue.write(|writer| (0..REMEMBERED_IDS + 2).try_for_each(|number| writer.remember(one(number)))).unwrap();
    drop(queue);
    let queue = Queue::open(&folder.path().join("queue.db"), &Key::new([7; 32])).unwrap();
    let remembered = queue.control_ids().unwrap();
    assert_eq!(remembered.len() as u64, REMEMBERED_IDS);
    assert_eq!((remembered[0], remembered[1]), (one(2), one(3)));
    assert_eq!(remembered.last(), Some(&one(REMEMBERED_IDS + 1)));
}

#[test]
fn a_paused_feed_waits_and_others_go_on() {
    let (_folder, queue) = queue();
    add(&queue, "lab", "one", "1", 10);
    add(&queue, "adt", "two", "2", 10);
    queue.write(|writer| writer.pause("lab", true)).unwrap();
    assert_eq!(seqs(&queue, 0), [2]);
    assert!(queue.feeds().unwrap().iter().any(|feed| feed.name == "lab" && feed.paused && feed.waiting == 1));
    queue.write(|writer| writer.pause("lab", false)).unwrap();
    assert_eq!(seqs(&queue, 0), [1, 2]);
    assert_eq!(seqs(&queue, 1), [2], "above a number");
}

#[test]
fn what_is_undone_counts_nothing() {
    let (_folder, queue) = queue();
    let refused: Result<(), _> = queue.write(|writer| {
        writer.tally("lab", Tally { refused: 1, ..Tally::default() }, Some(at(5)));
        Err(RecordError::MergeCircle)
    });
    assert!(refused.is_err());
    assert_eq!(queue.feeds().unwrap(), []);
    let tally = Tally { duplicates: 1, refused: 2, reused_ids: 3 };
    queue
        .write(|writer| {
            writer.tally("lab", tally, Some(at(5)));
            Ok(())
        })
        .unwrap();
    let lab = &queue.feeds().unwrap()[0];
    assert_eq!((lab.duplicates, lab.refused, lab.reused_ids, lab.last_received), (1, 2, 3, Some(at(5))));
}
