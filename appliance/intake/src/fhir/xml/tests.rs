use std::io::BufReader;

use super::*;
use crate::fhir::reference::Meaning;

/// JSON, id of its place, and line of a resource.
type Good = (String, Option<String>, Option<u64>);
/// Reason, line, field, resource and patient of a reject.
type Bad = (String, Option<u64>, Option<String>, Option<String>, Option<String>);

#[derive(Default, Debug)]
struct Read {
    good: Vec<Good>,
    bad: Vec<Bad>,
    meanings: Vec<Option<String>>,
}

fn read_all(text: &str) -> Read {
    let mut all = Read::default();
    for buffer in [8192, 7] {
        let mut this = Read::default();
        let place = Place { file: "b.xml".into(), line: Some(1), entry: None };
        let open = || Ok(BufReader::with_capacity(buffer, text.as_bytes()));
        let alive = read(&open, &place, &mut |found| {
            match found {
                Found::Resource(item) => {
                    this.meanings.push(match item.references.resolve("urn:uuid:aa") {
                        Meaning::Is(target) => Some(target),
                        _ => None,
                    });
                    this.good.push((String::from_utf8(item.raw).unwrap(), item.id, item.place.line));
                }
                Found::Rejected(one, patient) => {
                    this.bad.push((one.reason, one.line, one.field, one.resource, patient))
                }
            }
            true
        });
        assert!(alive.unwrap());
        if buffer == 7 {
            assert_eq!(format!("{all:?}"), format!("{this:?}"), "the size of the buffer makes no difference");
        }
        all = this;
    }
    all
}

/// The JSON of the one resource in `inner`, an element's content.
fn json(kind: &str, inner: &str) -> String {
    let read = read_all(&format!("<{kind} xmlns=\"http://hl7.org/fhir\">{inner}</{kind}>"));
    assert!(read.bad.is_empty(), "{:?}", read.bad);
    read.good[0].0.clone()
}

/// Reason and field of the one reject.
fn fault(kind: &str, inner: &str) -> (String, String) {
    let read = read_all(&format!("<{kind} xmlns=\"http://hl7.org/fhir\">{inner}</{kind}>"));
    assert!(read.good.is_empty(), "{:?}", read.good);
    (read.bad[0].0.clone(), read.bad[0].2.clone().unwrap_or_default())
}

#[test]
fn lists_numbers_and_booleans_are_those_of_the_definitions() {
    assert_eq!(
        json(
            "Patient",
            "<id value='p'/><active value='true'/><name><family value='김'/><given value='민수'/></name>\
             <multipleBirthInteger value='2'/><birthDate value='1970-03'/>"
        ),
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"family":"김","given":["민수"]}],"multipleBirthInteger":2,"birthDate":"1970-03"}"#
    );
    // Digits are part of a measurement.
    assert_eq!(
        json("Observation", "<valueQuantity><value value='7.10'/><unit value='mmol/L'/></valueQuantity>"),
        r#"{"resourceType":"Observation","valueQuantity":{"value":7.10,"unit":"mmol/L"}}"#
    );
}

