-- The documented interface of a recording, for the stock sqlite3 shell. See QUERIES.md.
--
-- vcpu and exit name an exit; id = vcpu * 2^40 + exit is the key that a point query should use: with one vCPU, number 0,
-- id and exit are the same. Addresses and registers are hexadecimal text, times are integers in ns.
-- All views are plain joins on keys; only those whose purpose is a sum sort or group.

-- The recording itself: options, host, versions, digests (as given by the recorder), and status.
CREATE VIEW recording AS
SELECT name, value FROM option WHERE name NOT IN ('host_cpuid', 'host_capabilities', 'host_kvm_parameters')
  AND name NOT GLOB 'host_file_[0-9]*'
UNION ALL SELECT 'status', recording_status.name
  FROM status LEFT JOIN names recording_status ON recording_status.kind = 'recording_status' AND recording_status.number = status.status
UNION ALL SELECT 'end', coalesce(end_status.name, 'running')
  FROM status LEFT JOIN names end_status ON end_status.kind = 'end_status' AND end_status.number = status.end_status
UNION ALL SELECT 'end_code', CAST(end_code AS TEXT) FROM status WHERE end_code IS NOT NULL
UNION ALL SELECT 'end_message', end_message FROM status WHERE end_message IS NOT NULL
UNION ALL SELECT 'problem', problem FROM status WHERE problem IS NOT NULL
UNION ALL SELECT 'recovered_exits', CAST(recovered AS TEXT) FROM status WHERE recovered IS NOT NULL
UNION ALL SELECT 'keyframe_interval', CAST(keyframe_interval AS TEXT) FROM status
UNION ALL SELECT 'vcpus', CAST(count(*) AS TEXT) FROM vcpu
UNION ALL SELECT 'exits', CAST(coalesce((SELECT sum(exits) FROM block), 0) + (SELECT count(*) FROM unsummed u
  CROSS JOIN exit e ON e.id BETWEEN u.first AND u.last) AS TEXT);

-- What a VMM found on its host. CPUID: raw, of the processor that the recorder ran on.
CREATE VIEW host_cpuid AS
SELECT printf('0x%x', json_extract(r.value, '$[0]')) AS leaf, json_extract(r.value, '$[1]') AS subleaf,
  printf('0x%08x', json_extract(r.value, '$[2]')) AS eax, printf('0x%08x', json_extract(r.value, '$[3]')) AS ebx,
  printf('0x%08x', json_extract(r.value, '$[4]')) AS ecx, printf('0x%08x', json_extract(r.value, '$[5]')) AS edx
FROM option o, json_each(iif(json_valid(o.value), o.value, '[]')) r WHERE o.name = 'host_cpuid' AND r.type = 'array';

-- Capabilities that /dev/kvm has: KVM_CHECK_EXTENSION's answers that are not 0.
CREATE VIEW host_capability AS
SELECT json_extract(r.value, '$[0]') AS number, json_extract(r.value, '$[1]') AS name, json_extract(r.value, '$[2]') AS value
FROM option o, json_each(iif(json_valid(o.value), o.value, '[]')) r WHERE o.name = 'host_capabilities' AND r.type = 'array';

-- Parameters of KVM's kernel modules.
CREATE VIEW host_parameter AS
SELECT json_extract(r.value, '$[0]') AS module, json_extract(r.value, '$[1]') AS name, json_extract(r.value, '$[2]') AS value
FROM option o, json_each(iif(json_valid(o.value), o.value, '[]')) r WHERE o.name = 'host_kvm_parameters' AND r.type = 'array';

-- Files that the VMM consists of (kind executable, library) and that it opened. digest: BLAKE2b of 256 bits, over what digest_of
-- says; modified: seconds since 1970, of files that have no digest of the whole.
CREATE VIEW host_file AS
SELECT CAST(substr(name, 11) AS INTEGER) AS number, json_extract(file, '$.kind') AS kind, json_extract(file, '$.path') AS path,
  json_extract(file, '$.size') AS size, json_extract(file, '$.build_id') AS build_id, json_extract(file, '$.digest') AS digest,
  json_extract(file, '$.digest_of') AS digest_of, json_extract(file, '$.modified') AS modified
FROM (SELECT name, iif(json_valid(value), value, '{}') AS file FROM option WHERE name GLOB 'host_file_[0-9]*');

-- Ranges of missing exits.
CREATE VIEW gaps AS
SELECT first >> 40 AS vcpu, first & 0xffffffffff AS first_exit, last & 0xffffffffff AS last_exit,
  last - first + 1 AS exits, events AS lost_events
FROM gap;

-- Values of the state as integers; registers shows the same as text. One row for each exit and moment: 'entry' is the
-- state with which the guest was entered, 'exit' the state at the exit.
-- s is the row whose columns are valid at that moment: that of the exit itself, or that of the previous exit with what its
-- handling changed (h, n); k is the keyframe of both. Unknown values are NULL: recordings of other VMMs may lack fields,
-- or the whole state at an entry (then the previous exit has no rip_advance, and the keyframe no values).
CREATE VIEW register_values AS
SELECT
  e.id AS id,
  e.id >> 40 AS vcpu,
  e.id & 0xffffffffff AS exit,
  m.name AS moment,
  coalesce(n.rip, s.rip + iif(m.number = 0, s.rip_advance, 0), k.rip) AS rip,
  coalesce(n.rax, iif(m.number = 0, s.next_rax, NULL), s.rax, k.rax) AS rax,
  @general(coalesce(n.$, h.$, s.$, k.$) AS $)@,
  @system(c.$ AS $)@,
  @segment(g.$ AS $)@,
  @information(coalesce(n.$, h.$, s.$, k.$) AS $)@
