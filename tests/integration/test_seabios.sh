#!/bin/bash
# SeaBIOS boots to "No bootable device", every exit is recorded, and the replay of all of them finds no difference,
# with the host's clock and with the virtual one. Two recordings with the virtual clock, tens of thousands of exits
# long, are identical row for row.
. "$(dirname "$0")/../fixtures/lib.sh"
firmware=/usr/share/seabios/bios-256k.bin
[ -r "$firmware" ] || skip "package seabios is not installed"

# record DATABASE LEAST option...: at least that many exits
record() {
        local database=$1 least=$2
        shift 2
        run 0 "$HWACCL" record --firmware "$firmware" --timeout 300 -o "$database" \
                --console "$database.console" "$@" </dev/null 2>"$database.log"
        grep -q "SeaBIOS (version" "$database.console" || fail "no banner: $(tail -5 "$database.console")"
        grep -q "No bootable device" "$database.console" || fail "no last word: $(tail -5 "$database.console")"
        local exits
        exits=$(sql "$database" "SELECT count(*) FROM exits")
        [ "$exits" -ge "$least" ] || fail "only $exits exits"
        run 0 "$HWACCL" replay --json "$database" </dev/null >"$work/replay.json"
        grep -qE "\"exits\": *$exits\b" "$work/replay.json" || fail "not all of $exits exits: $(cat "$work/replay.json")"
        grep -qE '"divergences": *0\b' "$work/replay.json" || fail "divergences: $(cat "$work/replay.json")"
        run 0 "$HWACCL" check "$database" </dev/null >"$work/check"
        echo "$database: $exits exits"
}

record "$work/host.db" 3000 --clock host --until "No bootable device"
many=40000
[ "${HWACCL_TESTS_SET:-}" != quick ] || many=10000
case ${HWACCL_SANITIZE:-} in
address*) many=15000 ;;
thread) many=6000 ;; # twenty times slower
esac
record "$work/one.db" $many --clock virtual --max-exits $many
record "$work/two.db" $many --clock virtual --max-exits $many
for copy in one two; do
        "$HWACCL_SOURCE/tests/drivers/dump_guest_rows" "$work/$copy.db" >"$work/$copy.sql"
done
[ "$(wc -l <"$work/one.sql")" -gt 5000 ] || fail "the dump is too short to say anything"
cmp "$work/one.sql" "$work/two.sql" || fail "two recordings with the virtual clock differ:
$(diff "$work/one.sql" "$work/two.sql" | head -5)"
cmp "$work/one.db.console" "$work/two.db.console" || fail "the consoles differ"
