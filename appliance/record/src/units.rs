//! Units of measure: what a written unit is worth, and what a laboratory value is in another unit.
//!
//! Units are written in UCUM, or as charts write them (`mmHg`, `㎎/㎗`, `K/uL`). Two units of one dimension convert by a
//! factor; mass and amount of substance convert only for a known analyte, by its molar mass. Nothing here rounds.
//!
//! The parser and the table of units are our own: the crates that were looked at (octofhir-ucum 0.9, ucum 0.1) bring a
//! regular-expression and fuzzy-matching tree or another licence, neither knows how charts spell units, and what a
//! hospital measures needs some eighty units. The table is checked against the published UCUM essence by a test.
//!
//! Reading order: [`ucum`] (one unit), `atoms` (the table), [`analyte`] (mass and moles), [`convert`].

pub mod analyte;
mod atoms;
pub mod ucum;

use analyte::Analyte;
use ucum::Unit;

/// A conversion that can be shown: the number, and what it rests on beyond the definition of units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Converted {
    /// The value in the target unit.
    pub number: f64,
    /// The analyte whose molar mass, charge or standard was used; `None`: plain units.
    pub by: Option<&'static Analyte>,
}

/// `number` of the unit `from` in the unit `to`; `codes`: LOINC codes of what was measured, for mass and moles.
///
/// `None` where either unit is not known, where they measure different things, or where the analyte is not known.
#[must_use]
pub fn convert<'a>(number: f64, from: &str, to: &str, codes: impl IntoIterator<Item = &'a str>) -> Option<Converted> {
    let (from, to) = (Unit::written(from)?, Unit::written(to)?);
    if let Some(number) = from.convert(number, &to) {
        return Some(Converted { number, by: None });
    }
    let analyte = codes.into_iter().find_map(analyte::of_loinc)?;
    let number = analyte.convert(number, &from, &to)?;
    Some(Converted { number, by: Some(analyte) })
}

#[cfg(test)]
mod tests;
