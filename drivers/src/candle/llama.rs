//! The `llama` forward pass.
//!
//! Papers: Touvron et al. 2023 (LLaMA), Su et al. 2021 (rotary positions), Shazeer 2020 (SwiGLU), Zhang and Sennrich 2019
//! (RMSNorm), Ainslie et al. 2023 (grouped queries). Reference for names and details: llama.cpp, `src/models/llama.cpp`
//! (2026-06); GGUF files hold query and key rows permuted so that a rotation turns neighbouring numbers.

use std::collections::HashSet;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::rope_i;

use super::cache::Slot;
use super::config::Config;
use crate::Batch;
use crate::gguf::{self, DType as StoredType, GgufError};

/// All weights of one model.
pub(super) struct Llama {
    config: Config,
    /// Shape `[vocabulary, width]`.
    embedding: QMatMul,
    layers: Vec<Layer>,
    norm: Tensor,
    /// Shape `[vocabulary, width]`; the embedding itself in models with a tied head.
    head: QMatMul,
    /// Cosine and sine of each position's rotations. Shape `[context, head_dim / 2]` each.
    rotations: (Tensor, Tensor),
}

/// Matrices have shape `[outputs, inputs]`, norms `[width]`.
struct Layer {
    attention_norm: Tensor,
    query: QMatMul,
    key: QMatMul,
    value: QMatMul,
    output: QMatMul,
    feed_norm: Tensor,
    gate: QMatMul,
    up: QMatMul,
    down: QMatMul,
}

impl Llama {
    /// Loads the weights, matrices as f32 or as they are stored; `context` positions are prepared.
    pub(super) fn load(
        file: &gguf::File,
        config: Config,
        context: usize,
        as_floats: bool,
        device: &Device,
    ) -> std::result::Result<Self, GgufError> {
        let Config { width, feed_forward, heads, kv_heads, head_dim, vocabulary, .. } = config;
        let mut weights = Weights { file, device, as_floats, buffer: Vec::new(), taken: HashSet::new() };
        let embedding = weights.matrix("token_embd.weight", vocabulary, width)?;
        let mut layers = Vec::with_capacity(config.layers);
        for index in 0..config.layers {
            let name = |part: &str| format!("blk.{index}.{part}.weight");
            layers.push(Layer {
                attention_norm: weights.vector(&name("attn_norm"), width)?,
                query: weights.matrix(&name("attn_q"), heads * head_dim, width)?,
                key: weights.matrix(&name("attn_k"), kv_heads * head_dim, width)?,
                value: weights.matrix(&name("attn_v"), kv_heads * head_dim, width)?,
                output: weights.matrix(&name("attn_output"), width, heads * head_dim)?,
                feed_norm: weights.vector(&name("ffn_norm"), width)?,
                gate: weights.matrix(&name("ffn_gate"), feed_forward, width)?,
                up: weights.matrix(&name("ffn_up"), feed_forward, width)?,
                down: weights.matrix(&name("ffn_down"), width, feed_forward)?,
            });
        }
        let norm = weights.vector("output_norm.weight", width)?;
        let head = match file.header().tensor("output.weight") {
            Some(_) => weights.matrix("output.weight", vocabulary, width)?,
            None => embedding.clone(),
        };
        // Llama 3.1 stretches each rotation by its own factor, which the file brings along.
        let factors = match file.header().tensor("rope_freqs.weight") {
            Some(_) => weights.vector("rope_freqs.weight", head_dim / 2)?.to_vec1().map_err(candle_failed)?,
            None => vec![1.0; head_dim / 2],
        };
        // A tensor that nothing used means another architecture: the answers would be wrong without a word.
        if let Some(unused) = file.header().tensors.iter().find(|tensor| !weights.taken.contains(tensor.name.as_str()))
        {
            let name: String = unused.name.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(GgufError::Unusable(format!("its tensor `{name}` has no place in architecture `llama`")));
        }
        let rotations = rotations(&config, &factors, context, device).map_err(candle_failed)?;
        Ok(Self { config, embedding, layers, norm, head, rotations })
    }

