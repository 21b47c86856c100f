//! What a site says about one feed.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::subnet::Subnet;
use crate::hl7::{self, Hl7Settings};

/// One feed.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    /// Its name: stands in sources of facts, in logs and counters.
    pub name: String,
    /// The listener at which its connections come, as the door calls it.
    pub listener: String,
    /// Where its connections come from; empty: from anywhere.
    pub from: Vec<Subnet>,
    /// How its messages are read.
    pub hl7: Hl7Settings,
    /// Message types that are taken; empty: all that are read.
    pub accept: Vec<Accepted>,
    /// Who decides how messages are acknowledged.
    pub acknowledge: Acknowledge,
    /// Longest message, in bytes; at most [`hl7::MAX_MESSAGE_BYTES`].
    pub longest: usize,
    /// A connection on which nothing came for so long is closed.
    pub idle: Duration,
    /// Connections at once.
    pub connections: usize,
    /// A feed from which nothing came for so long is said to be silent; `None`: it may be.
    pub silent_after: Option<Duration>,
}

impl FeedSettings {
    /// How closely `peer` matches: the bits of the smallest network of this feed that it is in.
    #[must_use]
    pub fn takes(&self, peer: IpAddr) -> Option<u8> {
        if self.from.is_empty() {
            return Some(0);
        }
        self.from.iter().filter_map(|network| network.holds(peer)).max()
    }
}

/// A message type that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// MSH-9.1.
    pub kind: String,
    /// MSH-9.2; `None`: any.
    pub trigger: Option<String>,
}

impl Accepted {
    /// Whether a message of this type and event is meant.
    #[must_use]
    pub fn is(&self, kind: &str, trigger: &str) -> bool {
        self.kind == kind && self.trigger.as_deref().is_none_or(|only| only == trigger)
    }
}

impl FromStr for Accepted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, trigger) = match text.split_once('^') {
            Some((kind, trigger)) => (kind, Some(trigger)),
            None => (text, None),
        };
        let (kind, trigger) = (kind.to_ascii_uppercase(), trigger.map(str::to_ascii_uppercase));
        let is_event = |event: &String| event.len() == 3 && event.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !hl7::reads(&kind, "").0 || !trigger.as_ref().is_none_or(is_event) {
            return Err(format!("\"{text}\" is no message type that is read (examples: ADT, ORU^R01)"));
        }
        Ok(Self { kind, trigger })
    }
}

/// How messages are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// By what each message says in MSH-15 and MSH-16; original mode where both are empty.
    #[default]
    AsAsked,
    /// AA, AE, AR for every message, whatever it says.
    Original,
    /// CA, CE, CR by MSH-15, for every message where that is empty.
    Enhanced,
}
