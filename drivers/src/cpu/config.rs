//! What a model file says about its network, for the families that run here: sizes, and what each layer does.
//!
//! Names and rules are those of llama.cpp, which wrote the files (`src/llama-arch.cpp`, `src/llama-model.cpp` and
//! `src/models/`, 2026-06). Everything is compared with bounds before anything is allocated after it.

use super::ops::Gate;
use super::positions::{Rotations, Yarn};
use crate::gguf::{GgufError, Header, shown};

const MAX_LAYERS: usize = 1024;
const MAX_WIDTH: usize = 1 << 17;
const MAX_CONTEXT: usize = 1 << 24;
const MAX_EXPERTS: usize = 4096;
const MAX_HEAD_DIM: usize = 1024;

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) layers: usize,
    pub(super) width: usize,
    pub(super) vocabulary: usize,
    /// Tokens of the longest sequence the model was made for.
    pub(super) context: usize,
    pub(super) epsilon: f32,
    pub(super) attention: Attention,
    /// Numbers of a head that are rotated.
    pub(super) rotated: usize,
    pub(super) rotations: Rotations,
    /// Rotated pairs are neighbours in the file's rows, not half a head apart: rows are exchanged when loaded.
    pub(super) pairs_are_neighbours: bool,
    pub(super) feed_forward: usize,
    pub(super) gate: Gate,
    pub(super) experts: Option<Experts>,
    /// Embeddings are multiplied by it.
    pub(super) embedding_scale: f32,
    /// Norm before attention and before the feed-forward part.
    pub(super) norm_before: bool,
    /// Norm after them, before they are added.
    pub(super) norm_after: bool,
    /// Each head's query and key are normed.
    pub(super) norm_heads: bool,
    /// Layers that see only the last positions.
    pub(super) window: Option<Window>,
}

/// How attention is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Attention {
    /// Query heads in groups that share a key and a value head.
    Grouped { heads: usize, kv_heads: usize, key: usize, value: usize, scale: f32 },
    /// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with the up-projections absorbed into query and output:
    /// all heads share one key of `latent + rotated` numbers, whose first `latent` are the value.
    Latent {
        heads: usize,
        latent: usize,
        plain: usize,
        value: usize,
        query_rank: Option<usize>,
        scale: f32,
        /// The up-projections of key and value are one matrix in the file (`attn_kv_b`): taken apart when loaded.
        joined: bool,
    },
}

/// Layers that see only a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Positions that a token sees, its own among them.
    pub(super) positions: usize,
    /// Every `period`-th layer sees everything.
    pub(super) period: usize,
    /// Layers that see everything do not rotate.
    pub(super) plain_globals: bool,
}

/// A mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Experts {
    pub(super) count: usize,
    pub(super) used: usize,
    pub(super) feed_forward: usize,
    /// Width of the expert that every token uses; 0 if there is none.
    pub(super) shared: usize,
    /// Layers at the start that have none of this.
    pub(super) dense_layers: usize,
    pub(super) scores: Scores,
    /// The chosen experts' scores are divided by their sum.
    pub(super) normalized: bool,
    /// They are multiplied by it.
    pub(super) scale: f32,
    /// Experts are chosen only from the groups that score highest.
    pub(super) groups: Option<Groups>,
}

/// Experts stand in groups of equal size (DeepSeek-V3, arXiv 2412.19437, section 2.1.2: "node-limited routing"). A group's
/// score is the sum of its two best experts'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groups {
    pub(super) count: usize,
    pub(super) used: usize,
}

/// How an expert is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scores {
    Softmax,
    Sigmoid,
}

