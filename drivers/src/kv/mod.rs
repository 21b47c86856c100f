//! Who holds which page of a backend's KV cache, and which pages already hold the beginning of a new prompt.
//!
//! In reading order: [`pages`] (free or held by how many), [`tree`] (finished pages by the tokens that led to them),
//! [`store`] (a prefix in a file). No bytes in here but the store's: the backend has those. A page is *finished* when all its tokens are computed; it is never written again,
//! so any number of sequences may read it. Finished pages stay in the tree after their sequence ended, and the one that was
//! used longest ago goes when room is needed.

pub mod pages;
pub mod store;
pub mod tree;

use pages::Pages;
use tree::Tree;

/// The pages of one backend.
#[derive(Debug)]
pub struct Cache {
    pages: Pages,
    tree: Tree,
    page_tokens: usize,
}

impl Cache {
    /// All pages free. `page_tokens` below 1 counts as 1.
    #[must_use]
    pub fn new(page_tokens: u32, pages: u32) -> Self {
        let page_tokens = page_tokens.max(1) as usize;
        Self { pages: Pages::new(pages), tree: Tree::new(page_tokens), page_tokens }
    }

    /// Pages that `tokens` tokens need.
    #[must_use]
    pub fn pages_for(&self, tokens: usize) -> usize {
        tokens.div_ceil(self.page_tokens)
    }

    /// Tokens in one page.
    #[must_use]
    pub fn page_tokens(&self) -> usize {
        self.page_tokens
    }

    /// The finished pages that hold the beginning of `tokens`, as many as there are. The caller holds them from now on.
    pub fn hold_prefix(&mut self, tokens: &[u32]) -> Vec<u32> {
        let found = self.tree.find(tokens);
        for &page in &found {
            self.pages.hold(page);
        }
        found
    }

    /// As [`Cache::hold_prefix`] for a sequence that holds the pages of its beginning already: adds those that follow.
    pub fn hold_more(&mut self, tokens: &[u32], held: &mut Vec<u32>) {
        let found = self.tree.find(tokens);
        for &page in found.get(held.len()..).unwrap_or_default() {
            self.pages.hold(page);
            held.push(page);
        }
    }

    /// A page to write, held by the caller; room is made if there is a finished page that nobody holds.
    pub fn take(&mut self) -> Option<u32> {
        if self.pages.free() == 0 {
            let Self { pages, tree, .. } = self;
            let page = tree.evict(|page| pages.holders(page) == 1)?;
            pages.release(page);
        }
        self.pages.take()
    }

    /// Gives pages back.
    pub fn release(&mut self, held: &[u32]) {
        for &page in held {
            self.pages.release(page);
        }
    }

    /// Puts the finished pages of a sequence into the tree: those that `tokens`, its computed tokens, fill. Where another
    /// sequence was first with the same tokens, `held` names its page afterwards and the own one is given back.
    pub fn keep(&mut self, tokens: &[u32], held: &mut [u32]) {
        let Self { pages, tree, .. } = self;
        tree.insert(tokens, held, |page, kept| match kept {
            None => pages.hold(page), // the tree's own hold
            Some(kept) => {
                pages.hold(kept);
                pages.release(page);
            }
        });
    }

    /// Pages that [`Cache::take`] could give, one after another.
    #[must_use]
    pub fn available(&self) -> usize {
        // Who holds a page holds those before it, so what nobody holds can go, leaf by leaf.
        self.pages.free() + self.tree.pages().filter(|&page| self.pages.holders(page) == 1).count()
    }

    /// All pages.
    #[must_use]
    pub fn total(&self) -> usize {
        self.pages.total()
    }

