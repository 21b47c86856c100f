//! Models of a given shape with random weights: for speed, and to compare engines number by number where no real weights
//! can be had. What they say is noise; how they are computed is not.
//!
//! In reading order: this file (the shapes, and writing one), `plan` (metadata and tensors of each architecture),
//! `vocabulary` (a made-up one).
//!
//! A weight is about normal with the standard deviation `1 / sqrt(columns)`, so that what a layer gives out is as large as
//! what came in, however many layers there are. Weights are drawn from a pool of encoded blocks, so nine gigabytes take no
//! longer than writing them.

mod plan;
mod vocabulary;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::gguf::write::{Planned, Stream};
use crate::gguf::{DType, GgufError};
use crate::quant::quantize;
use crate::quant::recipe::{Facts, Recipe};

/// What a model of ours looks like inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// As the command line names it.
    pub name: &'static str,
    /// `general.architecture`.
    pub architecture: &'static str,
    /// `tokenizer.ggml.pre`.
    pub cutting: &'static str,
    /// Layers.
    pub layers: u64,
    /// Numbers of a token between layers.
    pub hidden: u64,
    /// Numbers inside a dense layer's feed-forward part.
    pub feed_forward: u64,
    /// Heads of attention.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers of one head.
    pub head_width: u64,
    /// Tokens.
    pub vocabulary: u32,
    /// Longest sequence.
    pub context: u32,
    /// Base of the rotary positions.
    pub rope_base: f32,
    /// Positions are stretched so many times by YaRN; 1 if they are not.
    pub yarn: u32,
    /// Output weights are the token embeddings.
    pub tied: bool,
    /// Routed experts.
    pub experts: Option<Experts>,
    /// Attention over a latent instead of over keys and values.
    pub latent: Option<Latent>,
}

/// Mixture of experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Experts {
    /// Experts of a layer.
    pub count: u64,
    /// Of them, for one token.
    pub used: u64,
    /// Numbers inside one expert.
    pub width: u64,
    /// Experts that every token passes.
    pub shared: u64,
    /// First layers that have a dense part instead.
    pub dense_layers: u64,
    /// Groups of experts, and how many of them a token's experts come from; no groups where it is 1.
    pub groups: u64,
    /// See `groups`.
    pub groups_used: u64,
}

/// Multi-head latent attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latent {
    /// Numbers of the latent that is cached.
    pub rank: u64,
    /// Numbers of a head's key without a position.
    pub nope: u64,
    /// Numbers of a head's key with one.
    pub rope: u64,
    /// Numbers of a head's value.
    pub value: u64,
}

const LLAMA_TINY: Shape = Shape {
    name: "llama-tiny",
    architecture: "llama",
    cutting: "llama-bpe",
    layers: 4,
    hidden: 256,
    feed_forward: 512,
    heads: 4,
    kv_heads: 2,
    head_width: 64,
    vocabulary: 1024,
    context: 2048,
    rope_base: 10_000.0,
    yarn: 1,
    tied: false,
    experts: None,
    latent: None,
};

/// What most mixtures have.
const ONE_GROUP: Experts =
    Experts { count: 8, used: 2, width: 256, shared: 0, dense_layers: 0, groups: 1, groups_used: 1 };

/// Multi-head latent attention and sigmoid-gated experts, in the shape of DeepSeek-V3 made small.
const L1_TINY: Shape = Shape {
    name: "l1-tiny",
    architecture: "deepseek2",
    cutting: "glm4",
    layers: 3,
    kv_heads: 1,
    head_width: 192,
    rope_base: 1_000_000.0,
    experts: Some(Experts { count: 8, used: 2, width: 256, shared: 1, dense_layers: 1, ..ONE_GROUP }),
    latent: Some(Latent { rank: 256, nope: 128, rope: 64, value: 128 }),
    ..LLAMA_TINY
};

