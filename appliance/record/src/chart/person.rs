//! The person, from the Patient resources that merges have joined into one.

use super::json::Json;
use super::words::{address, human_name, partial_date, say, when, words};
use super::{Deceased, Fact, Person};

/// Reads the Patient resources of one person, the surviving one first. The first that says a thing is believed; names
/// and identifiers of all are kept, because a clinician may know the patient by any of them.
pub(super) fn read(raws: &[(&str, &[u8])]) -> Person {
    let mut person = Person::default();
    for (id, raw) in raws {
        person.ids.push((*id).to_owned());
        let Some(root) = Json::parse(raw) else { continue };
        one(&mut person, &root);
    }
    person
}

fn one(person: &mut Person, root: &Json<'_>) {
    // Official names first, old ones last; otherwise in the order recorded.
    let mut found: Vec<(u8, String)> = root
        .items("name")
        .iter()
        .filter_map(|name| {
            let rank = match name.string("use") {
                Some("official") => 0,
                Some("old" | "maiden") => 2,
                _ => 1,
            };
            Some((rank, human_name(name)?))
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    for (_, name) in found {
        if !person.names.contains(&name) {
            person.names.push(name);
        }
    }
    for identifier in root.items("identifier") {
        let Some(value) = identifier.get("value").and_then(Json::primitive) else { continue };
        let pair = (identifier.string("system").unwrap_or_default().to_owned(), value.to_owned());
        if !person.identifiers.contains(&pair) {
            person.identifiers.push(pair);
        }
    }
    if person.birth_date.is_none() {
        person.birth_date = root.string("birthDate").and_then(partial_date);
    }
    if person.sex.is_none() {
        person.sex = root.string("gender").map(str::to_owned);
    }
    if person.deceased.is_none() {
        person.deceased = match root.string("deceasedDateTime").and_then(when) {
            Some(on) => Some(Deceased::On(on)),
            None if root.is_true("deceasedBoolean") => Some(Deceased::Yes),
            None if root.is_false("deceasedBoolean") => Some(Deceased::No),
            None => None,
        };
    }
    facts(person, root);
}

fn facts(person: &mut Person, root: &Json<'_>) {
    let mut add = |name: &str, text: String, path: String| {
        let text = text.trim().to_owned();
        if !text.is_empty() && !person.facts.iter().any(|fact| fact.name == name && fact.text == text) {
            person.facts.push(Fact { name: name.to_owned(), text, path });
        }
    };
    for (path, telecom) in root.find("telecom") {
        let Some(value) = telecom.string("value") else { continue };
        add(telecom.string("system").unwrap_or("phone"), value.to_owned(), format!("{path}.value"));
    }
    for (path, node) in root.find("address") {
        if node.string("use") != Some("old") {
            add("address", address(node).unwrap_or_default(), path);
        }
    }
    for (name, pattern) in [
        ("maritalStatus", "maritalStatus"),
        ("generalPractitioner", "generalPractitioner"),
        ("managingOrganization", "managingOrganization"),
        ("multipleBirth", "multipleBirthInteger"),
        ("multipleBirth", "multipleBirthBoolean"),
    ] {
        for (path, node) in root.find(pattern) {
            if let Some((text, path)) = words(node, &path) {
                add(name, text, path);
            }
        }
    }
    for (path, communication) in root.find("communication") {
        let Some((text, at)) = communication.get("language").and_then(|node| words(node, &format!("{path}.language")))
        else {
            continue;
        };
        // The preferred one is found under its own name as well.
        if communication.is_true("preferred") {
            add("preferredLanguage", text.clone(), at.clone());
        }
        add("language", text, at);
    }
    // Another record of the same person, not joined to this one.
    for (path, link) in root.find("link") {
        let other = link.get("other").and_then(|other| other.string("display").or_else(|| other.string("reference")));
        if let (Some("seealso" | "refer"), Some(other)) = (link.string("type"), other) {
            add("seeAlso", other.to_owned(), format!("{path}.other"));
        }
    }
    for (path, contact) in root.find("contact") {
        let mut parts: Vec<String> = contact.get("name").and_then(human_name).into_iter().collect();
        let relations: Vec<String> = contact.items("relationship").iter().filter_map(say).collect();
        if !relations.is_empty() {
            parts.push(format!("({})", relations.join(", ")));
        }
        parts.extend(contact.items("telecom").iter().filter_map(|t| t.string("value")).map(str::to_owned));
        add("contact", parts.join(" "), path);
    }
    for (path, extension) in root.find("extension") {
        let Some(name) = extension.string("url").and_then(known_extension) else { continue };
        if let Some((text, at)) = extension_words(extension, &path) {
            add(name, text, at);
        }
    }
}

/// Demographic extensions that sites and the US, AU and KR core guides use, by the end of their address.
fn known_extension(url: &str) -> Option<&'static str> {
    Some(match url.rsplit('/').next()? {
        "us-core-race" => "race",
        "us-core-ethnicity" => "ethnicity",
        "us-core-birthsex" => "birthSex",
        "us-core-genderIdentity" | "individual-genderIdentity" | "patient-genderIdentity" => "genderIdentity",
        "us-core-sex" => "sexForClinicalUse",
        "patient-mothersMaidenName" => "mothersMaidenName",
        "patient-birthPlace" => "birthPlace",
        "patient-birthTime" => "birthTime",
        "patient-nationality" | "krcore-nationality" => "nationality",
        "patient-religion" => "religion",
        "patient-interpreterRequired" => "interpreterRequired",
        "indigenous-status" => "indigenousStatus",
        _ => return None,
    })
}

/// The value of an extension; of one made of parts, its `text`, else the first part that says something.
fn extension_words(extension: &Json<'_>, path: &str) -> Option<(String, String)> {
    if let Json::Object(members) = extension
        && let Some((name, value)) = members.iter().find(|(name, _)| name.starts_with("value"))
    {
        return words(value, &format!("{path}.{name}"));
    }
    let parts = extension.find("extension");
    let text = parts.iter().find(|(_, part)| part.string("url") == Some("text"));
    text.into_iter().chain(&parts).find_map(|(at, part)| {
        let Json::Object(members) = part else { return None };
        let (name, value) = members.iter().find(|(name, _)| name.starts_with("value"))?;
        words(value, &format!("{path}.{at}.{name}"))
    })
}

/// The name under which a resource that is not the patient's is shown.
pub(super) fn display(root: &Json<'_>) -> Option<String> {
    match root.string("resourceType")? {
        "Practitioner" | "RelatedPerson" | "Person" | "Patient" => root.items("name").first().and_then(human_name),
        "PractitionerRole" => root
            .get("practitioner")
            .and_then(|who| who.string("display"))
            .map(str::to_owned)
            .or_else(|| root.items("code").iter().find_map(say))
            .or_else(|| root.items("specialty").iter().find_map(say)),
        "Medication" | "Substance" => root.get("code").and_then(say),
        "Device" => root
            .items("deviceName")
            .iter()
            .find_map(|name| name.string("name").map(str::to_owned))
            .or_else(|| root.get("type").and_then(say)),
        "Specimen" => root.get("type").and_then(say),
        _ => root
            .string("name")
            .map(str::to_owned)
            .or_else(|| root.string("title").map(str::to_owned))
            .or_else(|| root.get("code").or_else(|| root.get("type")).and_then(say)),
    }
    .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::PartialDate;

    #[test]
    fn a_merged_person_keeps_every_name_and_the_survivors_facts() {
        let survivor = r#"{"resourceType":"Patient","id":"b","identifier":[{"system":"urn:oid:1.2.410.100000.1.1","value":"00012345"}],
            "name":[{"use":"usual","family":"Kim","given":["Minsu"]},{"use":"official","text":"김민수"}],"gender":"male",
            "birthDate":"1972-03","telecom":[{"system":"phone","value":"010-0000-0000"}],
            "address":[{"text":"서울특별시 중구 세종대로 110"}],"maritalStatus":{"coding":[{"code":"M","display":"Married"}]},
            "contact":[{"relationship":[{"text":"배우자"}],"name":{"text":"박영희"},"telecom":[{"system":"phone","value":"010-1"}]}]}"#;
        let merged = r#"{"resourceType":"Patient","id":"a","name":[{"text":"김민수B"}],"gender":"female","deceasedDateTime":"2024-01-02"}"#;
        let person = read(&[("b", survivor.as_bytes()), ("a", merged.as_bytes())]);
        assert_eq!(person.ids, ["b", "a"]);
        assert_eq!(person.names, ["김민수", "Minsu Kim", "김민수B"]);
        assert_eq!(person.birth_date, Some(PartialDate::Month(1972, 3)));
        assert_eq!(person.sex.as_deref(), Some("male"));
        assert!(matches!(person.deceased, Some(Deceased::On(_))));
        let said = |name: &str| person.facts.iter().find(|f| f.name == name).map(|f| f.text.as_str());
        assert_eq!(said("contact"), Some("박영희 (배우자) 010-1"));
        assert_eq!(said("maritalStatus"), Some("Married"));
    }

    #[test]
    fn others_are_shown_by_name() {
        for (json, name) in [
            (r#"{"resourceType":"Practitioner","name":[{"family":"이","given":["정훈"]}]}"#, "이정훈"),
            (r#"{"resourceType":"Location","name":"ICU"}"#, "ICU"),
            (r#"{"resourceType":"Medication","code":{"text":"Axid"}}"#, "Axid"),
            (r#"{"resourceType":"PractitionerRole","practitioner":{"display":"Dr Bone"}}"#, "Dr Bone"),
        ] {
            assert_eq!(display(&Json::parse(json.as_bytes()).unwrap()).as_deref(), Some(name));
        }
    }
}
