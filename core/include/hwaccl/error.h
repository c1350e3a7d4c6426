/* Stable ABI. Error messages: one line of text that states what is wrong and where. */
#ifndef HWACCL_ERROR_H
#define HWACCL_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One line, NUL-terminated, without a newline; longer text is truncated. Allocated by the caller of a function. */
struct hwaccl_error {
        char message[512];
};

/**
 * hwaccl_error_set - set the message, replacing an earlier one
 * @error: may be NULL: nothing is written
 *
 * Always returns false, so that a function can fail with `return hwaccl_error_set(error, ...)`.
 */
bool hwaccl_error_set(struct hwaccl_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** hwaccl_error_prefix - insert "text: " before the message. @error may be NULL. Always returns false. */
bool hwaccl_error_prefix(struct hwaccl_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The static analyzer sees one source file at a time and cannot know the return value. */
#ifdef __clang_analyzer__
#define hwaccl_error_set(...)    ((void)(hwaccl_error_set)(__VA_ARGS__), false)
#define hwaccl_error_prefix(...) ((void)(hwaccl_error_prefix)(__VA_ARGS__), false)
#endif

#ifdef __cplusplus
}
#endif

#endif
