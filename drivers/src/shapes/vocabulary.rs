//! A made-up byte-level BPE vocabulary of any size: the bytes, then ever longer runs of small letters, then what a chat needs.

use std::collections::BTreeMap;

use super::Shape;
use crate::gguf::{Array, Value};

/// The last tokens, and their kinds (llama.h, `enum llama_token_type`).
const SPECIAL: [(&str, i32); 5] = [
    ("<|endoftext|>", CONTROL),
    ("<|im_start|>", CONTROL),
    ("<|im_end|>", CONTROL),
    ("<think>", USER_DEFINED),
    ("</think>", USER_DEFINED),
];
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// ChatML.
const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

pub(super) fn metadata(shape: &Shape, all: &mut BTreeMap<String, Value>) {
    let size = shape.vocabulary as usize;
    let (mut tokens, merges) = words(size.saturating_sub(SPECIAL.len()));
    let mut kinds = vec![NORMAL; tokens.len()];
    let first = tokens.len() as u32;
    for (text, kind) in SPECIAL {
        tokens.push(text.to_owned());
        kinds.push(kind);
    }
    let mut set = |key: &str, value: Value| all.insert(format!("tokenizer.{key}"), value);
    set("ggml.model", Value::String("gpt2".to_owned()));
    set("ggml.pre", Value::String(shape.cutting.to_owned()));
    set("ggml.tokens", Value::Array(Array::String(tokens.iter().collect())));
    set("ggml.token_type", Value::Array(Array::I32(kinds)));
    set("ggml.merges", Value::Array(Array::String(merges.iter().collect())));
    set("ggml.bos_token_id", Value::U32(first));
    set("ggml.padding_token_id", Value::U32(first));
    set("ggml.eos_token_id", Value::U32(first + 2));
    set("ggml.add_bos_token", Value::Bool(false));
    set("chat_template", Value::String(TEMPLATE.to_owned()));
}

/// `count` words and the merges that make those longer than a byte.
fn words(count: usize) -> (Vec<String>, Vec<String>) {
    let mut words: Vec<String> = (0..=255).map(|byte| letter(byte).to_string()).collect();
    let mut merges = Vec::new();
    // Each word one letter longer than one that is there already; a space may begin a word, never end it.
    let mut stems: Vec<String> = ('a'..='z').chain([letter(b' ')]).map(String::from).collect();
    while words.len() < count {
        let mut longer = Vec::with_capacity(stems.len() * 26);
        for (stem, last) in stems.iter().flat_map(|stem| ('a'..='z').map(move |last| (stem, last))) {
            if words.len() == count {
                break;
            }
            merges.push(format!("{stem} {last}"));
            longer.push(format!("{stem}{last}"));
            words.push(format!("{stem}{last}"));
        }
        stems = longer;
    }
    (words, merges)
}

/// The letter that stands for a byte in a byte-level vocabulary (GPT-2, `bytes_to_unicode`).
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(256 + before).unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_many_and_each_once() {
        let (words, merges) = words(30_000);
        let distinct: std::collections::HashSet<&String> = words.iter().collect();
        assert_eq!((words.len(), distinct.len(), merges.len()), (30_000, 30_000, 30_000 - 256));
        assert_eq!((letter(b' '), letter(b'a'), letter(0)), ('Ġ', 'a', 'Ā'));
        assert_eq!(merges[0], "a a");
    }
}