#[test]
fn ids_and_extensions_of_primitives_stand_beside_them() {
    let extension = "<extension url='u'><valueString value='x'/></extension>";
    assert_eq!(
        json("Patient", &format!("<birthDate id='b' value='1970'>{extension}</birthDate>")),
        r#"{"resourceType":"Patient","birthDate":"1970","_birthDate":{"id":"b","extension":[{"url":"u","valueString":"x"}]}}"#
    );
    assert_eq!(
        json("Patient", &format!("<birthDate>{extension}</birthDate>")),
        r#"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}"#
    );
    assert_eq!(
        json("Patient", &format!("<name id='n'><given value='a'/><given>{extension}</given><given value='c'/></name>")),
        r#"{"resourceType":"Patient","name":[{"id":"n","given":["a",null,"c"],"_given":[null,{"extension":[{"url":"u","valueString":"x"}]},null]}]}"#
    );
    // As fhir.resources writes it.
    assert_eq!(json("Patient", "<name><id value='n'/></name>"), r#"{"resourceType":"Patient","name":[{"id":"n"}]}"#);
    // What has nothing in it is left out.
    assert_eq!(json("Patient", "<name/><birthDate/>"), r#"{"resourceType":"Patient"}"#);
}

#[test]
fn repeated_elements_come_together_wherever_they_stand() {
    assert_eq!(
        json("Patient", "<name><text value='a'/></name><gender value='male'/><name><text value='b'/></name>"),
        r#"{"resourceType":"Patient","name":[{"text":"a"},{"text":"b"}],"gender":"male"}"#
    );
}

#[test]
fn resources_inside_resources_say_their_type() {
    assert_eq!(
        json(
            "MedicationRequest",
            "<contained><Medication><id value='m'/></Medication></contained><contained><Patient><active value='false'/></Patient></contained>"
        ),
        r#"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m"},{"resourceType":"Patient","active":false}]}"#
    );
    assert_eq!(
        json(
            "Parameters",
            "<parameter><name value='x'/><resource><Basic><id value='b'/></Basic></resource></parameter>"
        ),
        r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":{"resourceType":"Basic","id":"b"}}]}"#
    );
}

#[test]
fn the_narrative_stays_as_it_was_written() {
    let div = r#"<div xmlns="http://www.w3.org/1999/xhtml" lang='ko'><p  class="a">a &amp; b &lt; &#160;<br/></p><p></p>
 c</div>"#;
    let text = json("Patient", &format!("<text><status value='generated'/><!-- none -->{div}</text>"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["text"]["div"], div);
    // A prefix that is declared elsewhere would be lost.
    let read = read_all(
        "<f:Patient xmlns:f='http://hl7.org/fhir' xmlns:h='http://www.w3.org/1999/xhtml'><f:text>\
         <h:div><h:b title=\"x\">1</h:b><![CDATA[<2>]]></h:div></f:text></f:Patient>",
    );
    let value: serde_json::Value = serde_json::from_str(&read.good[0].0).unwrap();
    assert_eq!(value["text"]["div"], r#"<div xmlns="http://www.w3.org/1999/xhtml"><b title="x">1</b>&lt;2&gt;</div>"#);
}

#[test]
fn escapes_in_values_are_undone_and_those_of_json_made() {
    assert_eq!(
        json("Basic", "<language value='a&quot;&amp;&lt;&#10;&#xAC00;\\'/>"),
        r#"{"resourceType":"Basic","language":"a\"&<\n가\\"}"#
    );
}

#[test]
fn what_fhir_does_not_have_is_named_and_not_guessed() {
    for (kind, inner, reason, field) in [
        (
            "Patient",
            "<name><surname value='secret'/></name>",
            "element that FHIR R4 does not have",
            "Patient.name.surname",
        ),
        (
            "Patient",
            "<contact><name><family value='x'><a/></family></name></contact>",
            "element",
            "Patient.contact.name.family.a",
        ),
        ("Patient", "<gender value='male'/><gender value='female'/>", "stands twice", "Patient"),
        ("Patient", "<active value='yes'/>", "neither true nor false", "Patient.active"),
        (
            "Observation",
            "<valueQuantity><value value='1,5'/></valueQuantity>",
            "no number",
            "Observation.valueQuantity.value",
        ),
        ("Patient", "<birthDate vlaue='1970'/>", "attribute", "Patient.birthDate"),
        ("Patient", "<name>secret</name>", "text between", "Patient.name"),
        ("Patient", "<contained><Pateint/></contained>", "no resource of FHIR R4", "Patient.contained.Pateint"),
        ("Patient", "<contained><Basic/><Basic/></contained>", "more than one resource", "Patient.contained"),
        ("Patient", "<text><div xmlns='http://www.w3.org/1999/xhtml'>&nbsp;</div></text>", "HTML's", "Patient.text"),
        ("Patient", "<birthDate value='&nbsp;'/>", "entity", "Patient.birthDate"),
        ("Patient", "<name xmlns='urn:other'><text value='x'/></name>", "another name space", "Patient.name"),
        ("Patient", "<x:name xmlns:x='urn:other'/>", "another name space", "Patient.name"),
        (
            "Questionnaire",
            "<item><answerOption><valueBoolean value='1'/></answerOption></item>",
            "neither true",
            "Questionnaire.item.answerOption.valueBoolean",
        ),
    ] {
        let (said, at) = fault(kind, inner);
        assert!(said.contains(reason) && !said.contains("secret"), "{inner}: {said}");
        assert_eq!(at, field, "{inner}");
    }
}

const BUNDLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir">
  <type value="transaction"/>
  <entry>
    <fullUrl value="urn:uuid:aa"/>
    <resource>
      <Patient><active value="true"/></Patient>
    </resource>
    <request><method value="POST"/><url value="Patient"/></request>
  </entry>
  <entry>
    <resource><Observation>
      <id value="o"/><subject><reference value="urn:uuid:aa"/></subject>
      <valueBoolean value="maybe"/>
    </Observation></resource>
  </entry>
  <entry><resource><Bundle><type value="searchset"/><entry><resource><Goal><id value="g"/></Goal></resource></entry></Bundle></resource></entry>
  <entry><request><method value="DELETE"/><url value="Patient/z"/></request></entry>
</Bundle>
"#;

#[test]
fn a_bundle_gives_its_entries_and_puts_the_wrong_one_aside() {
    let read = read_all(BUNDLE);
    assert_eq!(read.good.len(), 2, "{read:?}");
    assert_eq!(
        read.good[0],
        (r#"{"resourceType":"Patient","active":true}"#.to_owned(), Some("aa".to_owned()), Some(7))
    );
    assert_eq!(read.good[1].0, r#"{"resourceType":"Goal","id":"g"}"#);
    assert_eq!(read.meanings[0].as_deref(), Some("Patient/aa"));
    let (reason, line, field, resource, patient) = &read.bad[0];
    assert_eq!(reason, "is neither true nor false");
    assert_eq!((*line, field.as_deref()), (Some(14), Some("Observation.valueBoolean")));
    assert_eq!((resource.as_deref(), patient.as_deref()), (Some("Observation/o"), Some("aa")));
    assert!(read.bad[1].0.starts_with("deletions"));
    assert_eq!(read.bad[1].2.as_deref(), Some("Bundle.entry[3]"));
}

#[test]
fn a_history_is_turned_so_that_the_newest_comes_last() {
    let versions: String = (1..=3)
        .rev()
        .map(|n| format!("<entry><resource><Patient><id value='a'/><multipleBirthInteger value='{n}'/></Patient></resource></entry>\n"))
        .collect();
    let read = read_all(&format!("<Bundle xmlns='http://hl7.org/fhir'><type value='history'/>{versions}</Bundle>"));
    let order: Vec<_> =
        read.good.iter().map(|(json, ..)| json.contains("Integer\":1") || json.contains("Integer\":2")).collect();
    assert_eq!(order, [true, true, false]);
}

#[test]
fn broken_documents_give_what_they_have_and_say_where_they_end() {
    let cut = &BUNDLE[..BUNDLE.find("<valueBoolean").unwrap()];
    let read = read_all(cut);
    assert_eq!((read.good.len(), read.bad.len()), (1, 1), "{read:?}");
    assert_eq!((read.bad[0].1, read.bad[0].2.as_deref()), (Some(11), Some("Bundle.entry[1]")));
    assert!(read.bad[0].0.contains("ends before"), "{}", read.bad[0].0);
    for (text, reason) in [
        ("<Patient xmlns='http://hl7.org/fhir'><name></Patient>", "malformed XML: a tag that ends"),
        ("<Patient xmlns='http://hl7.org/fhir'><name", "malformed XML: "),
        ("<Patient xmlns='urn:x'/>", "name space"),
        ("<Patient/>", "name space"),
        ("<Pateint xmlns='http://hl7.org/fhir'/>", "no resource of FHIR R4"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><Patient xmlns='http://hl7.org/fhir'/>", "document type"),
        ("", "ends before"),
    ] {
        let read = read_all(text);
        assert!(read.good.is_empty() && read.bad.len() == 1, "{text}: {read:?}");
        assert!(read.bad[0].0.contains(reason), "{text}: {}", read.bad[0].0);
    }
    let deep = format!("<Questionnaire xmlns='http://hl7.org/fhir'>{}", "<item>".repeat(100));
    assert!(read_all(&deep).bad[0].0.contains("deeper"));
    let read = read_all(
        "<Bundle xmlns='http://hl7.org/fhir'><typ value='x'/><entry><resource><Basic/></resource></entry></Bundle>",
    );
    assert_eq!((read.good.len(), read.bad[0].2.as_deref()), (1, Some("Bundle.typ")), "the entries go in all the same");
}

#[test]
fn what_is_too_long_is_passed_over_and_the_rest_goes_in() {
    let long = "x".repeat(MAX_RESOURCE_BYTES / 4);
    let notes = format!("<note><text value='{long}'/></note>").repeat(5);
    let entry = |id: &str, inner: &str| {
        format!("<entry><resource><Observation><id value='{id}'/>{inner}</Observation></resource></entry>\n")
    };
    let text = format!(
        "<Bundle xmlns='http://hl7.org/fhir'><type value='batch'/>\n{}{}{}</Bundle>",
        entry("a", ""),
        entry("b", &notes),
        entry("c", "")
    );
    let mut lines = Vec::new();
    let place = Place { file: "b.xml".into(), line: Some(1), entry: None };
    assert!(
        read(&|| Ok(text.as_bytes()), &place, &mut |found| {
            lines.push(match found {
                Found::Resource(item) => (true, item.place.line, item.place.entry),
                Found::Rejected(one, _) => (!one.reason.contains("16 MiB"), one.line, None),
            });
            true
        })
        .unwrap()
    );
    assert_eq!(lines, [(true, Some(2), Some(0)), (false, Some(3), None), (true, Some(4), Some(2))]);
    // One tag alone may not be larger either.
    let endless = format!("<Basic xmlns='http://hl7.org/fhir'><language value='{}", "x".repeat(MAX_RESOURCE_BYTES + 9));
    let mut said = String::new();
    let _ = read(&|| Ok(endless.as_bytes()), &place, &mut |found| {
        if let Found::Rejected(one, _) = found {
            said = one.reason;
        }
        true
    });
    assert!(said.contains("a tag or text of more than 16 MiB"), "{said}");
}

#[test]
fn a_whole_document_becomes_one_or_is_refused() {
    let bundle = |inner: &str| {
        format!(
            r#"<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/>
<entry><fullUrl value="urn:uuid:1"/><resource><Goal><id value="g"/></Goal></resource></entry>
<entry><request><method value="POST"/><url value="Goal"/></request></entry>{inner}</Bundle>"#
        )
    };
    assert_eq!(
        String::from_utf8(super::to_json(bundle("").as_bytes()).unwrap()).unwrap(),
        r#"{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Goal","id":"g"}},{"request":{"method":"POST","url":"Goal"}}]}"#
    );
    let single = br#"<Goal xmlns="http://hl7.org/fhir"><id value="g"/></Goal>"#;
    assert_eq!(super::to_json(single).unwrap(), br#"{"resourceType":"Goal","id":"g"}"#);
    for (inner, line) in [("<entry><resource><Goal><idea value='1'/></Goal></resource></entry>", 3), ("<entry>", 3)] {
        let refused = super::to_json(bundle(inner).as_bytes()).unwrap_err();
        assert!(refused.line == line && !refused.reason.is_empty(), "{refused:?}");
    }
    assert!(super::to_json(b"").is_err() && super::to_json(b"{}").is_err());
}

#[test]
fn damaged_documents_are_survived() {
    let (good, bad) = json_of(BUNDLE.as_bytes());
    assert_eq!((good.len(), bad.len()), (2, 2));
    // A plain linear congruential generator (Knuth's constants): the same damage on every run.
    let mut state = 1u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..5_000 {
        let mut bytes = BUNDLE.as_bytes().to_vec();
        for _ in 0..=next(4) {
            if bytes.is_empty() {
                break;
            }
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = b"<>/&;\"'= \0!?\xff\n"[next(14)],
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at + 1),
                _ => {
                    let piece = bytes[at..(at + 40).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let _ = json_of(&bytes);
    }
}
