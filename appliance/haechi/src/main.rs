//! `haechi`: one binary, one role per process. Reads the command, runs it, says what failed and what to do.
fn main() {}
