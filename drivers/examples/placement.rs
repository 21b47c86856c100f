//! Where the machine has put two of its processors: `placement [FIRST SECOND]` prints the hand-over time of a cache line
//! between them in nanoseconds and what it means: `smt` (one core), `ccx` (one cache), `xccx` (two caches) or `busy`.
//!
//! On a virtual machine the answer changes from second to second, and with it every figure of a benchmark: the race asks
//! before and after each sample and compares like with like.
#![allow(unsafe_code, clippy::print_stdout, clippy::print_stderr, reason = "a tool; pinning is a system call")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long enough to average, short enough that the answer belongs to one moment.
const PROBE: Duration = Duration::from_millis(1);
/// Hand-overs between two looks at the clock, which costs as much as one of them.
const ROUNDS: u32 = 64;
/// Upper bounds in nanoseconds, measured on Zen 4: 14-16, 32 and 150, and what lies between.
const TAGS: [(f64, &str); 3] = [(22.0, "smt"), (70.0, "ccx"), (400.0, "xccx")];
const STOP: u32 = u32::MAX;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let pair: Option<Vec<usize>> = given.iter().map(|text| text.parse().ok()).collect();
    let pair = match pair.as_deref() {
        Some([]) => first_two_allowed(),
        Some(&[first, second]) => Some((first, second)),
        _ => None,
    };
    let Some(nanoseconds) = pair.and_then(|(first, second)| hand_over(first, second)) else {
        eprintln!("usage: placement [FIRST SECOND], two different processors that this process may use");
        return ExitCode::from(2);
    };
    let tag = TAGS.iter().find(|(below, _)| nanoseconds < *below).map_or("busy", |(_, tag)| tag);
    println!("{nanoseconds:.1} {tag}");
    ExitCode::SUCCESS
}

/// From `Cpus_allowed_list` of `proc(5)`: `0-3,8`.
fn first_two_allowed() -> Option<(usize, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let mut processors = list.split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<usize>().unwrap_or(1)..=last.parse().unwrap_or(0)
    });
    Some((processors.next()?, processors.next()?))
}

/// Mean nanoseconds of one hand-over; `None` if the threads cannot be pinned apart.
fn hand_over(first: usize, second: usize) -> Option<f64> {
    let turn = AtomicU32::new(0);
    let wait_and_pass = |mine: u32| {
        loop {
            match turn.load(Ordering::Acquire) {
                STOP => return false,
                now if now == mine => break,
                _ => std::hint::spin_loop(),
            }
        }
        turn.store(1 - mine, Ordering::Release);
        true
    };
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let pinned = first != second && pin(second);
            if !pinned {
                turn.store(STOP, Ordering::Release);
            }
            while wait_and_pass(1) {}
            pinned
        });
        let mut nanoseconds = None;
        if pin(first) && (0..ROUNDS).all(|_| wait_and_pass(0)) {
            // The other is there, and warm.
            let (started, mut passes) = (Instant::now(), 0_u32);
            while started.elapsed() < PROBE {
                (0..ROUNDS).for_each(|_| _ = wait_and_pass(0));
                passes += 2 * ROUNDS;
            }
            nanoseconds = Some(started.elapsed().as_secs_f64() * 1e9 / f64::from(passes));
        }
        // Only when it is our turn: the other might pass over a `STOP` that is set before.
        while turn.load(Ordering::Acquire) == 1 {
            std::hint::spin_loop();
        }
        turn.store(STOP, Ordering::Release);
        answering.join().is_ok_and(|pinned| pinned).then_some(nanoseconds).flatten()
    })
}

/// Binds the calling thread to one processor.
fn pin(processor: usize) -> bool {
    const WORDS: usize = 16; // 1,024 processors, as glibc's `cpu_set_t`
    unsafe extern "C" {
        fn sched_setaffinity(thread: i32, bytes: usize, mask: *const u64) -> i32;
    }
    let mut mask = [0_u64; WORDS];
    let Some(word) = mask.get_mut(processor / 64) else { return false };
    *word = 1 << (processor % 64);
    // SAFETY: the mask has the bytes that are announced and is only read; thread 0 is the calling one.
    unsafe { sched_setaffinity(0, size_of_val(&mask), mask.as_ptr()) == 0 }
}
