//! Tiny models with random weights, one of every family, as GGUF files.
//!
//! Small, but of the real ones' kinds of sizes: heads of 64, 128 and 256, rows that whole blocks of every format fill. The
//! vocabulary alone is no multiple of anything. The numbers are scaled as in trained models: a layer adds to what the others
//! made and does not drown it, or errors would grow from layer to layer as they never do in use; yet each has its say.

use haechi_drivers::gguf::write::Writer;
use haechi_drivers::gguf::{Array, DType, Value};
use haechi_drivers::quant::quantize;

pub(crate) const WIDTH: usize = 256;
pub(crate) const CONTEXT: usize = 1024;
pub(crate) const VOCABULARY: usize = 262;
/// Of the families that have one; so short that one position more or less shows.
pub(crate) const WINDOW: usize = 8;
const FEED_FORWARD: usize = 512;
const EXPERTS: usize = 8;
const EXPERT_FEED_FORWARD: usize = 256;
const EPSILON: f32 = 1e-5;
const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// What runs differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Llama,
    Qwen2,
    Qwen3,
    Qwen3Moe,
    Gemma3,
    Exaone,
    /// Every layer sees everything.
    Exaone4,
    /// Three layers of four have a window. llama.cpp takes only 64 layers for such a model, so these are narrow.
    Exaone4Hybrid,
    /// As L1-16B-A3B: keys and values in parts that fold into the query, sigmoid scores with a bias.
    DeepSeek2,
    /// As DeepSeek-V2: the query by way of a latent too, softmax scores as they are.
    DeepSeek2Low,
    /// The same with keys and values in one matrix, as in files from before llama.cpp took them apart.
    DeepSeek2Whole,
}

impl Family {
    pub(crate) const ALL: [Self; 11] = [
        Self::Llama,
        Self::Qwen2,
        Self::Qwen3,
        Self::Qwen3Moe,
        Self::Gemma3,
        Self::Exaone,
        Self::Exaone4,
        Self::Exaone4Hybrid,
        Self::DeepSeek2,
        Self::DeepSeek2Low,
        Self::DeepSeek2Whole,
    ];

    /// As GGUF names it.
    pub(crate) const fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma3 => "gemma3",
            Self::Exaone => "exaone",
            Self::Exaone4 | Self::Exaone4Hybrid => "exaone4",
            Self::DeepSeek2 | Self::DeepSeek2Low | Self::DeepSeek2Whole => "deepseek2",
        }
    }

    /// Whether its layers choose among experts.
    pub(crate) const fn has_experts(self) -> bool {
        self.latent() || matches!(self, Self::Qwen3Moe)
    }

    const fn latent(self) -> bool {
        matches!(self, Self::DeepSeek2 | Self::DeepSeek2Low | Self::DeepSeek2Whole)
    }

    const fn layers(self) -> usize {
        match self {
            Self::Gemma3 => 7, // five with a window, one without, one more with
            Self::Exaone4Hybrid => 64,
            _ => 3,
        }
    }

    const fn width(self) -> usize {
        if matches!(self, Self::Exaone4Hybrid) { 64 } else { WIDTH }
    }

    /// Query heads, key heads, numbers of a head.
    const fn heads(self) -> (usize, usize, usize) {
        match self {
            Self::Qwen3 | Self::Qwen3Moe => (4, 2, 128), // wider together than the model
            Self::Gemma3 => (2, 1, 256),
            Self::Exaone4Hybrid => (2, 1, 32),
            _ => (4, 2, 64),
        }
    }
}

// Latent attention: the sizes of L1-16B-A3B's heads, and fewer heads.
const LATENT_HEADS: usize = 4;
const LATENT_RANK: usize = 512;
const PLAIN_DIM: usize = 128;
const ROPE_DIM: usize = 64;
const VALUE_DIM: usize = 128;
const QUERY_RANK: usize = 256;

/// What varies between the tiny models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) family: Family,
    /// How matrices are stored.
    pub(crate) dtype: DType,
    /// The head is the embedding.
    pub(crate) tied: bool,
    /// Rotations stretched pair by pair (`rope_freqs.weight`).
    pub(crate) factors: bool,
    /// Positions divided by it.
    pub(crate) linear: f32,
    /// Stretched by YaRN instead.
    pub(crate) yarn: bool,
    /// Experts stand in four groups, of which two are chosen from.
    pub(crate) groups: bool,
    /// Gates are stored in this format.
    pub(crate) gates: Option<DType>,
}

