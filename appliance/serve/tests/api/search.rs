//! Every search parameter against a plain reading of the same resources, and what a page promises.

use std::collections::{BTreeMap, BTreeSet};

use haechi_intake::import::{Input, Options, Silent, import};
use haechi_record::index::params::{self, Kind, Param};
use haechi_serve::Api;
use serde_json::Value;

use super::support::{call, ids, json, on, store};

/// Resources, each as a tree and as its bytes, by type.
type ByType = BTreeMap<String, Vec<(Value, Vec<u8>)>>;
/// What a plain reading says of a value.
type Says = Box<dyn Fn(&Value) -> bool>;

/// The demo hospital in a record, and its resources by type.
fn hospital(patients: usize) -> (Api, ByType, tempfile::TempDir) {
    let (store, folder) = store();
    let out = folder.path().join("hospital");
    let formats = haechi_hospital::Formats { fhir: true, hl7: false };
    let options =
        haechi_hospital::Options { patients, out: out.clone(), formats, ..haechi_hospital::Options::default() };
    haechi_hospital::generate(&options).unwrap();
    let summary = import(&store, &[Input::path(out.join("fhir"))], &Options::default(), &Silent).unwrap();
    assert!(summary.rejected.is_empty());
    let mut all: BTreeMap<String, BTreeMap<String, (Value, Vec<u8>)>> = BTreeMap::new();
    for file in std::fs::read_dir(out.join("fhir")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let bundle: BTreeMap<&str, &serde_json::value::RawValue> = serde_json::from_slice(&bytes).unwrap();
        let entries: Vec<BTreeMap<&str, &serde_json::value::RawValue>> =
            serde_json::from_str(bundle["entry"].get()).unwrap();
        for entry in entries {
            let raw = entry["resource"].get();
            let value: Value = serde_json::from_str(raw).unwrap();
            let (kind, id) =
                (value["resourceType"].as_str().unwrap().to_owned(), value["id"].as_str().unwrap().to_owned());
            all.entry(kind).or_default().insert(id, (value, raw.as_bytes().to_vec()));
        }
    }
    let all = all.into_iter().map(|(kind, by_id)| (kind, by_id.into_values().collect())).collect();
    (on(store), all, folder)
}

/// Everything that an element path reaches, read without the index's own code.
fn reached<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for step in path.split('.') {
        let (name, filter) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').split_once('=')),
            None => (step, None),
        };
        let next = found.into_iter().filter_map(|value| value.get(name)).flat_map(|value| match value {
            Value::Array(items) => items.iter().collect::<Vec<_>>(),
            one => vec![one],
        });
        found = next.filter(|value| filter.is_none_or(|(key, wanted)| value[key] == wanted)).collect();
    }
    found
}

fn values<'v>(resource: &'v Value, param: &Param) -> Vec<&'v Value> {
    param.paths.split(',').flat_map(|path| if path == "." { vec![resource] } else { reached(resource, path) }).collect()
}

/// (system, code) of a token element.
fn tokens(value: &Value) -> Vec<(Option<String>, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    if let Some(code) = text(value) {
        return vec![(None, code)];
    }
    if let Some(codings) = value["coding"].as_array() {
        return codings.iter().flat_map(tokens).collect();
    }
    let system = value["system"].as_str().map(str::to_owned);
    text(&value["code"]).or_else(|| text(&value["value"])).map(|code| vec![(system, code)]).unwrap_or_default()
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "use" | "type" | "period" | "extension"))
            .flat_map(|(_, value)| words(value))
            .collect(),
        _ => Vec::new(),
    }
}

/// First and last day of a date or period, as text that compares.
fn days(value: &Value) -> Option<(String, String)> {
    let day = |text: &str, fill: &str| match text.len() {
        4 => format!("{text}{}", &fill[4..]),
        7 => format!("{text}{}", &fill[7..]),
        _ => text[..10].to_owned(),
    };
    let both = |text: &str| (day(text, "0000-01-01"), day(text, "9999-12-31"));
    if let Some(text) = value.as_str() {
        return Some(both(text));
    }
    let (start, end) = (value["start"].as_str(), value["end"].as_str());
    start.or(end)?;
    Some((
        start.map_or("0000-00-00".to_owned(), |text| both(text).0),
        end.map_or("9999-99-99".to_owned(), |text| both(text).1),
    ))
}

