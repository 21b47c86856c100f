//! The key of a packaged record: made at set-up, sealed by systemd to this machine (TPM2 where there is one, else the host's
//! key), and once written out for a person, so that a lost machine does not lose the record.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::home::{RECORD_KEY, SYSTEM_CREDENTIALS};

/// Bytes of a key.
const KEY: usize = haechi_record::key::KEY_BYTES;
/// Bytes of its check: a slip of the pen is found with certainty enough.
const CHECK: usize = 3;
/// Crockford's base 32: no I, L, O, U to be misread. <https://www.crockford.com/base32.html>
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The key as bytes, wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY]>;

/// Where the sealed key lies.
pub(crate) fn sealed_file() -> PathBuf {
    Path::new(SYSTEM_CREDENTIALS).join(RECORD_KEY)
}

/// A new key from the kernel.
pub(crate) fn new_key() -> Result<KeyBytes, Failure> {
    let mut key = Zeroizing::new([0; KEY]);
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(key.as_mut_slice())).map_err(|error| {
        Failure::new("HAECHI-0185", format_args!("the kernel gives no random bytes: {error}")).effect("no key was made")
    })?;
    Ok(key)
}

/// Seals `key` for the core's unit. What was sealed before stays until the new one lies beside it whole.
pub(crate) fn seal(key: &KeyBytes) -> Result<(), Failure> {
    let file = sealed_file();
    let aside = file.with_extension("new");
    let failed = |why: String| {
        Failure::new("HAECHI-0186", format_args!("the key of the record cannot be sealed: {why}"))
            .file(&file)
            .effect("what was sealed before, if anything, is unchanged")
            .remedy("systemd 250 or newer is needed, and a writable /etc and /var; then run the command again")
    };
    let io = |error: std::io::Error| failed(error.to_string());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(SYSTEM_CREDENTIALS).map_err(io)?;
    let _ = fs::remove_file(&aside); // left by an attempt that was cut off
    let mut child = Command::new("systemd-creds")
        .args(["encrypt", &format!("--name={RECORD_KEY}"), "-"])
        .arg(&aside)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(key.as_slice()).map_err(io)?;
    }
    let ended = child.wait_with_output().map_err(io)?;
    if !ended.status.success() {
        return Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_owned()));
    }
    File::open(&aside).and_then(|sealed| sealed.sync_all()).and_then(|()| fs::rename(&aside, &file)).map_err(io)?;
    File::open(SYSTEM_CREDENTIALS).and_then(|folder| folder.sync_all()).map_err(io)
}

/// The key for a person: seven groups of eight letters.
pub(crate) fn written(key: &KeyBytes) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; KEY + CHECK]);
    bytes[..KEY].copy_from_slice(key.as_slice());
    bytes[KEY..].copy_from_slice(&check(key));
    let mut text = Zeroizing::new(String::with_capacity(64));
    for (at, five) in bytes.chunks(5).enumerate() {
        if at > 0 {
            text.push('-');
        }
        let number = five.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            text.push(char::from(LETTERS[(number >> (5 * place) & 31) as usize]));
        }
    }
    text
}

/// The key that a person wrote. Case, spaces and dashes do not matter, and O, I, L are read as 0, 1, 1.
///
/// # Errors
/// What is wrong with it; never its letters.
pub(crate) fn read(text: &str) -> Result<KeyBytes, String> {
    let mut values = Zeroizing::new(Vec::with_capacity(56));
    for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            letter => letter,
        };
        let at = values.len() + 1;
        let value = LETTERS.iter().position(|known| char::from(*known) == letter);
        values.push(value.ok_or_else(|| format!("letter {at} cannot stand in a recovery key"))? as u64);
    }
    if values.len() != 56 {
        return Err(format!("it has {} letters where a recovery key has 56", values.len()));
    }
    let mut bytes = Zeroizing::new([0; KEY + CHECK]);
    for (five, eight) in bytes.chunks_mut(5).zip(values.chunks(8)) {
        let number = eight.iter().fold(0_u64, |number, value| number << 5 | value);
        five.copy_from_slice(&number.to_be_bytes()[3..]);
    }
    let mut key = Zeroizing::new([0; KEY]);
    key.copy_from_slice(&bytes[..KEY]);
    if bytes[KEY..] != check(&key) {
        return Err("its check does not fit: a letter is wrong or two are swapped".to_owned());
    }
    Ok(key)
}

fn check(key: &KeyBytes) -> [u8; CHECK] {
    let digest = Sha256::new_with_prefix(b"haechi recovery key").chain_update(key.as_slice()).finalize();
    [digest[0], digest[1], digest[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_written_down_and_a_slip_is_found() {
        let key = new_key().unwrap();
        let text = written(&key);
        assert_eq!((text.len(), text.split('-').count()), (62, 7));
        assert_eq!(*read(&text).unwrap(), *key);
        assert_eq!(*read(&text.to_lowercase().replace('-', " ").replace('0', "o")).unwrap(), *key);
        let other = if text.starts_with('7') { "8" } else { "7" };
        assert!(read(&format!("{other}{}", &text[1..])).unwrap_err().contains("check"));
        assert!(read(&text[1..]).unwrap_err().contains("55 letters"));
        assert!(read("U").unwrap_err().contains("letter 1"));
    }
}
