//! What both services share: the envelope around a message, and what a role's replies must be able to say.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The messages of one role.
pub trait Protocol: Send + Sync + 'static {
    /// The role's name in the greeting.
    const ROLE: &'static str;
    /// What one may ask.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What it answers; several replies may follow one request.
    type Reply: Reply + Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Replies of any service can say these two things, so that the link itself can say them too.
pub trait Reply: Sized {
    /// All hands are full; the same request may succeed later. An ordinary answer, not a fault.
    fn overloaded() -> Self;
    /// It did not work: a code (`HAECHI-NNNN`) and a sentence for a person.
    fn failed(code: &str, message: String) -> Self;
}

/// From the caller. The body stays unread until its exchange is known, so that a body we cannot read is answered there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Up<'a> {
    /// Opens exchange `id`.
    Request {
        id: u64,
        #[serde(borrow)]
        body: &'a RawValue,
    },
    /// A further message in exchange `id`.
    More {
        id: u64,
        #[serde(borrow)]
        body: &'a RawValue,
    },
    /// The caller has said everything in exchange `id` and waits for replies.
    Said { id: u64 },
    /// The caller no longer wants exchange `id`.
    Cancel { id: u64 },
}

/// From the role.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Down<'a> {
    /// One reply in exchange `id`.
    Reply {
        id: u64,
        #[serde(borrow)]
        body: &'a RawValue,
    },
    /// Exchange `id` is over.
    End { id: u64 },
}

/// What serde found wrong, without its words: they may quote the content.
pub(crate) fn where_json_broke(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "of an unknown shape",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{what} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_read_only_after_the_envelope() {
        let up: Up<'_> = serde_json::from_str(r#"{"request":{"id":3,"body":{"no such":["thing"]}}}"#).unwrap();
        let Up::Request { id: 3, body } = up else { panic!("{up:?}") };
        assert_eq!(body.get(), r#"{"no such":["thing"]}"#);
    }

    #[test]
    fn an_error_never_quotes_the_content() {
        #[derive(Debug, Deserialize)]
        enum Only {
            This,
        }
        let error = serde_json::from_str::<Only>(r#""Kim Minsu""#).unwrap_err();
        assert!(error.to_string().contains("Kim"), "serde does: {error}");
        assert!(!where_json_broke(&error).contains("Kim"));
        assert!(matches!(serde_json::from_str(r#""This""#), Ok(Only::This)));
    }
}
