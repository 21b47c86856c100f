//! Which tensor of a model is stored how: the mixes that llama.cpp calls file types.
//!
//! The rules are those of `llama-quant.cpp` (2026-11, `llama_tensor_get_type`), so that a model converted here is as large
//! and as good as one that was converted there.

use crate::gguf::DType;

/// One mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are llama.cpp's")]
pub enum Recipe {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4KS,
    Q4KM,
    Q5KS,
    Q5KM,
    Q6K,
}

/// Names as the command line takes them, and `general.file_type` (llama.h, `enum llama_ftype`).
const TABLE: [(Recipe, &str, u32, DType); 13] = [
    (Recipe::F32, "f32", 0, DType::F32),
    (Recipe::F16, "f16", 1, DType::F16),
    (Recipe::Bf16, "bf16", 32, DType::BF16),
    (Recipe::Q4_0, "q4_0", 2, DType::Q4_0),
    (Recipe::Q4_1, "q4_1", 3, DType::Q4_1),
    (Recipe::Q5_0, "q5_0", 8, DType::Q5_0),
    (Recipe::Q5_1, "q5_1", 9, DType::Q5_1),
    (Recipe::Q8_0, "q8_0", 7, DType::Q8_0),
    (Recipe::Q4KS, "q4_k_s", 14, DType::Q4_K),
    (Recipe::Q4KM, "q4_k_m", 15, DType::Q4_K),
    (Recipe::Q5KS, "q5_k_s", 16, DType::Q5_K),
    (Recipe::Q5KM, "q5_k_m", 17, DType::Q5_K),
    (Recipe::Q6K, "q6_k", 18, DType::Q6_K),
];

/// What the rules ask of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Number of layers.
    pub layers: u64,
    /// Routed experts of a layer, 0 if there are none.
    pub experts: u64,
    /// The output weights are the token embeddings.
    pub tied: bool,
}

impl Recipe {
    /// The mix named `name`, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// Every name, for a sentence.
    #[must_use]
    pub fn names() -> String {
        TABLE.map(|row| row.1).join(", ")
    }

    /// `general.file_type`.
    #[must_use]
    pub fn file_type(self) -> u32 {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, u32, DType) {
        // Every mix is in the table; the test at the foot counts them.
        TABLE.iter().find(|row| row.0 == self).copied().unwrap_or(TABLE[0])
    }

    /// How the tensor `name` with these dimensions (the fastest-running first) is stored.
    #[must_use]
    pub fn dtype(self, name: &str, dimensions: &[u64], facts: Facts) -> DType {
        let columns = dimensions.first().copied().unwrap_or(1);
        // Norms, biases and the router stay whole: they are small, and every error in them is in all that follows.
        if dimensions.len() < 2 || !name.ends_with("weight") || name.contains("_norm.") || name.contains("ffn_gate_inp")
        {
            return DType::F32;
        }
        let dtype = self.wanted(name, facts);
        if columns.is_multiple_of(dtype.block) {
            return dtype;
        }
        let smaller = match dtype {
            DType::Q4_K => DType::Q5_0,
            DType::Q5_K => DType::Q5_1,
            _ => DType::Q8_0,
        };
        if columns.is_multiple_of(smaller.block) { smaller } else { DType::F16 }
    }

