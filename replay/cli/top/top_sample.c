#include "replay/cli/top/top.h"

#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/recording.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS 16384 /* in one read transaction: some 10 ms */

uint64_t top_now(void)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Below 32 each number is a class; above, 32 classes from each power of two to the next. */
static unsigned class_of(uint64_t time)
{
        if (time < 32)
                return (unsigned)time;
        unsigned power = 63u - (unsigned)__builtin_clzll(time);
        return (power - 4) * 32 + (unsigned)(time >> (power - 5) & 31);
}

static uint64_t class_end(unsigned class)
{
        if (class < 32)
                return class;
        unsigned power = class / 32 + 4;
        return ((UINT64_C(32) + class % 32 + 1) << (power - 5)) - 1;
}

static void times_add(struct top_times *times, uint64_t time)
{
        times->count++;
        times->max = time > times->max ? time : times->max;
        times->class[class_of(time)]++;
}

uint64_t top_times_percentile(const struct top_times *times, unsigned percent)
{
        uint64_t wanted = times->count - (times->count * (100 - percent)) / 100;
        uint64_t seen = 0;

        for (unsigned i = 0; i < TOP_CLASSES && times->count; i++) {
                seen += times->class[i];
                if (seen >= wanted && seen)
                        return class_end(i) < times->max ? class_end(i) : times->max;
        }
        return times->max;
}

static struct top_reason *reason_of(struct top *top, uint64_t reason)
{
        for (size_t i = 0; i < top->reason_count; i++)
                if (top->reason[i]->reason == reason)
                        return top->reason[i];
        if (top->reason_count == TOP_REASON_MAX)
                return top->reason[TOP_REASON_MAX - 1];
        struct top_reason *new = calloc(1, sizeof(*new));
        if (!new)
                return NULL;
        new->reason = reason;
        top->reason[top->reason_count++] = new;
        return new;
}

static void forget_recent(struct top *top)
{
        for (size_t i = 0; i <= top->reason_count; i++) {
                struct top_reason *reason = i < top->reason_count ? top->reason[i] : &top->all;
                reason->recent = 0;
                memset(&reason->guest, 0, sizeof(reason->guest));
                memset(&reason->handler, 0, sizeof(reason->handler));
        }
        for (unsigned i = 0; i < 256; i++)
                memset(top->vector[i].recent, 0, sizeof(top->vector[i].recent));
}

/* NULL counts as not known, anything but a number from 0 on is an error. */
static bool number(sqlite3_stmt *row, int column, bool *known, uint64_t *value, struct hwaccl_error *error)
{
        int type = sqlite3_column_type(row, column);
        int64_t found = sqlite3_column_int64(row, column);

        *known = type != SQLITE_NULL;
        *value = (uint64_t)found;
        if (*known && (type != SQLITE_INTEGER || found < 0))
                return hwaccl_error_set(error, "exit %" PRIu64 ": %s is negative or not a number",
                                        exit_number(sqlite3_column_int64(row, 0)), sqlite3_column_name(row, column));
        return true;
}

/* A time of the host, whose clock may have gone back. */
static bool duration(sqlite3_stmt *row, int column, bool *known, uint64_t *ns, struct hwaccl_error *error)
{
        if (sqlite3_column_type(row, column) != SQLITE_INTEGER || sqlite3_column_int64(row, column) >= 0)
                return number(row, column, known, ns, error);
        *known = true;
        *ns = 0;
        return true;
}

static bool count_exit(struct top *top, struct top_vcpu *vcpu, sqlite3_stmt *row, struct hwaccl_error *error)
{
        bool reason_known, guest_known, handler_known;
        uint64_t basic, guest, handler;

        if (!number(row, 1, &reason_known, &basic, error) || !duration(row, 2, &guest_known, &guest, error) ||
            !duration(row, 3, &handler_known, &handler, error))
                return false;
        struct top_reason *reason = reason_of(top, reason_known ? basic : TOP_REASON_UNKNOWN);
        if (!reason)
                return hwaccl_error_set(error, "out of memory");
        struct top_reason *const both[] = {reason, &top->all};
        for (size_t i = 0; i < 2; i++) {
                both[i]->total++;
                both[i]->recent++;
                if (guest_known)
                        times_add(&both[i]->guest, guest);
                if (handler_known)
                        times_add(&both[i]->handler, handler);
        }
        vcpu->exit = sqlite3_column_int64(row, 0);
        return true;
}

static void count_irq(struct top_vector *vector, enum top_irq what)
{
        vector->total[what]++;
        vector->recent[what]++;
}

static bool count_handoff(struct top *top, struct top_vcpu *vcpu, sqlite3_stmt *row, struct hwaccl_error *error)
{
        bool vector_known, taken_known;
        uint64_t vector, taken;

        if (!number(row, 1, &vector_known, &vector, error) || !number(row, 2, &taken_known, &taken, error))
                return false;
        if (!vector_known || vector > 255)
                return hwaccl_error_set(error, "invalid interrupt vector: expected 0 to 255");
        count_irq(&top->vector[vector], TOP_OFFERED);
        if (taken_known)
                count_irq(&top->vector[vector], taken ? TOP_TAKEN : TOP_RETURNED);
        vcpu->handoff = sqlite3_column_int64(row, 0);
        return true;
}

typedef bool count_row(struct top *top, struct top_vcpu *vcpu, sqlite3_stmt *row, struct hwaccl_error *error);

/* Rows with ids from @first to @last, a few at a time: a reader that stays long keeps the writer's log from shrinking.
 */
