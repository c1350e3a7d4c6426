/*
 * The bytes of a call's argument, as the table (ioctl_table.h) describes them: taken in the VMM, in the thread that
 * makes the call. A pointer of the VMM may be bad, and then the kernel fails the call with EFAULT; nothing here may
 * crash for it. So memory is read directly only where the kernel has just read or written it (the call succeeded), or
 * where it is this thread's stack; else through process_vm_readv(2), and not at all in a process that filters its
 * system calls.
 *
 * Captured bytes, in this order:
 *   the fixed part of the argument, the elements of its array
 *   for each pointer that is not NULL, and whose size is known: struct ioctl_captured_memory, that many bytes
 * Padding is zero. Pointers are 1, NULL is 0.
 */
#ifndef HWACCL_TRACER_INTERPOSE_IOCTL_CAPTURE_H
#define HWACCL_TRACER_INTERPOSE_IOCTL_CAPTURE_H

#include "tracer/interpose/ioctl_table.h"

struct ioctl_captured_memory {
        uint32_t pointer; /* its offset in the argument */
        uint32_t size;    /* of the bytes that follow */
};

struct ioctl_call {
        const struct ioctl_entry *entry; /* NULL: nothing is captured */
        enum ioctl_role role;            /* of the descriptor */
        const void *argument;
        bool after;          /* the kernel has returned */
        bool success;        /* what it returned is no error */
        uint64_t slot_pages; /* of the memory slot that KVM_GET_DIRTY_LOG names; 0: unknown */
};

struct ioctl_captured {
        size_t size;  /* bytes in the buffer */
        size_t whole; /* bytes that there were; more than size if the buffer was too small or memory was not readable */
};

/** ioctl_capture - the argument of a call: before it what the VMM passes in, after it what came of it
 *
 * After success: the argument with what the kernel wrote. After a failure, and before the call: what the VMM passes in.
 * Only requests whose row is `overwritten` need a look before the call. Nothing for a NULL argument, which some
 * requests take. Changes no errno. No system call after success, nor for arguments on the stack. */
struct ioctl_captured ioctl_capture(const struct ioctl_call *call, void *buffer, size_t size);

/** ioctl_argument_size - of captured bytes, how many are the argument: the rest is memory behind its pointers */
size_t ioctl_argument_size(const struct ioctl_entry *entry, size_t size);

/** ioctl_note_xsave_size - what KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) returned of a VM */
void ioctl_note_xsave_size(uint32_t size);

/** memory_note_filter - this process filters its system calls from now on */
void memory_note_filter(void);

/** memory_read - copy memory of this process that may not be there. False if it is not, or that cannot be known */
bool memory_read(void *to, const void *from, size_t size);

#endif
