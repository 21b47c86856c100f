//! Words that join others and carry nothing that could be wrong by itself. What is not in here must stand in the evidence.
//!
//! Kept short on purpose. Never in here: denials, states, flags, directions, comparisons, units, number words, names.

use crate::draft::sentence::Author;

/// Words of this crate's own templates.
const TEMPLATES: &[&str] = &[
    "a", "an", "the", "is", "are", "of", "for", "to", "from", "in", "on", "by", "as", "at", "and", "that", "with", "so", "far", "ago", "now", "it",
    "latest", "first", "recorded", "record", "entry", "entries", "value", "values", "earlier", "older", "total", "only", "here", "cited", "counted",
    "computed", "including", "marked", "outside", "another", "state", "period", "different", "names", "name", "age", "years", "birth", "date", "mean",
    "closest", "start", "mentioned", "sex",
    // The same in Korean, with the endings that templates give them.
    "가장", "최근", "기록", "기록은", "기록된", "기록상", "기록지", "첫", "최초", "총", "건", "건입니다", "건은", "건의", "개", "개로", "개의", "중", "중에서",
    "값", "값은", "값입니다", "평균은", "평균", "계산", "계산함", "집계", "차이", "이전", "포함", "포함되며", "건수에", "여기에는", "인용만", "합니다", "입니다",
    "상태", "상태로", "상태의", "표시되어", "있습니다", "기준", "만", "세", "세입니다", "세였습니다", "전", "후", "째", "그", "기간", "밖의", "다른", "가까운",
    "이름이", "것은", "것으로", "가지입니다", "가지", "언급", "은", "는", "이", "가", "을", "를", "의", "에", "에서", "로", "으로", "와", "과", "까지",
    "부터", "되어", "한", "시작일", "날짜", "성별", "이름", "기록되어", "당시",
];

/// Words that a model's sentence may add to those of its evidence.
const JOINING: &[&str] = &[
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "at", "for", "with", "by", "from", "as", "is", "are", "was", "were", "be", "been", "being", "has",
    "have", "had", "this", "that", "these", "those", "it", "its", "he", "she", "his", "her", "they", "their", "patient", "patients", "patient's", "which",
    "who", "also", "there", "note", "notes", "noted", "record", "recorded", "according", "states", "stated", "described", "mentions", "mentioned",
    "includes", "included", "including", "showed", "shows", "s",
    "환자", "환자는", "환자의", "환자가", "및", "그리고", "또한", "기록", "기록에", "따르면", "있음", "있습니다", "있다", "됨", "함", "임", "입니다", "합니다", "했습니다",
    "하였습니다", "되었습니다", "은", "는", "이", "가", "을", "를", "의", "에", "에서", "로", "으로", "와", "과", "도",
];

/// True if the word joins and says nothing.
pub(crate) fn is_neutral(word: &str, author: Author) -> bool {
    match author {
        Author::Template => TEMPLATES.contains(&word),
        Author::Model => JOINING.contains(&word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::words;
    use crate::gate::polarity;

    #[test]
    fn no_joining_word_denies_flags_or_states() {
        for word in TEMPLATES.iter().chain(JOINING) {
            assert!(polarity::read(word).iter().all(|read| !read.is_cue), "{word} denies");
            assert!(!words::FLAGS.iter().any(|row| row.1 == *word || row.2 == *word), "{word} flags");
            assert!(!words::STATES.iter().any(|row| row.1 == *word || row.2 == *word), "{word} is a state");
        }
    }
}
