/*
 * The accelerator on KVM. The guest's state is passed in the kvm_run page (KVM_CAP_SYNC_REGS), so that a trip is one
 * KVM_RUN where the kernel allows; further system calls are made for string I/O, MSRs, and when a timer changes.
 *
 * Exits are those of VT-x, except for what KVM handles in the kernel: CPUID (the processor's leaves are given to the
 * kernel), control and debug registers, RDTSC, INVLPG, PAUSE, and the MSRs TSC, FS_BASE, GS_BASE and KERNEL_GS_BASE. Of
 * blocking by STI and by MOV SS, a processor with SVM has only one: it is reported as blocking by STI. After a triple
 * fault on such a processor the kernel has discarded the registers; the state then is that of the last entry.
 *
 * Everything below 4 GiB that is not RAM exits before the instruction has done anything (an EPT violation). Above that,
 * where no device can be, writes are dropped inside the kernel and do not exit.
 *
 * Where the kernel's own emulator executes the guest (a software KVM, an Intel processor without "unrestricted guest",
 * a state that the processor would refuse), it stops behind an OUT and behind a write outside RAM. The state before the
 * instruction is rebuilt, so that exits are the same, with two differences: blocking by STI or MOV SS that the
 * instruction has ended is not reported, and of a write that begins in RAM that part has been made.
 */
#ifndef HWACCL_ACCEL_KVM_H
#define HWACCL_ACCEL_KVM_H

#include "core/accel/accel.h"
#include "core/machine/cpu/processor.h"

#include <stdio.h>

struct hwaccl_kvm;

/**
 * hwaccl_kvm_open - a virtual machine of /dev/kvm with one virtual CPU
 *
 * Returns NULL with *error set: there is no /dev/kvm, which group or permission is missing, or which capability the
 * kernel lacks.
 */
struct hwaccl_kvm *hwaccl_kvm_open(struct hwaccl_error *error);
void hwaccl_kvm_close(struct hwaccl_kvm *kvm);

/**
 * hwaccl_kvm_is_hardware - does the processor have hardware virtualization?
 * @cpuinfo: /proc/cpuinfo, open for reading
 *
 * False if its flags name neither vmx nor svm: /dev/kvm is then emulated in software, which is slow and lacks
 * instructions that kernels need. True when @cpuinfo lists no flags.
 */
bool hwaccl_kvm_is_hardware(FILE *cpuinfo);

/** hwaccl_kvm_tsc_khz - frequency of the guest's TSC, which runs by itself: what the machine's configuration must say
 */
uint64_t hwaccl_kvm_tsc_khz(const struct hwaccl_kvm *kvm);

struct hwaccl_accel_kvm_config {
        struct hwaccl_guest_memory *memory;       /* must outlive the accelerator, which protects its ROM */
        const struct hwaccl_processor *processor; /* whose CPUID leaves and CR8 the guest has */
        uint64_t (*clock)(void *opaque);          /* guest clock in ns; it runs as CLOCK_MONOTONIC does */
        void *opaque;
        /* let the kernel complete each instruction too, and end the guest with an error when its state differs from the
         * handler's */
        bool verify;
};

/**
 * hwaccl_accel_kvm_create - the accelerator
 * @opened: owned by the accelerator from now on, and closed when creation fails
 *
 * Uses the signal SIGRTMIN for kicks and the preemption timer. One at a time runs on a thread.
 */
struct hwaccl_accel *hwaccl_accel_kvm_create(struct hwaccl_kvm *opened, const struct hwaccl_accel_kvm_config *config,
                                             struct hwaccl_error *error);

/** hwaccl_accel_kvm_verified - exits compared with the kernel's completion so far (see verify) */
uint64_t hwaccl_accel_kvm_verified(const struct hwaccl_accel *accel);

#endif
