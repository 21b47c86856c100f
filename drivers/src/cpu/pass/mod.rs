//! One pass over a batch: every thread runs the whole of it, takes its part of each step, and waits at the steps' ends.
//!
//! Few tokens (a decoding step) are bound by the memory that weights stream from: each thread takes an even, contiguous part
//! of the rows, and what is small is done by everybody rather than waited for. Many tokens (a prompt) are bound by
//! arithmetic: threads take pieces as they are free.
#![allow(
    unsafe_code,
    reason = "threads share buffers; each step writes places of its own, and barriers order the steps"
)]

mod attend;
mod feed;
mod head;
mod latent;
mod plan;
mod scratch;

use std::ops::Range;

use super::activation::{Activations, View};
use super::cache::Cache;
use super::config::Config;
use super::isa::{Level, TILE_ROWS};
use super::memory::Buffer;
use super::model::Model;
use super::ops;
use super::product::{Job, TOKENS};
use super::team::Member;
use super::weights::Matrix;
use crate::Batch;

use plan::Plan;
pub(super) use scratch::Scratch;

/// Tiles that more than [`TOKENS`] tokens pass one after another: their weights stay in the first cache.
const TILES_AT_ONCE: usize = 2;
/// Up to so many tokens the weights' way from memory takes longest, and even parts of the rows are in memory's order.
const FEW: usize = 32;
/// Tokens that a thread takes at once in steps that go token by token.
const TOKENS_AT_ONCE: usize = 8;
/// Tokens of a prompt that all tiles are multiplied with before the next: their activations and results stay in the second
/// cache, and threads, which take two tiles at a time, end a step together.
const TOKENS_OF_A_PIECE: usize = 128;

/// One sequence of the batch.
struct Part<'a> {
    /// Its first token in the batch.
    first: usize,
    count: usize,
    /// Tokens before.
    position: usize,
    pages: &'a [u32],
}

/// The tokens that a pass computes.
struct Work<'a> {
    parts: Vec<Part<'a>>,
    /// For each token its part and its position.
    tokens: Vec<(usize, usize)>,
    /// For layers that see everything, and for those of a window.
    plans: [Plan; 2],
    /// Tokens after which logits are asked for.
    wanted: Vec<u32>,
}

impl<'a> Work<'a> {
    /// The work, and how many queries' parts need room.
    fn new(config: &Config, parts: Vec<Part<'a>>, wanted: Vec<u32>) -> (Self, usize) {
        let positions = |(index, part): (usize, &Part<'_>)| {
            let position = part.position;
            (0..part.count).map(move |token| (index, position + token))
        };
        let tokens = parts.iter().enumerate().flat_map(positions).collect();
        let (mut plans, mut queries) = ([Plan::default(), Plan::default()], 0);
        let windows = [None, config.window.map(|window| window.positions)];
        for (plan, window) in plans.iter_mut().zip(windows).take(if windows[1].is_some() { 2 } else { 1 }) {
            queries = queries.max(plan.fill(config, &parts, window));
        }
        (Self { parts, tokens, plans, wanted }, queries)
    }

    /// The wanted tokens alone, each a part of its own, if they are few among many.
    fn rest(&self, config: &Config) -> Option<(Self, usize)> {
        let part = |(first, &wanted): (usize, &u32)| {
            let (part, position) = self.tokens[wanted as usize];
            Part { first, count: 1, position, pages: self.parts[part].pages }
        };
        let parts: Vec<Part<'a>> = self.wanted.iter().enumerate().map(part).collect();
        let wanted = (0..self.wanted.len() as u32).collect();
        // Of many wanted tokens each by itself would take longer than all together.
        (4 * parts.len() < self.tokens.len()).then(|| Self::new(config, parts, wanted))
    }
}

/// A batch on its way through the network.
pub(super) struct Pass<'a> {
    model: &'a Model,
    level: Level,
    cache: &'a Cache,
    scratch: &'a Scratch,
    batch: &'a Batch,
    work: Work<'a>,
    /// What is left of the pass once the last layer's keys and values are in the cache: the wanted tokens, if they are few.
    rest: Option<Box<Self>>,
    logits: Floats,
    /// Experts to take instead of choosing: `[mixture][token][used]`.
    imposed: Option<&'a [u32]>,
}