FROM exit e
CROSS JOIN moment m
LEFT JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
LEFT JOIN exit s ON s.id = e.id - 1 + m.number AND s.id >= k.id AND (m.number = 1 OR s.rip_advance IS NOT NULL)
LEFT JOIN handler_change h ON h.id = iif(m.number = 0, s.id, NULL)
LEFT JOIN entry_state n ON n.id = iif(m.number = 0, e.id, NULL)
LEFT JOIN system_registers c ON c.at = iif(s.id IS NULL AND e.id <> k.id, NULL,
  (SELECT max(at) FROM system_registers WHERE at <= 2 * e.id + m.number))
LEFT JOIN segment_registers g ON g.at = iif(s.id IS NULL AND e.id <> k.id, NULL,
  (SELECT max(at) FROM segment_registers WHERE at <= 2 * e.id + m.number));

CREATE VIEW registers AS
SELECT id, vcpu, exit, moment,
  @registers(iif($ IS NULL, NULL, printf('0x%x', $)) AS $)@
FROM register_values;

-- The state after the handling of the last exit: the next entry would have started with it.
CREATE VIEW closing_registers AS
SELECT
  e.id >> 40 AS vcpu,
  e.id & 0xffffffffff AS after_exit,
  iif(e.rip IS NULL, NULL, printf('0x%x', e.rip + e.rip_advance)) AS rip,
  iif(coalesce(e.next_rax, e.rax, k.rax) IS NULL, NULL, printf('0x%x', coalesce(e.next_rax, e.rax, k.rax))) AS rax,
  @general(iif(coalesce(h.$, e.$, k.$) IS NULL, NULL, printf('0x%x', coalesce(h.$, e.$, k.$))) AS $)@,
  @system(iif(c.$ IS NULL, NULL, printf('0x%x', c.$)) AS $)@,
  @segment(iif(g.$ IS NULL, NULL, printf('0x%x', g.$)) AS $)@,
  @information(iif(coalesce(h.$, e.$, k.$) IS NULL, NULL, printf('0x%x', coalesce(h.$, e.$, k.$))) AS $)@
FROM vcpu v
JOIN exit e ON e.id = (SELECT max(id) FROM exit WHERE id < (v.id + 1) << 40) AND e.id >= v.id << 40
LEFT JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
LEFT JOIN handler_change h ON h.id = e.id
LEFT JOIN system_registers c ON c.at = (SELECT max(at) FROM system_registers WHERE at <= 2 * e.id + 2)
LEFT JOIN segment_registers g ON g.at = (SELECT max(at) FROM segment_registers WHERE at <= 2 * e.id + 2)
WHERE e.rip_advance IS NOT NULL;

