//! What is to be imported: files, folders and files that are open already; found, ordered, opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::error::IntakeError;

/// Bytes read from disk at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// Something to import.
#[derive(Debug)]
pub struct Input(Kind);

#[derive(Debug)]
enum Kind {
    Path(PathBuf),
    Open(String, File),
}

impl Input {
    /// A file, or a folder with everything below it that is not hidden.
    #[must_use]
    pub fn path(path: PathBuf) -> Input {
        Input(Kind::Path(path))
    }

    /// A file that is open already, under the name by which reports call it.
    #[must_use]
    pub fn open(name: String, file: File) -> Input {
        Input(Kind::Open(name, file))
    }
}

/// One file to import.
pub(crate) struct Source<'i> {
    /// The name by which reports call it: no folder, which may say more than a report should.
    pub(crate) name: Arc<str>,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    from: From<'i>,
}

enum From<'i> {
    Path(PathBuf),
    Open(&'i File),
    /// A device, a pipe or a socket: opening one may wait for ever.
    NoFile,
}

impl Source<'_> {
    /// Where it lies; `None` for a file that was handed over open.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.from {
            From::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Opens the file at its start; `read` counts the bytes taken from disk. Compressed files are decompressed, by
    /// content, whatever they are called.
    pub(crate) fn open<'c>(&'c self, read: &'c AtomicU64) -> io::Result<BufReader<Box<dyn Read + 'c>>> {
        let mut file = match &self.from {
            From::Path(path) => File::open(path)?,
            From::Open(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                file
            }
            From::NoFile => return Err(io::Error::other("it is a device, a pipe or a socket")),
        };
        let mut magic = [0u8; 2];
        let mut held = 0;
        while held < magic.len() {
            match file.read(magic.get_mut(held..).unwrap_or_default())? {
                0 => break,
                more => held += more,
            }
        }
        file.seek(SeekFrom::Start(0))?;
        let counted = BufReader::with_capacity(BUFFER_BYTES, Counted { file, read });
        // Several compressed members one after another are one file.
        let plain: Box<dyn Read + 'c> =
            if magic == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
        Ok(BufReader::with_capacity(BUFFER_BYTES, plain))
    }
}

struct Counted<'c> {
    file: File,
    read: &'c AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

/// All files that `inputs` name, each once, in the order of the inputs and inside a folder by path: an import of the same
/// files always reads them in the same order. Hidden files and folders inside a folder are left out; a folder reached
/// again through a link is not entered twice.
///
/// # Errors
/// [`IntakeError::Folder`] if a named folder cannot be listed.
pub(crate) fn find(inputs: &[Input]) -> Result<Vec<Source<'_>>, IntakeError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for input in inputs {
        match &input.0 {
            Kind::Path(path) => below(path, true, &mut seen, &mut found)?,
            Kind::Open(name, file) => found.push(Source {
                name: name.as_str().into(),
                bytes: file.metadata().map(|meta| meta.len()).unwrap_or(0),
                from: From::Open(file),
            }),
        }
    }
    Ok(found)
}

fn below<'i>(
    path: &Path,
    named: bool,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<Source<'i>>,
) -> Result<(), IntakeError> {
    let folder = |source| IntakeError::Folder { path: path.to_owned(), source };
    // A dangling link, or a file that vanished: reported when it is opened, unless the user named it.
    let Ok(real) = path.canonicalize() else {
        let name = name_of(path);
        found.push(Source { name, bytes: 0, from: From::Path(path.to_owned()) });
        return Ok(());
    };
    if !seen.insert(real.clone()) {
        return Ok(());
    }
    if !real.is_dir() {
        let meta = real.metadata().ok();
        let is_file = meta.as_ref().is_some_and(std::fs::Metadata::is_file);
        if is_file || named {
            let from = if is_file { From::Path(path.to_owned()) } else { From::NoFile };
            found.push(Source { name: name_of(path), bytes: meta.map_or(0, |meta| meta.len()), from });
        }
        return Ok(());
    }
    let mut children: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(folder)?
        .map(|child| child.map(|child| child.path()))
        .collect::<io::Result<_>>()
        .map_err(folder)?;
    children.retain(|child| !child.file_name().is_some_and(is_hidden));
    children.sort();
    children.iter().try_for_each(|child| below(child, false, seen, found))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

fn name_of(path: &Path) -> Arc<str> {
    path.file_name().map_or_else(|| path.to_string_lossy(), OsStr::to_string_lossy).as_ref().into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn folders_are_walked_in_order_without_hidden_files_or_loops() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("b/deep")).unwrap();
        std::fs::create_dir(at(".hidden")).unwrap();
        for name in ["c.json", "b/deep/x.hl7", "a.json", ".hidden/no.json", "b/.no.json"] {
            std::fs::write(at(name), b"{}").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.path(), at("b/loop")).unwrap();
        let inputs = [Input::path(dir.path().to_owned()), Input::path(at("a.json"))];
        let names: Vec<_> = find(&inputs).unwrap().iter().map(|source| source.name.to_string()).collect();
        assert_eq!(names, ["a.json", "x.hl7", "c.json"]);
    }

    #[test]
    fn compressed_files_read_like_plain_ones_and_open_files_from_their_start() {
        let mut packed = tempfile::tempfile().unwrap();
        for part in [&b"one "[..], b"two"] {
            let mut encoder = flate2::write::GzEncoder::new(&packed, flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        packed.flush().unwrap();
        let inputs = [Input::open("x".to_owned(), packed)];
        let sources = find(&inputs).unwrap();
        let count = AtomicU64::new(0);
        for _ in 0..2 {
            let mut text = String::new();
            sources[0].open(&count).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "one two");
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * sources[0].bytes);
    }
}
