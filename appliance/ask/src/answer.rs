//! The answer as the command line, the page and the doors show it (the JSON contract of `haechi ask --json`).

use serde::{Deserialize, Serialize};

/// One answer. Serialized as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// All sentences, with `[n]` after each.
    pub answer: String,
    /// True if the evidence does not carry an answer: the text then says what was searched.
    pub abstained: bool,
    /// `ko` or `en`.
    pub language: String,
    /// The sentences.
    pub claims: Vec<Claim>,
    /// What they cite.
    pub citations: Vec<Citation>,
    /// When the newest data used for this patient was received, RFC 3339 in the site's time zone. `None` only where no patient is asked.
    pub as_of: Option<String>,
    /// Each feed that brought something about this patient, and when its newest message in the record came, RFC 3339 in the
    /// site's time zone. Filled in by whoever knows the feeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<(String, String)>,
    /// What the reader must know besides: rejected items, silent feeds, conflicts.
    pub warnings: Vec<String>,
    /// Sentences that the gate held back.
    pub dropped: Vec<Dropped>,
    /// The model that worded anything, or that would have.
    pub model: Option<ModelInfo>,
    /// Milliseconds.
    pub timings_ms: Timings,
    /// Sequence number in the audit chain, once there is one.
    pub audit: Option<String>,
}

/// One sentence and the evidence that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The sentence, without citation marks.
    pub text: String,
    /// [`Citation::id`]s; never empty.
    pub citations: Vec<u32>,
}

/// A place in the record (or library) that can be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// From 1, in order of first use.
    pub id: u32,
    /// FHIR reference: `Observation/abc`.
    pub source: String,
    /// `record`, `library`, `calculator` or `model`.
    pub kind: String,
    /// The words or digits copied from there.
    pub quote: String,
    /// FHIR element, and HL7 segment and field if it came by HL7: `valueQuantity (OBX[2]-5)`.
    pub r#where: String,
    /// When it happened, in the site's time zone, as precise as recorded.
    pub date: Option<String>,
}

/// A sentence that was not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The sentence.
    pub text: String,
    /// Why.
    pub why: String,
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name from the file's metadata.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Driver: `native-cpu` ...
    pub driver: String,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Reading the chart and choosing evidence.
    pub retrieve: u64,
    /// Until the first token of the model; 0 if it was not asked.
    pub first_token: u64,
    /// All.
    pub total: u64,
}
