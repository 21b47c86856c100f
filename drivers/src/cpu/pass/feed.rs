//! The feed-forward part: dense, or a mixture of experts.

use super::super::activation::{Activations, View};
use super::super::config::{Experts, Scores};
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::model::{Feed, Gated, Layer};
use super::super::ops;
use super::super::product::{TOKENS, padded};
use super::super::team::Member;
use super::super::weights::Matrix;
use super::scratch::MixtureScratch;
use super::{Pass, Product, TOKENS_AT_ONCE};

impl Pass<'_> {
    pub(super) fn feed(&self, member: &Member<'_>, layer: &Layer) {
        let input = self.normed(member, layer.feed_norm.as_deref());
        match &layer.feed {
            Feed::Dense(gated) => {
                // SAFETY: token 0 exists.
                let hidden = unsafe { self.scratch.hidden.view(0) };
                let some = |blocks: std::ops::Range<usize>| {
                    blocks.for_each(|block| self.hidden_block(member, gated, input, hidden, self.count(), block));
                };
                self.divide(member, gated.hidden() / BLOCK, 1, some);
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
        self.divide(member, shared_blocks + groups.len() * blocks, 1, some);
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
        self.divide(member, width / TILE_ROWS, 1, down);
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
