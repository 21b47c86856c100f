//! From a plan to the entries of the chart that are complete evidence for it. Nothing is worded here.
//!
//! Entries that must not support a statement are kept apart ([`Group::void`]): an answer may mention that something was
//! recorded and withdrawn, never say that it is so. So are entries that miss only the condition on the value, the period or
//! the state: what an answer says of them is that they are *not* what was asked.
//!
//! Reading order: `select` (which entries), `value` and `unit` (conditions on values), `mention` (free text), `conflict`.

mod conflict;
mod mention;
mod select;
mod unit;
mod value;

use haechi_record::chart::{Chart, Entry, Fact, Measured, Standing};
use jiff::tz::TimeZone;

use crate::draft::moment;
use crate::matching::{self, Qualified};
use crate::plan::{Filter, Pick, Plan, Relation, Shape, Subject};

pub use conflict::Conflict;
pub(crate) use select::{in_state, says_nothing_known};
pub(crate) use unit::{comparable, convert, in_one_unit, in_unit, same as same_unit};
pub(crate) use value::{Verdict, by_range, judge};

/// One entry that is meant, and the value in it that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'c> {
    /// The entry.
    pub entry: &'c Entry,
    /// The value asked about; `None` for entries that hold none, or several (a panel as a whole).
    pub value: Option<&'c Measured>,
    /// The title says less than a plain yes.
    pub qualified: Option<Qualified>,
    /// The subject stands only in the entry's free text: the text and the sentence in it.
    pub said: Option<(&'c Fact, &'c str)>,
}

impl<'c> Hit<'c> {
    /// An entry as a whole.
    #[must_use]
    pub fn whole(entry: &'c Entry) -> Self {
        Self { entry, value: None, qualified: None, said: None }
    }

    /// The values that are meant: the one asked about, or all of a panel.
    #[must_use]
    pub fn values(&self) -> Vec<&'c Measured> {
        match self.value {
            Some(value) => vec![value],
            None => self.entry.values.iter().collect(),
        }
    }
}

/// What was found for one subject, oldest first.
#[derive(Debug, Clone)]
pub struct Group<'c> {
    /// The thing asked about; `None`: everything in scope.
    pub subject: Option<&'c Subject>,
    /// The condition on its values.
    pub filter: Option<Filter>,
    /// Supports statements.
    pub hits: Vec<Hit<'c>>,
    /// Matches, and must not support a statement: with the word that says why.
    pub void: Vec<(&'c Entry, &'static str)>,
    /// Matches in every respect but the condition on the value: what "never above 140" stands on.
    pub failing: Vec<Hit<'c>>,
    /// Cannot be held against the condition: no flag, no range, another unit.
    pub unjudged: Vec<Hit<'c>>,
    /// Matches in every respect but the period.
    pub outside: Vec<Hit<'c>>,
    /// Matches in every respect but the state: what "no longer taken" stands on.
    pub other_state: Vec<Hit<'c>>,
    /// Entries that say that there is none (`No known allergies`).
    pub nothing_known: Vec<&'c Entry>,
    /// Entries that disagree.
    pub conflicts: Vec<Conflict<'c>>,
}

impl<'c> Group<'c> {
    fn empty(subject: Option<&'c Subject>, filter: Option<Filter>) -> Self {
        Self {
            subject,
            filter,
            hits: Vec::new(),
            void: Vec::new(),
            failing: Vec::new(),
            unjudged: Vec::new(),
            outside: Vec::new(),
            other_state: Vec::new(),
            nothing_known: Vec::new(),
            conflicts: Vec::new(),
        }
    }
}

/// Everything found.
#[derive(Debug, Clone)]
pub struct Evidence<'c> {
    /// One group a subject, in the order asked.
    pub groups: Vec<Group<'c>>,
    /// The event that opened or closed the window, if the plan names one.
    pub anchor: Option<&'c Entry>,
    /// The plan names an event that the chart does not hold: nothing can be said.
    pub anchor_missing: bool,
}

/// Collects the evidence.
#[must_use]
pub fn collect<'c>(plan: &'c Plan, chart: &'c Chart, zone: &TimeZone) -> Evidence<'c> {
    let anchor = plan.anchor.as_ref().map(|anchor| (anchor, select::find_anchor(anchor, chart, zone)));
    let anchor_missing = matches!(anchor, Some((_, None)));
    let anchored = match anchor {
        Some((anchor, Some(entry))) => Some((anchor.relation, entry)),
        _ => None,
    };
    let search = Search { plan, chart, zone, anchor: anchored };
    let mut groups: Vec<Group<'c>> = if plan.subjects.is_empty() {
        vec![search.group(None)]
    } else {
        plan.subjects.iter().map(|subject| search.group(Some(subject))).collect()
    };
    for group in &mut groups {
        narrow(plan, group, zone);
        group.conflicts = conflict::find(group, zone);
    }
    Evidence { groups, anchor: anchored.map(|(_, entry)| entry), anchor_missing }
}

