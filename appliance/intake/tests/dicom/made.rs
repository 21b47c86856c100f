//! Small objects, put together byte by byte in explicit little-endian.

/// One element.
pub(crate) fn element(tag: (u16, u16), vr: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&tag.0.to_le_bytes());
    out.extend_from_slice(&tag.1.to_le_bytes());
    out.extend_from_slice(vr.as_bytes());
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if matches!(vr, "UI" | "OB" | "UN") { 0 } else { b' ' });
    }
    if matches!(vr, "OB" | "OW" | "SQ" | "UN" | "UT") {
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
    } else {
        out.extend_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
    }
    out.extend_from_slice(&value);
    out
}

/// A sequence of items.
pub(crate) fn sequence(tag: (u16, u16), items: &[Vec<u8>]) -> Vec<u8> {
    let mut value = Vec::new();
    for item in items {
        value.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0]);
        value.extend_from_slice(&u32::try_from(item.len()).unwrap().to_le_bytes());
        value.extend_from_slice(item);
    }
    element(tag, "SQ", &value)
}

/// What an object says; everything else is left out.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) class: &'static str,
    pub(crate) sop: String,
    pub(crate) study: String,
    pub(crate) series: String,
    pub(crate) number: &'static str,
    pub(crate) issuer: &'static str,
    pub(crate) birth: &'static str,
    pub(crate) name: Vec<u8>,
    pub(crate) charset: &'static str,
    pub(crate) description: Vec<u8>,
    /// Elements beyond those, in order of their tags.
    pub(crate) more: Vec<((u16, u16), Vec<u8>)>,
    pub(crate) pixels: usize,
}

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

impl Object {
    pub(crate) fn new(at: usize) -> Object {
        Object {
            class: CT,
            sop: format!("1.2.3.1.{at}"),
            study: "1.2.3.100".into(),
            series: "1.2.3.200".into(),
            number: "00012345",
            issuer: "SITE",
            birth: "19720305",
            name: b"Kim^Minsu".to_vec(),
            charset: "ISO_IR 192",
            description: "흉부 CT".as_bytes().to_vec(),
            more: Vec::new(),
            pixels: 16,
        }
    }

    pub(crate) fn dataset(&self) -> Vec<u8> {
        let side = (self.pixels as f64).sqrt() as u16;
        let mut all = vec![
            ((0x0008, 0x0005), element((0x0008, 0x0005), "CS", self.charset.as_bytes())),
            ((0x0008, 0x0016), element((0x0008, 0x0016), "UI", self.class.as_bytes())),
            ((0x0008, 0x0018), element((0x0008, 0x0018), "UI", self.sop.as_bytes())),
            ((0x0008, 0x0020), element((0x0008, 0x0020), "DA", b"20250131")),
            ((0x0008, 0x0030), element((0x0008, 0x0030), "TM", b"093000")),
            ((0x0008, 0x0060), element((0x0008, 0x0060), "CS", b"CT")),
            ((0x0008, 0x1030), element((0x0008, 0x1030), "LO", &self.description)),
            ((0x0010, 0x0010), element((0x0010, 0x0010), "PN", &self.name)),
            ((0x0010, 0x0020), element((0x0010, 0x0020), "LO", self.number.as_bytes())),
            ((0x0010, 0x0021), element((0x0010, 0x0021), "LO", self.issuer.as_bytes())),
            ((0x0010, 0x0030), element((0x0010, 0x0030), "DA", self.birth.as_bytes())),
            ((0x0020, 0x000d), element((0x0020, 0x000d), "UI", self.study.as_bytes())),
            ((0x0020, 0x000e), element((0x0020, 0x000e), "UI", self.series.as_bytes())),
            ((0x0028, 0x0002), element((0x0028, 0x0002), "US", &1u16.to_le_bytes())),
            ((0x0028, 0x0004), element((0x0028, 0x0004), "CS", b"MONOCHROME2")),
            ((0x0028, 0x0010), element((0x0028, 0x0010), "US", &side.to_le_bytes())),
            ((0x0028, 0x0011), element((0x0028, 0x0011), "US", &side.to_le_bytes())),
            ((0x0028, 0x0100), element((0x0028, 0x0100), "US", &8u16.to_le_bytes())),
            ((0x7fe0, 0x0010), element((0x7fe0, 0x0010), "OW", &vec![7; self.pixels])),
        ];
        all.extend(self.more.iter().cloned());
        all.sort_by_key(|(tag, _)| *tag);
        all.into_iter().flat_map(|(_, bytes)| bytes).collect()
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        self.file_in(EXPLICIT)
    }

    /// The head says `syntax`, whatever the data set is in.
    pub(crate) fn file_in(&self, syntax: &str) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM");
        file.extend(element((0x0002, 0x0002), "UI", self.class.as_bytes()));
        file.extend(element((0x0002, 0x0003), "UI", self.sop.as_bytes()));
        file.extend(element((0x0002, 0x0010), "UI", syntax.as_bytes()));
        file.extend(self.dataset());
        file
    }
}