-- One row for each exit, its qualification decoded (SDM 3C, 28.2.1). Columns that do not apply to a reason are NULL.
-- entry_ns is the time of the entry before the exit; the exit itself is at entry_ns + guest_ns.
CREATE VIEW exits AS
SELECT
  e.id AS id,
  e.id >> 40 AS vcpu,
  e.id & 0xffffffffff AS exit,
  coalesce(r.name, 'reason ' || (e.exit_reason & 0xffff)) AS reason,
  e.exit_reason & 0xffff AS reason_number,
  e.exit_reason >> 31 & 1 AS entry_failed,
  -- NULL where what it is made of is not known
  CASE
    WHEN e.exit_reason & 0xffff IN (9, 14, 28, 29, 30, 48) AND e.exit_qualification IS NULL THEN NULL
    WHEN e.exit_reason & 0xffff IN (10, 31, 32) AND coalesce(e.rcx, k.rcx) IS NULL THEN NULL
    WHEN e.exit_reason & 0xffff IN (10, 32) AND coalesce(e.rax, k.rax) IS NULL THEN NULL
    WHEN e.exit_reason & 0xffff = 32 AND coalesce(e.rdx, k.rdx) IS NULL THEN NULL
    WHEN e.exit_reason & 0xffff = 48 AND coalesce(e.guest_physical_address, k.guest_physical_address) IS NULL THEN NULL
    WHEN e.exit_reason & 0xffff IN (0, 1)
      AND coalesce(e.interrupt_information, k.interrupt_information) IS NULL THEN NULL
    ELSE CASE e.exit_reason & 0xffff
    WHEN 30 THEN printf('%s%s port 0x%x, %d byte%s',
      iif(e.exit_qualification & 32, 'rep ', ''),
      CASE e.exit_qualification >> 3 & 3 WHEN 0 THEN 'out' WHEN 1 THEN 'in' WHEN 2 THEN 'outs' ELSE 'ins' END,
      e.exit_qualification >> 16 & 0xffff, (e.exit_qualification & 7) + 1, iif(e.exit_qualification & 7, 's', ''))
    WHEN 28 THEN CASE e.exit_qualification >> 4 & 3
      WHEN 0 THEN printf('cr%d <- %s', e.exit_qualification & 15, gr.name)
      WHEN 1 THEN printf('%s <- cr%d', gr.name, e.exit_qualification & 15)
      WHEN 2 THEN 'clts'
      ELSE printf('lmsw 0x%x', e.exit_qualification >> 16 & 0xffff) END
    WHEN 29 THEN iif(e.exit_qualification & 16, printf('%s <- dr%d', gr.name, e.exit_qualification & 7),
      printf('dr%d <- %s', e.exit_qualification & 7, gr.name))
    WHEN 10 THEN printf('leaf 0x%x, subleaf 0x%x', coalesce(e.rax, k.rax) & 0xffffffff,
      coalesce(e.rcx, k.rcx) & 0xffffffff)
    WHEN 31 THEN coalesce(msr.name, printf('MSR 0x%x', coalesce(e.rcx, k.rcx) & 0xffffffff))
    WHEN 32 THEN printf('%s <- 0x%x', coalesce(msr.name, printf('MSR 0x%x', coalesce(e.rcx, k.rcx) & 0xffffffff)),
      (coalesce(e.rdx, k.rdx) & 0xffffffff) << 32 | (coalesce(e.rax, k.rax) & 0xffffffff))
    WHEN 48 THEN printf('%s 0x%x',
      CASE e.exit_qualification & 7 WHEN 1 THEN 'read' WHEN 2 THEN 'write' WHEN 3 THEN 'read and write'
        WHEN 4 THEN 'fetch' ELSE 'access' END, coalesce(e.guest_physical_address, k.guest_physical_address))
    WHEN 14 THEN printf('0x%x', e.exit_qualification)
    WHEN 1 THEN iif(coalesce(e.interrupt_information, k.interrupt_information) & 0x80000000,
      printf('vector 0x%x', coalesce(e.interrupt_information, k.interrupt_information) & 0xff), NULL)
    WHEN 0 THEN printf('vector 0x%x', coalesce(e.interrupt_information, k.interrupt_information) & 0xff)
    WHEN 0x4011 THEN printf('suberror %d', e.exit_qualification)
    WHEN 0x4018 THEN printf('type %d%s', e.exit_qualification, CASE e.exit_qualification WHEN 1 THEN ' (shutdown)'
      WHEN 2 THEN ' (reset)' WHEN 3 THEN ' (crash)' ELSE '' END)
    WHEN 0x401a THEN printf('vector 0x%x', e.exit_qualification)
    WHEN 0x400c THEN printf('at 0x%x', e.exit_qualification)
    WHEN 0x4027 THEN printf('0x%x', coalesce(e.guest_physical_address, k.guest_physical_address))
    WHEN 9 THEN printf('selector 0x%x by %s', e.exit_qualification & 0xffff,
      CASE e.exit_qualification >> 30 & 3 WHEN 0 THEN 'call' WHEN 1 THEN 'iret' WHEN 2 THEN 'jmp' ELSE 'gate' END)
    END
  END AS detail,
  iif(e.rip IS NULL, NULL, printf('0x%x', e.rip)) AS rip,
  i.text AS instruction,
  e.instruction_length AS instruction_length,
  lower(hex(i.bytes)) AS instruction_bytes,
  vn.name AS verdict,
  o.name AS outcome,
  k.clock + e.clock AS clock_ns,
  k.host_entry + e.host_entry AS entry_ns,
  e.host_guest AS guest_ns,
  e.host_handler AS handler_ns,
  iif(e.exit_qualification IS NULL, NULL, printf('0x%x', e.exit_qualification)) AS qualification,
  iif(e.exit_reason & 0xffff = 30, e.exit_qualification >> 16 & 0xffff, NULL) AS io_port,
  iif(e.exit_reason & 0xffff = 30, (e.exit_qualification & 7) + 1, NULL) AS io_size,
  iif(e.exit_reason & 0xffff = 30 AND e.exit_qualification IS NOT NULL, iif(e.exit_qualification & 8, 'in', 'out'),
    NULL) AS io_direction,
  iif(e.exit_reason & 0xffff = 30, e.exit_qualification >> 4 & 1, NULL) AS io_string,
  iif(e.exit_reason & 0xffff = 30, e.exit_qualification >> 5 & 1, NULL) AS io_rep,
  -- what an OUT wrote, and what an IN that was emulated read; not for string instructions
  CASE WHEN e.exit_reason & 0xffff IS NOT 30 OR e.exit_qualification IS NULL OR e.exit_qualification & 16 THEN NULL
    WHEN e.exit_qualification & 8 = 0
      THEN coalesce(e.rax, k.rax) & (1 << 8 * ((e.exit_qualification & 7) + 1)) - 1
    WHEN e.outcome = 1 AND e.rip_advance IS NOT NULL
      THEN coalesce(e.next_rax, e.rax, k.rax) & (1 << 8 * ((e.exit_qualification & 7) + 1)) - 1
  END AS io_value,
  iif(e.exit_reason & 0xffff = 28 AND e.exit_qualification IS NOT NULL,
    iif(e.exit_qualification >> 4 & 3 > 1, 0, e.exit_qualification & 15), NULL) AS cr,
  iif(e.exit_reason & 0xffff = 28 AND e.exit_qualification IS NOT NULL, CASE e.exit_qualification >> 4 & 3
    WHEN 0 THEN 'to' WHEN 1 THEN 'from' WHEN 2 THEN 'clts' ELSE 'lmsw' END, NULL) AS cr_access,
  iif(e.exit_reason & 0xffff = 28 AND e.exit_qualification >> 4 & 3 < 2, gr.name, NULL) AS cr_register,
  iif(e.exit_reason & 0xffff IN (31, 32), coalesce(e.rcx, k.rcx) & 0xffffffff, NULL) AS msr,
  iif(e.exit_reason & 0xffff = 48, e.exit_qualification & 1, NULL) AS ept_read,
  iif(e.exit_reason & 0xffff = 48, e.exit_qualification >> 1 & 1, NULL) AS ept_write,
  iif(e.exit_reason & 0xffff = 48, e.exit_qualification >> 2 & 1, NULL) AS ept_fetch,
  iif(e.exit_reason & 0xffff IN (48, 49) AND coalesce(e.guest_physical_address, k.guest_physical_address) IS NOT NULL,
    printf('0x%x', coalesce(e.guest_physical_address, k.guest_physical_address)), NULL) AS guest_physical_address
FROM exit e
LEFT JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
LEFT JOIN names r ON r.kind = 'exit_reason' AND r.number = e.exit_reason & 0xffff
LEFT JOIN instruction i ON i.id = e.instruction
LEFT JOIN names vn ON vn.kind = 'verdict' AND vn.number = e.verdict
LEFT JOIN names o ON o.kind = 'outcome' AND o.number = e.outcome
LEFT JOIN names gr ON gr.kind = 'general_register' AND gr.number = e.exit_qualification >> 8 & 15
LEFT JOIN names msr ON msr.kind = 'msr' AND msr.number = coalesce(e.rcx, k.rcx) & 0xffffffff;

