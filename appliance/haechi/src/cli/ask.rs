//! `haechi ask`: one question, one cited answer.

use std::process::ExitCode;

use clap::Args;
use haechi_ask::answer::Answer;

use super::{Common, Lang, terminal};
use crate::error::Failure;
use crate::site::{self, Question};

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    common: Common,
    /// FHIR id or identifier (medical record number) of the patient
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// Answer language
    #[arg(long, value_enum, default_value = "auto")]
    lang: Lang,
    /// Answer as if it were this time (RFC 3339): for audits and tests
    #[arg(long, value_name = "TIME")]
    now: Option<jiff::Timestamp>,
    /// The question, Korean or English
    question: String,
}

pub(crate) fn run(args: &AskArgs) -> Result<ExitCode, Failure> {
    let question = Question {
        text: args.question.clone(),
        patient: args.patient.clone(),
        language: match args.lang {
            Lang::Ko => Some(haechi_ask::plan::Language::Ko),
            Lang::En => Some(haechi_ask::plan::Language::En),
            Lang::Auto => None,
        },
        now: args.now,
    };
    let answer = site::reach(args.common.home.clone())?.ask(&question)?;
    if args.common.json {
        terminal::json(&answer)?;
    } else {
        terminal::line(&in_words(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer as a person reads it: sentences, then where each comes from, then what to know besides.
pub(crate) fn in_words(answer: &Answer) -> String {
    let korean = answer.language == "ko";
    let mut text = answer.answer.clone();
    if !answer.citations.is_empty() {
        text.push('\n');
    }
    for citation in &answer.citations {
        let date = citation.date.as_deref().map(|date| format!("  {date}")).unwrap_or_default();
        let quote: String = citation.quote.chars().take(120).collect();
        text.push_str(&format!(
            "\n  [{}] {}  {}{date}\n      \"{quote}\"",
            citation.id, citation.source, citation.r#where
        ));
    }
    if let Some(as_of) = &answer.as_of {
        text.push_str(&format!("\n\n{} {as_of}", if korean { "기록 기준 시각:" } else { "Record as of" }));
    }
    if !answer.feeds.is_empty() {
        let each: Vec<_> = answer.feeds.iter().map(|(feed, at)| format!("{feed} {at}")).collect();
        let head =
            if korean { "피드별 마지막 반영 메시지:" } else { "Newest message in the record by feed:" };
        text.push_str(&format!("\n{head} {}", each.join(", ")));
    }
    for warning in &answer.warnings {
        text.push_str(&format!("\n! {warning}"));
    }
    if !answer.dropped.is_empty() {
        let count = answer.dropped.len();
        text.push_str(&if korean {
            format!("\n근거로 확인되지 않아 보이지 않은 문장: {count}개")
        } else {
            format!("\nSentences held back because the evidence does not carry them: {count}")
        });
    }
    text
}
