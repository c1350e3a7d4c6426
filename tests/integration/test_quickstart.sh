#!/bin/bash
# scripts/quickstart in a fresh clone: builds, records SeaBIOS's boot, shows statistics, replays without a divergence.
. "$(dirname "$0")/../fixtures/lib.sh"
[ -r /usr/share/seabios/bios-256k.bin ] || skip "package seabios is not installed"

# what is in the working tree, not what was committed last
mkdir "$work/clone"
(cd "$HWACCL_SOURCE" && git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$work/clone" --)
cd "$work/clone"
scripts/quickstart </dev/null >"$work/output" 2>&1 || fail "scripts/quickstart ended with $?: $(tail -n 40 "$work/output")"
for text in SeaBIOS "No bootable device" "I/O instruction" CPUID "0 divergences" build/quickstart.db; do
        grep -q "$text" "$work/output" || fail "'$text' is not in the output: $(cat "$work/output")"
done
exits=$(sql build/quickstart.db "SELECT count(*) FROM exits")
[ "$exits" -ge 60000 ] || fail "only $exits exits were recorded"

# a second run replaces its own database, and one that was named is never replaced
scripts/quickstart </dev/null >"$work/output" 2>&1 || fail "the second time it ended with $?: $(tail -n 40 "$work/output")"
cp build/quickstart.db mine.db
run 2 scripts/quickstart mine.db </dev/null >"$work/output" 2>&1
cmp build/quickstart.db mine.db || fail "a database that the user named was overwritten"
