//! The promises of the engine, with a backend that checks its caller.

mod guessing;
mod scheduling;

use super::*;
use crate::fake::Fake;
use crate::sampling::Sampling;

fn ask(text: &str) -> Request {
    Request { turns: vec![Turn::new("user", text)], ..Request::default() }
}

fn run(engine: &Engine, request: Request) -> (Vec<String>, Result<Done, EngineError>) {
    let mut pieces = Vec::new();
    let done = engine.generate(request, &mut |text| {
        pieces.push(text.to_owned());
        ControlFlow::Continue(())
    });
    (pieces, done)
}

fn engine(fake: Fake) -> Engine {
    fake.engine(Settings::default()).unwrap()
}

#[test]
fn text_streams_in_whole_characters() {
    let engine = engine(Fake::saying("혈당은 정상입니다."));
    let (pieces, done) = run(&engine, ask("?"));
    let done = done.unwrap();
    assert_eq!((done.text.as_str(), done.finish), ("혈당은 정상입니다.", Finish::EndOfText));
    assert_eq!(pieces.concat(), done.text);
    assert_eq!(pieces.len(), 10, "each character as soon as it is complete");
    assert_eq!(done.generated_tokens as usize, done.text.len(), "the fake's tokens are bytes");
}

#[test]
fn stop_texts_end_the_answer_and_are_not_shown() {
    let engine = engine(Fake::saying("one two three"));
    let request = Request { stop: vec![" three".to_owned(), "tw!".to_owned()], ..ask("?") };
    let (pieces, done) = run(&engine, request);
    let done = done.unwrap();
    assert_eq!((done.text.as_str(), done.finish), ("one two", Finish::Stop));
    assert_eq!(pieces.concat(), "one two");
}

#[test]
fn the_length_limits_hold() {
    let engine = engine(Fake::saying("abcdef"));
    let done = run(&engine, Request { max_tokens: 3, ..ask("?") }).1.unwrap();
    assert_eq!((done.text.as_str(), done.finish, done.generated_tokens), ("abc", Finish::Length, 3));
    // A character cut off by the limit is marked, never dropped in silence.
    let engine = self::engine(Fake::saying("혈"));
    assert_eq!(run(&engine, Request { max_tokens: 2, ..ask("?") }).1.unwrap().text, "\u{fffd}");
}

#[test]
fn a_prompt_without_room_is_a_clear_error() {
    let engine = engine(Fake::saying("a".repeat(100).as_str()).with_context(64));
    let error = run(&engine, ask(&"x".repeat(64))).1.unwrap_err();
    assert!(matches!(error, EngineError::TooLong { context: 64, .. }), "{error}");
    let done = run(&engine, ask("x")).1.unwrap();
    assert_eq!((done.finish, done.prompt_tokens + done.generated_tokens), (Finish::Length, 64));
}

#[test]
fn breaking_off_and_cancelling_stop_the_work() {
    let engine = engine(Fake::saying(&"a".repeat(3000)).taking(Duration::from_millis(1)));
    let mut seen = 0;
    let done = engine.generate(Request { max_tokens: 4000, ..ask("?") }, &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let done = done.unwrap();
    assert_eq!((seen, done.finish), (3, Finish::Cancelled));
    assert!(done.generated_tokens < 100, "{}", done.generated_tokens);
    let done =
        engine.generate_until(Request { max_tokens: 4000, ..ask("?") }, &mut |_| ControlFlow::Continue(()), &|| true);
    assert_eq!(done.unwrap().finish, Finish::Cancelled);
}

#[test]
fn several_are_answered_at_once_and_one_too_many_is_overloaded() {
    let settings = Settings { queue: 1, ..Settings::default() };
    let fake = Fake::saying(&"b".repeat(200)).with_pages(16, 80).taking(Duration::from_millis(2));
    let engine = fake.engine(settings).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let ask_one = || {
            std::thread::sleep(Duration::from_millis(20));
            run(&engine, ask("?")).1.map(|done| done.text.len())
        };
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(5));
                scope.spawn(ask_one)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let answered = results.iter().filter(|result| matches!(result, Ok(200))).count();
    let overloaded = results.iter().filter(|result| matches!(result, Err(EngineError::Overloaded))).count();
    // Pages for four and one place in the queue; how many come in time depends on the machine's load.
    assert_eq!(answered + overloaded, 8, "{results:?}");
    assert!(answered >= 1 && overloaded >= 1, "{results:?}");
}

