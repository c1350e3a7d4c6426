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

/** evidence_keeps_memory - is the instruction at the end in memory that was kept? */
bool evidence_keeps_memory(const struct hwaccl_evidence *evidence);

/** evidence_call_before - the near CALL that ends right before the offset @address; false where none does, or the
 * memory was not kept. @text: the instruction */
bool evidence_call_before(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state,
                          uint64_t address, char *text, size_t room);

/** evidence_stack_slot - the word, of the code's size, @slots above the stack pointer. @linear: its address */
bool evidence_stack_slot(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, int slots,
                         uint64_t *linear, uint64_t *value);

/** evidence_all_zeros - is all memory from linear address @from to @to - 1 known and zero? */
bool evidence_all_zeros(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint64_t from,
                        uint64_t to);

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
