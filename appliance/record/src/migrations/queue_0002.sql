-- The control ids of the newest messages, so that one that comes again with other bytes is noticed after a restart too. A ring:
-- the newest takes the row of the oldest, so that writing stays in one place and the table has one size.
CREATE TABLE control_id (
  slot   INTEGER PRIMARY KEY,
  number INTEGER NOT NULL, -- counts up for ever
  id     INTEGER NOT NULL, -- eight bytes that stand for feed, sender and MSH-10
  digest INTEGER NOT NULL  -- eight bytes of the message's SHA-256
);
