//! Acknowledgements (HL7 v2, chapter 2, 2.9): bytes out. What is echoed is echoed as it came, in the sender's own
//! delimiters and characters; nothing else of the message is repeated.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::check::Problem;
use super::settings::Acknowledge;
use crate::hl7::Condition;
use crate::hl7::Header;

/// The codes to answer with, in their order; none if the sender wants no answer.
///
/// Original mode is the special case of enhanced mode in which MSH-15 is `NE` and MSH-16 is `AL` (2.9.3): a sender that asks
/// for that, or leaves MSH-15 empty, gets AA, AE or AR alone. AA after CA promises the same as AA alone.
#[must_use]
pub fn codes(mode: Acknowledge, header: Option<&Header>, problem: Option<&Problem>) -> Vec<&'static str> {
    let success = problem.is_none();
    let pick = |names: [&'static str; 3]| match problem {
        None => names[0],
        Some(problem) => names[if problem.rejected { 2 } else { 1 }],
    };
    let (application, accept) = (pick(["AA", "AE", "AR"]), pick(["CA", "CE", "CR"]));
    let (wish, later) = header.map_or((None, None), |header| (header.accept, header.application));
    let enhanced = match mode {
        Acknowledge::Original => false,
        Acknowledge::Enhanced => true,
        Acknowledge::AsAsked => wish.is_some() || later.is_some(),
    };
    if !enhanced {
        return vec![application];
    }
    match wish.or((later.is_none()).then_some(Condition::Always)) {
        None | Some(Condition::Never) => {
            let wanted = later.unwrap_or(Condition::Never).wants(success);
            wanted.then_some(application).into_iter().collect()
        }
        Some(wish) => {
            let first = wish.wants(success).then_some(accept);
            let then = (success && later.is_some_and(|later| later.wants(true))).then_some(application);
            first.into_iter().chain(then).collect()
        }
    }
}

/// One acknowledgement in its frame. `number`: makes its own control id unique.
#[must_use]
pub fn acknowledgement(
    code: &str,
    header: Option<&Header>,
    problem: Option<&Problem>,
    now: Timestamp,
    zone: &TimeZone,
    number: u64,
) -> Vec<u8> {
    let bar = header.map_or(b'|', |header| header.separator);
    let encoding: &[u8] = header.map_or(b"^~\\&", |header| &header.encoding);
    let component = encoding.first().copied().unwrap_or(b'^');
    let subcomponent = encoding.get(3).copied().unwrap_or(b'&');
    let empty: &[u8] = b"";
    let echo = |take: fn(&Header) -> &[u8]| header.map_or(empty, take);
    let time = now.to_zoned(zone.clone()).strftime("%Y%m%d%H%M%S%z").to_string();
    let id = format!("HAECHI{}{number:06}", now.as_millisecond());
    let trigger = header.map_or("", |header| header.trigger.as_str());
    let version = echo(|header| &header.version);
    let kind = {
        let mut kind = b"ACK".to_vec();
        if !trigger.is_empty() && trigger != "?" {
            kind.push(component);
            kind.extend_from_slice(trigger.as_bytes());
            if !is_before(version, 2, 4) {
                kind.push(component);
                kind.extend_from_slice(b"ACK");
            }
        }
        kind
    };
    let processing = match echo(|header| &header.processing_id) {
        b"" => b"P",
        said => said,
    };
    let said_version: &[u8] = if version.is_empty() { b"2.5.1" } else { version };

    let mut out = vec![0x0b];
    let mut segment = |fields: &[&[u8]]| {
        out.extend_from_slice(&fields.join(&bar));
        out.push(b'\r');
    };
    // The receiver answers as the party that was addressed.
    segment(&[
        b"MSH",
        encoding,
        echo(|header| &header.parties[2]),
        echo(|header| &header.parties[3]),
        echo(|header| &header.parties[0]),
        echo(|header| &header.parties[1]),
        time.as_bytes(),
        empty,
        &kind,
        id.as_bytes(),
        processing,
        said_version,
        empty,
        empty,
        empty,
        empty,
        empty,
        echo(|header| &header.charset),
    ]);
    let text = problem.map_or(empty, |problem| problem.text.as_bytes());
    segment(&[b"MSA", code.as_bytes(), echo(|header| &header.control_id), text]);
    if let Some(problem) = problem {
        let (number, words) = problem.condition.code();
        let (name, nth, field, part) = problem.place;
        let mark = char::from(component);
        let mut place = if name.is_empty() { String::new() } else { format!("{name}{mark}{nth}") };
        if field > 0 {
            place.push_str(&format!("{mark}{field}"));
        }
        if is_before(version, 2, 5) {
            // ERR-1 alone: segment, sequence, field, code.
            let code = format!("{number}{0}{words}{0}HL70357", char::from(subcomponent));
            let pads = 3usize.saturating_sub(place.matches(mark).count());
            let place = format!("{place}{}{code}", String::from(mark).repeat(pads));
            segment(&[b"ERR", place.as_bytes()]);
        } else {
            if part > 0 {
                place.push_str(&format!("{mark}1{mark}{part}"));
            }
            let code = format!("{number}{mark}{words}{mark}HL70357");
            segment(&[b"ERR", empty, place.as_bytes(), code.as_bytes(), b"E", empty, empty, empty, text]);
        }
    }
    out.extend_from_slice(&[0x1c, b'\r']);
    out
}

