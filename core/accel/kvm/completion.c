/*
 * The handler emulates the instruction that exited, and the kernel completes it as well, at the start of the next
 * KVM_RUN. IN and OUT are skipped by the kernel once RIP has moved. The others are completed by a KVM_RUN with
 * immediate_exit set, before the handler's registers replace the result; INS then writes what guest memory already
 * holds.
 *
 * To verify the handler, the kernel completes every instruction that way, with the values that the handler's devices
 * gave.
 */
#include "core/accel/kvm/kvm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

/* A string instruction with a memory operand that is not RAM exits in between, each time for one element. */
#define ROUNDS_MAX 8192

#define RFLAGS_DF UINT64_C(0x400)
#define RFLAGS_RF UINT64_C(0x10000)

bool kvm_complete(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        struct kvm_run *run = kvm->kvm->run;

        for (unsigned round = 0; round < ROUNDS_MAX; round++) {
                __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
                int status = ioctl(kvm->kvm->vcpu_fd, KVM_RUN, 0);
                run->kvm_dirty_regs = 0;
                if (status == 0)
                        continue;
                /* EFAULT: the destination of INS is not RAM, which the handler has taken care of */
                return errno == EINTR || errno == EFAULT || kvm_error(error, "completing an instruction");
        }
        return hwaccl_error_set(error, "KVM did not complete the instruction at %" PRIx64, kvm->left.rip);
}

/* The data of INS: what its destination holds, as many elements as the kernel asked for. */
static void give_input(struct kvm_accel *kvm, uint8_t *data, unsigned size, unsigned count)
{
        struct scanned scanned = kvm_scan_at_rip(kvm);
        uint64_t mask = scanned.address_size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * scanned.address_size) - 1;
        uint64_t step = kvm->left.rflags & RFLAGS_DF ? (uint64_t)0 - size : size;

        memset(data, 0, (size_t)size * count);
        for (unsigned i = 0; i < count; i++)
                if (!kvm_data_read(kvm, HWACCL_ES, (kvm->left.rdi + i * step) & mask, data + (size_t)i * size, size))
                        return;
}

static void give_results(struct kvm_accel *kvm, const struct hwaccl_subject_state *state)
{
        struct kvm_run *run = kvm->kvm->run;

        switch (kvm->completion) {
        case COMPLETION_NONE: break; /* what the page holds is not of a port then */
        case COMPLETION_PORT:
                if (run->io.direction == KVM_EXIT_IO_IN)
                        memcpy((uint8_t *)run + run->io.data_offset, &state->rax, run->io.size);
                break;
        case COMPLETION_INPUT:
                give_input(kvm, (uint8_t *)run + run->io.data_offset, run->io.size, run->io.count);
                break;
        case COMPLETION_MSR:
                run->msr.error = 0;
                run->msr.data = (state->rax & UINT32_MAX) | state->rdx << 32;
                break;
        }
}

static bool may_repeat(const struct kvm_accel *kvm)
{
        return kvm->left.exit_reason == HWACCL_EXIT_EPT_VIOLATION ||
               (kvm->left.exit_reason == HWACCL_EXIT_IO_INSTRUCTION && kvm->left.exit_qualification & PORT_STRING);
}

/* Not when the handler raised an exception, which pushes a frame, or did another number of iterations of a string
 * instruction than the kernel, which leaves RIP at it even after the last. */
static bool comparable(const struct kvm_accel *kvm, const struct hwaccl_subject_state *state)
{
        return state->rsp == kvm->left.rsp && (!may_repeat(kvm) || state->rcx == kvm->after.rcx);
}

static bool compare(const struct kvm_accel *kvm, const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        bool rip_stays = may_repeat(kvm) && kvm->after.rip == kvm->left.rip;
        const struct {
                const char *name;
                uint64_t handler;
                uint64_t kernel;
        } field[] = {
                {"RAX", state->rax, kvm->after.rax},
                {"RBX", state->rbx, kvm->after.rbx},
                {"RCX", state->rcx, kvm->after.rcx},
                {"RDX", state->rdx, kvm->after.rdx},
                {"RSI", state->rsi, kvm->after.rsi},
                {"RDI", state->rdi, kvm->after.rdi},
                {"RBP", state->rbp, kvm->after.rbp},
                {"RIP", rip_stays ? kvm->after.rip : state->rip, kvm->after.rip},
                {"RFLAGS", state->rflags & ~RFLAGS_RF, kvm->after.rflags & ~RFLAGS_RF},
        };
        for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
                if (field[i].handler != field[i].kernel)
                        return hwaccl_error_set(error,
                                                "verification failed after exit reason %" PRIu64 " at %" PRIx64
                                                ": the handler left %s %" PRIx64 ", the kernel %" PRIx64,
                                                kvm->left.exit_reason, kvm->left.rip, field[i].name, field[i].handler,
                                                field[i].kernel);
        return true;
}

bool kvm_finish_exit(struct kvm_accel *kvm, const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        enum completion completion = kvm->completion;
        bool moved = state->rip + state->cs.base != kvm->left.rip + kvm->left.cs.base;

        give_results(kvm, state);
        if (completion != COMPLETION_NONE && (completion != COMPLETION_PORT || !moved || kvm->config.verify)) {
                if (!kvm_complete(kvm, error))
                        return false;
                kvm->completed = true;
                kvm->after = kvm->left;
                kvm_registers_get(&kvm->kvm->run->s.regs, &kvm->after);
        }
        kvm->completion = COMPLETION_NONE;
        if (kvm->config.verify && kvm->completed && comparable(kvm, state)) {
                if (!compare(kvm, state, error))
                        return false;
                kvm->verified++;
        }
        kvm->completed = false;
        return true;
}

uint64_t hwaccl_accel_kvm_verified(const struct hwaccl_accel *accel)
{
        return ((const struct kvm_accel *)accel)->verified;
}