static bool count_rows(struct top *top, struct top_vcpu *vcpu, sqlite3 *db, const char *sql, int64_t first,
                       int64_t last, count_row *count, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        bool good = true;
        int rows = ROWS;

        if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
                return hwaccl_error_set(error, "%s", sqlite3_errmsg(db));
        while (good && rows == ROWS && first <= last) {
                int result = SQLITE_ERROR;
                good = sqlite3_bind_int64(row, 1, first) == SQLITE_OK &&
                       sqlite3_bind_int64(row, 2, last) == SQLITE_OK && sqlite3_bind_int(row, 3, ROWS) == SQLITE_OK;
                for (rows = 0; good && (result = sqlite3_step(row)) == SQLITE_ROW; rows++) {
                        first = sqlite3_column_int64(row, 0) + 1;
                        good = count(top, vcpu, row, error);
                }
                if (good && result != SQLITE_DONE)
                        good = hwaccl_error_set(error, "%s", sqlite3_errmsg(db));
                (void)sqlite3_reset(row);
        }
        (void)sqlite3_finalize(row);
        return good;
}

/* When the last exit that was counted ended, since the recording began. */
static void measure_span(struct top *top, const struct top_vcpu *vcpu, sqlite3 *db)
{
        const char *sql = "SELECT entry_ns + guest_ns + coalesce(handler_ns, 0) FROM exits WHERE id = ?1";
        sqlite3_stmt *row;

        if (vcpu->exit < 0 || sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
                return;
        if (sqlite3_bind_int64(row, 1, vcpu->exit) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW) {
                int64_t end = sqlite3_column_int64(row, 0);
                if (end > 0 && (uint64_t)end > top->span_ns)
                        top->span_ns = (uint64_t)end;
        }
        (void)sqlite3_finalize(row);
}

static bool count_vcpu(struct top *top, struct top_vcpu *vcpu, sqlite3 *db, struct hwaccl_error *error)
{
        const int64_t base = exit_id(vcpu->number, 0);
        const int64_t end = exit_id(vcpu->number, EXIT_NUMBER_MAX);
        int64_t first = vcpu->exit < 0 ? base : vcpu->exit + 1;

        if (!count_rows(top, vcpu, db,
                        "SELECT id, exit_reason & 0xffff, host_guest, host_handler FROM exit "
                        "WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
                        first, end, count_exit, error))
                return false;
        first = vcpu->handoff < 0 ? base : vcpu->handoff + 1;
        if (!count_rows(top, vcpu, db,
                        "SELECT id, vector, taken FROM irq_handoff WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
                        first, vcpu->exit < 0 ? base - 1 : vcpu->exit, count_handoff, error))
                return false;
        measure_span(top, vcpu, db);
        return true;
}

static bool find_vcpus(struct top *top, struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        uint64_t first, last;
        uint32_t number = 0;

        if (top->one_vcpu) {
                top->vcpu_count = 1;
                top->vcpu[0] = (struct top_vcpu){.number = top->only, .exit = -1, .handoff = -1};
                return hwaccl_recording_range(recording, top->only, &first, &last, error);
        }
        sqlite3 *db = hwaccl_recording_database(recording);
        sqlite3_stmt *row;
        if (sqlite3_prepare_v2(db, "SELECT id FROM vcpu ORDER BY id", -1, &row, NULL) != SQLITE_OK)
                return hwaccl_error_set(error, "%s", sqlite3_errmsg(db));
        while (top->vcpu_count < TOP_VCPU_MAX && sqlite3_step(row) == SQLITE_ROW) {
                number = (uint32_t)sqlite3_column_int64(row, 0);
                top->vcpu[top->vcpu_count++] = (struct top_vcpu){.number = number, .exit = -1, .handoff = -1};
        }
        (void)sqlite3_finalize(row);
        return true;
}

/* The rings of one recording are numbered as its vCPUs are, from the first on. */
static void look_at_rings(struct top *top)
{
        struct hwaccl_ring_status status;
        bool any = false, alive = false;

        top->ring_problem.message[0] = '\0';
        for (uint32_t i = 0; i < top->vcpu_count; i++)
                top->vcpu[i].ring_there = false;
        for (unsigned index = 0; index < TOP_VCPU_MAX; index++) {
                enum hwaccl_ring_look found = hwaccl_ring_status_read(top->path, index, &status, &top->ring_problem);
                if (found != HWACCL_RING_SEEN)
                        break;
                any = true;
                alive |= status.alive;
                for (uint32_t i = 0; i < top->vcpu_count; i++) {
                        if (top->vcpu[i].number != status.vcpu)
                                continue;
                        top->vcpu[i].ring_there = true;
                        top->vcpu[i].ring = status;
                }
        }
        top->alive = any ? alive : top->ring_problem.message[0] != '\0';
}

bool top_sample(struct top *top, struct hwaccl_error *error)
{
        uint64_t now = top_now();
        struct hwaccl_recording *recording = hwaccl_recording_open_running(top->path, error);

        if (!recording)
                return false;
        const struct hwaccl_recording_info *info = hwaccl_recording_info(recording);
        sqlite3 *db = hwaccl_recording_database(recording);
        bool good = top->vcpu_count > 0 || find_vcpus(top, recording, error);
        forget_recent(top);
        for (uint32_t i = 0; good && i < top->vcpu_count; i++)
                good = count_vcpu(top, &top->vcpu[i], db, error);
        top->running = info->status == HWACCL_RECORDING_RUNNING;
        top->end = hwaccl_end_name(info->end);
        hwaccl_recording_close(recording);
        if (!good)
                return false;
        look_at_rings(top);
        top->seconds = (double)(top->start_ns ? now - top->start_ns : top->span_ns) / 1e9;
        top->start_ns = now;
        top->last_window++;
        return true;
}

void top_free(struct top *top)
{
        for (size_t i = 0; i < top->reason_count; i++)
                free(top->reason[i]);
        free(top);
}
