//! The feeds of a site: how each does, what waits, what is dead, and what an answer must say about that.

use haechi_intake::mllp::FeedSettings;
use haechi_link::core::FeedRequest;
use haechi_record::chart::Chart;
use haechi_record::queue::{DeadLetter, FeedState, Queue, Which};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Site;
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// Dead letters listed; the queue keeps all of them.
const LISTED: usize = 1_000;

/// One line of `haechi feed list`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeedLine {
    #[serde(flatten)]
    pub(crate) state: FeedState,
    /// When the last message came, RFC 3339 with the site's offset.
    #[serde(default)]
    pub(crate) last: Option<String>,
    /// Where it comes in; `None`: it is configured no more.
    pub(crate) listen: Option<String>,
    /// Longest time without a message that is usual, minutes.
    pub(crate) silent_after_minutes: Option<u64>,
    /// Whether it is silent longer than that.
    pub(crate) silent: bool,
}

/// `haechi feed show NUMBER`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageShown {
    pub(crate) message: u64,
    /// `waiting` or `dead`.
    pub(crate) state: String,
    pub(crate) letter: Option<LetterShown>,
    /// The message as text, if it was asked for.
    pub(crate) content: Option<String>,
}

/// A message that could not be filed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterShown {
    #[serde(flatten)]
    pub(crate) letter: DeadLetter,
    /// When it came and when it failed, RFC 3339 with the site's offset.
    pub(crate) came: String,
    pub(crate) died: String,
}

impl FeedLine {
    /// For a terminal.
    pub(crate) fn in_words(&self) -> String {
        let state = &self.state;
        let number = crate::cli::terminal::thousands;
        let standing = match (state.paused, self.silent, &self.listen) {
            (true, ..) => "paused",
            (false, true, _) => "SILENT",
            (false, false, None) => "not configured",
            (false, false, Some(_)) => "on",
        };
        let last = self.last.as_ref().map_or("nothing yet".to_owned(), |at| format!("last received {at}"));
        format!(
            "{:<16} {:<14} {:<22} {} received, {} processed, {} waiting, {} dead, {} refused, {} duplicates, {} reused ids; {last}",
            state.name,
            standing,
            self.listen.as_deref().unwrap_or("-"),
            number(state.received),
            number(state.processed),
            number(state.waiting),
            number(state.dead),
            number(state.refused),
            number(state.duplicates),
            number(state.reused_ids),
        )
    }
}

/// The queue's file, made only where feeds are configured.
pub(super) fn open_queue(
    home: &Home,
    config: &Config,
    key: &haechi_record::key::Key,
) -> Result<Option<Queue>, Failure> {
    let file = home.queue_file();
    if config.feed.is_empty() && !file.exists() {
        return Ok(None);
    }
    Ok(Some(Queue::open(&file, key)?))
}

impl Site {
    /// Every feed, configured or heard of before, by name.
    pub(crate) fn feed_lines(&self, now: Timestamp) -> Result<Vec<FeedLine>, Failure> {
        let mut states = match &self.queue {
            Some(queue) => queue.feeds()?,
            None => Vec::new(),
        };
        for feed in &self.config.feed {
            if !states.iter().any(|state| state.name == feed.name) {
                states.push(FeedState { name: feed.name.clone(), ..FeedState::default() });
            }
        }
        states.sort_by(|one, other| one.name.cmp(&other.name));
        let lines = states.into_iter().map(|state| {
            let feed = self.config.feed.iter().find(|feed| feed.name == state.name);
            let silent_after_minutes = feed.and_then(|feed| feed.silent_after_minutes);
            FeedLine {
                last: state.last_received.map(|at| self.local(at)),
                silent: silence(&state, silent_after_minutes, now).is_some(),
                listen: feed.map(|feed| feed.listen.to_string()),
                silent_after_minutes,
                state,
            }
        });
        Ok(lines.collect())
    }

    /// Answers what is asked about feeds, as JSON. `again`: told when messages wait again.
    pub(crate) fn feed(&self, request: &FeedRequest, again: &dyn Fn()) -> Result<serde_json::Value, Failure> {
        let value = match request {
            FeedRequest::List => serde_json::to_value(self.feed_lines(Timestamp::now())?),
            FeedRequest::Pause { feed, paused } => {
                self.known(feed)?;
                self.queue()?.write(|writer| writer.pause(feed, *paused))?;
                if !paused {
                    again();
                }
                let lines = self.feed_lines(Timestamp::now())?;
                serde_json::to_value(lines.into_iter().find(|line| line.state.name == *feed))
            }
            FeedRequest::DeadLetters { feed } => {
                if let Some(feed) = feed {
                    self.known(feed)?;
                }
                let which = feed.as_deref().map_or(Which::All, Which::Feed);
                let letters = self.queue()?.dead_letters(which, LISTED)?;
                serde_json::to_value(letters.into_iter().map(|letter| self.letter(letter)).collect::<Vec<_>>())
            }
            FeedRequest::Replay { feed, message } => {
                if let Some(feed) = feed {
                    self.known(feed)?;
                }
                let which = match (message, feed) {
                    (Some(message), _) => Which::Seq(*message),
                    (None, Some(feed)) => Which::Feed(feed),
                    (None, None) => Which::All,
                };
                let replayed = self.queue()?.write(|writer| writer.replay(which))?;
                if replayed == 0 && message.is_some() {
                    return Err(no_message());
                }
                again();
                serde_json::to_value(serde_json::json!({ "replayed": replayed }))
            }
            FeedRequest::Message { message, content } => {
                let queue = self.queue()?;
                let letter = queue.dead_letters(Which::Seq(*message), 1)?.pop().map(|letter| self.letter(letter));
                let raw = queue.raw(*message)?.ok_or_else(no_message)?;
                serde_json::to_value(MessageShown {
                    message: *message,
                    state: if letter.is_some() { "dead" } else { "waiting" }.to_owned(),
                    letter,
                    content: content.then(|| String::from_utf8_lossy(&raw).replace('\r', "\n")),
                })
            }
        };
        value
            .map_err(|error| Failure::new("HAECHI-0110", format_args!("the result cannot be written as JSON: {error}")))
    }