impl Config {
    /// Reads and checks what the file says.
    ///
    /// # Errors
    /// [`GgufError::Unusable`] with what does not fit.
    pub(super) fn from_header(header: &Header) -> Result<Self, GgufError> {
        let architecture = header.text("general.architecture").unwrap_or("not given");
        let families = ["llama", "qwen2", "qwen3", "qwen3moe", "gemma3", "exaone", "exaone4", "deepseek2"];
        if !families.contains(&architecture) {
            let architecture = shown(architecture);
            return Err(unusable(format!("its architecture is `{architecture}`; {} run here", families.join(", "))));
        }
        let reader = Reader { header, architecture };
        let layers = reader.number("block_count", MAX_LAYERS)?;
        let width = reader.number("embedding_length", MAX_WIDTH)?;
        let rows = header.tensor("token_embd.weight").and_then(|tensor| tensor.dimensions.get(1).copied());
        let vocabulary = rows.and_then(|rows| usize::try_from(rows).ok()).filter(|rows| (1..=1 << 24).contains(rows));
        let vocabulary =
            vocabulary.ok_or_else(|| unusable("it has no matrix `token_embd.weight` of sensible size".to_owned()))?;
        let context = reader.number("context_length", MAX_CONTEXT)?;
        let attention = reader.attention(width)?;
        let rotated = match attention {
            Attention::Grouped { key, .. } => reader.optional("rope.dimension_count", MAX_HEAD_DIM)?.unwrap_or(key),
            Attention::Latent { .. } => reader.number("rope.dimension_count", MAX_HEAD_DIM)?,
        };
        let gemma = architecture == "gemma3";
        let config = Self {
            layers,
            width,
            vocabulary,
            context,
            epsilon: reader.fraction("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
            attention,
            rotated,
            rotations: reader.rotations(context)?,
            pairs_are_neighbours: matches!(architecture, "llama" | "deepseek2"),
            // A mixture in every layer has no other.
            feed_forward: reader.optional("feed_forward_length", MAX_WIDTH)?.unwrap_or(0),
            gate: if gemma { Gate::Gelu } else { Gate::Silu },
            experts: reader.experts(layers)?,
            embedding_scale: if gemma { (width as f32).sqrt() } else { 1.0 },
            norm_before: architecture != "exaone4",
            norm_after: gemma || architecture == "exaone4",
            norm_heads: gemma || matches!(architecture, "qwen3" | "qwen3moe" | "exaone4"),
            window: reader.window(layers)?,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), GgufError> {
        let wrong = |what: &str| Err(unusable(what.to_owned()));
        if !self.width.is_multiple_of(32) {
            return wrong("its width is no multiple of 32");
        }
        let (key, fits) = match self.attention {
            Attention::Grouped { heads, kv_heads, key, value, .. } => {
                if heads % kv_heads != 0 {
                    return Err(unusable(format!("{heads} heads cannot share {kv_heads} keys evenly")));
                }
                let fits = key.max(value) <= MAX_HEAD_DIM
                    && key % 16 == 0
                    && value % 16 == 0
                    && heads * value % 32 == 0
                    && heads * key.max(value) <= MAX_WIDTH;
                (key, fits)
            }
            Attention::Latent { heads, latent, plain, value, query_rank, .. } => {
                let fits = [latent, plain, value, query_rank.unwrap_or(0)].iter().all(|n| n.is_multiple_of(32))
                    && self.rotated.is_multiple_of(16);
                (plain + self.rotated, fits && heads * latent <= 1 << 20 && heads * (plain + self.rotated) <= MAX_WIDTH)
            }
        };
        if !fits {
            return wrong("its heads are of a size that makes no sense or does not run here");
        }
        if self.rotated == 0 || !self.rotated.is_multiple_of(2) || self.rotated > key {
            return wrong("its rotations do not fit its heads");
        }
        let Rotations { base, divisor, yarn, window_base, window_divisor } = self.rotations;
        let divided = divisor > 0.0 && window_divisor > 0.0;
        // The ramp divides by the base's logarithm and by turns.
        let ramp = yarn.is_none_or(|yarn| {
            base > 1.0
                && yarn.fast > 0.0
                && yarn.slow > 0.0
                && yarn.share <= 1.0
                && (1e-3..=1e3).contains(&yarn.magnitude)
        });
        if !(base >= 1.0 && window_base >= 1.0 && divided && ramp && (0.0..=1.0).contains(&self.epsilon)) {
            return wrong("its rotation or normalization constants make no sense");
        }
        match self.experts {
            Some(experts) => {
                let dense_fit =
                    experts.dense_layers == 0 || (self.feed_forward > 0 && self.feed_forward.is_multiple_of(32));
                if experts.feed_forward % 32 != 0 || experts.shared % 32 != 0 || !dense_fit {
                    return wrong("a feed-forward width is no multiple of 32");
                }
                if experts.used > experts.count {
                    return wrong("a token uses more experts than there are");
                }
            }
            None if self.feed_forward == 0 || !self.feed_forward.is_multiple_of(32) => {
                return wrong("its feed-forward width is no multiple of 32");
            }
            None => {}
        }
        Ok(())
    }

    /// True if layer `layer` is a mixture of experts.
    pub(super) fn is_mixture(&self, layer: usize) -> bool {
        self.experts.is_some_and(|experts| layer >= experts.dense_layers)
    }

    /// The window of layer `layer`, if it has one.
    pub(super) fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.filter(|window| !(layer + 1).is_multiple_of(window.period)).map(|window| window.positions)
    }

    /// True if layer `layer` rotates queries and keys.
    pub(super) fn rotates(&self, layer: usize) -> bool {
        self.window.is_none_or(|window| !window.plain_globals || self.window_of(layer).is_some())
    }
}

/// Reads the keys of one architecture.
struct Reader<'a> {
    header: &'a Header,
    architecture: &'a str,
}

