/* The choice of the accelerator: --accel, and `auto`. */
#include "replay/cli/record/record.h"

#include "core/accel/soft/accel_soft.h"

#include <inttypes.h>

#define TSC_KHZ_SOFT UINT64_C(1000000) /* one tick a nanosecond */

/* Can KVM run this guest with these settings? */
static bool fits_kvm(const struct record_settings *settings, uint64_t khz, struct hwaccl_error *reason)
{
        if (settings->clock == HWACCL_CLOCK_VIRTUAL)
                return hwaccl_error_set(reason, "KVM has no virtual clock");
        if (settings->tsc_khz && settings->tsc_khz != khz)
                return hwaccl_error_set(
                        reason, "the guest's time-stamp counter runs at %" PRIu64 " kHz on KVM, not at %" PRIu64, khz,
                        settings->tsc_khz);
        return true;
}

/* Some virtual machines have a KVM that is emulated; it is used only when KVM is requested by name. */
static bool is_hardware(const struct record_settings *settings, struct hwaccl_error *reason)
{
        if (settings->accel == RECORD_ACCEL_KVM || settings->verify)
                return true;
        FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
        bool hardware = !cpuinfo || hwaccl_kvm_is_hardware(cpuinfo);
        if (cpuinfo)
                (void)fclose(cpuinfo);
        return hardware ||
               hwaccl_error_set(reason, "KVM is emulated on this machine (no vmx or svm in /proc/cpuinfo); use "
                                        "--accel kvm to use it anyway");
}

static bool open_kvm(struct record_settings *settings, struct hwaccl_kvm **kvm, struct hwaccl_error *reason)
{
        /* fails on every machine, with and without /dev/kvm */
        if (settings->clock == HWACCL_CLOCK_VIRTUAL)
                return fits_kvm(settings, 0, reason);
        *kvm = hwaccl_kvm_open(reason);
        if (!*kvm)
                return false;
        if (!is_hardware(settings, reason) || !fits_kvm(settings, hwaccl_kvm_tsc_khz(*kvm), reason)) {
                hwaccl_kvm_close(*kvm);
                *kvm = NULL;
                return false;
        }
        settings->tsc_khz = hwaccl_kvm_tsc_khz(*kvm);
        return true;
}

bool record_choose_accel(struct record_settings *settings, struct hwaccl_kvm **kvm)
{
        struct hwaccl_error reason = {""};

        *kvm = NULL;
        if (settings->accel != RECORD_ACCEL_SOFT && !open_kvm(settings, kvm, &reason)) {
                if (settings->accel == RECORD_ACCEL_KVM || settings->verify) {
                        (void)cli_error(settings->command, "%s", reason.message);
                        return false;
                }
                cli_notice(settings->command, "using the soft accelerator: %s", reason.message);
        }
        if (!settings->tsc_khz)
                settings->tsc_khz = TSC_KHZ_SOFT;
        return true;
}

struct hwaccl_accel *record_create_accel(const struct record_settings *settings, struct hwaccl_kvm *kvm,
                                         struct hwaccl_muen *muen, struct hwaccl_machine *machine,
                                         struct hwaccl_live_inputs *live, struct hwaccl_error *error)
{
        if (muen)
                return hwaccl_accel_muen_create(muen, hwaccl_live_inputs_clock, live, error);
        if (!kvm)
                return hwaccl_accel_soft_create(hwaccl_machine_memory(machine), hwaccl_live_inputs_clock, live, error);
        const struct hwaccl_accel_kvm_config config = {
                .memory = hwaccl_machine_memory(machine),
                .processor = hwaccl_machine_processor(machine),
                .clock = hwaccl_live_inputs_clock,
                .opaque = live,
                .verify = settings->verify,
        };
        return hwaccl_accel_kvm_create(kvm, &config, error);
}
