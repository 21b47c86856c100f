//! Every kernel on every instruction set that is here, against plain sums.

use super::*;
use crate::cpu::activation::{Activations, Kept};
use crate::cpu::memory::Buffer;
use crate::cpu::ops;
use crate::gguf::DType;
use crate::quant::{dequantize, quantize};

const FORMATS: [(DType, Format); 12] = [
    (DType::Q4_0, Format::Q4_0),
    (DType::Q4_1, Format::Q4_1),
    (DType::Q5_0, Format::Q5_0),
    (DType::Q5_1, Format::Q5_1),
    (DType::Q8_0, Format::Q8_0),
    (DType::Q8_0, Format::Q8Planes),
    (DType::Q4_K, Format::Q4K),
    (DType::Q5_K, Format::Q5K),
    (DType::Q6_K, Format::Q6K),
    (DType::F16, Format::F16),
    (DType::BF16, Format::BF16),
    (DType::F32, Format::F32),
];

/// Numbers from -1 to 1, the same for the same seed.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

struct Case {
    format: Format,
    rows: usize,
    columns: usize,
    tiles: Vec<u8>,
    low: Vec<u8>,
    /// `[row][column]`.
    weights: Vec<f32>,
}

fn case(dtype: DType, format: Format, rows: usize, columns: usize) -> Case {
    let mut file = Vec::new();
    for row in numbers(rows as u32 + columns as u32, rows * columns).chunks(columns) {
        match dtype {
            DType::F32 => row.iter().for_each(|x| file.extend(x.to_le_bytes())),
            dtype => quantize(dtype, row, None, &mut file).unwrap(),
        }
    }
    let mut weights = vec![0.0; rows * columns];
    dequantize(dtype, &file, &mut weights).unwrap();
    let count = rows.div_ceil(TILE_ROWS);
    let (tile_bytes, low_bytes) = (format.tile_bytes(columns), columns / BLOCK * LOW_PLANE_BYTES);
    let (mut tiles, mut low) = (vec![0; count * tile_bytes], vec![0; count * low_bytes]);
    let file_rows: Vec<&[u8]> = file.chunks(format.file_row_bytes(columns)).collect();
    for (i, rows) in file_rows.chunks(TILE_ROWS).enumerate() {
        let low = &mut low[i * low_bytes..][..low_bytes];
        format.pack(rows, &mut tiles[i * tile_bytes..][..tile_bytes], low);
    }
    for row in [0, rows - 1] {
        let mut found = vec![0.0; columns];
        let (tile, within) = (row / TILE_ROWS, row % TILE_ROWS);
        let low = &low[tile * low_bytes..][..low_bytes];
        format.unpack_row(&tiles[tile * tile_bytes..][..tile_bytes], low, within, &mut found);
        for (a, b) in found.iter().zip(&weights[row * columns..]) {
            assert!((a - b).abs() <= 1e-6 * b.abs(), "{format:?}: {a} for {b}");
        }
    }
    Case { format, rows, columns, tiles, low, weights }
}

/// The products with `tokens` tokens of `x` in so many rows of codes, and the activations as the kernels see them.
fn run(level: Level, case: &Case, x: &[f32], tokens: usize, codes: usize, add: bool) -> (Vec<f32>, Vec<f32>) {
    let (columns, width) = (case.columns, case.rows.next_multiple_of(TILE_ROWS));
    let activations =
        Activations::new(tokens, columns.next_multiple_of(BLOCK), Kept { rows: codes, floats: true }).unwrap();
    let mut out = Buffer::<f32>::new(TOKENS * width).unwrap();
    out.slice().fill(1.0);
    let mut seen = vec![0.0; tokens * columns];
    // SAFETY: the buffers have room for `tokens` tokens padded to a tile, and the job says their sizes.
    unsafe {
        let view = activations.view(0);
        for (token, x) in x.chunks(columns).take(tokens).enumerate() {
            let place = view.place(tokens, token);
            ops::quantize(level, x.as_ptr(), columns, place);
            for (i, seen) in seen[token * columns..].iter_mut().take(columns).enumerate() {
                let number = |row: usize| {
                    let code = *place.codes.add(i / BLOCK * BLOCK * place.width + row * BLOCK + i % BLOCK);
                    f32::from(code) * *place.meta.add(i / BLOCK * META * place.width + row)
                };
                *seen = if case.format.is_float() { x[i] } else { (0..codes).map(number).sum() };
            }
        }
        let place = view.place(tokens, 0);
        let job = Job {
            weights: case.tiles.as_ptr(),
            low: case.low.as_ptr(),
            tile_bytes: case.format.tile_bytes(columns),
            tiles: case.rows.div_ceil(TILE_ROWS),
            units: columns / case.format.unit_columns(),
            codes: place.codes,
            meta: place.meta,
            floats: place.floats,
            floats_stride: columns,
            width: place.width,
            pairs: codes == 2 && !case.format.is_float(),
            out: out.slice().as_mut_ptr(),
            out_stride: width,
            add,
            cold: true,
        };
        let rows = if case.format.is_float() { 1 } else { codes };
        kernels(level, case.format).of(view.together(tokens) * rows)(&job);
    }
    (out.slice().chunks(width).take(tokens).flat_map(|row| row[..case.rows].to_vec()).collect(), seen)
}

/// The kernel's own rounding: sums of f32 in another order than the reference's f64.
const KERNEL_ERROR: f64 = 2e-6;
/// Rounding activations to 8 bits with a scale for each 32, and what that rounds off: root mean square, as a part of the
/// result's.
const ACTIVATION_ERROR: [f64; 2] = [1e-2, 5e-5];

