//! Is this entry the thing that is asked about? A code says it surely; else a name must stand in the title as whole
//! words, and no word that makes it another thing may stand beside it.
//!
//! Not in here: status, dates and values. Whether a matching entry may support a statement is decided elsewhere.

use std::ops::Range;

use haechi_record::chart::{Coding, Entry, Kind};

use crate::lexicon;
use crate::plan::Subject;
use crate::question::{Script, Word, words};

/// Why an entry is taken to be the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// One of the subject's codes stands in it.
    Code,
    /// One of the subject's names stands in its title.
    Words,
}

/// An entry, or one component of it, is the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// By code or by words.
    pub how: How,
    /// Index into [`Entry::values`] if only that component is meant (systolic in a blood pressure panel); `None`: the whole entry.
    pub component: Option<usize>,
    /// The code, or the words of the title, that matched, as recorded.
    pub matched: String,
    /// What the title adds that keeps it from being a plain "yes": the answer must show the title as recorded.
    pub qualified: Option<Qualified>,
}

/// Words in a title that change how sure or how present a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualified {
    /// `Suspected COVID-19`, `의증`.
    Suspected,
    /// `History of myocardial infarction`, `과거력`.
    History,
    /// `At risk of falls`, `위험`.
    Risk,
}

/// Whether `entry` (or one of its components) is what `subject` names; `None` if not.
#[must_use]
pub fn matches(subject: &Subject, entry: &Entry) -> Option<Match> {
    if !subject.kinds.is_empty() && !subject.kinds.contains(&entry.kind) {
        return None;
    }
    let titles = titles(entry);
    if !has_required(subject, &titles) {
        return None;
    }
    let qualified = qualified(entry, &titles);
    let found = |how, component, matched| Some(Match { how, component, matched, qualified });
    if let Some(code) = code_in(subject, &entry.codes) {
        return found(How::Code, None, code);
    }
    // The class of an encounter (inpatient, emergency) and a category code are kept without their system.
    if entry.kind == Kind::Encounter
        && let Some((_, code)) = subject.codes.iter().find(|(_, code)| entry.categories.contains(code))
    {
        return found(How::Code, None, code.clone());
    }
    for (index, value) in entry.values.iter().enumerate() {
        if let Some(code) = code_in(subject, &value.codes) {
            return found(How::Code, Some(index), code);
        }
    }
    if another_thing(subject, &entry.codes) {
        return None;
    }
    let specimen = entry.facts.iter().filter(|fact| fact.name == "specimen").map(|fact| fact.text.as_str());
    let excluded = Excluded::of(subject);
    if titles.iter().copied().chain(specimen).any(|title| excluded.stands_in(title)) {
        return None;
    }
    let terms: Vec<Vec<Word>> = subject.terms.iter().map(|term| words(term)).collect();
    let named: Vec<usize> = entry
        .values
        .iter()
        .enumerate()
        .filter(|(_, value)| !value.name.is_empty() && !another_thing(subject, &value.codes))
        .filter(|(_, value)| !excluded.stands_in(&value.name) && in_title(&terms, &value.name, entry.kind).is_some())
        .map(|(index, _)| index)
        .collect();
    if let [only] = named.as_slice() {
        let name = entry.values.get(*only).map(|value| value.name.clone()).unwrap_or_default();
        return found(How::Words, Some(*only), name);
    }
    let whole = titles.iter().find_map(|title| in_title(&terms, title, entry.kind));
    if let Some(matched) = whole {
        return found(How::Words, None, matched);
    }
    // Several components by name, none by title: a panel called something else.
    let first = *named.first()?;
    let name = entry.values.get(first).map(|value| value.name.clone()).unwrap_or_default();
    found(How::Words, None, name)
}

