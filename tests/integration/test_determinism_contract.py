#!/usr/bin/env python3
"""The determinism contract (DESIGN.md, 5): exit handling calls the host through host.h and in no other way.

Every symbol that an object file of the handlers leaves undefined must be defined by another one of them, or be on the
list below. Instructions that bypass the C library are looked for in the sources. First, a handler that breaks the
contract is compiled the way this build compiles, and must be found.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ.get("HWACCL_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("HWACCL_BUILD", SOURCE / "build-debug"))

# Folders and files of core/ that handlers are made of. They may call each other; nothing else of core is theirs.
HANDLERS = ["exit/", "irq/", "loop/", "machine/", "subject/", "host/host.c", "host/guest_memory.c", "error.c", "text.c"]

# Functions of their arguments alone: memory, strings, formatting into memory, sorting; Capstone decodes bytes. A
# thread's own storage (__tls_get_addr) tells nothing about the host.
PURE = set("""
abort aligned_alloc calloc free malloc realloc __popcountdi2 __udivti3 __umodti3
memchr memcmp memcpy memmove memrchr memset
strcasecmp strchr strcmp strcpy strcspn strerror strlen strncasecmp strncmp strncpy strnlen strpbrk strrchr strspn strstr
strtol strtoll strtoul strtoull tolower toupper isdigit bsearch qsort
snprintf vsnprintf
__ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc __errno_location __stack_chk_fail __tls_get_addr _GLOBAL_OFFSET_TABLE_
cs_close cs_disasm cs_disasm_iter cs_errno cs_free cs_group_name cs_insn_group cs_insn_name cs_malloc cs_open cs_option
cs_op_count cs_reg_name cs_regs_access cs_strerror
""".split())
# What one file may call besides, and why.
EXCEPTIONS = {
    "host/guest_memory.c": {"mmap", "munmap", "madvise"},  # the guest's memory is made before it runs
    "exit/emulate/disassemble.c": {"cs_version"},  # for `hwaccl --version`: the library's number, the same all the time
    "error.c": {"fprintf", "stderr"},  # a broken invariant says so and aborts
}
# The instrumentation of sanitizers, coverage and fuzzing is no behaviour of ours.
INSTRUMENTATION = re.compile(r"^_*(asan|ubsan|tsan|msan|sanitizer|sancov|gcov|llvm_profile|llvm_gcov|gnu_lto|start___sancov|stop___sancov)")
FORTIFIED = re.compile(r"^__(\w+)_chk$")

# Instructions that read time, randomness or the host's processor, and the system call.
INLINE = re.compile(r"\b(asm|__asm__|__asm|__builtin_ia32_\w+|__builtin_readcyclecounter|_rd(rand|seed)\w*|__rdtscp?|syscall)\b")
INTRINSICS = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<(x86intrin|immintrin|ia32intrin|cpuid|\w*mmintrin|threads|pthread|time|unistd)\.h>", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def cache(name):
    match = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return match.group(1) if match else ""


def symbol_lister():
    """An nm that reads this build's object files, those of link-time optimization too."""
    compiler = pathlib.Path(cache("CMAKE_C_COMPILER"))
    if "clang" in compiler.name:
        candidates = [compiler.name.replace("clang", "llvm-nm"), "llvm-nm"]
    else:
        candidates = [re.sub(r"g?cc(-[\d.]+)?$", r"gcc-nm\1", compiler.name), "gcc-nm"]
    for candidate in candidates:
        for place in [str(compiler.parent / candidate), candidate]:
            found = shutil.which(place)
            if found:
                return found
    sys.exit(f"FAILED: none of {', '.join(candidates)} is installed")


def symbols(nm, path):
    """What an object file defines and what it leaves undefined."""
    result = subprocess.run([nm, str(path)], capture_output=True, text=True, check=True)
    assert "no symbols" not in result.stderr and "plugin" not in result.stderr, f"{nm} {path}: {result.stderr}"
    defined, undefined = set(), set()
    for line in result.stdout.splitlines():
        kind, name = line.split()[-2:]
        (undefined if kind in "Uvw" else defined).add(name)
    return defined, undefined


