//! Latent attention: products to queries and latents, their places in the cache, and the way back from what was mixed.

use super::super::attention::PAGE;
use super::super::config::Attention;
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::model::{AttentionWeights, Layer};
use super::super::ops;
use super::super::team::Member;
use super::scratch::Sizes;
use super::{Pass, Product};

impl Pass<'_> {
    pub(super) fn attend_latent(&self, member: &Member<'_>, index: usize, layer: &Layer) {
        let input = self.normed(member, layer.attention_norm.as_deref());
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
        let mixed = self.mixed(member, index);
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
                let (part, position) = self.work.tokens[token];
                let page = self.work.parts[part].pages[position / PAGE] as usize;
                if unit < heads {
                    let x = row.add(unit * head_rows);
                    let place = view.place(self.count(), token).at_block(unit * plain / BLOCK);
                    ops::quantize(self.level, x, plain, place);
                    self.rotate(x.add(plain), index, position);
                } else {
                    let x = row.add(keys);
                    ops::norm(self.level, x, latent_norm.as_ptr(), latent, self.model.config.epsilon);
                    self.rotate(x.add(latent), index, position);
                    self.keep_key(x, self.cache.keys(page, index, 0), position);
                }
            }
        };
        self.each_unit(member, heads + 1, unit);
    }
}
