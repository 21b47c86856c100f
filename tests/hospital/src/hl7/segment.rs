//! Segments by field number, and the data types that fill them. Everything that is said is escaped here.

use crate::codes::{Code, Concept};
use crate::ids::Authority;
use crate::people::{Doctor, Name};
use crate::record::Place;

/// A segment; fields count from 1.
pub(super) struct Segment {
    name: &'static str,
    fields: Vec<String>,
}

impl Segment {
    pub(super) fn new(name: &'static str) -> Segment {
        Segment { name, fields: Vec::new() }
    }

    /// MSH. Its first field is the separator itself, which [`Segment::write`] puts.
    pub(super) fn header(kind: &str, sent: &str, control: &str, charset: &str) -> Segment {
        Segment::new("MSH")
            .raw(2, "^~\\&")
            .raw(3, "HIS")
            .raw(4, "HAECHI")
            .raw(5, "ENGINE")
            .raw(6, "HAECHI")
            .raw(7, sent)
            .raw(9, kind)
            .raw(10, control)
            .raw(11, "P")
            .raw(12, "2.5.1")
            .raw(15, "AL")
            .raw(16, "NE")
            .raw(17, "KOR")
            .raw(18, charset)
    }

    /// Puts a field that is composed already.
    pub(super) fn raw(mut self, field: usize, text: impl Into<String>) -> Segment {
        if self.fields.len() < field {
            self.fields.resize(field, String::new());
        }
        if let Some(slot) = field.checked_sub(1).and_then(|at| self.fields.get_mut(at)) {
            *slot = text.into();
        }
        self
    }

    /// Puts words.
    pub(super) fn text(self, field: usize, text: &str) -> Segment {
        let text = escape(text);
        self.raw(field, text)
    }

    /// Puts a field if there is something to put.
    pub(super) fn maybe(self, field: usize, text: Option<String>) -> Segment {
        match text {
            Some(text) => self.raw(field, text),
            None => self,
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push_str(self.name);
        // MSH-1 is the separator that follows the name.
        let fields = if self.name == "MSH" { self.fields.get(1..).unwrap_or_default() } else { &self.fields };
        for field in fields {
            out.push('|');
            out.push_str(field);
        }
        out.push('\r');
    }
}

/// Delimiters in words become escape sequences, line ends `\.br\`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\E\\"),
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '\n' => out.push_str("\\.br\\"),
            c => out.push(c),
        }
    }
    out
}

fn coding(code: &Code) -> String {
    format!("{}^{}^{}", escape(code.code), escape(code.display), code.system.v2())
}

/// `CE`: one or two codings, or words alone.
pub(super) fn ce(concept: &Concept) -> String {
    match (&concept.first, &concept.second) {
        (Some(first), Some(second)) => format!("{}^{}", coding(first), coding(second)),
        (Some(first), None) => coding(first),
        _ => format!("^{}", escape(concept.text.unwrap_or_default())),
    }
}

/// `CE` of one code.
pub(super) fn one(code: &Code) -> String {
    coding(code)
}

/// `CX`: a number with its authority and type.
pub(super) fn cx(authority: Authority, number: &str, kind: &str) -> String {
    format!("{number}^^^HAECHI&{}&ISO^{kind}", authority.oid())
}

/// `EI`: a number with its authority.
pub(super) fn ei(authority: Authority, number: &str) -> String {
    format!("{number}^HAECHI^{}^ISO", authority.oid())
}

/// `XCN`: a doctor.
pub(super) fn xcn(doctor: &Doctor) -> String {
    let authority = Authority::Staff.oid();
    format!("{}^{}^{}^^^^^^HAECHI&{authority}&ISO", doctor.number, doctor.family, doctor.given)
}

/// The same within `NDL`, in subcomponents.
pub(super) fn ndl(doctor: &Doctor) -> String {
    let authority = Authority::Staff.oid();
    format!("{}&{}&{}&&&&&&HAECHI&{authority}&ISO", doctor.number, doctor.family, doctor.given)
}

/// `XPN`, ideographic.
pub(super) fn hangul(name: &Name) -> String {
    format!("{}^{}^^^^^L^I", name.family, name.given)
}

/// `XPN`, alphabetic.
pub(super) fn latin(name: &Name) -> String {
    format!("{}^{}^^^^^L^A", name.family_latin, name.given_latin)
}

/// `XTN` of a mobile telephone.
pub(super) fn xtn(number: &str) -> String {
    format!("{number}^PRN^CP")
}

/// `PL`: point of care, room, bed.
pub(super) fn pl(place: &Place) -> String {
    match place.bed {
        Some((room, bed)) => format!("{}^{room}^{bed}", escape(place.unit)),
        None => escape(place.unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_escaped_and_fields_counted() {
        let mut out = String::new();
        Segment::new("OBX").raw(1, "1").text(3, "a|b^c&d~e\\f\ng").write(&mut out);
        assert_eq!(out, "OBX|1||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g\r");
        out.clear();
        Segment::header("ADT^A01^ADT_A01", "202601010900", "1", "UNICODE UTF-8").write(&mut out);
        assert_eq!(
            out,
            "MSH|^~\\&|HIS|HAECHI|ENGINE|HAECHI|202601010900||ADT^A01^ADT_A01|1|P|2.5.1|||AL|NE|KOR|UNICODE UTF-8\r"
        );
    }
}
