#include "replay/cli/top/top.h"

#include "replay/cli/json.h"
#include "replay/cli/output.h"

#include "core/text.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static double rate(const struct top *top, uint64_t count)
{
        return top->seconds > 0 ? (double)count / top->seconds : 0;
}

static void reason_name(uint64_t reason, char *text, size_t room)
{
        const char *name = reason == TOP_REASON_UNKNOWN ? "?" : hwaccl_exit_reason_name(reason);
        if (name)
                (void)snprintf(text, room, "%s", name);
        else
                (void)snprintf(text, room, "reason %" PRIu64, reason);
}

/* NULL: the recording continues. */
static const char *end_of(const struct top *top)
{
        if (!top->running)
                return top->end;
        return top->alive ? NULL : "the recorder died";
}

struct rank {
        const struct top_reason *reason;
};

/* In the last interval first, then in all. */
static int compare_ranks(const void *a, const void *b)
{
        const struct top_reason *x = ((const struct rank *)a)->reason, *y = ((const struct rank *)b)->reason;
        if (x->recent != y->recent)
                return x->recent > y->recent ? -1 : 1;
        if (x->total != y->total)
                return x->total > y->total ? -1 : 1;
        return x->reason < y->reason ? -1 : 1;
}

static void rank_reasons(const struct top *top, struct rank *ranks)
{
        for (size_t i = 0; i < top->reason_count; i++)
                ranks[i].reason = top->reason[i];
        qsort(ranks, top->reason_count, sizeof(ranks[0]), compare_ranks);
}

struct page {
        FILE *out;
        unsigned lines;   /* left; 0 is none */
        unsigned columns; /* 0: no limit */
        bool limited;
};

static void line(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct page *page, const char *format, ...)
{
        char text[512];
        va_list arguments;

        if (page->limited && page->lines == 0)
                return;
        page->lines -= page->limited;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        hwaccl_text_make_safe(text);
        if (page->columns && page->columns < sizeof(text)) {
                size_t end = page->columns;
                while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
                        end--; /* not in the middle of a character */
                text[end] = '\0';
        }
        (void)fprintf(page->out, "%s\n", text);
}

static void print_rings(struct page *page, const struct top *top)
{
        for (uint32_t i = 0; i < top->vcpu_count; i++) {
                const struct hwaccl_ring_status *ring = &top->vcpu[i].ring;
                if (top->vcpu[i].ring_there)
                        line(page, "ring of vCPU %" PRIu32 ": %.1f %% of %" PRIu64 " KiB%s", top->vcpu[i].number,
                             100.0 * (double)ring->used / (double)ring->size, ring->size >> 10,
                             ring->failed ? "; the recorder failed to write" : "");
        }
        if (top->ring_problem.message[0])
                line(page, "%s", top->ring_problem.message);
}

static void times_text(const struct top_times *times, char *text, size_t room)
{
        static const unsigned percents[] = {50, 90, 99};
        int used = 0;

        if (times->count == 0) {
                (void)snprintf(text, room, "%8s%8s%8s%9s", "-", "-", "-", "-");
                return;
        }
        for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
                used += snprintf(text + used, room - (size_t)used, "%8.1f",
                                 (double)top_times_percentile(times, percents[i]) / 1000);
        (void)snprintf(text + used, room - (size_t)used, "%9.1f", (double)times->max / 1000);
}

static void print_reason(struct page *page, const struct top *top, const struct top_reason *reason, const char *name)
{
        char guest[64], handler[64];

        times_text(&reason->guest, guest, sizeof(guest));
        times_text(&reason->handler, handler, sizeof(handler));
        line(page, "%-24.24s%11" PRIu64 "%9.0f%6.1f%%%s%s", name, reason->total, rate(top, reason->recent),
             top->all.recent ? 100.0 * (double)reason->recent / (double)top->all.recent : 0.0, handler, guest);
}

static void print_vectors(struct page *page, const struct top *top)
{
        bool any = false;

        for (unsigned i = 0; i < 256; i++) {
                const struct top_vector *vector = &top->vector[i];
                if (vector->total[TOP_OFFERED] == 0)
                        continue;
                if (!any) {
                        line(page, " ");
                        line(page, "%-24s%11s%11s%11s%12s%12s%12s", "interrupts", "offered", "taken", "returned",
                             "offered/s", "taken/s", "returned/s");
                }
                any = true;
                char name[24];
                (void)snprintf(name, sizeof(name), "vector 0x%02x", i);
                line(page, "%-24s%11" PRIu64 "%11" PRIu64 "%11" PRIu64 "%12.1f%12.1f%12.1f", name,
                     vector->total[TOP_OFFERED], vector->total[TOP_TAKEN], vector->total[TOP_RETURNED],
                     rate(top, vector->recent[TOP_OFFERED]), rate(top, vector->recent[TOP_TAKEN]),
                     rate(top, vector->recent[TOP_RETURNED]));
        }
}

