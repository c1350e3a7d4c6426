#!/usr/bin/env python3
"""A change of a recording is seen: random ones of values, NULLs and rows, in every table and column. `check` notices all of them,
`replay` those of what it compares."""
import concurrent.futures
import os
import random
import shutil
import sqlite3
import subprocess

from hwaccl_cli import BUILD, HWACCL, SANITIZED, CommandTest, main

CHANGES = int(os.environ.get("HWACCL_CHANGES", "3000" if os.environ.get("HWACCL_TESTS_SET") == "all" else
                             "20" if SANITIZED else "80"))
GUESTS = os.path.join(BUILD, "guests")
VMM = os.path.join(BUILD, "tests", "plain_vmm")

# What a replay says nothing about: the host, memory, what follows from other rows, and digests of such things.
HOST_TABLES = {"thread_time", "memory_range", "memory_page", "page", "block", "block_count", "names", "moment", "lane", "vmm_call",
               "checkpoint"}
HOST_COLUMNS = {("exit", "sequence"), ("status", "status"), ("status", "problem"), ("status", "recovered")}


def is_compared(table, column, row):
    """Whether a replay must notice: column None is a whole row."""
    if table in HOST_TABLES or (column and (column.startswith("host_") or (table, column) in HOST_COLUMNS)):
        return False
    if table in ("option",):
        return not str(row["name"]).startswith("host_")
    return True


class Changes(CommandTest):
    def recordings(self):
        """Small ones, which together have rows in most tables; another VMM's cannot be replayed here."""
        made = []
        for guest in ("irq_taken", "page_fault32", "triple_fault"):
            path = self.path(guest + ".db")
            self.run_hwaccl("record", "--accel", "soft", "--raw", os.path.join(GUESTS, guest + ".bin") + "@0x7c00", "--memory",
                            "16M", "--clock", "virtual", "--console", "/dev/null", "--keyframe-interval", "8", "--keep-memory", "final",
                            "-o", path)
            made.append((path, True))
        if os.path.exists(VMM):
            path = self.path("vmm.db")
            self.run_hwaccl("record", "-o", path, "--", VMM, "run", "20")
            # as record --kernel-exits has them
            self.change(path, "INSERT INTO kernel_exit SELECT id, id % 2, 2, 123, id, 5, NULL, NULL FROM exit",
                        "INSERT INTO kernel_event(vcpu, exit, kind, host_time, value1) SELECT id >> 40, id, 6, 1000 + id, id FROM exit")
            made.append((path, False))
        return made

    def other_value(self, choice, value, kind):
        if isinstance(value, int) and choice.random() < 0.7:
            return value ^ (1 << choice.randrange(0, 62))
        if isinstance(value, str):
            return value + choice.choice("abc")
        if isinstance(value, bytes):
            at = choice.randrange(0, len(value) + 1)
            return value[:at] + bytes([choice.randrange(256)]) + value[at + choice.randrange(2):]
        if "INT" in kind or kind == "ANY":
            return choice.choice((0, 1, 2, 7, choice.randrange(-2**62, 2**62)))
        return "x" if "TEXT" in kind else b"x"

    def change_one(self, choice, database):
        """One change at random; a description, and whether a replay compares it. None where the schema allows no such one."""
        connection = sqlite3.connect(database)
        connection.row_factory = sqlite3.Row
        try:
            tables = [name for name, in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT "
                                                           "LIKE 'sqlite_%' ORDER BY name")]
            filled = [name for name in tables if connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall()]
            table = choice.choice(filled)
            info = connection.execute(f"PRAGMA table_info({table})").fetchall()
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()
            row = choice.choice(rows)
            keys = [column["name"] for column in info if column["pk"]]
            where = " AND ".join(f"{key} IS ?" for key in keys)
            place = [row[key] for key in keys]
            column = choice.choice(info)
            name = column["name"]
            how = choice.choice(("value", "value", "null", "delete", "add"))
            if how == "delete":
                connection.execute(f"DELETE FROM {table} WHERE {where}", place)
                what = (table, "row deleted", place)
                compared = is_compared(table, None, row)
            elif how == "add":
                values = {key: row[key] for key in row.keys()}
                chosen = choice.choice(keys)
                key = next(column for column in info if column["name"] == chosen)
                old = values[key["name"]]
                values[key["name"]] = old + choice.randrange(1, 50) if isinstance(old, int) else self.other_value(choice, old, key["type"])
                connection.execute(f"INSERT INTO {table}({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
                                   list(values.values()))
                what = (table, "row added", place, key["name"], values[key["name"]])
                compared = is_compared(table, None, values)
            else:
                value = None if how == "null" else self.other_value(choice, row[name], column["type"])
                if value == row[name]:
                    return None
                connection.execute(f"UPDATE {table} SET {name} = ? WHERE {where}", [value, *place])
                what = (table, name, place, row[name], value)
                compared = is_compared(table, name, row)
            connection.commit()
            return what, compared
        except (sqlite3.IntegrityError, OverflowError):
            return None
        finally:
            connection.close()

    def status(self, command, database):
        return subprocess.run([HWACCL, command, database], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60, check=False).returncode

    def one(self, number, recordings):
        choice = random.Random(f"change {number}")
        original, replayed = choice.choice(recordings)
        copy = self.path(f"copy-{number}.db")
        shutil.copy(original, copy)
        changed = None
        while not changed:
            changed = self.change_one(choice, copy)
        what, compared = changed
        missed = []
        if self.status("check", copy) == 0:
            missed.append(("check", os.path.basename(original), *what))
        if replayed and compared and self.status("replay", copy) == 0:
            missed.append(("replay", os.path.basename(original), *what))
        os.remove(copy)
        return missed

    def test_every_change_is_noticed(self):
        recordings = self.recordings()
        for recording, replayed in recordings:
            self.succeed("check", recording)
            if replayed:
                self.succeed("replay", recording)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            missed = [line for lines in pool.map(lambda number: self.one(number, recordings), range(CHANGES)) for line in lines]
        self.assertEqual(missed, [], f"{len(missed)} of {CHANGES}")


if __name__ == "__main__":
    main()
