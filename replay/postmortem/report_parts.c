/* What text and JSON both show. */
#include "replay/postmortem/report.h"

#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/evidence_query.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hwaccl_report_register(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field,
                            struct hwaccl_report_register *shown)
{
        const struct hwaccl_field *described = &hwaccl_subject_fields[field];
        bool table = described->group == HWACCL_FIELD_TABLE;
        bool limit = strstr(described->name, "_limit"), rights = strstr(described->name, "_access_rights");

        if (described->group == HWACCL_FIELD_EXIT || strncmp(described->name, "sysenter", 8) == 0 ||
            strstr(described->name, "_shadow") || rights || (limit && !table) ||
            (table && strstr(described->name, "_selector")) || !hwaccl_known_fields_has(&evidence->known, field))
                return false;
        shown->name = described->name;
        shown->width = described->width;
        shown->value = hwaccl_field_get(&evidence->state, field);
        shown->exit = evidence_writer(evidence, field, &shown->by_handler);
        return true;
}

static void describe_event(const struct hwaccl_evidence *evidence, sqlite3_stmt *row, struct hwaccl_report_event *event)
{
        const char *what = (const char *)sqlite3_column_text(row, 1);
        const char *vector = (const char *)sqlite3_column_text(row, 3);
        const char *port = (const char *)sqlite3_column_text(row, 4);

        event->exit = exit_number(sqlite3_column_int64(row, 0));
        if (vector)
                (void)snprintf(event->text, sizeof(event->text), "vector %.20s %.20s%s", vector, what ? what : "",
                               what && strcmp(what, "taken") == 0 &&
                                               evidence_spurious(evidence, (uint8_t)strtoul(vector, NULL, 16))
                                       ? " (spurious)"
                                       : "");
        else if (sqlite3_column_type(row, 2) == SQLITE_INTEGER)
                (void)snprintf(event->text, sizeof(event->text), "line %" PRId64 " %.20s",
                               (int64_t)sqlite3_column_int64(row, 2), what ? what : "");
        else
                (void)snprintf(event->text, sizeof(event->text), "%.20s to %.20s%.20s", what ? what : "",
                               port ? "port " : "the local APIC", port ? port : "");
}

size_t hwaccl_report_ledger(const struct hwaccl_evidence *evidence, struct hwaccl_report_event event[REPORT_LEDGER_MAX])
{
        static const char sql[] =
                "SELECT id, event, line, vector, port FROM (SELECT * FROM irq_ledger WHERE id BETWEEN max(?1, "
                "?2 - 1024) AND ?2 ORDER BY id DESC, step DESC LIMIT 12) ORDER BY id, step";
        sqlite3_stmt *row = evidence_query(evidence, sql);
        size_t count = 0;

        while (count < REPORT_LEDGER_MAX && evidence_row(row))
                describe_event(evidence, row, &event[count++]);
        (void)sqlite3_finalize(row);
        return count;
}

const char *hwaccl_report_more(const struct hwaccl_evidence *evidence, size_t index)
{
        const char *lines[5];
        size_t count = 0;

        if (!evidence->machine && evidence->exit_count)
                lines[count++] = "the devices' state: these exits cannot be replayed here";
        if (evidence->exit_count && evidence_of_host(hwaccl_evidence_last(evidence)))
                lines[count++] = "where the guest was in between: record again with a shorter --timeout, or with "
                                 "--max-exits, and compare";
        if (evidence->info->end == HWACCL_END_STOPPED)
                lines[count++] = "a longer recording (--timeout, --max-exits), if the guest was only slow";
        if (evidence->loop.period)
                lines[count++] = "the exits before the loop: hwaccl show FILE ..N";
        if (evidence->loop.period && !evidence->info->vmm && !evidence_keeps_memory(evidence))
                lines[count++] = "the instructions after the read: record again with --keep-memory final";
        return index < count ? lines[index] : NULL;
}
