//! A tiny `llama` with random weights, as a GGUF file, and the plain forward pass that backends are measured against.

use std::collections::BTreeMap;

use haechi_drivers::gguf::write::Writer;
use haechi_drivers::gguf::{Array, DType, Value};

pub(crate) const LAYERS: usize = 2;
pub(crate) const WIDTH: usize = 64;
pub(crate) const HEADS: usize = 4;
pub(crate) const KV_HEADS: usize = 2;
pub(crate) const HEAD_DIM: usize = 16;
pub(crate) const FEED_FORWARD: usize = 128;
pub(crate) const CONTEXT: usize = 1024;
pub(crate) const VOCABULARY: usize = 262;
const ROPE_BASE: f64 = 10_000.0;
const EPSILON: f32 = 1e-5;
const TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// What varies between the tiny models.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// How matrices are stored.
    pub(crate) dtype: DType,
    /// The head is the embedding.
    pub(crate) tied: bool,
    /// Rotations stretched pair by pair (`rope_freqs.weight`).
    pub(crate) factors: bool,
    /// Positions divided by it.
    pub(crate) linear: f32,
}

impl Shape {
    pub(crate) fn plain(dtype: DType) -> Self {
        Self { dtype, tied: true, factors: false, linear: 1.0 }
    }
}

/// A model as the reference sees it: every weight as the number that its stored form stands for.
pub(crate) struct Tiny {
    pub(crate) writer: Writer,
    weights: BTreeMap<String, Vec<f32>>,
    shape: Shape,
}

impl Tiny {
    pub(crate) fn new(shape: Shape, seed: u64) -> Self {
        let mut tiny = Self { writer: Writer::new(), weights: BTreeMap::new(), shape };
        tiny.metadata();
        let mut random = Random(seed | 1);
        tiny.matrix("token_embd.weight", VOCABULARY, WIDTH, 1.0, &mut random);
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            tiny.vector(&name("attn_norm"), WIDTH, &mut random);
            tiny.vector(&name("ffn_norm"), WIDTH, &mut random);
            tiny.matrix(&name("attn_q"), HEADS * HEAD_DIM, WIDTH, 0.3, &mut random);
            tiny.matrix(&name("attn_k"), KV_HEADS * HEAD_DIM, WIDTH, 0.3, &mut random);
            tiny.matrix(&name("attn_v"), KV_HEADS * HEAD_DIM, WIDTH, 0.3, &mut random);
            tiny.matrix(&name("attn_output"), WIDTH, HEADS * HEAD_DIM, 0.3, &mut random);
            tiny.matrix(&name("ffn_gate"), FEED_FORWARD, WIDTH, 0.3, &mut random);
            tiny.matrix(&name("ffn_up"), FEED_FORWARD, WIDTH, 0.3, &mut random);
            tiny.matrix(&name("ffn_down"), WIDTH, FEED_FORWARD, 0.3, &mut random);
        }
        tiny.vector("output_norm.weight", WIDTH, &mut random);
        if !shape.tied {
            tiny.matrix("output.weight", VOCABULARY, WIDTH, 1.0, &mut random);
        }
        if shape.factors {
            tiny.vector("rope_freqs.weight", HEAD_DIM / 2, &mut random);
        }
        tiny
    }

    fn metadata(&mut self) {
        let text = |text: &str| Value::String(text.to_owned());
        let writer = &mut self.writer;
        writer.set("general.architecture", text("llama"));
        writer.set("general.name", text("tiny"));
        for (key, number) in [
            ("block_count", LAYERS),
            ("embedding_length", WIDTH),
            ("feed_forward_length", FEED_FORWARD),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", KV_HEADS),
            ("context_length", CONTEXT),
        ] {
            writer.set(&format!("llama.{key}"), Value::U32(number as u32));
        }
        writer.set("llama.attention.layer_norm_rms_epsilon", Value::F32(EPSILON));
        if self.shape.linear != 1.0 {
            writer.set("llama.rope.scaling.type", text("linear"));
            writer.set("llama.rope.scaling.factor", Value::F32(self.shape.linear));
        }
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
        writer.set("tokenizer.ggml.model", text("gpt2"));
        writer.set("tokenizer.ggml.pre", text("smollm"));
        writer.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
        writer.set("tokenizer.ggml.token_type", Value::Array(Array::I32(kinds)));
        writer.set("tokenizer.ggml.merges", Value::Array(Array::String(vec!["h e".to_owned(), "he l".to_owned()])));
        writer.set("tokenizer.ggml.eos_token_id", Value::U32(259));
        writer.set("tokenizer.chat_template", text(TEMPLATE));
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize, scale: f32, random: &mut Random) {
        let values: Vec<f32> = (0..rows * columns).map(|_| random.next() * scale).collect();
        let (bytes, values) = store(self.shape.dtype, &values);
        self.writer.tensor(name, &[columns as u64, rows as u64], self.shape.dtype, bytes);
        self.weights.insert(name.to_owned(), values);
    }

    fn vector(&mut self, name: &str, length: usize, random: &mut Random) {
        let values: Vec<f32> = (0..length).map(|_| 1.0 + 0.2 * random.next()).collect();
        let (bytes, values) = store(DType::F32, &values);
        self.writer.tensor(name, &[length as u64], DType::F32, bytes);
        self.weights.insert(name.to_owned(), values);
    }

    /// Logits after the last of `tokens`: every sum written out, in f64.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<f32> {
        let w = |name: &str| self.weights[name].as_slice();
        let mut x: Vec<Vec<f64>> = tokens
            .iter()
            .map(|&token| {
                w("token_embd.weight")[token as usize * WIDTH..][..WIDTH].iter().map(|&n| f64::from(n)).collect()
            })
            .collect();
        for layer in 0..LAYERS {
            let w = |part: &str| self.weights[&format!("blk.{layer}.{part}.weight")].as_slice();
            let h: Vec<Vec<f64>> = x.iter().map(|x| norm(x, w("attn_norm"))).collect();
            let rotated = |part: &str, h: &[f64], position: usize| self.rotate(&times(w(part), h), position);
            let queries: Vec<_> = h.iter().enumerate().map(|(position, h)| rotated("attn_q", h, position)).collect();
            let keys: Vec<_> = h.iter().enumerate().map(|(position, h)| rotated("attn_k", h, position)).collect();
            let values: Vec<_> = h.iter().map(|h| times(w("attn_v"), h)).collect();
            for (position, x) in x.iter_mut().enumerate() {
                let mut mixed = vec![0.0; HEADS * HEAD_DIM];
                for head in 0..HEADS {
                    let shared = head / (HEADS / KV_HEADS) * HEAD_DIM;
                    let query = &queries[position][head * HEAD_DIM..][..HEAD_DIM];
                    let scores: Vec<f64> = (0..=position)
                        .map(|other| dot(query, &keys[other][shared..][..HEAD_DIM]) / (HEAD_DIM as f64).sqrt())
                        .collect();
                    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let total: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
                    for (other, score) in scores.iter().enumerate() {
                        for i in 0..HEAD_DIM {
                            mixed[head * HEAD_DIM + i] += (score - highest).exp() / total * values[other][shared + i];
                        }
                    }
                }
                add(x, &times(w("attn_output"), &mixed));
                let h = norm(x, w("ffn_norm"));
                let (gate, up) = (times(w("ffn_gate"), &h), times(w("ffn_up"), &h));
                let gated: Vec<f64> = gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
                add(x, &times(w("ffn_down"), &gated));
            }
        }
        let head = if self.shape.tied { "token_embd.weight" } else { "output.weight" };
        let last = norm(x.last().unwrap(), w("output_norm.weight"));
        times(w(head), &last).into_iter().map(|n| n as f32).collect()
    }

    /// Neighbouring numbers of each head turn together.
    fn rotate(&self, x: &[f64], position: usize) -> Vec<f64> {
        let mut out = x.to_vec();
        for pair in 0..x.len() / 2 {
            let i = pair % (HEAD_DIM / 2);
            let factor = if self.shape.factors { f64::from(self.weights["rope_freqs.weight"][i]) } else { 1.0 };
            let frequency = ROPE_BASE.powf(-2.0 * i as f64 / HEAD_DIM as f64) / factor / f64::from(self.shape.linear);
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            let (a, b) = (x[2 * pair], x[2 * pair + 1]);
            out[2 * pair] = a * cos - b * sin;
            out[2 * pair + 1] = a * sin + b * cos;
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[f32], x: &[f64]) -> Vec<f64> {
    matrix.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()).collect()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn norm(x: &[f64], weight: &[f32]) -> Vec<f64> {
    let mean: f64 = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + f64::from(EPSILON)).sqrt();
    x.iter().zip(weight).map(|(x, w)| x * scale * f64::from(*w)).collect()
}