    /// One pass; `batch` and `logits` are checked already.
    pub(super) fn forward(&self, batch: &Batch, slots: &mut [Slot], logits: &mut [f32]) -> Result<()> {
        let device = self.norm.device();
        let tokens = Tensor::new(batch.tokens.as_slice(), device)?;
        let mut x = self.embedding.embedding(&tokens)?; // [tokens, width]
        for (index, layer) in self.layers.iter().enumerate() {
            let h = rms_norm(&x, &layer.attention_norm, self.config.epsilon)?;
            let attended = self.attention(index, layer, &h, batch, slots)?;
            x = (x + layer.output.forward(&attended)?)?;
            let h = rms_norm(&x, &layer.feed_norm, self.config.epsilon)?;
            let gated = (silu(&layer.gate.forward(&h)?)? * layer.up.forward(&h)?)?;
            x = (x + layer.down.forward(&gated)?)?;
        }
        // Only the last token of each sequence is asked for what follows it.
        let last: Vec<u32> = batch.offsets.iter().skip(1).map(|end| end - 1).collect();
        let last = x.index_select(&Tensor::new(last.as_slice(), device)?, 0)?;
        let last = rms_norm(&last, &self.norm, self.config.epsilon)?;
        let filled = self.head.forward(&last)?.flatten_all()?.to_vec1::<f32>()?;
        if filled.len() != logits.len() {
            candle_core::bail!("{} logits were computed, {} expected", filled.len(), logits.len());
        }
        logits.copy_from_slice(&filled);
        for (slot, tokens) in batch.sequences() {
            if let Some(slot) = slots.get_mut(slot as usize) {
                slot.advance(tokens.len());
            }
        }
        Ok(())
    }

    /// Attention of every sequence over its own slot. `h` and the result have shapes `[tokens, width]` and
    /// `[tokens, heads * head_dim]`.
    fn attention(&self, index: usize, layer: &Layer, h: &Tensor, batch: &Batch, slots: &mut [Slot]) -> Result<Tensor> {
        let Config { heads, kv_heads, head_dim, .. } = self.config;
        let (query, key, value) = (layer.query.forward(h)?, layer.key.forward(h)?, layer.value.forward(h)?);
        let mut parts = Vec::with_capacity(batch.slots.len());
        let mut start = 0;
        for (slot, tokens) in batch.sequences() {
            let count = tokens.len();
            let Some(slot) = slots.get_mut(slot as usize) else { candle_core::bail!("there is no slot {slot}") };
            let position = slot.used();
            // [tokens, heads * head_dim] to [heads, tokens, head_dim]
            let split = |x: &Tensor, heads: usize| {
                x.narrow(0, start, count)?.reshape((count, heads, head_dim))?.transpose(0, 1)?.contiguous()
            };
            let rotate = |x: Tensor| {
                let (cos, sin) =
                    (self.rotations.0.narrow(0, position, count)?, self.rotations.1.narrow(0, position, count)?);
                rope_i(&x.unsqueeze(0)?, &cos, &sin)?.squeeze(0)
            };
            let query = rotate(split(&query, heads)?)?;
            let (keys, values) = slot.append(index, &rotate(split(&key, kv_heads)?)?, &split(&value, kv_heads)?)?;
            let total = position + count;
            // The heads of one group share keys: they go through one product as more rows.
            let rows = heads / kv_heads * count;
            let grouped = (query.reshape((kv_heads, rows, head_dim))? * (1.0 / (head_dim as f64).sqrt()))?;
            let scores = grouped.matmul(&keys.t()?)?; // [kv_heads, rows, total]
            let scores = if count == 1 {
                scores
            } else {
                let mask = causal_mask(count, position, scores.device())?;
                scores.reshape((heads, count, total))?.broadcast_add(&mask)?.reshape((kv_heads, rows, total))?
            };
            let mixed = softmax_last_dim(&scores)?.matmul(&values)?; // [kv_heads, rows, head_dim]
            parts.push(mixed.reshape((heads, count, head_dim))?.transpose(0, 1)?.reshape((count, heads * head_dim))?);
            start += count;
        }
        match parts.as_slice() {
            [only] => Ok(only.clone()),
            _ => Tensor::cat(&parts, 0),
        }
    }
}

/// Minus infinity where a token would look at a later one. Shape `[count, position + count]`.
fn causal_mask(count: usize, position: usize, device: &Device) -> Result<Tensor> {
    let total = position + count;
    let mask: Vec<f32> = (0..count)
        .flat_map(|row| (0..total).map(move |column| if column > position + row { f32::NEG_INFINITY } else { 0.0 }))
        .collect();
    Tensor::from_vec(mask, (count, total), device)
}

