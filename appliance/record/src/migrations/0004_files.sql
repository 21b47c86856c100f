-- Files of the store beside the record (files/), by the SHA-256 of their plain bytes.
CREATE TABLE file (
  digest   BLOB PRIMARY KEY,
  bytes    INTEGER NOT NULL,
  received INTEGER NOT NULL        -- ms since 1970
) WITHOUT ROWID;

-- Imaging studies, one for each patient number that instances of the study name: a study never mixes two patients.
CREATE TABLE imaging_study (
  row        INTEGER PRIMARY KEY,
  uid        TEXT NOT NULL,
  system     TEXT NOT NULL,        -- identifier system of number, or ''
  number     TEXT NOT NULL,        -- (0010,0020), or ''
  birth_date TEXT,
  sex        TEXT,
  id         TEXT NOT NULL UNIQUE, -- of its ImagingStudy
  patient    TEXT,                 -- logical id; NULL: nobody's yet
  why        TEXT,                 -- why it is nobody's
  changed    INTEGER,              -- ms since 1970, when it last changed without its ImagingStudy saying so yet; NULL: it does
  UNIQUE (uid, system, number)
);
CREATE INDEX imaging_study_waiting ON imaging_study (number) WHERE patient IS NULL;
CREATE INDEX imaging_study_changed ON imaging_study (changed) WHERE changed IS NOT NULL;

-- Instances, every version of them.
CREATE TABLE imaging_instance (
  row      INTEGER PRIMARY KEY,
  sop      TEXT NOT NULL,
  content  BLOB NOT NULL,          -- SHA-256 of the data set, without the file's own header
  study    INTEGER NOT NULL REFERENCES imaging_study (row),
  file     BLOB NOT NULL REFERENCES file (digest),
  current  INTEGER NOT NULL,       -- 1, or 0 for a version that another one replaced
  received INTEGER NOT NULL,
  source   TEXT NOT NULL,          -- file name or sender
  header   TEXT NOT NULL,          -- JSON, written and read by intake
  UNIQUE (sop, content)
);
CREATE INDEX imaging_instance_study ON imaging_instance (study) WHERE current = 1;
CREATE INDEX imaging_instance_file ON imaging_instance (file);
