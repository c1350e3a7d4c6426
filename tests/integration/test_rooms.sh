#!/bin/bash
# The rooms' directions: replay includes tracer, tracer includes core, never the other way round. And the determinism
# contract: nothing under core/exit, core/irq and core/machine calls the host in any other way than through host.h.
. "$(dirname "$0")/lib.sh"
cd "$HWACCL_SOURCE"

# every quoted include must be found in a room that the including room may look into
check_includes() {
        local room=$1 file include place found
        shift
        while IFS=: read -r file include; do
                found=
                for place in "$(dirname "$file")" "$@"; do
                        [ ! -e "$place/$include" ] || found=$place
                done
                # generated headers are in the build directory, under the room's own name
                [ -n "$found" ] || found=$(find "$HWACCL_BUILD/$room" "$HWACCL_BUILD/db-schema" -path "*/$include" 2>/dev/null | head -n 1)
                [ -n "$found" ] || fail "$file includes $include, which is not for room $room"
        done < <(grep -rHo --include='*.[ch]' '^#include "[^"]*"' "$room" | sed 's/#include "\(.*\)"/\1/')
}
check_includes core core/include core
check_includes tracer core/include tracer/include tracer db-schema
check_includes replay core/include tracer/include replay/include replay replay/cli
! grep -rlE --include='*.[ch]' 'sqlite3|lttng' core || fail "core knows of SQLite or LTTng"

# what the handlers' object files call, less what core itself defines, must be on this list
cat >"$work/allowed" <<'END'
_GLOBAL_OFFSET_TABLE_
__ctype_b_loc
__errno_location
__stack_chk_fail
abort
aligned_alloc
calloc
cs_close
cs_disasm
cs_disasm_iter
cs_errno
cs_free
cs_malloc
cs_open
cs_option
cs_reg_name
cs_strerror
free
malloc
memcmp
memcpy
memmove
memset
realloc
snprintf
strcasecmp
strchr
strcmp
strerror
strlen
strncasecmp
strncmp
strtoul
strtoull
tolower
toupper
vsnprintf
END
# guest memory is made of host memory; that happens before the guest runs and depends on nothing
printf '%s\n' mmap munmap madvise >"$work/allowed-guest_memory"

objects=$HWACCL_BUILD/core/CMakeFiles/hwaccl-core.dir
find "$objects" -name '*.o' -exec nm --defined-only {} + 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$work/defined"
[ "$(wc -l <"$work/defined")" -gt 50 ] || fail "no object files in $objects"
for room in exit irq machine; do
        while read -r object; do
                file=$(basename "$object" .c.o)
                nm -u "$object" | awk '$2 !~ /^__(asan|ubsan|tsan|sanitizer|gnu_lto)/ { print $2 }' | sort -u >"$work/used"
                touch "$work/allowed-$file"
                sort -u "$work/allowed" "$work/defined" "$work/allowed-$file" >"$work/fine"
                strange=$(comm -23 "$work/used" "$work/fine" | tr '\n' ' ')
                [ -z "$strange" ] || fail "core/$room/$file.c calls $strange"
                ! grep -q '^hwaccl_live_inputs' "$work/used" || fail "core/$room/$file.c goes past host.h to the live inputs"
        done < <(find "$objects/$room" -name '*.o')
done
