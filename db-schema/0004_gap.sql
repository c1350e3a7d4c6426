-- Schema version 4: recordings with holes.

-- Exits that are not there although the recording goes on behind them: an imported trace had lost events of theirs. The
-- exit behind a gap has a keyframe; the devices' state before it, where that is known, is the snapshot of exit `last`.
CREATE TABLE gap (
  first INTEGER PRIMARY KEY,  -- exit.id
  last INTEGER NOT NULL,      -- exit.id
  events INTEGER NOT NULL     -- that were lost
) STRICT;
