//! Batch and transaction: many requests in one body. A transaction is all or nothing and its entries may name each other by
//! `fullUrl`; a batch's entries stand alone.

use std::collections::HashMap;

use haechi_intake::fhir::types;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::bundle::{Answered, responses};
use crate::change::{Change, Changed, When};
use crate::http::Api;
use crate::outcome::Fail;
use crate::route::{self, Asked, Reply, is_plain, media_type};

/// Entries in one body.
const MAX_ENTRIES: usize = 10_000;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "fullUrl", default)]
    full_url: String,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    request: Option<Request>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    if_match: String,
    #[serde(default)]
    if_none_match: String,
    #[serde(default)]
    if_none_exist: String,
}

pub(crate) fn bundle(api: &Api, asked: &Asked) -> Result<Reply, Fail> {
    let kind = asked.content_type.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "application/fhir+json" | "application/json") {
        return Err(media_type("application/fhir+json"));
    }
    let bundle: Bundle<'_> = serde_json::from_slice(&asked.body).map_err(|error| {
        let text = format!("the body is no Bundle (line {}, column {})", error.line(), error.column());
        Fail::new(StatusCode::BAD_REQUEST, "structure", "HAECHI-0705", text)
    })?;
    if bundle.resource_type != "Bundle" || bundle.entry.len() > MAX_ENTRIES {
        return Err(Fail::invalid(format!("the body must be a Bundle of at most {MAX_ENTRIES} entries")));
    }
    match bundle.kind.as_str() {
        "batch" => Ok(batch(api, asked, &bundle)),
        "transaction" => transaction(api, asked, &bundle),
        _ => {
            Err(Fail::invalid("the Bundle must be a batch or a transaction; other kinds are imported")
                .at("Bundle.type"))
        }
    }
}

fn batch(api: &Api, asked: &Asked, bundle: &Bundle<'_>) -> Reply {
    let answers: Vec<Answered> = bundle
        .entry
        .iter()
        .map(|entry| {
            let result = match &entry.request {
                Some(request) => route::answer(api, &alone(asked, request, entry.resource)),
                None => Err(Fail::invalid("the entry has no request")),
            };
            answered(result.unwrap_or_else(|fail| fail.reply()))
        })
        .collect();
    Reply::json(StatusCode::OK, responses("batch-response", &answers))
}

/// An entry as a request of its own.
fn alone(asked: &Asked, request: &Request, resource: Option<&RawValue>) -> Asked {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    Asked {
        // A method that is none is refused by the route.
        method: request.method.parse().unwrap_or(Method::TRACE),
        path: format!("{}/{}", route::BASE, path.trim_start_matches('/')),
        query: query.to_owned(),
        content_type: "application/fhir+json".to_owned(),
        if_match: request.if_match.clone(),
        if_none_match: request.if_none_match.clone(),
        if_none_exist: request.if_none_exist.clone(),
        base: asked.base.clone(),
        prefer: String::new(),
        body: resource.map(|raw| raw.get().as_bytes().to_vec()).unwrap_or_default(),
    }
}

fn answered(reply: Reply) -> Answered {
    let location = reply.headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| value.clone());
    let failed = !reply.status.is_success() && reply.status != StatusCode::NOT_MODIFIED;
    let (resource, outcome) = if failed { (None, Some(reply.body)) } else { (Some(reply.body), None) };
    Answered {
        status: reply.status,
        location,
        version: None,
        resource: resource.filter(|body| !body.is_empty()),
        outcome,
    }
}

/// What an entry will do, its resource's place known.
struct Planned {
    kind: String,
    /// `None`: a search.
    id: Option<String>,
    query: String,
    /// What a conditional create found.
    exists: bool,
}

fn transaction(api: &Api, asked: &Asked, bundle: &Bundle<'_>) -> Result<Reply, Fail> {
    let at = |number: usize, fail: Fail| {
        let place = fail.expression.clone().map_or(String::new(), |inner| format!(" ({inner})"));
        Fail { text: format!("{}{place}; nothing of the transaction was done", fail.text), ..fail }
            .at(format!("Bundle.entry[{number}]"))
    };
    let answers = api.store.write_or(|writer| {
        let mut plans = Vec::with_capacity(bundle.entry.len());
        let mut names: HashMap<String, String> = HashMap::new();
        for (number, entry) in bundle.entry.iter().enumerate() {
            let plan = plan(&Change { api, writer }, entry).map_err(|fail| at(number, fail))?;
            if let (Some(id), false) = (&plan.id, entry.full_url.is_empty()) {
                names.insert(entry.full_url.clone(), format!("{}/{id}", plan.kind));
            }
            plans.push(plan);
        }
        let mut seen = std::collections::HashSet::new();
        for (number, (entry, plan)) in bundle.entry.iter().zip(&plans).enumerate() {
            let changes = entry.request.as_ref().is_some_and(|request| request.method != "GET");
            if let (true, Some(id)) = (changes, &plan.id)
                && !seen.insert((&plan.kind, id))
            {
                return Err(at(number, Fail::invalid("two entries change the same resource")));
            }
        }
        let meaning = |written: &str| names.get(written).cloned();
        let mut answers: Vec<Option<Answered>> = bundle.entry.iter().map(|_| None).collect();
        // The order that the standard fixes.
        for method in ["DELETE", "POST", "PUT"] {
            for (number, ((entry, plan), answer)) in bundle.entry.iter().zip(&plans).zip(&mut answers).enumerate() {
                let Some(request) = entry.request.as_ref().filter(|request| request.method == method) else { continue };
                let change = Change { api, writer };
                *answer =
                    Some(one(change, asked, request, plan, entry.resource, &meaning).map_err(|fail| at(number, fail))?);
            }
        }
        for (number, ((entry, plan), answer)) in bundle.entry.iter().zip(&plans).zip(&mut answers).enumerate() {
            if answer.is_none() {
                *answer = Some(get(writer, entry, plan).map_err(|fail| at(number, fail))?);
            }
        }
        Ok::<_, Fail>(answers.into_iter().flatten().collect::<Vec<_>>())
    })?;
    Ok(Reply::json(StatusCode::OK, responses("transaction-response", &answers)))
}

