-- Schema version 9: what a VMM does beside its exits.

-- Lanes: threads of a VMM whose exits and calls are recorded, each in its own order. A recording that has none is of one
-- thread for each vCPU.
CREATE TABLE lane (
  id INTEGER PRIMARY KEY,     -- vcpu.id of the vCPU that the thread runs; 2^16 and more: it runs none
  host_process INTEGER,       -- of the thread, as its recorder sees it; NULL: not known
  host_thread INTEGER,
  name TEXT                   -- of the thread
) STRICT;

-- One sequence over all lanes counts exits and calls, from 1: when the VMM got the exit, or made the call.
ALTER TABLE exit ADD COLUMN sequence INTEGER; -- NULL: not recorded

-- Calls that the VMM made: ioctl(2) of KVM's descriptors, except KVM_RUN, which is an exit.
CREATE TABLE vmm_call (
  sequence INTEGER PRIMARY KEY,
  lane INTEGER NOT NULL,      -- lane.id
  exit INTEGER,               -- exit.id: the lane's last one before the call; NULL: there was none
  role INTEGER NOT NULL,      -- of the descriptor: names of kind descriptor_role
  object INTEGER,             -- of a vCPU vcpu.id; of a VM or device its number in its process, from 0 in the order of creation; NULL:
                              -- the only one, or not known
  request INTEGER NOT NULL,
  argument INTEGER,           -- the third argument, where it is a number; NULL: an address, or none
  input BLOB,                 -- what the kernel read there, and behind addresses in it, before the call; NULL: nothing, all of
                              -- it is in output, or not recorded
  input_size INTEGER NOT NULL, -- bytes; more than input has where that was truncated
  output BLOB,                -- the same after the call; NULL: the kernel wrote nothing there, or not recorded
  output_size INTEGER NOT NULL,
  result INTEGER,             -- NULL: it did not return
  error INTEGER,              -- errno; NULL: none
  host_time INTEGER NOT NULL, -- ns since the recording began
  host_duration INTEGER       -- ns
) STRICT;
INSERT INTO names SELECT 'descriptor_role', * FROM (VALUES
  (0, 'unknown'), (1, 'system'), (2, 'vm'), (3, 'vcpu'), (4, 'device'));
