//! Copies and the way back, with files of our own and with a record that is written to meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use haechi_backup::{BackupError, Content, Keys, Listed, RecoveryKey, Repository, Source, create, restore};
use haechi_record::key::Key;
use haechi_record::prepare::{Source as Origin, prepare};
use haechi_record::store::Store;
use jiff::Timestamp;

struct Site {
    folder: tempfile::TempDir,
    key: RecoveryKey,
    keys: Keys,
    repository: Repository,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("memory")).unwrap();
        let key = RecoveryKey::generate();
        let keys = key.keys();
        let repository = Repository::init(&folder.path().join("repository"), &keys).unwrap();
        Self { folder, key, keys, repository }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn create(&self, sources: Vec<Source>, second: i64) -> Result<Listed, BackupError> {
        let now = Timestamp::from_second(1_764_000_000 + second).unwrap();
        create(&self.repository, &self.keys, &self.path("memory"), sources, now, &mut |_| {})
    }

    fn restore(&self, snapshot: Option<&str>, name: &str) -> Result<PathBuf, BackupError> {
        let target = self.path(name);
        restore(&self.path("repository"), &self.key, snapshot, &target, &mut |_| Ok(()), &mut |_| {}).map(|_| target)
    }

    fn packs(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("repository/packs")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn faults(&self) -> Vec<String> {
        let (_, faults) = self.repository.verify(&self.keys, &mut |_| {}).unwrap();
        faults.iter().map(ToString::to_string).collect()
    }
}

fn bytes(name: &str, content: &[u8]) -> Source {
    Source { name: name.into(), content: Content::Bytes(content.to_vec().into()) }
}

/// Bytes that do not repeat.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn what_was_copied_comes_back_and_a_second_copy_costs_what_changed() {
    let site = Site::new();
    let large = noise(5 << 20, 1);
    let first = site.create(vec![bytes("a/large", &large), bytes("empty", b""), bytes("b", b"small")], 0).unwrap();
    assert!(first.added > 5 << 20);
    let mut changed = large.clone();
    changed[3 << 20] ^= 1;
    let second = site.create(vec![bytes("a/large", &changed), bytes("b", b"small")], 1).unwrap();
    assert!((1 << 20..(1 << 20) + 4096).contains(&second.added), "{second:?}");
    let third = site.create(vec![bytes("a/large", &changed), bytes("b", b"small")], 2).unwrap();
    assert_eq!(third.added, 0);

    let now = site.restore(None, "now").unwrap();
    assert_eq!(fs::read(now.join("a/large")).unwrap(), changed);
    assert!(!now.join("empty").exists());
    let then = site.restore(Some(&first.id), "then").unwrap();
    assert_eq!(fs::read(then.join("a/large")).unwrap(), large);
    assert_eq!(fs::read(then.join("empty")).unwrap(), b"");
    assert_eq!(fs::read(then.join("b")).unwrap(), b"small");
    assert!(matches!(site.restore(None, "now"), Err(BackupError::NotEmpty { .. })));
    assert_eq!(site.faults(), Vec::<String>::new());
}

#[test]
fn nothing_readable_lies_in_the_repository_and_another_key_opens_nothing() {
    let site = Site::new();
    site.create(vec![bytes("record/name-of-a-file", b"name of a patient, forty bytes of it all")], 0).unwrap();
    let mut files = site.packs();
    files.extend(fs::read_dir(site.path("repository/snapshots")).unwrap().map(|entry| entry.unwrap().path()));
    assert_eq!(files.len(), 2);
    for file in files {
        let content = fs::read(file).unwrap();
        for secret in [&b"name of a patient"[..], b"name-of-a-file"] {
            assert!(!content.windows(secret.len()).any(|window| window == secret));
        }
    }
    let other = RecoveryKey::generate();
    let opened = restore(&site.path("repository"), &other, None, &site.path("x"), &mut |_| Ok(()), &mut |_| {});
    assert!(matches!(opened, Err(BackupError::OtherKey { .. })));
    assert!(matches!(Repository::open(&site.path("repository"), &other.keys()), Err(BackupError::OtherKey { .. })));
    // Somebody who can write to the repository makes it look like the other's: the seal still says no.
    let card = site.path("repository/repository.json");
    let text = fs::read_to_string(&card).unwrap().replace(&site.keys.recipient(), &other.keys().recipient());
    fs::write(&card, text).unwrap();
    let opened = restore(&site.path("repository"), &other, None, &site.path("x"), &mut |_| Ok(()), &mut |_| {});
    assert!(opened.unwrap_err().to_string().contains("no snapshot"));
    assert!(!site.path("x").exists());
}

#[test]
fn damage_is_found_by_name_and_nothing_is_put_in_place() {
    let site = Site::new();
    let content = noise(3 << 20, 2);
    site.create(vec![bytes("a", &content)], 0).unwrap();
    let pack = site.packs().remove(0);
    let whole = fs::read(&pack).unwrap();
    let harms: [(&str, Vec<u8>); 3] = [
        ("flipped", {
            let mut bytes = whole.clone();
            bytes[2 << 20] ^= 1;
            bytes
        }),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("longer", [&whole[..], b"x"].concat()),
    ];
    for (harm, content) in harms {
        fs::write(&pack, content).unwrap();
        let faults = site.faults();
        assert!(faults.len() == 1 && faults[0].contains(pack.to_str().unwrap()), "{harm}: {faults:?}");
        let restored = site.restore(None, "x");
        if harm != "longer" {
            assert!(matches!(restored, Err(BackupError::Damaged { .. })), "{harm}");
            assert!(!site.path("x").exists(), "{harm}");
        }
        let left = fs::read_dir(site.folder.path()).unwrap().filter_map(Result::ok);
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().contains("restoring")), "{harm}");
    }
    fs::remove_file(&pack).unwrap();
    assert!(site.faults()[0].contains("not there"));
    // The memory of what was copied does not outlive the pack: the next snapshot is whole.
    let again = site.create(vec![bytes("a", &content)], 1).unwrap();
    assert!(again.added > 3 << 20);
    let came_back = site.restore(Some(&again.id), "y").unwrap();
    assert_eq!(fs::read(came_back.join("a")).unwrap(), content);
}

