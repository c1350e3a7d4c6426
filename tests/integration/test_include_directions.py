#!/usr/bin/env python3
"""The rooms' directions (DESIGN.md, 3): replay may include tracer, tracer may include core, never the other way round; and
the folders inside a room include each other in no circle.

First the rules are tried on small trees with one planted violation each: a check that cannot fail is worthless.
"""
import collections
import os
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get("HWACCL_SOURCE", pathlib.Path(__file__).resolve().parents[2]))

# Which rooms a file of the first may include. A public header is "hwaccl/NAME.h" and lies in ROOM/include; every other
# header is named by its path from the project's root.
MAY_REACH = {
    "core": ["core"],
    "tracer": ["tracer", "core", "db-schema"],
    "replay": ["replay", "tracer", "core"],
}
# Where folders form no circle and keep their internal headers for themselves.
TIDY = list(MAY_REACH)
# Libraries that only some places may know of: header prefix, places.
LIBRARIES = [
    ("sqlite3", ["tracer/", "replay/"]),  # replay queries the handle that hwaccl_recording_database() gives it
    ("lttng/", ["tracer/"]),
    ("babeltrace2/", ["tracer/"]),
    ("unicorn/", ["core/accel/"]),
    ("capstone/", ["core/accel/", "core/exit/"]),
    ("linux/kvm", ["core/accel/", "tracer/include/hwaccl/trace_kvm.h", "tracer/interpose/", "tracer/kernel/"]),
]
# The handlers see accelerators through accel.h alone.
HANDLERS = ["core/exit/", "core/irq/", "core/machine/", "core/subject/"]

# What only the tracer does: recordings are untrusted, and it knows how to open them.
OPENS_DATABASE = re.compile(r"\bsqlite3_open\w*\s*\(")

INCLUDE = re.compile(r"^[ \t]*#[ \t]*(include|include_next|import)[ \t]*(.*)$", re.MULTILINE)
STABILITY = re.compile(r"\b(Stable|Not stable)\b")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def resolve(tree, name):
    """The path of a quoted include relative to the tree, or None."""
    if name.startswith("hwaccl/"):
        for room in MAY_REACH:
            if (tree / room / "include" / name).is_file():
                return f"{room}/include/{name}"
        return None
    return name if os.path.normpath(name) == name and (tree / name).is_file() else None


def check_quoted(tree, room, where, name):
    target = resolve(tree, name)
    if target is None:
        yield f'{where}: "{name}" is neither a public header nor a path from the root'
        return
    if target.split("/")[0] not in MAY_REACH[room]:
        yield f'{where}: "{name}" is {target}, which {room} may not include'
    elif any(where.startswith(place) for place in HANDLERS) and re.match(r"core/accel/.+/", target):
        yield f'{where}: "{name}" is inside an accelerator; handlers use core/accel/accel.h'
    elif "/include/" in where and "/include/" not in target:
        yield f'{where}: "{name}" is not installed'
    elif target.endswith("_internal.h") and target.split("/")[0] in TIDY and os.path.dirname(target) != os.path.dirname(where):
        yield f'{where}: "{name}" is internal to {os.path.dirname(target)}'


def includes(file):
    """The arguments of a file's #include directives, with the directive's name."""
    text = COMMENT.sub(" ", file.read_text(encoding="utf-8"))
    return [(match.group(1), match.group(2).strip()) for match in INCLUDE.finditer(text)]


def check_file(tree, room, file):
    where = file.relative_to(tree).as_posix()
    for directive, argument in includes(file):
        if argument.startswith("<") and argument.endswith(">"):
            name = argument[1:-1]
            if name.startswith("hwaccl/"):
                yield f"{where}: <{name}>: own headers are included with quotes"
            for prefix, places in LIBRARIES:
                if name.startswith(prefix) and not any(where.startswith(place) for place in places):
                    yield f"{where}: <{name}> belongs to {', '.join(places)}"
        elif argument.startswith('"') and argument.endswith('"'):
            yield from check_quoted(tree, room, where, argument[1:-1])
        else:
            yield f"{where}: #{directive} {argument}: the name must be written out"


