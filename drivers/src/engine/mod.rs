//! One thread owns the model; requests wait in a queue of fixed length. A full queue is an ordinary answer.

mod stop;
mod worker;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::candle::{CandleBackend, Limits};
use crate::chat::{ChatError, Template};
use crate::gguf::{self, GgufError};
use crate::sampling::{Sampler, Sampling};
use crate::threads;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::{Backend, BackendError};

pub use crate::chat::Turn;
use worker::{Event, Message, Order, Worker};

/// How often a waiting caller asks whether it was cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(20);
/// Stop texts of one request, and the bytes of each.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 256;

/// How an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Threads that compute; 0 takes every core. See [`threads::choose`].
    pub threads: usize,
    /// Requests that may wait for a slot; one more is answered [`EngineError::Overloaded`].
    pub queue: usize,
    /// What the backend may hold.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { threads: 0, queue: 16, limits: Limits::default() }
    }
}

/// Which model an engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// From the file's metadata, else the file's name.
    pub name: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The backend.
    pub driver: String,
    /// Tokens that prompt and answer may have together.
    pub context: u32,
    /// Number of token ids.
    pub vocabulary: u32,
}

/// One generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The chat so far, oldest first.
    pub turns: Vec<Turn>,
    /// At most so many tokens are generated; fewer if the context ends.
    pub max_tokens: usize,
    /// See [`Sampling::temperature`]; 0 is greedy.
    pub temperature: f32,
    /// See [`Sampling::top_k`].
    pub top_k: usize,
    /// See [`Sampling::top_p`].
    pub top_p: f32,
    /// See [`Sampling::repetition`]; it looks at the answer's own tokens, so that a value in the prompt can still be copied.
    pub repetition: f32,
    /// See [`Sampling::seed`].
    pub seed: u64,
    /// The answer ends before any of these texts.
    pub stop: Vec<String>,
}

impl Default for Request {
    fn default() -> Self {
        let Sampling { temperature, top_k, top_p, repetition, seed } = Sampling::default();
        Self { turns: Vec::new(), max_tokens: 256, temperature, top_k, top_p, repetition, seed, stop: Vec::new() }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model said that it is done.
    EndOfText,
    /// A stop text came.
    Stop,
    /// `max_tokens` or the context is reached.
    Length,
    /// The caller broke off.
    Cancelled,
}

/// A generation that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// All text.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated, without the one that ends.
    pub generated_tokens: u32,
    /// Why it ended.
    pub finish: Finish,
    /// Waiting for a slot.
    pub queue_ms: u64,
    /// From the slot to the first token.
    pub first_token_ms: u64,
    /// From the slot to the end.
    pub total_ms: u64,
}

/// Why there is no answer. No text of the request is quoted.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The model file.
    #[error(transparent)]
    File(#[from] GgufError),
    /// The vocabulary, or a text that cannot be encoded.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template, or turns that do not fit it.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The prompt leaves no room for an answer.
    #[error("HAECHI-0508: the prompt has {prompt} tokens, the model reads {context}; ask about less")]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that fit.
        context: u32,
    },
    /// The backend broke; it is asked again once [`Engine::health`] finds it well.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The queue is full.
    #[error("HAECHI-0511: the model is busy with as many requests as it takes; ask again in a moment")]
    Overloaded,
    /// The request makes no sense.
    #[error("HAECHI-0512: the request is refused: {0}")]
    Request(String),
    /// The engine's thread is gone.
    #[error("HAECHI-0513: the model's thread ended; restart the model role")]
    Gone,
}

impl EngineError {
    /// `HAECHI-NNNN`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Tokenizer(TokenizerError::Vocabulary(_)) => "HAECHI-0504",
            Self::Tokenizer(TokenizerError::Text(_)) => "HAECHI-0505",
            Self::Chat(ChatError::Template(_)) => "HAECHI-0506",
            Self::Chat(ChatError::Turns(_)) => "HAECHI-0507",
            Self::TooLong { .. } => "HAECHI-0508",
            Self::Backend(BackendError::Refused(_)) => "HAECHI-0509",
            Self::Backend(BackendError::Failed(_)) => "HAECHI-0510",
            Self::Overloaded => "HAECHI-0511",
            Self::Request(_) => "HAECHI-0512",
            Self::Gone => "HAECHI-0513",
        }
    }
}

/// What broke, while it is broken.
type Trouble = Arc<Mutex<Option<String>>>;

