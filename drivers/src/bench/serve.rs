//! `haechi bench serve`: several users at once over one engine.
//!
//! Every prompt is asked alone first, of an engine of its own. Then, for each number of users and each time with an engine
//! that has computed nothing: all ask at once; all ask the same again, so that their answers begin together and nothing but
//! generating is timed; and a newcomer asks while they generate. Nobody stops before as many tokens as were ordered.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::ScopedJoinHandle;

use serde::Serialize;

use super::notes::{Language, note};
use super::{Heard, Starter, ask, fitting, ms, percentile};
use crate::cpu::Limits;
use crate::engine::{Engine, EngineError, Settings, Turn};

/// Newcomers of whom the median waits as long as is reported.
const NEWCOMERS: usize = 3;
/// Tokens by which a sequence's last page may exceed it.
const PAGE_ROOM: usize = 64;
/// So that answers outlast the reading of a newcomer's prompt, they get one token more for every 32 of it (a pass reads at
/// least 128 and yields an answer at most 4), and some beyond.
const BUSY_PROMPT_TOKENS: usize = 32;
const BUSY_TOKENS: usize = 32;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How many users; each number is a row of the figures.
    pub users: Vec<usize>,
    /// Tokens of each prompt.
    pub prompt: usize,
    /// Tokens of each answer.
    pub generate: usize,
    /// Tokens with which all prompts begin.
    pub shared: usize,
    /// Threads that compute; 0 takes every core.
    pub threads: usize,
    /// Guess ahead, as the appliance does. Without, the figures tell what sharing a pass is worth.
    pub guesses: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens of the shortest prompt.
    pub prompt_tokens: usize,
    /// Tokens with which all prompts begin.
    pub shared_tokens: usize,
    /// Tokens of each answer.
    pub generated_tokens: usize,
    /// From asking to the first text with nobody else there, in milliseconds: the median of all prompts. What they share is
    /// computed for the first and only read by the others.
    pub alone_first_token_ms: f64,
    /// One row for each number of users.
    pub rows: Vec<Row>,
}

/// So many users at once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// How many.
    pub users: usize,
    /// Tokens generated in a second by all together, from when the last of them has its first text until the first of them
    /// has its last; nothing if there was no such time.
    pub decode_tokens_per_s: Option<f64>,
    /// Tokens generated in a second from the first question to the end of the last answer, reading the prompts included.
    pub total_tokens_per_s: f64,
    /// From asking at once to the first text, in milliseconds: the median.
    pub first_token_p50_ms: f64,
    /// The same: what 95 of 100 do not exceed.
    pub first_token_p95_ms: f64,
    /// From asking to the first text while all these generate, in milliseconds.
    pub newcomer_first_token_ms: f64,
    /// Tokens of all prompts together.
    pub prompt_tokens: u64,
    /// How many of them were computed when all asked at once.
    pub computed_tokens: u64,
    /// Every answer, the newcomers' too, is what the same prompt gives alone.
    pub same_text: bool,
}

impl Figures {
    /// True if every answer was what it is alone.
    #[must_use]
    pub fn same_text(&self) -> bool {
        self.rows.iter().all(|row| row.same_text)
    }
}

impl Order {
    /// Most tokens of the answers during which newcomers come: nobody is done before the newcomer's first.
    const fn busy(&self) -> usize {
        self.generate + self.prompt / BUSY_PROMPT_TOKENS + BUSY_TOKENS
    }

    fn most_users(&self) -> usize {
        self.users.iter().copied().max().unwrap_or(0)
    }

    /// Room for all of them and a newcomer, and for everybody in the queue.
    fn settings(&self) -> Settings {
        let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let context = self.prompt.saturating_add(self.busy());
        let most = self.most_users() + NEWCOMERS;
        let limits = Limits {
            context: tokens(context),
            cache_tokens: tokens((context.saturating_add(PAGE_ROOM)).saturating_mul(most)),
            threads: self.threads,
            ..Limits::default()
        };
        Settings { limits, queue: most, guesses: self.guesses, ..Settings::default() }
    }
}

