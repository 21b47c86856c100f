//! Keys and values of the tokens that a slot has seen.

use candle_core::{DType, Result, Tensor};

/// Room made at first, in tokens; it doubles when it is full, so a short question does not pay for a long context.
const FIRST_ROOM: usize = 256;

/// One sequence's memory.
#[derive(Debug)]
pub(super) struct Slot {
    layers: Vec<Layer>,
    /// Tokens that are in for good: those of finished passes.
    used: usize,
}

#[derive(Debug, Default)]
struct Layer {
    /// Keys and values, shape `[kv_heads, room, head_dim]` each.
    stored: Option<(Tensor, Tensor)>,
}

impl Slot {
    pub(super) fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| Layer::default()).collect(), used: 0 }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Forgets the sequence, and gives back what it had beyond the first room.
    pub(super) fn reset(&mut self) {
        self.used = 0;
        for layer in &mut self.layers {
            let large = |(keys, _): &(Tensor, Tensor)| keys.dim(1).is_ok_and(|room| room > FIRST_ROOM);
            if layer.stored.as_ref().is_some_and(large) {
                layer.stored = None;
            }
        }
    }

    /// Counts the tokens of a pass that succeeded.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.used += tokens;
    }

    /// Puts keys and values, shape `[kv_heads, tokens, head_dim]`, behind those in use; returns all of `layer`, shape
    /// `[kv_heads, used + tokens, head_dim]`. Until [`Slot::advance`] the next call overwrites them.
    pub(super) fn append(&mut self, layer: usize, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let (heads, tokens, width) = keys.dims3()?;
        let end = self.used + tokens;
        let Some(layer) = self.layers.get_mut(layer) else { candle_core::bail!("there is no layer {layer}") };
        let room = match &layer.stored {
            Some((stored, _)) => stored.dim(1)?,
            None => 0,
        };
        if end > room {
            let room = end.max(2 * room).max(FIRST_ROOM);
            let fresh = || Tensor::zeros((heads, room, width), DType::F32, keys.device());
            let (new_keys, new_values) = (fresh()?, fresh()?);
            if let Some((old_keys, old_values)) = layer.stored.take().filter(|_| self.used > 0) {
                new_keys.slice_set(&old_keys.narrow(1, 0, self.used)?.contiguous()?, 1, 0)?;
                new_values.slice_set(&old_values.narrow(1, 0, self.used)?.contiguous()?, 1, 0)?;
            }
            layer.stored = Some((new_keys, new_values));
        }
        let Some((all_keys, all_values)) = &layer.stored else { candle_core::bail!("there is no room for keys") };
        all_keys.slice_set(&keys.contiguous()?, 1, self.used)?;
        all_values.slice_set(&values.contiguous()?, 1, self.used)?;
        Ok((all_keys.narrow(1, 0, end)?, all_values.narrow(1, 0, end)?))
    }
}
