//! The head: logits after the tokens that are asked for.

use super::super::activation::View;
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::ops;
use super::super::product::{self, META, TOKENS};
use super::super::team::Member;
use super::super::weights::Matrix;
use super::scratch::BAR_STRIDE;
use super::{Pass, TILES_AT_ONCE};

/// Tiles of the head that a thread takes at once when there are many rows of logits: as long a run of memory as pays.
const HEAD_TILES_AT_ONCE: usize = 16;

impl Pass<'_> {
    pub(super) fn head(&self, member: &Member<'_>) {
        let wanted = &self.work.wanted;
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
            member.evenly(wanted.len(), |rows| rows.for_each(norm))
        }
        let head = &self.model.head;
        // A second row of codes would need bounds of its own.
        let bounded = one && view.rows == 1;
        if bounded && self.batch.likeliest_only && self.model.head_in_halves && head.rows.is_multiple_of(TILE_ROWS) {
            self.likeliest(member, head, view);
            return;
        }
        let some = |tiles: std::ops::Range<usize>| self.head_tiles(member, head, view, tiles);
        if wanted.len() * view.rows <= TOKENS {
            some(member.share(head.tiles()));
        } else {
            member.freely(head.tiles(), HEAD_TILES_AT_ONCE, |tiles| {
                for first in tiles.clone().step_by(TILES_AT_ONCE) {
                    some(first..tiles.end.min(first + TILES_AT_ONCE));
                }
            });
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
            let mut best = (f32::NEG_INFINITY, 0);
            product::bounds(self.level, &job, squares.as_ptr(), &mut best);
            let exact = |tile: usize| {
                let out = logits.add(tile * TILE_ROWS);
                head.kernels.of(1)(&self.job(head, tile..tile + 1, view, 0, 1, 0, out, head.rows, false));
            };
            let rows = |tile: usize| std::slice::from_raw_parts_mut(logits.add(tile * TILE_ROWS), TILE_ROWS);
            // The most promising tile first: what it really holds is the bar for all others.
            let first = (!mine.is_empty()).then_some(mine.start + best.1);
            let mut bar = f32::NEG_INFINITY;
            if let Some(tile) = first {
                exact(tile);
                bar = rows(tile).iter().copied().fold(f32::NEG_INFINITY, f32::max);
            }
            self.scratch.bars.pointer().add(member.index * BAR_STRIDE).write(bar);
            member.barrier();
            let bars = (0..member.size).map(|i| *self.scratch.bars.pointer().add(i * BAR_STRIDE));
            let bar = bars.fold(f32::NEG_INFINITY, f32::max);
            for tile in mine {
                let rows = rows(tile);
                if first == Some(tile) {
                    continue;
                }
                // Without a way out early this is a few vectors; a bound that is no number rules nothing out.
                if rows.iter().fold(false, |may, &upper| may | (upper >= bar) | upper.is_nan()) {
                    exact(tile);
                } else {
                    rows.fill(f32::NEG_INFINITY);
                }
            }
        }
    }

    /// Rows of logits go straight to the caller's slice, which has no padding: neither tokens nor rows beyond the last.
    fn head_tiles(&self, member: &Member<'_>, head: &Matrix, view: View, tiles: std::ops::Range<usize>) {
        let (wanted, vocabulary) = (self.work.wanted.len(), head.rows);
        let whole = tiles.start..tiles.end.min(vocabulary / TILE_ROWS);
        let rows = self.scratch.own[member.index].rows.pointer();
        let together = view.together(wanted);
        let mut row = 0;
        while row < wanted {
            let count = match wanted.min((row / together + 1) * together) - row {
                TOKENS.. => TOKENS,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            let kernel = head.kernel(view, count);
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
