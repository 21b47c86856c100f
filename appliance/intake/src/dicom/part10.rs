//! The head of a DICOM file, PS3.10 section 7.1: 128 bytes of anything, `DICM`, and the file meta information, which is
//! always explicit little-endian.

use std::io::{self, Read};

/// Bytes before the first element.
pub(crate) const PREAMBLE_BYTES: usize = 132;
/// Longest file meta information read; real ones have some hundred bytes.
const MAX_META_BYTES: usize = 1 << 20;

/// Our own implementation class, from a UUID (PS3.5 annex B.2), and its name of at most 16 characters.
pub(crate) const IMPLEMENTATION_CLASS: &str = "2.25.213870613216157473170371461105163316227";
pub(crate) const IMPLEMENTATION_NAME: &str = concat!("HAECHI ", env!("CARGO_PKG_VERSION"));

/// What says how a data set is to be read, and which object it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// SOP Class UID.
    pub(crate) class: String,
    /// SOP Instance UID.
    pub(crate) sop: String,
    /// Transfer syntax UID.
    pub(crate) syntax: String,
}

/// Why a head cannot be read.
#[derive(Debug)]
pub(crate) enum HeadError {
    Io(io::Error),
    Wrong { at: Option<(u16, u16)>, what: &'static str },
}

impl From<io::Error> for HeadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong("the file ends within its head"),
            _ => Self::Io(error),
        }
    }
}

fn wrong(what: &'static str) -> HeadError {
    HeadError::Wrong { at: None, what }
}

/// Reads the head: what it says, its bytes as they stand, and the bytes of the data set that had to be read to find its end.
pub(crate) fn read(reader: &mut impl Read) -> Result<(Meta, Vec<u8>, Vec<u8>), HeadError> {
    let mut head = vec![0; PREAMBLE_BYTES];
    reader.read_exact(&mut head)?;
    if !head.ends_with(b"DICM") {
        return Err(wrong("there is no DICM at byte 128: it is no DICOM file"));
    }
    let mut meta = Meta::default();
    loop {
        let mut start = [0; 8];
        // A file that ends after its head is told by what is missing in it.
        let count = read_up_to(reader, &mut start)?;
        let [g0, g1, e0, e1, v0, v1, l0, l1] = start;
        let tag = (u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]));
        if count < start.len() || tag.0 != 0x0002 {
            if meta.syntax.is_empty() {
                return Err(HeadError::Wrong { at: Some((0x0002, 0x0010)), what: "the head names no transfer syntax" });
            }
            return Ok((meta, head, start.get(..count).unwrap_or_default().to_vec()));
        }
        head.extend_from_slice(&start);
        let broken = |what| HeadError::Wrong { at: Some(tag), what };
        let length = match &[v0, v1] {
            b"OB" | b"OW" | b"OF" | b"OD" | b"OL" | b"OV" | b"SQ" | b"UN" | b"UC" | b"UR" | b"UT" => {
                let mut length = [0; 4];
                reader.read_exact(&mut length)?;
                head.extend_from_slice(&length);
                u32::from_le_bytes(length) as usize
            }
            [b'A'..=b'Z', b'A'..=b'Z'] => usize::from(u16::from_le_bytes([l0, l1])),
            _ => return Err(broken("the head is not in explicit little-endian")),
        };
        if head.len() + length > MAX_META_BYTES {
            return Err(broken("the head is longer than a megabyte"));
        }
        let from = head.len();
        head.resize(from + length, 0);
        let value = head.get_mut(from..).unwrap_or_default();
        reader.read_exact(value)?;
        let text = || {
            let text = std::str::from_utf8(value).unwrap_or_default();
            text.trim_matches(['\0', ' ']).to_owned()
        };
        match tag.1 {
            0x0002 => meta.class = text(),
            0x0003 => meta.sop = text(),
            0x0010 => meta.syntax = text(),
            _ => {}
        }
    }
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut held = 0;
    while held < buffer.len() {
        match reader.read(buffer.get_mut(held..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => held += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// The head of a file for a data set that came over the network.
pub(crate) fn write(meta: &Meta, sender: &str) -> Vec<u8> {
    let mut group = Vec::new();
    let mut put = |element: u16, vr: &[u8; 2], value: &[u8], padding: u8| {
        let padded = value.len() + value.len() % 2;
        group.extend_from_slice(&[0x02, 0x00]);
        group.extend_from_slice(&element.to_le_bytes());
        group.extend_from_slice(vr);
        if vr == b"OB" {
            group.extend_from_slice(&[0, 0]);
            group.extend_from_slice(&u32::try_from(padded).unwrap_or_default().to_le_bytes());
        } else {
            group.extend_from_slice(&u16::try_from(padded).unwrap_or_default().to_le_bytes());
        }
        group.extend_from_slice(value);
        group.extend(std::iter::repeat_n(padding, padded - value.len()));
    };
    put(0x0001, b"OB", &[0, 1], 0);
    put(0x0002, b"UI", meta.class.as_bytes(), 0);
    put(0x0003, b"UI", meta.sop.as_bytes(), 0);
    put(0x0010, b"UI", meta.syntax.as_bytes(), 0);
    put(0x0012, b"UI", IMPLEMENTATION_CLASS.as_bytes(), 0);
    put(0x0013, b"SH", IMPLEMENTATION_NAME.as_bytes(), b' ');
    if !sender.is_empty() {
        put(0x0016, b"AE", sender.as_bytes(), b' ');
    }
    let mut head = vec![0; 128];
    head.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    head.extend_from_slice(&u32::try_from(group.len()).unwrap_or_default().to_le_bytes());
    head.extend_from_slice(&group);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_was_written_reads_back() {
        let meta = Meta { class: "1.2.3".into(), sop: "1.2.3.45".into(), syntax: "1.2.840.10008.1.2".into() };
        let mut file = write(&meta, "PACS");
        let head = file.len();
        file.extend_from_slice(b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100");
        let mut reader = file.as_slice();
        let (read, bytes, begun) = read(&mut reader).unwrap();
        assert_eq!(read, meta);
        assert_eq!(bytes, file[..head]);
        assert_eq!(begun, b"\x08\x00\x05\x00\x0a\x00\x00\x00");
        assert_eq!(reader, b"ISO_IR 100");
    }

    #[test]
    fn what_is_no_head_is_refused_with_its_place() {
        let whole = write(&Meta { syntax: "1.2".into(), ..Meta::default() }, "");
        for end in 0..whole.len() {
            // Between two elements a file may end; what is missing then is missed later.
            let _ = read(&mut &whole[..end]).is_ok();
        }
        let mut long = whole.clone();
        long[144..152].copy_from_slice(b"\x02\x00\x01\x00OB\x00\x00");
        long.splice(152.., [0xff, 0xff, 0xff, 0x7f]);
        for (bytes, word) in [
            (vec![0; 200], "no DICM"),
            (whole[..140].to_vec(), "ends within"),
            (whole[..144].to_vec(), "no transfer syntax"),
            (long, "longer than a megabyte"),
        ] {
            match read(&mut bytes.as_slice()) {
                Err(HeadError::Wrong { what, .. }) => assert!(what.contains(word), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
