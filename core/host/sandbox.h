/*
 * Giving privileges up before a file from elsewhere is read: what a fault in its reader could do is then limited to
 * what reading needs.
 *
 * After hwaccl_sandbox_enter() the process, its threads and what they might start
 *   - open no file but those named (Landlock, from Linux 5.13 on);
 *   - make no socket, start no program or process, make no memory executable, trace no process, change neither
 *     identity nor mounts: every system call that is not on a short list fails with EPERM (seccomp);
 *   - leave no core file, and hold few files open (setrlimit(2)).
 *
 * A kernel without Landlock or seccomp is no error: what it has is used. Files that are open stay so.
 */
#ifndef HWACCL_CORE_HOST_SANDBOX_H
#define HWACCL_CORE_HOST_SANDBOX_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A file, or a directory with all that is below it. One that does not exist is skipped, and cannot be opened later. */
struct hwaccl_sandbox_path {
        const char *path;
        bool write; /* it may be written, and in a directory files may be made, renamed and removed */
};

struct hwaccl_sandbox {
        const struct hwaccl_sandbox_path *path;
        size_t path_count;
        const pid_t *child; /* processes started before: they may be waited for and killed, and no others */
        size_t child_count;
};

/** hwaccl_sandbox_enter - there is no way back. False with *error set when the kernel has the means and refuses them */
bool hwaccl_sandbox_enter(const struct hwaccl_sandbox *sandbox, struct hwaccl_error *error);

#endif
