//! One thread owns the model; requests wait in a queue of fixed length. A full queue is an ordinary answer.
//!
//! In reading order: `request` and `error` (what goes in and comes out), this file (the caller's side), `worker` (the
//! thread: admission and passes), `queue` (who is next), `plan` (which tokens go into a pass), `running` (one
//! generation), `stop` (stop texts in a stream), `prefixes` (what outlives the process).

mod error;
mod plan;
mod prefixes;
mod queue;
mod request;
mod running;
mod stop;
mod worker;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::chat::{ChatError, Template};
use crate::cpu::{CpuBackend, Limits};
use crate::gguf::{self, GgufError};
use crate::grammar::{Compiler, Grammar, GrammarError, Guide};
use crate::sampling::Sampler;
use crate::speculation::{CROWD, Drafter, ModelDrafter};
use crate::tokenizer::Tokenizer;
use crate::{Backend, BackendError, Capabilities};

pub use crate::chat::Turn;
pub use error::EngineError;
pub use request::{Done, Finish, Info, Priority, Request, Settings};
use running::{Event, Order};
use worker::{Message, Worker};

/// How often a waiting caller asks whether it was cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// The text of the turns and nothing else.
const BARE_TEMPLATE: &str = "{% for message in messages %}{{ message.content }}{% endfor %}";

/// What becomes of turns and end tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As the model file says.
    Chat,
    /// See [`Engine::start_bare`].
    Bare,
}

/// What broke, while it is broken.
type Trouble = Arc<Mutex<Option<String>>>;

/// A model at work. Share it by reference or `Arc`; dropping it ends its thread.
#[derive(Debug)]
pub struct Engine {
    /// `None` only while dropping.
    orders: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    /// Requests that wait for room, and how many may.
    waiting: Arc<AtomicUsize>,
    queue: usize,
    trouble: Trouble,
    tokenizer: Arc<Tokenizer>,
    template: Option<Template>,
    /// Made when the first grammar is asked for.
    compiler: OnceLock<Result<Compiler, GrammarError>>,
    info: Info,
    capabilities: Capabilities,
    /// Tokens that one sequence may have: the model's context, or all of the cache where that is less.
    room: u32,
}

impl Engine {
    /// Loads a model file with default settings and `threads` threads (0: every core).
    ///
    /// # Errors
    /// [`EngineError::File`], [`EngineError::Tokenizer`], [`EngineError::Chat`].
    pub fn start(path: &Path, threads: usize) -> Result<Self, EngineError> {
        let limits = Limits { threads, ..Limits::default() };
        Self::start_with(path, Settings { limits, ..Settings::default() })
    }

