//! Many at once: what is computed, in which order, and that nobody notices the others.

use std::sync::Barrier;

use super::*;
use crate::fake::Log;
use crate::kv::Cache;

/// Tokens computed by the passes in the log.
fn computed(log: &Log) -> usize {
    log.lock().unwrap().iter().map(|batch| batch.tokens.len()).sum()
}

/// A request with `shared` bytes that are always the same, then `own`.
fn prefixed(shared: usize, own: &str) -> Request {
    Request { turns: vec![Turn::new("system", &"s".repeat(shared)), Turn::new("user", own)], ..Request::default() }
}

/// A request that needs every page is served.
fn assert_nothing_leaked(engine: &Engine) {
    let deadline = Some(Instant::now() + Duration::from_secs(20));
    let all = Request { max_tokens: usize::MAX, deadline, ..prefixed(0, "!") };
    let finish = run(engine, all).1.unwrap().finish;
    assert!(finish != Finish::Deadline, "a page leaks: this waited for ever");
}

/// Asks for all at once; the answers in the order of the requests.
fn run_together(engine: &Engine, requests: Vec<Request>) -> Vec<Done> {
    let barrier = Barrier::new(requests.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .into_iter()
            .map(|request| {
                scope.spawn(|| {
                    barrier.wait();
                    run(engine, request).1.unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_shared_beginning_is_computed_once() {
    let log = Log::default();
    let engine = engine(Fake::lettering(5).logged(&log));
    let first = run(&engine, prefixed(2000, "one")).1.unwrap();
    let before = computed(&log);
    let second = run(&engine, prefixed(2000, "two")).1.unwrap();
    assert_eq!(first.cached_tokens, 0);
    assert!(second.cached_tokens >= 2000, "{second:?}");
    assert_eq!(computed(&log) - before, (second.prompt_tokens - second.cached_tokens) as usize + 5);
    assert_ne!(first.text, second.text);
    // The same again: all but the last tokens, after which the logits are needed.
    let third = run(&engine, prefixed(2000, "two")).1.unwrap();
    assert_eq!(third.text, second.text);
    assert!(third.prompt_tokens - third.cached_tokens <= 16, "{third:?}");
}

#[test]
fn a_beginning_shared_by_two_that_come_together_is_computed_once() {
    let log = Log::default();
    let settings = Settings { chunk_tokens: 64, ..Settings::default() };
    let fake = Fake::lettering(5).with_batch(128).taking(Duration::from_millis(2)).logged(&log);
    let engine = fake.engine(settings).unwrap();
    let requests = (0..4).map(|own| prefixed(2000, &own.to_string())).collect();
    let done = run_together(&engine, requests);
    let own = 16 + 60; // what is left of a page, the other turn and the answer
    assert!(computed(&log) < 2000 + 4 * own, "{} tokens", computed(&log));
    assert_eq!(done.iter().filter(|done| done.cached_tokens >= 2000).count(), 3, "{done:?}");
}

#[test]
fn an_answer_depends_on_nobody_else() {
    let requests = || {
        (0..24).map(|index: usize| Request {
            sampling: Sampling {
                temperature: if index.is_multiple_of(3) { 0.0 } else { 1.5 },
                seed: index as u64 / 2,
                ..Sampling::default()
            },
            max_tokens: 5 + index % 17,
            priority: if index.is_multiple_of(4) { Priority::Background } else { Priority::Clinician },
            ..prefixed(index % 5 * 40, &"?".repeat(index % 7))
        })
    };
    let alone: Vec<_> = requests().map(|request| run(&engine(Fake::lettering(15)), request).1.unwrap().text).collect();
    // Few and odd pages, small passes: everybody waits, shares, and loses what was kept.
    for (page_tokens, pages, batch) in [(16, 1024, 512), (7, 60, 20), (1, 450, 3), (512, 3, 64)] {
        let fake = Fake::lettering(15).with_pages(page_tokens, pages).with_batch(batch);
        let engine = fake.engine(Settings { chunk_tokens: 8, ..Settings::default() }).unwrap();
        let together: Vec<_> = run_together(&engine, requests().collect()).into_iter().map(|done| done.text).collect();
        assert_eq!(together, alone, "{pages} pages of {page_tokens}");
        assert_nothing_leaked(&engine);
    }
}

#[test]
fn a_long_prompt_delays_the_others_by_one_chunk() {
    let log = Log::default();
    let fake = Fake::lettering(300).taking(Duration::from_millis(1)).logged(&log);
    let engine = fake.engine(Settings { chunk_tokens: 32, ..Settings::default() }).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| run(&engine, Request { max_tokens: 300, ..ask("?") }).1.unwrap());
        std::thread::sleep(Duration::from_millis(20));
        scope.spawn(|| run(&engine, Request { max_tokens: 1, ..prefixed(1500, "?") }).1.unwrap());
    });
    let log = log.lock().unwrap();
    let mixed: Vec<_> = log.iter().filter(|batch| batch.sequences.len() == 2).collect();
    assert!(mixed.len() >= 1500 / 32, "{} passes carried both", mixed.len());
    for batch in mixed {
        assert!(batch.sequences[0].count <= 4, "the answer's token and its guesses, in every pass");
        assert!(batch.sequences[1].count <= 32);
        assert!(batch.likeliest_only);
    }
}

#[test]
fn clinicians_are_served_before_background_work() {
    // Pages for one.
    let fake = Fake::lettering(20).with_pages(16, 6).taking(Duration::from_millis(30));
    let engine = fake.engine(Settings::default()).unwrap();
    let ended = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (name, priority) in [
            ("first", Priority::Background), // begins at once
            ("background", Priority::Background),
            ("clinician", Priority::Clinician),
        ] {
            let (engine, ended) = (&engine, &ended);
            scope.spawn(move || {
                run(engine, Request { max_tokens: 20, priority, ..ask(name) }).1.unwrap();
                ended.lock().unwrap().push(name);
            });
            std::thread::sleep(Duration::from_millis(150)); // on a loaded machine a thread is slow to begin
        }
    });
    assert_eq!(*ended.lock().unwrap(), ["first", "clinician", "background"]);
}

#[test]
fn deadlines_and_cancelling_end_waiting_and_work() {
    let fake = Fake::saying(&"a".repeat(3000)).with_pages(16, 256).taking(Duration::from_millis(1));
    let engine = fake.engine(Settings::default()).unwrap();
    let long = |deadline_ms| Request {
        max_tokens: 3000,
        deadline: Some(Instant::now() + Duration::from_millis(deadline_ms)),
        ..ask("?")
    };
    std::thread::scope(|scope| {
        let working = scope.spawn(|| run(&engine, long(150)).1.unwrap());
        std::thread::sleep(Duration::from_millis(20));
        let waiting = run(&engine, long(30)).1.unwrap();
        assert_eq!((waiting.finish, waiting.text.as_str(), waiting.passes), (Finish::Deadline, "", 0));
        let cancelled = engine.generate_until(long(5000), &mut |_| ControlFlow::Continue(()), &|| true).unwrap();
        assert_eq!((cancelled.finish, cancelled.passes), (Finish::Cancelled, 0));
        let working = working.join().unwrap();
        assert_eq!(working.finish, Finish::Deadline);
        assert!(working.total_ms < 2500 && working.generated_tokens > 3, "{working:?}");
    });
}

#[test]
fn breaking_off_anywhere_leaks_nothing() {
    let fake = Fake::lettering(30).with_pages(5, 120).with_batch(16).taking(Duration::from_micros(100));
    let engine = &fake.engine(Settings { chunk_tokens: 4, ..Settings::default() }).unwrap();
    std::thread::scope(|scope| {
        for index in 0..30_u64 {
            scope.spawn(move || {
                let deadline = index.is_multiple_of(3).then(|| Instant::now() + Duration::from_millis(index));
                let request =
                    Request { deadline, ..prefixed(index as usize % 4 * 50, &"?".repeat(index as usize % 6)) };
                let mut left = index % 7;
                let until = Instant::now() + Duration::from_millis(index * 2);
                let on_text = &mut |_: &str| {
                    left = left.saturating_sub(1);
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                engine.generate_until(request, on_text, &|| index % 5 == 1 && Instant::now() > until).unwrap();
            });
        }
    });
    assert_nothing_leaked(engine);
}

#[test]
fn what_can_never_fit_is_refused_and_the_rest_is_cut_to_the_room() {
    let engine = engine(Fake::lettering(1000).with_pages(16, 10));
    let error = run(&engine, ask(&"x".repeat(160))).1.unwrap_err();
    assert!(matches!(error, EngineError::TooLong { context: 160, .. }), "{error}");
    let done = run(&engine, Request { max_tokens: 4000, ..ask("x") }).1.unwrap();
    assert_eq!((done.finish, done.prompt_tokens + done.generated_tokens), (Finish::Length, 160));
}

#[test]
fn after_a_panic_nothing_of_before_is_read() {
    let engine = engine(Fake::lettering(5).panicking_at(8));
    let expected = run(&engine, prefixed(100, "?")).1.unwrap();
    assert_eq!(expected.passes, 6);
    assert_eq!(run(&engine, prefixed(100, "!")).1.unwrap_err().code(), "HAECHI-0510");
    engine.health().unwrap();
    let again = run(&engine, prefixed(100, "?")).1.unwrap();
    assert_eq!((again.text, again.cached_tokens), (expected.text, 0));
}

#[test]
fn pages_follow_the_rules_under_load() {
    // What the passes wrote and read, seen from outside: every sequence names as many pages as its tokens fill.
    let log = Log::default();
    let engine = Fake::lettering(9).with_pages(8, 64).logged(&log).engine(Settings::default()).unwrap();
    run_together(&engine, (0..12).map(|own| prefixed(own % 3 * 30, &"?".repeat(own))).collect());
    let cache = Cache::new(8, 64);
    for batch in log.lock().unwrap().iter() {
        for sequence in &batch.sequences {
            assert_eq!(sequence.pages.len(), cache.pages_for((sequence.position + sequence.count) as usize));
        }
    }
}
