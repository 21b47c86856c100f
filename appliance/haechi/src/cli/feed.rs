//! `haechi feed`: how the HL7 feeds do, and what to do about messages that could not be filed.

use std::process::ExitCode;

use clap::Subcommand;
use haechi_link::core::FeedRequest;

use super::{Common, terminal};
use crate::error::Failure;
use crate::site::{self, FeedLine, LetterShown, MessageShown};

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Every feed: what came, what was filed, what waits, what is dead
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Hold a feed's messages back from the record; they are acknowledged and wait
    Pause {
        #[command(flatten)]
        common: Common,
        /// Name of the feed
        feed: String,
    },
    /// Let a paused feed's messages go on
    Resume {
        #[command(flatten)]
        common: Common,
        /// Name of the feed
        feed: String,
    },
    /// Try messages that could not be filed once more: all, one feed's, or one
    Replay {
        #[command(flatten)]
        common: Common,
        /// Those of this feed
        #[arg(long, value_name = "NAME", conflicts_with = "message")]
        feed: Option<String>,
        /// This one
        #[arg(value_name = "NUMBER")]
        message: Option<u64>,
    },
    /// Messages that could not be filed, and why
    DeadLetters {
        #[command(flatten)]
        common: Common,
        /// Those of this feed
        #[arg(long, value_name = "NAME")]
        feed: Option<String>,
    },
    /// One feed by its name, or one message that is not in the record by its number
    Show {
        #[command(flatten)]
        common: Common,
        /// Name of a feed or number of a message
        what: String,
        /// Print the message too: it holds patient data
        #[arg(long)]
        content: bool,
    },
}

pub(crate) fn run(command: FeedCommand) -> Result<ExitCode, Failure> {
    match command {
        FeedCommand::List { common } => {
            let lines: Vec<FeedLine> = ask(&common, FeedRequest::List)?;
            say(&common, &lines, |lines| {
                let words: Vec<_> = lines.iter().map(FeedLine::in_words).collect();
                if words.is_empty() { "no feed is configured".to_owned() } else { words.join("\n") }
            })?;
        }
        FeedCommand::Pause { common, feed } => pause(&common, feed, true)?,
        FeedCommand::Resume { common, feed } => pause(&common, feed, false)?,
        FeedCommand::Replay { common, feed, message } => {
            let done: serde_json::Value = ask(&common, FeedRequest::Replay { feed, message })?;
            say(&common, &done, |done| format!("{} messages wait to be filed again", done["replayed"]))?;
        }
        FeedCommand::DeadLetters { common, feed } => {
            let letters: Vec<LetterShown> = ask(&common, FeedRequest::DeadLetters { feed })?;
            say(&common, &letters, |letters| {
                let words: Vec<_> = letters.iter().map(letter).collect();
                if words.is_empty() { "no message is dead".to_owned() } else { words.join("\n") }
            })?;
        }
        FeedCommand::Show { common, what, content } => match what.parse::<u64>() {
            Ok(message) => {
                let shown: MessageShown = ask(&common, FeedRequest::Message { message, content })?;
                say(&common, &shown, |shown| {
                    let head = match &shown.letter {
                        Some(dead) => letter(dead),
                        None => format!("message {} waits to be filed", shown.message),
                    };
                    let content = shown.content.as_deref().map(|content| format!("\n\n{content}"));
                    head + content.as_deref().unwrap_or_default()
                })?;
            }
            Err(_) => {
                let lines: Vec<FeedLine> = ask(&common, FeedRequest::List)?;
                let line = lines.into_iter().find(|line| line.state.name == what).ok_or_else(|| {
                    Failure::new("HAECHI-0151", format_args!("there is no feed \"{what}\" on this site"))
                        .remedy("`haechi feed list` shows the feeds")
                })?;
                say(&common, &line, FeedLine::in_words)?;
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn pause(common: &Common, feed: String, paused: bool) -> Result<(), Failure> {
    let line: FeedLine = ask(common, FeedRequest::Pause { feed, paused })?;
    say(common, &line, FeedLine::in_words)
}

fn ask<T: serde::de::DeserializeOwned>(common: &Common, request: FeedRequest) -> Result<T, Failure> {
    site::reach(common.home.clone())?.feed(request)
}

fn say<T: serde::Serialize>(common: &Common, value: &T, words: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    if common.json {
        return terminal::json(value);
    }
    terminal::line(&words(value));
    Ok(())
}

/// A dead letter for a terminal.
fn letter(shown: &LetterShown) -> String {
    let LetterShown { letter, came, died } = shown;
    let mut text = format!(
        "message {} of feed {}: {}, control id {}, received {came}, put aside {died}",
        letter.seq, letter.feed, letter.kind, letter.control_id
    );
    for reason in &letter.reasons {
        let place = [reason.segment.as_deref(), reason.field.as_deref()];
        let place: Vec<_> = place.into_iter().flatten().collect();
        text.push_str(&format!("\n  {}: {}", place.join(", "), reason.reason));
    }
    text
}
