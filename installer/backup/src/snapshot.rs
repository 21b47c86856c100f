//! A snapshot: one line that anybody may read (sizes, times, packs), its seal, and the encrypted list of files.
//!
//! ```text
//! {"haechi_backup":1,"id":"20261125T010203Z-1f2e3d4c",...}\n
//! <64 hexadecimal digits: HMAC of the line>\n
//! <age file: JSON list of files>
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{BackupError, at};
use crate::key::{Keys, RecoveryKey, from_hex, hex};
use crate::pack::{self, PackFacts};

const FORMAT: u32 = 1;
/// Longest first line: some 150 bytes a pack of 256 MiB.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// Largest list of files: some 20 bytes a piece of 64 KiB.
const MAX_MANIFEST_BYTES: u64 = 1 << 30;
const PURPOSE: &str = "snapshot header 1";

/// The line that anybody may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "haechi_backup")]
    pub(crate) format: u32,
    pub(crate) id: String,
    pub(crate) made: Timestamp,
    /// Bytes of all files, as they lie in the state folder.
    pub(crate) bytes: u64,
    /// Bytes that this snapshot added to the repository.
    pub(crate) added: u64,
    pub(crate) files: u64,
    /// What must be there for this snapshot to be whole.
    pub(crate) packs: Vec<PackFacts>,
    pub(crate) manifest_bytes: u64,
    pub(crate) manifest_sha256: String,
}

/// A snapshot as `list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// To name it by.
    pub id: String,
    /// When it was begun.
    pub made: Timestamp,
    /// Bytes of the state.
    pub bytes: u64,
    /// Bytes that it added to the repository.
    pub added: u64,
    /// Files of the state.
    pub files: u64,
}

/// The encrypted list of files.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) files: Vec<FileFacts>,
}

/// One file of the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    /// Below the state folder, with `/`.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// (number of the pack in the header, where the piece begins in it, bytes), in the order of the file.
    pub(crate) pieces: Vec<(u32, u64, u32)>,
}

impl Header {
    pub(crate) fn listed(&self) -> Listed {
        Listed { id: self.id.clone(), made: self.made, bytes: self.bytes, added: self.added, files: self.files }
    }
}

/// True if `id` can be a snapshot's file name.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Writes a snapshot beside and moves it to `path`: from then on it exists.
pub(crate) fn write(path: &Path, keys: &Keys, mut header: Header, manifest: &Manifest) -> Result<Header, BackupError> {
    let failed = at(path, "write the snapshot");
    let plain = serde_json::to_vec(manifest).map_err(|error| failed(error.into()))?;
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 100 + 1024);
    let mut output = pack::encrypt(keys, &mut sealed).map_err(&failed)?;
    output.write_all(&plain).and_then(|()| output.finish().map(|_| ())).map_err(&failed)?;
    header.format = FORMAT;
    header.manifest_bytes = sealed.len() as u64;
    header.manifest_sha256 = hex(&Sha256::digest(&sealed));
    let line = serde_json::to_vec(&header).map_err(|error| failed(error.into()))?;
    let seal = hex(&keys.mac(PURPOSE, &line));
    let draft = path.with_extension("draft");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(&failed)?;
    let mut write = || {
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        file.write_all(seal.as_bytes())?;
        file.write_all(b"\n")?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(&failed)?;
    Ok(header)
}

/// Reads the first two lines of a snapshot: the header as it stands, its bytes and the seal. Nothing is believed yet.
///
/// # Errors
/// A sentence that says what does not fit.
fn read_lines(input: &mut impl BufRead) -> Result<(Header, Vec<u8>, [u8; 32]), String> {
    let mut line = Vec::new();
    let read = input.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut line);
    read.map_err(|error| error.to_string())?;
    if line.pop() != Some(b'\n') {
        return Err("its first line has no end".into());
    }
    let header: Header = serde_json::from_slice(&line).map_err(|_| "its first line is not understood".to_owned())?;
    if header.format != FORMAT {
        return Err(format!("it has format {}, and this program reads {FORMAT}", header.format));
    }
    let mut seal = Vec::new();
    input.by_ref().take(65).read_until(b'\n', &mut seal).map_err(|error| error.to_string())?;
    let seal = std::str::from_utf8(&seal).ok().and_then(|text| text.strip_suffix('\n')).and_then(from_hex);
    Ok((header, line, seal.ok_or("its seal is not understood")?))
}

/// Reads what would be a snapshot's head, for checks from outside: never panics, holds at most a bounded line.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_header(bytes: &[u8]) -> Result<(), String> {
    let (header, ..) = read_lines(&mut &bytes[..])?;
    if !is_id(&header.id) || header.packs.iter().any(|pack| pack.path(Path::new("packs")).is_none()) {
        return Err("a name in it could lead out of the repository".into());
    }
    Ok(())
}

