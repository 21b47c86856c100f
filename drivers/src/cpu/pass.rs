//! One pass over a batch: every thread runs the whole of it, takes its part of each step, and waits at the steps' ends.
//!
//! Few tokens (a decoding step) are bound by the memory that weights stream from: each thread takes an even, contiguous part
//! of the rows, and what is small is done by everybody rather than waited for. Many tokens (a prompt) are bound by
//! arithmetic: threads take pieces as they are free.
#![allow(
    unsafe_code,
    reason = "threads share buffers; each step writes places of its own, and barriers order the steps"
)]

use super::activation::{Activations, View};
use super::attention::{self, PAGE, QUERIES, SPAN, Span};
use super::cache::Cache;
use super::config::{Attention, Config, Experts, Scores};
use super::format::{BLOCK, Format};
use super::isa::{Level, TILE_ROWS};
use super::memory::Buffer;
use super::model::{AttentionWeights, Feed, Gated, Layer, Model};
use super::ops;
use super::product::{self, Job, Kernel, META, TOKENS, padded};
use super::team::Member;
use super::weights::Matrix;
use crate::Batch;

/// Tiles that a thread takes at once when there are many tokens: their weights stay in its first cache.
const TILES_AT_ONCE: usize = 2;
/// Tokens that a thread takes at once in steps that go token by token.
const TOKENS_AT_ONCE: usize = 8;
/// Queries in one block of a prompt: what the widest kernel keeps in registers.
const BLOCK_QUERIES: usize = 12;

/// The buffers of a pass.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The residual stream, `[token][width]`.
    x: Buffer<f32>,
    /// What is normed before it is added, `[token][width]`.
    side: Buffer<f32>,
    /// Queries, keys and values, `[token][rows]`.
    inputs: Buffer<f32>,
    /// Queries of the latent, `[token][heads * latent]`.
    absorbed: Buffer<f32>,
    /// What attention gives, `[token][heads * value]`, of latents where there are such.
    mixed: Buffer<f32>,
    /// Values out of the latents.
    values: Buffer<f32>,
    normed: Activations,
    ranked: Activations,
    plain: Activations,
    mixed_codes: Activations,
    value_codes: Activations,
    hidden: Activations,
    /// For each member, what it computes for itself in a pass of one token.
    own_normed: Vec<Activations>,
    own_mixed: Vec<Activations>,
    own_values: Vec<Activations>,
    /// For each member, attention's and the mixture's scratch.
    own: Vec<Own>,
    mixture: Option<MixtureScratch>,
    /// Attention's parts.
    part_sums: Buffer<f32>,
    part_stats: Buffer<f32>,
    /// For each member the highest lower bound of its logits, each on a line of its own.
    bars: Buffer<f32>,
}

/// Numbers from one member's bar to the next.
const BAR_STRIDE: usize = 32;

#[derive(Debug)]
struct Own {
    queries: Buffer<u32>,
    scores: Buffer<f32>,
    sums: Buffer<f32>,
    stats: Buffer<f32>,
    total_sums: Buffer<f32>,
    total_stats: Buffer<f32>,
    /// `[TOKENS][width or 64]`.
    rows: Buffer<f32>,
}

#[derive(Debug)]
struct MixtureScratch {
    /// `[token][experts]`.
    scores: Buffer<f32>,
    /// `[token][used]`, ascending.
    chosen: Buffer<u32>,
    weights: Buffer<f32>,
    gathered: Activations,
    hidden: Activations,
    shared: Activations,
}

impl Scratch {
    /// Buffers for passes of up to `tokens` tokens by `members` threads; f32 activations beside if `floats`.
    pub(super) fn new(config: &Config, tokens: usize, members: usize, floats: bool) -> Result<Self, std::io::Error> {
        let room = tokens.next_multiple_of(TOKENS);
        let Sizes { inputs, rank, plain, absorbed, mixed, values, key, value } = Sizes::of(config);
        let width = config.width;
        let many =
            |columns: usize| (0..members).map(|_| Activations::new(1, columns, floats)).collect::<Result<_, _>>();
        let own = |_| {
            Ok(Own {
                queries: Buffer::new(QUERIES * key / 2)?,
                scores: Buffer::new(QUERIES * SPAN)?,
                sums: Buffer::new(QUERIES * value)?,
                stats: Buffer::new(QUERIES * 2)?,
                total_sums: Buffer::new(QUERIES * value)?,
                total_stats: Buffer::new(QUERIES * 2)?,
                rows: Buffer::new(TOKENS * (width.next_multiple_of(TILE_ROWS)).max(64))?,
            })
        };
        let mixture = |experts: Experts| {
            let gathered = room * experts.used + TOKENS * experts.count;
            Ok::<_, std::io::Error>(MixtureScratch {
                scores: Buffer::new(room * experts.count.next_multiple_of(TILE_ROWS))?,
                chosen: Buffer::new(room * experts.used)?,
                weights: Buffer::new(room * experts.used)?,
                gathered: Activations::new(gathered, width, floats)?,
                hidden: Activations::new(gathered, experts.feed_forward, floats)?,
                shared: Activations::new(room, experts.shared.max(BLOCK), floats)?,
            })
        };
        Ok(Self {
            x: Buffer::new(room * width)?,
            side: Buffer::new(room * width)?,
            inputs: Buffer::new(room * inputs)?,
            absorbed: Buffer::new(room * absorbed)?,
            mixed: Buffer::new(room * mixed)?,
            values: Buffer::new(room * values)?,
            normed: Activations::new(room, width, floats)?,
            ranked: Activations::new(room, rank.max(BLOCK), floats)?,
            plain: Activations::new(room, plain.max(BLOCK), floats)?,
            mixed_codes: Activations::new(room, mixed, floats)?,
            value_codes: Activations::new(room, values.max(BLOCK), floats)?,
            hidden: Activations::new(room, config.feed_forward.max(BLOCK), floats)?,
            own_normed: many(width)?,
            own_mixed: many(mixed)?,
            own_values: many(values.max(BLOCK))?,
            own: (0..members).map(own).collect::<Result<_, std::io::Error>>()?,
            mixture: config.experts.map(mixture).transpose()?,
            part_sums: Buffer::new(0)?,
            part_stats: Buffer::new(0)?,
            bars: Buffer::new(members * BAR_STRIDE)?,
        })
    }
}