fn plan(change: &Change<'_, '_>, entry: &Entry<'_>) -> Result<Planned, Fail> {
    let request = entry.request.as_ref().ok_or_else(|| Fail::invalid("the entry has no request"))?;
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (kind, id) = match segments.as_slice() {
        [kind] => (*kind, None),
        [kind, id] if is_plain(id) => (*kind, Some((*id).to_owned())),
        _ => return Err(Fail::invalid("the entry's url is not Type, Type/id or Type?query")),
    };
    if !types::is_known(kind) {
        return Err(Fail::invalid("the entry's url names no resource type of FHIR R4"));
    }
    let mut exists = false;
    let id = match (request.method.as_str(), id) {
        ("POST", None) => {
            let found = match request.if_none_exist.as_str() {
                "" => None,
                query => change.named(kind, query.trim_start_matches('?'))?,
            };
            exists = found.is_some();
            // A uuid that the sender chose becomes the id, so that a stored `urn:uuid:` reference still says where it leads.
            let own = entry.full_url.strip_prefix("urn:uuid:").and_then(|text| text.parse::<Uuid>().ok());
            let free = match own {
                Some(own) => change.writer.stored(kind, &own.to_string())?.is_none(),
                None => false,
            };
            found.or(own.filter(|_| free).map(|own| own.to_string())).or_else(|| Some(Uuid::new_v4().to_string()))
        }
        ("PUT" | "DELETE", None) => change.named(kind, query)?,
        ("GET", id) | ("PUT" | "DELETE", id) => id,
        _ => return Err(Fail::invalid("the entry's method is not GET, POST, PUT or DELETE in a fitting place")),
    };
    Ok(Planned { kind: kind.to_owned(), id, query: query.to_owned(), exists })
}

fn one(
    change: Change<'_, '_>,
    asked: &Asked,
    request: &Request,
    plan: &Planned,
    resource: Option<&RawValue>,
    meaning: &dyn Fn(&str) -> Option<String>,
) -> Result<Answered, Fail> {
    let body = || resource.map(|raw| raw.get().as_bytes()).ok_or_else(|| Fail::invalid("the entry has no resource"));
    let when = When { if_match: &request.if_match, if_none_match: &request.if_none_match };
    let changed = match (request.method.as_str(), &plan.id) {
        ("DELETE", Some(id)) => return change.delete(&plan.kind, id, when).map(answered),
        ("DELETE", None) => return change.delete_where(&plan.kind, &plan.query).map(answered),
        ("POST", id) => {
            let condition = if plan.exists { request.if_none_exist.as_str() } else { "" };
            change.create(&plan.kind, body()?, id.as_deref(), condition, meaning)?
        }
        (_, Some(id)) if plan.query.is_empty() => change.update(&plan.kind, id, body()?, when, meaning)?,
        _ => change.update_where(&plan.kind, &plan.query, body()?, meaning)?,
    };
    let Changed { status, id, stored } = changed;
    Ok(Answered {
        status,
        location: Some(format!("{}/{}/{id}/_history/{}", asked.base, plan.kind, stored.version)),
        version: Some((stored.version, stored.received)),
        resource: None,
        outcome: None,
    })
}

/// Reads inside a transaction are of single resources; searches are left to a batch.
fn get(writer: &haechi_record::store::Writer<'_>, entry: &Entry<'_>, plan: &Planned) -> Result<Answered, Fail> {
    let id = plan.id.as_ref().filter(|_| entry.request.as_ref().is_some_and(|request| request.method == "GET"));
    let id = id.ok_or_else(|| Fail::invalid("a transaction may read single resources; send searches as a batch"))?;
    let stored = writer.stored(&plan.kind, id)?.filter(|stored| !stored.raw.is_empty()).ok_or_else(Fail::not_found)?;
    Ok(Answered {
        status: StatusCode::OK,
        location: None,
        version: Some((stored.version, stored.received)),
        resource: Some(stored.raw),
        outcome: None,
    })
}
