//! Words of a text, each affirmed, denied, or open. Denials reach differently in the two languages: English ones mostly
//! stand before what they deny, Korean ones behind it; both stop at the end of a clause. Behind a comma the reach is open
//! ("No fever, chills" and "No effusion, consolidation in the right lower lobe" look alike): then nothing is taken from it.

use unicode_normalization::UnicodeNormalization;

/// Whether a word is said to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polarity {
    /// It is.
    Affirmed,
    /// It is not.
    Denied,
    /// A denial may reach it.
    Open,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// Lower case, compatibility forms folded.
    pub(crate) text: String,
    /// Affirmed, denied, open.
    pub(crate) polarity: Polarity,
    /// It is itself a denial.
    pub(crate) is_cue: bool,
}

/// Denials that stand before what they deny.
const BEFORE: &[&str] = &[
    "no", "not", "without", "denies", "denied", "deny", "denying", "never", "neither", "nor", "none", "cannot",
    "absence", "non", "isn't", "wasn't", "doesn't", "didn't", "hasn't", "don't", "lacks", "lacking", "free", "안",
    "못",
];
/// Denials that stand behind it.
const BEHIND: &[&str] = &["negative", "absent", "unlikely", "excluded", "ruled", "refuted", "undetected", "resolved"];
/// Korean denials, by their beginning; all stand behind.
const KOREAN: &[&str] = &["없", "않", "아니", "아님", "부인", "음성", "배제", "못하", "불검출", "미검출"];
/// English words that end a clause.
const BREAKS: &[&str] =
    &["but", "however", "except", "although", "though", "whereas", "while", "yet", "because", "then"];
/// Korean endings that end a clause.
const ENDINGS: &[&str] = &[
    "으나",
    "지만",
    "는데",
    "으며",
    "면서",
    "하고",
    "있고",
    "없고",
    "않고",
    "하며",
    "이며",
    "였고",
    "했고",
    "되고",
    "아니고",
    "이고",
    "있으나",
    "없으나",
];

/// Reads a text into its words.
pub(crate) fn read(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for clause in clauses(text) {
        words.extend(judge(&clause));
    }
    words
}

/// A clause as phrases between commas.
type Clause = Vec<Vec<String>>;

fn clauses(text: &str) -> Vec<Clause> {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let characters: Vec<char> = folded.chars().collect();
    let mut clauses: Vec<Clause> = vec![vec![Vec::new()]];
    let mut word = String::new();
    for (at, c) in characters.iter().enumerate() {
        let within = (*c == '\'' || *c == '-' || *c == '/' || *c == '.')
            && !word.is_empty()
            && characters.get(at + 1).is_some_and(|next| next.is_alphanumeric())
            && !(*c == '.' && characters.get(at + 1).is_some_and(|next| !next.is_ascii_digit()));
        if c.is_alphanumeric() || (within && *c == '\'') {
            word.push(*c);
            continue;
        }
        push(&mut clauses, &mut word);
        match c {
            '.' if within => {}
            '.' | ';' | '\n' | '!' | '?' | '。' => clauses.push(vec![Vec::new()]),
            ',' | '、' | '·' => {
                if let Some(clause) = clauses.last_mut() {
                    clause.push(Vec::new());
                }
            }
            _ => {}
        }
    }
    push(&mut clauses, &mut word);
    clauses
}

fn push(clauses: &mut Vec<Clause>, word: &mut String) {
    if word.is_empty() {
        return;
    }
    let breaks = BREAKS.contains(&word.as_str());
    let ends = is_hangul(word) && ENDINGS.iter().any(|ending| word.ends_with(ending));
    if breaks {
        clauses.push(vec![Vec::new()]);
    }
    if let Some(phrase) = clauses.last_mut().and_then(|clause| clause.last_mut()) {
        phrase.push(std::mem::take(word));
    }
    word.clear();
    if ends {
        clauses.push(vec![Vec::new()]);
    }
}

fn judge(clause: &Clause) -> Vec<Word> {
    let mut judged: Vec<Vec<Word>> = clause
        .iter()
        .map(|phrase| {
            let word = |text: &String| Word { text: text.clone(), polarity: Polarity::Affirmed, is_cue: is_cue(text) };
            phrase.iter().map(word).collect()
        })
        .collect();
    for (at, phrase) in clause.iter().enumerate() {
        for (place, word) in phrase.iter().enumerate() {
            let before = BEFORE.contains(&word.as_str())
                || (word == "negative" && phrase.get(place + 1).is_some_and(|next| next == "for"))
                || (word == "ruled" && phrase.get(place + 1).is_some_and(|next| next == "out") && place == 0);
            let behind = !before && (BEHIND.contains(&word.as_str()) || is_korean_cue(word));
            if before {
                // Korean 안 and 못 deny the next word only.
                let reach = if is_hangul(word) { place + 2 } else { phrase.len() };
                mark(&mut judged, at, place + 1..reach, Polarity::Denied);
                for later in at + 1..clause.len() {
                    mark(&mut judged, later, 0..usize::MAX, Polarity::Open);
                }
            }
            if behind {
                mark(&mut judged, at, 0..place, Polarity::Denied);
                for earlier in 0..at {
                    mark(&mut judged, earlier, 0..usize::MAX, Polarity::Open);
                }
            }
        }
    }
    judged.into_iter().flatten().collect()
}

