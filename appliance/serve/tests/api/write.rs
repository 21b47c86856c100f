//! Writing: what is sent is what is read, versions count, conditions hold, a transaction is all or nothing.

use super::support::{api, call, ids, json, with};

const PATIENT: &str =
    "{ \"resourceType\" : \"Patient\",\n \"id\":\"p\", \"birthDate\":\"1970-01-01\", \"name\":[{\"family\":\"김\"}] }";

#[test]
fn what_is_sent_is_read_back_byte_for_byte_in_every_version() {
    let (api, _folder) = api();
    let made = call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]);
    assert_eq!((made.status.as_u16(), with(&made, "etag").as_str()), (201, "W/\"1\""));
    assert_eq!(with(&made, "location"), "http://h/fhir/Patient/p/_history/1");
    let changed = PATIENT.replace("1970", "1971");
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", &changed, &[]).status, 200);
    // The first bytes again are a third version, not an old file.
    let back = call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]);
    assert_eq!(with(&back, "etag"), "W/\"3\"");
    assert_eq!(call(&api, "GET", "/fhir/Patient/p", "", &[]).body, PATIENT.as_bytes());
    assert_eq!(call(&api, "GET", "/fhir/Patient/p/_history/2", "", &[]).body, changed.as_bytes());
    assert_eq!(call(&api, "GET", "/fhir/Patient/p", "", &[("if-none-match", "W/\"3\"")]).status, 304);
    let history = json(&call(&api, "GET", "/fhir/Patient/p/_history", "", &[]));
    let versions: Vec<_> =
        history["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["etag"].clone()).collect();
    assert_eq!(versions, ["W/\"3\"", "W/\"2\"", "W/\"1\""]);
}

#[test]
fn a_created_resource_gets_an_id_and_keeps_its_other_bytes() {
    let (api, _folder) = api();
    let made = call(&api, "POST", "/fhir/Basic", "{\"resourceType\":\"Basic\", \"x\":1.50}", &[]);
    assert_eq!(made.status, 201);
    let id = json(&made)["id"].as_str().unwrap().to_owned();
    let expected = format!("{{\"id\":\"{id}\",\"resourceType\":\"Basic\", \"x\":1.50}}");
    assert_eq!(call(&api, "GET", &format!("/fhir/Basic/{id}"), "", &[]).body, expected.as_bytes());
}

#[test]
fn conditions_hold() {
    let (api, _folder) = api();
    call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]);
    let changed = PATIENT.replace("1970", "1971");
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", &changed, &[("if-match", "W/\"9\"")]).status, 412);
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", &changed, &[("if-none-match", "*")]).status, 412);
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", &changed, &[("if-match", "W/\"1\"")]).status, 200);
    let new = "{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":\"s\",\"value\":\"1\"}]}";
    let exists = [("if-none-exist", "identifier=s|1")];
    assert_eq!(call(&api, "POST", "/fhir/Patient", new, &exists).status, 201);
    assert_eq!(call(&api, "POST", "/fhir/Patient", new, &exists).status, 200);
    assert_eq!(call(&api, "PUT", "/fhir/Patient?identifier=s|2", &new.replace("\"1\"", "\"2\""), &[]).status, 201);
    assert_eq!(call(&api, "PUT", "/fhir/Patient?identifier=s|2", &new.replace("\"1\"", "\"2\""), &[]).status, 200);
    assert_eq!(call(&api, "DELETE", "/fhir/Patient?birthdate=lt2030", "", &[]).status, 204);
    for (body, status) in [
        ("{}", 400),
        ("{\"resourceType\":\"Patient\",\"id\":\"q\"}", 400),
        ("[", 400),
        ("{\"resourceType\":\"Basic\",\"id\":\"p\"}", 400),
    ] {
        assert_eq!(call(&api, "PUT", "/fhir/Patient/p", body, &[]).status, status, "{body}");
    }
    assert_eq!(call(&api, "DELETE", "/fhir/Patient?identifier:not=x", "", &[]).status, 412);
    assert_eq!(call(&api, "DELETE", "/fhir/Patient", "", &[]).status, 400);
}

#[test]
fn what_is_deleted_is_gone_from_reading_and_search_and_can_come_back() {
    let (api, _folder) = api();
    call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]);
    let gone = call(&api, "DELETE", "/fhir/Patient/p", "", &[]);
    assert_eq!((gone.status.as_u16(), with(&gone, "etag").as_str()), (204, "W/\"2\""));
    assert_eq!(call(&api, "DELETE", "/fhir/Patient/p", "", &[]).status, 204);
    assert_eq!(call(&api, "GET", "/fhir/Patient/p", "", &[]).status, 410);
    assert_eq!(call(&api, "GET", "/fhir/Patient/p/_history/2", "", &[]).status, 410);
    assert_eq!(call(&api, "GET", "/fhir/Patient/p/_history/1", "", &[]).body, PATIENT.as_bytes());
    for query in ["", "?_id=p", "?family=김", "?birthdate=1970"] {
        assert!(ids(&json(&call(&api, "GET", &format!("/fhir/Patient{query}"), "", &[]))).is_empty(), "{query}");
    }
    assert_eq!(
        call(&api, "PATCH", "/fhir/Patient/p", "[]", &[("content-type", "application/json-patch+json")]).status,
        410
    );
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]).status, 201);
    assert_eq!(ids(&json(&call(&api, "GET", "/fhir/Patient?family=김", "", &[]))), ["p"]);
}

