//! A question becomes a [`Plan`]. Each word is accounted for by a table of cues, by the vocabulary of concepts, or by what
//! the patient's own chart calls things; what nothing accounts for is left in [`Plan::unresolved`], and the answer says so.
//!
//! The order matters: time words and bounds first (they hold numbers and words that mean something else elsewhere), then
//! names of things (longest first), then what is wanted of them.

mod cues;
mod names;
mod text;
mod vocabulary;

use haechi_record::chart::Kind;

pub use names::codings;
pub use vocabulary::Vocabulary;

use crate::lexicon::{self, Sort};
use crate::plan::{Anchor, Attribute, Edge, Filter, Language, Pick, Plan, Relation, Shape, State, Subject};
use crate::{Setting, time};
use text::{Text, is_hangul};

/// Longest question read, characters: a clinician's question is a line, not a letter.
const LONGEST: usize = 1_000;

/// Reads `question`.
#[must_use]
pub fn plan(question: &str, vocabulary: &Vocabulary, setting: &Setting) -> Plan {
    let question: String = question.chars().take(LONGEST).collect();
    let korean = question.chars().any(is_hangul);
    let language = setting.language.unwrap_or(if korean { Language::Ko } else { Language::En });
    let mut reading =
        Reading { text: Text::new(&question), plan: Plan::empty(language), kinds: Vec::new(), sorts: Vec::new() };
    if reading.text.has(cues::OUTSIDE) {
        reading.plan.outside = Some(outside(language));
        return reading.plan;
    }
    let today = setting.zone.to_datetime(setting.now).date();
    if let Some(found) = time::window(reading.text.lower(), today) {
        reading.plan.window = Some(found.window);
        found.said.into_iter().for_each(|range| reading.text.take(range));
    }
    reading.anchor();
    reading.bounds();
    let person = reading.person_cue();
    reading.things(vocabulary);
    reading.kind_cues();
    reading.wanted(person);
    reading.scope();
    reading.leftovers(vocabulary);
    reading.plan
}

fn outside(language: Language) -> String {
    match language {
        Language::En => "This patient's record cannot answer this: it holds what was found and done, not costs, forecasts, recommendations, other patients or general knowledge.".to_owned(),
        Language::Ko => "이 질문은 환자 기록으로 답할 수 없습니다. 기록에는 확인되고 시행된 내용만 있으며 비용, 예측, 권고, 다른 환자, 일반 지식은 없습니다.".to_owned(),
    }
}

struct Reading {
    text: Text,
    plan: Plan,
    /// Kinds that the question names.
    kinds: Vec<Kind>,
    /// What sort each subject is; `None` for one that only the chart knows.
    sorts: Vec<Option<Sort>>,
}

impl Reading {
    /// "during the admission", "수술 후".
    fn anchor(&mut self) {
        const ANCHORS: &[(Relation, Kind, &[&str])] = &[
            (
                Relation::During,
                Kind::Encounter,
                &[
                    "during the last admission",
                    "during the admission",
                    "during admission",
                    "during the hospitalization",
                    "during hospitalization",
                    "during the stay",
                    "during the hospital stay",
                    "while admitted",
                    "while hospitalized",
                    "while inpatient",
                    "입원 중에",
                    "입원 중",
                    "입원중",
                    "입원 기간 동안",
                    "재원 중",
                ],
            ),
            (
                Relation::After,
                Kind::Encounter,
                &[
                    "after discharge",
                    "since discharge",
                    "after the last admission",
                    "post discharge",
                    "퇴원 후",
                    "퇴원후",
                    "퇴원 이후",
                ],
            ),
            (
                Relation::Before,
                Kind::Encounter,
                &["before admission", "prior to admission", "before the admission", "입원 전", "입원 이전"],
            ),
            (
                Relation::Before,
                Kind::Procedure,
                &[
                    "before surgery",
                    "pre-op",
                    "preop",
                    "before the operation",
                    "before the surgery",
                    "prior to surgery",
                    "수술 전",
                    "수술 이전",
                ],
            ),
            (
                Relation::After,
                Kind::Procedure,
                &[
                    "after surgery",
                    "post-op",
                    "postop",
                    "after the operation",
                    "after the surgery",
                    "수술 후",
                    "수술 이후",
                ],
            ),
        ];
        // "퇴원요약에서 퇴원 후 계획" is about what a note says.
        if self.text.has(&["note", "notes", "summar*", "요약", "요약지", "기록지", "노트", "기록에서", "report"])
        {
            return;
        }
        for (relation, kind, words) in ANCHORS {
            if self.text.take_cues(words) {
                let subject = (*kind == Kind::Encounter).then(|| {
                    encounter_subject(
                        &["inpatient", "hospital admission", "입원"],
                        &["IMP", "ACUTE", "NONAC"],
                        "admission",
                        "입원",
                    )
                });
                self.plan.anchor = Some(Anchor { relation: *relation, kinds: vec![*kind], subject });
                return;
            }
        }
    }

