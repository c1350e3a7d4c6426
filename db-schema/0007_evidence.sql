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

-- The guest's memory at the end of the run, if it was kept. Pages of a range without a row in memory_page are zeros;
-- everything outside the ranges is unknown. Pages have 4096 bytes.
CREATE TABLE memory_range (
  address INTEGER PRIMARY KEY,  -- guest-physical
  size INTEGER NOT NULL,        -- bytes
  writable INTEGER NOT NULL     -- 0: ROM
) STRICT;
CREATE TABLE memory_page (
  address INTEGER PRIMARY KEY,
  page INTEGER NOT NULL         -- page.id
) STRICT;
CREATE TABLE page (
  id INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL,         -- of the bytes
  zstd BLOB NOT NULL            -- the bytes, compressed
) STRICT;

-- The fault chain: before a triple fault, each event whose delivery failed, and those delivered in the same run before.
CREATE TABLE fault (
  exit INTEGER NOT NULL,      -- exit.id
  sequence INTEGER NOT NULL,  -- from 0
  source INTEGER NOT NULL,    -- names of kind event_source
  vector INTEGER NOT NULL,
  error_code INTEGER,         -- NULL: it has none
  cr2 INTEGER,                -- of a page fault
  cs INTEGER NOT NULL,        -- selector, with rip: the instruction that faulted, or before which the interrupt was taken
  rip INTEGER NOT NULL,
  step INTEGER NOT NULL,      -- names of kind delivery_step: where the delivery failed
  address INTEGER,            -- linear, of what that step looked at; of a delivered event the handler's RIP
  value INTEGER,              -- what was read there
  bound INTEGER,              -- the limit that was exceeded
  raised INTEGER,             -- vector of what the delivery raised; with an error code and CR2 if it has them
  raised_error_code INTEGER,
  raised_cr2 INTEGER,
  PRIMARY KEY (exit, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO names SELECT 'event_source', * FROM (VALUES
  (0, 'external interrupt'),
  (1, 'exception'),
  (2, 'software interrupt'));
INSERT INTO names SELECT 'delivery_step', * FROM (VALUES
  (0, 'delivered'),
  (1, 'IDT limit'),
  (2, 'page fault at the IDT'),
  (3, 'gate type'),
  (4, 'gate DPL below CPL'),
  (5, 'gate not present'),
  (6, 'null code selector'),
  (7, 'code selector beyond its table'),
  (8, 'page fault at the code descriptor'),
  (9, 'selector of no code segment'),
  (10, 'code segment DPL above CPL'),
  (11, 'code segment not of 64 bits'),
  (12, 'code segment not present'),
  (13, 'TSS limit'),
  (14, 'page fault at the TSS'),
  (15, 'null stack selector'),
  (16, 'stack selector beyond its table'),
  (17, 'page fault at the stack descriptor'),
  (18, 'stack segment not writable data'),
  (19, 'stack segment of another privilege'),
  (20, 'stack segment not present'),
  (21, 'stack pointer not canonical'),
  (22, 'no room in the stack segment'),
  (23, 'page fault at the stack'),
  (24, 'handler beyond the code segment'),
  (25, 'task gate or virtual-8086 mode: not followed'),
  (26, 'memory not known'));
