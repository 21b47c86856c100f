//! The first step: files are opened in order and cut into resources and messages.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;

use crate::blocks::{Block, Blocks, MAX_MESSAGE_BYTES};
use crate::fhir::{Found, Item, Place, bundle, lines, xml};
use crate::hl7;
use crate::images::Images;
use crate::import::Shared;
use crate::input::Source;
use crate::mapping::{Mapping, Message, whole_message};
use crate::sniff::{Format, format};
use crate::working::{Job, Task};

/// The first bytes of a file, by which its format is told.
const HEAD_BYTES: usize = 256 << 10;

/// A JSON document up to this size is held whole, which is faster; a larger one streams.
const DOCUMENT_BYTES: usize = 32 << 20;

/// Resources or messages that make one job, and their bytes.
const JOB_RESOURCES: usize = 128;
const JOB_MESSAGES: usize = 32;
const JOB_BYTES: usize = 512 << 10;

/// What a resource costs beside its bytes while it is in hand: index columns, search words, the message it came from.
const OVERHEAD_BYTES: usize = 1024;

/// Reads all files: FHIR first, then what had to wait for its patient, then HL7 v2.
pub(crate) fn read(shared: &Shared<'_>, sources: &[Source<'_>], to_workers: &Sender<Job>) {
    let mut out = Out { shared, to_workers, number: 0, gathered: Vec::new(), bytes: 0, last: false };
    let mut messages = Vec::new();
    let mut images = Images::new(shared);
    for source in sources {
        let before = shared.read.load(Ordering::Relaxed);
        let mut done = source.bytes;
        match fhir_file(source, &mut out, &mut images, sources.len() == 1) {
            Ok(Next::Messages) => {
                messages.push(source);
                done = 0;
            }
            Ok(Next::File) => {}
            Ok(Next::Stop) => return,
            Err(error) => {
                if !out.unreadable(source, &error) {
                    return;
                }
            }
        }
        // Some files are opened twice; progress counts them once.
        shared.read.store(before + done, Ordering::Relaxed);
        shared.progress.read(shared.read.load(Ordering::Relaxed));
    }
    // Patients that came after their resources are in the record once everything in hand is committed.
    if !images.flush(&mut out) || !out.flush() || !shared.budget.wait_empty() {
        return;
    }
    let deferred = std::mem::take(&mut *shared.deferred.lock().unwrap_or_else(PoisonError::into_inner));
    out.last = true;
    if !deferred.items.into_iter().all(|item| out.take(Found::Resource(item))) || !out.flush() {
        return;
    }
    // Messages amend what the record holds: they must see all of it.
    if !shared.budget.wait_empty() {
        return;
    }
    let mut feed = Feed { out, mapping: Mapping::default(), gathered: Vec::new(), cost: 0 };
    for source in messages {
        match feed.file(source) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                if !feed.out.unreadable(source, &error) {
                    return;
                }
            }
        }
        shared.progress.read(shared.read.load(Ordering::Relaxed));
    }
}

/// What follows a file.
enum Next {
    File,
    /// It holds HL7 v2 and is read in the second round.
    Messages,
    Stop,
}

fn fhir_file(source: &Source<'_>, out: &mut Out<'_>, images: &mut Images<'_>, alone: bool) -> io::Result<Next> {
    let open = || without_mark(source.open(&out.shared.read)?);
    let mut reader = open()?;
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let whole = head.len() < HEAD_BYTES;
    let place = Place { file: source.name.clone(), line: Some(1), entry: None };
    let mut reader = Cursor::new(&head).chain(reader);
    let alive = match format(&head, whole, &source.name) {
        Format::Hl7 => return Ok(Next::Messages),
        Format::Dicom => images.take(&mut reader, &place, alone, out),
        Format::Not(reason) => {
            let place = Place { line: None, ..place };
            out.take(Found::Rejected(place.reject(None, None, reason), None))
        }
        Format::JsonLines => lines::read(reader, &place, &mut |found| out.take(found))?,
        Format::Xml => {
            drop(reader);
            let shared = out.shared;
            let open = || without_mark(source.open(&shared.read)?);
            xml::read(&open, &place, &mut |found| out.take(found))?
        }
        Format::Json => {
            let mut document = Vec::new();
            let mut reader = reader.take(DOCUMENT_BYTES as u64 + 1);
            reader.read_to_end(&mut document)?;
            if document.len() <= DOCUMENT_BYTES {
                bundle::document(&document, &place, &mut |found| out.take(found))
            } else {
                drop((document, reader));
                let shared = out.shared;
                let open = || without_mark(source.open(&shared.read)?);
                bundle::large(&open, &place, &mut |found| out.take(found))?
            }
        }
    };
    Ok(if alive { Next::File } else { Next::Stop })
}

