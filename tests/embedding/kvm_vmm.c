/*
 * A VMM of its own on KVM that embeds the tracer: one vCPU, 64 KiB of memory, a console port, a keyboard port, one
 * device register in memory, one interrupt. Usage: kvm_vmm RECORDING. Exit status: the guest's; 99 when the VMM fails.
 *
 *     cc -o kvm_vmm kvm_vmm.c $(pkg-config --cflags --libs hwaccl-tracer)
 */
#include "kvm_vmm_handler.h"

#include <hwaccl/trace.h>
#include <hwaccl/trace_kvm.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE 0x10000u
#define GUEST_START 0x1000u

/* Real mode, at 1000h. */
static const unsigned char guest[] = {
        0x31, 0xc0,                         /* xor ax, ax */
        0x8e, 0xd0,                         /* mov ss, ax */
        0x89, 0xc4,                         /* mov sp, ax */
        0xc7, 0x06, 0x80, 0x00, 0x2a, 0x10, /* mov word [20h * 4], handler */
        0xa3, 0x82, 0x00,                   /* mov [20h * 4 + 2], ax */
        0xb0, 'h',                          /* mov al, 'h' */
        0xe6, 0xe9,                         /* out e9h, al */
        0xe4, 0x60,                         /* in al, 60h: what was typed */
        0xe6, 0xe9,                         /* out e9h, al */
        0xb9, 0x00, 0xd0,                   /* mov cx, d000h */
        0x8e, 0xd9,                         /* mov ds, cx */
        0xa2, 0x00, 0x00,                   /* mov [0], al: the device */
        0xa0, 0x01, 0x00,                   /* mov al, [1] */
        0xe6, 0xe9,                         /* out e9h, al */
        0xfb,                               /* sti */
        0xf4,                               /* hlt: until the timer's interrupt */
        0xb0, 0x07,                         /* mov al, 7 */
        0xe6, 0xf4,                         /* out f4h, al: the exit code */
        0xb0, '!',                          /* handler: mov al, '!' */
        0xe6, 0xe9,                         /* out e9h, al */
        0xcf,                               /* iret */
};

static struct hwaccl_trace *trace;
static struct hwaccl_trace_vcpu *vcpu;

static void die(const char *what)
{
        perror(what);
        if (trace)
                (void)hwaccl_trace_close(trace, HWACCL_TRACE_END_ERROR, 0, what, NULL);
        exit(99);
}

static int control(int fd, unsigned long request, void *argument)
{
        int result = ioctl(fd, request, argument);
        if (result < 0)
                die("ioctl");
        return result;
}

static unsigned char read_key(void)
{
        const unsigned char key = 'i'; /* what was typed */

        hwaccl_trace_vcpu_input(vcpu, HWACCL_TRACE_INPUT_CONSOLE, 0, 0, &key, 1);
        return key;
}

static void print(unsigned char letter)
{
        hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_CONSOLE, 2, 0, &letter, 1);
        (void)putchar(letter);
}

static void end(unsigned char code)
{
        hwaccl_trace_vcpu_effect(vcpu, HWACCL_TRACE_EFFECT_STOP, HWACCL_TRACE_END_EXIT_CODE, code, NULL, 0);
}

/* The data of the exit, its handling, and what that answered. Returns the outcome. */
static unsigned handle_recorded(struct vmm *vmm, struct kvm_run *run)
{
        static const struct world world = {read_key, print, end};
        struct hwaccl_kvm_run fields;

        hwaccl_trace_kvm_fields(&fields, run);
        hwaccl_trace_vcpu_kvm_run(vcpu, &fields);
        hwaccl_trace_kvm_written(vcpu, run);
        unsigned outcome = handle_exit(vmm, run, &world);
        hwaccl_trace_kvm_answered(vcpu, run);
        hwaccl_trace_vcpu_handled(vcpu, outcome);
        return outcome;
}

int main(int argc, char **argv)
{
        struct hwaccl_trace_config config = {.size = sizeof(config), .vmm = "kvm_vmm 1.0", .keyframe_interval = 4};
        struct hwaccl_error error;
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

        if (argc != 2 || kvm < 0)
                die(argc != 2 ? "usage: kvm_vmm RECORDING" : "/dev/kvm");
        int vm = control(kvm, KVM_CREATE_VM, NULL);
        int cpu = control(vm, KVM_CREATE_VCPU, NULL);
        size_t run_size = (size_t)control(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
        struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
        unsigned char *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (run == MAP_FAILED || memory == MAP_FAILED)
                die("mmap");
        memcpy(memory + GUEST_START, guest, sizeof(guest));
        struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE, .userspace_addr = (uintptr_t)memory};
        (void)control(vm, KVM_SET_USER_MEMORY_REGION, &region);
        struct kvm_sregs sregs;
        (void)control(cpu, KVM_GET_SREGS, &sregs);
        sregs.cs.base = sregs.cs.selector = 0;
        (void)control(cpu, KVM_SET_SREGS, &sregs);
        struct kvm_regs regs = {.rip = GUEST_START, .rflags = 2};
        (void)control(cpu, KVM_SET_REGS, &regs);

        trace = hwaccl_trace_open(argv[1], &config, &error);
        if (!trace) {
                (void)fprintf(stderr, "kvm_vmm: %s\n", error.message);
                return 99;
        }
        vcpu = hwaccl_trace_vcpu(trace, 0);
        hwaccl_trace_vcpu_mark(vcpu, "the guest starts");
        struct vmm vmm = {0};
        while (!vmm.ended) {
                if (hwaccl_trace_vcpu_snapshot_due(vcpu))
                        hwaccl_trace_vcpu_snapshot(vcpu, "vmm", &vmm, sizeof(vmm));
                if (timer_interrupts(&vmm)) {
                        struct kvm_interrupt interrupt = {TIMER_VECTOR};
                        hwaccl_trace_vcpu_mark(vcpu, "timer");
                        hwaccl_trace_vcpu_irq_injected(vcpu, TIMER_VECTOR);
                        (void)control(cpu, KVM_INTERRUPT, &interrupt);
                }
                hwaccl_trace_vcpu_entry(vcpu, NULL); /* the kernel completes IN and memory reads: not known */
                (void)control(cpu, KVM_RUN, NULL);

                struct hwaccl_trace_state state;
                (void)control(cpu, KVM_GET_REGS, &regs);
                (void)control(cpu, KVM_GET_SREGS, &sregs);
                hwaccl_trace_kvm_state(&state, run, &regs, &sregs);
                hwaccl_trace_vcpu_exit(vcpu, &state);
                if (handle_recorded(&vmm, run) == HWACCL_OUTCOME_FAILED)
                        die("an exit that this VMM does not know");
        }
        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_EXIT_CODE, vmm.code, NULL, &error)) {
                (void)fprintf(stderr, "kvm_vmm: %s\n", error.message);
                return 99;
        }
        return vmm.code;
}
