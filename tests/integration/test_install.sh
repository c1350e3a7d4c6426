#!/bin/bash
# cmake --install gives the command, its manual page and completion, and libraries that a program finds by pkg-config.
. "$(dirname "$0")/../fixtures/lib.sh"

prefix=$work/usr
cmake --install "$HWACCL_BUILD" --prefix "$prefix" >"$work/log"
for file in bin/hwaccl share/man/man1/hwaccl.1 share/bash-completion/completions/hwaccl include/hwaccl/trace.h \
        include/hwaccl/recording.h include/hwaccl/replay.h include/hwaccl/session.h include/hwaccl/session_kvm.h; do
        [ -s "$prefix/$file" ] || fail "$file is not installed: $(cat "$work/log")"
done
run 0 "$prefix/bin/hwaccl" --version >"$work/version"

# the parts with libraries of their own are found from where the command lies
if [ -e "$HWACCL_BUILD/hwaccl-ctf" ]; then
        mkdir "$work/empty"
        run 2 "$prefix/bin/hwaccl" import ctf "$work/empty" 2>"$work/import"
        grep -q "no CTF trace" "$work/import" || fail "hwaccl-ctf is not found: $(cat "$work/import")"
fi
if [ -e "$HWACCL_BUILD/hwaccl-lttng.so" ]; then
        [ -n "$(find "$prefix" -path '*/hwaccl/hwaccl-lttng.so')" ] || fail "hwaccl-lttng.so is not installed"
fi

pc=$(find "$prefix" -name hwaccl.pc)
[ -n "$pc" ] || fail "hwaccl.pc is not installed"
export PKG_CONFIG_PATH=${pc%/*}
cat >"$work/program.c" <<'END'
#include <hwaccl/exit_reason.h>
#include <hwaccl/recording.h>
#include <hwaccl/replay.h>
#include <stdio.h>

int main(int argc, char **argv)
{
        struct hwaccl_error error;
        struct hwaccl_recording *recording = hwaccl_recording_open(argv[argc - 1], &error);
        printf("%s; %s\n", hwaccl_exit_reason_name(HWACCL_EXIT_HLT), recording ? "opened" : error.message);
        hwaccl_recording_close(recording);
        return 0;
}
END
# each installed header is enough by itself
for header in "$prefix"/include/hwaccl/*.h; do
        # shellcheck disable=SC2046 # flags are words
        cc -std=c11 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags hwaccl) -include "hwaccl/${header##*/}" -x c /dev/null
done
# shellcheck disable=SC2046 # flags are words
cc -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags hwaccl) -o "$work/program" "$work/program.c" \
        $(pkg-config --libs hwaccl)
"$work/program" "$work/no-such.db" | tee "$work/output"
grep -q '^HLT; .*no-such.db' "$work/output" || fail "the program does not work"
