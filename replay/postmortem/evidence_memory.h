/* Guest memory at the end, where the recording kept it: by linear address, and what is there. */
#ifndef HWACCL_POSTMORTEM_EVIDENCE_MEMORY_H
#define HWACCL_POSTMORTEM_EVIDENCE_MEMORY_H

#include "replay/postmortem/evidence.h"
#include "replay/postmortem/words/code.h"

/** evidence_read_linear - at the page tables of @state. False where a byte is not known, or not mapped */
bool evidence_read_linear(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          uint64_t linear, void *buffer, size_t size);

/** evidence_code - the bytes around CS:RIP of @state, as many as are known; false where not even that at RIP is */
bool evidence_code(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                   struct hwaccl_code *code);

/* A place that the guest may return to. */
struct evidence_frame {
        uint64_t stack;   /* linear address of the slot */
        uint64_t address; /* that it holds: an offset in CS */
        bool guess;       /* found on the stack behind no frame pointer: the bytes before it are a CALL */
};

#define EVIDENCE_FRAMES 8

/** evidence_backtrace - by frame pointers, then by addresses on the stack that follow a CALL. Returns how many */
size_t evidence_backtrace(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          struct evidence_frame frame[EVIDENCE_FRAMES]);

#endif
