//! `haechi.toml`: what a site may set. Read before anything is opened; unknown keys are refused.
//! The same words stand in docs/src/configuration.md.

pub(crate) mod dicom;
pub(crate) mod door;
pub(crate) mod feed;
mod import;
pub(crate) mod serve;
mod terminology;
pub(crate) mod tls;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::error::Failure;
use crate::home::Home;

/// What the file may say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// Version of this file's layout: 1.
    pub(crate) version: u32,
    pub(crate) site: Site,
    pub(crate) model: Model,
    pub(crate) intake: Intake,
    pub(crate) terminology: terminology::Terminology,
    pub(crate) feed: Vec<feed::Feed>,
    pub(crate) tls: tls::Tls,
    pub(crate) door: door::Door,
    pub(crate) dicom: dicom::Dicom,
    pub(crate) import: import::Import,
    pub(crate) serve: serve::Serve,
}

/// `[site]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Site {
    /// Shown in `haechi status`. Default: "Haechi".
    pub(crate) name: String,
    /// IANA time zone in which dates are shown, days begin, and HL7 times without an offset are read. Default: "Asia/Seoul".
    pub(crate) time_zone: String,
}

/// `[model]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Model {
    /// GGUF file, relative to the `models` folder of the home. Default: the only `.gguf` there.
    pub(crate) file: Option<String>,
    /// Threads for inference. Default: 0, which means every core.
    pub(crate) threads: usize,
    /// Keep each of these threads on a processor of its own. Default: false. Only where the processors belong to the model
    /// alone: one that has to share its processor holds up all others.
    pub(crate) pin_threads: bool,
    /// How finely activations are rounded: "standard" or "high". Default: "standard". "high" chooses the token that exact
    /// arithmetic would choose more often; prompts are read at about half the speed.
    pub(crate) precision: haechi_drivers::cpu::Precision,
    /// How keys and values of what was read are kept: "bf16" or "q8". Default: "bf16". "q8" (8 bits with a scale for each head and
    /// position) takes about half the memory, is less exact, and reads prompts more slowly.
    pub(crate) cache: haechi_drivers::cpu::CacheFormat,
    /// A small GGUF file of the same vocabulary that guesses ahead, relative to the `models` folder. Default: none. It
    /// changes speed and no answer.
    pub(crate) draft_file: Option<String>,
}

/// `[intake]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Intake {
    pub(crate) hl7: Hl7,
}

/// `[intake.hl7]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Hl7 {
    /// What to assume when a sender leaves MSH-18 (character set) empty and the bytes do not tell: "utf-8", "cp949", "iso-8859-1". Default: "cp949".
    pub(crate) assume_charset: String,
    /// Character set used whatever MSH-18 says, for senders that state a wrong one. Default: none.
    pub(crate) charset_override: Option<String>,
    /// Assigning authority of patient numbers whose PID-3 names none. Default: "SITE".
    pub(crate) assigning_authority: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: 1,
            site: Site::default(),
            model: Model::default(),
            intake: Intake::default(),
            terminology: terminology::Terminology::default(),
            feed: Vec::new(),
            tls: tls::Tls::default(),
            door: door::Door::default(),
            dicom: dicom::Dicom::default(),
            import: import::Import::default(),
            serve: serve::Serve::default(),
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self { name: "Haechi".to_owned(), time_zone: "Asia/Seoul".to_owned() }
    }
}

impl Default for Hl7 {
    fn default() -> Self {
        Self { assume_charset: "cp949".to_owned(), charset_override: None, assigning_authority: "SITE".to_owned() }
    }
}

impl Config {
    /// The home's configuration; the defaults where there is no file.
    pub(crate) fn load(home: &Home) -> Result<Self, Failure> {
        let path = home.config_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new("HAECHI-0103", format_args!("the configuration cannot be read: {error}"))
                    .file(&path)
                    .effect("nothing was started")
                    .remedy("make it readable for the user that runs haechi"));
            }
        };
        Self::parse(&text).map_err(|problem| {
            Failure::new("HAECHI-0104", format_args!("the configuration is wrong: {problem}"))
                .file(&path)
                .effect("nothing was started")
                .remedy("correct the line; docs/src/configuration.md lists every key with its default")
        })
    }

    /// # Errors
    /// The line and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if config.version != 1 {
            return Err(format!("version = {} is not known to this release (it reads version 1)", config.version));
        }
        config.zone()?;
        config.dicom.check()?;
        config.door.check()?;
        config.import.check()?;
        config.serve.tokens()?;
        let charsets = [Some(&config.intake.hl7.assume_charset), config.intake.hl7.charset_override.as_ref()];
        for charset in charsets.into_iter().flatten() {
            if !haechi_intake::hl7::knows_charset(charset) {
                return Err(format!("intake.hl7: \"{charset}\" is no character set known here"));
            }
        }
        config.feeds()?;
        Ok(config)
    }

    /// What the door opens.
    pub(crate) fn listeners(&self) -> Vec<haechi_door::Listener> {
        let https =
            self.serve.listen.map(|address| haechi_door::Listener { name: serve::LISTENER.to_owned(), address });
        let dicom =
            self.dicom.listen.map(|address| haechi_door::Listener { name: dicom::LISTENER.to_owned(), address });
        self.feed_listeners().into_iter().chain(https).chain(dicom).collect()
    }

    /// The site's time zone.
    pub(crate) fn zone(&self) -> Result<TimeZone, String> {
        TimeZone::get(&self.site.time_zone).map_err(|_| {
            format!("site.time-zone: \"{}\" is no IANA time zone (example: Asia/Seoul)", self.site.time_zone)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_the_default() {
        let example = include_str!("../../../docs/src/haechi.toml");
        let parsed = Config::parse(example).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn wrong_files_are_refused_with_the_key() {
        for (text, word) in [
            ("version = 2", "version = 2"),
            ("[site]\ntime-zone = \"Mars/Base\"", "Mars/Base"),
            ("[site]\ncolour = 1", "colour"),
            ("[import]\nsettle-s = 9999", "import.settle-s"),
            ("[import]\nwatch = \"\"", "import.watch"),
            ("[intake.hl7]\nassume-charset = \"klingon\"", "klingon"),
        ] {
            let problem = Config::parse(text).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
    }
}
