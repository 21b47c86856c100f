//! Keys and values of all sequences: a pool of pages.
#![allow(unsafe_code, reason = "pointer arithmetic; the contracts stand above the functions")]

use super::attention::PAGE;
use super::config::{Attention, Config};
use super::eight;
use super::memory::Buffer;

/// What one layer keeps of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheShape {
    pub(super) layers: usize,
    pub(super) heads: usize,
    /// Numbers of a key.
    pub(super) key: usize,
    /// Numbers of a value.
    pub(super) value: usize,
    /// Values are kept beside the keys; otherwise a key begins with its value.
    values: bool,
    /// Numbers are of 8 bits, see [`eight`].
    pub(super) eight: bool,
}

impl CacheShape {
    pub(super) fn of(config: &Config, eight: bool) -> Self {
        let layers = config.layers;
        match config.attention {
            Attention::Grouped { kv_heads, key, value, .. } => {
                Self { layers, heads: kv_heads, key, value, values: true, eight }
            }
            Attention::Latent { latent, .. } => {
                Self { layers, heads: 1, key: latent + config.rotated, value: latent, values: false, eight }
            }
        }
    }

    /// Numbers of 16 bits that a head's part of a page takes, of `dimension` numbers a position.
    const fn part_numbers(self, dimension: usize) -> usize {
        if self.eight { eight::part_numbers(dimension) } else { PAGE * dimension }
    }

    /// Numbers of 16 bits of one layer's part of a page.
    const fn layer_numbers(self) -> usize {
        self.heads * (self.part_numbers(self.key) + if self.values { self.part_numbers(self.value) } else { 0 })
    }

    /// True if values are kept beside the keys.
    pub(super) const fn keeps_values(self) -> bool {
        self.values
    }

    /// Numbers of 16 bits of a page.
    pub(super) const fn page_numbers(self) -> usize {
        self.layers * self.layer_numbers()
    }
}

/// The pages: `[page][layer][keys of each head, values of each head]`, bf16 in the order that [`super::attention`] reads, or 8
/// bits, see [`eight`].
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) shape: CacheShape,
    pages: usize,
    numbers: Buffer<u16>,
}

impl Cache {
    /// Room for `pages` pages; what is never written takes no memory.
    pub(super) fn new(shape: CacheShape, pages: usize) -> Result<Self, std::io::Error> {
        let numbers = pages.checked_mul(shape.page_numbers()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { shape, pages, numbers: Buffer::new(numbers)? })
    }

    /// Where the keys of `head` in `layer` of `page` begin.
    ///
    /// # Safety
    /// There are such a page, layer and head.
    pub(super) unsafe fn keys(&self, page: usize, layer: usize, head: usize) -> *mut u16 {
        let shape = self.shape;
        let at = (page * shape.layers + layer) * shape.layer_numbers() + head * shape.part_numbers(shape.key);
        // SAFETY: in bounds, as the caller vouches.
        unsafe { self.numbers.pointer().add(at) }
    }

    /// Where the values of `head` in `layer` of `page` begin.
    ///
    /// # Safety
    /// There are such a page, layer and head, and the cache keeps values.
    pub(super) unsafe fn values(&self, page: usize, layer: usize, head: usize) -> *mut u16 {
        let shape = self.shape;
        let keys = shape.heads * shape.part_numbers(shape.key);
        let at = (page * shape.layers + layer) * shape.layer_numbers() + keys + head * shape.part_numbers(shape.value);
        // SAFETY: in bounds, as the caller vouches.
        unsafe { self.numbers.pointer().add(at) }
    }

    /// A page's numbers; `None` if there is no such page.
    pub(super) fn page(&self, page: u32) -> Option<&[u16]> {
        let count = self.shape.page_numbers();
        // SAFETY: in bounds, as compared; no pass runs while the backend is borrowed.
        ((page as usize) < self.pages)
            .then(|| unsafe { std::slice::from_raw_parts(self.numbers.pointer().add(page as usize * count), count) })
    }

    /// As [`Cache::page`], to fill it.
    pub(super) fn page_mut(&mut self, page: u32) -> Option<&mut [u16]> {
        let count = self.shape.page_numbers();
        self.numbers.slice().chunks_mut(count).nth(page as usize)
    }
}
