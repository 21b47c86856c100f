//! Chat.
mod template;
pub use template::*;
