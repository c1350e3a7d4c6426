-- Schema version 3: what another VMM that embeds the tracer says beside its exits.

-- Marks that the VMM set. exit: the last one that came before the mark; NULL: none had.
CREATE TABLE mark (
  id INTEGER PRIMARY KEY,     -- vcpu * 2^40 + number
  vcpu INTEGER NOT NULL,
  exit INTEGER,               -- exit.id
  host_time INTEGER NOT NULL, -- ns since the recording began
  text TEXT NOT NULL
) STRICT;

-- What is known of the state at the entry to exit id and does not follow from the tables above: fields that a keyframe
-- leaves out because an exit did not know them, and RIP where the exit before did not know it. NULL: as there.
CREATE TABLE entry_state (
  id INTEGER PRIMARY KEY,     -- exit.id
  @page($ INTEGER)@
) STRICT;