/// Measures a model file.
///
/// # Errors
/// [`EngineError::Request`] if the numbers do not fit the model or each other; what [`Engine::start`] and
/// [`Engine::generate`] say.
pub fn run(path: &Path, order: &Order) -> Result<Figures, EngineError> {
    run_with(&|settings| Engine::start_bare(path, settings), order)
}

fn run_with(start: &Starter<'_>, order: &Order) -> Result<Figures, EngineError> {
    let refuse = |rule: String| Err(EngineError::Request(rule));
    if order.users.contains(&0) || order.users.is_empty() || order.prompt == 0 || order.generate == 0 {
        return refuse("users, the tokens of a prompt and those to generate must be at least 1".to_owned());
    }
    let engine = start(order.settings())?;
    let (context, needed) = (engine.info().context as usize, order.prompt.saturating_add(order.busy()));
    if context < needed {
        return refuse(format!("{needed} tokens are needed for a prompt and an answer; the model reads {context}"));
    }
    let users = order.most_users();
    let contents = contents(&engine, order, users + NEWCOMERS)?;
    let prompts = contents.iter().map(|content| engine.prompt(&[Turn::new("user", content)]));
    let prompts = prompts.collect::<Result<Vec<_>, _>>()?;
    if prompts.iter().collect::<HashSet<_>>().len() < prompts.len() {
        return refuse("the prompts must be longer than what they share, or they are all the same".to_owned());
    }
    warm(&engine)?;
    let alone = contents.iter().map(|content| ask(&engine, content, order.generate, &mut || ControlFlow::Continue(())));
    let alone = alone.collect::<Result<Vec<_>, _>>()?;
    drop(engine);
    let first_ms: Vec<f64> = alone.iter().map(Heard::first_ms).collect();
    let asked: Vec<(&str, &str)> =
        contents.iter().zip(&alone).map(|(content, heard)| (content.as_str(), heard.done.text.as_str())).collect();
    let (asked, newcomers) = asked.split_at(users);
    let rows = order.users.iter().map(|&users| {
        let engine = start(order.settings())?;
        row(&engine, order, asked.get(..users).unwrap_or_default(), newcomers)
    });
    Ok(Figures {
        prompt_tokens: prompts.iter().map(Vec::len).min().unwrap_or(0),
        shared_tokens: common(&prompts),
        generated_tokens: order.generate,
        alone_first_token_ms: percentile(&first_ms, 0.5),
        rows: rows.collect::<Result<_, _>>()?,
    })
}

/// What is asked: notes that begin alike and go on differently.
fn contents(engine: &Engine, order: &Order, count: usize) -> Result<Vec<String>, EngineError> {
    // No sentence has fewer than 16 tokens.
    let long = |tokens: usize| (tokens / 16 + 4) as u64;
    let shared = fitting(engine, &note(Language::English, 0, long(order.shared)), order.shared)?;
    let own = (1..=count as u64).map(|seed| {
        let note = note(Language::English, seed, long(order.prompt - order.shared.min(order.prompt)));
        fitting(engine, &format!("{shared}\n\n{seed}. round\n{note}"), order.prompt)
    });
    own.collect()
}

/// With how many tokens all prompts begin.
fn common(prompts: &[Vec<u32>]) -> usize {
    let Some((first, others)) = prompts.split_first() else { return 0 };
    let alike = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    others.iter().map(alike).min().unwrap_or(first.len())
}

/// The first request of a process waits for memory to be mapped.
fn warm(engine: &Engine) -> Result<(), EngineError> {
    ask(engine, "Ready.", 4, &mut || ControlFlow::Continue(())).map(drop)
}

