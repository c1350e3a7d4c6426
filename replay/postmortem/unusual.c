/*
 * Reasons, ports and vectors are compared by the counts of blocks. Pages and RIPs have no counts: rows are read back
 * from the last exits, of those blocks only that may have them, and of a limited number.
 */
#include "replay/postmortem/unusual.h"

#include "replay/postmortem/evidence_query.h"
#include "tracer/read/recording_blocks.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS_MAX   200000u /* that are read for one kind */
#define BEFORE_MIN 64u     /* exits: fewer do not tell what is usual */
#define LAST_PART  8u      /* the last exits are at most this part of all */
#define OFTEN      8u      /* exits: fewer that also occurred before are chance */
#define FAR_MORE   16u     /* times as often as before */
#define PAGE_SIZE  UINT64_C(4096)
#define RIP_GAP    UINT64_C(4096) /* RIPs closer than this are one range */

struct comparison {
        const struct hwaccl_evidence *evidence;
        uint64_t begin, end;         /* the exits before */
        struct hwaccl_unusual *seen; /* what the last exits have */
        size_t count;
        enum unusual_kind kind; /* that is being counted */
        uint64_t rows;          /* read for it */
};

static struct hwaccl_unusual *find_seen(const struct comparison *comparison, enum unusual_kind kind, uint64_t value)
{
        for (size_t i = 0; i < comparison->count; i++)
                if (comparison->seen[i].kind == kind && comparison->seen[i].from == value)
                        return &comparison->seen[i];
        return NULL;
}

static void note(struct comparison *comparison, enum unusual_kind kind, uint64_t value, uint64_t exit)
{
        struct hwaccl_unusual *seen = find_seen(comparison, kind, value);

        if (!seen) {
                seen = &comparison->seen[comparison->count++];
                *seen = (struct hwaccl_unusual){.kind = kind, .from = value, .to = value, .first = exit};
        }
        seen->exits++;
        seen->last = exit;
}

static void note_exit(struct comparison *comparison, size_t index)
{
        const struct evidence_exit *exit = &comparison->evidence->exits[index];
        const struct evidence_access access = evidence_access(comparison->evidence, index);
        uint64_t reason = evidence_reason(exit);

        if (reason != UINT64_MAX)
                note(comparison, UNUSUAL_REASON, reason, exit->number);
        if (access.kind == ACCESS_PORT)
                note(comparison, UNUSUAL_PORT, access.address, exit->number);
        if (exit->offered)
                note(comparison, UNUSUAL_VECTOR, exit->vector, exit->number);
        if (reason == HWACCL_EXIT_EPT_VIOLATION &&
            hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_guest_physical_address))
                note(comparison, UNUSUAL_PAGE, exit->exit.guest_physical_address & ~(PAGE_SIZE - 1), exit->number);
        if (hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_rip))
                note(comparison, UNUSUAL_RIP, exit->exit.rip, exit->number);
}

static bool take_count(void *opaque, const struct block_count *count, struct hwaccl_error *error)
{
        const struct comparison *comparison = opaque;
        struct hwaccl_unusual *seen = find_seen(comparison, comparison->kind, (uint64_t)count->value);

        (void)error;
        if (seen)
                seen->before += count->exits;
        return true;
}

/* The newest exit of the vCPU that is in a block, as an id. */
static int64_t last_in_blocks(const struct comparison *comparison)
{
        sqlite3_stmt *row =
                evidence_query(comparison->evidence, "SELECT max(last) FROM block WHERE id BETWEEN ?1 AND ?2");
        int64_t last = exit_id(comparison->evidence->vcpu, comparison->evidence->first) - 1;

        if (evidence_row(row) && sqlite3_column_type(row, 0) == SQLITE_INTEGER)
                last = sqlite3_column_int64(row, 0);
        (void)sqlite3_finalize(row);
        return last;
}

