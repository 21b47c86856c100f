//! `[[feed]]`: what a site says about one HL7 v2 feed.

use std::net::SocketAddr;
use std::time::Duration;

use haechi_intake::hl7::{self, Hl7Settings};
use haechi_intake::mllp::{Acknowledge, FeedSettings};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Config;

/// `[[feed]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Feed {
    /// Stands in sources of facts, logs and counters: 1 to 32 of a-z, 0-9 and '-'.
    pub(crate) name: String,
    /// Address and port at which it comes in. Feeds with the same one are told apart by `from`.
    pub(crate) listen: SocketAddr,
    /// Networks or addresses from which its connections come. Default: any.
    #[serde(default)]
    pub(crate) from: Vec<String>,
    /// Message types that are taken, as "ADT" or "ORU^R01". Default: all that are read.
    #[serde(default)]
    pub(crate) accept: Vec<String>,
    /// How messages are acknowledged. Default: "as-asked".
    #[serde(default)]
    pub(crate) acknowledge: Mode,
    /// Whether its connections are encrypted. Default: "none".
    #[serde(default)]
    pub(crate) tls: Transport,
    /// PEM file of the authorities whose certificates senders show, for `tls = "mutual"`. Default: the site's own.
    pub(crate) client_roots: Option<std::path::PathBuf>,
    /// Character set used whatever MSH-18 says. Default: that of [intake.hl7].
    pub(crate) charset_override: Option<String>,
    /// What to assume when MSH-18 is empty. Default: that of [intake.hl7].
    pub(crate) assume_charset: Option<String>,
    /// Zone of times without an offset. Default: that of the site.
    pub(crate) time_zone: Option<String>,
    /// Assigning authority of patient numbers whose PID-3 names none. Default: that of [intake.hl7].
    pub(crate) assigning_authority: Option<String>,
    /// Longest message, in bytes. Default: 16777216, which is also the most.
    #[serde(default = "longest")]
    pub(crate) max_message_bytes: usize,
    /// A connection on which nothing came for so many minutes is closed. Default: 1440.
    #[serde(default = "a_day")]
    pub(crate) idle_minutes: u64,
    /// Connections at once. Default: 32.
    #[serde(default = "connections")]
    pub(crate) connections: usize,
    /// A feed from which nothing came for so many minutes is said to be silent. Default: never.
    pub(crate) silent_after_minutes: Option<u64>,
}

/// How messages are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    #[default]
    AsAsked,
    Original,
    Enhanced,
}

/// Whether connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    /// They are not.
    #[default]
    None,
    /// We show a certificate.
    Server,
    /// Both sides do.
    Mutual,
}

fn longest() -> usize {
    hl7::MAX_MESSAGE_BYTES
}
fn a_day() -> u64 {
    24 * 60
}
fn connections() -> usize {
    32
}

/// Longest name: it stands in listeners, logs and labels.
const MAX_NAME: usize = 32;
/// Most connections of a feed: as many as the door lets in over one listener.
const MAX_CONNECTIONS: usize = 512;

impl Feed {
    /// The name of its listener, as the door is told.
    pub(crate) fn listener(&self) -> String {
        format!("mllp:{}", self.listen.port())
    }

    /// What the server is told about it.
    fn settings(&self, config: &Config, zone: &TimeZone) -> Result<FeedSettings, String> {
        let wrong = |key: &str, why: String| format!("feed \"{}\": {key}: {why}", self.name);
        let usable = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=MAX_NAME).contains(&self.name.len()) || !self.name.bytes().all(usable) {
            return Err(wrong("name", format!("use 1 to {MAX_NAME} of a-z, 0-9 and '-'")));
        }
        if !(1024..=hl7::MAX_MESSAGE_BYTES).contains(&self.max_message_bytes) {
            let why = format!("it must be 1024 to {}", hl7::MAX_MESSAGE_BYTES);
            return Err(wrong("max-message-bytes", why));
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(wrong("connections", format!("it must be 1 to {MAX_CONNECTIONS}")));
        }
        if self.idle_minutes == 0 || self.silent_after_minutes == Some(0) {
            return Err(wrong("idle-minutes, silent-after-minutes", "they must be at least 1".to_owned()));
        }
        let read = &config.intake.hl7;
        let charset_override = self.charset_override.as_ref().or(read.charset_override.as_ref());
        let assume_charset = self.assume_charset.as_ref().unwrap_or(&read.assume_charset);
        for charset in charset_override.into_iter().chain([assume_charset]) {
            if !hl7::knows_charset(charset) {
                return Err(wrong("charset", format!("\"{charset}\" is no character set known here")));
            }
        }
        let zone = match &self.time_zone {
            Some(name) => TimeZone::get(name)
                .map_err(|_| wrong("time-zone", format!("\"{name}\" is no IANA time zone (example: Asia/Seoul)")))?,
            None => zone.clone(),
        };
        let from = self.from.iter().map(|text| text.parse()).collect::<Result<_, String>>();
        let accept = self.accept.iter().map(|text| text.parse()).collect::<Result<_, String>>();
        let minutes = |count: u64| Duration::from_secs(count.saturating_mul(60));
        Ok(FeedSettings {
            name: self.name.clone(),
            listener: self.listener(),
            from: from.map_err(|why| wrong("from", why))?,
            hl7: Hl7Settings {
                charset_override: charset_override.cloned(),
                assume_charset: assume_charset.clone(),
                zone,
                assigning_authority: self.assigning_authority.as_ref().unwrap_or(&read.assigning_authority).clone(),
            },
            accept: accept.map_err(|why| wrong("accept", why))?,
            acknowledge: match self.acknowledge {
                Mode::AsAsked => Acknowledge::AsAsked,
                Mode::Original => Acknowledge::Original,
                Mode::Enhanced => Acknowledge::Enhanced,
            },
            longest: self.max_message_bytes,
            idle: minutes(self.idle_minutes),
            connections: self.connections,
            silent_after: self.silent_after_minutes.map(minutes),
        })
    }
}

