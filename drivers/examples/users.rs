//! Answers to several users at once, timed on request: `users MODEL PROMPTS_FILE [--threads N]`.
//!
//! The first line of PROMPTS_FILE is every chat's system turn, each other one a question. Each line on standard input,
//! `USERS EACH MAX_TOKENS FROM`, is one sample: so many users ask so many questions one after another, greedily, taken from
//! question FROM on. It is answered by one line of JSON: the seconds of the whole, and of each request the seconds to its
//! first text and to its end, and its tokens. `tests/performance/serve_race.py` asks a server the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for developers: it may stop anywhere"
)]
#![allow(clippy::print_stdout, reason = "it speaks to a terminal")]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use haechi_drivers::engine::{Engine, Request, Turn};

fn main() {
    let (mut threads, mut files) = (0, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().and_then(|n| n.parse().ok()).expect("--threads takes a number"),
            _ => files.push(argument),
        }
    }
    let [model, prompts] = files.as_slice() else { panic!("usage: users MODEL PROMPTS_FILE [--threads N]") };
    let prompts = std::fs::read_to_string(prompts).unwrap();
    let (system, questions) = prompts.split_once('\n').expect("a system turn and questions");
    let questions: Vec<&str> = questions.lines().collect();
    let engine = Engine::start(Path::new(model), threads).unwrap();
    println!(r#"{{"driver": "{}"}}"#, engine.info().driver);
    for line in std::io::stdin().lines() {
        let numbers: Vec<usize> = line.unwrap().split_whitespace().map(|n| n.parse().unwrap()).collect();
        let &[users, each, max_tokens, from] = numbers.as_slice() else { panic!("USERS EACH MAX_TOKENS FROM") };
        let started = Instant::now();
        let question = |user: usize, i: usize| questions[(from + i * users + user) % questions.len()];
        let ask = |user: usize| {
            let answers = (0..each).map(|i| answer(&engine, system, question(user, i), max_tokens));
            answers.collect::<Vec<_>>()
        };
        let ask = &ask;
        let records: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..users).map(|user| scope.spawn(move || ask(user))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        println!(r#"{{"wall_s": {:.4}, "requests": [{}]}}"#, started.elapsed().as_secs_f64(), records.join(", "));
    }
}

fn answer(engine: &Engine, system: &str, question: &str, max_tokens: usize) -> String {
    let turns = vec![Turn::new("system", system), Turn::new("user", question)];
    let (started, mut first) = (Instant::now(), None);
    let done = engine.generate(Request { turns, max_tokens, ..Request::default() }, &mut |_| {
        first.get_or_insert_with(|| started.elapsed().as_secs_f64());
        ControlFlow::Continue(())
    });
    let (done, total) = (done.unwrap(), started.elapsed().as_secs_f64());
    format!("[{:.4}, {total:.4}, {}]", first.unwrap_or(total), done.generated_tokens)
}
