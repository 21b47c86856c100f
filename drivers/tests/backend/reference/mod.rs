//! The plain forward pass that backends are measured against: one position after another, one sum after another, in f32, on
//! the numbers that a file's stored weights stand for. Written for clarity, from the papers' formulas and the facts of
//! llama.cpp's `src/models/*.cpp` (as built into llama-cpp-python 0.3.36), with which it agrees: `tests/performance/logits.py`.
//!
//! What a layer does follows from the tensors it has: a bias that is there is added, a norm that is there is applied. What
//! tensors cannot say stands in [`Config`]. A tensor that no step reads is an error, so nothing is left out in silence.
#![allow(dead_code, reason = "a test binary and an example share it, and neither needs all of it")]

mod config;
mod experts;
mod math;
mod weights;

use std::path::Path;

use haechi_drivers::gguf::File;

use config::{Attention, Config};
pub(crate) use experts::Routing;
use math::{add, gelu, rms_norm, rotate, silu, softmax};
use weights::{Matrix, Weights};

/// A model as the reference sees it.
pub(crate) struct Reference {
    config: Config,
    weights: Weights,
}

/// One vector for each position.
type Rows = Vec<Vec<f32>>;

impl Reference {
    /// Reads a whole model file into f32.
    ///
    /// # Panics
    /// If it is no model that the reference knows.
    pub(crate) fn load(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        Self { config: Config::read(file.header()), weights: Weights::read(&file) }
    }

