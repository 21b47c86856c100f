//! What every backend must do, on tiny weights of every family. A new backend adds one line to [`load`].

use std::path::Path;

use haechi_drivers::cpu::{CacheFormat, CpuBackend, Level, Limits, Precision};
use haechi_drivers::gguf::{DType, File};
use haechi_drivers::{Backend, BackendError, Batch, Capabilities};

use crate::reference::{Reference, Routing};
use crate::tiny::{Family, Shape, Tiny, VOCABULARY};

/// Relative root-mean-square error of a sequence's logits against the reference, mostly from rounding activations to 8 bits:
/// llama.cpp 0.3.36 has 0.010 to 0.017 on the same files (`tests/performance/compare.py`). A window that is one position
/// off has more.
const EXACT: f32 = 0.02;
/// With finer activations it is what bf16 keys, values, queries and shares round off.
const FINE: f32 = 0.006;
/// With finer activations and a cache of 8 bits it is what those 8 bits round off.
const EIGHT_BITS: f32 = 0.015;
/// Of any one position.
const EXACT_EACH: f32 = 1.6 * EXACT;
/// A choice of experts that was this clear, as a part of the scores' range, does not turn by rounding: llama.cpp's choice
/// turns up to 0.012, and then the error is above 0.07.
const CLEAR: f32 = 0.02;

/// The formats of matrices that every family is tried in: of each kind of kernel one.
const DTYPES: [DType; 3] = [DType::Q8_0, DType::Q4_1, DType::Q4_K];
/// Those that one family is enough for.
const MORE_DTYPES: [DType; 8] =
    [DType::F32, DType::F16, DType::BF16, DType::Q4_0, DType::Q5_0, DType::Q5_1, DType::Q5_K, DType::Q6_K];

/// The cache is cut into places of whole pages, one for each sequence of a test.
const PLACE_TOKENS: u32 = 512;
const PLACES: u32 = 6;
const LIMITS: Limits = Limits {
    context: PLACE_TOKENS,
    cache_tokens: PLACES * PLACE_TOKENS,
    batch_tokens: 128,
    threads: 2,
    level: None,
    pin: false,
    precision: Precision::Standard,
    cache: CacheFormat::Bf16,
};
const HIGH: Limits = Limits { precision: Precision::High, ..LIMITS };
const EIGHT: Limits = Limits { cache: CacheFormat::Q8, ..LIMITS };

/// A backend under test, and what it is measured against.
struct Case {
    backend: Box<CpuBackend>,
    reference: Reference,
    limits: Capabilities,
}

fn load(shape: Shape, limits: Limits) -> Case {
    with_file(shape, |path| {
        let file = File::open(path).unwrap();
        let backend = CpuBackend::load(&file, limits).unwrap_or_else(|error| panic!("{shape:?}: {error}"));
        let limits = backend.capabilities().clone();
        Case { backend: Box::new(backend), reference: Reference::load(path), limits }
    })
}

fn with_file<T>(shape: Shape, then: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, Tiny::new(shape, 5).writer.bytes()).unwrap();
    then(&path)
}

fn families(with_experts: bool) -> impl Iterator<Item = Family> {
    Family::ALL.into_iter().filter(move |family| family.has_experts() == with_experts)
}

/// The shapes in which runs are cut, shared and saved: each kind of attention, with and without experts.
fn some_shapes() -> [Shape; 4] {
    [
        Shape::of(Family::Llama, DType::Q4_1),
        Shape::of(Family::Gemma3, DType::Q8_0),
        Shape::of(Family::Qwen3Moe, DType::Q4_1),
        Shape::of(Family::DeepSeek2, DType::Q8_0),
    ]
}

/// These, with activations as they are and finer ones, and with a cache of 8 bits.
fn some_cases() -> impl Iterator<Item = (Shape, Limits)> {
    some_shapes().into_iter().flat_map(|shape| [(shape, LIMITS), (shape, HIGH), (shape, EIGHT)])
}

/// Tokens of a sequence: any, but the same each time.
fn tokens(seed: u32, count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + seed * 17 + i * i * 7) % VOCABULARY as u32).collect()
}

