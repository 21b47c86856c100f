//! `haechi bench soak`: thousands of short requests of every kind at once, and what memory the process holds meanwhile.
//!
//! Requests share beginnings, ask for forms, are cut by stop texts and deadlines, and are broken off by their callers. The
//! cache is small, so that it is full early and what grows afterwards is a leak. The same question is asked again and again
//! between the others, and has to get the same answer.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::notes::{Language, note, thing};
use super::resident_bytes;
use crate::cpu::Limits;
use crate::engine::{Done, Engine, EngineError, Finish, Request, Settings, Turn};
use crate::grammar::Grammar;
use crate::sampling::Sampling;

/// Callers at once.
const CALLERS: usize = 8;
/// Of all sequences together, in tokens.
const CACHE_TOKENS: u32 = 4096;
const CONTEXT: u32 = 1024;
/// The first part of the requests fills caches and lists; what is held after it is what must not grow.
const SETTLED: usize = 10;
/// Every so many requests the same question is asked.
const CONTROL: usize = 50;
/// What may be held more at the end, beyond a hundredth: allocators keep what fell free in pieces.
const SLACK_BYTES: u64 = 8 << 20;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Requests.
    pub requests: usize,
    /// Of them, answered to their end.
    pub completed: usize,
    /// Broken off by the caller.
    pub cancelled: usize,
    /// Ended by their deadline.
    pub deadlines: usize,
    /// That had a form.
    pub formed: usize,
    /// Refused or failed.
    pub failed: usize,
    /// Tokens of prompts that were found in the cache, of all.
    pub cached_tokens: u64,
    /// Tokens of all prompts.
    pub prompt_tokens: u64,
    /// How long all took.
    pub seconds: f64,
    /// Resident memory after a tenth of the requests, in bytes.
    pub settled_bytes: u64,
    /// Resident memory after all.
    pub final_bytes: u64,
    /// The same question got the same answer each time.
    pub same_text: bool,
}

impl Figures {
    /// True if memory did not grow, nothing failed and answers stayed the same.
    #[must_use]
    pub fn sound(&self) -> bool {
        let most = self.settled_bytes + self.settled_bytes / 100 + SLACK_BYTES;
        self.same_text && self.failed == 0 && self.final_bytes <= most
    }
}

/// Sends `requests` to a model file.
///
/// # Errors
/// What [`Engine::start`] says; [`EngineError::Request`] if there are fewer than 100.
pub fn run(path: &Path, requests: usize, threads: usize) -> Result<Figures, EngineError> {
    let limits = Limits { context: CONTEXT, cache_tokens: CACHE_TOKENS, threads, ..Limits::default() };
    run_on(&Engine::start_with(path, Settings { limits, ..Settings::default() })?, requests)
}

fn run_on(engine: &Engine, requests: usize) -> Result<Figures, EngineError> {
    if requests < 100 {
        return Err(EngineError::Request("at least 100 requests tell something".to_owned()));
    }
    let started = Instant::now();
    let control = || engine.generate(plain(7), &mut |_| ControlFlow::Continue(())).map(|done| done.text);
    let expected = control()?;
    let (next, same) = (AtomicUsize::new(0), AtomicBool::new(true));
    let settled = AtomicUsize::new(0);
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let caller = || {
            let mut counts = Counts::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return counts;
                }
                if number == requests / SETTLED {
                    settled.store(usize::try_from(resident_bytes()).unwrap_or(0), Ordering::Relaxed);
                }
                if number % CONTROL == 0 && control().ok().as_ref() != Some(&expected) {
                    same.store(false, Ordering::Relaxed);
                }
                counts.hear(number, one(engine, number));
            }
        };
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let sum = |part: fn(&Counts) -> u64| counts.iter().map(part).sum::<u64>();
    let count = |part: fn(&Counts) -> u64| usize::try_from(sum(part)).unwrap_or(usize::MAX);
    Ok(Figures {
        requests,
        completed: count(|counts| counts.completed),
        cancelled: count(|counts| counts.cancelled),
        deadlines: count(|counts| counts.deadlines),
        formed: count(|counts| counts.formed),
        // A caller that panicked lost its counts.
        failed: count(|counts| counts.failed) + (requests - count(|counts| counts.all)),
        cached_tokens: sum(|counts| counts.cached),
        prompt_tokens: sum(|counts| counts.prompt),
        seconds: started.elapsed().as_secs_f64(),
        settled_bytes: settled.into_inner() as u64,
        final_bytes: resident_bytes(),
        same_text: same.into_inner(),
    })
}

