//! What the patient's chart itself calls things: so that a rare drug or a Korean diagnosis is understood although the
//! built-in vocabulary lacks it.

use std::collections::{BTreeMap, HashSet};

use haechi_record::chart::{Chart, Kind};
use haechi_record::terminology::Names;

use super::cues;
use super::names::Callings;
use super::text::is_hangul;

/// Names in one chart.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// Lower-case names and their single words, with the kinds of entries they stand in.
    phrases: BTreeMap<String, Vec<Kind>>,
    /// The person's names: a question may say them.
    person: HashSet<String>,
    /// Words of notes and reports.
    texts: HashSet<String>,
    /// What code systems call the chart's codes.
    callings: Callings,
}

/// Single words of names that are too common to name anything.
const COMMON: &[&str] = &[
    "disorder",
    "finding",
    "procedure",
    "situation",
    "history",
    "acute",
    "chronic",
    "normal",
    "unspecified",
    "tablet",
    "capsule",
    "solution",
    "injection",
    "oral",
    "hour",
    "extended",
    "release",
    "product",
    "volume",
    "mass",
    "entitic",
    "presence",
    "automated",
    "count",
    "percent",
    "status",
    "assessment",
    "screening",
    "evaluation",
    "examination",
    "education",
    "therapy",
    "therapeutic",
    "care",
    "management",
    "encounter",
    "visit",
    "symptom",
    "problem",
    "check",
    "without",
    "with",
    "other",
    "left",
    "right",
    "upper",
    "lower",
    "first",
    "second",
    "primary",
    "secondary",
    "adult",
    "child",
    "body",
    "patient",
    "medical",
    "report",
    "note",
    "panel",
    "total",
    "mean",
    "type",
    "level",
    "initial",
    "general",
    "clinical",
    "hospital",
    "admission",
    "discharge",
    "emergency",
    "outpatient",
    "inpatient",
    "follow",
    "plan",
    "system",
    "using",
    "from",
    "that",
    "this",
    "test",
    "result",
    "specimen",
    "date",
    "time",
    "score",
    "index",
    "rate",
    "ratio",
    "상태",
    "검사",
    "환자",
    "결과",
    "기록",
    "진료",
    "입원",
    "퇴원",
    "외래",
    "수술",
    "치료",
    "상세불명",
    "기타",
    "급성",
    "만성",
    "상세불명의",
    "의한",
    "않은",
    "동반",
    "동반한",
    "합병증",
    "없는",
    "제제",
    "밀리그램",
    "추적",
    "관찰",
    "소견",
    "경과",
    "초진",
    "병원",
    "현재",
    "최근",
    "약물",
    "예방",
    "접종",
    "평가",
    "계획",
];

impl Vocabulary {
    /// Reads the chart's names.
    #[must_use]
    pub fn of(chart: &Chart) -> Self {
        let mut vocabulary = Self::default();
        for entry in &chart.entries {
            let codes = entry.codes.iter().map(|coding| coding.display.as_str());
            let components = entry.values.iter().flat_map(|value| {
                std::iter::once(value.name.as_str()).chain(value.codes.iter().map(|coding| coding.display.as_str()))
            });
            let named = matches!(entry.kind, Kind::Encounter | Kind::Note | Kind::Other | Kind::Planned);
            for name in std::iter::once(entry.title.as_str())
                .chain(entry.other_titles.iter().map(String::as_str))
                .chain(codes)
                .chain(components)
            {
                vocabulary.add(name, entry.kind, !named);
            }
            if matches!(entry.kind, Kind::Note | Kind::Report) {
                for text in &entry.texts {
                    vocabulary.texts.extend(words(&text.text));
                }
            }
        }
        for name in &chart.patient.names {
            vocabulary.person.insert(name.to_lowercase().replace(' ', ""));
            vocabulary.person.extend(words(name));
        }
        vocabulary
    }

    /// As [`Self::of`], and what code systems call the chart's codes.
    #[must_use]
    pub fn with_names(chart: &Chart, names: &[Names]) -> Self {
        Self { callings: Callings::of(chart, names), ..Self::of(chart) }
    }

    pub(super) fn callings(&self) -> &Callings {
        &self.callings
    }

    fn add(&mut self, name: &str, kind: Kind, single_words: bool) {
        let lower = name.trim().to_lowercase();
        if lower.chars().count() < 2 {
            return;
        }
        self.note(lower.clone(), kind);
        // Without what stands in brackets: "Viral sinusitis (disorder)".
        if let Some((bare, _)) = lower.split_once(" (") {
            self.note(bare.to_owned(), kind);
        }
        if single_words {
            for word in words(&lower) {
                let long = word.chars().count() >= if word.chars().any(is_hangul) { 2 } else { 4 };
                let common = COMMON.contains(&word.as_str())
                    || cues::STOP.contains(&word.as_str())
                    || word.chars().all(|c| c.is_ascii_digit());
                let cue = is_cue(&word);
                if long && !common && !cue {
                    self.note(word, kind);
                }
            }
        }
    }

    fn note(&mut self, phrase: String, kind: Kind) {
        let kinds = self.phrases.entry(phrase).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }

    pub(super) fn phrases(&self) -> impl Iterator<Item = (&str, &[Kind])> {
        self.phrases.iter().map(|(phrase, kinds)| (phrase.as_str(), kinds.as_slice()))
    }

    /// True if the word is (part of) this patient's own name.
    pub(super) fn is_person(&self, word: &str) -> bool {
        self.person.contains(word)
            || (word.chars().any(is_hangul)
                && self.person.iter().any(|name| name.chars().count() >= 2 && word.starts_with(name.as_str())))
    }

    pub(super) fn stands_in_a_text(&self, word: &str) -> bool {
        self.texts.contains(word)
            || (word.chars().any(is_hangul)
                && word.chars().count() >= 2
                && self.texts.iter().any(|known| {
                    known.starts_with(word) || (known.chars().count() >= 2 && word.starts_with(known.as_str()))
                }))
    }
}

/// True for a word that names nothing by itself: too common, a filler, or one that says what is wanted.
pub(super) fn is_common(word: &str) -> bool {
    COMMON.contains(&word) || cues::STOP.contains(&word) || is_cue(word)
}

/// True if the word says what is wanted rather than of what.
fn is_cue(word: &str) -> bool {
    let says = |cue: &&str| match cue.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => *cue == word,
    };
    let wishes = [
        cues::LIST,
        cues::LATEST,
        cues::FIRST,
        cues::ACTIVE,
        cues::ENDED,
        cues::WHEN,
        cues::HIGH,
        cues::LOW,
        cues::COUNT,
        cues::SUMMARY,
        cues::TREND,
        cues::EVER,
    ];
    cues::KINDS.iter().any(|(_, cues)| cues.iter().any(&says)) || wishes.iter().any(|cues| cues.iter().any(&says))
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