/// Numbers of a token in each buffer.
struct Sizes {
    inputs: usize,
    rank: usize,
    plain: usize,
    absorbed: usize,
    mixed: usize,
    values: usize,
    key: usize,
    value: usize,
}

impl Sizes {
    fn of(config: &Config) -> Self {
        let padded = |n: usize| n.next_multiple_of(TILE_ROWS);
        match config.attention {
            Attention::Grouped { heads, kv_heads, key, value, .. } => Self {
                inputs: padded(heads * key) + padded(kv_heads * key) + padded(kv_heads * value),
                rank: 0,
                plain: 0,
                absorbed: 0,
                mixed: heads * value,
                values: 0,
                key,
                value,
            },
            Attention::Latent { heads, latent, plain, value, query_rank, .. } => Self {
                inputs: padded(heads * (plain + config.rotated))
                    + padded(latent + config.rotated)
                    + query_rank.unwrap_or(0),
                rank: query_rank.unwrap_or(0),
                plain: heads * plain,
                absorbed: heads * latent,
                mixed: heads * latent,
                values: heads * value,
                key: latent + config.rotated,
                value: latent,
            },
        }
    }
}

/// One sequence of the batch.
struct Part<'a> {
    /// Its first token in the batch.
    first: usize,
    count: usize,
    /// Tokens before.
    position: usize,
    pages: &'a [u32],
}

/// A piece of attention's work.
#[derive(Debug, Clone, Copy)]
struct Piece {
    part: usize,
    kv_head: usize,
    /// Query heads.
    head: usize,
    heads: usize,
    /// Tokens of the sequence.
    token: usize,
    tokens: usize,
    /// One span, whose parts go to these queries of `part_sums`; or all spans, joined at once.
    span: Option<(usize, usize)>,
}

/// What attention has to do in layers of one kind.
#[derive(Default)]
struct Plan {
    pieces: Vec<Piece>,
    /// For the tokens of sequences that were cut by spans: where the parts of query 0 lie, by span.
    joins: Vec<Join>,
}

struct Join {
    /// Token of the batch.
    token: usize,
    head: usize,
    /// Query of each span's parts.
    queries: Vec<usize>,
}