impl Reader<'_> {
    fn optional(&self, key: &str, most: usize) -> Result<Option<usize>, GgufError> {
        let key = format!("{}.{key}", self.architecture);
        let number = self.header.number_if_any(&key)?;
        match number {
            Some(number) if number > most => {
                Err(unusable(format!("its metadata `{key}` is {number}; at most {most} make sense")))
            }
            number => Ok(number),
        }
    }

    fn number(&self, key: &str, most: usize) -> Result<usize, GgufError> {
        match self.optional(key, most)? {
            Some(number) if number > 0 => Ok(number),
            Some(_) => Err(unusable(format!("its metadata `{}.{key}` is 0", self.architecture))),
            None => Err(unusable(format!("its metadata lack `{}.{key}`", self.architecture))),
        }
    }

    fn fraction(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.header.fraction_if_any(&format!("{}.{key}", self.architecture))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.header.flag(&format!("{}.{key}", self.architecture))
    }

    fn attention(&self, width: usize) -> Result<Attention, GgufError> {
        let heads = self.number("attention.head_count", MAX_WIDTH)?;
        if self.architecture == "deepseek2" {
            let rotated = self.number("rope.dimension_count", MAX_HEAD_DIM)?;
            // Files from before llama.cpp took the up-projections apart (2025-04) say the widths after them, and lack `_mla`.
            let (key, value, joined) = match self.optional("attention.key_length_mla", 1 << 16)? {
                Some(key) => (key, self.number("attention.value_length_mla", MAX_HEAD_DIM)?, false),
                None => {
                    let key = self.number("attention.key_length", 1 << 16)?;
                    (key, self.number("attention.value_length", MAX_HEAD_DIM)?, true)
                }
            };
            let plain = key.checked_sub(rotated).filter(|&plain| plain > 0);
            let plain = plain.ok_or_else(|| unusable("its rotations do not fit its heads".to_owned()))?;
            return Ok(Attention::Latent {
                heads,
                latent: self.number("attention.kv_lora_rank", MAX_WIDTH)?,
                plain,
                value,
                query_rank: self.optional("attention.q_lora_rank", MAX_WIDTH)?.filter(|&rank| rank > 0),
                scale: (self.latent_growth()?.powi(2) / (key as f64).sqrt()) as f32,
                joined,
            });
        }
        let kv_heads = self.optional("attention.head_count_kv", heads)?.unwrap_or(heads);
        let key = self.optional("attention.key_length", MAX_HEAD_DIM)?.unwrap_or(width / heads.max(1));
        let value = self.optional("attention.value_length", MAX_HEAD_DIM)?.unwrap_or(key);
        if kv_heads == 0 || key == 0 || value == 0 {
            return Err(unusable(format!("{heads} heads, {kv_heads} for keys, make no sense")));
        }
        // Gemma 3 27B alone scales by the width's share of a head (llama.cpp: 62 layers).
        let gemma_27b = self.architecture == "gemma3" && self.optional("block_count", MAX_LAYERS)? == Some(62);
        let divided = if gemma_27b { width / heads } else { key };
        Ok(Attention::Grouped { heads, kv_heads, key, value, scale: 1.0 / (divided as f32).sqrt() })
    }

    fn rotations(&self, context: usize) -> Result<Rotations, GgufError> {
        let base = self.fraction("rope.freq_base")?.unwrap_or(10_000.0);
        let (divisor, yarn) = match self.header.text(&format!("{}.rope.scaling.type", self.architecture)) {
            // Without a type it is linear; older files have another key (llama.cpp, `llama_model::load_hparams`).
            None => match self.fraction("rope.scaling.factor")? {
                Some(factor) => (factor, None),
                None => (self.fraction("rope.scale_linear")?.unwrap_or(1.0), None),
            },
            Some("none") => (1.0, None),
            Some("linear") => (self.fraction("rope.scaling.factor")?.unwrap_or(1.0), None),
            Some("yarn") => {
                let divisor = self.fraction("rope.scaling.factor")?.unwrap_or(1.0);
                (divisor, Some(self.yarn(context, divisor)?))
            }
            Some(other) => {
                let other = shown(other);
                return Err(unusable(format!("it stretches positions in the way `{other}`, which is not run here")));
            }
        };
        let (default, window_divisor) = if self.architecture == "gemma3" { (10_000.0, 1.0) } else { (base, divisor) };
        let window_base = self.fraction("rope.freq_base_swa")?.unwrap_or(default);
        Ok(Rotations { base, divisor, yarn, window_base, window_divisor })
    }

    fn yarn(&self, context: usize, divisor: f64) -> Result<Yarn, GgufError> {
        if self.window(self.number("block_count", MAX_LAYERS)?)?.is_some() {
            return Err(unusable(
                "it has layers with a window and stretches positions in the way `yarn`, which is not run here together"
                    .to_owned(),
            ));
        }
        let trained = self.optional("rope.scaling.original_context_length", MAX_CONTEXT)?.filter(|&n| n > 0);
        let of = |key: &str, default: f64| {
            Ok::<_, GgufError>(self.fraction(&format!("rope.scaling.{key}"))?.filter(|&n| n >= 0.0).unwrap_or(default))
        };
        let share = of("yarn_ext_factor", 1.0)?;
        // Without a ramp the file says itself how much longer vectors get.
        let growth = if share == 0.0 { of("yarn_attn_factor", 1.0)? } else { self.yarn_growth(divisor)? };
        Ok(Yarn {
            trained: trained.unwrap_or(context) as f64,
            fast: of("yarn_beta_fast", Yarn::FAST)?,
            slow: of("yarn_beta_slow", Yarn::SLOW)?,
            share,
            magnitude: growth * of("attn_factor", 1.0)?,
        })
    }

    /// The published "mscale" divided by "mscale_all_dim".
    fn yarn_growth(&self, divisor: f64) -> Result<f64, GgufError> {
        let multiplier = self.yarn_multiplier()?;
        Ok(if multiplier == 0.0 {
            Yarn::growth(divisor, 1.0)
        } else if self.architecture == "deepseek2" {
            1.0 // both are the same in every published one: what grows is the scale of the scores
        } else {
            Yarn::growth(divisor, 1.0) / Yarn::growth(divisor, multiplier)
        })
    }

    /// "mscale_all_dim"; the file says a tenth of it for latent attention.
    fn yarn_multiplier(&self) -> Result<f64, GgufError> {
        let said = self.fraction("rope.scaling.yarn_log_multiplier")?.unwrap_or(0.0);
        Ok(if self.architecture == "deepseek2" { said / 0.1 } else { said })
    }

    /// How much longer queries and keys of latent attention get, not their rotated parts alone: the scores' scale tells it.
    fn latent_growth(&self) -> Result<f64, GgufError> {
        let context = self.number("context_length", MAX_CONTEXT)?;
        let Rotations { divisor, yarn, .. } = self.rotations(context)?;
        let Some(yarn) = yarn else { return Ok(1.0) };
        Ok(yarn.magnitude * Yarn::growth(divisor, self.yarn_multiplier()?))
    }

    fn window(&self, layers: usize) -> Result<Option<Window>, GgufError> {
        let positions = self.optional("attention.sliding_window", MAX_CONTEXT)?.filter(|&positions| positions > 0);
        let usual = match self.architecture {
            "gemma3" => 6,
            "exaone4" => 4,
            _ => return Ok(None),
        };
        let key = format!("{}.attention.sliding_window_pattern", self.architecture);
        let period = match self.header.metadata.get(&key) {
            None => usual,
            Some(_) => match self.optional("attention.sliding_window_pattern", MAX_LAYERS) {
                Ok(Some(period)) if period > 0 => period,
                _ => return Err(unusable(format!("its metadata `{key}` is no period of layers"))),
            },
        };
        Ok(match (self.architecture, positions) {
            ("gemma3", Some(positions)) => Some(Window { positions, period, plain_globals: false }),
            // The 32B model alone mixes (llama.cpp: 64 layers); the small one sees everything and rotates everywhere.
            ("exaone4", positions) if layers == 64 => {
                Some(Window { positions: positions.unwrap_or(4096), period, plain_globals: true })
            }
            _ => None,
        })
    }

    fn experts(&self, layers: usize) -> Result<Option<Experts>, GgufError> {
        let count = self.optional("expert_count", MAX_EXPERTS)?.unwrap_or(0);
        if count == 0 {
            return match self.architecture {
                "qwen3moe" => Err(unusable("its metadata lack `qwen3moe.expert_count`".to_owned())),
                _ => Ok(None),
            };
        }
        if !matches!(self.architecture, "qwen3moe" | "deepseek2") {
            return Err(unusable("it is a mixture of experts of a family that does not run here".to_owned()));
        }
        let deepseek = self.architecture == "deepseek2";
        let feed_forward = self.number("expert_feed_forward_length", MAX_WIDTH)?;
        let shared = if deepseek { self.optional("expert_shared_count", 64)?.unwrap_or(0) * feed_forward } else { 0 };
        let used = self.number("expert_used_count", MAX_EXPERTS)?;
        let groups = match self.optional("expert_group_count", MAX_EXPERTS)? {
            None | Some(0 | 1) => None,
            Some(groups) => {
                let of = self.number("expert_group_used_count", MAX_EXPERTS)?;
                let each = count / groups;
                if count % groups != 0 || each < 2 || of > groups || of * each < used {
                    return Err(unusable(format!(
                        "{used} of {count} experts cannot be chosen from {of} of {groups} groups"
                    )));
                }
                Some(Groups { count: groups, used: of })
            }
        };
        let scores = match self.optional("expert_gating_func", 16)? {
            None | Some(0 | 1) => Scores::Softmax,
            Some(2) => Scores::Sigmoid,
            Some(other) => {
                return Err(unusable(format!("its experts are scored in the way {other}, which is not known")));
            }
        };
        Ok(Some(Experts {
            count,
            used,
            feed_forward,
            shared,
            dense_layers: if deepseek { self.optional("leading_dense_block_count", layers)?.unwrap_or(0) } else { 0 },
            scores,
            normalized: if deepseek { self.flag("expert_weights_norm").unwrap_or(false) } else { true },
            scale: self.fraction("expert_weights_scale")?.filter(|&scale| scale != 0.0).unwrap_or(1.0) as f32,
            groups,
        }))
    }
}