/// One pass, and its wanted rows.
fn forward(backend: &mut dyn Backend, batch: &Batch) -> Vec<Vec<f32>> {
    let mut logits = vec![f32::NAN; batch.wanted.len() * VOCABULARY];
    backend.forward(batch, &mut logits).unwrap();
    logits.chunks(VOCABULARY).map(<[f32]>::to_vec).collect()
}

impl Case {
    /// Pages of a place, enough for `tokens`, in falling order: their order in memory means nothing.
    fn pages(&self, place: u32, tokens: usize) -> Vec<u32> {
        let first = place * PLACE_TOKENS.div_ceil(self.limits.page_tokens);
        let count = (tokens as u32).div_ceil(self.limits.page_tokens);
        assert!(first + count <= self.limits.pages, "the test needs {} pages", first + count);
        (first..first + count).rev().collect()
    }

    /// The logits after every one of `tokens`, in passes of `size`, after the `position` tokens that `pages` hold.
    fn run(&mut self, tokens: &[u32], position: usize, pages: &[u32], size: usize) -> Vec<Vec<f32>> {
        let mut rows = Vec::new();
        for piece in tokens.chunks(size) {
            let mut batch = Batch::default();
            batch.push(piece, (position + rows.len()) as u32, pages);
            batch.want_last_of(piece.len() as u32);
            rows.extend(forward(self.backend.as_mut(), &batch));
        }
        rows
    }

    /// A sequence by itself, in pages of its own, in passes as large as they may be.
    fn alone(&mut self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let (pages, size) = (self.pages(0, tokens.len()), self.limits.batch_tokens as usize);
        self.run(tokens, 0, &pages, size)
    }

    fn page(&self, page: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.backend.read_page(page, &mut bytes).unwrap();
        assert_eq!(bytes.len(), self.limits.page_bytes);
        bytes
    }
}

/// Of one row: root-mean-square difference to root-mean-square size. A logit counts from its row's mean.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|n| n.is_finite()), "no finite number");
    let mean = expected.iter().sum::<f32>() / expected.len() as f32;
    let squares = |it: &mut dyn Iterator<Item = f32>| it.map(|n| n * n).sum::<f32>();
    let difference = squares(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (difference / squares(&mut expected.iter().map(|n| n - mean))).sqrt()
}

pub(crate) fn errors(found: &[Vec<f32>], expected: &[Vec<f32>]) -> Vec<f32> {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(found, expected)| error(found, expected)).collect()
}

#[track_caller]
fn assert_exact(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    let errors = errors(found, expected);
    let mean = (errors.iter().map(|error| error * error).sum::<f32>() / errors.len() as f32).sqrt();
    let worst = errors.iter().copied().fold(0.0, f32::max);
    assert!(mean < EXACT && worst < EXACT_EACH, "{what}: {mean}, at one position {worst}");
}

/// The same bits, or where they first differ.
#[track_caller]
fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let differs = found.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits());
        assert!(
            differs.is_none(),
            "{what}: row {row} differs from token {differs:?} on, by {} of its size",
            error(found, expected)
        );
    }
}

pub(crate) fn likeliest(row: &[f32]) -> usize {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}

#[test]
fn logits_equal_the_plain_reference() {
    for family in families(false) {
        for dtype in DTYPES {
            let mut case = load(Shape::of(family, dtype), LIMITS);
            let tokens = tokens(3, 72);
            let (found, expected) = (case.alone(&tokens), case.reference.logits(&tokens));
            assert_exact(&found, &expected, &format!("{family:?} {}", dtype.name));
        }
    }
}

#[test]
fn every_format_of_weights_equals_the_plain_reference() {
    for dtype in MORE_DTYPES {
        let mut case = load(Shape::plain(dtype), LIMITS);
        let tokens = tokens(5, 40);
        assert_exact(&case.alone(&tokens), &case.reference.logits(&tokens), dtype.name);
    }
}