    /// "above 140", "3.5 미만".
    fn bounds(&mut self) {
        for (words, above) in [(cues::ABOVE, true), (cues::BELOW, false)] {
            for (word, inclusive) in words {
                let places: Vec<_> =
                    self.text.find(word, false).into_iter().chain(symbol(self.text.lower(), word)).collect();
                for range in places {
                    let rest = self.text.lower().get(range.end..).unwrap_or_default();
                    let skipped = rest.len() - rest.trim_start_matches([' ', '=']).len();
                    let Some((number, length, second)) = leading_number(rest.get(skipped..).unwrap_or_default()) else {
                        continue;
                    };
                    let end = range.end + skipped + length;
                    if self.text.is_free(&(range.start..end)) {
                        self.set_bound(number, *inclusive, above, second);
                        self.text.take(range.start..end);
                        self.take_unit(end);
                        return;
                    }
                }
            }
        }
        let lower = self.text.lower().to_owned();
        let numbers: Vec<(usize, usize, f64, Option<f64>)> = number_places(&lower);
        for (start, end, number, second) in numbers {
            let rest = lower.get(end..).unwrap_or_default();
            // A unit and a particle may stand between the number and the word.
            let gap: String = rest.chars().take(14).collect();
            for (words, above) in [(cues::ABOVE_KO, true), (cues::BELOW_KO, false)] {
                for (word, inclusive) in words {
                    let Some(at) = gap.find(word) else { continue };
                    let between = gap.get(..at).unwrap_or_default();
                    let unit = between.chars().all(|c| !is_hangul(c) || "을를이가도보다점".contains(c));
                    if unit && self.text.is_free(&(start..end)) {
                        self.set_bound(number, *inclusive, above, second);
                        let unit: String = between.chars().filter(|c| !is_hangul(*c) && !c.is_whitespace()).collect();
                        self.bound_unit(unit);
                        self.text.take(start..end + at + word.len());
                        return;
                    }
                }
            }
        }
    }

    fn set_bound(&mut self, number: f64, inclusive: bool, above: bool, second: Option<f64>) {
        let filter = |number| if above { Filter::Above(number, inclusive) } else { Filter::Below(number, inclusive) };
        match second {
            // 140/90: each of the two components has its own bound.
            Some(diastolic) => {
                for (name, bound) in [("systolic blood pressure", number), ("diastolic blood pressure", diastolic)] {
                    if let Some(concept) = lexicon::concepts()
                        .iter()
                        .find(|concept| concept.english.first().is_some_and(|first| first.text == name))
                    {
                        let mut subject = concept.subject(name);
                        subject.filter = Some(filter(bound));
                        self.plan.subjects.push(subject);
                        self.sorts.push(Some(Sort::Vital));
                    }
                }
            }
            None => self.plan.filter = Some(filter(number)),
        }
    }

