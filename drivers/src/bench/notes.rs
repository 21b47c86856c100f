//! Synthetic notes, the same each time: a caretaker's round through a house, in English and Korean.

/// A language that notes are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Korean.
    Korean,
}

/// What is looked at, in English and Korean.
const THINGS: [(&str, &str); 8] = [
    ("boiler", "보일러"),
    ("water pump", "급수 펌프"),
    ("north lift", "북쪽 승강기"),
    ("cold store", "냉장 창고"),
    ("generator", "발전기"),
    ("main filter", "주 여과기"),
    ("fire door", "방화문"),
    ("roof fan", "옥상 환풍기"),
];
const PEOPLE: [(&str, &str); 5] =
    [("Miller", "김민수"), ("Okafor", "이서연"), ("Tanaka", "박지훈"), ("Lopez", "최유진"), ("Novak", "정하늘")];

/// Numbers that look drawn by chance and are the same each time (SplitMix64, Steele et al. 2014).
fn drawn(seed: u64, place: u64, below: u64) -> u64 {
    let mut mixed = (seed << 32 | place).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % below
}

/// What sentence `place` of a note is about.
#[must_use]
pub fn thing(language: Language, place: u64) -> &'static str {
    let (english, korean) = THINGS[(place % THINGS.len() as u64) as usize];
    match language {
        Language::English => english,
        Language::Korean => korean,
    }
}

/// A sentence that no other note and no other place has.
fn sentence(language: Language, seed: u64, place: u64) -> String {
    let number = |which: u64, below: u64| drawn(seed, place * 8 + which, below);
    let (day, month, floor) = (1 + number(0, 28), 1 + number(1, 12), 1 + number(2, 9));
    let (value, tenth, next) = (10 + number(3, 90), number(4, 10), 2 + number(5, 30));
    let person = PEOPLE[number(6, PEOPLE.len() as u64) as usize];
    let thing = thing(language, place);
    match language {
        Language::English => format!(
            "Entry {}: on {day}/{month} {} checked the {thing} on floor {floor} and read {value}.{tenth}; the next check is due in {next} days.",
            place + 1,
            person.0
        ),
        Language::Korean => format!(
            "기록 {}: {month}월 {day}일 {}이(가) {floor}층 {thing}을(를) 점검하고 {value}.{tenth}을(를) 읽었으며 다음 점검은 {next}일 뒤이다.",
            place + 1,
            person.1
        ),
    }
}

/// A note of so many sentences, one a line; each seed has its own.
#[must_use]
pub fn note(language: Language, seed: u64, sentences: u64) -> String {
    (0..sentences).map(|place| sentence(language, seed, place) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sentences_differ_and_are_the_same_each_time() {
        for language in [Language::English, Language::Korean] {
            let texts: Vec<String> = (0..40).map(|seed| note(language, seed, 8)).collect();
            let sentences: HashSet<&str> = texts.iter().flat_map(|text| text.lines()).collect();
            assert_eq!(sentences.len(), 40 * 8);
            assert_eq!(texts[7], note(language, 7, 8));
            assert!(texts[3].lines().nth(2).unwrap().contains(thing(language, 2)));
        }
    }
}