static bool count_in_blocks(struct comparison *comparison, enum unusual_kind kind, enum block_kind block_kind)
{
        uint64_t begin = comparison->begin;
        struct hwaccl_error error;

        /* recordings without blocks: a limited number of rows */
        if (comparison->end - begin > ROWS_MAX &&
            last_in_blocks(comparison) < exit_id(comparison->evidence->vcpu, comparison->end - ROWS_MAX))
                begin = comparison->end - ROWS_MAX;
        comparison->kind = kind;
        for (size_t i = 0; i < comparison->count; i++)
                if (comparison->seen[i].kind == kind)
                        comparison->seen[i].before_of = comparison->end - begin;
        return hwaccl_recording_count(comparison->evidence->recording, comparison->evidence->vcpu, begin,
                                      comparison->end - 1, block_kind, take_count, comparison, &error);
}

/* Read exits @first to @last (ids) from the newest on. False when the limit is reached. */
static bool read_rows(struct comparison *comparison, int64_t first, int64_t last)
{
        static const char *const sql[UNUSUAL_KIND_COUNT] = {
                [UNUSUAL_PAGE] =
                        ("SELECT coalesce(e.guest_physical_address, (SELECT k.guest_physical_address FROM keyframe "
                         "k WHERE k.id <= e.id ORDER BY k.id DESC LIMIT 1)), e.id FROM exit e WHERE e.id BETWEEN "
                         "max(?1, ?3) AND min(?2, ?4) AND e.exit_reason & 0xffff = 48"),
                [UNUSUAL_RIP] = "SELECT rip, id FROM exit WHERE id BETWEEN max(?1, ?3) AND min(?2, ?4)"};
        if (last < first) /* of a damaged block */
                return true;
        const uint64_t left = ROWS_MAX - comparison->rows;
        bool whole = (uint64_t)(last - first) < left;
        sqlite3_stmt *row = evidence_query(comparison->evidence, sql[comparison->kind]);

        if (!whole)
                first = last + 1 - (int64_t)left;
        bool good =
                row && sqlite3_bind_int64(row, 3, first) == SQLITE_OK && sqlite3_bind_int64(row, 4, last) == SQLITE_OK;
        while (good && evidence_row(row)) {
                uint64_t value = (uint64_t)sqlite3_column_int64(row, 0);
                if (sqlite3_column_type(row, 0) != SQLITE_INTEGER)
                        continue;
                if (comparison->kind == UNUSUAL_PAGE)
                        value &= ~(PAGE_SIZE - 1);
                struct hwaccl_unusual *seen = find_seen(comparison, comparison->kind, value);
                if (seen)
                        seen->before++;
        }
        (void)sqlite3_finalize(row);
        comparison->rows += (uint64_t)(last - first) + 1;
        return whole;
}

/* Is one of the RIPs in the range that was not seen before? Pages: any block that the query gives. */
static bool is_wanted(const struct comparison *comparison, sqlite3_stmt *block)
{
        uint64_t min = (uint64_t)sqlite3_column_int64(block, 2), max = (uint64_t)sqlite3_column_int64(block, 3);

        if (comparison->kind == UNUSUAL_PAGE)
                return true;
        if (sqlite3_column_type(block, 2) != SQLITE_INTEGER)
                return false;
        for (size_t i = 0; i < comparison->count; i++) {
                const struct hwaccl_unusual *seen = &comparison->seen[i];
                if (seen->kind == UNUSUAL_RIP && !seen->before && seen->from >= min && seen->from <= max)
                        return true;
        }
        return false;
}

