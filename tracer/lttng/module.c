#include "module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of the running program; "" when it is not to be had. */
static void program_directory(char *directory, size_t room)
{
        ssize_t length = readlink("/proc/self/exe", directory, room - 1);

        directory[length > 0 ? length : 0] = '\0';
        char *slash = strrchr(directory, '/');
        if (slash)
                *slash = '\0';
}

/* NULL when the file is not there. One that is there and cannot be loaded is an error, and the search is over. */
static void *load(const char *directory, const char *below, const char *name, struct hwaccl_error *error)
{
        char path[PATH_MAX + 256];
        int length = snprintf(path, sizeof(path), "%s/%s%s%s", directory, below, *below ? "/" : "", name);

        if (length < 0 || (size_t)length >= sizeof(path) || access(path, F_OK) != 0)
                return NULL;
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!module) {
                const char *reason = dlerror();
                (void)hwaccl_error_set(error, "%s", reason ? reason : path);
        }
        return module;
}

void *module_symbol(const char *name, const char *symbol, struct hwaccl_error *error)
{
        const char *asked = getenv("HWACCL_MODULES");
        char program[PATH_MAX];
        void *module = NULL;

        program_directory(program, sizeof(program));
        error->message[0] = '\0';
        const struct {
                const char *directory;
                const char *below;
        } places[] = {{program, ""}, {program, HWACCL_MODULE_RELATIVE}, {HWACCL_MODULE_DIRECTORY, ""}};
        if (asked && *asked)
                module = load(asked, "", name, error);
        else
                for (size_t i = 0; !module && !error->message[0] && i < sizeof(places) / sizeof(places[0]); i++)
                        module = load(places[i].directory, places[i].below, name, error);
        if (!module) {
                if (!error->message[0])
                        (void)hwaccl_error_set(error,
                                               "there is no %s: hwaccl was built without it, or it is not "
                                               "installed",
                                               name);
                return NULL;
        }
        void *found = dlsym(module, symbol);
        if (!found)
                (void)hwaccl_error_set(error, "%s is no module of hwaccl: it has no %s", name, symbol);
        return found;
}