/// Where experts are chosen, rounding can turn a close choice, and everything after it differs. So: many short sequences,
/// strictly where the reference's every choice was clear; and a long one, by its median position.
#[test]
fn logits_with_experts_equal_the_plain_reference() {
    for family in families(true) {
        for dtype in DTYPES {
            let what = format!("{family:?} {}", dtype.name);
            let mut case = load(Shape::of(family, dtype), LIMITS);
            let mut compared = 0;
            for seed in 0..60 {
                let tokens = tokens(seed, 4);
                let (expected, routing) = case.reference.logits_routed(&tokens, None);
                if routing.margin() > CLEAR {
                    assert_exact(&case.alone(&tokens), &expected, &format!("{what}, sequence {seed}"));
                    compared += 1;
                }
            }
            assert!(compared >= 8, "{what}: only {compared} sequences of 60 were clear");
            let tokens = tokens(3, 60);
            let mut errors = errors(&case.alone(&tokens), &case.reference.logits(&tokens));
            errors.sort_by(f32::total_cmp);
            let median = errors[errors.len() / 2];
            assert!(median < EXACT_EACH, "{what}: {median}");
        }
    }
}

/// With the reference's own choice imposed nothing turns, and every position of a long sequence counts.
#[test]
fn logits_with_the_references_experts_equal_the_plain_reference() {
    let shapes = families(true).flat_map(|family| DTYPES.map(|dtype| Shape::of(family, dtype)));
    let more = [
        Shape { yarn: true, ..Shape::of(Family::DeepSeek2, DType::Q8_0) },
        Shape { yarn: true, ..Shape::of(Family::DeepSeek2Low, DType::Q8_0) },
        Shape { groups: true, ..Shape::of(Family::DeepSeek2, DType::Q8_0) },
        Shape { gates: Some(DType::Q5_0), ..Shape::of(Family::DeepSeek2, DType::Q8_0) },
        Shape { gates: Some(DType::F16), ..Shape::of(Family::Qwen3Moe, DType::Q4_1) },
    ];
    for shape in shapes.chain(more) {
        let mut case = load(shape, LIMITS);
        let tokens = tokens(3, 100);
        let (expected, routing) = case.reference.logits_routed(&tokens, None);
        let experts = routing.experts();
        let mut batch = Batch::default();
        batch.push(&tokens, 0, &case.pages(0, tokens.len()));
        batch.want_last_of(tokens.len() as u32);
        let mut logits = vec![f32::NAN; tokens.len() * VOCABULARY];
        case.backend.forward_with_experts(&batch, &mut logits, &experts).unwrap();
        let found: Vec<Vec<f32>> = logits.chunks(VOCABULARY).map(<[f32]>::to_vec).collect();
        assert_exact(&found, &expected, &format!("{shape:?}"));
        let short = case.backend.forward_with_experts(&batch, &mut logits, &experts[1..]);
        assert!(matches!(short, Err(BackendError::Refused(_))), "{short:?}");
    }
}

/// The choice itself, where groups limit it.
#[test]
fn experts_of_the_best_groups_are_chosen() {
    let shape = Shape { groups: true, ..Shape::of(Family::DeepSeek2, DType::Q8_0) };
    let mut case = load(shape, LIMITS);
    let mut compared = 0;
    for seed in 0..60 {
        let tokens = tokens(seed, 4);
        let (expected, routing) = case.reference.logits_routed(&tokens, None);
        if routing.margin() > CLEAR {
            assert_exact(&case.alone(&tokens), &expected, &format!("sequence {seed}"));
            compared += 1;
        }
    }
    assert!(compared >= 8, "only {compared} sequences of 60 were clear");
}

#[test]
fn every_instruction_set_equals_the_plain_reference() {
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        for shape in [Shape::plain(DType::Q4_K), Shape::plain(DType::F16), some_shapes()[1], some_shapes()[3]] {
            let what = format!("{shape:?} with {}", level.name());
            let mut case = load(shape, Limits { level: Some(level), ..LIMITS });
            // With experts: the first sequence that is so short and clear that no choice turns.
            let clear = |seed: &u32| case.reference.logits_routed(&tokens(*seed, 4), None).1.margin() > CLEAR;
            let tokens =
                if shape.family.has_experts() { tokens((0..60).find(clear).unwrap(), 4) } else { tokens(11, 40) };
            let whole = case.alone(&tokens);
            assert_exact(&whole, &case.reference.logits(&tokens), &what);
            let pages = case.pages(1, tokens.len());
            assert_same(&case.run(&tokens, 0, &pages, 1), &whole, &what);
        }
    }
}

