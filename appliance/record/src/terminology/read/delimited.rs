//! Tables row by row: comma, tab or bar between fields, in UTF-8 or CP949, and the first sheet of a spreadsheet.

use std::cell::Cell;
use std::io::{BufReader, Read, SeekFrom};
use std::rc::Rc;

use encoding_rs::EUC_KR;

use super::{Reading, Source, TerminologyError};

/// Bytes of one record: an unbalanced quotation mark must not swallow the file into memory.
const LONGEST_RECORD: u64 = 1 << 20;
/// Bytes of a spreadsheet: it is unpacked in memory.
const LARGEST_SHEET: u64 = 32 << 20;
/// Columns of a table.
const MOST_COLUMNS: usize = 256;
/// Rows looked at for the heading: publishers put a title above it.
const HEADING_WITHIN: usize = 20;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Comma or tab, whichever the first line holds more of; a spreadsheet if it begins like one.
    Any,
    /// Tabs, no quotation (RF2).
    Tabs,
    /// Bars, no quotation (RRF).
    Bars,
}

/// A row of a table.
pub(super) struct Record {
    /// Line in the file, from 1 (row of the sheet).
    pub(super) line: u64,
    fields: Vec<String>,
}

impl Record {
    /// The field of that column, or nothing.
    pub(super) fn at(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", |field| field.trim())
    }

    /// The field of that column, if the table has it.
    pub(super) fn maybe(&self, column: Option<usize>) -> &str {
        column.map_or("", |column| self.at(column))
    }

    /// How many fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// All fields.
    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }
}

/// Calls `take` with every record, heading lines too.
pub(super) fn each(
    source: &mut dyn Source,
    form: Form,
    reading: &mut Reading<'_, '_>,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, &Record) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    let io = |reading: &Reading<'_, '_>, error: std::io::Error| reading.unreadable("a table", error);
    let mut head = [0; 4096];
    let mut known = 0;
    loop {
        match source.read(head.get_mut(known..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(more) => known += more,
            Err(error) => return Err(io(reading, error)),
        }
    }
    let head = head.get(..known).unwrap_or_default();
    if form == Form::Any && head.starts_with(b"PK\x03\x04") {
        source.rewind().map_err(|error| io(reading, error))?;
        return sheet(source, reading, take);
    }
    let delimiter = match form {
        Form::Tabs => b'\t',
        Form::Bars => b'|',
        Form::Any => {
            let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
            [b',', b'\t', b'|', b';'].into_iter().max_by_key(|wanted| count(*wanted)).unwrap_or(b',')
        }
    };
    source.rewind().map_err(|error| io(reading, error))?;
    let utf8 = is_utf8(source).map_err(|error| io(reading, error))?;
    source.rewind().map_err(|error| io(reading, error))?;

    let since = Rc::new(Cell::new(0));
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quoting(form == Form::Any)
        .from_reader(Metered { inner: source, since: Rc::clone(&since) });
    let mut bytes = csv::ByteRecord::new();
    let mut first = true;
    loop {
        let read = records.read_byte_record(&mut bytes);
        since.set(0);
        match read {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(reading.unreadable("a table", error)),
        }
        if bytes.len() > MOST_COLUMNS {
            return Err(reading.too_large(format!("more than {MOST_COLUMNS} columns")));
        }
        let mut fields: Vec<String> = bytes.iter().map(|field| decoded(field, utf8)).collect();
        if std::mem::take(&mut first)
            && let Some(field) = fields.first_mut()
        {
            *field = field.trim_start_matches('\u{feff}').to_owned();
        }
        let line = bytes.position().map_or(0, csv::Position::line);
        take(reading, &Record { line, fields })?;
    }
}

/// As [`each`], for tables with a heading: `columns` finds its columns in the heading once.
pub(super) fn each_below<C>(
    source: &mut dyn Source,
    form: Form,
    reading: &mut Reading<'_, '_>,
    columns: &dyn Fn(&Heading<'_>) -> Result<C, &'static str>,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, &C, &Record) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    let mut found: Option<C> = None;
    let mut seen = 0;
    let mut closest: Option<(String, &'static str)> = None;
    let missing =
        |reading: &Reading<'_, '_>, (heading, what): (String, &'static str)| TerminologyError::MissingColumn {
            file: reading.described.file.clone(),
            what,
            system: reading.table.system().name(),
            found: heading,
        };
    each(source, form, reading, &mut |reading, record| {
        if let Some(columns) = &found {
            if record.fields.iter().all(|field| field.trim().is_empty()) {
                return Ok(());
            }
            reading.row()?;
            return take(reading, columns, record);
        }
        match columns(&Heading { fields: &record.fields, given: &reading.described.columns }) {
            Ok(columns) => found = Some(columns),
            Err(what) => {
                seen += 1;
                // The widest of the first lines is likeliest the heading that lacks a column.
                if record.len() > 1 && closest.is_none() {
                    let heading: String = record.fields.join(", ").chars().take(200).collect();
                    closest = Some((heading, what));
                }
                if seen >= HEADING_WITHIN {
                    return Err(missing(reading, closest.take().unwrap_or((String::new(), what))));
                }
            }
        }
        Ok(())
    })?;
    if found.is_none() {
        return Err(missing(reading, closest.unwrap_or((String::new(), "code"))));
    }
    Ok(())
}

/// The line that names the columns.
pub(super) struct Heading<'h> {
    fields: &'h [String],
    given: &'h std::collections::BTreeMap<String, String>,
}

