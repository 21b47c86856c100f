//! What one message has become so far: resources with their origins, what was put aside, and the rules by which a
//! resource meets the version the record already holds.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use haechi_record::chart::{Origin, Rejected};
use uuid::Uuid;

use super::json::{Json, Object};
use super::message::{Seg, problem};
use super::patient::Subject;
use super::types::Number;
use super::{Change, Hl7Settings, Mapped, MappedResource, time};

/// Namespace of all ids made here. Never change it, nor how [`id_of`] uses it: ids in records derive from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x9f0b_1f5e_6a3d_5c27_8d41_c0de_ae8c_4817);
/// Most reports kept about one message; the rest is counted.
const MAX_REJECTED: usize = 500;

/// A deterministic id: the same thing in another message gets the same one.
pub(super) fn id_of(kind: &str, parts: &[&str]) -> String {
    let mut key = kind.to_owned();
    for part in parts {
        // The unit separator cannot stand in HL7 text, so that ("a", "bc") and ("ab", "c") stay apart.
        key.push('\u{1f}');
        key.push_str(part);
    }
    let own = Uuid::new_v5(&NAMESPACE, key.as_bytes());
    // The id of a patient's resource begins as the patient's own: what comes about one patient then lies in neighbouring pages
    // of the record's indexes, however large it is. The other 90 bits keep a patient's resources apart.
    let patient = parts.first().filter(|_| kind != "Patient").and_then(|first| Uuid::parse_str(first).ok());
    let Some(patient) = patient else { return own.to_string() };
    let mut bytes = *own.as_bytes();
    bytes.iter_mut().zip(patient.as_bytes()).take(4).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string() // version 8: made by a rule of ours
}

/// A number with its authority as part of an id.
pub(super) fn number_key(number: &Number) -> String {
    format!("{}\u{1e}{}", number.0.as_deref().unwrap_or_default(), number.1)
}

/// How a resource meets the version that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meet {
    /// What this message says wins; what it does not mention stays.
    Amend,
    /// Only what is missing is added: the message mentions the thing in passing.
    Fill,
    /// The new version stands for itself.
    Replace,
}

/// A resource being built.
pub(super) struct Draft {
    kind: &'static str,
    id: String,
    /// The resource's elements.
    pub(super) body: Object,
    origin: Vec<(String, String)>,
    erased: Vec<&'static str>,
    /// Lines of the segments that it came from.
    lines: Vec<u64>,
}

impl Draft {
    /// An empty resource.
    pub(super) fn new(kind: &'static str, id: String) -> Draft {
        let body = Object::default().with("resourceType", kind).with("id", id.as_str());
        Draft { kind, id, body, origin: Vec::new(), erased: Vec::new(), lines: Vec::new() }
    }

    /// The logical id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// `Observation/…`.
    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// Puts an element and remembers the field it came from.
    pub(super) fn put(&mut self, key: &'static str, value: impl Into<Json>, seg: &Seg<'_>, field: usize) {
        self.body.put(key, value);
        self.came(key, seg, field);
    }

    /// [`Draft::put`] if there is a value.
    pub(super) fn maybe(&mut self, key: &'static str, value: Option<impl Into<Json>>, seg: &Seg<'_>, field: usize) {
        if let Some(value) = value {
            self.put(key, value, seg, field);
        }
    }

    /// [`Draft::put`] if the list has elements.
    pub(super) fn list(&mut self, key: &'static str, items: Vec<Json>, seg: &Seg<'_>, field: usize) {
        if !items.is_empty() {
            self.put(key, items, seg, field);
        }
    }

    /// Remembers that `path` came from a field.
    pub(super) fn came(&mut self, path: &str, seg: &Seg<'_>, field: usize) {
        self.origin.push((path.to_owned(), seg.path(field)));
        self.read(seg);
    }

    /// Remembers that `path` came from a segment as a whole.
    pub(super) fn came_from(&mut self, path: &str, seg: &Seg<'_>) {
        self.origin.push((path.to_owned(), seg.at()));
        self.read(seg);
    }

