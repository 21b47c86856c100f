//! Which address and method mean what.

use haechi_intake::fhir::{types, xml};
use haechi_record::store::Version;
use hyper::{Method, StatusCode};
use jiff::Timestamp;

use crate::http::Api;
use crate::outcome::Fail;
use crate::{ask, bundle, change, exchange, import, matching, metadata};

/// Where the API lies.
pub(crate) const BASE: &str = "/fhir";

/// A request, its body read.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Method; HEAD counts as GET.
    pub method: Method,
    /// Path as sent.
    pub path: String,
    /// Query as sent, without `?`.
    pub query: String,
    /// Header `Content-Type`.
    pub content_type: String,
    /// Header `If-Match`.
    pub if_match: String,
    /// Header `If-None-Match`.
    pub if_none_match: String,
    /// Header `If-None-Exist`.
    pub if_none_exist: String,
    /// Header `Prefer`.
    pub prefer: String,
    /// Address of the API as the caller sees it, without a slash at the end.
    pub base: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The request with its body in JSON, where it came in XML.
    ///
    /// # Errors
    /// What is wrong with the XML, and on which line.
    fn as_json(&self) -> Result<Option<Self>, Fail> {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        if !matches!(kind, "application/fhir+xml" | "application/xml" | "text/xml") || self.body.is_empty() {
            return Ok(None);
        }
        let body = xml::to_json(&self.body).map_err(|refused| {
            let text = format!("the XML body, line {}: {}", refused.line, refused.reason);
            let fail = Fail::new(StatusCode::BAD_REQUEST, "structure", "HAECHI-0705", text);
            match refused.field {
                Some(field) => fail.at(field),
                None => fail,
            }
        })?;
        Ok(Some(Self { content_type: "application/fhir+json".to_owned(), body, ..self.clone() }))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// Media type of the body.
    pub media_type: &'static str,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

/// What FHIR answers are.
const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

impl Reply {
    pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), media_type: FHIR_JSON, body }
    }

    /// With version and time of what is stored.
    pub(crate) fn of_version(status: StatusCode, stored: &Version, body: Vec<u8>) -> Self {
        let headers = vec![("etag", etag(stored.version)), ("last-modified", http_date(stored.received))];
        Self { headers, ..Self::json(status, body) }
    }
}

pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What needs no token: whether the server is up, and what it can do.
pub(crate) fn is_open(asked: &Asked) -> bool {
    asked.method == Method::GET && matches!(asked.path.as_str(), "/health" | "/fhir/metadata")
}

