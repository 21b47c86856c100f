//! The path from a question to an answer, and the numbering of citations.

use std::time::Duration;

use haechi_record::chart::Chart;

use crate::answer::{Answer, Citation, Claim, Dropped, Timings};
use crate::draft::sentence::{Cite, Of, Sentence};
use crate::draft::{self, Context, Draft, absence, line, moment, person};
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
    let plan = planner::plan(question, &Vocabulary::of(chart), setting);
    let context = Context { plan: &plan, chart, setting };
    let mut timings = Timings::default();
    let mut dropped = Vec::new();
    let mut model_used = false;
    let mut draft = if plan.is_complete() {
        match plan.shape {
            Shape::Demographic => person::draft(context),
            Shape::Summary => {
                let evidence = evidence::collect(&plan, chart, &setting.zone);
                timings.retrieve = milliseconds(elapsed());
                let summary = summary::summarise(context, &evidence, model, &mut || {
                    if timings.first_token == 0 {
                        timings.first_token = milliseconds(elapsed());
                    }
                });
                model_used = summary.asked_model;
                dropped = summary.dropped.into_iter().map(|(text, why)| Dropped { text, why }).collect();
                let mut draft = summary.draft;
                draft.warnings.extend(summary.failure.map(|failure| without_model(plan.language, &failure)));
                draft
            }
            _ => draft::draft(context, &evidence::collect(&plan, chart, &setting.zone)),
        }
    } else {
        Draft { missing: vec![absence::not_understood(context)], ..Draft::default() }
    };
    if timings.retrieve == 0 {
        timings.retrieve = milliseconds(elapsed());
    }
    let sentences = std::mem::take(&mut draft.sentences);
    let mut numbered = Numbered::default();
    for sentence in sentences {
        match gate::check(&sentence, context) {
            Ok(()) => numbered.take(&sentence, context, on_event),
            Err(why) => dropped.push(Dropped { text: sentence.text(), why }),
        }
    }
    finish(&plan, context, numbered, draft, dropped, timings, model.filter(|_| model_used))
}

fn finish(
    plan: &Plan,
    context: Context<'_>,
    numbered: Numbered,
    draft: Draft<'_>,
    dropped: Vec<Dropped>,
    timings: Timings,
    model: Option<&dyn Model>,
) -> Answer {
    let abstained = numbered.claims.is_empty();
    let mut text = numbered.text.trim().to_owned();
    let mut warnings = draft.warnings;
    if abstained {
        text = draft.missing.join("\n");
        if text.is_empty() {
            // Everything was held back by the gate.
            text = match plan.language {
                Language::En => format!("No statement could be confirmed from the record as of {}.", absence::as_of(context)),
                Language::Ko => format!("{} 기준 기록으로 확인할 수 있는 문장이 없습니다.", absence::as_of(context)),
            };
        }
    } else {
        for missing in draft.missing {
            text.push_str(&format!("\n{missing}"));
        }
    }
    if !context.chart.rejected.is_empty() {
        warnings.push(match plan.language {
            Language::En => format!("{} items of this patient were put aside at import and are not in this answer.", context.chart.rejected.len()),
            Language::Ko => format!("이 환자의 항목 {}건이 가져오기에서 제외되어 이 답변에 포함되지 않았습니다.", context.chart.rejected.len()),
        });
    }
    warnings.dedup();
    Answer {
        answer: text,
        abstained,
        language: match plan.language {
            Language::En => "en".to_owned(),
            Language::Ko => "ko".to_owned(),
        },
        claims: numbered.claims,
        citations: numbered.citations,
        as_of: Some(context.setting.zone.to_datetime(context.chart.as_of).to_zoned(context.setting.zone.clone()).map_or_else(
            |_| context.chart.as_of.to_string(),
            |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        )),
        warnings,
        dropped,
        model: model.and_then(Model::info),
        timings_ms: timings,
        audit: None,
    }
}

