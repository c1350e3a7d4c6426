-- Schema version 3: recordings of other VMMs, which embed the tracer.

-- Marks that the VMM set. exit: the last one before the mark; NULL: there was none.
CREATE TABLE mark (
  id INTEGER PRIMARY KEY,     -- vcpu * 2^40 + number
  vcpu INTEGER NOT NULL,
  exit INTEGER,               -- exit.id
  host_time INTEGER NOT NULL, -- ns since the recording began
  text TEXT NOT NULL
) STRICT;

-- Known fields of the state at the entry to exit id that cannot be derived from the tables above: fields that the
-- keyframe omits because an exit lacked them, and RIP where the previous exit lacked it. NULL: as in those tables.
CREATE TABLE entry_state (
  id INTEGER PRIMARY KEY,     -- exit.id
  @page($ INTEGER)@
) STRICT;