pub(crate) fn answer(api: &Api, asked: &Asked) -> Result<Reply, Fail> {
    let in_json = asked.as_json()?;
    let asked = in_json.as_ref().unwrap_or(asked);
    if asked.path == "/health" {
        return only(asked, Method::GET).map(|()| Reply::json(StatusCode::OK, br#"{"status":"ok"}"#.to_vec()));
    }
    let path = asked.path.strip_prefix(BASE).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = path.ok_or_else(Fail::not_found)?;
    // Types, ids and operations hold no character that needs an escape: a path with one names nothing.
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let Some(name) = segments.first()
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && !types::is_known(name)
    {
        return Err(Fail::new(
            StatusCode::NOT_FOUND,
            "not-supported",
            "HAECHI-0706",
            "this is no resource type of FHIR R4",
        ));
    }
    let (get, post) = (Method::GET, Method::POST);
    match (segments.as_slice(), &asked.method) {
        (["metadata"], _) => only(asked, get).map(|()| Reply::json(StatusCode::OK, metadata::statement(api, asked))),
        ([], &Method::POST) => exchange::bundle(api, asked),
        ([], _) => Err(Fail::method()),
        (["$import"], &Method::POST) => import::begin(api, asked),
        (["$import"], _) => Err(Fail::method()),
        (["$import", id], _) => import::status(api, asked, id, false),
        (["$import", id, "errors"], _) => import::status(api, asked, id, true),
        ([kind], &Method::GET) => ask::search(api, asked, kind, None, &asked.query),
        ([kind], &Method::POST) => change::create(api, asked, kind),
        ([kind], &Method::PUT) => change::update_where(api, asked, kind),
        ([kind], &Method::DELETE) => change::delete_where(api, asked, kind),
        ([kind, "_search"], method) if *method == post => search_by_post(api, asked, kind, None),
        (["Patient", "$match"], &Method::POST) => matching::matches(api, asked),
        (["Patient", "$match"], _) => Err(Fail::method()),
        (["Patient", id, "$everything"], &Method::GET | &Method::POST) => bundle::everything(api, asked, id),
        ([kind, id], method) if is_plain(id) => match *method {
            Method::GET => read(api, asked, kind, id),
            Method::PUT => change::update(api, asked, kind, id),
            Method::PATCH => change::patch(api, asked, kind, id),
            Method::DELETE => change::delete(api, asked, kind, id),
            _ => Err(Fail::method()),
        },
        ([kind, id, "_history"], &Method::GET) if is_plain(id) => bundle::history(api, asked, kind, id),
        ([kind, id, "_history", version], &Method::GET) if is_plain(id) => vread(api, kind, id, version),
        (["Patient", id, kind], &Method::GET) if is_plain(id) && types::is_known(kind) => {
            ask::search(api, asked, kind, Some(id), &asked.query)
        }
        (["Patient", id, kind, "_search"], &Method::POST) if is_plain(id) && types::is_known(kind) => {
            search_by_post(api, asked, kind, Some(id))
        }
        ([_, "_search"] | [_, _, "_history"] | [_, _, "_history", _] | ["Patient", _, _], _) => Err(Fail::method()),
        _ => Err(Fail::not_found()),
    }
}

fn only(asked: &Asked, method: Method) -> Result<(), Fail> {
    if asked.method == method { Ok(()) } else { Err(Fail::method()) }
}

/// FHIR's `id`.
pub(crate) fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn search_by_post(api: &Api, asked: &Asked, kind: &str, patient: Option<&str>) -> Result<Reply, Fail> {
    let form = asked.content_type.starts_with("application/x-www-form-urlencoded") || asked.body.is_empty();
    if !form {
        return Err(media_type("application/x-www-form-urlencoded"));
    }
    let body = std::str::from_utf8(&asked.body).map_err(|_| Fail::invalid("the form is not UTF-8 text"))?;
    let query =
        [asked.query.as_str(), body].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("&");
    ask::search(api, asked, kind, patient, &query)
}

pub(crate) fn media_type(wanted: &str) -> Fail {
    Fail::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", "HAECHI-0709", format!("the body must be {wanted}"))
}

pub(crate) fn gone() -> Fail {
    Fail::new(StatusCode::GONE, "deleted", "HAECHI-0713", "the resource was deleted; its versions can still be read")
}

fn read(api: &Api, asked: &Asked, kind: &str, id: &str) -> Result<Reply, Fail> {
    let stored = api.store.stored(kind, id)?.ok_or_else(Fail::not_found)?;
    if stored.raw.is_empty() {
        return Err(gone());
    }
    if asked.if_none_match.split(',').any(|tag| tag.trim() == etag(stored.version)) {
        return Ok(Reply::of_version(StatusCode::NOT_MODIFIED, &stored, Vec::new()));
    }
    let body = stored.raw.clone();
    Ok(Reply::of_version(StatusCode::OK, &stored, body))
}

fn vread(api: &Api, kind: &str, id: &str, version: &str) -> Result<Reply, Fail> {
    let wanted: u64 = version.parse().map_err(|_| Fail::not_found())?;
    let versions = api.store.versions(kind, id)?;
    let (version, received, raw) = versions.into_iter().find(|(own, ..)| *own == wanted).ok_or_else(Fail::not_found)?;
    if raw.is_empty() {
        return Err(gone());
    }
    let stored = Version { version, received, raw };
    let body = stored.raw.clone();
    Ok(Reply::of_version(StatusCode::OK, &stored, body))
}
