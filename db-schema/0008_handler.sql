-- Schema version 8: what the exit handler of another VMM needs to be replayed. The data of port and MMIO accesses are inputs
-- (port write, MMIO write: what the guest wrote) and effects (port read, MMIO read: what it was answered); their tables stay
-- as they are.

-- The fields of struct kvm_run beside registers and data, after KVM_RUN: a row where one differs from the row before, valid
-- for the exits up to the vCPU's next row. All NULL: not known from here on.
CREATE TABLE kvm_run (
  id INTEGER PRIMARY KEY,     -- exit.id
  ready_for_interrupt_injection INTEGER,
  if_flag INTEGER,
  request_interrupt_window INTEGER,
  immediate_exit INTEGER,
  cr8 INTEGER,
  apic_base INTEGER
) STRICT;

-- The VMM's own state before the entry that led to exit, in parts of the VMM's format; each is a sequence of pieces.
CREATE TABLE vmm_state (
  exit INTEGER NOT NULL,      -- exit.id, or one more than the vCPU's last
  name TEXT NOT NULL,         -- of the part, as the VMM calls it
  piece INTEGER NOT NULL,     -- from 0
  total INTEGER NOT NULL,     -- bytes of all pieces
  data BLOB NOT NULL,
  PRIMARY KEY (exit, name, piece)
) STRICT, WITHOUT ROWID;