-- Interrupts offered to the guest. An interrupt that is returned is offered again before the next entry that can take it:
-- first_exit is the first such offer of the same vector. Latencies count from it to the end of this offer (if the
-- interrupt was taken: to the exit after which that was seen).
CREATE VIEW irq_handoffs AS
SELECT
  id,
  vcpu,
  exit,
  vector,
  CASE taken WHEN 1 THEN 'taken' WHEN 0 THEN 'returned' END AS outcome,
  host_offered AS offered_ns,
  host_settled AS settled_ns,
  first & 0xffffffffff AS first_exit,
  id - first AS latency_exits,
  host_settled - (SELECT f.host_offered FROM irq_handoff f WHERE f.id = first) AS latency_ns
FROM (
  SELECT h.*, h.id >> 40 AS vcpu, h.id & 0xffffffffff AS exit,
    (SELECT min(p.id) FROM irq_handoff p WHERE p.vector = h.vector AND p.id BETWEEN 1 + coalesce(
      (SELECT t.id FROM irq_handoff t WHERE t.vector = h.vector AND t.taken = 1 AND t.id < h.id
        AND t.id >= h.id & ~0xffffffffff ORDER BY t.id DESC LIMIT 1),
      (h.id & ~0xffffffffff) - 1) AND h.id) AS first
  FROM irq_handoff h);

-- The way of interrupts, in order of id and step: 'asserted' and 'lowered' (a line), 'offered', 'taken' and 'returned' (a
-- vector), 'EOI' (written to the 8259 at `port`, or to the local APIC where that is NULL).
CREATE VIEW irq_ledger AS
SELECT
  l.id AS id,
  l.id >> 40 AS vcpu,
  l.id & 0xffffffffff AS exit,
  l.step AS step,
  l.event AS event,
  l.line AS line,
  iif(l.vector IS NULL, NULL, printf('0x%x', l.vector)) AS vector,
  l.port AS port,
  l.time AS time_ns
FROM (
  SELECT id, 0 AS step, 'offered' AS event, NULL AS line, vector, NULL AS port, host_offered AS time FROM irq_handoff
  UNION ALL SELECT id, 1, iif(taken, 'taken', 'returned'), NULL, vector, NULL, host_settled FROM irq_handoff
    WHERE taken IS NOT NULL
  UNION ALL SELECT e.id, 2, 'EOI', NULL, NULL, printf('0x%x', e.exit_qualification >> 16 & 0xffff), k.host_entry + e.host_entry
    FROM exit e JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
    WHERE e.exit_reason & 0xffff = 30 AND e.exit_qualification IN (0x200000, 0xa00000, 0x200040, 0xa00040)
      AND coalesce(e.rax, k.rax) & 0x38 = 0x20
  UNION ALL SELECT e.id, 2, 'EOI', NULL, NULL, NULL, k.host_entry + e.host_entry
    FROM exit e JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
    WHERE (e.exit_reason & 0xffff = 48 AND e.exit_qualification & 2
        AND coalesce(e.guest_physical_address, k.guest_physical_address) = 0xfee000b0)
      OR (e.exit_reason & 0xffff = 44 AND e.exit_qualification & 0xffff = 0x10b0)
  UNION ALL SELECT exit, 3 + sequence, iif(value, 'asserted', 'lowered'), address, NULL, NULL, NULL FROM effect WHERE kind = 2) l;

-- All values that handling read, in order.
CREATE VIEW inputs AS
SELECT
  n.id AS id,
  n.id >> 40 AS vcpu,
  n.id & 0xffffffffff AS exit,
  n.sequence AS sequence,
  input_kind.name AS kind,
  n.kind AS kind_number,
  printf('0x%x', n.address) AS address,
  n.value AS value,
  n.data AS data,
  CASE n.kind WHEN 2 THEN n.text WHEN 4 THEN CAST(n.data AS TEXT) END AS text,
  iif(n.kind = 4, channel.name, NULL) AS channel
FROM (
  SELECT e.id, 0 AS sequence, 0 AS kind, 0 AS address, k.clock + e.clock AS value, NULL AS data, NULL AS text
    FROM exit e JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id) WHERE e.clock IS NOT NULL
  UNION ALL SELECT e.id, 1 + w.sequence, 3, w.address, 0, w.data, NULL FROM exit e JOIN walk_read w ON w.walk = e.walk
  UNION ALL SELECT e.id, coalesce(e.instruction_input, 1 + (SELECT count(*) FROM walk_read w WHERE w.walk = e.walk)), 2,
    i.address, 0, i.bytes, i.text
    FROM exit e JOIN instruction i ON i.id = e.instruction
  UNION ALL SELECT exit, sequence, kind, address, value, data, NULL FROM input) n
LEFT JOIN names input_kind ON input_kind.kind = 'input_kind' AND input_kind.number = n.kind
LEFT JOIN names channel ON channel.kind = 'channel' AND channel.number = n.address;

-- All effects of handling, in order.
CREATE VIEW effects AS
SELECT
  f.exit AS id,
  f.exit >> 40 AS vcpu,
  f.exit & 0xffffffffff AS exit,
  f.sequence AS sequence,
  effect_kind.name AS kind,
  f.kind AS kind_number,
  CASE f.kind WHEN 0 THEN printf('0x%x', f.address) WHEN 1 THEN channel.name WHEN 2 THEN 'irq ' || f.address
    WHEN 3 THEN end_status.name WHEN 4 THEN printf('disk %d, 0x%x', f.value, f.address)
    WHEN 5 THEN 'disk ' || f.value WHEN 7 THEN printf('port 0x%x', f.address) WHEN 8 THEN printf('0x%x', f.address)
    WHEN 9 THEN kvm_exit_field.name END AS target,
  f.address AS address,
  f.value AS value,
  f.data AS data,
  iif(f.kind = 1, CAST(f.data AS TEXT), NULL) AS text