impl Shape {
    pub(crate) fn of(family: Family, dtype: DType) -> Self {
        Self { family, dtype, tied: false, factors: false, linear: 1.0, yarn: false, groups: false, gates: None }
    }

    pub(crate) fn plain(dtype: DType) -> Self {
        Self::of(Family::Llama, dtype)
    }
}

/// One file in the making.
pub(crate) struct Tiny {
    pub(crate) writer: Writer,
    shape: Shape,
    random: Random,
    /// About the size of what the first layer gets; what a layer adds is half of it.
    loud: f32,
}

impl Tiny {
    pub(crate) fn new(shape: Shape, seed: u64) -> Self {
        let random = Random(seed.wrapping_mul(0x9e37_79b9) | 1);
        let mut tiny = Self { writer: Writer::new(), shape, random, loud: 1.0 };
        tiny.metadata();
        tiny.tokenizer();
        let (family, width) = (shape.family, shape.family.width());
        // An embedding of 1, which Gemma multiplies by the root of the width, or of what makes logits of 3 if it is the head.
        let root = (width as f32).sqrt();
        let embedding = if shape.tied {
            3.0
        } else if family == Family::Gemma3 {
            1.0
        } else {
            root
        };
        tiny.matrix("token_embd.weight", VOCABULARY, width, embedding);
        tiny.loud = match family {
            Family::Gemma3 => embedding,
            // More roundings on the way, and shared experts beside the chosen.
            family if family.latent() => 0.7 * embedding / root,
            _ => embedding / root,
        };
        for layer in 0..family.layers() {
            tiny.layer(layer);
        }
        tiny.vector("output_norm.weight", width, 1.0);
        if !shape.tied {
            tiny.matrix("output.weight", VOCABULARY, width, 3.0);
        }
        if shape.factors {
            tiny.vector("rope_freqs.weight", family.heads().2 / 2, 1.0);
        }
        tiny
    }

    fn metadata(&mut self) {
        let family = self.shape.family;
        let (heads, kv_heads, head_dim) = family.heads();
        self.text("general.architecture", family.architecture());
        self.text("general.name", "tiny");
        self.number("block_count", family.layers());
        self.number("embedding_length", family.width());
        self.number("feed_forward_length", FEED_FORWARD);
        self.number("context_length", CONTEXT);
        self.fraction("attention.layer_norm_rms_epsilon", EPSILON);
        self.fraction("rope.freq_base", 50_000.0);
        if family.latent() {
            self.latent_metadata();
        } else {
            self.number("attention.head_count", heads);
            self.number("attention.head_count_kv", kv_heads);
            self.number("attention.key_length", head_dim);
            self.number("attention.value_length", head_dim);
            self.number("rope.dimension_count", head_dim);
        }
        if family.has_experts() {
            self.number("expert_count", EXPERTS);
            self.number("expert_used_count", 2);
            self.number("expert_feed_forward_length", EXPERT_FEED_FORWARD);
        }
        if matches!(family, Family::Gemma3 | Family::Exaone4Hybrid) {
            self.number("attention.sliding_window", WINDOW);
        }
        if self.shape.groups {
            self.number("expert_group_count", 4);
            self.number("expert_group_used_count", 2);
        }
        if self.shape.yarn {
            self.text(&format!("{}.rope.scaling.type", family.architecture()), "yarn");
            self.fraction("rope.scaling.factor", 8.0);
            self.number("rope.scaling.original_context_length", CONTEXT / 8);
            if family == Family::DeepSeek2 {
                self.fraction("rope.scaling.yarn_log_multiplier", 0.1);
            }
        }
        if self.shape.linear != 1.0 {
            self.text(&format!("{}.rope.scaling.type", family.architecture()), "linear");
            self.fraction("rope.scaling.factor", self.shape.linear);
        }
    }

    fn latent_metadata(&mut self) {
        let whole = self.shape.family == Family::DeepSeek2Whole;
        let low = self.shape.family != Family::DeepSeek2;
        self.number("attention.head_count", LATENT_HEADS);
        self.number("attention.kv_lora_rank", LATENT_RANK);
        self.number("attention.q_lora_rank", if low { QUERY_RANK } else { 0 });
        self.number("rope.dimension_count", ROPE_DIM);
        if whole {
            self.number("attention.head_count_kv", LATENT_HEADS);
            self.number("attention.key_length", PLAIN_DIM + ROPE_DIM);
            self.number("attention.value_length", VALUE_DIM);
        } else {
            self.number("attention.head_count_kv", 1);
            self.number("attention.key_length", LATENT_RANK + ROPE_DIM);
            self.number("attention.value_length", LATENT_RANK);
            self.number("attention.key_length_mla", PLAIN_DIM + ROPE_DIM);
            self.number("attention.value_length_mla", VALUE_DIM);
        }
        self.number("leading_dense_block_count", 1);
        self.number("expert_shared_count", 1);
        self.number("expert_gating_func", if low { 1 } else { 2 });
        self.fraction("expert_weights_scale", if low { 1.0 } else { 1.8 });
        let key = format!("{}.expert_weights_norm", self.shape.family.architecture());
        self.writer.set(&key, Value::Bool(!low));
    }