#[test]
fn a_state_that_is_not_sound_is_not_put_in_place() {
    let site = Site::new();
    site.create(vec![bytes("a", b"1")], 0).unwrap();
    let target = site.path("x");
    let judge = &mut |folder: &Path| {
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"1");
        Err("record.db: a page is torn".to_owned())
    };
    let restored = restore(&site.path("repository"), &site.key, None, &target, judge, &mut |_| {});
    assert!(restored.unwrap_err().to_string().contains("a page is torn"));
    assert!(!target.exists());
}

#[test]
fn a_broken_off_backup_leaves_nothing_and_the_newest_can_be_kept_alone() {
    let site = Site::new();
    let missing = Source { name: "gone".into(), content: Content::File(site.path("gone")) };
    assert!(site.create(vec![bytes("a", &noise(2 << 20, 3)), missing], 0).is_err());
    assert_eq!(site.packs().len(), 1, "a draft lies there");
    site.create(vec![bytes("a", &noise(1 << 20, 4))], 1).unwrap();
    assert_eq!(site.packs().len(), 1, "and is removed by the next backup");
    site.create(vec![bytes("a", &noise(1 << 20, 5))], 2).unwrap();
    let last = site.create(vec![bytes("a", &noise(1 << 20, 6))], 3).unwrap();
    let pruned = site.repository.prune(&site.keys, 0).unwrap();
    assert_eq!((pruned.removed, pruned.kept), (2, 1));
    assert!(pruned.freed > 2 << 20);
    let (left, faults) = site.repository.list(&site.keys).unwrap();
    assert_eq!((left.len(), faults.len()), (1, 0));
    assert_eq!(left[0].id, last.id);
    assert_eq!(fs::read(site.restore(None, "x").unwrap().join("a")).unwrap(), noise(1 << 20, 6));
    // One that cannot be read might need any pack: nothing is removed while it is there.
    fs::write(site.path("repository/snapshots/odd.snapshot"), "?").unwrap();
    assert!(matches!(site.repository.prune(&site.keys, 1), Err(BackupError::Damaged { .. })));
}

fn resource(number: u64) -> Vec<u8> {
    format!(
        r#"{{"resourceType":"Condition","id":"c{number}","subject":{{"reference":"Patient/p{}"}},"code":{{"text":"{}"}}}}"#,
        number % 97,
        "a text of some length that fills pages ".repeat(40)
    )
    .into_bytes()
}

/// Writes one resource a transaction until told to stop, and has the log put into the main file again and again, while
/// snapshots are made; every restored record holds all that was written before its snapshot was begun, without a gap, and no
/// torn page.
fn written_meanwhile() -> Vec<String> {
    let site = Site::new();
    let file = site.path("record.db");
    let key = || Key::new([7; 32]);
    let store = Store::open(&file, &key()).unwrap();
    let written = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let mut snapshots = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let origin = Origin { file: "t".into(), received: Timestamp::UNIX_EPOCH, origin: None };
            while !stop.load(Ordering::Acquire) {
                let number = written.load(Ordering::Acquire);
                let ready = prepare(resource(number), None, &|_| None, &origin).unwrap();
                store.write(|writer| writer.put(&ready)).unwrap();
                written.store(number + 1, Ordering::Release);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                let _ = haechi_record::check(&file, &key()); // begins with a checkpoint
            }
        });
        while written.load(Ordering::Acquire) < 500 {
            std::thread::yield_now();
        }
        for second in 0..8 {
            let before = written.load(Ordering::Acquire);
            let path = file.clone();
            let pin = move || {
                let held = haechi_record::pin(&path, &key()).map_err(|error| error.to_string())?;
                Ok(Box::new(held) as Box<dyn std::any::Any>)
            };
            let content = Content::Database { path: file.clone(), pin: Box::new(pin) };
            let made = site.create(vec![Source { name: "record.db".into(), content }], second);
            snapshots.push((before, made.unwrap().id));
            std::thread::sleep(std::time::Duration::from_millis(150));
        }
        stop.store(true, Ordering::Release);
    });
    let mut problems = Vec::new();
    for (before, id) in snapshots {
        let folder = site.restore(Some(&id), &id).unwrap();
        let restored = folder.join("record.db");
        match haechi_record::check(&restored, &key()) {
            Ok(health) => problems.extend(health.problems),
            Err(error) => problems.push(error.to_string()),
        }
        let Ok(store) = Store::open(&restored, &key()) else {
            problems.push("it does not open".into());
            continue;
        };
        let found = match store.counts() {
            Ok(counts) => counts.resources,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        if found < before {
            problems.push(format!("{found} resources, and {before} were written before"));
        }
        for number in 0..found {
            if !matches!(store.current("Condition", &format!("c{number}")), Ok(Some(bytes)) if bytes == resource(number))
            {
                problems.push(format!("resource {number} of {found} is not what was written"));
            }
        }
    }
    problems
}

#[test]
fn a_record_that_is_written_to_meanwhile_comes_back_whole() {
    assert_eq!(written_meanwhile(), Vec::<String>::new());
}
