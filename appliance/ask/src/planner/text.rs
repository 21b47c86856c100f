//! The question while it is read: which of its characters are accounted for.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

/// The question's text and what was understood of it so far.
#[derive(Debug)]
pub(super) struct Text {
    /// As written, NFKC.
    written: String,
    /// Lower case; the same bytes stand at the same places as in `written`.
    lower: String,
    /// One a byte: accounted for.
    taken: Vec<bool>,
}

impl Text {
    pub(super) fn new(question: &str) -> Self {
        let written: String = question.nfkc().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let lower: String = written
            .chars()
            .map(|character| {
                let mut small = character.to_lowercase();
                match (small.next(), small.next()) {
                    // Only where the place of every later character stays the same.
                    (Some(one), None) if one.len_utf8() == character.len_utf8() => one,
                    _ => character,
                }
            })
            .collect();
        let taken = vec![false; lower.len()];
        Self { written, lower, taken }
    }

    pub(super) fn lower(&self) -> &str {
        &self.lower
    }

    /// Marks a range as accounted for.
    pub(super) fn take(&mut self, range: Range<usize>) {
        if let Some(taken) = self.taken.get_mut(range) {
            taken.fill(true);
        }
    }

    /// True if none of the range is accounted for yet.
    pub(super) fn is_free(&self, range: &Range<usize>) -> bool {
        self.taken.get(range.clone()).is_some_and(|taken| taken.iter().all(|taken| !taken))
    }

    /// Takes every free occurrence of any of the cues; true if there was one.
    pub(super) fn take_cues(&mut self, cues: &[&str]) -> bool {
        let mut found = false;
        for cue in cues {
            for range in self.find(cue, false) {
                if self.is_free(&range) {
                    self.take(range);
                    found = true;
                }
            }
        }
        found
    }

    /// True if any of the cues stands there, taken or not.
    pub(super) fn has(&self, cues: &[&str]) -> bool {
        cues.iter().any(|cue| !self.find(cue, false).is_empty())
    }

    /// Where `term` (lower case) stands as a word. Latin words end where letters and digits end, a plural `s` aside; a cue
    /// that ends in `*` is the beginning of a word. Hangul must begin a word, or be long enough to mean only itself.
    pub(super) fn find(&self, term: &str, capital: bool) -> Vec<Range<usize>> {
        let (term, open) = match term.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (term, false),
        };
        if term.is_empty() {
            return Vec::new();
        }
        let found = self.lower.match_indices(term).filter_map(|(start, _)| {
            let end = start + term.len();
            let first = term.chars().next()?;
            let last = term.chars().next_back()?;
            let before = self.lower.get(..start)?.chars().next_back();
            let begins = if is_hangul(first) {
                let long = term.chars().count() >= 3;
                long || !before.is_some_and(is_hangul) || self.taken.get(start.checked_sub(1)?).copied().unwrap_or(true)
            } else {
                !before.is_some_and(|c| c.is_alphanumeric() && !is_hangul(c))
            };
            let rest = self.lower.get(end..)?;
            let after = rest.chars().next();
            let ends = if is_hangul(last) {
                // A last word of one syllable must end there: 혈소판 수, not 혈소판 수치.
                let alone = term.chars().count() == 1 || term.ends_with(" 수");
                !alone || single_syllable_ends(rest)
            } else {
                let plural = rest.strip_prefix("'s").or_else(|| rest.strip_prefix('s')).is_some_and(|rest| {
                    !rest.chars().next().is_some_and(|c| c.is_alphanumeric() && !is_hangul(c))
                        && term.chars().count() > 2
                });
                open || plural || !after.is_some_and(|c| c.is_alphanumeric() && !is_hangul(c))
            };
            let shouted = !capital || self.written.get(start..end)?.chars().all(|c| !c.is_lowercase());
            // The rest of an open cue's word, and a plural ending, belong to it.
            let extent = if is_hangul(last) {
                0
            } else {
                rest.chars()
                    .take_while(|c| {
                        (open || *c == 's' || *c == '\'') && c.is_alphanumeric() && !is_hangul(*c) || *c == '\''
                    })
                    .map(char::len_utf8)
                    .sum()
            };
            (begins && ends && shouted).then_some(start..end + extent)
        });
        found.collect()
    }

    /// The words of which something is not accounted for: Latin words whole, of Hangul words the free pieces.
    pub(super) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        let mut word = String::new();
        let mut hangul = false;
        let mut touched = false;
        let mut flush = |word: &mut String, hangul: bool, touched: bool| {
            // A Latin or numeric word of which a part was understood is understood.
            if !word.is_empty() && (hangul || !touched) {
                rest.push(word.clone());
            }
            word.clear();
        };
        for (at, character) in self.lower.char_indices().chain([(self.lower.len(), ' ')]) {
            let taken = self.taken.get(at).copied().unwrap_or(true);
            let belongs = character.is_alphanumeric()
                || (character == '.'
                    && !word.is_empty()
                    && !hangul
                    && self.lower.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
            if !belongs || (!word.is_empty() && is_hangul(character) != hangul) || (is_hangul(character) && taken) {
                flush(&mut word, hangul, touched);
                touched = false;
            }
            if belongs && !(is_hangul(character) && taken) {
                hangul = is_hangul(character);
                touched |= taken;
                word.push(character);
            }
        }
        rest
    }
}

/// A one-syllable name counts only as a word of its own, perhaps with a particle.
fn single_syllable_ends(rest: &str) -> bool {
    let tail: String = rest.chars().take_while(|c| is_hangul(*c)).collect();
    tail.is_empty()
        || ["은", "는", "이", "가", "을", "를", "도", "의", "이나", "은요", "는요", "을요"].contains(&tail.as_str())
}

pub(super) fn is_hangul(character: char) -> bool {
    ('가'..='힣').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        let text = Text::new("Last HbA1c and statins? 당뇨병으로 PT");
        assert_eq!(text.find("hba1c", false).len(), 1);
        assert_eq!(text.find("a1c", false).len(), 0);
        assert_eq!(text.find("statin", false).len(), 1);
        assert_eq!(text.find("당뇨", false).len(), 1);
        assert_eq!(text.find("뇨병", false).len(), 0);
        assert_eq!(text.find("pt", true).len(), 1);
        assert_eq!(Text::new("the pt is").find("pt", true).len(), 0);
        assert_eq!(Text::new("diagnosed when").find("diagnos*", false).first(), Some(&(0..9)));
    }

    #[test]
    fn what_is_not_accounted_for_is_left() {
        let mut text = Text::new("last HbA1c of zorblax 당뇨병으로");
        text.take_cues(&["last", "hba1c", "당뇨병"]);
        assert_eq!(text.rest(), ["of", "zorblax", "으로"]);
    }
}
