//! One resource written: created, replaced, patched, deleted, each also by a condition. Everything a change looks at and
//! everything it writes is one transaction.
//!
//! What is stored is what was sent, byte for byte. One exception, which the standard demands: a created resource gets an id,
//! put in front of its members (or in place of the one it brought).

use haechi_record::prepare::{Prepared, Source, prepare};
use haechi_record::store::{Put, Search, Version, Writer};
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::http::Api;
use crate::outcome::Fail;
use crate::route::{Asked, Reply, etag, gone, is_plain, media_type};
use crate::{ask, bundle, patch};

/// What a resource is known to have come from.
const FEED: &str = "FHIR API";

/// Type and id of a body.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// What a reference in a body means; `None`: what it says.
pub(crate) type Meaning<'m> = &'m dyn Fn(&str) -> Option<String>;

pub(crate) fn as_written(_: &str) -> Option<String> {
    None
}

/// The conditions of one change.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct When<'w> {
    pub(crate) if_match: &'w str,
    pub(crate) if_none_match: &'w str,
}

/// What a change left behind.
pub(crate) struct Changed {
    pub(crate) status: StatusCode,
    pub(crate) id: String,
    pub(crate) stored: Version,
}

pub(crate) fn json_body(asked: &Asked) -> Result<&[u8], Fail> {
    let kind = asked.content_type.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "application/fhir+json" | "application/json" | "text/json") {
        return Err(media_type("application/fhir+json"));
    }
    Ok(asked.body.trim_ascii())
}

fn is_minimal(asked: &Asked) -> bool {
    asked.prefer.split([',', ';']).any(|one| one.trim() == "return=minimal")
}

fn reply(asked: &Asked, kind: &str, changed: &Changed) -> Reply {
    bundle::written(changed.status, &asked.base, kind, &changed.id, &changed.stored, is_minimal(asked))
}

pub(crate) fn create(api: &Api, asked: &Asked, kind: &str) -> Result<Reply, Fail> {
    let raw = json_body(asked)?;
    let changed = api.store.write_or(|writer| {
        let change = Change { api, writer };
        change.create(kind, raw, None, &asked.if_none_exist, &as_written)
    })?;
    Ok(reply(asked, kind, &changed))
}

pub(crate) fn update(api: &Api, asked: &Asked, kind: &str, id: &str) -> Result<Reply, Fail> {
    let raw = json_body(asked)?;
    let when = When { if_match: &asked.if_match, if_none_match: &asked.if_none_match };
    let changed = api.store.write_or(|writer| Change { api, writer }.update(kind, id, raw, when, &as_written))?;
    Ok(reply(asked, kind, &changed))
}

pub(crate) fn update_where(api: &Api, asked: &Asked, kind: &str) -> Result<Reply, Fail> {
    let raw = json_body(asked)?;
    let changed =
        api.store.write_or(|writer| Change { api, writer }.update_where(kind, &asked.query, raw, &as_written))?;
    Ok(reply(asked, kind, &changed))
}

pub(crate) fn patch(api: &Api, asked: &Asked, kind: &str, id: &str) -> Result<Reply, Fail> {
    if !asked.content_type.starts_with("application/json-patch+json") {
        return Err(media_type("application/json-patch+json"));
    }
    let changed = api.store.write_or(|writer| {
        let current = writer.stored(kind, id)?.ok_or_else(Fail::not_found)?;
        if current.raw.is_empty() {
            return Err(gone());
        }
        let raw = patch::apply(&current.raw, &asked.body)?;
        let when = When { if_match: &asked.if_match, if_none_match: "" };
        Change { api, writer }.update(kind, id, &raw, when, &as_written)
    })?;
    Ok(reply(asked, kind, &changed))
}

pub(crate) fn delete(api: &Api, asked: &Asked, kind: &str, id: &str) -> Result<Reply, Fail> {
    let when = When { if_match: &asked.if_match, if_none_match: "" };
    api.store.write_or(|writer| Change { api, writer }.delete(kind, id, when))
}

pub(crate) fn delete_where(api: &Api, asked: &Asked, kind: &str) -> Result<Reply, Fail> {
    api.store.write_or(|writer| Change { api, writer }.delete_where(kind, &asked.query))
}

