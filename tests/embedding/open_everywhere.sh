# shellcheck shell=bash
# replay_vmm RECORDING PROGRAM FAULT: kvm_vmm's handler does what it did in the recording of its nine exits, from every exit on;
# with a seeded fault, that is found and exit and port are named.
replay_vmm() {
        local exit
        for exit in 0 3 4 8; do
                run 0 "$2" "$1" "$exit" >"$work/output"
                grep -qx "replayed $((9 - exit / 4 * 4)) exits: 0 divergences" "$work/output" || fail "replay of $1 from $exit: $(cat "$work/output")"
        done
        run 1 "$3" "$1" >"$work/output"
        grep -q "^exit 1: I/O instruction at 0x[0-9a-f]*: in port 0x60, 1 byte$" "$work/output" &&
                grep -q "^  effect 0  recorded port 0x60+1: 69  replayed port 0x60+1: 68$" "$work/output" ||
                fail "a seeded fault: $(cat "$work/output")"
        run 0 "$3" "$1" 4 >"$work/output" # it is before exit 4
        run 2 "$2" "$1" 9 2>"$work/message"
        grep -q "has no exit 9" "$work/message" || fail "an exit that is not there: $(cat "$work/message")"
}

# For tests, after lib.sh: open_everywhere RECORDING VMM EXITS: every command reads what another VMM recorded, the documented
# queries run, and what nobody knows is unknown everywhere.
open_everywhere() {
        local arguments command
        : "${work:?}"
        "$HWACCL" check "$1" | grep -q "^$3 exits, no problem found" || fail "check $1: $("$HWACCL" check "$1")"
        for arguments in show "show --json --disasm" "show --limit 2 --reason io-instruction" stat "stat --json --sort time" "top --once" recover; do
                read -ra command <<<"$arguments"
                run 0 "$HWACCL" "${command[0]}" "$1" "${command[@]:1}" >"$work/output" 2>"$work/message" </dev/null
                if [ ! -s "$work/output" ] || [ -s "$work/message" ]; then fail "$arguments $1: $(cat "$work/message")"; fi
        done
        # nothing is known of the state with which the guest was entered
        "$HWACCL" state "$1" 2 | grep -qE '^rip +\? +[0-9a-f]{16} +\?$' || fail "state $1 2: $("$HWACCL" state "$1" 2)"
        "$HWACCL" state --json "$1" 2 |
                grep -qE '"rip": ?\{"entry": ?null, ?"exit": ?"0x[0-9a-f]+", ?"handled": ?null, ?"changed": ?false\}' ||
                fail "state --json $1 2: $("$HWACCL" state --json "$1" 2)"
        [ "$("$HWACCL" show --json --limit 1 "$1" | grep -c '"verdict": *null\|"verdict": *"emulate"')" = 1 ] || fail "show --json $1"
        expect_sql "$1" "SELECT count(*) FROM registers WHERE moment = 'entry' AND (rip IS NOT NULL OR rax IS NOT NULL)" 0
        run 2 "$HWACCL" replay "$1" >"$work/output" 2>"$work/message"
        [ "$(grep -c "" "$work/message") $(grep -c "another VMM ($2) handled these exits" "$work/message")" = "1 1" ] ||
                fail "replay $1: $(cat "$work/message")"
        # shellcheck disable=SC2016
        sed -n '/^```sql$/,/^```$/p' "$HWACCL_SOURCE/db-schema/QUERIES.md" | sed '/^```sql$/d; s/^```$//' >"$work/queries"
        sqlite3 -readonly -bail "$1" <"$work/queries" >"$work/output" 2>"$work/message" ||
                fail "a documented query on $1: $(cat "$work/message")"
}
