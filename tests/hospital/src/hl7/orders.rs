//! Orders, results, prescriptions, documents.

use jiff::civil::DateTime;

use super::adt::{pid, pv1};
use super::segment::{Segment, ce, ei, escape, ndl, one, xcn};
use super::{Feed, chart};
use crate::catalog::lab::{Analyte, Unit, row_of};
use crate::fhir::{embedded_title, range_text};
use crate::ids::Authority;
use crate::json::base64;
use crate::moment;
use crate::record::{Content, Medication, Note, Order, Record, Report, Result, Standing, Status, Step, Value};

pub(super) fn write(feed: &mut Feed<'_>) {
    let record = feed.record;
    for one in &record.orders {
        order(feed, one);
    }
    for one in &record.reports {
        report(feed, one);
    }
    for one in &record.medications {
        medication(feed, one);
    }
    for one in &record.notes {
        note(feed, one);
    }
}

/// PID, and PV1 if it happened in a visit.
fn head(record: &Record, visit: Option<usize>, at: DateTime) -> Vec<Segment> {
    let mut all = vec![pid(record, chart(record, visit), at)];
    all.extend(visit.map(|visit| pv1(record, visit, at)));
    all
}

fn order(feed: &mut Feed<'_>, order: &Order) {
    let record = feed.record;
    // Laboratory orders go out as OML, everything else as OMG.
    let kind = match order.section {
        "CH" | "HM" | "MB" | "SR" | "SP" => "OML^O21^OML_O21",
        _ => "OMG^O19^OMG_O19",
    };
    let message = |at: DateTime, control: &str, note: Option<&String>| {
        let number = ei(Authority::Order, &order.number);
        let mut all = head(record, order.visit, at);
        let orc = Segment::new("ORC").raw(1, control).raw(2, number.clone()).raw(12, xcn(&order.by));
        // The time of the order itself; a later step does not move it.
        all.push(if control == "NW" { orc.raw(9, moment::v2(order.at)) } else { orc });
        let planned = order.planned.map(moment::v2);
        let priority = if order.urgent { "U" } else { "R" };
        all.push(Segment::new("TQ1").raw(1, "1").maybe(7, planned).raw(9, priority));
        all.push(
            Segment::new("OBR")
                .raw(1, "1")
                .raw(2, number)
                .raw(4, ce(&order.what))
                .raw(16, xcn(&order.by))
                .raw(24, order.section)
                .maybe(31, order.reason.as_ref().map(ce)),
        );
        all.extend(note.map(|text| Segment::new("NTE").raw(1, "1").text(3, text)));
        all
    };
    let first = message(order.at, "NW", None);
    feed.send(order.at, 5, kind, first);
    match &order.standing {
        Standing::OnHold(at) => {
            let then = message(*at, "HD", None);
            feed.send(*at, 5, kind, then);
        }
        Standing::Cancelled(at, why) => {
            let then = message(*at, "CA", Some(why));
            feed.send(*at, 5, kind, then);
        }
        Standing::Waiting | Standing::Answered => {}
    }
}

fn report(feed: &mut Feed<'_>, report: &Report) {
    for earlier in &report.earlier {
        version(feed, report, earlier.issued, earlier.status, &earlier.content);
    }
    version(feed, report, report.issued, report.status, &report.content);
}

fn version(feed: &mut Feed<'_>, report: &Report, issued: DateTime, status: Status, content: &Content) {
    let record = feed.record;
    let mut all = head(record, report.visit, issued);
    let order = report.order.and_then(|at| record.orders.get(at));
    let mut obr = Segment::new("OBR")
        .raw(1, "1")
        .maybe(2, order.map(|order| ei(Authority::Order, &order.number)))
        .raw(3, ei(Authority::Result, &report.number))
        .raw(4, ce(&report.what))
        .raw(7, moment::v2(report.taken))
        .raw(22, moment::v2(issued))
        .raw(24, report.section)
        .raw(25, if status == Status::Wrong { "X" } else { status.v2() });
    if !matches!(content, Content::Vitals(_)) {
        obr = obr.raw(32, ndl(&report.by));
    }
    all.push(obr);
    match content {
        Content::Values(results) | Content::Vitals(results) => {
            let mut count = 0;
            for result in results {
                for obx in values(result, &mut count) {
                    all.push(obx);
                }
                all.extend(result.note.iter().map(|text| Segment::new("NTE").raw(1, "1").text(3, text)));
            }
        }
        Content::Prose { findings, impression, embedded } => {
            prose(&mut all, report, findings, impression, *embedded, status);
        }
    }
    feed.send(issued, 5, "ORU^R01^ORU_R01", all);
}

fn unit(unit: Unit) -> String {
    format!("{}^{}^UCUM", escape(unit.ucum), escape(unit.shown))
}

/// OBX of a result: one, or three for a blood pressure.
fn values(result: &Result, count: &mut usize) -> Vec<Segment> {
    let mut next = |kind: &str, what: String, value: String| {
        *count += 1;
        Segment::new("OBX")
            .raw(1, count.to_string())
            .raw(2, kind)
            .raw(3, what)
            .raw(5, value)
            .maybe(6, result.unit.map(unit))
            .maybe(7, range_text(result).map(|text| escape(&text)))
            .maybe(8, result.flag.map(str::to_owned))
            .raw(11, result.status.v2())
    };
    match &result.value {
        Value::Number(digits) => vec![next("NM", ce(&result.what), digits.clone())],
        Value::Text(text) => vec![next("ST", ce(&result.what), escape(text))],
        Value::Coded(concept) => vec![next("CE", ce(&result.what), ce(concept))],
        Value::Pressure(high, low) => {
            // The panel has no value of its own; the two that follow are its parts.
            let part = |analyte: Analyte| ce(&row_of(analyte).what);
            vec![
                next("ST", ce(&result.what), String::new()).raw(6, ""),
                next("NM", part(Analyte::Systolic), high.clone()),
                next("NM", part(Analyte::Diastolic), low.clone()),
            ]
        }
    }
}

