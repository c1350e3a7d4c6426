/* Assertions that document invariants and stay on in release builds. Nothing that comes from a guest, a file or a
 * database may trip one. */
#ifndef HWACCL_ASSERT_H
#define HWACCL_ASSERT_H

#include <stdbool.h>

/** hwaccl_assert_failed - print "file:line: function: assertion failed: condition" to stderr and abort(3) */
_Noreturn void hwaccl_assert_failed(const char *condition, const char *file, int line, const char *function);

/** hwaccl_assert_has_failed - whether this thread is ending by an assertion, for a handler of SIGABRT */
bool hwaccl_assert_has_failed(void);

#define hwaccl_assert(condition)                                                                                       \
        (__builtin_expect(!!(condition), 1) ? (void)0 : hwaccl_assert_failed(#condition, __FILE__, __LINE__, __func__))

#endif
