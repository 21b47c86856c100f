//! All end-to-end tests in one binary, for the linker's sake; a file a promise.
#![allow(missing_docs)]

mod command_line;
mod kill;
mod roles;
mod third_party;
mod two_roads;
