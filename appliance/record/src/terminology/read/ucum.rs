//! The UCUM essence (Regenstrief): names of units. What a unit is worth is known to [`crate::units`].

use super::xml::{self, Met};
use super::{Kind, Reading, Source, TerminologyError, code};

/// `unit` and `base-unit` elements with their `Code`, `name` and print symbol.
pub(super) fn essence(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    let mut unit: Option<String> = None;
    let mut named = false;
    xml::walk(source, "the UCUM essence (XML)", reading, &mut |reading, met| {
        match met {
            Met::Open(start) if matches!(start.local_name().as_ref(), "unit" | "base-unit") => {
                reading.row()?;
                let line = reading.report.rows;
                named = false;
                match code(&xml::attribute(start, "Code").unwrap_or_default()) {
                    Ok(written) => {
                        reading.concept(&written, true)?;
                        unit = Some(written);
                    }
                    Err(reason) => reading.reject(line, reason),
                }
            }
            Met::Close("unit" | "base-unit", _) => unit = None,
            Met::Close("name", text) => {
                if let Some(written) = &unit {
                    let kind = if named { Kind::Synonym } else { Kind::Name };
                    reading.name(written, "en", kind, !named, text)?;
                    named = true;
                }
            }
            Met::Close("printSymbol", text) => {
                if let Some(written) = &unit {
                    reading.name(written, "en", Kind::Short, false, text)?;
                }
            }
            _ => {}
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::super::{Row, Table};

    #[test]
    fn units_and_their_names_are_read() {
        let file = "<root xmlns=\"http://unitsofmeasure.org/ucum-essence\"><prefix Code=\"h\"><name>haecto</name></prefix><base-unit Code=\"hae\" CODE=\"HAE\" dim=\"H\"><name>haechi</name><printSymbol>h<sub>0</sub></printSymbol></base-unit><unit Code=\"[gate]\" isMetric=\"no\"><name>gate</name><name>door</name><value Unit=\"hae\" value=\"7\">7</value></unit></root>";
        let (found, report) = rows(Table::Ucum, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (2, 0));
        let names: Vec<(&str, &str)> = found
            .iter()
            .filter_map(|row| match row {
                Row::Designation { code, text, .. } => Some((code.as_str(), text.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(names, [("hae", "haechi"), ("hae", "h0"), ("[gate]", "gate"), ("[gate]", "door")]);
    }
}
