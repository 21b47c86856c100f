//! Any vocabulary and any text: refused with a sentence, or every token is one of the vocabulary and none is a control token,
//! and where nothing can be unknown the text comes back.
//!
//! The input is cut at bytes 0xff: options, the words of the vocabulary (a byte for what each is, then its text), the text.
#![no_main]

use std::collections::HashSet;

use haechi_drivers::tokenizer::{Cut, Kind, Method, Pieces, Tokenizer, Vocabulary};
use libfuzzer_sys::fuzz_target;

const CUTS: [Cut; 11] = [
    Cut::Default,
    Cut::Gpt2,
    Cut::SmolLm,
    Cut::Llama3,
    Cut::ChatGlm,
    Cut::Glm4,
    Cut::Qwen2,
    Cut::Qwen35,
    Cut::ExaoneMoe,
    Cut::DeepSeekLlm,
    Cut::DeepSeek3,
];
const KINDS: [Kind; 5] = [Kind::Normal, Kind::UserDefined, Kind::Verbatim, Kind::Control, Kind::Unused];

/// GPT-2's letters for bytes.
fn letter(byte: u8) -> char {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let hidden = (0..byte).filter(|&byte| !visible(byte)).count() as u32;
    if visible(byte) { char::from(byte) } else { char::from_u32(0x100 + hidden).expect("at most U+0143") }
}

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|&byte| byte == 0xff).map(String::from_utf8_lossy);
    let options: Vec<u8> = parts.next().unwrap_or_default().bytes().collect();
    let option = |index: usize| options.get(index).copied().unwrap_or(0);
    let mut words: Vec<String> = parts.map(|part| part.into_owned()).collect();
    let text = words.pop().unwrap_or_default();

    let byte_level = option(0) % 3 == 0;
    let mut seen = HashSet::new();
    let mut tokens: Vec<(String, Kind)> = (0..=u8::MAX)
        .map(|byte| {
            if byte_level { (letter(byte).to_string(), Kind::Normal) } else { (format!("<0x{byte:02X}>"), Kind::Byte) }
        })
        .collect();
    tokens.push(("<unk>".to_owned(), Kind::Control));
    if !byte_level {
        tokens.push(("\u{2581}".to_owned(), Kind::Normal)); // without it, a space comes back as this sign
    }
    seen.extend(tokens.iter().map(|(text, _)| text.clone()));
    let (mut scores, mut merges) = (vec![0.0; tokens.len()], Vec::new());
    for word in &words {
        let kind = word.bytes().next().unwrap_or(0);
        let word: String = word.chars().skip(1).collect();
        let mut add = |word: &str, kind: Kind, score: u8| {
            if seen.insert(word.to_owned()) {
                tokens.push((word.to_owned(), kind));
                scores.push(f32::from(score) - 64.0);
            }
        };
        // A byte-level word is a merge of what its bytes are, cut where the number says.
        if byte_level && kind % 8 < 4 {
            let word: String = word.bytes().map(letter).collect();
            let half = word.char_indices().nth(usize::from(kind / 8)).map_or(0, |(at, _)| at);
            let (a, b) = word.split_at(half);
            if !a.is_empty() {
                [a, b, &word].iter().for_each(|part| add(part, Kind::Normal, 0));
                merges.push((a.to_owned(), b.to_owned()));
            }
        } else {
            add(&word, KINDS[usize::from(kind) % KINDS.len()], kind);
        }
    }
    let kinds: Vec<Kind> = tokens.iter().map(|(_, kind)| *kind).collect();
    let (unigram, space_prefix, one_space) = (option(0) % 3 == 2, option(1) & 1 == 1, option(1) & 2 == 2);
    let made = if byte_level {
        let cut = CUTS[usize::from(option(1)) % CUTS.len()];
        Tokenizer::new(Vocabulary { tokens, merges, cut, begin: None, begin_name: None, ends: vec![] })
    } else {
        let method = if unigram { Method::Unigram } else { Method::Merge };
        let (unknown, begin, begin_name, ends) = (Some(256), None, None, vec![]);
        Tokenizer::from_pieces(Pieces {
            tokens,
            scores,
            method,
            space_prefix,
            one_space,
            unknown,
            begin,
            begin_name,
            ends,
        })
    };
    let tokenizer = match made {
        Ok(tokenizer) => tokenizer,
        Err(error) => return assert!(error.to_string().starts_with("HAECHI-0504")),
    };

    let encoded = tokenizer.encode(&text).expect("a short text");
    for &token in &encoded {
        let kind = kinds[token as usize];
        assert!(!matches!(kind, Kind::Control | Kind::UserDefined) || unigram && token == 256, "text became a sign");
    }
    let whole = 0..text.len();
    let quoted = tokenizer.encode_prompt(&text, std::slice::from_ref(&whole)).expect("a short text");
    assert_eq!(quoted, encoded, "quoted text is plain text");
    tokenizer.encode_prompt(&text, &[]).expect("a short text");
    if byte_level {
        assert_eq!(tokenizer.decode(&encoded), text);
    } else if !unigram && !space_prefix && !kinds.contains(&Kind::Verbatim) {
        assert_eq!(tokenizer.decode(&encoded), text.replace('\u{2581}', " "));
    }
});
