#!/bin/bash
# SeaBIOS boots GRUB from a disk; GRUB reads a file from it and starts a Multiboot kernel that reads the disk itself. With the
# host's clock and with the virtual one; the replays, without the image, find no difference.
. "$(dirname "$0")/../fixtures/lib.sh"
firmware=/usr/share/seabios/bios-256k.bin
[ -r "$firmware" ] || skip "package seabios is not installed"
for tool in grub-mkrescue xorriso; do
        command -v $tool >/dev/null || skip "$tool is not installed"
done
[ -d /usr/lib/grub/i386-pc ] || skip "package grub-pc-bin is not installed"
kernel=$HWACCL_BUILD/guests/multiboot_disk.bin
[ -r "$kernel" ] || fail "$kernel is not built"

make_grub_disk "$work/grub.img" "$kernel"
digest=$(sha256sum <"$work/grub.img")
# boot CLOCK MODE
boot() {
        local database=$work/$1.db
        run 0 "$HWACCL" record --firmware "$firmware" --clock "$1" --disk "$work/grub.img,$2" --timeout 500 --quiet-debug \
                --expect-exit 0 --console "$work/$1.console" -o "$database" </dev/null 2>"$work/$1.messages"
        cat "$work/$1.messages"
        check_grub_console "$work/$1.console"
        expect_sql "$database" "SELECT value FROM recording WHERE name = 'disk_0_sha256'" "${digest%% *}"
        expect_sql "$database" "SELECT count(*) > 500 AND min(sector) = 0 AND max(sectors) = 1 FROM disk_accesses WHERE access = 'read'" 1
        expect_sql "$database" "SELECT count(*) FROM disk_accesses WHERE access <> 'read'" 0
        # the boot sector was read as it is
        expect_sql "$database" "SELECT count(*) FROM disk_accesses WHERE hex(substr(data, 511)) = '55AA' AND sector = 0" \
                "$(sql "$database" "SELECT count(*) FROM disk_accesses WHERE sector = 0")"
}
boot host ro
boot virtual cow
[ "$(sha256sum <"$work/grub.img")" = "$digest" ] || fail "the image was written"
mv "$work/grub.img" "$work/elsewhere.img"
for clock in host virtual; do
        exits=$(sql "$work/$clock.db" "SELECT count(*) FROM exits")
        run 0 "$HWACCL" replay --json "$work/$clock.db" </dev/null >"$work/replay.json"
        grep -qE "\"exits\": *$exits\b" "$work/replay.json" || fail "not all of $exits exits: $(cat "$work/replay.json")"
        grep -qE '"divergences": *0\b' "$work/replay.json" || fail "divergences: $(cat "$work/replay.json")"
        run 0 "$HWACCL" check "$work/$clock.db" </dev/null >"$work/check"
        echo "$clock: $exits exits"
done