    fn take_unit(&mut self, from: usize) {
        let rest = self.text.lower().get(from..).unwrap_or_default();
        let unit: usize = rest
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() && !is_hangul(*c) || matches!(c, '/' | '%' | '°' | '^'))
            .map(char::len_utf8)
            .sum();
        let gap = rest.len() - rest.trim_start().len();
        let word = rest.get(gap..gap + unit).unwrap_or_default();
        if gap <= 1
            && (word.contains('/')
                || word.contains('%')
                || ["mg", "mmhg", "kg", "cm", "mmol", "meq", "bpm", "c", "g", "u", "iu"].contains(&word))
        {
            self.bound_unit(word.to_owned());
            self.text.take(from..from + gap + unit);
        }
    }

    /// Keeps the unit of the bound, if it is one: values in another are then converted or left out.
    fn bound_unit(&mut self, unit: String) {
        if haechi_record::units::ucum::Unit::written(&unit).is_some() {
            self.plan.filter_unit = Some(unit);
        }
    }

    /// A fact about the person, if the question names one. Not taken yet: "age at diagnosis" is about the diagnosis.
    fn person_cue(&self) -> Option<(Attribute, &'static [&'static str])> {
        cues::PERSON.iter().find(|(_, words)| self.text.has(words)).map(|(attribute, words)| (*attribute, *words))
    }

    /// Names of things: concepts and what the chart calls things, longest first.
    fn things(&mut self, vocabulary: &Vocabulary) {
        struct Candidate {
            start: usize,
            end: usize,
            /// Earlier is better among names of one length.
            rank: usize,
            subject: Subject,
            sort: Option<Sort>,
        }
        let mut candidates = Vec::new();
        for (rank, concept) in lexicon::concepts().iter().enumerate() {
            for name in concept.english.iter().chain(&concept.korean) {
                // A class lists its members' names only to recognise entries.
                let of_a_member = name.text.chars().any(is_hangul) || matches!(concept.sort, Sort::Class | Sort::Panel);
                if name.capital && of_a_member {
                    continue;
                }
                for range in self.text.find(&name.text, name.capital) {
                    let said = self.text.lower().get(range.clone()).unwrap_or_default().to_owned();
                    candidates.push(Candidate {
                        start: range.start,
                        end: range.end,
                        rank,
                        subject: concept.subject(&said),
                        sort: Some(concept.sort),
                    });
                }
            }
        }
        for (phrase, kinds) in vocabulary.phrases() {
            for range in self.text.find(phrase, false) {
                // What only relatives have is not the patient's.
                let mut kinds: Vec<Kind> = kinds.iter().copied().filter(|kind| *kind != Kind::FamilyHistory).collect();
                if kinds.is_empty() {
                    kinds.push(Kind::Problem);
                }
                candidates.push(Candidate {
                    start: range.start,
                    end: range.end,
                    rank: usize::MAX,
                    subject: own_subject(phrase, &kinds),
                    sort: None,
                });
            }
        }
        for (calling, subject) in vocabulary.callings().iter() {
            for range in self.text.find(calling, false) {
                let (subject, rank) = (subject.clone(), usize::MAX - 1);
                candidates.push(Candidate { start: range.start, end: range.end, rank, subject, sort: None });
            }
        }
        candidates.sort_by_key(|candidate| {
            (std::cmp::Reverse(candidate.end - candidate.start), candidate.rank, candidate.start)
        });
        let mut chosen: Vec<Candidate> = Vec::new();
        for candidate in candidates {
            let range = candidate.start..candidate.end;
            if self.text.is_free(&range) {
                self.text.take(range);
                chosen.push(candidate);
            }
        }
        chosen.sort_by_key(|candidate| candidate.start);
        // A word of the chart beside a name makes it narrower: "forearm fracture", "prostate biopsy". Joined by "and" they are two.
        let mut joined: Vec<Candidate> = Vec::new();
        for mut candidate in chosen {
            let close = joined.last().is_some_and(|before| {
                let gap = self.text.lower().get(before.end..candidate.start).unwrap_or_default().trim();
                matches!(gap, "" | "of" | "the" | "of the" | "의" | "-" | "'s" | "in" | "for")
                    && (before.sort.is_none() || candidate.sort.is_none())
                    && shares_kind(&before.subject, &candidate.subject)
            });
            match joined.last_mut() {
                Some(before) if close => {
                    let (narrow, mut broad) = if candidate.sort.is_none() {
                        (candidate.subject, before.subject.clone())
                    } else {
                        (before.subject.clone(), candidate.subject)
                    };
                    broad.required.push(narrow.terms);
                    broad.said = format!("{} {}", before.subject.said, broad.said);
                    before.subject = broad;
                    before.sort = before.sort.or(candidate.sort);
                    before.end = candidate.end;
                }
                _ => {
                    candidate.start = candidate.start.min(candidate.end);
                    joined.push(candidate);
                }
            }
        }
        for mut candidate in joined {
            self.modifiers(candidate.start, &mut candidate.subject);
            let same = |subject: &Subject| subject.names == candidate.subject.names && !subject.names.0.is_empty();
            if !self.plan.subjects.iter().any(same) {
                self.plan.subjects.push(candidate.subject);
                self.sorts.push(candidate.sort);
            }
        }
    }

    /// Words before a name that make it narrower, in both languages: chronic, left, viral.
    fn modifiers(&mut self, start: usize, subject: &mut Subject) {
        const MODIFIERS: &[(&str, &str)] = &[
            ("chronic", "만성"),
            ("acute", "급성"),
            ("viral", "바이러스성"),
            ("bacterial", "세균성"),
            ("left", "좌측"),
            ("right", "우측"),
            ("left", "왼쪽"),
            ("right", "오른쪽"),
            ("chest", "흉부"),
            ("abdominal", "복부"),
            ("brain", "뇌"),
            ("forearm", "팔"),
            ("abdomen", "복부"),
            ("head", "머리"),
            ("pelvis", "골반"),
            ("spine", "척추"),
            ("knee", "무릎"),
            ("ankle", "발목"),
            ("wrist", "손목"),
            ("shoulder", "어깨"),
            ("surgical", "수술적"),
            ("recurrent", "재발성"),
            ("insertion", "삽입"),
            ("removal", "제거"),
            ("replacement", "교체"),
            ("implant", "이식"),
            ("severe", "중증"),
            ("allergic", "알레르기성"),
        ];
        for (english, korean) in MODIFIERS {
            for word in [english, korean] {
                for range in self.text.find(word, false) {
                    let near = range.end <= start
                        && self.text.lower().get(range.end..start).is_some_and(|gap| gap.trim().is_empty());
                    if near && self.text.is_free(&range) {
                        self.text.take(range);
                        subject.required.push(vec![(*english).to_owned(), (*korean).to_owned()]);
                    }
                }
            }
        }
    }

    fn kind_cues(&mut self) {
        for (kind, words) in cues::KINDS {
            if *kind == Kind::FamilyHistory
                && self.text.take_cues(&["가족 말고", "가족력 말고", "가족력이 아니라", "not family", "not the family"])
            {
                continue;
            }
            if self.text.has(words)
                && words.iter().any(|word| self.text.find(word, false).iter().any(|range| self.text.is_free(range)))
            {
                self.encounter_class(*kind);
                self.text.take_cues(words);
                self.kinds.push(*kind);
            }
        }
    }

    /// Admissions, emergency visits and outpatient visits are encounters of one class.
    fn encounter_class(&mut self, kind: Kind) {
        // A note of a visit is a note.
        if kind != Kind::Encounter || self.kinds.contains(&Kind::Note) {
            return;
        }
        // An intensive care stay or a prenatal visit is an encounter of its own name.
        let mut named = false;
        for (subject, sort) in self.plan.subjects.iter_mut().zip(&self.sorts) {
            if matches!(sort, Some(Sort::Procedure | Sort::Stay)) || subject.kinds.contains(&Kind::Encounter) {
                named = true;
                if !subject.kinds.contains(&Kind::Encounter) {
                    subject.kinds.push(Kind::Encounter);
                }
            }
        }
        let inpatient = self.text.has(&[
            "admission*",
            "admitted",
            "admit",
            "hospitali*",
            "inpatient*",
            "discharge*",
            "in hospital",
            "in-hospital",
            "hospital stay*",
            "입원",
            "퇴원",
            "재원",
        ]);
        let emergency = self.text.has(&["emergency*", "er", "ed", "er visit*", "ed visit*", "응급실", "응급"]);
        let outpatient = self.text.has(&["outpatient*", "clinic", "office visit*", "외래"]);
        let edge_end = self.text.has(&["discharge*", "퇴원"]);
        if edge_end {
            self.plan.edge = Edge::End;
        }
        if named {
            return;
        }
        let subject = match (inpatient, emergency, outpatient) {
            (true, false, _) => encounter_subject(
                &["inpatient", "hospital admission", "입원"],
                &["IMP", "ACUTE", "NONAC", "inpatient"],
                "admission",
                "입원",
            ),
            (_, true, _) => encounter_subject(
                &["emergency room", "emergency department", "응급실"],
                &["EMER", "emergency"],
                "emergency visit",
                "응급실 내원",
            ),
            (false, false, true) => encounter_subject(
                &["outpatient", "ambulatory", "외래"],
                &["AMB", "outpatient", "ambulatory"],
                "outpatient visit",
                "외래 방문",
            ),
            _ => return,
        };
        self.plan.because = self.take_reason();
        self.plan.subjects.push(subject);
        self.sorts.push(None);
    }

    /// A problem beside an encounter is why it happened: "admitted for pneumonia".
    fn take_reason(&mut self) -> Option<Subject> {
        let at = self.sorts.iter().position(|sort| *sort == Some(Sort::Problem))?;
        self.sorts.remove(at);
        Some(self.plan.subjects.remove(at))
    }

    /// What is to be done with what is found.
    fn wanted(&mut self, person: Option<(Attribute, &'static [&'static str])>) {
        let first = self.text.take_cues(cues::FIRST);
        let next = self.text.has(&["next", "다음"]) && self.text.take_cues(cues::NEXT);
        self.state();
        self.standings();
        let latest = self.text.take_cues(cues::LATEST);
        self.limit(latest);
        self.value_words();
        let ever = self.text.take_cues(cues::EVER);
        let age_at = self.text.take_cues(cues::AGE_AT);
        let clinical = !self.plan.subjects.is_empty() || !self.kinds.is_empty();
        let named = |attribute: Attribute| {
            matches!(
                attribute,
                Attribute::Name | Attribute::Address | Attribute::Age | Attribute::SpokenLanguage | Attribute::Named(_)
            )
        };
        if let Some((attribute, words)) = person
            && !age_at
            && (!clinical || !named(attribute))
            && self.sorts.iter().all(Option::is_none)
            && self.kinds.iter().all(|kind| {
                *kind == Kind::Note || *kind == Kind::Problem || *kind == Kind::Encounter || *kind == Kind::Lab
            })
        {
            self.text.take_cues(words);
            self.plan.shape = Shape::Demographic;
            self.plan.attribute = Some(attribute);
            self.plan.subjects.clear();
            for (other, words) in cues::PERSON {
                if *other != attribute
                    && !(attribute == Attribute::Death && *other == Attribute::BirthDate)
                    && self.text.take_cues(words)
                {
                    self.plan.also.push(*other);
                }
            }
            self.text.take_cues(cues::WHEN);
            return;
        }
        self.plan.pick = match (first, next, latest) {
            (_, true, _) => Some(Pick::Next),
            (true, _, _) => Some(Pick::Oldest),
            (_, _, true) => Some(Pick::Newest),
            _ => None,
        };
        if age_at {
            self.plan.shape = Shape::AgeAt;
            self.text.take_cues(&["old", "years", "age", "나이"]);
            return;
        }
        let measured = self.measured();
        let shape = self.named_shape(measured);
        let whether = self.is_yes_no() || ever;
        let default = match (measured, self.plan.subjects.is_empty()) {
            (true, false) if self.plan.filter.is_some() && whether => Shape::Whether,
            (true, false) if self.plan.filter.is_some() && latest => Shape::Latest,
            (true, false) if self.plan.filter.is_some() => Shape::List,
            (true, false) if first => Shape::First,
            (true, false) if latest || self.plan.window.is_none() => Shape::Latest,
            (true, false) => Shape::Series,
            (_, false) if whether || !(first || latest) => Shape::Whether,
            (_, _) if latest => Shape::Latest,
            (_, _) if first => Shape::First,
            _ => Shape::List,
        };
        self.plan.shape = shape.unwrap_or(default);
        if self.plan.shape == Shape::Latest && first {
            self.plan.shape = Shape::First;
        }
        if self.plan.limit.is_some_and(|limit| limit > 1)
            && matches!(self.plan.shape, Shape::Latest | Shape::List | Shape::Whether)
        {
            self.plan.shape = if measured { Shape::Series } else { Shape::Latest };
        }
        self.text.take_cues(cues::LIST);
    }

    /// Only entries of a life-cycle state, where that is asked.
    fn state(&mut self) {
        let lasting = self.plan.subjects.is_empty()
            && self
                .kinds
                .iter()
                .any(|kind| matches!(kind, Kind::Medication | Kind::Problem | Kind::Planned | Kind::Allergy))
            || self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Medicine | Sort::Class | Sort::Problem)))
            || self.kinds.contains(&Kind::Medication);
        let ended = self.text.has(cues::ENDED);
        // "on" and "taking" mean "now" only of medicines.
        let weak = &["on", "taking", "takes", "먹는", "먹고", "드시는", "드시고"];
        let medicines = self.kinds.contains(&Kind::Medication)
            || self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Medicine | Sort::Class)));
        let strong: Vec<&str> = cues::ACTIVE.iter().copied().filter(|cue| !weak.contains(cue)).collect();
        let active = self.text.has(&strong) || (medicines && !ended && self.text.has(weak));
        let ever = self.text.has(&[
            "ever",
            "적이 있",
            "적 있",
            "적이",
            "had been",
            "이력",
            "all",
            "모두",
            "전체",
            "previously",
        ]);
        let allergy_state = self.kinds.contains(&Kind::Allergy)
            && !self.text.has(&["inactive", "비활성", "active", "활성", "resolved"]);
        if !lasting || allergy_state || self.kinds.contains(&Kind::FamilyHistory) {
            return;
        }
        let surely_ended = self.text.has(&["inactive", "비활성", "no longer"]);
        if (ended && !active) || surely_ended {
            self.plan.state = State::Ended;
            if self.text.has(&["stopped", "discontinued", "resolved", "중단", "끊", "종료", "ended"]) {
                self.plan.edge = Edge::End;
            }
            self.text.take_cues(cues::ENDED);
        } else if active && !ended && !ever && self.plan.window.is_none() {
            self.plan.state = State::Active;
            self.text.take_cues(cues::ACTIVE);
        } else {
            self.text.take_cues(cues::ACTIVE);
            self.text.take_cues(cues::ENDED);
        }
    }

    /// "on hold", "예비 결과", "정정된": only entries that are so. "Is it final or preliminary?" asks which it is.
    fn standings(&mut self) {
        let choice = self.text.has(&[
            "final or preliminary",
            "preliminary or final",
            "확정 결과예요 예비",
            "확정인가 예비",
            "예비인가 확정",
        ]) || (self.text.has(&["확정", "최종", "final"]) && self.text.has(&["예비", "preliminary"]));
        if choice {
            return;
        }
        for (codes, words) in cues::STATES {
            let planned = codes.first() == Some(&"planned") && !self.kinds.contains(&Kind::Encounter);
            if !planned && self.text.take_cues(words) {
                self.plan.standings = codes.iter().map(|code| (*code).to_owned()).collect();
                self.plan.state = State::Any;
                self.kinds.retain(|kind| *kind != Kind::Planned || !codes.contains(&"planned"));
                return;
            }
        }
    }

    /// "last three", "최근 5회".
    fn limit(&mut self, latest: bool) {
        const COUNTS: &[(&str, usize)] = &[
            ("two", 2),
            ("three", 3),
            ("four", 4),
            ("five", 5),
            ("six", 6),
            ("ten", 10),
            ("두 번", 2),
            ("두번", 2),
            ("세 번", 3),
            ("세번", 3),
            ("네 번", 4),
            ("다섯 번", 5),
            ("couple", 2),
            ("few", 3),
        ];
        if !latest && !self.text.has(&["first", "처음"]) {
            return;
        }
        for (word, count) in COUNTS {
            if self.text.take_cues(&[word]) {
                self.plan.limit = Some(*count);
                return;
            }
        }
        for (start, end, number, _) in number_places(self.text.lower()) {
            if number.fract() == 0.0 && (1.0..=50.0).contains(&number) && self.text.is_free(&(start..end)) {
                self.plan.limit = Some(number as usize);
                self.text.take(start..end);
                return;
            }
        }
    }

    fn value_words(&mut self) {
        if self.plan.filter.is_some() {
            return;
        }
        // "normal range" asks for the range, not for normal values.
        if self.text.has(&["normal range", "reference range", "정상 범위", "정상범위", "참고치"])
            && !self.text.has(&["out of", "outside", "벗어"])
        {
            return;
        }
        let asks_extreme = self.text.has(cues::HIGHEST) || self.text.has(cues::LOWEST);
        let cases: [(&[&str], Filter); 6] = [
            (cues::ABNORMAL, Filter::Abnormal),
            (cues::NORMAL, Filter::Normal),
            (cues::HIGH, Filter::High),
            (cues::LOW, Filter::Low),
            (cues::POSITIVE, Filter::Positive),
            (cues::NEGATIVE, Filter::Negative),
        ];
        for (words, filter) in cases {
            if asks_extreme && matches!(filter, Filter::High | Filter::Low) {
                continue;
            }
            if self.text.take_cues(words) {
                // "is it normal" about one thing wants the value; its flag is shown with it.
                let about_one = matches!(filter, Filter::Normal | Filter::Positive | Filter::Negative)
                    && !self.text.has(cues::EVER)
                    && !self.plan.subjects.is_empty();
                if !about_one {
                    self.plan.filter = Some(filter);
                }
                return;
            }
        }
    }

    fn measured(&self) -> bool {
        let by_sort =
            self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Lab | Sort::Vital | Sort::Social | Sort::Panel)));
        let own = |subject: &Subject| {
            subject
                .kinds
                .iter()
                .all(|kind| matches!(kind, Kind::Lab | Kind::Vital | Kind::OtherObservation | Kind::SocialHistory))
        };
        let by_chart = self
            .plan
            .subjects
            .iter()
            .zip(&self.sorts)
            .any(|(subject, sort)| sort.is_none() && !subject.kinds.is_empty() && own(subject));
        by_sort
            || by_chart
            || (self.plan.subjects.is_empty() && self.kinds.iter().any(|kind| matches!(kind, Kind::Lab | Kind::Vital)))
    }

    fn named_shape(&mut self, measured: bool) -> Option<Shape> {
        if self.text.take_cues(cues::SUMMARY) {
            return Some(Shape::Summary);
        }
        if self.text.take_cues(cues::SINCE) {
            return Some(Shape::Since);
        }
        if self.text.has(&["how many days", "며칠 동안", "며칠간", "며칠이나"]) && self.text.take_cues(cues::DURATION)
        {
            return Some(Shape::Duration);
        }
        // "how often does he take it" is a dose, "how often was he admitted" a count.
        let medicine = self.kinds.contains(&Kind::Medication)
            || self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Medicine | Sort::Class)));
        if !(medicine && self.text.has(&["how often", "몇 정", "하루 몇"])) && self.text.take_cues(cues::COUNT) {
            return Some(Shape::Count);
        }
        if self.text.take_cues(cues::DURATION) {
            return Some(Shape::Duration);
        }
        if self.text.take_cues(cues::HIGHEST) {
            return Some(Shape::Highest);
        }
        if self.text.take_cues(cues::LOWEST) {
            return Some(Shape::Lowest);
        }
        if self.text.take_cues(cues::AVERAGE) {
            return Some(Shape::Average);
        }
        if measured && self.text.take_cues(cues::CHANGE) {
            return Some(Shape::Change);
        }
        if measured && self.text.take_cues(cues::TREND) {
            return Some(Shape::Trend);
        }
        if self.text.take_cues(cues::WHEN) {
            return Some(if measured && self.plan.filter.is_none() { self.measured_when() } else { Shape::When });
        }
        if measured && self.text.take_cues(cues::SERIES) {
            return Some(Shape::Series);
        }
        let reported = self.sorts.contains(&Some(Sort::Procedure))
            || self
                .kinds
                .iter()
                .any(|kind| matches!(kind, Kind::Report | Kind::Procedure | Kind::Imaging | Kind::Note));
        for (attribute, words) in cues::ATTRIBUTES {
            let fits = match attribute {
                Attribute::Conclusion => reported && !measured,
                Attribute::Dose => medicine || self.kinds.contains(&Kind::Immunization),
                Attribute::Reaction | Attribute::Severity => self.kinds.contains(&Kind::Allergy) || !measured,
                Attribute::ReferenceRange | Attribute::Unit => measured,
                _ => true,
            };
            if fits && self.text.take_cues(words) {
                self.plan.attribute = Some(*attribute);
                self.plan.edge = Edge::Start;
                if *attribute == Attribute::Status {
                    self.plan.state = State::Any; // asked is which state it has
                    self.text.take_cues(cues::WHEN);
                }
                return Some(Shape::Attribute);
            }
        }
        None
    }

    /// "when was the last HbA1c": the newest value with its date.
    fn measured_when(&self) -> Shape {
        match self.plan.pick {
            Some(Pick::Oldest) => Shape::First,
            _ => Shape::Latest,
        }
    }

    fn is_yes_no(&self) -> bool {
        const STARTS: &[&str] =
            &["is ", "are ", "was ", "were ", "does ", "do ", "did ", "has ", "have ", "any ", "can ", "ever "];
        const ENDS: &[&str] = &[
            "나요",
            "있나",
            "있어",
            "있는지",
            "있습니까",
            "있음",
            "했나",
            "는지",
            "인가",
            "인가요",
            "여부",
            "까",
            "있어요",
            "맞나",
            "했어",
            "받았어",
            "있을까",
        ];
        let lower = self.text.lower().trim();
        let korean = lower.trim_end_matches(['?', '.', ' ', '!']);
        let what = self.text.has(&[
            "뭐",
            "무엇",
            "어떤",
            "언제",
            "몇",
            "누가",
            "어디",
            "얼마",
            "어떻게",
            "what",
            "which",
            "무슨",
        ]);
        STARTS.iter().any(|start| lower.starts_with(start)) || (!what && ENDS.iter().any(|end| korean.ends_with(end)))
    }

    /// Which kinds of entries are complete evidence.
    fn scope(&mut self) {
        if self.plan.shape == Shape::Demographic {
            return;
        }
        let has = |kinds: &[Kind], kind: Kind| kinds.contains(&kind);
        let allergy = has(&self.kinds, Kind::Allergy);
        let family = has(&self.kinds, Kind::FamilyHistory);
        let vaccine = has(&self.kinds, Kind::Immunization);
        let note = has(&self.kinds, Kind::Note);
        let planned = has(&self.kinds, Kind::Planned) && self.plan.subjects.is_empty();
        // "the ejection fraction on the echo" asks for the measurement; the examination only says where it stands.
        let measured = self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Lab | Sort::Vital | Sort::Panel)));
        if measured && !self.text.has(&["and", "랑", "하고", "와", "과", ","]) {
            while let Some(at) = self.sorts.iter().position(|sort| *sort == Some(Sort::Procedure)) {
                self.sorts.remove(at);
                self.plan.subjects.remove(at);
            }
        }
        // A problem that a medicine is asked for is its reason.
        if has(&self.kinds, Kind::Medication)
            && self.sorts.contains(&Some(Sort::Problem))
            && !allergy
            && !family
            && !self.sorts.iter().any(|sort| matches!(sort, Some(Sort::Medicine | Sort::Class)))
        {
            self.plan.because = self.take_reason();
        }
        for (subject, sort) in self.plan.subjects.iter_mut().zip(&self.sorts) {
            let wanted: Vec<Kind> = self.kinds.iter().copied().filter(|kind| subject.kinds.contains(kind)).collect();
            if allergy {
                subject.kinds = vec![Kind::Allergy];
            } else if family {
                subject.kinds = vec![Kind::FamilyHistory];
            } else if vaccine && *sort != Some(Sort::Immunization) && subject.kinds != [Kind::Encounter] {
                subject.kinds = vec![Kind::Immunization];
            } else if note && *sort != Some(Sort::Procedure) && subject.kinds != [Kind::Encounter] {
                subject.kinds = vec![Kind::Note];
            } else if !wanted.is_empty()
                && !matches!(
                    sort,
                    Some(Sort::Procedure | Sort::Stay | Sort::Lab | Sort::Vital | Sort::Panel | Sort::Social)
                )
            {
                subject.kinds = wanted;
            }
        }
        let mut scope: Vec<Kind> =
            self.plan.subjects.iter().flat_map(|subject| subject.kinds.iter().copied()).collect();
        if self.plan.subjects.is_empty() {
            scope.clone_from(&self.kinds);
            if scope.len() > 1 && !planned {
                // "검사 결과", "results" beside another kind says nothing further.
                scope.retain(|kind| {
                    *kind != Kind::Lab || self.kinds.iter().all(|other| matches!(other, Kind::Lab | Kind::Vital))
                });
            }
            if scope.contains(&Kind::Report) {
                scope.push(Kind::Imaging);
            }
            if self.plan.shape == Shape::Summary && (scope.is_empty() || scope == [Kind::Encounter]) {
                scope = vec![Kind::Note, Kind::Report];
            }
            if scope.is_empty() && self.plan.filter.is_some() {
                scope = vec![Kind::Lab, Kind::Vital];
            }
            if scope.contains(&Kind::Allergy) {
                scope = vec![Kind::Allergy];
            } else if scope.contains(&Kind::FamilyHistory) {
                scope = vec![Kind::FamilyHistory];
            } else if scope.contains(&Kind::Immunization) {
                scope = vec![Kind::Immunization];
            } else if scope.contains(&Kind::Appointment) {
                scope = vec![Kind::Appointment];
            }
        }
        if self.plan.subjects.is_empty() && self.plan.because.is_some() && scope.is_empty() {
            scope = vec![Kind::Medication];
        }
        scope.sort_unstable();
        scope.dedup();
        self.plan.scope = scope;
        // What a note says is read from the note: its sentences are quoted.
        if self.kinds.contains(&Kind::Note) && self.plan.subjects.is_empty() {
            self.plan.scope = vec![Kind::Note];
        }
        if self.plan.scope.is_empty() && !self.plan.standings.is_empty() {
            self.plan.scope = vec![Kind::Lab, Kind::Report, Kind::Note];
        }
        let read = matches!(self.plan.shape, Shape::Latest | Shape::First)
            || self.plan.attribute == Some(Attribute::Conclusion)
            || self.plan.pick.is_some() && matches!(self.plan.shape, Shape::List | Shape::Whether);
        if self.plan.scope == [Kind::Note] && self.plan.subjects.is_empty() && read && self.plan.standings.is_empty() {
            self.plan.shape = Shape::Summary;
            self.plan.attribute = Some(Attribute::Conclusion);
            self.plan.limit = Some(1);
        }
    }

    /// What nothing accounts for.
    fn leftovers(&mut self, vocabulary: &Vocabulary) {
        let rest = self.text.rest();
        for word in rest {
            let known = if word.chars().any(is_hangul) {
                consists_of(&word, cues::PIECES)
            } else {
                cues::STOP.contains(&word.as_str())
                    || word.chars().all(|c| c.is_ascii_digit() || c == '.') && word.len() <= 2
                    || word.chars().count() == 1
            };
            if !known && !vocabulary.is_person(&word) {
                self.plan.unresolved.push(word);
            }
        }
        let nothing = self.plan.scope.is_empty() && self.plan.shape != Shape::Demographic;
        if nothing && self.plan.unresolved.is_empty() {
            self.plan.unresolved.push(self.text.lower().trim().to_owned());
        }
        // A note or report may speak of what nothing else names: its text is searched.
        let texts = self.plan.scope.iter().any(|kind| matches!(kind, Kind::Note | Kind::Report));
        if texts
            && self.plan.subjects.is_empty()
            && self.plan.shape != Shape::Summary
            && !self.plan.unresolved.is_empty()
        {
            for word in std::mem::take(&mut self.plan.unresolved) {
                if vocabulary.stands_in_a_text(&word) {
                    let kinds = [Kind::Note, Kind::Report];
                    self.plan.subjects.push(own_subject(&word, &kinds));
                } else {
                    self.plan.unresolved.push(word);
                }
            }
        }
    }
}