/// Angles: position · base^(-2i / head_dim) for the i-th pair of numbers. Computed in f64: at position 100,000 an f32 angle
/// is off by 0.004.
fn rotations(config: &Config, factors: &[f32], context: usize, device: &Device) -> Result<(Tensor, Tensor)> {
    let half = config.head_dim / 2;
    let frequency = |i: usize, factor: &f32| {
        config.rope_base.powf(-2.0 * i as f64 / config.head_dim as f64) / (f64::from(*factor) * config.rope_divisor)
    };
    let frequencies: Vec<f64> = factors.iter().enumerate().map(|(i, factor)| frequency(i, factor)).collect();
    let table = |function: fn(f64) -> f64| {
        let values =
            (0..context).flat_map(|position| frequencies.iter().map(move |f| function(position as f64 * f) as f32));
        Tensor::from_vec(values.collect::<Vec<f32>>(), (context, half), device)
    };
    Ok((table(f64::cos)?, table(f64::sin)?))
}

fn candle_failed(error: candle_core::Error) -> GgufError {
    GgufError::Unusable(error.to_string().lines().next().unwrap_or("candle gave no reason").to_owned())
}

/// Reads tensors, each checked against the shape that the architecture needs.
struct Weights<'a> {
    file: &'a gguf::File,
    device: &'a Device,
    as_floats: bool,
    buffer: Vec<u8>,
    taken: HashSet<String>,
}

impl Weights<'_> {
    /// A matrix `[rows, columns]`.
    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> std::result::Result<QMatMul, GgufError> {
        let tensor = self.read(name, &[columns as u64, rows as u64], (rows, columns).into())?;
        if self.as_floats {
            let floats = tensor.dequantize(self.device).and_then(|tensor| tensor.to_dtype(DType::F32));
            return floats.map(QMatMul::Tensor).map_err(candle_failed);
        }
        QMatMul::from_qtensor(tensor).map_err(candle_failed)
    }

    /// A vector as f32.
    fn vector(&mut self, name: &str, length: usize) -> std::result::Result<Tensor, GgufError> {
        let tensor = self.read(name, &[length as u64], length.into())?;
        tensor.dequantize(self.device).and_then(|tensor| tensor.to_dtype(DType::F32)).map_err(candle_failed)
    }

    fn read(
        &mut self,
        name: &str,
        dimensions: &[u64],
        shape: candle_core::Shape,
    ) -> std::result::Result<QTensor, GgufError> {
        let info =
            self.file.header().tensor(name).ok_or_else(|| GgufError::Unusable(format!("it has no tensor `{name}`")))?;
        if info.dimensions != dimensions {
            let message =
                format!("its tensor `{name}` has dimensions {:?}; {dimensions:?} are needed", info.dimensions);
            return Err(GgufError::Unusable(message));
        }
        let dtype = candle_type(info.dtype).ok_or_else(|| {
            GgufError::Unusable(format!("its tensor `{name}` is stored as {}, which is not run here", info.dtype.name))
        })?;
        let bytes = self.file.read_tensor(info, &mut self.buffer)?;
        let storage = QStorage::from_data(bytes.into(), self.device, dtype).map_err(candle_failed)?;
        self.taken.insert(name.to_owned());
        QTensor::new(storage, shape).map_err(candle_failed)
    }
}

fn candle_type(stored: StoredType) -> Option<GgmlDType> {
    Some(match stored {
        StoredType::F32 => GgmlDType::F32,
        StoredType::F16 => GgmlDType::F16,
        StoredType::BF16 => GgmlDType::BF16,
        StoredType::Q4_0 => GgmlDType::Q4_0,
        StoredType::Q4_1 => GgmlDType::Q4_1,
        StoredType::Q5_0 => GgmlDType::Q5_0,
        StoredType::Q5_1 => GgmlDType::Q5_1,
        StoredType::Q8_0 => GgmlDType::Q8_0,
        StoredType::Q2_K => GgmlDType::Q2K,
        StoredType::Q3_K => GgmlDType::Q3K,
        StoredType::Q4_K => GgmlDType::Q4K,
        StoredType::Q5_K => GgmlDType::Q5K,
        StoredType::Q6_K => GgmlDType::Q6K,
        _ => return None,
    })
}
