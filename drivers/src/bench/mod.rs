//! The figures of `haechi bench`: how fast a model runs on this machine.
//!
//! [`model`] measures the backend alone; the others measure the engine as it serves, and hold every answer against the same
//! request answered alone or in the plain way. [`notes`] writes what they ask about.

pub mod form;
pub mod model;
pub mod notes;
pub mod prefix;
pub mod quoting;
pub mod serve;
pub mod soak;

use std::ops::ControlFlow;
use std::time::Instant;

use crate::engine::{Done, Engine, EngineError, Request, Turn};

/// How the benchmarks come to an engine: the command loads a file, the tests take a fake.
type Starter<'a> = dyn Fn(crate::engine::Settings) -> Result<Engine, EngineError> + 'a;

/// An answer and when its text came.
struct Heard {
    done: Done,
    started: Instant,
    /// When each piece of text came; empty if the answer has no text.
    pieces: Vec<Instant>,
    ended: Instant,
}

impl Heard {
    /// From asking to the first text: what a person waits.
    fn first_ms(&self) -> f64 {
        ms(self.started, self.pieces.first().copied().unwrap_or(self.ended))
    }

    /// Tokens that came after `from` and until `to`; a piece of text may hold several.
    fn tokens_between(&self, from: Instant, to: Instant) -> f64 {
        let within = self.pieces.iter().filter(|&&piece| piece > from && piece <= to).count();
        let tokens_per_piece = f64::from(self.done.generated_tokens) / self.pieces.len().max(1) as f64;
        within as f64 * tokens_per_piece
    }
}

/// Asks one thing greedily; `on_text` may break off.
fn ask(
    engine: &Engine,
    content: &str,
    max_tokens: usize,
    on_text: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Heard, EngineError> {
    let request = Request { turns: vec![Turn::new("user", content)], max_tokens, ..Request::default() };
    let (started, mut pieces) = (Instant::now(), Vec::new());
    let done = engine.generate(request, &mut |_| {
        pieces.push(Instant::now());
        on_text()
    })?;
    Ok(Heard { done, started, pieces, ended: Instant::now() })
}

/// The longest beginning of `text` that is a prompt of at most `tokens` tokens.
fn fitting(engine: &Engine, text: &str, tokens: usize) -> Result<String, EngineError> {
    let ends: Vec<usize> = text.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let beginning = |characters: usize| characters.checked_sub(1).and_then(|last| text.get(..*ends.get(last)?));
    let (mut fits, mut too_many) = (0, ends.len() + 1);
    while too_many - fits > 1 {
        let middle = fits.midpoint(too_many);
        let turns = [Turn::new("user", beginning(middle).unwrap_or_default())];
        if engine.prompt_tokens(&turns)? <= tokens {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    Ok(beginning(fits).unwrap_or_default().to_owned())
}

/// The value that `share` of all values do not exceed (nearest rank); not a number if there are none.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// Resident memory of this process, in bytes; 0 where the kernel does not say.
fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// A line of `proc(5)`'s `status` that is in KiB.
fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Finish, Settings};
    use crate::fake::Fake;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.95, 1.0, 0.0].map(|share| percentile(&values, share)), [10.0, 19.0, 20.0, 1.0]);
        assert_eq!(percentile(&[7.0], 0.95), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_prompt_is_cut_to_its_tokens() {
        let engine = Fake::saying("a").engine(Settings::default()).unwrap();
        let around = engine.prompt_tokens(&[Turn::new("user", "")]).unwrap();
        let cut = |tokens: usize| fitting(&engine, "가나 abc", around + tokens).unwrap();
        assert_eq!([0, 2, 3, 8, 10, 99].map(cut), ["", "", "가", "가나 a", "가나 abc", "가나 abc"]);
    }

    #[test]
    fn tokens_are_counted_within_a_span() {
        let started = Instant::now();
        let at = |ms: u64| started + Duration::from_millis(ms);
        let done = Done {
            text: "abcdef".to_owned(),
            prompt_tokens: 1,
            cached_tokens: 0,
            generated_tokens: 6,
            odds: Vec::new(),
            passes: 3,
            finish: Finish::Length,
            queue_ms: 0,
            first_token_ms: 0,
            total_ms: 0,
        };
        let heard = Heard { done, started, pieces: vec![at(10), at(20), at(30)], ended: at(31) };
        assert_eq!(heard.first_ms(), 10.0);
        assert_eq!(heard.tokens_between(at(10), at(20)), 2.0, "the first piece is not within");
        assert_eq!(heard.tokens_between(at(0), at(40)), 6.0);
        assert_eq!(Heard { pieces: Vec::new(), ..heard }.first_ms(), 31.0, "no text");
    }
}