/// A place that threads share.
#[derive(Clone, Copy)]
struct Floats(*mut f32);
// SAFETY: what is written there is ordered by the steps of the pass.
unsafe impl Send for Floats {}
// SAFETY: as above.
unsafe impl Sync for Floats {}
impl Floats {
    fn pointer(self) -> *mut f32 {
        self.0
    }
}

// SAFETY: the buffers and views hold pointers into memory that outlives the pass; its steps order what is written there.
unsafe impl Sync for Pass<'_> {}

/// A matrix, what it multiplies, and where the results go.
#[derive(Clone, Copy)]
struct Product<'a> {
    matrix: &'a Matrix,
    input: View,
    /// Block of the input where this matrix's columns begin.
    block: usize,
    out: *mut f32,
}

impl<'a> Pass<'a> {
    /// A pass over `batch`, which was checked; `logits` has room for what it wants.
    pub(super) fn new(
        model: &'a Model,
        level: Level,
        cache: &'a Cache,
        scratch: &'a mut Scratch,
        batch: &'a Batch,
        logits: &mut [f32],
    ) -> Result<Self, std::io::Error> {
        let mut parts = Vec::with_capacity(batch.sequences.len());
        let mut first = 0;
        for sequence in &batch.sequences {
            let (count, position) = (sequence.count as usize, sequence.position as usize);
            parts.push(Part { first, count, position, pages: &sequence.pages });
            first += count;
        }
        let (work, queries) = Work::new(&model.config, parts, batch.wanted.clone());
        let (rest, rest_queries) = work.rest(&model.config).unzip();
        let queries = queries.max(rest_queries.unwrap_or(0));
        let value = cache.shape.value;
        if scratch.part_stats.len() < 2 * queries {
            let room = 2 * queries; // grows by doubling, as a conversation does
            scratch.part_sums = Buffer::new(room * value)?;
            scratch.part_stats = Buffer::new(room * 2)?;
        }
        let (scratch, logits): (&Scratch, _) = (scratch, Floats(logits.as_mut_ptr()));
        let pass = |work, rest| Self { model, level, cache, scratch, batch, work, rest, logits, imposed: None };
        Ok(pass(work, rest.map(|work| Box::new(pass(work, None)))))
    }

    /// Takes these experts instead of choosing: for every token of the batch, so no layer is left to the wanted ones alone.
    pub(super) fn impose(&mut self, experts: &'a [u32]) {
        self.imposed = Some(experts);
        self.rest = None;
    }

    fn count(&self) -> usize {
        self.work.tokens.len()
    }

    fn few(&self) -> bool {
        self.count() * self.scratch.rows <= FEW
    }

    /// What one member does of the pass.
    pub(super) fn run(&self, member: &Member<'_>) {
        self.embed(member);
        let Some((last, layers)) = self.model.layers.split_last() else { return };
        for (index, layer) in layers.iter().enumerate() {
            self.attend(member, index, layer);
            self.feed(member, index, layer);
        }
        let Some(rest) = &self.rest else {
            self.attend(member, layers.len(), last);
            self.feed(member, layers.len(), last);
            self.head(member);
            return;
        };
        self.attend_for_cache(member, layers.len(), last);
        if rest.count() > 0 {
            self.gather(member);
            rest.attend_from_cache(member, layers.len(), last);
            rest.feed(member, layers.len(), last);
            rest.head(member);
        }
    }

    /// The wanted tokens' part of the residual stream, side by side from its beginning on.
    fn gather(&self, member: &Member<'_>) {
        let Scratch { x, side, .. } = self.scratch;
        let width = self.model.config.width;
        let copy = |from: *const f32, to: *mut f32, rows: Range<usize>, source: &dyn Fn(usize) -> usize| {
            for row in rows {
                // SAFETY: both have room for every token of the pass, and this member alone has this row.
                unsafe { std::ptr::copy_nonoverlapping(from.add(source(row) * width), to.add(row * width), width) }
            }
        };
        let wanted = |row: usize| self.work.wanted[row] as usize;
        member.evenly(self.work.wanted.len(), |rows| copy(x.pointer(), side.pointer(), rows, &wanted));
        member.evenly(self.work.wanted.len(), |rows| copy(side.pointer(), x.pointer(), rows, &|row| row));
    }

