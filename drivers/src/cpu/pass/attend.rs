//! Attention: products to queries, keys and values, their places in the cache, and the mixing of values.

use std::ops::Range;

use super::super::activation::View;
use super::super::attention::{self, PAGE, QUERIES, SPAN, Span};
use super::super::cache::CacheShape;
use super::super::config::Attention;
use super::super::eight;
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::model::{AttentionWeights, Layer};
use super::super::ops;
use super::super::product::TOKENS;
use super::super::team::Member;
use super::plan::{Join, Piece};
use super::scratch::{Own, Scratch, Sizes};
use super::{Part, Pass, Product};

/// Pieces that a thread takes at once where some are of a single span.
const PIECES_AT_ONCE: usize = 4;

/// Tokens of a piece that a kernel takes at once.
struct Tokens {
    /// Position of the first.
    first: usize,
    count: usize,
    /// The piece's query that is their first.
    query: usize,
}

/// Where the pages of a span lie.
struct SpanPages {
    positions: usize,
    keys: [*const u16; SPAN / PAGE],
    values: [*const u16; SPAN / PAGE],
    /// Of the span after it, or null.
    next: [*const u16; SPAN / PAGE],
}

impl Pass<'_> {
    pub(super) fn attend(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        match self.model.config.attention {
            Attention::Grouped { heads, kv_heads, .. } => {
                self.place_grouped(member, index, layer, 0..heads + 2 * kv_heads);
                self.mix_grouped(member, index, layer);
            }
            Attention::Latent { .. } => self.attend_latent(member, index, layer),
        }
    }

    /// As much of [`Pass::attend`] as is needed for the tokens that come later: keys and values go into the cache.
    pub(super) fn attend_for_cache(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        match self.model.config.attention {
            Attention::Grouped { heads, kv_heads, .. } => {
                self.place_grouped(member, index, layer, heads..heads + 2 * kv_heads);
            }
            // One latent is behind queries, keys and values: it is not cut.
            Attention::Latent { .. } => self.attend_latent(member, index, layer),
        }
    }

    /// What [`Pass::attend_for_cache`] left, for the tokens of this pass.
    pub(super) fn attend_from_cache(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        if let Attention::Grouped { heads, .. } = self.model.config.attention {
            self.place_grouped(member, index, layer, 0..heads);
            self.mix_grouped(member, index, layer);
        }
    }

    /// From queries and cache to the residual stream.
    fn mix_grouped(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        let AttentionWeights::Grouped { output, .. } = &layer.attention else { return };
        let mixed = self.mixed(member, index);
        self.add_product(member, output, mixed, layer.attention_after.as_deref());
    }

    /// Products to queries, keys and values, biases, norms and rotations; keys and values go into the cache. Of `units`
    /// heads, which are counted through all three.
    fn place_grouped(&self, member: &Member<'_>, index: usize, layer: &Layer, units: Range<usize>) {
        let AttentionWeights::Grouped { inputs, bias, query_norm, key_norm, .. } = &layer.attention else { return };
        let Attention::Grouped { heads, kv_heads, key, value, .. } = self.model.config.attention else { return };
        let input = self.normed(member, layer.attention_norm.as_deref());
        let stride = Sizes::of(&self.model.config).inputs;
        let keys = inputs[0].tiles() * TILE_ROWS;
        let values = keys + inputs[1].tiles() * TILE_ROWS;
        let products: Vec<Product<'_>> = [(0, 0), (heads, keys), (heads + kv_heads, values)]
            .into_iter()
            .zip(inputs)
            .filter(|((unit, _), _)| units.contains(unit))
            .map(|((_, at), matrix)| {
                let out = self.scratch.inputs.pointer().wrapping_add(at);
                Product { matrix, input, block: 0, out }
            })
            .collect();
        self.products(member, &products, stride, false);
        let rotates = self.model.config.rotates(index);
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
                let (part, position) = self.work.tokens[token];
                let page = self.work.parts[part].pages[position / PAGE] as usize;
                if unit < heads {
                    let x = row.add(unit * key);
                    bias_at(unit * key, x, key);
                    self.turn(x, key, query_norm.as_deref(), rotates, index, position);
                } else if unit < heads + kv_heads {
                    let head = unit - heads;
                    let x = row.add(keys + head * key);
                    bias_at((heads + head) * key, x, key);
                    self.turn(x, key, key_norm.as_deref(), rotates, index, position);
                    self.keep_key(x, self.cache.keys(page, index, head), position);
                } else {
                    let head = unit - heads - kv_heads;
                    let x = row.add(values + head * value);
                    bias_at((heads + kv_heads) * key + head * value, x, value);
                    self.keep_value(x, self.cache.values(page, index, head), position);
                }
            }
        };
        self.each_unit(member, units.len(), |token, i| unit(token, units.start + i));
    }

    /// Puts a key into its head's part of a page.
    ///
    /// # Safety
    /// `x` has a key's numbers; this member alone has this position of the part.
    pub(super) unsafe fn keep_key(&self, x: *const f32, part: *mut u16, position: usize) {
        let CacheShape { key, eight, .. } = self.cache.shape;
        // SAFETY: the caller's contract.
        unsafe {
            if eight {
                eight::store_key(self.level, x, key, part, position % PAGE);
            } else {
                attention::store_key(self.level, x, key, part, position % PAGE);
            }
        }
    }

    /// As [`Pass::keep_key`], for a value.
    ///
    /// # Safety
    /// As there.
    unsafe fn keep_value(&self, x: *const f32, part: *mut u16, position: usize) {
        let CacheShape { value, eight, .. } = self.cache.shape;
        // SAFETY: the caller's contract.
        unsafe {
            if eight {
                eight::store_value(self.level, x, value, part, position % PAGE);
            } else {
                attention::store_value(self.level, x, value, part, position % PAGE);
            }
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
    pub(super) unsafe fn rotate(&self, x: *mut f32, layer: usize, position: usize) {
        let angles = &self.model.angles[usize::from(self.model.config.window_of(layer).is_some())];
        let at = position * angles.half;
        let (cos, sin) = (&angles.cos[at..at + angles.half], &angles.sin[at..at + angles.half]);
        // SAFETY: the caller's contract.
        unsafe { ops::rotate(self.level, x, angles.half, cos.as_ptr(), sin.as_ptr()) }
    }

    /// Attention itself, from queries and cache to activations.
    pub(super) fn mixed(&self, member: &Member<'_>, layer: usize) -> View {
        let Scratch { mixed, mixed_codes, own_mixed, .. } = self.scratch;
        if self.count() > 1 && self.cache.shape.value.is_multiple_of(BLOCK) {
            // SAFETY: token 0 exists.
            let codes = unsafe { mixed_codes.view(0) };
            self.mix(member, layer, Some(codes));
            return codes;
        }
        self.mix(member, layer, None);
        let (columns, own) = (Sizes::of(&self.model.config).mixed, &own_mixed[member.index]);
        self.codes(member, mixed.pointer(), columns, None, mixed_codes, own)
    }

    /// What attention gives for one head of a token goes to the activations `codes`, whose blocks no two heads share, or else
    /// to `mixed`.
    ///
    /// # Safety
    /// `sums` has a value's numbers; there are such a token and head, and this member alone has them.
    unsafe fn put_mixed(&self, sums: *const f32, token: usize, head: usize, codes: Option<View>) {
        let value = self.cache.shape.value;
        // SAFETY: the caller's contract; both have room for every token of the pass.
        unsafe {
            match codes {
                Some(codes) => {
                    let place = codes.place(self.count(), token).at_block(head * value / BLOCK);
                    ops::quantize(self.level, sums, value, place);
                }
                None => {
                    let stride = Sizes::of(&self.model.config).mixed;
                    let out = self.scratch.mixed.pointer().add(token * stride + head * value);
                    std::ptr::copy_nonoverlapping(sums, out, value);
                }
            }
        }
    }

    fn mix(&self, member: &Member<'_>, layer: usize, codes: Option<View>) {
        let window = self.model.config.window_of(layer);
        let plan = &self.work.plans[usize::from(window.is_some())];
        let some = |pieces: Range<usize>| {
            let pieces = &plan.pieces[pieces];
            for (i, piece) in pieces.iter().enumerate() {
                self.mix_piece(member, layer, window, piece, pieces.get(i + 1), codes);
            }
        };
        if plan.joins.is_empty() {
            member.freely(plan.pieces.len(), 1, some);
            return;
        }
        // Decoding is bound by memory: who knows what comes next can ask for it.
        if self.count() <= TOKENS {
            member.evenly(plan.pieces.len(), some);
        } else {
            member.freely(plan.pieces.len(), PIECES_AT_ONCE, some);
        }
        let value = self.cache.shape.value;
        let totals = self.scratch.own[member.index].total_sums.pointer();
        let one = |join: &Join| {
            // SAFETY: the parts were computed before the barrier; the member's own buffer has room for a value.
            unsafe {
                let mut stats = [f32::NEG_INFINITY, 0.0];
                std::ptr::write_bytes(totals, 0, value);
                for &query in &join.queries {
                    let sums = self.scratch.part_sums.pointer().add(query * value);
                    let more = self.scratch.part_stats.pointer().add(query * 2);
                    attention::join(self.level, totals, stats.as_mut_ptr(), sums, more, value);
                }
                attention::finish(self.level, totals, stats[1], value);
                self.put_mixed(totals, join.token, join.head, codes);
            }
        };
        member.evenly(plan.joins.len(), |joins| plan.joins[joins].iter().for_each(one));
    }

    /// `next` is the piece after it, if that is known.
    fn mix_piece(
        &self,
        member: &Member<'_>,
        layer: usize,
        window: Option<usize>,
        piece: &Piece,
        next: Option<&Piece>,
        codes: Option<View>,
    ) {
        let own = &self.scratch.own[member.index];
        let part = &self.work.parts[piece.part];
        let value = self.cache.shape.value;
        let first = part.position + piece.token;
        // A kernel takes so many tokens at once; those of a piece share what is done for a span.
        let at_once = (QUERIES / piece.heads).clamp(1, piece.tokens);
        let groups: Vec<Tokens> = (0..piece.tokens)
            .step_by(at_once)
            .map(|token| Tokens {
                first: first + token,
                count: at_once.min(piece.tokens - token),
                query: token * piece.heads,
            })
            .collect();
        for tokens in &groups {
            self.pack_queries(own, part, piece, tokens);
        }
        let begin = |position: usize| window.map_or(0, |window| (position + 1).saturating_sub(window));
        if let Some((span, query)) = piece.span {
            // SAFETY: the parts have room for this piece's queries from `query` on.
            let to = unsafe {
                let sums = self.scratch.part_sums.pointer().add(query * value);
                (sums, self.scratch.part_stats.pointer().add(query * 2))
            };
            let mut pages = self.span_pages(own, part, layer, piece.kv_head, span, first + piece.tokens);
            if let Some(&Piece { part, kv_head, span: Some((span, _)), token, tokens, .. }) = next {
                let part = &self.work.parts[part];
                let end = (part.position + token + tokens).div_ceil(PAGE);
                for (next, &page) in pages.next.iter_mut().zip(&part.pages[span * (SPAN / PAGE)..end]) {
                    // SAFETY: the cache has every page of the sequence.
                    *next = unsafe { self.cache.keys(page as usize, layer, kv_head).cast_const() };
                }
            }
            groups.iter().for_each(|tokens| self.mix_span(own, piece, tokens, span, &pages, begin, to));
            return;
        }
        let (totals, stats) = (own.total_sums.pointer(), own.total_stats.pointer());
        let count = piece.tokens * piece.heads;
        // SAFETY: the member's own buffers have room for every query of a piece.
        unsafe {
            std::ptr::write_bytes(totals, 0, count * value);
            (0..count).for_each(|query| stats.add(2 * query).cast::<[f32; 2]>().write([f32::NEG_INFINITY, 0.0]));
        }
        for span in begin(first) / SPAN..(first + piece.tokens - 1) / SPAN + 1 {
            let pages = self.span_pages(own, part, layer, piece.kv_head, span, first + piece.tokens);
            for tokens in groups.iter().filter(|tokens| tokens.first + tokens.count > span * SPAN) {
                let (sums, more) = (own.sums.pointer(), own.stats.pointer());
                self.mix_span(own, piece, tokens, span, &pages, begin, (sums, more));
                for query in 0..tokens.count * piece.heads {
                    let to = tokens.query + query;
                    // SAFETY: as above.
                    unsafe {
                        let (total, stats) = (totals.add(to * value), stats.add(2 * to));
                        attention::join(self.level, total, stats, sums.add(query * value), more.add(2 * query), value);
                    }
                }
            }
        }
        for query in 0..count {
            let (token, head) = (piece.token + query / piece.heads, piece.head + query % piece.heads);
            // SAFETY: as above, and this member alone has this head of this token.
            unsafe {
                let total = totals.add(query * value);
                attention::finish(self.level, total, *stats.add(2 * query + 1), value);
                self.put_mixed(total, part.first + token, head, codes);
            }
        }
    }

    /// The pages of a span, up to position `end` of the sequence.
    fn span_pages(
        &self,
        own: &Own,
        part: &Part<'_>,
        layer: usize,
        kv_head: usize,
        span: usize,
        end: usize,
    ) -> SpanPages {
        let start = span * SPAN;
        let positions = end.min(start + SPAN) - start;
        let shape = self.cache.shape;
        let none = [std::ptr::null(); SPAN / PAGE];
        let mut pages = SpanPages { positions, keys: none, values: none, next: none };
        for (i, &page) in part.pages[start / PAGE..][..positions.div_ceil(PAGE)].iter().enumerate() {
            // SAFETY: the cache has every page of the sequence, and the member's own buffer room for a span.
            unsafe {
                pages.keys[i] = self.cache.keys(page as usize, layer, kv_head).cast_const();
                if shape.eight {
                    let to = own.keys.pointer().add(i * PAGE * shape.key);
                    eight::widen_keys(self.level, pages.keys[i], shape.key, to);
                    pages.keys[i] = to.cast_const();
                }
                pages.values[i] = if shape.keeps_values() && shape.eight {
                    let to = own.turned.pointer().add(i * PAGE * shape.value);
                    let from = self.cache.values(page as usize, layer, kv_head).cast_const();
                    eight::widen_values(self.level, from, shape.value, to);
                    to.cast_const()
                } else if shape.keeps_values() {
                    self.cache.values(page as usize, layer, kv_head).cast_const()
                } else {
                    let to = own.turned.pointer().add(i * PAGE * shape.value);
                    attention::values_of_keys(pages.keys[i], shape.key, shape.value, to);
                    to.cast_const()
                };
            }
        }
        pages
    }

    /// The parts of one span for some tokens, to the sums and stats at `to` (those of the piece's first query).
    #[expect(clippy::too_many_arguments, reason = "a span, whose it is, and where it goes")]
    fn mix_span(
        &self,
        own: &Own,
        piece: &Piece,
        tokens: &Tokens,
        span: usize,
        pages: &SpanPages,
        begin: impl Fn(usize) -> usize,
        to: (*mut f32, *mut f32),
    ) {
        let shape = self.cache.shape;
        let start = span * SPAN;
        let count = tokens.count * piece.heads;
        let mut seen = [(0, 0); QUERIES];
        for (query, seen) in seen.iter_mut().enumerate().take(count) {
            let position = tokens.first + query / piece.heads;
            let to = (position + 1).saturating_sub(start).min(SPAN);
            *seen = (begin(position).saturating_sub(start).min(to), to);
        }
        // SAFETY: the member's own buffers have room for the queries of a piece; the cache has every page of the sequence.
        unsafe {
            let span = Span {
                keys: &pages.keys,
                values: &pages.values,
                next: &pages.next,
                positions: pages.positions,
                queries: own.queries.pointer().add(tokens.query * shape.key / 2),
                count,
                seen: &seen,
                key_dimension: shape.key,
                value_dimension: shape.value,
                scores: own.scores.pointer(),
                sums: to.0,
                stats: to.1,
            };
            attention::part(self.level, &span);
        }
    }

    fn pack_queries(&self, own: &Own, part: &Part<'_>, piece: &Piece, tokens: &Tokens) {
        let stride = Sizes::of(&self.model.config).inputs;
        let count = tokens.count * piece.heads;
        // SAFETY: the member's own buffer has room for the queries of a piece.
        let to = unsafe { own.queries.pointer().add(tokens.query * self.cache.shape.key / 2) };
        let level = self.level;
        for query in 0..count {
            let token = part.first + tokens.first - part.position + query / piece.heads;
            let head = piece.head + query % piece.heads;
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
}
