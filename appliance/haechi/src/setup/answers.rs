//! What set-up wants to know: from a file, or asked one by one in a terminal; and the configuration file it makes.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Failure;

/// The one documented configuration file: every key with its default and its meaning.
const DOCUMENTED: &str = include_str!("../../../../docs/src/haechi.toml");

/// `--answers FILE`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Answers {
    /// Name of the site.
    pub(crate) name: Option<String>,
    /// IANA time zone.
    pub(crate) time_zone: Option<String>,
    /// Host names and addresses of this machine, as they stand in its certificate.
    pub(crate) names: Vec<String>,
    /// Networks or addresses whose machines may reach it.
    pub(crate) networks: Vec<String>,
    /// Where the FHIR API listens; left out: it is off.
    pub(crate) fhir_listen: Option<SocketAddr>,
    /// SHA-256 of each token that may use it.
    pub(crate) fhir_tokens_sha256: Vec<String>,
    /// Where images are taken; left out: they are not.
    pub(crate) dicom_listen: Option<SocketAddr>,
    /// AE titles that may send.
    pub(crate) dicom_callers: Vec<String>,
    /// The HL7 v2 feeds.
    pub(crate) feed: Vec<Feed>,
    /// GGUF file to install; left out: none.
    pub(crate) model: Option<PathBuf>,
    /// What the model computes on.
    pub(crate) accelerator: Accelerator,
}

/// `[[feed]]` of the answers; the configuration file has more to say about each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Feed {
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    /// "none", "server" or "mutual".
    #[serde(default = "server")]
    pub(crate) tls: String,
    pub(crate) silent_after_minutes: Option<u64>,
}

fn server() -> String {
    "server".to_owned()
}

/// What the model computes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Accelerator {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU: its devices become visible to the model role.
    Nvidia,
}

impl Answers {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |why: String| {
            Failure::new("HAECHI-0183", format_args!("the answers cannot be used: {why}"))
                .file(path)
                .effect("nothing was changed")
                .remedy("correct the file; docs, \"Install\", shows one")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }

    /// Asks a person.
    pub(crate) fn ask(input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Self, Failure> {
        let mut ask = Asker { input, out };
        let mut answers = Self { name: Some(ask.line("Name of the site", "Haechi")?), ..Self::default() };
        answers.time_zone = Some(ask.line("Time zone", "Asia/Seoul")?);
        answers.names = ask.list("Host names and addresses of this machine, for its certificate", "localhost")?;
        answers.networks = ask.list("Networks whose machines may reach it (10.1.0.0/16 …; empty: nobody)", "")?;
        if !answers.networks.is_empty() {
            loop {
                let name = ask.line("Name of an HL7 feed (empty: no more)", "")?;
                if name.is_empty() {
                    break;
                }
                let listen = ask.parsed("  address and port at which it comes in", "0.0.0.0:2575")?;
                let tls =
                    ask.line("  encrypted? none, server, or mutual (the sender shows a certificate too)", "server")?;
                answers.feed.push(Feed { name, listen, tls, silent_after_minutes: None });
            }
            if ask.line("FHIR API over HTTPS? yes or no", "no")?.starts_with('y') {
                answers.fhir_listen = Some(ask.parsed("  address and port", "0.0.0.0:8443")?);
                answers.fhir_tokens_sha256 =
                    ask.list("  SHA-256 of each token that may use it (printf %s TOKEN | sha256sum)", "")?;
            }
        }
        let model = ask.line("Model file to install (GGUF; empty: none)", "")?;
        answers.model = (!model.is_empty()).then(|| PathBuf::from(model));
        Ok(answers)
    }

    /// The configuration file: the documented one with what was answered.
    pub(crate) fn configuration(&self) -> String {
        let mut text = DOCUMENTED.replacen(
            "in the state folder",
            "of this appliance; `haechi setup --apply` puts changes into force",
            1,
        );
        let mut set = |section: &str, key: &str, value: Option<String>| {
            if let Some(value) = value {
                text = with(&text, section, key, &value);
            }
        };
        set("site", "name", self.name.as_deref().map(quoted));
        set("site", "time-zone", self.time_zone.as_deref().map(quoted));
        set("tls", "names", (!self.names.is_empty()).then(|| list(&self.names)));
        set("door", "allow", (!self.networks.is_empty()).then(|| list(&self.networks)));
        set("serve", "listen", self.fhir_listen.map(|address| quoted(&address.to_string())));
        set("serve", "tokens-sha256", (!self.fhir_tokens_sha256.is_empty()).then(|| list(&self.fhir_tokens_sha256)));
        set("dicom", "listen", self.dicom_listen.map(|address| quoted(&address.to_string())));
        set("dicom", "callers", (!self.dicom_callers.is_empty()).then(|| list(&self.dicom_callers)));
        let file = self.model.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        set("model", "file", file.map(quoted));
        for feed in &self.feed {
            text.push_str(&format!(
                "\n[[feed]]\nname = {}\nlisten = \"{}\"\ntls = {}\n",
                quoted(&feed.name),
                feed.listen,
                quoted(&feed.tls)
            ));
            if let Some(minutes) = feed.silent_after_minutes {
                text.push_str(&format!("silent-after-minutes = {minutes}\n"));
            }
        }
        text
    }
}

struct Asker<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl Asker<'_> {
    fn line(&mut self, question: &str, usual: &str) -> Result<String, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new("HAECHI-0184", format_args!("the terminal is gone: {error}")).effect("nothing was changed")
        };
        let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
        write!(self.out, "{question}{shown}: ").and_then(|()| self.out.flush()).map_err(failed)?;
        let mut line = String::new();
        if self.input.read_line(&mut line).map_err(failed)? == 0 {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let line = line.trim();
        Ok(if line.is_empty() { usual.to_owned() } else { line.to_owned() })
    }

    fn list(&mut self, question: &str, usual: &str) -> Result<Vec<String>, Failure> {
        let line = self.line(question, usual)?;
        Ok(line.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    fn parsed(&mut self, question: &str, usual: &str) -> Result<SocketAddr, Failure> {
        loop {
            if let Ok(address) = self.line(question, usual)?.parse() {
                return Ok(address);
            }
            let _ = writeln!(self.out, "  that is no address and port (example: 0.0.0.0:2575)");
        }
    }
}

/// `text` as a TOML string: JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// `text` with the line of `key` in `section`, in force or commented out, replaced.
fn with(text: &str, section: &str, key: &str, value: &str) -> String {
    let (mut inside, mut done) = (false, false);
    let mut out = String::with_capacity(text.len() + value.len());
    for line in text.lines() {
        let bare = line.trim_start_matches('#');
        if bare.starts_with('[') {
            inside = bare == format!("[{section}]");
        }
        if inside && !done && bare.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")) {
            out.push_str(&format!("{key} = {value}\n"));
            done = true;
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn answers() -> Answers {
        toml::from_str(
            r#"
            name = "St. \"Mary\""
            time-zone = "Asia/Seoul"
            names = ["haechi.example", "10.9.8.7"]
            networks = ["10.9.8.0/24"]
            fhir-listen = "10.9.8.7:8443"
            fhir-tokens-sha256 = ["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"]
            dicom-listen = "0.0.0.0:11112"
            dicom-callers = ["CT1"]
            model = "/media/usb/clinic.gguf"
            [[feed]]
            name = "lab"
            listen = "10.9.8.7:2575"
            silent-after-minutes = 60
            "#,
        )
        .unwrap()
    }

    #[test]
    fn every_answer_stands_in_the_configuration_beside_its_words() {
        let text = answers().configuration();
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.site.name, "St. \"Mary\"");
        assert_eq!(config.tls.names, ["haechi.example", "10.9.8.7"]);
        assert_eq!(config.door.allow, ["10.9.8.0/24"]);
        assert_eq!(config.model.file.as_deref(), Some("clinic.gguf"));
        assert_eq!(config.dicom.callers, ["CT1"]);
        assert_eq!(config.serve.tokens().unwrap().len(), 1);
        let listeners: Vec<String> = config.listeners().iter().map(ToString::to_string).collect();
        assert_eq!(listeners, ["mllp:2575=10.9.8.7:2575", "https=10.9.8.7:8443", "dicom=0.0.0.0:11112"]);
        assert_eq!(config.feed[0].silent_after_minutes, Some(60));
        assert!(text.matches('#').count() > 50, "the words stay");
    }

    #[test]
    fn no_answers_are_the_documented_defaults() {
        let config = Config::parse(&Answers::default().configuration()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn a_person_is_asked_and_may_take_what_is_usual() {
        let lines = "Clinic\n\n\n10.0.0.0/8, 192.168.1.5\nlab\nnonsense\n\nmutual\n\nno\n\n";
        let mut out = Vec::new();
        let asked = Answers::ask(&mut lines.as_bytes(), &mut out).unwrap();
        assert_eq!(asked.name.as_deref(), Some("Clinic"));
        assert_eq!(asked.time_zone.as_deref(), Some("Asia/Seoul"));
        assert_eq!(asked.networks, ["10.0.0.0/8", "192.168.1.5"]);
        assert_eq!(
            (asked.feed[0].listen.to_string(), asked.feed[0].tls.as_str()),
            ("0.0.0.0:2575".to_owned(), "mutual")
        );
        assert!(String::from_utf8(out).unwrap().contains("no address and port"));
        assert!(
            Answers::ask(&mut "Clinic\n".as_bytes(), &mut Vec::new())
                .unwrap_err()
                .to_string()
                .starts_with("HAECHI-0184")
        );
    }

    #[test]
    fn an_unknown_answer_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answers.toml");
        std::fs::write(&file, "colour = 1").unwrap();
        let said = Answers::read(&file).unwrap_err().to_string();
        assert!(said.starts_with("HAECHI-0183") && said.contains("colour"), "{said}");
    }
}
