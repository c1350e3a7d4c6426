#!/usr/bin/env python3
"""What recording costs the VMM's thread, in instructions of each exit: prints one JSON object.

        interpose_cost.py HWACCL PLAIN_VMM

Callgrind counts those of libhwaccl-interpose.so in a VMM on the simulated KVM, all of whose exits are accesses to ports, as 99.9 % of
QEMU's are. Two runs differ in exits only. "codec" are the instructions of tracer/ring, which packs exits into the ring, with RDTSC;
other intrinsics count for the function that they stand in.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

LIBRARY = "libhwaccl-interpose.so"
FEW, MANY = 5000, 25000


def positions(path):
    """(object, file of the function, file of the line, instructions) of each line of a callgrind profile."""
    names, place, called = {}, {}, False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            position = re.match(r"(ob|fl|fi|fe|cob|cfi|cfl)=(\((\d+)\))?(?: ?(.*))?$", line.rstrip("\n"))
            if position:
                kind, _, number, name = position.groups()
                table = "object" if kind.endswith("ob") else "file"
                if number and name:
                    names[table, number] = name
                name = names[table, number] if number else name
                if kind == "ob":
                    place["object"] = name
                elif kind == "fl":
                    place["function"] = place["line"] = name
                elif kind in ("fi", "fe"):
                    place["line"] = name
            elif line.startswith("calls="):
                called = True
            elif re.match(r"[+*\d-]", line):
                cost = line.split()
                if not called and len(cost) == 2:
                    yield place.get("object", ""), place["function"], place["line"], int(cost[1])
                called = False


def count(hwaccl, vmm, exits, directory):
    """Instructions of the library in a run, of the codec and others."""
    profile = os.path.join(directory, f"profile.{exits}")
    done = subprocess.run([hwaccl, "record", "--force", "-o", os.path.join(directory, "cost.db"), "--", "valgrind", "--tool=callgrind",
                           f"--callgrind-out-file={profile}", vmm, "run", str(exits)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env={**os.environ, "FAKE_KVM_PORTS": "1"}, check=False)
    if done.returncode != 7 or f"; {exits - 1} exits of 1 vCPU" not in done.stderr:
        sys.exit(f"interpose_cost.py: the VMM was not recorded: {done.stderr}")
    found = collections.Counter()
    for library, function, line, cost in positions(profile):
        if library.endswith(LIBRARY):
            source = function if "/include/" in line and "/hwaccl/" not in line else line
            found["codec" if "/tracer/ring/" in source or line.endswith("/ia32intrin.h") else "other"] += cost
    return found


def main():
    hwaccl, vmm = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        few, many = (count(hwaccl, vmm, exits, directory) for exits in (FEW, MANY))
    print(json.dumps({part: (many[part] - few[part]) / (MANY - FEW) for part in ("codec", "other")}))


if __name__ == "__main__":
    main()