/// One search through the chart.
struct Search<'c, 'z> {
    plan: &'c Plan,
    chart: &'c Chart,
    zone: &'z TimeZone,
    anchor: Option<(Relation, &'c Entry)>,
}

impl<'c> Search<'c, '_> {
    fn group(&self, subject: Option<&'c Subject>) -> Group<'c> {
        let plan = self.plan;
        let filter = subject.and_then(|subject| subject.filter).or(plan.filter);
        let mut group = Group::empty(subject, filter);
        let mut mentions = Vec::new();
        for entry in self.chart.entries.iter().filter(|entry| select::in_scope(plan, subject, entry.kind)) {
            if says_nothing_known(entry) {
                let stands =
                    !matches!(entry.standing, Standing::Void(_)) && in_state(entry, crate::plan::State::Active);
                if stands {
                    group.nothing_known.push(entry);
                }
                continue;
            }
            let Some(hits) = self.hits(subject, filter, entry) else {
                if let Some(subject) = subject
                    && self.is_beside(entry)
                    && select::in_time(plan, entry, self.zone)
                    && !matches!(entry.standing, Standing::Void(_))
                {
                    mentions.extend(mention::find(subject, entry));
                }
                continue;
            };
            if !self.is_beside(entry) || !select::because(plan, entry, self.chart) || !select::has_standing(plan, entry)
            {
                continue;
            }
            let in_time = select::in_time(plan, entry, self.zone);
            let in_state = in_state(entry, plan.state);
            if let Standing::Void(why) = entry.standing {
                if in_time {
                    group.void.push((entry, why));
                }
                continue;
            }
            match (in_time, in_state) {
                (true, true) => {
                    for hit in hits {
                        self.judge(filter, hit, &mut group);
                    }
                }
                (true, false) => group.other_state.extend(hits),
                (false, true) => group.outside.extend(hits),
                (false, false) => {}
            }
        }
        // Free text answers only where no entry is the thing itself.
        if group.hits.is_empty() && group.failing.is_empty() && group.unjudged.is_empty() && filter.is_none() {
            group.hits = mentions;
        }
        let key = |hit: &Hit<'_>| moment::order(hit.entry, self.zone);
        for hits in
            [&mut group.hits, &mut group.failing, &mut group.unjudged, &mut group.outside, &mut group.other_state]
        {
            hits.sort_by_key(key);
        }
        self.one_scale(filter, &mut group);
        group.void.sort_by_key(|(entry, _)| moment::order(entry, self.zone));
        group.nothing_known.sort_by_key(|entry| moment::order(entry, self.zone));
        group
    }

    /// What of the entry is the subject; `None` if nothing is.
    fn hits(&self, subject: Option<&'c Subject>, filter: Option<Filter>, entry: &'c Entry) -> Option<Vec<Hit<'c>>> {
        let (component, qualified) = match subject {
            None => (None, None),
            Some(subject) => matching::matches(subject, entry).map(|found| (found.component, found.qualified))?,
        };
        let values: Vec<Option<&'c Measured>> = match component {
            Some(index) => vec![entry.values.get(index)],
            None if entry.values.len() == 1 => vec![entry.values.first()],
            // A panel as a whole; a condition is looked at value by value.
            None if filter.is_some() && !entry.values.is_empty() => entry.values.iter().map(Some).collect(),
            None => vec![None],
        };
        Some(values.into_iter().map(|value| Hit { entry, value, qualified, said: None }).collect())
    }

    fn judge(&self, filter: Option<Filter>, hit: Hit<'c>, group: &mut Group<'c>) {
        let Some(filter) = filter else {
            group.hits.push(hit);
            return;
        };
        let verdict = match hit.value {
            Some(value) => judge(hit.entry, value, filter, self.plan.filter_unit.as_deref()),
            None => value::judge_words(hit.entry, filter),
        };
        match verdict {
            Verdict::Passes => group.hits.push(hit),
            Verdict::Fails => group.failing.push(hit),
            Verdict::Unknown => group.unjudged.push(hit),
        }
    }

    /// A bound without a unit is read in the unit of the newest value. What was recorded on another scale (mmol/L beside
    /// mg/dL) cannot be held against it: nobody knows which of the two was meant.
    fn one_scale(&self, filter: Option<Filter>, group: &mut Group<'c>) {
        let bound = matches!(filter, Some(Filter::Above(..) | Filter::Below(..)));
        if !bound || self.plan.filter_unit.is_some() || group.subject.is_none() {
            return;
        }
        let newest = group.hits.iter().chain(&group.failing).max_by_key(|hit| moment::order(hit.entry, self.zone));
        let Some(unit) = newest.and_then(|hit| hit.value).map(|value| value.unit.clone()) else { return };
        let other_scale = |hit: &Hit<'_>| {
            hit.value.is_some_and(|value| !same_unit(&value.unit, &unit) && convert(hit.entry, value, &unit).is_some())
        };
        for hits in [&mut group.hits, &mut group.failing] {
            group.unjudged.extend(hits.extract_if(.., |hit| other_scale(hit)));
        }
        group.unjudged.sort_by_key(|hit| moment::order(hit.entry, self.zone));
    }

    fn is_beside(&self, entry: &Entry) -> bool {
        select::beside(self.anchor, entry, self.zone)
    }
}

/// Entries of the newest moment only where the question is whether the newest passes; at most as many as asked.
fn narrow(plan: &Plan, group: &mut Group<'_>, zone: &TimeZone) {
    if plan.shape == Shape::Whether && plan.pick == Some(Pick::Newest) && group.filter.is_some() {
        let key = |hit: &Hit<'_>| moment::order(hit.entry, zone);
        let newest =
            [&group.hits, &group.failing, &group.unjudged].into_iter().filter_map(|hits| hits.last().map(key)).max();
        for hits in [&mut group.hits, &mut group.failing, &mut group.unjudged] {
            hits.retain(|hit| Some(key(hit)) == newest);
        }
    }
    // "The last three" keeps the newest here; counts and means are then made of those three.
    if let Some(limit) = plan.limit.filter(|_| plan.shape != Shape::Summary) {
        let surplus = group.hits.len().saturating_sub(limit);
        match (plan.pick, plan.shape) {
            (Some(Pick::Oldest | Pick::Next), _) | (_, Shape::First) => group.hits.truncate(limit),
            _ => drop(group.hits.drain(..surplus)),
        }
    }
}
