//! The native engine: transformers on the processor that a hospital already has.
//!
//! Weights are repacked at load for the processor's integer dot products ([`format`]); activations are rounded to 8 bits
//! with a scale for each 32 numbers ([`activation`]); products ([`product`]) and attention ([`attention`]) are written once
//! and made for each instruction set ([`isa`]); a fixed team of threads ([`team`]) runs a whole pass ([`pass`]) in one
//! region with a barrier after each fused step.
//!
//! What a sequence's logits are depends on its tokens alone, bit for bit: not on what shares the pass, not on how a prompt
//! was cut, not on the number of threads. It does depend on the instruction set.

mod activation;
mod attention;
mod cache;
mod config;
mod eight;
mod format;
mod isa;
mod measure;
mod memory;
mod model;
mod ops;
mod pass;
mod placement;
mod positions;
mod product;
mod team;
mod weights;

use crate::gguf::{self, GgufError};
use crate::{Backend, BackendError, Batch, Capabilities};

pub use isa::Level;
pub use measure::{KernelFigures, kernel_figures, read_bandwidth};
pub use placement::pin_caller;

use activation::Kept;
use attention::PAGE;
use cache::{Cache, CacheShape};
use config::{Config, unusable};
use model::Model;
use pass::{Pass, Scratch};
use team::Team;
use weights::Loader;

/// The driver's name.
pub const DRIVER: &str = "native-cpu";

/// How much a backend may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens in one sequence; the model's own limit where that is lower.
    pub context: u32,
    /// Tokens that the KV cache holds, all sequences together. What is never used takes no memory.
    pub cache_tokens: u32,
    /// Tokens in one pass.
    pub batch_tokens: u32,
    /// Threads that compute, the caller's among them; 0 takes every core.
    pub threads: usize,
    /// Which instructions to use; the best that there are if `None`.
    pub level: Option<Level>,
    /// Keep each thread on a processor of its own; the calling one does it by [`pin_caller`]. Worth it where the processors
    /// belong to nobody else: a thread that is kept where another program works holds up all.
    pub pin: bool,
    /// How finely activations are rounded.
    pub precision: Precision,
    /// How keys and values are kept.
    pub cache: CacheFormat,
}

/// How keys and values are kept from pass to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheFormat {
    /// As bf16.
    #[default]
    Bf16,
    /// As 8 bits with a scale for each head and position: about half the memory, and less exact.
    Q8,
}

/// How finely a product's activations are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// To 8 bits with a scale for each 32, as every engine of its kind does.
    #[default]
    Standard,
    /// To about 16: a second row of codes keeps what the first rounds off. Reading a prompt takes about twice as long;
    /// generating for few users takes little longer, because it waits for the weights.
    High,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            context: 8192,
            cache_tokens: 32_768,
            batch_tokens: 512,
            threads: 0,
            level: None,
            pin: false,
            precision: Precision::Standard,
            cache: CacheFormat::Bf16,
        }
    }
}

/// A model in memory.
pub struct CpuBackend {
    model: Model,
    level: Level,
    team: Team,
    cache: Cache,
    scratch: Scratch,
    capabilities: Capabilities,
    weight_bytes: usize,
    /// The batch that ran last, if its head may have been computed in part.
    partly: Option<Batch>,
}