#[derive(Default)]
struct Counts {
    all: u64,
    completed: u64,
    cancelled: u64,
    deadlines: u64,
    formed: u64,
    failed: u64,
    cached: u64,
    prompt: u64,
}

impl Counts {
    fn hear(&mut self, number: usize, done: Result<Done, EngineError>) {
        self.all += 1;
        self.formed += u64::from(form(number).is_some());
        match done {
            Ok(done) => {
                self.cached += u64::from(done.cached_tokens);
                self.prompt += u64::from(done.prompt_tokens);
                *match done.finish {
                    Finish::Cancelled => &mut self.cancelled,
                    Finish::Deadline => &mut self.deadlines,
                    _ => &mut self.completed,
                } += 1;
            }
            Err(_) => self.failed += 1,
        }
    }
}

/// A request after one of a few beginnings, with an end of its own.
fn plain(number: usize) -> Request {
    let beginning = note(Language::English, (number % 5) as u64, 2);
    let question = format!("{number}: what about the {}?", thing(Language::English, number as u64));
    let turns = vec![Turn::new("system", &beginning), Turn::new("user", &question)];
    Request { turns, max_tokens: 3 + number % 6, ..Request::default() }
}

fn form(number: usize) -> Option<Grammar> {
    match number % 8 {
        1 => Some(Grammar::JsonSchema(serde_json::json!({
            "type": "object",
            "properties": {"value": {"type": "number"}, "unit": {"enum": ["mg", "mL"]}},
            "required": ["value", "unit"],
        }))),
        3 => Some(Grammar::Regex(r"(yes|no), [a-z ]{3,40}\.".to_owned())),
        5 => Some(Grammar::Citing((1..=12).map(|mark| format!("[{mark}]")).collect())),
        _ => None,
    }
}

fn one(engine: &Engine, number: usize) -> Result<Done, EngineError> {
    let mut request = Request { grammar: form(number), ..plain(number) };
    if number % 4 == 2 {
        request.sampling = Sampling { temperature: 0.8, seed: number as u64, ..Sampling::default() };
    }
    if number % 9 == 4 {
        request.stop = vec![" the".to_owned()];
    }
    if number % 11 == 6 {
        request.deadline = Some(Instant::now()); // while it waits or is read
    }
    let (mut heard, breaks) = (0, number % 7 == 3);
    let before_the_first = number % 14 == 3;
    engine.generate_until(
        request,
        &mut |_| {
            heard += 1;
            if breaks && heard > 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
        &|| before_the_first,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn requests_of_every_kind_come_to_an_end() {
        let settings = Settings::default();
        let engine = Fake::lettering(64).with_context(CONTEXT).with_pages(16, 256).engine(settings).unwrap();
        let figures = run_on(&engine, 600).unwrap();
        assert!(figures.same_text && figures.failed == 0, "{figures:?}");
        assert_eq!(figures.completed + figures.cancelled + figures.deadlines, 600);
        assert!(figures.cancelled > 20 && figures.deadlines > 20 && figures.formed == 225, "{figures:?}");
        assert!(figures.cached_tokens * 3 > figures.prompt_tokens, "{figures:?}");
        assert!(run_on(&engine, 99).is_err());
    }

    #[test]
    fn growth_and_faults_are_unsound() {
        let good = Figures {
            requests: 1,
            completed: 1,
            cancelled: 0,
            deadlines: 0,
            formed: 0,
            failed: 0,
            cached_tokens: 0,
            prompt_tokens: 0,
            seconds: 1.0,
            settled_bytes: 100 << 20,
            final_bytes: 105 << 20,
            same_text: true,
        };
        assert!(good.sound());
        assert!(!Figures { final_bytes: 110 << 20, ..good.clone() }.sound());
        assert!(!Figures { failed: 1, ..good.clone() }.sound());
        assert!(!Figures { same_text: false, ..good }.sound());
    }
}