FROM effect f
LEFT JOIN names effect_kind ON effect_kind.kind = 'effect_kind' AND effect_kind.number = f.kind
LEFT JOIN names channel ON channel.kind = 'channel' AND channel.number = f.address
LEFT JOIN names end_status ON end_status.kind = 'end_status' AND end_status.number = f.address
LEFT JOIN names kvm_exit_field ON kvm_exit_field.kind = 'kvm_exit_field' AND kvm_exit_field.number = f.address;

-- The guest's disk accesses, in sectors of 512 bytes. 'failed' is an access that the host could not carry out: a read,
-- which has no other row, or the write or flush of the same exit.
CREATE VIEW disk_accesses AS
SELECT
  d.id AS id,
  d.id >> 40 AS vcpu,
  d.id & 0xffffffffff AS exit,
  d.access AS access,
  d.disk AS disk,
  d.address / 512 AS sector,
  length(d.data) / 512 AS sectors,
  d.data AS data
FROM (
  SELECT exit AS id, iif(kind = 7, 'read', 'failed') AS access, value AS disk, address, data
    FROM input WHERE kind IN (7, 8)
  UNION ALL SELECT exit, iif(kind = 4, 'write', 'flush'), value, iif(kind = 4, address, NULL), data
    FROM effect WHERE kind IN (4, 5)) d;

-- All text that the guest printed, by channel.
CREATE VIEW console AS
SELECT vcpu, channel.name AS channel, group_concat(text, '') AS text
FROM (SELECT exit >> 40 AS vcpu, address, CAST(data AS TEXT) AS text FROM effect WHERE kind = 1
  ORDER BY exit, sequence)
LEFT JOIN names channel ON channel.kind = 'channel' AND channel.number = address
GROUP BY vcpu, address;

-- Blocks of exits, of which block_counts has sums.
CREATE VIEW blocks AS
SELECT id, id >> 40 AS vcpu, id & 0xffffffffff AS first_exit, last & 0xffffffffff AS last_exit, exits,
  iif(rip_min IS NULL, NULL, printf('0x%x', rip_min)) AS rip_min,
  iif(rip_max IS NULL, NULL, printf('0x%x', rip_max)) AS rip_max
FROM block;

-- Exits of a block by reason, I/O port, offered vector and outcome.
CREATE VIEW block_counts AS
SELECT
  c.block AS id,
  c.block >> 40 AS vcpu,
  c.block & 0xffffffffff AS first_exit,
  k.name AS kind,
  nullif(c.value, -1) AS number,
  CASE c.kind WHEN 1 THEN printf('0x%x', c.value) WHEN 2 THEN printf('0x%x', c.value)
    ELSE coalesce(n.name, nullif(c.value, -1)) END AS value,
  c.exits AS exits,
  iif(c.timed, c.host_handler, NULL) AS handler_ns,
  iif(c.timed, c.host_handler_min, NULL) AS handler_min_ns,
  iif(c.timed, c.host_handler_max, NULL) AS handler_max_ns,
  c.host_guest AS guest_ns,
  c.host_guest_min AS guest_min_ns,
  c.host_guest_max AS guest_max_ns
FROM block_count c
LEFT JOIN names k ON k.kind = 'block_count' AND k.number = c.kind
LEFT JOIN names n ON n.kind = CASE c.kind WHEN 0 THEN 'exit_reason' WHEN 3 THEN 'outcome' END AND n.number = c.value;

-- The exits of each vCPU that no block has yet.
CREATE VIEW unsummed AS
SELECT v.id AS vcpu, 1 + coalesce((SELECT b.last FROM block b WHERE b.id BETWEEN v.id << 40 AND (v.id << 40) + 0xffffffffff
  ORDER BY b.id DESC LIMIT 1), (v.id << 40) - 1) AS first, (v.id << 40) + 0xffffffffff AS last
FROM vcpu v;

CREATE VIEW exit_statistics AS
SELECT
  vcpu,
  coalesce(r.name, 'reason ' || reason_number) AS reason,
  reason_number,
  exits,
  round(100.0 * exits / sum(exits) OVER (PARTITION BY vcpu), 3) AS exits_percent,
  handler_ns,
  round(100.0 * handler_ns / nullif(sum(handler_ns) OVER (PARTITION BY vcpu), 0), 3) AS handler_percent,
  handler_min_ns,
  handler_mean_ns,
  handler_max_ns,
  guest_ns,
  guest_min_ns,
  guest_mean_ns,
  guest_max_ns
FROM (
  SELECT vcpu, reason_number, sum(exits) AS exits, sum(handler) AS handler_ns, min(handler_min) AS handler_min_ns,
    round(1.0 * sum(handler) / nullif(sum(timed), 0), 1) AS handler_mean_ns, max(handler_max) AS handler_max_ns,
    sum(guest) AS guest_ns, min(guest_min) AS guest_min_ns, round(1.0 * sum(guest) / sum(exits), 1) AS guest_mean_ns,
    max(guest_max) AS guest_max_ns
  FROM (
    SELECT block >> 40 AS vcpu, nullif(value, -1) AS reason_number, exits, timed, host_handler AS handler,
      iif(timed, host_handler_min, NULL) AS handler_min, iif(timed, host_handler_max, NULL) AS handler_max,
      host_guest AS guest, host_guest_min AS guest_min, host_guest_max AS guest_max
    FROM block_count WHERE kind = 0
    UNION ALL SELECT e.id >> 40, e.exit_reason & 0xffff, 1, e.host_handler IS NOT NULL, e.host_handler,
      e.host_handler, e.host_handler, e.host_guest, e.host_guest, e.host_guest
    FROM unsummed u CROSS JOIN exit e ON e.id BETWEEN u.first AND u.last)
  GROUP BY 1, 2)
LEFT JOIN names r ON r.kind = 'exit_reason' AND r.number = reason_number;