impl Heading<'_> {
    /// The column of `field`: as the person named it, else by one of the publisher's names. Spaces, case and brackets apart.
    pub(super) fn find(&self, field: &str, names: &[&str]) -> Option<usize> {
        let fold = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric() || *c == '_').flat_map(char::to_lowercase).collect()
        };
        let position = |name: &str| self.fields.iter().position(|heading| fold(heading) == fold(name));
        match self.given.get(field) {
            Some(given) => position(given),
            None => names.iter().find_map(|name| position(name)),
        }
    }
}

fn decoded(field: &[u8], utf8: bool) -> String {
    if utf8 {
        String::from_utf8_lossy(field).into_owned()
    } else {
        // What browsers call EUC-KR is CP949.
        EUC_KR.decode_without_bom_handling(field).0.into_owned()
    }
}

/// Whether all of it is UTF-8: a short Korean word in CP949 may look like UTF-8, a file of them does not.
fn is_utf8(source: &mut dyn Source) -> std::io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    let mut kept = 0;
    loop {
        let more = source.read(buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + more;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let rest = match std::str::from_utf8(bytes) {
            Ok(_) => filled,
            // A character that the buffer's end cuts is judged with the next bytes.
            Err(error) if error.error_len().is_none() && more > 0 => error.valid_up_to(),
            Err(_) => return Ok(false),
        };
        if more == 0 {
            return Ok(true);
        }
        buffer.copy_within(rest..filled, 0);
        kept = filled - rest;
    }
}

/// Counts the bytes read since the last record.
pub(super) struct Metered<R> {
    pub(super) inner: R,
    pub(super) since: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since.get() > LONGEST_RECORD {
            return Err(std::io::Error::other(
                "one record is longer than 1 MiB (a quotation mark without its partner does that)",
            ));
        }
        let read = self.inner.read(buffer)?;
        self.since.set(self.since.get() + read as u64);
        Ok(read)
    }
}

/// The first sheet of a spreadsheet, as rows of text.
fn sheet(
    source: &mut dyn Source,
    reading: &mut Reading<'_, '_>,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, &Record) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    use calamine::{DataRef, Reader, Xlsx};
    const WHAT: &str = "a spreadsheet (.xlsx)";
    let size = source.seek(SeekFrom::End(0)).map_err(|error| reading.unreadable(WHAT, error))?;
    if size > LARGEST_SHEET {
        return Err(reading.too_large("a spreadsheet above 32 MiB; save it as CSV".to_owned()));
    }
    source.rewind().map_err(|error| reading.unreadable(WHAT, error))?;
    let mut book: Xlsx<_> =
        Xlsx::new(BufReader::new(source)).map_err(|error: calamine::XlsxError| reading.unreadable(WHAT, error))?;
    let Some(name) = book.sheet_names().first().cloned() else {
        return Err(reading.unreadable(WHAT, "it has no sheet"));
    };
    let mut cells = book.worksheet_cells_reader(&name).map_err(|error| reading.unreadable(WHAT, error))?;
    let mut record = Record { line: 1, fields: Vec::new() };
    loop {
        let cell = cells.next_cell().map_err(|error| reading.unreadable(WHAT, error))?;
        let Some(cell) = cell else { break };
        let (row, column) = cell.get_position();
        let line = u64::from(row) + 1;
        if line != record.line {
            if !record.fields.is_empty() {
                take(reading, &record)?;
            }
            record = Record { line, fields: Vec::new() };
        }
        let column = column as usize;
        if column >= MOST_COLUMNS {
            continue; // far to the right stand remarks, not codes
        }
        let text = match cell.get_value() {
            DataRef::String(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Int(number) => number.to_string(),
            // A 13-digit code in a number cell.
            DataRef::Float(number) => number.to_string(),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
            DataRef::Bool(_) | DataRef::DateTime(_) | DataRef::Error(_) | DataRef::Empty => String::new(),
        };
        if record.fields.len() <= column {
            record.fields.resize(column + 1, String::new());
        }
        if let Some(field) = record.fields.get_mut(column) {
            *field = text;
        }
    }
    if !record.fields.is_empty() {
        take(reading, &record)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_the_buffer_cuts_is_still_utf8() {
        let text = "가".repeat(100_000);
        assert!(is_utf8(&mut std::io::Cursor::new(text.as_bytes())).unwrap());
        let cp949 = EUC_KR.encode(&text).0.into_owned();
        assert!(!is_utf8(&mut std::io::Cursor::new(cp949)).unwrap());
        assert!(!is_utf8(&mut std::io::Cursor::new(b"abc\xea\xb0")).unwrap(), "cut off at the end");
    }
}
