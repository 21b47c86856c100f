//! Events that open or close a window: "since the appendectomy", "during the admission", "퇴원 후", "입원 중".

use haechi_record::chart::Kind;

use super::Reading;
use super::concepts::{self, Sort};
use super::cues::Cue;
use super::dictionary::Meaning;
use super::segment::What;
use super::things::encounter;
use crate::plan::{Anchor, Relation, Subject};

/// How many pieces may stand between a relation and its event: "after | he | was | started | on | metformin".
const REACH: usize = 6;

impl Reading<'_> {
    /// Finds the anchor and takes its words out of the question.
    pub(super) fn events(&mut self) {
        self.said_in_one();
        if self.plan.anchor.is_none() {
            self.english_event();
        }
        if self.plan.anchor.is_none() {
            self.korean_event();
        }
        if self.plan.anchor.is_none() {
            self.admission_beside();
        }
    }

    /// Words that hold relation and event.
    fn said_in_one(&mut self) {
        let inpatient = || Some(encounter(Cue::Admissions));
        let cases = [
            (Cue::PreOp, Relation::Before, Kind::Procedure, None),
            (Cue::PostOp, Relation::After, Kind::Procedure, None),
            (Cue::OnAdmission, Relation::During, Kind::Encounter, inpatient()),
            (Cue::AtDischarge, Relation::During, Kind::Encounter, inpatient()),
            (Cue::This, Relation::During, Kind::Encounter, inpatient()),
        ];
        for (cue, relation, kind, subject) in cases {
            let places = self.places(cue);
            let Some(&at) = places.first() else { continue };
            // "When was the current admission" asks for the admission itself.
            if cue == Cue::This && !self.asks_beside(at) {
                continue;
            }
            self.plan.anchor = Some(Anchor { relation, kinds: vec![kind], subject });
            if cue == Cue::OnAdmission {
                self.plan.pick = Some(crate::plan::Pick::Oldest);
            }
            if cue == Cue::AtDischarge {
                self.plan.pick = Some(crate::plan::Pick::Newest);
            }
            for at in places {
                self.use_up(at);
            }
            return;
        }
    }

    /// Something other than the piece itself is asked about.
    fn asks_beside(&self, at: usize) -> bool {
        self.pieces.iter().enumerate().any(|(other, piece)| {
            other != at
                && piece.meanings().iter().any(|meaning| match meaning {
                    Meaning::Thing(_) | Meaning::Own(_) => true,
                    Meaning::Cue(cue) => matches!(
                        cue,
                        Cue::Labs | Cue::Vitals | Cue::Meds | Cue::Procedures | Cue::Surgeries | Cue::Problems | Cue::Cultures | Cue::Reports | Cue::Prescribe
                    ),
                    _ => false,
                })
        })
    }

    fn english_event(&mut self) {
        for at in 0..self.pieces.len() {
            if self.is_used(at) {
                continue;
            }
            let relation = if self.means(at, Cue::Before) {
                Relation::Before
            } else if self.means(at, Cue::After) {
                Relation::After
            } else if self.means(at, Cue::During) {
                Relation::During
            } else {
                continue;
            };
            let mut passed = vec![at];
            let mut starts = false;
            for next in at + 1..(at + 1 + REACH).min(self.pieces.len()) {
                if let Some((kind, subject)) = self.event_at(next) {
                    let relation = self.relation(relation, next, &kind, starts);
                    let subject = self.reason_of(next, &kind, subject, &mut passed);
                    // "At" and "upon" open no window but at these.
                    let word = self.piece(at).map(|piece| self.said(piece).to_lowercase()).unwrap_or_default();
                    if matches!(word.as_str(), "at" | "upon") && kind != Kind::Encounter {
                        break;
                    }
                    self.anchor(relation, kind, subject);
                    passed.push(next);
                    passed.into_iter().for_each(|at| self.use_up(at));
                    return;
                }
                if !self.is_filler(next) {
                    break;
                }
                starts |= self.means(next, Cue::Start);
                passed.push(next);
            }
        }
    }

    /// The Korean relation stands behind its event, with a verb and endings between: 메트포르민을 시작한 후.
    fn korean_event(&mut self) {
        for at in 1..self.pieces.len() {
            if self.is_used(at) {
                continue;
            }
            let relation = if self.means(at, Cue::BeforeKo) {
                Relation::Before
            } else if self.means(at, Cue::AfterKo) {
                Relation::After
            } else if self.means(at, Cue::DuringKo) {
                Relation::During
            } else {
                continue;
            };
            if self.is_progressive(at, relation) {
                continue;
            }
            let mut passed = vec![at];
            let mut starts = false;
            for back in (at.saturating_sub(REACH)..at).rev() {
                if let Some((kind, subject)) = self.event_at(back) {
                    // 진단받은 때: which diagnosis stands before it.
                    let relation = self.relation(relation, back, &kind, starts);
                    let subject = self.reason_of(back, &kind, subject, &mut passed);
                    self.anchor(relation, kind, subject);
                    passed.push(back);
                    passed.into_iter().for_each(|at| self.use_up(at));
                    return;
                }
                if !self.is_filler(back) {
                    break;
                }
                starts |= self.means(back, Cue::Start);
                passed.push(back);
            }
        }
    }

    fn anchor(&mut self, relation: Relation, kind: Kind, subject: Option<Subject>) {
        self.plan.anchor = Some(Anchor { relation, kinds: vec![kind], subject });
    }

    /// 입원 중인가요, 복용 중인 약: a state, not a window.
    fn is_progressive(&self, at: usize, relation: Relation) -> bool {
        if relation != Relation::During {
            return false;
        }
        let before = (0..at).rev().find(|&back| self.piece(back).is_some_and(|piece| !piece.is_tail()));
        if before.is_some_and(|back| self.means(back, Cue::Take) || self.means(back, Cue::Give)) {
            return true;
        }
        let tail = self.tail(at);
        let copula = ["인", "이", "입", "일"].iter().any(|start| tail.starts_with(start));
        let word = self.piece(at).map(|piece| self.said(piece)).unwrap_or_default();
        word == "중" && copula && self.ends_with(at)
    }

    /// An admission that is over counts by its stay; "before discharge" is during it.
    fn relation(&self, relation: Relation, at: usize, kind: &Kind, starts: bool) -> Relation {
        let discharge = self.means(at, Cue::Discharges);
        match (relation, kind) {
            (Relation::Before, Kind::Encounter) if discharge => Relation::During,
            (Relation::After, Kind::Encounter) if !discharge && self.means(at, Cue::Admissions) => Relation::Since,
            (Relation::After, Kind::Medication | Kind::Problem) => Relation::Since,
            (Relation::After, _) if starts => Relation::Since,
            _ => relation,
        }
    }

    /// The event that a piece names.
    fn event_at(&self, at: usize) -> Option<(Kind, Option<Subject>)> {
        let piece = self.piece(at)?;
        if self.is_used(at) {
            return None;
        }
        for cue in [Cue::Admissions, Cue::Discharges, Cue::Emergency, Cue::Icu, Cue::Outpatient] {
            if self.means(at, cue) {
                return Some((Kind::Encounter, Some(encounter(cue))));
            }
        }
        if self.means(at, Cue::Surgeries) {
            return Some((Kind::Procedure, Some(super::things::surgery())));
        }
        if self.means(at, Cue::Visits) && !piece.meanings().contains(&Meaning::Stop) {
            return Some((Kind::Encounter, None));
        }
        piece.meanings().iter().find_map(|meaning| {
            let Meaning::Thing(index) = meaning else { return None };
            let concept = concepts::all().get(*index)?;
            let kinds = match concept.sort {
                Sort::Procedure => Kind::Procedure,
                Sort::Problem => Kind::Problem,
                Sort::Medicine | Sort::Class => Kind::Medication,
                Sort::Vaccine => Kind::Immunization,
                _ => return None,
            };
            Some((kinds, Some(concept.subject(&self.said(piece), &[kinds]))))
        })
    }

    /// "When he was admitted for pneumonia", 폐렴으로 입원했을 때: the admission with that reason.
    fn reason_of(&mut self, at: usize, kind: &Kind, subject: Option<Subject>, passed: &mut Vec<usize>) -> Option<Subject> {
        let mut subject = subject?;
        if *kind != Kind::Encounter {
            return Some(subject);
        }
        let problem = |reading: &Self, place: usize| {
            let piece = reading.piece(place)?;
            piece.meanings().iter().find_map(|meaning| {
                let Meaning::Thing(index) = meaning else { return None };
                let concept = concepts::all().get(*index).filter(|concept| concept.sort == Sort::Problem)?;
                Some(concept.subject(&reading.said(piece), &[]))
            })
        };
        // English: behind it, after "for" or "with"; Korean: before it, with -로.
        let forward = (at + 1..(at + 4).min(self.pieces.len())).find_map(|place| Some((place, problem(self, place)?)));
        let forward = forward.filter(|(place, _)| {
            (at + 1..*place).any(|between| self.piece(between).is_some_and(|piece| matches!(self.said(piece).as_str(), "for" | "with" | "due to" | "because of")))
        });
        let backward = (at.saturating_sub(2)..at).rev().find_map(|place| Some((place, problem(self, place)?)));
        let backward = backward.filter(|(place, _)| self.tail(*place).ends_with('로'));
        if let Some((place, reason)) = forward.or(backward) {
            passed.push(place);
            subject.required.push(reason.terms.into_iter().filter(|term| !term.starts_with('=')).collect());
        }
        Some(subject)
    }

    /// Words between a relation and its event that name nothing.
    fn is_filler(&self, at: usize) -> bool {
        let Some(piece) = self.piece(at) else { return false };
        if matches!(piece.what, What::Time(_) | What::Unknown | What::Number(_) | What::Bound(_)) {
            return false;
        }
        piece.is_tail()
            || piece.meanings().iter().any(|meaning| {
                matches!(
                    meaning,
                    Meaning::Stop
                        | Meaning::Name
                        | Meaning::Cue(
                            Cue::Start
                                | Cue::Take
                                | Cue::Give
                                | Cue::Prescribe
                                | Cue::Diagnose
                                | Cue::Measure
                                | Cue::Latest
                                | Cue::First
                                | Cue::Previous
                                | Cue::Any
                                | Cue::Problems
                                | Cue::Ever
                                | Cue::Stop
                                | Cue::Procedures
                        )
                )
            })
    }

    /// "Discharge medications", "admission weight", 퇴원약: the stay narrows what stands beside it.
    fn admission_beside(&mut self) {
        for at in 0..self.pieces.len() {
            if self.is_used(at) || !(self.means(at, Cue::Admissions) || self.means(at, Cue::Discharges)) {
                continue;
            }
            let next = (at + 1..self.pieces.len()).find(|&next| self.piece(next).is_some_and(|piece| !piece.is_tail()));
            let Some(next) = next else { continue };
            let tail = self.tail(at);
            let kind = [Cue::Meds, Cue::Labs, Cue::Vitals].into_iter().any(|cue| self.means(next, cue))
                || (self.means(next, Cue::Problems) && !self.means(next, Cue::Diagnose));
            let measured = self.piece(next).is_some_and(|piece| {
                piece.meanings().iter().any(|meaning| {
                    matches!(meaning, Meaning::Thing(index) if concepts::all().get(*index).is_some_and(|concept| concept.sort.is_measured()))
                })
            });
            if (kind || measured) && tail.is_empty() {
                let last = self.means(at, Cue::Discharges);
                self.anchor(Relation::During, Kind::Encounter, Some(encounter(Cue::Admissions)));
                if measured || self.means(next, Cue::Labs) {
                    self.plan.pick = Some(if last { crate::plan::Pick::Newest } else { crate::plan::Pick::Oldest });
                }
                self.use_up(at);
                return;
            }
        }
    }
}
