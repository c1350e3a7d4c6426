/* What the parts of the KVM accelerator share. */
#ifndef HWACCL_ACCEL_KVM_KVM_H
#define HWACCL_ACCEL_KVM_KVM_H

#include "core/accel/kvm/accel_kvm.h"
#include "core/exit/control_register.h"
#include "core/exit/emulate/instruction.h"
#include "core/subject/machine_context.h"
#include "hwaccl/exit_reason.h"

#include <linux/kvm.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

struct hwaccl_kvm {
        int system_fd;
        int vm_fd;
        int vcpu_fd;
        struct kvm_run *run;
        size_t run_size;
        uint64_t tsc_khz;
};

/* What the kernel still has to do for the instruction that exited; it does so at the start of the next KVM_RUN. */
enum completion {
        COMPLETION_NONE,  /* nothing */
        COMPLETION_PORT,  /* IN or OUT; skipped by the kernel when RIP has moved */
        COMPLETION_INPUT, /* INS: it writes the data in the run page to guest memory */
        COMPLETION_MSR,
};

struct kvm_accel {
        struct hwaccl_accel accel;
        struct hwaccl_kvm *kvm;
        struct hwaccl_accel_kvm_config config;
        struct decoder decoder;

        struct hwaccl_subject_state left;      /* the exit that the last run gave to the handler */
        struct hwaccl_machine_context context; /* the same, for address translation */
        enum completion completion;
        uint8_t instruction_length; /* of the instruction that exited */
        bool entered;               /* the kernel has had a state */
        bool injecting;             /* a vector was handed to the kernel for this run */
        uint8_t vector;             /* that one */

        /* the state after the kernel completed the instruction, where it does so before the exit */
        bool completed;
        struct hwaccl_subject_state after;
        uint64_t verified;

        uint64_t tsc_offset; /* the processor's, as the kernel has it */

        /* the guest changed CR8 without an exit: this one follows the exit that says so */
        bool held;
        struct hwaccl_subject_state held_exit;

        void *nothing; /* inaccessible pages, mapped where the guest has no memory */
        size_t nothing_size;

        atomic_bool kicked;
        atomic_bool timer_fired;
        atomic_bool running; /* in KVM_RUN, or about to be */
        pid_t thread;        /* the one that runs the guest; 0: none yet */
        timer_t timer;
        bool has_timer;
        uint64_t armed_ns; /* guest clock at which the timer fires; UINT64_MAX: it does not */
};

enum exit_kind {
        EXIT_HANDLER, /* the state is an exit for the handler */
        EXIT_AGAIN,   /* nothing for it: run on */
        EXIT_ERROR,
};

#define KVM_DEVICE "/dev/kvm"

/* access.c */
bool kvm_explain_access(struct hwaccl_error *error); /* by errno; returns false */

/* system.c */
bool kvm_error(struct hwaccl_error *error, const char *what); /* with errno */
bool kvm_set_cpuid(struct kvm_accel *kvm, struct hwaccl_error *error);
bool kvm_put_tsc(struct kvm_accel *kvm, struct hwaccl_error *error); /* before the first run, and when it was written */
bool kvm_set_msr(struct kvm_accel *kvm, uint32_t index, uint64_t value, struct hwaccl_error *error);

/* memory.c */
#define HOLES_END UINT64_C(0x100000000) /* below it, every access outside RAM exits before it has done anything */
bool kvm_map_memory(struct kvm_accel *kvm, struct hwaccl_error *error);
void kvm_unmap_memory(struct kvm_accel *kvm);

/* registers.c */
void kvm_registers_get(const struct kvm_sync_regs *from, struct hwaccl_subject_state *state);
void kvm_general_registers_put(const struct hwaccl_subject_state *state, struct kvm_regs *to);
void kvm_system_registers_put(const struct hwaccl_subject_state *state, struct kvm_sregs *to);
bool kvm_system_registers_differ(const struct hwaccl_subject_state *a, const struct hwaccl_subject_state *b);
#define KVM_SHADOW_MOV_SS 1u
#define KVM_SHADOW_STI    2u

