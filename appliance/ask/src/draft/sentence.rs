//! A sentence before the gate has seen it: pieces of text, each with the places in the record that must carry it.
//!
//! One piece stands on its own evidence, so that a value cannot borrow the date of its neighbour.

use haechi_record::chart::{Entry, Measured, Person};

use crate::plan::{Filter, Subject};

/// What a citation points into: an entry of the patient's chart, or the patient's own resource.
#[derive(Debug, Clone, Copy)]
pub enum Of<'c> {
    /// An entry.
    Entry(&'c Entry),
    /// The person.
    Person(&'c Person),
}

impl<'c> Of<'c> {
    /// FHIR reference.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Entry(entry) => entry.source.clone(),
            Self::Person(person) => format!("Patient/{}", person.ids.first().map_or("", String::as_str)),
        }
    }

    /// The entry, if it is one.
    #[must_use]
    pub fn entry(&self) -> Option<&'c Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Person(_) => None,
        }
    }
}

/// Words or digits copied from one element.
#[derive(Debug, Clone)]
pub struct Cite<'c> {
    /// The resource.
    pub of: Of<'c>,
    /// FHIR element path inside it.
    pub path: String,
    /// What stands there.
    pub quote: String,
}

impl<'c> Cite<'c> {
    /// The measured value that this cites, if its path is one.
    #[must_use]
    pub fn measured(&self) -> Option<&'c Measured> {
        self.of.entry()?.values.iter().find(|value| value.path == self.path)
    }

    /// The name of the entry, at the element it was copied from.
    #[must_use]
    pub fn title(entry: &'c Entry) -> Self {
        Self { of: Of::Entry(entry), path: entry.title_path.clone(), quote: entry.title.clone() }
    }

    /// A measured value with its unit; the absent reason where there is no value.
    #[must_use]
    pub fn value(entry: &'c Entry, value: &'c Measured) -> Self {
        let quote = match &value.absent {
            Some(reason) if value.text.is_empty() => reason.clone(),
            _ => quantity(value),
        };
        Self { of: Of::Entry(entry), path: value.path.clone(), quote }
    }
}

/// `<7.10 mmol/L` as recorded: comparator, digits, unit. A percent sign follows without space, as it is written in charts.
#[must_use]
pub fn quantity(value: &Measured) -> String {
    let comparator = value.comparator.as_deref().unwrap_or("");
    if value.unit.is_empty() {
        format!("{comparator}{}", value.text)
    } else if value.unit == "%" {
        format!("{comparator}{}%", value.text)
    } else {
        format!("{comparator}{} {}", value.text, value.unit)
    }
}

/// A word or number that code worked out: the gate works it out again from the citations before it believes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// How.
    pub rule: Rule,
    /// As it stands in the text.
    pub text: String,
}

/// How something was computed from the citations of its piece.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// How many different entries are cited.
    Entries,
    /// How many differently named entries are cited.
    Names,
    /// Mean of the cited values.
    Mean,
    /// Last cited value minus first, as text without sign.
    Difference,
    /// The first cited value is the greatest of all cited.
    Greatest,
    /// The first cited value is the smallest of all cited.
    Smallest,
    /// From first to last cited value: the word for rose, fell, unchanged.
    Direction(Direction),
    /// None of the cited values passes.
    NonePasses(Filter),
    /// All of the cited values pass.
    AllPass(Filter),
    /// None of the cited entries is active.
    NoneActive,
    /// The cited entries stand: only then may a sentence begin with yes.
    Yes,
    /// The first cited entry records no end.
    NoEnd,
    /// Whole years between birth date and the first cited entry's start or end (or `now` if only the person is cited).
    Age,
    /// From start to end of the first cited entry (or to `now`), as [`crate::draft::span`] words it.
    Span,
    /// The cited value in this unit.
    Converted(String),
    /// A number or date that the question gave.
    Asked,
    /// Today's date at the site.
    Today,
}

/// Which way values went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Last above first.
    Rose,
    /// Last below first.
    Fell,
    /// The same.
    Same,
}

/// Text and what carries it.
#[derive(Debug, Clone)]
pub struct Part<'c> {
    /// The text, with the spaces that join it to its neighbours.
    pub text: String,
    /// Its evidence. Empty only for connecting words.
    pub cites: Vec<Cite<'c>>,
    /// What in it was worked out.
    pub computed: Vec<Computed>,
}

impl<'c> Part<'c> {
    /// A piece carried by one place.
    #[must_use]
    pub fn one(text: impl Into<String>, cite: Cite<'c>) -> Self {
        Self { text: text.into(), cites: vec![cite], computed: Vec::new() }
    }

    /// A piece carried by several places.
    #[must_use]
    pub fn all(text: impl Into<String>, cites: Vec<Cite<'c>>) -> Self {
        Self { text: text.into(), cites, computed: Vec::new() }
    }

    /// Says that `text` inside this piece was worked out by `rule`.
    #[must_use]
    pub fn with(mut self, rule: Rule, text: impl Into<String>) -> Self {
        self.computed.push(Computed { rule, text: text.into() });
        self
    }
}

/// Who chose the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// A template of this crate.
    Template,
    /// The language model.
    Model,
}

/// One sentence or list line.
#[derive(Debug, Clone)]
pub struct Sentence<'c> {
    /// Its pieces in order.
    pub parts: Vec<Part<'c>>,
    /// A line of a list rather than a sentence.
    pub item: bool,
    /// Who worded it.
    pub author: Author,
    /// What was asked, whose names may stand for the entries' own where the entries match.
    pub subject: Option<&'c Subject>,
}

impl<'c> Sentence<'c> {
    /// A sentence of one's own.
    #[must_use]
    pub fn of(parts: Vec<Part<'c>>, subject: Option<&'c Subject>) -> Self {
        Self { parts, item: false, author: Author::Template, subject }
    }

    /// A list line.
    #[must_use]
    pub fn item(parts: Vec<Part<'c>>, subject: Option<&'c Subject>) -> Self {
        Self { parts, item: true, author: Author::Template, subject }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect::<String>().trim().to_owned()
    }

    /// All citations in order.
    pub fn cites(&self) -> impl Iterator<Item = &Cite<'c>> {
        self.parts.iter().flat_map(|part| part.cites.iter())
    }
}