/// Where one of the subject's names stands in free text, first occurrence: a byte range of `text`. Excluded words and
/// negations are not looked at: free text needs its sentence read.
#[must_use]
pub fn mention(subject: &Subject, text: &str) -> Option<Range<usize>> {
    let text_words = words(text);
    let mut best: Option<Range<usize>> = None;
    for term in &subject.terms {
        let term = words(term);
        let Some((from, to)) = find(&term, &text_words, Kind::Note, 0) else { continue };
        let range = span(&text_words, from, to)?;
        if best.as_ref().is_none_or(|best| range.start < best.start) {
            best = Some(range);
        }
    }
    best
}

/// Whether words (a reason, an indication) name the subject.
#[must_use]
pub fn names(subject: &Subject, text: &str) -> bool {
    let excluded = Excluded::of(subject);
    let terms: Vec<Vec<Word>> = subject.terms.iter().map(|term| words(term)).collect();
    !excluded.stands_in(text) && in_title(&terms, text, Kind::Problem).is_some()
}

/// Whether any of these codings is one of the subject's codes.
#[must_use]
pub fn coded(subject: &Subject, codings: &[Coding]) -> bool {
    code_in(subject, codings).is_some()
}

/// True if every required word stands in a title, in one of its forms.
fn has_required(subject: &Subject, titles: &[&str]) -> bool {
    subject.required.iter().all(|forms| {
        forms.iter().any(|form| {
            let form = words(form);
            titles.iter().any(|title| find(&form, &words(title), Kind::Other, 0).is_some())
        })
    })
}

fn titles(entry: &Entry) -> Vec<&str> {
    let mut found = vec![entry.title.as_str()];
    found.extend(entry.other_titles.iter().map(String::as_str));
    found.extend(entry.codes.iter().map(|coding| coding.display.as_str()));
    found.retain(|title| !title.is_empty());
    found
}

// ---- codes

/// Families of code systems that the record may name by URI, OID or HL7 v2 table name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Loinc,
    Snomed,
    RxNorm,
    /// ICD-10 of any country: the first three signs mean the same everywhere; a subject's code stands for all beneath it.
    Icd10,
    Atc,
    Cvx,
    Other,
}

fn family(system: &str) -> Family {
    let lower = system.to_ascii_lowercase();
    match lower.as_str() {
        "ln" | "loinc" | "lnc" | "urn:oid:2.16.840.1.113883.6.1" => Family::Loinc,
        "sct" | "snm" | "snomed" | "sno" | "urn:oid:2.16.840.1.113883.6.96" => Family::Snomed,
        "rxnorm" | "rxn" | "urn:oid:2.16.840.1.113883.6.88" => Family::RxNorm,
        "i10" | "i10c" | "icd10" | "icd-10" | "kcd" | "urn:oid:2.16.840.1.113883.6.3" => Family::Icd10,
        "atc" | "wc" | "urn:oid:2.16.840.1.113883.6.73" => Family::Atc,
        "cvx" | "urn:oid:2.16.840.1.113883.12.292" => Family::Cvx,
        _ if lower.contains("loinc.org") => Family::Loinc,
        _ if lower.contains("snomed.info") => Family::Snomed,
        _ if lower.contains("rxnorm") => Family::RxNorm,
        _ if lower.contains("icd-10") || lower.contains("icd10") || lower.contains("kcd") => Family::Icd10,
        _ if lower.starts_with("urn:oid:2.16.840.1.113883.6.3.")
            || lower.starts_with("urn:oid:2.16.840.1.113883.6.90") =>
        {
            Family::Icd10
        }
        _ if lower.contains("whocc.no") || lower.ends_with("/atc") => Family::Atc,
        _ if lower.contains("cvx") => Family::Cvx,
        _ => Family::Other,
    }
}

fn code_in(subject: &Subject, codings: &[Coding]) -> Option<String> {
    codings
        .iter()
        .find(|coding| subject.codes.iter().any(|(system, code)| same_code(system, code, &coding.system, &coding.code)))
        .map(|coding| coding.code.clone())
}

