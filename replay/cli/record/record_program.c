/* The program of a VMM: where it is, and whether a library can be loaded into it. */
#include "replay/cli/record/record.h"

#include "tracer/interpose/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool find(const char *name, char path[static PATH_MAX], struct hwaccl_error *error)
{
        if (interpose_program_find(name, path))
                return true;
        if (!strchr(name, '/'))
                return hwaccl_error_set(error, "%s: no such program (not found in PATH)", name);
        if (access(name, F_OK) != 0)
                return hwaccl_error_set(error, "%s: cannot execute: %s", name, strerror(errno));
        return hwaccl_error_set(error, "%s: cannot execute: not a program, or no permission", name);
}

bool record_find_program(const char *name, char **path, struct hwaccl_error *error)
{
        char found[PATH_MAX];

        *path = NULL;
        if (!find(name, found, error))
                return false;
        enum interpose_program program = interpose_program_check(found);
        if (program != PROGRAM_GOOD)
                return hwaccl_error_set(error, "%s: %s", found, interpose_program_reason(program));
        *path = strdup(found);
        return *path || hwaccl_error_set(error, "out of memory");
}
