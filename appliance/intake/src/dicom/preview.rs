//! A small picture of an instance: its first frame, windowed to 8 bits, at most 512 pixels wide and high, as PNG.
//!
//! A PNG made here holds pixels and nothing else, so that no name can be in its header. A name *in* the pixels is another
//! matter: where the sender says that there is one, or does not say there is none and the kind of image often has one,
//! no preview is made.

use std::io::{BufReader, Seek as _, SeekFrom};

use haechi_record::RecordError;

use super::archive::Archive;
use super::dataset::{self, Dataset, Pixels, Want};
use super::{part10, rle};
use crate::working::guarded;

/// Widest and highest preview, in pixels.
pub const MAX_SIDE: usize = 512;
/// Largest frame decoded, in bytes and in pixels: a full mammogram is a third of it.
const MAX_FRAME_BYTES: usize = 128 << 20;
const MAX_PIXELS: usize = 64 << 20;

/// A preview, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preview {
    /// A PNG.
    Png(Vec<u8>),
    /// None is made, and why, for a person.
    None(String),
}

impl Archive {
    /// A preview of the instance with this SOP Instance UID; `None`: no such instance is here. Blocks.
    ///
    /// # Errors
    /// Those of the disk. What cannot be decoded is no error: [`Preview::None`] says so.
    pub fn preview(&self, sop: &str) -> Result<Option<Preview>, RecordError> {
        let Some(row) = self.store.instance(sop)? else { return Ok(None) };
        let made = (|| {
            let mut reader = self.files.reader(&row.file).map_err(|error| error.to_string())?;
            let (meta, head, _) = part10::read(&mut reader).map_err(|_| "its head cannot be read".to_owned())?;
            reader.seek(SeekFrom::Start(head.len() as u64)).map_err(|error| error.to_string())?;
            let made = guarded(|| {
                let walked = dataset::read(BufReader::new(reader), &meta.syntax, Want { pixel_bytes: MAX_FRAME_BYTES });
                png_of(&walked, &meta.syntax)
            });
            made.unwrap_or_else(|| Err("decoding it failed inside the program; please report this".to_owned()))
        })();
        Ok(Some(match made {
            Ok(png) => Preview::Png(png),
            Err(why) => Preview::None(why),
        }))
    }
}

/// Kinds of images into which machines draw the patient's name.
const OFTEN_NAMED: &[&str] = &["US", "SC", "OT", "ES", "XC", "GM", "DG", "IVUS", "ECG", "HD"];
/// Ultrasound, secondary capture, and encapsulated or visible-light photography and video.
const OFTEN_NAMED_CLASSES: &[&str] =
    &["1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3"];