/// Queries of one parameter, each with the test that a plain reading makes.
fn asked(param: &Param, sample: &Value, standing: &BTreeMap<String, String>) -> Vec<(String, Says)> {
    let mut out: Vec<(String, Says)> = Vec::new();
    match param.kind {
        Kind::Token => {
            for (system, code) in tokens(sample).into_iter().take(2) {
                let escaped = code.replace(['|', ','], "\\|");
                if escaped != code || code.contains(['&', '+', '%', '#']) {
                    continue;
                }
                let (plain, negated) = (code.clone(), code.clone());
                out.push((
                    format!("={code}"),
                    Box::new(move |value| tokens(value).iter().any(|(_, own)| *own == plain)),
                ));
                out.push((
                    format!(":not={code}"),
                    Box::new(move |value| !tokens(value).iter().any(|(_, own)| *own == negated)),
                ));
                let full = system.unwrap_or_default();
                out.push((
                    format!("={full}|{code}"),
                    Box::new(move |value| {
                        tokens(value)
                            .iter()
                            .any(|(system, own)| *own == code && system.clone().unwrap_or_default() == full)
                    }),
                ));
            }
        }
        Kind::Reference => {
            let Some(written) = sample["reference"].as_str().filter(|text| text.split('/').count() == 2) else {
                return out;
            };
            let (kind, id) = written.split_once('/').unwrap();
            if param.target.is_some_and(|target| target != kind) {
                return out;
            }
            for query in [format!("={written}"), format!("={id}"), format!(":{kind}={id}")] {
                let standing = standing.clone();
                let of = move |written: &str| standing.get(written).map_or_else(|| written.to_owned(), String::clone);
                let wanted = of(written);
                out.push((
                    query,
                    Box::new(move |value| value["reference"].as_str().map(&of).as_ref() == Some(&wanted)),
                ));
            }
        }
        Kind::Date => {
            let Some((first, last)) =
                days(sample).filter(|(first, last)| first > &"0001".to_owned() && last < &"9998".to_owned())
            else {
                return out;
            };
            let day = first.clone();
            out.push((
                format!("={day}"),
                Box::new(move |value| days(value).is_some_and(|(low, high)| low >= day && high <= day)),
            ));
            let day = first.clone();
            out.push((format!("=ge{day}"), Box::new(move |value| days(value).is_some_and(|(_, high)| high >= day))));
            let day = last.clone();
            out.push((format!("=le{day}"), Box::new(move |value| days(value).is_some_and(|(low, _)| low <= day))));
            out.push((format!("=sa{last}"), Box::new(move |value| days(value).is_some_and(|(low, _)| low > last))));
            out.push((format!("=eb{first}"), Box::new(move |value| days(value).is_some_and(|(_, high)| high < first))));
        }
        Kind::String => {
            let Some(word) =
                words(sample).first().cloned().filter(|word| !word.contains([',', '&', '+', '%', '|', '#']))
            else {
                return out;
            };
            let begin: String = word.chars().take(2).collect();
            let low = begin.to_lowercase();
            out.push((
                format!("={begin}"),
                Box::new(move |value| words(value).iter().any(|own| own.to_lowercase().starts_with(&low))),
            ));
            let exact = word.clone();
            out.push((format!(":exact={word}"), Box::new(move |value| words(value).contains(&exact))));
            let inside: String = word.chars().skip(1).collect::<String>().to_lowercase();
            if !inside.trim().is_empty() && inside == inside.trim() {
                out.push((
                    format!(":contains={inside}"),
                    Box::new(move |value| words(value).iter().any(|own| own.to_lowercase().contains(&inside))),
                ));
            }
        }
        Kind::Quantity => {
            let Some(number) = sample["value"].as_f64() else { return out };
            out.push((
                format!("=gt{number}"),
                Box::new(move |value| value["value"].as_f64().is_some_and(|own| own > number)),
            ));
            out.push((
                format!("=le{number}"),
                Box::new(move |value| value["value"].as_f64().is_some_and(|own| own <= number)),
            ));
            let code = sample["code"].as_str().unwrap_or_default().to_owned();
            if !code.is_empty() && !code.contains(['%', '&', '+']) {
                let query = format!("=ge{number}||{code}");
                out.push((
                    query,
                    Box::new(move |value| {
                        let fits = value["code"] == code.as_str() || value["unit"] == code.as_str();
                        fits && value["value"].as_f64().is_some_and(|own| own >= number)
                    }),
                ));
            }
        }
        Kind::Uri => {
            if let Some(text) = sample.as_str() {
                let own = text.to_owned();
                out.push((format!("={text}"), Box::new(move |value| value.as_str() == Some(&own))));
            }
        }
        Kind::CodeQuantity => {
            let (codes, Some(number)) = (tokens(&sample["code"]), sample["valueQuantity"]["value"].as_f64()) else {
                return out;
            };
            if let Some((_, code)) = codes.into_iter().next() {
                out.push((
                    format!("={code}$ge{number}"),
                    Box::new(move |value| {
                        tokens(&value["code"]).iter().any(|(_, own)| *own == code)
                            && value["valueQuantity"]["value"].as_f64().is_some_and(|own| own >= number)
                    }),
                ));
            }
        }
        Kind::CodeConcept => {
            let first = |value: &Value| tokens(value).into_iter().next();
            if let (Some((_, code)), Some((_, other))) =
                (first(&sample["code"]), first(&sample["valueCodeableConcept"]))
            {
                out.push((
                    format!("={code}${other}"),
                    Box::new(move |value| {
                        let has = |element: &Value, wanted: &str| tokens(element).iter().any(|(_, own)| own == wanted);
                        has(&value["code"], &code) && has(&value["valueCodeableConcept"], &other)
                    }),
                ));
            }
        }
        Kind::Flag => {}
    }
    out
}