fn shares_kind(one: &Subject, other: &Subject) -> bool {
    one.kinds.iter().any(|kind| other.kinds.contains(kind))
}

fn own_subject(phrase: &str, kinds: &[Kind]) -> Subject {
    Subject {
        said: phrase.to_owned(),
        names: (phrase.to_owned(), phrase.to_owned()),
        terms: vec![phrase.to_owned()],
        kinds: kinds.to_vec(),
        ..Subject::default()
    }
}

fn encounter_subject(terms: &[&str], classes: &[&str], english: &str, korean: &str) -> Subject {
    Subject {
        said: english.to_owned(),
        names: (english.to_owned(), korean.to_owned()),
        codes: classes
            .iter()
            .map(|class| ("http://terminology.hl7.org/CodeSystem/v3-ActCode".to_owned(), (*class).to_owned()))
            .collect(),
        terms: terms.iter().map(|term| (*term).to_owned()).collect(),
        kinds: vec![Kind::Encounter],
        ..Subject::default()
    }
}

/// `>` and the like stand without word boundaries.
fn symbol<'t>(lower: &'t str, word: &'t str) -> impl Iterator<Item = std::ops::Range<usize>> + 't {
    let is_symbol = word.chars().all(|c| !c.is_alphanumeric());
    lower.match_indices(word).filter(move |_| is_symbol).map(|(at, found)| at..at + found.len())
}

