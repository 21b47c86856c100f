use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::gguf::write::Writer;
use crate::gguf::{self, Value};
use crate::quant::dequantize;
use crate::safetensors::tests::file;

/// A model folder in the making: tensors by name with their shapes, slowest-running first.
struct Folder {
    config: serde_json::Value,
    shapes: BTreeMap<String, Vec<u64>>,
    tokenizer: serde_json::Value,
}

const HIDDEN: u64 = 64;

/// The numbers that `name` holds: the same for every folder.
fn numbers(name: &str, count: u64) -> Vec<f32> {
    let mut state = name.bytes().fold(7_u32, |state, byte| state.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

impl Folder {
    fn new(class: &str) -> Self {
        let config = serde_json::json!({
            "architectures": [class], "hidden_size": HIDDEN, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5, "rope_theta": 5e5, "vocab_size": 300,
        });
        let tokens: serde_json::Map<_, _> =
            (0..200_u32).map(|id| (char::from_u32(0x4e00 + id).unwrap().to_string(), id.into())).collect();
        let tokenizer = serde_json::json!({
            "model": {"type": "BPE", "vocab": tokens, "merges": ["一 丁", "丁 丂"]},
            "added_tokens": [{"id": 200, "content": "<end>", "special": true}, {"id": 201, "content": "<think>"}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        });
        let mut folder = Self { config, shapes: BTreeMap::new(), tokenizer };
        folder.add("embed_tokens.weight", &[300, HIDDEN]);
        folder.add("norm.weight", &[HIDDEN]);
        folder.shapes.insert("lm_head.weight".to_owned(), vec![300, HIDDEN]);
        folder
    }

    fn add(&mut self, name: &str, shape: &[u64]) {
        self.shapes.insert(format!("model.{name}"), shape.to_vec());
    }

    fn set(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        self.config[key] = value.into();
    }

    fn llama(class: &str) -> Self {
        let mut folder = Self::new(class);
        for layer in 0..2 {
            for (name, shape) in [
                ("input_layernorm", &[HIDDEN][..]),
                ("post_attention_layernorm", &[HIDDEN]),
                ("self_attn.q_proj", &[64, HIDDEN]),
                ("self_attn.k_proj", &[32, HIDDEN]),
                ("self_attn.v_proj", &[32, HIDDEN]),
                ("self_attn.o_proj", &[HIDDEN, 64]),
                ("mlp.gate_proj", &[96, HIDDEN]),
                ("mlp.up_proj", &[96, HIDDEN]),
                ("mlp.down_proj", &[HIDDEN, 96]),
            ] {
                folder.add(&format!("layers.{layer}.{name}.weight"), shape);
            }
        }
        folder
    }

    fn deepseek(class: &str, fused: bool) -> Self {
        let mut folder = Self::new(class);
        for (key, number) in [
            ("n_routed_experts", 4),
            ("num_experts_per_tok", 2),
            ("moe_intermediate_size", 32),
            ("n_shared_experts", 1),
            ("first_k_dense_replace", 1),
            ("kv_lora_rank", 32),
            ("qk_nope_head_dim", 16),
            ("qk_rope_head_dim", 8),
            ("v_head_dim", 24),
        ] {
            folder.set(key, number);
        }
        folder.set("routed_scaling_factor", 2.5);
        for layer in 0..2 {
            let mut add = |name: &str, shape: &[u64]| folder.add(&format!("layers.{layer}.{name}"), shape);
            add("input_layernorm.weight", &[HIDDEN]);
            add("post_attention_layernorm.weight", &[HIDDEN]);
            add("self_attn.q_proj.weight", &[4 * 24, HIDDEN]);
            add("self_attn.kv_a_proj_with_mqa.weight", &[32 + 8, HIDDEN]);
            add("self_attn.kv_a_layernorm.weight", &[32]);
            add("self_attn.kv_b_proj.weight", &[4 * (16 + 24), 32]);
            add("self_attn.o_proj.weight", &[HIDDEN, 4 * 24]);
            let mut part = |name: &str, width: u64| {
                add(&format!("{name}.gate_proj.weight"), &[width, HIDDEN]);
                add(&format!("{name}.up_proj.weight"), &[width, HIDDEN]);
                add(&format!("{name}.down_proj.weight"), &[HIDDEN, width]);
            };
            if layer == 0 {
                part("mlp", 96);
                continue;
            }
            part("mlp.shared_experts", 32);
            if !fused {
                (0..4).for_each(|expert| part(&format!("mlp.experts.{expert}"), 32));
            }
            add("mlp.gate.weight", &[4, HIDDEN]);
            add("mlp.gate.e_score_correction_bias", &[4]);
            if fused {
                add("mlp.experts.gate_up_proj", &[4, 64, HIDDEN]);
                add("mlp.experts.down_proj", &[4, HIDDEN, 32]);
            }
        }
        folder
    }

    /// What a tensor holds; `change` may give others.
    fn write(&self, change: impl Fn(&str, &mut Vec<f32>)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let tensors: Vec<_> = self
            .shapes
            .iter()
            .map(|(name, shape)| {
                let mut all = numbers(name, shape.iter().product());
                change(name, &mut all);
                let bytes: Vec<u8> = all.iter().flat_map(|number| number.to_le_bytes()).collect();
                (name.as_str(), "F32", shape.as_slice(), bytes)
            })
            .collect();
        std::fs::write(folder.path().join("model.safetensors"), file(&tensors)).unwrap();
        std::fs::write(folder.path().join("config.json"), self.config.to_string()).unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), self.tokenizer.to_string()).unwrap();
        std::fs::write(
            folder.path().join("tokenizer_config.json"),
            r#"{"eos_token": {"content": "<end>"}, "chat_template": "{{ messages }}"}"#,
        )
        .unwrap();
        folder
    }

    fn convert(&self, recipe: Recipe) -> Result<(tempfile::TempDir, PathBuf, Made), GgufError> {
        let folder = self.write(|_, _| {});
        let out = folder.path().join("model.gguf");
        let made = convert(folder.path(), &out, recipe, None, |_, _| {})?;
        Ok((folder, out, made))
    }
}

/// A tensor of the file, as floats.
fn floats(path: &std::path::Path, name: &str) -> Vec<f32> {
    let file = gguf::File::open(path).unwrap();
    let tensor = file.header().tensor(name).unwrap_or_else(|| panic!("no {name}"));
    let mut buffer = Vec::new();
    let bytes = file.read_tensor(tensor, &mut buffer).unwrap();
    let mut out = vec![0.0; tensor.dimensions.iter().product::<u64>() as usize];
    dequantize(tensor.dtype, bytes, &mut out).unwrap();
    out
}

#[test]
fn llama_heads_are_laced_and_the_rest_is_carried_over() {
    let mut folder = Folder::llama("LlamaForCausalLM");
    folder.add("layers.1.self_attn.k_proj.bias", &[32]);
    folder.add("layers.0.self_attn.rotary_emb.inv_freq", &[8]);
    let (_folder, out, made) = folder.convert(Recipe::F32).unwrap();
    assert_eq!((made.tensors, made.left_out), (3 + 9 * 2 + 1, 1));
    let q = numbers("model.layers.0.self_attn.q_proj.weight", 64 * 64);
    let found = floats(&out, "blk.0.attn_q.weight");
    // Row 1 of a head of 16 is row 8 of the folder's, row 2 is row 1.
    for head in 0..4 {
        let row = |all: &[f32], row: usize| all[(head * 16 + row) * 64..][..64].to_vec();
        for (ours, theirs) in [(0, 0), (1, 8), (2, 1), (15, 15)] {
            assert_eq!(row(&found, ours), row(&q, theirs));
        }
    }
    let bias = numbers("model.layers.1.self_attn.k_proj.bias", 32);
    assert_eq!(floats(&out, "blk.1.attn_k.bias")[..3], [bias[0], bias[8], bias[1]]);
    assert_eq!(floats(&out, "blk.1.ffn_down.weight"), numbers("model.layers.1.mlp.down_proj.weight", 64 * 96));
    assert_eq!(floats(&out, "output.weight"), numbers("lm_head.weight", 300 * 64));
    let file = gguf::File::open(&out).unwrap();
    let header = file.header();
    assert_eq!(header.text("general.architecture"), Some("llama"));
    assert_eq!(header.fraction_if_any("llama.rope.freq_base").unwrap(), Some(5e5));
    assert_eq!(header.number("llama.attention.head_count_kv").unwrap(), 2);
    assert_eq!(header.tensor("blk.0.ffn_down.weight").unwrap().dimensions, [96, 64]);
    let tokens = header.texts("tokenizer.ggml.tokens").unwrap();
    assert_eq!((tokens.len(), tokens.get(200), tokens.get(299)), (300, Some("<end>"), Some("[PAD299]")));
    assert_eq!(header.number("tokenizer.ggml.eos_token_id").unwrap(), 200);
    assert_eq!(header.text("tokenizer.ggml.pre"), Some("gpt-2"));
    assert_eq!(header.text("tokenizer.chat_template"), Some("{{ messages }}"));
    assert!(header.texts("tokenizer.ggml.merges").unwrap().iter().eq(["一 丁", "丁 丂"]));
}

/// The consortium's layout and DeepSeek's hold the same weights, so they make the same tensors.
#[test]
fn fused_experts_are_those_that_stand_alone() {
    let fused = Folder::deepseek("GravityMoEForCausalLM", true);
    let (_a, fused, _) = fused.convert(Recipe::F32).unwrap();
    let alone = Folder::deepseek("DeepseekV3ForCausalLM", false);
    let folder = alone.write(|name, all| {
        let Some((layer, rest)) = name.split_once(".mlp.experts.") else { return };
        let (expert, part) = rest.split_once('.').unwrap();
        let expert: usize = expert.parse().unwrap();
        let gate_up = numbers(&format!("{layer}.mlp.experts.gate_up_proj"), 4 * 64 * 64);
        let down = numbers(&format!("{layer}.mlp.experts.down_proj"), 4 * 64 * 32);
        *all = match part {
            "gate_proj.weight" => gate_up[expert * 4096..][..2048].to_vec(),
            "up_proj.weight" => gate_up[expert * 4096 + 2048..][..2048].to_vec(),
            _ => down[expert * 2048..][..2048].to_vec(),
        };
    });
    let out = folder.path().join("model.gguf");
    convert(folder.path(), &out, Recipe::F32, None, |_, _| {}).unwrap();
    assert!(std::fs::read(&fused).unwrap() == std::fs::read(&out).unwrap());
}

#[test]
fn latent_attention_is_split_and_its_key_part_turned_round() {
    let (_folder, out, _) = Folder::deepseek("GravityMoEForCausalLM", true).convert(Recipe::F32).unwrap();
    let b = numbers("model.layers.1.self_attn.kv_b_proj.weight", 4 * 40 * 32);
    let (k, v) = (floats(&out, "blk.1.attn_k_b.weight"), floats(&out, "blk.1.attn_v_b.weight"));
    for head in 0..4 {
        for rank in 0..32 {
            for nope in 0..16 {
                assert_eq!(k[(head * 32 + rank) * 16 + nope], b[(head * 40 + nope) * 32 + rank]);
            }
            for value in 0..24 {
                assert_eq!(v[(head * 24 + value) * 32 + rank], b[(head * 40 + 16 + value) * 32 + rank]);
            }
        }
    }
    let file = gguf::File::open(&out).unwrap();
    let header = file.header();
    assert_eq!(header.tensor("blk.1.attn_k_b.weight").unwrap().dimensions, [16, 32, 4]);
    assert_eq!(header.tensor("blk.1.ffn_down_exps.weight").unwrap().dimensions, [32, 64, 4]);
    for (key, number) in [
        ("attention.head_count_kv", 1),
        ("attention.key_length", 40),
        ("attention.value_length", 32),
        ("attention.key_length_mla", 24),
        ("attention.value_length_mla", 24),
        ("attention.q_lora_rank", 0),
        ("expert_gating_func", 2),
        ("leading_dense_block_count", 1),
    ] {
        assert_eq!(header.number(&format!("deepseek2.{key}")).unwrap(), number, "{key}");
    }
    assert_eq!(header.fraction_if_any("deepseek2.expert_weights_scale").unwrap(), Some(2.5));
    let turned = |interleaved: bool| {
        let mut folder = Folder::deepseek("DeepseekV3ForCausalLM", true);
        folder.set("rope_interleave", interleaved);
        let (_folder, out, _) = folder.convert(Recipe::F32).unwrap();
        floats(&out, "blk.0.attn_kv_a_mqa.weight")
    };
    let (plain, laced) = (turned(true), turned(false));
    assert_eq!(plain[..32 * 64], laced[..32 * 64]);
    assert_eq!(plain[(32 + 4) * 64..][..64], laced[(32 + 1) * 64..][..64]);
}

#[test]
fn experts_the_other_way_round_are_the_same() {
    let plain = Folder::deepseek("DeepseekV3ForCausalLM", true);
    let mut turned = Folder::deepseek("DeepseekV3ForCausalLM", true);
    turned.set("moe_intermediate_size", 32);
    // As published by some: inputs before outputs. 64 x 64 cannot be told apart, so the experts are narrower here.
    let (mut plain, mut turned) = (plain, turned);
    for folder in [&mut plain, &mut turned] {
        folder.set("moe_intermediate_size", 16);
        for part in ["gate", "up"] {
            folder.add(&format!("layers.1.mlp.shared_experts.{part}_proj.weight"), &[16, HIDDEN]);
        }
        folder.add("layers.1.mlp.shared_experts.down_proj.weight", &[HIDDEN, 16]);
    }
    plain.add("layers.1.mlp.experts.gate_up_proj", &[4, 32, HIDDEN]);
    plain.add("layers.1.mlp.experts.down_proj", &[4, HIDDEN, 16]);
    turned.add("layers.1.mlp.experts.gate_up_proj", &[4, HIDDEN, 32]);
    turned.add("layers.1.mlp.experts.down_proj", &[4, 16, HIDDEN]);
    let (_folder, expected, _) = plain.convert(Recipe::F32).unwrap();
    let folder = turned.write(|name, all| {
        let (rows, columns) = match name.rsplit('.').next() {
            Some("gate_up_proj") => (64, 32),
            Some("down_proj") => (16, 64),
            _ => return,
        };
        let plain = all.clone();
        for (at, number) in all.iter_mut().enumerate() {
            let (expert, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
            *number = plain[expert * rows * columns + column * rows + row];
        }
    });
    let out = folder.path().join("model.gguf");
    convert(folder.path(), &out, Recipe::F32, None, |_, _| {}).unwrap();
    assert!(std::fs::read(&expected).unwrap() == std::fs::read(&out).unwrap());
}

#[test]
fn gemma_and_exaone_have_their_norms_where_they_are() {
    let mut folder = Folder::llama("Gemma3ForCausalLM");
    folder.set("sliding_window", 32);
    folder.set(
        "rope_parameters",
        serde_json::json!({"sliding_attention": {"rope_theta": 1e4},
        "full_attention": {"rope_theta": 1e6, "rope_type": "linear", "factor": 8.0}}),
    );
    for layer in 0..2 {
        for (name, width) in [
            ("pre_feedforward_layernorm", HIDDEN),
            ("post_feedforward_layernorm", HIDDEN),
            ("self_attn.q_norm", 16),
            ("self_attn.k_norm", 16),
        ] {
            folder.add(&format!("layers.{layer}.{name}.weight"), &[width]);
        }
    }
    let (_folder, out, made) = folder.convert(Recipe::F32).unwrap();
    assert_eq!(made.left_out, 1); // tied: the head is not written
    let norm = numbers("model.layers.1.post_attention_layernorm.weight", 64);
    let shifted: Vec<f32> = norm.iter().map(|number| number + 1.0).collect();
    assert_eq!(floats(&out, "blk.1.post_attention_norm.weight"), shifted);
    let file = gguf::File::open(&out).unwrap();
    assert_eq!(file.header().fraction_if_any("gemma3.rope.freq_base").unwrap(), Some(1e6));
    assert_eq!(file.header().fraction_if_any("gemma3.rope.freq_base_swa").unwrap(), Some(1e4));
    assert_eq!(file.header().fraction_if_any("gemma3.rope.scaling.factor").unwrap(), Some(8.0));

    folder.set("architectures", serde_json::json!(["Exaone4ForCausalLM"]));
    folder.set("sliding_window_pattern", "LG");
    folder.shapes.retain(|name, _| !name.contains("input_layernorm") && !name.contains("pre_feedforward"));
    let (_folder, out, _) = folder.convert(Recipe::F32).unwrap();
    assert_eq!(floats(&out, "blk.1.post_attention_norm.weight"), norm);
    let file = gguf::File::open(&out).unwrap();
    let pattern = file.header().metadata.get("exaone4.attention.sliding_window_pattern");
    assert_eq!(pattern, Some(&Value::Array(gguf::Array::Bool(vec![true, false]))));
}

#[test]
fn llama_3_stretches_positions_by_a_tensor() {
    let mut folder = Folder::llama("LlamaForCausalLM");
    folder.set(
        "rope_scaling",
        serde_json::json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    );
    let (_folder, out, _) = folder.convert(Recipe::Q8_0).unwrap();
    let factors = floats(&out, "rope_freqs.weight");
    assert_eq!((factors.len(), factors[0], factors[7]), (8, 1.0, 8.0));
    assert!(factors.windows(2).all(|pair| pair[0] <= pair[1]), "{factors:?}");
}

#[test]
fn an_importance_matrix_changes_what_is_kept() {
    let folder = Folder::llama("LlamaForCausalLM").write(|_, _| {});
    let at = |name: &str| folder.path().join(name);
    let mut matrix = Writer::new();
    matrix.set("general.type", Value::String("imatrix".to_owned()));
    let sums: Vec<u8> = (0..64).flat_map(|column| (if column < 8 { 1e4_f32 } else { 1.0 }).to_le_bytes()).collect();
    matrix.tensor("blk.0.ffn_up.weight.in_sum2", &[64, 1], DType::F32, sums);
    matrix.tensor("blk.0.ffn_up.weight.counts", &[1, 1], DType::F32, 2.0_f32.to_le_bytes().to_vec());
    std::fs::write(at("imatrix.gguf"), matrix.bytes()).unwrap();
    let with = convert(folder.path(), &at("with.gguf"), Recipe::Q4_0, Some(&at("imatrix.gguf")), |_, _| {}).unwrap();
    convert(folder.path(), &at("without.gguf"), Recipe::Q4_0, None, |_, _| {}).unwrap();
    assert_eq!(with.with_importance, 1);
    let theirs = numbers("model.layers.0.mlp.up_proj.weight", 96 * 64);
    let error = |path: &str, columns: std::ops::Range<usize>| {
        let ours = floats(&at(path), "blk.0.ffn_up.weight");
        let miss = |at: usize| (ours[at] - theirs[at]).powi(2);
        (0..96).flat_map(|row| columns.clone().map(move |column| row * 64 + column)).map(miss).sum::<f32>()
    };
    assert!(error("with.gguf", 0..8) < 0.8 * error("without.gguf", 0..8));
    assert!(error("with.gguf", 8..64) > error("without.gguf", 8..64));
    assert_eq!(floats(&at("with.gguf"), "blk.1.ffn_up.weight"), floats(&at("without.gguf"), "blk.1.ffn_up.weight"));
    let wrong = convert(folder.path(), &at("x.gguf"), Recipe::Q4_0, Some(&at("with.gguf")), |_, _| {});
    assert!(wrong.unwrap_err().to_string().contains("no importance matrix"));
}

#[test]
fn the_way_text_is_cut_is_recognised() {
    let split = |expression: &str| {
        serde_json::json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})
    };
    let words = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+";
    let rest = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let triple = split(&format!(r"{words}|\p{{N}}{{1,3}}{rest}"));
    for (cutter, ignore, glm, name) in [
        (split(&format!(r"{words}|\p{{N}}{rest}")), false, false, "qwen2"),
        (triple.clone(), true, false, "llama-bpe"),
        (triple.clone(), false, false, "smaug-bpe"),
        (triple, true, true, "glm4"),
        (
            serde_json::json!({"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": true},
                {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}),
            false,
            false,
            "smollm",
        ),
    ] {
        let mut folder = Folder::llama("LlamaForCausalLM");
        folder.tokenizer["pre_tokenizer"] = cutter;
        folder.tokenizer["model"]["ignore_merges"] = ignore.into();
        if glm {
            folder.tokenizer["added_tokens"][1]["content"] = "[gMASK]".into();
        }
        let (_folder, out, _) = folder.convert(Recipe::F16).unwrap();
        assert_eq!(gguf::File::open(&out).unwrap().header().text("tokenizer.ggml.pre"), Some(name));
    }
}

