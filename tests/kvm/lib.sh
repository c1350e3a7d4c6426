# shellcheck shell=bash
# For the tests in this directory, instead of lib.sh of the integration tests, which it includes. With HWACCL_KVM=here the tests run on
# the machine's own /dev/kvm, with HWACCL_KVM=software too, which executes guests in software; otherwise in scripts/kvm-box.
. "$(dirname "${BASH_SOURCE[0]}")/../fixtures/lib.sh"

# on_kvm [OPTION...] COMMAND...: run it where KVM is. The options are those of scripts/kvm-box.
on_kvm() {
        if [ "${HWACCL_KVM:-box}" = box ]; then
                "$HWACCL_SOURCE/scripts/kvm-box" "$@"
                return
        fi
        local limit=600
        while :; do
                case $1 in
                --timeout) limit=$2; shift 2 ;;
                --in) shift 2 ;;
                *) break ;;
                esac
        done
        timeout "$limit" "$@"
}