/// A clear denial is not made open again by another one; two denials of one word are too much to judge.
fn mark(judged: &mut [Vec<Word>], at: usize, range: std::ops::Range<usize>, polarity: Polarity) {
    let Some(phrase) = judged.get_mut(at) else { return };
    for (place, word) in phrase.iter_mut().enumerate() {
        if range.contains(&place) {
            word.polarity = match (word.polarity, polarity) {
                (Polarity::Affirmed, new) => new,
                (Polarity::Denied, Polarity::Open) => Polarity::Denied,
                (Polarity::Denied, Polarity::Denied) => Polarity::Open,
                (Polarity::Open, _) => Polarity::Open,
                (old, Polarity::Affirmed) => old,
            };
        }
    }
}

fn is_cue(word: &str) -> bool {
    BEFORE.contains(&word) || BEHIND.contains(&word) || is_korean_cue(word)
}

fn is_korean_cue(word: &str) -> bool {
    is_hangul(word) && KOREAN.iter().any(|cue| word.starts_with(cue))
}

fn is_hangul(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '가'..='힣'))
}

/// The same word apart from an English ending or a Korean particle.
pub(crate) fn same(word: &str, other: &str) -> bool {
    if word == other {
        return true;
    }
    if word.is_ascii() && other.is_ascii() {
        return word.len() > 3 && other.len() > 3 && stem(word) == stem(other);
    }
    // A particle or a plain ending is one to three syllables at the end; what stands before it must be the whole of the shorter word.
    let (shorter, longer) = if word.chars().count() < other.chars().count() { (word, other) } else { (other, word) };
    let Some(tail) = longer.strip_prefix(shorter) else {
        return base(word) == base(other) && base(word).chars().count() >= 2;
    };
    shorter.chars().count() >= 2 && TAILS.contains(&tail)
}

/// Endings that do not change what a Korean word names or says of it.
const TAILS: &[&str] = &[
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "에서",
    "에게",
    "도",
    "로",
    "으로",
    "와",
    "과",
    "만",
    "까지",
    "부터",
    "함",
    "하였음",
    "하였다",
    "했음",
    "했다",
    "하여",
    "해",
    "됨",
    "되었음",
    "되었다",
    "임",
    "이다",
    "입니다",
    "합니다",
    "하였습니다",
    "했습니다",
    "됩니다",
    "되었습니다",
    "이며",
    "하며",
    "및",
    "하고",
    "이고",
    "되어",
    "한",
    "된",
    "인",
];

fn base(word: &str) -> &str {
    let mut tails: Vec<&&str> = TAILS.iter().collect();
    tails.sort_by_key(|tail| std::cmp::Reverse(tail.len()));
    tails.into_iter().find_map(|tail| word.strip_suffix(*tail).filter(|base| base.chars().count() >= 2)).unwrap_or(word)
}

fn stem(word: &str) -> &str {
    for ending in ["ies", "es", "s", "ed", "ing"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.len() > 3
        {
            return stem.trim_end_matches('e');
        }
    }
    word.trim_end_matches('e')
}

#[cfg(test)]
mod tests {
    use super::Polarity::{Affirmed, Denied, Open};
    use super::*;

    fn of(text: &str, wanted: &str) -> Polarity {
        read(text).into_iter().find(|word| word.text == wanted).map(|word| word.polarity).expect("the word is there")
    }

    #[test]
    fn english_denials_reach_forward_to_the_end_of_the_phrase() {
        for (text, word, expected) in [
            ("No pleural effusion.", "effusion", Denied),
            ("Denies chest pain. Has cough.", "cough", Affirmed),
            ("Denies chest pain. Has cough.", "pain", Denied),
            ("No fever but productive cough", "cough", Affirmed),
            ("No fever, chills or cough", "cough", Open),
            ("No effusion, consolidation in the right lower lobe", "consolidation", Open),
            ("Influenza test negative.", "influenza", Denied),
            ("Negative for influenza", "influenza", Denied),
            ("Pulmonary embolism was ruled out", "embolism", Denied),
            ("Pneumonia confirmed", "pneumonia", Affirmed),
            ("7.1 without change", "change", Denied),
        ] {
            assert_eq!(of(text, word), expected, "{word} in {text}");
        }
    }

    #[test]
    fn korean_denials_reach_back() {
        for (text, word, expected) in [
            ("흉막삼출 없음", "흉막삼출", Denied),
            ("발열은 없고 기침은 있음", "발열은", Denied),
            ("발열은 없고 기침은 있음", "기침은", Affirmed),
            ("기침 있으나 발열 없음", "기침", Affirmed),
            ("발열, 기침, 가래 없음", "발열", Open),
            ("발열, 기침, 가래 없음", "가래", Denied),
            ("폐렴 소견은 보이지 않음", "폐렴", Denied),
            ("폐렴으로 입원함. 흉통 부인함", "폐렴으로", Affirmed),
            ("흉통 부인함", "흉통", Denied),
        ] {
            assert_eq!(of(text, word), expected, "{word} in {text}");
        }
    }

    #[test]
    fn particles_and_plurals_do_not_make_another_word() {
        for (one, other, expected) in [
            ("폐렴은", "폐렴으로", true),
            ("폐렴", "폐렴을", true),
            ("당뇨", "당뇨병", false),
            ("고혈압", "저혈압", false),
            ("effusions", "effusion", true),
            ("started", "start", true),
            ("hypertension", "hypotension", false),
            ("left", "right", false),
        ] {
            assert_eq!(same(one, other), expected, "{one} {other}");
        }
    }
}