/// Steps over a UTF-8 byte order mark.
fn without_mark<R: Read>(mut reader: BufReader<R>) -> io::Result<BufReader<R>> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// Where what was read goes on to: gathered into jobs, within the budget.
pub(crate) struct Out<'o> {
    shared: &'o Shared<'o>,
    to_workers: &'o Sender<Job>,
    number: u64,
    gathered: Vec<Found>,
    bytes: usize,
    /// See [`Task::Fhir`].
    last: bool,
}

impl Out<'_> {
    /// Takes one resource. `false`: stop.
    pub(crate) fn take(&mut self, found: Found) -> bool {
        self.bytes += OVERHEAD_BYTES
            + match &found {
                Found::Resource(Item { raw, .. }) => raw.len(),
                Found::Rejected(..) => 0,
            };
        self.gathered.push(found);
        if self.gathered.len() < JOB_RESOURCES && self.bytes < JOB_BYTES {
            return true;
        }
        self.flush()
    }

    /// Sends what is gathered.
    fn flush(&mut self) -> bool {
        let found = std::mem::take(&mut self.gathered);
        let cost = std::mem::take(&mut self.bytes);
        found.is_empty() || self.send(cost, Task::Fhir { found, last: self.last })
    }

    fn send(&mut self, cost: usize, task: Task) -> bool {
        if !self.shared.budget.take(cost) {
            return false;
        }
        let number = self.number;
        self.number += 1;
        self.to_workers.send(Job { number, cost, task }).is_ok()
    }

    /// Reports a file that cannot be read, or not to its end.
    fn unreadable(&mut self, source: &Source<'_>, error: &io::Error) -> bool {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "this user may not read the file".to_owned(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                format!("the compressed data is damaged ({error}); what came before the damage was read")
            }
            io::ErrorKind::UnexpectedEof => "the compressed data ends too early; what came before was read".to_owned(),
            _ => format!("the file cannot be read: {error}"),
        };
        let place = Place { file: source.name.clone(), ..Place::default() };
        self.take(Found::Rejected(place.reject(None, None, what), None))
    }
}

/// The messages of all files, mapped one after another: a later one amends what an earlier one said.
struct Feed<'o> {
    out: Out<'o>,
    mapping: Mapping,
    /// Messages of the next job, and what they cost.
    gathered: Vec<Message>,
    cost: usize,
}

impl Feed<'_> {
    fn file(&mut self, source: &Source<'_>) -> io::Result<bool> {
        let read = self.messages(source);
        // What was read before a damaged part goes on all the same.
        let sent = self.flush(&source.name);
        Ok(read? && sent)
    }

    fn messages(&mut self, source: &Source<'_>) -> io::Result<bool> {
        let file = &source.name;
        let mut blocks = Blocks::new(without_mark(source.open(&self.out.shared.read)?)?);
        while let Some(block) = blocks.next()? {
            let alive = match block {
                Block::Messages(bytes, first_line) => hl7::split(&bytes).all(|mut piece| {
                    piece.line += first_line - 1;
                    let message = self.message(piece, file);
                    self.take(file, piece.bytes.len(), message)
                }),
                Block::TooLong(line) => {
                    let reason =
                        format!("a message may have {} MiB at most; this one is longer", MAX_MESSAGE_BYTES >> 20);
                    let rejected = whole_message(file, line, Some("MSH"), &reason);
                    self.take(file, 0, Message::Rejected(vec![rejected]))
                }
            };
            if !alive {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gathers a message. `false`: stop.
    fn take(&mut self, file: &Arc<str>, bytes: usize, message: Message) -> bool {
        let made = match &message {
            Message::Mapped(_, mapped, _) => {
                mapped.resources.iter().map(|one| 2 * one.json.len() + OVERHEAD_BYTES).sum::<usize>()
            }
            Message::Seen(_) | Message::Rejected(_) => 0,
        };
        self.cost += bytes + made + OVERHEAD_BYTES;
        self.gathered.push(message);
        if self.gathered.len() < JOB_MESSAGES && self.cost < JOB_BYTES { true } else { self.flush(file) }
    }

    fn flush(&mut self, file: &Arc<str>) -> bool {
        let read = std::mem::take(&mut self.gathered);
        let cost = std::mem::take(&mut self.cost);
        read.is_empty() || self.out.send(cost, Task::Messages { file: file.clone(), read })
    }

    fn message(&mut self, piece: hl7::Piece<'_>, file: &str) -> Message {
        let shared = self.out.shared;
        self.mapping.forget_committed(shared.committed.load(Ordering::Acquire));
        self.mapping.message(shared.store, &shared.options.hl7, piece, file, self.out.number)
    }
}
