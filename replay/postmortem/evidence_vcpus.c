/* Several vCPUs: whose end is that of the recording, and how long before the last exit of all one was silent. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/evidence_query.h"

#include "tracer/ring/exit_id.h"

/* The last exit of one vCPU. */
struct last_exit {
        bool found;
        bool asked; /* its handling ended the guest */
        uint64_t reason;
        uint64_t time_ns; /* end of its handling */
};

static void read_last(const struct hwaccl_evidence *evidence, uint32_t vcpu, struct last_exit *last)
{
        static const char sql[] =
                "SELECT coalesce(e.exit_reason, -1), k.host_entry + coalesce(e.host_entry, 0) + coalesce(e.host_guest, "
                "0) + coalesce(e.host_handler, 0), EXISTS (SELECT 1 FROM effect f WHERE f.exit = e.id AND f.kind = 3) "
                "FROM exit e JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id <= e.id) WHERE ?1 + ?2 "
                "IS NOT NULL AND e.id = ?3";
        uint64_t first, end;

        *last = (struct last_exit){.found = false};
        if (!hwaccl_recording_range(evidence->recording, vcpu, &first, &end, NULL) || end == first)
                return;
        sqlite3_stmt *row = evidence_query(evidence, sql);
        if (row && sqlite3_bind_int64(row, 3, exit_id(vcpu, end - 1)) == SQLITE_OK && evidence_row(row)) {
                last->found = true;
                last->reason = (uint64_t)sqlite3_column_int64(row, 0);
                last->time_ns = (uint64_t)sqlite3_column_int64(row, 1);
                last->asked = sqlite3_column_int(row, 2) != 0;
        }
        (void)sqlite3_finalize(row);
}

static bool is_of_guest(unsigned end)
{
        switch (end) {
        case HWACCL_END_EXIT_CODE:
        case HWACCL_END_HALTED:
        case HWACCL_END_TRIPLE_FAULT:
        case HWACCL_END_RESET:
        case HWACCL_END_ENTRY_FAILURE:
        case HWACCL_END_ERROR:
        case HWACCL_END_POWER_OFF: return true;
        default: return false;
        }
}

/* Is the exit of the kind that such an end has? */
static bool fits(unsigned end, const struct last_exit *last)
{
        uint64_t basic = last->reason & HWACCL_EXIT_REASON_BASIC_MASK;

        if (last->asked)
                return true;
        switch (end) {
        case HWACCL_END_TRIPLE_FAULT: return basic == HWACCL_EXIT_TRIPLE_FAULT;
        case HWACCL_END_HALTED: return basic == HWACCL_EXIT_HLT || basic == HWACCL_EXIT_MWAIT;
        case HWACCL_END_ENTRY_FAILURE:
                return last->reason != UINT64_MAX &&
                       (last->reason & HWACCL_EXIT_REASON_ENTRY_FAILURE ||
                        hwaccl_exit_reason_verdict((uint32_t)basic) == HWACCL_VERDICT_ENTRY_FAILURE);
        default: return false;
        }
}

void evidence_compare_vcpus(struct hwaccl_evidence *evidence)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(evidence->recording);
        struct last_exit own, other;
        bool fitting = false, latest = true;
        uint64_t end_ns;

        if (info->vcpu_count < 2)
                return;
        read_last(evidence, evidence->vcpu, &own);
        end_ns = own.time_ns;
        for (uint32_t i = 0; i < info->vcpu_count; i++) {
                uint32_t number = hwaccl_recording_vcpu_number(evidence->recording, i);
                if (number == evidence->vcpu)
                        continue;
                read_last(evidence, number, &other);
                if (!other.found)
                        continue;
                fitting = fitting || fits(info->end, &other);
                latest = latest && own.found && other.time_ns <= own.time_ns;
                end_ns = other.time_ns > end_ns ? other.time_ns : end_ns;
        }
        evidence->silent_ns = own.found ? end_ns - own.time_ns : 0;
        bool mine = own.found && (fits(info->end, &own) || (!fitting && latest));
        if (!is_of_guest(info->end) || mine)
                return;
        evidence->ended_by_other = true;
        evidence->own.end = HWACCL_END_STOPPED;
        evidence->own.end_code = HWACCL_STOP_NONE;
        evidence->own.end_message = NULL;
}
