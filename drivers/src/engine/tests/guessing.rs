//! Guesses make answers quicker and change nothing else.

use super::*;
use crate::speculation::ModelDrafter;

const QUOTED: &str = "혈당은 108 mg/dL 이고 당화혈색소는 6.5 % 입니다.";

fn plain() -> Settings {
    Settings { guesses: false, ..Settings::default() }
}

fn answer(fake: Fake, settings: Settings, request: Request) -> Done {
    run(&fake.engine(settings).unwrap(), request).1.unwrap()
}

#[test]
fn a_quoting_answer_takes_fewer_passes_and_says_the_same() {
    let reply = format!("기록: {QUOTED} 끝");
    let request = || ask(&format!("기록은 다음과 같다: {QUOTED}"));
    let slow = answer(Fake::saying(&reply), plain(), request());
    let quick = answer(Fake::saying(&reply), Settings::default(), request());
    assert_eq!((&quick.text, quick.finish), (&slow.text, slow.finish));
    assert_eq!(quick.text, reply);
    assert_eq!(slow.passes, slow.generated_tokens + 1);
    assert!(quick.passes * 2 < slow.passes, "{} passes instead of {}", quick.passes, slow.passes);
}

#[test]
fn any_answer_is_the_same_with_guesses() {
    // Few letters and a long answer: many guesses, most of them wrong. All places where an answer can end.
    for max_tokens in 1..40 {
        let request =
            || Request { max_tokens, sampling: Sampling { frequency: 0.5, ..Sampling::default() }, ..ask("abcabc") };
        let fake = || Fake::lettering(30).with_pages(5, 60);
        let (slow, quick) = (answer(fake(), plain(), request()), answer(fake(), Settings::default(), request()));
        assert_eq!((quick.text, quick.finish), (slow.text, slow.finish), "{max_tokens} tokens");
    }
    for (reply, stop) in [("one two one two one two", "wo one t"), ("aaaaaaaaaaaaaaaaaab", "aab"), ("ababababab", "zz")]
    {
        let request = || Request {
            stop: vec![stop.to_owned()],
            sampling: Sampling { odds: Some(1), ..Sampling::default() },
            ..ask("one two")
        };
        let (slow, quick) = (
            answer(Fake::saying(reply), plain(), request()),
            answer(Fake::saying(reply), Settings::default(), request()),
        );
        assert_eq!((quick.text, quick.finish, quick.odds), (slow.text, slow.finish, slow.odds), "{reply}");
        assert!(quick.passes < slow.passes, "{reply}");
    }
}

#[test]
fn pages_that_held_wrong_guesses_are_shared_rightly() {
    // The second request reads what the first generated as part of its prompt.
    let engine = engine(Fake::lettering(60).with_pages(4, 400));
    let first = run(&engine, ask("aaaa")).1.unwrap();
    let turns = vec![Turn::new("user", "aaaa"), Turn::new("assistant", &first.text), Turn::new("user", "b")];
    let request = || Request { turns: turns.clone(), ..Request::default() };
    let second = run(&engine, request()).1.unwrap();
    assert!(second.cached_tokens > first.prompt_tokens + 50, "{second:?}");
    assert_eq!(second.text, answer(Fake::lettering(60), plain(), request()).text);
}

#[test]
fn a_small_model_guesses_where_the_text_gives_no_hint() {
    let reply = "The quick brown fox jumps.";
    for (small, fewer) in [(reply, true), ("Wrong from the start on", false)] {
        let drafter = ModelDrafter::new(Box::new(Fake::saying(small)));
        let engine = Fake::saying(reply).engine_with(Some(Box::new(drafter)), Settings::default()).unwrap();
        let done = run(&engine, ask("?")).1.unwrap();
        assert_eq!(done.text, reply);
        assert_eq!(done.passes < done.generated_tokens / 2, fewer, "{done:?}");
    }
    let drafter = ModelDrafter::new(Box::new(Fake::saying(reply).panicking_at(3)));
    let engine = Fake::saying(reply).engine_with(Some(Box::new(drafter)), Settings::default()).unwrap();
    assert_eq!(run(&engine, ask("?")).1.unwrap().text, reply, "a drafter that breaks is left out");
    engine.health().unwrap();
}

#[test]
fn a_wrong_guess_does_not_reach_the_neighbour() {
    let request = |own: &str| Request { max_tokens: 200, ..ask(own) };
    let alone = |own| answer(Fake::lettering(200), plain(), request(own)).text;
    let engine = &engine(Fake::lettering(200).taking(Duration::from_micros(200)));
    let together = std::thread::scope(|scope| {
        let threads = ["a", "b", "c"].map(|own| scope.spawn(move || run(engine, request(own)).1.unwrap().text));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(together, ["a", "b", "c"].map(alone));
}