/// A batch on its way through the network.
pub(super) struct Pass<'a> {
    model: &'a Model,
    level: Level,
    cache: &'a Cache,
    scratch: &'a Scratch,
    batch: &'a Batch,
    parts: Vec<Part<'a>>,
    /// For each token of the batch its part and its position.
    tokens: Vec<(usize, usize)>,
    /// For layers that see everything, and for those of a window.
    plans: [Plan; 2],
    logits: Floats,
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
        let mut tokens = Vec::with_capacity(batch.tokens.len());
        for sequence in &batch.sequences {
            let (first, count, position) = (tokens.len(), sequence.count as usize, sequence.position as usize);
            tokens.extend((0..count).map(|token| (parts.len(), position + token)));
            parts.push(Part { first, count, position, pages: &sequence.pages });
        }
        let (mut plans, mut queries) = ([Plan::default(), Plan::default()], 0);
        let windows = [None, model.config.window.map(|window| window.positions)];
        for (plan, window) in plans.iter_mut().zip(windows).take(if windows[1].is_some() { 2 } else { 1 }) {
            queries = queries.max(plan.fill(&model.config, &parts, window));
        }
        let value = cache.shape.value;
        if scratch.part_stats.len() < 2 * queries {
            let room = 2 * queries; // grows by doubling, as a conversation does
            scratch.part_sums = Buffer::new(room * value)?;
            scratch.part_stats = Buffer::new(room * 2)?;
        }
        let logits = Floats(logits.as_mut_ptr());
        Ok(Self { model, level, cache, scratch, batch, parts, tokens, plans, logits })
    }

    fn count(&self) -> usize {
        self.tokens.len()
    }

    fn few(&self) -> bool {
        self.count() <= TOKENS
    }

    /// What one member does of the pass.
    pub(super) fn run(&self, member: &Member<'_>) {
        self.embed(member);
        for (index, layer) in self.model.layers.iter().enumerate() {
            self.attend(member, index, layer);
            self.feed(member, layer);
        }
        self.head(member);
    }

    /// `f` for each token of the pass, by whoever is free; then a barrier.
    fn each_token(&self, member: &Member<'_>, f: impl Fn(usize)) {
        if self.few() {
            member.evenly(self.count(), f);
        } else {
            member.freely(self.count(), TOKENS_AT_ONCE, |tokens| tokens.for_each(&f));
        }
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
        self.each_token(member, |token| one(shared, token));
        shared
    }

    fn normed(&self, member: &Member<'_>, norm: Option<&[f32]>) -> View {
        let Scratch { x, normed, own_normed, .. } = self.scratch;
        let width = self.model.config.width;
        self.codes(member, x.pointer(), width, norm, normed, &own_normed[member.index])
    }

    /// Tiles `tiles` of a product for all `count` tokens of its input.
    fn tiles(&self, product: &Product<'_>, tiles: std::ops::Range<usize>, count: usize, out_stride: usize, add: bool) {
        let Product { matrix, input, block, out } = *product;
        let kernel = matrix.kernels.of(count);
        let mut token = 0;
        while token < count {
            // SAFETY: the input has `count` tokens padded to whole tiles, and so has what `out` points to.
            unsafe {
                let out = out.add(token * out_stride + tiles.start * TILE_ROWS);
                kernel(&self.job(matrix, tiles.clone(), input, block, count, token, out, out_stride, add));
            }
            token += padded(count);
        }
    }

    /// # Safety
    /// The input has token `token` of `count`.
    #[expect(clippy::too_many_arguments, reason = "a job has as many parts")]
    unsafe fn job(
        &self,
        matrix: &Matrix,
        tiles: std::ops::Range<usize>,
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
            out,
            out_stride,
            add,
        }
    }

    /// Several products over the tokens of the pass; then a barrier.
    fn products(&self, member: &Member<'_>, products: &[Product<'_>], out_stride: usize, add: bool) {
        let total = products.iter().map(|product| product.matrix.tiles()).sum();
        let some = |wanted: std::ops::Range<usize>| {
            let mut begin = 0;
            for product in products {
                let tiles = product.matrix.tiles();
                let (from, to) = (wanted.start.max(begin), wanted.end.min(begin + tiles));
                if from < to {
                    self.tiles(product, from - begin..to - begin, self.count(), out_stride, add);
                }
                begin += tiles;
            }
        };
        if self.few() {
            some(member.share(total));
            member.barrier();
        } else {
            member.freely(total, TILES_AT_ONCE, some);
        }
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

    // ---- attention

    fn attend(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        let input = self.normed(member, layer.attention_norm.as_deref());
        let sizes = Sizes::of(&self.model.config);
        let Scratch { inputs, mixed, mixed_codes, own_mixed, .. } = self.scratch;
        let to = |at: usize| inputs.pointer().wrapping_add(at);
        match &layer.attention {
            AttentionWeights::Grouped { inputs: [query, key, value], output, .. } => {
                let (keys, values) = (query.tiles() * TILE_ROWS, (query.tiles() + key.tiles()) * TILE_ROWS);
                let product = |matrix, at| Product { matrix, input, block: 0, out: to(at) };
                let products = [product(query, 0), product(key, keys), product(value, values)];
                self.products(member, &products, sizes.inputs, false);
                self.place_grouped(member, index, layer, keys, values);
                self.mix(member, index);
                let own = &own_mixed[member.index];
                let mixed = self.codes(member, mixed.pointer(), sizes.mixed, None, mixed_codes, own);
                self.add_product(member, output, mixed, layer.attention_after.as_deref());
            }
            AttentionWeights::Latent { .. } => self.attend_latent(member, index, layer, input),
        }
    }

    /// Biases, norms and rotations of queries and keys; keys and values go into the cache.
    fn place_grouped(&self, member: &Member<'_>, index: usize, layer: &Layer, keys: usize, values: usize) {
        let AttentionWeights::Grouped { bias, query_norm, key_norm, .. } = &layer.attention else { return };
        let Attention::Grouped { heads, kv_heads, key, value, .. } = self.model.config.attention else { return };
        let stride = Sizes::of(&self.model.config).inputs;
        let rotates = self.model.config.rotates(index);
        let units = heads + 2 * kv_heads;
        let bias_at = |at: usize, x: *mut f32, count: usize| {
            if let Some(bias) = bias {
                // SAFETY: x has `count` numbers of this member's.
                let x = unsafe { std::slice::from_raw_parts_mut(x, count) };
                x.iter_mut().zip(bias.iter().skip(at)).for_each(|(x, b)| *x += b);
            }
        };
        let unit = |token: usize, unit: usize| {
            // SAFETY: the buffers have room for every token of the pass; this member alone has this head of this token,
            // and this position of its page.
            unsafe {
                let row = self.scratch.inputs.pointer().add(token * stride);
                let (part, position) = self.tokens[token];
                let page = self.parts[part].pages[position / PAGE] as usize;
                if unit < heads {
                    let x = row.add(unit * key);
                    bias_at(unit * key, x, key);
                    self.turn(x, key, query_norm.as_deref(), rotates, index, position);
                } else if unit < heads + kv_heads {
                    let head = unit - heads;
                    let x = row.add(keys + head * key);
                    bias_at((heads + head) * key, x, key);
                    self.turn(x, key, key_norm.as_deref(), rotates, index, position);
                    attention::store_key(self.level, x, key, self.cache.keys(page, index, head), position % PAGE);
                } else {
                    let head = unit - heads - kv_heads;
                    let x = row.add(values + head * value);
                    bias_at((heads + kv_heads) * key + head * value, x, value);
                    attention::store_value(self.level, x, value, self.cache.values(page, index, head), position % PAGE);
                }
            }
        };
        if self.few() {
            member.evenly(self.count() * units, |i| unit(i / units, i % units));
        } else {
            member.freely(self.count(), TOKENS_AT_ONCE, |tokens| {
                tokens.for_each(|token| (0..units).for_each(|u| unit(token, u)));
            });
        }
    }

    /// Norms a head and rotates its first numbers.
    ///
    /// # Safety
    /// `x` has `count` numbers of this member's.
    unsafe fn turn(
        &self,
        x: *mut f32,
        count: usize,
        norm: Option<&[f32]>,
        rotates: bool,
        layer: usize,
        position: usize,
    ) {
        // SAFETY: the caller's contract; the angles were made for every position of the context.
        unsafe {
            if let Some(norm) = norm {
                ops::norm(self.level, x, norm.as_ptr(), count, self.model.config.epsilon);
            }
            if rotates {
                self.rotate(x, layer, position);
            }
        }
    }

    /// # Safety
    /// `x` has as many numbers as are rotated, of this member's.
    unsafe fn rotate(&self, x: *mut f32, layer: usize, position: usize) {
        let angles = &self.model.angles[usize::from(self.model.config.window_of(layer).is_some())];
        let at = position * angles.half;
        let (cos, sin) = (&angles.cos[at..at + angles.half], &angles.sin[at..at + angles.half]);
        // SAFETY: the caller's contract.
        unsafe { ops::rotate(self.level, x, angles.half, cos.as_ptr(), sin.as_ptr()) }
    }

    fn attend_latent(&self, member: &Member<'_>, index: usize, layer: &Layer, input: View) {
        let AttentionWeights::Latent { query_down, query, latent, absorbed, values, output, .. } = &layer.attention
        else {
            return;
        };
        let Attention::Latent { heads, latent: rank, plain, value, .. } = self.model.config.attention else { return };
        let sizes = Sizes::of(&self.model.config);
        let scratch = self.scratch;
        let to = |at: usize| scratch.inputs.pointer().wrapping_add(at);
        let product = |matrix, input, at| Product { matrix, input, block: 0, out: to(at) };
        let keys = query.tiles() * TILE_ROWS;
        match query_down {
            None => {
                self.products(member, &[product(query, input, 0), product(latent, input, keys)], sizes.inputs, false);
            }
            Some((down, norm)) => {
                let ranked = keys + latent.tiles() * TILE_ROWS;
                self.products(
                    member,
                    &[product(down, input, ranked), product(latent, input, keys)],
                    sizes.inputs,
                    false,
                );
                // SAFETY: token 0 exists.
                let view = unsafe { scratch.ranked.view(0) };
                self.each_token(member, |token| {
                    // SAFETY: the buffers have room for every token of the pass; this member alone has this one.
                    unsafe {
                        let (x, place) = (to(ranked).add(token * sizes.inputs), view.place(self.count(), token));
                        ops::norm_quantize(self.level, x, norm.as_ptr(), sizes.rank, self.model.config.epsilon, place);
                    }
                });
                self.products(member, &[product(query, view, 0)], sizes.inputs, false);
            }
        }
        self.place_latent(member, index, layer, keys);
        // SAFETY: token 0 exists.
        let plain_view = unsafe { scratch.plain.view(0) };
        let up = |(head, matrix)| Product {
            matrix,
            input: plain_view,
            block: head * plain / BLOCK,
            out: scratch.absorbed.pointer().wrapping_add(head * rank),
        };
        let products: Vec<Product<'_>> = absorbed.iter().enumerate().map(up).collect();
        self.products(member, &products, heads * rank, false);
        self.mix(member, index);
        let own = &scratch.own_mixed[member.index];
        let mixed = scratch.mixed.pointer();
        let mixed = self.codes(member, mixed, sizes.mixed, None, &scratch.mixed_codes, own);
        let out = |(head, matrix)| Product {
            matrix,
            input: mixed,
            block: head * rank / BLOCK,
            out: scratch.values.pointer().wrapping_add(head * value),
        };
        let products: Vec<Product<'_>> = values.iter().enumerate().map(out).collect();
        self.products(member, &products, heads * value, false);
        let own = &scratch.own_values[member.index];
        let from = scratch.values.pointer();
        let codes = self.codes(member, from, sizes.values, None, &scratch.value_codes, own);
        self.add_product(member, output, codes, layer.attention_after.as_deref());
    }

    /// Rotations; the plain parts of queries become activations, latents go into the cache.
    fn place_latent(&self, member: &Member<'_>, index: usize, layer: &Layer, keys: usize) {
        let AttentionWeights::Latent { latent_norm, .. } = &layer.attention else { return };
        let Attention::Latent { heads, latent, plain, .. } = self.model.config.attention else { return };
        let stride = Sizes::of(&self.model.config).inputs;
        let head_rows = plain + self.model.config.rotated;
        // SAFETY: token 0 exists.
        let view = unsafe { self.scratch.plain.view(0) };
        let unit = |token: usize, unit: usize| {
            // SAFETY: as in `place_grouped`.
            unsafe {
                let row = self.scratch.inputs.pointer().add(token * stride);
                let (part, position) = self.tokens[token];
                let page = self.parts[part].pages[position / PAGE] as usize;
                if unit < heads {
                    let x = row.add(unit * head_rows);
                    let place = view.place(self.count(), token).at_block(unit * plain / BLOCK);
                    ops::quantize(self.level, x, plain, place);
                    self.rotate(x.add(plain), index, position);
                } else {
                    let x = row.add(keys);
                    ops::norm(self.level, x, latent_norm.as_ptr(), latent, self.model.config.epsilon);
                    self.rotate(x.add(latent), index, position);
                    let (keys, values) = (self.cache.keys(page, index, 0), self.cache.values(page, index, 0));
                    attention::store_key(self.level, x, latent + self.model.config.rotated, keys, position % PAGE);
                    attention::store_value(self.level, x, latent, values, position % PAGE);
                }
            }
        };
        let units = heads + 1;
        if self.few() {
            member.evenly(self.count() * units, |i| unit(i / units, i % units));
        } else {
            member.freely(self.count(), TOKENS_AT_ONCE, |tokens| {
                tokens.for_each(|token| (0..units).for_each(|u| unit(token, u)));
            });
        }
    }

    /// Attention itself: from queries and cache to `mixed`.
    fn mix(&self, member: &Member<'_>, layer: usize) {
        let window = self.model.config.window_of(layer);
        let plan = &self.plans[usize::from(window.is_some())];
        member.freely(plan.pieces.len(), 1, |pieces| {
            plan.pieces[pieces].iter().for_each(|piece| self.mix_piece(member, layer, window, piece));
        });
        if plan.joins.is_empty() {
            return;
        }
        let (value, stride) = (self.cache.shape.value, Sizes::of(&self.model.config).mixed);
        member.evenly(plan.joins.len(), |i| {
            let join = &plan.joins[i];
            // SAFETY: the parts were computed before the barrier; this member alone has this head of this token.
            unsafe {
                let out = self.scratch.mixed.pointer().add(join.token * stride + join.head * value);
                let mut stats = [f32::NEG_INFINITY, 0.0];
                std::ptr::write_bytes(out, 0, value);
                for &query in &join.queries {
                    let sums = self.scratch.part_sums.pointer().add(query * value);
                    let more = self.scratch.part_stats.pointer().add(query * 2);
                    attention::join(self.level, out, stats.as_mut_ptr(), sums, more, value);
                }
                attention::finish(self.level, out, stats[1], value);
            }
        });
    }

    fn mix_piece(&self, member: &Member<'_>, layer: usize, window: Option<usize>, piece: &Piece) {
        let shape = self.cache.shape;
        let own = &self.scratch.own[member.index];
        let part = &self.parts[piece.part];
        let count = piece.tokens * piece.heads;
        let first_position = part.position + piece.token;
        self.pack_queries(own, part, piece, count);
        let begin = |position: usize| window.map_or(0, |window| (position + 1).saturating_sub(window));
        let spans = match piece.span {
            Some((span, _)) => span..span + 1,
            None => begin(first_position) / SPAN..(first_position + piece.tokens - 1) / SPAN + 1,
        };
        let stats = own.total_stats.pointer();
        // SAFETY: the member's own buffers have room for QUERIES queries; the cache has every page of the sequence.
        unsafe {
            if piece.span.is_none() {
                std::ptr::write_bytes(own.total_sums.pointer(), 0, count * shape.value);
                (0..count).for_each(|query| {
                    stats.add(2 * query).write(f32::NEG_INFINITY);
                    stats.add(2 * query + 1).write(0.0);
                });
            }
            for span in spans {
                let start = span * SPAN;
                let positions = (first_position + piece.tokens).min(start + SPAN) - start;
                let pages = &part.pages[start / PAGE..][..positions.div_ceil(PAGE)];
                let mut keys = [std::ptr::null(); SPAN / PAGE];
                let mut values = [std::ptr::null(); SPAN / PAGE];
                for (i, &page) in pages.iter().enumerate() {
                    keys[i] = self.cache.keys(page as usize, layer, piece.kv_head).cast_const();
                    values[i] = self.cache.values(page as usize, layer, piece.kv_head).cast_const();
                }
                let mut seen = [(0, 0); QUERIES];
                for (query, seen) in seen.iter_mut().enumerate().take(count) {
                    let position = first_position + query / piece.heads;
                    let to = (position + 1).saturating_sub(start).min(SPAN);
                    *seen = (begin(position).saturating_sub(start).min(to), to);
                }
                let (sums, part_stats) = match piece.span {
                    Some((_, query)) => (
                        self.scratch.part_sums.pointer().add(query * shape.value),
                        self.scratch.part_stats.pointer().add(query * 2),
                    ),
                    None => (own.sums.pointer(), own.stats.pointer()),
                };
                let span = Span {
                    keys: &keys,
                    values: &values,
                    positions,
                    queries: own.queries.pointer(),
                    count,
                    seen: &seen,
                    key_dimension: shape.key,
                    value_dimension: shape.value,
                    scores: own.scores.pointer(),
                    sums,
                    stats: part_stats,
                };
                attention::part(self.level, &span);
                if piece.span.is_none() {
                    for query in 0..count {
                        let total = own.total_sums.pointer().add(query * shape.value);
                        let (sums, more) = (sums.add(query * shape.value), part_stats.add(2 * query));
                        attention::join(self.level, total, stats.add(2 * query), sums, more, shape.value);
                    }
                }
            }
            if piece.span.is_none() {
                let stride = Sizes::of(&self.model.config).mixed;
                for query in 0..count {
                    let (token, head) = (piece.token + query / piece.heads, piece.head + query % piece.heads);
                    let total = own.total_sums.pointer().add(query * shape.value);
                    attention::finish(self.level, total, *stats.add(2 * query + 1), shape.value);
                    let out = self.scratch.mixed.pointer().add((part.first + token) * stride + head * shape.value);
                    std::ptr::copy_nonoverlapping(total, out, shape.value);
                }
            }
        }
    }

    fn pack_queries(&self, own: &Own, part: &Part<'_>, piece: &Piece, count: usize) {
        let stride = Sizes::of(&self.model.config).inputs;
        let (level, to) = (self.level, own.queries.pointer());
        for query in 0..count {
            let (token, head) = (part.first + piece.token + query / piece.heads, piece.head + query % piece.heads);
            // SAFETY: the buffers have room for every token and head of the pass, and `to` for QUERIES queries.
            unsafe {
                let row = self.scratch.inputs.pointer().add(token * stride);
                match self.model.config.attention {
                    Attention::Grouped { key, scale, .. } => {
                        attention::pack_query(level, row.add(head * key), key, scale, to.add(query), count);
                    }
                    Attention::Latent { heads, latent, plain, scale, .. } => {
                        let rotated = self.model.config.rotated;
                        let absorbed = self.scratch.absorbed.pointer().add((token * heads + head) * latent);
                        attention::pack_query(level, absorbed, latent, scale, to.add(query), count);
                        let turned = row.add(head * (plain + rotated) + plain);
                        let to = to.add(latent / 2 * count + query);
                        attention::pack_query(level, turned, rotated, scale, to, count);
                    }
                }
            }
        }
    }

    // ---- feed-forward

    fn feed(&self, member: &Member<'_>, layer: &Layer) {
        let input = self.normed(member, layer.feed_norm.as_deref());
        match &layer.feed {
            Feed::Dense(gated) => {
                // SAFETY: token 0 exists.
                let hidden = unsafe { self.scratch.hidden.view(0) };
                let some = |blocks: std::ops::Range<usize>| {
                    blocks.for_each(|block| self.hidden_block(member, gated, input, hidden, self.count(), block));
                };
                let blocks = gated.hidden() / BLOCK;
                if self.few() {
                    some(member.share(blocks));
                    member.barrier();
                } else {
                    member.freely(blocks, 1, some);
                }
                self.add_product(member, &gated.down, hidden, layer.feed_after.as_deref());
            }
            Feed::Mixture { router, bias, experts, shared } => {
                self.feed_mixture(member, input, router, bias.as_deref(), experts, shared.as_ref());
            }
        }
    }

    /// 32 numbers of the hidden layer for `count` tokens of `input`.
    fn hidden_block(&self, member: &Member<'_>, gated: &Gated, input: View, hidden: View, count: usize, block: usize) {
        let rows = self.scratch.own[member.index].rows.pointer();
        let matrix = &gated.gate_up;
        let kernel = matrix.kernels.of(count);
        let mut token = 0;
        while token < count {
            let width = padded(count);
            // SAFETY: `rows` has 64 numbers for TOKENS tokens; input and hidden have every token, padded to whole tiles.
            unsafe {
                kernel(&self.job(matrix, 4 * block..4 * block + 4, input, 0, count, token, rows, 64, false));
                for within in 0..width.min(count - token) {
                    let place = hidden.place(count, token + within).at_block(block);
                    ops::gate_quantize(self.level, rows.add(64 * within), self.model.config.gate, place);
                }
            }
            token += width;
        }
    }

    fn feed_mixture(
        &self,
        member: &Member<'_>,
        input: View,
        router: &Matrix,
        bias: Option<&[f32]>,
        experts: &[Gated],
        shared: Option<&Gated>,
    ) {
        let (Some(scratch), Some(rules)) = (&self.scratch.mixture, self.model.config.experts) else { return };
        let stride = router.tiles() * TILE_ROWS;
        let out = scratch.scores.pointer();
        self.products(member, &[Product { matrix: router, input, block: 0, out }], stride, false);
        self.each_token(member, |token| {
            // SAFETY: the buffers have room for every token of the pass; this member alone has this one.
            unsafe {
                let scores = std::slice::from_raw_parts_mut(scratch.scores.pointer().add(token * stride), rules.count);
                let chosen =
                    std::slice::from_raw_parts_mut(scratch.chosen.pointer().add(token * rules.used), rules.used);
                let weights =
                    std::slice::from_raw_parts_mut(scratch.weights.pointer().add(token * rules.used), rules.used);
                choose(&rules, scores, bias, chosen, weights);
            }
        });
        let groups = self.groups(scratch, &rules);
        let one = self.count() == 1;
        if !one {
            // Each expert's tokens side by side.
            let entries: Vec<(usize, &Group)> =
                groups.iter().flat_map(|group| (0..group.tokens.len()).map(move |i| (i, group))).collect();
            member.freely(entries.len(), TOKENS_AT_ONCE, |some| {
                for &(i, group) in &entries[some] {
                    // SAFETY: there is room for every entry, and this member alone has this one.
                    unsafe {
                        let from = input.place(self.count(), group.tokens[i].0);
                        let to = scratch.gathered.view(group.base).place(group.tokens.len(), i);
                        ops::copy_place(from, to, self.model.config.width / BLOCK, !from.floats.is_null());
                    }
                }
            });
        }
        // SAFETY: every group's base is below the room.
        let view = |activations: &Activations, group: &Group| unsafe { activations.view(group.base) };
        // SAFETY: token 0 exists.
        let shared_hidden = unsafe { scratch.shared.view(0) };
        let shared_blocks = shared.map_or(0, |gated| gated.hidden() / BLOCK);
        let blocks = rules.feed_forward / BLOCK;
        let some = |items: std::ops::Range<usize>| {
            for item in items {
                match (item.checked_sub(shared_blocks), shared) {
                    (None, Some(gated)) => {
                        self.hidden_block(member, gated, input, shared_hidden, self.count(), item);
                    }
                    (Some(item), _) => {
                        let group = &groups[item / blocks];
                        let from = if one { input } else { view(&scratch.gathered, group) };
                        let gated = &experts[group.expert];
                        let hidden = view(&scratch.hidden, group);
                        self.hidden_block(member, gated, from, hidden, group.tokens.len(), item % blocks);
                    }
                    (None, None) => {}
                }
            }
        };
        let items = shared_blocks + groups.len() * blocks;
        let few = self.few();
        if few {
            some(member.share(items));
            member.barrier();
        } else {
            member.freely(items, 1, some);
        }
        let width = self.model.config.width;
        let rows = self.scratch.own[member.index].rows.pointer();
        let down = |tiles: std::ops::Range<usize>| {
            let columns = tiles.len() * TILE_ROWS;
            if let Some(gated) = shared {
                let out = self.scratch.x.pointer();
                let product = Product { matrix: &gated.down, input: shared_hidden, block: 0, out };
                self.tiles(&product, tiles.clone(), self.count(), width, true);
            }
            // Always in the order of the experts: a token's sum is the same whatever shares the pass.
            for group in &groups {
                let count = group.tokens.len();
                let matrix = &experts[group.expert].down;
                let hidden = view(&scratch.hidden, group);
                let mut token = 0;
                while token < count {
                    // SAFETY: `rows` has `width` numbers for TOKENS tokens; this member alone has these columns of x.
                    unsafe {
                        let job = self.job(matrix, tiles.clone(), hidden, 0, count, token, rows, columns, false);
                        matrix.kernels.of(count)(&job);
                        for (within, &(to, weight)) in group.tokens[token..].iter().take(padded(count)).enumerate() {
                            let x = self.scratch.x.pointer().add(to * width + tiles.start * TILE_ROWS);
                            let x = std::slice::from_raw_parts_mut(x, columns);
                            let sums = std::slice::from_raw_parts(rows.add(within * columns), columns);
                            x.iter_mut().zip(sums).for_each(|(x, sum)| *x += weight * sum);
                        }
                    }
                    token += padded(count);
                }
            }
        };
        let tiles = width / TILE_ROWS;
        if few {
            down(member.share(tiles));
            member.barrier();
        } else {
            member.freely(tiles, 1, down);
        }
    }

    /// The tokens of each expert that has any, in the experts' order.
    fn groups(&self, scratch: &MixtureScratch, rules: &Experts) -> Vec<Group> {
        let entries = self.count() * rules.used;
        // SAFETY: they were chosen before the last barrier.
        let (chosen, weights) = unsafe {
            (
                std::slice::from_raw_parts(scratch.chosen.pointer(), entries),
                std::slice::from_raw_parts(scratch.weights.pointer(), entries),
            )
        };
        let mut by_expert: Vec<Vec<(usize, f32)>> = vec![Vec::new(); rules.count];
        for (entry, (&expert, &weight)) in chosen.iter().zip(weights).enumerate() {
            by_expert[expert as usize].push((entry / rules.used, weight));
        }
        let mut base = 0;
        let used = by_expert.into_iter().enumerate().filter(|(_, tokens)| !tokens.is_empty());
        used.map(|(expert, tokens)| {
            let group = Group { expert, base, tokens };
            base += group.tokens.len().next_multiple_of(TOKENS);
            group
        })
        .collect()
    }

    // ---- head

    fn head(&self, member: &Member<'_>) {
        let wanted = &self.batch.wanted;
        if wanted.is_empty() {
            return;
        }
        let (width, epsilon) = (self.model.config.width, self.model.config.epsilon);
        let one = wanted.len() == 1;
        let normed = if one { &self.scratch.own_normed[member.index] } else { &self.scratch.normed };
        // SAFETY: token 0 exists.
        let view = unsafe { normed.view(0) };
        let norm = |row: usize| {
            // SAFETY: there are no more rows than tokens; one member has this row, or its own view.
            unsafe {
                let x = self.scratch.x.pointer().add(wanted[row] as usize * width);
                let place = view.place(wanted.len(), row);
                ops::norm_quantize(self.level, x, self.model.norm.as_ptr(), width, epsilon, place);
            }
        };
        if one {
            norm(0)
        } else {
            member.evenly(wanted.len(), norm)
        }
        let head = &self.model.head;
        if one && self.batch.likeliest_only && head.format == Format::Q8Planes && head.rows.is_multiple_of(TILE_ROWS) {
            self.likeliest(member, head, view);
            return;
        }
        let some = |tiles: std::ops::Range<usize>| self.head_tiles(member, head, view, tiles);
        if wanted.len() <= TOKENS {
            some(member.share(head.tiles()));
        } else {
            member.freely(head.tiles(), TILES_AT_ONCE, some);
        }
    }

    /// Logits of the tokens that can be the likeliest, minus infinity for the others: most are ruled out by half of their
    /// bits, and the other half of the head is never read.
    fn likeliest(&self, member: &Member<'_>, head: &Matrix, view: View) {
        let mine = member.share(head.tiles());
        let logits = self.logits.pointer();
        // SAFETY: the view has one token; the logits have a place for each row, and this member alone has these.
        unsafe {
            let out = logits.add(mine.start * TILE_ROWS);
            let job = self.job(head, mine.clone(), view, 0, 1, 0, out, head.rows, false);
            let squares: Vec<f32> = (0..head.units())
                .map(|block| {
                    let codes = std::slice::from_raw_parts(job.codes.add(block * BLOCK), BLOCK);
                    let sum: i32 = codes.iter().map(|&code| i32::from(code) * i32::from(code)).sum();
                    let scale = *job.meta.add(block * META);
                    scale * scale * sum as f32
                })
                .collect();
            let mut lowest = f32::NEG_INFINITY;
            product::bounds(self.level, &job, squares.as_ptr(), &mut lowest);
            self.scratch.bars.pointer().add(member.index * BAR_STRIDE).write(lowest);
            member.barrier();
            let bars = (0..member.size).map(|i| *self.scratch.bars.pointer().add(i * BAR_STRIDE));
            let bar = bars.fold(f32::NEG_INFINITY, f32::max);
            for tile in mine {
                let rows = std::slice::from_raw_parts_mut(logits.add(tile * TILE_ROWS), TILE_ROWS);
                if rows.iter().any(|&upper| upper >= bar || upper.is_nan()) {
                    let out = rows.as_mut_ptr();
                    head.kernels.of(1)(&self.job(head, tile..tile + 1, view, 0, 1, 0, out, head.rows, false));
                } else {
                    rows.fill(f32::NEG_INFINITY);
                }
            }
        }
    }

    /// Rows of logits go straight to the caller's slice, which has no padding: neither tokens nor rows beyond the last.
    fn head_tiles(&self, member: &Member<'_>, head: &Matrix, view: View, tiles: std::ops::Range<usize>) {
        let (wanted, vocabulary) = (self.batch.wanted.len(), head.rows);
        let whole = tiles.start..tiles.end.min(vocabulary / TILE_ROWS);
        let rows = self.scratch.own[member.index].rows.pointer();
        let mut row = 0;
        while row < wanted {
            let tile_end = wanted.min((row / padded(wanted) + 1) * padded(wanted));
            let (kernel, count): (Kernel, usize) = match tile_end - row {
                TOKENS.. => (head.kernels.of(TOKENS), TOKENS),
                4.. => (head.kernels.of(4), 4),
                2.. => (head.kernels.of(2), 2),
                _ => (head.kernels.of(1), 1),
            };
            // SAFETY: the view has `wanted` tokens; the logits have `wanted` rows, of which this member has these columns.
            unsafe {
                let out = self.logits.pointer().add(row * vocabulary + tiles.start * TILE_ROWS);
                if !whole.is_empty() {
                    kernel(&self.job(head, whole.clone(), view, 0, wanted, row, out, vocabulary, false));
                }
                if whole.end < tiles.end {
                    let last = whole.end.max(tiles.start);
                    kernel(&self.job(head, last..last + 1, view, 0, wanted, row, rows, TILE_ROWS, false));
                    for i in 0..count {
                        let to = self.logits.pointer().add((row + i) * vocabulary + last * TILE_ROWS);
                        std::ptr::copy_nonoverlapping(rows.add(i * TILE_ROWS), to, vocabulary % TILE_ROWS);
                    }
                }
            }
            row += count;
        }
    }
}

