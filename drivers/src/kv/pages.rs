//! Pages, free or held: a number of holders each.

/// The pages of one backend, by number.
#[derive(Debug)]
pub struct Pages {
    /// How many hold each page.
    holders: Vec<u32>,
    /// Pages that nobody holds; the last is given first.
    free: Vec<u32>,
}

impl Pages {
    /// `count` pages that nobody holds.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self { holders: vec![0; count as usize], free: (0..count).rev().collect() }
    }

    /// A free page, held once from now on.
    pub fn take(&mut self) -> Option<u32> {
        let page = self.free.pop()?;
        if let Some(holders) = self.holders.get_mut(page as usize) {
            *holders = 1;
        }
        Some(page)
    }

    /// One more holder of a page that is held already; a free page stays free.
    pub fn hold(&mut self, page: u32) {
        if let Some(holders) = self.holders.get_mut(page as usize).filter(|holders| **holders > 0) {
            *holders += 1;
        }
    }

    /// One holder less; the page is free when it was the last. A free page stays free.
    pub fn release(&mut self, page: u32) {
        if let Some(holders) = self.holders.get_mut(page as usize).filter(|holders| **holders > 0) {
            *holders -= 1;
            if *holders == 0 {
                self.free.push(page);
            }
        }
    }

    /// How many hold the page.
    #[must_use]
    pub fn holders(&self, page: u32) -> u32 {
        self.holders.get(page as usize).copied().unwrap_or(0)
    }

    /// Pages that nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// All pages.
    #[must_use]
    pub fn total(&self) -> usize {
        self.holders.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_free_when_its_last_holder_leaves() {
        let mut pages = Pages::new(2);
        let (a, b) = (pages.take().unwrap(), pages.take().unwrap());
        assert_eq!((a, b, pages.take()), (0, 1, None));
        pages.hold(a);
        pages.release(a);
        assert_eq!((pages.holders(a), pages.free()), (1, 0));
        pages.release(a);
        pages.release(a); // once too often: not free twice
        pages.hold(a); // free pages are taken, not held
        assert_eq!((pages.holders(a), pages.free(), pages.total()), (0, 1, 2));
        assert_eq!((pages.take(), pages.take()), (Some(a), None));
        pages.hold(9);
        pages.release(9);
        assert_eq!(pages.holders(9), 0, "there is no such page");
    }
}
