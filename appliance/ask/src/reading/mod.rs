//! A question read: text → units → pieces → [`Plan`].
//!
//! Three tables know words: `concepts` (things), `cues` (what is wanted of them) and the patient's own chart. The segmenter
//! cuts the question so that as much as possible is known; what is left is said to be not understood, and the answer abstains.
//! Reading order: [`unit`], [`dictionary`], [`segment`], [`when`], [`bound`], then [`things`], [`event`], [`wanted`].

mod bound;
mod concepts;
mod cues;
mod dictionary;
mod event;
mod segment;
mod spelling;
mod things;
mod unit;
mod vocabulary;
mod wanted;
mod when;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use jiff::ToSpan;
use jiff::civil::Date;

use crate::Setting;
use crate::plan::{Filter, Language, Plan, Window};
use crate::question::Script;
use cues::Cue;
use dictionary::{Dictionary, Meaning};
use segment::{Piece, What};
use spelling::Speller;
use things::Named;
use unit::Unit;
use when::Time;

pub(crate) use concepts::knows_loinc;
pub use vocabulary::Vocabulary;

/// Longest question read, characters: a clinician's question is a line, not a letter.
const LONGEST: usize = 600;

/// Reads `question` about the patient whose chart `vocabulary` was made of.
#[must_use]
pub fn plan(question: &str, vocabulary: &Vocabulary, setting: &Setting) -> Plan {
    let question: String = question.chars().take(LONGEST).collect();
    let today = setting.zone.to_datetime(setting.now).date();
    let mut units = unit::units(&question);
    let spellers = [&tables().speller, &vocabulary.speller];
    let dictionaries = [&tables().dictionary, &vocabulary.dictionary];
    spelling::latin(&mut units, &spellers);
    let mut pieces = segment::segment(&units, &dictionaries, today);
    let unknown = pieces.iter().rev().filter(|piece| piece.what == What::Unknown);
    let slips: Vec<(usize, usize, String)> = unknown
        .filter(|piece| units.get(piece.from).is_some_and(Unit::is_hangul))
        .filter_map(|piece| {
            let end = word_end(&units, piece.from);
            let (length, name) = spelling::hangul(units.get(piece.from..end)?, &spellers)?;
            Some((piece.from, length, name))
        })
        .collect();
    if !slips.is_empty() {
        for (at, length, name) in slips {
            spelling::replace(&mut units, at, length, &name);
        }
        pieces = segment::segment(&units, &dictionaries, today);
    }
    let korean = units.iter().any(Unit::is_hangul);
    let language = setting.language.unwrap_or(if korean { Language::Ko } else { Language::En });
    Reading {
        question: &question,
        used: vec![false; pieces.len()],
        units,
        pieces,
        vocabulary,
        today,
        korean,
        plan: Plan::empty(language),
        things: Vec::new(),
        unresolved: Vec::new(),
    }
    .read()
}

/// Behind the last syllable of the written word that goes on from `at`.
fn word_end(units: &[Unit], at: usize) -> usize {
    let mut end = at + 1;
    while units.get(end).is_some_and(|unit| unit.is_hangul() && !unit.gap) {
        end += 1;
    }
    end
}

struct Tables {
    dictionary: Dictionary,
    speller: Speller,
}

/// The built-in words, indexed once.
fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut dictionary = Dictionary::default();
        for (index, concept) in concepts::all().iter().enumerate() {
            for name in concept.names() {
                dictionary.add(name, Meaning::Thing(index));
            }
        }
        cues::fill(&mut dictionary);
        let mut speller = Speller::default();
        speller.add(&dictionary);
        Tables { dictionary, speller }
    })
}

/// The question while it is read.
struct Reading<'a> {
    question: &'a str,
    units: Vec<Unit>,
    pieces: Vec<Piece>,
    /// Accounted for and no longer looked at.
    used: Vec<bool>,
    vocabulary: &'a Vocabulary,
    today: Date,
    korean: bool,
    plan: Plan,
    things: Vec<Named>,
    unresolved: Vec<String>,
}

