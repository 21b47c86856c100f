//! All end-to-end tests in one binary, for the linker's sake; a file a promise.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here")]

mod backup;
mod bundles;
mod certificates;
mod command_line;
mod feeds;
mod fhir_api;
mod images;
mod kill;
mod roles;
mod terminology;
mod third_party;
mod two_roads;
mod walls;
mod watch;
