#!/bin/bash
# The README's section "When the VMM crashes": every command of it is run as it stands there, and what is printed is what
# a user was told to expect.
. "$(dirname "$0")/../fixtures/lib.sh"
[ -r /usr/share/seabios/bios-256k.bin ] || skip "there is no SeaBIOS"
PATH=$(dirname "$HWACCL"):$PATH
sed -n '/^## When the VMM crashes/,/^## [^W]/s/^    \$ //p' "$HWACCL_SOURCE/README.md" >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 8 ] || fail "the section has too few commands: $(cat "$work/commands")"
cd "$work"
sed -i 's/^sleep 2;/wait_for_exits;/' commands
# a busy machine may need more than two seconds to come to some exits: the header of the ring says how many there are
wait_for_exits() {
        local tries
        for ((tries = 0; tries < 600; tries++)); do
                if [ -s crash.db-ring ] && [ "$(od -An -tu8 -j72 -N8 crash.db-ring | tr -d ' ')" -gt 3000 ]; then
                        return
                fi
                sleep 0.1
        done
        fail "nothing was recorded within a minute"
}
set +e
# shellcheck source=/dev/null
. ./commands >output 2>errors
set -e
cat output errors
[ "$(grep -c 'hwaccl recover crash.db' errors)" -ge 1 ] || fail "hwaccl stat does not say how to recover"
grep -qE '^crash.db: recovered [0-9]+ of [0-9]+ exits from the ring of process [0-9]+; guest: recorder died' output ||
        fail "nothing was recovered"
grep -qE '^[0-9]+ exits, no problem found$' output || fail "the recovered recording is damaged"
grep -qE '^replayed [0-9]+ exits in .*: 0 divergences$' output || fail "the recovered recording does not replay"
[ "$(grep -c 'I/O instruction\|HLT\|CPUID' output)" -ge 3 ] || fail "the last exits are not shown"
[ ! -e crash.db-ring ] || fail "the ring is still there"
expect_sql crash.db "SELECT value FROM recording WHERE name = 'end'" "recorder died"
