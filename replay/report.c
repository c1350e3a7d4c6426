#include "replay/report.h"

#include "core/exit/emulate/emulator.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EFER_LONG_MODE_ACTIVE UINT64_C(0x400)
#define CODE_LONG             0x2000u /* CS access rights: L */
#define CODE_DEFAULT_32       0x4000u /* D */

void replay_report_open(struct replay_report *report)
{
        report->code_size = 0;
        report->divergence.difference_count = 0;
}

void replay_report_code(struct replay_report *report, const void *data, size_t size)
{
        size_t room = sizeof(report->code) - report->code_size;
        if (size > room)
                size = room;
        memcpy(report->code + report->code_size, data, size);
        report->code_size = (uint8_t)(report->code_size + size);
}

const char *replay_report_name(struct replay_report *report, const char *format, ...)
{
        unsigned index = report->divergence.difference_count;
        if (index >= HWACCL_DIFFERENCE_MAX)
                return ""; /* the report has no space for the difference either */
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(report->name[index], sizeof(report->name[index]), format, arguments);
        va_end(arguments);
        return report->name[index];
}

struct hwaccl_difference *replay_report_add(struct replay_report *report, const char *what)
{
        struct hwaccl_divergence *divergence = &report->divergence;
        if (divergence->difference_count >= HWACCL_DIFFERENCE_MAX)
                return NULL;
        struct hwaccl_difference *difference = &divergence->difference[divergence->difference_count++];
        difference->what = what;
        difference->recorded[0] = '\0';
        difference->replayed[0] = '\0';
        return difference;
}

void replay_report_numbers(struct replay_report *report, const char *what, uint64_t recorded, uint64_t replayed)
{
        struct hwaccl_difference *difference = replay_report_add(report, what);
        if (!difference)
                return;
        (void)snprintf(difference->recorded, sizeof(difference->recorded), "0x%" PRIx64, recorded);
        (void)snprintf(difference->replayed, sizeof(difference->replayed), "0x%" PRIx64, replayed);
}

void replay_report_texts(struct replay_report *report, const char *what, const char *recorded, const char *replayed)
{
        struct hwaccl_difference *difference = replay_report_add(report, what);
        if (!difference)
                return;
        (void)snprintf(difference->recorded, sizeof(difference->recorded), "%s", recorded);
        (void)snprintf(difference->replayed, sizeof(difference->replayed), "%s", replayed);
}

void replay_format_bytes(char *text, size_t room, const void *data, size_t size)
{
        static const char more[] = "…";
        const uint8_t *bytes = data;
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < size; i++) {
                if (room - used < 4 + sizeof(more)) {
                        (void)snprintf(text + used, room - used, "%s", more);
                        return;
                }
                used += (size_t)snprintf(text + used, room - used, i + 1 < size ? "%02x " : "%02x", bytes[i]);
        }
}

void replay_report_bytes(struct replay_report *report, const char *what, const void *recorded, const void *replayed,
                         size_t size)
{
        const uint8_t *a = recorded, *b = replayed;
        size_t start = 0;

        while (start < size && a[start] == b[start])
                start++;
        struct hwaccl_difference *difference = replay_report_add(report, what);
        if (!difference)
                return;
        int skip = start ? snprintf(difference->recorded, sizeof(difference->recorded), "+%zu: ", start) : 0;
        if (start)
                (void)snprintf(difference->replayed, sizeof(difference->replayed), "+%zu: ", start);
        size_t used = (size_t)skip;
        replay_format_bytes(difference->recorded + used, sizeof(difference->recorded) - used, a + start, size - start);
        replay_format_bytes(difference->replayed + used, sizeof(difference->replayed) - used, b + start, size - start);
}

static unsigned code_bits(const struct hwaccl_subject_state *state)
{
        if ((state->efer & EFER_LONG_MODE_ACTIVE) && (state->cs.access_rights & CODE_LONG))
                return 64;
        return state->cs.access_rights & CODE_DEFAULT_32 ? 32 : 16;
}

bool replay_report_close(struct replay_report *report, const struct hwaccl_recorded_exit *exit)
{
        struct hwaccl_divergence *divergence = &report->divergence;

        if (!divergence->difference_count)
                return false;
        divergence->vcpu = exit->vcpu;
        divergence->exit = exit->number;
        divergence->exit_reason = exit->exit->exit_reason;
        divergence->qualification = exit->exit->exit_qualification;
        divergence->rip = exit->exit->rip;
        divergence->instruction[0] = '\0';
        if (report->code_size)
                hwaccl_instruction_describe(report->code, report->code_size, divergence->rip, code_bits(exit->exit),
                                            divergence->instruction, sizeof(divergence->instruction));
        return true;
}

static void print_title(const struct hwaccl_divergence *divergence, const struct hwaccl_known_fields *known,
                        const char *access, FILE *out)
{
        const uint64_t reason = divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(reason);
        const char *what = divergence->instruction[0] ? divergence->instruction : access;

        (void)fprintf(out, "exit %" PRIu64 ": ", divergence->exit);
        if (!hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_exit_reason))
                (void)fputs("unknown reason", out);
        else if (name)
                (void)fputs(name, out);
        else
                (void)fprintf(out, "reason %" PRIu64, reason);
        if (hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_rip))
                (void)fprintf(out, " at 0x%" PRIx64, divergence->rip);
        (void)fprintf(out, "%s%s\n", *what ? ": " : "", what);
}

void replay_report_widths(const struct hwaccl_divergence *divergence, int *what_width, int *recorded_width)
{
        *what_width = *recorded_width = 0;
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                int what = (int)strlen(difference->what), recorded = (int)strlen(difference->recorded);
                *what_width = what > *what_width ? what : *what_width;
                *recorded_width = recorded > *recorded_width ? recorded : *recorded_width;
        }
}

void replay_report_print(const struct hwaccl_divergence *divergence, const struct hwaccl_known_fields *known,
                         const char *access, FILE *out)
{
        int what_width, recorded_width;

        print_title(divergence, known, access, out);
        replay_report_widths(divergence, &what_width, &recorded_width);
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                (void)fprintf(out, "  %-*s  recorded %-*s  replayed %s\n", what_width, difference->what, recorded_width,
                              difference->recorded, difference->replayed);
        }
}