    /// What one member does of the head alone, after a pass over the same batch.
    pub(super) fn run_head(&self, member: &Member<'_>) {
        self.rest.as_deref().unwrap_or(self).head(member);
    }

    /// Does things `0..count`, then a barrier: each member its even, contiguous part where there are few tokens; `chunk` at a
    /// time by whoever is free where there are many.
    fn divide(&self, member: &Member<'_>, count: usize, chunk: usize, some: impl FnMut(Range<usize>)) {
        if self.few() {
            member.evenly(count, some);
        } else {
            member.freely(count, chunk, some);
        }
    }

    /// Does things `0..count`, such as tiles, with every token of the pass, then a barrier: as [`Pass::divide`], but where there
    /// are many tokens a piece is `chunk` things with some of them.
    fn pieces(
        &self,
        member: &Member<'_>,
        count: usize,
        chunk: usize,
        mut some: impl FnMut(Range<usize>, Range<usize>),
    ) {
        let tokens = self.count();
        if self.few() {
            member.evenly(count, |things| some(things, 0..tokens));
            return;
        }
        let chunks = count.div_ceil(chunk);
        member.freely(chunks * tokens.div_ceil(TOKENS_OF_A_PIECE), 1, |pieces| {
            for piece in pieces {
                let (first, token) = (piece % chunks * chunk, piece / chunks * TOKENS_OF_A_PIECE);
                some(first..count.min(first + chunk), token..tokens.min(token + TOKENS_OF_A_PIECE));
            }
        });
    }

    /// `f` for each token of the pass; then a barrier.
    fn each_token(&self, member: &Member<'_>, f: impl Fn(usize)) {
        self.divide(member, self.count(), TOKENS_AT_ONCE, |tokens| tokens.for_each(&f));
    }

    /// `f` for `units` units, such as heads, of each token of the pass; then a barrier.
    fn each_unit(&self, member: &Member<'_>, units: usize, f: impl Fn(usize, usize)) {
        self.divide(member, self.count() * units, TOKENS_AT_ONCE * units, |some| {
            some.for_each(|i| f(i / units, i % units));
        });
    }