    fn read(&mut self, seg: &Seg<'_>) {
        if self.lines.last() != Some(&seg.line) {
            self.lines.push(seg.line);
        }
    }

    /// Deletes `key` from the stored version if the field is `""`.
    pub(super) fn erase(&mut self, key: &'static str, seg: &Seg<'_>, field: usize) {
        if seg.erased(field) {
            self.forget(key);
        }
    }

    /// Deletes `key` from the stored version.
    pub(super) fn forget(&mut self, key: &'static str) {
        self.erased.push(key);
    }
}

/// Resource type and logical id.
type Key = (&'static str, String);

/// The message on its way into resources.
pub(super) struct Context<'c> {
    /// The feed's and the site's settings.
    pub(super) settings: &'c Hl7Settings,
    current: &'c dyn Fn(&str, &str) -> Option<Vec<u8>>,
    /// MSH-10.
    pub(super) control_id: String,
    /// MSH-9.1: `ADT`.
    pub(super) kind: String,
    /// MSH-9.2: `A01`.
    pub(super) trigger: String,
    /// MSH-7 as written.
    pub(super) sent: String,
    /// MSH-4.
    pub(super) facility: Option<String>,
    /// What the record answered: it is asked once for each resource.
    fetched: RefCell<HashMap<Key, Option<Vec<u8>>>>,
    /// How often each number has named a result.
    repeats: HashMap<String, usize>,
    drafts: Vec<Draft>,
    places: HashMap<Key, usize>,
    rejected: Vec<Rejected>,
    dropped: usize,
    changes: Vec<Change>,
    /// Lines of segments that something was made of.
    read: HashSet<u64>,
    /// Lines of segments to be kept word for word though their kind usually is not.
    wanted: HashSet<u64>,
    /// The order that the next one takes the place of (ORC-1 RP, then RO).
    pub(super) replaced: Option<String>,
}