fn without_model(language: Language, failure: &str) -> String {
    match language {
        Language::En => format!("The model could not word the summary ({failure}); sentences are quoted from the notes."),
        Language::Ko => format!("모델이 요약하지 못해({failure}) 기록의 문장을 그대로 인용했습니다."),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Claims with their citations numbered in order of first use.
#[derive(Default)]
struct Numbered {
    text: String,
    claims: Vec<Claim>,
    citations: Vec<Citation>,
}

impl Numbered {
    fn take(&mut self, sentence: &Sentence<'_>, context: Context<'_>, on_event: &mut dyn FnMut(Event<'_>)) {
        let text = sentence.text();
        let numbers: Vec<u32> = shown_cites(sentence).into_iter().map(|cite| self.number(&cite, context)).collect();
        let marks: String = numbers.iter().map(|number| format!("[{number}]")).collect();
        let piece = if sentence.item { format!("\n- {text} {marks}") } else { format!("\n{text} {marks}") };
        on_event(Event::Text(&piece));
        self.text.push_str(&piece);
        self.claims.push(Claim { text, citations: numbers });
    }

    fn number(&mut self, cite: &Cite<'_>, context: Context<'_>) -> u32 {
        let (path, quote) = literal(cite);
        let citation = Citation {
            id: u32::try_from(self.citations.len() + 1).unwrap_or(u32::MAX),
            source: cite.of.source(),
            kind: "record".to_owned(),
            quote,
            r#where: place(cite, &path),
            date: cite.of.entry().and_then(|entry| date(entry, context)),
        };
        let same = |other: &&Citation| other.source == citation.source && other.r#where == citation.r#where && other.quote == citation.quote;
        if let Some(known) = self.citations.iter().find(same) {
            return known.id;
        }
        let id = citation.id;
        self.citations.push(citation);
        id
    }
}

/// One citation an entry and sentence: the value or fact that is said, else the name.
fn shown_cites<'c>(sentence: &Sentence<'c>) -> Vec<Cite<'c>> {
    let mut shown: Vec<Cite<'c>> = Vec::new();
    for cite in sentence.cites() {
        let source = cite.of.source();
        match shown.iter_mut().find(|other| other.of.source() == source) {
            None => shown.push(cite.clone()),
            Some(other) => {
                let is_title = |cite: &Cite<'_>| cite.of.entry().is_some_and(|entry| cite.path == entry.title_path);
                if is_title(other) && !is_title(cite) && is_literal(cite) {
                    *other = cite.clone();
                }
            }
        }
    }
    shown
}

/// True if the quote stands letter for letter at its element, and was not put together from several.
fn is_literal(cite: &Cite<'_>) -> bool {
    const LEAVES: &[&str] = &["text", "display", "value", "code", "conclusion", "description", "reference", "status", "data", "div", "lotNumber"];
    cite.measured().is_some() || LEAVES.iter().any(|leaf| cite.path.ends_with(leaf))
}

/// What a citation quotes: digits and words exactly as they stand in the resource.
fn literal(cite: &Cite<'_>) -> (String, String) {
    let Of::Entry(entry) = cite.of else { return (cite.path.clone(), cite.quote.clone()) };
    if let Some(value) = cite.measured() {
        return match &value.absent {
            Some(reason) if value.text.is_empty() => (value.path.clone(), reason.clone()),
            _ => (value.path.clone(), value.text.clone()),
        };
    }
    if is_literal(cite) || cite.path == entry.title_path {
        return (cite.path.clone(), cite.quote.clone());
    }
    (entry.title_path.clone(), entry.title.clone())
}

/// The element, and the HL7 segment and field it came from.
fn place(cite: &Cite<'_>, path: &str) -> String {
    let origin = cite.of.entry().and_then(|entry| entry.origin.as_ref());
    let field = origin.and_then(|origin| {
        let exact = origin.fields.iter().find(|(element, _)| element == path);
        // `code.text` came from where `code` came from.
        exact.or_else(|| origin.fields.iter().filter(|(element, _)| path.starts_with(element.as_str())).max_by_key(|(element, _)| element.len()))
    });
    match field {
        Some((_, field)) => format!("{path} ({field})"),
        None => path.to_owned(),
    }
}

fn date(entry: &haechi_record::chart::Entry, context: Context<'_>) -> Option<String> {
    Some(moment::show(moment::of(entry)?, &context.setting.zone, moment::grain(entry.kind)))
}

/// True if the quote is found at the named element of the chart's entry: what "a citation resolves" means.
#[must_use]
pub fn citation_resolves(chart: &Chart, citation: &Citation) -> bool {
    if citation.source == Of::Person(&chart.patient).source() {
        let person = &chart.patient;
        let mut said: Vec<String> = person.names.clone();
        said.extend(person.identifiers.iter().map(|(_, value)| value.clone()));
        said.extend(person.birth_date.map(moment::show_partial));
        said.extend(person.sex.clone());
        said.extend(person.facts.iter().map(|fact| fact.text.clone()));
        return person.deceased.is_some() && citation.r#where.starts_with("deceased") || said.contains(&citation.quote);
    }
    let Some(entry) = chart.entries.iter().find(|entry| entry.source == citation.source) else { return false };
    let path = citation.r#where.split(" (").next().unwrap_or_default();
    let value = entry.values.iter().any(|value| value.path == path && (value.text == citation.quote || value.absent.as_ref() == Some(&citation.quote)));
    let fact = entry.facts.iter().chain(&entry.texts).any(|fact| fact.path == path && fact.text.contains(&citation.quote));
    value || fact || (path == entry.title_path && line::name(entry).contains(&citation.quote)) || entry.title.is_empty()
}
