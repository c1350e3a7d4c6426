/* What keeps interrupts from the processor at the end: lines and vectors that wait, and what each waits for. */
#ifndef HWACCL_POSTMORTEM_INTERRUPT_BLOCKS_H
#define HWACCL_POSTMORTEM_INTERRUPT_BLOCKS_H

#include "replay/postmortem/finding.h"

#define INTERRUPT_BLOCKS_MAX 12

/* The strongest explanation is the highest. */
enum interrupt_block_kind {
        BLOCK_NO_SOURCE,      /* nothing is armed that could interrupt */
        BLOCK_ARMED,          /* a source that is armed would not get through */
        BLOCK_UNACKNOWLEDGED, /* a line stays up: no edge can follow */
        BLOCK_MASKED,
        BLOCK_DISABLED, /* a controller delivers nothing */
        BLOCK_IN_SERVICE,
        BLOCK_KINDS
};

struct interrupt_block {
        enum interrupt_block_kind kind;
        uint64_t exit; /* since when; EVIDENCE_NEVER: not known */
        char text[240];
        char advice[160];
};

struct interrupt_blocks {
        struct interrupt_block block[INTERRUPT_BLOCKS_MAX];
        size_t count;
        char state[4][200]; /* the controllers, in words */
        size_t state_count;
};

/** interrupt_blocks_find - at the end; none where the devices are not known */
void interrupt_blocks_find(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks);

/** interrupt_blocks_main - the strongest; NULL: there is none */
const struct interrupt_block *interrupt_blocks_main(const struct interrupt_blocks *blocks);

/** interrupt_blocks_report - all as facts and advice */
void interrupt_blocks_report(const struct interrupt_blocks *blocks, struct hwaccl_finding *finding);

/** interrupt_line_source - "IRQ 0 (timer)" */
const char *interrupt_line_source(unsigned line);

/** interrupt_vector_source - the same of a vector that a controller gives; "an interrupt" for others */
const char *interrupt_vector_source(const struct hwaccl_evidence *evidence, uint8_t vector);

#endif
