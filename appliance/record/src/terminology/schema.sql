-- An edition of a code system, with the days on which its codes are used.
CREATE TABLE edition (
  row        INTEGER PRIMARY KEY,
  system     TEXT NOT NULL,
  version    TEXT NOT NULL,
  valid_from TEXT,             -- YYYY-MM-DD, first day; NULL: always
  valid_to   TEXT,             -- last day; NULL: until further notice
  imported   INTEGER NOT NULL, -- ms since 1970
  UNIQUE (system, version)
);

-- One file of an edition. What it brought carries its number, so that loading it again replaces exactly that.
CREATE TABLE source (
  row      INTEGER PRIMARY KEY,
  edition  INTEGER NOT NULL REFERENCES edition (row),
  role     TEXT NOT NULL,
  file     TEXT NOT NULL,
  digest   BLOB NOT NULL,
  rows     INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  UNIQUE (edition, role)
);

-- `key`: the code as it is compared (System::key); `code`: as published.
CREATE TABLE concept (
  edition INTEGER NOT NULL,
  key     TEXT NOT NULL,
  code    TEXT NOT NULL,
  active  INTEGER NOT NULL,
  source  INTEGER NOT NULL,
  PRIMARY KEY (edition, key)
) WITHOUT ROWID;

CREATE TABLE designation (
  row        INTEGER PRIMARY KEY,
  edition    INTEGER NOT NULL,
  key        TEXT NOT NULL,
  language   TEXT NOT NULL,
  kind       TEXT NOT NULL,
  preferred  INTEGER NOT NULL,
  text       TEXT NOT NULL,
  foreign_id INTEGER,
  source     INTEGER NOT NULL
);
CREATE INDEX designation_concept ON designation (edition, key);
CREATE INDEX designation_foreign ON designation (foreign_id) WHERE foreign_id IS NOT NULL;

CREATE TABLE parent (
  edition INTEGER NOT NULL,
  key     TEXT NOT NULL,
  parent  TEXT NOT NULL,       -- key
  source  INTEGER NOT NULL,
  PRIMARY KEY (edition, key, parent)
) WITHOUT ROWID;

CREATE TABLE mapping (
  edition     INTEGER NOT NULL,
  key         TEXT NOT NULL,
  target      TEXT NOT NULL,   -- system
  target_key  TEXT NOT NULL,
  target_code TEXT NOT NULL,
  equivalence TEXT NOT NULL,
  source      INTEGER NOT NULL,
  PRIMARY KEY (edition, key, target, target_key)
) WITHOUT ROWID;
CREATE INDEX mapping_back ON mapping (target, target_key);

-- The words of designations, split as the record's are (search.rs).
CREATE VIRTUAL TABLE words USING fts5 (text, content = '', contentless_delete = 1, detail = none, tokenize = "unicode61 remove_diacritics 0");
