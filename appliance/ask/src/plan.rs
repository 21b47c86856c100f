//! What is asked: the question read, before any value of the record is looked at.
//!
//! A plan is complete or it is refused: a word that carries content and that nothing accounts for ends up in
//! [`Plan::unresolved`], and then the answer says what was not understood instead of answering a neighbouring question.

use haechi_record::chart::Kind;
use jiff::civil::Date;

/// The language of question and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// Korean.
    Ko,
}

/// One reading of the question.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Language to answer in.
    pub language: Language,
    /// The kinds of entries that are complete evidence for the question; the answer may use no other.
    pub scope: Vec<Kind>,
    /// The things asked about; empty means everything in scope. Several are answered one by one.
    pub subjects: Vec<Subject>,
    /// What to do with what is found.
    pub shape: Shape,
    /// Which life-cycle states are asked for.
    pub state: State,
    /// Only entries that happened in here.
    pub window: Option<Window>,
    /// Only entries anchored to another event ("after the admission in March", "before surgery"): resolved in `evidence`.
    pub anchor: Option<Anchor>,
    /// Only values that pass.
    pub filter: Option<Filter>,
    /// At most so many, newest first ("last three creatinines").
    pub limit: Option<usize>,
    /// Which attribute of the entries is asked, if not the value itself.
    pub attribute: Option<Attribute>,
    /// Only entries whose status, verification or standing is one of these codes (`on-hold`, `preliminary` ...); empty: any.
    pub standings: Vec<String>,
    /// Further attributes of the person that the question names.
    pub also: Vec<Attribute>,
    /// Which of several entries is meant, where the shape does not say it: "when was the *last* admission", "who ordered the *first* CT".
    /// `None`: the shape decides (all for `Series`, `List`, `Count`; the newest for an attribute).
    pub pick: Option<Pick>,
    /// Which end of an entry is asked: an admission or a discharge, a start or a stop.
    pub edge: Edge,
    /// Only entries given, done or begun for this: its recorded reason (words, codes or linked problem) must say so.
    pub because: Option<Subject>,
    /// Unit that the question put beside the number of [`Plan::filter`] or of a subject's own filter, as written.
    pub filter_unit: Option<String>,
    /// Content words that nothing accounts for. Not empty: the answer abstains and names them.
    pub unresolved: Vec<String>,
    /// Why no chart of this patient can answer (cost, prognosis, advice, somebody else, populations, general knowledge),
    /// one sentence in the plan's language. `Some`: the answer abstains with it.
    pub outside: Option<String>,
}

impl Plan {
    /// A plan that asks nothing yet.
    #[must_use]
    pub fn empty(language: Language) -> Self {
        Self {
            language,
            scope: Vec::new(),
            subjects: Vec::new(),
            shape: Shape::List,
            state: State::Any,
            window: None,
            anchor: None,
            filter: None,
            limit: None,
            attribute: None,
            also: Vec::new(),
            standings: Vec::new(),
            pick: None,
            edge: Edge::Start,
            because: None,
            filter_unit: None,
            unresolved: Vec::new(),
            outside: None,
        }
    }

    /// True if evidence may be looked for: everything was understood and a chart can hold the answer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unresolved.is_empty() && self.outside.is_none()
    }
}

/// Which one of several entries, by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The last.
    Newest,
    /// The first.
    Oldest,
    /// The next one to come (appointments, plans).
    Next,
    /// Every one.
    All,
}

/// Which end of an entry that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// Admission, onset, start of a medication.
    #[default]
    Start,
    /// Discharge, resolution, stop of a medication.
    End,
}

