//! A network's layers with their weights.

use super::config::{Attention, Config, Experts};
use super::positions::{Angles, Rotations};
use super::weights::{Loader, Matrix};
use crate::gguf::GgufError;

/// Everything that a pass reads.
pub(super) struct Model {
    pub(super) config: Config,
    pub(super) embedding: Matrix,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    /// The embedding again, where the file has no other.
    pub(super) head: Matrix,
    /// Half of the head's bits rule most tokens out; see `product::bounds`.
    pub(super) head_in_halves: bool,
    /// For layers that see everything, and for those of a window.
    pub(super) angles: [Angles; 2],
}

pub(super) struct Layer {
    pub(super) attention_norm: Option<Vec<f32>>,
    pub(super) attention: AttentionWeights,
    pub(super) attention_after: Option<Vec<f32>>,
    pub(super) feed_norm: Option<Vec<f32>>,
    pub(super) feed: Feed,
    pub(super) feed_after: Option<Vec<f32>>,
}

pub(super) enum AttentionWeights {
    Grouped {
        /// Query, key and value rows.
        inputs: [Matrix; 3],
        /// Added to what they give.
        bias: Option<Vec<f32>>,
        query_norm: Option<Vec<f32>>,
        key_norm: Option<Vec<f32>>,
        output: Matrix,
    },
    Latent {
        /// Down to the query's rank, and the norm there.
        query_down: Option<(Matrix, Vec<f32>)>,
        query: Matrix,
        /// To the latent key and the rotated part behind it.
        latent: Matrix,
        latent_norm: Vec<f32>,
        /// For each head, from the plain part of a query to a query of the latent: `[latent, plain]`.
        absorbed: Vec<Matrix>,
        /// For each head, from a weighted sum of latents to its value: `[value, latent]`.
        values: Vec<Matrix>,
        output: Matrix,
    },
}

pub(super) enum Feed {
    Dense(Gated),
    Mixture { router: Matrix, bias: Option<Vec<f32>>, experts: Vec<Gated>, shared: Option<Gated> },
}

/// A gated feed-forward part.
pub(super) struct Gated {
    /// Gate and up, sixteen rows in turn; the gate alone if there is an `up`.
    pub(super) gate: Matrix,
    /// Where the file stores it in another format than the gate.
    pub(super) up: Option<Matrix>,
    pub(super) down: Matrix,
}

impl Gated {
    fn bytes(&self) -> usize {
        self.gate.bytes() + self.up.as_ref().map_or(0, Matrix::bytes) + self.down.bytes()
    }

    /// Numbers between the two products.
    pub(super) fn hidden(&self) -> usize {
        self.down.columns
    }
}

impl Model {
    /// Bytes of the matrices that one token is multiplied with.
    pub(super) fn step_bytes(&self) -> usize {
        let used = self.config.experts.map_or(0, |experts| experts.used);
        self.head.bytes() + self.layers.iter().map(|layer| layer.step_bytes(used)).sum::<usize>()
    }

    /// Plans every weight of the network; they are there once the loader has read.
    ///
    /// # Errors
    /// As [`Loader::matrix`].
    pub(super) fn plan(config: Config, context: usize, loader: &mut Loader<'_>) -> Result<Self, GgufError> {
        let Config { width, vocabulary, rotated, rotations, .. } = config;
        let tied = !loader.has("output.weight");
        let place = if tied { Loader::head } else { Loader::matrix };
        let embedding = place(loader, "token_embd.weight", vocabulary, width)?;
        let layers = (0..config.layers).map(|layer| Layer::plan(&config, layer, loader)).collect::<Result<_, _>>()?;
        let head = if tied { embedding.clone() } else { loader.head("output.weight", vocabulary, width)? };
        let factors = loader.vector_if_any("rope_freqs.weight", rotated / 2)?;
        let factors = factors.as_deref();
        let Rotations { base, divisor, yarn, window_base, window_divisor } = rotations;
        let windowed = if config.window.is_some() { context } else { 0 };
        Ok(Self {
            embedding,
            layers,
            norm: loader.vector("output_norm.weight", width)?,
            head,
            head_in_halves: false,
            angles: [
                Angles::new(context, rotated, base, divisor, yarn, factors),
                Angles::new(windowed, rotated, window_base, window_divisor, None, factors),
            ],
            config,
        })
    }
}

impl Layer {
    fn step_bytes(&self, experts_used: usize) -> usize {
        let all = |matrices: &[Matrix]| matrices.iter().map(Matrix::bytes).sum::<usize>();
        let attention = match &self.attention {
            AttentionWeights::Grouped { inputs, output, .. } => all(inputs) + output.bytes(),
            AttentionWeights::Latent { query_down, query, latent, absorbed, values, output, .. } => {
                let down = query_down.as_ref().map_or(0, |(matrix, _)| matrix.bytes());
                down + query.bytes() + latent.bytes() + all(absorbed) + all(values) + output.bytes()
            }
        };
        attention
            + match &self.feed {
                Feed::Dense(gated) => gated.bytes(),
                Feed::Mixture { router, experts, shared, .. } => {
                    let each = experts.first().map_or(0, Gated::bytes);
                    router.bytes() + experts_used * each + shared.as_ref().map_or(0, Gated::bytes)
                }
            }
    }

