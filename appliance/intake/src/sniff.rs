//! What a file is, told by its first bytes; its name only breaks ties and names what is not read yet.

/// How a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON document.
    Json,
    /// A JSON document a line.
    JsonLines,
    /// One FHIR document in XML.
    Xml,
    /// HL7 v2 messages.
    Hl7,
    /// A DICOM file (PS3.10).
    Dicom,
    /// Not imported, and why, for a person.
    Not(String),
}

/// Tells the format from the first bytes of a file (decompressed, without byte order mark). `whole`: `head` is all of it.
pub(crate) fn format(head: &[u8], whole: bool, name: &str) -> Format {
    // First of all: its first 128 bytes may be anything.
    if head.get(128..).is_some_and(|rest| rest.starts_with(b"DICM")) {
        return Format::Dicom;
    }
    let text = head.trim_ascii_start();
    if text.is_empty() && whole {
        return Format::Not("the file is empty".to_owned());
    }
    if is_hl7(head) {
        return Format::Hl7;
    }
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match text.first() {
        Some(b'{') => json(text, whole, name),
        Some(b'<') if is_fhir_xml(text) => Format::Xml,
        Some(b'[') => {
            Format::Not("a JSON list is no FHIR resource: wrap the resources in a Bundle, or one a line".to_owned())
        }
        _ => Format::Not(unsupported(head, text, name)),
    }
}

/// A header segment at the start, after MLLP's start byte, or after some other text at a line's start.
fn is_hl7(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| matches!(byte, b'\r' | b'\n' | 0x0b)).take(200);
    lines.any(|line| {
        let line = line.trim_ascii_start();
        let named = ["MSH", "FHS", "BHS"].iter().any(|name| line.starts_with(name.as_bytes()));
        named && line.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    })
}

/// FHIR's name space in the first tag that is no comment, declaration or instruction.
fn is_fhir_xml(text: &[u8]) -> bool {
    let tags = text.split(|byte| *byte == b'<').skip(1);
    let mut comment = false;
    for tag in tags.take(64) {
        let begins = !comment && tag.starts_with(b"!--");
        comment = (comment || begins) && !tag.windows(3).any(|end| end == b"-->");
        if !comment
            && !begins
            && !matches!(tag.first(), Some(b'!' | b'?' | b'/'))
            && !tag.windows(3).any(|end| end == b"-->")
        {
            let mark = b"http://hl7.org/fhir";
            let quoted = |at: usize| matches!(tag.get(at + mark.len()), Some(b'"' | b'\''));
            return tag.windows(mark.len()).enumerate().any(|(at, window)| window == mark && quoted(at));
        }
    }
    false
}

/// One document, or one a line. A first line that is a whole document with something after it decides; where it is cut
/// off or wrong, the name does.
fn json(text: &[u8], whole: bool, name: &str) -> Format {
    let lines = name.ends_with(".ndjson") || name.ends_with(".jsonl") || name.ends_with(".ldjson");
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        return if lines { Format::JsonLines } else { Format::Json };
    };
    let (first, rest) = text.split_at(end);
    let more = !whole || !rest.trim_ascii().is_empty();
    let complete = serde_json::from_slice::<serde::de::IgnoredAny>(first).is_ok();
    if lines || (complete && more) { Format::JsonLines } else { Format::Json }
}

