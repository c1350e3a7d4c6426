-- Schema version 6: page walks. To find the instruction that exited, handlers read the same page tables over and over;
-- each such sequence of reads is stored once.
CREATE TABLE walk (
  id INTEGER PRIMARY KEY,
  reads BLOB NOT NULL UNIQUE  -- by which the writer finds it: all of walk_read
) STRICT;

CREATE TABLE walk_read (
  walk INTEGER NOT NULL,      -- walk.id
  sequence INTEGER NOT NULL,  -- from 0
  address INTEGER NOT NULL,   -- guest-physical
  data BLOB NOT NULL,         -- 4 or 8 bytes, as read
  PRIMARY KEY (walk, sequence)
) STRICT, WITHOUT ROWID;

-- walk.id: inputs 1 and following; if instruction_input is NULL, the instruction is the next one. NULL: no page walk
ALTER TABLE exit ADD COLUMN walk INTEGER;
