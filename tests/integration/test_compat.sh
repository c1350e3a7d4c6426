#!/bin/bash
# Recordings of older schema versions open in every command, and replay, and their files stay byte for byte as they were, also
# where they could be written; `hwaccl upgrade` brings them to today's version.
. "$(dirname "$0")/../fixtures/lib.sh"
cd "$work"

declare -i count=0
for packed in "$HWACCL_SOURCE"/tests/compat/schema-*.db.gz; do
        name=$(basename "$packed" .gz)
        gunzip -c "$packed" >"$name"
        version=$(sql "$name" "PRAGMA user_version")
        [ "schema-$version.db" = "$name" ] || fail "$name has schema version $version"

        digest=$(sha256sum <"$name")
        run 0 "$HWACCL" show --disasm "$name" >shown
        grep -q "out 0xe9, al" shown || fail "$name: show: $(cat shown)"
        run 0 "$HWACCL" check "$name" >checked
        grep -q "^9 exits, no problem found" checked || fail "$name: check: $(cat checked)"
        run 0 "$HWACCL" replay "$name" >replayed
        grep -q "replayed 9 exits .*: 0 divergences" replayed || fail "$name: replay: $(cat replayed)"
        run 0 "$HWACCL" replay "$name" 5..8 >replayed
        run 0 "$HWACCL" stat "$name" >statistics
        run 0 "$HWACCL" state "$name" 4 >registers
        [ "$(sha256sum <"$name")" = "$digest" ] || fail "$name was changed by reading it"
        [ "$(echo "$name"*)" = "$name" ] || fail "reading left $(echo "$name"*)"
        run 0 "$HWACCL" upgrade "$name" >upgraded
        grep -qx "schema version was $version" upgraded || fail "$name: upgrade: $(cat upgraded)"
        [ "$(sql "$name" "PRAGMA user_version")" -gt "$version" ] || fail "$name was not brought to today's version"
        run 0 "$HWACCL" check "$name" >checked
        grep -q "^9 exits, no problem found" checked || fail "$name: check after upgrade: $(cat checked)"
        run 0 "$HWACCL" replay "$name" >replayed
        grep -qF '?' registers && fail "$name: unknown registers: $(cat registers)"
        expect_sql "$name" "SELECT text FROM console" hello
        expect_sql "$name" "SELECT count(*) FROM marks" 0
        expect_sql "$name" "SELECT count(*) FROM disk_accesses" 0
        expect_sql "$name" "SELECT name FROM names WHERE kind = 'input_kind' AND number = 7" disk
        expect_sql "$name" "SELECT count(*) FROM registers WHERE rip IS NULL OR cs_base IS NULL" 0
        count+=1
done
newest=$(find "$HWACCL_SOURCE/db-schema" -name '[0-9]*.sql' | wc -l)
[ "$count" -eq $((newest - 1)) ] || fail "$count older recordings, and today's schema version is $newest"
echo "$count older recordings"