#[test]
fn rotations_and_heads_of_their_own_equal_the_plain_reference() {
    for shape in [
        Shape { tied: true, ..Shape::plain(DType::Q8_0) },
        Shape { tied: true, ..Shape::of(Family::Gemma3, DType::Q8_0) },
        Shape { factors: true, ..Shape::plain(DType::Q8_0) },
        Shape { linear: 2.5, ..Shape::plain(DType::Q8_0) },
        Shape { linear: 4.0, ..Shape::of(Family::Gemma3, DType::Q8_0) },
        Shape { factors: true, ..Shape::of(Family::Exaone, DType::Q8_0) },
        Shape { yarn: true, ..Shape::plain(DType::Q8_0) },
        Shape { yarn: true, factors: true, ..Shape::of(Family::Qwen3, DType::Q8_0) },
        Shape { gates: Some(DType::Q4_1), ..Shape::plain(DType::Q8_0) },
    ] {
        let mut case = load(shape, LIMITS);
        let tokens = tokens(4, 72);
        assert_exact(&case.alone(&tokens), &case.reference.logits(&tokens), &format!("{shape:?}"));
    }
}

#[test]
fn finer_activations_are_nearer_to_the_plain_reference() {
    for family in families(false) {
        for dtype in [DType::Q8_0, DType::Q4_1, DType::Q6_K, DType::F16] {
            let mut case = load(Shape::of(family, dtype), HIGH);
            let tokens = tokens(3, 72);
            let errors = errors(&case.alone(&tokens), &case.reference.logits(&tokens));
            let mean = (errors.iter().map(|error| error * error).sum::<f32>() / errors.len() as f32).sqrt();
            assert!(mean < FINE, "{family:?} {}: {mean}", dtype.name);
        }
    }
}

/// Without the 8 bits of the activations, so that those of the cache show.
#[test]
fn a_cache_of_8_bits_is_half_as_large_and_near_the_plain_reference() {
    for family in families(false) {
        let shape = Shape::of(family, DType::Q8_0);
        let mut case = load(shape, Limits { precision: Precision::High, ..EIGHT });
        let tokens = tokens(3, 200);
        let errors = errors(&case.alone(&tokens), &case.reference.logits(&tokens));
        let mean = (errors.iter().map(|error| error * error).sum::<f32>() / errors.len() as f32).sqrt();
        assert!(mean < EIGHT_BITS, "{family:?}: {mean}");
        let (eight, whole) = (case.limits.page_bytes, load(shape, LIMITS).limits.page_bytes);
        assert!(eight * 3 < whole * 2, "{family:?}: {eight} bytes a page beside {whole}");
    }
}

#[test]
fn a_sequence_in_pieces_equals_the_whole() {
    for (shape, limits) in some_cases() {
        let mut case = load(shape, limits);
        let tokens = tokens(3, 300);
        let whole = case.alone(&tokens);
        for size in [1, 7, 100] {
            let pages = case.pages(1, 300);
            let pieces = case.run(&tokens, 0, &pages, size);
            assert_same(&pieces, &whole, &format!("{shape:?} in pieces of {size}"));
        }
    }
}

#[test]
fn several_sequences_at_once_equal_each_alone() {
    for (shape, limits) in some_cases() {
        let mut case = load(shape, limits);
        let sequences: Vec<Vec<u32>> = [5, 61, 2, 33, 17].iter().zip(0..).map(|(&n, seed)| tokens(seed, n)).collect();
        let alone: Vec<_> = sequences.iter().map(|tokens| case.alone(tokens)).collect();
        // In two passes, in another order: in the second, one has its last token to go and another nearly all of its own.
        let order = [2, 0, 3, 1, 4];
        let cut = [4, 3, 1, 32, 16];
        let mut found: Vec<Vec<Vec<f32>>> = vec![Vec::new(); sequences.len()];
        for second in [false, true] {
            let mut batch = Batch::default();
            for i in order {
                let (before, rest) = sequences[i].split_at(cut[i]);
                let (piece, position) = if second { (rest, cut[i]) } else { (before, 0) };
                batch.push(piece, position as u32, &case.pages(i as u32 + 1, 64));
                batch.want_last_of(piece.len() as u32);
            }
            let mut rows = forward(case.backend.as_mut(), &batch).into_iter();
            for i in order {
                let count = if second { sequences[i].len() - cut[i] } else { cut[i] };
                found[i].extend(rows.by_ref().take(count));
            }
        }
        for (i, (found, alone)) in found.iter().zip(&alone).enumerate() {
            assert_same(found, alone, &format!("{shape:?}, sequence {i} among others"));
        }
    }
}

