//! What a model's metadata say, and what its architecture's name means.

use haechi_drivers::gguf::{Array, Header, Value};

/// Tokens that a position sees, itself among them; `None`: all before it.
pub(super) type Window = Option<usize>;

/// How queries, keys and values are made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attention {
    Plain,
    /// From a latent of so many numbers.
    Latent {
        rank: usize,
    },
}

/// Which numbers of a head turn together, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rope {
    pub(super) base: f32,
    /// Positions are multiplied by it.
    pub(super) scale: f32,
    pub(super) yarn: Option<Yarn>,
    /// Number `i` with `i + half`, as Hugging Face's code does; else `2i` with `2i + 1`, as the papers do.
    pub(super) halves: bool,
}

/// YaRN (arXiv 2309.00071), section 3: pairs that turn often in the trained length keep their speed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Yarn {
    pub(super) trained: f64,
    pub(super) beta_fast: f64,
    pub(super) beta_slow: f64,
    /// Of the rotated numbers.
    pub(super) magnitude: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) layers: usize,
    pub(super) heads: usize,
    /// Numbers of a query or key head, the rotated ones among them.
    pub(super) key_dim: usize,
    pub(super) value_dim: usize,
    pub(super) rope_dim: usize,
    pub(super) attention: Attention,
    pub(super) attention_scale: f32,
    pub(super) epsilon: f32,
    /// `None`: positions are not told.
    pub(super) rope: Option<Rope>,
    /// In layers with a window.
    pub(super) rope_local: Option<Rope>,
    /// Of each layer.
    pub(super) windows: Vec<Window>,
    pub(super) embedding_scale: f32,
    /// The tanh form of GELU instead of SiLU.
    pub(super) gelu: bool,
    pub(super) logit_cap: Option<f32>,
    pub(super) experts: Experts,
}

/// How experts are chosen and weighed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Experts {
    /// Chosen at each position.
    pub(super) used: usize,
    /// Scores are sigmoids, each for itself; else one softmax over all.
    pub(super) sigmoid: bool,
    /// The chosen ones' scores are divided by their sum.
    pub(super) normed: bool,
    pub(super) scale: f32,
    /// Groups, and how many of them experts are chosen from; one group where there are none.
    pub(super) groups: (usize, usize),
}

