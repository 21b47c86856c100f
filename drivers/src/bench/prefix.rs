//! `haechi bench prefix`: a long beginning, computed once, saved, and read back by an engine that has computed nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::notes::{Language, note};
use super::{Starter, ask, fitting, ms};
use crate::cpu::Limits;
use crate::engine::{Engine, EngineError, Settings, Turn};
use crate::kv::store::{self, Key, StoreError};

/// Tokens of the answers that are compared.
const GENERATE: usize = 32;
/// Room for the question after the prefix, in tokens.
const QUESTION: usize = 64;
const QUESTION_TEXT: &str = "\n\n2. round\nEntry 1: ";
const NAME: &str = "bench";

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Tokens of the prefix.
    pub prefix_tokens: usize,
    /// How many of them were saved: whole pages.
    pub saved_tokens: usize,
    /// How many of them the second engine did not compute.
    pub restored_tokens: usize,
    /// Copying, sealing and writing them, in milliseconds.
    pub save_ms: f64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Reading, opening and putting them back, in milliseconds. The file is still in the system's cache.
    pub restore_ms: f64,
    /// From asking to the first text, the prefix computed, in milliseconds.
    pub first_token_ms: f64,
    /// From the beginning of the restoring to the first text, in milliseconds.
    pub restored_first_token_ms: f64,
    /// The answer after the restored prefix is the one after the computed.
    pub same_text: bool,
}

/// Measures a model file with a prefix of `tokens` tokens and so many threads (0: every core).
///
/// # Errors
/// [`EngineError::Request`] if the model does not read so many tokens; [`EngineError::Store`]; what [`Engine::start`] and
/// [`Engine::generate`] say.
pub fn run(path: &Path, tokens: usize, threads: usize) -> Result<Figures, EngineError> {
    run_with(&|settings| Engine::start_bare(path, settings), tokens, threads)
}

fn run_with(start: &Starter<'_>, tokens: usize, threads: usize) -> Result<Figures, EngineError> {
    let needed = tokens.saturating_add(QUESTION + GENERATE);
    let room = u32::try_from(needed).unwrap_or(u32::MAX);
    // Twice: the warming up takes a page too.
    let limits = Limits { context: room, cache_tokens: room.saturating_mul(2), threads, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let fresh = || {
        let engine = start(settings)?;
        ask(&engine, "Ready.", 4, &mut || ControlFlow::Continue(()))?;
        Ok::<_, EngineError>(engine)
    };
    let folder = Folder::new()?;
    // What it seals is synthetic, and gone in a moment.
    let key = Key::new([0x5a; 32]);

    let engine = fresh()?;
    let context = engine.info().context as usize;
    if context < needed {
        let message = format!("{needed} tokens are needed for prefix, question and answer; the model reads {context}");
        return Err(EngineError::Request(message));
    }
    // No sentence has fewer than 16 tokens.
    let prefix = fitting(&engine, &note(Language::English, 1, (tokens / 16 + 4) as u64), tokens)?;
    let content = format!("{prefix}{QUESTION_TEXT}");
    let beginning = {
        let [prefix, whole] = [&prefix, &content].map(|text| engine.prompt(&[Turn::new("user", text)]));
        let (prefix, whole) = (prefix?, whole?);
        // A template may write something after the turn.
        let alike = prefix.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        prefix.get(..alike).unwrap_or_default().to_vec()
    };
    let computed = ask(&engine, &content, GENERATE, &mut || ControlFlow::Continue(()))?;
    let started = Instant::now();
    let saved_tokens = engine.save_prefix(&beginning, &folder.0, NAME, &key)?;
    let save_ms = ms(started, Instant::now());
    drop(engine);
    let file = store::file(&folder.0, NAME)?;
    let file_bytes = std::fs::metadata(&file).map_err(|source| StoreError::Io { path: file, source })?.len();

    let engine = fresh()?;
    let started = Instant::now();
    engine.restore_prefix(&folder.0, NAME, &key)?;
    let restore_ms = ms(started, Instant::now());
    let restored = ask(&engine, &content, GENERATE, &mut || ControlFlow::Continue(()))?;
    let restored_first_token_ms = ms(started, restored.started) + restored.first_ms();
    Ok(Figures {
        prefix_tokens: beginning.len(),
        saved_tokens,
        restored_tokens: restored.done.cached_tokens as usize,
        save_ms,
        file_bytes,
        restore_ms,
        first_token_ms: computed.first_ms(),
        restored_first_token_ms,
        same_text: restored.done.text == computed.done.text,
    })
}

/// A temporary folder of this process, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, StoreError> {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos());
        let path = std::env::temp_dir().join(format!("haechi-bench-{}-{now}", std::process::id()));
        // One that is there already is somebody else's.
        std::fs::create_dir(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::fake::Fake;

    fn fake(answer: Fake, settings: Settings) -> Result<Engine, EngineError> {
        let limits = settings.limits;
        answer.with_context(limits.context).with_pages(8, limits.cache_tokens / 8).engine(settings)
    }

    #[test]
    fn the_prefix_is_not_computed_again() {
        let figures = run_with(&|settings| fake(Fake::lettering(60), settings), 300, 1).unwrap();
        assert!(figures.same_text);
        assert!(figures.prefix_tokens <= 300 && figures.prefix_tokens > 250, "{figures:?}");
        assert_eq!(figures.saved_tokens, figures.prefix_tokens / 8 * 8);
        assert_eq!(figures.restored_tokens, figures.saved_tokens);
        assert!(figures.file_bytes > figures.saved_tokens as u64 * 4, "page bytes of the fake");
        assert!(figures.restored_first_token_ms >= figures.restore_ms);
    }

    #[test]
    fn another_text_is_noticed() {
        let started = AtomicUsize::new(0);
        let start = |settings| {
            let length = 20 + started.fetch_add(1, Ordering::Relaxed);
            fake(Fake::lettering(length), settings)
        };
        assert!(!run_with(&start, 300, 1).unwrap().same_text);
    }

    #[test]
    fn the_folder_goes() {
        let folder = Folder::new().unwrap();
        let path = folder.0.clone();
        std::fs::write(path.join("a"), "b").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_prefix_longer_than_the_context_is_refused() {
        let small = |settings| Fake::lettering(60).with_context(200).engine(settings);
        assert!(run_with(&small, 300, 1).unwrap_err().to_string().contains("reads 200"));
    }
}