/// Every shape there is.
pub const SHAPES: [Shape; 15] = [
    // As published for `learning-unit/L1-16B-A3B` (model card, 2026-08): 16.2 billion weights, 3.2 of them for a token.
    Shape {
        name: "l1",
        layers: 28,
        hidden: 2048,
        feed_forward: 8192,
        heads: 16,
        vocabulary: 151_552,
        context: 32_768,
        experts: Some(Experts { count: 64, used: 8, width: 1408, shared: 1, dense_layers: 1, ..ONE_GROUP }),
        latent: Some(Latent { rank: 512, nope: 128, rope: 64, value: 128 }),
        ..L1_TINY
    },
    L1_TINY,
    // As the large one, experts' rows are no whole number of K blocks, so other types step in.
    Shape {
        name: "l1-odd",
        experts: Some(Experts { count: 16, used: 4, width: 352, shared: 1, dense_layers: 1, ..ONE_GROUP }),
        ..L1_TINY
    },
    // As DeepSeek-V3 itself: stretched positions, experts by groups.
    Shape {
        name: "deepseek3-tiny",
        yarn: 8,
        experts: Some(Experts {
            count: 16,
            used: 4,
            shared: 1,
            dense_layers: 1,
            groups: 4,
            groups_used: 2,
            ..ONE_GROUP
        }),
        ..L1_TINY
    },
    Shape {
        name: "llama-1.5b",
        layers: 16,
        hidden: 2048,
        feed_forward: 8192,
        heads: 32,
        kv_heads: 8,
        vocabulary: 32_000,
        context: 8192,
        ..LLAMA_TINY
    },
    LLAMA_TINY,
    Shape { name: "qwen2-tiny", architecture: "qwen2", cutting: "qwen2", rope_base: 1_000_000.0, ..LLAMA_TINY },
    Shape { name: "llama-yarn-tiny", yarn: 4, ..LLAMA_TINY },
    Shape {
        name: "qwen2-yarn-tiny",
        architecture: "qwen2",
        cutting: "qwen2",
        rope_base: 1_000_000.0,
        yarn: 4,
        ..LLAMA_TINY
    },
    // A head is wider than hidden / heads, as in the published ones.
    Shape {
        name: "qwen3-tiny",
        architecture: "qwen3",
        cutting: "qwen2",
        head_width: 128,
        rope_base: 1_000_000.0,
        tied: true,
        ..LLAMA_TINY
    },
    Shape {
        name: "qwen3moe-tiny",
        architecture: "qwen3moe",
        cutting: "qwen2",
        head_width: 128,
        rope_base: 1_000_000.0,
        experts: Some(Experts { count: 16, used: 4, width: 256, shared: 0, dense_layers: 0, ..ONE_GROUP }),
        ..LLAMA_TINY
    },
    // Seven layers: the sixth sees everything, the others a window.
    Shape {
        name: "gemma3-tiny",
        architecture: "gemma3",
        cutting: "gpt-2",
        layers: 7,
        head_width: 128,
        rope_base: 1_000_000.0,
        tied: true,
        ..LLAMA_TINY
    },
    Shape { name: "exaone-tiny", architecture: "exaone", cutting: "exaone", ..LLAMA_TINY },
    Shape {
        name: "exaone4-tiny",
        architecture: "exaone4",
        cutting: "exaone4",
        rope_base: 1_000_000.0,
        tied: true,
        ..LLAMA_TINY
    },
    // A vocabulary as large as real ones, beside almost no model: for tokenizers.
    Shape { name: "vocabulary-100k", layers: 1, vocabulary: 100_000, ..LLAMA_TINY },
];

/// How the numbers of a tensor are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Draw {
    mean: f32,
    deviation: f32,
}

impl Shape {
    /// The shape named `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SHAPES.into_iter().find(|shape| shape.name == name)
    }

    /// Every name, for a sentence.
    #[must_use]
    pub fn names() -> String {
        SHAPES.map(|shape| shape.name).join(", ")
    }
}

/// Writes a model of this shape to the file `path`, which must not exist; see [`make`].
///
/// # Errors
/// [`GgufError::Write`]; that the file exists is one of its causes.
pub fn make_file(shape: &Shape, recipe: Recipe, seed: u64, path: &Path) -> Result<(), GgufError> {
    File::create_new(path)
        .and_then(|out| make(shape, recipe, seed, BufWriter::with_capacity(PIECE_BYTES, out)))
        .map_err(|source| GgufError::Write { path: path.to_owned(), source })
}

/// Writes a model of this shape, as a GGUF file, to `out`. The same arguments make the same bytes.
///
/// # Errors
/// What `out` says, as [`std::io::Error`]; other errors mean that a shape is no model ([`GgufError`] inside).
pub fn make(shape: &Shape, recipe: Recipe, seed: u64, out: impl Write) -> std::io::Result<()> {
    let metadata = plan::metadata(shape, recipe);
    let facts =
        Facts { layers: shape.layers, experts: shape.experts.map_or(0, |experts| experts.count), tied: shape.tied };
    let tensors = plan::tensors(shape);
    let planned: Vec<Planned> = tensors
        .iter()
        .map(|(name, dimensions, _)| Planned {
            name: name.clone(),
            dimensions: dimensions.clone(),
            dtype: recipe.dtype(name, dimensions, facts),
        })
        .collect();
    let mut stream = Stream::begin(out, &metadata, &planned)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut pools = Pools::default();
    for (planned, (_, _, draw)) in planned.iter().zip(&tensors) {
        let mut missing = planned.dtype.size_of(&planned.dimensions).unwrap_or(0);
        let pool = pools.of(planned.dtype, *draw, &mut random).map_err(std::io::Error::other)?;
        let mut piece = Vec::with_capacity(PIECE_BYTES + pool.unit);
        while missing > 0 {
            piece.clear();
            while piece.len() < PIECE_BYTES && (piece.len() as u64) < missing {
                piece.extend_from_slice(pool.any(&mut random));
            }
            piece.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
            stream.write(&piece)?;
            missing -= piece.len() as u64;
        }
    }
    stream.finish().map(|_| ())
}

