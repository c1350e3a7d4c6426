#!/bin/bash
# What the release build recorded the build with sanitizers replays, and the other way round.
. "$(dirname "$0")/../fixtures/lib.sh"
release=$HWACCL_SOURCE/build/hwaccl
[ -x "$release" ] || skip "there is no release build in build/"
firmware=/usr/share/seabios/bios-256k.bin
[ -r "$firmware" ] || skip "package seabios is not installed"

for recorder in "$release" "$HWACCL"; do
        run 0 "$recorder" record --firmware "$firmware" --until "No bootable device" --timeout 300 --clock virtual \
                --force -o "$work/boot.db" --console /dev/null </dev/null
        for player in "$release" "$HWACCL"; do
                run 0 "$player" replay --json "$work/boot.db" </dev/null >"$work/replay.json"
                grep -qE '"divergences": *0\b' "$work/replay.json" ||
                        fail "$player finds divergences in what $recorder recorded: $(cat "$work/replay.json")"
        done
        "$HWACCL_SOURCE/tests/drivers/dump_guest_rows" "$work/boot.db" | sha256sum >>"$work/sums"
done
[ "$(sort -u "$work/sums" | wc -l)" = 1 ] || fail "the two builds record different rows"