impl<'c> Context<'c> {
    /// Nothing mapped yet.
    pub(super) fn new(
        msh: &Seg<'_>,
        settings: &'c Hl7Settings,
        current: &'c dyn Fn(&str, &str) -> Option<Vec<u8>>,
    ) -> Context<'c> {
        let part = |n| msh.rep(9).part(n).unwrap_or_default().to_ascii_uppercase();
        // Older senders write the structure alone: `ADT_A01`.
        let (kind, trigger) = match part(1).split_once('_') {
            Some((kind, trigger)) if part(2).is_empty() => (kind.to_owned(), trigger.to_owned()),
            _ => (part(1), part(2)),
        };
        Context {
            settings,
            current,
            control_id: msh.text(10).unwrap_or_default(),
            kind,
            trigger,
            sent: msh.text(7).unwrap_or_default(),
            facility: msh.text(4),
            fetched: RefCell::default(),
            repeats: HashMap::new(),
            drafts: Vec::new(),
            places: HashMap::new(),
            rejected: Vec::new(),
            dropped: 0,
            changes: Vec::new(),
            read: HashSet::new(),
            wanted: HashSet::new(),
            replaced: None,
        }
    }

    /// Whether this is an ADT message: only those change what is known about a person or a visit.
    pub(super) fn is_adt(&self) -> bool {
        self.kind == "ADT"
    }

    /// How persons and visits of this message meet the stored ones.
    pub(super) fn demographics(&self) -> Meet {
        if self.is_adt() { Meet::Amend } else { Meet::Fill }
    }

    /// Puts a field (or a whole segment) aside.
    pub(super) fn reject(&mut self, seg: &Seg<'_>, field: Option<usize>, reason: impl Into<String>) {
        let field = field.map(|field| format!("{}-{field}", seg.name));
        self.add_rejected(problem(seg.line, &seg.at(), field.as_deref(), reason));
    }

    /// Takes over a report.
    pub(super) fn add_rejected(&mut self, mut rejected: Rejected) {
        if self.rejected.len() >= MAX_REJECTED {
            self.dropped += 1;
            return;
        }
        rejected.resource = rejected.resource.or_else(|| self.named());
        self.rejected.push(rejected);
    }

    /// The control id, for reports.
    pub(super) fn named(&self) -> Option<String> {
        (!self.control_id.is_empty()).then(|| self.control_id.clone())
    }

    /// Notes what is to be done with whole charts, once.
    pub(super) fn change(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Something was made of this segment, or it has nothing to say.
    pub(super) fn reads(&mut self, seg: &Seg<'_>) {
        self.read.insert(seg.line);
    }

    /// Whether anything was made of this segment.
    pub(super) fn is_read(&self, seg: &Seg<'_>) -> bool {
        self.read.contains(&seg.line)
    }

    /// This segment is to be kept word for word.
    pub(super) fn want(&mut self, seg: &Seg<'_>) {
        self.wanted.insert(seg.line);
    }

    /// Whether [`Context::want`] asked for it.
    pub(super) fn is_wanted(&self, seg: &Seg<'_>) -> bool {
        self.wanted.contains(&seg.line)
    }

    /// A timestamp field as `dateTime`; what is none is reported and left out.
    pub(super) fn when(&mut self, seg: &Seg<'_>, field: usize) -> Option<String> {
        let text = seg.text(field)?;
        let read = time::date_time(&text, &self.settings.zone);
        self.told(read, seg, field)
    }

    /// A date field; what is none is reported and left out.
    pub(super) fn day(&mut self, seg: &Seg<'_>, field: usize) -> Option<String> {
        let read = time::date(&seg.text(field)?);
        self.told(read, seg, field)
    }

    /// A timestamp field as `instant`: nothing if it has no time of day.
    pub(super) fn instant(&mut self, seg: &Seg<'_>, field: usize) -> Option<String> {
        let read = time::instant(&seg.text(field)?, &self.settings.zone);
        self.told(read, seg, field).flatten()
    }

    /// [`Context::when`] of what has happened: a time after the message's own is kept and reported, for it may be a slip.
    pub(super) fn happened(&mut self, seg: &Seg<'_>, field: usize) -> Option<String> {
        let out = self.when(seg, field)?;
        self.not_later(seg, field);
        Some(out)
    }

    /// Reports a day that lies after the day on which the message was sent; a day of grace covers the world's zones.
    pub(super) fn not_later(&mut self, seg: &Seg<'_>, field: usize) {
        let day = |text: &str| time::date(text).ok().and_then(|date| date.parse::<jiff::civil::Date>().ok());
        let (Some(sent), Some(named)) = (day(&self.sent), seg.text(field).as_deref().and_then(day)) else { return };
        if sent.tomorrow().is_ok_and(|tomorrow| named > tomorrow) {
            self.reject(seg, Some(field), "lies after the time of the message (MSH-7); it is kept as it was sent");
        }
    }

    fn told<T>(&mut self, read: Result<T, time::NotATime>, seg: &Seg<'_>, field: usize) -> Option<T> {
        match read {
            Ok(out) => Some(out),
            Err(why) => {
                self.reject(seg, Some(field), format!("{}; it is left out", why.reason()));
                None
            }
        }
    }

    /// The resource as this message or the record has it.
    pub(super) fn known(&self, kind: &'static str, id: &str) -> Option<Object> {
        match self.places.get(&(kind, id.to_owned())).and_then(|at| self.drafts.get(*at)) {
            Some(draft) => Some(draft.body.clone()),
            None => Object::parse(&self.stored(kind, id)?),
        }
    }

    fn stored(&self, kind: &'static str, id: &str) -> Option<Vec<u8>> {
        let mut fetched = self.fetched.borrow_mut();
        fetched.entry((kind, id.to_owned())).or_insert_with(|| (self.current)(kind, id)).clone()
    }

    /// How often `key` was asked for before in this message.
    pub(super) fn repeat(&mut self, key: String) -> usize {
        let count = self.repeats.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }

    /// Adds the resource, meeting what this message or the record already has. What changes nothing is not added.
    pub(super) fn emit(&mut self, draft: Draft, meet: Meet) {
        let Draft { kind, id, body, origin, erased, lines } = draft;
        self.read.extend(&lines);
        if let Some(earlier) = self.places.get(&(kind, id.clone())).and_then(|at| self.drafts.get_mut(*at)) {
            let base = std::mem::take(&mut earlier.body);
            earlier.body = combine(base, body, &erased, meet);
            earlier.origin.extend(origin);
            return;
        }
        let stored = if meet == Meet::Replace { None } else { self.stored(kind, &id) };
        let body = match stored.as_deref().and_then(Object::parse) {
            Some(base) => combine(base, body, &erased, meet),
            None => body,
        };
        if stored.is_some_and(|stored| stored == body.to_bytes()) {
            return;
        }
        self.places.insert((kind, id.clone()), self.drafts.len());
        self.drafts.push(Draft { kind, id, body, origin, erased: Vec::new(), lines });
    }

    /// The end: everything as JSON.
    pub(super) fn finish(mut self, subject: Option<Subject>) -> Mapped {
        if self.dropped > 0 {
            let reason = format!("{} further problems in this message are not listed", self.dropped);
            self.rejected.push(Rejected { resource: self.named(), ..problem(1, "MSH[1]", None, reason) });
        }
        let event = format!("{}^{}", self.kind, self.trigger);
        let control_id = self.control_id;
        let resources = self.drafts.into_iter().map(|draft| MappedResource {
            json: draft.body.to_bytes(),
            origin: Origin { control_id: control_id.clone(), fields: draft.origin },
        });
        let resources = resources.collect();
        let (patient, number) =
            subject.map(|Subject { id, number: (system, value) }| (id, (system.unwrap_or_default(), value))).unzip();
        Mapped { control_id, event, resources, changes: self.changes, rejected: self.rejected, patient, number }
    }
}