    /// The logits after every position.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Rows {
        self.logits_routed(tokens, None).0
    }

    /// As [`Reference::logits`], with the experts that were chosen; those of `replay` are taken where it has some.
    pub(crate) fn logits_routed(&self, tokens: &[u32], replay: Option<&Routing>) -> (Rows, Routing) {
        let config = &self.config;
        let mut routing = Routing::default();
        let embedding = self.weights.matrix("token_embd.weight");
        let mut x: Rows = tokens
            .iter()
            .map(|&token| embedding.row(token as usize).iter().map(|n| n * config.embedding_scale).collect())
            .collect();
        for layer in 0..config.layers {
            let mut mixed = self.attention(layer, &self.norm_if_any(layer, "attn_norm", &x));
            mixed = self.norm_if_any(layer, "post_attention_norm", &mixed);
            add(&mut x, &mixed);
            let h = self.norm_if_any(layer, "ffn_norm", &x);
            let mut grown = if self.has(layer, "ffn_gate_inp.weight") {
                self.experts(layer, &h, replay, &mut routing)
            } else {
                self.feed_forward(layer, "", &h)
            };
            grown = self.norm_if_any(layer, "post_ffw_norm", &grown);
            add(&mut x, &grown);
        }
        let norm = self.weights.vector("output_norm.weight");
        x.iter_mut().for_each(|x| *x = rms_norm(x, norm, config.epsilon));
        let head = if self.weights.has("output.weight") { self.weights.matrix("output.weight") } else { embedding };
        let mut logits = head.times(&x);
        if let Some(cap) = config.logit_cap {
            logits.iter_mut().flatten().for_each(|n| *n = (*n / cap).tanh() * cap);
        }
        self.weights.all_read();
        (logits, routing)
    }

    fn attention(&self, layer: usize, h: &Rows) -> Rows {
        let (queries, keys, values) = match &self.config.attention {
            Attention::Plain => self.plain_heads(layer, h),
            Attention::Latent { rank } => self.latent_heads(layer, *rank, h),
        };
        let mixed = self.mix(layer, &queries, &keys, &values);
        self.linear(layer, "attn_output", &mixed)
    }

    /// Queries, keys and values, all heads of a position in one row.
    fn plain_heads(&self, layer: usize, h: &Rows) -> (Rows, Rows, Rows) {
        let config = &self.config;
        let (mut queries, mut keys) = (self.linear(layer, "attn_q", h), self.linear(layer, "attn_k", h));
        for (name, rows) in [("attn_q_norm.weight", &mut queries), ("attn_k_norm.weight", &mut keys)] {
            if self.has(layer, name) {
                let norm = self.vector(layer, name);
                for head in rows.iter_mut().flat_map(|row| row.chunks_mut(config.key_dim)) {
                    head.copy_from_slice(&rms_norm(head, norm, config.epsilon));
                }
            }
        }
        let window = config.windows[layer];
        let rope = if window.is_some() { &config.rope_local } else { &config.rope };
        if let Some(rope) = rope {
            let factors = self.weights.has("rope_freqs.weight").then(|| self.weights.vector("rope_freqs.weight"));
            for (position, row) in queries.iter_mut().enumerate().chain(keys.iter_mut().enumerate()) {
                row.chunks_mut(config.key_dim)
                    .for_each(|head| rotate(&mut head[..config.rope_dim], position, rope, factors));
            }
        }
        (queries, keys, self.linear(layer, "attn_v", h))
    }

    /// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1), written out as plain heads: keys and values
    /// of every head are computed from the latent, and the rotated part of the key is the same for all of them.
    fn latent_heads(&self, layer: usize, rank: usize, h: &Rows) -> (Rows, Rows, Rows) {
        let config = &self.config;
        let rope = config.rope.as_ref().unwrap();
        let (heads, plain) = (config.heads, config.key_dim - config.rope_dim);
        let mut queries = if self.has(layer, "attn_q.weight") {
            self.linear(layer, "attn_q", h)
        } else {
            let low = self.norm_if_any(layer, "attn_q_a_norm", &self.linear(layer, "attn_q_a", h));
            self.linear(layer, "attn_q_b", &low)
        };
        for (position, row) in queries.iter_mut().enumerate() {
            row.chunks_mut(config.key_dim).for_each(|head| rotate(&mut head[plain..], position, rope, None));
        }
        let both = self.linear(layer, "attn_kv_a_mqa", h);
        let latent = both.iter().map(|row| row[..rank].to_vec()).collect();
        let latent = self.norm_if_any(layer, "attn_kv_a_norm", &latent);
        let (mut keys, mut values): (Rows, Rows) = (Vec::new(), Vec::new());
        for (position, (latent, both)) in latent.iter().zip(&both).enumerate() {
            let mut shared = both[rank..].to_vec();
            rotate(&mut shared, position, rope, None);
            let (mut key, mut value) = (Vec::new(), Vec::new());
            for head in 0..heads {
                let (k, v) = self.of_latent(layer, head, plain, latent);
                key.extend(k);
                key.extend_from_slice(&shared);
                value.extend(v);
            }
            keys.push(key);
            values.push(value);
        }
        (queries, keys, values)
    }

    /// One head's key (without its rotated part) and value.
    fn of_latent(&self, layer: usize, head: usize, plain: usize, latent: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let value_dim = self.config.value_dim;
        if self.has(layer, "attn_kv_b.weight") {
            let rows = head * (plain + value_dim);
            let both = self.matrix(layer, "attn_kv_b.weight").rows(rows, plain + value_dim).times_one(latent);
            (both[..plain].to_vec(), both[plain..].to_vec())
        } else {
            // Stored turned round, for folding it into the query: a row for each number of the latent.
            let turned = self.matrix(layer, "attn_k_b.weight").rows(head * latent.len(), latent.len());
            let mut key = vec![0.0; plain];
            for (i, latent) in latent.iter().enumerate() {
                key.iter_mut().zip(turned.row(i)).for_each(|(key, weight)| *key += weight * latent);
            }
            (key, self.matrix(layer, "attn_v_b.weight").rows(head * value_dim, value_dim).times_one(latent))
        }
    }

    /// What each position takes from those it sees.
    fn mix(&self, layer: usize, queries: &Rows, keys: &Rows, values: &Rows) -> Rows {
        let Config { heads, key_dim, value_dim, attention_scale, .. } = self.config;
        let sharing = heads / (keys[0].len() / key_dim);
        let mut out = vec![vec![0.0; heads * value_dim]; queries.len()];
        for (position, (query, out)) in queries.iter().zip(&mut out).enumerate() {
            let first = self.config.windows[layer].map_or(0, |window| (position + 1).saturating_sub(window));
            for head in 0..heads {
                let (key_at, value_at) = (head / sharing * key_dim, head / sharing * value_dim);
                let query = &query[head * key_dim..][..key_dim];
                let mut shares: Vec<f32> = keys[first..=position]
                    .iter()
                    .map(|key| math::dot(query, &key[key_at..][..key_dim]) * attention_scale)
                    .collect();
                softmax(&mut shares);
                let out = &mut out[head * value_dim..][..value_dim];
                for (share, value) in shares.iter().zip(&values[first..=position]) {
                    out.iter_mut().zip(&value[value_at..]).for_each(|(out, value)| *out += share * value);
                }
            }
        }
        out
    }

    /// The gated MLP; `suffix` tells the shared experts' tensors from the layer's own.
    fn feed_forward(&self, layer: usize, suffix: &str, h: &Rows) -> Rows {
        let gate = self.linear(layer, &format!("ffn_gate{suffix}"), h);
        let up = self.linear(layer, &format!("ffn_up{suffix}"), h);
        let inner: Rows = gate.iter().zip(&up).map(|(gate, up)| self.gated(gate, up)).collect();
        self.linear(layer, &format!("ffn_down{suffix}"), &inner)
    }

    fn gated(&self, gate: &[f32], up: &[f32]) -> Vec<f32> {
        let act = if self.config.gelu { gelu } else { silu };
        gate.iter().zip(up).map(|(gate, up)| act(*gate) * up).collect()
    }

    /// A matrix, and its bias if there is one.
    fn linear(&self, layer: usize, part: &str, x: &Rows) -> Rows {
        let mut out = self.matrix(layer, &format!("{part}.weight")).times(x);
        let bias = format!("{part}.bias");
        if self.has(layer, &bias) {
            let bias = self.vector(layer, &bias);
            out.iter_mut().for_each(|row| row.iter_mut().zip(bias).for_each(|(n, bias)| *n += bias));
        }
        out
    }

    fn norm_if_any(&self, layer: usize, part: &str, x: &Rows) -> Rows {
        let name = format!("{part}.weight");
        if !self.has(layer, &name) {
            return x.clone();
        }
        let weight = self.vector(layer, &name);
        x.iter().map(|x| rms_norm(x, weight, self.config.epsilon)).collect()
    }

    fn has(&self, layer: usize, part: &str) -> bool {
        self.weights.has(&format!("blk.{layer}.{part}"))
    }

    fn vector(&self, layer: usize, part: &str) -> &[f32] {
        self.weights.vector(&format!("blk.{layer}.{part}"))
    }

    fn matrix(&self, layer: usize, part: &str) -> Matrix<'_> {
        self.weights.matrix(&format!("blk.{layer}.{part}"))
    }
}