    fn layer(&mut self, layer: usize) {
        let family = self.shape.family;
        let width = family.width();
        let name = |part: &str| format!("blk.{layer}.{part}");
        if family.architecture() != "exaone4" {
            self.vector(&name("attn_norm.weight"), width, 1.0);
            self.vector(&name("ffn_norm.weight"), width, 1.0);
        }
        if matches!(family, Family::Gemma3 | Family::Exaone4 | Family::Exaone4Hybrid) {
            let loud = self.loud * if family == Family::Exaone4Hybrid { 0.1 } else { 0.4 };
            self.vector(&name("post_attention_norm.weight"), width, loud);
            self.vector(&name("post_ffw_norm.weight"), width, loud);
        }
        if family.latent() {
            self.latent(layer);
        } else {
            self.heads(layer);
        }
        let dense = !family.has_experts() || family.latent() && layer == 0;
        if dense {
            self.feed_forward(&name("ffn"), "", FEED_FORWARD);
            return;
        }
        self.floats(&name("ffn_gate_inp.weight"), &[width, EXPERTS], 1.5, 0.0);
        if family == Family::DeepSeek2 {
            self.floats(&name("exp_probs_b.bias"), &[EXPERTS], 0.2, 0.0);
        }
        for (part, rows, columns) in
            [("ffn_gate_exps.weight", EXPERT_FEED_FORWARD, width), ("ffn_up_exps.weight", EXPERT_FEED_FORWARD, width)]
        {
            self.stack(&name(part), EXPERTS, rows, columns, 1.0);
        }
        self.stack(&name("ffn_down_exps.weight"), EXPERTS, width, EXPERT_FEED_FORWARD, self.loud);
        if family.latent() {
            self.feed_forward(&name("ffn"), "_shexp", EXPERT_FEED_FORWARD);
        }
    }

    fn heads(&mut self, layer: usize) {
        let family = self.shape.family;
        let (width, (heads, kv_heads, head_dim)) = (family.width(), family.heads());
        for (part, heads, gain) in [("q", heads, 1.2), ("k", kv_heads, 1.2), ("v", kv_heads, 1.0)] {
            self.matrix(&format!("blk.{layer}.attn_{part}.weight"), heads * head_dim, width, gain);
            if family == Family::Qwen2 {
                self.floats(&format!("blk.{layer}.attn_{part}.bias"), &[heads * head_dim], 0.5, 0.0);
            }
            if part != "v" && !matches!(family, Family::Llama | Family::Qwen2 | Family::Exaone) {
                self.vector(&format!("blk.{layer}.attn_{part}_norm.weight"), head_dim, 1.2);
            }
        }
        self.matrix(&format!("blk.{layer}.attn_output.weight"), width, heads * head_dim, self.loud);
    }

    fn latent(&mut self, layer: usize) {
        let name = |part: &str| format!("blk.{layer}.attn_{part}.weight");
        let query = LATENT_HEADS * (PLAIN_DIM + ROPE_DIM);
        self.matrix(&name("kv_a_mqa"), LATENT_RANK + ROPE_DIM, WIDTH, 1.2);
        self.vector(&name("kv_a_norm"), LATENT_RANK, 1.0);
        if self.shape.family == Family::DeepSeek2 {
            self.matrix(&name("q"), query, WIDTH, 1.2);
        } else {
            self.matrix(&name("q_a"), QUERY_RANK, WIDTH, 1.0);
            self.vector(&name("q_a_norm"), QUERY_RANK, 1.0);
            self.matrix(&name("q_b"), query, QUERY_RANK, 1.2);
        }
        if self.shape.family == Family::DeepSeek2Whole {
            self.matrix(&name("kv_b"), LATENT_HEADS * (PLAIN_DIM + VALUE_DIM), LATENT_RANK, 1.0);
        } else {
            // Turned round, so that what it is multiplied with has the columns' length of the other form.
            let gain = (PLAIN_DIM as f32 / LATENT_RANK as f32).sqrt();
            self.stack(&name("k_b"), LATENT_HEADS, LATENT_RANK, PLAIN_DIM, gain);
            self.stack(&name("v_b"), LATENT_HEADS, VALUE_DIM, LATENT_RANK, 1.0);
        }
        self.matrix(&name("output"), WIDTH, LATENT_HEADS * VALUE_DIM, self.loud);
    }

