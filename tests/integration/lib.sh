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
