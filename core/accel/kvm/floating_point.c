/* The registers of FPU and SSE, which only the kernel holds: the parts of struct kvm_fpu in FXSAVE's image. */
#include "core/accel/kvm/kvm.h"

#include <string.h>
#include <sys/ioctl.h>

#define MXCSR_MASK UINT32_C(0xffff)

#define PART(offset, member)                                                                                           \
        {                                                                                                              \
                offset, offsetof(struct kvm_fpu, member), sizeof(((struct kvm_fpu *)NULL)->member)                     \
        }

static const struct {
        size_t image, kernel, size;
} parts[] = {
        PART(0, fcw),      PART(2, fsw),    PART(4, ftwx), PART(6, last_opcode), PART(8, last_ip),
        PART(16, last_dp), PART(24, mxcsr), PART(32, fpr), PART(160, xmm),
};

bool kvm_floating_point_read(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                             struct hwaccl_error *error)
{
        struct kvm_accel *kvm = (struct kvm_accel *)accel;
        struct kvm_fpu fpu;

        memset(state, 0, sizeof(*state));
        if (ioctl(kvm->kvm->vcpu_fd, KVM_GET_FPU, &fpu) != 0)
                return kvm_error(error, "KVM_GET_FPU");
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                memcpy(state->image + parts[i].image, (const uint8_t *)&fpu + parts[i].kernel, parts[i].size);
        memcpy(state->image + 28, &(uint32_t){MXCSR_MASK}, 4);
        return true;
}

bool kvm_floating_point_write(struct hwaccl_accel *accel, const struct hwaccl_floating_point *state,
                              struct hwaccl_error *error)
{
        struct kvm_accel *kvm = (struct kvm_accel *)accel;
        struct kvm_fpu fpu;

        memset(&fpu, 0, sizeof(fpu));
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                memcpy((uint8_t *)&fpu + parts[i].kernel, state->image + parts[i].image, parts[i].size);
        return ioctl(kvm->kvm->vcpu_fd, KVM_SET_FPU, &fpu) == 0 || kvm_error(error, "KVM_SET_FPU");
}
