#!/usr/bin/env python3
"""Every query of db-schema/QUERIES.md gives sensible rows on a recorded boot of SeaBIOS, in the stock sqlite3 shell;
point queries and the whole of the registers view take the time that the page says."""
import os
import re
import resource
import subprocess
import sys
import tempfile

HWACCL = os.environ["HWACCL"]
SOURCE = os.environ.get("HWACCL_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
FIRMWARE = "/usr/share/seabios/bios-256k.bin"


def fail(message):
    sys.exit(f"FAILED: {message}")


def processor_seconds():
    """Of all shells so far: other work on the machine does not count."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sql(database, query, *options):
    result = subprocess.run(["sqlite3", "-readonly", *options, database, query], capture_output=True, check=False,
                            stdin=subprocess.DEVNULL)
    output = result.stdout.decode(errors="replace")
    if result.returncode or result.stderr:
        fail(f"{query}\n{result.stderr.decode(errors='replace')}")
    return output


def questions():
    with open(os.path.join(SOURCE, "db-schema", "QUERIES.md"), encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^## (\d+)\. ([^\n]*)\n[^#]*?```sql\n(.*?)```", text, re.M | re.S)
    if [int(number) for number, _, _ in found] != list(range(1, len(found) + 1)) or len(found) < 20:
        fail(f"QUERIES.md: {len(found)} numbered questions with a query")
    if len(found) != text.count("```sql"):
        fail("QUERIES.md: a query without a numbered question")
    return found


def record(database):
    disk = database + ".disk"
    with open(disk, "wb") as file:
        file.write(b"no boot sector".ljust(1 << 20, b"\0"))
    result = subprocess.run([HWACCL, "record", "--firmware", FIRMWARE, "--disk", disk + ",ro", "--until", "No bootable device", "--timeout",
                             "300", "--clock", "virtual", "--console", database + ".console", "-o", database],
                            stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode:
        fail(f"recording: {result.stderr.decode(errors='replace')}")


# question: pattern that the answer must match
EXPECTED = {
    1: r"status\|complete\n.*end\|stopped",
    2: r"firmware_sha256\|[0-9a-f]{64}",
    3: r"^I/O instruction\|\d{3,}\|\d",
    4: r"^0x402\|out\|1\|\d{3,}",
    5: r"^entry\|0x[0-9a-f]+\|.*\nexit\|0x",
    6: r"^0x[0-9a-f]+\|0x[0-9a-f]+\|0x",
    7: r"\d+\|I/O instruction\|.* port 0x[0-9a-f]+, \d bytes?\|0x[0-9a-f]+\|[a-z]+ .*\|emulate\|completed",
    8: r"^\d+\|0x[0-9a-f]+\|",
    9: r"\|out dx, al\|I/O instruction\|\d{3,}",
    10: r"SeaBIOS \(version",
    11: r"WRMSR\|IA32_MTRR_DEF_TYPE <- 0x[0-9a-f]+\|0x2ff\|0x",
    12: r"\d+\|cr0 <- r\w\w\|to\|r\w\w\|0x",
    13: r"^0xfe[0-9a-f]+\|(read|write) 0xfe[0-9a-f]+\|\d+\|\d+",
    14: r"^0x8\|[1-9]\d*\|\d+",
    15: r"^8\|\d+\|\d+\|\d+\|\d+",
    16: r"read\|0\|clock\|.*\n(.*\n)*read\|1\|instruction\|0x[0-9a-f]+\|0\|[0-9a-f]+\|[a-z]+",
    17: r"^\d+\|0x[0-9a-f]+\|\d+\|[0-9a-f]+",
    18: r"^\d+\|.*\|0x[0-9a-f]+\|\d+$",
    19: r"^\d+\|.*\|0x[0-9a-f]+\|\d+$",
    20: r"^\d+\|\d+\|\d+$",
    21: r"^\d+\|real\n(.*\n)*\d+\|protected",
    22: r"^255\|.*\|0x",
    23: r"^\d+\|read\|0\|0\|1\|6e6f20626f6f7420736563746f720000$",
    24: r"\A\Z",
    25: r"^io_apic\|pins\|0x[0-9a-f]+\|\d+\n(.*\n)*pic\|slave.isr\|0x",
    26: r"^\d+\|keyframe\|-?\d+\|\d+$",
    27: r"^\d+\|\d+\|[1-9]\d*$",
    28: r"\A\Z",
    29: r"\A\Z",
    30: r"\A\Z",
    31: r"\A\Z",
    32: r"\A\Z",
    33: r"\A\Z",
    34: r"\A\Z",
}


def check_registers(database, exits):
    """No NULL, and the state goes on from one exit to the next entry."""
    columns = [line.split("|")[1] for line in sql(database, "PRAGMA table_info(registers)").splitlines()]
    nulls = " OR ".join(f"{column} IS NULL" for column in columns)
    if sql(database, f"SELECT count(*) FROM registers WHERE {nulls}").strip() != "0":
        fail("registers has NULLs")
    start = processor_seconds()
    rows = sql(database, "SELECT * FROM registers").count("\n")
    seconds = (processor_seconds() - start) * 100000 / exits
    print(f"registers: {seconds:.2f} s of processor time for 100,000 exits")
    if rows != 2 * exits:
        fail(f"registers has {rows} rows for {exits} exits")
    if seconds > 10:
        fail("that is more than 10 s")
    for key in ("id", "exit"):
        start = processor_seconds()
        rows = sql(database, f"SELECT moment, rip FROM registers WHERE {key} = {exits // 2}").count("\n")
        print(f"registers WHERE {key} = N: {(processor_seconds() - start) * 1e3:.1f} ms")
        if rows != 2:
            fail(f"registers WHERE {key} = {exits // 2} has {rows} rows")
    plan = sql(database, f"EXPLAIN QUERY PLAN SELECT * FROM registers WHERE id = {exits // 2}")
    if re.search(r"SCAN (e|s|k|h|c|g)\b", plan):
        fail(f"a point query scans a table:\n{plan}")


def check_chain(database):
    """What handling did not touch is at the next entry as it was at the exit."""
    broken = sql(database, """
        SELECT a.exit FROM register_values a JOIN register_values b ON b.id = a.id + 1
        WHERE a.moment = 'exit' AND b.moment = 'entry' AND (a.r15 <> b.r15 OR a.gdtr_base <> b.gdtr_base
          OR (a.rip <> b.rip) <> (SELECT rip_advance <> 0 FROM exit WHERE exit.id = a.id)) LIMIT 5""")
    if broken:
        fail(f"the state after these exits is not that of the next entry: {broken.split()}")


def main():
    if not os.path.exists(FIRMWARE):
        print("SKIPPED: package seabios is not installed")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    with tempfile.TemporaryDirectory() as directory:
        database = os.path.join(directory, "seabios.hwr")
        record(database)
        exits = int(sql(database, "SELECT count(*) FROM exits"))
        for number, question, query in questions():
            answer = sql(database, query)
            print(f"{number}. {question} {answer.count(chr(10))} lines")
            if int(number) not in EXPECTED:
                fail(f"question {number} has no expected answer here")
            if not re.search(EXPECTED[int(number)], answer, re.M):
                fail(f"question {number}, {question}: the answer is\n{answer[:2000]}")
        check_registers(database, exits)
        check_chain(database)


main()
