-- Messages that were acknowledged and are not in the record yet, in the order in which they came. A row leaves when the
-- record has committed what the message says; the record's table `message` is what makes that exactly once.
CREATE TABLE waiting (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
  feed       TEXT NOT NULL,
  received   INTEGER NOT NULL,    -- ms since 1970, our clock
  digest     BLOB NOT NULL UNIQUE,-- SHA-256 of raw
  control_id TEXT NOT NULL,       -- MSH-10
  kind       TEXT NOT NULL,       -- MSH-9 as `ADT^A01`
  about      TEXT NOT NULL,       -- JSON: the patient numbers that it names
  raw        BLOB NOT NULL
);

-- Messages that cannot be filed, until somebody replays or drops them.
CREATE TABLE dead (
  seq        INTEGER PRIMARY KEY,
  feed       TEXT NOT NULL,
  received   INTEGER NOT NULL,
  failed     INTEGER NOT NULL,    -- when it was put here
  digest     BLOB NOT NULL UNIQUE,
  control_id TEXT NOT NULL,
  kind       TEXT NOT NULL,
  about      TEXT NOT NULL,
  reasons    TEXT NOT NULL,       -- JSON list of chart::Rejected
  raw        BLOB NOT NULL
);

-- Which messages of both tables name a patient number.
CREATE TABLE about (
  value TEXT NOT NULL,
  seq   INTEGER NOT NULL,
  PRIMARY KEY (value, seq)
) WITHOUT ROWID;

CREATE TABLE feed (
  name           TEXT PRIMARY KEY,
  paused         INTEGER NOT NULL DEFAULT 0,
  received       INTEGER NOT NULL DEFAULT 0, -- messages acknowledged and new
  duplicates     INTEGER NOT NULL DEFAULT 0, -- acknowledged again
  refused        INTEGER NOT NULL DEFAULT 0, -- answered AE or AR
  reused_ids     INTEGER NOT NULL DEFAULT 0, -- control id seen before with other bytes
  processed      INTEGER NOT NULL DEFAULT 0,
  died           INTEGER NOT NULL DEFAULT 0, -- became dead letters, replays included
  dropped        INTEGER NOT NULL DEFAULT 0, -- dead letters that a person let go
  last_received  INTEGER,
  last_processed INTEGER
) WITHOUT ROWID;
