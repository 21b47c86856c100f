//! What a GGUF header says about a model of architecture `llama`, checked.

use crate::gguf::{GgufError, Header};

/// The sizes of one model. Names as in the GGUF specification, "Standardized key-value pairs", `llama.*`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    /// `block_count`
    pub(super) layers: usize,
    /// `embedding_length`
    pub(super) width: usize,
    /// `feed_forward_length`
    pub(super) feed_forward: usize,
    /// `attention.head_count`
    pub(super) heads: usize,
    /// `attention.head_count_kv`: heads share keys and values in groups (Ainslie et al. 2023).
    pub(super) kv_heads: usize,
    /// `attention.key_length`
    pub(super) head_dim: usize,
    /// `attention.layer_norm_rms_epsilon`
    pub(super) epsilon: f32,
    /// `context_length`
    pub(super) context: usize,
    /// Rows of `token_embd.weight`.
    pub(super) vocabulary: usize,
    /// `rope.freq_base`
    pub(super) rope_base: f64,
    /// Positions are divided by it: `rope.scaling.factor` where the scaling is `linear`.
    pub(super) rope_divisor: f64,
}

/// Bounds that no published model nears; they keep products of sizes far from overflow.
const MAX_LAYERS: usize = 1 << 10;
const MAX_WIDTH: usize = 1 << 18;
const MAX_CONTEXT: usize = 1 << 24;
const MAX_HEAD_DIM: usize = 1 << 10;
/// Keys and values of one token in all layers, in bytes. Llama 3.1 405B has 1 MB.
const MAX_CACHE_BYTES: usize = 16 << 20;

impl Config {
    pub(super) fn from_header(header: &Header) -> Result<Self, GgufError> {
        let unusable = |why: String| Err(GgufError::Unusable(why));
        match header.text("general.architecture") {
            Some("llama") => {}
            Some(other) => return unusable(format!("its architecture is `{}`; `llama` is run here", short(other))),
            None => return unusable("it does not say its architecture".to_owned()),
        }
        let number = |key: &str, most: usize| {
            let key = format!("llama.{key}");
            let number = header.number(&key)?;
            if (1..=most).contains(&number) {
                Ok(number)
            } else {
                Err(GgufError::Unusable(format!("its metadata `{key}` is {number}; 1 to {most} make sense")))
            }
        };
        let layers = number("block_count", MAX_LAYERS)?;
        let width = number("embedding_length", MAX_WIDTH)?;
        let feed_forward = number("feed_forward_length", MAX_WIDTH)?;
        let heads = number("attention.head_count", MAX_WIDTH)?;
        let optional = |key: &str, default: usize| {
            if header.metadata.contains_key(&format!("llama.{key}")) { number(key, MAX_WIDTH) } else { Ok(default) }
        };
        let kv_heads = optional("attention.head_count_kv", heads)?;
        let head_dim = optional("attention.key_length", width / heads)?;
        if heads % kv_heads != 0 {
            return unusable(format!("{heads} heads cannot share {kv_heads} keys and values evenly"));
        }
        if optional("attention.value_length", head_dim)? != head_dim
            || optional("rope.dimension_count", head_dim)? != head_dim
        {
            return unusable("keys, values and rotations of different sizes are not run here".to_owned());
        }
        let even = head_dim > 0 && head_dim % 2 == 0;
        if !even
            || head_dim > MAX_HEAD_DIM
            || heads * head_dim > MAX_WIDTH
            || layers * kv_heads * head_dim * 8 > MAX_CACHE_BYTES
        {
            return unusable(format!("{layers} layers with {heads} heads of {head_dim} numbers make no sense"));
        }
        if header.number_if_any("llama.expert_count")?.is_some_and(|experts| experts > 0) {
            return unusable("it is a mixture of experts, which is not run here".to_owned());
        }
        let rope_divisor = match header.text("llama.rope.scaling.type") {
            None | Some("none") => 1.0,
            Some("linear") => header.fraction_if_any("llama.rope.scaling.factor")?.unwrap_or(1.0),
            Some(other) => {
                return unusable(format!(
                    "it stretches positions in the way `{}`, which is not run here",
                    short(other)
                ));
            }
        };
        let rope_base = header.fraction_if_any("llama.rope.freq_base")?.unwrap_or(10_000.0);
        let epsilon = header.fraction_if_any("llama.attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5);
        if !(rope_base >= 1.0 && rope_divisor > 0.0 && (0.0..=1.0).contains(&epsilon)) {
            return unusable("its rotation or normalization constants make no sense".to_owned());
        }
        let vocabulary = header.tensor("token_embd.weight").and_then(|tensor| tensor.dimensions.get(1).copied());
        let Some(vocabulary) = vocabulary.and_then(|rows| usize::try_from(rows).ok()).filter(|rows| *rows <= 1 << 24)
        else {
            return unusable("it has no matrix `token_embd.weight` of sensible size".to_owned());
        };
        Ok(Self {
            layers,
            width,
            feed_forward,
            heads,
            kv_heads,
            head_dim,
            epsilon: epsilon as f32, // stored as f32
            context: number("context_length", MAX_CONTEXT)?,
            vocabulary,
            rope_base,
            rope_divisor,
        })
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::write::Writer;
    use crate::gguf::{DType, Value};

    fn writer() -> Writer {
        let mut writer = Writer::new();
        writer.set("general.architecture", Value::String("llama".to_owned()));
        for (key, number) in [
            ("block_count", 2),
            ("embedding_length", 8),
            ("feed_forward_length", 16),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
            ("context_length", 32),
        ] {
            writer.set(&format!("llama.{key}"), Value::U32(number));
        }
        writer.tensor("token_embd.weight", &[8, 10], DType::F32, vec![0; 320]);
        writer
    }

    #[test]
    fn sizes_come_from_the_header() {
        let config = Config::from_header(&Header::read(&writer().bytes()).unwrap()).unwrap();
        assert_eq!(
            (config.layers, config.heads, config.kv_heads, config.head_dim, config.vocabulary),
            (2, 4, 2, 2, 10)
        );
        assert_eq!((config.rope_base, config.epsilon), (10_000.0, 1e-5));
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
            ("llama.attention.key_length", Value::U32(3), "make no sense"),
            ("llama.attention.head_count", Value::U32(16), "make no sense"),
            ("llama.attention.key_length", Value::U32(2048), "make no sense"),
            ("llama.expert_count", Value::U32(8), "mixture"),
            ("llama.rope.scaling.type", text("yarn"), "`yarn`"),
            ("llama.rope.freq_base", Value::F32(f32::NAN), "no finite number"),
            ("llama.rope.freq_base", Value::F32(0.0), "constants"),
        ] {
            let mut writer = writer();
            writer.set(key, value);
            let error = Config::from_header(&Header::read(&writer.bytes()).unwrap()).unwrap_err().to_string();
            assert!(error.starts_with("HAECHI-0503") && error.contains(words), "{error}");
        }
    }
}
