//! `config.json`: what kind of model it is, and its numbers.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::gguf::GgufError;
use crate::safetensors::read_small;

/// Published ones have a few kilobytes.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// The settings of a model folder.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    all: Map<String, Value>,
    pub(super) family: Family,
}

/// Kinds of model that are converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Llama,
    Qwen2,
    Qwen3,
    Qwen3Moe,
    Gemma3,
    Exaone4,
    /// DeepSeek-V3 and the consortium's GravityMoE, which has its shape.
    DeepSeek,
}

impl Family {
    /// `general.architecture`.
    pub(super) fn architecture(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
            Self::Gemma3 => "gemma3",
            Self::Exaone4 => "exaone4",
            Self::DeepSeek => "deepseek2",
        }
    }

    fn of(class: &str) -> Option<Self> {
        Some(match class {
            "LlamaForCausalLM" | "MistralForCausalLM" => Self::Llama,
            "Qwen2ForCausalLM" => Self::Qwen2,
            "Qwen3ForCausalLM" => Self::Qwen3,
            "Qwen3MoeForCausalLM" => Self::Qwen3Moe,
            "Gemma3ForCausalLM" | "Gemma3ForConditionalGeneration" => Self::Gemma3,
            "Exaone4ForCausalLM" => Self::Exaone4,
            "DeepseekV3ForCausalLM" => Self::DeepSeek,
            // The consortium writes the class in more than one way.
            other if other.to_lowercase().starts_with("gravitymoe") => Self::DeepSeek,
            _ => return None,
        })
    }
}

impl Config {
    /// Reads `config.json` of `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, GgufError> {
        let path = folder.join("config.json");
        let bytes = read_small(&path, MAX_CONFIG_BYTES)?;
        let mut all: Map<String, Value> = serde_json::from_slice(&bytes)
            .map_err(|error| GgufError::Folder { path: path.clone(), rule: format!("it is no such JSON: {error}") })?;
        let class = all.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str).unwrap_or_default();
        let family = Family::of(class).ok_or_else(|| {
            GgufError::Unusable(format!(
                "models of the class `{}` are not converted here; Llama, Qwen2, Qwen3, Qwen3Moe, Gemma3, Exaone4, \
                 DeepseekV3 and GravityMoE are",
                class.chars().filter(|c| !c.is_control()).take(60).collect::<String>()
            ))
        })?;
        // A model that also sees keeps the language model's settings in a part of their own.
        if let Some(Value::Object(text)) = all.remove("text_config") {
            all.extend(text);
        }
        Ok(Self { path, all, family })
    }

    /// A setting, not null.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.all.get(key).filter(|value| !value.is_null())
    }

    /// A whole number of at most 32 bits, at least 1.
    pub(super) fn number(&self, key: &str) -> Result<u64, GgufError> {
        self.number_if_any(key)?.ok_or_else(|| self.broken(format!("it lacks `{key}`")))
    }

    /// As [`Config::number`]; `None` if absent.
    pub(super) fn number_if_any(&self, key: &str) -> Result<Option<u64>, GgufError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_u64() {
            Some(number @ 1..=0x7fff_ffff) => Ok(Some(number)),
            _ => Err(self.broken(format!("`{key}` is no whole number from 1 up"))),
        }
    }

    /// A finite number; `None` if absent.
    pub(super) fn fraction(&self, key: &str) -> Option<f64> {
        self.value(key).and_then(Value::as_f64)
    }

    /// True or false; `default` if absent.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.value(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A text; `None` if absent.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).and_then(Value::as_str)
    }

    /// How positions are stretched: `rope_parameters` (transformers 5, there also by kind of layer) or `rope_scaling`.
    pub(super) fn rope(&self, key: &str) -> Option<&Value> {
        let parts = [self.value("rope_parameters"), self.value("rope_scaling")];
        parts.into_iter().flatten().find_map(|part| {
            let part = part.get("full_attention").unwrap_or(part);
            part.get(key).filter(|value| !value.is_null())
        })
    }

    /// An error about this file.
    pub(super) fn broken(&self, rule: String) -> GgufError {
        GgufError::Folder { path: self.path.clone(), rule }
    }
}