/// A written report: findings and impression under LOINC's two headings, in lines or as an embedded document.
fn prose(
    all: &mut Vec<Segment>,
    report: &Report,
    findings: &[String],
    impression: &[String],
    embedded: bool,
    status: Status,
) {
    let mut count = 0;
    let mut obx = |kind: &str, what: &str, value: String| {
        count += 1;
        let number = count.to_string();
        Segment::new("OBX").raw(1, number).raw(2, kind).raw(3, what).raw(5, value).raw(11, status.v2())
    };
    if embedded {
        let what = report.what.first.as_ref().map(one).unwrap_or_default();
        debug_assert!(!embedded_title(report).is_empty());
        let data = base64(findings.join("\n").as_bytes());
        all.push(obx("ED", &what, format!("^TEXT^plain^Base64^{data}")));
    } else if report.number.ends_with(['1', '4', '7']) {
        // Some readers' systems send one formatted text.
        let what = "18782-3^Radiology Study observation (narrative)^LN";
        all.push(obx("FT", what, escape(&findings.join("\n"))));
    } else {
        for line in findings {
            all.push(obx("TX", "18782-3^Radiology Study observation (narrative)^LN", escape(line)));
        }
    }
    for line in impression {
        all.push(obx("TX", "19005-8^Radiology Imaging study [Impression] (narrative)^LN", escape(line)));
    }
}

fn medication(feed: &mut Feed<'_>, one: &Medication) {
    let record = feed.record;
    let message = |at: DateTime, control: &str, status: Option<&str>, is_last: bool| {
        let mut all = head(record, one.visit, at);
        let orc = Segment::new("ORC")
            .raw(1, control)
            .raw(2, ei(Authority::Drug, &one.number))
            .maybe(5, status.map(str::to_owned))
            .raw(12, xcn(&one.by));
        all.push(if control == "NW" { orc.raw(9, moment::v2(one.ordered)) } else { orc });
        let (unit, ucum) = one.drug.unit;
        all.push(
            Segment::new("RXE")
                .raw(2, ce(&one.drug.name))
                .raw(3, one.dose)
                .raw(5, format!("{ucum}^{unit}^UCUM"))
                .raw(7, format!("^{}", escape(&one.instruction)))
                .maybe(27, one.reason.as_ref().map(ce)),
        );
        if is_last {
            all.extend(one.note.iter().map(|text| Segment::new("NTE").raw(1, "1").text(3, text)));
        }
        let end = one.end.filter(|_| is_last).map(moment::v2_day);
        all.push(
            Segment::new("TQ1").raw(1, "1").raw(3, one.repeat).raw(7, moment::v2_day(one.ordered.date())).maybe(8, end),
        );
        all.push(Segment::new("RXR").raw(1, self::one(&one.drug.route)));
        all
    };
    let first = message(one.ordered, "NW", None, one.steps.is_empty());
    feed.send(one.ordered, 5, "RDE^O11^RDE_O11", first);
    for (at, (then, step)) in one.steps.iter().enumerate() {
        let (control, status) = match step {
            Step::Hold => ("HD", Some("HD")),
            Step::Resume => ("RL", Some("IP")),
            Step::Stop => ("DC", Some("DC")),
            Step::Finish => ("SC", Some("CM")),
            Step::Cancel => ("CA", Some("CA")),
            Step::Wrong => ("DE", Some("ER")),
        };
        let all = message(*then, control, status, at + 1 == one.steps.len());
        feed.send(*then, 5, "RDE^O11^RDE_O11", all);
    }
}

fn note(feed: &mut Feed<'_>, note: &Note) {
    let record = feed.record;
    let message = |trigger: &str, at: DateTime, with_text: bool| {
        let mut all = vec![Segment::new("EVN").raw(1, trigger).raw(2, moment::v2(at))];
        all.extend(head(record, note.visit, at));
        all.push(
            Segment::new("TXA")
                .raw(1, "1")
                .raw(2, ce(&note.kind))
                .raw(3, "TX")
                .raw(4, moment::v2(note.at))
                .raw(6, moment::v2(note.at))
                .raw(9, xcn(&note.by))
                .raw(12, ei(Authority::Document, &note.number))
                .raw(17, if note.signed { "AU" } else { "DI" })
                .raw(19, if with_text { "AV" } else { "CA" }),
        );
        if with_text {
            let what = ce(&note.kind);
            if note.number.ends_with(['0', '5']) {
                all.push(obx(1, "FT", &what, &note.text));
            } else {
                all.extend(note.text.lines().enumerate().map(|(at, line)| obx(at + 1, "TX", &what, line)));
            }
        }
        all
    };
    let first = message("T02", note.at, true);
    feed.send(note.at, 6, "MDM^T02^MDM_T02", first);
    if let Some(then) = note.withdrawn {
        let last = message("T11", then, false);
        feed.send(then, 6, "MDM^T11^MDM_T01", last);
    }
}

fn obx(number: usize, kind: &str, what: &str, text: &str) -> Segment {
    Segment::new("OBX").raw(1, number.to_string()).raw(2, kind).raw(3, what).text(5, text).raw(11, "F")
}
