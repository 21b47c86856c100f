//! The numbers of a model, and the settings of the file that say them.
//!
//! Keys: llama.cpp's `conversion/{base,llama,qwen,gemma,exaone,deepseek}.py` and `src/llama-arch.cpp` (2026-11).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::config::{Config, Family};
use crate::gguf::{Array, GgufError, Value};
use crate::quant::recipe::Recipe;

/// The numbers of a model.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) layers: u64,
    pub(super) hidden: u64,
    pub(super) feed_forward: u64,
    pub(super) heads: u64,
    pub(super) kv_heads: u64,
    pub(super) head_width: u64,
    /// 0 if there are none.
    pub(super) experts: u64,
    pub(super) expert_width: u64,
    pub(super) shared_experts: u64,
    pub(super) dense_layers: u64,
    pub(super) latent: Option<Latent>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Latent {
    pub(super) rank: u64,
    pub(super) query_rank: Option<u64>,
    pub(super) nope: u64,
    pub(super) rope: u64,
    pub(super) value: u64,
    /// The folder's rotary rows are interleaved already.
    pub(super) interleaved: bool,
}

impl Shape {
    pub(super) fn of(config: &Config) -> Result<Self, GgufError> {
        let (hidden, heads) = (config.number("hidden_size")?, config.number("num_attention_heads")?);
        let mut shape = Self {
            layers: config.number("num_hidden_layers")?,
            hidden,
            feed_forward: config.number("intermediate_size")?,
            heads,
            kv_heads: config.number_if_any("num_key_value_heads")?.unwrap_or(heads),
            head_width: match config.number_if_any("head_dim")? {
                Some(width) => width,
                None if config.family == Family::Gemma3 => 256,
                None => hidden / heads,
            },
            experts: 0,
            expert_width: 0,
            shared_experts: 0,
            dense_layers: 0,
            latent: None,
        };
        let count = |key: &str| config.value(key).and_then(Json::as_u64).unwrap_or(0);
        match config.family {
            Family::Qwen3Moe => {
                shape.experts = config.number("num_experts")?;
                shape.expert_width = config.number("moe_intermediate_size")?;
                let dense =
                    config.value("mlp_only_layers").and_then(Json::as_array).is_some_and(|list| !list.is_empty());
                if dense || config.number_if_any("decoder_sparse_step")?.unwrap_or(1) != 1 {
                    return Err(config.broken("some layers have no experts, which is not converted here".to_owned()));
                }
            }
            Family::DeepSeek => {
                shape.experts = config.number("n_routed_experts")?;
                shape.expert_width = config.number("moe_intermediate_size")?;
                shape.shared_experts = count("n_shared_experts");
                shape.dense_layers = count("first_k_dense_replace");
                shape.latent = Some(Latent {
                    rank: config.number("kv_lora_rank")?,
                    query_rank: config.number_if_any("q_lora_rank")?,
                    nope: config.number("qk_nope_head_dim")?,
                    rope: config.number("qk_rope_head_dim")?,
                    value: config.number("v_head_dim")?,
                    interleaved: config.flag("rope_interleave", true),
                });
            }
            _ => {}
        }
        let turned = shape.latent.map_or(shape.head_width, |latent| latent.rope);
        if shape.layers > 10_000 || shape.experts > 10_000 || !turned.is_multiple_of(2) {
            return Err(config.broken("its numbers of layers, experts or a head's width are out of range".to_owned()));
        }
        Ok(shape)
    }
}

