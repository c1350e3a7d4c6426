# shellcheck shell=bash
# For the tests in this directory: . "$(dirname "$0")/lib.sh". Gives a scratch directory in $work, removed at the end
# unless the test failed; then its name is printed.
set -euo pipefail
: "${HWACCL:?run this through ctest, or set HWACCL to the built command}"
: "${HWACCL_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${HWACCL_BUILD:=$(dirname "$HWACCL")}"

work=$(mktemp -d "${TMPDIR:-/tmp}/hwaccl-test.XXXXXX")
leave() {
        local status=$?
        if [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; then
                rm -rf "$work"
        else
                echo "test failed; what it made is kept in $work" >&2
        fi
}
trap leave EXIT

fail() {
        echo "FAILED: $*" >&2
        exit 1
}

# A skip says why, and is a failure in CI, where everything has to be there.
skip() {
        if [ "${CI:-}" = true ]; then
                fail "skipped in CI: $*"
        fi
        echo "SKIPPED: $*" >&2
        exit 77
}

# run STATUS command...: the command must end with that status
run() {
        local wanted=$1 status=0
        shift
        "$@" || status=$?
        [ "$status" -eq "$wanted" ] || fail "'$*' ended with $status, not $wanted"
}

# sql DATABASE QUERY: the answer, by the stock shell, read only
sql() {
        sqlite3 -readonly "$1" "$2"
}

# expect_sql DATABASE QUERY ANSWER
expect_sql() {
        local answer
        answer=$(sql "$1" "$2")
        [ "$answer" = "$3" ] || fail "$2
  gives:  $answer
  wanted: $3"
}

# make_disk FILE SECTORS: an image each of whose sectors begins with its number, four bytes, and is filled with its low byte
make_disk() {
        python3 - "$1" "$2" <<'PYTHON'
import sys
with open(sys.argv[1], "wb") as image:
    for sector in range(int(sys.argv[2])):
        image.write(sector.to_bytes(4, "little") + bytes([sector & 255]) * 508)
PYTHON
}

# guest_start GUEST.asm IMAGE DIRECTORY: how a guest is started: makes its modules and disks in the directory, and prints the
# options of `hwaccl record`, one a line
guest_start() {
        local line content text sectors mode append='' kernel='' modules=() disks=()
        while IFS= read -r line; do
                case $line in
                ';@ kernel') kernel=yes ;;
                ';@ append '*) append=${line#';@ append '} ;;
                ';@ module '*) modules+=("${line#';@ module '}") ;;
                ';@ disk '*) disks+=("${line#';@ disk '}") ;;
                esac
        done <"$1"
        if [ -n "$kernel" ]; then
                printf '%s\n' --kernel "$2" --append "$append"
        else
                printf '%s\n' --raw "$2@0x7c00"
        fi
        local number
        for number in ${modules[@]+"${!modules[@]}"}; do
                read -r content text <<<"${modules[$number]}"
                printf %s "$content" >"$3/module$number"
                printf '%s\n' --module "$3/module$number${text:+ $text}"
        done
        for number in ${disks[@]+"${!disks[@]}"}; do
                IFS=, read -r sectors mode <<<"${disks[$number]}"
                make_disk "$3/disk$number" "$sectors" || fail "no disk"
                printf '%s\n' --disk "$3/disk$number${mode:+,$mode}"
        done
}

# check_disks GUEST.asm FILE: what the guest left in its (only) image
check_disks() {
        local sector text
        while read -r sector text; do
                [ "$(tail -c +$((sector * 512 + 1)) "$2" | head -c ${#text})" = "$text" ] ||
                        fail "sector $sector of the disk does not begin with '$text'"
        done < <(sed -n 's/^;@ sector //p' "$1")
        while read -r sector; do
                [ "$(tail -c +$((sector * 512 + 1)) "$2" | head -c 4 | od -An -tu4)" -eq "$sector" ] ||
                        fail "sector $sector of the disk was written"
        done < <(sed -n 's/^;@ untouched //p' "$1")
}

# make_grub_disk FILE KERNEL: a bootable image. GRUB speaks on the serial port, shows a file of the disk and starts KERNEL
make_grub_disk() {
        local tree=$1.tree
        mkdir -p "$tree/boot/grub"
        echo "read from the disk by GRUB" >"$tree/hello.txt"
        cp "$2" "$tree/kernel"
        cat >"$tree/boot/grub/grub.cfg" <<'GRUB'
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=0
echo GRUB speaks
cat /hello.txt
ls /
multiboot /kernel from GRUB
boot
GRUB
        grub-mkrescue -d /usr/lib/grub/i386-pc -o "$1" "$tree" >"$1.log" 2>&1 || fail "grub-mkrescue: $(tail -5 "$1.log")"
        rm -r "$tree"
}

# check_grub_console FILE: what the above prints. SeaBIOS may break what is printed through it with its cursor
check_grub_console() {
        local text
        while read -r text; do
                grep -qF "$text" "$1" || fail "the console has no '$text': $(tail -20 "$1")"
        done <<'TEXT'
GRUB speaks
read from the disk by GRUB
hello.txt
command line: from GRUB
loader: GRUB
sector 0 ends with 0000aa55
PASS multiboot_disk
TEXT
}