/* instruction.c: what stands at an address of the guest's code */
struct scanned {
        uint8_t length; /* prefixes, opcode and immediate port; 0: could not be read, or is none of those looked for */
        uint8_t opcode;
        bool two_byte; /* opcode is the one behind 0F */
        bool repeat;
        bool operand_prefix;
        uint8_t address_size; /* bytes */
        uint8_t segment;      /* enum hwaccl_segment_register of the data operand */
};
bool kvm_translate(struct kvm_accel *kvm, uint64_t linear, uint64_t *physical);
uint64_t kvm_linear_address(const struct kvm_accel *kvm, enum hwaccl_segment_register segment, uint64_t offset);
size_t kvm_code_read(struct kvm_accel *kvm, uint64_t rip, uint8_t *bytes, size_t size);
struct scanned kvm_scan(const struct kvm_accel *kvm, const uint8_t *bytes, size_t size);
struct scanned kvm_scan_at_rip(struct kvm_accel *kvm);
bool kvm_data_read(struct kvm_accel *kvm, enum hwaccl_segment_register segment, uint64_t offset, void *buffer,
                   unsigned size);
void kvm_describe_at_rip(struct kvm_accel *kvm, char *text, size_t room);

/* fault.c: the guest accessed an address outside RAM: which one? */
bool kvm_find_violation(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct instruction *instruction,
                        struct hwaccl_error *error);
bool kvm_find_fetch(struct kvm_accel *kvm, struct hwaccl_subject_state *state); /* is the code at RIP outside RAM? */
bool kvm_find_access(struct kvm_accel *kvm, const struct instruction *instruction, struct hwaccl_subject_state *state);
unsigned kvm_stack_width(const struct kvm_accel *kvm); /* bytes of the stack pointer */

/* floating_point.c */
bool kvm_floating_point_read(struct hwaccl_accel *accel, struct hwaccl_floating_point *state,
                             struct hwaccl_error *error);
bool kvm_floating_point_write(struct hwaccl_accel *accel, const struct hwaccl_floating_point *state,
                              struct hwaccl_error *error);

/* boundary.c: which of the lengths, bits of a set that is not empty, has the instruction that ends at @rip? */
unsigned kvm_choose_length(struct kvm_accel *kvm, uint64_t rip, uint32_t lengths);

/* undo.c: of an instruction that the kernel's emulator executed and that only writes */
bool kvm_undo(struct kvm_accel *kvm, struct hwaccl_subject_state *state, const struct instruction *instruction);
/* the last value that it writes, of 16 bytes at most, by the registers before it; false: not known */
bool kvm_written_value(struct kvm_accel *kvm, const struct instruction *instruction, uint8_t *value);
bool kvm_call_target(struct kvm_accel *kvm, const struct instruction *instruction, uint64_t *offset,
                     uint16_t *selector);

/* mmio.c: the kernel's emulator accessed an address outside RAM */
enum exit_kind kvm_exit_mmio(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error);

/* port.c */
/* Exit qualification for I/O instructions (SDM 3C, table 28-5). */
#define PORT_IN        0x08u
#define PORT_STRING    0x10u
#define PORT_REPEAT    0x20u
#define PORT_IMMEDIATE 0x40u
#define PORT_SHIFT     16
bool kvm_exit_port(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error);

/* completion.c */
bool kvm_complete(struct kvm_accel *kvm, struct hwaccl_error *error);
bool kvm_finish_exit(struct kvm_accel *kvm, const struct hwaccl_subject_state *state, struct hwaccl_error *error);

/* timer.c */
bool kvm_signals_init(struct kvm_accel *kvm, struct hwaccl_error *error);
void kvm_signals_destroy(struct kvm_accel *kvm);
bool kvm_timer_arm(struct kvm_accel *kvm, uint64_t deadline_ns, struct hwaccl_error *error);
void kvm_kick(struct kvm_accel *kvm);
int kvm_run_once(struct kvm_accel *kvm); /* KVM_RUN, which a kick or the timer ends; its result */

/* apic.c */
/* CR8 and IA32_APIC_BASE, before a run: after the registers that are dirty were set */
void kvm_apic_put(struct kvm_accel *kvm);
enum exit_kind kvm_apic_exit_tpr(const struct kvm_accel *kvm, struct hwaccl_subject_state *state);
/* hold an exit back behind one that says what CR8 is, if it has changed; the next run is over with what was held */
void kvm_apic_hold(struct kvm_accel *kvm, struct hwaccl_subject_state *state);
bool kvm_apic_release(struct kvm_accel *kvm, struct hwaccl_subject_state *state);

/* exit.c */
enum exit_kind kvm_exit(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error);
enum exit_kind kvm_exit_memory(struct kvm_accel *kvm, struct hwaccl_subject_state *state, struct hwaccl_error *error);
enum exit_kind kvm_exit_refused(const struct kvm_accel *kvm, struct hwaccl_subject_state *state,
                                uint64_t qualification);

#endif
