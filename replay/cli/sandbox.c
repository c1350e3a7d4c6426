#include "replay/cli/sandbox.h"

#include "core/host/sandbox.h"
#include "replay/cli/message.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SQLITE_HEAP_MAX (INT64_C(1) << 30) /* bytes; a reader takes some 10 MiB */
#define RING_MAX        64u                /* of a recording: one for each vCPU */
#define PATHS_MAX       (2 * (6 + RING_MAX) + 4)

struct paths {
        struct hwaccl_sandbox_path path[PATHS_MAX];
        size_t count;
};

__attribute__((format(printf, 3, 4))) static bool add(struct paths *paths, bool write, const char *format, ...)
{
        va_list values;
        char *name = NULL;

        va_start(values, format);
        int length = vasprintf(&name, format, values);
        va_end(values);
        if (length < 0)
                return false;
        paths->path[paths->count++] = (struct hwaccl_sandbox_path){name, write};
        return true;
}

/* The recording, what a recorder leaves beside it, and the rings. */
static bool add_recording(struct paths *paths, const char *path)
{
        /* the last is the index of the log, which readers share with a recorder that is at work */
        static const char *const suffix[] = {"", "-wal", "-journal", "-ring", "-shm"};
        const size_t count = sizeof(suffix) / sizeof(suffix[0]);

        for (size_t i = 0; i < count; i++)
                if (!add(paths, i == count - 1, "%s%s", path, suffix[i]))
                        return false;
        /* with it and the process's number, a ring says whose it is */
        if (!add(paths, false, "/proc/sys/kernel/random/boot_id"))
                return false;
        for (unsigned i = 1; i < RING_MAX; i++) {
                if (!add(paths, false, "%s-ring.%u", path, i))
                        return false;
                if (access(paths->path[paths->count - 1].path, F_OK) != 0)
                        break;
        }
        return true;
}

static bool add_directory(struct paths *paths, const char *path)
{
        const char *slash = strrchr(path, '/');
        struct stat status;

        /* a ring that is to be recovered must not be that of a process that lives: ring_owner_is_gone() */
        if (!add(paths, false, "/proc"))
                return false;
        if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
                return add(paths, true, "%s", path);
        if (!slash)
                return add(paths, true, ".");
        return add(paths, true, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* The files of @path, and where it is a link, those of what it names: SQLite puts its own beside that. */
static bool add_with_target(struct paths *paths, bool (*add_all)(struct paths *, const char *), const char *path)
{
        char *real = realpath(path, NULL);
        bool good = add_all(paths, path) && (!real || strcmp(real, path) == 0 || add_all(paths, real));

        free(real);
        return good;
}

/* What a subcommand may use; NULL: nothing of that kind. */
struct use {
        const char *read;  /* a recording */
        const char *write; /* a file or directory */
        const pid_t *process;
        size_t process_count;
};

static bool enter(const struct use *use, struct hwaccl_error *error)
{
        struct paths *paths = calloc(1, sizeof(*paths));
        bool good = (paths && (!use->read || add_with_target(paths, add_recording, use->read)) &&
                     (!use->write || add_with_target(paths, add_directory, use->write))) ||
                    hwaccl_error_set(error, "out of memory");

        (void)sqlite3_hard_heap_limit64(SQLITE_HEAP_MAX);
        if (good) {
                const struct hwaccl_sandbox sandbox = {paths->path, paths->count, use->process, use->process_count};
                good = hwaccl_sandbox_enter(&sandbox, error);
        }
        for (size_t i = 0; paths && i < paths->count; i++)
                free((char *)(uintptr_t)paths->path[i].path);
        free(paths);
        return good;
}

static bool enter_or_say(const struct cli_command *command, const struct use *use)
{
        struct hwaccl_error error;

        if (enter(use, &error))
                return true;
        (void)cli_error(command, "%s", error.message);
        return false;
}

bool cli_sandbox_enter(const struct cli_command *command, const char *path)
{
        (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* what reads has one thread, and needs no mutexes */
        return enter_or_say(command, &(struct use){.read = path});
}

bool cli_sandbox_enter_to_write(const struct cli_command *command, const char *path)
{
        return enter_or_say(command, &(struct use){.write = path});
}

bool cli_sandbox_enter_to_derive(const struct cli_command *command, const char *path, const char *output)
{
        return enter_or_say(command, &(struct use){.read = path, .write = output});
}

bool cli_sandbox_enter_with(const char *path, const pid_t *process, size_t count, struct hwaccl_error *error)
{
        return enter(&(struct use){.write = path, .process = process, .process_count = count}, error);
}