/// Why the pixels may hold a name.
fn may_hold_a_name(root: &Dataset) -> Option<String> {
    match root.code((0x0028, 0x0301)).as_deref() {
        Some("NO") => return None,
        Some("YES") => return Some("its pixels hold text about the patient (0028,0301)".to_owned()),
        _ => {}
    }
    let modality = root.code((0x0008, 0x0060)).unwrap_or_default();
    let class = root.code((0x0008, 0x0016)).unwrap_or_default();
    let by_class = OFTEN_NAMED_CLASSES
        .iter()
        .any(|prefix| class.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    // A captured screen may be told only by its conversion type (0008,0064), or by being no original (0008,0008).
    let image_type = root.bytes((0x0008, 0x0008)).unwrap_or_default();
    let secondary = image_type.split(|byte| *byte == b'\\').any(|value| value.trim_ascii() == b"SECONDARY");
    let captured = secondary || root.code((0x0008, 0x0064)).is_some();
    (by_class || captured || OFTEN_NAMED.contains(&modality.as_str())).then(|| {
        "the sender does not say whether its pixels hold text about the patient (0028,0301), and this kind of image often does".to_owned()
    })
}

/// How the pixels stand.
struct Layout {
    rows: usize,
    columns: usize,
    samples: usize,
    /// Bytes of a sample: 1 or 2.
    bytes: usize,
    stored: u32,
    signed: bool,
    planar: bool,
    big_endian: bool,
    photometric: String,
}

fn layout(root: &Dataset, big_endian: bool) -> Result<Layout, String> {
    let short = |tag| root.short(tag, big_endian);
    let need = |tag, name: &str| {
        short(tag).ok_or_else(|| format!("it is no image: there is no {name} {}", dataset::shown(tag)))
    };
    let rows = usize::from(need((0x0028, 0x0010), "number of rows")?);
    let columns = usize::from(need((0x0028, 0x0011), "number of columns")?);
    let allocated = need((0x0028, 0x0100), "number of bits")?;
    let samples = usize::from(short((0x0028, 0x0002)).unwrap_or(1));
    if rows == 0 || columns == 0 || rows * columns > MAX_PIXELS {
        return Err(format!("{columns} by {rows} pixels are none, or too many for a preview"));
    }
    if !matches!(allocated, 8 | 16) || !matches!(samples, 1 | 3) {
        return Err(format!("{allocated} bits in {samples} samples a pixel are not decoded"));
    }
    Ok(Layout {
        rows,
        columns,
        samples,
        bytes: usize::from(allocated / 8),
        stored: u32::from(short((0x0028, 0x0101)).unwrap_or(allocated)).clamp(1, u32::from(allocated)),
        signed: short((0x0028, 0x0103)) == Some(1),
        planar: short((0x0028, 0x0006)) == Some(1),
        big_endian,
        photometric: root.code((0x0028, 0x0004)).unwrap_or_else(|| "MONOCHROME2".to_owned()),
    })
}

pub(super) fn png_of(walked: &dataset::Walked, syntax: &str) -> Result<Vec<u8>, String> {
    match may_hold_a_name(&walked.root) {
        Some(why) => Err(why),
        None => picture_of(walked, syntax),
    }
}

fn picture_of(walked: &dataset::Walked, syntax: &str) -> Result<Vec<u8>, String> {
    let root = &walked.root;
    let mut layout = layout(root, walked.big_endian)?;
    let pixels = layout.rows * layout.columns;
    let frame_bytes = pixels * layout.samples * layout.bytes;
    let too_short = || "its pixel data is shorter than its rows and columns say, or too long for a preview".to_owned();
    let frame = match (&walked.pixels, syntax) {
        (Pixels::None, _) => return Err("it has no pixel data".to_owned()),
        (Pixels::Native(bytes), "1.2.840.113619.5.2") => {
            layout.big_endian = true;
            bytes.get(..frame_bytes).ok_or_else(too_short)?.to_vec()
        }
        (Pixels::Native(bytes), _) => {
            if layout.photometric == "YBR_FULL_422" {
                return Err("uncompressed YBR_FULL_422 is not decoded".to_owned());
            }
            bytes.get(..frame_bytes).ok_or_else(too_short)?.to_vec()
        }
        (Pixels::Fragments { fragments, .. }, "1.2.840.10008.1.2.5") => {
            layout.planar = false;
            let first = fragments.first().ok_or_else(too_short)?;
            rle::frame(first, pixels, layout.samples, layout.bytes).ok_or("its RLE data is damaged")?
        }
        (
            Pixels::Fragments { table, fragments },
            "1.2.840.10008.1.2.4.50" | "1.2.840.10008.1.2.4.51" | "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70",
        ) => jpeg(&first_frame(table, fragments, root), &mut layout)?,
        (Pixels::Fragments { .. }, other) => {
            return Err(format!("{} is not decoded: the image is kept as it came", syntax_name(other)));
        }
    };
    let (grey, picture) = match layout.samples {
        1 => {
            if layout.photometric.starts_with("PALETTE") {
                return Err("palette colours are not decoded".to_owned());
            }
            (true, window(&frame, &layout, root))
        }
        _ => (false, colours(&frame, &layout)?),
    };
    let (columns, rows, small) = shrink(&picture, layout.columns, layout.rows, if grey { 1 } else { 3 });
    encode(&small, columns, rows, grey)
}

/// A name for the sentence that says what is not decoded.
fn syntax_name(uid: &str) -> &str {
    match uid {
        "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => "JPEG-LS",
        "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => "JPEG 2000",
        "1.2.840.10008.1.2.4.201" | "1.2.840.10008.1.2.4.202" | "1.2.840.10008.1.2.4.203" => {
            "High-Throughput JPEG 2000"
        }
        "1.2.840.10008.1.2.4.110" | "1.2.840.10008.1.2.4.111" | "1.2.840.10008.1.2.4.112" => "JPEG XL",
        _ if uid.starts_with("1.2.840.10008.1.2.4.10") => "video",
        _ => uid,
    }
}

/// The fragments of the first frame: all of a single frame's, else up to where the offset table has the second begin, else
/// the first alone.
fn first_frame(table: &[u8], fragments: &[Vec<u8>], root: &Dataset) -> Vec<u8> {
    let frames = root.decimal((0x0028, 0x0008)).unwrap_or(1.0);
    if frames <= 1.0 {
        return fragments.concat();
    }
    let second = table.get(4..8).and_then(|at| at.try_into().ok()).map(u32::from_le_bytes);
    let mut at = 0u64;
    let mut out = Vec::new();
    for fragment in fragments {
        if !out.is_empty() && second.is_none_or(|second| at >= u64::from(second)) {
            break;
        }
        out.extend_from_slice(fragment);
        at += 8 + fragment.len() as u64;
    }
    out
}

/// A JPEG frame as samples; the layout is corrected to what the frame really is.
fn jpeg(bytes: &[u8], layout: &mut Layout) -> Result<Vec<u8>, String> {
    use jpeg_decoder::{Decoder, PixelFormat};
    let failed = |error: jpeg_decoder::Error| match error {
        jpeg_decoder::Error::Unsupported(what) => {
            format!("its JPEG is of a kind that is not decoded ({what:?}): the image is kept as it came")
        }
        _ => "its JPEG data is damaged".to_owned(),
    };
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(MAX_FRAME_BYTES * 2);
    decoder.read_info().map_err(failed)?;
    let info = decoder.info().ok_or("its JPEG data is damaged")?;
    if (usize::from(info.width), usize::from(info.height)) != (layout.columns, layout.rows) {
        return Err("its JPEG has another size than its rows and columns say".to_owned());
    }
    let samples = decoder.decode().map_err(failed)?;
    layout.planar = false;
    layout.big_endian = cfg!(target_endian = "big");
    match info.pixel_format {
        PixelFormat::L8 => (layout.samples, layout.bytes) = (1, 1),
        PixelFormat::L16 => (layout.samples, layout.bytes) = (1, 2),
        PixelFormat::RGB24 => {
            (layout.samples, layout.bytes) = (3, 1);
            layout.photometric = "RGB".to_owned(); // the decoder has converted it
        }
        PixelFormat::CMYK32 => return Err("a JPEG of four colours is not decoded".to_owned()),
    }
    layout.stored = layout.stored.min(8 * layout.bytes as u32);
    Ok(samples)
}

/// One stored sample as a number.
fn sample(bytes: &[u8], layout: &Layout) -> i32 {
    let raw = match *bytes {
        [one] => u16::from(one),
        [low, high] if layout.big_endian => u16::from_be_bytes([low, high]),
        [low, high] => u16::from_le_bytes([low, high]),
        _ => 0,
    };
    let unused = 32 - layout.stored;
    // Bits above the stored ones may hold overlays.
    if layout.signed {
        ((u32::from(raw) << unused) as i32) >> unused
    } else {
        ((u32::from(raw) << unused) >> unused) as i32
    }
}

/// Grey values by rescale and window (PS3.3 C.11.1, C.11.2.1.2), or from darkest to brightest where there is no window.
fn window(frame: &[u8], layout: &Layout, root: &Dataset) -> Vec<u8> {
    let slope = root.decimal((0x0028, 0x1053)).filter(|slope| *slope != 0.0).unwrap_or(1.0);
    let intercept = root.decimal((0x0028, 0x1052)).unwrap_or(0.0);
    let values: Vec<f32> = frame
        .chunks_exact(layout.bytes)
        .map(|bytes| (f64::from(sample(bytes, layout)) * slope + intercept) as f32)
        .collect();
    let centre = root.decimal((0x0028, 0x1050));
    let width = root.decimal((0x0028, 0x1051)).filter(|width| *width >= 1.0);
    let (low, high) = match (centre, width) {
        (Some(centre), Some(width)) => {
            ((centre - 0.5 - (width - 1.0) / 2.0) as f32, (centre - 0.5 + (width - 1.0) / 2.0) as f32)
        }
        _ => values.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value))),
    };
    let range = (high - low).max(f32::EPSILON);
    let inverted = layout.photometric == "MONOCHROME1";
    values
        .iter()
        .map(|value| {
            let grey = ((value - low) / range).clamp(0.0, 1.0);
            ((if inverted { 1.0 - grey } else { grey }) * 255.0).round() as u8
        })
        .collect()
}

