/* Parts of the tracer that need libraries of their own: modules that are loaded, programs that are run, when needed. */
#ifndef HWACCL_TRACER_LTTNG_MODULE_H
#define HWACCL_TRACER_LTTNG_MODULE_H

#include "hwaccl/error.h"

#include <stddef.h>

/**
 * module_find - where a module or program of hwaccl lies
 *
 * Looked for in $HWACCL_MODULES, or else beside the program (in a build), in the library directory that belongs to
 * where the program lies, and in that of the installation.
 */
bool module_find(const char *name, char *path, size_t room, struct hwaccl_error *error);

/** module_symbol - load a module, for good, and find its one symbol; NULL with *error set */
void *module_symbol(const char *name, const char *symbol, struct hwaccl_error *error);

#endif
