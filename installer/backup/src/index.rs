//! Which pieces a repository has already, as the appliance remembers it: a piece's keyed hash and where it lies.
//!
//! It is a memory aid. Without it, or when it does not fit the repository, pieces are written again and nothing is lost.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{BackupError, at};
use crate::pack::PackFacts;

/// Of a piece: HMAC-SHA256 with a key of the site, so that the file says nothing to others.
pub(crate) type Id = [u8; 32];

/// Where a piece lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number in [`Index::packs`].
    pub(crate) pack: u32,
    /// From the beginning of the plain pack.
    pub(crate) begins: u64,
    pub(crate) bytes: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) packs: Vec<PackFacts>,
    pub(crate) pieces: HashMap<Id, Place>,
}

const ENTRY_BYTES: usize = 32 + 4 + 8 + 4;

impl Index {
    /// Reads it; an empty one if there is none or it is damaged.
    pub(crate) fn load(path: &Path) -> Self {
        fs::read(path).ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let line = body.iter().position(|byte| *byte == b'\n')?;
        let packs: Vec<PackFacts> = serde_json::from_slice(body.get(..line)?).ok()?;
        let entries = body.get(line + 1..)?;
        if entries.len() % ENTRY_BYTES != 0 {
            return None;
        }
        let mut pieces = HashMap::with_capacity(entries.len() / ENTRY_BYTES);
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            let id: Id = entry.get(..32)?.try_into().ok()?;
            let pack = u32::from_le_bytes(entry.get(32..36)?.try_into().ok()?);
            let begins = u64::from_le_bytes(entry.get(36..44)?.try_into().ok()?);
            let bytes = u32::from_le_bytes(entry.get(44..48)?.try_into().ok()?);
            if pack as usize >= packs.len() {
                return None;
            }
            pieces.insert(id, Place { pack, begins, bytes });
        }
        Some(Self { packs, pieces })
    }

    /// Forgets packs that `keep` does not know any more, and their pieces.
    pub(crate) fn retain(&mut self, keep: impl Fn(&PackFacts) -> bool) {
        let mut numbers = vec![None; self.packs.len()];
        let mut kept = Vec::new();
        for (old, facts) in self.packs.drain(..).enumerate() {
            if keep(&facts) {
                numbers[old] = u32::try_from(kept.len()).ok();
                kept.push(facts);
            }
        }
        self.packs = kept;
        self.pieces.retain(|_, place| match numbers.get(place.pack as usize).copied().flatten() {
            Some(number) => {
                place.pack = number;
                true
            }
            None => false,
        });
    }

    /// Writes it beside and moves it into place.
    pub(crate) fn store(&self, path: &Path) -> Result<(), BackupError> {
        let failed = at(path, "remember what was copied");
        let mut body = serde_json::to_vec(&self.packs).map_err(|error| failed(error.into()))?;
        body.push(b'\n');
        body.reserve(self.pieces.len() * ENTRY_BYTES + 32);
        for (id, place) in &self.pieces {
            body.extend_from_slice(id);
            body.extend_from_slice(&place.pack.to_le_bytes());
            body.extend_from_slice(&place.begins.to_le_bytes());
            body.extend_from_slice(&place.bytes.to_le_bytes());
        }
        let digest = Sha256::digest(&body);
        body.extend_from_slice(&digest);
        let draft = path.with_extension("draft");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(&failed)?;
        file.write_all(&body).and_then(|()| file.sync_all()).map_err(&failed)?;
        fs::rename(&draft, path).map_err(&failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Index {
        let facts = |name: &str| PackFacts { name: name.into(), bytes: 7, sha256: "00".into() };
        let mut index = Index { packs: vec![facts("a"), facts("b")], pieces: HashMap::new() };
        index.pieces.insert([1; 32], Place { pack: 0, begins: 3, bytes: 4 });
        index.pieces.insert([2; 32], Place { pack: 1, begins: 0, bytes: 9 });
        index
    }

    #[test]
    fn what_is_remembered_is_read_again_and_damage_means_an_empty_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        assert!(Index::load(&path).pieces.is_empty());
        sample().store(&path).unwrap();
        let read = Index::load(&path);
        assert_eq!((read.packs.len(), &read.pieces), (2, &sample().pieces));
        let mut bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(Index::parse(&bytes).is_none(), "byte {at}");
            bytes[at] ^= 1;
            assert!(Index::parse(&bytes[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn pieces_of_a_pack_that_is_gone_are_forgotten() {
        let mut index = sample();
        index.retain(|facts| facts.name == "b");
        assert_eq!(index.packs.len(), 1);
        assert_eq!(index.pieces.get(&[2; 32]), Some(&Place { pack: 0, begins: 0, bytes: 9 }));
        assert!(!index.pieces.contains_key(&[1; 32]));
    }
}