impl Reading<'_> {
    fn read(mut self) -> Plan {
        if let Some(reason) = self.outside() {
            self.plan.outside = Some(reason);
            return self.plan;
        }
        self.times();
        self.events();
        self.find_things();
        self.bounds();
        self.decide();
        self.leftovers();
        if self.plan.outside.is_none() {
            self.plan.unresolved = self.unresolved;
        }
        self.plan
    }

    // ---- pieces

    /// Open pieces that can mean the cue.
    fn places(&self, cue: Cue) -> Vec<usize> {
        let open = self.pieces.iter().enumerate().filter(|(at, _)| !self.is_used(*at));
        open.filter(|(_, piece)| piece.meanings().contains(&Meaning::Cue(cue))).map(|(at, _)| at).collect()
    }

    fn is_used(&self, at: usize) -> bool {
        self.used.get(at).copied().unwrap_or(true)
    }

    fn has(&self, cue: Cue) -> bool {
        !self.places(cue).is_empty()
    }

    fn any(&self, cues: &[Cue]) -> bool {
        cues.iter().any(|cue| self.has(*cue))
    }

    /// The cue in a word that means nothing else that is empty: `기록` may be a note or just the chart.
    fn strong(&self, cue: Cue) -> bool {
        self.places(cue).iter().any(|at| self.pieces.get(*at).is_some_and(|piece| !piece.meanings().contains(&Meaning::Stop)))
    }

    fn use_up(&mut self, at: usize) {
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
    }

    fn take(&mut self, cue: Cue) -> bool {
        let places = self.places(cue);
        for at in &places {
            self.use_up(*at);
        }
        !places.is_empty()
    }

    fn piece(&self, at: usize) -> Option<&Piece> {
        self.pieces.get(at)
    }

    fn means(&self, at: usize, cue: Cue) -> bool {
        self.piece(at).is_some_and(|piece| piece.meanings().contains(&Meaning::Cue(cue)))
    }

    /// The piece as written.
    fn said(&self, piece: &Piece) -> String {
        let start = self.units.get(piece.from).map_or(0, |unit| unit.start);
        let end = piece.to.checked_sub(1).and_then(|last| self.units.get(last)).map_or(start, |unit| unit.end);
        self.question.get(start..end).unwrap_or_default().to_owned()
    }

    /// The whole written word around a piece.
    fn said_word(&self, piece: &Piece) -> String {
        let mut from = piece.from;
        while from > 0 && self.units.get(from).is_some_and(|unit| !unit.gap) {
            from -= 1;
        }
        let to = word_end(&self.units, piece.to.saturating_sub(1));
        self.said(&Piece { from, to, what: What::Unknown })
    }

    /// The endings that hang on a piece, as one text.
    fn tail(&self, at: usize) -> String {
        let mut text = String::new();
        for piece in self.pieces.iter().skip(at + 1).take_while(|piece| piece.is_tail()) {
            text.extend(self.units.get(piece.from..piece.to).into_iter().flatten().map(|unit| unit.text.as_str()));
        }
        text
    }

    /// Some unit is one of these words.
    fn says(&self, words: &[&str]) -> bool {
        self.units.iter().any(|unit| words.contains(&unit.text.as_str()))
    }

    /// All Hangul of the question without gaps.
    fn hangul(&self) -> String {
        self.units.iter().map(|unit| if unit.is_hangul() { unit.text.as_str() } else { " " }).collect()
    }

    // ---- what no chart can answer

    fn outside(&self) -> Option<String> {
        if let Some(reason) = self.somebody_else() {
            return Some(reason);
        }
        // "What did the summary recommend" asks what was written; "next appointment" may say "going to".
        let written = self.any(&[Cue::Mention, Cue::Summary, Cue::Appointments]) || self.strong(Cue::Notes) || self.strong(Cue::Reports);
        let (mut found, mut content) = (None, 0);
        for (at, piece) in self.pieces.iter().enumerate() {
            let cue = piece.meanings().iter().find_map(|meaning| match meaning {
                Meaning::Cue(cue) if cue.is_outside() => Some(*cue),
                _ => None,
            });
            let empty = piece.is_tail() || piece.meanings().contains(&Meaning::Stop);
            if let Some(cue) = cue {
                let real = match cue {
                    Cue::Population => self.is_about_many(piece),
                    Cue::Advice | Cue::Knowledge => !written,
                    Cue::Prognosis => !self.any(&[Cue::Appointments, Cue::Planned]),
                    Cue::Action if self.korean => self.ends_with(at) && !self.any(&[Cue::When, Cue::Who, Cue::Count]),
                    Cue::Action => content == 0,
                    _ => true,
                };
                if real {
                    found = found.or(Some(cue));
                }
            }
            content += usize::from(!empty);
        }
        found.map(|cue| reason(cue, self.plan.language).to_owned())
    }

    /// `patients`, not `patient's`.
    fn is_about_many(&self, piece: &Piece) -> bool {
        let units = self.units.get(piece.from..piece.to).unwrap_or_default();
        let patients = units.iter().position(|unit| unit.stem == "patient");
        patients.is_none_or(|at| units.get(at).is_some_and(|unit| unit.text == "patients"))
    }

    /// Nothing but endings and empty words behind the piece.
    fn ends_with(&self, at: usize) -> bool {
        self.pieces.iter().skip(at + 1).all(|piece| piece.is_tail() || piece.meanings().contains(&Meaning::Stop))
    }

    /// A name or number beside "patient" that is not this patient's.
    fn somebody_else(&self) -> Option<String> {
        let stranger = |at: usize| {
            self.piece(at).is_some_and(|piece| {
                matches!(piece.what, What::Unknown)
                    || (matches!(piece.what, What::Number(_)) && self.units.get(piece.from).is_some_and(|unit| unit.text.len() >= 4))
            })
        };
        for (at, piece) in self.pieces.iter().enumerate() {
            let text = self.said(piece).to_lowercase();
            let title = matches!(text.as_str(), "patient" | "the patient" | "pt" | "mr" | "mrs" | "ms" | "miss")
                || self.means(at, Cue::Identifier);
            if title && stranger(at + 1) && !self.korean {
                return Some(reason(Cue::Other, self.plan.language).to_owned());
            }
            let honour = self.piece(at + 1).is_some_and(|next| {
                let word = self.said(next);
                matches!(word.as_str(), "님" | "씨" | "환자" | "환자분" | "님은" | "환자의")
            });
            if self.korean && matches!(piece.what, What::Unknown) && honour {
                return Some(reason(Cue::Other, self.plan.language).to_owned());
            }
        }
        None
    }

    // ---- time, conditions

    fn times(&mut self) {
        for at in 0..self.pieces.len() {
            let Some(What::Time(time)) = self.piece(at).map(|piece| piece.what.clone()) else { continue };
            let window = match time {
                Time::Days(window) => Some(window),
                Time::Age(from, to) => self.at_age(from, to),
            };
            self.use_up(at);
            let said = self.piece(at).map(|piece| self.said(piece)).unwrap_or_default();
            match (window, self.plan.window) {
                (None, _) => self.unresolved.push(said),
                (Some(window), None) => self.plan.window = Some(window),
                // Two periods: both must hold; if they cannot, two things are compared that one plan cannot hold.
                (Some(window), Some(known)) => {
                    let from = window.from.max(known.from);
                    let to = [window.to, known.to].into_iter().flatten().min();
                    if from.zip(to).is_some_and(|(from, to)| from > to) {
                        self.unresolved.push(said);
                    } else {
                        self.plan.window = Some(Window { from, to });
                    }
                }
            }
        }
    }

    /// The days on which the patient was so old.
    fn at_age(&self, from: Option<i32>, to: Option<i32>) -> Option<Window> {
        let birth = self.vocabulary.birth?;
        let from = from.map(|years| birth.checked_add(years.years())).transpose().ok()?;
        let to = to.map(|years| birth.checked_add((years + 1).years()).and_then(|day| day.checked_sub(1.days()))).transpose().ok()?;
        Some(Window { from, to })
    }

    fn bounds(&mut self) {
        for at in 0..self.pieces.len() {
            let Some(What::Bound(bound)) = self.piece(at).map(|piece| piece.what.clone()) else { continue };
            self.use_up(at);
            let filter = |number| {
                if bound.above { Filter::Above(number, bound.inclusive) } else { Filter::Below(number, bound.inclusive) }
            };
            let measured = self.things.iter().any(Named::is_measured);
            if !measured || self.plan.filter.is_some() {
                let said = self.piece(at).map(|piece| self.said(piece)).unwrap_or_default();
                self.unresolved.push(said);
                continue;
            }
            self.plan.filter_unit.clone_from(&bound.unit);
            match bound.second {
                Some(second) => {
                    if !self.split_blood_pressure(filter(bound.number), filter(second)) {
                        let said = self.piece(at).map(|piece| self.said(piece)).unwrap_or_default();
                        self.unresolved.push(said);
                    }
                }
                None => {
                    self.plan.filter = Some(filter(bound.number));
                    // One number beside "blood pressure" is the systolic one.
                    self.systolic_only();
                }
            }
        }
    }

    fn leftovers(&mut self) {
        for at in 0..self.pieces.len() {
            if self.is_used(at) {
                continue;
            }
            let Some(piece) = self.piece(at) else { continue };
            let lost = match piece.what {
                What::Unknown | What::Number(_) => true,
                // No chart holds it in a way that could be asked for yet.
                What::Words(_) => self.means(at, Cue::Insurance) || self.means(at, Cue::Background),
                _ => false,
            };
            if lost {
                let word = if matches!(piece.what, What::Unknown) { self.said_word(piece) } else { self.said(piece) };
                if !self.unresolved.contains(&word) {
                    self.unresolved.push(word);
                }
            }
        }
    }
}

