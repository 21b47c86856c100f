//! Metadata and tensors of each architecture, as llama.cpp asks for them (`src/models/*.cpp`, `src/llama-arch.cpp`, 2026-11).

use std::collections::BTreeMap;

use super::{Draw, Experts, Latent, Shape, vocabulary};
use crate::gguf::{Array, Value};
use crate::quant::recipe::Recipe;

/// Width of the window in layers that have one, in tokens.
const WINDOW: u32 = 64;
/// `expert_gating_func`: llama.h, `enum llama_expert_gating_func_type`.
const SIGMOID: u32 = 2;

pub(super) fn metadata(shape: &Shape, recipe: Recipe) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: Value| {
        all.insert(format!("{}.{key}", shape.architecture), value);
    };
    let number = |number: u64| Value::U32(u32::try_from(number).unwrap_or(u32::MAX));
    set("block_count", number(shape.layers));
    set("context_length", Value::U32(shape.context));
    set("embedding_length", number(shape.hidden));
    set("feed_forward_length", number(shape.feed_forward));
    set("attention.head_count", number(shape.heads));
    set("attention.head_count_kv", number(shape.kv_heads));
    set("attention.layer_norm_rms_epsilon", Value::F32(1e-6));
    set("rope.freq_base", Value::F32(shape.rope_base));
    if shape.yarn > 1 {
        set("rope.scaling.type", Value::String("yarn".to_owned()));
        set("rope.scaling.factor", Value::F32(shape.yarn as f32));
        set("rope.scaling.original_context_length", Value::U32(shape.context / shape.yarn));
        if shape.latent.is_some() {
            set("rope.scaling.yarn_log_multiplier", Value::F32(0.1)); // DeepSeek-V3's mscale_all_dim of 1
        }
    }
    set("vocab_size", Value::U32(shape.vocabulary));
    match shape.latent {
        None => {
            set("attention.key_length", number(shape.head_width));
            set("attention.value_length", number(shape.head_width));
            set("rope.dimension_count", number(shape.head_width));
        }
        Some(Latent { rank, nope, rope, value }) => {
            // The cache holds one head of latent and position; `_mla` are the widths after decompression.
            set("attention.key_length", number(rank + rope));
            set("attention.value_length", number(rank));
            set("attention.key_length_mla", number(nope + rope));
            set("attention.value_length_mla", number(value));
            set("attention.kv_lora_rank", number(rank));
            set("attention.q_lora_rank", Value::U32(0)); // none; llama.cpp wants the key
            set("rope.dimension_count", number(rope));
        }
    }
    if let Some(Experts { count, used, width, shared, dense_layers, groups, groups_used }) = shape.experts {
        set("expert_count", number(count));
        set("expert_used_count", number(used));
        set("expert_feed_forward_length", number(width));
        if shape.latent.is_some() {
            set("leading_dense_block_count", number(dense_layers));
            set("expert_shared_count", number(shared));
            set("expert_weights_norm", Value::Bool(true));
            set("expert_weights_scale", Value::F32(2.5));
            set("expert_gating_func", Value::U32(SIGMOID));
            if groups > 1 {
                set("expert_group_count", number(groups));
                set("expert_group_used_count", number(groups_used));
            }
        }
    }
    if shape.architecture == "gemma3" {
        set("attention.sliding_window", Value::U32(WINDOW));
    }

    vocabulary::metadata(shape, &mut all);
    all.insert("general.architecture".to_owned(), Value::String(shape.architecture.to_owned()));
    all.insert("general.name".to_owned(), Value::String(format!("{} (random weights)", shape.name)));
    all.insert("general.file_type".to_owned(), Value::U32(recipe.file_type()));
    all.insert("general.quantization_version".to_owned(), Value::U32(2));
    all.insert("general.tags".to_owned(), Value::Array(Array::String(["random-weights"].iter().collect())));
    all
}

/// A tensor's name, dimensions (the fastest-running first) and distribution.
pub(super) type Tensor = (String, Vec<u64>, Draw);

pub(super) fn tensors(shape: &Shape) -> Vec<Tensor> {
    let mut all = Tensors(Vec::new());
    let vocabulary = u64::from(shape.vocabulary);
    // Logits deviate by about 4, so that the likeliest token stands out as in a trained model.
    let output = Draw { mean: 0.0, deviation: 4.0 / (shape.hidden as f32).sqrt() };
    let embedding = if shape.tied { output } else { Draw { mean: 0.0, deviation: 1.0 } };
    all.0.push(("token_embd.weight".to_owned(), vec![shape.hidden, vocabulary], embedding));
    for layer in 0..shape.layers {
        let mut layer = Layer { all: &mut all, layer };
        attention(shape, &mut layer);
        feed_forward(shape, &mut layer);
    }
    all.norm("output_norm", shape.hidden);
    if !shape.tied {
        all.0.push(("output.weight".to_owned(), vec![shape.hidden, vocabulary], output));
    }
    all.0
}

