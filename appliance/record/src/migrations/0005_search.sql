-- The values that FHIR search compares, packed (index/extract.rs), lying by type and patient: a patient's search reads a few
-- neighbouring pages. `kind`, `place`: the first 8 bytes of SHA-256 of the type and of the patient's id; 0: nobody's.
CREATE TABLE facet (
  kind     INTEGER NOT NULL,
  place    INTEGER NOT NULL,
  row      INTEGER NOT NULL,
  received INTEGER NOT NULL,
  packed   BLOB NOT NULL,
  PRIMARY KEY (kind, place, row)
) WITHOUT ROWID;

-- Ways in that name no patient: codes and references, beginnings of words, dates.
CREATE TABLE facet_key (
  key   INTEGER NOT NULL,
  row   INTEGER NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (key, row)
) WITHOUT ROWID;
CREATE TABLE facet_word (
  param INTEGER NOT NULL,
  word  TEXT NOT NULL,
  row   INTEGER NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (param, word, row)
) WITHOUT ROWID;
CREATE TABLE facet_date (
  param INTEGER NOT NULL,
  low   INTEGER NOT NULL,
  high  INTEGER NOT NULL,
  row   INTEGER NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (param, low, high, row)
) WITHOUT ROWID;

-- Which table of parameters the values were packed by, and up to which row of `resource` that is done.
CREATE TABLE facet_state (
  fingerprint BLOB NOT NULL,
  done        INTEGER NOT NULL
);

-- A deleted resource keeps its row, with no bytes and no patient.
CREATE INDEX resource_deleted ON resource (row) WHERE raw = x'';
