#!/usr/bin/env python3
"""The rooms' directions (DESIGN.md, 3): replay may include tracer, tracer may include core, never the other way round.

First the rules are tried on small trees with one planted violation each: a check that cannot fail is worthless.
"""
import os
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get("HWACCL_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("HWACCL_BUILD", SOURCE / "build-debug"))

# Where a quoted include of a room may be found, beside the including file's own directory. Other rooms: public headers.
SEARCH = {
    "core": ["core/include", "core"],
    "tracer": ["tracer/include", "tracer", "tracer/lttng", "core/include", "db-schema"],
    "replay": ["replay/include", "replay", "replay/cli", "tracer/include", "core/include"],
}
# Which rooms may resolve an include into which: a file of the first lies under one of the second.
MAY_REACH = {
    "core": ["core/"],
    "tracer": ["tracer/", "core/include/", "db-schema/"],
    "replay": ["replay/", "tracer/include/", "core/include/"],
}
# Libraries that only some places may know of: header prefix, places.
LIBRARIES = [
    ("sqlite3", ["tracer/", "replay/"]),  # replay queries the handle that hwaccl_recording_database() gives it
    ("lttng/", ["tracer/"]),
    ("babeltrace2/", ["tracer/"]),
    ("unicorn/", ["core/accel/"]),
    ("capstone/", ["core/accel/", "core/exit/"]),
    ("linux/kvm", ["core/accel/", "tracer/include/hwaccl/trace_kvm.h"]),
]
# The handlers see accelerators through accel.h alone.
HANDLERS = ["core/exit/", "core/irq/", "core/machine/", "core/subject/"]

# What only the tracer does: recordings are untrusted, and it knows how to open them.
OPENS_DATABASE = re.compile(r"\bsqlite3_open\w*\s*\(")

INCLUDE = re.compile(r"^[ \t]*#[ \t]*(include|include_next|import)[ \t]*(.*)$", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def resolve(tree, build, room, file, name):
    """The path of a quoted include relative to the tree, or None."""
    places = [file.parent] + [tree / place for place in SEARCH[room]]
    for place in places:
        if (place / name).is_file():
            return os.path.relpath((place / name).resolve(), tree.resolve())
    for place in [room, "db-schema"] if room == "tracer" else [room]:  # generated headers
        if (build / place).is_dir() and any(path.is_file() for path in (build / place).glob(f"**/{name}")):
            return f"{room}/{name}"
    return None


def check_file(tree, build, room, file):
    where = file.relative_to(tree).as_posix()
    text = COMMENT.sub(" ", file.read_text(encoding="utf-8"))
    for match in INCLUDE.finditer(text):
        argument = match.group(2).strip()
        if argument.startswith("<") and argument.endswith(">"):
            name = argument[1:-1]
            if name.startswith("hwaccl/"):
                yield f"{where}: <{name}>: own headers are included with quotes"
            for prefix, places in LIBRARIES:
                if name.startswith(prefix) and not any(where.startswith(place) for place in places):
                    yield f"{where}: <{name}> belongs to {', '.join(places)}"
        elif argument.startswith('"') and argument.endswith('"'):
            name = argument[1:-1]
            target = resolve(tree, build, room, file, name)
            if target is None:
                yield f'{where}: "{name}" is in no room that {room} may include'
            elif not any(target.startswith(place) for place in MAY_REACH[room]):
                yield f'{where}: "{name}" is {target}, which {room} may not include'
            elif any(where.startswith(place) for place in HANDLERS) and target.startswith("core/accel/"):
                yield f'{where}: "{name}" is inside an accelerator; handlers use hwaccl/accel.h'
        else:
            yield f"{where}: #{match.group(1)} {argument}: the name must be written out"


def check_calls(tree, file):
    where = file.relative_to(tree).as_posix()
    for match in OPENS_DATABASE.finditer(COMMENT.sub(" ", file.read_text(encoding="utf-8"))):
        if not where.startswith("tracer/"):
            yield f"{where}: {match.group(0)}: databases are opened by tracer"


def check(tree, build):
    for room in SEARCH:
        for file in sorted((tree / room).glob("**/*.[ch]")):
            yield from check_file(tree, build, room, file)
            yield from check_calls(tree, file)


# file, its text, and what the complaint must say (None: nothing to complain about)
PLANTS = [
    ("core/exit/a.c", '#include "hwaccl/core.h"\n#include "exit/private.h"\n#include <string.h>\n', None),
    ("core/exit/a.c", '#include "hwaccl/tracer.h"\n', "in no room that core may include"),
    ("core/exit/a.c", '#include "../../tracer/private.h"\n', "tracer/private.h, which core may not include"),
    ("core/exit/a.c", '  #  include "hwaccl/replay.h"\n', "in no room that core may include"),
    ("core/exit/a.c", "#include <sqlite3.h>\n", "belongs to tracer/"),
    ("core/exit/a.c", "#include <lttng/tracepoint.h>\n", "belongs to tracer/"),
    ("core/exit/a.c", "#include <hwaccl/tracer.h>\n", "own headers are included with quotes"),
    ("core/exit/a.c", "#include HEADER\n", "must be written out"),
    ("core/exit/a.c", '#include "accel/soft/soft.h"\n', "inside an accelerator"),
    ("core/machine/a.c", '#include "accel/soft/soft.h"\n', "inside an accelerator"),
    ("core/machine/a.c", "#include <unicorn/unicorn.h>\n", "belongs to core/accel/"),
    ("core/machine/a.c", "#include <capstone/capstone.h>\n", "belongs to core/accel/, core/exit/"),
    ("core/accel/soft/a.c", '#include "accel/soft/soft.h"\n#include <unicorn/unicorn.h>\n', None),
    ("core/exit/a.c", '/* #include "hwaccl/tracer.h" */\n', None),
    ("tracer/a.c", '#include "hwaccl/core.h"\n#include "private.h"\n#include <sqlite3.h>\n', None),
    ("tracer/a.c", '#include "exit/private.h"\n', "in no room that tracer may include"),
    ("tracer/a.c", '#include "hwaccl/replay.h"\n', "in no room that tracer may include"),
    ("tracer/a.c", '#include "../replay/private_of_replay.h"\n', "which tracer may not include"),
    ("replay/cli/a.c", '#include "hwaccl/core.h"\n#include "hwaccl/tracer.h"\n#include "hwaccl/replay.h"\n', None),
    ("replay/a.c", "#include <sqlite3.h>\n", None),
    ("replay/a.c", "#include <lttng/tracepoint.h>\n", "belongs to tracer/"),
    ("replay/a.c", "void f(void) { sqlite3_open_v2(0, 0, 0, 0); }\n", "databases are opened by tracer"),
    ("tracer/a.c", "void f(void) { sqlite3_open_v2(0, 0, 0, 0); }\n", None),
    ("replay/a.c", '#include "../tracer/private.h"\n', "which replay may not include"),
    ("replay/a.c", '#include "../core/exit/private.h"\n', "which replay may not include"),
]
HEADERS = [
    "core/include/hwaccl/core.h",
    "core/exit/private.h",
    "core/accel/soft/soft.h",
    "tracer/include/hwaccl/tracer.h",
    "tracer/private.h",
    "replay/include/hwaccl/replay.h",
    "replay/private_of_replay.h",
]


def self_test():
    for name, text, complaint in PLANTS:
        with tempfile.TemporaryDirectory() as directory:
            tree = pathlib.Path(directory)
            for header in HEADERS + [name]:
                (tree / header).parent.mkdir(parents=True, exist_ok=True)
                (tree / header).touch()
            (tree / name).write_text(text, encoding="utf-8")
            found = list(check(tree, tree / "build"))
            if complaint is None:
                assert not found, f"{name}: {text!r} is fine, but: {found}"
            else:
                assert len(found) == 1 and complaint in found[0], f"{name}: {text!r}: {found}"


def main():
    self_test()
    count = sum(1 for room in SEARCH for _ in (SOURCE / room).glob("**/*.[ch]"))
    assert count > 50, f"only {count} source files under {SOURCE}"
    violations = list(check(SOURCE, BUILD))
    for violation in violations:
        print(violation, file=sys.stderr)
    print(f"{count} files, {len(PLANTS)} planted trees, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