/// The tokens that use one expert.
struct Group {
    expert: usize,
    /// Where they lie in the gathered activations: a multiple of [`TOKENS`].
    base: usize,
    /// Token of the batch, and the expert's weight.
    tokens: Vec<(usize, f32)>,
}

/// Chooses the experts of one token, ascending, and their weights. `scores` come from the router; `bias` moves the choice
/// alone (DeepSeek-V3, arXiv 2412.19437, section 2.1.2).
fn choose(rules: &Experts, scores: &mut [f32], bias: Option<&[f32]>, chosen: &mut [u32], weights: &mut [f32]) {
    match rules.scores {
        Scores::Sigmoid => scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-*score).exp())),
        Scores::Softmax => {
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
            let sum: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|score| *score /= sum);
        }
    }
    let ranked = |expert: u32| scores[expert as usize] + bias.map_or(0.0, |bias| bias[expert as usize]);
    let mut order: Vec<u32> = (0..rules.count as u32).collect();
    order.sort_unstable_by(|&a, &b| ranked(b).total_cmp(&ranked(a)).then(a.cmp(&b)));
    order.truncate(rules.used);
    order.sort_unstable();
    chosen.copy_from_slice(&order);
    for (weight, &expert) in weights.iter_mut().zip(chosen.iter()) {
        *weight = scores[expert as usize];
    }
    if rules.normalized {
        // llama.cpp's lower bound, the smallest normal f16: scores may all be zero.
        let sum = weights.iter().sum::<f32>().max(6.103_515_6e-5);
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights.iter_mut().for_each(|weight| *weight *= rules.scale);
}

