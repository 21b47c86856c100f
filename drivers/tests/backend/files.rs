//! From a file on disk to text, on tiny weights; and files that promise what they do not hold.

use std::ops::ControlFlow;
use std::path::Path;

use haechi_drivers::bench::model::{self, Order};
use haechi_drivers::cpu;
use haechi_drivers::engine::{Done, Engine, EngineError, Request, Settings, Turn};
use haechi_drivers::gguf::write::Writer;
use haechi_drivers::gguf::{Array, DType, Header, Value};
use haechi_drivers::sampling::Sampling;

use crate::tiny::{Shape, Tiny};

fn with_file<T>(writer: &Writer, then: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, writer.bytes()).unwrap();
    then(&path)
}

fn start(writer: &Writer) -> Result<Engine, EngineError> {
    with_file(writer, |path| Engine::start(path, 0))
}

fn ask(engine: &Engine, request: Request) -> Done {
    let mut streamed = String::new();
    let done = engine.generate(request, &mut |text| {
        streamed.push_str(text);
        ControlFlow::Continue(())
    });
    let done = done.unwrap();
    assert_eq!(streamed, done.text);
    done
}

fn request(text: &str) -> Request {
    Request { turns: vec![Turn::new("user", text)], max_tokens: 40, ..Request::default() }
}

#[test]
fn a_file_answers_and_greedy_answers_are_the_same_each_time() {
    let tiny = Tiny::new(Shape::plain(DType::Q4_1), 11);
    let engine = start(&tiny.writer).unwrap();
    assert_eq!(engine.info().name, "tiny");
    assert!(engine.info().driver.starts_with(cpu::DRIVER), "{}", engine.info().driver);
    let once = ask(&engine, request("안녕하세요"));
    assert_eq!(once.prompt_tokens as usize, engine.prompt_tokens(&request("안녕하세요").turns).unwrap());
    assert_eq!(ask(&engine, request("안녕하세요")).text, once.text);
    // In another slot, beside others, in another engine.
    let again = start(&tiny.writer).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| ask(&again, request("안녕하세요")).text)).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), once.text));
    });
    let warm = |seed| {
        let sampling = Sampling { temperature: 2.0, seed, ..Sampling::default() };
        ask(&engine, Request { sampling, ..request("안녕하세요") }).text
    };
    assert_eq!(warm(4), warm(4));
    assert_ne!(warm(4), warm(5));
}

#[test]
fn files_that_do_not_hold_what_they_promise_are_refused_in_words() {
    let tiny = Tiny::new(Shape::plain(DType::F32), 11);
    let text = |text: &str| Value::String(text.to_owned());
    let changed = |key: &str, value: Value| {
        let mut writer = tiny.writer.clone();
        writer.set(key, value);
        writer
    };
    for (writer, words) in [
        (changed("llama.block_count", Value::U32(4)), "blk.3."),
        (changed("llama.feed_forward_length", Value::U32(64)), "blk.0.ffn_"),
        (changed("general.architecture", text("mamba")), "mamba"),
        (changed("tokenizer.ggml.pre", text("made-up")), "in the way `made-up`"),
        (changed("tokenizer.ggml.model", text("llama")), "its kind is `llama`"),
        (changed("tokenizer.ggml.eos_token_id", Value::U32(9999)), "`tokenizer.ggml.eos_token_id` is 9999"),
        (changed("tokenizer.chat_template", text("{% if %}")), "chat template"),
    ] {
        assert_refused(&writer, words);
    }
    let mut headless = tiny.writer.clone();
    headless.set("tokenizer.chat_template", Value::U8(0));
    let engine = start(&headless).unwrap();
    let error = engine.generate(request("?"), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.code(), "HAECHI-0506");
}