/// Red, green and blue, one after another.
fn colours(frame: &[u8], layout: &Layout) -> Result<Vec<u8>, String> {
    let pixels = layout.rows * layout.columns;
    let high = |at: usize| match layout.bytes {
        1 => frame.get(at).copied().unwrap_or(0),
        _ => {
            let bytes = frame.get(2 * at..2 * at + 2).unwrap_or_default();
            let shift = layout.stored.saturating_sub(8);
            (sample(bytes, layout) >> shift).clamp(0, 255) as u8
        }
    };
    let place =
        |pixel: usize, channel: usize| if layout.planar { channel * pixels + pixel } else { 3 * pixel + channel };
    let mut out = Vec::with_capacity(3 * pixels);
    for pixel in 0..pixels {
        let [one, two, three] = [0, 1, 2].map(|channel| high(place(pixel, channel)));
        match layout.photometric.as_str() {
            "RGB" => out.extend_from_slice(&[one, two, three]),
            // PS3.3 C.7.6.3.1.2.
            "YBR_FULL" | "YBR_FULL_422" => {
                let (y, cb, cr) = (f32::from(one), f32::from(two) - 128.0, f32::from(three) - 128.0);
                let bright = |value: f32| value.round().clamp(0.0, 255.0) as u8;
                out.extend([y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb].map(bright));
            }
            other => return Err(format!("colours as {other} are not decoded")),
        }
    }
    Ok(out)
}

