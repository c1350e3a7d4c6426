#!/bin/bash
# scripts/setup against a made-up Debian: what is installed stays alone, what is missing is installed as root or through
# sudo, and where neither is to be had it says so.
. "$(dirname "$0")/../fixtures/lib.sh"
bin=$work/bin
mkdir "$bin"
for tool in awk bash cat dirname env touch true; do
        ln -s "$(type -P "$tool")" "$bin/$tool"
done
stub() {
        cat >"$bin/$1"
        chmod +x "$bin/$1"
}
stub dpkg-query <<'END'
#!/bin/bash
package=${!#}
if [ -e "$STATE/missing-$package" ]; then exit 1; fi
echo -n installed
END
stub apt-get <<'END'
#!/bin/bash
[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 99
if [ -e "$STATE/apt-is-broken" ]; then exit 100; fi
echo "apt-get $*" >>"$STATE/log"
END
stub id <<'END'
#!/bin/bash
cat "$STATE/uid"
END

setup() {
        local wanted=$1 status=0
        shift
        : >"$work/log"
        env -i STATE="$work" PATH="$bin" "$bin/bash" "$HWACCL_SOURCE/scripts/setup" "$@" </dev/null >"$work/output" 2>&1 ||
                status=$?
        [ "$status" -eq "$wanted" ] || fail "setup $* ended with $status, not $wanted: $(cat "$work/output")"
}
says() {
        grep -qe "$1" "$work/output" || fail "setup does not say '$1': $(cat "$work/output")"
}

echo 0 >"$work/uid"
setup 0
says "all packages are installed"
[ ! -s "$work/log" ] || fail "apt-get was called although nothing is missing"

# as root
touch "$work/missing-sqlite3" "$work/missing-nasm" "$work/missing-qemu-system-x86"
setup 0 run
grep -q "^apt-get .*install .* sqlite3$" "$work/log" || fail "run: $(cat "$work/log")"
setup 0 test
grep -q "install .* sqlite3 nasm qemu-system-x86$" "$work/log" || fail "test: $(cat "$work/log")"
setup 0
grep -q "install .* sqlite3 nasm qemu-system-x86$" "$work/log" || fail "everything: $(cat "$work/log")"
touch "$work/apt-is-broken"
setup 2
says "could not install sqlite3 nasm qemu-system-x86"
rm "$work/apt-is-broken"

# as a user
echo 1000 >"$work/uid"
setup 2
says "needs root or sudo"
[ ! -s "$work/log" ] || fail "apt-get was called by a user without rights"
stub sudo <<'END'
#!/bin/bash
[ "$1" = -n ] && shift
if [ -e "$STATE/sudo-asks" ]; then exit 1; fi
exec "$@"
END
setup 0
grep -q "install .* sqlite3 nasm qemu-system-x86$" "$work/log" || fail "through sudo: $(cat "$work/log")"
touch "$work/sudo-asks"
setup 2
says "sudo needs a password, but there is no terminal"

# misuse, and another system
setup 2 everything
says "unknown step 'everything'"
rm "$bin/apt-get"
setup 2
says "not a Debian system"
