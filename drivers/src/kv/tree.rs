//! Finished pages by the tokens that led to them: each node is one full page, its children the pages that came next.

use std::collections::{BTreeSet, HashMap};

/// Where the tree begins; it has no page.
const ROOT: usize = 0;

#[derive(Debug, Default)]
struct Node {
    page: u32,
    parent: usize,
    /// The tokens of this node's page: its name among its parent's children.
    block: Box<[u32]>,
    children: HashMap<Box<[u32]>, usize>,
    /// When it was used last, in uses.
    used: u64,
}

/// A prefix tree over blocks of one page's tokens.
#[derive(Debug)]
pub struct Tree {
    page_tokens: usize,
    /// Every index that another node, `vacant` or `leaves` names is one of this list, which never shrinks.
    nodes: Vec<Node>,
    /// Nodes that are no part of the tree.
    vacant: Vec<usize>,
    /// Nodes without children but the root, the one used longest ago first.
    leaves: BTreeSet<(u64, usize)>,
    uses: u64,
}

impl Tree {
    /// An empty tree. `page_tokens` is at least 1.
    #[must_use]
    pub fn new(page_tokens: usize) -> Self {
        let nodes = vec![Node::default()];
        Self { page_tokens: page_tokens.max(1), nodes, vacant: Vec::new(), leaves: BTreeSet::new(), uses: 0 }
    }

    /// The pages that hold the beginning of `tokens`, as many as there are.
    pub fn find(&mut self, tokens: &[u32]) -> Vec<u32> {
        let mut found = Vec::new();
        let mut at = ROOT;
        self.uses += 1;
        for block in tokens.chunks_exact(self.page_tokens) {
            let Some(&child) = self.nodes[at].children.get(block) else { break };
            self.touch(child);
            found.push(self.nodes[child].page);
            at = child;
        }
        found
    }

    /// Adds a sequence: `pages` hold its `tokens`, of which only full pages count. `each` hears of every page that the tree
    /// takes (`page, None`) and of every one that it has already under another number (`page, Some(kept)`); `pages` says
    /// `kept` there afterwards.
    pub fn insert(&mut self, tokens: &[u32], pages: &mut [u32], mut each: impl FnMut(u32, Option<u32>)) {
        let mut at = ROOT;
        self.uses += 1;
        for (block, page) in tokens.chunks_exact(self.page_tokens).zip(pages) {
            at = match self.nodes[at].children.get(block) {
                Some(&child) => {
                    self.touch(child);
                    let kept = self.nodes[child].page;
                    if kept != *page {
                        each(*page, Some(kept));
                        *page = kept;
                    }
                    child
                }
                None => {
                    each(*page, None);
                    self.add(at, block, *page)
                }
            };
        }
    }

    /// Takes the leaf that was used longest ago out of those whose page `may_go`, and returns its page.
    pub fn evict(&mut self, may_go: impl Fn(u32) -> bool) -> Option<u32> {
        let (used, index) = *self.leaves.iter().find(|(_, index)| may_go(self.nodes[*index].page))?;
        self.leaves.remove(&(used, index));
        let Node { page, parent, block, .. } = std::mem::take(&mut self.nodes[index]);
        self.vacant.push(index);
        self.nodes[parent].children.remove(&block);
        if parent != ROOT && self.nodes[parent].children.is_empty() {
            self.leaves.insert((self.nodes[parent].used, parent));
        }
        Some(page)
    }

    /// All pages in the tree, in no order.
    pub fn pages(&self) -> impl Iterator<Item = u32> {
        let mut waiting = vec![ROOT];
        std::iter::from_fn(move || {
            let node = &self.nodes[waiting.pop()?];
            waiting.extend(node.children.values());
            Some(node.page)
        })
        .skip(1) // the root has none
    }

    fn touch(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if self.leaves.remove(&(node.used, index)) {
            self.leaves.insert((self.uses, index));
        }
        node.used = self.uses;
    }

    fn add(&mut self, parent: usize, block: &[u32], page: u32) -> usize {
        let node = Node { page, parent, block: block.into(), children: HashMap::new(), used: self.uses };
        let index = match self.vacant.pop() {
            Some(index) => {
                self.nodes[index] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.leaves.remove(&(self.nodes[parent].used, parent));
        self.nodes[parent].children.insert(block.into(), index);
        self.leaves.insert((self.uses, index));
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(tree: &mut Tree, tokens: &[u32], pages: &[u32]) -> Vec<u32> {
        let mut pages = pages.to_vec();
        tree.insert(tokens, &mut pages, |_, _| {});
        pages
    }

    #[test]
    fn the_longest_beginning_is_found() {
        let mut tree = Tree::new(2);
        assert!(tree.find(&[1, 2]).is_empty());
        insert(&mut tree, &[1, 2, 3, 4, 5], &[7, 8, 9]);
        assert_eq!(tree.find(&[1, 2, 3, 4, 5, 6]), [7, 8], "page 9 is not full");
        assert_eq!(tree.find(&[1, 2, 3]), [7]);
        assert!(tree.find(&[3, 4]).is_empty(), "the same tokens elsewhere are other pages");
        assert_eq!(insert(&mut tree, &[1, 2, 9, 9], &[5, 6]), [7, 6]);
        assert_eq!(tree.find(&[1, 2, 9, 9]), [7, 6]);
        let mut pages: Vec<_> = tree.pages().collect();
        pages.sort_unstable();
        assert_eq!(pages, [6, 7, 8]);
    }

    #[test]
    fn the_leaf_used_longest_ago_goes_first() {
        let mut tree = Tree::new(1);
        insert(&mut tree, &[1, 2], &[1, 2]);
        insert(&mut tree, &[1, 3], &[1, 3]);
        insert(&mut tree, &[4], &[4]);
        tree.find(&[1, 2]);
        assert_eq!(tree.evict(|page| page != 3), Some(4), "3 is older and may not go");
        let order: Vec<_> = std::iter::from_fn(|| tree.evict(|_| true)).collect();
        assert_eq!(order, [3, 2, 1], "a page goes after those that follow it");
        assert_eq!(tree.pages().count(), 0);
        insert(&mut tree, &[5], &[5]);
        assert_eq!(tree.find(&[5]), [5], "places in the list are used again");
    }
}
