//! This appliance's own simple form, for a site's own lists and for the small sets in the demo: tabs, `#` begins a remark.
//!
//! `name CODE LANGUAGE KIND TEXT`, `parent CODE PARENT`, `map CODE SYSTEM TARGET EQUIVALENCE`; kinds: name, short, synonym.

use super::delimited::{self, Form};
use super::{Equivalence, Kind, Reading, Row, Source, System, TerminologyError, code};

pub(super) fn list(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    delimited::each(source, Form::Tabs, reading, &mut |reading, record| {
        let what = record.at(0);
        if what.starts_with('#') || what.is_empty() {
            return Ok(());
        }
        reading.row()?;
        let written = match code(record.at(1)) {
            Ok(written) => written,
            Err(reason) => {
                reading.reject(record.line, reason);
                return Ok(());
            }
        };
        match what {
            "name" => {
                let language = match record.at(2) {
                    "ko" => "ko",
                    "en" => "en",
                    _ => {
                        reading.reject(record.line, "the language is `ko` or `en`");
                        return Ok(());
                    }
                };
                let kind = match record.at(3) {
                    "name" => Kind::Name,
                    "short" => Kind::Short,
                    "synonym" => Kind::Synonym,
                    _ => {
                        reading.reject(record.line, "the kind is `name`, `short` or `synonym`");
                        return Ok(());
                    }
                };
                reading.concept(&written, true)?;
                reading.name(&written, language, kind, kind == Kind::Name, record.at(4))
            }
            "parent" => match code(record.at(2)) {
                Ok(parent) => reading.give(Row::Parent { code: written, parent }),
                Err(reason) => {
                    reading.reject(record.line, reason);
                    Ok(())
                }
            },
            "map" => match (System::named(record.at(2)), code(record.at(3)), Equivalence::parse(record.at(4))) {
                (Some(target), Ok(target_code), Some(equivalence)) => {
                    reading.give(Row::Mapping { code: written, target, target_code, equivalence })
                }
                _ => {
                    reading.reject(record.line, "a mapping names a known system, a code and an equivalence");
                    Ok(())
                }
            },
            _ => {
                reading.reject(record.line, "a line begins with `name`, `parent` or `map`");
                Ok(())
            }
        }
    })
}