pub(super) fn unusable(what: String) -> GgufError {
    GgufError::Unusable(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::write::Writer;
    use crate::gguf::{DType, Value};

    fn writer(architecture: &str) -> Writer {
        let mut writer = Writer::new();
        writer.set("general.architecture", Value::String(architecture.to_owned()));
        for (key, number) in [
            ("block_count", 12),
            ("embedding_length", 64),
            ("feed_forward_length", 96),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
            ("context_length", 32),
        ] {
            writer.set(&format!("{architecture}.{key}"), Value::U32(number));
        }
        writer.tensor("token_embd.weight", &[64, 10], DType::F32, vec![0; 2560]);
        writer
    }

    fn config(writer: &Writer) -> Result<Config, GgufError> {
        Config::from_header(&Header::read(&writer.bytes()).unwrap())
    }

    #[test]
    fn sizes_come_from_the_header() {
        let llama = config(&writer("llama")).unwrap();
        assert_eq!((llama.layers, llama.vocabulary, llama.rotated, llama.epsilon), (12, 10, 16, 1e-5));
        let grouped = Attention::Grouped { heads: 4, kv_heads: 2, key: 16, value: 16, scale: 0.25 };
        assert_eq!(llama.attention, grouped);
        assert!(llama.norm_before && !llama.norm_after && llama.pairs_are_neighbours && llama.rotates(0));
    }

    #[test]
    fn layers_of_a_window_and_their_rotations() {
        let mut gemma = writer("gemma3");
        gemma.set("gemma3.attention.sliding_window", Value::U32(512));
        gemma.set("gemma3.rope.freq_base", Value::F32(1e6));
        let gemma = config(&gemma).unwrap();
        let windows: Vec<bool> = (0..12).map(|layer| gemma.window_of(layer).is_some()).collect();
        assert_eq!(windows, [true, true, true, true, true, false, true, true, true, true, true, false]);
        assert!((0..12).all(|layer| gemma.rotates(layer)));
        assert_eq!((gemma.rotations.base, gemma.rotations.window_base), (1e6, 1e4));
        let mut exaone = writer("exaone4");
        exaone.set("exaone4.block_count", Value::U32(64));
        let exaone = config(&exaone).unwrap();
        assert_eq!((exaone.window_of(2), exaone.window_of(3)), (Some(4096), None));
        assert!(exaone.rotates(2) && !exaone.rotates(3));
    }

    #[test]
    fn a_mixture_with_latent_attention() {
        let mut writer = writer("deepseek2");
        for (key, number) in [
            ("rope.dimension_count", 16),
            ("attention.key_length_mla", 48),
            ("attention.value_length_mla", 32),
            ("attention.kv_lora_rank", 64),
            ("expert_count", 8),
            ("expert_used_count", 2),
            ("expert_shared_count", 1),
            ("expert_feed_forward_length", 32),
            ("leading_dense_block_count", 1),
            ("expert_gating_func", 2),
        ] {
            writer.set(&format!("deepseek2.{key}"), Value::U32(number));
        }
        writer.set("deepseek2.expert_weights_norm", Value::Bool(true));
        let config = config(&writer).unwrap();
        assert!(matches!(config.attention, Attention::Latent { heads: 4, latent: 64, plain: 32, value: 32, .. }));
        let experts = config.experts.unwrap();
        assert_eq!((experts.shared, experts.scores, experts.normalized), (32, Scores::Sigmoid, true));
        assert!(!config.is_mixture(0) && config.is_mixture(1));
    }

    #[test]
    fn what_is_not_run_here_is_refused_in_words() {
        let text = |text: &str| Value::String(text.to_owned());
        for (key, value, words) in [
            ("general.architecture", text("mamba"), "`mamba`"),
            ("llama.block_count", Value::U32(0), "block_count` is 0"),
            ("llama.block_count", Value::U64(u64::MAX), "block_count"),
            ("llama.block_count", Value::I32(-1), "no whole number"),
            ("llama.attention.head_count_kv", Value::U32(3), "cannot share"),
            ("llama.attention.key_length", Value::U32(3), "makes no sense"),
            ("llama.attention.head_count", Value::U32(16), "makes no sense"),
            ("llama.attention.key_length", Value::U32(2048), "at most 1024"),
            ("llama.expert_count", Value::U32(8), "mixture"),
            ("llama.rope.scaling.type", text("longrope"), "`longrope`"),
            ("llama.rope.dimension_count", Value::U32(17), "rotations"),
            ("llama.rope.freq_base", Value::F32(f32::NAN), "no finite number"),
            ("llama.rope.freq_base", Value::F32(0.0), "constants"),
            ("llama.feed_forward_length", Value::U32(33), "multiple of 32"),
        ] {
            let mut writer = writer("llama");
            writer.set(key, value);
            let error = config(&writer).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0503") && error.contains(words), "{error} should say {words}");
        }
    }
}
