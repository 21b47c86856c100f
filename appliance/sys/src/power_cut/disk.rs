//! A disk that forgets: durable bytes a file, and the operations on top that no sync has made durable yet.

use std::collections::BTreeMap;
use std::path::Path;

/// The unit that a disk writes whole.
const SECTOR_BYTES: usize = 512;

/// What SQLite asked of its files. Files are named without their folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Bytes at an offset; makes the file if absent.
    Write {
        /// File name.
        file: String,
        /// From here.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// Cut or extended to a length.
    Truncate {
        /// File name.
        file: String,
        /// Bytes.
        length: u64,
    },
    /// Everything before is on the disk now.
    Sync {
        /// File name.
        file: String,
    },
    /// Removed.
    Delete {
        /// File name.
        file: String,
        /// The folder was synced too.
        durable: bool,
    },
    /// The application told somebody that this work is done.
    Acknowledged(u64),
}

#[derive(Debug, Default, Clone)]
struct File {
    /// Content after the last sync; `None`: the file was not there.
    durable: Option<Vec<u8>>,
    /// Since then, oldest first.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Delete,
}

/// All files.
#[derive(Debug, Default, Clone)]
pub struct Disk {
    files: BTreeMap<String, File>,
}

impl Disk {
    /// Takes one operation in.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { file, offset, bytes } => self.pend(file, Pending::Write(*offset, bytes.clone())),
            Operation::Truncate { file, length } => self.pend(file, Pending::Truncate(*length)),
            Operation::Sync { file } => {
                let file = self.files.entry(file.clone()).or_default();
                let new = file.durable.is_none();
                let pending = std::mem::take(&mut file.pending);
                file.durable.get_or_insert_default();
                for change in pending {
                    change.carry_out(&mut file.durable);
                }
                if new {
                    self.sync_folder();
                }
            }
            Operation::Delete { file, durable: true } => {
                self.files.remove(file);
            }
            Operation::Delete { file, durable: false } => self.pend(file, Pending::Delete),
            Operation::Acknowledged(_) => {}
        }
    }

    /// SQLite syncs the folder with the first sync of a journal or log that it made; that carries earlier deletions too.
    fn sync_folder(&mut self) {
        for file in self.files.values_mut() {
            if let Some(last) = file.pending.iter().rposition(|change| matches!(change, Pending::Delete)) {
                file.pending.drain(..=last);
                file.durable = None;
            }
        }
    }

    fn pend(&mut self, file: &str, change: Pending) {
        self.files.entry(file.to_owned()).or_default().pending.push(change);
    }

    /// One possible outcome of a power cut now.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Image {
        let mut dice = Dice(seed);
        let mut files = BTreeMap::new();
        for (name, file) in &self.files {
            let mut content = file.durable.clone();
            for change in &file.pending {
                match dice.roll() % 4 {
                    0 => {}                                              // lost
                    1 => change.carry_out_torn(&mut content, &mut dice), // some sectors of it
                    _ => change.carry_out(&mut content),
                }
            }
            if let Some(content) = content {
                files.insert(name.clone(), content);
            }
        }
        Image { files }
    }
}

impl Pending {
    fn carry_out(&self, content: &mut Option<Vec<u8>>) {
        match self {
            Self::Write(offset, bytes) => put(content.get_or_insert_default(), *offset as usize, bytes),
            Self::Truncate(length) => content.get_or_insert_default().resize(*length as usize, 0),
            Self::Delete => *content = None,
        }
    }

    fn carry_out_torn(&self, content: &mut Option<Vec<u8>>, dice: &mut Dice) {
        let Self::Write(offset, bytes) = self else { return };
        let content = content.get_or_insert_default();
        for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            if dice.roll().is_multiple_of(2) {
                put(content, *offset as usize + index * SECTOR_BYTES, sector);
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

/// The files as they lie on the disk afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    files: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// Writes every file into `folder`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for (name, content) in &self.files {
            std::fs::write(folder.join(name), content)?;
        }
        Ok(())
    }

    /// A file's bytes.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }
}

/// Reproducible randomness (splitmix64): the seed is the only input, so that a failure can be replayed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(offset: u64, bytes: &[u8]) -> Operation {
        Operation::Write { file: "a".to_owned(), offset, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_was_synced_stays_whatever_the_dice_say() {
        let mut disk = Disk::default();
        disk.apply(&write(0, b"old"));
        disk.apply(&Operation::Sync { file: "a".to_owned() });
        disk.apply(&write(3, b"new"));
        let outcomes: Vec<_> = (0..64).map(|seed| disk.power_cut(seed).file("a").unwrap().to_vec()).collect();
        assert!(outcomes.iter().all(|content| content.starts_with(b"old")));
        assert!(outcomes.iter().any(|content| content == b"old"), "some lose the second write");
        assert!(outcomes.iter().any(|content| content == b"oldnew"), "some keep it");
    }

    #[test]
    fn without_a_sync_even_the_file_may_be_gone() {
        let mut disk = Disk::default();
        disk.apply(&write(0, b"x"));
        assert!((0..64).any(|seed| disk.power_cut(seed).file("a").is_none()));
    }

    #[test]
    fn later_unsynced_writes_may_survive_earlier_ones() {
        let mut disk = Disk::default();
        disk.apply(&Operation::Sync { file: "a".to_owned() });
        disk.apply(&write(0, &[1; 4]));
        disk.apply(&write(4, &[2; 4]));
        let outcomes: Vec<_> = (0..64).map(|seed| disk.power_cut(seed).file("a").unwrap().to_vec()).collect();
        assert!(outcomes.iter().any(|content| content == &[0, 0, 0, 0, 2, 2, 2, 2]));
    }

    #[test]
    fn large_writes_tear_at_sectors() {
        let mut disk = Disk::default();
        disk.apply(&Operation::Sync { file: "a".to_owned() });
        disk.apply(&write(0, &[7; 4 * SECTOR_BYTES]));
        let torn = (0..64).map(|seed| disk.power_cut(seed).file("a").unwrap().to_vec()).any(|content| {
            let whole = content.iter().filter(|byte| **byte == 7).count();
            whole > 0 && whole < 4 * SECTOR_BYTES
        });
        assert!(torn);
    }

    #[test]
    fn the_same_seed_gives_the_same_outcome() {
        let mut disk = Disk::default();
        disk.apply(&write(0, &[7; 5000]));
        assert_eq!(disk.power_cut(5), disk.power_cut(5));
    }
}
