-- Schema version 7: what a report about a failed guest needs.

-- Blocks of exits: each begins at a keyframe, or where the one before it was full, and ends before the next one. The
-- writer adds a block when it has written the last of its exits, so that the newest exits may belong to none; older
-- recordings have none until `hwaccl upgrade` adds them.
CREATE TABLE block (
  id INTEGER PRIMARY KEY,     -- exit.id of the first exit
  last INTEGER NOT NULL,      -- exit.id
  exits INTEGER NOT NULL,
  rip_min INTEGER,            -- of all exits, as unsigned numbers; NULL: none is known
  rip_max INTEGER
) STRICT;

-- How many exits of a block have one value of a kind, and their times.
CREATE TABLE block_count (
  kind INTEGER NOT NULL,      -- names of kind block_count
  value INTEGER NOT NULL,     -- basic exit reason, port, offered vector or outcome.number; -1: not known
  block INTEGER NOT NULL,     -- block.id
  exits INTEGER NOT NULL,
  timed INTEGER NOT NULL,     -- exits with host_handler
  host_guest INTEGER NOT NULL,-- sums, minima and maxima of exit.host_guest and exit.host_handler
  host_guest_min INTEGER NOT NULL,
  host_guest_max INTEGER NOT NULL,
  host_handler INTEGER NOT NULL,
  host_handler_min INTEGER NOT NULL,
  host_handler_max INTEGER NOT NULL,
  PRIMARY KEY (kind, value, block)
) STRICT, WITHOUT ROWID;
INSERT INTO names SELECT 'block_count', * FROM (VALUES
  (0, 'reason'), (1, 'port'), (2, 'vector'), (3, 'outcome'));

-- The processor time of the vCPU's thread beside the host's clock: before the entry that led to a keyframe's exit, before
-- and after the wait of HLT in the handling of an exit, and after the last exit.
CREATE TABLE thread_time (
  exit INTEGER NOT NULL,      -- exit.id; that of exit 0 for the end of a recording without exits
  moment INTEGER NOT NULL,    -- names of kind thread_time
  host_time INTEGER NOT NULL, -- ns since the recording began
  host_cpu INTEGER NOT NULL,  -- ns of processor time of the thread
  PRIMARY KEY (exit, moment)
) STRICT, WITHOUT ROWID;
INSERT INTO names SELECT 'thread_time', * FROM (VALUES
  (0, 'keyframe'), (1, 'wait'), (2, 'resumed'), (3, 'end'));
