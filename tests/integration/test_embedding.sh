#!/bin/bash
# libhwaccl-tracer and libhwaccl-replay as other VMMs get them: what they export, what state they keep, and the examples of
# tests/embedding built out of tree against an installation, with both compilers, shared and static; what they record opens in
# every command, and is replayed through the VMM's own exit handler.
. "$(dirname "$0")/../fixtures/lib.sh"
# shellcheck source=tests/embedding/open_everywhere.sh
. "$HWACCL_SOURCE/tests/embedding/open_everywhere.sh"
prefix=$work/usr
cmake --install "$HWACCL_BUILD" --prefix "$prefix" >"$work/log"
library=$(find "$prefix" -name libhwaccl-tracer.so.1)
pc=$(find "$prefix" -name hwaccl-tracer.pc)
if [ -z "$library" ] || [ -z "$pc" ]; then fail "libhwaccl-tracer.so.1 or hwaccl-tracer.pc is not installed: $(cat "$work/log")"; fi
if [ ! -e "${library%/*}/libhwaccl-replay.so.1" ] || [ ! -e "${pc%/*}/hwaccl-replay.pc" ]; then
        fail "libhwaccl-replay.so.1 or hwaccl-replay.pc is not installed: $(cat "$work/log")"
fi

# The ABI: names are only added.
exported() { nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $2, $3 }' | LC_ALL=C sort; }
# check_abi LIBRARY SYMBOLS HEADER: $work/exported is what LIBRARY exports
check_abi() {
        local name shared=${library%/*}/$1.so.1
        exported "$shared" >"$work/exported"
        diff "$HWACCL_SOURCE/tests/embedding/$2" "$work/exported" || fail "$1.so does not export what tests/embedding/$2 lists"
        grep -o 'hwaccl_[a-z]*_[a-z_]*(' "$prefix/include/hwaccl/$3" | tr -d '(' | LC_ALL=C sort -u >"$work/declared"
        sed 's/^T \(.*\)@@.*/\1/' "$work/exported" | while read -r name; do
                grep -qx "$name" "$work/declared" || fail "$name is exported, but not declared in hwaccl/$3"
        done
        [ "$(nm -g --defined-only "${library%/*}/$1.a" | grep -c ' T ')" = "$(wc -l <"$work/exported")" ] ||
                fail "$1.a shows other names than the shared library"
        readelf -d "$shared" | grep NEEDED | grep -q unicorn && fail "$1.so needs Unicorn"
        return 0
}
check_abi libhwaccl-replay replay_symbols.txt session.h
check_abi libhwaccl-tracer symbols.txt trace.h

# No state in globals. The core keeps two things for each thread: what it disassembled last, and whose timer's signal it takes.
# tracer/interpose/ioctl_capture.c knows two things of the VMM that libhwaccl-interpose is loaded into; nothing else uses it.
writable() {
        objdump -t "$@" 2>/dev/null | awk '{ for (i = 2; i < NF; i++)
                if ($i ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $i !~ /rel\.ro/ && $(i - 1) == "O") print $i, $NF }'
}
writable "$(dirname "$library")/libhwaccl-tracer.a" >"$work/state"
[ ! -s "$work/state" ] || fail "libhwaccl-tracer has state in globals: $(cat "$work/state")"
writable "$(dirname "$library")/libhwaccl-replay.a" | grep -vxE '\.tbss[^ ]* described' >"$work/state" || true
[ ! -s "$work/state" ] || fail "libhwaccl-replay has state in globals: $(cat "$work/state")"
writable "$HWACCL_BUILD"/libhwaccl-{core,db-schema,recording,engine}.a | grep -vxE '\.tbss[^ ]* (described|current)|\.bss[^ ]* (filtered|xsave_size)' >"$work/state" || true
[ ! -s "$work/state" ] || fail "the libraries have state in globals: $(cat "$work/state")"
# the check itself can fail
printf 'int counter; static int kept; int next(void) { return ++kept + counter; }' | cc -x c -c -o "$work/global.o" -
[ "$(writable "$work/global.o" | wc -l)" = 2 ] || fail "the check for globals finds none in a file that has two"

export PKG_CONFIG_PATH=${pc%/*} LD_LIBRARY_PATH=${library%/*}
read -ra cflags <<<"$(pkg-config --cflags hwaccl-tracer)"
read -ra shared <<<"$(pkg-config --libs hwaccl-tracer)"
read -ra static <<<"$(pkg-config --static --libs hwaccl-tracer | sed 's/-lhwaccl-tracer/-l:libhwaccl-tracer.a/')"
[[ "${shared[*]}" == *-lhwaccl-tracer* && "${shared[*]}" != *sqlite* && "${static[*]}" == *sqlite* ]] ||
        fail "pkg-config: ${shared[*]}; ${static[*]}"

for compiler in gcc clang-14; do
        for kind in shared static; do
                declare -n libs=$kind
                for example in loop_vmm threaded_vmm kvm_vmm; do
                        "$compiler" -std=c11 -D_DEFAULT_SOURCE -pedantic -Wall -Wextra -Werror "${cflags[@]}" -o "$work/$example" \
                                "$HWACCL_SOURCE/tests/embedding/$example.c" "${libs[@]}" -pthread ||
                                fail "$example does not build with $compiler, $kind"
                done
                readelf -d "$work/loop_vmm" | grep NEEDED >"$work/needed"
                if [ "$kind" = shared ]; then
                        grep -q 'libhwaccl-tracer\.so\.1\]' "$work/needed" || fail "not linked to the shared library"
                else
                        grep -qE 'hwaccl|unicorn' "$work/needed" && fail "static, but: $(cat "$work/needed")"
                fi
                run 0 "$work/loop_vmm" "$work/$compiler-$kind.db" 500
                # the others are the same, row for row, as is seen below
                [ "$compiler-$kind" != gcc-shared ] ||
                        HWACCL=$prefix/bin/hwaccl open_everywhere "$work/$compiler-$kind.db" "loop_vmm 1.0" 1000
                run 0 "$work/threaded_vmm" "$work/$compiler-$kind-threads.db" 300
        done
done
run 99 "$work/loop_vmm" "$work/gcc-shared.db" 1 2>"$work/message"
grep -q "exists" "$work/message" || fail "an existing recording: $(cat "$work/message")"
# the recordings say the same, but for times
rows() {
        sql "$1" "SELECT id, reason, detail, rip, verdict, outcome, io_value FROM exits; SELECT vcpu, exit, text FROM marks;
                SELECT id, vector, outcome FROM irq_handoffs; SELECT * FROM registers; SELECT * FROM console;
                SELECT * FROM accesses; SELECT * FROM kvm_runs; SELECT * FROM vmm_states"
}
rows "$work/gcc-shared.db" >"$work/rows"
for other in gcc-static clang-14-shared clang-14-static; do
        rows "$work/$other.db" | cmp -s - "$work/rows" || fail "$other.db differs"
done
"$prefix/bin/hwaccl" show "$work/gcc-shared.db" --vcpu 1 3..5 | grep -q "^ *5 " || fail "show --vcpu 1"
"$prefix/bin/hwaccl" state "$work/gcc-shared.db" 2 | grep -qE '^rbx +\? +\? +\?$' || fail "state: RBX is not unknown"
expect_sql "$work/gcc-shared.db" "SELECT count(*) FROM registers WHERE rbx IS NOT NULL OR cs_base IS NOT NULL" 0
expect_sql "$work/gcc-shared.db" "SELECT count(*), count(outcome), count(DISTINCT vcpu) FROM irq_handoffs WHERE outcome = 'taken'" "250|250|2"

# threads that run no vCPU: a request's exit, the line that the disk's thread raises, the vCPU's two calls, the next request
threads=$work/gcc-shared-threads.db
HWACCL=$prefix/bin/hwaccl open_everywhere "$threads" "threaded_vmm 1.0" 600
run 0 "$prefix/bin/hwaccl" show --calls "$threads" >"$work/output"
[ "$(grep -c 'KVM_INTERRUPT  *vcpu\|KVM_IRQ_LINE  *vm\|KVM_SIGNAL_MSI  *vm\|I/O instruction' "$work/output")" = 2700 ] ||
        fail "show --calls: $(head -20 "$work/output")"
expect_sql "$threads" "SELECT group_concat(name) FROM (SELECT name FROM lane ORDER BY name)" "disk 0,disk 1,timer"
expect_sql "$threads" "SELECT count(*), count(result) FROM vmm_call" "2100|2100"
expect_sql "$threads" "SELECT min(sequence), max(sequence), count(DISTINCT sequence) FROM vmm_sequence" "1|2700|2700"
expect_sql "$threads" "SELECT sum(level), count(*), count(DISTINCT gsi) FROM irq_line_changes" "600|1200|2"
expect_sql "$threads" "SELECT sum(delivered), count(*) FROM msi_messages" "150|300"
in_order() {
        expect_sql "$1" "WITH own AS (
                SELECT sequence, id >> 40 AS vcpu, 'exit' AS what FROM exit UNION ALL
                SELECT sequence, gsi - 14, 'level ' || level FROM irq_line_changes UNION ALL
                SELECT sequence, object, 'interrupt' FROM vmm_call WHERE request = 0x4004ae86),
                pairs AS (SELECT what, lead(what) OVER (PARTITION BY vcpu ORDER BY sequence) AS next FROM own)
                SELECT DISTINCT what, next FROM pairs WHERE next IS NOT NULL ORDER BY 1" "exit|level 1
interrupt|level 0
level 0|exit
level 1|interrupt"
}
for kind in gcc-shared gcc-static clang-14-shared clang-14-static; do
        in_order "$work/$kind-threads.db"
done

# what kvm_vmm records, here on a simulated /dev/kvm, is replayed through its own handler; a fault in it is found and named
read -ra replay_shared <<<"$(pkg-config --libs hwaccl-replay)"
read -ra replay_static <<<"$(pkg-config --static --libs hwaccl-replay | sed 's/-lhwaccl-replay/-l:libhwaccl-replay.a/')"
examples=$HWACCL_SOURCE/tests/embedding
strict=(-std=c11 -D_DEFAULT_SOURCE -pedantic -Wall -Wextra -Werror "${cflags[@]}")
gcc "${strict[@]}" -o "$work/kvm_vmm" "$examples/kvm_vmm.c" "$examples/simulated_kvm.c" "${shared[@]}" \
        -Wl,--wrap=open,--wrap=ioctl,--wrap=mmap || fail "kvm_vmm does not build with a simulated /dev/kvm"
run 7 "$work/kvm_vmm" "$work/vmm.db" >"$work/console"
[ "$(cat "$work/console")" = "hiI!" ] || fail "the simulated guest printed: $(cat "$work/console")"
HWACCL=$prefix/bin/hwaccl open_everywhere "$work/vmm.db" "kvm_vmm 1.0" 9
gcc "${strict[@]}" -o "$work/kvm_vmm_replay" "$examples/kvm_vmm_replay.c" "${replay_shared[@]}" || fail "kvm_vmm_replay does not build"
clang-14 "${strict[@]}" -DSEEDED_FAULT -o "$work/kvm_vmm_fault" "$examples/kvm_vmm_replay.c" "${replay_static[@]}" ||
        fail "kvm_vmm_replay does not build, static"
replay_vmm "$work/vmm.db" "$work/kvm_vmm_replay" "$work/kvm_vmm_fault"
cp "$work/vmm.db" "$work/empty.db"
sqlite3 "$work/empty.db" 'DELETE FROM exit'
run 2 "$work/kvm_vmm_replay" "$work/empty.db" 2>"$work/message"
grep -q "there was no exit to replay" "$work/message" || fail "a recording without exits: $(cat "$work/message")"

# a VMM that dies leaves what its vCPUs had done
cp "$work/loop_vmm" "$work/killed_vmm"
"$work/killed_vmm" "$work/killed.db" 1000000000 &
vmm=$!
until [ -s "$work/killed.db" ] && "$prefix/bin/hwaccl" top --once --json "$work/killed.db" 2>/dev/null | grep -qE '"total": ?\{"exits": ?[1-9][0-9]{3}'; do
        kill -0 $vmm || fail "the VMM ended by itself"
        sleep 0.1
done
kill -9 $vmm
wait $vmm || true
run 0 "$prefix/bin/hwaccl" top "$work/killed.db" >"$work/output"
grep -q "the recorder died" "$work/output" || fail "top of a recorder that died: $(cat "$work/output")"
run 0 "$prefix/bin/hwaccl" recover "$work/killed.db" >"$work/output"
[ "$(echo "$work"/killed.db-*)" = "$work/killed.db-*" ] || fail "left after recovery: $(echo "$work"/killed.db-*)"
run 0 "$prefix/bin/hwaccl" check "$work/killed.db" >"$work/output" 2>"$work/message"
expect_sql "$work/killed.db" "SELECT count(DISTINCT vcpu), min(exits) > 100 FROM (SELECT vcpu, count(*) AS exits FROM exits GROUP BY vcpu)" "2|1"
expect_sql "$work/killed.db" "SELECT count(*) FROM marks" 2
expect_sql "$work/killed.db" "SELECT DISTINCT vcpu, exit % 256, name, size FROM vmm_states" "0|0|exits|8
1|0|exits|8"
expect_sql "$work/killed.db" "SELECT count(*) FROM (SELECT id FROM exits WHERE reason_number = 30 EXCEPT SELECT id FROM accesses) WHERE id NOT IN
        (SELECT max(id) FROM exits GROUP BY vcpu)" 0

# the same of one with further threads: their calls are there, and none between two others is missing
cp "$work/threaded_vmm" "$work/killed_threads"
"$work/killed_threads" "$work/threads.db" 1000000000 &
vmm=$!
until [ "$(sqlite3 -readonly "$work/threads.db" 'SELECT count(*) >= 2000 AND count(DISTINCT lane) = 5 FROM vmm_call' 2>/dev/null)" = 1 ]; do
        kill -0 $vmm || fail "the VMM with threads ended by itself"
        sleep 0.1
done
kill -9 $vmm
wait $vmm || true
run 0 "$prefix/bin/hwaccl" recover "$work/threads.db" >"$work/output"
[ "$(echo "$work"/threads.db-*)" = "$work/threads.db-*" ] || fail "left after recovery: $(echo "$work"/threads.db-*)"
run 0 "$prefix/bin/hwaccl" check "$work/threads.db" >"$work/output"
expect_sql "$work/threads.db" "SELECT count(DISTINCT lane) FROM vmm_call" 5
in_order "$work/threads.db"

# C++ reads the headers.
printf '#include <hwaccl/trace.h>\n#include <hwaccl/trace_kvm.h>\n#include <hwaccl/session_kvm.h>\nint main() { hwaccl_trace_state s = {}; %s }\n' \
        'hwaccl_trace_put_exit(&s, HWACCL_EXIT_HLT, 0, 1); hwaccl_trace_put_segment(&s, cs, 0, 0, 0, 0); return hwaccl_trace_open("", 0, 0) != 0;' \
        >"$work/program.cc"
for standard in c++11 c++20; do
        clang-14 -x c++ "-std=$standard" -pedantic -Wall -Wextra -Werror -fsyntax-only "${cflags[@]}" "$work/program.cc" ||
                fail "the headers are no C++ of $standard"
done
echo "$(wc -l <"$work/exported") functions, no state, 4 builds of 3 examples"