/// A model at work. Share it by reference or `Arc`; dropping it ends its thread.
#[derive(Debug)]
pub struct Engine {
    /// `None` only while dropping.
    orders: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    trouble: Trouble,
    tokenizer: Arc<Tokenizer>,
    template: Option<Template>,
    info: Info,
}

impl Engine {
    /// Loads a model file with default settings and `threads` threads (0: every core).
    ///
    /// # Errors
    /// [`EngineError::File`], [`EngineError::Tokenizer`], [`EngineError::Chat`].
    pub fn start(path: &Path, threads: usize) -> Result<Self, EngineError> {
        Self::start_with(path, Settings { threads, ..Settings::default() })
    }

    /// Loads a model file.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(path: &Path, settings: Settings) -> Result<Self, EngineError> {
        if !threads::choose(settings.threads) {
            log::warn!(
                "the process runs several threads already, so the model computes on every core instead of {}",
                settings.threads
            );
        }
        let file = gguf::File::open(path)?;
        let tokenizer = Tokenizer::from_header(file.header())?;
        let template = file
            .header()
            .text("tokenizer.chat_template")
            .map(|source| Template::new(source, &tokenizer))
            .transpose()?;
        // The digest reads the whole file once more: beside the loading, not after it.
        let (backend, sha256) = std::thread::scope(|scope| {
            let digest = scope.spawn(|| file.sha256());
            let backend = CandleBackend::load(&file, settings.limits);
            (backend, digest.join().unwrap_or(Err(GgufError::Unusable("its digest could not be computed".to_owned()))))
        });
        let backend = backend?;
        let capabilities = backend.capabilities();
        if tokenizer.len() != capabilities.vocabulary as usize {
            // Fewer rows would leave tokens without meaning; more rows could be chosen and would have no text.
            let (tokens, rows) = (tokenizer.len(), capabilities.vocabulary);
            return Err(GgufError::Unusable(format!("it has {tokens} tokens and weights for {rows}")).into());
        }
        let name =
            file.header().text("general.name").map(|name| name.chars().filter(|c| !c.is_control()).take(120).collect());
        let info = Info {
            name: name.or_else(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).unwrap_or_default(),
            sha256: sha256?,
            driver: capabilities.driver.clone(),
            context: capabilities.context,
            vocabulary: capabilities.vocabulary,
        };
        Self::with_backend(Box::new(backend), tokenizer, template, info, settings)
    }

    /// An engine over any backend.
    ///
    /// # Errors
    /// [`EngineError::Gone`] if no thread could be started.
    pub fn with_backend(
        backend: Box<dyn Backend>,
        tokenizer: Tokenizer,
        template: Option<Template>,
        info: Info,
        settings: Settings,
    ) -> Result<Self, EngineError> {
        let (orders, waiting) = sync_channel(settings.queue.max(1));
        let trouble = Trouble::default();
        let tokenizer = Arc::new(tokenizer);
        let worker = Worker::new(backend, Arc::clone(&tokenizer), Arc::clone(&trouble));
        let thread = std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || worker.run(&waiting))
            .map_err(|_| EngineError::Gone)?;
        Ok(Self { orders: Some(orders), thread: Some(thread), trouble, tokenizer, template, info })
    }

    /// Which model this is.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Continues a chat; `on_text` gets the text as it comes, whole characters only, and may break off. Blocks meanwhile.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn generate(
        &self,
        request: Request,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Done, EngineError> {
        self.generate_until(request, on_text, &|| false)
    }

    /// As [`Engine::generate`]; breaks off as soon as `cancelled` says so, also while a long prompt is still being read.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn generate_until(
        &self,
        request: Request,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Done, EngineError> {
        if let Some(reason) = self.trouble() {
            return Err(BackendError::Failed(reason).into());
        }
        let (events, answer) = channel();
        let stop_flag = Arc::new(AtomicBool::new(false));
        let order = self.order(request, events, Arc::clone(&stop_flag))?;
        self.send(Message::Generate(Box::new(order)))?;
        let mut wanted = true;
        loop {
            if wanted && cancelled() {
                wanted = false;
                stop_flag.store(true, Ordering::Relaxed);
            }
            match answer.recv_timeout(CANCEL_POLL) {
                Ok(Event::Text(text)) => {
                    if wanted && on_text(&text).is_break() {
                        wanted = false;
                        stop_flag.store(true, Ordering::Relaxed);
                    }
                }
                Ok(Event::Done(result)) => return result,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(EngineError::Gone),
            }
        }
    }

    /// Tokens that a prompt of these turns has.
    ///
    /// # Errors
    /// [`EngineError::Chat`], [`EngineError::Tokenizer`].
    pub fn prompt_tokens(&self, turns: &[Turn]) -> Result<usize, EngineError> {
        Ok(self.encode(turns)?.len())
    }

    /// Well, or what broke. Cheap while all is well; after a failure one token is run, and success makes it well again.
    ///
    /// # Errors
    /// [`EngineError::Backend`] with the failure, [`EngineError::Gone`].
    pub fn health(&self) -> Result<(), EngineError> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(EngineError::Gone);
        }
        if self.trouble().is_none() {
            return Ok(());
        }
        let (sender, answer) = channel();
        match self.send(Message::Probe(sender)) {
            Ok(()) => answer.recv().unwrap_or(Err(EngineError::Gone)),
            Err(EngineError::Overloaded) => Err(BackendError::Failed("it is not tried again yet".to_owned()).into()),
            Err(error) => Err(error),
        }
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, message: Message) -> Result<(), EngineError> {
        let orders = self.orders.as_ref().ok_or(EngineError::Gone)?;
        orders.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Overloaded,
            TrySendError::Disconnected(_) => EngineError::Gone,
        })
    }

    fn encode(&self, turns: &[Turn]) -> Result<Vec<u32>, EngineError> {
        let template = self.template.as_ref().ok_or_else(|| ChatError::Template("the file has none".to_owned()))?;
        let prompt = template.prompt(turns)?;
        Ok(self.tokenizer.encode_prompt(&prompt.text, &prompt.quoted)?)
    }

    /// Checks a request and encodes it, on the caller's thread: the model's does nothing but run the model.
    fn order(
        &self,
        request: Request,
        events: std::sync::mpsc::Sender<Event>,
        stop_flag: Arc<AtomicBool>,
    ) -> Result<Order, EngineError> {
        let Request { turns, max_tokens, temperature, top_k, top_p, repetition, seed, stop } = request;
        let sampling = Sampling { temperature, top_k, top_p, repetition, seed };
        if let Some(problem) = sampling.problem() {
            return Err(EngineError::Request(problem.to_owned()));
        }
        if max_tokens == 0 {
            return Err(EngineError::Request("max_tokens is 0".to_owned()));
        }
        if stop.len() > MAX_STOPS || stop.iter().any(|text| text.is_empty() || text.len() > MAX_STOP_BYTES) {
            return Err(EngineError::Request(format!(
                "at most {MAX_STOPS} stop texts of 1 to {MAX_STOP_BYTES} bytes are taken"
            )));
        }
        let prompt = self.encode(&turns)?;
        if prompt.is_empty() || prompt.len() >= self.info.context as usize {
            return Err(EngineError::TooLong { prompt: prompt.len(), context: self.info.context });
        }
        let max_tokens = max_tokens.min(self.info.context as usize - prompt.len());
        let sampler = Sampler::new(sampling);
        Ok(Order { prompt, max_tokens, sampler, stop, events, cancelled: stop_flag, queued: Instant::now() })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.orders.take()); // the thread ends when nobody can order any more
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn ask(text: &str) -> Request {
        Request { turns: vec![Turn::new("user", text)], ..Request::default() }
    }

    fn run(engine: &Engine, request: Request) -> (Vec<String>, Result<Done, EngineError>) {
        let mut pieces = Vec::new();
        let done = engine.generate(request, &mut |text| {
            pieces.push(text.to_owned());
            ControlFlow::Continue(())
        });
        (pieces, done)
    }

    fn engine(fake: Fake) -> Engine {
        fake.engine(Settings::default()).unwrap()
    }

    #[test]
    fn text_streams_in_whole_characters() {
        let engine = engine(Fake::saying("혈당은 정상입니다."));
        let (pieces, done) = run(&engine, ask("?"));
        let done = done.unwrap();
        assert_eq!((done.text.as_str(), done.finish), ("혈당은 정상입니다.", Finish::EndOfText));
        assert_eq!(pieces.concat(), done.text);
        assert_eq!(pieces.len(), 10, "each character as soon as it is complete");
        assert_eq!(done.generated_tokens as usize, done.text.len(), "the fake's tokens are bytes");
    }

    #[test]
    fn stop_texts_end_the_answer_and_are_not_shown() {
        let engine = engine(Fake::saying("one two three"));
        let request = Request { stop: vec![" three".to_owned(), "tw!".to_owned()], ..ask("?") };
        let (pieces, done) = run(&engine, request);
        let done = done.unwrap();
        assert_eq!((done.text.as_str(), done.finish), ("one two", Finish::Stop));
        assert_eq!(pieces.concat(), "one two");
    }

    #[test]
    fn the_length_limits_hold() {
        let engine = engine(Fake::saying("abcdef"));
        let done = run(&engine, Request { max_tokens: 3, ..ask("?") }).1.unwrap();
        assert_eq!((done.text.as_str(), done.finish, done.generated_tokens), ("abc", Finish::Length, 3));
        // A character cut off by the limit is marked, never dropped in silence.
        let engine = self::engine(Fake::saying("혈"));
        assert_eq!(run(&engine, Request { max_tokens: 2, ..ask("?") }).1.unwrap().text, "\u{fffd}");
    }

    #[test]
    fn a_prompt_without_room_is_a_clear_error() {
        let engine = engine(Fake::saying("a".repeat(100).as_str()).with_context(64));
        let error = run(&engine, ask(&"x".repeat(64))).1.unwrap_err();
        assert!(matches!(error, EngineError::TooLong { context: 64, .. }), "{error}");
        let done = run(&engine, ask("x")).1.unwrap();
        assert_eq!((done.finish, done.prompt_tokens + done.generated_tokens), (Finish::Length, 64));
    }

    #[test]
    fn breaking_off_and_cancelling_stop_the_work() {
        let engine = engine(Fake::saying(&"a".repeat(3000)).taking(Duration::from_millis(1)));
        let mut seen = 0;
        let done = engine.generate(Request { max_tokens: 4000, ..ask("?") }, &mut |_| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let done = done.unwrap();
        assert_eq!((seen, done.finish), (3, Finish::Cancelled));
        assert!(done.generated_tokens < 100, "{}", done.generated_tokens);
        let done = engine.generate_until(
            Request { max_tokens: 4000, ..ask("?") },
            &mut |_| ControlFlow::Continue(()),
            &|| true,
        );
        assert_eq!(done.unwrap().finish, Finish::Cancelled);
    }

    #[test]
    fn several_are_answered_at_once_and_one_too_many_is_overloaded() {
        let settings = Settings { queue: 1, ..Settings::default() };
        let engine = Fake::saying(&"b".repeat(200)).taking(Duration::from_millis(2)).engine(settings).unwrap();
        let results: Vec<_> = std::thread::scope(|scope| {
            let ask_one = || {
                std::thread::sleep(Duration::from_millis(20));
                run(&engine, ask("?")).1.map(|done| done.text.len())
            };
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    std::thread::sleep(Duration::from_millis(5));
                    scope.spawn(ask_one)
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let answered = results.iter().filter(|result| matches!(result, Ok(200))).count();
        let overloaded = results.iter().filter(|result| matches!(result, Err(EngineError::Overloaded))).count();
        // Four slots and one place in the queue; how many come in time depends on the machine's load.
        assert_eq!(answered + overloaded, 8, "{results:?}");
        assert!(answered >= 1 && overloaded >= 1, "{results:?}");
    }

    #[test]
    fn a_broken_backend_is_reported_until_it_is_well() {
        let engine = engine(Fake::saying("ab").failing_at(2));
        let error = run(&engine, ask("?")).1.unwrap_err();
        assert_eq!(error.code(), "HAECHI-0510");
        assert_eq!(run(&engine, ask("?")).1.unwrap_err().code(), "HAECHI-0510", "not asked again before it is well");
        engine.health().unwrap(); // one token is run, and succeeds
        assert_eq!(run(&engine, ask("?")).1.unwrap().text, "ab");
    }

    #[test]
    fn impossible_requests_are_named() {
        let engine = engine(Fake::saying("x"));
        for request in [
            Request { max_tokens: 0, ..ask("?") },
            Request { temperature: f32::NAN, ..ask("?") },
            Request { stop: vec![String::new()], ..ask("?") },
            Request { stop: vec!["s".to_owned(); 17], ..ask("?") },
        ] {
            assert_eq!(run(&engine, request).1.unwrap_err().code(), "HAECHI-0512");
        }
    }
}