/// All ids that a search finds, over all its pages.
fn all_pages(api: &Api, address: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = Some(address.to_owned());
    while let Some(address) = next {
        let reply = call(api, "GET", &address, "", &[("prefer", "handling=strict")]);
        assert_eq!(reply.status, 200, "{address}: {}", String::from_utf8_lossy(&reply.body));
        let page = json(&reply);
        for id in ids(&page) {
            assert!(found.insert(id), "{address}: a resource stands on two pages");
        }
        let links = page["link"].as_array().unwrap();
        let link = links.iter().find(|link| link["relation"] == "next");
        next = link.map(|link| link["url"].as_str().unwrap().strip_prefix("http://h").unwrap().to_owned());
    }
    found
}

#[test]
fn every_parameter_finds_what_a_plain_reading_finds() {
    let (api, all, _folder) = hospital(12);
    // A patient stands for everybody merged with it: every number that names one of them names them all.
    let mut standing: BTreeMap<String, String> = BTreeMap::new();
    for (patient, _) in &all["Patient"] {
        if let Some(other) = patient["link"][0]["other"]["reference"].as_str() {
            standing.insert(format!("Patient/{}", patient["id"].as_str().unwrap()), other.to_owned());
        }
    }
    assert!(!standing.is_empty(), "a hospital of twelve has a patient who was merged");
    let (mut queries, mut params_seen) = (0, 0);
    for (kind, resources) in &all {
        for param in &params::of(kind).params {
            let mut samples: Vec<&Value> = Vec::new();
            for value in resources.iter().flat_map(|(resource, _)| values(resource, param)) {
                if samples.len() < 3 && !samples.contains(&value) {
                    samples.push(value);
                }
            }
            params_seen += usize::from(!samples.is_empty());
            for sample in samples {
                for (query, fits) in asked(param, sample, &standing) {
                    queries += 1;
                    let negative = query.starts_with(":not");
                    let expected: BTreeSet<String> = resources
                        .iter()
                        .filter(|(resource, _)| {
                            let values = values(resource, param);
                            if negative {
                                values.iter().all(|value| fits(value))
                            } else {
                                values.iter().any(|value| fits(value))
                            }
                        })
                        .map(|(resource, _)| resource["id"].as_str().unwrap().to_owned())
                        .collect();
                    let address = format!("/fhir/{kind}?{}{query}&_count=400", param.name);
                    let found = all_pages(&api, &address);
                    let (more, less): (Vec<_>, Vec<_>) =
                        (found.difference(&expected).collect(), expected.difference(&found).collect());
                    assert!(more.is_empty() && less.is_empty(), "{address}: too many {more:?}, missing {less:?}");
                }
            }
        }
    }
    assert!(queries > 500 && params_seen > 100, "{queries} queries of {params_seen} parameters");
}

