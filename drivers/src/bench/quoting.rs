//! `haechi bench quoting`: answers that repeat what stands in the prompt, with and without guessing ahead from it.
//!
//! Both engines stay loaded and answer in turn, so that neither has the quieter machine; that takes twice the memory.

use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;

use super::notes::{Language, note, thing};
use super::{Heard, Starter, ask, ms};
use crate::cpu::Limits;
use crate::engine::{Engine, EngineError, Finish, Settings};

/// Prompts in each language.
const PROMPTS: u64 = 10;
const SENTENCES: u64 = 6;
/// Most tokens of an answer: two sentences.
const ANSWER: usize = 128;
/// Tokens that prompt and answer may have; a Korean note takes some 1,500 where no token knows the script.
const CONTEXT: u32 = 4096;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// One row for each language, and one for both.
    pub rows: Vec<Row>,
}

/// The answers in one language, or in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `English`, `Korean` or `all`.
    pub language: String,
    /// How many answers.
    pub answers: usize,
    /// Tokens of all of them.
    pub generated_tokens: u64,
    /// Tokens generated in a second after the first of each answer, without guessing.
    pub plain_tokens_per_s: f64,
    /// The same with guessing.
    pub guessed_tokens_per_s: f64,
    /// The latter divided by the former.
    pub ratio: f64,
    /// Tokens that each pass yielded with guessing; 1 without.
    pub tokens_per_pass: f64,
    /// Every text is the same with and without guessing.
    pub same_text: bool,
}

impl Figures {
    /// True if guessing changed no text.
    #[must_use]
    pub fn same_text(&self) -> bool {
        self.rows.iter().all(|row| row.same_text)
    }
}

/// Measures a model file with so many threads (0: every core). The model file `draft` guesses where the text gives no hint.
///
/// # Errors
/// What [`Engine::start`] and [`Engine::generate`] say.
pub fn run(path: &Path, draft: Option<&Path>, threads: usize) -> Result<Figures, EngineError> {
    run_with(&|settings| Engine::start_drafted(path, draft.filter(|_| settings.guesses), settings), threads)
}

fn run_with(start: &Starter<'_>, threads: usize) -> Result<Figures, EngineError> {
    let limits = Limits { context: CONTEXT, cache_tokens: CONTEXT, threads, ..Limits::default() };
    let plain = start(Settings { limits, guesses: false, ..Settings::default() })?;
    let guessing = start(Settings { limits, guesses: true, ..Settings::default() })?;
    let answer = |engine: &Engine, content: &str| ask(engine, content, ANSWER, &mut || ControlFlow::Continue(()));
    for engine in [&plain, &guessing] {
        answer(engine, "Ready.")?;
    }
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    for (language, name) in [(Language::English, "English"), (Language::Korean, "Korean")] {
        let before = all.len();
        for number in 0..PROMPTS {
            let content = content(language, number);
            // In turn, each first every other time.
            let pair = if number % 2 == 0 {
                let plain = answer(&plain, &content)?;
                (plain, answer(&guessing, &content)?)
            } else {
                let guessed = answer(&guessing, &content)?;
                (answer(&plain, &content)?, guessed)
            };
            all.push(pair);
        }
        rows.push(row(name, all.get(before..).unwrap_or_default()));
    }
    rows.push(row("all", &all));
    Ok(Figures { rows })
}

/// A note and the request to repeat two sentences of it.
fn content(language: Language, number: u64) -> String {
    let (one, other) = (number % SENTENCES, (number + 2) % SENTENCES);
    let note = note(language, 100 + number, SENTENCES);
    let [one, other] = [one, other].map(|place| thing(language, place));
    match language {
        Language::English => format!(
            "{note}\nRepeat word for word, and say nothing else, the entry about the {one} and the entry about the {other}."
        ),
        Language::Korean => {
            format!(
                "{note}\n위의 글에서 {one}에 대한 기록과 {other}에 대한 기록을 글자 그대로 되풀이하고 다른 말은 하지 마십시오."
            )
        }
    }
}