-- Devices at the snapshots: a row for each field that changed since the previous snapshot.
CREATE VIEW device_changes AS
SELECT
  s.exit AS id,
  s.exit >> 40 AS vcpu,
  s.exit & 0xffffffffff AS exit,
  f.device AS device,
  f.field AS field,
  f.size AS size,
  iif(typeof(s.value) = 'blob', lower(hex(s.value)), printf('0x%x', s.value)) AS value
FROM device_state s
JOIN device_field f ON f.id = s.field;

-- Devices at any exit: each field as it was saved last, after exit saved_after. Where that is the exit itself, the state is
-- exact; else handling of the exits between may have changed it. Exact are keyframes and the end of the recording.
CREATE VIEW device_states AS
SELECT
  e.id AS id,
  e.id >> 40 AS vcpu,
  e.id & 0xffffffffff AS exit,
  f.device AS device,
  f.field AS field,
  f.size AS size,
  (SELECT iif(typeof(s.value) = 'blob', lower(hex(s.value)), printf('0x%x', s.value)) FROM device_state s
    WHERE s.field = f.id AND s.exit BETWEEN e.id & ~0xffffffffff AND e.id ORDER BY s.exit DESC LIMIT 1) AS value,
  (SELECT max(p.exit) FROM device_snapshot p WHERE p.exit BETWEEN e.id & ~0xffffffffff AND e.id) & 0xffffffffff
    AS saved_after
FROM (SELECT id FROM exit
  UNION ALL SELECT exit FROM device_snapshot WHERE NOT EXISTS (SELECT 1 FROM exit WHERE exit.id = device_snapshot.exit)) e
CROSS JOIN device_field f;

-- When the host ran the vCPU's thread. time_ns is the host's clock, cpu_ns the thread's processor time; elapsed_ns and
-- ran_ns count from the row before. Between 'wait' and 'resumed' the thread waited for an interrupt; anywhere else the
-- difference of the two is time in which the host did not run it.
CREATE VIEW thread_times AS
SELECT t.exit >> 40 AS vcpu, t.exit & 0xffffffffff AS exit, n.name AS moment, t.host_time AS time_ns, t.host_cpu AS cpu_ns,
  t.host_time - lag(t.host_time) OVER vcpu AS elapsed_ns, t.host_cpu - lag(t.host_cpu) OVER vcpu AS ran_ns
FROM thread_time t
LEFT JOIN names n ON n.kind = 'thread_time' AND n.number = t.moment
WINDOW vcpu AS (PARTITION BY t.exit >> 40 ORDER BY t.exit, t.moment);

-- What led to a triple fault: a row for each event, in the order of their delivery. The event of one row could not be
-- delivered because of 'failed' and raised what 'raised' says; the next row is that or the double fault in its stead, and
-- the last row's is the triple fault. Rows with 'delivered' are events that the guest took in the same run before.
CREATE VIEW fault_chain AS
SELECT
  f.exit AS id,
  f.exit >> 40 AS vcpu,
  f.exit & 0xffffffffff AS exit,
  f.sequence AS sequence,
  source.name AS source,
  f.vector AS vector,
  iif(f.error_code IS NULL, NULL, printf('0x%x', f.error_code)) AS error_code,
  iif(f.cr2 IS NULL, NULL, printf('0x%x', f.cr2)) AS cr2,
  printf('0x%x', f.cs) AS cs,
  printf('0x%x', f.rip) AS rip,
  step.name AS failed,
  iif(f.address IS NULL, NULL, printf('0x%x', f.address)) AS address,
  iif(f.value IS NULL, NULL, printf('0x%x', f.value)) AS value,
  iif(f.bound IS NULL, NULL, printf('0x%x', f.bound)) AS bound,
  f.raised AS raised,
  iif(f.raised_error_code IS NULL, NULL, printf('0x%x', f.raised_error_code)) AS raised_error_code,
  iif(f.raised_cr2 IS NULL, NULL, printf('0x%x', f.raised_cr2)) AS raised_cr2
FROM fault f
LEFT JOIN names source ON source.kind = 'event_source' AND source.number = f.source
LEFT JOIN names step ON step.kind = 'delivery_step' AND step.number = f.step;

-- Pages of the guest's memory at the end of the run that are not all zeros; zstd is the compressed page.
CREATE VIEW memory_pages AS
SELECT printf('0x%x', m.address) AS address, r.writable AS writable, lower(hex(p.sha256)) AS sha256, p.zstd AS zstd
FROM memory_page m
LEFT JOIN page p ON p.id = m.page
LEFT JOIN memory_range r ON r.address = (SELECT max(s.address) FROM memory_range s WHERE s.address <= m.address);

-- Marks that the VMM set. exit: the last one before the mark.
CREATE VIEW marks AS
SELECT
  id,
  vcpu,
  exit & 0xffffffffff AS exit,
  host_time AS time_ns,
  text
FROM mark;

-- What the kernel's KVM says of exits, with `record --kernel-exits`. handled_by: the kernel has handled it by itself, and the
-- registers are not known, or the VMM got it. info1 and info2 are the processor's: of VMX the exit qualification and the
-- IDT-vectoring information, of SVM EXITINFO1 and EXITINFO2.
CREATE VIEW kernel_exits AS
SELECT
  k.id AS id,
  k.id >> 40 AS vcpu,
  k.id & 0xffffffffff AS exit,
  iif(k.handled, 'kernel', 'VMM') AS handled_by,
  CASE k.isa WHEN 1 THEN 'VMX' WHEN 2 THEN 'SVM' ELSE printf('isa %d', k.isa) END AS isa,
  printf('0x%x', k.code) AS code,
  printf('0x%x', k.info1) AS info1,
  printf('0x%x', k.info2) AS info2,
  iif(k.interrupt_information IS NULL, NULL, printf('0x%x', k.interrupt_information)) AS interrupt_information,
  iif(k.error_code IS NULL, NULL, printf('0x%x', k.error_code)) AS error_code