impl CpuBackend {
    /// Loads the weights.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the model is of no family that runs here, its tensors do not fit it, or the system gives
    /// no memory; [`GgufError::Io`].
    pub fn load(file: &gguf::File, limits: Limits) -> Result<Self, GgufError> {
        let level = match limits.level {
            Some(level) if !level.available() => {
                return Err(unusable(format!("this processor has no {} instructions", level.name())));
            }
            level => level.unwrap_or_else(Level::detect),
        };
        let config = Config::from_header(file.header())?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if limits.threads == 0 { cores } else { limits.threads };
        let memory =
            |error: std::io::Error| unusable(format!("the system gives no memory or threads for it ({error})"));
        let mut team = Team::new(threads, limits.pin).map_err(memory)?;

        let context = limits.context.min(u32::try_from(config.context).unwrap_or(u32::MAX)).max(1);
        let pages = limits.cache_tokens.max(context).div_ceil(PAGE as u32);
        let shape = CacheShape::of(&config, limits.cache == CacheFormat::Q8);
        let batch_tokens = limits.batch_tokens.max(1);
        let vocabulary =
            u32::try_from(config.vocabulary).map_err(|_| unusable("its vocabulary is too large".to_owned()))?;

        let mut loader = Loader::new(file, level)?;
        let mut model = Model::plan(config, context as usize, &mut loader)?;
        let floats = loader.has_floats();
        let weight_bytes = loader.bytes();
        loader.read(&mut team)?;
        model.head_in_halves = model.head.low_nibbles_are_even();
        let rows = match limits.precision {
            Precision::Standard => 1,
            Precision::High => 2,
        };
        let kept = Kept { rows, floats };
        let scratch =
            Scratch::new(&model.config, batch_tokens as usize, team.size(), kept, shape.eight).map_err(memory)?;
        let cache = Cache::new(shape, pages as usize).map_err(memory)?;
        let capabilities = Capabilities {
            // With the instruction set, the precision and the cache's numbers: what it computes, and keeps on disk, differs.
            driver: {
                let high = if limits.precision == Precision::High { "/high" } else { "" };
                let eight = if shape.eight { "/q8" } else { "" };
                format!("{DRIVER}/{}{high}{eight}", level.name())
            },
            vocabulary,
            context,
            batch_tokens,
            page_tokens: PAGE as u32,
            pages,
            page_bytes: shape.page_numbers() * 2,
        };
        Ok(Self { model, level, team, cache, scratch, capabilities, weight_bytes, partly: None })
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Bytes of weights and cache that a decoding step of one token reads when `context` tokens stand before it; of a mixture
    /// only the experts of one token. A greedy step may read less of the head.
    #[must_use]
    pub fn step_bytes(&self, context: usize) -> usize {
        self.model.step_bytes() + context * self.capabilities.page_bytes / PAGE
    }

    /// As [`Backend::forward`], with the experts that `experts` names instead of the router's choice: `[layer with
    /// experts][token][experts of a token]`, each token's ascending. For proofs: where a choice is close, rounding turns it,
    /// and what comes after cannot be compared.
    ///
    /// # Errors
    /// As [`Backend::forward`]; [`BackendError::Refused`] if `experts` does not fit the network and the batch.
    pub fn forward_with_experts(
        &mut self,
        batch: &Batch,
        logits: &mut [f32],
        experts: &[u32],
    ) -> Result<(), BackendError> {
        let wrong = || BackendError::Refused("these are no experts of this model for these tokens".to_owned());
        let rules = self.model.config.experts.ok_or_else(wrong)?;
        let layers = self.layers_with_experts();
        let ascending =
            |each: &[u32]| each.is_sorted_by(|a, b| a < b) && each.iter().all(|&e| (e as usize) < rules.count);
        if experts.len() != layers * batch.tokens.len() * rules.used || !experts.chunks(rules.used).all(ascending) {
            return Err(wrong());
        }
        self.run(batch, logits, Some(experts))
    }

    fn run(&mut self, batch: &Batch, logits: &mut [f32], experts: Option<&[u32]>) -> Result<(), BackendError> {
        batch.check(&self.capabilities, logits)?;
        self.partly = batch.likeliest_only.then(|| batch.clone());
        let mut pass = Pass::new(&self.model, self.level, &self.cache, &mut self.scratch, batch, logits)
            .map_err(|error| BackendError::Failed(format!("the system gives no memory ({error})")))?;
        if let Some(experts) = experts {
            pass.impose(experts);
        }
        self.team.run(&|member| pass.run(member));
        Ok(())
    }

    /// Layers with experts.
    #[must_use]
    pub fn layers_with_experts(&self) -> usize {
        let Config { layers, experts, .. } = &self.model.config;
        experts.map_or(0, |experts| layers.saturating_sub(experts.dense_layers))
    }

    /// The instructions that it uses.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

impl std::fmt::Debug for CpuBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuBackend")
            .field("level", &self.level)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

impl Backend for CpuBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        self.run(batch, logits, None)
    }

    fn complete(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        batch.check(&self.capabilities, logits)?;
        // What the last layer gave is still there; the head only reads it.
        let same =
            self.partly.take().is_some_and(|partly| Batch { likeliest_only: batch.likeliest_only, ..partly } == *batch);
        if !same {
            return self.run(batch, logits, None);
        }
        let pass = Pass::new(&self.model, self.level, &self.cache, &mut self.scratch, batch, logits)
            .map_err(|error| BackendError::Failed(format!("the system gives no memory ({error})")))?;
        self.team.run(&|member| pass.run_head(member));
        Ok(())
    }

    fn read_page(&self, page: u32, bytes: &mut Vec<u8>) -> Result<(), BackendError> {
        let numbers = self.cache.page(page).ok_or_else(|| no_page(page))?;
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        Ok(())
    }

    fn write_page(&mut self, page: u32, bytes: &[u8]) -> Result<(), BackendError> {
        let expected = self.capabilities.page_bytes;
        if bytes.len() != expected {
            return Err(BackendError::Refused(format!("{} bytes for a page of {expected}", bytes.len())));
        }
        let numbers = self.cache.page_mut(page).ok_or_else(|| no_page(page))?;
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(2)) {
            *number = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Ok(())
    }
}

fn no_page(page: u32) -> BackendError {
    BackendError::Refused(format!("there is no page {page}"))
}
