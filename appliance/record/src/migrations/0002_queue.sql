-- How fresh each patient is by each feed, written in the transaction that files a message.
CREATE TABLE fed (
  patient   TEXT NOT NULL,     -- logical id, as the message names the patient
  feed      TEXT NOT NULL,
  received  INTEGER NOT NULL,  -- ms since 1970, when the newest filed message came
  processed INTEGER NOT NULL,  -- when it was filed
  PRIMARY KEY (patient, feed)
) WITHOUT ROWID;