def is_handler(name):
    return any(name.startswith(part) if part.endswith("/") else name == part for part in HANDLERS)


def is_pure(symbol, allowed):
    fortified = FORTIFIED.match(symbol)
    return symbol in PURE or INSTRUMENTATION.match(symbol) or (fortified and fortified.group(1).lstrip("_") in PURE | allowed)


def check_objects(nm, objects):
    """objects: source name under core/ -> object file."""
    listed = {name: symbols(nm, path) for name, path in objects.items() if is_handler(name)}
    ours = set().union(*(defined for defined, _ in listed.values()))
    for name, (defined, undefined) in sorted(listed.items()):
        # an object file that nm cannot read would pass every other check
        if not defined:
            yield f"core/{name}: its object file shows no symbols"
        allowed = EXCEPTIONS.get(name, set())
        for symbol in sorted(undefined - ours - allowed):
            if not is_pure(symbol, allowed):
                yield f"core/{name} calls {symbol}"


def check_sources(core):
    for path in sorted(core.glob("**/*.[ch]")):
        name = path.relative_to(core).as_posix()
        if not is_handler(name):
            continue
        text = COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        for match in list(INLINE.finditer(text)) + list(INTRINSICS.finditer(text)):
            yield f"core/{name}: {match.group(0).strip()}"


PLANT = """
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
void *hwaccl_live_inputs_interface(void *);
unsigned long planted(void *live, char *text);
unsigned long planted(void *live, char *text)
{
        char byte;
        memset(text, 0, 8);
        (void)hwaccl_live_inputs_interface(live);
        return (unsigned long)time(NULL) + (unsigned long)rand() + (getenv("HOME") != NULL) + (unsigned long)read(0, &byte, 1);
}
"""


def self_test(nm):
    compiler = shlex.split(cache("CMAKE_C_COMPILER"))
    optimized = cache("CMAKE_BUILD_TYPE") == "Release"
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        (work / "exit").mkdir()
        (work / "exit/planted.c").write_text(PLANT)
        for flags in [["-O0"], ["-O2", "-flto"]] if optimized else [["-O0"]]:
            subprocess.run(compiler + flags + ["-c", str(work / "exit/planted.c"), "-o", str(work / "planted.o")], check=True)
            found = list(check_objects(nm, {"exit/planted.c": work / "planted.o"}))
            wanted = [f"core/exit/planted.c calls {name}" for name in sorted(["time", "rand", "getenv", "read", "hwaccl_live_inputs_interface"])]
            assert found == wanted, f"planted calls: found {found}, not {wanted}"
            assert not list(check_objects(nm, {"accel/planted.c": work / "planted.o"})), "only handlers are bound by the contract"
        for text in ['void f(void) { __asm__("rdtsc"); }', "int f(void) { return __builtin_ia32_rdtsc(); }", "#include <time.h>"]:
            (work / "exit/planted.c").write_text(text)
            assert len(list(check_sources(work))) == 1, f"not found: {text}"
        (work / "exit/planted.c").write_text("/* asm, #include <time.h> */ int f(void);")
        assert not list(check_sources(work)), "comments are no code"


def main():
    nm = symbol_lister()
    self_test(nm)
    directory = BUILD / "core/CMakeFiles/hwaccl-core.dir"
    objects = {path.relative_to(directory).as_posix()[: -len(".o")]: path for path in directory.glob("**/*.c.o")}
    # an object file whose source is gone is left over from an earlier build
    objects = {name: path for name, path in objects.items() if (SOURCE / "core" / name).is_file()}
    missing = [path for path in (SOURCE / "core").glob("**/*.c") if path.relative_to(SOURCE / "core").as_posix() not in objects]
    if missing:
        sys.exit(f"FAILED: {missing[0]} has no object file under {directory}: build first")
    violations = list(check_objects(nm, objects)) + list(check_sources(SOURCE / "core"))
    for violation in violations:
        print(violation, file=sys.stderr)
    print(f"{sum(map(is_handler, objects))} object files of handlers, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
