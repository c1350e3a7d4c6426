/*
 * The exit handler of kvm_vmm: a console port e9h, a keyboard port 60h, a device register in memory, a timer, and port
 * f4h, which ends the guest. It is the same for a guest that runs (kvm_vmm.c) and for a recording that is replayed
 * (kvm_vmm_replay.c): what it reads from outside and does there goes through struct world.
 */
#ifndef KVM_VMM_HANDLER_H
#define KVM_VMM_HANDLER_H

#include <hwaccl/exit_reason.h>

#include <linux/kvm.h>
#include <stdbool.h>

#define DEVICE       0xd0000u
#define TIMER_VECTOR 0x20u

/* All that the handler depends on beside the exit: the VMM's own state, which a recording keeps. */
struct vmm {
        unsigned char latch;      /* of the device */
        unsigned char halted;     /* the timer's interrupt is due when the guest takes it */
        unsigned char can_inject; /* after the last exit */
        unsigned char ended;
        unsigned char code; /* the exit code */
};

struct world {
        unsigned char (*read_key)(void);
        void (*print)(unsigned char letter);
        void (*end)(unsigned char code);
};

static inline void port_access(struct vmm *vmm, struct kvm_run *run, const struct world *world)
{
        unsigned char *data = (unsigned char *)run + run->io.data_offset;

        if (run->io.direction == KVM_EXIT_IO_IN) {
                *data = world->read_key();
#ifdef SEEDED_FAULT
                *data ^= 1;
#endif
        } else if (run->io.port == 0xe9) {
                world->print(*data);
        } else if (run->io.port == 0xf4) {
                vmm->ended = 1;
                vmm->code = *data;
                world->end(*data);
        }
}

static inline void device_access(struct vmm *vmm, struct kvm_run *run)
{
        if (run->mmio.is_write)
                vmm->latch = run->mmio.data[0];
        else
                run->mmio.data[0] = (unsigned char)(vmm->latch - 'a' + 'A');
}

/* Whether the timer's interrupt is injected before the next entry. */
static inline bool timer_interrupts(struct vmm *vmm)
{
        bool now = vmm->halted && vmm->can_inject;

        if (now)
                vmm->halted = 0;
        return now;
}

/* Returns enum hwaccl_outcome; HWACCL_OUTCOME_FAILED for an exit that this VMM does not know. */
static inline unsigned handle_exit(struct vmm *vmm, struct kvm_run *run, const struct world *world)
{
        vmm->can_inject = run->ready_for_interrupt_injection && run->if_flag;
        switch (run->exit_reason) {
        case KVM_EXIT_IO: port_access(vmm, run, world); return HWACCL_OUTCOME_COMPLETED;
        case KVM_EXIT_MMIO: device_access(vmm, run); return HWACCL_OUTCOME_COMPLETED;
        case KVM_EXIT_HLT: vmm->halted = 1; return HWACCL_OUTCOME_HALTED;
        default: return HWACCL_OUTCOME_FAILED;
        }
}

#endif