/// Stores numbers as `dtype` (ggml's formats), and what they are when read back.
fn store(dtype: DType, values: &[f32]) -> (Vec<u8>, Vec<f32>) {
    let (mut bytes, mut read) = (Vec::new(), Vec::new());
    match dtype {
        DType::F32 => {
            values.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
            read.extend_from_slice(values);
        }
        DType::F16 => {
            for &n in values {
                bytes.extend_from_slice(&to_half(n).to_le_bytes());
                read.push(from_half(to_half(n)));
            }
        }
        DType::Q8_0 => {
            for block in values.chunks(32) {
                let scale = to_half(block.iter().fold(0.0_f32, |most, n| most.max(n.abs())) / 127.0);
                bytes.extend_from_slice(&scale.to_le_bytes());
                for n in block {
                    let q = (n / from_half(scale)).round().clamp(-127.0, 127.0);
                    bytes.push(q as i8 as u8);
                    read.push(q * from_half(scale));
                }
            }
        }
        DType::Q4_1 => {
            for block in values.chunks(32) {
                let (least, most) =
                    block.iter().fold((f32::MAX, f32::MIN), |(least, most), &n| (least.min(n), most.max(n)));
                let (scale, least) = (to_half((most - least) / 15.0), to_half(least));
                bytes.extend_from_slice(&scale.to_le_bytes());
                bytes.extend_from_slice(&least.to_le_bytes());
                let q: Vec<u8> = block
                    .iter()
                    .map(|n| ((n - from_half(least)) / from_half(scale)).round().clamp(0.0, 15.0) as u8)
                    .collect();
                (0..16).for_each(|i| bytes.push(q[i] | q[i + 16] << 4));
                read.extend(q.iter().map(|&q| f32::from(q) * from_half(scale) + from_half(least)));
            }
        }
        other => panic!("{} is not written by the tests", other.name),
    }
    (bytes, read)
}

/// IEEE half precision, cut off, for numbers between 2^-14 and 65504.
fn to_half(n: f32) -> u16 {
    let bits = n.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    if n.abs() < 6.2e-5 {
        return sign;
    }
    sign | (((bits >> 23 & 0xff) - 112) << 10) as u16 | (bits >> 13 & 0x3ff) as u16
}

fn from_half(half: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(half >> 15) << 31, u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    if exponent == 0 { f32::from_bits(sign) } else { f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13) }
}

/// xorshift64: numbers between -1 and 1, the same each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}