#[test]
fn every_kernel_is_the_plain_product_of_what_it_sees() {
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        for (dtype, format) in FORMATS {
            let unit = format.unit_columns().max(BLOCK);
            for (rows, columns) in [(16, unit), (40, 3 * unit), (7, 2 * unit)] {
                let case = case(dtype, format, rows, columns);
                for codes in [1, 2] {
                    check(level, &case, codes);
                }
            }
        }
    }
}

/// Every number of tokens, each in so many rows of codes.
fn check(level: Level, case: &Case, codes: usize) {
    let Case { format, rows, columns, .. } = *case;
    let x = numbers(9, TOKENS * columns);
    let mut one_by_one = Vec::new();
    for x in x.chunks(columns) {
        one_by_one.extend(run(level, case, x, 1, codes, false).0);
    }
    for tokens in 1..=TOKENS / codes {
        let add = tokens % 2 == 0;
        let (found, seen) = run(level, case, &x, tokens, codes, add);
        let (mut error, mut size) = (0.0, 0.0);
        for (i, &found) in found.iter().enumerate() {
            let (token, row) = (i / rows, i % rows);
            let weights = &case.weights[row * columns..][..columns];
            let terms =
                |x: &[f32]| -> Vec<f64> { weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).collect() };
            let found = f64::from(found) - if add { 1.0 } else { 0.0 };
            let terms_seen = terms(&seen[token * columns..][..columns]);
            let magnitude = 1.0 + terms_seen.iter().map(|term| term.abs()).sum::<f64>();
            let off = (found - terms_seen.iter().sum::<f64>()).abs() / magnitude;
            let what = format!("{level:?} {format:?} {rows}x{columns}, {tokens} tokens of {codes} rows, row {row}");
            assert!(off < KERNEL_ERROR, "{what}: off by {off:e}");
            let exact: f64 = terms(&x[token * columns..][..columns]).iter().sum();
            (error, size) = (error + (found - exact).powi(2), size + exact.powi(2));
        }
        let relative = (error / size).sqrt();
        assert!(relative < ACTIVATION_ERROR[codes - 1], "{level:?} {format:?}, {codes} rows: {relative}");
        if !add {
            let same = found.iter().zip(&one_by_one).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{level:?} {format:?}: {tokens} tokens at once differ from one by one");
        }
    }
}

#[test]
fn the_extremes_of_codes_do_not_overflow() {
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        for format in [Format::Q4_1, Format::Q5_1, Format::Q8_0, Format::Q6K] {
            let columns = format.unit_columns();
            // The highest code everywhere; f16 one for the scales.
            let mut tiles = vec![0xff; format.tile_bytes(columns)];
            match format {
                Format::Q6K => {
                    (0..16).for_each(|row| tiles[2 * row..2 * row + 2].copy_from_slice(&[0x00, 0x3c]));
                    (0..8).for_each(|block| tiles[64 + block * 416 + 384..][..32].fill(1));
                }
                _ => {
                    let at = tiles.len() - if format == Format::Q8_0 { 32 } else { 64 };
                    tiles[at..].chunks_mut(2).for_each(|half| half.copy_from_slice(&[0x00, 0x3c]));
                }
            }
            let highest = match format {
                Format::Q4_1 => 16.0, // code 15 and minimum 1
                Format::Q5_1 => 32.0,
                Format::Q8_0 => 127.0,
                _ => 31.0,
            };
            let weights = vec![highest; 16 * columns];
            let case = Case { format, rows: 16, columns, tiles, low: Vec::new(), weights };
            for sign in [1.0_f32, -1.0] {
                let (found, _) = run(level, &case, &vec![sign; columns], 1, 1, false);
                let expected = sign * highest * columns as f32;
                for found in found {
                    assert!((found - expected).abs() < 1e-3 * expected.abs(), "{level:?} {format:?}: {found}");
                }
            }
        }
    }
}

#[test]
fn bounds_hold_the_logits() {
    for level in Level::ALL.into_iter().filter(|level| level.available()) {
        let case = case(DType::Q8_0, Format::Q8Planes, 160, 256);
        let x = numbers(3, case.columns);
        let (exact, seen) = run(level, &case, &x, 1, 1, false);
        let activations = Activations::new(1, case.columns, Kept { rows: 1, floats: false }).unwrap();
        let mut upper = vec![0.0; case.rows];
        // SAFETY: one token of as many columns, ten tiles, and a place for each row.
        unsafe {
            let place = activations.view(0).place(1, 0);
            ops::quantize(level, x.as_ptr(), case.columns, place);
            let job = Job {
                weights: case.tiles.as_ptr(),
                low: case.low.as_ptr(),
                tile_bytes: case.format.tile_bytes(case.columns),
                tiles: 10,
                units: 8,
                codes: place.codes,
                meta: place.meta,
                floats: std::ptr::null(),
                floats_stride: 0,
                width: 1,
                pairs: false,
                out: upper.as_mut_ptr(),
                out_stride: case.rows,
                add: false,
                cold: true,
            };
            let squares: Vec<f32> = seen.chunks(BLOCK).map(|block| block.iter().map(|x| x * x).sum()).collect();
            let mut best = (f32::NEG_INFINITY, usize::MAX);
            bounds(level, &job, squares.as_ptr(), &mut best);
            let (row, _) = upper.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            assert_eq!(best, (upper[row], row / TILE_ROWS), "{level:?}");
        }
        let highest = exact.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(exact.iter().zip(&upper).all(|(exact, upper)| exact <= upper), "{level:?}");
        // And they are worth something: most rows are ruled out.
        let left = upper.iter().filter(|&&upper| upper >= highest).count();
        assert!(left < 80, "{level:?}: {left} of 160 rows are left");
    }
}