/// The same model guesses for itself: every guess holds, and the answer is what it is without.
#[test]
fn a_model_from_a_file_guesses_and_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, writer: &Writer| {
        let path = folder.path().join(name);
        std::fs::write(&path, writer.bytes()).unwrap();
        path
    };
    let tiny = Tiny::new(Shape::plain(DType::Q4_1), 11).writer;
    let model = file("model.gguf", &tiny);
    let settings = Settings::default();
    let alone = ask(&Engine::start_with(&model, Settings { guesses: false, ..settings }).unwrap(), request("안녕"));
    let itself = ask(&Engine::start_drafted(&model, Some(&model), settings).unwrap(), request("안녕"));
    assert_eq!(itself.text, alone.text);
    assert!(itself.passes * 2 < alone.passes, "{} passes instead of {}", itself.passes, alone.passes);
    // Others of the vocabulary guess badly, and are not believed.
    let other = file("other.gguf", &Tiny::new(Shape::plain(DType::Q8_0), 12).writer);
    let guessed = ask(&Engine::start_drafted(&model, Some(&other), settings).unwrap(), request("안녕"));
    assert_eq!(guessed.text, alone.text);
    let mut foreign = tiny.clone();
    let header = Header::read(&tiny.bytes()).unwrap();
    let mut tokens = header.texts("tokenizer.ggml.tokens").unwrap().iter().collect::<Vec<_>>();
    tokens.swap(70, 71);
    foreign.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens.iter().collect())));
    let foreign = file("foreign.gguf", &foreign);
    let error = Engine::start_drafted(&model, Some(&foreign), settings).unwrap_err();
    assert!(error.code() == "HAECHI-0522" && error.to_string().contains("foreign.gguf"), "{error}");
}

/// A tensor that nothing reads has a meaning that is not computed: the answers would be wrong without a word.
#[test]
fn tensors_that_have_no_place_are_refused() {
    let mut writer = Tiny::new(Shape::plain(DType::F32), 11).writer;
    writer.tensor("blk.0.attn_sinks.weight", &[4], DType::F32, vec![0; 16]);
    assert_refused(&writer, "blk.0.attn_sinks.weight");
    let mut writer = Tiny::new(Shape::plain(DType::F32), 11).writer;
    writer.set("llama.block_count", Value::U32(2));
    assert_refused(&writer, "blk.2.");
}

fn assert_refused(writer: &Writer, words: &str) {
    let Err(error) = start(writer) else { panic!("it started; it should say {words}") };
    assert!(
        error.to_string().starts_with(error.code()) && error.to_string().contains(words),
        "{error} should say {words}"
    );
}

/// Bytes of the header changed at random: a sentence or an answer, never a panic, on the whole way to text.
#[test]
fn changed_headers_are_refused_or_answer() {
    let tiny = Tiny::new(Shape::plain(DType::Q8_0), 11);
    let bytes = tiny.writer.bytes();
    let header_bytes = haechi_drivers::gguf::Header::read(&bytes).unwrap().data_start as usize;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let mut state = 0x2545_f491_4f6c_dd1d_u64; // xorshift64: the same changes each run
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let (mut refused, mut answered) = (0, 0);
    for _ in 0..300 {
        let mut changed = bytes.clone();
        for _ in 0..=next(3) {
            changed[next(header_bytes)] = [0, 1, 2, 255, next(256) as u8][next(5)];
        }
        std::fs::write(&path, &changed).unwrap();
        let run = Engine::start(&path, 0).and_then(|engine| {
            let request = Request { max_tokens: 3, ..request("hello") };
            engine.generate(request, &mut |_| ControlFlow::Continue(()))
        });
        match run {
            Ok(_) => answered += 1,
            Err(error) => {
                assert!(error.to_string().starts_with("HAECHI-05"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20 && answered > 20, "{refused} refused, {answered} answered");
}

#[test]
fn the_bench_measures() {
    let tiny = Tiny::new(Shape::plain(DType::Q8_0), 11);
    let order = Order { prompt: 20, generate: 5, threads: 0, batch: 2, level: None, pin: false };
    let figures = with_file(&tiny.writer, |path| model::run(path, order)).unwrap();
    assert!(
        figures.prefill_tokens_per_s > 0.0 && figures.decode_tokens_per_s > 0.0 && figures.load_ms > 0.0,
        "{figures:?}"
    );
    assert!(figures.first_token_ms > 0.0 && figures.peak_rss_bytes > 0);
    let error = with_file(&tiny.writer, |path| model::run(path, Order { prompt: 2000, ..order })).unwrap_err();
    assert_eq!(error.code(), "HAECHI-0512");
}