/// Why no chart can answer, for the reader.
fn reason(cue: Cue, language: Language) -> &'static str {
    let (english, korean) = match cue {
        Cue::Cost => (
            "A patient's record does not hold costs or bills.",
            "환자 기록에는 비용이나 청구 정보가 없습니다.",
        ),
        Cue::Prognosis => (
            "The record holds what was found and done; it does not say what will happen.",
            "기록에는 확인되고 시행된 내용만 있으며, 앞으로의 경과나 예후는 답할 수 없습니다.",
        ),
        Cue::Advice => (
            "The record holds what was found and done; it does not recommend what to do.",
            "기록에는 확인되고 시행된 내용만 있으며, 치료 권고나 조언은 답할 수 없습니다.",
        ),
        Cue::Knowledge => (
            "This asks for general medical knowledge, which a patient's record does not hold.",
            "일반 의학 지식에 대한 질문이며, 환자 기록으로는 답할 수 없습니다.",
        ),
        Cue::Population => (
            "This asks about several patients; answers here come from one patient's record alone.",
            "여러 환자에 대한 질문입니다. 여기서는 한 환자의 기록으로만 답합니다.",
        ),
        Cue::Other => (
            "This asks about somebody other than the chosen patient; no other record is read.",
            "선택한 환자가 아닌 다른 사람에 대한 질문입니다. 다른 사람의 기록은 읽지 않습니다.",
        ),
        Cue::Action => (
            "Questions are answered here; nothing is ordered, written or changed.",
            "여기서는 질문에만 답하며, 처방·예약·작성·변경은 하지 않습니다.",
        ),
        _ => (
            "A patient's record does not hold this.",
            "환자 기록에는 이 내용이 없습니다.",
        ),
    };
    match language {
        Language::En => english,
        Language::Ko => korean,
    }
}

/// True for Latin units; Hangul and numbers are not words of English.
fn is_latin(unit: &Unit) -> bool {
    unit.script == Script::Latin
}