    /// Loads a model file.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(path: &Path, settings: Settings) -> Result<Self, EngineError> {
        Self::load(path, None, settings, Manner::Chat)
    }

    /// As [`Engine::start_with`]; the small model in the file `draft`, of the same vocabulary, guesses where the text gives no
    /// hint. It changes how many passes an answer takes and nothing else.
    ///
    /// # Errors
    /// As [`Engine::start`], for both files; [`EngineError::Draft`] if the vocabularies differ.
    pub fn start_drafted(path: &Path, draft: Option<&Path>, settings: Settings) -> Result<Self, EngineError> {
        Self::load(path, draft, settings, Manner::Chat)
    }

    /// As [`Engine::start_with`], for measuring: a prompt is the bare text of its turns, and no token ends an answer.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_bare(path: &Path, settings: Settings) -> Result<Self, EngineError> {
        Self::load(path, None, settings, Manner::Bare)
    }

    fn load(path: &Path, draft: Option<&Path>, settings: Settings, manner: Manner) -> Result<Self, EngineError> {
        let file = gguf::File::open(path)?;
        let mut tokenizer = Tokenizer::from_header(file.header())?;
        let template = match manner {
            Manner::Chat => file.header().text("tokenizer.chat_template"),
            Manner::Bare => Some(BARE_TEMPLATE),
        };
        let template = template.map(|source| Template::new(source, &tokenizer)).transpose()?;
        if manner == Manner::Bare {
            tokenizer.forget_ends();
        }
        // The digest reads the whole file once more: beside the loading, not after it.
        let (backend, sha256) = std::thread::scope(|scope| {
            let digest = scope.spawn(|| file.sha256());
            let backend = CpuBackend::load(&file, settings.limits);
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
        let drafter = draft.map(|draft| load_drafter(draft, file.header(), &capabilities.clone(), settings.limits));
        Self::with_drafter(Box::new(backend), drafter.transpose()?, tokenizer, template, info, settings)
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
        Self::with_drafter(backend, None, tokenizer, template, info, settings)
    }

    /// As [`Engine::with_backend`], with something that guesses where the text itself gives no hint, of the same vocabulary.
    ///
    /// # Errors
    /// [`EngineError::Gone`] if no thread could be started.
    pub fn with_drafter(
        backend: Box<dyn Backend>,
        drafter: Option<Box<dyn Drafter>>,
        tokenizer: Tokenizer,
        template: Option<Template>,
        info: Info,
        settings: Settings,
    ) -> Result<Self, EngineError> {
        let (orders, heard) = channel();
        let trouble = Trouble::default();
        let waiting = Arc::new(AtomicUsize::new(0));
        let tokenizer = Arc::new(tokenizer);
        let capabilities = backend.capabilities().clone();
        let cache_tokens = u64::from(capabilities.page_tokens) * u64::from(capabilities.pages);
        let room = u32::try_from(cache_tokens).unwrap_or(u32::MAX).min(capabilities.context);
        let worker = Worker::new(
            backend,
            Arc::clone(&tokenizer),
            Arc::clone(&trouble),
            Arc::clone(&waiting),
            drafter,
            &settings,
        );
        let thread = std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(move || {
                if settings.limits.pin {
                    crate::cpu::pin_caller();
                }
                worker.run(&heard);
            })
            .map_err(|_| EngineError::Gone)?;
        let queue = settings.queue.max(1);
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            waiting,
            queue,
            trouble,
            tokenizer,
            template,
            compiler: OnceLock::new(),
            info,
            capabilities,
            room,
        })
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
        let cancel = Arc::new(AtomicBool::new(false));
        let order = self.order(request, events, Arc::clone(&cancel))?;
        self.enter_queue()?;
        self.send(Message::Generate(Box::new(order)))?;
        let mut wanted = true;
        loop {
            if wanted && cancelled() {
                wanted = false;
                cancel.store(true, Ordering::Relaxed);
            }
            match answer.recv_timeout(CANCEL_POLL) {
                Ok(Event::Text(text)) => {
                    if wanted && on_text(&text).is_break() {
                        wanted = false;
                        cancel.store(true, Ordering::Relaxed);
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
        Ok(self.prompt(turns)?.len())
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
        self.send(Message::Probe(sender))?;
        answer.recv().unwrap_or(Err(EngineError::Gone))
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, message: Message) -> Result<(), EngineError> {
        let orders = self.orders.as_ref().ok_or(EngineError::Gone)?;
        orders.send(message).map_err(|_| EngineError::Gone)
    }

    /// Takes a place in the queue; the thread gives it back.
    fn enter_queue(&self) -> Result<(), EngineError> {
        let enter = |waiting: usize| (waiting < self.queue).then_some(waiting + 1);
        let entered = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter);
        entered.map(drop).map_err(|_| EngineError::Overloaded)
    }

    /// The tokens of a prompt of these turns.
    ///
    /// # Errors
    /// [`EngineError::Chat`], [`EngineError::Tokenizer`].
    pub fn prompt(&self, turns: &[Turn]) -> Result<Vec<u32>, EngineError> {
        let template = self.template.as_ref().ok_or_else(|| ChatError::Template("the file has none".to_owned()))?;
        let prompt = template.prompt(turns)?;
        Ok(self.tokenizer.encode_prompt(&prompt.text, &prompt.quoted)?)
    }

    fn guide(&self, grammar: &Grammar) -> Result<Guide, GrammarError> {
        self.compiler.get_or_init(|| Compiler::new(&self.tokenizer)).as_ref().map_err(Clone::clone)?.compile(grammar)
    }

    /// Checks a request and encodes it, on the caller's thread: the model's does nothing but run the model.
    fn order(&self, request: Request, events: Sender<Event>, cancelled: Arc<AtomicBool>) -> Result<Order, EngineError> {
        request.check()?;
        let prompt = self.prompt(&request.turns)?;
        if prompt.is_empty() || prompt.len() >= self.room as usize {
            return Err(EngineError::TooLong { prompt: prompt.len(), context: self.room });
        }
        Ok(Order {
            max_tokens: request.max_tokens.min(self.room as usize - prompt.len()),
            sampler: Sampler::new(request.sampling),
            guide: request.grammar.as_ref().map(|grammar| self.guide(grammar)).transpose()?,
            prompt,
            stop: request.stop,
            priority: request.priority,
            deadline: request.deadline,
            events,
            cancelled,
            queued: Instant::now(),
        })
    }
}

/// The model that guesses. Only as many sequences are guessed for as are no crowd.
fn load_drafter(
    path: &Path,
    answers: &gguf::Header,
    capabilities: &Capabilities,
    limits: Limits,
) -> Result<Box<dyn Drafter>, EngineError> {
    let file = gguf::File::open(path)?;
    let tokens = |header: &gguf::Header| header.texts("tokenizer.ggml.tokens").cloned().unwrap_or_default();
    let (small, large) = (tokens(file.header()), tokens(answers));
    // Families pad their vocabularies to different lengths.
    if small.is_empty() || small.iter().zip(large.iter()).any(|(a, b)| a != b) {
        return Err(EngineError::Draft { path: path.to_owned() });
    }
    let context = capabilities.context;
    let cache_tokens = context.saturating_mul(u32::try_from(CROWD).unwrap_or(1) - 1);
    let backend = CpuBackend::load(&file, Limits { context, cache_tokens, ..limits })?;
    Ok(Box::new(ModelDrafter::new(Box::new(backend))))
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
mod tests;
