//! A body: what would be measured on a given day, and how the measured things hang together.
//!
//! Each analyte has a usual level for sex and age, a personal offset, and a day-to-day wobble; a disease draws a line over
//! the years that replaces the level. Whatever follows from other results is computed from them **as they were reported**
//! (rounded), so that a reader who checks the arithmetic finds it right.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::catalog::lab::{Analyte, row_of};
use crate::dice::Dice;
use crate::moment::{age, days_between};
use crate::people::Sex;

/// One patient's body.
pub(crate) struct Body {
    pub(crate) sex: Sex,
    pub(crate) birth: Date,
    lines: BTreeMap<Analyte, Vec<(Date, f64)>>,
    offsets: BTreeMap<Analyte, f64>,
}

/// Usual level, spread between people and wobble within one, as parts of the level.
fn usual(analyte: Analyte, sex: Sex, years: i64) -> (f64, f64, f64) {
    use Analyte as A;
    let man = sex == Sex::Male;
    let by_sex = |women: f64, men: f64| if man { men } else { women };
    let older = (years - 50).max(0) as f64;
    match analyte {
        A::Hba1c => (5.3, 0.03, 0.015),
        A::Glucose => (105.0, 0.05, 0.08),
        A::Urea => (13.5, 0.15, 0.12),
        A::Creatinine => (by_sex(0.65, 0.88) + older * 0.002, 0.09, 0.035),
        A::Sodium => (140.0, 0.005, 0.009),
        A::Potassium => (4.2, 0.03, 0.05),
        A::Chloride => (103.0, 0.005, 0.012),
        A::Bicarbonate => (25.5, 0.02, 0.05),
        A::Calcium => (9.3, 0.015, 0.02),
        A::Phosphate => (3.5, 0.06, 0.08),
        A::UricAcid => (by_sex(4.6, 5.7), 0.12, 0.07),
        A::Protein => (7.2, 0.03, 0.02),
        A::Albumin => (4.3, 0.03, 0.025),
        A::Ast => (22.0, 0.15, 0.12),
        A::Alt => (21.0, 0.2, 0.15),
        A::AlkalinePhosphatase => (72.0, 0.15, 0.06),
        A::Ggt => (by_sex(18.0, 28.0), 0.25, 0.1),
        A::Bilirubin => (0.7, 0.2, 0.15),
        A::Cholesterol => (185.0, 0.1, 0.04),
        A::Hdl => (by_sex(57.0, 49.0), 0.12, 0.04),
        A::Triglyceride => (118.0, 0.2, 0.15),
        A::Crp => (0.12, 0.3, 0.4),
        A::Bnp => (25.0 + older * 0.7, 0.2, 0.2),
        A::TroponinI => (5.0, 0.2, 0.2),
        A::Tsh => (1.9, 0.25, 0.15),
        A::FreeT4 => (1.25, 0.07, 0.05),
        A::Ferritin => (by_sex(55.0, 140.0), 0.25, 0.1),
        A::Iron => (by_sex(90.0, 105.0), 0.12, 0.15),
        A::Tibc => (325.0, 0.06, 0.03),
        A::Cea => (1.8, 0.25, 0.1),
        A::Ca153 => (11.0, 0.2, 0.08),
        A::Ca199 => (9.0, 0.25, 0.12),
        A::Afp => (2.8, 0.2, 0.1),
        A::Inr => (1.0, 0.02, 0.025),
        A::AlbuminCreatinine => (9.0, 0.3, 0.2),
        A::HbvDna => (0.0, 0.0, 0.0),
        A::Leukocytes => (6.2, 0.12, 0.09),
        A::Haemoglobin => (by_sex(13.2, 15.0) - older * 0.015, 0.04, 0.018),
        A::Mcv => (91.0, 0.025, 0.006),
        A::Platelets => (240.0, 0.12, 0.06),
        A::Neutrophils => (56.0, 0.06, 0.07),
        A::Systolic => (118.0 + older * 0.25, 0.04, 0.045),
        A::Diastolic => (75.0, 0.04, 0.05),
        A::HeartRate => (73.0, 0.07, 0.06),
        A::RespiratoryRate => (17.0, 0.03, 0.06),
        A::Temperature => (36.6, 0.002, 0.005),
        A::Saturation => (98.0, 0.003, 0.006),
        A::Height => (by_sex(159.0, 171.5) - older * 0.06, 0.03, 0.0),
        A::Weight => (by_sex(57.0, 70.0), 0.12, 0.006),
        // Follow from others.
        A::FastingGlucose
        | A::Egfr
        | A::Ldl
        | A::ProthrombinTime
        | A::Erythrocytes
        | A::Haematocrit
        | A::Mch
        | A::Mchc
        | A::Lymphocytes
        | A::Bmi => (0.0, 0.0, 0.0),
    }
}