/// As answers go on: a token of each, of as many as one kernel takes and of more.
#[test]
fn a_token_of_each_of_many_sequences_equals_each_alone() {
    for shape in some_shapes() {
        let mut case = load(shape, Limits { cache_tokens: 21 * PLACE_TOKENS, ..LIMITS });
        for count in [3, 9, 20] {
            let sequences: Vec<Vec<u32>> = (0..count).map(|i| tokens(i, 2 + 9 * i as usize)).collect();
            let mut batch = Batch::default();
            let mut alone = Vec::new();
            for (place, tokens) in (1..).zip(&sequences) {
                alone.extend(case.alone(tokens).pop());
                let (last, before) = tokens.split_last().unwrap();
                let pages = case.pages(place, tokens.len());
                case.run(before, 0, &pages, 128);
                batch.push(&[*last], before.len() as u32, &pages);
                batch.want_last();
            }
            let found = forward(case.backend.as_mut(), &batch);
            assert_same(&found, &alone, &format!("{shape:?}, {count} sequences"));
        }
    }
}

/// Of a pass, the last layer computes what is asked for alone: which rows these are must change neither them nor the cache.
#[test]
fn what_is_asked_for_does_not_depend_on_what_else_is() {
    for family in families(false).chain(families(true)) {
        let shape = Shape::of(family, DType::Q8_0);
        let mut case = load(shape, LIMITS);
        let (long, short) = (tokens(3, 300), tokens(4, 40));
        let (whole, brief) = (case.alone(&long), case.alone(&short));
        let pages = [case.pages(1, 300), case.pages(2, 40)];
        let mut ask = |parts: &[(usize, std::ops::Range<usize>)], wanted: &[u32]| {
            let mut batch = Batch { wanted: wanted.to_vec(), ..Batch::default() };
            for (sequence, range) in parts {
                let tokens = [&long, &short][*sequence];
                batch.push(&tokens[range.clone()], range.start as u32, &pages[*sequence]);
            }
            forward(case.backend.as_mut(), &batch)
        };
        assert!(ask(&[(0, 0..120)], &[]).is_empty());
        // An inner one, the last of the one and an inner one of the other, whose beginning comes with it.
        let found = ask(&[(0, 120..200), (1, 0..37)], &[5, 79, 90]);
        assert_same(&found, &[whole[125].clone(), whole[199].clone(), brief[10].clone()], &format!("{shape:?}, a few"));
        let found = ask(&[(1, 37..40), (0, 200..290)], &[92]);
        assert_same(&found, &whole[289..290], &format!("{shape:?}, one"));
        // What the passes left in the cache.
        let found = ask(&[(0, 290..300)], &(0..10).collect::<Vec<_>>());
        assert_same(&found, &whole[290..], &format!("{shape:?}, after them"));
    }
}

#[test]
fn sequences_share_the_pages_of_a_common_beginning() {
    for shape in some_shapes() {
        let mut case = load(shape, LIMITS);
        let shared = 2 * case.limits.page_tokens as usize;
        let beginning = tokens(1, shared);
        let ends = [tokens(2, 20), tokens(8, 9)];
        let alone = ends.clone().map(|end| case.alone(&[beginning.clone(), end].concat()));
        let common = case.pages(1, shared);
        case.run(&beginning, 0, &common, 64);
        let before: Vec<_> = common.iter().map(|&page| case.page(page)).collect();
        // Both in the same passes, twice: once with several tokens of each, once with one.
        let mut found = [Vec::new(), Vec::new()];
        for part in [0..8, 8..9] {
            let mut batch = Batch::default();
            for (i, end) in ends.iter().enumerate() {
                let own = case.pages(2 + i as u32, 40);
                batch.push(&end[part.clone()], (shared + part.start) as u32, &[&common[..], &own].concat());
                batch.want_last_of(part.len() as u32);
            }
            for (i, rows) in forward(case.backend.as_mut(), &batch).chunks(part.len()).enumerate() {
                found[i].extend_from_slice(rows);
            }
        }
        for (found, alone) in found.iter().zip(&alone) {
            assert_same(found, &alone[shared..shared + 9], &format!("{shape:?}, after shared pages"));
        }
        assert!(common.iter().zip(before).all(|(&page, before)| case.page(page) == before), "{shape:?}: read only");
    }
}

