#include "core/assert.h"
#include "hwaccl/error.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct hwaccl_error error;

static void an_error_replaces_the_one_before_and_returns_false(void **state)
{
        (void)state;
        assert_false(hwaccl_error_set(&error, "first"));
        assert_false(hwaccl_error_set(&error, "%s %d", "second", 2));
        assert_string_equal(error.message, "second 2");
}

static void no_error_wanted_is_fine(void **state)
{
        (void)state;
        assert_false(hwaccl_error_set(NULL, "%d", 1));
        assert_false(hwaccl_error_prefix(NULL, "%d", 1));
}

static void a_prefix_goes_before_with_a_colon(void **state)
{
        (void)state;
        hwaccl_error_set(&error, "no such file");
        assert_false(hwaccl_error_prefix(&error, "%s", "a.db"));
        assert_false(hwaccl_error_prefix(&error, "replay"));
        assert_string_equal(error.message, "replay: a.db: no such file");
}

static void an_error_may_quote_itself(void **state)
{
        (void)state;
        hwaccl_error_set(&error, "inner");
        struct hwaccl_error copy = error;
        hwaccl_error_set(&error, "outer (%s)", copy.message);
        assert_string_equal(error.message, "outer (inner)");
}

static void control_characters_cannot_break_the_line(void **state)
{
        (void)state;
        hwaccl_error_set(&error, "%s", "a\nb\rc\td\x1b[31me");
        assert_string_equal(error.message, "a?b?c?d?[31me");
        hwaccl_error_prefix(&error, "x\ny");
        assert_string_equal(error.message, "x?y: a?b?c?d?[31me");
        hwaccl_error_set(&error, "%s", "a\x7f\xc2\x9b\x9b\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\xa8z");
        assert_string_equal(error.message, "a???????z");
        hwaccl_error_set(&error, "%s", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0");
        assert_string_equal(error.message, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0");
        /* not UTF-8: longer than needed, a surrogate, beyond the last code point, cut short */
        hwaccl_error_set(&error, "%s", "\xc0\x9b|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x80");
        assert_string_equal(error.message, "??|???|????|??");
}

static void longer_text_is_cut_at_the_end(void **state)
{
        (void)state;
        char text[2000];
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        hwaccl_error_set(&error, "%s", text);
        assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
        hwaccl_error_prefix(&error, "prefix");
        assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
        assert_memory_equal(error.message, "prefix: xxx", 11);
        hwaccl_error_set(&error, "short");
        hwaccl_error_prefix(&error, "%s", text);
        assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static void an_assertion_says_where_and_aborts(void **state)
{
        (void)state;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)signal(SIGABRT, SIG_DFL);
                (void)dup2(ends[1], STDERR_FILENO);
                hwaccl_assert(1 + 1 == 2);
                hwaccl_assert(1 + 1 == 3);
                _exit(0);
        }
        (void)close(ends[1]);
        char text[256] = "";
        assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
        (void)close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        assert_non_null(strstr(text, "test_error.c:"));
        assert_non_null(strstr(text, "an_assertion_says_where_and_aborts: assertion failed: 1 + 1 == 3\n"));
}

static void tell_assertion(int number)
{
        (void)number;
        _exit(hwaccl_assert_has_failed() ? 7 : 8);
}

static void a_handler_of_sigabrt_can_tell_an_assertion(void **state)
{
        (void)state;
        for (int asserts = 0; asserts < 2; asserts++) {
                pid_t child = fork();
                assert_true(child >= 0);
                if (!child) {
                        (void)close(STDERR_FILENO);
                        (void)signal(SIGABRT, tell_assertion);
                        hwaccl_assert(!asserts);
                        abort();
                }
                int status;
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), asserts ? 7 : 8);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_error_replaces_the_one_before_and_returns_false),
                cmocka_unit_test(no_error_wanted_is_fine),
                cmocka_unit_test(a_prefix_goes_before_with_a_colon),
                cmocka_unit_test(an_error_may_quote_itself),
                cmocka_unit_test(control_characters_cannot_break_the_line),
                cmocka_unit_test(longer_text_is_cut_at_the_end),
                cmocka_unit_test(an_assertion_says_where_and_aborts),
                cmocka_unit_test(a_handler_of_sigabrt_can_tell_an_assertion),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