/// Letters with bytes to stand in, as Gemma has them: what is merged first has the highest score.
#[test]
fn a_vocabulary_of_letters_gets_scores() {
    let mut folder = Folder::llama("LlamaForCausalLM");
    folder.tokenizer = serde_json::json!({
        "model": {"type": "BPE", "byte_fallback": true,
            "vocab": {"<unk>": 0, "<0x0A>": 1, "a": 2, "▁": 3, "▁a": 4, "aa": 5}, "merges": [["a", "a"], ["▁", "a"]]},
        "added_tokens": [{"id": 6, "content": "<end>", "special": true}],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    });
    let (_folder, out, _) = folder.convert(Recipe::F16).unwrap();
    let file = gguf::File::open(&out).unwrap();
    assert_eq!(file.header().text("tokenizer.ggml.model"), Some("llama"));
    assert_eq!(file.header().flag("tokenizer.ggml.add_space_prefix"), Some(false));
    let list = |key: &str| file.header().metadata.get(key).cloned();
    let Some(Value::Array(gguf::Array::F32(scores))) = list("tokenizer.ggml.scores") else { panic!("no scores") };
    assert_eq!(scores[..7], [0.0, 0.0, 0.0, 0.0, -2.0, -1.0, 0.0]);
    let Some(Value::Array(gguf::Array::I32(kinds))) = list("tokenizer.ggml.token_type") else { panic!("no kinds") };
    assert_eq!(kinds[..8], [2, 6, 1, 1, 1, 1, 3, 5]);
}

