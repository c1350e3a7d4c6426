/* What a recording that is open has: its vCPUs and the exits of each. Nothing here reads the database. */
#include "tracer/read/recording_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

bool recording_error(const struct hwaccl_recording *recording, struct hwaccl_error *error, const char *format, ...)
{
        char text[400];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        return hwaccl_error_set(error, "%s: %s", recording->path, text);
}

const struct recorded_vcpu *recording_vcpu(const struct hwaccl_recording *recording, uint32_t number,
                                           struct hwaccl_error *error)
{
        for (uint32_t i = 0; i < recording->info.vcpu_count; i++)
                if (recording->vcpu[i].number == number)
                        return &recording->vcpu[i];
        recording_error(recording, error, "has no vCPU %" PRIu32, number);
        return NULL;
}

bool hwaccl_recording_range(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t *first, uint64_t *end,
                            struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);

        if (!found)
                return false;
        *first = found->first;
        *end = found->end;
        return true;
}

bool hwaccl_recording_gap(const struct hwaccl_recording *recording, uint32_t vcpu, uint64_t from, uint64_t to,
                          struct hwaccl_recording_gap *gap)
{
        int64_t first = exit_id(vcpu, from < EXIT_NUMBER_MAX ? from : EXIT_NUMBER_MAX);
        int64_t last = exit_id(vcpu, to < EXIT_NUMBER_MAX ? to : EXIT_NUMBER_MAX);
        size_t low = 0;
        size_t high = recording->gap_count;

        while (low < high) { /* binary search: first gap that does not end before the range */
                size_t middle = low + (high - low) / 2;
                if (recording->gap[middle].last < first)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == recording->gap_count || recording->gap[low].first > last)
                return false;
        const struct gap *found = &recording->gap[low];
        gap->first = exit_number(found->first);
        gap->last = exit_number(found->last);
        gap->events = (uint64_t)found->events;
        return true;
}

bool recording_has_exit(const struct hwaccl_recording *recording, const struct recorded_vcpu *vcpu, uint64_t number,
                        struct hwaccl_error *error)
{
        struct hwaccl_recording_gap gap;

        if (hwaccl_recording_gap(recording, vcpu->number, number, number, &gap))
                return recording_error(recording, error,
                                       "has no exit %" PRIu64 ": the trace that it was imported from lost %" PRIu64
                                       " to %" PRIu64,
                                       number, gap.first, gap.last);
        if (number >= vcpu->first && number < vcpu->end)
                return true;
        if (vcpu->first == vcpu->end)
                return recording_error(recording, error, "has no exit of vCPU %" PRIu32, vcpu->number);
        return recording_error(recording, error,
                               "has no exit %" PRIu64 " (vCPU %" PRIu32 " has %" PRIu64 " to %" PRIu64 ")", number,
                               vcpu->number, vcpu->first, vcpu->end - 1);
}
