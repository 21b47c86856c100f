//! The buffers of a pass.

use super::super::activation::{Activations, Kept};
use super::super::attention::{PIECE_QUERIES, QUERIES, SPAN};
use super::super::config::{Attention, Config, Experts};
use super::super::format::BLOCK;
use super::super::isa::TILE_ROWS;
use super::super::memory::Buffer;
use super::super::product::TOKENS;

/// The buffers of a pass.
#[derive(Debug)]
pub(in super::super) struct Scratch {
    /// Rows of codes of a token's activations.
    pub(super) rows: usize,
    /// The residual stream, `[token][width]`.
    pub(super) x: Buffer<f32>,
    /// What is normed before it is added, `[token][width]`.
    pub(super) side: Buffer<f32>,
    /// Queries, keys and values, `[token][rows]`.
    pub(super) inputs: Buffer<f32>,
    /// Queries of the latent, `[token][heads * latent]`.
    pub(super) absorbed: Buffer<f32>,
    /// What attention gives, `[token][heads * value]`, of latents where there are such.
    pub(super) mixed: Buffer<f32>,
    /// Values out of the latents.
    pub(super) values: Buffer<f32>,
    pub(super) normed: Activations,
    pub(super) ranked: Activations,
    pub(super) plain: Activations,
    pub(super) mixed_codes: Activations,
    pub(super) value_codes: Activations,
    pub(super) hidden: Activations,
    /// For each member, what it computes for itself in a pass of one token.
    pub(super) own_normed: Vec<Activations>,
    pub(super) own_mixed: Vec<Activations>,
    pub(super) own_values: Vec<Activations>,
    /// For each member, attention's and the mixture's scratch.
    pub(super) own: Vec<Own>,
    pub(super) mixture: Option<MixtureScratch>,
    /// Attention's parts.
    pub(super) part_sums: Buffer<f32>,
    pub(super) part_stats: Buffer<f32>,
    /// For each member the highest logit that it found first, each on a line of its own.
    pub(super) bars: Buffer<f32>,
}

/// Numbers from one member's bar to the next.
pub(super) const BAR_STRIDE: usize = 32;

#[derive(Debug)]
pub(super) struct Own {
    pub(super) queries: Buffer<u32>,
    pub(super) scores: Buffer<f32>,
    pub(super) sums: Buffer<f32>,
    pub(super) stats: Buffer<f32>,
    pub(super) total_sums: Buffer<f32>,
    pub(super) total_stats: Buffer<f32>,
    /// The keys of a span, where they are kept as 8 bits.
    pub(super) keys: Buffer<u16>,
    /// The values of a span, where they are kept as 8 bits or keys begin with them.
    pub(super) turned: Buffer<u16>,
    /// `[TOKENS][width or 64]`.
    pub(super) rows: Buffer<f32>,
}

#[derive(Debug)]
pub(super) struct MixtureScratch {
    /// `[token][experts]`.
    pub(super) scores: Buffer<f32>,
    /// `[token][used]`, ascending.
    pub(super) chosen: Buffer<u32>,
    pub(super) weights: Buffer<f32>,
    pub(super) gathered: Activations,
    pub(super) hidden: Activations,
    pub(super) shared: Activations,
}

impl Scratch {
    /// Buffers for passes of up to `tokens` tokens by `members` threads; `eight` where keys and values are kept as 8 bits.
    pub(in super::super) fn new(
        config: &Config,
        tokens: usize,
        members: usize,
        kept: Kept,
        eight: bool,
    ) -> Result<Self, std::io::Error> {
        let room = tokens.next_multiple_of(TOKENS);
        let Sizes { inputs, rank, plain, absorbed, mixed, values, key, value } = Sizes::of(config);
        let width = config.width;
        let latent = matches!(config.attention, Attention::Latent { .. });
        let many = |columns: usize| (0..members).map(|_| Activations::new(1, columns, kept)).collect::<Result<_, _>>();
        let own = |_| {
            Ok(Own {
                queries: Buffer::new(PIECE_QUERIES * key / 2)?,
                scores: Buffer::new(QUERIES * SPAN)?,
                sums: Buffer::new(QUERIES * value)?,
                stats: Buffer::new(QUERIES * 2)?,
                total_sums: Buffer::new(PIECE_QUERIES * value)?,
                total_stats: Buffer::new(PIECE_QUERIES * 2)?,
                keys: Buffer::new(if eight { SPAN * key } else { 0 })?,
                turned: Buffer::new(if latent || eight { SPAN * value } else { 0 })?,
                rows: Buffer::new(TOKENS * (width.next_multiple_of(TILE_ROWS)).max(64))?,
            })
        };
        let mixture = |experts: Experts| {
            let gathered = room * experts.used + TOKENS * experts.count;
            Ok::<_, std::io::Error>(MixtureScratch {
                scores: Buffer::new(room * experts.count.next_multiple_of(TILE_ROWS))?,
                chosen: Buffer::new(room * experts.used)?,
                weights: Buffer::new(room * experts.used)?,
                gathered: Activations::new(gathered, width, kept)?,
                hidden: Activations::new(gathered, experts.feed_forward, kept)?,
                shared: Activations::new(room, experts.shared.max(BLOCK), kept)?,
            })
        };
        Ok(Self {
            rows: kept.rows,
            x: Buffer::new(room * width)?,
            side: Buffer::new(room * width)?,
            inputs: Buffer::new(room * inputs)?,
            absorbed: Buffer::new(room * absorbed)?,
            mixed: Buffer::new(room * mixed)?,
            values: Buffer::new(room * values)?,
            normed: Activations::new(room, width, kept)?,
            ranked: Activations::new(room, rank.max(BLOCK), kept)?,
            plain: Activations::new(room, plain.max(BLOCK), kept)?,
            mixed_codes: Activations::new(room, mixed, kept)?,
            value_codes: Activations::new(room, values.max(BLOCK), kept)?,
            hidden: Activations::new(room, config.feed_forward.max(BLOCK), kept)?,
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
pub(super) struct Sizes {
    pub(super) inputs: usize,
    pub(super) rank: usize,
    pub(super) plain: usize,
    pub(super) absorbed: usize,
    pub(super) mixed: usize,
    pub(super) values: usize,
    pub(super) key: usize,
    pub(super) value: usize,
}

impl Sizes {
    pub(super) fn of(config: &Config) -> Self {
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