#[test]
fn a_patch_changes_what_it_names() {
    let (api, _folder) = api();
    call(&api, "PUT", "/fhir/Patient/p", PATIENT, &[]);
    let patch = r#"[{"op":"replace","path":"/birthDate","value":"1980-02-03"}]"#;
    let headers = [("content-type", "application/json-patch+json")];
    let done = call(&api, "PATCH", "/fhir/Patient/p", patch, &headers);
    assert_eq!((done.status.as_u16(), json(&done)["birthDate"].as_str()), (200, Some("1980-02-03")));
    assert_eq!(ids(&json(&call(&api, "GET", "/fhir/Patient?birthdate=1980-02-03", "", &[]))), ["p"]);
    assert!(ids(&json(&call(&api, "GET", "/fhir/Patient?birthdate=1970-01-01", "", &[]))).is_empty());
    let wrong = r#"[{"op":"replace","path":"/birthDate","value":"soon"}]"#;
    assert_eq!(call(&api, "PATCH", "/fhir/Patient/p", wrong, &headers).status, 400);
    assert_eq!(call(&api, "PATCH", "/fhir/Patient/p", "{}", &[]).status, 415);
}

#[test]
fn a_transaction_is_all_or_nothing_and_its_entries_may_name_each_other() {
    let (api, _folder) = api();
    let name = "urn:uuid:0d1f5bc4-9a4e-4f7c-8b0a-3c5a6d7e8f90";
    let entry = |full: &str, resource: &str, method: &str, url: &str| {
        format!(r#"{{"fullUrl":"{full}","resource":{resource},"request":{{"method":"{method}","url":"{url}"}}}}"#)
    };
    let condition = format!(r#"{{"resourceType":"Condition","subject":{{"reference":"{name}"}}}}"#);
    let bundle = |entries: &[String]| {
        format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","))
    };
    let first = entry("", &condition, "POST", "Condition");
    let second = entry(name, r#"{"resourceType":"Patient"}"#, "POST", "Patient");
    let wrong = entry("", r#"{"resourceType":"Basic","id":"x"}"#, "PUT", "Basic/y");
    let refused = call(&api, "POST", "/fhir", &bundle(&[first.clone(), second.clone(), wrong]), &[]);
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(&refused.body).contains("Bundle.entry[2]"));
    assert!(ids(&json(&call(&api, "GET", "/fhir/Patient", "", &[]))).is_empty());
    let done = json(&call(&api, "POST", "/fhir", &bundle(&[first, second]), &[]));
    let id = "0d1f5bc4-9a4e-4f7c-8b0a-3c5a6d7e8f90";
    assert!(done["entry"][1]["response"]["location"].as_str().unwrap().contains(id), "{done}");
    let found = json(&call(&api, "GET", &format!("/fhir/Condition?patient={id}"), "", &[]));
    assert_eq!(ids(&found).len(), 1);
    let batch = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{},{}]}}"#,
        r#"{"request":{"method":"GET","url":"Patient?_summary=count"}}"#,
        r#"{"request":{"method":"GET","url":"Patient/none"}}"#
    );
    let answers = json(&call(&api, "POST", "/fhir", &batch, &[]));
    assert_eq!(answers["entry"][0]["resource"]["total"], 1);
    assert_eq!(answers["entry"][1]["response"]["status"], "404");
}

#[test]
fn a_body_in_xml_is_stored_as_the_json_of_it() {
    let (api, _folder) = api();
    let xml = [("content-type", "application/fhir+xml; charset=utf-8")];
    let goal = r#"<Goal xmlns="http://hl7.org/fhir"><id value="g"/><lifecycleStatus value="active"/></Goal>"#;
    assert_eq!(call(&api, "PUT", "/fhir/Goal/g", goal, &xml).status, 201);
    let read = call(&api, "GET", "/fhir/Goal/g", "", &[]);
    assert_eq!(read.body, br#"{"resourceType":"Goal","id":"g","lifecycleStatus":"active"}"#);
    let batch = r#"<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><request><method value="GET"/><url value="Goal/g"/></request></entry></Bundle>"#;
    assert_eq!(json(&call(&api, "POST", "/fhir", batch, &xml))["entry"][0]["response"]["status"], "200");
    let bad = call(&api, "PUT", "/fhir/Goal/g", "<Goal xmlns=\"http://hl7.org/fhir\">\n<idea value='x'/></Goal>", &xml);
    assert_eq!((bad.status.as_u16(), json(&bad)["resourceType"].as_str()), (400, Some("OperationOutcome")));
    assert!(String::from_utf8_lossy(&bad.body).contains("line 2"), "{}", String::from_utf8_lossy(&bad.body));
}
