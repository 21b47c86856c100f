//! The first backend: candle on CPU, architecture `llama` (SmolLM2, Llama 2 and 3), weights as a GGUF file quantizes them.

mod cache;
mod config;
mod llama;

use candle_core::Device;

use crate::gguf::{self, GgufError};
use crate::{Backend, BackendError, Batch, Capabilities};

use cache::Slot;
use llama::Llama;

/// The driver's name.
pub const DRIVER: &str = "candle-cpu";

/// How much a backend may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens in one slot; the model's own limit where that is lower.
    pub context: u32,
    /// Sequences at once.
    pub slots: u32,
    /// Tokens in one pass. It bounds the memory for attention scores: heads · batch · context numbers of four bytes.
    pub batch_tokens: u32,
    /// If all matrices as f32 take no more than this, in bytes, they are held so: exact, and on x86-64 far faster than
    /// candle's products with 4- and 5-bit weights, which are plain loops (candle-core 0.11.1, SmolLM2-135M Q4_1, 2 cores
    /// of an AMD EPYC with AVX-512: a prompt is read at 397 instead of 17 tokens/s, an answer written at 34 instead of 24).
    /// Larger models stay as the file stores them.
    pub float_weights_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { context: 8192, slots: 4, batch_tokens: 256, float_weights_bytes: 1 << 30 }
    }
}

/// A model in memory, with its slots. However a sequence is cut into passes and whatever shares them, its logits are the
/// same to within 1e-4 of their range: sums run in another order. With weights left quantized (see
/// [`Limits::float_weights_bytes`]) to within 1e-2: ggml's products round activations to 8 bits, and a sum that differs in
/// its last digit may round to the neighbour.
pub struct CandleBackend {
    model: Llama,
    slots: Vec<Slot>,
    capabilities: Capabilities,
}

impl CandleBackend {
    /// Loads the weights.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the model is none of this architecture or its tensors do not fit it; [`GgufError::Io`].
    pub fn load(file: &gguf::File, limits: Limits) -> Result<Self, GgufError> {
        let config = config::Config::from_header(file.header())?;
        let count = |number: usize| {
            u32::try_from(number).map_err(|_| GgufError::Unusable("its vocabulary is too large".to_owned()))
        };
        let capabilities = Capabilities {
            driver: DRIVER.to_owned(),
            vocabulary: count(config.vocabulary)?,
            context: limits.context.min(u32::try_from(config.context).unwrap_or(u32::MAX)).max(1),
            slots: limits.slots.max(1),
            batch_tokens: limits.batch_tokens.max(1),
        };
        let slots = (0..capabilities.slots).map(|_| Slot::new(config.layers)).collect();
        let matrices = file.header().tensors.iter().filter(|tensor| tensor.dimensions.len() > 1);
        let floats = matrices
            .map(|tensor| tensor.dimensions.iter().fold(4_u64, |bytes, &length| bytes.saturating_mul(length)))
            .fold(0, u64::saturating_add);
        let as_floats = floats <= limits.float_weights_bytes;
        let model = Llama::load(file, config, capabilities.context as usize, as_floats, &Device::Cpu)?;
        Ok(Self { model, slots, capabilities })
    }
}

impl Backend for CandleBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        batch.check(&self.capabilities, |slot| self.used(slot), logits)?;
        self.model.forward(batch, &mut self.slots, logits).map_err(|error| {
            // candle appends a backtrace after the first line.
            let text = error.to_string();
            BackendError::Failed(text.lines().next().unwrap_or("candle gave no reason").to_owned())
        })
    }

    fn reset(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            slot.reset();
        }
    }

    fn used(&self, slot: u32) -> u32 {
        let used = self.slots.get(slot as usize).map_or(0, Slot::used);
        u32::try_from(used).unwrap_or(u32::MAX)
    }
}
