//! Which tensor of the file is made of which tensors of the folder.
//!
//! Names: llama.cpp's `conversion/{base,llama,qwen,gemma,exaone,deepseek}.py` and `gguf-py/gguf/tensor_mapping.py` (2026-11).

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use super::config::{Config, Family};
use super::settings::{self, Latent, Shape};
use crate::gguf::{GgufError, Value, shown};
use crate::quant::recipe::Facts;
use crate::safetensors::Weights;

/// Everything that the file will hold, tokenizer apart.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: Vec<Tensor>,
    pub(super) facts: Facts,
    /// Rows of the token embeddings.
    pub(super) vocabulary: u64,
    /// Tensors of the folder that are not used.
    pub(super) left_out: usize,
}

/// A tensor of the file.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// The fastest-running first.
    pub(super) dimensions: Vec<u64>,
    /// One after another: one, or one for each expert or head.
    pub(super) slabs: Vec<Slab>,
}

/// A matrix in a tensor of the folder.
#[derive(Debug, Clone)]
pub(super) struct Slab {
    /// The folder's tensor.
    pub(super) name: String,
    /// Its first number.
    pub(super) start: u64,
    /// Numbers from one of the folder's rows to the next.
    pub(super) stride: u64,
    /// Rows in the file.
    pub(super) rows: u64,
    /// Columns in the file.
    pub(super) columns: u64,
    /// How the folder's rows become the file's.
    pub(super) order: Order,
    /// Added to each number.
    pub(super) add: f32,
    /// If not empty: the numbers themselves, which no tensor of the folder holds.
    pub(super) given: Vec<f32>,
}

/// See [`Slab::order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As they are.
    AsIs,
    /// The folder turns number `i` of a head with number `i + half`, the file with its neighbour: of each `head` rows, those
    /// `from` on are laced.
    Interleaved { head: u64, from: u64 },
    /// The folder's columns are the file's rows.
    Transposed,
}

pub(super) fn plan(config: &Config, weights: &Weights) -> Result<Plan, GgufError> {
    let embedding = weights.tensors().find(|tensor| tensor.name.ends_with("embed_tokens.weight")).ok_or_else(|| {
        GgufError::Unusable("the folder has no token embeddings (`model.embed_tokens.weight`)".to_owned())
    })?;
    let prefix = embedding.name.strip_suffix("embed_tokens.weight").unwrap_or_default().to_owned();
    let vocabulary = embedding.shape.first().copied().unwrap_or(0);
    let head = weights.tensors().find(|tensor| tensor.name.ends_with("lm_head.weight"));
    let head = head.filter(|_| !config.flag("tie_word_embeddings", config.family == Family::Gemma3));

    let shape = Shape::of(config)?;
    let mut builder = Builder { config, weights, prefix, used: HashSet::new(), tensors: Vec::new() };
    builder.matrix("token_embd", "embed_tokens", [vocabulary, shape.hidden], Order::AsIs)?;
    builder.rope_factors(&shape)?;
    for layer in 0..shape.layers {
        builder.layer(&shape, layer)?;
    }
    builder.norm("output_norm", "norm", shape.hidden)?;
    if let Some(head) = head {
        builder.named("output.weight", &head.name, &[vocabulary, shape.hidden], Order::AsIs, 0.0)?;
    }
    let left_out = builder.left_out(shape.layers)?;
    let facts = Facts { layers: shape.layers, experts: shape.experts, tied: head.is_none() };
    let tensors = builder.tensors;
    Ok(Plan { metadata: settings::metadata(config, &shape, vocabulary)?, tensors, facts, vocabulary, left_out })
}

struct Builder<'a> {
    config: &'a Config,
    weights: &'a Weights,
    /// What stands before `layers.0.` in the folder's names.
    prefix: String,
    /// The folder's names that are used.
    used: HashSet<String>,
    tensors: Vec<Tensor>,
}

