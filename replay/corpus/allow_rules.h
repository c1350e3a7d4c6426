/*
 * Rules for intended changes: which differences of which exits do not count. A text file, reviewed with the change:
 *
 *     # CPUID leaf 7 announces UMIP from now on
 *     may-differ rbx rcx  reason=cpuid  until=2027-03-31  # announced with the change of the handler
 *     may-differ effect   port=0x3f8-0x3ff instruction="out dx, al"  until=never  # the new UART sends at once
 *
 * A rule is a line: the fields that may differ, conditions that the exit must meet, a date, a comment. A field is what
 * a divergence shows ("rax", "verdict", "effect 0", "pic.irr", "rip before entry"), a glob(7) pattern of it, or its
 * name without the number ("effect", "input"). Blanks are quoted. A rule without a comment or a date is an error. It
 * holds on the day of its date, in UTC, too; after that it is expired, and allows nothing.
 */
#ifndef HWACCL_ALLOW_RULES_H
#define HWACCL_ALLOW_RULES_H

#include "hwaccl/error.h"
#include "hwaccl/replay.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define ALLOW_FIELDS_MAX 32 /* of a rule */

struct allow_rule {
        unsigned line;
        char *text;                          /* of the line, split into words: what the others point to */
        const char *field[ALLOW_FIELDS_MAX]; /* patterns */
        size_t field_count;
        uint64_t reason;         /* basic; UINT64_MAX: any */
        const char *instruction; /* a pattern; NULL: any */
        uint64_t port, port_last;
        bool has_port;     /* else any exit */
        const char *until; /* as written */
        const char *comment;
        bool expired;
        uint64_t matches; /* differences that it allowed */
};

struct allow_rules {
        const char *path; /* as given */
        struct allow_rule *rule;
        size_t count;
};

/**
 * allow_rules_read - read a file of rules
 * @path: must outlive the rules
 * @now: for what is expired
 *
 * Returns false with *error set ("PATH:LINE: …") when it cannot be read or a line is no rule. Release the rules anyway.
 */
bool allow_rules_read(struct allow_rules *rules, const char *path, time_t now, struct hwaccl_error *error);

/** allow_rules_apply - remove the differences that a rule allows; the first rule that matches counts it */
void allow_rules_apply(struct allow_rules *rules, struct hwaccl_divergence *divergence);

/** allow_rules_report - call @line with a text for each rule that is expired or allowed nothing: "PATH:LINE: expired …"
 */
void allow_rules_report(const struct allow_rules *rules, void (*line)(void *opaque, const char *text), void *opaque);

void allow_rules_release(struct allow_rules *rules);

#endif
