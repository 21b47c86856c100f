//! The native engine: weights repacked at load for the processor's integer dot products, one parallel region a pass.

use crate::gguf::{self, GgufError};
use crate::{Backend, BackendError, Batch, Capabilities};

/// The driver's name.
pub const DRIVER: &str = "native-cpu";

/// How much a backend may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens in one sequence; the model's own limit where that is lower.
    pub context: u32,
    /// Tokens that the KV cache holds, all sequences together.
    pub cache_tokens: u32,
    /// Tokens in one pass.
    pub batch_tokens: u32,
    /// Threads that compute, the caller's among them; 0 takes every core.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { context: 8192, cache_tokens: 32_768, batch_tokens: 512, threads: 0 }
    }
}

/// A model in memory.
pub struct CpuBackend {
    capabilities: Capabilities,
}

impl CpuBackend {
    /// Loads the weights.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] if the model is of no family that runs here or its tensors do not fit it; [`GgufError::Io`].
    pub fn load(_file: &gguf::File, _limits: Limits) -> Result<Self, GgufError> {
        Err(GgufError::Unusable("the native engine is not built yet".to_owned()))
    }
}

impl Backend for CpuBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn forward(&mut self, batch: &Batch, logits: &mut [f32]) -> Result<(), BackendError> {
        batch.check(&self.capabilities, logits)
    }

    fn read_page(&self, _page: u32, _bytes: &mut Vec<u8>) -> Result<(), BackendError> {
        Err(BackendError::Refused("no page".to_owned()))
    }

    fn write_page(&mut self, _page: u32, _bytes: &[u8]) -> Result<(), BackendError> {
        Err(BackendError::Refused("no page".to_owned()))
    }
}
