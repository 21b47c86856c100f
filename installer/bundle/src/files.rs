//! Reading within bounds, hashing, and writing whole or not at all.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::BundleError;

/// Makes `folder`, for its owner alone.
pub(crate) fn make_folder(folder: &Path) -> Result<(), BundleError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|what| BundleError::files(folder, what))
}

/// Opens an ordinary file; no link and no device, so that a medium cannot point elsewhere.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK; // NONBLOCK: a named pipe must not hold us
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no ordinary file"))
}

/// The bytes of an ordinary file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), BundleError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|what| BundleError::files(path, what))
}

/// Copies from `from` to the new file `to`; its length and SHA-256. Stops after `most` bytes and says one more.
pub(crate) fn copy(from: &Path, to: &Path, most: u64) -> Result<(u64, String), BundleError> {
    let failed = |what| BundleError::files(to, what);
    let mut target = File::options().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    let done = hash(from, most, &mut |bytes| target.write_all(bytes).map_err(failed))?;
    target.sync_all().map_err(failed)?;
    Ok(done)
}

/// Length and SHA-256 of `from`, each piece of it also given to `each`. Stops after `most` bytes and says one more.
pub(crate) fn hash(
    from: &Path,
    most: u64,
    each: &mut dyn FnMut(&[u8]) -> Result<(), BundleError>,
) -> Result<(u64, String), BundleError> {
    let failed = |what| BundleError::files(from, what);
    let mut source = open(from).map_err(failed)?.take(most.saturating_add(1));
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let got = source.read(&mut buffer).map_err(failed)?;
        let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        each(bytes)?;
        length += got as u64;
    }
    Ok((length, hex(&hash.finalize())))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
