//! The tables of cue words: what a question wants, which kinds of entries it names, what no chart can answer.

use super::dictionary::{Dictionary, Meaning};

const CUES: &str = include_str!("tables/cues.psv");
const OUTSIDE: &str = include_str!("tables/outside.psv");
const STOP: &str = include_str!("tables/stop.psv");

macro_rules! names {
    ($(#[$meta:meta])* $name:ident: $($variant:ident)*) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum $name { $($variant),* }

        impl $name {
            fn of(name: &str) -> Option<Self> {
                Some(match name { $(stringify!($variant) => Self::$variant,)* _ => return None })
            }
        }
    };
}

names! {
    /// What a word asks for. The table `cues.psv` says which words.
    Cue: Latest First Next Previous Series All Trend Highest Lowest Average Change Count List Any When Duration Since AgeAt
    Who Where Dose Route Why Reaction Severity Status Range UnitCue Result Site Lot Manufacturer DoseNumber Disposition
    Specimen Organism Onset Summary Mention Active Ended Stop Resolve Start Ever Abnormal Normal High Low Positive Negative
    Labs Vitals Problems Meds Allergies Vaccines Procedures Surgeries Admissions Discharges Emergency Outpatient Icu Visits
    Reports Notes Cultures Appointments Planned Devices Family Relative Social History Insurance Background
    Prescribe Take Give Diagnose Measure Order Write Followup
    Before After During BeforeKo AfterKo DuringKo PreOp PostOp OnAdmission AtDischarge This
    Age BirthDate Sex PersonName Address Phone Identifier Marital Spoken Death Contact Race Pcp Nationality Religion Email
    Cost Prognosis Advice Knowledge Population Other Staff Action
}

impl Cue {
    /// Words of what no chart of one patient can answer.
    pub(super) fn is_outside(self) -> bool {
        matches!(
            self,
            Self::Cost
                | Self::Prognosis
                | Self::Advice
                | Self::Knowledge
                | Self::Population
                | Self::Other
                | Self::Staff
                | Self::Action
        )
    }
}

/// Adds all cue words, empty words and endings to `dictionary`.
pub(super) fn fill(dictionary: &mut Dictionary) {
    for table in [CUES, OUTSIDE] {
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('|');
            let Some(cue) = columns.next().and_then(Cue::of) else { continue };
            for word in columns.flat_map(|column| column.split(';')).filter(|word| !word.is_empty()) {
                dictionary.add(word, Meaning::Cue(cue));
            }
        }
    }
    let mut lines = STOP.lines().filter(|line| !line.starts_with('#'));
    for (line, meaning) in [(lines.next(), Meaning::Stop), (lines.next(), Meaning::Stop), (lines.next(), Meaning::Tail)] {
        for word in line.unwrap_or_default().split(';').filter(|word| !word.is_empty()) {
            dictionary.add(word, meaning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_a_cue() {
        for table in [CUES, OUTSIDE] {
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let name = line.split('|').next().unwrap();
                assert!(Cue::of(name).is_some(), "{name}");
                assert_eq!(line.matches('|').count(), 2, "{name}");
            }
        }
        assert_eq!(STOP.lines().filter(|line| !line.starts_with('#')).count(), 3);
    }
}
