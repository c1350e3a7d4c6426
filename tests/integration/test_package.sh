#!/bin/bash
# cpack makes a Debian package of what the rules of installation name, with its dependencies and without debug information.
. "$(dirname "$0")/../fixtures/lib.sh"
command -v dpkg-shlibdeps >/dev/null || skip "package dpkg-dev is not installed"
command -v file >/dev/null || skip "package file is not installed"

SOURCE_DATE_EPOCH=1234567890 cpack --config "$HWACCL_BUILD/CPackConfig.cmake" -B "$work" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
rm -rf "$work/_CPack_Packages"
version=$("$HWACCL" --version | awk '{ print $2 }')
package=$work/hwaccl_${version}_amd64.deb
[ -s "$package" ] || fail "no ${package##*/}: $(cat "$work/log")"

# control fields
field() {
        dpkg-deb -f "$package" "$1"
}
[ "$(field Package) $(field Version) $(field Architecture)" = "hwaccl $version amd64" ] || fail "$(field)"
depends=", $(field Depends),"
for library in libc6 libcapstone4 libjansson4 libmd0 libseccomp2 libsodium23 libsqlite3-0 libzstd1; do
        [[ $depends == *", $library "* ]] || fail "does not depend on $library: $depends"
done
# what a replay does without
[[ $depends != *libunicorn* && $depends != *lttng* && $depends != *babeltrace* ]] || fail "depends on too much: $depends"
[[ " $(field Recommends)," == *" libunicorn2,"* ]] || fail "does not recommend libunicorn2: $(field Recommends)"
shlibs=$(dpkg-deb --ctrl-tarfile "$package" | tar xO ./shlibs | sort)
[ "$shlibs" = "libhwaccl-replay 1 hwaccl (= $version)
libhwaccl-tracer 1 hwaccl (= $version)" ] || fail "shared libraries: $shlibs"

# the files that are installed, but for the parts with packages of their own
dpkg-deb -x "$package" "$work/root"
DESTDIR=$work/installed cmake --install "$HWACCL_BUILD" --prefix /usr --component Unspecified >"$work/log"
missing=$(cd "$work/installed" && find . ! -type d | while read -r file; do
        [ -e "$work/root/$file" ] || [ -e "$work/root/$file.gz" ] || echo "$file"
done)
[ -z "$missing" ] || fail "the package is without $missing"
for file in /bin/hwaccl /include/hwaccl/trace.h /include/hwaccl/session.h \
        /libhwaccl-tracer.so.1 /libhwaccl-tracer.a /pkgconfig/hwaccl-tracer.pc \
        /libhwaccl-replay.so.1 /libhwaccl-replay.a /pkgconfig/hwaccl-replay.pc \
        /share/doc/hwaccl/copyright /share/doc/hwaccl/changelog.gz \
        /share/man/man1/hwaccl.1.gz /share/bash-completion/completions/hwaccl; do
        [ -n "$(find "$work/root/usr" -path "*$file")" ] || fail "the package is without $file"
done
grep -q "^ Permission is hereby granted" "$work/root/usr/share/doc/hwaccl/copyright" || fail "the licence is not in the package"
mandoc -T lint -W warning <(zcat "$work/root/usr/share/man/man1/hwaccl.1.gz") || fail "the manual page"
foreign=$(dpkg-deb -c "$package" | awk '$2 != "root/root" || $1 !~ /^l/ && $1 ~ /^.....w|w.$/')
[ -z "$foreign" ] || fail "owner or mode: $foreign"
stamps=$(dpkg-deb -c "$package" | awk '{ print $4 }' | sort -u)
[ "$stamps" = 2009-02-13 ] || fail "files have other times than SOURCE_DATE_EPOCH: $stamps"

# what it has works, and nothing is left for a debugger or another compiler
LD_LIBRARY_PATH='' run 0 "$work/root/usr/bin/hwaccl" --version >/dev/null
find "$work/root" -type f \( -name hwaccl -path '*/bin/*' -o -name '*.a' -o -name '*.so.*' \) >"$work/binaries"
while read -r file; do
        ! readelf -SW "$file" | grep -E '\.debug_info|\.gnu\.(debug)?lto' || fail "$file is not stripped"
        [[ $file != *.a ]] || nm "$file" 2>&1 | grep " [TDR] hwaccl_" >/dev/null || fail "$file has no symbols"
done <"$work/binaries"
[ "$(wc -l <"$work/binaries")" -ge 4 ] || fail "too few programs and libraries: $(cat "$work/binaries")"
if [ -e "$HWACCL_BUILD/hwaccl-ctf" ] || [ -e "$HWACCL_BUILD/hwaccl-lttng.so" ]; then
        package=$work/hwaccl-lttng_${version}_amd64.deb
        [[ ", $(field Depends)," == *", hwaccl (= $version),"* ]] || fail "hwaccl-lttng depends on $(field Depends)"
fi
