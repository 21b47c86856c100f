//! Answers of many: search pages, histories, everything of a patient. Resources stand in them as their own bytes.

use std::collections::BTreeMap;

use haechi_record::index::time::Range;
use haechi_record::store::{Found, Version};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::ask::{self, pairs};
use crate::http::Api;
use crate::outcome::{Fail, outcome, quoted};
use crate::route::{Asked, Reply, etag, gone};

/// Resources of a patient in one answer; more come by the next link.
const MAX_EVERYTHING: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Match,
    Include,
}

pub(crate) struct Entry<'f> {
    pub(crate) found: &'f Found,
    pub(crate) mode: Mode,
}

struct Writing {
    out: Vec<u8>,
    entries: usize,
}

impl Writing {
    fn begin(kind: &str, total: Option<u64>, links: &[(&str, String)]) -> Self {
        let mut head = format!(r#"{{"resourceType":"Bundle","type":"{kind}""#);
        if let Some(total) = total {
            head.push_str(&format!(r#","total":{total}"#));
        }
        let links: Vec<String> =
            links.iter().map(|(name, url)| format!(r#"{{"relation":"{name}","url":{}}}"#, quoted(url))).collect();
        if !links.is_empty() {
            head.push_str(&format!(r#","link":[{}]"#, links.join(",")));
        }
        Self { out: head.into_bytes(), entries: 0 }
    }

    /// `rest`: members behind the resource, each with its comma in front.
    fn entry(&mut self, url: Option<&str>, raw: Option<&[u8]>, rest: &str) {
        self.out.extend_from_slice(if self.entries == 0 { br#","entry":[{"# } else { b",{" });
        self.entries += 1;
        let mut first = true;
        let mut comma = |out: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
        };
        if let Some(url) = url {
            comma(&mut self.out);
            self.out.extend_from_slice(format!(r#""fullUrl":{}"#, quoted(url)).as_bytes());
        }
        if let Some(raw) = raw {
            comma(&mut self.out);
            self.out.extend_from_slice(br#""resource":"#);
            self.out.extend_from_slice(raw);
        }
        if !rest.is_empty() {
            comma(&mut self.out);
            self.out.extend_from_slice(rest.as_bytes());
        }
        self.out.push(b'}');
    }

    fn end(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.entries == 0 { b"}" } else { b"]}" });
        self.out
    }
}

/// A search page.
pub(crate) fn searchset(
    base: &str,
    total: Option<u64>,
    links: &[(&str, String)],
    entries: &[Entry<'_>],
    elements: &[String],
    ignored: &[String],
) -> Vec<u8> {
    let mut bundle = Writing::begin("searchset", total, links);
    for Entry { found, mode } in entries {
        let mode = if *mode == Mode::Match { "match" } else { "include" };
        let url = format!("{base}/{}/{}", found.resource_type, found.id);
        let rest = format!(r#""search":{{"mode":"{mode}"}}"#);
        let part = (!elements.is_empty()).then(|| only(&found.stored.raw, elements));
        bundle.entry(Some(&url), Some(part.as_deref().unwrap_or(&found.stored.raw)), &rest);
    }
    if !ignored.is_empty() {
        let text = format!("not understood and left out: {}", ignored.join(", "));
        let issue = outcome("warning", "not-supported", &text, None);
        bundle.entry(None, Some(&issue), r#""search":{"mode":"outcome"}"#);
    }
    bundle.end()
}

/// A patient who may be the one described.
pub(crate) struct Graded {
    pub(crate) found: Found,
    /// Of FHIR's value set match-grade.
    pub(crate) grade: &'static str,
    pub(crate) score: f64,
}

/// The answer of `$match`.
pub(crate) fn graded(base: &str, all: &[Graded]) -> Vec<u8> {
    const GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
    let mut bundle = Writing::begin("searchset", Some(all.len() as u64), &[]);
    for Graded { found, grade, score } in all {
        let url = format!("{base}/{}/{}", found.resource_type, found.id);
        let rest = format!(
            r#""search":{{"extension":[{{"url":"{GRADE}","valueCode":"{grade}"}}],"mode":"match","score":{score:.1}}}"#
        );
        bundle.entry(Some(&url), Some(&found.stored.raw), &rest);
    }
    bundle.end()
}

/// The asked elements of a resource, its type, id and meta, marked as a part.
fn only(raw: &[u8], elements: &[String]) -> Vec<u8> {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(raw) else { return raw.to_vec() };
    let mut kept: Vec<String> = Vec::new();
    let mut meta: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
    for (name, value) in &members {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if name == "meta" {
            meta = serde_json::from_str(value.get()).unwrap_or_default();
        } else if matches!(name.as_str(), "resourceType" | "id") || elements.iter().any(|element| element == plain) {
            kept.push(format!("{}:{}", quoted(name), value.get()));
        }
    }
    let mark =
        serde_json::json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"});
    match meta.get_mut("tag") {
        Some(serde_json::Value::Array(tags)) => tags.push(mark),
        _ => {
            meta.insert("tag".to_owned(), serde_json::Value::Array(vec![mark]));
        }
    }
    kept.push(format!("\"meta\":{}", serde_json::Value::Object(meta)));
    format!("{{{}}}", kept.join(",")).into_bytes()
}

/// All versions of a resource, newest first.
pub(crate) fn history(api: &Api, asked: &Asked, kind: &str, id: &str) -> Result<Reply, Fail> {
    let mut limit = ask::PAGE;
    let mut below = u64::MAX;
    for (name, value) in pairs(&asked.query)? {
        let wrong = || Fail::invalid(format!("the value of `{name}` is no number")).at(&name);
        match name.as_str() {
            "_count" => limit = value.parse::<usize>().map_err(|_| wrong())?.min(ask::MAX_PAGE),
            "_below" => below = value.parse().map_err(|_| wrong())?,
            _ => {}
        }
    }
    let versions = api.store.versions(kind, id)?;
    if versions.is_empty() {
        return Err(Fail::not_found());
    }
    let address = format!("{}/{kind}/{id}", asked.base);
    let total = versions.len() as u64;
    let first = versions.first().map_or(1, |(version, ..)| *version);
    let mut shown: Vec<_> = versions.into_iter().filter(|(version, ..)| *version < below).rev().collect();
    let more = shown.len() > limit;
    shown.truncate(limit);
    let mut links = vec![("self", format!("{address}/_history?_count={limit}"))];
    if let (true, Some((last, ..))) = (more, shown.last()) {
        links.push(("next", format!("{address}/_history?_count={limit}&_below={last}")));
    }
    let mut bundle = Writing::begin("history", Some(total), &links);
    for (version, received, raw) in &shown {
        let (method, status) = match (raw.is_empty(), *version == first) {
            (true, _) => ("DELETE", "204 No Content"),
            (false, true) => ("PUT", "201 Created"),
            (false, false) => ("PUT", "200 OK"),
        };
        let rest = format!(
            r#""request":{{"method":"{method}","url":"{kind}/{id}"}},"response":{{"status":"{status}","etag":{},"lastModified":"{received}"}}"#,
            quoted(&etag(*version)),
        );
        bundle.entry(Some(&address), Some(raw.as_slice()).filter(|raw| !raw.is_empty()), &rest);
    }
    Ok(Reply::json(StatusCode::OK, bundle.end()))
}

/// `Patient/ID/$everything`: all of a patient, those merged with it included, and the patient first.
pub(crate) fn everything(api: &Api, asked: &Asked, id: &str) -> Result<Reply, Fail> {
    let (mut limit, mut after, mut since, mut kinds) = (MAX_EVERYTHING, 0i64, None, Vec::new());
    for (name, value) in pairs(&asked.query)? {
        let wrong = || Fail::invalid(format!("the value of `{name}` cannot be read")).at(&name);
        match name.as_str() {
            "_count" => limit = value.parse::<usize>().map_err(|_| wrong())?.clamp(1, MAX_EVERYTHING),
            "_after" => after = value.parse().map_err(|_| wrong())?,
            "_since" => since = Some(Range::read(&value).ok_or_else(wrong)?.low),
            "_type" => kinds = value.split(',').map(str::to_owned).collect(),
            "_format" => {}
            _ => {
                return Err(Fail::new(
                    StatusCode::BAD_REQUEST,
                    "not-supported",
                    "HAECHI-0708",
                    format!("$everything has no parameter `{name}`"),
                )
                .at(&name));
            }
        }
    }
    let patient = api.store.stored("Patient", id)?.ok_or_else(Fail::not_found)?;
    if patient.raw.is_empty() {
        return Err(gone());
    }
    let mut all = api.store.everything(id, after, limit.saturating_add(1))?;
    let more = all.len() > limit;
    all.truncate(limit);
    let last = all.last().map(|(row, _)| *row);
    all.sort_by_key(|(row, found)| (found.resource_type != "Patient", *row));
    let wanted = |found: &Found| {
        let late = since.is_none_or(|since| found.stored.received.as_millisecond() >= since);
        late && (kinds.is_empty() || kinds.contains(&found.resource_type))
    };
    let entries: Vec<Entry<'_>> =
        all.iter().filter(|(_, found)| wanted(found)).map(|(_, found)| Entry { found, mode: Mode::Match }).collect();
    let address = format!("{}/Patient/{id}/$everything", asked.base);
    let mut links = vec![("self", address.clone())];
    if let (true, Some(last)) = (more, last) {
        let kept: Vec<&str> =
            asked.query.split('&').filter(|part| !part.is_empty() && !part.starts_with("_after=")).collect();
        let kept = kept.iter().map(|part| format!("{part}&")).collect::<String>();
        links.push(("next", format!("{address}?{kept}_after={last}")));
    }
    let total = (!more && after == 0).then_some(entries.len() as u64);
    Ok(Reply::json(StatusCode::OK, searchset(&asked.base, total, &links, &entries, &[], &[])))
}

/// One entry of a batch's or transaction's answer.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) version: Option<(u64, Timestamp)>,
    /// A resource, or an outcome.
    pub(crate) resource: Option<Vec<u8>>,
    pub(crate) outcome: Option<Vec<u8>>,
}

pub(crate) fn responses(kind: &str, all: &[Answered]) -> Vec<u8> {
    let mut bundle = Writing::begin(kind, None, &[]);
    for one in all {
        let mut response = format!(r#""response":{{"status":"{}""#, one.status.as_u16());
        if let Some(location) = &one.location {
            response.push_str(&format!(r#","location":{}"#, quoted(location)));
        }
        if let Some((version, received)) = one.version {
            response.push_str(&format!(r#","etag":{},"lastModified":"{received}""#, quoted(&etag(version))));
        }
        if let Some(outcome) = one.outcome.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok()) {
            response.push_str(&format!(r#","outcome":{outcome}"#));
        }
        response.push('}');
        bundle.entry(None, one.resource.as_deref(), &response);
    }
    bundle.end()
}

/// What a written resource answers.
pub(crate) fn written(status: StatusCode, base: &str, kind: &str, id: &str, stored: &Version, minimal: bool) -> Reply {
    let body = if minimal { Vec::new() } else { stored.raw.clone() };
    let mut reply = Reply::of_version(status, stored, body);
    reply.headers.push(("location", format!("{base}/{kind}/{id}/_history/{}", stored.version)));
    reply
}
