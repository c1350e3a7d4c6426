#!/bin/bash
# Signals, time limits and a console that goes away end a guest wherever it is, and its recording is whole.
. "$(dirname "$0")/../fixtures/lib.sh"
cd "$work"
timeout 300 "$HWACCL_SOURCE/tests/drivers/stop_all" "$HWACCL" "$HWACCL_BUILD/guests/console_echo.bin" soft >list </dev/null
cat list
"$HWACCL_SOURCE/tests/drivers/check_stopped" list