/// Elements of which FHIR allows one form only: a new form takes the old one's place.
const CHOICES: [&str; 8] =
    ["value", "effective", "deceased", "multipleBirth", "onset", "performed", "abatement", "medication"];

fn choice(key: &str) -> Option<&'static str> {
    let tail = |prefix: &str| key.strip_prefix(prefix).is_some_and(|t| t.starts_with(|c: char| c.is_ascii_uppercase()));
    CHOICES.into_iter().find(|prefix| tail(prefix))
}

fn combine(mut base: Object, new: Object, erased: &[&str], meet: Meet) -> Object {
    if meet == Meet::Replace {
        return new;
    }
    if meet == Meet::Amend {
        for key in erased {
            base.take(key);
        }
    }
    for (key, value) in new.into_fields() {
        let key = key.into_owned();
        let prefix = choice(&key);
        if meet == Meet::Fill {
            let taken = base.get(&key).is_some() || prefix.is_some_and(|prefix| has_choice(&base, prefix));
            if !taken {
                base.put(key, value);
            } else if key == "identifier" {
                unite(&mut base, key, value);
            }
            continue;
        }
        match key.as_str() {
            "period" | "hospitalization" => {
                let mut inner = base.get(&key).cloned().and_then(Json::into_object).unwrap_or_default();
                let newer = value.into_object().unwrap_or_default();
                for (name, part) in newer.into_fields() {
                    inner.put(name, part);
                }
                base.put(key, inner);
            }
            "identifier" | "diagnosis" | "result" | "relatesTo" => unite(&mut base, key, value),
            _ => {
                if let Some(prefix) = prefix {
                    base.drop_choice(prefix);
                }
                base.put(key, value);
            }
        }
    }
    base
}

fn has_choice(object: &Object, prefix: &str) -> bool {
    object.keys().any(|key| choice(key) == Some(prefix))
}

