//! Chats: turns become one prompt ([`template`]), and what the model says becomes text, thoughts and calls of tools
//! ([`reply`], which leaves the calls to [`calls`]).
//!
//! Both ends are untrusted: a template comes with a model file, and a model says anything.

mod calls;
mod reply;
mod template;

pub use calls::{Call, Calls};
pub use reply::{Event, Reply};
pub use template::{ChatError, Options, Prompt, Template, Turn};
