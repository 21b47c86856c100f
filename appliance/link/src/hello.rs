//! The first two frames of a connection: who speaks, and which version. The caller says [`Hello`]; the role answers [`Welcome`].
//!
//! These two shapes never change, in no version: a peer of any age can read why it is refused.

use serde::{Deserialize, Serialize};

/// The version of the messages. It grows with every change that an older peer would misread.
pub const PROTOCOL: u32 = 1;

/// What the caller says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its [`PROTOCOL`].
    pub haechi_link: u32,
    /// The role it wants to speak to: `core`, `model`.
    pub to: String,
    /// Its release, for the sentence that explains a refusal.
    pub release: String,
}

/// What the role answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Its [`PROTOCOL`].
    pub haechi_link: u32,
    /// Its name.
    pub role: String,
    /// Its release.
    pub release: String,
    /// Why it will not talk; absent if it will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Hello {
    /// The greeting of this release to `role`.
    #[must_use]
    pub fn to(role: &str) -> Self {
        Self { haechi_link: PROTOCOL, to: role.to_owned(), release: release() }
    }
}

impl Welcome {
    /// The answer of the role `role` to a greeting.
    #[must_use]
    pub fn answer(hello: &Hello, role: &str) -> Self {
        let refused = if hello.haechi_link != PROTOCOL {
            Some(other_version(role, PROTOCOL, &release(), hello.haechi_link, &hello.release))
        } else if hello.to != role {
            Some(format!("this is the socket of `{role}`, not of `{}`", short(&hello.to)))
        } else {
            None
        };
        Self { haechi_link: PROTOCOL, role: role.to_owned(), release: release(), refused }
    }

    /// The answer to a caller that is turned away before it is heard.
    #[must_use]
    pub fn turned_away(role: &str, why: &str) -> Self {
        Self { haechi_link: PROTOCOL, role: role.to_owned(), release: release(), refused: Some(why.to_owned()) }
    }

    /// Why the caller must not go on, if so. An old role may welcome a version that it does not know yet: the caller checks too.
    #[must_use]
    pub fn obstacle(&self, wanted: &str) -> Option<String> {
        if let Some(why) = &self.refused {
            return Some(why.clone());
        }
        if self.haechi_link != PROTOCOL {
            return Some(other_version(
                &short(&self.role),
                self.haechi_link,
                &short(&self.release),
                PROTOCOL,
                &release(),
            ));
        }
        (self.role != wanted).then(|| format!("this is the socket of `{}`, not of `{wanted}`", short(&self.role)))
    }
}

fn release() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn other_version(role: &str, its: u32, its_release: &str, ours: u32, our_release: &str) -> String {
    format!(
        "`{role}` (release {its_release}) speaks version {its} of the role messages, the caller (release {}) version {ours}; \
         restart the appliance so that all roles are of one release",
        short(our_release)
    )
}

/// A peer's own words are quoted only so far.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_release_is_welcome() {
        let welcome = Welcome::answer(&Hello::to("model"), "model");
        assert_eq!((welcome.refused.as_deref(), welcome.obstacle("model")), (None, None));
    }

    #[test]
    fn another_version_gets_a_sentence() {
        let old = Hello { haechi_link: 0, to: "core".to_owned(), release: "0.0.9".to_owned() };
        let why = Welcome::answer(&old, "core").obstacle("core").unwrap();
        assert!(why.contains("release 0.0.9") && why.contains("version 0") && why.contains("restart"), "{why}");
        let newer = Welcome { haechi_link: 9, role: "core".to_owned(), release: "9.0".to_owned(), refused: None };
        assert!(newer.obstacle("core").unwrap().contains("version 9"));
    }

    #[test]
    fn the_wrong_socket_is_named() {
        let why = Welcome::answer(&Hello::to("core"), "model").obstacle("core").unwrap();
        assert_eq!(why, "this is the socket of `model`, not of `core`");
    }

    #[test]
    fn unknown_fields_of_later_versions_are_no_obstacle_to_the_sentence() {
        let later = r#"{"haechi_link":7,"to":"core","release":"2.0","mood":"sunny"}"#;
        assert!(Welcome::answer(&serde_json::from_str(later).unwrap(), "core").refused.is_some());
    }
}
