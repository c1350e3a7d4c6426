/* Errors travel up as one line of text with context; whoever prints it prints exactly one line. Stable. */
#ifndef HWACCL_ERROR_H
#define HWACCL_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line, no trailing newline, NUL-terminated; longer text is cut at the end. The caller of a function owns it. */
struct hwaccl_error {
        char message[512];
};

/**
 * hwaccl_error_set - write an error's text, replacing what it held
 * @error: may be NULL, then nothing is written
 *
 * Returns false, so that a function that fails can end with `return hwaccl_error_set(error, ...)`.
 */
bool hwaccl_error_set(struct hwaccl_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** hwaccl_error_prefix - put "text: " before what the error holds. Returns false. */
bool hwaccl_error_prefix(struct hwaccl_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The static analyzer sees one source file at a time: tell it what these return. */
#ifdef __clang_analyzer__
#define hwaccl_error_set(...)    ((void)(hwaccl_error_set)(__VA_ARGS__), false)
#define hwaccl_error_prefix(...) ((void)(hwaccl_error_prefix)(__VA_ARGS__), false)
#endif

#ifdef __cplusplus
}
#endif

#endif