def folder_graph(tree):
    """For each folder the folders that its files include, with one such include as an example."""
    graph = collections.defaultdict(dict)
    for room in TIDY:
        for file in sorted((tree / room).glob("**/*.[ch]")):
            where = file.relative_to(tree).as_posix()
            for _, argument in includes(file):
                target = resolve(tree, argument[1:-1]) if argument.startswith('"') else None
                if target and os.path.dirname(target) != os.path.dirname(where):
                    graph[os.path.dirname(where)].setdefault(os.path.dirname(target), f"{where} includes {target}")
    return graph


def shortest_circle(graph, start):
    """The folders on the shortest way from @start back to it, or None."""
    before = {start: None}
    queue = collections.deque([start])
    while queue:
        folder = queue.popleft()
        for target in graph.get(folder, {}):
            if target == start:
                way = [folder]
                while before[way[-1]] is not None:
                    way.append(before[way[-1]])
                return way[::-1]
            if target not in before:
                before[target] = folder
                queue.append(target)
    return None


def check_circles(tree):
    graph = folder_graph(tree)
    told = set()
    for folder in sorted(graph):
        circle = shortest_circle(graph, folder)
        if circle and frozenset(circle) not in told:
            told.add(frozenset(circle))
            steps = [graph[a][b] for a, b in zip(circle, circle[1:] + circle[:1])]
            yield f"circle of folders {' -> '.join(circle + circle[:1])}: {'; '.join(steps)}"


def check_calls(tree, file):
    where = file.relative_to(tree).as_posix()
    for match in OPENS_DATABASE.finditer(COMMENT.sub(" ", file.read_text(encoding="utf-8"))):
        if not where.startswith("tracer/"):
            yield f"{where}: {match.group(0)}: databases are opened by tracer"


def check(tree):
    for room in MAY_REACH:
        for file in sorted((tree / room).glob("**/*.[ch]")):
            yield from check_file(tree, room, file)
            yield from check_calls(tree, file)
    yield from check_circles(tree)
    yield from check_public(tree)


def check_public(tree):
    """An installed header says in its first comment whether it is stable."""
    for room in MAY_REACH:
        for file in sorted((tree / room / "include").glob("**/*.h")):
            comment = COMMENT.match(file.read_text(encoding="utf-8"))
            if not comment or not STABILITY.search(comment.group(0)):
                yield f"{file.relative_to(tree).as_posix()}: the first comment does not say 'Stable' or 'Not stable'"


