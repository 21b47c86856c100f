//! RLE Lossless, PS3.5 annex G: a frame is up to 15 segments of PackBits, one for each byte of a pixel, the highest first.

/// The frame, pixel after pixel, each pixel's bytes little-endian within a sample. `None`: it is no such frame, or shorter
/// than `pixels` say.
pub(super) fn frame(bytes: &[u8], pixels: usize, samples: usize, sample_bytes: usize) -> Option<Vec<u8>> {
    let word = |at: usize| {
        let word = bytes.get(at * 4..at * 4 + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    };
    let segments = word(0)?;
    if segments != samples * sample_bytes || segments > 15 {
        return None;
    }
    let mut out = vec![0; pixels.checked_mul(segments)?];
    for segment in 0..segments {
        let from = word(segment + 1)?;
        let to = if segment + 1 < segments { word(segment + 2)? } else { bytes.len() };
        let plane = unpack(bytes.get(from..to)?, pixels)?;
        let (sample, byte) = (segment / sample_bytes, sample_bytes - 1 - segment % sample_bytes);
        let places = out.iter_mut().skip(sample * sample_bytes + byte).step_by(segments);
        for (place, value) in places.zip(plane) {
            *place = value;
        }
    }
    Some(out)
}

fn unpack(mut bytes: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let (control, rest) = bytes.split_first()?;
        match *control {
            literal @ 0..=127 => {
                let (run, after) = rest.split_at_checked(usize::from(literal) + 1)?;
                out.extend_from_slice(run);
                bytes = after;
            }
            128 => bytes = rest,
            repeated => {
                let (value, after) = rest.split_first()?;
                out.extend(std::iter::repeat_n(*value, 257 - usize::from(repeated)));
                bytes = after;
            }
        }
    }
    out.truncate(count);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_become_pixels() {
        // Two segments (16 bits, one sample), 5 pixels: high bytes 1 1 1 1 1, low bytes 10 20 30 40 40.
        let mut bytes = vec![0; 64];
        bytes[0] = 2;
        bytes[4] = 64;
        bytes[8] = 66;
        bytes.extend_from_slice(&[252, 1]);
        bytes.extend_from_slice(&[2, 10, 20, 30, 255, 40, 128]);
        let expected: Vec<u8> =
            [0x010a, 0x0114, 0x011e, 0x0128, 0x0128u16].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(frame(&bytes, 5, 1, 2).unwrap(), expected);
        assert_eq!(frame(&bytes, 6, 1, 2), None, "too short");
        assert_eq!(frame(&bytes, 5, 3, 1), None, "another number of segments");
        for end in 0..bytes.len() {
            let _ = frame(&bytes[..end], 5, 1, 2);
        }
    }
}
