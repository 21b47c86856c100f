-- Current version of each resource: its bytes as they came, and only the columns that reading by patient needs.
CREATE TABLE resource (
  row      INTEGER PRIMARY KEY,
  type     TEXT NOT NULL,
  id       TEXT NOT NULL,
  patient  TEXT,               -- logical id of the patient it is about, as referenced; NULL: nobody's
  version  INTEGER NOT NULL,   -- from 1
  received INTEGER NOT NULL,   -- ms since 1970, when this version came
  updated  TEXT,               -- meta.lastUpdated as written
  digest   BLOB NOT NULL,      -- SHA-256 of raw
  file     TEXT NOT NULL,
  origin   TEXT,               -- JSON of chart::Origin, for what came by HL7 v2
  raw      BLOB NOT NULL,
  UNIQUE (type, id)
);
CREATE INDEX resource_patient ON resource (patient) WHERE patient IS NOT NULL;

-- Versions that are not current.
CREATE TABLE past (
  resource INTEGER NOT NULL REFERENCES resource (row),
  version  INTEGER NOT NULL,
  received INTEGER NOT NULL,
  digest   BLOB NOT NULL,
  file     TEXT NOT NULL,
  origin   TEXT,
  raw      BLOB NOT NULL,
  PRIMARY KEY (resource, version)
) WITHOUT ROWID;

CREATE TABLE patient (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  birth_date TEXT,
  sex        TEXT
) WITHOUT ROWID;

CREATE TABLE identifier (
  value   TEXT NOT NULL,
  system  TEXT NOT NULL,
  patient TEXT NOT NULL,
  PRIMARY KEY (value, system, patient)
) WITHOUT ROWID;
CREATE INDEX identifier_patient ON identifier (patient);

-- `source` was merged into `target`; chains are followed when read.
CREATE TABLE merged (
  source TEXT PRIMARY KEY,
  target TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX merged_target ON merged (target);

-- HL7 v2 messages that were taken.
CREATE TABLE message (
  digest     BLOB PRIMARY KEY,
  control_id TEXT NOT NULL,
  received   INTEGER NOT NULL
) WITHOUT ROWID;

-- What import put aside. Never content.
CREATE TABLE reject (
  row      INTEGER PRIMARY KEY,
  digest   BLOB NOT NULL UNIQUE,
  patient  TEXT,
  item     TEXT NOT NULL,      -- JSON of chart::Rejected
  received INTEGER NOT NULL
);
CREATE INDEX reject_patient ON reject (patient) WHERE patient IS NOT NULL;

-- Words of what a patient's resources say, split by our own code (search.rs): FTS5's trigram tokenizer finds no two-syllable
-- Korean word and unicode61 no word with a particle behind it. Contentless: the words of one row of `resource`.
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, detail = none, tokenize = "unicode61 remove_diacritics 0");