#[test]
fn every_resource_of_the_demo_hospital_is_read_back_byte_for_byte() {
    let (api, all, _folder) = hospital(4);
    assert!(all.len() > 12);
    for (kind, resources) in &all {
        for (resource, raw) in resources {
            let id = resource["id"].as_str().unwrap();
            assert_eq!(&call(&api, "GET", &format!("/fhir/{kind}/{id}"), "", &[]).body, raw, "{kind}/{id}");
        }
    }
}

#[test]
fn pages_orders_includes_and_compartments_hold_what_they_promise() {
    let (api, all, _folder) = hospital(3);
    let patient =
        all["Patient"].iter().find(|(patient, _)| patient.get("link").is_none()).unwrap().0["id"].as_str().unwrap();
    let own = |resource: &Value| resource["subject"]["reference"] == format!("Patient/{patient}");
    let count = all["Observation"].iter().filter(|(resource, _)| own(resource)).count();
    let whole = all_pages(&api, &format!("/fhir/Patient/{patient}/Observation?_count=7"));
    assert_eq!((whole.len(), count > 20), (count, true));
    assert_eq!(all_pages(&api, &format!("/fhir/Observation?patient={patient}&_sort=-date&_count=9")), whole);
    assert_eq!(all_pages(&api, "/fhir/Observation?_count=50").len(), all["Observation"].len());
    assert_eq!(all_pages(&api, "/fhir/Observation?_sort=-date,_lastUpdated&_count=50").len(), all["Observation"].len());
    let total = json(&call(&api, "GET", "/fhir/Observation?_summary=count", "", &[]));
    assert_eq!(total["total"], all["Observation"].len());

    let sorted =
        json(&call(&api, "GET", &format!("/fhir/Observation?patient={patient}&_sort=-date&_count=1000"), "", &[]));
    let days: Vec<&str> = sorted["entry"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["resource"]["effectiveDateTime"].as_str())
        .map(|text| &text[..10])
        .collect();
    assert!(days.len() > 10 && days.is_sorted_by(|a, b| a >= b), "{days:?}");

    let page = json(&call(
        &api,
        "GET",
        &format!("/fhir/Encounter?patient={patient}&_revinclude=Condition:encounter&_include=Encounter:subject"),
        "",
        &[],
    ));
    let included: BTreeSet<&str> = page["entry"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["search"]["mode"] == "include")
        .map(|entry| entry["resource"]["resourceType"].as_str().unwrap())
        .collect();
    assert_eq!(included, BTreeSet::from(["Condition", "Patient"]));

    let number = all["Patient"].iter().find(|(own, _)| own["id"] == patient).unwrap().0["identifier"][0].clone();
    let token = format!("{}|{}", number["system"].as_str().unwrap(), number["value"].as_str().unwrap());
    assert_eq!(all_pages(&api, &format!("/fhir/Observation?patient.identifier={token}&_count=500")), whole);
    assert_eq!(all_pages(&api, &format!("/fhir/Observation?subject:Patient.identifier={token}&_count=500")), whole);

    let code = all["Observation"].iter().find(|(resource, _)| own(resource)).unwrap().0["code"]["coding"][0].clone();
    let code = format!("{}|{}", code["system"].as_str().unwrap(), code["code"].as_str().unwrap());
    let having: BTreeSet<String> = all["Observation"]
        .iter()
        .filter(|(resource, _)| {
            tokens(&resource["code"])
                .iter()
                .any(|(system, own)| code == format!("{}|{own}", system.clone().unwrap_or_default()))
        })
        .map(|(resource, _)| resource["subject"]["reference"].as_str().unwrap().replace("Patient/", ""))
        .collect();
    assert_eq!(all_pages(&api, &format!("/fhir/Patient?_has:Observation:patient:code={code}")), having);
    assert_eq!(all_pages(&api, &format!("/fhir/Observation?subject:Patient._id={patient}&_count=500")), whole);

    let posted = call(
        &api,
        "POST",
        "/fhir/Observation/_search",
        &format!("patient={patient}&_count=0"),
        &[("content-type", "application/x-www-form-urlencoded")],
    );
    assert_eq!(json(&posted)["total"], count);
    let elements = json(&call(&api, "GET", &format!("/fhir/Patient?_id={patient}&_elements=birthDate"), "", &[]));
    let part = elements["entry"][0]["resource"].as_object().unwrap();
    assert_eq!(
        part.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["resourceType", "id", "meta", "birthDate"])
    );

    let everything = json(&call(&api, "GET", &format!("/fhir/Patient/{patient}/$everything"), "", &[]));
    assert_eq!(everything["entry"][0]["resource"]["id"], patient);
    assert!(everything["total"].as_u64().unwrap() > count as u64);
    assert_eq!(call(&api, "GET", "/fhir/Patient/none/$everything", "", &[]).status, 404);
}