    /// Forgets everything: after a backend broke, nobody knows what its pages hold. Nobody may hold a page any more.
    pub fn clear(&mut self) {
        self.pages = Pages::new(u32::try_from(self.pages.total()).unwrap_or(u32::MAX));
        self.tree = Tree::new(self.page_tokens);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    const PAGE: usize = 3;
    const PAGES: u32 = 20;

    /// A sequence as the plain model sees it.
    struct Plain {
        tokens: Vec<u32>,
        held: Vec<u32>,
    }

    /// What each page holds, written by whoever took it.
    type Contents = HashMap<u32, Vec<u32>>;

    fn check(cache: &Cache, sequences: &[Plain], contents: &Contents) {
        let mut holders: HashMap<u32, u32> = HashMap::new();
        let in_tree: Vec<u32> = cache.tree.pages().collect();
        assert_eq!(in_tree.iter().collect::<HashSet<_>>().len(), in_tree.len(), "a page stands in the tree twice");
        in_tree.iter().for_each(|page| *holders.entry(*page).or_default() += 1);
        for sequence in sequences {
            for (page, block) in sequence.held.iter().zip(sequence.tokens.chunks(PAGE)) {
                *holders.entry(*page).or_default() += 1;
                assert_eq!(contents[page], block, "page {page} holds other tokens");
            }
        }
        for page in 0..PAGES {
            let expected = holders.get(&page).copied().unwrap_or(0);
            assert_eq!(cache.pages.holders(page), expected, "page {page}");
        }
        assert_eq!(cache.pages.free(), PAGES as usize - holders.len(), "a page leaks");
    }

    /// Writes a sequence of `length` tokens over an alphabet of two, so that beginnings are often shared.
    fn start(cache: &mut Cache, random: &mut ChaCha8Rng, contents: &mut Contents) -> Option<Plain> {
        let length = 1 + random.next_u32() as usize % 14;
        let tokens: Vec<u32> = (0..length).map(|_| random.next_u32() % 2).collect();
        let mut held = cache.hold_prefix(&tokens);
        for (page, block) in held.iter().zip(tokens.chunks(PAGE)) {
            assert_eq!(contents[page], block, "a found page holds other tokens");
        }
        let available = cache.available();
        let needed = tokens.len().div_ceil(PAGE) - held.len();
        for taken in 0..needed {
            match cache.take() {
                Some(page) => {
                    assert!(!held.contains(&page), "page {page} was given twice");
                    contents.insert(page, tokens.chunks(PAGE).nth(held.len()).unwrap().to_vec());
                    held.push(page);
                }
                None => {
                    assert_eq!(taken, available, "as many as it said");
                    cache.release(&held);
                    return None;
                }
            }
        }
        Some(Plain { tokens, held })
    }

    #[test]
    fn random_use_agrees_with_a_plain_model() {
        for seed in 0..60 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut cache = Cache::new(PAGE as u32, PAGES);
            let (mut sequences, mut contents) = (Vec::new(), Contents::new());
            for _ in 0..200 {
                match random.next_u32() % 4 {
                    0 | 1 => sequences.extend(start(&mut cache, &mut random, &mut contents)),
                    2 if !sequences.is_empty() => {
                        let index = random.next_u32() as usize % sequences.len();
                        let Plain { tokens, held } = &mut sequences[index];
                        cache.keep(tokens, held);
                    }
                    3 if !sequences.is_empty() => {
                        let ended = sequences.swap_remove(random.next_u32() as usize % sequences.len());
                        cache.release(&ended.held);
                    }
                    _ => {}
                }
                check(&cache, &sequences, &contents);
            }
            sequences.drain(..).for_each(|ended| cache.release(&ended.held));
            assert_eq!(cache.available(), PAGES as usize, "everything can be used again");
            let all: HashSet<u32> = std::iter::from_fn(|| cache.take()).collect();
            assert_eq!(all.len(), PAGES as usize, "no page twice");
        }
    }

    #[test]
    fn equal_pages_are_kept_once() {
        let mut cache = Cache::new(2, 4);
        let write = |cache: &mut Cache| {
            let mut held = vec![cache.take().unwrap(), cache.take().unwrap()];
            cache.keep(&[1, 2, 3], &mut held); // the second page is not full
            held
        };
        let (first, second) = (write(&mut cache), write(&mut cache));
        assert_eq!(first[0], second[0]);
        assert_ne!(first[1], second[1]);
        assert_eq!(cache.available(), 1);
        assert_eq!(cache.hold_prefix(&[1, 2, 3, 4]), [first[0]]);
        assert!(cache.hold_prefix(&[1, 3]).is_empty());
    }

    #[test]
    fn more_of_a_prefix_is_held_as_it_appears() {
        let mut cache = Cache::new(1, 4);
        let mut held = Vec::new();
        cache.hold_more(&[7, 8], &mut held);
        assert!(held.is_empty());
        let mut other = vec![cache.take().unwrap(), cache.take().unwrap()];
        cache.keep(&[7], &mut other);
        cache.hold_more(&[7, 8], &mut held);
        assert_eq!(held, other[..1]);
        cache.keep(&[7, 8], &mut other);
        cache.hold_more(&[7, 8], &mut held);
        assert_eq!(held, other);
        cache.release(&held);
        cache.release(&other);
        assert_eq!(cache.available(), 4);
    }
}
