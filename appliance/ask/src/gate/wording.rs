//! Is a freely worded sentence carried by the text it cites? Strict on purpose: a word that the evidence does not hold is
//! enough to drop the sentence, because a summary that says less is better than one that says something new.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::numbers;
use crate::draft::sentence::Sentence;

/// Words that join others and carry nothing that could be wrong by itself.
const JOINING: &[&str] = &[
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "at", "for", "with", "by", "from", "as", "is", "are", "was", "were", "be", "been", "being",
    "has", "have", "had", "this", "that", "these", "those", "it", "its", "he", "she", "his", "her", "they", "their", "patient", "patients", "which",
    "who", "also", "there", "then", "than", "into", "during", "after", "before", "over", "under", "about", "per", "including", "includes", "included",
    "note", "notes", "noted", "record", "recorded", "reports", "reported", "report", "according", "shows", "showed", "states", "stated", "described",
    "mentions", "mentioned", "summary",
    "환자", "환자는", "환자의", "및", "그리고", "또한", "있다", "있음", "있습니다", "없습니다", "하였다", "하였습니다", "했습니다", "합니다", "입니다", "이다",
    "기록", "기록에", "따르면", "대한", "위해", "통해", "됨", "함",
];

/// Words that turn a statement round.
const NEGATIONS: &[&str] = &[
    "no", "not", "without", "denies", "denied", "deny", "negative", "absent", "none", "never", "neither", "nor", "ruled", "unlikely", "free",
    "없음", "없다", "없이", "없었다", "없습니다", "않음", "않다", "않았다", "않습니다", "아님", "아니다", "부인", "부인함", "음성", "배제",
];

/// Words before or after a finding within which a negation concerns it.
const REACH: usize = 6;

/// True if every content word and number of the sentence stands in what it cites, and each is affirmed or denied there as
/// it is here.
///
/// # Errors
/// The first reason found.
pub fn carried(sentence: &Sentence<'_>) -> Result<(), String> {
    let text = sentence.text();
    let evidence: Vec<String> = sentence.cites().map(|cite| cite.quote.clone()).collect();
    let whole = evidence.join("\n");
    for number in numbers(&text) {
        if !numbers(&whole).contains(&number) {
            return Err(format!("the number {number} does not stand in the evidence"));
        }
    }
    let evidence_clauses: Vec<Vec<String>> = clauses(&whole).iter().map(|clause| tokens(clause)).collect();
    let known: HashSet<&str> = evidence_clauses.iter().flatten().map(String::as_str).collect();
    for clause in clauses(&text) {
        let said = tokens(&clause);
        for (at, word) in said.iter().enumerate() {
            if JOINING.contains(&word.as_str()) || NEGATIONS.contains(&word.as_str()) || word.chars().all(|c| c.is_ascii_digit()) {
                continue;
            }
            if !stands_in(word, &known) {
                return Err(format!("the word \"{word}\" does not stand in the evidence"));
            }
            let denied_here = is_denied(&said, at);
            let mut seen = evidence_clauses
                .iter()
                .flat_map(|clause| clause.iter().enumerate().filter(|(_, other)| same(word, other)).map(|(at, _)| is_denied(clause, at)));
            if !seen.any(|denied_there| denied_there == denied_here) {
                return Err(format!("\"{word}\" is {} in the evidence", if denied_here { "not denied" } else { "denied" }));
            }
        }
    }
    Ok(())
}

fn stands_in(word: &str, known: &HashSet<&str>) -> bool {
    known.contains(word) || known.iter().any(|other| same(word, other))
}

/// The same word apart from an English plural or a Korean particle.
fn same(word: &str, other: &str) -> bool {
    if word == other {
        return true;
    }
    let stem = |text: &str| -> String {
        if text.is_ascii() {
            text.strip_suffix("es").or_else(|| text.strip_suffix('s')).unwrap_or(text).to_owned()
        } else {
            text.to_owned()
        }
    };
    if word.is_ascii() && other.is_ascii() {
        return word.len() > 3 && other.len() > 3 && stem(word) == stem(other);
    }
    // A particle is one or two syllables at the end; what stands before it must be the whole of the shorter word.
    let (shorter, longer) = if word.chars().count() < other.chars().count() { (word, other) } else { (other, word) };
    let stuck = longer.chars().count() - shorter.chars().count();
    let bare = shorter.chars().count() >= 2 && stuck <= 2 && longer.starts_with(shorter);
    bare && longer.chars().skip(shorter.chars().count()).all(|c| "은는이가을를의에도와과로으만서".contains(c))
}