FROM kernel_exit k;

-- Events of the kernel's KVM, in the order of recording. exit: the vCPU's last one before the event.
CREATE VIEW kernel_events AS
SELECT
  e.id AS id,
  e.vcpu AS vcpu,
  e.exit & 0xffffffffff AS exit,
  e.host_time AS time_ns,
  coalesce(n.name, 'kind ' || e.kind) AS event,
  CASE e.kind
    WHEN 0 THEN printf('%d events are missing', value1)
    WHEN 4 THEN printf('vector 0x%x%s%s', value1, iif(value2, ', software interrupt', ''), iif(value3, ', again', ''))
    WHEN 5 THEN printf('vector %d%s%s', value1, iif(value2, printf(', error code 0x%x', value3), ''), iif(value4, ', again', ''))
    WHEN 6 THEN printf('%s port 0x%x, %d byte%s%s%s', iif(value1, 'out', 'in'), value2, value3, iif(value3 > 1, 's', ''),
      iif(value4 > 1, printf(', %d times', value4), ''), iif(value5 IS NULL, '', printf(': 0x%x', value5)))
    WHEN 7 THEN printf('%s 0x%x, %d byte%s: 0x%x', CASE value1 WHEN 2 THEN 'write' WHEN 1 THEN 'read' ELSE 'unsatisfied read' END,
      value3, value2, iif(value2 > 1, 's', ''), value4)
    WHEN 8 THEN printf('write 0x%x', value1)
    WHEN 9 THEN printf('%s %s0x%x%s', coalesce(msr.name, printf('MSR 0x%x', value2)), iif(value1, '<- ', '= '), value3,
      iif(value4, ': #GP', ''))
    WHEN 10 THEN printf('cr%d %s 0x%x', value2, iif(value1, '<-', '='), value3)
    WHEN 11 THEN printf('leaf 0x%x, subleaf 0x%x: 0x%x, 0x%x, 0x%x, 0x%x', value1, value2, value3, value4, value5, value6)
    WHEN 12 THEN printf('0x%x, error code 0x%x', value1, value2)
    WHEN 13 THEN printf('APIC %d, vector 0x%x, %s', value1, value4, iif(value3, 'level', 'edge'))
    WHEN 14 THEN printf('GSI %d %s', value1, iif(value2, 'raised', 'lowered'))
    WHEN 15 THEN printf('address 0x%x, data 0x%x', value1, value2)
    WHEN 16 THEN printf('APIC %d, vector 0x%x', value1, value2)
  END AS detail,
  e.value1 AS value1,
  e.value2 AS value2,
  e.value3 AS value3,
  e.value4 AS value4,
  e.value5 AS value5,
  e.value6 AS value6,
  e.host_thread AS host_thread
FROM kernel_event e
LEFT JOIN names n ON n.kind = 'kernel_event' AND n.number = e.kind
LEFT JOIN names msr ON msr.kind = 'msr' AND msr.number = e.value2 AND e.kind = 9;

-- The data of port and MMIO accesses, as another VMM recorded them: what the guest wrote, and what it was answered. size
-- is that of one access; count is above 1 for string instructions with REP. Coalesced writes were made before the exit:
-- KVM keeps them until the VMM looks.
CREATE VIEW accesses AS
SELECT
  a.id AS id,
  a.id >> 40 AS vcpu,
  a.id & 0xffffffffff AS exit,
  a.access AS access,
  printf('0x%x', a.address) AS address,
  a.size AS size,
  length(a.data) / a.size AS count,
  lower(hex(a.data)) AS data
FROM (
  SELECT exit AS id, CASE kind WHEN 10 THEN 'port write' WHEN 11 THEN 'MMIO write' WHEN 12 THEN 'coalesced port write'
    ELSE 'coalesced MMIO write' END AS access, address,
    coalesce(iif(kind = 10, nullif(value, 0), NULL), nullif(length(data), 0)) AS size, data
    FROM input WHERE kind BETWEEN 10 AND 13
  UNION ALL SELECT exit, iif(kind = 7, 'port read', 'MMIO read'), address,
    coalesce(iif(kind = 7, nullif(value, 0), NULL), nullif(length(data), 0)), data
    FROM effect WHERE kind IN (7, 8)) a;

-- The data of exits of KVM that are no accesses, field by field: what KVM left in struct kvm_run, and what the VMM
-- answered there. number is value as an integer.
CREATE VIEW kvm_exit_data AS
SELECT
  d.exit AS id,
  d.exit >> 40 AS vcpu,
  d.exit & 0xffffffffff AS exit,
  coalesce(reason.name, 'KVM exit ' || (d.address >> 8)) AS reason,
  d.side AS side,
  coalesce(field.name, 'field ' || (d.address & 255)) AS field,
  printf('0x%x', d.value) AS value,
  d.value AS number
FROM (
  SELECT exit, sequence, address, value, 'exit' AS side FROM input WHERE kind = 14
  UNION ALL SELECT exit, sequence, address, value, 'answer' FROM effect WHERE kind = 9) d
LEFT JOIN names reason ON reason.kind = 'kvm_exit' AND reason.number = d.address >> 8
LEFT JOIN names field ON field.kind = 'kvm_exit_field' AND field.number = d.address;

-- The fields of struct kvm_run beside registers and data, at each exit for which the VMM recorded them.
CREATE VIEW kvm_runs AS
SELECT
  e.id AS id,
  e.id >> 40 AS vcpu,
  e.id & 0xffffffffff AS exit,
  r.ready_for_interrupt_injection AS ready_for_interrupt_injection,
  r.if_flag AS if_flag,
  r.request_interrupt_window AS request_interrupt_window,
  r.immediate_exit AS immediate_exit,
  printf('0x%x', r.cr8) AS cr8,
  printf('0x%x', r.apic_base) AS apic_base
