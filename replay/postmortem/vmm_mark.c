#include "replay/postmortem/vmm_mark.h"

#include "replay/postmortem/evidence_query.h"
#include "tracer/ring/exit_id.h"

#include <stdio.h>
#include <stdlib.h>

bool vmm_mark(const struct hwaccl_evidence *evidence, uint64_t exit, char text[static VMM_MARK_ROOM])
{
        static const char sql[] = "SELECT text FROM mark WHERE exit = ?3 AND exit BETWEEN ?1 AND ?2 AND "
                                  "text GLOB 'KVM[_ ]*' ORDER BY id DESC LIMIT 1";
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = row && sqlite3_bind_int64(row, 3, exit_id(evidence->vcpu, exit)) == SQLITE_OK && evidence_row(row);

        if (found)
                (void)snprintf(text, VMM_MARK_ROOM, "%s", (const char *)sqlite3_column_text(row, 0));
        (void)sqlite3_finalize(row);
        return found;
}

bool vmm_is_attached(const struct hwaccl_evidence *evidence)
{
        struct hwaccl_error error;
        const char *value;

        return hwaccl_recording_option(evidence->recording, "attached", &value, &error) && value;
}

bool vmm_wait_status(const struct hwaccl_evidence *evidence, int *status)
{
        struct hwaccl_error error;
        const char *value;

        if (!hwaccl_recording_option(evidence->recording, "vmm_wait_status", &value, &error) || !value)
                return false;
        *status = (int)(strtoul(value, NULL, 10) & 0xffffu);
        return true;
}

bool vmm_waits_in_hlt(const struct hwaccl_evidence *evidence, const struct evidence_exit *last)
{
        const uint64_t reason = evidence_reason(last);
        int status;

        if (evidence->info->vmm && vmm_wait_status(evidence, &status))
                return !last->outcome_known && (reason == HWACCL_EXIT_HLT || reason == HWACCL_EXIT_MWAIT);
        return last->outcome_known && last->outcome == HWACCL_OUTCOME_HALTED;
}
