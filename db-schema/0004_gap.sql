-- Schema version 4: recordings with gaps.

-- Ranges of missing exits: the imported trace had lost events of theirs. The first exit after a gap has a keyframe; the
-- state of the devices before it, where known, is the snapshot of exit `last`.
CREATE TABLE gap (
  first INTEGER PRIMARY KEY,  -- exit.id
  last INTEGER NOT NULL,      -- exit.id
  events INTEGER NOT NULL     -- that were lost
) STRICT;