FROM exit e
JOIN kvm_run r ON r.id = (SELECT max(id) FROM kvm_run WHERE id BETWEEN e.id & ~0xffffffffff AND e.id)
WHERE r.if_flag IS NOT NULL;

-- The VMM's own state, part by part, as it was before the entry that led to exit.
CREATE VIEW vmm_states AS
SELECT exit AS id, exit >> 40 AS vcpu, exit & 0xffffffffff AS exit, name AS name, total AS size
FROM vmm_state WHERE piece = 0;

-- Threads of a VMM whose exits and calls are recorded: those that run vCPUs, and others.
CREATE VIEW lanes AS
SELECT v.id AS lane, v.id AS vcpu, l.host_process AS process, l.host_thread AS thread, l.name AS name
FROM vcpu v LEFT JOIN lane l ON l.id = v.id
UNION ALL
SELECT id, NULL, host_process, host_thread, name FROM lane WHERE id NOT IN (SELECT id FROM vcpu);

-- Calls that a VMM made, in the order over all lanes. exit: the lane's last one before the call; its lane is its vCPU.
CREATE VIEW vmm_calls AS
SELECT
  c.sequence AS sequence,
  c.lane AS lane,
  l.name AS thread,
  c.exit & 0xffffffffff AS exit,
  role.name AS role,
  c.object AS object,
  coalesce(request.name, printf('0x%x', c.request)) AS request,
  iif(c.argument IS NULL, NULL, printf('0x%x', c.argument)) AS argument,
  c.input AS input,
  c.output AS output,
  c.result AS result,
  c.error AS error,
  c.host_time AS time_ns,
  c.host_duration AS duration_ns
FROM vmm_call c
LEFT JOIN lane l ON l.id = c.lane
LEFT JOIN names role ON role.kind = 'descriptor_role' AND role.number = c.role
LEFT JOIN names request ON request.kind = 'kvm_request' AND request.number = c.request;

-- Exits and calls of all lanes, in the order of sequence.
CREATE VIEW vmm_sequence AS
SELECT
  e.sequence AS sequence,
  e.id >> 40 AS lane,
  'exit' AS kind,
  e.id & 0xffffffffff AS exit,
  coalesce(r.name, 'reason ' || (e.exit_reason & 0xffff)) AS what,
  NULL AS result,
  NULL AS error,
  k.host_entry + e.host_entry + e.host_guest AS time_ns
FROM exit e
LEFT JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id)
LEFT JOIN names r ON r.kind = 'exit_reason' AND r.number = e.exit_reason & 0xffff
WHERE e.sequence IS NOT NULL
UNION ALL
SELECT sequence, lane, 'call', exit, request, result, error, time_ns FROM vmm_calls;

-- Changes of interrupt lines by the VMM: KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS. status: what KVM said of it, 0 where the
-- interrupt was pending already; NULL: the VMM did not ask. Calls that failed are not here.
CREATE VIEW irq_line_changes AS
WITH b(all_bytes) AS (SELECT CAST(x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f'
  || x'404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f'
  || x'808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf'
  || x'c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff' AS BLOB))
SELECT
  c.sequence AS sequence,
  c.lane AS lane,
  c.host_time AS time_ns,
  (instr(b.all_bytes, substr(c.input, 1, 1)) - 1) | ((instr(b.all_bytes, substr(c.input, 2, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.input, 3, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.input, 4, 1)) - 1) << 24) AS gsi,
  (instr(b.all_bytes, substr(c.input, 5, 1)) - 1) | ((instr(b.all_bytes, substr(c.input, 6, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.input, 7, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.input, 8, 1)) - 1) << 24) AS level,
  CASE WHEN c.request = 0xc008ae67 AND length(c.output) >= 4 THEN (((instr(b.all_bytes, substr(c.output, 1, 1)) - 1) | ((instr(b.all_bytes, substr(c.output, 2, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.output, 3, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.output, 4, 1)) - 1) << 24)) << 32) >> 32 END AS status
FROM vmm_call c CROSS JOIN b
WHERE c.request IN (0x4008ae61, 0xc008ae67) AND c.error IS NULL AND length(c.input) >= 8;

-- Message-signalled interrupts that the VMM sent: KVM_SIGNAL_MSI. destination, logical, delivery_mode and vector are
-- decoded (SDM 3A, 11.11); with 32-bit destinations the upper bits are in the address. delivered: NULL: not known.
CREATE VIEW msi_messages AS
WITH b(all_bytes) AS (SELECT CAST(x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f'
  || x'404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f'
  || x'808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf'
  || x'c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff' AS BLOB)),
m AS (SELECT c.*, (instr(b.all_bytes, substr(c.input, 1, 1)) - 1) | ((instr(b.all_bytes, substr(c.input, 2, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.input, 3, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.input, 4, 1)) - 1) << 24) AS low, (instr(b.all_bytes, substr(c.input, 5, 1)) - 1) | ((instr(b.all_bytes, substr(c.input, 6, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.input, 7, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.input, 8, 1)) - 1) << 24) AS high, (instr(b.all_bytes, substr(c.input, 9, 1)) - 1) | ((instr(b.all_bytes, substr(c.input, 10, 1)) - 1) << 8) | ((instr(b.all_bytes, substr(c.input, 11, 1)) - 1) << 16) | ((instr(b.all_bytes, substr(c.input, 12, 1)) - 1) << 24) AS message
  FROM vmm_call c CROSS JOIN b WHERE c.request = 0x4020aea5 AND c.error IS NULL AND length(c.input) >= 12)
SELECT
  sequence,
  lane,
  host_time AS time_ns,
  printf('0x%x', high << 32 | low) AS address,
  printf('0x%x', message) AS data,
  (low >> 12 & 0xff) | (high & 0xffffff00) AS destination,
  low >> 2 & 1 AS logical,
  message >> 8 & 7 AS delivery_mode,
  message & 0xff AS vector,
  result > 0 AS delivered
FROM m;