/// The architecture's settings.
pub(super) fn metadata(config: &Config, shape: &Shape, vocabulary: u64) -> Result<BTreeMap<String, Value>, GgufError> {
    let architecture = config.family.architecture();
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: Value| {
        all.insert(format!("{architecture}.{key}"), value);
    };
    let number = |number: u64| Value::U32(u32::try_from(number).unwrap_or(u32::MAX));
    let float = |number: f64| Value::F32(number as f32);
    let context = match config.family {
        Family::Gemma3 => config.number_if_any("max_position_embeddings")?.unwrap_or(131_072),
        _ => config.number("max_position_embeddings")?,
    };
    set("block_count", number(shape.layers));
    set("context_length", number(context));
    set("embedding_length", number(shape.hidden));
    set("feed_forward_length", number(shape.feed_forward));
    set("attention.head_count", number(shape.heads));
    set("attention.layer_norm_rms_epsilon", float(config.fraction("rms_norm_eps").unwrap_or(1e-6)));
    set("vocab_size", number(vocabulary));
    let base = config.rope("rope_theta").and_then(Json::as_f64).or(config.fraction("rope_theta"));
    let usual = if config.family == Family::Gemma3 { 1e6 } else { 1e4 };
    set("rope.freq_base", float(base.unwrap_or(usual)));
    rope_scaling(config, &mut set)?;

    match shape.latent {
        None => {
            set("attention.head_count_kv", number(shape.kv_heads));
            set("attention.key_length", number(shape.head_width));
            set("attention.value_length", number(shape.head_width));
            set("rope.dimension_count", number(shape.head_width));
        }
        Some(latent) => {
            // What is cached is one head of the latent and the position; `_mla` are the widths after decompression.
            set("attention.head_count_kv", Value::U32(1));
            set("attention.key_length", number(latent.rank + latent.rope));
            set("attention.value_length", number(latent.rank));
            set("attention.key_length_mla", number(latent.nope + latent.rope));
            set("attention.value_length_mla", number(latent.value));
            set("attention.kv_lora_rank", number(latent.rank));
            set("attention.q_lora_rank", number(latent.query_rank.unwrap_or(0)));
            set("rope.dimension_count", number(latent.rope));
        }
    }
    if shape.experts > 0 {
        set("expert_count", number(shape.experts));
        set("expert_used_count", number(config.number("num_experts_per_tok")?));
        set("expert_feed_forward_length", number(shape.expert_width));
    }
    if config.family == Family::DeepSeek {
        set("leading_dense_block_count", number(shape.dense_layers));
        set("expert_shared_count", number(shape.shared_experts));
        set("expert_weights_norm", Value::Bool(config.flag("norm_topk_prob", true)));
        set("expert_weights_scale", float(config.fraction("routed_scaling_factor").unwrap_or(1.0)));
        // llama.h, `enum llama_expert_gating_func_type`.
        set("expert_gating_func", Value::U32(if config.text("scoring_func") == Some("softmax") { 1 } else { 2 }));
        if let Some(groups @ 2..) = config.number_if_any("n_group")? {
            set("expert_group_count", number(groups));
            set("expert_group_used_count", number(config.number("topk_group")?));
        }
    }
    if matches!(config.family, Family::Gemma3 | Family::Exaone4)
        && let Some(window) = config.number_if_any("sliding_window")?
    {
        set("attention.sliding_window", number(window));
        let local = config.value("layer_types").and_then(Json::as_array);
        let local: Option<Vec<bool>> =
            local.map(|list| list.iter().map(|kind| kind.as_str() == Some("sliding_attention")).collect());
        if let Some(local) = local.filter(|list| list.len() as u64 == shape.layers) {
            set("attention.sliding_window_pattern", Value::Array(Array::Bool(local)));
        } else if let Some(every) = config.number_if_any("sliding_window_pattern").ok().flatten() {
            let local = (1..=shape.layers).map(|layer| !layer.is_multiple_of(every)).collect();
            set("attention.sliding_window_pattern", Value::Array(Array::Bool(local)));
        } else if config.family == Family::Exaone4
            && let Some(pattern) = config.text("sliding_window_pattern").filter(|pattern| !pattern.is_empty())
        {
            let local =
                (0..shape.layers as usize).map(|layer| pattern.as_bytes().get(layer % pattern.len()) == Some(&b'L'));
            set("attention.sliding_window_pattern", Value::Array(Array::Bool(local.collect())));
        }
        if let Some(base) = config
            .fraction("rope_local_base_freq")
            .or_else(|| config.value("rope_parameters")?.get("sliding_attention")?.get("rope_theta")?.as_f64())
        {
            set("rope.freq_base_swa", float(base));
        }
    }
    if let Some(cap) = config.fraction("final_logit_softcapping") {
        set("final_logit_softcapping", float(cap));
    }
    Ok(all)
}

/// How positions beyond the trained ones are told.
fn rope_scaling(config: &Config, set: &mut impl FnMut(&str, Value)) -> Result<(), GgufError> {
    let kind = config.rope("rope_type").or_else(|| config.rope("type")).and_then(Json::as_str);
    let fraction = |key: &str| config.rope(key).and_then(Json::as_f64);
    let mut number = |key: &str, number: f64| set(&format!("rope.scaling.{key}"), Value::F32(number as f32));
    match (kind, fraction("factor")) {
        (None | Some("default" | "llama3"), _) => {} // llama3: a tensor says it
        (Some("linear"), Some(factor)) => {
            number("factor", factor);
            set("rope.scaling.type", Value::String("linear".to_owned()));
        }
        (Some("yarn" | "deepseek_yarn"), Some(factor)) => {
            number("factor", factor);
            for (key, ours) in [
                ("extrapolation_factor", "yarn_ext_factor"),
                ("attention_factor", "yarn_attn_factor"),
                ("beta_fast", "yarn_beta_fast"),
                ("beta_slow", "yarn_beta_slow"),
            ] {
                if let Some(value) = fraction(key) {
                    number(ours, value);
                }
            }
            if let Some(value) = fraction("mscale_all_dim") {
                number("yarn_log_multiplier", 0.1 * value);
            }
            let trained = config.rope("original_max_position_embeddings").and_then(Json::as_u64);
            let trained = trained.and_then(|trained| u32::try_from(trained).ok());
            let trained = trained.ok_or_else(|| {
                config
                    .broken("it lacks `original_max_position_embeddings` for positions stretched as `yarn`".to_owned())
            })?;
            set("rope.scaling.original_context_length", Value::U32(trained));
            set("rope.scaling.type", Value::String("yarn".to_owned()));
        }
        (Some(other), _) => {
            return Err(config.broken(format!(
                "positions are stretched in the way `{}`, which is not converted here",
                other.chars().filter(|c| !c.is_control()).take(40).collect::<String>()
            )));
        }
    }
    Ok(())
}

/// Settings that every file has.
pub(super) fn general(config: &Config, recipe: Recipe, all: &mut BTreeMap<String, Value>) {
    let architecture = config.family.architecture();
    let name = config.text("_name_or_path").filter(|name| !name.is_empty() && !name.starts_with(['/', '.']));
    let name = name.unwrap_or(architecture).chars().filter(|c| !c.is_control()).take(200).collect();
    all.insert("general.architecture".to_owned(), Value::String(architecture.to_owned()));
    all.insert("general.type".to_owned(), Value::String("model".to_owned()));
    all.insert("general.name".to_owned(), Value::String(name));
    all.insert("general.file_type".to_owned(), Value::U32(recipe.file_type()));
    all.insert("general.quantization_version".to_owned(), Value::U32(2));
}
