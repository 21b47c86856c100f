//! An API on a record of its own, and requests to it.

use haechi_record::key::Key;
use haechi_record::store::Store;
use haechi_serve::{Api, Asked, Reply, Settings};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

pub(crate) fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(&folder.path().join("r"), &Key::new([7; 32])).unwrap(), folder)
}

pub(crate) fn on(store: Store) -> Api {
    let now = || "2026-11-24T00:00:00Z".parse().unwrap();
    Api::new(store, Settings { tokens: vec![hash("secret")], max_body_bytes: 65_536, now, ..Settings::default() })
}

/// With a watched folder.
pub(crate) fn watching(store: Store, folder: &std::path::Path) -> Api {
    let watched = Some(folder.to_owned());
    Api::new(store, Settings { tokens: vec![hash("secret")], watched, ..Settings::default() })
}

pub(crate) fn api() -> (Api, tempfile::TempDir) {
    let (store, folder) = store();
    (on(store), folder)
}

pub(crate) fn call(api: &Api, method: &str, address: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
    let header = |name: &str| {
        headers.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    };
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let content_type = match header("content-type") {
        own if own.is_empty() => "application/fhir+json".to_owned(),
        own => own,
    };
    api.answer(&Asked {
        method: method.parse().unwrap(),
        path: path.to_owned(),
        query: query.to_owned(),
        content_type,
        if_match: header("if-match"),
        if_none_match: header("if-none-match"),
        if_none_exist: header("if-none-exist"),
        prefer: header("prefer"),
        base: "http://h/fhir".to_owned(),
        body: body.as_bytes().to_vec(),
    })
}

pub(crate) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&reply.body)))
}

pub(crate) fn with(reply: &Reply, name: &str) -> String {
    reply.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Ids of a page's matches.
pub(crate) fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    matches.map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect()
}