/// `asked` are prompts and what they give alone, one for each user.
fn row(engine: &Engine, order: &Order, asked: &[(&str, &str)], newcomers: &[(&str, &str)]) -> Result<Row, EngineError> {
    warm(engine)?;
    let first = together(engine, asked, order.generate)?;
    let again = together(engine, asked, order.generate)?;
    let mut same_text = [&first, &again].into_iter().all(|heard| {
        let mut answers = heard.iter().zip(asked);
        answers.all(|(heard, (_, alone))| heard.done.text == *alone)
    });
    let mut waits = Vec::new();
    for newcomer in newcomers {
        let (heard, others) = newcomer_among(engine, order, asked, newcomer.0)?;
        waits.push(heard.first_ms());
        same_text &= heard.done.text == newcomer.1;
        same_text &= others.iter().zip(asked).all(|(heard, (_, alone))| goes_alike(&heard.done.text, alone));
    }
    let first_ms: Vec<f64> = first.iter().map(Heard::first_ms).collect();
    let prompt_tokens = first.iter().map(|heard| u64::from(heard.done.prompt_tokens)).sum::<u64>();
    let cached_tokens = first.iter().map(|heard| u64::from(heard.done.cached_tokens)).sum::<u64>();
    Ok(Row {
        users: asked.len(),
        decode_tokens_per_s: decode_tokens_per_s(&again),
        total_tokens_per_s: total_tokens_per_s(&first),
        first_token_p50_ms: percentile(&first_ms, 0.5),
        first_token_p95_ms: percentile(&first_ms, 0.95),
        newcomer_first_token_ms: percentile(&waits, 0.5),
        prompt_tokens,
        computed_tokens: prompt_tokens.saturating_sub(cached_tokens),
        same_text,
    })
}

/// All ask at once.
fn together(engine: &Engine, asked: &[(&str, &str)], generate: usize) -> Result<Vec<Heard>, EngineError> {
    let barrier = Barrier::new(asked.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = asked
            .iter()
            .map(|(content, _)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    ask(engine, content, generate, &mut || ControlFlow::Continue(()))
                })
            })
            .collect();
        threads.into_iter().map(joined).collect()
    })
}

/// A newcomer asks when all others have begun to answer; they break off when it has its first text.
fn newcomer_among(
    engine: &Engine,
    order: &Order,
    others: &[(&str, &str)],
    content: &str,
) -> Result<(Heard, Vec<Heard>), EngineError> {
    let over = AtomicBool::new(false);
    let (begins, begun) = channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = others
            .iter()
            .map(|(content, _)| {
                let (over, begins) = (&over, begins.clone());
                scope.spawn(move || {
                    let mut begins = Some(begins);
                    ask(engine, content, order.busy(), &mut || {
                        let _ = begins.take().map(|begins| begins.send(()));
                        if over.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    })
                })
            })
            .collect();
        drop(begins); // so that nobody waits for one that failed
        begun.iter().take(others.len()).for_each(drop);
        let heard = ask(engine, content, order.generate, &mut || {
            over.store(true, Ordering::Relaxed);
            ControlFlow::Continue(())
        });
        over.store(true, Ordering::Relaxed);
        let others = threads.into_iter().map(joined).collect::<Result<Vec<_>, _>>()?;
        Ok((heard?, others))
    })
}

fn joined(thread: ScopedJoinHandle<'_, Result<Heard, EngineError>>) -> Result<Heard, EngineError> {
    thread.join().unwrap_or(Err(EngineError::Gone))
}

/// True if one is the beginning of the other; a character that the end cut in two does not count.
fn goes_alike(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.trim_end_matches('\u{fffd}'));
    one.starts_with(other) || other.starts_with(one)
}

fn decode_tokens_per_s(heard: &[Heard]) -> Option<f64> {
    let from = heard.iter().filter_map(|heard| heard.pieces.first()).max()?;
    let to = heard.iter().map(|heard| &heard.ended).min()?;
    let tokens: f64 = heard.iter().map(|heard| heard.tokens_between(*from, *to)).sum();
    (from < to).then(|| tokens / ms(*from, *to) * 1e3)
}

