/* What a rule found: a sentence, the facts it rests on, each with its exit, and what to look at. */
#ifndef HWACCL_POSTMORTEM_FINDING_H
#define HWACCL_POSTMORTEM_FINDING_H

#include "replay/postmortem/evidence.h"

#define FINDING_FACTS  24
#define FINDING_ADVICE 6

/* Did the guest fail? */
enum hwaccl_judgement {
        JUDGEMENT_UNKNOWN, /* the finding does not tell */
        JUDGEMENT_GOOD,
        JUDGEMENT_FAILED,
};

struct hwaccl_fact {
        uint64_t exit; /* EVIDENCE_NEVER: not an exit's */
        bool guess;    /* a conclusion, not recorded */
        char text[280];
};

struct hwaccl_finding {
        const struct hwaccl_rule *rule;
        unsigned weight; /* the heaviest comes first; 0: the rule does not match */
        enum hwaccl_judgement judgement;
        uint64_t exit;   /* where it happened */
        char title[320]; /* one line */
        struct hwaccl_fact fact[FINDING_FACTS];
        size_t fact_count;
        char advice[FINDING_ADVICE][280];
        size_t advice_count;
};

/* Weights. */
enum {
        WEIGHT_HINT = 10,     /* stands beside a cause */
        WEIGHT_POSSIBLE = 30, /* a cause that signs speak for */
        WEIGHT_GOOD_END = 50, /* an orderly end: whatever went wrong before comes first */
        WEIGHT_LIKELY = 60,
        WEIGHT_CERTAIN = 90, /* recorded, or follows from what is */
};

/** finding_title, finding_fact, finding_guess, finding_advise - printf style; what does not fit is left out. Text of
 * the recording in it is made safe to print */
void finding_title(struct hwaccl_finding *finding, unsigned weight, enum hwaccl_judgement judgement, uint64_t exit,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
void finding_fact(struct hwaccl_finding *finding, uint64_t exit, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void finding_guess(struct hwaccl_finding *finding, uint64_t exit, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void finding_advise(struct hwaccl_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