#[test]
fn a_broken_backend_is_reported_until_it_is_well() {
    let engine = engine(Fake::saying("ab").failing_at(2));
    let error = run(&engine, ask("?")).1.unwrap_err();
    assert_eq!(error.code(), "HAECHI-0510");
    assert_eq!(run(&engine, ask("?")).1.unwrap_err().code(), "HAECHI-0510", "not asked again before it is well");
    engine.health().unwrap(); // one token is run, and succeeds
    assert_eq!(run(&engine, ask("?")).1.unwrap().text, "ab");
}

#[test]
fn impossible_requests_are_named() {
    let engine = engine(Fake::saying("x"));
    for request in [
        Request { max_tokens: 0, ..ask("?") },
        Request { sampling: Sampling { temperature: f32::NAN, ..Sampling::default() }, ..ask("?") },
        Request { stop: vec![String::new()], ..ask("?") },
        Request { stop: vec!["s".to_owned(); 17], ..ask("?") },
    ] {
        assert_eq!(run(&engine, request).1.unwrap_err().code(), "HAECHI-0512");
    }
}

#[test]
fn the_odds_are_told_where_asked() {
    let engine = engine(Fake::saying("ab"));
    assert!(run(&engine, ask("?")).1.unwrap().odds.is_empty());
    let sampling = Sampling { odds: Some(2), bias: vec![(99, 50.0)], ..Sampling::default() };
    let done = run(&engine, Request { sampling, max_tokens: 2, ..ask("?") }).1.unwrap();
    assert_eq!(done.text, "cc", "the bias decides");
    // The fake: a logit of 1 for what it says, 0 for the other 257.
    let total = 1_f32.exp() + 257.0;
    assert_eq!(done.odds.len(), 2);
    assert_eq!((done.odds[0].token, done.odds[0].top[0].0, done.odds[0].top[1].0), (99, 97, 0));
    assert!((done.odds[0].logprob + total.ln()).abs() < 1e-5, "the model's own odds: {:?}", done.odds[0]);
    let sampling = Sampling { odds: Some(0), ..Sampling::default() };
    let done = run(&engine, Request { sampling, ..ask("?") }).1.unwrap();
    assert_eq!((done.text.as_str(), done.odds.len()), ("ab", 2), "the token that ends is not among them");
}

#[test]
fn an_answer_has_the_form_that_was_asked() {
    let engine = engine(Fake::lettering(400));
    let with = |grammar, seed| {
        let sampling = Sampling { temperature: 5.0, seed, ..Sampling::default() };
        Request { grammar: Some(grammar), sampling, ..ask("?") }
    };
    for seed in 0..5 {
        let done = run(&engine, with(Grammar::OneOf(vec!["[1]".to_owned(), "[2], 혈당".to_owned()]), seed)).1.unwrap();
        assert!(["[1]", "[2], 혈당"].contains(&done.text.as_str()), "{done:?}");
        assert_eq!(done.finish, Finish::EndOfText);
        let done = run(&engine, with(Grammar::Regex("[a-c]{3}(de)?".to_owned()), seed)).1.unwrap();
        assert!(done.text.len() == 3 || done.text.ends_with("de"), "{done:?}");
    }
    // Greedy, with guesses, and with others in the pass: the same as alone.
    let greedy = || Request { grammar: Some(Grammar::Regex("(ab|ba|aa){40}".to_owned())), ..ask("abab") };
    let alone = run(&self::engine(Fake::lettering(400)), greedy()).1.unwrap();
    assert_eq!(alone.text.len(), 80);
    assert!(alone.passes < 80, "guesses hold under a grammar too: {}", alone.passes);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..5).map(|_| scope.spawn(|| run(&engine, greedy()).1.unwrap().text)).collect();
        run(&engine, ask("another")).1.unwrap();
        assert!(others.into_iter().all(|other| other.join().unwrap() == alone.text));
    });
    let error = run(&engine, with(Grammar::Regex("(".to_owned()), 0)).1.unwrap_err();
    assert_eq!(error.code(), "HAECHI-0516");
    assert_eq!(run(&engine, ask("?")).1.unwrap().finish, Finish::Length, "the others go on");
}
