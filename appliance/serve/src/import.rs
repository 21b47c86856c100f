//! FHIR Bulk Data `$import`: a manifest is posted, its files are imported as one job, and the caller asks how it stands.
//!
//! The appliance opens no connection of its own: a manifest's files are those that lie in the watched folder, by the last part
//! of their address. The job is the manifest in that folder (`haechi_intake::watch::job`); so it is the same whether it was
//! posted or put there, and it outlives the program.

use std::path::Path;

use haechi_intake::watch::{Job, OrderError, Report, cancel, job, order};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::http::Api;
use crate::outcome::{Fail, outcome};
use crate::route::{Asked, Reply, is_plain};

/// What is posted: an import's manifest, or an export's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    input_format: Option<String>,
    #[serde(alias = "output")]
    input: Vec<Input>,
    /// Of an export's manifest: said to be left out.
    #[serde(default)]
    deleted: Vec<Input>,
    #[serde(default)]
    error: Vec<Input>,
}

#[derive(Deserialize, Serialize)]
struct Input {
    #[serde(rename = "type")]
    kind: Option<String>,
    url: String,
}

/// `POST /$import`.
pub(crate) fn begin(api: &Api, asked: &Asked) -> Result<Reply, Fail> {
    let folder = folder(api)?;
    let manifest: Manifest = serde_json::from_slice(crate::change::json_body(asked)?).map_err(|error| {
        let text = format!(
            "the body is no manifest of an import (line {}, column {}): `input` must list `type` and `url`",
            error.line(),
            error.column()
        );
        Fail::new(StatusCode::BAD_REQUEST, "structure", "HAECHI-0705", text)
    })?;
    if let Some(format) = manifest
        .input_format
        .filter(|format| !matches!(format.as_str(), "application/fhir+ndjson" | "application/ndjson" | "ndjson"))
    {
        let text =
            format!("only application/fhir+ndjson is imported, not {}", format.chars().take(80).collect::<String>());
        return Err(Fail::new(StatusCode::BAD_REQUEST, "not-supported", "HAECHI-0743", text).at("inputFormat"));
    }
    let id = Uuid::new_v4().to_string();
    let as_export = json!({ "output": manifest.input, "deleted": manifest.deleted, "error": manifest.error });
    let as_export = as_export.to_string();
    order(folder, &id, as_export.as_bytes()).map_err(|error| match error {
        OrderError::Manifest(reason) => {
            Fail::new(StatusCode::BAD_REQUEST, "invalid", "HAECHI-0743", reason).at("input.url")
        }
        OrderError::Folder(_) => {
            log::error!("HAECHI-0742: an import was refused: {error}");
            unusable()
        }
    })?;
    let text = "the import waits for its files in the watched folder";
    let mut reply = Reply::json(StatusCode::ACCEPTED, outcome("information", "informational", text, None));
    reply.headers.push(("content-location", format!("{}/$import/{id}", asked.base)));
    Ok(reply)
}

/// `/$import/ID` and `/$import/ID/errors`.
pub(crate) fn status(api: &Api, asked: &Asked, id: &str, errors: bool) -> Result<Reply, Fail> {
    let folder = folder(api)?;
    if !is_plain(id) {
        return Err(Fail::not_found());
    }
    let failed = |error: std::io::Error| {
        log::error!("HAECHI-0742: how an import stands cannot be read: {error}");
        unusable()
    };
    match (&asked.method, errors) {
        (&Method::GET, _) => {}
        (&Method::DELETE, false) if cancel(folder, id).map_err(failed)? => {
            return Ok(Reply::json(StatusCode::ACCEPTED, Vec::new()));
        }
        (&Method::DELETE, false) => {
            job(folder, id).map_err(failed)?.ok_or_else(Fail::not_found)?;
            let text = "the import has begun, or is over: it is not taken back";
            return Err(Fail::new(StatusCode::CONFLICT, "conflict", "HAECHI-0714", text));
        }
        _ => return Err(Fail::method()),
    }
    let progress = match job(folder, id).map_err(failed)?.ok_or_else(Fail::not_found)? {
        Job::Over(report) if errors => {
            let mut reply = Reply::json(StatusCode::OK, lines(&report));
            reply.media_type = "application/fhir+ndjson";
            return Ok(reply);
        }
        Job::Over(report) => return Ok(over(asked, id, &report)),
        _ if errors => return Err(Fail::not_found()),
        Job::Waiting(0) => "its files settle".to_owned(),
        Job::Waiting(missing) => format!("waits for {missing} files that are not in the watched folder"),
        Job::Working => "is imported".to_owned(),
    };
    let mut reply = Reply::json(StatusCode::ACCEPTED, Vec::new());
    reply.headers.extend([("x-progress", progress), ("retry-after", "5".to_owned())]);
    Ok(reply)
}

/// What is said of a job that is over.
fn over(asked: &Asked, id: &str, report: &Report) -> Reply {
    let count = lines(report).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let address = format!("{}/$import/{id}/errors", asked.base);
    let error = json!({ "type": "OperationOutcome", "url": address, "count": count });
    let taken = report.summary.as_ref().map(|summary| (summary.resources, summary.unchanged)).unwrap_or_default();
    let body = json!({
        "transactionTime": report.at.to_string(),
        "request": format!("{}/$import", asked.base),
        "requiresAccessToken": true,
        "output": [],
        "error": if count == 0 { Vec::new() } else { vec![error] },
        "extension": { "resources": taken.0, "unchanged": taken.1, "failed": report.failed },
    });
    let mut reply = Reply::json(StatusCode::OK, body.to_string().into_bytes());
    reply.media_type = "application/json";
    reply
}

/// An OperationOutcome a line for whatever was put aside, and one for a job that failed as a whole.
fn lines(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    let mut say = |text: &str, expression: Option<&str>| {
        out.extend(outcome("error", "processing", text, expression));
        out.push(b'\n');
    };
    if let Some(reason) = &report.reason {
        say(reason, None);
    }
    for one in report.summary.iter().flat_map(|summary| &summary.rejected) {
        let line = one.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let resource = one.resource.as_ref().map(|resource| format!(", {resource}")).unwrap_or_default();
        say(&format!("{}{line}{resource}: {}", one.file, one.reason), one.field.as_deref());
    }
    out
}

fn folder(api: &Api) -> Result<&Path, Fail> {
    api.settings.watched.as_deref().ok_or_else(|| {
        let text = "this site imports no files by manifest: no watched folder is set (import.watch)";
        Fail::new(StatusCode::NOT_FOUND, "not-supported", "HAECHI-0742", text)
    })
}

fn unusable() -> Fail {
    let text = "the watched folder cannot be used now; nothing was changed, ask again later";
    Fail::new(StatusCode::SERVICE_UNAVAILABLE, "transient", "HAECHI-0742", text)
}
