//! The typed messages between Haechi's roles, over Unix sockets.
//!
//! What is in here, in reading order: [`frame`] (bytes of a message), [`hello`] (versions), [`peer`] (who may speak),
//! [`message`] (envelope), [`model`] and [`core`] (what the roles are asked), [`socket`], [`server`] and [`client`] (the
//! plumbing); [`forwarded`] stands apart: the head of a connection that the door hands on.
//! The first three do no I/O of their own and know no role; nothing in this crate knows what a patient is.
//!
//! One connection carries many *exchanges*: a request, possibly further messages and raw bytes, and a stream of replies.
//! Everything that waits has a length: frames, queues, connections, exchanges. What does not fit is answered
//! "overloaded" or makes the sender wait; a peer that stops reading is let go.

pub mod client;
pub mod core;
mod error;
pub mod forwarded;
pub mod frame;
pub mod hello;
pub mod message;
pub mod model;
pub mod peer;
pub mod server;
pub mod socket;
mod wire;

pub use client::{Client, Exchange};
pub use error::LinkError;
pub use forwarded::Forwarded;
pub use message::{Protocol, Reply};
pub use server::{Call, Input, Server, Service};
pub use socket::{Claimed, Socket};