void top_print(const struct top *top, FILE *out, unsigned lines, unsigned columns)
{
        struct page page = {.out = out, .lines = lines, .columns = columns, .limited = lines != 0};
        struct rank ranks[TOP_REASON_MAX];
        char name[64];

        rank_reasons(top, ranks);
        line(&page, "%s: %s, %.1f s recorded; %" PRIu64 " exits, %.0f/s", top->path,
             end_of(top) ? end_of(top) : "running", (double)top->span_ns / 1e9, top->all.total,
             rate(top, top->all.recent));
        print_rings(&page, top);
        line(&page, " ");
        line(&page, "%-24s%27s%20s%33s", top->last_window > 1 ? "in the last interval" : "since the beginning", "",
             "handler us", "guest us");
        line(&page, "%-24s%11s%9s%7s%8s%8s%8s%9s%8s%8s%8s%9s", "reason", "exits", "exits/s", "share", "p50", "p90",
             "p99", "max", "p50", "p90", "p99", "max");
        for (size_t i = 0; i < top->reason_count; i++) {
                reason_name(ranks[i].reason->reason, name, sizeof(name));
                print_reason(&page, top, ranks[i].reason, name);
        }
        print_reason(&page, top, &top->all, "total");
        print_vectors(&page, top);
}

static json_t *times_object(const struct top_times *times)
{
        if (times->count == 0)
                return json_null();
        return json_pack("{s:o, s:o, s:o, s:o}", "p50", cli_json_count(top_times_percentile(times, 50)), "p90",
                         cli_json_count(top_times_percentile(times, 90)), "p99",
                         cli_json_count(top_times_percentile(times, 99)), "max", cli_json_count(times->max));
}

static json_t *reason_object(const struct top *top, const struct top_reason *reason)
{
        return json_pack("{s:o, s:f, s:o, s:o}", "exits", cli_json_count(reason->total), "exits_per_second",
                         rate(top, reason->recent), "handler_ns", times_object(&reason->handler), "guest_ns",
                         times_object(&reason->guest));
}

static json_t *reasons_array(const struct top *top)
{
        struct rank ranks[TOP_REASON_MAX];
        json_t *reasons = json_array();

        rank_reasons(top, ranks);
        for (size_t i = 0; i < top->reason_count; i++) {
                json_t *object = reason_object(top, ranks[i].reason);
                bool known = ranks[i].reason->reason != TOP_REASON_UNKNOWN;
                char name[64];
                reason_name(ranks[i].reason->reason, name, sizeof(name));
                cli_json_set(&object, "reason_number", known ? cli_json_count(ranks[i].reason->reason) : json_null());
                cli_json_set(&object, "reason", cli_json_text(known ? name : NULL));
                cli_json_append(&reasons, object);
        }
        return reasons;
}

static json_t *vectors_array(const struct top *top)
{
        json_t *vectors = json_array();

        for (unsigned i = 0; i < 256; i++) {
                const struct top_vector *vector = &top->vector[i];
                if (vector->total[TOP_OFFERED])
                        cli_json_append(&vectors,
                                        json_pack("{s:i, s:o, s:o, s:o, s:f, s:f, s:f}", "vector", (int)i, "offered",
                                                  cli_json_count(vector->total[TOP_OFFERED]), "taken",
                                                  cli_json_count(vector->total[TOP_TAKEN]), "returned",
                                                  cli_json_count(vector->total[TOP_RETURNED]), "offered_per_second",
                                                  rate(top, vector->recent[TOP_OFFERED]), "taken_per_second",
                                                  rate(top, vector->recent[TOP_TAKEN]), "returned_per_second",
                                                  rate(top, vector->recent[TOP_RETURNED])));
        }
        return vectors;
}

static json_t *rings_array(const struct top *top)
{
        json_t *rings = json_array();

        for (uint32_t i = 0; i < top->vcpu_count; i++)
                if (top->vcpu[i].ring_there)
                        cli_json_append(&rings,
                                        json_pack("{s:I, s:o, s:o, s:b}", "vcpu", (json_int_t)top->vcpu[i].number,
                                                  "used", cli_json_count(top->vcpu[i].ring.used), "size",
                                                  cli_json_count(top->vcpu[i].ring.size), "failed",
                                                  top->vcpu[i].ring.failed));
        return rings;
}

bool top_print_json(const struct top *top)
{
        const char *end = end_of(top);
        return cli_json_print(json_pack("{s:b, s:o, s:f, s:o, s:o, s:o, s:o}", "running", !end, "end",
                                        end ? cli_json_text(end) : json_null(), "seconds", (double)top->span_ns / 1e9,
                                        "total", reason_object(top, &top->all), "reasons", reasons_array(top),
                                        "interrupts", vectors_array(top), "rings", rings_array(top)));
}
