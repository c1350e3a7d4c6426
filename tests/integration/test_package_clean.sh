#!/bin/bash
# scripts/package twice, in two directories, gives the same bytes; the package is installed in a Debian 12 that has nothing but its
# base system, replays and records there, serves programs that link its libraries, and is removed without a trace.
. "$(dirname "$0")/../fixtures/lib.sh"
[ "$(id -u)" -eq 0 ] || skip "needs root for a chroot"
for tool in debootstrap lintian dpkg-shlibdeps file; do
        command -v "$tool" >/dev/null || skip "$tool is not installed (scripts/setup all)"
done
root=$work/root

# from what is in the working tree, not from what was committed last
for directory in one "two with another name"; do
        mkdir "$work/$directory"
        (cd "$HWACCL_SOURCE" && git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$work/$directory" --)
        SOURCE_DATE_EPOCH=1234567890 "$work/$directory/scripts/package" "$work/$directory/packages" \
                >"$work/packages" 2>"$work/log" || fail "$(tail -20 "$work/log")"
done
package=$(grep '/hwaccl_[^/]*_amd64[.]deb$' "$work/packages") || fail "scripts/package names no package: $(cat "$work/packages")"
cmp "$package" "$work/one/packages/${package##*/}" || fail "two builds differ"
while read -r file; do
        run 0 lintian --no-cfg --allow-root --fail-on error,warning "$file"
done <"$work/packages"

# the mirror from which this machine's own packages come
# shellcheck disable=SC2016 # apt expands it
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || skip "apt has no source of bookworm main"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/log" 2>&1 || fail "debootstrap: $(tail -5 "$work/log")"
apt-config dump | grep -E '^Acquire::(https?|Retries)' >"$root/etc/apt/apt.conf.d/90host" || true
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        mkdir -p "$root/etc/ssl/certs"
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi

# clean COMMAND...: in the new system; what it starts and mounts ends with it
clean() {
        # shellcheck disable=SC2016 # the inner shell expands it
        unshare --mount --pid --fork --kill-child bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
                env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@" </dev/null
}
install() {
        clean apt-get -q install -y --no-install-recommends "$@" >"$work/log" 2>&1 || fail "apt-get: $(tail -20 "$work/log")"
}
"$HWACCL" record --raw "$HWACCL_BUILD/guests/cpuid.bin@0x7c00" --clock virtual --accel soft \
        -o "$root/guest.db" >/dev/null || fail "no recording to replay"
cp "$package" "$root/hwaccl.deb"

install /hwaccl.deb
[ "$(clean hwaccl --version)" = "$("$HWACCL" --version)" ] || fail "another version"
clean hwaccl replay /guest.db | grep -F ": 0 divergences" || fail "the recording does not replay"
clean bash -c '. /usr/share/bash-completion/completions/hwaccl && complete -p hwaccl' | grep -q "hwaccl$" || fail "no completion"
[ -s "$root/usr/share/man/man1/hwaccl.1.gz" ] || fail "no manual page"

# a replay needs no Unicorn; a recording on the soft accelerator does, and names it
cat >"$root/record" <<'END'
#!/bin/sh
head -c 512 /dev/zero | tr '\0' '\364' >/hlt.bin
exec hwaccl record --accel soft --raw /hlt.bin@0x7c00 --clock virtual --max-exits 100 --no-report --force -o /new.db
END
chmod +x "$root/record"
status=0
clean /record 2>"$work/message" || status=$?
[ "$status" -eq 2 ] || fail "a recording without Unicorn ends with $status: $(cat "$work/message")"
grep -q unicorn "$work/message" || fail "does not say that Unicorn is missing: $(cat "$work/message")"
install libunicorn2
clean /record >"$work/message" 2>&1 || true # the guest halts for good
clean hwaccl replay /new.db | grep -F ": 0 divergences" || fail "does not record: $(cat "$work/message")"

# headers, libraries and pkg-config files: a VMM builds with the compiler and what the package suggests
install gcc libc6-dev pkg-config libcapstone-dev libmd-dev libsqlite3-dev libzstd-dev
cat >"$root/vmm.c" <<'END'
#include <hwaccl/session.h>
#include <hwaccl/trace.h>
#include <stdio.h>

int main(void)
{
        struct hwaccl_error error;
        struct hwaccl_trace_config config = { .size = sizeof(config), .vmm = "test 1" };
        struct hwaccl_trace *trace = hwaccl_trace_open("/no/such/directory/vmm.db", &config, &error);
        printf("%s\n", trace ? "opened" : error.message);
        struct hwaccl_session *session = hwaccl_session_open("/no/such/file.db", 0, &error);
        printf("%s\n", session ? "opened" : error.message);
        return trace || session;
}
END
# shellcheck disable=SC2016 # the shell in the chroot expands it
clean sh -c 'gcc -Wall -Werror -o /vmm /vmm.c $(pkg-config --cflags --libs hwaccl-tracer hwaccl-replay) && /vmm' | tee "$work/message"
for file in /no/such/directory /no/such/file.db; do
        grep -q "$file" "$work/message" || fail "the program does not work"
done

clean apt-get -q purge -y hwaccl >"$work/log" 2>&1 || fail "apt-get purge: $(tail -20 "$work/log")"
left=$(find "$root/usr" "$root/etc" "$root/var/lib/dpkg/info" -name '*hwaccl*')
[ -z "$left" ] || fail "left behind: $left"
! grep -q hwaccl <(clean ldconfig -p) || fail "the linker still knows the libraries"
