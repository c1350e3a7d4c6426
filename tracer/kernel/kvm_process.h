/*
 * A process that uses KVM, as /proc shows it: its descriptors say whether it is a VMM and which vCPUs it has, its tasks
 * which threads may run them.
 */
#ifndef HWACCL_TRACER_KERNEL_KVM_PROCESS_H
#define HWACCL_TRACER_KERNEL_KVM_PROCESS_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KVM_PROCESS_VCPU_MAX   64u
#define KVM_PROCESS_THREAD_MAX 1024u

struct kvm_process {
        uint32_t vcpu[KVM_PROCESS_VCPU_MAX]; /* KVM's numbers, ascending */
        unsigned vcpus;
        bool several; /* a number is there twice: of several VMs, or a copied descriptor */
        bool vm;      /* it has a VM, or vCPUs */
};

/** kvm_process_look - what a process has open of KVM. False with *error set: there is no such process, its descriptors
 * may not be read, or it has nothing open of KVM */
bool kvm_process_look(pid_t process, struct kvm_process *found, struct hwaccl_error *error);

/** kvm_process_threads - numbers of the threads, at most @room; how many there are, 0 where the process has gone */
size_t kvm_process_threads(pid_t process, pid_t *thread, size_t room);

/** kvm_process_thread_name - empty where it has gone */
void kvm_process_thread_name(pid_t process, pid_t thread, char *name, size_t room);

/** kvm_process_thread_runs - whether a thread runs now, or waits in KVM_RUN: it may run a vCPU */
bool kvm_process_thread_runs(pid_t process, pid_t thread);

/** kvm_process_program - name of the executable without directories; its command's name where that may not be read */
void kvm_process_program(pid_t process, char *name, size_t room);

#endif