    /// What the reader of an answer about this patient must know about feeds.
    pub(super) fn feed_warnings(&self, chart: &Chart, korean: bool, now: Timestamp) -> Result<Vec<String>, Failure> {
        let Some(queue) = &self.queue else { return Ok(Vec::new()) };
        let mut warnings = Vec::new();
        for line in self.feed_lines(now)? {
            if let Some(silence) = silence(&line.state, line.silent_after_minutes, now) {
                warnings.push(silent_words(&line.state.name, silence, korean));
            }
        }
        let numbers: Vec<String> = chart.patient.identifiers.iter().map(|(_, value)| value.clone()).collect();
        let pending = queue.pending(&numbers)?;
        let (waiting, dead) = (pending.waiting, pending.dead);
        if waiting > 0 {
            warnings.push(if korean {
                format!("이 환자에 관한 메시지 {waiting}건이 도착했으나 아직 기록에 반영되지 않았습니다.")
            } else {
                format!("Messages about this patient that came and are not in the record yet: {waiting}.")
            });
        }
        if dead > 0 {
            warnings.push(if korean {
                format!("이 환자에 관한 메시지 {dead}건은 처리되지 못하여 기록에 없습니다.")
            } else {
                format!("Messages about this patient that could not be processed and are not in the record: {dead}.")
            });
        }
        Ok(warnings)
    }

    /// The feeds as the server is told, and how to read what waits from one that is configured no more.
    pub(crate) fn feed_settings(&self) -> Result<Vec<FeedSettings>, Failure> {
        self.config.feeds().map_err(|problem| Failure::new("HAECHI-0104", problem).file(&self.home.config_file()))
    }

    fn letter(&self, letter: DeadLetter) -> LetterShown {
        LetterShown { came: self.local(letter.received), died: self.local(letter.failed), letter }
    }

    fn queue(&self) -> Result<&Queue, Failure> {
        self.queue.as_ref().ok_or_else(|| {
            Failure::new("HAECHI-0150", "no feed is configured on this site")
                .file(&self.home.config_file())
                .remedy("describe one under [[feed]]; docs/src/feeds.md shows how")
        })
    }

    fn known(&self, feed: &str) -> Result<(), Failure> {
        if self.feed_lines(Timestamp::now())?.iter().any(|line| line.state.name == feed) {
            return Ok(());
        }
        Err(Failure::new("HAECHI-0151", format_args!("there is no feed \"{feed}\" on this site"))
            .effect("nothing was changed")
            .remedy("`haechi feed list` shows the feeds"))
    }
}

fn no_message() -> Failure {
    Failure::new("HAECHI-0152", "no message with this number waits or is dead")
        .effect("nothing was changed")
        .remedy("`haechi feed dead-letters` lists the numbers; a message that was filed is in the record")
}

/// How long a feed has been silent, if that is longer than usual. One that never said anything is silent from the start.
fn silence(state: &FeedState, after_minutes: Option<u64>, now: Timestamp) -> Option<Option<SignedDuration>> {
    let after = SignedDuration::from_mins(i64::try_from(after_minutes?).unwrap_or(i64::MAX / 60));
    match state.last_received {
        None => Some(None),
        Some(last) => {
            let silent = now.duration_since(last);
            (silent > after).then_some(Some(silent))
        }
    }
}

fn silent_words(feed: &str, silence: Option<SignedDuration>, korean: bool) -> String {
    let Some(silence) = silence else {
        return if korean {
            format!("피드 {feed}에서 아직 아무 메시지도 오지 않았습니다. 기록에 빠진 내용이 있을 수 있습니다.")
        } else {
            format!("Feed {feed} has brought nothing yet: the record may lack what it would bring.")
        };
    };
    let minutes = silence.as_mins();
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let said = |words: [&str; 3], between: &str| {
        let parts = [(days, words[0]), (hours, words[1]), (minutes, words[2])];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).take(2);
        parts.map(|(count, word)| format!("{count}{between}{word}")).collect::<Vec<_>>().join(" ")
    };
    if korean {
        let said = said(["일", "시간", "분"], "");
        format!("피드 {feed}에서 {said} 동안 메시지가 오지 않았습니다. 최근 내용이 빠져 있을 수 있습니다.")
    } else {
        let said = said(["d", "h", "min"], " ");
        format!("Feed {feed} silent for {said}: newer data may be missing.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_in_the_language_of_the_question() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let state = |minutes: i64| FeedState {
            last_received: Some(now - SignedDuration::from_mins(minutes)),
            ..FeedState::default()
        };
        assert_eq!(silence(&state(500), None, now), None, "a feed may be silent unless the site says otherwise");
        assert_eq!(silence(&state(60), Some(60), now), None);
        let long = silence(&state(190), Some(60), now).unwrap();
        assert_eq!(silent_words("lab", long, false), "Feed lab silent for 3 h 10 min: newer data may be missing.");
        assert!(silent_words("lab", long, true).starts_with("피드 lab에서 3시간 10분 동안"));
        let days = silence(&state(1440 * 2), Some(60), now).unwrap();
        assert!(silent_words("lab", days, false).starts_with("Feed lab silent for 2 d:"));
        let never = silence(&FeedState::default(), Some(60), now).unwrap();
        assert_eq!(never, None);
        assert!(silent_words("lab", never, false).contains("nothing yet"));
    }
}