/// Written at once.
const PIECE_BYTES: usize = 1 << 20;
/// Numbers that are drawn together.
const UNIT: usize = 256;
/// Units in a pool: enough that rows of thousands of numbers are no repetitions of each other.
const POOL_UNITS: usize = 4096;

/// Encoded blocks of one type and one distribution.
struct Pool {
    bytes: Vec<u8>,
    /// Bytes of [`UNIT`] numbers.
    unit: usize,
}

impl Pool {
    fn any(&self, random: &mut ChaCha8Rng) -> &[u8] {
        let at = random.next_u32() as usize % POOL_UNITS * self.unit;
        self.bytes.get(at..at + self.unit).unwrap_or_default()
    }
}

#[derive(Default)]
struct Pools(BTreeMap<(u32, u32, u32), Pool>);

impl Pools {
    fn of(&mut self, dtype: DType, draw: Draw, random: &mut ChaCha8Rng) -> Result<&Pool, GgufError> {
        let key = (dtype.id, draw.mean.to_bits(), draw.deviation.to_bits());
        let entry = match self.0.entry(key) {
            std::collections::btree_map::Entry::Occupied(found) => return Ok(found.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => entry,
        };
        let mut bytes = Vec::new();
        let mut numbers = [0.0; UNIT];
        for _ in 0..POOL_UNITS {
            numbers.fill_with(|| draw.mean + draw.deviation * normal(random));
            quantize(dtype, &numbers, None, &mut bytes)?;
        }
        let unit = bytes.len() / POOL_UNITS;
        Ok(entry.insert(Pool { bytes, unit }))
    }
}

/// About normal, with mean 0 and deviation 1: the sum of eight uniform numbers, for no logarithm is the same everywhere.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let mut sum = 0_u32;
    for _ in 0..4 {
        let bits = random.next_u32();
        sum += (bits & 0xffff) + (bits >> 16);
    }
    // Eight times uniform on 0..65536: mean 8 * 32767.5, variance 8 * 65536^2 / 12.
    (sum as f32 - 262_140.0) / (65_536.0 * 0.816_496_6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Header;
    use crate::quant::dequantize;

    fn made(name: &str, recipe: Recipe, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        make(&Shape::named(name).unwrap(), recipe, seed, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_small_shape_is_a_sound_file() {
        for shape in SHAPES.iter().filter(|shape| shape.hidden < 1000) {
            let bytes = made(shape.name, Recipe::Q4KM, 1);
            let header = Header::read(&bytes).unwrap();
            assert_eq!(header.text("general.architecture"), Some(shape.architecture), "{}", shape.name);
            assert_eq!(header.texts("tokenizer.ggml.tokens").unwrap().len(), shape.vocabulary as usize);
            assert_eq!(header.tensor("output.weight").is_none(), shape.tied);
        }
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let first = made("llama-tiny", Recipe::Q8_0, 1);
        assert!(first == made("llama-tiny", Recipe::Q8_0, 1));
        assert!(first != made("llama-tiny", Recipe::Q8_0, 2));
    }

    #[test]
    fn weights_keep_the_size_of_what_passes() {
        let bytes = made("l1-tiny", Recipe::Q4KM, 3);
        let header = Header::read(&bytes).unwrap();
        let numbers = |name: &str| {
            let tensor = header.tensor(name).unwrap();
            let start = (header.data_start + tensor.offset) as usize;
            let mut out = vec![0.0; tensor.dimensions.iter().product::<u64>() as usize];
            dequantize(tensor.dtype, &bytes[start..start + tensor.size as usize], &mut out).unwrap();
            out
        };
        let spread = |numbers: &[f32]| {
            let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
            (mean, (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / numbers.len() as f32).sqrt())
        };
        let (mean, deviation) = spread(&numbers("blk.1.ffn_up_exps.weight"));
        assert!(mean.abs() < 0.001 && (deviation * 16.0 - 1.0).abs() < 0.02, "{mean} {deviation}");
        let (mean, _) = spread(&numbers("blk.1.attn_norm.weight"));
        assert!((mean - 1.0).abs() < 0.05);
    }
}
