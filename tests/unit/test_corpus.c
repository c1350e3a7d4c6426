/* Many recordings, a process each: what a process does never hurts another, and its result is what it was. */
#include "replay/corpus/corpus_jobs.h"
#include "replay/corpus/corpus_text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define NS_PER_S UINT64_C(1000000000)

static const char clean[] = "{\"exits\":7,\"divergences\":0,\"first_divergence\":null,\"details\":[]}";

static int print(const char *text, int status)
{
        (void)puts(text);
        return status;
}

/* What the "recording" says is done. */
static int act(void *opaque, const char *path)
{
        (void)opaque;
        if (strcmp(path, "abort") == 0)
                abort();
        if (strcmp(path, "killed") == 0)
                (void)raise(SIGKILL);
        if (strcmp(path, "message") == 0) {
                (void)fputs("hwaccl replay: message: what is wrong\nanother line\n", stderr);
                return 2;
        }
        if (strcmp(path, "chatter") == 0)
                for (;;)
                        (void)puts("and another line that no replay prints, and another one");
        if (strcmp(path, "sleep") == 0)
                for (;;)
                        (void)pause();
        if (strcmp(path, "deaf") == 0) { /* its pipes are closed, and it does not end */
                (void)fclose(stdout);
                (void)close(STDOUT_FILENO);
                (void)close(STDERR_FILENO);
                for (;;)
                        (void)pause();
        }
        if (strcmp(path, "garbage") == 0)
                return print("{\"exits\":-1,\"divergences\":[]}", 0);
        if (strcmp(path, "nothing") == 0)
                return 0;
        if (strcmp(path, "no memory") == 0) {
                (void)fputs("out of memory\n", stderr);
                return 2;
        }
        if (strcmp(path, "diverged and damaged") == 0) {
                (void)fputs("hwaccl replay: diverged and damaged: table exit, row 9: what is wrong\n", stderr);
                return print("{\"details\":[{\"exit\":3,\"rip\":\"0x7c00\",\"differences\":[{\"what\":\"rax\","
                             "\"recorded\":\"1\",\"replayed\":\"2\"}]}],\"error\":\"what is wrong\"}",
                             2);
        }
        if (strcmp(path, "diverged") == 0)
                return print("{\"exits\":9,\"divergences\":2,\"first_divergence\":3,\"details\":[{\"exit\":3,\"rip\":"
                             "\"0x7c00\","
                             "\"differences\":[{\"what\":\"rax\",\"recorded\":\"1\",\"replayed\":\"2\"},7]},null]}",
                             1);
        return print(clean, 0);
}

static void add(struct corpus_list *list, const char *path)
{
        list->file = reallocarray(list->file, list->count + 1, sizeof(*list->file));
        assert_non_null(list->file);
        list->file[list->count] = (struct corpus_file){.path = strdup(path)};
        assert_non_null(list->file[list->count++].path);
}

static const struct corpus_result *result_of(const struct corpus_list *list, const char *path)
{
        for (size_t i = 0; i < list->count; i++)
                if (strcmp(list->file[i].path, path) == 0)
                        return &list->file[i].result;
        fail();
        return NULL;
}

static void run(struct corpus_list *list, const struct corpus_jobs *jobs)
{
        struct hwaccl_error error = {""};

        if (!corpus_jobs_run(list, jobs, &error))
                fail_msg("%s", error.message);
}

static void a_process_that_fails_hurts_no_other(void **state)
{
        static const struct {
                const char *path;
                enum corpus_status status;
                const char *says;
        } expected[] = {
                {"abort", CORPUS_CRASHED, "signal 6"},
                {"killed", CORPUS_CRASHED, "signal 9"},
                {"first", CORPUS_CLEAN, NULL},
                {"message", CORPUS_UNREADABLE, "what is wrong"},
                {"chatter", CORPUS_CRASHED, "printed more"},
                {"garbage", CORPUS_UNREADABLE, "no result"},
                {"nothing", CORPUS_UNREADABLE, "no result"},
                {"no memory", CORPUS_UNREADABLE, "out of memory"},
                {"diverged", CORPUS_DIVERGED, NULL},
                {"diverged and damaged", CORPUS_DIVERGED, "table exit, row 9: what is wrong"},
                {"last", CORPUS_CLEAN, NULL},
        };
        struct corpus_list list = {NULL, 0, 0};
        const struct corpus_jobs jobs = {.count = 3, .replay = act};
        (void)state;

        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
                add(&list, expected[i].path);
        run(&list, &jobs);
        for (size_t i = 0; i < list.count; i++) {
                const struct corpus_result *result = result_of(&list, expected[i].path);
                if (result->status != expected[i].status)
                        fail_msg("%s: %s: %s", expected[i].path, corpus_status_name(result->status),
                                 corpus_result_error(result));
                if (expected[i].says)
                        assert_non_null(strstr(corpus_result_error(result), expected[i].says));
        }
        assert_string_equal(corpus_result_error(result_of(&list, "message")), "what is wrong");

        struct hwaccl_divergence divergence;
        const struct corpus_result *diverged = result_of(&list, "diverged");
        assert_int_equal(diverged->divergences, 2);
        assert_int_equal(diverged->first, 3);
        assert_int_equal(corpus_result_details(diverged), 2);
        corpus_result_divergence(diverged, 0, &divergence);
        assert_int_equal(divergence.exit, 3);
        assert_int_equal(divergence.rip, 0x7c00);
        assert_int_equal(divergence.difference_count, 2);
        assert_string_equal(divergence.difference[0].what, "rax");
        assert_string_equal(divergence.difference[0].replayed, "2");
        assert_string_equal(divergence.difference[1].what, "");
        corpus_result_divergence(diverged, 1, &divergence);
        assert_int_equal(divergence.difference_count, 0);
        corpus_list_release(&list);
}