impl Config {
    pub(super) fn read(header: &Header) -> Self {
        let architecture = header.text("general.architecture").unwrap();
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| header.number(&key(name)).unwrap();
        let number_if_any = |name: &str| header.number_if_any(&key(name)).unwrap();
        let fraction = |name: &str| header.fraction_if_any(&key(name)).unwrap().map(|n| n as f32);
        let (layers, width, heads) =
            (number("block_count"), number("embedding_length"), number("attention.head_count"));
        let latent = architecture == "deepseek2";
        let head_dim = |name: &str| {
            let mla = number_if_any(&format!("attention.{name}_length_mla")).filter(|_| latent);
            mla.or_else(|| number_if_any(&format!("attention.{name}_length"))).unwrap_or(width / heads)
        };
        let (key_dim, value_dim) = (head_dim("key"), head_dim("value"));
        let scaling = header.text(&key("rope.scaling.type")).unwrap_or("linear");
        assert!(matches!(scaling, "none" | "linear" | "yarn"), "rope scaling `{scaling}` is not written here");
        let stretch = if scaling == "none" { 1.0 } else { fraction("rope.scaling.factor").unwrap_or(1.0) };
        // llama.cpp, `llama_model_rope_type`.
        let halves = match architecture {
            "llama" | "deepseek2" => false,
            "qwen2" | "qwen3" | "qwen3moe" | "gemma3" | "exaone" | "exaone4" => true,
            other => panic!("the reference does not know `{other}`"),
        };
        let ln = f64::from(stretch).ln();
        // DeepSeek's "mscale_all_dim", of which the file has a tenth.
        let all_dims = 10.0 * f64::from(fraction("rope.scaling.yarn_log_multiplier").unwrap_or(0.0));
        let yarn = (scaling == "yarn").then(|| Yarn {
            trained: number("rope.scaling.original_context_length") as f64,
            beta_fast: f64::from(fraction("rope.scaling.yarn_beta_fast").unwrap_or(32.0)),
            beta_slow: f64::from(fraction("rope.scaling.yarn_beta_slow").unwrap_or(1.0)),
            // 0.1 ln s + 1 on the rotated numbers, unless all numbers get theirs by the scores' scale.
            magnitude: if all_dims == 0.0 { 0.1 * ln + 1.0 } else { 1.0 },
        });
        let mut attention_scale = 1.0 / (key_dim as f32).sqrt();
        if let Some(yarn) = yarn.as_ref().filter(|_| latent) {
            attention_scale *= (yarn.magnitude * (0.1 * all_dims * ln + 1.0)).powi(2) as f32;
        }
        let rope = Rope { base: fraction("rope.freq_base").unwrap_or(10_000.0), scale: 1.0 / stretch, yarn, halves };
        let windows = windows(header, architecture, layers);
        let hybrid = windows.iter().any(Option::is_some);
        Self {
            layers,
            heads,
            key_dim,
            value_dim,
            rope_dim: number_if_any("rope.dimension_count").unwrap_or(key_dim),
            attention: if latent {
                Attention::Latent { rank: number("attention.kv_lora_rank") }
            } else {
                Attention::Plain
            },
            // Gemma 3 27B alone divides by its width per head, not by its heads' size (llama.cpp, `gemma3.cpp`).
            attention_scale: if architecture == "gemma3" && layers == 62 {
                1.0 / ((width / heads) as f32).sqrt()
            } else {
                attention_scale
            },
            epsilon: fraction("attention.layer_norm_rms_epsilon").unwrap(),
            rope_local: Some(match architecture {
                "gemma3" => {
                    Rope { base: fraction("rope.freq_base_swa").unwrap_or(10_000.0), scale: 1.0, ..rope.clone() }
                }
                _ => rope.clone(),
            }),
            // EXAONE 4's hybrid models tell positions in the layers with a window only.
            rope: (architecture != "exaone4" || !hybrid).then_some(rope),
            windows,
            embedding_scale: if architecture == "gemma3" { (width as f32).sqrt() } else { 1.0 },
            gelu: architecture == "gemma3",
            logit_cap: fraction("final_logit_softcapping").filter(|&cap| cap != 0.0),
            experts: Experts {
                used: number_if_any("expert_used_count").unwrap_or(0),
                sigmoid: number_if_any("expert_gating_func").unwrap_or(1) == 2,
                // The two families with experts that do not say it always do.
                normed: header.flag(&key("expert_weights_norm")).unwrap_or(!latent),
                scale: fraction("expert_weights_scale").filter(|&scale| scale != 0.0).unwrap_or(1.0),
                groups: match number_if_any("expert_group_count") {
                    Some(groups @ 2..) => (groups, number("expert_group_used_count")),
                    _ => (1, 1),
                },
            },
        }
    }
}

/// The windows of `gemma3` (five layers of six) and of hybrid `exaone4` (three of four); a file may say another pattern.
fn windows(header: &Header, architecture: &str, layers: usize) -> Vec<Window> {
    let period = match architecture {
        "gemma3" => 6,
        "exaone4" => 4,
        _ => return vec![None; layers],
    };
    let key = |name: &str| format!("{architecture}.attention.{name}");
    let Some(window) = header.number_if_any(&key("sliding_window")).unwrap().filter(|&window| window > 0) else {
        return vec![None; layers];
    };
    let pattern = key("sliding_window_pattern");
    let local: Vec<bool> = match header.metadata.get(&pattern) {
        Some(Value::Array(Array::Bool(local))) => local.clone(),
        _ => {
            let period = header.number_if_any(&pattern).unwrap().unwrap_or(period);
            (0..layers).map(|layer| layer % period < period - 1).collect()
        }
    };
    local.into_iter().map(|local| local.then_some(window)).collect()
}