/// Reads the header of the snapshot at `path` and believes it only under the site's seal.
pub(crate) fn open(path: &Path, keys: &Keys) -> Result<(Header, BufReader<File>), BackupError> {
    let damaged = |why: String| BackupError::Damaged { path: path.to_owned(), why };
    let mut input = BufReader::new(File::open(path).map_err(at(path, "read the snapshot"))?);
    let (header, line, seal) = read_lines(&mut input).map_err(damaged)?;
    if !keys.is_mac(PURPOSE, &line, &seal) {
        return Err(damaged("its seal is not this site's".into()));
    }
    // Moved files must not pass as others.
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(&header.id) {
        return Err(damaged(format!("it is the snapshot {}", header.id)));
    }
    Ok((header, input))
}

/// The rest of the file: whole, and as it was sealed.
pub(crate) fn sealed_manifest(path: &Path, header: &Header, input: impl Read) -> Result<Vec<u8>, BackupError> {
    let damaged = |why: &str| BackupError::Damaged { path: path.to_owned(), why: why.into() };
    if header.manifest_bytes > MAX_MANIFEST_BYTES {
        return Err(damaged("its list of files is too long"));
    }
    let mut sealed = Vec::new();
    input.take(header.manifest_bytes + 1).read_to_end(&mut sealed).map_err(at(path, "read the snapshot"))?;
    if sealed.len() as u64 != header.manifest_bytes || hex(&Sha256::digest(&sealed)) != header.manifest_sha256 {
        return Err(damaged("its list of files is another than was sealed"));
    }
    Ok(sealed)
}

/// Opens the list of files with the recovery key.
pub(crate) fn manifest(path: &Path, sealed: &[u8], key: &RecoveryKey) -> Result<Manifest, BackupError> {
    let damaged = |why: String| BackupError::Damaged { path: path.to_owned(), why };
    let mut plain = Vec::new();
    let reader = pack::decrypt(key, sealed).map_err(|error| damaged(error.to_string()))?;
    reader.take(MAX_MANIFEST_BYTES).read_to_end(&mut plain).map_err(|error| damaged(error.to_string()))?;
    serde_json::from_slice(&plain).map_err(|_| damaged("its list of files is not understood".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            format: FORMAT,
            id: "20261125T010203Z-1f2e3d4c".into(),
            made: "2026-11-25T01:02:03Z".parse().unwrap(),
            bytes: 10,
            added: 10,
            files: 1,
            packs: vec![PackFacts { name: "0".repeat(32), bytes: 1, sha256: "0".repeat(64) }],
            manifest_bytes: 0,
            manifest_sha256: String::new(),
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed_and_so_is_another_site() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("20261125T010203Z-1f2e3d4c.snapshot");
        let key = RecoveryKey::generate();
        let keys = key.keys();
        let facts = FileFacts { name: "a".into(), bytes: 3, sha256: "x".into(), pieces: vec![(0, 0, 3)] };
        write(&path, &keys, header(), &Manifest { files: vec![facts] }).unwrap();
        let read = |keys: &Keys| -> Result<Manifest, BackupError> {
            let (header, rest) = open(&path, keys)?;
            manifest(&path, &sealed_manifest(&path, &header, rest)?, &key)
        };
        assert_eq!(read(&keys).unwrap().files[0].pieces, [(0, 0, 3)]);
        assert!(read(&RecoveryKey::generate().keys()).unwrap_err().to_string().contains("not this site's"));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            fs::write(&path, &bytes).unwrap();
            assert!(read(&keys).is_err(), "byte {at} of {}", whole.len());
            fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&keys).is_err(), "cut at {at}");
        }
        fs::write(&path, &whole).unwrap();
        let other = folder.path().join("20261125T010204Z-1f2e3d4c.snapshot");
        fs::rename(&path, &other).unwrap();
        assert!(open(&other, &keys).unwrap_err().to_string().contains("it is the snapshot"));
    }

    #[test]
    fn heads_from_outside_are_refused_in_words() {
        for bytes in [&b""[..], b"{}", b"{}\n", b"\n\n", &[0xff; 300]] {
            assert!(check_header(bytes).is_err());
        }
        let mut evil = header();
        evil.packs[0].name = "../../../../etc/passwd/0123456789".into();
        let mut bytes = serde_json::to_vec(&evil).unwrap();
        bytes.extend_from_slice(format!("\n{}\n", "0".repeat(64)).as_bytes());
        assert!(check_header(&bytes).unwrap_err().contains("out of the repository"));
    }
}
