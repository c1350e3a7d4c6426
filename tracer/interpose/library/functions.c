/*
 * The functions of the C library that libhwaccl-interpose.so stands in for. Everything but KVM's requests passes
 * through. A VMM that makes system calls without them (statically linked, or by its own code) is not seen.
 */
#include "tracer/interpose/library/calls.h"
#include "tracer/interpose/library/memory_slots.h"
#include "tracer/interpose/library/process.h"
#include "tracer/interpose/library/vcpu.h"

#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define EXPORT __attribute__((visibility("default")))

/* ioctl(2), which is declared with variable arguments: as such it would save all registers that may hold some, at each
 * exit. The ABI passes the one that there is as if it were declared (System V, AMD64, 3.5.7). */
EXPORT int interposed_ioctl(int fd, unsigned long request, void *argument) __asm__("ioctl");

int interposed_ioctl(int fd, unsigned long request, void *argument)
{
        struct interpose_control *control = process_control();

        /* the kernel looks at 32 bits; callers extend the sign of an int */
        const uint32_t number = (uint32_t)request;
        if (__builtin_expect(_IOC_TYPE(number) != KVMIO || !control, 1))
                return next_ioctl(fd, request, argument);
        if (number == KVM_RUN) {
                struct interpose_vcpu *vcpu = vcpu_find(fd);
                return vcpu ? vcpu_run(vcpu, fd, argument) : next_ioctl(fd, request, argument);
        }
        return calls_ioctl(control, fd, request, argument);
}

static void *map(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        if (flags & MAP_FIXED)
                memory_slots_forget(address, size);
        void *result = next_mmap(address, size, protection, flags, fd, offset);

        if (fd >= 0 && offset == 0 && result != MAP_FAILED && !(flags & MAP_ANONYMOUS)) {
                struct interpose_vcpu *vcpu = vcpu_find(fd);
                if (vcpu)
                        vcpu_mapped(vcpu, result, size);
        }
        return result;
}

/* The C library's names of parameters. */
EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
        return map(addr, len, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
        return map(addr, len, prot, flags, fd, offset);
}

EXPORT int munmap(void *addr, size_t len)
{
        vcpu_unmapped(addr, len);
        memory_slots_forget(addr, len);
        return next_munmap(addr, len);
}

/* Whoever filters system calls, with this or seccomp(2), first sets that execve(2) gives no privileges, or needs some.
 */
EXPORT int prctl(int option, ...)
{
        unsigned long argument[4];
        va_list arguments;

        va_start(arguments, option);
        for (unsigned i = 0; i < 4; i++)
                argument[i] = va_arg(arguments, unsigned long);
        va_end(arguments);
        if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP)
                process_note_filter();
        return next_prctl(option, argument);
}
