/* The report about a recording: findings and what they rest on, of the vCPU that failed first. */
#ifndef HWACCL_POSTMORTEM_REPORT_H
#define HWACCL_POSTMORTEM_REPORT_H

#include "replay/postmortem/rules.h"

#include <stdio.h>

#define REPORT_ANY_VCPU UINT32_MAX

/* Exits before the end that are replayed: for a report, and for its first line at the end of a recording, which this
 * program's own handlers have just made and which must not take time. */
#define REPORT_REPLAYED      20000u
#define REPORT_REPLAYED_LINE 1024u

/* The last exit of one vCPU. */
struct hwaccl_report_vcpu {
        uint32_t number;
        uint64_t exit; /* EVIDENCE_NEVER: it has none */
        uint64_t time_ns;
        uint64_t silent_ns; /* from then to the last exit of all vCPUs */
        const char *reason; /* of the exit; NULL: not known */
        char place[160];
        enum hwaccl_judgement judgement;
        char title[320]; /* of its first finding */
};

struct hwaccl_report {
        struct hwaccl_evidence *evidence; /* of the vCPU that the report is about */
        struct hwaccl_finding finding[HWACCL_RULE_MAX];
        size_t finding_count; /* at least 1 */
        enum hwaccl_judgement judgement;
        uint64_t replayed;
        struct hwaccl_report_vcpu *vcpu; /* every one */
        size_t vcpu_count;
};

/**
 * hwaccl_report_create - gather the evidence and diagnose
 * @vcpu: number, or REPORT_ANY_VCPU for the one that failed first
 * @replayed: exits before the end that are replayed, for the devices there and for divergences
 *
 * NULL with *error set when there is no such vCPU, or the recording is damaged. @recording must outlive the report.
 */
struct hwaccl_report *hwaccl_report_create(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t replayed,
                                           struct hwaccl_error *error);
void hwaccl_report_free(struct hwaccl_report *report);

/** hwaccl_report_print - the whole report as text */
void hwaccl_report_print(const struct hwaccl_report *report, FILE *stream);

/* report_parts.c: what text and JSON both show. */

/* A register at the end, and who wrote it last. */
struct hwaccl_report_register {
        const char *name;
        unsigned width; /* bytes */
        uint64_t value;
        uint64_t exit;   /* since when; EVIDENCE_NEVER: it did not change among the last exits */
        bool by_handler; /* handling of @exit wrote it; else the guest did, before @exit */
};

/** hwaccl_report_register - false for a field that is not shown, or not known */
bool hwaccl_report_register(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field,
                            struct hwaccl_report_register *shown);

/** hwaccl_report_ledger - the last events of interrupts among the last exits, oldest first: a line each, with its exit
 * @text: room for REPORT_LEDGER_MAX
 *
 * Returns how many. */
#define REPORT_LEDGER_MAX 12
struct hwaccl_report_event {
        uint64_t exit;
        char text[96]; /* "vector 40h taken" */
};
size_t hwaccl_report_ledger(const struct hwaccl_evidence *evidence,
                            struct hwaccl_report_event event[REPORT_LEDGER_MAX]);

/** hwaccl_report_more - line @index of "what would tell more"; NULL: there are no more */
const char *hwaccl_report_more(const struct hwaccl_evidence *evidence, size_t index);

#endif
