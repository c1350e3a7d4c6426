/* The engine: a processor of Unicorn's, into which the subject state is loaded and from which it is stored. */
#ifndef HWACCL_SOFT_ENGINE_H
#define HWACCL_SOFT_ENGINE_H

#include "core/accel/soft/unicorn_library.h"
#include "core/subject/machine_context.h"

/* The end of errors about what a guest does. */
#define SOFT_ADVICE ", which the soft accelerator cannot run faithfully; use --accel kvm"

/* Where the engine's saved context holds what the library's interface does not show; found out at creation. */
struct soft_layout {
        size_t size;
        size_t general; /* sixteen registers of 8 bytes, in the order of instruction encodings */
        size_t rip;
        size_t rflags;
        size_t mode;     /* flags that code is translated under */
        size_t segments; /* ES CS SS DS FS GS, then LDTR TR GDTR IDTR: struct soft_raw_segment */
        size_t control;  /* CR0 to CR4 */
        size_t efer;
        size_t error_code;
        size_t in_flight; /* the exception that a second one would make a double fault; -1: none */
};

struct soft_raw_segment {
        uint32_t selector;
        uint32_t padding;
        uint64_t base;
        uint32_t limit;
        uint32_t flags; /* second word of a descriptor: type at bit 8, P at 15, L at 21, B at 22 */
};

enum { SOFT_LDTR = HWACCL_SEGMENT_REGISTER_COUNT, SOFT_TR, SOFT_GDTR, SOFT_IDTR, SOFT_SEGMENT_COUNT };

struct soft_engine {
        struct unicorn_library unicorn;
        uc_engine *handle;
        uc_context *context;
        uint8_t *saved; /* the bytes of context */
        struct soft_layout layout;
        struct soft_raw_segment loaded[SOFT_SEGMENT_COUNT]; /* as the engine got them */
};

bool soft_engine_open(struct soft_engine *engine, struct hwaccl_error *error);
void soft_engine_close(struct soft_engine *engine);

/** soft_engine_open_another - one more, with the layout that the first one was found to have */
bool soft_engine_open_another(struct soft_engine *engine, const struct soft_engine *first, struct hwaccl_error *error);

/** soft_engine_take_over - the guest goes on in this engine: what the subject state does not hold (FPU) is copied */
void soft_engine_take_over(struct soft_engine *engine, const struct soft_engine *from);

/**
 * soft_engine_probe - the rest of the layout, by making the engine fault; when its memory and its hooks are there
 * @root: of empty page tables
 * @vector: where the hook for exceptions leaves the vector
 */
bool soft_engine_probe(struct soft_engine *engine, uint64_t root, const uint8_t *vector, struct hwaccl_error *error);

/** soft_engine_load - give the engine the subject state, with the page tables at @root; @trap: with the trap flag */
bool soft_engine_load(struct soft_engine *engine, struct hwaccl_subject_state *state, uint64_t root, bool trap,
                      struct hwaccl_error *error);

/** soft_engine_store - take the subject state back; *fault_address is the engine's CR2 */
bool soft_engine_store(struct soft_engine *engine, struct hwaccl_subject_state *state, uint64_t *fault_address,
                       struct hwaccl_error *error);

/** soft_engine_registers - read general registers while the engine runs; @registers: 1 << number */
bool soft_engine_registers(const struct soft_engine *engine, unsigned registers, struct hwaccl_subject_state *state);

/** soft_engine_segments - the six segment registers while the engine runs */
bool soft_engine_segments(struct soft_engine *engine, struct hwaccl_segment *segment);

/** soft_engine_error_code - of the exception that the engine raised last */
uint32_t soft_engine_error_code(const struct soft_engine *engine);

/** soft_engine_bits - 16, 32 or 64: the code segment's that was loaded */
uint8_t soft_engine_bits(const struct soft_engine *engine);

#endif
