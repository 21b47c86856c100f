//! Code systems through the command line, with and without a running appliance, and what they do for questions.

use haechi_e2e::Site;
use serde_json::Value;

const KCD_8: &str = "상병기호,한글명,영문명\nM35.2,베체트병,Behçet's disease\nK90.0,복강병,Coeliac disease\n";
const KCD_9: &str = "상병기호,한글명,영문명\nM35.2,베체트병(9차),Behçet's disease\n";
const PATIENT: &str = concat!(
    r#"{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","name":[{"text":"김해치"}]}"#,
    "\n",
    r#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/p"},"clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"M35.2","display":"Behcet disease"}]},"onsetDateTime":"2024-05-01"}"#,
    "\n",
    r#"{"resourceType":"Observation","id":"a","status":"final","subject":{"reference":"Patient/p"},"category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose"}],"text":"Glucose"},"effectiveDateTime":"2024-01-01","valueQuantity":{"value":100,"unit":"mg/dL"}}"#,
    "\n",
    r#"{"resourceType":"Observation","id":"b","status":"final","subject":{"reference":"Patient/p"},"category":[{"coding":[{"code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"14749-6","display":"Glucose"}],"text":"Glucose"},"effectiveDateTime":"2024-02-01","valueQuantity":{"value":6.0,"unit":"mmol/L"}}"#,
    "\n",
);

fn file(site: &Site, name: &str, text: &str) -> String {
    let path = site.beside(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn first_name(found: &Value) -> &str {
    found[0]["designations"][0]["text"].as_str().unwrap_or("")
}

#[test]
fn a_code_system_is_loaded_looked_up_and_understood_in_questions() {
    let site = Site::new();
    let patient = file(&site, "patient.ndjson", PATIENT);
    assert_eq!(site.json(&["import", &patient])["patients"], 1);
    assert_eq!(site.json(&["terminology", "list"]), Value::Array(Vec::new()));
    let question = ["ask", "--patient", "p", "베체트병 진단받은 적 있나요?"];
    assert_eq!(site.json(&question)["abstained"], true, "the record says it only in English");

    let (eighth, ninth) = (file(&site, "kcd8.csv", KCD_8), file(&site, "kcd9.csv", KCD_9));
    let loaded = site.json(&["terminology", "import", "--system", "kcd", "--version", "8", &eighth]);
    assert_eq!((loaded["files"][0]["rows"].as_u64(), &loaded["files"][0]["unchanged"]), (Some(2), &Value::Bool(false)));
    let check = || {
        let answer = site.json(&question);
        assert_eq!(answer["abstained"], false, "{answer}");
        assert_eq!(answer["citations"][0]["source"], "Condition/c");
        let on = |day| site.json(&["terminology", "lookup", "--system", "kcd", "--date", day, "m35.2"]);
        assert_eq!(first_name(&on("2024-05-01")), "베체트병");
        assert_eq!(first_name(&on("2026-05-01")), "베체트병(9차)");
        let words = site.json(&["terminology", "lookup", "--date", "2024-05-01", "복강병이"]);
        assert_eq!(words[0]["code"], "K90.0");
        let mapped = site.json(&["terminology", "map", "--system", "kcd", "--to", "icd10", "M35.2"]);
        assert_eq!((&mapped[0]["code"], &mapped[0]["equivalence"]), (&"M35.2".into(), &"equivalent".into()));
    };
    let appliance = site.up();
    // Through the running appliance, which takes the bytes of the file.
    let loaded = site.json(&["terminology", "import", "--system", "kcd", "--version", "9", &ninth]);
    assert_eq!(loaded["version"], "9");
    check();
    let again = site.json(&["terminology", "import", "--system", "kcd", "--version", "9", &ninth]);
    assert_eq!(again["files"][0]["unchanged"], true);
    drop(appliance);
    check();
    assert_eq!(site.json(&["terminology", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn values_in_two_units_are_compared_and_both_are_shown() {
    let site = Site::new();
    let patient = file(&site, "patient.ndjson", PATIENT);
    assert_eq!(site.json(&["import", &patient])["patients"], 1);
    let answer = site.json(&["ask", "--patient", "p", "glucose trend"]);
    let said = answer["answer"].as_str().unwrap();
    assert!(said.contains("rose from 100 mg/dL (= 5.55 mmol/L)"), "{said}");
    let above = site.json(&["ask", "--patient", "p", "혈당이 5.8 mmol/L 넘은 적 있나요?"]);
    let said = above["answer"].as_str().unwrap();
    assert!(said.contains("6.0 mmol/L") && !said.contains("100 mg/dL"), "{said}");
}

#[test]
fn what_cannot_be_loaded_is_said_with_its_column() {
    let site = Site::new();
    let wrong = file(&site, "wrong.csv", "a,b\n1,2\n");
    for (arguments, code) in [
        (vec!["terminology", "import", "--system", "kcd", "--version", "8", wrong.as_str()], "HAECHI-0241"),
        (vec!["terminology", "import", "--system", "loinc", "--version", "8", wrong.as_str()], "HAECHI-0240"),
        (vec!["terminology", "import", "--system", "klingon", "--version", "8", wrong.as_str()], "HAECHI-0160"),
    ] {
        let output = site.run(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).starts_with(code), "{code}");
    }
}
