//! Every refusal: an HTTP status and an OperationOutcome. Never the content of a resource.

use std::fmt::Write as _;

use haechi_record::RecordError;
use haechi_record::index::query::ConditionError;
use haechi_record::prepare::PrepareError;
use hyper::StatusCode;

use crate::route::Reply;

/// A request that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fail {
    /// HTTP status.
    pub status: StatusCode,
    /// FHIR issue type (`invalid`, `not-found`, `login` …).
    pub issue: &'static str,
    /// `HAECHI-NNNN`.
    pub code: &'static str,
    /// What is wrong, for a person.
    pub text: String,
    /// Element or parameter, where one is to blame.
    pub expression: Option<String>,
}

impl Fail {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, issue: &'static str, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, issue, code, text: text.into(), expression: None }
    }

    /// Names the element or parameter.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    /// The request makes no sense.
    #[must_use]
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "HAECHI-0704", text)
    }

    /// Nothing is there.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "HAECHI-0706", "there is no such resource or address")
    }

    /// The address is good and the method is not.
    #[must_use]
    pub fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "not-supported",
            "HAECHI-0707",
            "the address does not take this method",
        )
    }

    /// The program failed, not the caller.
    #[must_use]
    pub fn fault() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "exception",
            "HAECHI-0711",
            "the request hit a fault in the program; others go on",
        )
    }

    /// The answer to the caller.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let mut reply = Reply::json(
            self.status,
            outcome("error", self.issue, &format!("{}: {}", self.code, self.text), self.expression.as_deref()),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            reply.headers.push(("www-authenticate", "Bearer realm=\"fhir\"".to_owned()));
        }
        reply
    }
}

/// An OperationOutcome with one issue.
pub(crate) fn outcome(severity: &str, issue: &str, text: &str, expression: Option<&str>) -> Vec<u8> {
    let mut out = format!(
        r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"{severity}","code":"{issue}","diagnostics":{}"#,
        quoted(text)
    );
    if let Some(expression) = expression {
        // Writing to a String cannot fail.
        let _ = write!(out, r#","expression":[{}]"#, quoted(expression));
    }
    out.push_str("}]}");
    out.into_bytes()
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl From<RecordError> for Fail {
    fn from(error: RecordError) -> Self {
        log::error!("HAECHI-0712: the record did not do what a request asked: {error}");
        let (status, issue) = match error {
            RecordError::DiskFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, "no-store"),
            RecordError::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "lock-error"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "exception"),
        };
        Self::new(status, issue, "HAECHI-0712", "the record could not do this; nothing was changed, the log says why")
    }
}

impl From<PrepareError> for Fail {
    fn from(error: PrepareError) -> Self {
        let fail = Self::new(StatusCode::BAD_REQUEST, "invalid", "HAECHI-0705", error.reason);
        match error.field {
            Some(field) => fail.at(field),
            None => fail,
        }
    }
}

impl From<ConditionError> for Fail {
    fn from(error: ConditionError) -> Self {
        let issue = match error {
            ConditionError::TooMany { .. } => "too-costly",
            ConditionError::Value { .. } => "invalid",
            _ => "not-supported",
        };
        Self::new(StatusCode::BAD_REQUEST, issue, "HAECHI-0708", error.to_string())
    }
}
