-- Schema version 5: `hwaccl recover` completes the recording of a recorder that died.

-- The writer's position in its rings: one row for each vCPU, replaced in every transaction of the writer and deleted when
-- the recording is finished. ring: identity of the ring file; position: everything before it is in this database;
-- decoder, devices: the state with which decoding continues there (tracer/database/checkpoint.h).
CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY,     -- vcpu.id
  ring INTEGER NOT NULL,
  position INTEGER NOT NULL,
  decoder BLOB NOT NULL,
  devices BLOB NOT NULL
) STRICT;

-- Number of exits that `hwaccl recover` took from the ring; NULL: the recorder finished the recording itself.
ALTER TABLE status ADD COLUMN recovered INTEGER;