#[test]
fn a_lower_position_forgets_what_came_after() {
    for shape in some_shapes() {
        let mut case = load(shape, LIMITS);
        let (kept, rest) = (tokens(1, 70), tokens(5, 30));
        let alone = case.alone(&[kept.clone(), rest.clone()].concat());
        let pages = case.pages(1, 200);
        case.run(&kept, 0, &pages, 100);
        case.run(&tokens(9, 100), 70, &pages, 100); // a draft that fails
        let found = case.run(&rest, 70, &pages, 100);
        assert_same(&found, &alone[70..], &format!("{shape:?} after a forgotten draft"));
    }
}

#[test]
fn pages_are_saved_and_restored() {
    for shape in some_shapes() {
        let (mut one, mut other) = (load(shape, LIMITS), load(shape, LIMITS));
        let (first, rest) = (tokens(1, 70), tokens(5, 20)); // the last page is not full
        let pages = one.pages(1, 90);
        one.run(&first, 0, &pages, 100);
        // In pages that held something else, in another order.
        let mut elsewhere = other.pages(0, 90);
        elsewhere.reverse();
        other.run(&tokens(7, 90), 0, &elsewhere, 100);
        for (&page, &to) in pages.iter().zip(&elsewhere) {
            let bytes = one.page(page);
            other.backend.write_page(to, &bytes).unwrap();
            assert!(other.page(to) == bytes, "{shape:?}: read as written");
        }
        let expected = one.run(&rest, 70, &pages, 100);
        assert_same(&other.run(&rest, 70, &elsewhere, 100), &expected, &format!("{shape:?} after restoring"));
        let bytes = one.page(0);
        for (page, bytes) in [(one.limits.pages, &bytes[..]), (0, &bytes[1..]), (0, &[])] {
            let refused = one.backend.write_page(page, bytes);
            assert!(matches!(refused, Err(BackendError::Refused(_))), "{refused:?}");
        }
        let refused = one.backend.read_page(one.limits.pages, &mut Vec::new());
        assert!(matches!(refused, Err(BackendError::Refused(_))), "{refused:?}");
    }
}

#[test]
fn the_likeliest_token_is_the_same_when_only_it_is_asked_for() {
    for shape in [Shape::plain(DType::Q8_0), Shape { tied: true, ..Shape::plain(DType::Q4_1) }, some_shapes()[1]] {
        let mut case = load(shape, LIMITS);
        let tokens = tokens(6, 100);
        let all = case.alone(&tokens);
        let mut batch = Batch { likeliest_only: true, ..Batch::default() };
        batch.push(&tokens, 0, &case.pages(1, 100));
        batch.want_last_of(100);
        for (found, all) in forward(case.backend.as_mut(), &batch).iter().zip(&all) {
            assert_eq!(likeliest(found), likeliest(all), "{shape:?}");
            let held = |(&found, &all): (&f32, &f32)| found == all || found == f32::NEG_INFINITY;
            assert!(found.iter().zip(all).all(held), "{shape:?}: a logit that is neither right nor left out");
        }
    }
}

#[test]
fn what_was_left_out_is_completed() {
    for shape in [Shape::plain(DType::Q8_0), Shape { tied: true, ..Shape::plain(DType::Q4_1) }, some_shapes()[3]] {
        let mut case = load(shape, LIMITS);
        let tokens = tokens(6, 40);
        let expected = case.alone(&tokens).pop().unwrap();
        let mut batch = Batch { likeliest_only: true, ..Batch::default() };
        batch.push(&tokens, 0, &case.pages(1, 40));
        batch.want_last();
        let mut logits = vec![f32::NAN; VOCABULARY];
        case.backend.forward(&batch, &mut logits).unwrap();
        let whole = Batch { likeliest_only: false, ..batch };
        case.backend.complete(&whole, &mut logits).unwrap();
        assert_same(std::slice::from_ref(&logits), std::slice::from_ref(&expected), &format!("{shape:?}"));
        // After something else ran, it runs again.
        case.run(&tokens[..7], 0, &case.pages(2, 40), 7);
        logits.fill(f32::NAN);
        case.backend.complete(&whole, &mut logits).unwrap();
        assert_same(&[logits], &[expected], &format!("{shape:?}, later"));
    }
}

