#include "hwaccl/error.h"

#include "core/assert.h"
#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local volatile bool assert_has_failed;

bool hwaccl_assert_has_failed(void)
{
        return assert_has_failed;
}

_Noreturn void hwaccl_assert_failed(const char *condition, const char *file, int line, const char *function)
{
        assert_has_failed = true;
        (void)fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, condition);
        abort();
}

bool(hwaccl_error_set)(struct hwaccl_error *error, const char *format, ...)
{
        if (!error)
                return false;

        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, arguments);
        va_end(arguments);
        hwaccl_text_make_safe(error->message);
        return false;
}

bool(hwaccl_error_prefix)(struct hwaccl_error *error, const char *format, ...)
{
        if (!error)
                return false;

        char text[sizeof(error->message)];
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        if (length < 0)
                return false;
        size_t used = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
        const char *tail[] = {": ", error->message};
        for (size_t i = 0; i < 2; i++) {
                size_t size = strnlen(tail[i], sizeof(text) - 1 - used);
                memcpy(text + used, tail[i], size);
                used += size;
        }
        text[used] = '\0';
        memcpy(error->message, text, sizeof(text));
        hwaccl_text_make_safe(error->message);
        return false;
}