/// Whether MSH-12 says a version before `major.minor`; what cannot be read is taken for a new one.
fn is_before(version: &[u8], major: u32, minor: u32) -> bool {
    let said = String::from_utf8_lossy(version);
    let said = said.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    let mut numbers = said.split('.').filter_map(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(one), two) => (one, two.unwrap_or(0)) < (major, minor),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Condition as Found, TOO_LONG};
    use super::*;

    fn said(header: &str) -> Header {
        crate::hl7::header(header.as_bytes()).unwrap()
    }

    #[test]
    fn the_codes_are_those_that_were_asked_for() {
        let error = Problem { condition: Found::RequiredField, rejected: false, place: ("PID", 1, 3, 0), text: "" };
        for (case, wishes, mode, good, wrong, rejected) in [
            ("original", "||", Acknowledge::AsAsked, vec!["AA"], vec!["AE"], vec!["AR"]),
            ("enhanced", "AL|NE", Acknowledge::AsAsked, vec!["CA"], vec!["CE"], vec!["CR"]),
            ("both", "AL|AL", Acknowledge::AsAsked, vec!["CA", "AA"], vec!["CE"], vec!["CR"]),
            ("only what went wrong", "ER|NE", Acknowledge::AsAsked, vec![], vec!["CE"], vec!["CR"]),
            ("only what went well", "SU|", Acknowledge::AsAsked, vec!["CA"], vec![], vec![]),
            ("nothing", "NE|NE", Acknowledge::AsAsked, vec![], vec![], vec![]),
            ("original by its other name", "NE|AL", Acknowledge::AsAsked, vec!["AA"], vec!["AE"], vec!["AR"]),
            ("MSH-16 alone", "|ER", Acknowledge::AsAsked, vec![], vec!["AE"], vec!["AR"]),
            ("the site says original", "AL|AL", Acknowledge::Original, vec!["AA"], vec!["AE"], vec!["AR"]),
            ("the site says enhanced", "|", Acknowledge::Enhanced, vec!["CA"], vec!["CE"], vec!["CR"]),
        ] {
            let header = said(&format!("MSH|^~\\&|A|B|C|D|||ADT^A01|1|P|2.5|||{wishes}"));
            assert_eq!(codes(mode, Some(&header), None), good, "{case}");
            assert_eq!(codes(mode, Some(&header), Some(&error)), wrong, "{case}");
            assert_eq!(codes(mode, Some(&header), Some(&TOO_LONG)), rejected, "{case}");
        }
        assert_eq!(codes(Acknowledge::AsAsked, None, Some(&TOO_LONG)), ["AR"]);
    }

    #[test]
    fn an_acknowledgement_is_in_the_senders_own_writing() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let problem = Problem {
            condition: Found::UnsupportedType,
            rejected: true,
            place: ("MSH", 1, 9, 1),
            text: "Messages of this type are not filed.",
        };
        let header = said("MSH|^~\\&|LAB|H1|HAECHI|H2|||MFN^M01|42|T|2.5.1||||||KS X 1001");
        let bytes = acknowledgement("AR", Some(&header), Some(&problem), now, &zone, 7);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "\x0bMSH|^~\\&|HAECHI|H2|LAB|H1|20231115071320+0900||ACK^M01^ACK|HAECHI1700000000000000007|T|2.5.1||||||KS X 1001\r\
             MSA|AR|42|Messages of this type are not filed.\r\
             ERR||MSH^1^9^1^1|200^Unsupported message type^HL70357|E||||Messages of this type are not filed.\r\x1c\r"
        );
        let old = said("MSH$*@!%$A$B$C$D$$$MFN*M01$42$P$2.3");
        let bytes = acknowledgement("AR", Some(&old), Some(&problem), now, &zone, 7);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("$$ACK*M01$HAECHI"), "{text}");
        assert!(text.contains("\rERR$MSH*1*9*200%Unsupported message type%HL70357\r"), "{text}");
        let nobody = acknowledgement("AR", None, Some(&TOO_LONG), now, &zone, 8);
        assert!(String::from_utf8(nobody).unwrap().contains("||ACK|HAECHI1700000000000000008|P|2.5.1"));
    }
}
