//! The CapabilityStatement, made of the tables that routes and searches use, so that it says nothing else than they do.

use haechi_intake::fhir::types;
use haechi_record::index::params::{self, Kind};
use serde_json::{Value, json};

use crate::http::Api;
use crate::route::Asked;

/// Types that carry an answer and are not kept.
const NOT_KEPT: &[&str] = &["OperationOutcome", "Parameters", "CapabilityStatement", "Bundle"];

pub(crate) fn statement(api: &Api, asked: &Asked) -> Vec<u8> {
    let resources: Vec<Value> =
        types::TYPES.iter().filter(|kind| !NOT_KEPT.contains(kind)).map(|kind| resource(kind)).collect();
    let date = (api.settings.now)().strftime("%Y-%m-%d").to_string();
    let mut statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Haechi", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "FHIR R4 API of the appliance", "url": asked.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{
            "mode": "server",
            "security": {"description": "bearer token that the site has configured; only this statement is open"},
            "resource": resources,
            "interaction": [{"code": "transaction"}, {"code": "batch"}],
        }],
    });
    if api.settings.watched.is_some() {
        // HL7 has no definition of it yet; the address is that of the draft.
        let definition = "https://github.com/smart-on-fhir/bulk-import/blob/master/import.md";
        statement["rest"][0]["operation"] = json!([{"name": "import", "definition": definition}]);
    }
    statement.to_string().into_bytes()
}

fn resource(kind: &str) -> Value {
    let table = params::of(kind);
    let interactions: Vec<Value> =
        ["read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type"]
            .iter()
            .map(|code| json!({"code": code}))
            .collect();
    let mut search: Vec<Value> = [("_id", "token"), ("_lastUpdated", "date")]
        .iter()
        .map(|(name, kind)| json!({"name": name, "type": kind}))
        .collect();
    search.extend(table.params.iter().map(|param| json!({"name": param.name, "type": param.kind.name()})));
    let references = |of: &str| -> Vec<Value> {
        let params = params::of(of).params.iter().filter(|param| param.kind == Kind::Reference);
        params.map(|param| Value::from(format!("{of}:{}", param.name))).collect()
    };
    // Those that may name this type; the table's `>Type` says which do for sure.
    let reverse: Vec<Value> = params::types()
        .into_iter()
        .flat_map(|of| {
            params::of(of)
                .params
                .iter()
                .filter(|param| param.target == Some(kind))
                .map(move |param| Value::from(format!("{of}:{}", param.name)))
        })
        .collect();
    let mut resource = json!({
        "type": kind,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "conditionalRead": "not-match",
        "searchParam": search,
    });
    if let Value::Object(members) = &mut resource {
        for (name, values) in [("searchInclude", references(kind)), ("searchRevInclude", reverse)] {
            if !values.is_empty() {
                members.insert(name.to_owned(), Value::Array(values));
            }
        }
        if kind == "Patient" {
            members.insert(
                "operation".to_owned(),
                json!([
                    {"name": "everything", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything"},
                    {"name": "match", "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match"},
                ]),
            );
        }
    }
    resource
}
