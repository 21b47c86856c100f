//! `haechi`: one binary, one role per process. Reads the command, runs it, says what failed and what to do.
//!
//! Reading order: [`cli`] (what can be asked of the program), [`config`] and [`home`] (what it works on), [`site`] (one
//! site's record, planner and model together), [`roles`] (the long-running processes), [`bench`].

mod bench;
mod cli;
mod config;
mod demo;
mod doctor;
mod error;
mod home;
mod logging;
mod roles;
mod setup;
mod site;

use std::process::ExitCode;

fn main() -> ExitCode {
    logging::init(); // first: every later step may have something to say
    let command = match cli::parse() {
        Ok(command) => command,
        Err(exit) => return exit, // wrong usage (2), or help and version (0): already said
    };
    match cli::run(command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}"); // code, cause, effect, what to do
            ExitCode::FAILURE
        }
    }
}
