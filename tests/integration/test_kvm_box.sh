#!/bin/bash
# scripts/kvm-box outside of the box: its cache, what goes in and comes out, its ends. QEMU and apt are played by programs of
# this test; what happens in a real box is tested with label kvm.
. "$(dirname "$0")/../fixtures/lib.sh"
box=$HWACCL_SOURCE/scripts/kvm-box
for tool in cpio busybox dpkg-deb ldd flock; do
        command -v $tool >/dev/null || skip "$tool is not installed"
done

mkdir "$work/bin" "$work/files in" "$work/directory"
export PATH=$work/bin:$PATH XDG_CACHE_HOME=$work/cache PLAYED=$work/played
kernel=$XDG_CACHE_HOME/hwaccl/kvm-box/kernel
mkdir "$PLAYED"
# apt knows one kernel, and fetches it unless the network is down; each fetch leaves a line in the file fetched
cat >"$work/bin/apt-cache" <<'PLAYED'
#!/bin/sh
printf 'linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-1-cloud-amd64\n'
PLAYED
cat >"$work/bin/apt-get" <<'PLAYED'
#!/bin/sh
[ ! -e "$PLAYED/no-network" ] || { echo "E: Could not resolve the mirror" >&2; exit 100; }
echo "$*" >>"$PLAYED/fetched"
cp "$PLAYED/kernel.deb" linux-image.deb
PLAYED
# the compiler makes a program that tells a frequency
cat >"$work/bin/gcc" <<'PLAYED'
#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\necho 2000000\n' >"$2"
chmod +x "$2"
PLAYED
# QEMU unpacks what it is to boot, and answers with the files of the directory result
cat >"$work/bin/qemu-system-x86_64" <<'PLAYED'
#!/bin/sh
while [ $# -gt 0 ]; do
        case "$1" in
        -initrd) initrd=$2 ;;
        file,id=*,path=*) path=${1#*,path=}; name=${1#*id=}; eval "${name%%,*}=\$path" ;;
        esac
        shift
done
[ ! -e "$PLAYED/dies" ] || { echo "qemu: no memory for it" >&2; exit 1; }
rm -rf "$PLAYED/root"
mkdir "$PLAYED/root"
(cd "$PLAYED/root" && cpio --quiet -idm <"$initrd")
echo output >"$out"
echo error >"$error"
if [ -e "$PLAYED/runs" ]; then
        echo $$ >"$PLAYED/pid.new"
        mv "$PLAYED/pid.new" "$PLAYED/pid"
        exec sleep 100
fi
cd "$PLAYED/result" && find . | cpio --quiet -o -H newc >"$files"
PLAYED
chmod +x "$work"/bin/*

# make_package MODULE...: the kernel's package with these modules
make_package() {
        local module tree=$work/package
        rm -rf "$tree"
        mkdir -p "$tree/DEBIAN" "$tree/boot" "$tree/lib/modules/6.1"
        printf 'Package: linux-image\nVersion: 1\nArchitecture: amd64\nMaintainer: a test <a@b.c>\nDescription: a kernel\n' \
                >"$tree/DEBIAN/control"
        echo "a kernel" >"$tree/boot/vmlinuz-6.1"
        for module in "$@"; do echo "$module" >"$tree/lib/modules/6.1/$module.ko"; done
        dpkg-deb -Znone -b "$tree" "$PLAYED/kernel.deb" >/dev/null
}
fetches() {
        if [ -e "$PLAYED/fetched" ]; then wc -l <"$PLAYED/fetched"; else echo 0; fi
}
# refused STATUS TEXT COMMAND...: it ends with the status, and says the text
refused() {
        local wanted=$1 text=$2
        shift 2
        run "$wanted" "$@" >"$work/said" 2>&1 </dev/null
        grep -qF -- "$text" "$work/said" || fail "'$*' does not say '$text': $(cat "$work/said")"
}
all_modules="irqbypass kvm kvm-amd virtio_ring virtio virtio_mmio virtio_console scsi_common scsi_mod sd_mod libata ata_piix"

# ---- the cache
touch "$PLAYED/no-network"
refused 125 "apt-get could not download linux-image-6.1.0-1-cloud-amd64" "$box" --print-kernel
rm "$PLAYED/no-network"
make_package irqbypass kvm
refused 125 "has no module kvm-amd.ko" "$box" --print-kernel
[ ! -e "$kernel" ] || fail "an incomplete kernel is in the cache"
# shellcheck disable=SC2086
make_package $all_modules
rm "$PLAYED/fetched"
for i in 1 2 3; do run 0 "$box" --print-kernel >"$work/printed$i" 2>/dev/null & done
wait
for i in 1 2 3; do [ "$(cat "$work/printed$i")" = "$kernel/vmlinuz" ] || fail "printed: $(cat "$work/printed$i")"; done
[ "$(fetches)" -eq 1 ] || fail "three at once fetched $(fetches) times"
# a copy that was interrupted is made anew; one that is whole needs no network
rm "$kernel/virtio_console.ko"
run 0 "$box" --print-kernel >/dev/null 2>&1
[ "$(fetches)" -eq 2 ] || fail "an incomplete cache was taken"
: >"$kernel/vmlinuz"
run 0 "$box" --print-kernel >/dev/null 2>&1
[ "$(cat "$kernel/vmlinuz")" = "a kernel" ] || fail "an empty kernel was taken"
touch "$PLAYED/no-network"
run 0 "$box" --print-kernel >/dev/null

# ---- what goes in, and what comes out
cd "$work/directory"
here=$PLAYED/result$work/directory
mkdir -p "$PLAYED/result/box" "$here/made here"
echo 7 >"$PLAYED/result/box/status"
echo new >"$here/made here/a file"
chmod 640 "$here/made here/a file"
chmod 700 "$PLAYED/result$work" "$here"
echo in >"$work/files in/one file"
echo at >"at file"
chmod 1777 "$work/directory" # as /tmp has it
mkdir "$work/far away"
run 7 "$box" --in "$work/files in" --out "$work/far/out" true "--output=at file@0x7c00" - "../far away/a.b.db" /dev/null \
        "$work/nowhere/c.db" "--console=$work/far away/console,x" ./near </dev/null >out 2>error
[ "$(cat out)" = output ] || fail "standard output: $(cat out)"
[ "$(cat error)" = error ] || fail "standard error: $(cat error)"
[ "$(cat "$PLAYED/root$work/files in/one file")" = in ] || fail "--in DIRECTORY did not come in"
[ "$(cat "$PLAYED/root$work/directory/at file")" = at ] || fail "a file that an argument names did not come in"
grep -qF "$work/far/out" "$PLAYED/root/box/out" || fail "--out did not come in"
[ -d "$PLAYED/root$work/far away" ] || fail "the directory of a file that an argument names is not in the box"
[ "$(sort -u "$PLAYED/root/box/named")" = "$(printf '%s\n' "$work/far away/a.b" "$work/far away/console" "$work/far away/console,x" |
        sort -u)" ] || fail "to come back: $(cat "$PLAYED/root/box/named")"
[ "$(cat "made here/a file")" = new ] || fail "a file did not come out"
[ "$(stat -c %a "made here/a file")" = 640 ] || fail "a file came out with another mode"
[ "$(stat -c %a .)" = 1777 ] || fail "the box changed the mode of a directory to $(stat -c %a .)"

# ---- its ends
: >"$PLAYED/result/box/status"
refused 125 "the box ran out of memory" "$box" true
touch "$PLAYED/dies"
refused 125 "the box died (exit status of QEMU: 1)" "$box" true
grep -q "no memory for it" "$work/said" || fail "QEMU's words are lost: $(cat "$work/said")"
rm "$PLAYED/dies"
touch "$PLAYED/runs"
refused 124 "timeout after 1 s" "$box" --timeout 1 true
for signal in TERM HUP; do
        rm -f "$PLAYED/pid"
        "$box" true </dev/null >/dev/null 2>&1 &
        started=$!
        while [ ! -e "$PLAYED/pid" ]; do sleep 0.05; done
        kill -s "$signal" "$started"
        wait "$started" && fail "SIG$signal did not end the box"
        qemu=$(cat "$PLAYED/pid")
        for _ in {1..100}; do [ -d "/proc/$qemu" ] || break; sleep 0.05; done
        [ ! -d "/proc/$qemu" ] || fail "SIG$signal ended kvm-box, and QEMU runs on"
done
refused 125 "no-such-command: command not found" "$box" no-such-command
refused 125 "--timeout 0: expected a number of seconds" "$box" --timeout 0 true
refused 125 "--memory 64: expected at least 256 (MiB)" "$box" --memory 64 true
refused 125 "--processors 0" "$box" --processors 0 true
refused 125 "no such file" "$box" --in nothing true
echo "the box's cache, files and ends"
