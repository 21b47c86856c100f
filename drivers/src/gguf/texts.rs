//! A list of texts in one allocation: a vocabulary has a hundred thousand, and as many small allocations would leave the
//! allocator's memory in pieces that the system never gets back.

/// Texts, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    bytes: String,
    /// Where each text ends in `bytes`.
    ends: Vec<usize>,
}

impl Texts {
    /// Puts one behind the others.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Text number `index`, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&str> {
        let from = index.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(from..*self.ends.get(index)?)
    }

    /// All, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_put() {
        let list = ["", "가나", "", "a b", ""];
        let texts: Texts = list.iter().collect();
        assert!(texts.iter().eq(list) && texts.len() == 5 && !texts.is_empty());
        assert_eq!((texts.get(1), texts.get(4), texts.get(5)), (Some("가나"), Some(""), None));
        assert_eq!(Texts::default().get(0), None);
        assert_ne!(["ab", "c"].iter().collect::<Texts>(), ["a", "bc"].iter().collect::<Texts>());
    }
}