#[test]
fn the_same_folder_makes_the_same_bytes() {
    let folder = Folder::deepseek("GravityMoEForCausalLM", true);
    let (a, first, _) = folder.convert(Recipe::Q4KM).unwrap();
    let (_b, second, _) = folder.convert(Recipe::Q4KM).unwrap();
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
    assert!(!a.path().join("model.gguf.part").exists());
}

#[test]
fn what_is_not_understood_is_refused_in_words() {
    let refused = |change: &dyn Fn(&mut Folder), code: &str, words: &str| {
        let mut folder = Folder::deepseek("DeepseekV3ForCausalLM", true);
        change(&mut folder);
        let error = folder.convert(Recipe::Q8_0).unwrap_err().to_string();
        assert!(error.starts_with(code) && error.contains(words), "{error} should say {words}");
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    refused(&|f| f.set("architectures", json(r#"["MambaForCausalLM"]"#)), "HAECHI-0503", "`MambaForCausalLM`");
    refused(&|f| f.set("architectures", json("7")), "HAECHI-0503", "of the class ``");
    refused(&|f| f.set("hidden_size", 0), "HAECHI-0521", "`hidden_size`");
    refused(&|f| f.set("hidden_size", 128), "HAECHI-0503", "should have [300, 128]");
    refused(&|f| f.set("num_hidden_layers", 3), "HAECHI-0503", "lacks the tensor `model.layers.2.");
    refused(&|f| f.set("num_hidden_layers", 1_000_000), "HAECHI-0521", "out of range");
    refused(&|f| f.set("rope_scaling", json(r#"{"type": "longrope", "factor": 2}"#)), "HAECHI-0521", "`longrope`");
    refused(&|f| f.add("layers.1.self_attn.sink.weight", &[4]), "HAECHI-0503", "sink.weight` is not understood");
    refused(&|f| f.shapes.clear(), "HAECHI-0503", "no token embeddings");
    refused(&|f| f.tokenizer["model"]["type"] = json("\"Unigram\""), "HAECHI-0521", "not merged from pairs");
    refused(&|f| f.tokenizer["pre_tokenizer"] = json(r#"{"type": "Whitespace"}"#), "HAECHI-0521", "`Whitespace`");
    refused(&|f| f.tokenizer["model"]["merges"] = json(r#"["ab"]"#), "HAECHI-0521", "a merge is no pair");
    refused(&|f| f.tokenizer["added_tokens"][0]["id"] = 300.into(), "HAECHI-0521", "the number 300");
    let folder = Folder::llama("LlamaForCausalLM").write(|name, all| {
        if name == "model.layers.1.mlp.up_proj.weight" {
            all[70] = f32::NAN;
        }
    });
    let error = convert(folder.path(), &folder.path().join("m.gguf"), Recipe::Q8_0, None, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("in the tensor `blk.1.ffn_up.weight`, number 6 of a row is NaN"), "{error}");
    assert!(!folder.path().join("m.gguf").exists() && !folder.path().join("m.gguf.part").exists());
}
