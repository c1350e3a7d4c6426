-- Schema version 5: what `hwaccl recover` needs to complete the recording of a recorder that died.

-- Where the writer stands in its rings: one row for each vCPU, replaced in every transaction of the writer, gone when the
-- recording is finished. ring: the ring file's identity; position: everything before it is in this database; decoder,
-- devices: the state with which decoding goes on there (tracer/checkpoint.h).
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY,     -- vcpu.id
  ring INTEGER NOT NULL,
  position INTEGER NOT NULL,
  decoder BLOB NOT NULL,
  devices BLOB NOT NULL
) STRICT;

-- Exits that `hwaccl recover` brought from the ring; NULL: the recorder finished the recording itself.
ALTER TABLE status ADD COLUMN recovered INTEGER;
