//! Why there is no answer. No text of a request is quoted.

use std::path::PathBuf;

use thiserror::Error;

use crate::BackendError;
use crate::chat::ChatError;
use crate::gguf::GgufError;
use crate::grammar::GrammarError;
use crate::kv::store::StoreError;
use crate::tokenizer::TokenizerError;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The model file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The vocabulary, or a text that cannot be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template, or turns that do not fit it.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The model that guesses is of another vocabulary.
    #[error(
        "HAECHI-0522: the model that guesses, {}, has another vocabulary than the one that answers; name a smaller one of \
         the same family, or none", path.display()
    )]
    Draft {
        /// Its file.
        path: PathBuf,
    },
    /// The prompt leaves no room for an answer, now or ever.
    #[error("HAECHI-0508: the prompt has {prompt} tokens, the model reads {context}; ask about less")]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that fit: the model's context, or all of the cache where that is less.
        context: u32,
    },
    /// The backend broke; it is asked again once [`Engine::health`](super::Engine::health) finds it well.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The queue is full.
    #[error("HAECHI-0511: the model is busy with as many requests as it takes; ask again in a moment")]
    Overloaded,
    /// The request makes no sense.
    #[error("HAECHI-0512: the request is refused: {0}")]
    Request(String),
    /// A prefix that could not be saved or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A form of the answer that cannot be followed, or not any further.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// The engine's thread is gone.
    #[error("HAECHI-0513: the model's thread ended; restart the model role")]
    Gone,
}

impl EngineError {
    /// `HAECHI-NNNN`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Tokenizer(TokenizerError::Vocabulary(_)) => "HAECHI-0504",
            Self::Tokenizer(TokenizerError::Text(_)) => "HAECHI-0505",
            Self::Chat(ChatError::Template(_)) => "HAECHI-0506",
            Self::Chat(ChatError::Turns(_)) => "HAECHI-0507",
            Self::Draft { .. } => "HAECHI-0522",
            Self::TooLong { .. } => "HAECHI-0508",
            Self::Backend(BackendError::Refused(_)) => "HAECHI-0509",
            Self::Backend(BackendError::Failed(_)) => "HAECHI-0510",
            Self::Overloaded => "HAECHI-0511",
            Self::Request(_) => "HAECHI-0512",
            Self::Store(error) => error.code(),
            Self::Grammar(error) => error.code(),
            Self::Gone => "HAECHI-0513",
        }
    }
}
