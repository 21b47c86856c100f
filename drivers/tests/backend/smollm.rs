//! The shipped default model, where it is at hand: `HAECHI_MODEL`, or the repository's `.cache/models`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use haechi_drivers::engine::{Engine, Finish, Request, Turn};
use haechi_drivers::gguf::File;
use haechi_drivers::tokenizer::Tokenizer;

fn model() -> Option<PathBuf> {
    let path = std::env::var_os("HAECHI_MODEL").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf"),
        PathBuf::from,
    );
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: no model at HAECHI_MODEL or in .cache/models; installer/quickstart fetches it");
    None
}

#[test]
fn its_vocabulary_keeps_korean_whole() {
    let Some(path) = model() else { return };
    let tokenizer = Tokenizer::from_header(File::open(&path).unwrap().header()).unwrap();
    assert_eq!(tokenizer.len(), 49_152);
    for text in
        ["혈당은 108 mg/dL, HbA1c 6.5 %입니다.", "당뇨병으로 입원함\n\t- 폐렴 의심", "The patient's BP was 120/80."]
    {
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&tokens), text);
    }
    // Each digit stands alone.
    assert_eq!(tokenizer.encode("12345").unwrap().len(), 5);
    assert!(tokenizer.is_end(2) && tokenizer.is_end(0), "<|im_end|> and <|endoftext|>");
}

#[test]
fn it_answers() {
    let Some(path) = model() else { return };
    let engine = Engine::start(&path, 0).unwrap();
    assert_eq!(engine.info().vocabulary, 49_152);
    let ask = |text: &str, max_tokens| {
        let request = Request { turns: vec![Turn::new("user", text)], max_tokens, ..Request::default() };
        engine.generate(request, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let done = ask("What is the capital of France?", 40);
    assert!(done.text.contains("Paris"), "{}", done.text);
    assert_eq!(done.finish, Finish::EndOfText);
    assert_eq!(ask("What is the capital of France?", 40).text, done.text);
    eprintln!("{done:?}");
}