fn attention(shape: &Shape, layer: &mut Layer<'_>) {
    let hidden = shape.hidden;
    // EXAONE 4 norms what attention gives out, not what it gets.
    if shape.architecture != "exaone4" {
        layer.norm("attn_norm", hidden);
    }
    if let Some(Latent { rank, nope, rope, value }) = shape.latent {
        layer.matrix("attn_q", &[hidden, shape.heads * (nope + rope)]);
        layer.matrix("attn_kv_a_mqa", &[hidden, rank + rope]);
        layer.norm("attn_kv_a_norm", rank);
        layer.matrix("attn_k_b", &[nope, rank, shape.heads]);
        layer.matrix("attn_v_b", &[rank, value, shape.heads]);
        layer.matrix("attn_output", &[shape.heads * value, hidden]);
        return;
    }
    let (queries, keys) = (shape.heads * shape.head_width, shape.kv_heads * shape.head_width);
    for (name, rows) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
        layer.matrix(name, &[hidden, rows]);
        if shape.architecture == "qwen2" {
            layer.draw(&format!("{name}.bias"), &[rows], Draw { mean: 0.0, deviation: 0.1 });
        }
    }
    if matches!(shape.architecture, "qwen3" | "qwen3moe" | "gemma3" | "exaone4") {
        layer.norm("attn_q_norm", shape.head_width);
        layer.norm("attn_k_norm", shape.head_width);
    }
    layer.matrix("attn_output", &[queries, hidden]);
    if matches!(shape.architecture, "gemma3" | "exaone4") {
        layer.norm("post_attention_norm", hidden);
    }
}

fn feed_forward(shape: &Shape, layer: &mut Layer<'_>) {
    let hidden = shape.hidden;
    if shape.architecture != "exaone4" {
        layer.norm("ffn_norm", hidden);
    }
    match shape.experts {
        Some(Experts { count, width, shared, dense_layers, .. }) if layer.layer >= dense_layers => {
            layer.matrix("ffn_gate_inp", &[hidden, count]);
            if shape.latent.is_some() {
                layer.draw("exp_probs_b.bias", &[count], Draw { mean: 0.0, deviation: 0.1 });
            }
            layer.matrix("ffn_gate_exps", &[hidden, width, count]);
            layer.matrix("ffn_up_exps", &[hidden, width, count]);
            layer.matrix("ffn_down_exps", &[width, hidden, count]);
            if shared > 0 {
                layer.matrix("ffn_gate_shexp", &[hidden, width * shared]);
                layer.matrix("ffn_up_shexp", &[hidden, width * shared]);
                layer.matrix("ffn_down_shexp", &[width * shared, hidden]);
            }
        }
        _ => {
            layer.matrix("ffn_gate", &[hidden, shape.feed_forward]);
            layer.matrix("ffn_up", &[hidden, shape.feed_forward]);
            layer.matrix("ffn_down", &[shape.feed_forward, hidden]);
        }
    }
    if matches!(shape.architecture, "gemma3" | "exaone4") {
        layer.norm("post_ffw_norm", hidden);
    }
}

struct Tensors(Vec<Tensor>);

impl Tensors {
    fn norm(&mut self, name: &str, width: u64) {
        self.0.push((format!("{name}.weight"), vec![width], Draw { mean: 1.0, deviation: 0.1 }));
    }
}

/// Where a layer's tensors go.
struct Layer<'a> {
    all: &'a mut Tensors,
    layer: u64,
}

impl Layer<'_> {
    fn norm(&mut self, name: &str, width: u64) {
        self.all.norm(&format!("blk.{}.{name}", self.layer), width);
    }

    fn matrix(&mut self, name: &str, dimensions: &[u64]) {
        let columns = dimensions.first().copied().unwrap_or(1);
        self.draw(&format!("{name}.weight"), dimensions, Draw { mean: 0.0, deviation: 1.0 / (columns as f32).sqrt() });
    }

    fn draw(&mut self, name: &str, dimensions: &[u64], draw: Draw) {
        self.all.0.push((format!("blk.{}.{name}", self.layer), dimensions.to_vec(), draw));
    }
}
