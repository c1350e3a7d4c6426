/*
 * The functions of the C library that start a program: a script or a launcher may start one that takes no library, and
 * what is recorded then is nothing. The recorder is told which, so that it can say so. Not seen: execl(3) and the like.
 */
#include "tracer/interpose/library/process.h"
#include "tracer/interpose/program.h"

#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
        int (*execve)(const char *, char *const[], char *const[]);
        int (*execv)(const char *, char *const[]);
        int (*execvp)(const char *, char *const[]);
        int (*execvpe)(const char *, char *const[], char *const[]);
        int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                           char *const[], char *const[]);
        int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                            char *const[], char *const[]);
} next;

/* Where it is loaded: a child of vfork(2) may not look for symbols. */
__attribute__((constructor)) static void find_functions(void)
{
        *(void **)&next.execve = dlsym(RTLD_NEXT, "execve");
        *(void **)&next.execv = dlsym(RTLD_NEXT, "execv");
        *(void **)&next.execvp = dlsym(RTLD_NEXT, "execvp");
        *(void **)&next.execvpe = dlsym(RTLD_NEXT, "execvpe");
        *(void **)&next.posix_spawn = dlsym(RTLD_NEXT, "posix_spawn");
        *(void **)&next.posix_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
}

/* Two at a time: one of them is told. */
static void tell(struct interpose_control *control, const char *path, enum interpose_program reason)
{
        if (atomic_exchange_explicit(&control->telling, 1, memory_order_acquire))
                return;
        (void)snprintf(control->unfit_path, sizeof(control->unfit_path), "%.*s", (int)sizeof(control->unfit_path) - 1,
                       path);
        atomic_store(&control->unfit, reason);
        atomic_store_explicit(&control->telling, 0, memory_order_release);
}

static void look(const char *name, bool search)
{
        struct interpose_control *control = process_control();
        int before = errno;
        char path[PATH_MAX];

        if (control && name && process_may_sleep() &&
            (search || strchr(name, '/') ? interpose_program_find(name, path)
                                         : (size_t)snprintf(path, sizeof(path), "./%s", name) < sizeof(path))) {
                enum interpose_program program = interpose_program_check(path);
                if (program != PROGRAM_GOOD)
                        tell(control, path, program);
        }
        errno = before;
}

static int lacking(void)
{
        errno = ENOSYS;
        return -1;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
        look(path, false);
        return next.execve ? next.execve(path, argv, envp) : lacking();
}

EXPORT int execv(const char *path, char *const argv[])
{
        look(path, false);
        return next.execv ? next.execv(path, argv) : lacking();
}

EXPORT int execvp(const char *file, char *const argv[])
{
        look(file, true);
        return next.execvp ? next.execvp(file, argv) : lacking();
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
        look(file, true);
        return next.execvpe ? next.execvpe(file, argv, envp) : lacking();
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *file_actions,
                       const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])
{
        look(path, false);
        return next.posix_spawn ? next.posix_spawn(pid, path, file_actions, attrp, argv, envp) : ENOSYS;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *file_actions,
                        const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])
{
        look(file, true);
        return next.posix_spawnp ? next.posix_spawnp(pid, file, file_actions, attrp, argv, envp) : ENOSYS;
}
