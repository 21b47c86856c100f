//! The path from a question to an answer.

use std::time::Duration;

use haechi_record::chart::Chart;
use haechi_record::terminology::Names;

use crate::answer::{Answer, Claim, Dropped, Timings};
use crate::citation::Numbered;
use crate::draft::sentence::Sentence;
use crate::draft::{self, Context, Draft, absence, person};
use crate::plan::{Language, Plan, Shape};
use crate::planner::{self, Vocabulary};
use crate::{Event, Model, Setting, evidence, gate, summary};

/// Answers `question` from `chart` alone. `elapsed`: time since the question came, for the timings; nothing else reads a clock.
pub fn ask(
    question: &str,
    chart: &Chart,
    setting: &Setting,
    model: Option<&dyn Model>,
    elapsed: &mut dyn FnMut() -> Duration,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Answer {
    ask_with(question, chart, &[], setting, model, elapsed, on_event)
}

/// As [`ask`], with what code systems call the chart's codes ([`planner::codings`] says which those are): a question then
/// finds an entry by a name that the record does not give it.
pub fn ask_with(
    question: &str,
    chart: &Chart,
    names: &[Names],
    setting: &Setting,
    model: Option<&dyn Model>,
    elapsed: &mut dyn FnMut() -> Duration,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Answer {
    let plan = planner::plan(question, &Vocabulary::with_names(chart, names), setting);
    answer_plan(&plan, chart, setting, model, elapsed, on_event)
}

/// Answers a question that is understood already.
pub fn answer_plan(
    plan: &Plan,
    chart: &Chart,
    setting: &Setting,
    model: Option<&dyn Model>,
    elapsed: &mut dyn FnMut() -> Duration,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Answer {
    let context = Context { plan, chart, setting };
    let mut timings = Timings::default();
    let mut writing = Writing {
        context,
        on_event,
        numbered: Numbered::default(),
        text: String::new(),
        claims: Vec::new(),
        dropped: Vec::new(),
    };
    let mut used_model = None;
    let draft = if !plan.is_complete() {
        Draft { missing: vec![absence::not_understood(context)], ..Draft::default() }
    } else if plan.shape == Shape::Demographic {
        person::draft(context)
    } else {
        let found = evidence::collect(plan, chart, &setting.zone);
        timings.retrieve = milliseconds(elapsed());
        if plan.shape == Shape::Summary {
            let mut first_token = None;
            let summary = summary::summarise(context, &found, model, &mut || {
                first_token.get_or_insert_with(|| milliseconds(elapsed()));
            });
            timings.first_token = first_token.unwrap_or(0);
            used_model = model.filter(|_| summary.asked_model);
            writing.dropped = summary.dropped;
            summary.draft
        } else {
            draft::draft(context, &found)
        }
    };
    let Draft { sentences, mentions, missing, mut warnings } = draft;
    let answered = sentences.iter().filter(|sentence| writing.take(sentence)).count() > 0;
    if !answered {
        // What is not found is said first; withdrawn entries and entries outside the period stand behind it.
        let said = if missing.is_empty() { unconfirmed(context) } else { missing.join("\n") };
        writing.say(&said);
    }
    for mention in &mentions {
        writing.take(mention);
    }
    if answered {
        for said in &missing {
            writing.say(said);
        }
    }
    warnings.extend(put_aside(context));
    Answer {
        answer: writing.text.trim().to_owned(),
        abstained: !answered,
        language: match plan.language {
            Language::En => "en".to_owned(),
            Language::Ko => "ko".to_owned(),
        },
        claims: writing.claims,
        citations: writing.numbered.citations,
        as_of: Some(as_of(context)),
        feeds: Vec::new(),
        warnings,
        dropped: writing.dropped,
        model: used_model.and_then(Model::info),
        timings_ms: Timings { total: milliseconds(elapsed()), ..timings },
        audit: None,
    }
}

/// Sentences on their way out: each through the gate, then numbered, then handed on.
struct Writing<'a, 'c> {
    context: Context<'c>,
    on_event: &'a mut dyn FnMut(Event<'_>),
    numbered: Numbered,
    text: String,
    claims: Vec<Claim>,
    dropped: Vec<Dropped>,
}

/// More marks than this behind one sentence are written as their first and last; the claim lists all.
const MARKS: usize = 12;

impl Writing<'_, '_> {
    /// True if the sentence passed.
    fn take(&mut self, sentence: &Sentence<'_>) -> bool {
        let text = sentence.text();
        if let Err(why) = gate::check(sentence, self.context) {
            log::warn!("HAECHI-0601: the gate held back a sentence");
            self.dropped.push(Dropped { text, why });
            return false;
        }
        let numbers = self.numbered.numbers(sentence, self.context);
        let marks = marks(&numbers);
        self.say(&if sentence.item { format!("- {text} {marks}") } else { format!("{text} {marks}") });
        self.claims.push(Claim { text, citations: numbers });
        true
    }

    fn say(&mut self, text: &str) {
        let line = format!("{}{text}", if self.text.is_empty() { "" } else { "\n" });
        (self.on_event)(Event::Text(&line));
        self.text.push_str(&line);
    }
}

fn marks(numbers: &[u32]) -> String {
    match numbers {
        [first, .., last] if numbers.len() > MARKS => format!("[{first}] … [{last}]"),
        numbers => numbers.iter().map(|number| format!("[{number}]")).collect::<Vec<_>>().join(""),
    }
}

/// The gate held everything back: nothing is claimed.
fn unconfirmed(context: Context<'_>) -> String {
    let as_of = absence::as_of(context);
    if context.is_korean() {
        format!("{as_of} 기준 기록으로 확인할 수 있는 문장이 없습니다.")
    } else {
        format!("No statement could be confirmed from the record as of {as_of}.")
    }
}

/// Items of this patient that import refused: the answer may lack what they hold.
fn put_aside(context: Context<'_>) -> Option<String> {
    let count = context.chart.rejected.len();
    if count == 0 {
        return None;
    }
    let mut places: Vec<String> = Vec::new();
    for item in &context.chart.rejected {
        let place = item.resource.clone().unwrap_or_else(|| item.file.clone());
        if !places.contains(&place) && places.len() < 3 {
            places.push(place);
        }
    }
    let places = places.join(", ");
    Some(if context.is_korean() {
        format!("이 환자의 항목 {count}건이 가져오기에서 제외되어 답변에 포함되지 않았습니다({places}).")
    } else if count == 1 {
        format!("1 item of this patient was put aside at import and is not in this answer ({places}).")
    } else {
        format!("{count} items of this patient were put aside at import and are not in this answer ({places}).")
    })
}

/// When the newest data was received, RFC 3339 with the site's offset.
fn as_of(context: Context<'_>) -> String {
    let zoned = context.chart.as_of.to_zoned(context.setting.zone.clone());
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
