-- What was done about whose a chart is, in order. Rows are only added: a merge that is taken back is a row of its own.
CREATE TABLE merge_event (
  number INTEGER PRIMARY KEY,
  kind   TEXT NOT NULL,        -- 'merge', 'unmerge', 'move'
  source TEXT NOT NULL,        -- logical id of the patient who was merged, or from whom a visit was moved
  target TEXT NOT NULL,
  visit  TEXT,                 -- logical id of the Encounter that was moved
  at     INTEGER NOT NULL,     -- ms since 1970, when this site learned it
  origin TEXT NOT NULL,        -- the message or file that said so, or the user
  reason TEXT
);
INSERT INTO merge_event (kind, source, target, at, origin) SELECT 'merge', source, target, 0, 'an earlier release' FROM merged;

-- The message that an item was part of, so that the same message read again can name what it left out.
ALTER TABLE reject ADD COLUMN message BLOB;
CREATE INDEX reject_message ON reject (message) WHERE message IS NOT NULL;
