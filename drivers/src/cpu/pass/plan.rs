//! How attention's work of a pass is cut into pieces.

use super::super::attention::{PIECE_QUERIES, QUERIES, SPAN};
use super::super::config::{Attention, Config};
use super::Part;

/// Queries in one block of a prompt: what the widest kernel keeps in registers.
const BLOCK_QUERIES: usize = 12;

/// Queries whose parts are kept at most: what many long sequences would need beyond it is joined as it comes instead.
const MAX_PART_QUERIES: usize = 1 << 17;

/// A piece of attention's work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) part: usize,
    pub(super) kv_head: usize,
    /// Query heads.
    pub(super) head: usize,
    pub(super) heads: usize,
    /// Tokens of the sequence.
    pub(super) token: usize,
    pub(super) tokens: usize,
    /// One span, whose parts go to these queries of `part_sums`; or all spans, joined at once.
    pub(super) span: Option<(usize, usize)>,
}

/// What attention has to do in layers of one kind.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) pieces: Vec<Piece>,
    /// For the tokens of sequences that were cut by spans: where the parts of query 0 lie, by span.
    pub(super) joins: Vec<Join>,
}

pub(super) struct Join {
    /// Token of the batch.
    pub(super) token: usize,
    pub(super) head: usize,
    /// Query of each span's parts.
    pub(super) queries: Vec<usize>,
}

impl Plan {
    /// Cuts attention's work into pieces; returns how many queries' parts need room.
    pub(super) fn fill(&mut self, config: &Config, parts: &[Part<'_>], window: Option<usize>) -> usize {
        let (heads, kv_heads, block_queries) = match config.attention {
            Attention::Grouped { heads, kv_heads, .. } => (heads, kv_heads, BLOCK_QUERIES),
            // A span's values are made out of its keys: for many tokens at once.
            Attention::Latent { heads, .. } => (heads, 1, PIECE_QUERIES),
        };
        let group = heads / kv_heads;
        let at_once = group.min(QUERIES);
        let mut queries = 0;
        for (index, part) in parts.iter().enumerate() {
            let first_span = window.map_or(0, |window| (part.position + 1).saturating_sub(window)) / SPAN;
            let spans = first_span..(part.position + part.count - 1) / SPAN + 1;
            let few = part.count * at_once <= QUERIES;
            let by_span = few && queries + spans.len() * part.count * heads <= MAX_PART_QUERIES;
            let block = if few { part.count } else { (block_queries / at_once).max(1) };
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