fn total_tokens_per_s(heard: &[Heard]) -> f64 {
    let tokens: f64 = heard.iter().map(|heard| f64::from(heard.done.generated_tokens)).sum();
    let from = heard.iter().map(|heard| heard.started).min();
    let to = heard.iter().map(|heard| heard.ended).max();
    from.zip(to).map_or(f64::NAN, |(from, to)| tokens / ms(from, to) * 1e3)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::fake::Fake;

    fn order() -> Order {
        Order { users: vec![1, 3, 6], prompt: 300, generate: 12, shared: 200, threads: 1, guesses: false }
    }

    fn fake(answer: Fake, settings: Settings) -> Result<Engine, EngineError> {
        let limits = settings.limits;
        answer.with_context(limits.context).with_pages(16, limits.cache_tokens / 16).engine(settings)
    }

    #[test]
    fn what_is_shared_is_computed_once_and_texts_are_the_same() {
        let figures = run_with(&|settings| fake(Fake::lettering(500), settings), &order()).unwrap();
        assert_eq!((figures.prompt_tokens, figures.generated_tokens), (300, 12), "the fake's tokens are bytes");
        let shared = figures.shared_tokens;
        assert!((180..=202).contains(&shared), "{shared}: the template writes some behind them, and a break follows");
        assert_eq!(figures.rows.iter().map(|row| row.users).collect::<Vec<_>>(), [1, 3, 6]);
        for row in &figures.rows {
            assert!(row.same_text, "{row:?}");
            assert_eq!(row.prompt_tokens, 300 * row.users as u64);
            let pages = (shared - shared % 16) as u64;
            assert_eq!(row.computed_tokens, row.prompt_tokens - pages * (row.users as u64 - 1));
            assert!(row.total_tokens_per_s > 0.0 && row.first_token_p95_ms >= row.first_token_p50_ms);
        }
        assert!(figures.same_text());
        let guessing = Order { guesses: true, shared: 0, ..order() };
        let figures = run_with(&|settings| fake(Fake::lettering(500), settings), &guessing).unwrap();
        assert!(figures.same_text() && figures.shared_tokens < 32, "{figures:?}");
    }

    #[test]
    fn another_text_is_noticed() {
        for wrong in [1, 3] {
            let started = AtomicUsize::new(0);
            let start = |settings| {
                // The first engine answers alone, each other one a row.
                let odd = started.fetch_add(1, Ordering::Relaxed) == wrong;
                fake(if odd { Fake::saying(&"x".repeat(400)) } else { Fake::lettering(400) }, settings)
            };
            let figures = run_with(&start, &order()).unwrap();
            let same: Vec<bool> = figures.rows.iter().map(|row| row.same_text).collect();
            assert_eq!(same, [1, 2, 3].map(|row| row != wrong));
            assert!(!figures.same_text());
        }
    }

    #[test]
    fn impossible_orders_are_refused() {
        for (order, words) in [
            (Order { users: Vec::new(), ..order() }, "at least 1"),
            (Order { users: vec![2, 0], ..order() }, "at least 1"),
            (Order { generate: 0, ..order() }, "at least 1"),
            (Order { shared: 300, ..order() }, "longer than what they share"),
        ] {
            let error = run_with(&|settings| fake(Fake::lettering(400), settings), &order).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let small = |settings| Fake::lettering(400).with_context(200).engine(settings);
        assert!(run_with(&small, &order()).unwrap_err().to_string().contains("reads 200"));
    }

    #[test]
    fn a_cut_answer_is_the_beginning_of_the_whole() {
        assert!(goes_alike("점검\u{fffd}", "점검했다") && goes_alike("abcd", "ab") && !goes_alike("abd", "abc"));
    }
}