impl Plan {
    /// Cuts attention's work into pieces; returns how many queries' parts need room.
    fn fill(&mut self, config: &Config, parts: &[Part<'_>], window: Option<usize>) -> usize {
        let (heads, kv_heads) = match config.attention {
            Attention::Grouped { heads, kv_heads, .. } => (heads, kv_heads),
            Attention::Latent { heads, .. } => (heads, 1),
        };
        let group = heads / kv_heads;
        let at_once = group.min(QUERIES);
        let mut queries = 0;
        for (index, part) in parts.iter().enumerate() {
            let by_span = part.count * at_once <= QUERIES;
            let block = if by_span { part.count } else { (BLOCK_QUERIES / at_once).max(1) };
            let first_span = window.map_or(0, |window| (part.position + 1).saturating_sub(window)) / SPAN;
            let spans = first_span..(part.position + part.count - 1) / SPAN + 1;
            for kv_head in 0..kv_heads {
                for within in (0..group).step_by(at_once) {
                    let (head, count) = (kv_head * group + within, at_once.min(group - within));
                    let piece =
                        Piece { part: index, kv_head, head, heads: count, token: 0, tokens: part.count, span: None };
                    if !by_span {
                        self.pieces.extend((0..part.count).step_by(block).map(|token| Piece {
                            token,
                            tokens: block.min(part.count - token),
                            ..piece
                        }));
                        continue;
                    }
                    let first = queries;
                    for span in spans.clone() {
                        self.pieces.push(Piece { span: Some((span, queries)), ..piece });
                        queries += part.count * count;
                    }
                    for query in 0..part.count * count {
                        let (token, head) = (part.first + query / count, head + query % count);
                        let queries = (first + query..queries).step_by(part.count * count).collect();
                        self.joins.push(Join { token, head, queries });
                    }
                }
            }
        }
        // The longest first: nobody is left with a long one at the end.
        self.pieces.sort_by_key(|piece| std::cmp::Reverse(if piece.span.is_none() { piece.token } else { 0 }));
        queries
    }
}