/// Work inside one transaction.
pub(crate) struct Change<'c, 'w> {
    pub(crate) api: &'c Api,
    pub(crate) writer: &'c mut Writer<'w>,
}

impl Change<'_, '_> {
    fn source(&self) -> Source {
        Source { file: FEED.to_owned(), received: (self.api.settings.now)(), origin: None }
    }

    fn now(&self) -> i64 {
        (self.api.settings.now)().as_millisecond()
    }

    /// The one resource that `query` names; `None`: none.
    pub(crate) fn named(&self, kind: &str, query: &str) -> Result<Option<String>, Fail> {
        let find = |search: &Search| self.writer.find(search).map_err(Fail::from);
        let mut found = ask::named(kind, query, self.now(), &find)?;
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.pop().map(|found| found.id)),
            _ => Err(Fail::new(
                StatusCode::PRECONDITION_FAILED,
                "multiple-matches",
                "HAECHI-0714",
                "several resources answer the condition; nothing was changed",
            )),
        }
    }

    /// `given`: the id to give, else a new one.
    pub(crate) fn create(
        mut self,
        kind: &str,
        raw: &[u8],
        given: Option<&str>,
        if_none_exist: &str,
        meaning: Meaning<'_>,
    ) -> Result<Changed, Fail> {
        check_type(kind, raw)?;
        if !if_none_exist.is_empty() {
            let query = if_none_exist.trim_start_matches('?');
            if let Some(id) = self.named(kind, query)? {
                return self.standing(StatusCode::OK, kind, id);
            }
        }
        let id = given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        let raw = with_id(raw, &id)?;
        self.put(kind, &id, raw, meaning)
    }

    pub(crate) fn update(
        mut self,
        kind: &str,
        id: &str,
        raw: &[u8],
        when: When<'_>,
        meaning: Meaning<'_>,
    ) -> Result<Changed, Fail> {
        let own = check_type(kind, raw)?;
        if own.as_deref() != Some(id) {
            let what = if own.is_some() {
                "the id of the resource is not that of the address"
            } else {
                "the resource has no id"
            };
            return Err(Fail::invalid(what).at(format!("{kind}.id")));
        }
        self.check(kind, id, when)?;
        self.put(kind, id, raw.to_vec(), meaning)
    }

    pub(crate) fn update_where(
        self,
        kind: &str,
        query: &str,
        raw: &[u8],
        meaning: Meaning<'_>,
    ) -> Result<Changed, Fail> {
        let own = check_type(kind, raw)?;
        match (self.named(kind, query)?, own) {
            (Some(id), Some(own)) if id != own => {
                Err(Fail::invalid("the id of the resource is not that of the one found").at(format!("{kind}.id")))
            }
            (Some(id), own) => {
                let mut change = self;
                let raw = if own.is_some() { raw.to_vec() } else { with_id(raw, &id)? };
                change.put(kind, &id, raw, meaning)
            }
            (None, Some(own)) => self.update(kind, &own, raw, When { if_match: "", if_none_match: "*" }, meaning),
            (None, None) => self.create(kind, raw, None, "", meaning),
        }
    }

    pub(crate) fn delete(self, kind: &str, id: &str, when: When<'_>) -> Result<Reply, Fail> {
        self.check(kind, id, when)?;
        let received = (self.api.settings.now)();
        let known = self.writer.stored(kind, id)?;
        let version = self.writer.delete(kind, id, received)?.or(known.map(|stored| stored.version));
        let headers = version.map(|version| ("etag", etag(version))).into_iter().collect();
        // Deleting what is not there succeeds too: it is not there.
        Ok(Reply { headers, ..Reply::json(StatusCode::NO_CONTENT, Vec::new()) })
    }

    pub(crate) fn delete_where(self, kind: &str, query: &str) -> Result<Reply, Fail> {
        match self.named(kind, query)? {
            Some(id) => self.delete(kind, &id, When::default()),
            None => Ok(Reply::json(StatusCode::NO_CONTENT, Vec::new())),
        }
    }

    /// `If-Match` and `If-None-Match: *`.
    fn check(&self, kind: &str, id: &str, when: When<'_>) -> Result<(), Fail> {
        if when.if_match.is_empty() && when.if_none_match.is_empty() {
            return Ok(());
        }
        let current = self.writer.stored(kind, id)?.filter(|stored| !stored.raw.is_empty());
        let tags = |header: &str, version: u64| {
            header
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag == etag(version) || tag == format!("\"{version}\""))
        };
        let matches = |header: &str| current.as_ref().is_some_and(|stored| tags(header, stored.version));
        let text = if !when.if_match.is_empty() && !matches(when.if_match) {
            "the resource is not at the version that If-Match names; read it again"
        } else if !when.if_none_match.is_empty() && matches(when.if_none_match) {
            "the resource is there already"
        } else {
            return Ok(());
        };
        Err(Fail::new(StatusCode::PRECONDITION_FAILED, "conflict", "HAECHI-0714", text))
    }

    fn put(&mut self, kind: &str, id: &str, raw: Vec<u8>, meaning: Meaning<'_>) -> Result<Changed, Fail> {
        let prepared: Prepared = prepare(raw, Some(id), &|written| meaning(written), &self.source())?;
        let before = self.writer.stored(kind, id)?.filter(|stored| !stored.raw.is_empty());
        let (put, _) = self.writer.replace(&prepared)?;
        let created = before.is_none() && put != Put::Unchanged;
        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
        self.standing(status, kind, id.to_owned())
    }

    fn standing(&self, status: StatusCode, kind: &str, id: String) -> Result<Changed, Fail> {
        let stored = self.writer.stored(kind, &id)?.ok_or_else(Fail::not_found)?;
        Ok(Changed { status, id, stored })
    }
}