#[test]
fn a_patient_is_found_by_what_is_known_of_him() {
    let (api, all, _folder) = hospital(12);
    for (patient, _) in &all["Patient"] {
        let name = patient["name"][0].clone();
        let described = |members: Value| {
            let parameters = serde_json::json!({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": members}]});
            let reply = call(&api, "POST", "/fhir/Patient/$match", &parameters.to_string(), &[]);
            assert_eq!(reply.status, 200);
            let entries = json(&reply)["entry"].as_array().cloned().unwrap_or_default();
            entries
                .iter()
                .map(|entry| {
                    let grade = entry["search"]["extension"][0]["valueCode"].as_str().unwrap().to_owned();
                    (entry["resource"]["id"].as_str().unwrap().to_owned(), grade)
                })
                .collect::<Vec<_>>()
        };
        let own = |grade: &str| (patient["id"].as_str().unwrap().to_owned(), grade.to_owned());
        let by_number = described(serde_json::json!({"resourceType": "Patient", "identifier": patient["identifier"]}));
        assert_eq!(by_number, [own("certain")]);
        let by_name = serde_json::json!({"resourceType": "Patient", "name": [name], "birthDate": patient["birthDate"]});
        let found = described(by_name.clone());
        assert_eq!(found.contains(&own("probable")), patient["birthDate"].is_string(), "{by_name}: {found:?}");
        assert!(described(serde_json::json!({"resourceType": "Patient", "name": [name]})).is_empty());
    }
    assert_eq!(call(&api, "POST", "/fhir/Patient/$match", "{}", &[]).status, 400);
    assert_eq!(call(&api, "GET", "/fhir/Patient/$match", "", &[]).status, 405);
}

#[test]
fn what_is_not_understood_is_left_out_or_refused_as_the_caller_prefers() {
    let (api, _all, _folder) = hospital(1);
    for (query, lenient) in [
        ("colour=red", 200),
        ("_include=Patient:colour", 200),
        ("_sort=gender", 200),
        ("birthdate=soon", 400),
        ("_count=x", 400),
        ("_cursor=x", 400),
        ("birthdate=%ff", 400),
    ] {
        assert_eq!(call(&api, "GET", &format!("/fhir/Patient?{query}"), "", &[]).status, lenient, "{query}");
        let strict = call(&api, "GET", &format!("/fhir/Patient?{query}"), "", &[("prefer", "handling=strict")]);
        assert_eq!(strict.status, 400, "{query}");
    }
    let page = json(&call(&api, "GET", "/fhir/Patient?colour=red", "", &[]));
    assert_eq!(page["entry"][1]["search"]["mode"], "outcome");
}