impl Body {
    pub(crate) fn new(sex: Sex, birth: Date) -> Body {
        Body { sex, birth, lines: BTreeMap::new(), offsets: BTreeMap::new() }
    }

    /// Draws the line that `analyte` follows: levels at days, straight between them, level before the first and after the
    /// last. Several calls make one line.
    pub(crate) fn line(&mut self, analyte: Analyte, points: &[(Date, f64)]) {
        let line = self.lines.entry(analyte).or_default();
        line.extend_from_slice(points);
        line.sort_by_key(|(day, _)| *day);
        line.dedup_by_key(|(day, _)| *day);
    }

    /// The level on a day, before wobble.
    pub(crate) fn level(&mut self, dice: &mut Dice, analyte: Analyte, day: Date) -> f64 {
        let years = age(self.birth, day);
        if let Some(line) = self.lines.get(&analyte) {
            return along(line, day);
        }
        if years < 19
            && matches!(
                analyte,
                Analyte::Height
                    | Analyte::Weight
                    | Analyte::Systolic
                    | Analyte::Diastolic
                    | Analyte::HeartRate
                    | Analyte::RespiratoryRate
            )
        {
            let offset = self.offset(dice, analyte, 0.03);
            return growing(analyte, days_between(self.birth, day) as f64 / 365.25) * (1.0 + offset);
        }
        let (usual, spread, _) = usual(analyte, self.sex, years);
        usual * (1.0 + self.offset(dice, analyte, spread))
    }

    fn offset(&mut self, dice: &mut Dice, analyte: Analyte, spread: f64) -> f64 {
        *self.offsets.entry(analyte).or_insert_with(|| dice.normal().clamp(-1.8, 1.8) * spread)
    }

    /// One measurement, rounded as the laboratory reports it. `known` holds what was measured with it.
    pub(crate) fn measure(
        &mut self,
        dice: &mut Dice,
        analyte: Analyte,
        day: Date,
        known: &BTreeMap<Analyte, f64>,
    ) -> f64 {
        let get = |analyte: Analyte| known.get(&analyte).copied();
        let of = |analyte: Analyte, other: f64| get(analyte).unwrap_or(other);
        use Analyte as A;
        let value = match analyte {
            A::Egfr => egfr(of(A::Creatinine, 1.0), age(self.birth, day), self.sex),
            // Mean glucose of an HbA1c by the ADAG study (2008), fasting a little below it.
            A::FastingGlucose => (28.7 * of(A::Hba1c, 5.3) - 46.7) * 0.9 + dice.normal() * 6.0,
            // Friedewald (1972); the laboratory gives none for triglycerides from 400 on, which ours stay below.
            A::Ldl => of(A::Cholesterol, 180.0) - of(A::Hdl, 50.0) - of(A::Triglyceride, 120.0) / 5.0,
            A::ProthrombinTime => {
                let inr = self.wobble(dice, A::Inr, day);
                11.8 * inr
            }
            A::Inr => of(A::ProthrombinTime, 11.8) / 11.8,
            A::Haematocrit => of(A::Haemoglobin, 14.0) * 2.98 + dice.normal() * 0.4,
            A::Erythrocytes => of(A::Haematocrit, 42.0) * 10.0 / of(A::Mcv, 90.0),
            A::Mch => of(A::Haemoglobin, 14.0) * 10.0 / of(A::Erythrocytes, 4.6),
            A::Mchc => of(A::Haemoglobin, 14.0) * 100.0 / of(A::Haematocrit, 42.0),
            A::Neutrophils => {
                let high = (of(A::Leukocytes, 6.0) - 7.5).max(0.0);
                (self.wobble(dice, A::Neutrophils, day) + high * 2.6).min(92.0)
            }
            A::Lymphocytes => {
                let rest = 100.0 - of(A::Neutrophils, 56.0);
                rest * (0.76 + dice.normal() * 0.02)
            }
            A::Bmi => of(A::Weight, 60.0) / (of(A::Height, 165.0) / 100.0).powi(2),
            A::Saturation => self.wobble(dice, analyte, day).min(100.0),
            A::Urea if !self.lines.contains_key(&A::Urea) => {
                let filtration = egfr(of(A::Creatinine, 0.8), age(self.birth, day), self.sex).clamp(8.0, 100.0);
                self.wobble(dice, analyte, day) * (90.0 / filtration).max(1.0).powf(0.75)
            }
            _ => self.wobble(dice, analyte, day),
        };
        round(value, row_of(analyte).decimals)
    }