/// Reads type and id; the type must be that of the address.
fn check_type(kind: &str, raw: &[u8]) -> Result<Option<String>, Fail> {
    if matches!(kind, "OperationOutcome" | "Parameters" | "CapabilityStatement") {
        return Err(Fail::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "not-supported",
            "HAECHI-0707",
            "resources of this type are not kept",
        ));
    }
    let head: Head<'_> = serde_json::from_slice(raw).map_err(|error| {
        let place = format!("the body is no JSON object (line {}, column {})", error.line(), error.column());
        Fail::new(StatusCode::BAD_REQUEST, "structure", "HAECHI-0705", place)
    })?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    if head.resource_type.and_then(text).as_deref() != Some(kind) {
        return Err(Fail::invalid("the resourceType is not the type of the address").at("resourceType"));
    }
    match head.id.map(text) {
        None => Ok(None),
        Some(Some(id)) if is_plain(&id) => Ok(Some(id)),
        Some(_) => {
            Err(Fail::invalid("the id breaks FHIR's rule (1 to 64 letters, digits, '-' and '.')")
                .at(format!("{kind}.id")))
        }
    }
}

/// The bytes with this id: in place of the one there, or in front of the other members.
fn with_id(raw: &[u8], id: &str) -> Result<Vec<u8>, Fail> {
    let head: Head<'_> = serde_json::from_slice(raw).map_err(|_| Fail::invalid("the body is no JSON object"))?;
    let (from, to, text) = match head.id {
        Some(own) => {
            let from = (own.get().as_ptr() as usize).saturating_sub(raw.as_ptr() as usize);
            (from, from + own.get().len(), format!("\"{id}\""))
        }
        None => {
            let from = raw.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
            (from, from, format!("\"id\":\"{id}\","))
        }
    };
    let (before, after) = (raw.get(..from).unwrap_or_default(), raw.get(to..).unwrap_or_default());
    Ok([before, text.as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_put_in_and_nothing_else_moves() {
        for (raw, expected) in [
            (r#"{ "resourceType":"Basic" , "x":1.50}"#, r#"{"id":"n", "resourceType":"Basic" , "x":1.50}"#),
            (
                r#"{"resourceType":"Basic","id" : "old","y":{"id":"in"}}"#,
                r#"{"resourceType":"Basic","id" : "n","y":{"id":"in"}}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(with_id(raw.as_bytes(), "n").unwrap()).unwrap(), expected);
        }
    }
}
