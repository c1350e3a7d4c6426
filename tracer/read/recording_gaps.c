/* Gaps of a recording: exits that an imported trace has lost. */
#include "tracer/read/recording_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static bool add_gap(struct hwaccl_recording *recording, sqlite3_stmt *row, struct hwaccl_error *error)
{
        size_t count = recording->gap_count;
        int64_t before = count && recording->gap ? recording->gap[count - 1].last : -1;
        struct gap gap;

        for (int i = 0; i < 3; i++)
                if (sqlite3_column_type(row, i) != SQLITE_INTEGER)
                        return recording_error(recording, error, "gap.%s is not an integer",
                                               sqlite3_column_name(row, i));
        gap.first = sqlite3_column_int64(row, 0);
        gap.last = sqlite3_column_int64(row, 1);
        gap.events = sqlite3_column_int64(row, 2);
        if (gap.first < 0 || gap.last < gap.first || gap.first >> VCPU_SHIFT != gap.last >> VCPU_SHIFT ||
            gap.events < 0 || gap.first <= before || count == RECORDING_GAP_MAX)
                return recording_error(recording, error,
                                       "gap %" PRId64 " to %" PRId64 ": invalid range, or overlaps another gap",
                                       gap.first, gap.last);
        if (recording->gap && before >= 0 && gap.first == before + 1 &&
            before >> VCPU_SHIFT == gap.first >> VCPU_SHIFT &&
            gap.events <=
                    INT64_MAX - recording->gap[count - 1].events) { /* a keyframe was read between them, but no exit */
                recording->gap[count - 1].last = gap.last;
                recording->gap[count - 1].events += gap.events;
                return true;
        }
        if (!recording->gap || (count & (count - 1)) == 0) {
                struct gap *more = realloc(recording->gap, (count ? 2 * count : 1) * sizeof(*more));
                if (!more)
                        return hwaccl_error_set(error, "out of memory");
                recording->gap = more;
        }
        recording->gap[recording->gap_count++] = gap;
        return true;
}

/* Gaps after the last exit are not counted. */
static void discount(struct hwaccl_recording *recording, const struct gap *gap)
{
        for (uint32_t i = 0; i < recording->info.vcpu_count; i++) {
                const struct recorded_vcpu *vcpu = &recording->vcpu[i];
                int64_t first = exit_id(vcpu->number, vcpu->first);
                int64_t end = exit_id(vcpu->number, vcpu->end);
                if (gap->first >= first && gap->last < end)
                        recording->info.exit_count -= (uint64_t)(gap->last - gap->first) + 1;
        }
}

bool recording_load_gaps(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        sqlite3_stmt *row;
        int result = SQLITE_DONE;
        bool good = true;

        if (!database_prepare(recording->db, "SELECT first, last, events FROM gap ORDER BY first", &row, error))
                return false;
        while (good && (result = sqlite3_step(row)) == SQLITE_ROW)
                good = add_gap(recording, row, error);
        (void)sqlite3_finalize(row);
        if (good && result != SQLITE_DONE)
                return recording_error(recording, error, "cannot read table gap");
        for (size_t i = 0; good && i < recording->gap_count; i++)
                discount(recording, &recording->gap[i]);
        return good;
}
