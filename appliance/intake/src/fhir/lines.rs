//! NDJSON: a resource, or a bundle, a line.

use std::io::{self, BufRead, Read as _};

use super::{Found, MAX_RESOURCE_BYTES, Place, Taker, bundle};

/// Reads every line. Blank ones are passed over. Returns `false` if the taker is gone.
///
/// # Errors
/// What the disk or the decompressor says.
pub(crate) fn read<R: BufRead>(mut reader: R, place: &Place, taker: Taker<'_>) -> io::Result<bool> {
    let most = u64::try_from(MAX_RESOURCE_BYTES).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if reader.by_ref().take(most + 1).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let place = Place { line: Some(number), ..place.clone() };
        let alive = if line.len() > MAX_RESOURCE_BYTES && !line.ends_with(b"\n") {
            skip_line(&mut reader)?;
            let reason = format!("a line may have {} MiB at most; this one is longer", MAX_RESOURCE_BYTES >> 20);
            taker(Found::Rejected(place.reject(None, None, reason), None))
        } else if line.trim_ascii().is_empty() {
            true
        } else {
            bundle::document(line.trim_ascii(), &place, taker)
        };
        if !alive {
            return Ok(false);
        }
    }
    Ok(true)
}

fn skip_line<R: BufRead>(reader: &mut R) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_alone() {
        let text = "{\"resourceType\":\"Patient\",\"id\":\"a\"}\r\n\n{\"resourceType\":\"Pat\n{\"resourceType\":\"Patient\",\"id\":\"b\"}";
        let mut good = Vec::new();
        let mut bad = Vec::new();
        let place = Place { file: "a.ndjson".into(), ..Place::default() };
        read(text.as_bytes(), &place, &mut |found| {
            match found {
                Found::Resource(item) => good.push((item.place.line, item.raw)),
                Found::Rejected(rejected, _) => bad.push((rejected.line, rejected.reason)),
            }
            true
        })
        .unwrap();
        assert_eq!(good[0], (Some(1), b"{\"resourceType\":\"Patient\",\"id\":\"a\"}".to_vec()));
        assert_eq!(good[1].0, Some(4));
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].0, Some(3));
        assert!(bad[0].1.starts_with("malformed JSON: EOF while parsing a string"), "{}", bad[0].1);
    }
}