/// What a file that is not read is, as far as it can be told.
fn unsupported(head: &[u8], text: &[u8], name: &str) -> String {
    let at = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(mark));
    let has = |mark: &str| text.windows(mark.len()).take(4096).any(|window| window == mark.as_bytes());
    let ends = |list: &[&str]| list.iter().any(|end| name.ends_with(end));
    let later = |what: &str| format!("{what} cannot be imported yet");
    if ends(&[".dcm", ".dicom"]) {
        "it is called a DICOM file, but there is no DICM at byte 128".to_owned()
    } else if text.starts_with(b"##fileformat=VCF") || ends(&[".vcf"]) {
        later("a VCF file")
    } else if text.starts_with(b">") || ends(&[".fasta", ".fa"]) {
        later("a FASTA file")
    } else if text.starts_with(b"%PDF") {
        later("a PDF file")
    } else if at(257, b"ustar") || at(0, b"PK\x03\x04") || at(0, b"7z\xbc\xaf") || at(0, b"\x28\xb5\x2f\xfd") {
        "an archive: unpack it and import the folder".to_owned()
    } else if at(0, b"\x89PNG") || at(0, b"\xff\xd8\xff") || at(0, b"GIF8") || at(0, b"II*\0") || at(0, b"MM\0*") {
        later("an image")
    } else if at(0, b"\xff\xfe") || at(0, b"\xfe\xff") {
        "text in UTF-16: save it as UTF-8".to_owned()
    } else if text.starts_with(b"<") && has("ClinicalDocument") {
        later("a CDA document")
    } else if text.starts_with(b"<") {
        later("XML or HTML")
    } else if ends(&[".sdf", ".mol", ".smi", ".smiles"]) {
        later("a file of chemical structures")
    } else if ends(&[".md", ".txt", ".csv", ".tsv", ".pdf"]) {
        later("a text or table")
    } else {
        "neither FHIR nor HL7 v2 by its first bytes".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        let line = b"{\"resourceType\":\"Patient\"}\n";
        let two = [&line[..], line].concat();
        let mut dicom = b"{\n\nMSH|^~\\&|".to_vec();
        dicom.resize(128, 0);
        dicom.extend_from_slice(b"DICM\x02\0");
        for (head, name, format_is) in [
            (&dicom[..], "IM000001", Format::Dicom),
            (&b"MSH|^~\\&|A"[..], "x.json", Format::Hl7),
            (b"\x0bMSH|^~\\&|A", "x", Format::Hl7),
            (b"FHS|^~\\&|A", "x", Format::Hl7),
            (b"MSH|\n", "x.hl7", Format::Hl7),
            (b"hello\nMSH|^~\\&|A", "x.txt", Format::Hl7),
            (&two, "x.json", Format::JsonLines),
            (&two, "x.ndjson.gz", Format::JsonLines),
            (line, "x.json", Format::Json),
            (line, "x.ndjson", Format::JsonLines),
            (b"{\n \"resourceType\": \"Patient\"}", "x", Format::Json),
            (b"{\"resourceType\":\n", "x.ndjson", Format::JsonLines),
            (b"<?xml version=\"1.0\"?>\n<!-- <b> -->\n<Patient xmlns='http://hl7.org/fhir'>", "x", Format::Xml),
            (b"<f:Patient xmlns:f=\"http://hl7.org/fhir\"/>", "x.json", Format::Xml),
        ] {
            assert_eq!(format(head, true, name), format_is, "{name}: {}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (head, name, words) in [
            (&b""[..], "x", "empty"),
            (b" \n ", "x", "empty"),
            (b"\x08\0\x05\0", "x.dcm", "no DICM"),
            (b"##fileformat=VCFv4.2\n", "x", "VCF"),
            (b">sp|P1\nMKV", "x", "FASTA"),
            (b"<a xmlns=\"http://hl7.org/fhirx\"/>", "x.xml", "XML or HTML"),
            (b"<!-- <Patient xmlns=\"http://hl7.org/fhir\"> --><ClinicalDocument/>", "x.xml", "CDA"),
            (b"PK\x03\x04", "x.zip", "unpack"),
            (b"[{}]", "x.json", "JSON list"),
            (b"CCO 1", "x.smi", "chemical"),
            (b"\x00\x01", "x.bin", "first bytes"),
        ] {
            let Format::Not(reason) = format(head, true, name) else { panic!("{name}") };
            assert!(reason.contains(words), "{name}: {reason}");
        }
    }
}
