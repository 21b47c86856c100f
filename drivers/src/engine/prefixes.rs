//! Computed prefixes that outlive the process: a long instruction is read once, not after every restart.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::channel;

use super::worker::{Message, Worker};
use super::{Engine, EngineError};
use crate::BackendError;
use crate::kv::store::{self, Key, Layout, Prefix};

impl Engine {
    /// Writes what the cache holds of the beginning of `tokens` to the file called `name` in `folder`, sealed with `key`:
    /// whole pages, as many as are held now. Returns how many tokens that are. [`Engine::prompt`] gives tokens.
    ///
    /// # Errors
    /// [`EngineError::Request`] if nothing of it is held: ask something that begins with it first. [`EngineError::Store`],
    /// [`EngineError::Backend`], [`EngineError::Gone`].
    pub fn save_prefix(&self, tokens: &[u32], folder: &Path, name: &str, key: &Key) -> Result<usize, EngineError> {
        let file = store::file(folder, name)?;
        let (sender, answer) = channel();
        self.send(Message::CopyPrefix(tokens.to_vec(), sender))?;
        let prefix = answer.recv().unwrap_or(Err(EngineError::Gone))?;
        let saved = prefix.tokens.len();
        store::save(&file, key, &self.layout(), prefix)?;
        Ok(saved)
    }

    /// Puts what [`Engine::save_prefix`] wrote back into the cache, as far as there is room beside the work under way.
    /// Returns how many tokens of it the cache holds now.
    ///
    /// # Errors
    /// [`EngineError::Store`] if the file cannot be read, was changed, or is another model's or key's: nothing changed.
    /// [`EngineError::Backend`], [`EngineError::Gone`].
    pub fn restore_prefix(&self, folder: &Path, name: &str, key: &Key) -> Result<usize, EngineError> {
        let file = store::file(folder, name)?;
        let prefix = store::read(&file, key, &self.layout())?;
        let (sender, answer) = channel();
        self.send(Message::TakePrefix(prefix, sender))?;
        answer.recv().unwrap_or(Err(EngineError::Gone))
    }

    fn layout(&self) -> Layout {
        Layout {
            model: self.info.sha256.clone(),
            driver: self.capabilities.driver.clone(),
            page_tokens: self.capabilities.page_tokens,
            page_bytes: self.capabilities.page_bytes,
            pages: self.capabilities.pages,
        }
    }
}

impl Worker {
    /// The pages that hold the beginning of `tokens`, copied out of the backend.
    pub(super) fn copy_prefix(&mut self, tokens: &[u32]) -> Result<Prefix, EngineError> {
        let held = self.cache.hold_prefix(tokens);
        let Self { backend, cache, .. } = self;
        let copied = guarded(|| {
            let mut bytes = Vec::with_capacity(held.len() * backend.capabilities().page_bytes);
            held.iter().try_for_each(|&page| backend.read_page(page, &mut bytes))?;
            Ok(bytes)
        });
        let tokens = tokens.get(..held.len() * cache.page_tokens()).unwrap_or_default().to_vec();
        cache.release(&held);
        if tokens.is_empty() {
            return Err(EngineError::Request(
                "nothing of this prefix is computed; ask something with it first".to_owned(),
            ));
        }
        Ok(Prefix { tokens, pages: copied? })
    }

    /// Puts a prefix into the cache; returns how many of its tokens are there afterwards.
    pub(super) fn take_prefix(&mut self, prefix: &Prefix) -> Result<usize, EngineError> {
        let (vocabulary, page_bytes) = {
            let capabilities = self.backend.capabilities();
            (capabilities.vocabulary, capabilities.page_bytes.max(1))
        };
        if prefix.tokens.iter().any(|&token| token >= vocabulary) {
            return Err(EngineError::Request("the saved prefix has tokens that the vocabulary lacks".to_owned()));
        }
        let mut spare = self.cache.available().saturating_sub(self.promised());
        let Self { backend, cache, .. } = self;
        let mut held = cache.hold_prefix(&prefix.tokens);
        spare = spare.saturating_sub(held.len()); // perhaps nobody held them before
        let mut written = Ok(());
        for bytes in prefix.pages.chunks_exact(page_bytes).skip(held.len()).take(spare) {
            let Some(page) = cache.take() else { break };
            held.push(page);
            written = guarded(|| backend.write_page(page, bytes));
            if written.is_err() {
                break;
            }
        }
        let whole = held.len() - usize::from(written.is_err());
        let tokens = prefix.tokens.get(..whole * cache.page_tokens()).unwrap_or_default();
        cache.keep(tokens, &mut held);
        cache.release(&held);
        written?;
        Ok(tokens.len())
    }
}

/// Turns a panic inside the runtime into a failure.
fn guarded<T>(work: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    // Unwind safe: a page that was only half written is given back, and written before it is read.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(BackendError::Failed("it hit a fault in the program".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::{Done, Request, Settings, Turn};
    use super::*;
    use crate::fake::Fake;

    fn turns(own: &str) -> Vec<Turn> {
        vec![Turn::new("system", &"지침 ".repeat(31)), Turn::new("user", own)]
    }

    fn ask(engine: &Engine, own: &str) -> Done {
        let request = Request { turns: turns(own), max_tokens: 20, ..Request::default() };
        engine.generate(request, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn engine(pages: u32) -> Engine {
        Fake::lettering(12).with_pages(8, pages).engine(Settings::default()).unwrap()
    }

    #[test]
    fn a_prefix_outlives_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new([7; 32]);
        let first = engine(100);
        let prompt = first.prompt(&turns("a")).unwrap();
        let error = first.save_prefix(&prompt, folder.path(), "system", &key).unwrap_err();
        assert_eq!(error.code(), "HAECHI-0512", "nothing is computed yet");
        let expected = ask(&first, "a").text;
        let saved = first.save_prefix(&prompt, folder.path(), "system", &key).unwrap();
        assert!(saved > prompt.len() - 8 && saved.is_multiple_of(8), "{saved} of {}", prompt.len());
        drop(first);

        let second = engine(100);
        assert_eq!(second.restore_prefix(folder.path(), "system", &key).unwrap(), saved);
        assert_eq!(second.restore_prefix(folder.path(), "system", &key).unwrap(), saved, "twice changes nothing");
        let done = ask(&second, "a");
        assert_eq!((done.text, done.cached_tokens as usize), (expected, saved));
        assert_eq!(ask(&second, "b").text, ask(&engine(100), "b").text, "another question after the same instruction");
        // Nothing leaked: one that needs every page is served.
        let all = Request { turns: turns("c"), max_tokens: 800, ..Request::default() };
        second.generate(all, &mut |_| ControlFlow::Continue(())).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new([7; 32]);
        let first = engine(100);
        let expected = ask(&first, "a").text;
        let prompt = first.prompt(&turns("a")).unwrap();
        first.save_prefix(&prompt, folder.path(), "system", &key).unwrap();
        for (engine, key) in [
            (engine(100), Key::new([8; 32])),
            (engine(20), key.clone()),
            (Fake::lettering(12).with_pages(4, 100).engine(Settings::default()).unwrap(), key.clone()),
        ] {
            assert_eq!(engine.restore_prefix(folder.path(), "system", &key).unwrap_err().code(), "HAECHI-0515");
            assert_eq!(engine.restore_prefix(folder.path(), "none", &key).unwrap_err().code(), "HAECHI-0514");
            assert_eq!(engine.restore_prefix(folder.path(), "../none", &key).unwrap_err().code(), "HAECHI-0515");
            engine.health().unwrap();
        }
        assert_eq!(ask(&first, "a").text, expected);
    }
}
