/* Recordings of a VMM that embeds the tracer, in a directory of their own. Include after cmocka.h. */
#ifndef HWACCL_TESTS_TRACE_FIXTURE_H
#define HWACCL_TESTS_TRACE_FIXTURE_H

#include "hwaccl/recording.h"
#include "hwaccl/trace.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/hwaccl-trace-XXXXXX";
static char path[sizeof(directory) + 16];

static inline int make_directory(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(path, sizeof(path), "%s/vmm.db", directory);
        return 0;
}

static inline int remove_directory(void **state)
{
        (void)state;
        return rmdir(directory);
}

static inline int remove_files(void **state)
{
        char command[sizeof(directory) + 32];

        (void)state;
        (void)snprintf(command, sizeof(command), "rm -rf %s/*", directory);
        return system(command);
}

static inline struct hwaccl_trace *open_trace(const char *where, uint32_t vcpus)
{
        static const struct hwaccl_trace_option options[] = {{"guest", "synthetic"}};
        const struct hwaccl_trace_config config = {.size = sizeof(config),
                                                   .vmm = "test 1",
                                                   .vcpu_count = vcpus,
                                                   .keyframe_interval = 8,
                                                   .ring_size = 256 << 10,
                                                   .options = options,
                                                   .option_count = 1};
        struct hwaccl_error error = {""};
        struct hwaccl_trace *trace = hwaccl_trace_open(where, &config, &error);

        if (!trace)
                fail_msg("%s", error.message);
        return trace;
}

static inline void close_trace(struct hwaccl_trace *trace)
{
        struct hwaccl_error error = {""};

        if (!hwaccl_trace_close(trace, HWACCL_TRACE_END_EXIT_CODE, 5, NULL, &error))
                fail_msg("%s", error.message);
}

static inline struct hwaccl_recording *open_recording(const char *where)
{
        struct hwaccl_error error = {""};
        struct hwaccl_recording *recording = hwaccl_recording_open(where, &error);

        if (!recording)
                fail_msg("%s", error.message);
        return recording;
}

static inline void print_finding(void *opaque, const char *text)
{
        print_error("%s\n", text);
        ++*(unsigned *)opaque;
}

static inline void assert_checks(struct hwaccl_recording *recording)
{
        struct hwaccl_error error = {""};
        unsigned findings = 0;

        if (!hwaccl_recording_check(recording, print_finding, &findings, &error))
                fail_msg("%s", error.message);
        assert_int_equal(findings, 0);
}

/* The answer of one column and row; "NULL" for NULL. */
static inline const char *ask(struct hwaccl_recording *recording, const char *sql)
{
        static char answer[256];
        struct sqlite3 *db = hwaccl_recording_database(recording);
        sqlite3_stmt *row;

        if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        int result = sqlite3_step(row);
        const char *text = result == SQLITE_ROW ? (const char *)sqlite3_column_text(row, 0) : "no row";
        (void)snprintf(answer, sizeof(answer), "%s", text ? text : "NULL");
        (void)sqlite3_finalize(row);
        return answer;
}

static inline void one_exit(struct hwaccl_trace_vcpu *vcpu, uint64_t reason)
{
        struct hwaccl_trace_state state = {.known = {0, 0}};

        hwaccl_trace_put_exit(&state, reason, 0, 1);
        assert_true(hwaccl_trace_vcpu_entry(vcpu, NULL));
        assert_true(hwaccl_trace_vcpu_exit(vcpu, &state));
        assert_true(hwaccl_trace_vcpu_handled(vcpu, HWACCL_OUTCOME_RESUMED));
}

#endif
