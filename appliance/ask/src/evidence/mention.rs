//! Free text that names the subject: the sentence is quoted as it stands, so that a denial in it stays a denial.

use haechi_record::chart::{Entry, Kind};

use super::Hit;
use crate::draft::excerpt;
use crate::matching;
use crate::plan::Subject;

/// Sentences of one entry that are quoted.
const PER_ENTRY: usize = 2;

/// The sentences of the entry's texts in which the subject is named.
pub(super) fn find<'c>(subject: &Subject, entry: &'c Entry) -> Vec<Hit<'c>> {
    if !matches!(entry.kind, Kind::Note | Kind::Report | Kind::Imaging) {
        return Vec::new();
    }
    let mut found: Vec<Hit<'c>> = Vec::new();
    for text in &entry.texts {
        for sentence in excerpt::sentences(&text.text) {
            let known = found.iter().any(|hit| hit.said.is_some_and(|(_, said)| said == sentence));
            if !known && matching::mention(subject, sentence).is_some() {
                found.push(Hit { said: Some((text, sentence)), ..Hit::whole(entry) });
            }
            if found.len() == PER_ENTRY {
                return found;
            }
        }
    }
    found
}