    fn wobble(&mut self, dice: &mut Dice, analyte: Analyte, day: Date) -> f64 {
        let level = self.level(dice, analyte, day);
        let (_, _, wobble) = usual(analyte, self.sex, age(self.birth, day));
        (level * (1.0 + dice.normal() * wobble)).max(0.0)
    }
}

/// CKD-EPI 2021 (creatinine, without race), mL/min/1.73 m². Creatinine in mg/dL. Source: Inker et al., NEJM 2021.
pub(crate) fn egfr(creatinine: f64, years: i64, sex: Sex) -> f64 {
    let (kappa, alpha, factor): (f64, f64, f64) = match sex {
        Sex::Female => (0.7, -0.241, 1.012),
        Sex::Male => (0.9, -0.302, 1.0),
    };
    let ratio = creatinine / kappa;
    142.0 * ratio.min(1.0).powf(alpha) * ratio.max(1.0).powf(-1.200) * 0.9938_f64.powf(years as f64) * factor
}

/// To `decimals` places, half away from zero.
pub(crate) fn round(value: f64, decimals: usize) -> f64 {
    let factor = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    (value * factor).round() / factor
}

fn along(line: &[(Date, f64)], day: Date) -> f64 {
    let after = line.iter().position(|(at, _)| *at > day);
    match after {
        Some(0) => line[0].1,
        None => line.last().map_or(0.0, |(_, level)| *level),
        Some(at) => {
            let ((from, low), (to, high)) = (line[at - 1], line[at]);
            let part = days_between(from, day) as f64 / days_between(from, to).max(1) as f64;
            low + (high - low) * part
        }
    }
}

/// Middle values of growing children by age in years (both sexes; after the Korean growth charts of 2017, coarse).
fn growing(analyte: Analyte, years: f64) -> f64 {
    let table: &[(f64, f64)] = match analyte {
        Analyte::Height => {
            &[(0.0, 50.0), (1.0, 76.0), (3.0, 96.0), (6.0, 116.0), (10.0, 138.5), (14.0, 162.0), (18.0, 168.0)]
        }
        Analyte::Weight => {
            &[(0.0, 3.3), (1.0, 9.5), (3.0, 14.2), (6.0, 21.0), (10.0, 34.0), (14.0, 52.0), (18.0, 61.0)]
        }
        Analyte::Systolic => &[(0.0, 75.0), (1.0, 88.0), (6.0, 98.0), (12.0, 110.0), (18.0, 117.0)],
        Analyte::Diastolic => &[(0.0, 45.0), (1.0, 50.0), (6.0, 60.0), (12.0, 68.0), (18.0, 74.0)],
        Analyte::HeartRate => &[(0.0, 135.0), (1.0, 118.0), (6.0, 92.0), (12.0, 82.0), (18.0, 74.0)],
        _ => &[(0.0, 38.0), (1.0, 28.0), (6.0, 21.0), (12.0, 18.0), (18.0, 16.0)],
    };
    let after = table.iter().position(|(at, _)| *at > years).unwrap_or(table.len() - 1).max(1);
    let ((from, low), (to, high)) = (table[after - 1], table[after]);
    low + (high - low) * ((years - from) / (to - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn filtration_is_the_published_formula() {
        // Values by the NKF's calculator for the 2021 equation.
        for (creatinine, years, sex, expected) in [
            (1.0, 50, Sex::Male, 91.7),
            (0.8, 40, Sex::Female, 95.3),
            (2.4, 68, Sex::Male, 28.6),
            (0.6, 75, Sex::Female, 93.5),
        ] {
            assert!((egfr(creatinine, years, sex) - expected).abs() < 1.5, "{creatinine} {years} {sex:?}");
        }
    }

    #[test]
    fn a_line_is_followed_and_children_grow() {
        let mut dice = Dice::new(1, 1);
        let mut body = Body::new(Sex::Male, date(2018, 1, 1));
        body.line(Analyte::Hba1c, &[(date(2020, 1, 1), 7.0), (date(2020, 1, 11), 8.0)]);
        assert_eq!(body.level(&mut dice, Analyte::Hba1c, date(2019, 1, 1)), 7.0);
        assert_eq!(body.level(&mut dice, Analyte::Hba1c, date(2020, 1, 6)), 7.5);
        assert_eq!(body.level(&mut dice, Analyte::Hba1c, date(2021, 1, 1)), 8.0);
        let small = body.level(&mut dice, Analyte::Height, date(2020, 1, 1));
        let tall = body.level(&mut dice, Analyte::Height, date(2026, 1, 1));
        assert!(small < 95.0 && tall > 118.0, "{small} {tall}");
    }
}
