#include "tracer/lttng/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of the running program; "" if unknown. */
static void program_directory(char *directory, size_t room)
{
        ssize_t length = readlink("/proc/self/exe", directory, room - 1);

        directory[length > 0 ? length : 0] = '\0';
        char *slash = strrchr(directory, '/');
        if (slash)
                *slash = '\0';
}

static bool exists(const char *directory, const char *below, const char *name, char *path, size_t room)
{
        int length = snprintf(path, room, "%s/%s%s%s", directory, below, *below ? "/" : "", name);

        return length > 0 && (size_t)length < room && access(path, F_OK) == 0;
}

bool module_find(const char *name, char *path, size_t room, struct hwaccl_error *error)
{
        const char *asked = getenv("HWACCL_MODULES");
        char program[PATH_MAX];

        program_directory(program, sizeof(program));
        if (asked && *asked) {
                if (exists(asked, "", name, path, room))
                        return true;
        } else if (exists(program, "", name, path, room) || exists(program, HWACCL_MODULE_RELATIVE, name, path, room) ||
                   exists(HWACCL_MODULE_DIRECTORY, "", name, path, room)) {
                return true;
        }
        return hwaccl_error_set(error, "%s: not found: not installed, or hwaccl was built without it", name);
}

void *module_symbol(const char *name, const char *symbol, struct hwaccl_error *error)
{
        char path[PATH_MAX];

        if (!module_find(name, path, sizeof(path), error))
                return NULL;
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        void *found = module ? dlsym(module, symbol) : NULL;
        if (!found) {
                const char *reason = dlerror();
                (void)hwaccl_error_set(error, "%s", reason ? reason : path);
        }
        return found;
}