/* Back through the exits before. Returns the first one that was looked at. */
static uint64_t read_back(struct comparison *comparison)
{
        static const char *const sql[UNUSUAL_KIND_COUNT] = {
                [UNUSUAL_PAGE] =
                        "SELECT b.id, b.last FROM block_count c JOIN block b ON b.id = c.block WHERE c.kind = 0 AND "
                        "c.value = 48 AND c.block BETWEEN ?1 AND min(?2, ?3) ORDER BY c.block DESC",
                [UNUSUAL_RIP] =
                        "SELECT id, last, rip_min, rip_max FROM block WHERE id BETWEEN ?1 AND min(?2, ?3) ORDER BY "
                        "id DESC"};
        const uint32_t vcpu = comparison->evidence->vcpu;
        int64_t begin = exit_id(vcpu, comparison->begin), last = exit_id(vcpu, comparison->end) - 1;
        int64_t in_blocks = last_in_blocks(comparison);

        if (in_blocks < last && !read_rows(comparison, in_blocks + 1 > begin ? in_blocks + 1 : begin, last))
                return comparison->end - ROWS_MAX;
        sqlite3_stmt *block = evidence_query(comparison->evidence, sql[comparison->kind]);
        bool whole = block && sqlite3_bind_int64(block, 3, last) == SQLITE_OK;
        uint64_t reached = comparison->begin;
        while (whole && evidence_row(block)) {
                int64_t first = sqlite3_column_int64(block, 0), end = sqlite3_column_int64(block, 1);
                uint64_t left = ROWS_MAX - comparison->rows;
                if (end > last)
                        end = last;
                if (!is_wanted(comparison, block) || read_rows(comparison, first, end))
                        continue;
                whole = false;
                reached = exit_number(end) + 1 - left;
        }
        (void)sqlite3_finalize(block);
        return reached;
}

static void count_in_rows(struct comparison *comparison, enum unusual_kind kind)
{
        bool any = false;

        for (size_t i = 0; i < comparison->count; i++)
                any = any || comparison->seen[i].kind == kind;
        if (!any)
                return;
        comparison->kind = kind;
        comparison->rows = 0;
        uint64_t reached = read_back(comparison);
        for (size_t i = 0; i < comparison->count; i++)
                if (comparison->seen[i].kind == kind)
                        comparison->seen[i].before_of = comparison->end - reached;
}

/* Is it unusual? Then it has a weight. */
static bool weigh(struct hwaccl_unusual *seen, uint64_t exits)
{
        double expected = ((double)seen->before + 0.5) * (double)exits / (double)seen->before_of;
        double more = (double)seen->exits - expected;

        if (seen->before_of < BEFORE_MIN)
                return false;
        if (seen->before &&
            (seen->kind == UNUSUAL_RIP || seen->exits < OFTEN || (double)seen->exits < FAR_MORE * expected))
                return false;
        seen->weight = more * more / expected;
        return true;
}

static int by_rip(const void *a, const void *b)
{
        const struct hwaccl_unusual *one = a, *other = b;

        if (one->kind != other->kind)
                return one->kind < other->kind ? -1 : 1;
        return one->from < other->from ? -1 : one->from > other->from;
}

static int by_weight(const void *a, const void *b)
{
        const struct hwaccl_unusual *one = a, *other = b;

        if (!one->before != !other->before)
                return one->before ? 1 : -1;
        if (one->weight < other->weight || one->weight > other->weight)
                return one->weight > other->weight ? -1 : 1;
        return by_rip(a, b);
}

/* Leave out what is usual, and make ranges of RIPs. */
static void select_unusual(struct comparison *comparison, uint64_t exits)
{
        struct hwaccl_unusual *seen = comparison->seen;
        size_t kept = 0;

        qsort(seen, comparison->count, sizeof(*seen), by_rip);
        for (size_t i = 0; i < comparison->count; i++) {
                struct hwaccl_unusual *previous = kept ? &seen[kept - 1] : NULL;
                if (!weigh(&seen[i], exits))
                        continue;
                if (previous && seen[i].kind == UNUSUAL_RIP && previous->kind == UNUSUAL_RIP &&
                    seen[i].from - previous->to < RIP_GAP) {
                        previous->to = seen[i].to;
                        previous->exits += seen[i].exits;
                        previous->first = seen[i].first < previous->first ? seen[i].first : previous->first;
                        previous->last = seen[i].last > previous->last ? seen[i].last : previous->last;
                        (void)weigh(previous, exits);
                } else {
                        seen[kept++] = seen[i];
                }
        }
        comparison->count = kept;
        qsort(seen, kept, sizeof(*seen), by_weight);
}

