/* The entry of a vector in the table that IDTR has, as the memory at the end shows it; and the vector of a frame on the
 * stack. */
#ifndef HWACCL_POSTMORTEM_VECTOR_TABLE_H
#define HWACCL_POSTMORTEM_VECTOR_TABLE_H

#include "replay/postmortem/evidence.h"

struct vector_entry {
        uint64_t address; /* linear */
        uint64_t offset;  /* of the handler */
        uint16_t selector;
        bool gate;    /* of interrupts or traps; always in real mode */
        bool present; /* the same */
        bool null;    /* all bytes are 0 */
};

/** vector_table_read - false where the entry is beyond IDTR's limit, or its memory was not kept */
bool vector_table_read(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint8_t vector,
                       struct vector_entry *entry);

/** vector_table_name - "interrupt vector table" in real mode, else "IDT" */
const char *vector_table_name(const struct hwaccl_subject_state *state);

/* What pushed the frame at the stack pointer. */
struct vector_frame {
        uint64_t address; /* offset of the instruction: the INT n, or the one that faulted */
        uint16_t selector;
        uint8_t vector;
        char text[64]; /* "int 0x60" */
};

/** vector_frame_read - of a delivery to real mode; false where the memory was not kept, or shows no such instruction */
bool vector_frame_read(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                       struct vector_frame *frame);

#endif
