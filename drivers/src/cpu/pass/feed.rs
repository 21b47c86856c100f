//! The feed-forward part: dense, or a mixture of experts.

use std::ops::Range;

use super::super::activation::{Activations, View};
use super::super::config::{Experts, Groups, Scores};
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::model::{Feed, Gated, Layer};
use super::super::ops;
use super::super::product::TOKENS;
use super::super::team::Member;
use super::super::weights::Matrix;
use super::scratch::MixtureScratch;
use super::{Pass, Product, TOKENS_AT_ONCE};

impl Pass<'_> {
    pub(super) fn feed(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        let input = self.normed(member, layer.feed_norm.as_deref());
        match &layer.feed {
            Feed::Dense(gated) => {
                // SAFETY: token 0 exists.
                let hidden = unsafe { self.scratch.hidden.view(0) };
                let some = |blocks: Range<usize>, tokens: Range<usize>| {
                    for block in blocks {
                        self.hidden_block(member, gated, input, hidden, tokens.clone(), self.count(), block);
                    }
                };
                self.pieces(member, gated.hidden() / BLOCK, 1, some);
                self.add_product(member, &gated.down, hidden, layer.feed_after.as_deref());
            }
            Feed::Mixture { router, bias, experts, shared } => {
                self.feed_mixture(member, index, input, router, bias.as_deref(), experts, shared.as_ref());
            }
        }
    }

    /// 32 numbers of the hidden layer for tokens `tokens` of the `count` tokens of `input`; the first begins a tile of tokens.
    #[expect(clippy::too_many_arguments, reason = "what, of which tokens, from where to where")]
    fn hidden_block(
        &self,
        member: &Member<'_>,
        gated: &Gated,
        input: View,
        hidden: View,
        tokens: Range<usize>,
        count: usize,
        block: usize,
    ) {
        let rows = self.scratch.own[member.index].rows.pointer();
        let mut token = tokens.start;
        while token < tokens.end {
            let width = input.together(count);
            // SAFETY: `rows` has 64 numbers for TOKENS tokens; input and hidden have every token, padded to whole tiles.
            unsafe {
                let product = |matrix: &Matrix, tiles: Range<usize>, at: usize| {
                    matrix.kernel(input, count)(&self.job(
                        matrix,
                        tiles,
                        input,
                        0,
                        count,
                        token,
                        rows.add(at),
                        64,
                        false,
                    ));
                };
                match &gated.up {
                    None => product(&gated.gate, 4 * block..4 * block + 4, 0),
                    Some(up) => {
                        for (tile, at) in [(2 * block, 0), (2 * block + 1, 2 * TILE_ROWS)] {
                            product(&gated.gate, tile..tile + 1, at);
                            product(up, tile..tile + 1, at + TILE_ROWS);
                        }
                    }
                }
                let (place, tokens) = (hidden.place(count, token).at_block(block), width.min(count - token));
                ops::gate_quantize(self.level, rows, tokens, self.model.config.gate, place, hidden.columns);
            }
            token += width;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a mixture has as many parts")]
    fn feed_mixture(
        &self,
        member: &Member<'_>,
        index: usize,
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
                rate(&rules, scores);
                match self.imposed {
                    Some(imposed) => {
                        let layer = index - rules.dense_layers;
                        let at = (layer * self.count() + token) * rules.used;
                        chosen.copy_from_slice(&imposed[at..at + rules.used]);
                    }
                    None => choose(&rules, scores, bias, chosen),
                }
                weigh(&rules, scores, chosen, weights);
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
        let some = |items: Range<usize>| {
            for item in items {
                match (item.checked_sub(shared_blocks), shared) {
                    (None, Some(gated)) => {
                        self.hidden_block(member, gated, input, shared_hidden, 0..self.count(), self.count(), item);
                    }
                    (Some(item), _) => {
                        let group = &groups[item / blocks];
                        let from = if one { input } else { view(&scratch.gathered, group) };
                        let gated = &experts[group.expert];
                        let hidden = view(&scratch.hidden, group);
                        let count = group.tokens.len();
                        self.hidden_block(member, gated, from, hidden, 0..count, count, item % blocks);
                    }
                    (None, None) => {}
                }
            }
        };
        self.divide(member, shared_blocks + groups.len() * blocks, 1, some);
        let width = self.model.config.width;
        let rows = self.scratch.own[member.index].rows.pointer();
        let down = |tiles: Range<usize>| {
            let columns = tiles.len() * TILE_ROWS;
            if let Some(gated) = shared {
                let out = self.scratch.x.pointer();
                let product = Product { matrix: &gated.down, input: shared_hidden, block: 0, out };
                self.tiles(&product, tiles.clone(), 0..self.count(), self.count(), width, true);
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
                        matrix.kernel(hidden, count)(&job);
                        for (within, &(to, weight)) in
                            group.tokens[token..].iter().take(hidden.together(count)).enumerate()
                        {
                            let x = self.scratch.x.pointer().add(to * width + tiles.start * TILE_ROWS);
                            let x = std::slice::from_raw_parts_mut(x, columns);
                            let sums = std::slice::from_raw_parts(rows.add(within * columns), columns);
                            x.iter_mut().zip(sums).for_each(|(x, sum)| *x += weight * sum);
                        }
                    }
                    token += hidden.together(count);
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

/// The experts of the groups that score highest; among equals the lower number comes first.
fn best_groups(groups: Groups, experts: usize, ranked: impl Fn(u32) -> f32) -> Vec<u32> {
    let each = experts / groups.count;
    let members = |group: usize| (group * each) as u32..((group + 1) * each) as u32;
    let score = |group: usize| {
        let mut best = [f32::NEG_INFINITY; 2];
        for score in members(group).map(&ranked) {
            if score > best[0] {
                best = [score, best[0]];
            } else if score > best[1] {
                best[1] = score;
            }
        }
        best[0] + best[1]
    };
    let mut order: Vec<(usize, f32)> = (0..groups.count).map(|group| (group, score(group))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.iter().take(groups.used).flat_map(|(group, _)| members(*group)).collect()
}

/// Turns what the router says into scores.
fn rate(rules: &Experts, scores: &mut [f32]) {
    match rules.scores {
        Scores::Sigmoid => scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-*score).exp())),
        Scores::Softmax => {
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
            let sum: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|score| *score /= sum);
        }
    }
}

/// Chooses the experts of one token, ascending, by their scores. `bias` moves the choice alone (DeepSeek-V3, arXiv
/// 2412.19437, section 2.1.2).
fn choose(rules: &Experts, scores: &[f32], bias: Option<&[f32]>, chosen: &mut [u32]) {
    let ranked = |expert: u32| scores[expert as usize] + bias.map_or(0.0, |bias| bias[expert as usize]);
    let mut order: Vec<u32> = match rules.groups {
        None => (0..rules.count as u32).collect(),
        Some(groups) => best_groups(groups, rules.count, ranked),
    };
    order.sort_unstable_by(|&a, &b| ranked(b).total_cmp(&ranked(a)).then(a.cmp(&b)));
    order.truncate(rules.used);
    order.sort_unstable();
    chosen.copy_from_slice(&order);
}

/// The weights of a token's experts.
fn weigh(rules: &Experts, scores: &[f32], chosen: &[u32], weights: &mut [f32]) {
    for (weight, &expert) in weights.iter_mut().zip(chosen) {
        *weight = scores[expert as usize];
    }
    if rules.normalized {
        // llama.cpp's lower bound, the smallest normal f16: scores may all be zero.
        let sum = weights.iter().sum::<f32>().max(6.103_515_6e-5);
        weights.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights.iter_mut().for_each(|weight| *weight *= rules.scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_come_from_the_best_groups_alone() {
        let rules = Experts {
            count: 8,
            used: 2,
            feed_forward: 32,
            shared: 0,
            dense_layers: 0,
            scores: Scores::Sigmoid,
            normalized: true,
            scale: 1.0,
            groups: Some(Groups { count: 4, used: 2 }),
        };
        // The best expert of all stands in a group whose two best together are third.
        let scores = [0.9, 0.1, 0.6, 0.5, 0.55, 0.6, 0.2, 0.3];
        let mut chosen = [0; 2];
        choose(&rules, &scores, None, &mut chosen);
        assert_eq!(chosen, [2, 5], "of groups 1 and 2");
        choose(&Experts { groups: None, ..rules }, &scores, None, &mut chosen);
        assert_eq!(chosen, [0, 2], "among equals the lower number");
        let bias = [0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        choose(&rules, &scores, Some(&bias), &mut chosen);
        assert_eq!(chosen, [0, 5], "a bias moves groups too");
        let mut weights = [0.0; 2];
        weigh(&rules, &scores, &chosen, &mut weights);
        assert_eq!(weights, [0.9 / 1.5, 0.6 / 1.5], "and no weight");
    }
}
