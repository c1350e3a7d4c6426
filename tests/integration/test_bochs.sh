#!/bin/bash
# Bochs, which checks segments on its own, is a third opinion on what the soft accelerator does: the same guests, started
# from a disk by its BIOS, print the same lines of vectors, instruction pointers and registers.
. "$(dirname "$0")/../fixtures/lib.sh"
share=/usr/share/bochs
for tool in bochs nasm; do
        command -v $tool >/dev/null || skip "$tool is not installed"
done
for file in BIOS-bochs-latest VGABIOS-lgpl-latest; do
        [ -r "$share/$file" ] || skip "$share/$file is missing (package bochsbios)"
done
cd "$work"
cat >bochsrc <<END
megs: 16
cpu: ips=50000000
romimage: file=$share/BIOS-bochs-latest
vgaromimage: file=$share/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path=disk, cylinders=2, heads=16, spt=63
boot: disk
port_e9_hack: enabled=1
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
display_library: rfb, options="timeout=0"
log: bochs.log
panic: action=fatal
END
echo c >commands # Debian's Bochs has its debugger built in

# on_bochs NAME: what the guest prints, from its first line; the word at the end of it ends Bochs
on_bochs() {
        nasm -f bin -w+error -DBOOT -I "$HWACCL_SOURCE/tests/guests/" -o image "$HWACCL_SOURCE/tests/guests/$1.asm"
        rm -f disk disk.lock
        truncate -s $((2 * 16 * 63 * 512)) disk
        dd if=image of=disk conv=notrunc status=none
        timeout 120 bochs -q -f bochsrc -rc commands </dev/null >"$1.all" 2>bochs.messages || true
        tr -d '\r' <"$1.all" | sed -n "/^[a-z].* [0-9A-F]\{4,8\} /,/^\(PASS\|FAIL\) $1/p"
}

for guest in segment_real segment_protected; do
        on_bochs $guest >$guest.bochs
        grep -qx "PASS $guest" $guest.bochs || fail "$guest on Bochs: $(tail -3 $guest.bochs; tail -3 bochs.log)"
        run 0 "$HWACCL" record --accel soft --raw "$HWACCL_BUILD/guests/$guest.bin@0x7c00" --memory 16M --clock virtual \
                --expect-exit 0 --console $guest.soft --no-record </dev/null 2>messages
        cmp $guest.soft $guest.bochs || fail "$guest: the soft accelerator and Bochs differ:
$(diff $guest.soft $guest.bochs | head -10)"
        echo "$guest: $(wc -l <$guest.soft) lines, the same on Bochs"
done
