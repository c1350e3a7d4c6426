/* Optional parts of the tracer with other dependencies: modules and programs that are loaded or run on demand. */
#ifndef HWACCL_TRACER_LTTNG_MODULE_H
#define HWACCL_TRACER_LTTNG_MODULE_H

#include "hwaccl/error.h"

#include <stddef.h>

/**
 * module_find - find a module or program of hwaccl
 *
 * Searches $HWACCL_MODULES if set, else the program's directory (in a build), the library directory of
 * the program's prefix, and that of the installation.
 */
bool module_find(const char *name, char *path, size_t room, struct hwaccl_error *error);

/** module_symbol - load a module permanently and find its symbol; NULL with *error set */
void *module_symbol(const char *name, const char *symbol, struct hwaccl_error *error);

#endif
