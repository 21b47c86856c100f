//! Any chat template, any turns, any reply: a prompt or a sentence, and a reply that reads the same in whatever pieces.
//!
//! The input is cut at bytes 0xff: options, the template, what the system and the user say, the reply.
#![no_main]

use haechi_drivers::chat::{Calls, Event, Options, Reply, Template, Turn};
use haechi_drivers::tokenizer::{Cut, Kind, Tokenizer, Vocabulary};
use libfuzzer_sys::fuzz_target;

/// GPT-2's letters for bytes, and two signs.
fn tokenizer() -> Tokenizer {
    let visible = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut hidden = 0x100_u32..;
    let letters = (0..=u8::MAX).map(|byte| match visible(&byte) {
        true => char::from(byte),
        false => hidden.next().and_then(char::from_u32).expect("at most U+0143"),
    });
    let mut tokens: Vec<(String, Kind)> = letters.map(|letter| (letter.to_string(), Kind::Normal)).collect();
    tokens.extend(["<|im_start|>", "<|im_end|>"].map(|sign| (sign.to_owned(), Kind::Control)));
    let (merges, ends) = (Vec::new(), vec![257]);
    Tokenizer::new(Vocabulary { tokens, merges, cut: Cut::Gpt2, begin: None, begin_name: None, ends })
        .expect("it is sound")
}

/// Everything that was said, joined, and the calls.
fn read(mut reply: Reply, text: &str, size: usize) -> (String, String, Vec<(String, String)>) {
    let (mut said, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    let characters: Vec<char> = text.chars().collect();
    let mut pieces: Vec<String> = characters.chunks(size).map(|piece| piece.iter().collect()).collect();
    pieces.push(String::new());
    let last = pieces.len() - 1;
    for (index, piece) in pieces.iter().enumerate() {
        for event in if index == last { reply.finish() } else { reply.push(piece) } {
            match event {
                Event::Text(text) => said.push_str(&text),
                Event::Thought(text) => thought.push_str(&text),
                Event::Call(call) => calls.push((call.name, call.arguments)),
            }
        }
    }
    (said, thought, calls)
}

fuzz_target!(|bytes: &[u8]| {
    let parts: Vec<String> =
        bytes.split(|&byte| byte == 0xff).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let part = |index: usize| parts.get(index).map_or("", String::as_str);
    let option = part(0).bytes().next().unwrap_or(0);
    let tool = r#"{"type": "function", "function": {"name": "find", "parameters": {"properties": {"id": {"type": "string"}}}}}"#;
    let tools: Vec<serde_json::Value> = vec![serde_json::from_str(tool).expect("it is JSON")];

    let tokenizer = tokenizer();
    match Template::new(part(1), &tokenizer) {
        Err(error) => assert!(error.to_string().starts_with("HAECHI-0506")),
        Ok(template) => {
            let turns = [Turn::new("system", part(2)), Turn::new("user", part(3))];
            let options = Options {
                tools: if option & 1 == 1 { tools.clone() } else { Vec::new() },
                enable_thinking: [None, Some(true), Some(false)][usize::from(option / 2 % 3)],
            };
            if let Ok(prompt) = template.prompt_with(&turns, &options) {
                let mut from = 0;
                for range in &prompt.quoted {
                    assert!(range.start >= from && prompt.text.get(range.clone()).is_some(), "a quoted range is none");
                    from = range.end;
                }
                let _ = (prompt.opens_thought(), template.calls());
                let tokens = tokenizer.encode_prompt(&prompt.text, &prompt.quoted).expect("a short text");
                assert_eq!(
                    tokenizer.decode(&tokens).matches("<|im_end|>").count(),
                    quoted_signs(&prompt.text, &prompt.quoted)
                );
            }
        }
    }

    let calls = [Calls::None, Calls::Hermes, Calls::Glm, Calls::Llama3][usize::from(option / 8 % 4)];
    let reply = Reply::new(calls, option & 64 == 64).with_tools(&tools);
    let whole = read(reply.clone(), part(4), usize::MAX);
    assert_eq!(read(reply.clone(), part(4), 1), whole);
    assert_eq!(read(reply, part(4), 3), whole);
    for (_, arguments) in &whole.2 {
        let arguments: serde_json::Value = serde_json::from_str(arguments).expect("arguments are JSON");
        assert!(arguments.is_object());
    }
});

/// How often a sign stands where others wrote it: only there does it stay text.
fn quoted_signs(text: &str, quoted: &[std::ops::Range<usize>]) -> usize {
    let touches = |at: usize, end: usize| quoted.iter().any(|range| range.start < end && at < range.end);
    text.match_indices("<|im_end|>").filter(|(at, sign)| touches(*at, at + sign.len())).count()
}