static void a_process_is_ended_at_its_time_limit(void **state)
{
        struct corpus_list list = {NULL, 0, 0};
        const struct corpus_jobs jobs = {.count = 2, .time_limit = NS_PER_S / 5, .replay = act};
        (void)state;

        add(&list, "sleep");
        add(&list, "deaf");
        run(&list, &jobs);
        assert_int_equal(result_of(&list, "sleep")->status, CORPUS_TIME_LIMIT);
        assert_int_equal(result_of(&list, "deaf")->status, CORPUS_TIME_LIMIT);
        corpus_list_release(&list);
}

static void memory_that_a_limit_refuses_is_reported_as_such(void **state)
{
        struct corpus_list list = {NULL, 0, 0};
        const struct corpus_jobs jobs = {.count = 1, .memory_limit = UINT64_C(1) << 30, .replay = act};
        (void)state;

        add(&list, "no memory");
        run(&list, &jobs);
        assert_int_equal(result_of(&list, "no memory")->status, CORPUS_MEMORY_LIMIT);
        corpus_list_release(&list);
}

static void fail_fast_ends_what_runs(void **state)
{
        struct corpus_list list = {NULL, 0, 0};
        const struct corpus_jobs jobs = {.count = 2, .fail_fast = true, .replay = act};
        (void)state;

        add(&list, "sleep"); /* for ever, unless it is ended */
        add(&list, "diverged");
        add(&list, "after it");
        run(&list, &jobs);
        assert_int_equal(result_of(&list, "diverged")->status, CORPUS_DIVERGED);
        assert_int_equal(result_of(&list, "sleep")->status, CORPUS_NOT_RUN);
        assert_int_equal(result_of(&list, "after it")->status, CORPUS_NOT_RUN);
        corpus_list_release(&list);
}

static void processes_that_cannot_start_yet_wait_for_others(void **state)
{
        struct corpus_list list = {NULL, 0, 0};
        const struct corpus_jobs jobs = {.count = 8, .replay = act};
        struct rlimit before, low;
        char name[16];
        (void)state;

        for (unsigned i = 0; i < 20; i++) {
                (void)snprintf(name, sizeof(name), "clean %u", i);
                add(&list, name);
        }
        int next = dup(STDIN_FILENO); /* a process needs four descriptors to start, then two */
        assert_true(next >= 0 && close(next) == 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        low = before;
        low.rlim_cur = (rlim_t)next + 7;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        run(&list, &jobs);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        for (size_t i = 0; i < list.count; i++)
                if (list.file[i].result.status != CORPUS_CLEAN)
                        fail_msg("%s: %s", list.file[i].path, corpus_result_error(&list.file[i].result));
        corpus_list_release(&list);
}

static void expect_text(void (*write_text)(FILE *, const char *), const char *text, const char *expected)
{
        char *written = NULL;
        size_t size;
        FILE *out = open_memstream(&written, &size);

        assert_non_null(out);
        write_text(out, text);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(written, expected);
        free(written);
}

static void text_is_data_in_every_format(void **state)
{
        (void)state;
        expect_text(corpus_text_xml, "a<b>&\"'\x01\n\xef\xbf\xbf\xff", "a&lt;b&gt;&amp;&quot;&#39;????");
        expect_text(corpus_text_markdown, "@me </code>`", "&#64;me &#60;/code&#62;&#96;");
        expect_text(corpus_text_block, "~~~~\n", "----?");
        expect_text(corpus_text_workflow, "a%b\r\n::x,y", "a%25b??%3A%3Ax%2Cy");
        expect_text(corpus_text_workflow, "##[add-mask]x", "##?add-mask]x");
        expect_text(corpus_text_terminal, "\x1b[31m##[error]", "?[31m##?error]");
        expect_text(corpus_text_shell, "dir/a-b_1.db", "dir/a-b_1.db");
        expect_text(corpus_text_shell, "-o", "./-o");
        expect_text(corpus_text_shell, "", "''");
        expect_text(corpus_text_shell, "it's $HOME", "'it'\\''s $HOME'");
        expect_text(corpus_text_shell, "a\n'", "$'a\\012\\047'");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_process_that_fails_hurts_no_other),
                cmocka_unit_test(a_process_is_ended_at_its_time_limit),
                cmocka_unit_test(memory_that_a_limit_refuses_is_reported_as_such),
                cmocka_unit_test(fail_fast_ends_what_runs),
                cmocka_unit_test(processes_that_cannot_start_yet_wait_for_others),
                cmocka_unit_test(text_is_data_in_every_format),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