/// A number at the beginning of the text, its length, and the second of a pair like `140/90`.
fn leading_number(text: &str) -> Option<(f64, usize, Option<f64>)> {
    let length = |text: &str| text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let first = length(text);
    let number: f64 = text.get(..first)?.trim_end_matches('.').parse().ok()?;
    let second = text.get(first..).and_then(|rest| rest.strip_prefix('/')).map(|rest| (length(rest), rest));
    match second {
        Some((digits, rest)) if digits > 0 => {
            Some((number, first + 1 + digits, rest.get(..digits).and_then(|digits| digits.parse().ok())))
        }
        _ => Some((number, first, None)),
    }
}

/// All numbers that are words of their own: (start, end, number, second of a pair).
fn number_places(lower: &str) -> Vec<(usize, usize, f64, Option<f64>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = lower.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(offset) = rest.find(|c: char| c.is_ascii_digit()) else { break };
        let start = at + offset;
        let glued = lower
            .get(..start)
            .and_then(|before| before.chars().next_back())
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        match lower.get(start..).and_then(leading_number) {
            Some((number, length, second)) => {
                if !glued {
                    found.push((start, start + length, number, second));
                }
                at = start + length.max(1);
            }
            None => at = start + 1,
        }
    }
    found
}

/// True if the word is nothing but pieces, one after another.
fn consists_of(word: &str, pieces: &[&str]) -> bool {
    let mut reachable = vec![false; word.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    for start in 0..word.len() {
        if !reachable.get(start).copied().unwrap_or(false) {
            continue;
        }
        let Some(rest) = word.get(start..) else { continue };
        for piece in pieces {
            if rest.starts_with(piece)
                && let Some(end) = reachable.get_mut(start + piece.len())
            {
                *end = true;
            }
        }
    }
    reachable.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests;
