//! Splitting text into the words that full-text search compares, for Korean and for Latin script alike.
//!
//! Text is normalised (NFKC, lower case). A run of letters and digits is a word. A run of Hangul is a word too and, beside
//! it, every pair of neighbouring syllables: so 당뇨 is found in 당뇨병으로 although a particle is stuck to it. Its first
//! syllable is a word as well, so that 간 finds 간수치; inside a word a single syllable is not found, for it would be
//! found nearly everywhere.

use unicode_normalization::UnicodeNormalization;

/// Longest text split, in characters; a longer one is found by its beginning.
const MAX_CHARACTERS: usize = 1 << 20;

/// One find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// FHIR reference.
    pub source: String,
    /// The words around the first match, from the resource's own text.
    pub snippet: String,
}

/// The words of a text, separated by spaces: what is stored.
#[must_use]
pub fn split(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for_each_run(text, &mut |run, hangul| {
        push(&mut words, run);
        if hangul {
            let mut characters = run.chars();
            let mut before = characters.next();
            // A syllable asked for alone (간, 폐, 뇌) is found where a word begins with it.
            if let Some(first) = before.filter(|_| run.chars().nth(1).is_some()) {
                push(&mut words, first.encode_utf8(&mut [0; 4]));
            }
            for next in characters {
                // A run of exactly two is its own pair already.
                if let Some(before) = before.replace(next)
                    && run.chars().nth(2).is_some()
                {
                    push(&mut words, &String::from_iter([before, next]));
                }
            }
        }
    });
    words
}

/// The FTS5 expression that finds texts with every word of `query`; `None` if it holds no word. With `any`, texts with at
/// least one of them.
#[must_use]
pub fn expression(query: &str, any: bool) -> Option<String> {
    let mut terms: Vec<String> = Vec::new();
    for_each_run(query, &mut |run, hangul| {
        let syllables: Vec<char> = run.chars().collect();
        if hangul && syllables.len() > 2 {
            // Every pair must be there: the stored word may carry another particle than the asked one.
            terms.extend(syllables.windows(2).map(|pair| format!("\"{}\"", String::from_iter(pair))));
        } else {
            terms.push(format!("\"{run}\""));
        }
    });
    (!terms.is_empty()).then(|| terms.join(if any { " OR " } else { " AND " }))
}

/// The words around the first match of `query` in `text`, at most about 120 characters.
#[must_use]
pub fn snippet(text: &str, query: &str) -> String {
    let mut asked = Vec::new();
    for_each_run(query, &mut |run, _| asked.push(run.to_owned()));
    // Lower-casing can change lengths; positions are therefore compared character by character in the original.
    let characters: Vec<char> = text.chars().collect();
    let lower: Vec<char> =
        characters.iter().map(|character| character.to_lowercase().next().unwrap_or(*character)).collect();
    let at = asked
        .iter()
        .filter_map(|word| {
            let word: Vec<char> = word.chars().take(2.max(word.chars().count() / 2)).collect();
            lower.windows(word.len()).position(|window| window == word)
        })
        .min()
        .unwrap_or(0);
    let from = at.saturating_sub(40);
    let to = (at + 80).min(characters.len());
    let shown: String = characters.get(from..to).unwrap_or_default().iter().collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn push(words: &mut String, word: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word);
}

/// Calls `take` with each run of Hangul (`true`) or of other letters and digits (`false`).
fn for_each_run(text: &str, take: &mut dyn FnMut(&str, bool)) {
    let mut run = String::new();
    let mut hangul = false;
    for character in text.chars().take(MAX_CHARACTERS).nfkc().flat_map(char::to_lowercase) {
        if !character.is_alphanumeric() {
            if !run.is_empty() {
                take(&run, hangul);
                run.clear();
            }
            continue;
        }
        let is_hangul = ('가'..='힣').contains(&character);
        if !run.is_empty() && is_hangul != hangul {
            take(&run, hangul);
            run.clear();
        }
        hangul = is_hangul;
        run.push(character);
    }
    if !run.is_empty() {
        take(&run, hangul);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_is_stored_as_words_and_pairs() {
        for (text, words) in [
            ("당뇨병으로", "당뇨병으로 당 당뇨 뇨병 병으 으로"),
            ("폐렴이 의심됨", "폐렴이 폐 폐렴 렴이 의심됨 의 의심 심됨"),
            ("HbA1c 7.10%", "hba1c 7 10"),
            ("폐렴", "폐렴 폐"),
            ("폐", "폐"),
            ("CT검사", "ct 검사 검"),
            ("ＨｂＡ１ｃ", "hba1c"),
        ] {
            assert_eq!(split(text), words);
        }
    }

    #[test]
    fn every_pair_of_a_longer_word_is_asked() {
        assert_eq!(expression("당뇨", false).unwrap(), "\"당뇨\"");
        assert_eq!(expression("당뇨병 CT", false).unwrap(), "\"당뇨\" AND \"뇨병\" AND \"ct\"");
        assert_eq!(expression(" ?!\" ", false), None);
    }

    #[test]
    fn quotes_and_operators_of_a_question_are_no_operators_of_the_search() {
        assert_eq!(expression("a\" OR NEAR(b*", true).unwrap(), "\"a\" OR \"or\" OR \"near\" OR \"b\"");
    }

    #[test]
    fn a_snippet_shows_the_match_in_the_original_spelling() {
        let text = format!("{}환자는 당뇨병으로 치료 중", "앞 ".repeat(100));
        assert!(snippet(&text, "당뇨").contains("당뇨병으로"));
        assert!(snippet("Community-acquired Pneumonia", "pneumonia").contains("Pneumonia"));
    }
}
