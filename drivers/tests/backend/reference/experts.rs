//! Mixture of experts: a router scores them, the best few of each position run, their answers are weighed and added.

use std::collections::BTreeMap;

use super::math::{dot, softmax};
use super::{Reference, Rows};

/// Who was chosen at each layer and position. A backend that rounds otherwise may choose otherwise where it was close; a run
/// can be repeated with another run's choice, and [`Routing::margin`] tells how close it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Routing {
    choices: BTreeMap<(usize, usize), Choice>,
}

#[derive(Debug, Clone, PartialEq)]
struct Choice {
    experts: Vec<usize>,
    /// Between the last one chosen and the first one not, as a part of the range of all scores.
    margin: f32,
}

impl Routing {
    /// The closest choice of the whole run; 1 if nothing was chosen.
    pub(crate) fn margin(&self) -> f32 {
        self.choices.values().map(|choice| choice.margin).fold(1.0, f32::min)
    }

    /// The choice at every layer with experts and position, ascending, as `CpuBackend::forward_with_experts` takes it.
    pub(crate) fn experts(&self) -> Vec<u32> {
        self.choices
            .values()
            .flat_map(|choice| {
                let mut experts: Vec<u32> = choice.experts.iter().map(|&expert| expert as u32).collect();
                experts.sort_unstable();
                experts
            })
            .collect()
    }

    /// Whether the same experts were chosen everywhere.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let sorted = |choice: &Choice| {
            let mut experts = choice.experts.clone();
            experts.sort_unstable();
            experts
        };
        self.choices.len() == other.choices.len()
            && self
                .choices
                .iter()
                .all(|(at, choice)| other.choices.get(at).is_some_and(|other| sorted(choice) == sorted(other)))
    }
}

impl Reference {
    pub(super) fn experts(&self, layer: usize, h: &Rows, replay: Option<&Routing>, routing: &mut Routing) -> Rows {
        let config = &self.config.experts;
        let mut out = if self.has(layer, "ffn_gate_shexp.weight") {
            self.feed_forward(layer, "_shexp", h)
        } else {
            vec![vec![0.0; h[0].len()]; h.len()]
        };
        let bias = self.has(layer, "exp_probs_b.bias").then(|| self.vector(layer, "exp_probs_b.bias"));
        let raw = self.linear(layer, "ffn_gate_inp", h);
        for (position, (h, raw)) in h.iter().zip(raw).enumerate() {
            let mut scores = raw.clone();
            if config.sigmoid {
                scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + (-*score).exp()));
            } else {
                softmax(&mut scores);
            }
            // The bias evens out how often experts are chosen; it has no part in their weights.
            let biased = |bias: &[f32]| scores.iter().zip(bias).map(|(score, bias)| score + bias).collect();
            let votes: Vec<f32> = bias.map_or_else(|| if config.sigmoid { scores.clone() } else { raw }, biased);
            let mut choice = choose(&votes, config.used, config.groups);
            if let Some(replayed) = replay.and_then(|replay| replay.choices.get(&(layer, position))) {
                choice.experts.clone_from(&replayed.experts);
            }
            let mut shares: Vec<f32> = choice.experts.iter().map(|&expert| scores[expert]).collect();
            if config.normed {
                // The least f16, as llama.cpp has it: against a division by zero.
                let sum = shares.iter().sum::<f32>().max(6.103_515_6e-5);
                shares.iter_mut().for_each(|share| *share /= sum);
            }
            for (&expert, share) in choice.experts.iter().zip(shares) {
                let answer = self.expert(layer, expert, h);
                out[position].iter_mut().zip(answer).for_each(|(out, n)| *out += share * config.scale * n);
            }
            routing.choices.insert((layer, position), choice);
        }
        out
    }

    fn expert(&self, layer: usize, expert: usize, h: &[f32]) -> Vec<f32> {
        let down = self.matrix(layer, "ffn_down_exps.weight");
        let inner = self.expert_rows(layer, "ffn_gate_exps.weight", expert, h);
        let inner = self.gated(&inner, &self.expert_rows(layer, "ffn_up_exps.weight", expert, h));
        (0..h.len()).map(|i| dot(down.row(expert * h.len() + i), &inner)).collect()
    }

    /// One expert's part of a tensor that holds them all, one after another.
    fn expert_rows(&self, layer: usize, part: &str, expert: usize, h: &[f32]) -> Vec<f32> {
        let rows = self.matrix(layer, "ffn_down_exps.weight").row(0).len(); // as many as its columns
        self.matrix(layer, part).rows(expert * rows, rows).times_one(h)
    }
}

/// The best `used` of the experts that stand in the `from` best of `groups` groups, by the sum of a group's two best.
fn choose(votes: &[f32], used: usize, (groups, from): (usize, usize)) -> Choice {
    let highest = |order: &mut Vec<usize>, votes: &[f32]| order.sort_by(|&a, &b| votes[b].total_cmp(&votes[a]));
    let each = votes.len() / groups;
    let sums: Vec<f32> = votes
        .chunks(each)
        .map(|group| {
            let mut group = group.to_vec();
            group.sort_by(|a, b| b.total_cmp(a));
            group.iter().take(2).sum()
        })
        .collect();
    let mut best: Vec<usize> = (0..groups).collect();
    highest(&mut best, &sums);
    // How close the choice of groups was counts too.
    let groups_margin = best
        .get(from)
        .map_or(1.0, |&next| (sums[best[from - 1]] - sums[next]) / (sums[best[0]] - sums[best[groups - 1]]));
    let mut order: Vec<usize> = best[..from].iter().flat_map(|group| group * each..(group + 1) * each).collect();
    highest(&mut order, votes);
    let range = votes[order[0]] - votes[order[order.len() - 1]];
    let margin = order.get(used).map_or(1.0, |&next| (votes[order[used - 1]] - votes[next]) / range);
    order.truncate(used);
    Choice { experts: order, margin: margin.min(groups_margin) }
}
