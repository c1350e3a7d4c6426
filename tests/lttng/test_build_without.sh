#!/bin/bash
# A build without LTTng and Babeltrace configures, its tracer compiles, and it has none of their parts.
. "$(dirname "$0")/../fixtures/lib.sh"

build=$work/build
cmake -S "$HWACCL_SOURCE" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DHWACCL_TESTS=OFF -DHWACCL_LTTNG=OFF \
        -DHWACCL_BABELTRACE=OFF -DHWACCL_WARNINGS_AS_ERRORS=ON >"$work/log" 2>&1 || fail "$(tail "$work/log")"
if ninja -C "$build" -t targets all | grep -E '^hwaccl-(lttng|ctf)'; then
        fail "a part that was switched off is built"
fi
cmake --build "$build" --target hwaccl-tracer >"$work/log" 2>&1 || fail "$(tail "$work/log")"
# what is left of them asks for no library of theirs
if nm "$build/libhwaccl-tracer.a" 2>/dev/null | grep -E ' U (lttng_|bt_)'; then
        fail "the tracer needs LTTng or Babeltrace"
fi