/// One thing asked about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subject {
    /// As the question said it; used in "not found" sentences.
    pub said: String,
    /// Names to show, by language: (English, Korean).
    pub names: (String, String),
    /// Codes that mean exactly this thing: (system URI, code).
    pub codes: Vec<(String, String)>,
    /// Lower-case names and synonyms in both languages that a title may contain as whole words to mean this thing.
    pub terms: Vec<String>,
    /// Words that, in a title, mean it is another thing after all (`urine` for serum creatinine).
    pub excluded: Vec<String>,
    /// Words that a title must hold besides, each in one of the given forms: the `forearm` of a forearm fracture, the
    /// `chronic` of chronic sinusitis.
    pub required: Vec<Vec<String>>,
    /// For a class of things ("statins", "antibiotics", "blood thinners"): the class name. Members stand in `terms` and `codes`.
    pub class: Option<String>,
    /// Kinds of entries that can be this thing; empty: every kind in the plan's scope.
    pub kinds: Vec<Kind>,
    /// A condition on this subject's values alone; goes before [`Plan::filter`] ("BP above 140/90" is two subjects).
    pub filter: Option<Filter>,
}

/// What to do with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The newest.
    Latest,
    /// The oldest.
    First,
    /// All values over time.
    Series,
    /// All values over time and whether they rose, fell or stayed.
    Trend,
    /// Greatest value.
    Highest,
    /// Smallest value.
    Lowest,
    /// Mean of the values (said to be computed).
    Average,
    /// Newest against the one before, or against the first in the window.
    Change,
    /// How many.
    Count,
    /// Which, each with its status and date.
    List,
    /// Was it ever, or is it: yes with evidence, or not found.
    Whether,
    /// On which date: of the newest, of the first, or of all.
    When,
    /// From when until when, and how long.
    Duration,
    /// How long ago, until now.
    Since,
    /// The patient's age at it.
    AgeAt,
    /// An attribute of the entry: who, where, which dose, why (see [`Plan::attribute`]).
    Attribute,
    /// A fact about the person: name, birth date, age, sex, address, phone, death.
    Demographic,
    /// Notes or the chart in brief; the model may word it.
    Summary,
}

/// Life-cycle states asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Every entry that stands.
    Any,
    /// Active problems, current medications, in-progress encounters.
    Active,
    /// Ended: resolved, stopped, completed.
    Ended,
}

/// An attribute of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Performer, requester, author, attending.
    Who,
    /// Ward, department, hospital, location.
    Where,
    /// Dosage, frequency, strength.
    Dose,
    /// Route of administration.
    Route,
    /// Reason or indication.
    Why,
    /// Reaction (allergy) or its manifestation.
    Reaction,
    /// Severity or criticality.
    Severity,
    /// Status, verification.
    Status,
    /// Reference range.
    ReferenceRange,
    /// Unit.
    Unit,
    /// Body site, lot number, anything else named by this FHIR-like fact name.
    Named(&'static str),
    /// Result or conclusion of a report or procedure.
    Conclusion,
    /// Patient: age now.
    Age,
    /// Patient: birth date.
    BirthDate,
    /// Patient: sex.
    Sex,
    /// Patient: name.
    Name,
    /// Patient: address.
    Address,
    /// Patient: phone.
    Phone,
    /// Patient: identifiers.
    Identifier,
    /// Patient: marital status.
    MaritalStatus,
    /// Patient: language.
    SpokenLanguage,
    /// Patient: dead or alive, when.
    Death,
    /// Patient: emergency contact.
    Contact,
}

/// A span of local dates at the site, both ends included; open where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
}

/// A window that another entry of the chart opens or closes.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// Before, after, during, at.
    pub relation: Relation,
    /// Kinds of the anchoring entry.
    pub kinds: Vec<Kind>,
    /// Which one; empty means the newest of the kinds.
    pub subject: Option<Subject>,
}

/// How entries lie relative to an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Before the anchor started.
    Before,
    /// After the anchor started (or ended, if it has an end).
    After,
    /// After the anchor started, whether or not it ended.
    Since,
    /// Between its start and end.
    During,
}

/// A condition on a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// Interpretation or reference range says so.
    Abnormal,
    /// Interpretation or reference range says so.
    Normal,
    /// Above the reference range.
    High,
    /// Below the reference range.
    Low,
    /// Strictly above (inclusive if `true`) this number in the recorded unit.
    Above(f64, bool),
    /// Strictly below (inclusive if `true`).
    Below(f64, bool),
    /// A worded result that says it is there: positive, reactive, detected, 양성.
    Positive,
    /// A worded result that says it is not there: negative, non-reactive, not detected, 음성.
    Negative,
}
