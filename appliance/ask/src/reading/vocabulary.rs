//! What the patient's chart itself calls things: a rare drug or a Korean diagnosis is understood although the built-in
//! concepts lack it, and the patient's own name is no unknown word.

use std::collections::{BTreeMap, HashMap, HashSet};

use haechi_record::chart::{Chart, Kind, PartialDate};
use jiff::civil::Date;

use super::dictionary::{Dictionary, Meaning};
use super::spelling::Speller;
use crate::question::{Script, has_hangul, words};

/// One title of the chart.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    /// As recorded.
    pub(super) title: String,
    /// Kinds of entries it stands in.
    pub(super) kinds: Vec<Kind>,
    /// The codes beside it.
    pub(super) codes: Vec<(String, String)>,
    /// Its words, for telling whether several words of a question belong to one title.
    pub(super) stems: HashSet<String>,
}

/// Names in one chart.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    pub(super) dictionary: Dictionary,
    pub(super) speller: Speller,
    pub(super) owns: Vec<Own>,
    /// Single words of titles, and the titles they stand in.
    pub(super) own_words: Vec<(String, Vec<usize>)>,
    /// Identifier values.
    pub(super) identifiers: HashSet<String>,
    /// Birth date, if the day is known.
    pub(super) birth: Option<Date>,
}

/// Words of titles that name nothing by themselves.
const COMMON: &[&str] = &[
    "disorder", "finding", "procedure", "situation", "regime", "therapy", "substance", "organism", "history", "normal", "unspecified", "tablet", "capsule", "solution", "injection", "oral", "hour", "hr",
    "extended", "release", "product", "volume", "mass", "entitic", "presence", "automated", "count", "percent", "status", "assessment", "screening", "evaluation", "examination", "education", "therapeutic",
    "care", "management", "encounter", "visit", "symptom", "problem", "check", "without", "with", "other", "upper", "lower", "first", "second", "primary", "secondary", "adult", "child", "body", "patient",
    "medical", "report", "note", "panel", "total", "mean", "type", "level", "initial", "general", "clinical", "hospital", "admission", "discharge", "emergency", "outpatient", "inpatient", "follow", "plan",
    "system", "using", "from", "that", "this", "test", "result", "specimen", "date", "time", "score", "index", "rate", "ratio", "serum", "plasma", "blood", "urine", "method", "quantity", "action", "per",
    "actuat", "mg", "ml", "unt", "mcg", "film", "coated", "chewable", "pack", "day", "dose", "preservative", "free", "injectable", "suspension", "moles", "number", "fraction", "calculation", "calculated",
    "activity", "enzymatic", "area", "moderate", "severe", "mild", "due", "associated", "and", "for", "the", "not", "of", "in", "by", "on", "to", "or", "a", "no", "at", "as", "an", "is", "identified",
    "prefilled", "syringe", "delayed", "metered", "inhaler", "powder", "dry", "multi", "bag", "single", "use", "support", "services", "service", "document", "summary", "record", "administration", "active",
    "검사", "환자", "결과", "기록", "진료", "입원", "퇴원", "외래", "수술", "치료", "상세불명", "기타", "급성", "만성", "상세불명의", "의한", "않은", "동반", "동반한", "합병증", "없는", "제제", "밀리그램", "추적", "관찰",
    "소견", "경과", "초진", "병원", "현재", "최근", "약물", "예방", "접종", "평가", "계획", "합병증을", "동반하지", "및", "또는", "부위", "명시되지", "기원의", "언급이", "대한", "없이", "달리", "분류된", "기타의", "진단", "상태", "요약", "의무", "서식", "정상",
];