void hwaccl_find_unusual(const struct hwaccl_evidence *evidence, struct hwaccl_unusual_exits *unusual)
{
        uint64_t part = (evidence->end - evidence->first) / LAST_PART;
        size_t exits = evidence->exit_count < part ? evidence->exit_count : (size_t)part;
        struct comparison comparison = {.evidence = evidence, .begin = evidence->first};

        *unusual = (struct hwaccl_unusual_exits){.first = evidence->end - exits, .exits = exits};
        comparison.end = unusual->first;
        if (evidence->loop.period && evidence->loop.first < comparison.end)
                comparison.end = evidence->loop.first;
        unusual->before_end = comparison.end;
        if (exits == 0 || comparison.end - comparison.begin < BEFORE_MIN)
                return;
        comparison.seen = calloc(exits * UNUSUAL_KIND_COUNT, sizeof(*comparison.seen));
        if (!comparison.seen)
                return;
        for (size_t i = evidence->exit_count - exits; i < evidence->exit_count; i++)
                note_exit(&comparison, i);
        if (count_in_blocks(&comparison, UNUSUAL_REASON, BLOCK_REASON) &&
            count_in_blocks(&comparison, UNUSUAL_PORT, BLOCK_PORT) &&
            count_in_blocks(&comparison, UNUSUAL_VECTOR, BLOCK_VECTOR)) {
                count_in_rows(&comparison, UNUSUAL_PAGE);
                count_in_rows(&comparison, UNUSUAL_RIP);
                select_unusual(&comparison, exits);
                while (unusual->count < comparison.count && unusual->count < UNUSUAL_MAX) {
                        unusual->item[unusual->count] = comparison.seen[unusual->count];
                        unusual->count++;
                }
        }
        free(comparison.seen);
}

const char *hwaccl_unusual_name(enum unusual_kind kind)
{
        static const char *const name[UNUSUAL_KIND_COUNT] = {"reason", "port", "vector", "page", "rip"};

        return name[kind];
}

static void print_value(const struct hwaccl_unusual *unusual, char *text, size_t room)
{
        const char *reason = unusual->kind == UNUSUAL_REASON ? hwaccl_exit_reason_name(unusual->from) : NULL;

        switch (unusual->kind) {
        case UNUSUAL_REASON:
                if (reason)
                        (void)snprintf(text, room, "%s", reason);
                else
                        (void)snprintf(text, room, "exit reason %" PRIu64, unusual->from);
                break;
        case UNUSUAL_PORT: (void)snprintf(text, room, "port %" PRIx64 "h", unusual->from); break;
        case UNUSUAL_VECTOR: (void)snprintf(text, room, "vector %02" PRIx64 "h offered", unusual->from); break;
        case UNUSUAL_PAGE: (void)snprintf(text, room, "access to the page at %" PRIx64 "h", unusual->from); break;
        default:
                if (unusual->from == unusual->to)
                        (void)snprintf(text, room, "RIP %" PRIx64 "h", unusual->from);
                else
                        (void)snprintf(text, room, "RIPs from %" PRIx64 "h to %" PRIx64 "h", unusual->from,
                                       unusual->to);
        }
}

void hwaccl_unusual_text(const struct hwaccl_unusual *unusual, char *text, size_t room)
{
        char value[80], often[80];

        print_value(unusual, value, sizeof(value));
        if (unusual->exits == 1)
                (void)snprintf(often, sizeof(often), "once");
        else
                (void)snprintf(often, sizeof(often), "%" PRIu64 " exits up to %" PRIu64, unusual->exits, unusual->last);
        if (unusual->before)
                (void)snprintf(text, room, "%s: %s; %" PRIu64 " of the %" PRIu64 " exits before", value, often,
                               unusual->before, unusual->before_of);
        else
                (void)snprintf(text, room, "%s: %s; none of the %" PRIu64 " exits before", value, often,
                               unusual->before_of);
}
