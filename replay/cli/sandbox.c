#include "replay/cli/sandbox.h"

#include "core/host/sandbox.h"
#include "replay/cli/message.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SQLITE_HEAP_MAX (INT64_C(1) << 30) /* bytes; a reader takes some 10 MiB */

bool cli_sandbox_enter(const struct cli_command *command, const char *path)
{
        /* the last is the index of the log, which readers share with a recorder that is at work */
        static const char *const suffix[] = {"", "-wal", "-journal", "-ring", "-shm"};
        struct hwaccl_sandbox_path paths[sizeof(suffix) / sizeof(suffix[0])];
        char *name[sizeof(suffix) / sizeof(suffix[0])] = {NULL};
        const size_t count = sizeof(suffix) / sizeof(suffix[0]);
        struct hwaccl_error error;
        bool good = true;

        (void)sqlite3_hard_heap_limit64(SQLITE_HEAP_MAX);
        for (size_t i = 0; i < count; i++) {
                if (asprintf(&name[i], "%s%s", path, suffix[i]) < 0) {
                        name[i] = NULL;
                        good = hwaccl_error_set(&error, "out of memory");
                        break;
                }
                paths[i] = (struct hwaccl_sandbox_path){name[i], i == count - 1};
        }
        good = good && hwaccl_sandbox_enter(paths, count, &error);
        for (size_t i = 0; i < count; i++)
                free(name[i]);
        if (!good)
                (void)cli_error(command, "%s", error.message);
        return good;
}
