//! Backends against a plain reference, and the whole way from a file to text. One binary, for the linker's sake.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

mod conformance;
mod files;
mod reference;
mod smollm;
mod tiny;