    fn feed_forward(&mut self, name: &str, suffix: &str, inner: usize) {
        let width = self.shape.family.width();
        self.matrix(&format!("{name}_gate{suffix}.weight"), inner, width, 1.0);
        self.matrix(&format!("{name}_up{suffix}.weight"), inner, width, 1.0);
        self.matrix(&format!("{name}_down{suffix}.weight"), width, inner, 1.2 * self.loud);
    }

    fn tokenizer(&mut self) {
        // GPT-2's alphabet, in the order of bytes, two merges and four signs.
        let letter = |byte: u32| match byte {
            33..=126 | 161..=172 | 174..=255 => byte,
            0..=32 => 256 + byte,
            127..=160 => 256 + 33 + byte - 127,
            _ => 256 + 67,
        };
        let mut tokens: Vec<String> = (0..256).map(|byte| char::from_u32(letter(byte)).unwrap().to_string()).collect();
        tokens.extend(["he", "hel", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<unused>"].map(str::to_owned));
        let kinds = (0..VOCABULARY).map(|id| if id < 258 { 1 } else { 3 }).collect();
        self.text("tokenizer.ggml.model", "gpt2");
        self.text("tokenizer.ggml.pre", "smollm");
        self.text("tokenizer.chat_template", TEMPLATE);
        self.writer.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens.iter().collect())));
        self.writer.set("tokenizer.ggml.token_type", Value::Array(Array::I32(kinds)));
        self.writer.set("tokenizer.ggml.merges", Value::Array(Array::String(["h e", "he l"].iter().collect())));
        self.writer.set("tokenizer.ggml.eos_token_id", Value::U32(259));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.writer.set(key, Value::String(text.to_owned()));
    }

    fn number(&mut self, key: &str, number: usize) {
        let key = format!("{}.{key}", self.shape.family.architecture());
        self.writer.set(&key, Value::U32(u32::try_from(number).unwrap()));
    }

    fn fraction(&mut self, key: &str, number: f32) {
        let key = format!("{}.{key}", self.shape.family.architecture());
        self.writer.set(&key, Value::F32(number));
    }

    /// Rows that make of numbers of size 1 numbers of size `gain`.
    fn matrix(&mut self, name: &str, rows: usize, columns: usize, gain: f32) {
        self.tensor(name, &[columns, rows], self.shape.dtype, gain / (columns as f32).sqrt(), 0.0);
    }

    /// Several matrices in one tensor.
    fn stack(&mut self, name: &str, count: usize, rows: usize, columns: usize, gain: f32) {
        self.tensor(name, &[columns, rows, count], self.shape.dtype, gain / (columns as f32).sqrt(), 0.0);
    }

    /// Of numbers about `middle`.
    fn vector(&mut self, name: &str, length: usize, middle: f32) {
        self.floats(name, &[length], 0.2 * middle, middle);
    }

    /// What every model stores as f32.
    fn floats(&mut self, name: &str, dimensions: &[usize], spread: f32, middle: f32) {
        let scale = if dimensions.len() > 1 { spread / (dimensions[0] as f32).sqrt() } else { spread };
        self.tensor(name, dimensions, DType::F32, scale, middle);
    }

    fn tensor(&mut self, name: &str, dimensions: &[usize], dtype: DType, spread: f32, middle: f32) {
        // Where rows are no whole number of blocks, another type steps in, as in published files.
        let fits = (dimensions[0] as u64).is_multiple_of(dtype.block);
        let dtype = if fits { dtype } else { DType::Q8_0 };
        let gate = name.contains("ffn_gate") && !name.contains("inp");
        let dtype = self.shape.gates.filter(|_| gate).unwrap_or(dtype);
        let count = dimensions.iter().product();
        let values: Vec<f32> = (0..count).map(|_| middle + spread * self.random.next()).collect();
        let mut bytes = Vec::new();
        quantize(dtype, &values, None, &mut bytes).unwrap();
        let dimensions: Vec<u64> = dimensions.iter().map(|&length| length as u64).collect();
        self.writer.tensor(name, &dimensions, dtype, bytes);
    }
}

/// xorshift64: numbers of variance 1 around 0, the same each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * 3.0_f32.sqrt()
    }
}