impl Builder<'_> {
    /// One tensor from one: `shape` is the folder's, the slowest-running dimension first.
    fn named(&mut self, name: &str, source: &str, shape: &[u64], order: Order, add: f32) -> Result<(), GgufError> {
        self.check(source, shape)?;
        // A vector whose numbers change places is a column.
        let (rows, columns) = match (shape, order) {
            ([rows, columns], _) => (*rows, *columns),
            ([length], Order::AsIs) => (1, *length),
            (lengths, _) => (lengths.iter().product(), 1),
        };
        let slab =
            Slab { name: source.to_owned(), start: 0, stride: columns, rows, columns, order, add, given: Vec::new() };
        let dimensions = shape.iter().rev().copied().collect();
        self.tensors.push(Tensor { name: name.to_owned(), dimensions, slabs: vec![slab] });
        Ok(())
    }

    /// The folder has the tensor `source`, in this shape; from here on it is used.
    fn check(&mut self, source: &str, shape: &[u64]) -> Result<(), GgufError> {
        let tensor = self.weights.tensor(source);
        let tensor = tensor.ok_or_else(|| GgufError::Unusable(format!("the folder lacks the tensor `{source}`")))?;
        if tensor.shape != shape {
            return Err(GgufError::Unusable(format!(
                "the tensor `{source}` has the shape {:?}; by `config.json` it should have {shape:?}",
                tensor.shape
            )));
        }
        self.used.insert(source.to_owned());
        Ok(())
    }

    fn has(&self, source: &str) -> bool {
        self.weights.tensor(&format!("{}{source}", self.prefix)).is_some()
    }

    fn matrix(&mut self, name: &str, source: &str, shape: [u64; 2], order: Order) -> Result<(), GgufError> {
        let (name, source) = (format!("{name}.weight"), format!("{}{source}.weight", self.prefix));
        self.named(&name, &source, &shape, order, 0.0)
    }

    /// A matrix and, if the folder has one, its bias.
    fn linear(&mut self, name: &str, source: &str, shape: [u64; 2], order: Order) -> Result<(), GgufError> {
        self.matrix(name, source, shape, order)?;
        if self.has(&format!("{source}.bias")) {
            let (name, source) = (format!("{name}.bias"), format!("{}{source}.bias", self.prefix));
            let [rows, _] = shape;
            self.named(&name, &source, &[rows], order, 0.0)?;
        }
        Ok(())
    }

    fn norm(&mut self, name: &str, source: &str, width: u64) -> Result<(), GgufError> {
        // Gemma's layers multiply by one plus the weight.
        let add = if self.config.family == Family::Gemma3 { 1.0 } else { 0.0 };
        let (name, source) = (format!("{name}.weight"), format!("{}{source}.weight", self.prefix));
        self.named(&name, &source, &[width], Order::AsIs, add)
    }

    fn layer(&mut self, shape: &Shape, layer: u64) -> Result<(), GgufError> {
        let (to, from) = (format!("blk.{layer}"), format!("layers.{layer}"));
        let family = self.config.family;
        let hidden = shape.hidden;
        if family != Family::Exaone4 {
            self.norm(&format!("{to}.attn_norm"), &format!("{from}.input_layernorm"), hidden)?;
        }
        match shape.latent {
            Some(latent) => self.latent_attention(shape, latent, &to, &format!("{from}.self_attn"))?,
            None => self.attention(shape, &to, &format!("{from}.self_attn"))?,
        }
        let after = format!("{from}.post_attention_layernorm");
        match family {
            Family::Gemma3 => {
                self.norm(&format!("{to}.post_attention_norm"), &after, hidden)?;
                self.norm(&format!("{to}.ffn_norm"), &format!("{from}.pre_feedforward_layernorm"), hidden)?;
                self.norm(&format!("{to}.post_ffw_norm"), &format!("{from}.post_feedforward_layernorm"), hidden)?;
            }
            Family::Exaone4 => {
                self.norm(&format!("{to}.post_attention_norm"), &after, hidden)?;
                self.norm(&format!("{to}.post_ffw_norm"), &format!("{from}.post_feedforward_layernorm"), hidden)?;
            }
            _ => self.norm(&format!("{to}.ffn_norm"), &after, hidden)?,
        }
        if shape.experts == 0 || layer < shape.dense_layers {
            return self.feed_forward(&to, "", &format!("{from}.mlp"), hidden, shape.feed_forward);
        }
        self.experts(shape, &to, &format!("{from}.mlp"))
    }

    fn attention(&mut self, shape: &Shape, to: &str, from: &str) -> Result<(), GgufError> {
        // llama.cpp turns neighbours in models of Llama's kind, halves in all others; published are halves.
        let order = match self.config.family {
            Family::Llama => Order::Interleaved { head: shape.head_width, from: 0 },
            _ => Order::AsIs,
        };
        let (queries, keys) = (shape.heads * shape.head_width, shape.kv_heads * shape.head_width);
        self.linear(&format!("{to}.attn_q"), &format!("{from}.q_proj"), [queries, shape.hidden], order)?;
        self.linear(&format!("{to}.attn_k"), &format!("{from}.k_proj"), [keys, shape.hidden], order)?;
        self.linear(&format!("{to}.attn_v"), &format!("{from}.v_proj"), [keys, shape.hidden], Order::AsIs)?;
        self.linear(&format!("{to}.attn_output"), &format!("{from}.o_proj"), [shape.hidden, queries], Order::AsIs)?;
        if !matches!(self.config.family, Family::Llama | Family::Qwen2) {
            self.norm(&format!("{to}.attn_q_norm"), &format!("{from}.q_norm"), shape.head_width)?;
            self.norm(&format!("{to}.attn_k_norm"), &format!("{from}.k_norm"), shape.head_width)?;
        }
        Ok(())
    }

    fn latent_attention(&mut self, shape: &Shape, latent: Latent, to: &str, from: &str) -> Result<(), GgufError> {
        let Latent { rank, query_rank, nope, rope, value, interleaved } = latent;
        let order = |head: u64, from: u64| if interleaved { Order::AsIs } else { Order::Interleaved { head, from } };
        let queries = shape.heads * (nope + rope);
        let turned = order(nope + rope, nope);
        match query_rank {
            None => self.matrix(&format!("{to}.attn_q"), &format!("{from}.q_proj"), [queries, shape.hidden], turned)?,
            Some(width) => {
                let down = [width, shape.hidden];
                self.matrix(&format!("{to}.attn_q_a"), &format!("{from}.q_a_proj"), down, Order::AsIs)?;
                self.norm(&format!("{to}.attn_q_a_norm"), &format!("{from}.q_a_layernorm"), width)?;
                self.matrix(&format!("{to}.attn_q_b"), &format!("{from}.q_b_proj"), [queries, width], turned)?;
            }
        }
        let down = [rank + rope, shape.hidden];
        let turned = order(rank + rope, rank);
        self.matrix(&format!("{to}.attn_kv_a_mqa"), &format!("{from}.kv_a_proj_with_mqa"), down, turned)?;
        self.norm(&format!("{to}.attn_kv_a_norm"), &format!("{from}.kv_a_layernorm"), rank)?;
        // Each head's rows are its key part and its value part. The key part is turned round, so that it is multiplied with
        // the query once instead of with every cached token.
        let source = format!("{}{from}.kv_b_proj.weight", self.prefix);
        self.check(&source, &[shape.heads * (nope + value), rank])?;
        let slab = |head: u64, skip: u64, rows: u64, columns: u64, order: Order| Slab {
            name: source.clone(),
            start: (head * (nope + value) + skip) * rank,
            stride: rank,
            rows,
            columns,
            order,
            add: 0.0,
            given: Vec::new(),
        };
        let keys = (0..shape.heads).map(|head| slab(head, 0, rank, nope, Order::Transposed)).collect();
        let values = (0..shape.heads).map(|head| slab(head, nope, value, rank, Order::AsIs)).collect();
        for (name, dimensions, slabs) in
            [("attn_k_b", vec![nope, rank, shape.heads], keys), ("attn_v_b", vec![rank, value, shape.heads], values)]
        {
            self.tensors.push(Tensor { name: format!("{to}.{name}.weight"), dimensions, slabs });
        }
        let out = [shape.hidden, shape.heads * value];
        self.matrix(&format!("{to}.attn_output"), &format!("{from}.o_proj"), out, Order::AsIs)
    }

    fn feed_forward(&mut self, to: &str, kind: &str, from: &str, hidden: u64, width: u64) -> Result<(), GgufError> {
        for (part, shape) in [("gate", [width, hidden]), ("up", [width, hidden]), ("down", [hidden, width])] {
            self.linear(&format!("{to}.ffn_{part}{kind}"), &format!("{from}.{part}_proj"), shape, Order::AsIs)?;
        }
        Ok(())
    }

    fn experts(&mut self, shape: &Shape, to: &str, from: &str) -> Result<(), GgufError> {
        let (count, width, hidden) = (shape.experts, shape.expert_width, shape.hidden);
        self.matrix(&format!("{to}.ffn_gate_inp"), &format!("{from}.gate"), [count, hidden], Order::AsIs)?;
        let bias = format!("{from}.gate.e_score_correction_bias");
        if self.has(&bias) {
            let source = format!("{}{bias}", self.prefix);
            self.named(&format!("{to}.exp_probs_b.bias"), &source, &[count], Order::AsIs, 0.0)?;
        }
        let fused = ["", ".weight"].map(|end| format!("{from}.experts.gate_up_proj{end}"));
        if let Some(gate_up) = fused.into_iter().find(|name| self.has(name)) {
            let down = gate_up.replace("gate_up_proj", "down_proj");
            let gate = self.fused(&gate_up, [count, 2 * width, hidden], 0, width)?;
            let up = self.fused(&gate_up, [count, 2 * width, hidden], width, width)?;
            let down = self.fused(&down, [count, hidden, width], 0, hidden)?;
            for (part, dimensions, slabs) in [
                ("gate", [hidden, width, count], gate),
                ("up", [hidden, width, count], up),
                ("down", [width, hidden, count], down),
            ] {
                let name = format!("{to}.ffn_{part}_exps.weight");
                self.tensors.push(Tensor { name, dimensions: dimensions.to_vec(), slabs });
            }
        } else {
            for (part, [rows, columns]) in
                [("gate", [width, hidden]), ("up", [width, hidden]), ("down", [hidden, width])]
            {
                let mut slabs = Vec::new();
                for expert in 0..count {
                    let name = format!("{}{from}.experts.{expert}.{part}_proj.weight", self.prefix);
                    self.check(&name, &[rows, columns])?;
                    let order = Order::AsIs;
                    slabs.push(Slab {
                        name,
                        start: 0,
                        stride: columns,
                        rows,
                        columns,
                        order,
                        add: 0.0,
                        given: Vec::new(),
                    });
                }
                let name = format!("{to}.ffn_{part}_exps.weight");
                self.tensors.push(Tensor { name, dimensions: vec![columns, rows, count], slabs });
            }
        }
        if shape.shared_experts > 0 {
            let width = width * shape.shared_experts;
            self.feed_forward(to, "_shexp", &format!("{from}.shared_experts"), hidden, width)?;
        }
        Ok(())
    }

    /// Rows `skip` to `skip + rows` of every expert in a tensor `[experts, outputs, inputs]`; some publish the last two the
    /// other way round.
    fn fused(&mut self, source: &str, shape: [u64; 3], skip: u64, rows: u64) -> Result<Vec<Slab>, GgufError> {
        let name = format!("{}{source}", self.prefix);
        let [count, outputs, inputs] = shape;
        let turned = [count, inputs, outputs];
        let transposed = outputs != inputs && self.weights.tensor(&name).is_some_and(|tensor| tensor.shape == turned);
        self.check(&name, if transposed { &turned } else { &shape })?;
        let (start, stride, order) =
            if transposed { (skip, outputs, Order::Transposed) } else { (skip * inputs, inputs, Order::AsIs) };
        let slab = |expert: u64| Slab {
            name: name.clone(),
            start: expert * outputs * inputs + start,
            stride,
            rows,
            columns: inputs,
            order,
            add: 0.0,
            given: Vec::new(),
        };
        Ok((0..count).map(slab).collect())
    }

    /// Llama 3's way of stretching positions is a tensor of divisors, one for each pair of a head's numbers
    /// (transformers, `modeling_rope_utils.py`, `_compute_llama3_parameters`).
    fn rope_factors(&mut self, shape: &Shape) -> Result<(), GgufError> {
        let kind = self.config.rope("rope_type").or_else(|| self.config.rope("type")).and_then(Json::as_str);
        if kind != Some("llama3") {
            return Ok(());
        }
        let setting = |key: &str| {
            let number = self.config.rope(key).and_then(Json::as_f64).filter(|number| *number > 0.0);
            number.ok_or_else(|| self.config.broken(format!("it lacks `{key}` for positions stretched as `llama3`")))
        };
        let (factor, trained) = (setting("factor")?, setting("original_max_position_embeddings")?);
        let (low, high) = (setting("low_freq_factor")?, setting("high_freq_factor")?);
        let base = self.config.rope("rope_theta").and_then(Json::as_f64).or(self.config.fraction("rope_theta"));
        let (base, width) = (base.unwrap_or(1e4), shape.head_width);
        let factors: Vec<f32> = (0..width / 2)
            .map(|pair| {
                let wave = 2.0 * std::f64::consts::PI * base.powf((2 * pair) as f64 / width as f64);
                if wave < trained / high {
                    1.0
                } else if wave > trained / low {
                    factor as f32
                } else {
                    let smooth = (trained / wave - low) / (high - low);
                    (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
                }
            })
            .collect();
        let slab = Slab {
            name: String::new(),
            start: 0,
            stride: width / 2,
            rows: 1,
            columns: width / 2,
            order: Order::AsIs,
            add: 0.0,
            given: factors,
        };
        self.tensors.push(Tensor {
            name: "rope_freqs.weight".to_owned(),
            dimensions: vec![width / 2],
            slabs: vec![slab],
        });
        Ok(())
    }

    /// How many of the folder's tensors are not used.
    ///
    /// # Errors
    /// If one of them is part of a layer: a model without it would run, and be wrong.
    fn left_out(&self, layers: u64) -> Result<usize, GgufError> {
        let mut count = 0;
        for tensor in self.weights.tensors().filter(|tensor| !self.used.contains(&tensor.name)) {
            let rest = tensor.name.strip_prefix(&format!("{}layers.", self.prefix));
            let layer = rest.and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
            if layer.is_some_and(|layer| layer < layers) && !tensor.name.ends_with("rotary_emb.inv_freq") {
                let name = shown(&tensor.name);
                return Err(GgufError::Unusable(format!("the tensor `{name}` is not understood here")));
            }
            count += 1;
        }
        Ok(count)
    }
}
