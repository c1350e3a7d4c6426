#include "core/accel/soft/unicorn_library.h"

#include "core/accel/soft/accel_soft.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

/* Its interface's number is that of the headers that this was compiled with. */
#define FILE_NAME "libunicorn.so." TEXT(UC_API_MAJOR)

#define ENTRY(name) {"uc_" #name, offsetof(struct unicorn_library, name)},
static const struct {
        const char *name;
        size_t at;
} functions[] = {UNICORN_FUNCTIONS(ENTRY)};

bool unicorn_library_open(struct unicorn_library *unicorn, struct hwaccl_error *error)
{
        memset(unicorn, 0, sizeof(*unicorn));
        unicorn->handle = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!unicorn->handle)
                return hwaccl_error_set(error, "the soft accelerator cannot load Unicorn: %s; use --accel kvm",
                                        dlerror());
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
                void *function = dlsym(unicorn->handle, functions[i].name);
                if (!function) {
                        unicorn_library_close(unicorn);
                        return hwaccl_error_set(
                                error, "the soft accelerator cannot use " FILE_NAME ": it has no %s; use --accel kvm",
                                functions[i].name);
                }
                memcpy((char *)unicorn + functions[i].at, &function, sizeof(function));
        }
        return true;
}

void unicorn_library_close(struct unicorn_library *unicorn)
{
        if (unicorn->handle)
                (void)dlclose(unicorn->handle);
        unicorn->handle = NULL;
}

bool hwaccl_accel_soft_version(unsigned *major, unsigned *minor)
{
        __typeof__(uc_version) *version;
        void *loaded = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
        void *function = loaded ? dlsym(loaded, "uc_version") : NULL;

        if (function) {
                memcpy(&version, &function, sizeof(version));
                (void)version(major, minor);
        }
        if (loaded)
                (void)dlclose(loaded);
        return function != NULL;
}
