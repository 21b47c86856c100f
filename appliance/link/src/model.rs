//! What one asks the model role.

use serde::{Deserialize, Serialize};

use crate::message::{Protocol, Reply};

/// The model role's messages.
#[derive(Debug, Clone, Copy)]
pub struct Model;

impl Protocol for Model {
    const ROLE: &'static str = "model";
    type Request = ModelRequest;
    type Reply = ModelReply;
}

/// To the model role. To stop a generation, cancel or drop its exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelRequest {
    /// Which model is loaded. Answer: [`ModelReply::Info`].
    Info,
    /// Continue a chat. Answers: [`ModelReply::Token`]s, then [`ModelReply::Done`].
    Generate(Generate),
    /// Does the model still work? Cheap while it does. Answer: [`ModelReply::Healthy`] or [`ModelReply::Failed`].
    Health,
}

/// One generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// The chat so far, oldest first.
    pub messages: Vec<Message>,
    /// At most so many tokens are generated.
    pub max_tokens: u32,
    /// 0 always takes the likeliest token.
    #[serde(default)]
    pub temperature: f32,
    /// Randomness, given from outside: the same seed gives the same text.
    #[serde(default)]
    pub seed: u64,
    /// Generation ends before any of these texts.
    #[serde(default)]
    pub stop: Vec<String>,
}

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// From the model role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelReply {
    /// Which model is loaded.
    Info(ModelInfo),
    /// The next piece of text: whole characters.
    Token {
        /// What it adds.
        text: String,
    },
    /// The generation is over.
    Done {
        /// All text.
        text: String,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens generated.
        generated_tokens: u32,
        /// Why it ended.
        reason: Reason,
        /// Where the time went.
        timings: Timings,
    },
    /// The model works.
    Healthy,
    /// It did not work.
    Failed {
        /// `HAECHI-NNNN`.
        code: String,
        /// A sentence for a person.
        message: String,
    },
    /// All places are taken; try later.
    Overloaded,
}

/// The loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// From the file's metadata.
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// `native-cpu` ...
    pub driver: String,
    /// Tokens that prompt and answer may have together.
    pub context: u32,
    /// Number of token ids.
    pub vocabulary: u32,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model said that it is done.
    EndOfText,
    /// One of the stop texts came.
    Stop,
    /// `max_tokens` are reached.
    Length,
    /// The asker cancelled or went away.
    Cancelled,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Waiting for a place.
    pub queue: u64,
    /// From start of work to the first token.
    pub first_token: u64,
    /// From start of work to the end.
    pub total: u64,
}

impl Reply for ModelReply {
    fn overloaded() -> Self {
        Self::Overloaded
    }
    fn failed(code: &str, message: String) -> Self {
        Self::Failed { code: code.to_owned(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_fixed() {
        let request = ModelRequest::Generate(Generate {
            messages: vec![Message { role: "user".to_owned(), content: "안녕".to_owned() }],
            max_tokens: 8,
            temperature: 0.0,
            seed: 1,
            stop: vec![],
        });
        let text = r#"{"generate":{"messages":[{"role":"user","content":"안녕"}],"max_tokens":8,"temperature":0.0,"seed":1,"stop":[]}}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::from_str::<ModelRequest>(text).unwrap(), request);
        assert_eq!(serde_json::to_string(&ModelRequest::Info).unwrap(), r#""info""#);
        assert_eq!(serde_json::to_string(&ModelReply::Overloaded).unwrap(), r#""overloaded""#);
    }
}
