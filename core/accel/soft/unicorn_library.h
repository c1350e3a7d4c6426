/*
 * The Unicorn library, loaded when the first soft accelerator is made. It brings translators for all its architectures:
 * a program that is linked with it takes twice as long to start, and most commands have no guest to run.
 */
#ifndef HWACCL_ACCEL_UNICORN_LIBRARY_H
#define HWACCL_ACCEL_UNICORN_LIBRARY_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <unicorn/unicorn.h>

/* What we call of it: uc_close() is unicorn.close(). */
#define UNICORN_FUNCTIONS(F)                                                                                           \
        F(close)                                                                                                       \
        F(context_alloc)                                                                                               \
        F(context_free)                                                                                                \
        F(context_restore)                                                                                             \
        F(context_save)                                                                                                \
        F(context_size)                                                                                                \
        F(ctl)                                                                                                         \
        F(emu_start)                                                                                                   \
        F(emu_stop)                                                                                                    \
        F(hook_add)                                                                                                    \
        F(hook_del)                                                                                                    \
        F(mem_map_ptr)                                                                                                 \
        F(mem_protect)                                                                                                 \
        F(mem_unmap)                                                                                                   \
        F(open)                                                                                                        \
        F(reg_read)                                                                                                    \
        F(reg_write)                                                                                                   \
        F(strerror)                                                                                                    \
        F(version)

#define UNICORN_POINTER(name) __typeof__(uc_##name) *name;
struct unicorn_library {
        void *handle;
        UNICORN_FUNCTIONS(UNICORN_POINTER)
};
#undef UNICORN_POINTER

/**
 * unicorn_library_open - load the library, once in the process's life, and find its functions
 *
 * False with *error set when it is not there, or not what its headers said.
 */
bool unicorn_library_open(struct unicorn_library *unicorn, struct hwaccl_error *error);

/** unicorn_library_close - the library stays, for the next one */
void unicorn_library_close(struct unicorn_library *unicorn);

#endif
