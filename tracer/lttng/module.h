/* Modules: parts of the tracer that need libraries of their own, loaded when they are asked for and never unloaded. */
#ifndef HWACCL_TRACER_LTTNG_MODULE_H
#define HWACCL_TRACER_LTTNG_MODULE_H

#include "hwaccl/error.h"

/**
 * module_symbol - load a module and find its one symbol
 * @name: "hwaccl-lttng.so"
 *
 * Looked for in $HWACCL_MODULES, or else beside the program (in a build), in the library directory that belongs to
 * where the program lies, and in that of the installation. NULL with *error set.
 */
void *module_symbol(const char *name, const char *symbol, struct hwaccl_error *error);

#endif