fn is_denied(clause: &[String], at: usize) -> bool {
    let from = at.saturating_sub(REACH);
    let to = (at + REACH + 1).min(clause.len());
    let korean_after = clause.get(at..to).unwrap_or_default().iter().any(|word| !word.is_ascii() && NEGATIONS.contains(&word.as_str()));
    let before = clause.get(from..at).unwrap_or_default().iter().any(|word| word.is_ascii() && NEGATIONS.contains(&word.as_str()));
    let result_after = clause.get(at..to).unwrap_or_default().iter().any(|word| matches!(word.as_str(), "negative" | "absent" | "denied" | "unlikely"));
    korean_after || before || result_after
}

/// Clauses: a negation does not reach beyond a full stop, a semicolon, a line or a "but".
fn clauses(text: &str) -> Vec<String> {
    let mut clauses = vec![String::new()];
    let characters: Vec<char> = text.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let decimal = *character == '.' && characters.get(at + 1).is_some_and(char::is_ascii_digit);
        if matches!(character, '.' | ';' | '\n' | '!' | '?') && !decimal {
            clauses.push(String::new());
        } else if let Some(last) = clauses.last_mut() {
            last.push(*character);
        }
    }
    clauses.iter().flat_map(|clause| clause.split(" but ").map(str::to_owned)).filter(|clause| !clause.trim().is_empty()).collect()
}

fn tokens(text: &str) -> Vec<String> {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use haechi_record::chart::Person;

    use super::*;
    use crate::draft::sentence::{Author, Cite, Of, Part};

    fn judged(text: &str, evidence: &str) -> Result<(), String> {
        let person = Person::default();
        let cite = Cite { of: Of::Person(&person), path: "text".to_owned(), quote: evidence.to_owned() };
        carried(&Sentence { parts: vec![Part::one(text, cite)], item: false, author: Author::Model, subject: None })
    }

    const NOTE: &str = "72-year-old man admitted with community acquired pneumonia. Chest X-ray: right lower lobe consolidation. No pleural effusion. \
                        Started ceftriaxone 2 g daily. Denies chest pain. Influenza test negative.";

    #[test]
    fn what_the_note_says_passes() {
        for text in [
            "The patient was admitted with community acquired pneumonia.",
            "Chest X-ray showed right lower lobe consolidation.",
            "There is no pleural effusion.",
            "Ceftriaxone 2 g daily was started.",
            "The patient denies chest pain.",
        ] {
            assert_eq!(judged(text, NOTE), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_mutation_of_a_true_sentence_is_held_back() {
        for (text, why) in [
            ("The patient was admitted with community acquired sepsis.", "another finding"),
            ("Chest X-ray showed left lower lobe consolidation.", "another side"),
            ("There is pleural effusion.", "polarity"),
            ("There is no right lower lobe consolidation.", "polarity"),
            ("Ceftriaxone 1 g daily was started.", "another number"),
            ("Ceftriaxone 2 mg daily was started.", "another unit"),
            ("Meropenem 2 g daily was started.", "another drug"),
            ("The patient has chest pain.", "polarity"),
            ("Influenza test positive.", "polarity"),
            ("A 62-year-old man was admitted.", "another age"),
        ] {
            assert!(judged(text, NOTE).is_err(), "{why}: {text}");
        }
    }

    #[test]
    fn korean_particles_do_not_matter_and_korean_denials_do() {
        let note = "폐렴으로 입원함. 흉막삼출 없음. 세프트리악손 2 g 투여. 발열 호소.";
        assert_eq!(judged("환자는 폐렴으로 입원함.", note), Ok(()));
        assert_eq!(judged("흉막삼출은 없음.", note), Ok(()));
        assert!(judged("흉막삼출 있음.", note).is_err());
        assert!(judged("발열 없음.", note).is_err());
        assert!(judged("세프트리악손 3 g 투여.", note).is_err());
    }
}