fn same_code(system: &str, code: &str, other_system: &str, other_code: &str) -> bool {
    let (wanted, given) = (family(system), family(other_system));
    if wanted != given || (wanted == Family::Other && system != other_system) {
        return false;
    }
    match wanted {
        Family::Icd10 | Family::Atc => {
            let (code, other) = (bare(code), bare(other_code));
            !code.is_empty() && other.starts_with(&code)
        }
        Family::Cvx => code.trim_start_matches('0') == other_code.trim().trim_start_matches('0'),
        _ => code.eq_ignore_ascii_case(other_code.trim()),
    }
}

fn bare(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// A measured entry whose LOINC code the lexicon knows as another concept is another thing, whatever its title says: a
/// title `Creatinine` under the code of urine creatinine is not serum creatinine.
fn another_thing(subject: &Subject, codings: &[Coding]) -> bool {
    let coded = subject.codes.iter().any(|(system, _)| family(system) == Family::Loinc);
    coded && codings.iter().any(|coding| family(&coding.system) == Family::Loinc && lexicon::knows_loinc(&coding.code))
}

// ---- words

/// Words that make it another thing: whole words in Latin script, any part of a Hangul word.
struct Excluded {
    latin: Vec<Vec<Word>>,
    hangul: Vec<String>,
}

impl Excluded {
    fn of(subject: &Subject) -> Self {
        let mut excluded = Self { latin: Vec::new(), hangul: Vec::new() };
        for term in &subject.excluded {
            let term = words(term);
            if term.iter().all(|word| word.script == Script::Hangul) {
                excluded.hangul.push(term.into_iter().map(|word| word.text).collect());
            } else {
                excluded.latin.push(term);
            }
        }
        excluded
    }

    fn stands_in(&self, title: &str) -> bool {
        if self.latin.is_empty() && self.hangul.is_empty() {
            return false;
        }
        let title = words(title);
        let hangul: String =
            title.iter().map(|word| if word.script == Script::Hangul { word.text.as_str() } else { " " }).collect();
        self.hangul.iter().any(|word| !word.is_empty() && hangul.contains(word.as_str()))
            || self.latin.iter().any(|word| find(word, &title, Kind::Other, 0).is_some())
    }
}

/// The first name that stands in the title and is not denied there, as recorded.
fn in_title(terms: &[Vec<Word>], title: &str, kind: Kind) -> Option<String> {
    let title_words = words(title);
    if kind != Kind::FamilyHistory && about_family(&title_words) {
        return None;
    }
    for term in terms {
        let mut from = 0;
        while let Some((start, end)) = find(term, &title_words, kind, from) {
            if !denied(&title_words, start, end) {
                let range = span(&title_words, start, end)?;
                return title.get(range).map(str::to_owned);
            }
            from = start + 1;
        }
    }
    None
}

fn span(words: &[Word], from: usize, to: usize) -> Option<Range<usize>> {
    Some(words.get(from)?.start..words.get(to.checked_sub(1)?)?.end)
}

/// Finds `term` in `title` from word `from` on: the word range `[start, end)`.
fn find(term: &[Word], title: &[Word], kind: Kind, from: usize) -> Option<(usize, usize)> {
    if term.is_empty() {
        return None;
    }
    (from..title.len()).find_map(|start| matches_at(term, title, start, kind).map(|end| (start, end)))
}

/// Latin words must be equal one by one. Hangul is compared without its gaps, because writers place them freely:
/// `당화 혈색소` and `당화혈색소`.
fn matches_at(term: &[Word], title: &[Word], start: usize, kind: Kind) -> Option<usize> {
    let mut at = start;
    let mut next = 0;
    while let Some(word) = term.get(next) {
        let here = title.get(at)?;
        if word.script != Script::Hangul {
            if here.script == Script::Hangul || here.stem != word.stem {
                return None;
            }
            at += 1;
            next += 1;
            continue;
        }
        if here.script != Script::Hangul {
            return None;
        }
        let wanted = run(term, next);
        let whole = term.iter().all(|word| word.script == Script::Hangul);
        let last = next + wanted.1 == term.len();
        let taken = hangul_at(&wanted.0, title, at, whole, last, kind)?;
        at += taken;
        next += wanted.1;
    }
    Some(at)
}

/// The Hangul words of a term from `next` on as one text, and how many they are.
fn run(term: &[Word], next: usize) -> (String, usize) {
    let hangul: Vec<&str> = term
        .iter()
        .skip(next)
        .take_while(|word| word.script == Script::Hangul)
        .map(|word| word.text.as_str())
        .collect();
    (hangul.concat(), hangul.len())
}

/// How many words of the title, from `at` on, make up `wanted`. Behind it only a particle or an ending of names of
/// diseases may stand; before it, inside the same word, something may stand if the term is long enough to mean only itself.
fn hangul_at(wanted: &str, title: &[Word], at: usize, whole: bool, last: bool, kind: Kind) -> Option<usize> {
    let mut text = String::new();
    for (taken, word) in title.iter().skip(at).take_while(|word| word.script == Script::Hangul).enumerate() {
        text.push_str(&word.text);
        let start = match text.find(wanted) {
            Some(start) => start,
            None if text.chars().count() > wanted.chars().count() + 12 => return None,
            None => continue,
        };
        let first_length = title.get(at)?.text.len();
        let inside =
            start > 0 && whole && start < first_length && wanted.chars().count() >= 3 && kind != Kind::Medication;
        if start > 0 && !inside {
            return None;
        }
        let rest = text.get(start + wanted.len()..)?;
        let ending = rest.is_empty()
            || !last
            || PARTICLES.contains(&rest)
            || (kind != Kind::Medication && ENDINGS.contains(&rest));
        return ending.then_some(taken + 1);
    }
    None
}

/// Particles that may be stuck to a noun.
const PARTICLES: &[&str] = &[
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "에서",
    "로",
    "으로",
    "와",
    "과",
    "도",
    "만",
    "및",
    "로서",
    "으로서",
    "에게",
    "이나",
    "나",
    "부터",
    "까지",
];
/// Endings that do not make another thing of it.
const ENDINGS: &[&str] = &[
    "병",
    "증",
    "증후군",
    "질환",
    "검사",
    "수치",
    "농도",
    "약",
    "제",
    "정",
    "주",
    "술",
    "수술",
    "환자",
    "상태",
    "진단",
];

fn about_family(title: &[Word]) -> bool {
    let joined: String = title.iter().map(|word| word.text.as_str()).collect();
    joined.contains("familyhistory") || joined.contains("가족력") || joined.contains("가족중")
}

/// A negation directly before, or a Korean one directly behind.
fn denied(title: &[Word], start: usize, end: usize) -> bool {
    let before = title.get(start.saturating_sub(3)..start).unwrap_or_default();
    let after = title.get(end..(end + 2).min(title.len())).unwrap_or_default();
    before.iter().any(|word| {
        matches!(word.text.as_str(), "no" | "not" | "without" | "denies" | "negative" | "absence" | "never")
    }) || after
        .iter()
        .any(|word| ["없음", "없다", "배제", "아님", "부인"].iter().any(|deny| word.text.starts_with(deny)))
        || after.iter().any(|word| word.text == "excluded" || word.text == "negative")
}

fn qualified(entry: &Entry, titles: &[&str]) -> Option<Qualified> {
    if !matches!(entry.kind, Kind::Problem | Kind::OtherObservation | Kind::Other) {
        return None;
    }
    let text = titles.join(" ").to_lowercase();
    let any = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if any(&["suspected", "possible", "rule out", "r/o", "의증", "의심"]) {
        return Some(Qualified::Suspected);
    }
    if any(&["history of", "h/o", "과거력", "기왕력"]) {
        return Some(Qualified::History);
    }
    any(&["at risk", "risk of", "위험군"]).then_some(Qualified::Risk)
}
