//! The cases that every backend must pass, on tiny weights. A new backend adds one line to [`load`].

use haechi_drivers::candle::{CandleBackend, Limits};
use haechi_drivers::gguf::{DType, File};
use haechi_drivers::{Backend, BackendError, Batch};

use crate::tiny::{Shape, Tiny, VOCABULARY};

/// One backend under test, with its stated tolerances as parts of the logits' range.
struct Case {
    backend: Box<dyn Backend>,
    /// From the reference.
    exact: f32,
    /// Between two ways to cut a sequence into passes.
    same: f32,
}

fn load(tiny: &Tiny, limits: Limits) -> Vec<Case> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, tiny.writer.bytes()).unwrap();
    let file = File::open(&path).unwrap();
    let candle =
        |float_weights_bytes| Box::new(CandleBackend::load(&file, Limits { float_weights_bytes, ..limits }).unwrap());
    vec![
        Case { backend: candle(1 << 30), exact: 1e-5, same: 1e-4 },
        // Weights left as stored: products round activations to 8 bits.
        Case { backend: candle(0), exact: 2e-2, same: 1e-2 },
    ]
}

fn backends(shape: Shape) -> Vec<Case> {
    load(&Tiny::new(shape, 5), Limits::default())
}

/// Tokens of a sequence: any, but the same each time.
fn tokens(seed: u32, count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + seed * 17 + i * i * 7) % VOCABULARY as u32).collect()
}

fn forward(backend: &mut dyn Backend, batch: &Batch) -> Vec<Vec<f32>> {
    let mut logits = vec![f32::NAN; batch.slots.len() * VOCABULARY];
    backend.forward(batch, &mut logits).unwrap();
    logits.chunks(VOCABULARY).map(<[f32]>::to_vec).collect()
}

/// The largest difference, as a part of the range of `expected`.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let (least, most) = expected.iter().fold((f32::MAX, f32::MIN), |(least, most), &n| (least.min(n), most.max(n)));
    let largest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(!found.iter().any(|n| n.is_nan()), "not a number");
    largest / (most - least)
}

#[test]
fn logits_equal_the_plain_reference() {
    for (name, shape) in [
        ("F32", Shape::plain(DType::F32)),
        ("F16", Shape::plain(DType::F16)),
        (
            "F32, own head, stretched rotations",
            Shape { tied: false, factors: true, linear: 2.5, ..Shape::plain(DType::F32) },
        ),
        ("Q8_0", Shape::plain(DType::Q8_0)),
        ("Q4_1", Shape::plain(DType::Q4_1)),
    ] {
        let tiny = Tiny::new(shape, 5);
        for Case { mut backend, exact, .. } in load(&tiny, Limits::default()) {
            for count in [1, 2, 7, 40] {
                let tokens = tokens(count as u32, count);
                backend.reset(0);
                let found = forward(backend.as_mut(), &Batch::single(0, &tokens)).remove(0);
                let driver = &backend.capabilities().driver;
                let difference = difference(&found, &tiny.logits(&tokens));
                assert!(difference < exact, "{driver}, {name}, {count} tokens: {difference}");
            }
        }
    }
}

#[test]
fn a_sequence_in_pieces_equals_the_whole() {
    for dtype in [DType::F32, DType::Q4_1] {
        for Case { mut backend, same, .. } in backends(Shape::plain(dtype)) {
            let tokens = tokens(3, 300); // beyond the first room of the cache, and above one batch
            let mut whole = Vec::new();
            for piece in tokens.chunks(backend.capabilities().batch_tokens as usize) {
                whole = forward(backend.as_mut(), &Batch::single(0, piece)).remove(0);
            }
            for size in [1, 7, 100] {
                backend.reset(1);
                let mut last = Vec::new();
                for piece in tokens.chunks(size) {
                    last = forward(backend.as_mut(), &Batch::single(1, piece)).remove(0);
                }
                assert_eq!(backend.used(1), 300);
                assert!(difference(&last, &whole) < same, "pieces of {size}: {}", difference(&last, &whole));
            }
        }
    }
}

#[test]
fn several_slots_at_once_equal_one_by_one() {
    for dtype in [DType::F32, DType::Q8_0] {
        for Case { mut backend, same, .. } in backends(Shape::plain(dtype)) {
            let sequences: Vec<Vec<u32>> = (0..4).map(|slot| tokens(slot, 5 + slot as usize * 9)).collect();
            let alone: Vec<Vec<f32>> = sequences
                .iter()
                .map(|tokens| {
                    backend.reset(0);
                    forward(backend.as_mut(), &Batch::single(0, tokens)).remove(0)
                })
                .collect();
            // First pieces of different lengths together, in another order than the slots; then the rest together.
            (0..4).for_each(|slot| backend.reset(slot));
            let (mut first, mut rest) = (Batch::default(), Batch::default());
            for slot in [2, 0, 3, 1_usize] {
                let (head, tail) = sequences[slot].split_at(slot + 1);
                first.push(slot as u32, head);
                rest.push(slot as u32, tail);
            }
            forward(backend.as_mut(), &first);
            for (slot, found) in [2, 0, 3, 1].into_iter().zip(forward(backend.as_mut(), &rest)) {
                assert!(difference(&found, &alone[slot]) < same, "slot {slot}: {}", difference(&found, &alone[slot]));
            }
        }
    }
}

#[test]
fn a_reset_slot_remembers_nothing() {
    for Case { mut backend, .. } in backends(Shape::plain(DType::Q4_1)) {
        let tokens = tokens(1, 20);
        let fresh = forward(backend.as_mut(), &Batch::single(0, &tokens));
        forward(backend.as_mut(), &Batch::single(0, &self::tokens(9, 200)));
        backend.reset(0);
        backend.reset(99); // does not exist: empty already
        assert_eq!(backend.used(0), 0);
        assert_eq!(forward(backend.as_mut(), &Batch::single(0, &tokens)), fresh, "bit for bit");
    }
}

#[test]
fn what_exceeds_the_limits_is_refused_and_nothing_ran() {
    let limits = Limits { context: 10, slots: 2, batch_tokens: 8, ..Limits::default() };
    for Case { mut backend, .. } in load(&Tiny::new(Shape::plain(DType::F32), 5), limits) {
        assert_eq!(backend.capabilities().context, 10);
        let mut logits = vec![0.0; VOCABULARY];
        forward(backend.as_mut(), &Batch::single(0, &[1; 8]));
        for batch in [
            Batch::single(0, &[1; 3]),
            Batch::single(2, &[1]),
            Batch::single(1, &[1; 9]),
            Batch::single(1, &[VOCABULARY as u32]),
        ] {
            let refused = backend.forward(&batch, &mut logits);
            assert!(matches!(refused, Err(BackendError::Refused(_))), "{batch:?}: {refused:?}");
        }
        assert_eq!((backend.used(0), backend.used(1)), (8, 0));
        forward(backend.as_mut(), &Batch::single(0, &[1; 2])); // the room that is left
    }
}
