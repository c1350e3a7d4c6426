/* An interrupt line that the VMM raised long before the end, and did not lower again. */
#include "replay/postmortem/evidence_query.h"
#include "replay/postmortem/finding.h"
#include "replay/postmortem/rules.h"

#include <inttypes.h>

#define LONG_AFTER 256 /* exits and calls: a handler that runs lowers its device's line in fewer */

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        static const char sql[] =
                "SELECT gsi, max(sequence), (SELECT max(sequence) FROM exit) - max(sequence) AS since, time_ns, lane "
                "FROM irq_line_changes WHERE ?1 <= ?2 GROUP BY gsi HAVING level = 1 AND since >= ?3 "
                "ORDER BY since DESC LIMIT 4";
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        if (!evidence->info->vmm || !last)
                return;
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool good = row && sqlite3_bind_int(row, 3, LONG_AFTER) == SQLITE_OK;
        for (unsigned i = 0; good && evidence_row(row); i++) {
                const int64_t gsi = sqlite3_column_int64(row, 0), number = sqlite3_column_int64(row, 1);
                const int64_t since = sqlite3_column_int64(row, 2), lane = sqlite3_column_int64(row, 4);
                if (i == 0)
                        finding_title(finding, WEIGHT_HINT, JUDGEMENT_UNKNOWN, last->number,
                                      "the VMM raised interrupt line %" PRId64 " and never lowered it", gsi);
                finding_fact(finding, last->number,
                             "line %" PRId64 ": raised by lane %" PRId64 " as number %" PRId64
                             " of the sequence, %" PRId64 " exits and calls before the end",
                             gsi, lane, number, since);
        }
        (void)sqlite3_finalize(row);
        if (finding->weight)
                finding_advise(finding,
                               "whether the guest's handler ran and acknowledged the device: a line that stays "
                               "raised is a device that waits, or an interrupt that is masked");
}

const struct hwaccl_rule hwaccl_rule_raised_line = {
        .id = "raised-line",
        .title = "interrupt lines that the VMM raised and never lowered",
        .source = "Linux, Documentation/virt/kvm/api.rst, 4.25 (KVM_IRQ_LINE)",
        .evaluate = evaluate,
};
