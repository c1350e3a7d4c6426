/* The functions of the C library, beside mmap and munmap, after which memory that was readable may not be so. */
#include "tracer/interpose/library/memory_slots.h"
#include "tracer/interpose/library/process.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
        int (*mprotect)(void *, size_t, int);
        void *(*mremap)(void *, size_t, size_t, int, ...);
        int (*shmdt)(const void *);
} next;

__attribute__((constructor)) static void find_all(void)
{
        *(void **)&next.mprotect = process_find("mprotect");
        *(void **)&next.mremap = process_find("mremap");
        *(void **)&next.shmdt = process_find("shmdt");
}

#define FIND(function) (__builtin_expect(next.function != NULL, 1) ? (void)0 : find_all())

EXPORT int mprotect(void *addr, size_t len, int prot)
{
        FIND(mprotect);
        if (!(prot & PROT_READ))
                memory_slots_forget(addr, len);
        return next.mprotect(addr, len, prot);
}

EXPORT void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
        va_list arguments;

        FIND(mremap);
        va_start(arguments, flags);
        void *target = va_arg(arguments, void *);
        va_end(arguments);
        memory_slots_forget(addr, old_len);
        if (flags & MREMAP_FIXED)
                memory_slots_forget(target, new_len);
        return next.mremap(addr, old_len, new_len, flags, target);
}

EXPORT int shmdt(const void *shmaddr)
{
        FIND(shmdt);
        memory_slots_forget(NULL, SIZE_MAX); /* its size is not known here */
        return next.shmdt(shmaddr);
}
