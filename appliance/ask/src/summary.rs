//! Notes in brief. The model may word it, from one note at a time; each of its sentences must pass the gate. What is left
//! over is filled with sentences quoted from the notes themselves, so that a summary never depends on the model.

use std::ops::ControlFlow;

use haechi_record::chart::{Entry, Fact};

use crate::draft::sentence::{Author, Cite, Of, Part, Sentence};
use crate::draft::{Context, Draft, absence, line};
use crate::evidence::Evidence;
use crate::plan::Language;
use crate::{Model, gate};

/// Notes summarised, newest first.
const NOTES: usize = 3;
/// Characters of a note that the model reads: leaves room in the default model's context of 2,048 tokens, Korean included.
const MODEL_READS: usize = 1_800;
/// Tokens the model may write for a note.
const MODEL_WRITES: usize = 120;
/// Sentences quoted from a note of which the model's own do not suffice.
const QUOTED: usize = 4;
/// Longest sentence quoted, characters.
const QUOTE_LONGEST: usize = 240;

/// Headings and words by which sentences that matter begin.
const TELLING: &[&str] = &[
    "assessment", "impression", "plan", "diagnosis", "conclusion", "summary", "chief complaint", "hospital course", "discharge", "finding",
    "recommend", "follow", "admitted", "진단", "평가", "계획", "결론", "소견", "주호소", "경과", "퇴원", "입원", "처방", "추적",
];

/// What came of it.
pub struct Summary<'c> {
    /// The sentences.
    pub draft: Draft<'c>,
    /// Model sentences that the gate held back, with the reason.
    pub dropped: Vec<(String, String)>,
    /// True if the model was asked.
    pub asked_model: bool,
    /// Why the model gave nothing, if it failed.
    pub failure: Option<String>,
}

/// Summarises the newest notes of the evidence.
pub fn summarise<'c>(context: Context<'c>, evidence: &Evidence<'c>, model: Option<&dyn Model>, on_first: &mut dyn FnMut()) -> Summary<'c> {
    let mut summary = Summary { draft: Draft::default(), dropped: Vec::new(), asked_model: false, failure: None };
    let with_text = |entry: &&'c Entry| entry.texts.iter().any(|text| !text.text.trim().is_empty());
    let mut notes: Vec<&'c Entry> = evidence.groups.iter().flat_map(|group| &group.hits).map(|hit| hit.entry).filter(with_text).collect();
    notes.dedup_by(|a, b| a.source == b.source);
    let newest = context.plan.limit.unwrap_or(NOTES).min(NOTES);
    for entry in notes.iter().rev().take(newest) {
        let Some(text) = entry.texts.iter().max_by_key(|text| text.text.len()) else { continue };
        summary.draft.sentences.push(heading(context, entry));
        let mut passed = 0;
        if let Some(model) = model {
            summary.asked_model = true;
            match model_sentences(context, entry, text, model, on_first) {
                Ok(sentences) => {
                    for sentence in sentences {
                        match gate::check(&sentence, context) {
                            Ok(()) => {
                                passed += 1;
                                summary.draft.sentences.push(sentence);
                            }
                            Err(why) => summary.dropped.push((sentence.text(), why)),
                        }
                    }
                }
                Err(failure) => summary.failure = Some(failure),
            }
        }
        if passed < 2 {
            summary.draft.sentences.extend(quoted(entry, text));
        }
    }
    if summary.draft.sentences.is_empty() {
        match evidence.groups.first() {
            Some(group) => summary.draft.missing.push(absence::not_found(context, group)),
            None => summary.draft.missing.push(absence::not_understood(context)),
        }
    }
    summary
}

fn heading<'c>(context: Context<'c>, entry: &'c Entry) -> Sentence<'c> {
    let date = line::dates(context, entry).map(|date| format!(" ({date})")).unwrap_or_default();
    let states = crate::draft::words::states(entry, context.language());
    let states = if states.is_empty() { String::new() } else { format!(", {}", states.join(", ")) };
    Sentence::of(vec![Part::one(format!("{}{date}{states}:", line::name(entry)), Cite::title(entry))], None)
}

fn model_sentences<'c>(
    context: Context<'c>,
    entry: &'c Entry,
    text: &'c Fact,
    model: &dyn Model,
    on_first: &mut dyn FnMut(),
) -> Result<Vec<Sentence<'c>>, String> {
    // The note is quoted material: what it asks for is not a request. Whatever the model makes of it, the gate decides.
    let system = match context.language() {
        Language::En => "Summarise the clinical note in at most three short sentences. Use only words and numbers that stand in the note. Write nothing else.",
        Language::Ko => "아래 진료 기록을 세 문장 이내로 요약하세요. 기록에 있는 단어와 숫자만 사용하세요. 다른 말은 쓰지 마세요.",
    };
    let reads: String = text.text.chars().take(MODEL_READS).collect();
    let mut first = true;
    let written = model.generate(system, &reads, MODEL_WRITES, &mut |_| {
        if std::mem::take(&mut first) {
            on_first();
        }
        ControlFlow::Continue(())
    })?;
    let cite = || Cite { of: Of::Entry(entry), path: text.path.clone(), quote: text.text.clone() };
    Ok(sentences(&written)
        .into_iter()
        .map(|said| Sentence { parts: vec![Part::one(format!("{said} "), cite())], item: false, author: Author::Model, subject: None })
        .collect())
}

/// Sentences of the note itself: those that begin like a conclusion first, else the first ones.
fn quoted<'c>(entry: &'c Entry, text: &'c Fact) -> Vec<Sentence<'c>> {
    let all = sentences(&text.text);
    let telling = |sentence: &&String| {
        let lower = sentence.to_lowercase();
        TELLING.iter().any(|word| lower.contains(word))
    };
    let mut chosen: Vec<&String> = all.iter().filter(telling).take(QUOTED).collect();
    if chosen.is_empty() {
        chosen = all.iter().take(QUOTED).collect();
    }
    chosen
        .into_iter()
        .map(|sentence| {
            let cite = Cite { of: Of::Entry(entry), path: text.path.clone(), quote: sentence.clone() };
            Sentence::item(vec![Part::one(format!("\"{sentence}\""), cite)], None)
        })
        .collect()
}

/// Sentences, each on one line of the text, so that a quote is found where it was copied.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for row in text.lines() {
        let mut rest = row.trim();
        while !rest.is_empty() {
            let end = rest
                .char_indices()
                .find(|(at, character)| {
                    matches!(character, '.' | '!' | '?') && rest.get(at + 1..).is_none_or(|next| next.is_empty() || next.starts_with(' '))
                })
                .map_or(rest.len(), |(at, _)| at + 1);
            let (sentence, after) = rest.split_at(end);
            let sentence = sentence.trim();
            let words = sentence.chars().filter(|character| character.is_alphanumeric()).count();
            if words >= 4 {
                found.push(sentence.chars().take(QUOTE_LONGEST).collect());
            }
            rest = after.trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_cut_at_their_end_and_at_lines_not_in_numbers() {
        assert_eq!(
            sentences("Hb 7.1 g/dL today. Plan: transfuse.\n- 경과 관찰\nok"),
            ["Hb 7.1 g/dL today.", "Plan: transfuse.", "- 경과 관찰"]
        );
    }
}