/// Joins two lists, the newer entry standing for an older one about the same thing. An identifier that says the same as
/// the stored one leaves the stored bytes alone, so that nothing changes for nothing.
fn unite(base: &mut Object, key: String, value: Json) {
    let mut items = base.get(&key).cloned().map(Json::into_items).unwrap_or_default();
    let known: HashMap<(String, String), usize> =
        items.iter().enumerate().filter_map(|(at, item)| Some((about(item)?, at))).collect();
    for newer in value.into_items() {
        match about(&newer).and_then(|about| known.get(&about)).and_then(|at| items.get_mut(*at)) {
            Some(_) if key == "identifier" => {}
            Some(older) => *older = newer,
            None => items.push(newer),
        }
    }
    base.put(key, items);
}

/// What a list entry is about: an identifier's system and value, else the first reference in it.
fn about(item: &Json) -> Option<(String, String)> {
    let item = item.clone().into_object()?;
    if let Some(value) = item.text("value") {
        return Some((item.text("system").unwrap_or_default(), value));
    }
    let within =
        |key: &str| item.get(key).cloned().and_then(Json::into_object).and_then(|inner| inner.text("reference"));
    let reference = item.text("reference").or_else(|| within("condition")).or_else(|| within("target"))?;
    Some((String::new(), reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object {
        Object::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_message_amends_fills_or_replaces() {
        let stored = r#"{"id":"a","status":"in-progress","period":{"start":"2021-01-01"},"deceasedBoolean":false,"identifier":[{"system":"s","value":"1","use":"usual"}]}"#;
        let newer = r#"{"status":"finished","period":{"end":"2021-01-05"},"deceasedDateTime":"2021","identifier":[{"system":"s","value":"1"},{"system":"s","value":"2"}],"class":"IMP"}"#;
        for (meet, expected) in [
            (
                Meet::Amend,
                r#"{"id":"a","status":"finished","period":{"start":"2021-01-01","end":"2021-01-05"},"deceasedDateTime":"2021","identifier":[{"system":"s","value":"1","use":"usual"},{"system":"s","value":"2"}],"class":"IMP"}"#,
            ),
            (
                Meet::Fill,
                r#"{"id":"a","status":"in-progress","period":{"start":"2021-01-01"},"deceasedBoolean":false,"identifier":[{"system":"s","value":"1","use":"usual"},{"system":"s","value":"2"}],"class":"IMP"}"#,
            ),
            (Meet::Replace, newer),
        ] {
            let out = combine(object(stored), object(newer), &[], meet).to_bytes();
            let (out, expected): (serde_json::Value, serde_json::Value) =
                (serde_json::from_slice(&out).unwrap(), serde_json::from_str(expected).unwrap());
            assert_eq!(out, expected, "{meet:?}");
        }
        let out = combine(object(stored), object("{}"), &["period"], Meet::Amend);
        assert!(out.get("period").is_none());
    }

    #[test]
    fn ids_do_not_depend_on_where_parts_are_cut() {
        assert_eq!(id_of("Patient", &["a", "b"]), id_of("Patient", &["a", "b"]));
        assert_ne!(id_of("Patient", &["a", "bc"]), id_of("Patient", &["ab", "c"]));
        assert_ne!(id_of("Patient", &["a"]), id_of("Encounter", &["a"]));
    }

    #[test]
    fn ids_of_a_patients_resources_begin_alike_and_differ() {
        let (one, other) = (id_of("Patient", &["s", "1"]), id_of("Patient", &["s", "2"]));
        let visits: HashSet<String> = (0..1000).map(|at: u32| id_of("Encounter", &[&one, &at.to_string()])).collect();
        assert_eq!(visits.len(), 1000);
        assert!(visits.iter().all(|id| id.get(..9) == one.get(..9) && Uuid::parse_str(id).is_ok()));
        assert_ne!(id_of("Encounter", &[&one, "1"]), id_of("Encounter", &[&other, "1"]));
        assert_ne!(id_of("Encounter", &[&one, "1"]), id_of("Condition", &[&one, "1"]));
    }
}
