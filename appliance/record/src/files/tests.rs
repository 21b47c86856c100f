use std::os::unix::fs::PermissionsExt;

use super::*;

fn open(folder: &Path, known: &[Kept]) -> FileStore {
    let digests: Vec<Digest> = known.iter().map(|kept| kept.digest).collect();
    FileStore::open::<FilesError>(folder, &Key::new([7; 32]), 1 << 30, || Ok(digests)).unwrap()
}

fn put(store: &FileStore, bytes: &[u8]) -> Kept {
    let mut draft = store.draft().unwrap();
    // Odd pieces, so that chunks are filled from several writes.
    bytes.chunks(10_007).for_each(|piece| draft.write(piece).unwrap());
    draft.keep().unwrap()
}

fn get(store: &FileStore, kept: &Kept) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    store.reader(&kept.digest).map_err(io::Error::other)?.read_to_end(&mut out)?;
    Ok(out)
}

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn every_size_comes_back_and_the_same_bytes_are_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &[]);
    for bytes in [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000] {
        let plain = sample(bytes);
        let kept = put(&store, &plain);
        assert_eq!(kept, Kept { digest: Sha256::digest(&plain).into(), bytes: bytes as u64 });
        assert_eq!(get(&store, &kept).unwrap(), plain, "{bytes}");
        let used = store.used_bytes();
        assert_eq!(put(&store, &plain), kept);
        assert_eq!(store.used_bytes(), used, "a second copy takes no room");
        store.check(&kept.digest).unwrap();
        let mut reader = store.reader(&kept.digest).unwrap();
        let at = bytes as u64 * 2 / 3;
        reader.seek(SeekFrom::Start(at)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, plain[at as usize..]);
    }
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0, "no draft is left");
}

#[test]
fn nothing_on_the_disk_can_be_read_by_others_or_understood() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("files");
    let store = open(&home, &[]);
    let plain = b"DICM PatientName KIM^MINSU ".repeat(5_000);
    let kept = put(&store, &plain);
    let path = store.path(&kept.digest);
    let on_disk = fs::read(&path).unwrap();
    assert!(!on_disk.windows(8).any(|window| window == b"KIM^MINS" || window == b"DICM Pat"));
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let digest: String = kept.digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_ne!(name, digest, "the content's digest would tell who has the same file");
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(store);
    let other = FileStore::open::<FilesError>(&home, &Key::new([8; 32]), 1 << 30, || Ok(vec![kept.digest])).unwrap();
    assert!(matches!(other.reader(&kept.digest), Err(FilesError::Missing { .. })), "another key knows no name");
}

#[test]
fn a_tampered_byte_is_named_and_never_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &[]);
    let plain = sample(200_000);
    let kept = put(&store, &plain);
    let path = store.path(&kept.digest);
    let whole = fs::read(&path).unwrap();
    for at in [0, 9, 17, 31, 32, 40_000, 65_567, 65_568, 140_000, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let mut read = Vec::new();
        let error = store.reader(&kept.digest).and_then(|mut reader| {
            reader.read_to_end(&mut read).map_err(|error| error.downcast::<FilesError>().unwrap())
        });
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("HAECHI-0232") && message.contains(path.to_str().unwrap()), "{at}: {message}");
        assert!(plain.starts_with(&read), "{at}: only checked bytes are given out");
        assert!(store.check(&kept.digest).is_err());
    }
    // The same bytes stored again heal it.
    assert_eq!(put(&store, &plain), kept);
    assert_eq!(get(&store, &kept).unwrap(), plain);
    assert_eq!(store.used_bytes(), whole.len() as u64);
    // Whole chunks of another file, or in another order, do not open either.
    let mut swapped = whole.clone();
    let (one, two) = (HEADER_AND_CHUNK, HEADER_AND_CHUNK + SEALED);
    swapped[seal::HEADER_BYTES..one].copy_from_slice(&whole[one..two]);
    swapped[one..two].copy_from_slice(&whole[seal::HEADER_BYTES..one]);
    fs::write(&path, &swapped).unwrap();
    assert!(get(&store, &kept).is_err());
}

const SEALED: usize = seal::CHUNK_BYTES + 16;
const HEADER_AND_CHUNK: usize = seal::HEADER_BYTES + SEALED;

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &[]);
    let kept = put(&store, &sample(150_000));
    let path = store.path(&kept.digest);
    let whole = fs::read(&path).unwrap();
    let ends = (0..whole.len()).step_by(997).chain([seal::HEADER_BYTES, HEADER_AND_CHUNK, HEADER_AND_CHUNK + SEALED]);
    for end in ends {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(get(&store, &kept).is_err(), "cut at {end}");
    }
}

#[test]
fn what_a_power_cut_leaves_over_is_removed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &[]);
    let named = put(&store, &sample(1000));
    let unnamed = put(&store, &sample(2000));
    let mut cut = store.draft().unwrap();
    cut.write(&sample(70_000)).unwrap();
    std::mem::forget(cut); // the power goes
    let before = store.used_bytes();
    // While somebody has the store open, nothing is taken from under them.
    let beside = open(folder.path(), &[]);
    assert!(beside.reader(&named.digest).is_ok() && beside.reader(&unnamed.digest).is_ok());
    drop(beside);
    // `cut` leaked a handle on the store and with it the lock; a power cut would not.
    store.shared.lock.unlock().unwrap();
    let after = open(folder.path(), &[named]);
    assert!(get(&after, &named).is_ok());
    assert!(matches!(after.reader(&unnamed.digest), Err(FilesError::Missing { .. })));
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
    assert!(after.used_bytes() < before);
    assert_eq!(after.used_bytes(), fs::metadata(after.path(&named.digest)).unwrap().len());
}

#[test]
fn the_quota_holds_and_what_was_refused_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open::<FilesError>(folder.path(), &Key::new([7; 32]), 200_000, || Ok(Vec::new())).unwrap();
    let kept = put(&store, &sample(120_000));
    let used = store.used_bytes();
    assert_eq!(used, fs::metadata(store.path(&kept.digest)).unwrap().len());
    let mut draft = store.draft().unwrap();
    let refused = sample(100_000).chunks(8192).find_map(|piece| draft.write(piece).err()).unwrap();
    assert!(refused.is_full() && refused.to_string().starts_with("HAECHI-0230"), "{refused}");
    drop(draft);
    assert_eq!(store.used_bytes(), used);
    let small = put(&store, &sample(10_000));
    assert!(get(&store, &small).is_ok(), "what fits still goes in");
    store.remove(&small.digest).unwrap();
    assert_eq!(store.used_bytes(), used);
}
