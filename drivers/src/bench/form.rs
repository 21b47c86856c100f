//! `haechi bench form`: what an answer's form costs, in tokens a second, against the same prompts without one.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::ms;
use super::notes::{Language, note};
use crate::cpu::Limits;
use crate::engine::{Engine, EngineError, Finish, Request, Settings, Turn};
use crate::grammar::Grammar;

/// Rounds that are measured, after one that is not.
const ROUNDS: usize = 5;
const CONTEXT: u32 = 2048;
/// Asks for a long answer: one without a form should be cut by its length as the others are, or the two would be compared
/// at other lengths.
const QUESTION: &str =
    "Write a long story about this, of at least ten pages, with many people who talk with each other.";

/// What was measured, one row for each form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The rows; the first is without a form.
    pub rows: Vec<Row>,
}

/// Answers of one form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `none`, `json schema`, `expression` or `citations`.
    pub form: String,
    /// Tokens generated after the first of each answer, in a second: the median of the rounds.
    pub tokens_per_s: f64,
    /// The part of the speed without a form that is lost; negative if none is.
    pub cost: f64,
    /// Tokens of a round.
    pub tokens: u64,
}

/// Measures a model file; answers have `generate` tokens at most.
///
/// # Errors
/// What [`Engine::start`] and [`Engine::generate`] say.
pub fn run(path: &Path, generate: usize, threads: usize) -> Result<Figures, EngineError> {
    let limits = Limits { context: CONTEXT, cache_tokens: CONTEXT, threads, ..Limits::default() };
    // Guessing ahead would change how many passes a token takes.
    let engine = Engine::start_with(path, Settings { limits, guesses: false, ..Settings::default() })?;
    run_on(&engine, generate)
}

/// Forms that leave room for long answers.
fn forms() -> [(&'static str, Option<Grammar>); 4] {
    let entry = serde_json::json!({
        "type": "object",
        "properties": {
            "what": {"type": "string"},
            "value": {"type": "number"},
            "state": {"enum": ["good", "worn", "broken", "unknown"]},
            "remark": {"type": "string"},
        },
        "required": ["what", "value", "state", "remark"],
        "additionalProperties": false,
    });
    let schema = serde_json::json!({"type": "array", "items": entry, "minItems": 20});
    [
        ("none", None),
        ("json schema", Some(Grammar::JsonSchema(schema))),
        ("expression", Some(Grammar::Regex(r"([A-Z][a-z]*( [a-z0-9%,]+){2,30}\.\n?){12,}".to_owned()))),
        ("citations", Some(Grammar::Citing((1..=24).map(|mark| format!("[{mark}]")).collect()))),
    ]
}

fn run_on(engine: &Engine, generate: usize) -> Result<Figures, EngineError> {
    let mut speeds: [Vec<f64>; 4] = Default::default();
    let mut tokens = [0; 4];
    for round in 0..=ROUNDS {
        // In turn, another first each time.
        for place in 0..4 {
            let at = (place + round) % 4;
            let (_, grammar) = &forms()[at];
            let content = format!("{}\n{QUESTION}", note(Language::English, at as u64, 5));
            let turns = vec![Turn::new("user", &content)];
            let request = Request { turns, max_tokens: generate, grammar: grammar.clone(), ..Request::default() };
            let mut first = None;
            let done = engine.generate(request, &mut |_| {
                first.get_or_insert_with(Instant::now);
                ControlFlow::Continue(())
            })?;
            let Some(first) = first.filter(|_| round > 0) else { continue };
            let ends = u32::from(done.finish == Finish::EndOfText);
            let after = (done.generated_tokens + ends).saturating_sub(1);
            tokens[at] = u64::from(after);
            speeds[at].push(f64::from(after) / ms(first, Instant::now()) * 1e3);
        }
    }
    let speeds = speeds.map(|speeds| super::percentile(&speeds, 0.5));
    let row = |(at, (form, _)): (usize, &(&str, Option<Grammar>))| Row {
        form: (*form).to_owned(),
        tokens_per_s: speeds[at],
        cost: 1.0 - speeds[at] / speeds[0],
        tokens: tokens[at],
    };
    Ok(Figures { rows: forms().iter().enumerate().map(row).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn every_form_is_measured() {
        let engine = Fake::lettering(200).with_context(CONTEXT).engine(Settings::default()).unwrap();
        let figures = run_on(&engine, 20).unwrap();
        assert_eq!(figures.rows.len(), 4);
        assert!(figures.rows.iter().all(|row| row.tokens > 5 && row.tokens_per_s > 0.0), "{figures:?}");
        assert_eq!(figures.rows[0].cost, 0.0);
    }
}
