//! DIMSE commands, PS3.7 chapter 9 and annex E: a small data set of group 0000, always implicit little-endian.

/// Longest command read, in bytes; real ones have some two hundred.
pub(super) const MAX_COMMAND_BYTES: usize = 64 << 10;

pub(super) const C_STORE: u16 = 0x0001;
pub(super) const C_ECHO: u16 = 0x0030;
pub(super) const C_CANCEL: u16 = 0x0fff;
/// The bit that makes a request's number its response's.
const RESPONSE: u16 = 0x8000;
/// (0000,0800): no data set follows.
const NO_DATA_SET: u16 = 0x0101;

/// PS3.7 annex C and PS3.4 table B.2-1: what a sender's archive makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Success = 0x0000,
    /// Try again later.
    OutOfResources = 0xa700,
    NotAsAnnounced = 0xa900,
    CannotUnderstand = 0xc000,
    ProcessingFailure = 0x0110,
    UnrecognizedOperation = 0x0211,
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// (0000,0100).
    pub(super) field: u16,
    /// (0000,0110).
    pub(super) message: u16,
    /// (0000,0002).
    pub(super) class: String,
    /// (0000,1000).
    pub(super) instance: String,
    /// (0000,0800): a data set follows.
    pub(super) has_data: bool,
}

/// Reads a command. `None`: it is none.
pub(super) fn read(mut bytes: &[u8]) -> Option<Command> {
    let mut command = Command { has_data: true, ..Command::default() };
    let mut seen = (false, false);
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(8)?;
        let [g0, g1, e0, e1, l0, l1, l2, l3] = <[u8; 8]>::try_from(head).ok()?;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        let (value, after) = rest.split_at_checked(length)?;
        bytes = after;
        if u16::from_le_bytes([g0, g1]) != 0 {
            return None;
        }
        let number = || Some(u16::from_le_bytes(value.get(..2)?.try_into().ok()?));
        let text = || std::str::from_utf8(value).ok().map(|text| text.trim_matches(['\0', ' ']).to_owned());
        match u16::from_le_bytes([e0, e1]) {
            0x0002 => command.class = text()?,
            0x0100 => (command.field, seen.0) = (number()?, true),
            0x0110 => (command.message, seen.1) = (number()?, true),
            0x0800 => command.has_data = number()? != NO_DATA_SET,
            0x1000 => command.instance = text()?,
            _ => {}
        }
    }
    (seen == (true, true)).then_some(command)
}

/// The answer to a command. `offending`: the attribute that was wrong; `comment`: for a person, cut at 64 characters.
pub(super) fn answer(to: &Command, status: Status, offending: Option<(u16, u16)>, comment: Option<&str>) -> Vec<u8> {
    let mut group = Vec::new();
    let mut put = |element: u16, value: &[u8], padding: u8| {
        let padded = value.len() + value.len() % 2;
        group.extend_from_slice(&[0, 0]);
        group.extend_from_slice(&element.to_le_bytes());
        group.extend_from_slice(&u32::try_from(padded).unwrap_or_default().to_le_bytes());
        group.extend_from_slice(value);
        group.extend(std::iter::repeat_n(padding, padded - value.len()));
    };
    if !to.class.is_empty() {
        put(0x0002, to.class.as_bytes(), 0);
    }
    put(0x0100, &(to.field | RESPONSE).to_le_bytes(), 0);
    put(0x0120, &to.message.to_le_bytes(), 0);
    put(0x0800, &NO_DATA_SET.to_le_bytes(), 0);
    put(0x0900, &(status as u16).to_le_bytes(), 0);
    if let Some((group, element)) = offending {
        let [a, b] = group.to_le_bytes();
        let [c, d] = element.to_le_bytes();
        put(0x0901, &[a, b, c, d], 0);
    }
    if let Some(comment) = comment {
        let comment: String =
            comment.chars().filter(|c| c.is_ascii() && !c.is_control() && *c != '\\').take(64).collect();
        put(0x0902, comment.as_bytes(), b' ');
    }
    if !to.instance.is_empty() {
        put(0x1000, to.instance.as_bytes(), 0);
    }
    let mut out = vec![0, 0, 0, 0, 4, 0, 0, 0];
    out.extend_from_slice(&u32::try_from(group.len()).unwrap_or_default().to_le_bytes());
    out.extend_from_slice(&group);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_answered() {
        // Affected SOP Class UID 1.2, C-STORE-RQ, message 7, a data set follows, Affected SOP Instance UID 1.2.3.
        let request = [
            &b"\0\0\x02\0\x04\0\0\x001.2\0"[..],
            b"\0\0\x00\x01\x02\0\0\0\x01\0",
            b"\0\0\x10\x01\x02\0\0\0\x07\0",
            b"\0\0\x00\x08\x02\0\0\0\x00\0",
            b"\0\0\x00\x10\x06\0\0\x001.2.3\0",
        ]
        .concat();
        let command = read(&request).unwrap();
        let expected =
            Command { field: C_STORE, message: 7, class: "1.2".into(), instance: "1.2.3".into(), has_data: true };
        assert_eq!(command, expected);
        let reply = answer(&command, Status::CannotUnderstand, Some((0x0020, 0x000d)), Some("there is no Study\nUID"));
        // Read as a request, the answer has the response's number and no message id of its own.
        assert_eq!(read(&reply), None);
        assert!(reply.windows(10).any(|at| at == b"\0\0\x00\x09\x02\0\0\0\x00\xc0"));
        assert!(reply.windows(12).any(|at| at == b"\0\0\x01\x09\x04\0\0\0\x20\0\x0d\0"));
        assert_eq!(reply.len() % 2, 0);
        for end in 0..request.len() {
            let _ = read(&request[..end]);
        }
        assert_eq!(read(b"\0\0\x00\x01\xff\xff\xff\xff\x01\0"), None);
        assert_eq!(read(b"\x08\0\x00\x01\x02\0\0\0\x01\0"), None);
        assert_eq!(read(b""), None);
    }
}