/// Averages squares of pixels so that neither side is longer than [`MAX_SIDE`].
fn shrink(picture: &[u8], columns: usize, rows: usize, channels: usize) -> (usize, usize, Vec<u8>) {
    let by = columns.max(rows).div_ceil(MAX_SIDE).max(1);
    if by == 1 {
        return (columns, rows, picture.to_vec());
    }
    let (wide, high) = (columns.div_ceil(by), rows.div_ceil(by));
    let mut out = Vec::with_capacity(wide * high * channels);
    for y in 0..high {
        for x in 0..wide {
            for channel in 0..channels {
                let (mut sum, mut count) = (0usize, 0usize);
                for row in (y * by)..((y + 1) * by).min(rows) {
                    for column in (x * by)..((x + 1) * by).min(columns) {
                        sum += usize::from(
                            picture.get((row * columns + column) * channels + channel).copied().unwrap_or(0),
                        );
                        count += 1;
                    }
                }
                out.push(u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(u8::MAX));
            }
        }
    }
    (wide, high, out)
}

fn encode(pixels: &[u8], columns: usize, rows: usize, grey: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let side = |side: usize| u32::try_from(side).unwrap_or(0);
    let mut encoder = png::Encoder::new(&mut out, side(columns), side(rows));
    encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    let failed = |error: png::EncodingError| format!("the picture could not be written: {error}");
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(stored: u32, signed: bool, bytes: usize) -> Layout {
        Layout {
            rows: 1,
            columns: 4,
            samples: 1,
            bytes,
            stored,
            signed,
            planar: false,
            big_endian: false,
            photometric: "MONOCHROME2".into(),
        }
    }

    #[test]
    fn samples_are_read_within_their_stored_bits() {
        assert_eq!(sample(&[0xff, 0x8f], &grey(12, false, 2)), 0x0fff);
        assert_eq!(sample(&[0xff, 0x0f], &grey(12, true, 2)), -1);
        assert_eq!(sample(&[0x00, 0x08], &grey(12, true, 2)), -2048);
        assert_eq!(sample(&[0x80], &grey(8, true, 1)), -128);
        assert_eq!(sample(&[0x12, 0x34], &Layout { big_endian: true, ..grey(16, false, 2) }), 0x1234);
    }

    #[test]
    fn pictures_are_averaged_down() {
        let (wide, high, small) = shrink(&vec![10; 1030 * 7], 1030, 7, 1);
        assert_eq!((wide, high), (344, 3));
        assert!(small.iter().all(|grey| *grey == 10));
        let (.., same) = shrink(&[1, 2, 3], 1, 1, 3);
        assert_eq!(same, [1, 2, 3]);
    }

    #[test]
    fn one_image_in_three_encodings_gives_one_picture() {
        let root = std::env::var_os("HAECHI_TEST_DATA").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
            std::path::PathBuf::from,
        );
        let picture = |name: &str| {
            let file = std::fs::read(root.join("dicom/pydicom").join(name)).ok()?;
            let mut reader = file.as_slice();
            let (meta, _, begun) = part10::read(&mut reader).unwrap();
            let body = std::io::Read::chain(begun.as_slice(), reader);
            let walked = dataset::read(body, &meta.syntax, Want { pixel_bytes: MAX_FRAME_BYTES });
            Some(picture_of(&walked, &meta.syntax).unwrap())
        };
        let Some(explicit) = picture("MR_small.dcm") else {
            eprintln!("skipped: no test data at {} (set HAECHI_TEST_DATA)", root.display());
            return;
        };
        assert!(picture("MR_small_implicit.dcm").unwrap() == explicit);
        assert!(picture("MR_small_expb.dcm").unwrap() == explicit);
    }

    #[test]
    fn without_a_window_the_darkest_is_black_and_the_brightest_white() {
        let root = Dataset::default();
        let layout = grey(8, false, 1);
        assert_eq!(window(&[10, 20, 30, 10], &layout, &root), [0, 128, 255, 0]);
        let inverted = Layout { photometric: "MONOCHROME1".into(), ..layout };
        assert_eq!(window(&[10, 20, 30, 10], &inverted, &root), [255, 128, 0, 255]);
    }
}