    /// As [`Recipe::dtype`], before rows that are no whole number of blocks.
    fn wanted(self, name: &str, facts: Facts) -> DType {
        let base = self.row().3;
        if matches!(self, Self::F32 | Self::F16 | Self::Bf16 | Self::Q8_0) {
            return base;
        }
        if name == "output.weight" || (facts.tied && name == "token_embd.weight") {
            return DType::Q6_K;
        }
        let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse().ok()).unwrap_or(0);
        let eighth = facts.layers / 8;
        // Errors in the first and last layers, and a little in between, cost most.
        let more = layer < eighth || layer >= 7 * facts.layers / 8 || (layer - eighth) % 3 == 2;
        let medium = matches!(self, Self::Q4KM | Self::Q5KM);
        let eight = facts.experts == 8; // beside eight experts attention is small
        if name.contains("attn_v.") || name.contains("attn_kv_b.") || name.contains("attn_qkv.") {
            match self {
                _ if eight => DType::Q8_0,
                _ if medium && more => DType::Q6_K,
                Self::Q4KS if layer < 4 => DType::Q5_K,
                _ => base,
            }
        } else if name.contains("attn_k.") && eight {
            DType::Q8_0
        } else if name.contains("attn_output.") && eight && matches!(self, Self::Q4KS | Self::Q4KM) {
            DType::Q5_K
        } else if name.contains("ffn_down") {
            match self {
                _ if medium && more => DType::Q6_K,
                Self::Q4KS if layer < eighth => DType::Q5_K,
                _ => base,
            }
        } else {
            base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mix_has_its_row() {
        for (recipe, name, ..) in TABLE {
            assert_eq!(Recipe::named(&name.to_uppercase()), Some(recipe));
            assert_eq!(recipe.row().1, name);
        }
        assert_eq!(Recipe::named("q4"), None);
    }

    #[test]
    fn the_mixes_are_those_of_llama_cpp() {
        let dense = Facts { layers: 16, experts: 0, tied: false };
        let tied = Facts { tied: true, ..dense };
        let moe = Facts { experts: 64, ..dense };
        let eight = Facts { experts: 8, ..dense };
        for (recipe, name, dimensions, facts, dtype) in [
            (Recipe::Q4KM, "token_embd.weight", &[2048_u64, 1000][..], dense, DType::Q4_K),
            (Recipe::Q4KM, "token_embd.weight", &[2048, 1000], tied, DType::Q6_K),
            (Recipe::Q4KM, "output.weight", &[2048, 1000], dense, DType::Q6_K),
            (Recipe::Q8_0, "output.weight", &[2048, 1000], dense, DType::Q8_0),
            (Recipe::Q4_0, "output.weight", &[64, 1000], dense, DType::Q8_0),
            (Recipe::Q4KM, "blk.0.attn_v.weight", &[2048, 512], dense, DType::Q6_K),
            (Recipe::Q4KM, "blk.2.attn_v.weight", &[2048, 512], dense, DType::Q4_K),
            (Recipe::Q4KM, "blk.4.attn_v.weight", &[2048, 512], dense, DType::Q6_K),
            (Recipe::Q4KM, "blk.4.attn_v.weight", &[2048, 512], eight, DType::Q8_0),
            (Recipe::Q4KM, "blk.4.attn_k.weight", &[2048, 512], eight, DType::Q8_0),
            (Recipe::Q4KM, "blk.4.attn_output.weight", &[2048, 512], eight, DType::Q5_K),
            (Recipe::Q4KM, "blk.15.ffn_down.weight", &[8192, 2048], dense, DType::Q6_K),
            (Recipe::Q4KM, "blk.3.ffn_down_exps.weight", &[1408, 2048, 64], moe, DType::Q5_0),
            (Recipe::Q4KM, "blk.4.ffn_down_exps.weight", &[1408, 2048, 64], moe, DType::Q8_0),
            (Recipe::Q5KM, "blk.3.ffn_down.weight", &[1408, 2048], moe, DType::Q5_1),
            (Recipe::Q4KS, "blk.1.ffn_down.weight", &[8192, 2048], dense, DType::Q5_K),
            (Recipe::Q4KM, "blk.1.attn_k_b.weight", &[128, 512, 16], moe, DType::Q5_0),
            (Recipe::Q4KM, "blk.1.attn_q.weight", &[2048, 2048], dense, DType::Q4_K),
            (Recipe::Q4KM, "blk.1.attn_q.weight", &[33, 2048], dense, DType::F16),
            (Recipe::Q4KM, "blk.1.attn_norm.weight", &[2048], dense, DType::F32),
            (Recipe::F16, "blk.1.ffn_gate_inp.weight", &[2048, 64], moe, DType::F32),
            (Recipe::F16, "blk.1.exp_probs_b.bias", &[64], moe, DType::F32),
            (Recipe::F16, "blk.1.attn_q.weight", &[2048, 2048], dense, DType::F16),
        ] {
            assert_eq!(recipe.dtype(name, dimensions, facts), dtype, "{recipe:?} {name}");
        }
    }
}