    fn plan(config: &Config, layer: usize, loader: &mut Loader<'_>) -> Result<Self, GgufError> {
        let Config { width, norm_before, norm_after, .. } = *config;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let norm = |loader: &Loader<'_>, wanted: bool, part: &str| {
            if wanted { loader.vector(&name(part), width).map(Some) } else { Ok(None) }
        };
        Ok(Self {
            attention_norm: norm(loader, norm_before, "attn_norm")?,
            attention: AttentionWeights::plan(config, layer, loader)?,
            attention_after: norm(loader, norm_after, "post_attention_norm")?,
            feed_norm: norm(loader, norm_before, "ffn_norm")?,
            feed: match config.experts.filter(|_| config.is_mixture(layer)) {
                Some(experts) => Feed::plan_mixture(experts, width, layer, loader)?,
                None => {
                    let names = [&*name("ffn_gate"), &*name("ffn_up")];
                    let (gate, up) = loader.gate_and_up(names, 0, 1, config.feed_forward, width)?;
                    let down = loader.matrix(&name("ffn_down"), width, config.feed_forward)?;
                    Feed::Dense(Gated { gate, up, down })
                }
            },
            feed_after: norm(loader, norm_after, "post_ffw_norm")?,
        })
    }
}

impl AttentionWeights {
    fn plan(config: &Config, layer: usize, loader: &mut Loader<'_>) -> Result<Self, GgufError> {
        let Config { width, rotated, pairs_are_neighbours: neighbours, .. } = *config;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        match config.attention {
            Attention::Grouped { heads, kv_heads, key, value, .. } => {
                let query = loader.rotated_matrix(&name("attn_q"), heads * key, width, key, 0, rotated, neighbours)?;
                let keys =
                    loader.rotated_matrix(&name("attn_k"), kv_heads * key, width, key, 0, rotated, neighbours)?;
                let values = loader.matrix(&name("attn_v"), kv_heads * value, width)?;
                let bias = |part: &str, length| loader.vector_if_any(&format!("blk.{layer}.{part}.bias"), length);
                let biases =
                    (bias("attn_q", heads * key)?, bias("attn_k", kv_heads * key)?, bias("attn_v", kv_heads * value)?);
                let bias = match biases {
                    (Some(q), Some(k), Some(v)) if !neighbours => Some([q, k, v].concat()),
                    (None, None, None) => None,
                    _ => {
                        let layer = format!("layer {layer} has biases in a way that is not run here");
                        return Err(super::config::unusable(layer));
                    }
                };
                let norm = |part: &str| {
                    if config.norm_heads { loader.vector(&name(part), key).map(Some) } else { Ok(None) }
                };
                let (query_norm, key_norm) = (norm("attn_q_norm")?, norm("attn_k_norm")?);
                let output = loader.matrix(&name("attn_output"), width, heads * value)?;
                Ok(Self::Grouped { inputs: [query, keys, values], bias, query_norm, key_norm, output })
            }
            Attention::Latent { heads, latent, plain, value, query_rank, joined, .. } => {
                let head = plain + rotated;
                let query_down = match query_rank {
                    Some(rank) => {
                        let norm = loader.vector(&name("attn_q_a_norm"), rank)?;
                        Some((loader.matrix(&name("attn_q_a"), rank, width)?, norm))
                    }
                    None => None,
                };
                let (part, columns) = query_rank.map_or(("attn_q", width), |rank| ("attn_q_b", rank));
                let query =
                    loader.rotated_matrix(&name(part), heads * head, columns, head, plain, rotated, neighbours)?;
                let (rows, kv) = (latent + rotated, name("attn_kv_a_mqa"));
                let keys = loader.rotated_matrix(&kv, rows, width, rows, latent, rotated, neighbours)?;
                let (k_b, v_b) = (name("attn_k_b"), name("attn_v_b"));
                let both = (name("attn_kv_b"), [heads * (plain + value), latent]);
                let of_head = |head: usize| -> Result<(Matrix, Matrix), GgufError> {
                    if joined {
                        let first = head * (plain + value);
                        let absorbed = loader.turned(&both.0, both.1, first, plain)?;
                        return Ok((absorbed, loader.part(&both.0, both.1, first + plain, value)?));
                    }
                    let absorbed = loader.plane(&k_b, head, heads, latent, plain)?;
                    Ok((absorbed, loader.plane(&v_b, head, heads, value, latent)?))
                };
                let (absorbed, values) = (0..heads).map(of_head).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
                Ok(Self::Latent {
                    query_down,
                    query,
                    latent: keys,
                    latent_norm: loader.vector(&name("attn_kv_a_norm"), latent)?,
                    absorbed,
                    values,
                    output: loader.matrix(&name("attn_output"), width, heads * value)?,
                })
            }
        }
    }
}

impl Feed {
    fn plan_mixture(experts: Experts, width: usize, layer: usize, loader: &mut Loader<'_>) -> Result<Self, GgufError> {
        let Experts { count, feed_forward, shared, .. } = experts;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let names = [&*name("ffn_gate_exps"), &*name("ffn_up_exps")];
        let down = name("ffn_down_exps");
        let router = loader.matrix(&name("ffn_gate_inp"), count, width)?;
        let bias = loader.vector_if_any(&format!("blk.{layer}.exp_probs_b.bias"), count)?;
        let each = (0..count)
            .map(|expert| {
                let (gate, up) = loader.gate_and_up(names, expert, count, feed_forward, width)?;
                Ok(Gated { gate, up, down: loader.plane(&down, expert, count, width, feed_forward)? })
            })
            .collect::<Result<_, GgufError>>()?;
        let shared = if shared > 0 {
            let names = [&*name("ffn_gate_shexp"), &*name("ffn_up_shexp")];
            let (gate, up) = loader.gate_and_up(names, 0, 1, shared, width)?;
            Some(Gated { gate, up, down: loader.matrix(&name("ffn_down_shexp"), width, shared)? })
        } else {
            None
        };
        Ok(Self::Mixture { router, bias, experts: each, shared })
    }
}