    fn embed(&self, member: &Member<'_>) {
        let (width, scale) = (self.model.config.width, self.model.config.embedding_scale);
        self.each_token(member, |token| {
            // SAFETY: x has room for every token of the pass, and this member alone has this one.
            let row = unsafe { std::slice::from_raw_parts_mut(self.scratch.x.pointer().add(token * width), width) };
            self.model.embedding.row(self.batch.tokens[token] as usize, row);
            if scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= scale);
            }
        });
    }

    /// Turns `from` (`[token][columns]`) into activations, normed by `norm` if there is one: into `shared` by all, or, for a
    /// single token, by everybody into their own.
    fn codes(
        &self,
        member: &Member<'_>,
        from: *const f32,
        columns: usize,
        norm: Option<&[f32]>,
        shared: &Activations,
        own: &Activations,
    ) -> View {
        let count = self.count();
        let one = |view: View, token: usize| {
            // SAFETY: `from` and the view have room for every token of the pass; one member has this token.
            unsafe {
                let (x, place) = (from.add(token * columns), view.place(count, token));
                match norm {
                    Some(norm) => {
                        ops::norm_quantize(self.level, x, norm.as_ptr(), columns, self.model.config.epsilon, place);
                    }
                    None => ops::quantize(self.level, x, columns, place),
                }
            }
        };
        // SAFETY: token 0 exists.
        let (shared, own) = unsafe { (shared.view(0), own.view(0)) };
        if count == 1 {
            one(own, 0);
            return own;
        }
        self.divide(member, count, TOKENS_AT_ONCE, |tokens| {
            let whole = shared.rows == 1 && tokens.len() == TOKENS && tokens.start.is_multiple_of(TOKENS);
            match norm {
                Some(norm) if whole => {
                    // SAFETY: as above, for all tokens of a tile.
                    unsafe {
                        let (x, place) = (from.add(tokens.start * columns), shared.place(count, tokens.start));
                        let epsilon = self.model.config.epsilon;
                        ops::norm_quantize_tile(self.level, x, norm.as_ptr(), columns, epsilon, place);
                    }
                }
                _ => tokens.for_each(|token| one(shared, token)),
            }
        });
        shared
    }

    fn normed(&self, member: &Member<'_>, norm: Option<&[f32]>) -> View {
        let Scratch { x, normed, own_normed, .. } = self.scratch;
        let width = self.model.config.width;
        self.codes(member, x.pointer(), width, norm, normed, &own_normed[member.index])
    }

    /// Tiles `tiles` of a product for tokens `tokens` of the `count` tokens of its input; the first begins a tile of tokens.
    fn tiles(
        &self,
        product: &Product<'_>,
        tiles: Range<usize>,
        tokens: Range<usize>,
        count: usize,
        out_stride: usize,
        add: bool,
    ) {
        let Product { matrix, input, block, out } = *product;
        let kernel = matrix.kernel(input, count);
        let at_once = if count * input.rows > TOKENS { TILES_AT_ONCE } else { tiles.len() };
        for first in tiles.clone().step_by(at_once.max(1)) {
            let tiles = first..tiles.end.min(first + at_once);
            for token in tokens.clone().step_by(input.together(count)) {
                // SAFETY: the input has `count` tokens padded to whole tiles, and so has what `out` points to.
                unsafe {
                    let out = out.add(token * out_stride + first * TILE_ROWS);
                    kernel(&self.job(matrix, tiles.clone(), input, block, count, token, out, out_stride, add));
                }
            }
        }
    }

    /// # Safety
    /// The input has token `token` of `count`.
    #[expect(clippy::too_many_arguments, reason = "a job has as many parts")]
    unsafe fn job(
        &self,
        matrix: &Matrix,
        tiles: Range<usize>,
        input: View,
        block: usize,
        count: usize,
        token: usize,
        out: *mut f32,
        out_stride: usize,
        add: bool,
    ) -> Job {
        // SAFETY: as the caller vouches.
        let place = unsafe { input.place(count, token).at_block(block) };
        Job {
            weights: matrix.tile(tiles.start),
            low: matrix.low(tiles.start),
            tile_bytes: matrix.tile_bytes,
            tiles: tiles.len(),
            units: matrix.units(),
            codes: place.codes,
            meta: place.meta,
            floats: place.floats,
            floats_stride: input.columns,
            width: place.width,
            pairs: place.rows == 2 && !matrix.format.is_float(),
            out,
            out_stride,
            add,
            // The first tokens of a piece fetch them, the others find them in a cache.
            cold: token.is_multiple_of(TOKENS_OF_A_PIECE),
        }
    }

    /// Several products over the tokens of the pass; then a barrier.
    fn products(&self, member: &Member<'_>, products: &[Product<'_>], out_stride: usize, add: bool) {
        let total = products.iter().map(|product| product.matrix.tiles()).sum();
        let some = |wanted: Range<usize>, tokens: Range<usize>| {
            let mut begin = 0;
            for product in products {
                let tiles = product.matrix.tiles();
                let (from, to) = (wanted.start.max(begin), wanted.end.min(begin + tiles));
                if from < to {
                    self.tiles(product, from - begin..to - begin, tokens.clone(), self.count(), out_stride, add);
                }
                begin += tiles;
            }
        };
        self.pieces(member, total, TILES_AT_ONCE, some);
    }

    /// Adds `matrix` times `input` to the residual stream, through `after` if there is such a norm.
    fn add_product(&self, member: &Member<'_>, matrix: &Matrix, input: View, after: Option<&[f32]>) {
        let Scratch { x, side, .. } = self.scratch;
        let width = self.model.config.width;
        let out = if after.is_some() { side.pointer() } else { x.pointer() };
        self.products(member, &[Product { matrix, input, block: 0, out }], width, after.is_none());
        if let Some(norm) = after {
            self.each_token(member, |token| {
                // SAFETY: both have room for every token of the pass, and this member alone has this one.
                unsafe {
                    let (from, to) = (side.pointer().add(token * width), x.pointer().add(token * width));
                    ops::norm_add(self.level, from, norm.as_ptr(), width, self.model.config.epsilon, to);
                }
            });
        }
    }
}