impl Vocabulary {
    /// Reads the chart's names.
    #[must_use]
    pub fn of(chart: &Chart) -> Self {
        let mut vocabulary = Self::default();
        let mut titles: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &chart.entries {
            let codes: Vec<(String, String)> =
                entry.codes.iter().map(|coding| (coding.system.clone(), coding.code.clone())).collect();
            let displays = entry.codes.iter().map(|coding| coding.display.as_str());
            for title in [entry.title.as_str()].into_iter().chain(entry.other_titles.iter().map(String::as_str)).chain(displays) {
                vocabulary.note(&mut titles, title, entry.kind, &codes);
            }
            for value in &entry.values {
                let codes: Vec<(String, String)> =
                    value.codes.iter().map(|coding| (coding.system.clone(), coding.code.clone())).collect();
                vocabulary.note(&mut titles, &value.name, entry.kind, &codes);
            }
        }
        vocabulary.index();
        vocabulary.person(chart);
        let mut speller = Speller::default();
        speller.add(&vocabulary.dictionary);
        vocabulary.speller = speller;
        vocabulary
    }

    fn note(&mut self, titles: &mut BTreeMap<String, usize>, title: &str, kind: Kind, codes: &[(String, String)]) {
        let title = title.trim();
        if title.chars().count() < 2 {
            return;
        }
        let at = *titles.entry(title.to_lowercase()).or_insert_with(|| {
            self.owns.push(Own { title: title.to_owned(), ..Own::default() });
            self.owns.len() - 1
        });
        let Some(own) = self.owns.get_mut(at) else { return };
        if !own.kinds.contains(&kind) {
            own.kinds.push(kind);
        }
        for code in codes {
            if !own.codes.contains(code) && own.codes.len() < 8 {
                own.codes.push(code.clone());
            }
        }
    }

    fn index(&mut self) {
        let mut by_word: HashMap<String, usize> = HashMap::new();
        for (index, own) in self.owns.iter_mut().enumerate() {
            let title = words(&own.title);
            own.stems = title.iter().map(|word| word.stem.clone()).collect();
            self.dictionary.add(&own.title, Meaning::Own(index));
            // `Viral sinusitis (disorder)`, `Sodium [Moles/volume] in Blood`.
            let bare = own.title.split(['(', '[']).next().unwrap_or_default().trim();
            if bare.chars().count() > 2 && bare.len() < own.title.len() {
                self.dictionary.add(bare, Meaning::Own(index));
            }
            for word in &title {
                let long = word.text.chars().count() >= if word.script == Script::Hangul { 2 } else { 4 };
                if word.script == Script::Number || !long || COMMON.contains(&word.text.as_str()) || COMMON.contains(&word.stem.as_str()) {
                    continue;
                }
                let plain = word.stem.strip_suffix('의').filter(|stem| stem.chars().count() >= 2).unwrap_or(&word.stem);
                let at = *by_word.entry(plain.to_owned()).or_insert_with(|| {
                    self.own_words.push((plain.to_owned(), Vec::new()));
                    self.own_words.len() - 1
                });
                if let Some((_, owns)) = self.own_words.get_mut(at)
                    && owns.last() != Some(&index)
                {
                    owns.push(index);
                }
            }
        }
        for (index, (word, _)) in self.own_words.iter().enumerate() {
            self.dictionary.add(word, Meaning::OwnWord(index));
        }
    }

    fn person(&mut self, chart: &Chart) {
        for name in &chart.patient.names {
            self.dictionary.add(name, Meaning::Name);
            let plain = name.replace(' ', "");
            if has_hangul(&plain) {
                self.dictionary.add(&plain, Meaning::Name);
                // The given name alone: 민수.
                let given: String = plain.chars().skip(1).collect();
                if given.chars().count() >= 2 {
                    self.dictionary.add(&given, Meaning::Name);
                }
                continue;
            }
            for word in words(name) {
                let letters: String = word.text.chars().filter(|c| !c.is_ascii_digit()).collect();
                for part in [word.text.as_str(), letters.as_str()] {
                    if part.chars().count() >= 3 && !matches!(part, "mrs" | "phd") {
                        self.dictionary.add(part, Meaning::Name);
                    }
                }
            }
        }
        for (_, value) in &chart.patient.identifiers {
            self.identifiers.insert(value.to_lowercase());
            self.dictionary.add(value, Meaning::Name);
        }
        for id in &chart.patient.ids {
            self.identifiers.insert(id.to_lowercase());
            self.dictionary.add(id, Meaning::Name);
        }
        if let Some(PartialDate::Day(day)) = chart.patient.birth_date {
            self.birth = Some(day);
        }
    }
}