# files and their texts, and what the complaint must say (None: nothing to complain about)
PLANTS = [
    ({"core/exit/a.c": '#include "hwaccl/core.h"\n#include "core/exit/private.h"\n#include <string.h>\n'}, None),
    ({"core/exit/a.c": '#include "hwaccl/tracer.h"\n'}, "tracer/include/hwaccl/tracer.h, which core may not include"),
    ({"core/exit/a.c": '#include "tracer/private.h"\n'}, "tracer/private.h, which core may not include"),
    ({"core/exit/a.c": '#include "../../tracer/private.h"\n'}, "neither a public header nor a path from the root"),
    ({"core/exit/a.c": '#include "private.h"\n'}, "neither a public header nor a path from the root"),
    ({"core/exit/a.c": '  #  include "hwaccl/replay.h"\n'}, "which core may not include"),
    ({"core/exit/a.c": "#include <sqlite3.h>\n"}, "belongs to tracer/"),
    ({"core/exit/a.c": "#include <lttng/tracepoint.h>\n"}, "belongs to tracer/"),
    ({"core/exit/a.c": "#include <hwaccl/tracer.h>\n"}, "own headers are included with quotes"),
    ({"core/exit/a.c": "#include HEADER\n"}, "must be written out"),
    ({"core/exit/a.c": '#include "core/accel/soft/soft.h"\n'}, "inside an accelerator"),
    ({"core/machine/a.c": '#include "core/accel/soft/soft.h"\n'}, "inside an accelerator"),
    ({"core/machine/a.c": '#include "core/accel/accel.h"\n'}, None),
    ({"core/machine/a.c": "#include <unicorn/unicorn.h>\n"}, "belongs to core/accel/"),
    ({"core/machine/a.c": "#include <capstone/capstone.h>\n"}, "belongs to core/accel/, core/exit/"),
    ({"core/accel/soft/a.c": '#include "core/accel/soft/soft.h"\n#include <unicorn/unicorn.h>\n'}, None),
    ({"core/exit/a.c": '/* #include "hwaccl/tracer.h" */\n'}, None),
    ({"tracer/a.c": '#include "hwaccl/core.h"\n#include "tracer/private.h"\n#include <sqlite3.h>\n'}, None),
    ({"tracer/a.c": '#include "core/exit/private.h"\n'}, None),
    ({"tracer/a.c": '#include "core/exit/exit_internal.h"\n'}, "is internal to core/exit"),
    ({"core/exit/a.c": '#include "core/exit/exit_internal.h"\n'}, None),
    ({"tracer/a.c": '#include "hwaccl/replay.h"\n'}, "which tracer may not include"),
    ({"tracer/a.c": '#include "replay/private.h"\n'}, "which tracer may not include"),
    ({"replay/cli/a.c": '#include "hwaccl/core.h"\n#include "hwaccl/tracer.h"\n#include "hwaccl/replay.h"\n'}, None),
    ({"replay/a.c": "#include <sqlite3.h>\n"}, None),
    ({"replay/a.c": "#include <lttng/tracepoint.h>\n"}, "belongs to tracer/"),
    ({"replay/a.c": "void f(void) { sqlite3_open_v2(0, 0, 0, 0); }\n"}, "databases are opened by tracer"),
    ({"tracer/a.c": "void f(void) { sqlite3_open_v2(0, 0, 0, 0); }\n"}, None),
    ({"core/include/hwaccl/a.h": '/* A. Not stable */\n#include "hwaccl/core.h"\n'}, None),
    ({"core/include/hwaccl/a.h": '/* A. Stable */\n#include "core/exit/private.h"\n'}, "is not installed"),
    ({"core/include/hwaccl/a.h": "/* A, whatever */\n"}, "does not say 'Stable' or 'Not stable'"),
    # circles of folders: of two, of three through headers, of a folder and the one in it; and none at all
    ({"tracer/x/a.h": '#include "tracer/y/b.h"\n', "tracer/y/b.h": '#include "tracer/x/a.h"\n'},
     "circle of folders tracer/x -> tracer/y -> tracer/x"),
    ({"core/x/a.c": '#include "core/y/b.h"\n', "core/y/b.h": '#include "core/z/c.h"\n',
      "core/z/c.h": '#include "core/x/d.h"\n', "core/x/d.h": ""}, "core/x -> core/y -> core/z -> core/x"),
    ({"replay/a.h": '#include "replay/x/b.h"\n', "replay/x/b.h": "", "replay/x/c.c": '#include "replay/a.h"\n'},
     "circle of folders replay -> replay/x -> replay"),
    ({"core/x/a.c": '#include "core/y/b.h"\n#include "core/z/c.h"\n', "core/y/b.h": '#include "core/z/c.h"\n',
      "core/z/c.h": ""}, None),
]
HEADERS = [
    "core/include/hwaccl/core.h",
    "core/exit/private.h",
    "core/exit/exit_internal.h",
    "core/accel/accel.h",
    "core/accel/soft/soft.h",
    "tracer/include/hwaccl/tracer.h",
    "tracer/private.h",
    "replay/include/hwaccl/replay.h",
    "replay/private.h",
]


def self_test():
    global TIDY
    tidy, TIDY = TIDY, list(MAY_REACH)
    for files, complaint in PLANTS:
        with tempfile.TemporaryDirectory() as directory:
            tree = pathlib.Path(directory)
            for name, text in {**dict.fromkeys(HEADERS, "/* Stable */\n"), **files}.items():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(text, encoding="utf-8")
            found = list(check(tree))
            if complaint is None:
                assert not found, f"{files} is fine, but: {found}"
            else:
                assert len(found) == 1 and complaint in found[0], f"{files}: {found}"
    TIDY = tidy


def main():
    self_test()
    count = sum(1 for room in MAY_REACH for _ in (SOURCE / room).glob("**/*.[ch]"))
    assert count > 50, f"only {count} source files under {SOURCE}"
    violations = list(check(SOURCE))
    for violation in violations:
        print(violation, file=sys.stderr)
    print(f"{count} files, {len(PLANTS)} planted trees, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
