-- Schema version 1. A migration never changes once a release has it.
--
-- Placeholders: @SET(text)@ stands for the text once per field of the set, $ being the field's name, with commas between.
-- Sets: page (exit information and general registers), handled (page without rip and rax), system, segment; for the
-- views information, general (without rip and rax) and registers (all). In a migration, the fields are those of its
-- version (field_lists.c); in the views, those of the field table.
--
-- Exits are keyed by id = vcpu * 2^40 + number: with one vCPU, number 0, the id is the exit's number.
-- 64-bit values are the signed integer with the same bits; printf('0x%x', value) shows them as they are.
-- Columns that begin with host_ are times of the host, ns. With a virtual clock everything else is a function of the
-- guest image and the options.

CREATE TABLE option (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the state of the recording.
CREATE TABLE status (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  status INTEGER NOT NULL,            -- recording_status.number
  keyframe_interval INTEGER NOT NULL, -- exits
  end_status INTEGER,                 -- end_status.number; NULL while running
  end_code INTEGER,
  end_message TEXT,
  problem TEXT                        -- why it is incomplete; NULL when it is not
) STRICT;

CREATE TABLE vcpu (id INTEGER PRIMARY KEY) STRICT;

-- One row for each exit. A field of the state that is NULL has the value in the preceding keyframe (the one with the
-- greatest id <= this id): no chain of deltas has to be followed.
CREATE TABLE exit (
  id INTEGER PRIMARY KEY,
  @page($ INTEGER)@,
  rip_advance INTEGER,      -- RIP of the next entry minus rip; NULL: the next entry was not recorded
  next_rax INTEGER,           -- RAX of the next entry; NULL: as at the exit. Other changes: handler_change
  verdict INTEGER,            -- verdict.number
  outcome INTEGER,            -- outcome.number; NULL: its handling was not finished
  clock INTEGER,              -- guest clock, ns, minus that of the keyframe; it is input 0. NULL: not read
  instruction INTEGER,        -- instruction.id: the one that exited, as the handler read it. NULL: not read
  instruction_input INTEGER,  -- which input that was; NULL: input 1
  host_entry INTEGER,         -- entry to the guest, minus that of the keyframe
  host_guest INTEGER,         -- time in the guest
  host_handler INTEGER        -- time of handling
) STRICT;

-- The other fields that handling changed between the exit and the next entry; NULL: unchanged.
CREATE TABLE handler_change (
  id INTEGER PRIMARY KEY,     -- exit.id
  @handled($ INTEGER)@
) STRICT;

-- The state at the entry that led to exit id, once every keyframe_interval exits.
CREATE TABLE keyframe (
  id INTEGER PRIMARY KEY,     -- exit.id
  clock INTEGER NOT NULL,     -- guest clock, ns, that exits count from
  host_entry INTEGER NOT NULL,-- ns since the recording began, that exits count from
  @page($ INTEGER)@
) STRICT;

-- Fields that change rarely: a full row whenever a field of the table changed, and at keyframes. A row is valid from
-- moment at = 2 * id (entry) or 2 * id + 1 (exit) on.

-- Control registers, EFER, SYSENTER, FS, GS, TR, LDTR, GDTR and IDTR: they change with the mode or the task.
CREATE TABLE system_registers (
  at INTEGER PRIMARY KEY,
  @system($ INTEGER)@
) STRICT;

-- CS, SS, DS and ES: they change with every interrupt in real mode.
CREATE TABLE segment_registers (
  at INTEGER PRIMARY KEY,
  @segment($ INTEGER)@
) STRICT;

-- The pending-interrupts page at the exit, where it is not empty. Vector v: bit v % 64 of word v / 64.
CREATE TABLE pending (
  id INTEGER PRIMARY KEY,     -- exit.id
  word0 INTEGER NOT NULL,
  word1 INTEGER NOT NULL,
  word2 INTEGER NOT NULL,
  word3 INTEGER NOT NULL
) STRICT;

-- A vector that was offered before the entry that led to exit id.
CREATE TABLE irq_handoff (
  id INTEGER PRIMARY KEY,     -- exit.id
  vector INTEGER NOT NULL,
  taken INTEGER,              -- 1: by the subject; 0: it went back to the trap manager; NULL: not recorded
  host_offered INTEGER NOT NULL, -- ns since the recording began
  host_settled INTEGER
) STRICT;

-- Instructions that handlers read, each once.
CREATE TABLE instruction (
  id INTEGER PRIMARY KEY,
  address INTEGER NOT NULL,   -- guest-physical
  code_bits INTEGER NOT NULL, -- 16, 32 or 64
  bytes BLOB NOT NULL,        -- as many as the handler read; the instruction may be shorter
  text TEXT NOT NULL,
  UNIQUE (address, code_bits, bytes)
) STRICT;

-- What handling read, except clock and instruction (columns of exit), and what it did, in order of sequence.
CREATE TABLE input (
  exit INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  kind INTEGER NOT NULL,      -- input_kind.number
  address INTEGER NOT NULL,
  value INTEGER NOT NULL,
  data BLOB,
  PRIMARY KEY (exit, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE effect (
  exit INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  kind INTEGER NOT NULL,      -- effect_kind.number
  address INTEGER NOT NULL,
  value INTEGER NOT NULL,
  data BLOB,
  PRIMARY KEY (exit, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_field (
  id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  field TEXT NOT NULL,
  size INTEGER NOT NULL       -- bytes; 1, 2, 4 and 8 are numbers, others BLOBs
) STRICT;

-- Exits after which the state of the devices was saved.
CREATE TABLE device_snapshot (exit INTEGER PRIMARY KEY) STRICT;

-- Fields that changed since the previous snapshot; all fields at the first one.
CREATE TABLE device_state (
  exit INTEGER NOT NULL,      -- device_snapshot.exit
  field INTEGER NOT NULL,     -- device_field.id
  value ANY NOT NULL,
  PRIMARY KEY (exit, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_state_by_field ON device_state (field, exit);

CREATE TABLE moment (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
INSERT INTO moment VALUES (0, 'entry'), (1, 'exit');

-- Names of numbers, for the views. Those of numbers that the core declares (exit_reason, verdict, outcome, end_status,
-- input_kind, effect_kind, channel) come from its tables: see tracer/database/schema.c.
CREATE TABLE names (
  kind TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (kind, number)
) STRICT, WITHOUT ROWID;
INSERT INTO names SELECT 'recording_status', * FROM (VALUES
  (0, 'complete'), (1, 'incomplete'), (2, 'running'));
INSERT INTO names SELECT 'msr', * FROM (VALUES
  (0x10, 'IA32_TIME_STAMP_COUNTER'), (0x17, 'IA32_PLATFORM_ID'), (0x1b, 'IA32_APIC_BASE'), (0x3a,
  'IA32_FEATURE_CONTROL'), (0x79, 'IA32_BIOS_UPDT_TRIG'), (0x8b, 'IA32_BIOS_SIGN_ID'), (0xfe, 'IA32_MTRRCAP'),
  (0x174, 'IA32_SYSENTER_CS'), (0x175, 'IA32_SYSENTER_ESP'), (0x176, 'IA32_SYSENTER_EIP'), (0x179, 'IA32_MCG_CAP'),
  (0x17a, 'IA32_MCG_STATUS'), (0x1a0, 'IA32_MISC_ENABLE'), (0x1d9, 'IA32_DEBUGCTL'), (0x200, 'IA32_MTRR_PHYSBASE0'),
  (0x201, 'IA32_MTRR_PHYSMASK0'), (0x202, 'IA32_MTRR_PHYSBASE1'), (0x203, 'IA32_MTRR_PHYSMASK1'), (0x204,
  'IA32_MTRR_PHYSBASE2'), (0x205, 'IA32_MTRR_PHYSMASK2'), (0x206, 'IA32_MTRR_PHYSBASE3'), (0x207,
  'IA32_MTRR_PHYSMASK3'), (0x208, 'IA32_MTRR_PHYSBASE4'), (0x209, 'IA32_MTRR_PHYSMASK4'), (0x20a,
  'IA32_MTRR_PHYSBASE5'), (0x20b, 'IA32_MTRR_PHYSMASK5'), (0x20c, 'IA32_MTRR_PHYSBASE6'), (0x20d,
  'IA32_MTRR_PHYSMASK6'), (0x20e, 'IA32_MTRR_PHYSBASE7'), (0x20f, 'IA32_MTRR_PHYSMASK7'), (0x250,
  'IA32_MTRR_FIX64K_00000'), (0x258, 'IA32_MTRR_FIX16K_80000'), (0x259, 'IA32_MTRR_FIX16K_A0000'), (0x268,
  'IA32_MTRR_FIX4K_C0000'), (0x269, 'IA32_MTRR_FIX4K_C8000'), (0x26a, 'IA32_MTRR_FIX4K_D0000'), (0x26b,
  'IA32_MTRR_FIX4K_D8000'), (0x26c, 'IA32_MTRR_FIX4K_E0000'), (0x26d, 'IA32_MTRR_FIX4K_E8000'), (0x26e,
  'IA32_MTRR_FIX4K_F0000'), (0x26f, 'IA32_MTRR_FIX4K_F8000'), (0x277, 'IA32_PAT'), (0x2ff, 'IA32_MTRR_DEF_TYPE'),
  (0x6e0, 'IA32_TSC_DEADLINE'), (0xc0000080, 'IA32_EFER'), (0xc0000081, 'IA32_STAR'), (0xc0000082, 'IA32_LSTAR'),
  (0xc0000083, 'IA32_CSTAR'), (0xc0000084, 'IA32_FMASK'), (0xc0000100, 'IA32_FS_BASE'), (0xc0000101,
  'IA32_GS_BASE'), (0xc0000102, 'IA32_KERNEL_GS_BASE'), (0xc0000103, 'IA32_TSC_AUX'));
INSERT INTO names SELECT 'general_register', * FROM (VALUES
  (0, 'rax'), (1, 'rcx'), (2, 'rdx'), (3, 'rbx'), (4, 'rsp'), (5, 'rbp'), (6, 'rsi'), (7, 'rdi'), (8, 'r8'), (9,
  'r9'), (10, 'r10'), (11, 'r11'), (12, 'r12'), (13, 'r13'), (14, 'r14'), (15, 'r15'));