/// What a step reads grows by a position's part of a page, and of a mixture it is less than all weights.
#[test]
fn a_step_reads_what_one_token_needs() {
    for family in Family::ALL {
        let case = load(Shape::of(family, DType::Q8_0), LIMITS);
        let (none, page) = (case.backend.step_bytes(0), case.limits.page_tokens as usize);
        assert_eq!(case.backend.step_bytes(page) - none, case.limits.page_bytes, "{family:?}");
        if family.has_experts() {
            assert!(none < case.backend.weight_bytes(), "{family:?}");
        } else {
            assert!(none <= case.backend.weight_bytes() && 2 * none > case.backend.weight_bytes(), "{family:?}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for (shape, limits) in some_cases() {
        let tokens = tokens(2, 90);
        let [one, two, three] = [1, 2, 3].map(|threads| load(shape, Limits { threads, ..limits }).alone(&tokens));
        assert_same(&two, &one, &format!("{shape:?}, 2 threads"));
        assert_same(&three, &one, &format!("{shape:?}, 3 threads"));
    }
}

#[test]
fn what_exceeds_the_limits_is_refused_and_nothing_ran() {
    let limits = Limits { context: 100, cache_tokens: 256, batch_tokens: 32, ..LIMITS };
    let mut case = load(Shape::plain(DType::Q8_0), limits);
    let given = case.limits.clone();
    assert_eq!((given.context, given.batch_tokens, given.vocabulary), (100, 32, VOCABULARY as u32));
    let room = given.pages * given.page_tokens;
    assert!((256..256 + given.page_tokens).contains(&room), "256 tokens in whole pages, not {room}");
    let pages = case.pages(0, 100);
    case.run(&tokens(1, 20), 0, &pages, 32);
    let before = case.page(pages[0]);
    let mut unaware = Batch::single(&[1], 20, &pages);
    unaware.push(&[2], 20, &pages);
    unaware.want_last();
    for batch in [
        Batch::default(),
        Batch::single(&[1; 33], 0, &pages),
        Batch::single(&[1; 2], 99, &pages),
        Batch::single(&[1], 0, &[]),
        Batch::single(&[1], 0, &[given.pages]),
        Batch::single(&[VOCABULARY as u32], 0, &pages),
        Batch { wanted: vec![1], ..Batch::single(&[1], 0, &pages) },
        unaware,
    ] {
        let mut logits = vec![0.5; batch.wanted.len() * VOCABULARY];
        let refused = case.backend.forward(&batch, &mut logits);
        assert!(matches!(refused, Err(BackendError::Refused(_))), "{batch:?}: {refused:?}");
        assert!(logits.iter().all(|&n| n == 0.5), "{batch:?} was refused and filled");
    }
    let mut short = vec![0.0; VOCABULARY - 1];
    let refused = case.backend.forward(&Batch::single(&[1], 20, &pages), &mut short);
    assert!(matches!(refused, Err(BackendError::Refused(_))), "{refused:?}");
    assert!(case.page(pages[0]) == before, "a refused batch wrote");
    // Nothing wanted is no error: a prompt's earlier pieces have nothing to tell.
    let mut silent = Batch::default();
    silent.push(&tokens(2, 3), 20, &pages);
    case.backend.forward(&silent, &mut []).unwrap();
}

/// The oracle itself: a run repeated with its own choice of experts is the same run, and another choice is another.
#[test]
fn a_choice_of_experts_can_be_replayed() {
    let case = with_file(Shape::of(Family::DeepSeek2, DType::F16), Reference::load);
    let (tokens, others) = (tokens(1, 12), tokens(2, 12));
    let (logits, routing) = case.logits_routed(&tokens, None);
    let (again, same) = case.logits_routed(&tokens, Some(&routing));
    assert!(logits == again && routing.agrees(&same));
    let (_, foreign) = case.logits_routed(&others, None);
    let (turned, taken) = case.logits_routed(&tokens, Some(&foreign));
    assert!(turned != logits && taken.agrees(&foreign) && !taken.agrees(&routing));
    assert!(Routing::default().margin() == 1.0 && (0.0..0.5).contains(&routing.margin()));
}
