//! Medications: which drug, and how it is to be taken, in the words and numbers of the order.

use super::json::Json;
use super::read::Reader;
use super::words::{quantity, range, ratio, timing, words};

/// Completes a medication entry: the drug where it is only referenced, and the dosage.
pub(super) fn read(reader: &mut Reader<'_>) {
    referenced_drug(reader);
    for element in ["dosageInstruction", "dosage"] {
        for (path, dosage) in reader.root.find(element) {
            dose(reader, dosage, &path);
        }
    }
}

/// `medicationReference`: to a contained Medication, or one that the record may know by name.
fn referenced_drug(reader: &mut Reader<'_>) {
    let Some(reference) = reader.root.get("medicationReference") else { return };
    let target = reference.string("reference").unwrap_or_default();
    let inside = target.strip_prefix('#').and_then(|id| reader.contained(id).map(|drug| (id, drug)));
    if let Some((id, drug)) = inside {
        let path = format!("contained[{id}]");
        if let Some(code) = drug.get("code") {
            reader.name_by(code, &format!("{path}.code"));
        }
        for (name, element) in [("form", "form"), ("manufacturer", "manufacturer"), ("amount", "amount")] {
            if let Some((text, at)) = drug.get(element).and_then(|node| words(node, &format!("{path}.{element}"))) {
                reader.fact(name, &text, &at);
            }
        }
        for (at, ingredient) in drug.find("ingredient") {
            let Some(item) = ingredient.get("itemCodeableConcept") else { continue };
            let Some((text, item_path)) = words(item, &format!("{path}.{at}.itemCodeableConcept")) else { continue };
            let strength = ingredient.get("strength").and_then(ratio).map(|s| format!(" {s}")).unwrap_or_default();
            reader.fact("ingredient", &format!("{text}{strength}"), &item_path);
            reader.also_named(&text);
        }
    }
    if let Some((text, path)) = reader.say(reference, "medicationReference") {
        if reader.entry.title.is_empty() {
            reader.entry.title = text;
            reader.entry.title_path = path;
        } else {
            reader.also_named(&text);
        }
    }
}

/// One Dosage: its parts as facts of their own, and the whole as `dosage`: the prescriber's text where there is one,
/// else the parts side by side.
fn dose(reader: &mut Reader<'_>, dosage: &Json<'_>, path: &str) {
    let mut parts: Vec<String> = Vec::new();
    let amounts: [(&str, &[&str]); 2] = [
        ("dose", &["doseAndRate.doseQuantity", "doseAndRate.doseRange", "doseQuantity", "dose"]),
        (
            "rate",
            &[
                "doseAndRate.rateQuantity",
                "doseAndRate.rateRange",
                "doseAndRate.rateRatio",
                "rateQuantity",
                "rateRatio",
            ],
        ),
    ];
    for (name, patterns) in amounts {
        for (at, node) in patterns.iter().flat_map(|pattern| dosage.find(pattern)) {
            // A bare Quantity, Range or Ratio; each function refuses the others' shapes.
            let Some(text) = quantity(node).or_else(|| range(node)).or_else(|| ratio(node)) else { continue };
            reader.fact(name, &text, &format!("{path}.{at}"));
            parts.push(text);
        }
    }
    let mut say = |name: &str, element: &str, parts: &mut Vec<String>| {
        for (at, node) in dosage.find(element) {
            let at = format!("{path}.{at}");
            let said = if element == "timing" { timing(node).map(|text| (text, at)) } else { words(node, &at) };
            if let Some((text, at)) = said {
                reader.fact(name, &text, &at);
                parts.push(text);
            }
        }
    };
    say("route", "route", &mut parts);
    say("frequency", "timing", &mut parts);
    say("site", "site", &mut parts);
    say("method", "method", &mut Vec::new());
    say("maxDose", "maxDosePerPeriod", &mut Vec::new());
    say("instruction", "additionalInstruction", &mut parts);
    say("instruction", "patientInstruction", &mut parts);
    say("duration", "timing.repeat.boundsDuration", &mut Vec::new());
    say("start", "timing.repeat.boundsPeriod.start", &mut Vec::new());
    say("asNeeded", "asNeededCodeableConcept", &mut Vec::new());
    if dosage.is_true("asNeededBoolean") {
        reader.fact("asNeeded", "true", &format!("{path}.asNeededBoolean"));
    } else if dosage.is_false("asNeededBoolean") {
        reader.fact("asNeeded", "false", &format!("{path}.asNeededBoolean"));
    }
    if let Some(text) = dosage.string("text") {
        reader.fact("dosage", text, &format!("{path}.text"));
    } else if !parts.is_empty() {
        reader.fact("dosage", &parts.join(", "), path);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::read::{entry, entry_with};
    use crate::chart::Entry;

    fn facts(entry: &Entry, name: &str) -> Vec<String> {
        entry.facts.iter().filter(|fact| fact.name == name).map(|fact| fact.text.clone()).collect()
    }

    #[test]
    fn a_contained_drug_gives_the_name_and_the_dosage_its_parts() {
        let entry = entry(
            r##"{"resourceType":"MedicationRequest","status":"active","intent":"order","authoredOn":"2008-04-05",
            "contained":[{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm",
              "code":"582620","display":"Nizatidine 15 MG/ML"}],"text":"Axid"},"ingredient":[{"itemCodeableConcept":{"text":"nizatidine"},
              "strength":{"numerator":{"value":15,"unit":"mg"},"denominator":{"value":1,"unit":"mL"}}}]}],
            "medicationReference":{"reference":"#m"},
            "dosageInstruction":[{"timing":{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}},
              "route":{"text":"PO"},"asNeededBoolean":true,"doseAndRate":[{"doseQuantity":{"value":10.0,"unit":"mL"}}]}]}"##
                .as_bytes(),
            "1",
            Timestamp::UNIX_EPOCH,
            None,
        )
        .unwrap();
        assert_eq!(entry.title, "Axid");
        assert_eq!(entry.other_titles, ["Nizatidine 15 MG/ML", "nizatidine"]);
        assert_eq!(facts(&entry, "dosage"), ["10.0 mL, PO, 2× / 1 d"]);
        assert_eq!(facts(&entry, "dose"), ["10.0 mL"]);
        assert_eq!(facts(&entry, "ingredient"), ["nizatidine 15 mg/mL"]);
        assert_eq!(facts(&entry, "asNeeded"), ["true"]);
        assert_eq!(entry.codes[0].code, "582620");
    }

    #[test]
    fn the_prescribers_text_wins_and_names_are_looked_up() {
        let entry = entry_with(
            r#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
            "medicationReference":{"reference":"Medication/7"},"requester":{"reference":"urn:uuid:9"},
            "dosageInstruction":[{"text":"1일 3회 식후 30분","doseAndRate":[{"doseRange":{"low":{"value":1,"unit":"T"},"high":{"value":2,"unit":"T"}}}]}]}"#
                .as_bytes(),
            "1",
            Timestamp::UNIX_EPOCH,
            None,
            &|reference| match reference {
                "Medication/7" => Some("타이레놀정 500mg".to_owned()),
                "urn:uuid:9" => Some("이정훈".to_owned()),
                _ => None,
            },
        )
        .unwrap();
        assert_eq!(entry.title, "타이레놀정 500mg");
        assert_eq!(facts(&entry, "dosage"), ["1일 3회 식후 30분"]);
        assert_eq!(facts(&entry, "dose"), ["1–2 T"]);
        assert_eq!(facts(&entry, "requester"), ["이정훈"]);
    }
}