impl Config {
    /// All feeds, checked against each other.
    pub(crate) fn feeds(&self) -> Result<Vec<FeedSettings>, String> {
        let zone = self.zone()?;
        for (at, feed) in self.feed.iter().enumerate() {
            for other in self.feed.iter().take(at) {
                if feed.name == other.name {
                    return Err(format!("there are two feeds \"{}\"", feed.name));
                }
                if feed.listen.port() != other.listen.port() {
                    continue;
                }
                let both = format!("feeds \"{}\" and \"{}\"", other.name, feed.name);
                if feed.listen != other.listen {
                    return Err(format!("{both} have one port at different addresses; give them different ports"));
                }
                if (feed.tls, &feed.client_roots) != (other.tls, &other.client_roots) {
                    return Err(format!("{both} come in at one address and must have the same tls"));
                }
                let same = |one: &String| other.from.contains(one);
                if (feed.from.is_empty() && other.from.is_empty()) || feed.from.iter().any(same) {
                    return Err(format!("{both} cannot be told apart: give each networks of its own under `from`"));
                }
            }
        }
        self.feed.iter().map(|feed| feed.settings(self, &zone)).collect()
    }

    /// Where feeds come in: name for the door and address, each once.
    pub(super) fn feed_listeners(&self) -> Vec<haechi_door::Listener> {
        let mut all: Vec<haechi_door::Listener> = Vec::new();
        for feed in &self.feed {
            let listener = haechi_door::Listener { name: feed.listener(), address: feed.listen };
            if !all.contains(&listener) {
                all.push(listener);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_says_what_differs_from_the_site() {
        let config = Config::parse(
            "[intake.hl7]\nassume-charset = \"utf-8\"\nassigning-authority = \"H\"\n\
             [[feed]]\nname = \"lab\"\nlisten = \"0.0.0.0:2575\"\nfrom = [\"10.1.0.0/16\"]\ncharset-override = \"cp949\"\n\
             accept = [\"ORU^R01\"]\nacknowledge = \"enhanced\"\nsilent-after-minutes = 30\n\
             [[feed]]\nname = \"adt\"\nlisten = \"0.0.0.0:2575\"\ntime-zone = \"Europe/Rome\"\n",
        )
        .unwrap();
        let feeds = config.feeds().unwrap();
        assert_eq!(feeds[0].hl7.charset_override.as_deref(), Some("cp949"));
        assert_eq!((feeds[0].hl7.assume_charset.as_str(), feeds[0].hl7.assigning_authority.as_str()), ("utf-8", "H"));
        assert_eq!(feeds[0].silent_after, Some(Duration::from_secs(1800)));
        assert_eq!(feeds[0].acknowledge, Acknowledge::Enhanced);
        assert_eq!(feeds[1].hl7.zone.iana_name(), Some("Europe/Rome"));
        assert_eq!(config.listeners(), ["mllp:2575=0.0.0.0:2575".parse::<haechi_door::Listener>().unwrap()]);
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_feed() {
        let feed = |name: &str, more: &str| format!("[[feed]]\nname = \"{name}\"\nlisten = \"0.0.0.0:2575\"\n{more}\n");
        for (text, word) in [
            (feed("Lab", ""), "name"),
            (feed("lab", "from = [\"ward\"]"), "ward"),
            (feed("lab", "accept = [\"MFN\"]"), "MFN"),
            (feed("lab", "charset-override = \"klingon\""), "klingon"),
            (feed("lab", "time-zone = \"Mars\""), "Mars"),
            (feed("lab", "max-message-bytes = 99999999"), "max-message-bytes"),
            (feed("lab", "idle-minutes = 0"), "idle-minutes"),
            (feed("lab", "connections = 100000"), "connections"),
            (feed("lab", "colour = 1"), "colour"),
            (feed("lab", "") + &feed("lab", ""), "two feeds"),
            (feed("lab", "") + &feed("adt", ""), "told apart"),
            (feed("lab", "") + &feed("adt", "from = [\"10.0.0.1\"]\ntls = \"server\""), "same tls"),
            (feed("lab", "") + "[[feed]]\nname = \"adt\"\nlisten = \"127.0.0.1:2575\"\n", "one port"),
        ] {
            let problem = Config::parse(&text).unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }
}