/// Sums over pairs of a plain and a guessed answer.
fn row(language: &str, pairs: &[(Heard, Heard)]) -> Row {
    let plain: Sums = pairs.iter().map(|(plain, _)| plain).collect();
    let guessed: Sums = pairs.iter().map(|(_, guessed)| guessed).collect();
    let [plain_tokens_per_s, guessed_tokens_per_s] = [&plain, &guessed].map(|sums| sums.tokens / sums.ms * 1e3);
    Row {
        language: language.to_owned(),
        answers: pairs.len(),
        generated_tokens: pairs.iter().map(|(_, guessed)| u64::from(guessed.done.generated_tokens)).sum(),
        plain_tokens_per_s,
        guessed_tokens_per_s,
        ratio: guessed_tokens_per_s / plain_tokens_per_s,
        tokens_per_pass: guessed.tokens / guessed.passes,
        same_text: pairs.iter().all(|(plain, guessed)| plain.done.text == guessed.done.text),
    }
}

/// What happened after the first token of each answer.
#[derive(Default)]
struct Sums {
    /// Tokens, the ones that end answers among them.
    tokens: f64,
    passes: f64,
    ms: f64,
}

impl<'a> FromIterator<&'a Heard> for Sums {
    fn from_iter<I: IntoIterator<Item = &'a Heard>>(heard: I) -> Self {
        heard.into_iter().fold(Self::default(), |sums, heard| {
            let Heard { done, pieces, ended, .. } = heard;
            let Some(first) = pieces.first() else { return sums };
            let ends = u32::from(done.finish == Finish::EndOfText);
            let tokens = (done.generated_tokens + ends).saturating_sub(1);
            // Alone, a prompt is read in pieces as long as a pass can be; the last gives the first token.
            let read = done.prompt_tokens.saturating_sub(done.cached_tokens).div_ceil(Limits::default().batch_tokens);
            let passes = done.passes.saturating_sub(read);
            Self {
                tokens: sums.tokens + f64::from(tokens),
                passes: sums.passes + f64::from(passes),
                ms: sums.ms + ms(*first, *ended),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn fake(answer: Fake, settings: Settings) -> Result<Engine, EngineError> {
        answer.with_context(settings.limits.context).engine(settings)
    }

    #[test]
    fn quotes_take_fewer_passes_and_say_the_same() {
        let first = note(Language::English, 100, 1);
        let figures = run_with(&|settings| fake(Fake::saying(&first), settings), 1).unwrap();
        let [english, korean, all] = figures.rows.as_slice() else { panic!("{figures:?}") };
        assert!(figures.same_text());
        assert_eq!((english.answers, korean.answers, all.answers), (10, 10, 20));
        assert_eq!(all.generated_tokens, english.generated_tokens + korean.generated_tokens);
        // Only English prompts say anything of the kind.
        assert!(english.tokens_per_pass > korean.tokens_per_pass, "{figures:?}");
        assert!(korean.tokens_per_pass >= 1.0 && english.tokens_per_pass < 4.0 + 1e-9, "{figures:?}");
    }

    #[test]
    fn without_guesses_each_pass_yields_a_token() {
        let never = |settings| fake(Fake::lettering(40), Settings { guesses: false, ..settings });
        let figures = run_with(&never, 1).unwrap();
        assert!(figures.rows.iter().all(|row| row.tokens_per_pass == 1.0), "{figures:?}");
    }

    #[test]
    fn another_text_is_noticed() {
        let start = |settings: Settings| fake(Fake::saying(if settings.guesses { "one" } else { "two" }), settings);
        assert!(!run_with(&start, 1).unwrap().same_text());
    }

    #[test]
    fn what_is_asked_for_stands_in_the_note() {
        for language in [Language::English, Language::Korean] {
            for number in 0..PROMPTS {
                let content = content(language, number);
                let (note, request) = content.split_once("\n\n").unwrap();
                let asked = (0..8).map(|place| thing(language, place)).filter(|thing| request.contains(thing));
                assert_eq!(asked.filter(|thing| note.contains(thing)).count(), 2, "{content}");
            }
        }
    }
}
