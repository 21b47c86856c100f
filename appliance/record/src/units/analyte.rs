//! Analytes by LOINC code: the mass of a mole, the charge of an ion, or a standard's own equation. Table: `analytes.psv`.
//!
//! Only codes that stand in the table convert: a title is no analyte. Two codes of one line measure the same thing, so
//! that their values may stand in one series.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::ucum::{Dimension, Unit};

const TABLE: &str = include_str!("analytes.psv");

/// Amount of substance.
const AMOUNT: Dimension = Dimension([0, 0, 0, 0, 0, 0, 1]);
const MASS: Dimension = Dimension([0, 0, 1, 0, 0, 0, 0]);

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Analyte {
    /// English name.
    pub english: &'static str,
    /// Korean name.
    pub korean: &'static str,
    /// How its values convert.
    pub by: By,
    /// LOINC codes that measure it.
    pub loinc: Vec<&'static str>,
    /// Where the mass or equation comes from.
    pub source: &'static str,
}

/// How values of an analyte convert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum By {
    /// Grams of a mole, and elementary charges of the ion where equivalents are reported.
    MolarMass(f64, Option<f64>),
    /// HbA1c: percent (NGSP) and mmol/mol (IFCC) by the master equation.
    HbA1c,
}

/// The analyte that a LOINC code measures.
#[must_use]
pub fn of_loinc(code: &str) -> Option<&'static Analyte> {
    static CODES: OnceLock<HashMap<&'static str, usize>> = OnceLock::new();
    let codes = CODES.get_or_init(|| {
        let lines = analytes().iter().enumerate();
        lines.flat_map(|(at, analyte)| analyte.loinc.iter().map(move |code| (*code, at))).collect()
    });
    codes.get(code.trim()).and_then(|at| analytes().get(*at))
}

/// All of them.
pub fn analytes() -> &'static [Analyte] {
    static ALL: OnceLock<Vec<Analyte>> = OnceLock::new();
    ALL.get_or_init(|| TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect())
}

fn line(line: &'static str) -> Option<Analyte> {
    let mut columns = line.split('|');
    let (english, korean, mass, charge) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let loinc = columns.next()?.split(';').collect();
    let source = columns.next()?;
    let by = match mass {
        "hba1c" => By::HbA1c,
        mass => By::MolarMass(mass.parse().ok()?, charge.parse().ok()),
    };
    Some(Analyte { english, korean, by, loinc, source })
}

impl Analyte {
    /// `number` of `from` in `to`.
    #[must_use]
    pub fn convert(&self, number: f64, from: &Unit, to: &Unit) -> Option<f64> {
        let converted = match self.by {
            By::MolarMass(mass, charge) => {
                let moles = amount(number, from, mass, charge)?;
                let (_, dimension) = moles;
                from_amount(moles.0, dimension, to, mass, charge)?
            }
            By::HbA1c => {
                let percent = Unit::ucum("%")?;
                let ifcc = Unit::ucum("mmol/mol")?;
                match (from.is_worth(&percent), to.is_worth(&percent), from.is_worth(&ifcc), to.is_worth(&ifcc)) {
                    (true, _, _, true) => (number - 2.152) / 0.09148,
                    (_, true, true, _) => 0.09148 * number + 2.152,
                    _ => return None,
                }
            }
        };
        converted.is_finite().then_some(converted)
    }
}

/// The value with its substance in moles, and the dimension that this gives.
fn amount(number: f64, unit: &Unit, mass: f64, charge: Option<f64>) -> Option<(f64, Dimension)> {
    if let Some((factor, dimension)) = unit.equivalents() {
        return Some((number * factor / charge?, sum(dimension, AMOUNT)?));
    }
    let (factor, dimension) = unit.plain()?;
    if has(dimension, 6) {
        return Some((number * factor, dimension));
    }
    // Grams become moles.
    has(dimension, 2).then_some(())?;
    Some((number * factor / mass, sum(difference(dimension, MASS)?, AMOUNT)?))
}

fn from_amount(moles: f64, dimension: Dimension, unit: &Unit, mass: f64, charge: Option<f64>) -> Option<f64> {
    if let Some((factor, other)) = unit.equivalents() {
        return (sum(other, AMOUNT)? == dimension).then_some(moles * charge? / factor);
    }
    let (factor, other) = unit.plain()?;
    if other == dimension {
        return Some(moles / factor);
    }
    (sum(difference(other, MASS)?, AMOUNT)? == dimension).then_some(moles * mass / factor)
}

/// Exactly once, above the line.
fn has(dimension: Dimension, at: usize) -> bool {
    dimension.0.get(at) == Some(&1)
}

fn sum(one: Dimension, other: Dimension) -> Option<Dimension> {
    let mut sum = one;
    for (exponent, more) in sum.0.iter_mut().zip(other.0) {
        *exponent = exponent.checked_add(more)?;
    }
    Some(sum)
}

fn difference(one: Dimension, other: Dimension) -> Option<Dimension> {
    let mut difference = one;
    for (exponent, less) in difference.0.iter_mut().zip(other.0) {
        *exponent = exponent.checked_sub(less)?;
    }
    Some(difference)
}
