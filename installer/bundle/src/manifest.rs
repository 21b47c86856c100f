//! What a bundle is: a manifest and the files that it names, each a TUF target of its own.
//!
//! Targets have flat names, `KIND_NAME_VERSION_FILE`; no part but the last may hold `_`, so that a name reads in one way. The
//! digest of a bundle is the SHA-256 of its manifest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Largest manifest, in bytes: some hundred bytes a file.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Most files in one bundle.
pub const MAX_FILES: usize = 1_000;

/// The manifest's own FILE part.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What a bundle is for. Each kind has a signer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Weights of a language model: GGUF.
    Model,
    /// Documents of the evidence library.
    Evidence,
    /// Packages of the appliance.
    Software,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Model, Self::Evidence, Self::Software];

    /// The kind's name, also that of its TUF role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Evidence => "evidence",
            Self::Software => "software",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or("there are model, evidence and software".to_owned())
    }
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A bundle's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub format: u32,
    /// What it is for.
    pub kind: Kind,
    /// Name of the line of bundles, such as `clinic-7b`.
    pub name: String,
    /// Version in that line, such as `1.2.0`.
    pub version: String,
    /// When it was made.
    pub made: jiff::Timestamp,
    /// The file to open: of a model the GGUF file, of a set the first part.
    pub start: String,
    /// Its files.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads a manifest and checks every rule of this module.
    ///
    /// # Errors
    /// The rule that is broken, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(format!("it is larger than {MAX_MANIFEST_BYTES} bytes"));
        }
        // A newer format may have other fields: say that first.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format: Format =
            serde_json::from_slice(bytes).map_err(|error| format!("no JSON with a `format`: {error}"))?;
        if format.format != 1 {
            return Err(format!("its format is {}, and this appliance reads 1", format.format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !is_part(&self.name, 40) || self.name.contains('.') {
            return Err("`name` must be 1 to 40 of a-z, 0-9 and '-'".to_owned());
        }
        if !is_part(&self.version, 40) {
            return Err("`version` must be 1 to 40 of a-z, 0-9, '-' and '.'".to_owned());
        }
        if !(1..=MAX_FILES).contains(&self.files.len()) {
            return Err(format!("it must name 1 to {MAX_FILES} files"));
        }
        let mut names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|two| two.first() == two.last()) {
            return Err("it names a file twice".to_owned());
        }
        for file in &self.files {
            if !is_file_name(&file.name) || file.name == MANIFEST_FILE {
                return Err(
                    "a file's name must be 1 to 100 of letters, digits, '-', '_' and '.', not beginning with '.'"
                        .to_owned(),
                );
            }
            if !is_digest(&file.sha256) {
                return Err("a file's `sha256` must be 64 digits of 0-9 and a-f".to_owned());
            }
        }
        if !self.files.iter().any(|file| file.name == self.start) {
            return Err("`start` must be one of the files".to_owned());
        }
        if self.kind == Kind::Model && !self.start.ends_with(".gguf") {
            return Err("`start` of a model must be a GGUF file".to_owned());
        }
        Ok(())
    }

    /// The target's name of one of its files.
    #[must_use]
    pub fn target(&self, file: &str) -> String {
        format!("{}_{}_{}_{file}", self.kind, self.name, self.version)
    }

    /// The target's name of the manifest.
    #[must_use]
    pub fn own_target(&self) -> String {
        self.target(MANIFEST_FILE)
    }

    /// All its bytes, without the manifest.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// True for a name that stands for a file of one folder and nothing else.
pub(crate) fn is_file_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// True for a SHA-256 as it is written here.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_part(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"format":1,"kind":"model","name":"clinic-7b","version":"1.2.0","made":"2026-11-25T00:00:00Z",
        "start":"a.gguf","files":[{"name":"a.gguf","bytes":4,"sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]}"#;

    #[test]
    fn a_manifest_is_read_back_and_its_rules_are_kept() {
        let manifest = Manifest::read(GOOD.as_bytes()).unwrap();
        assert_eq!(manifest.own_target(), "model_clinic-7b_1.2.0_manifest.json");
        assert_eq!(Manifest::read(&serde_json::to_vec(&manifest).unwrap()).unwrap(), manifest);
        for (from, to, said) in [
            ("\"format\":1", "\"format\":2", "format is 2"),
            ("clinic-7b", "clinic_7b", "`name`"),
            ("clinic-7b", "../x", "`name`"),
            ("1.2.0", "1_2", "`version`"),
            ("1.2.0", "", "`version`"),
            ("\"name\":\"a.gguf\"", "\"name\":\"../a.gguf\"", "file's name"),
            ("\"name\":\"a.gguf\"", "\"name\":\"manifest.json\"", "file's name"),
            ("\"name\":\"a.gguf\"", "\"name\":\".gguf\"", "file's name"),
            ("\"start\":\"a.gguf\"", "\"start\":\"b.gguf\"", "`start`"),
            ("\"sha256\":\"0", "\"sha256\":\"g", "`sha256`"),
            ("\"files\":[", "\"more\":1,\"files\":[", "unknown field"),
            ("\"bytes\":4", "\"bytes\":-4", "invalid value"),
        ] {
            let error = Manifest::read(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
