/*
 * The soft accelerator, private to core/accel/soft.
 *
 * The engine's address space is the guest's linear space. Its paging is always on, over page tables of our own that map
 * only what the guest may touch now; anything else raises a page fault in the engine, with RIP and flags exactly as
 * before the instruction. We then map memory, deliver the guest's own page fault, or exit with an EPT violation.
 * The guest's own control registers and page tables are known to the subject state only.
 *
 * What the engine does not do, and no exit shows: segment limits and types are not checked on plain accesses, hardware
 * breakpoints do not fire (debug registers are the handler's).
 *
 * Instructions that exit or that the engine does not perform as it must ("sites") are found by decoding each block of
 * code when it first runs, and hooked.
 */
#ifndef HWACCL_ACCEL_SOFT_H
#define HWACCL_ACCEL_SOFT_H

#include "core/accel/accel.h"
#include "core/accel/soft/unicorn_library.h"
#include "core/exit/guest_access.h"
#include "core/host/guest_memory.h"

#include <capstone/capstone.h>
#include <stdatomic.h>

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

/* One stretch of the engine's address space. */
struct soft_region {
        uint64_t linear;
        uint64_t size;
        uint8_t *host; /* NULL: a placeholder, where every access faults */
};

#define SOFT_REGION_MAX 192

enum soft_touch { SOFT_TOUCH_READ, SOFT_TOUCH_WRITE, SOFT_TOUCH_FETCH };

struct soft_memory {
        struct hwaccl_guest_memory *guest;
        uint64_t *tables; /* page tables, the root first */
        uint32_t tables_used;
        bool long_mode; /* form of the tables: four levels, else three */
        bool stale;     /* entries were taken away: the engine's TLB must be flushed before it runs */
        bool placeholder_failed;
        uint8_t *nothing; /* inaccessible host memory behind placeholders */
        uint8_t *flusher; /* the page that is reprotected to flush the TLB */
        bool flusher_writable;
        struct soft_region region[SOFT_REGION_MAX]; /* sorted, never overlapping */
        size_t region_count;
        size_t last_region;
};

enum soft_site_kind {
        SOFT_SITE_NONE,
        SOFT_SITE_EXIT, /* exits with a fixed reason and no qualification */
        SOFT_SITE_IO,
        SOFT_SITE_STRING_IO,
        SOFT_SITE_CONTROL_REGISTER,
        SOFT_SITE_CLTS,
        SOFT_SITE_LMSW,
        SOFT_SITE_SMSW,
        SOFT_SITE_DEBUG_REGISTER,
        SOFT_SITE_INVLPG,
        SOFT_SITE_INTERRUPT, /* INT n, INT3, INTO, INT1 */
        SOFT_SITE_STI,
        SOFT_SITE_LOAD_SS,
        SOFT_SITE_POPF,
        SOFT_SITE_PUSHF,
        SOFT_SITE_IRET,
        SOFT_SITE_FAR_RETURN,
        SOFT_SITE_FAR_TRANSFER,
        SOFT_SITE_PAUSE,
        SOFT_SITE_SYSTEM_CALL, /* SYSCALL, SYSRET, SYSENTER, SYSEXIT */
        SOFT_SITE_UNSUPPORTED,
        SOFT_SITE_UNDECODED, /* let the engine judge, and decode again behind it */
};

/* A decoded instruction. */
struct soft_site {
        uint64_t address; /* linear */
        uint8_t bits;     /* of the code segment: 16, 32, 64; 0: an empty slot */
        uint8_t kind;     /* enum soft_site_kind */
        uint8_t reason;   /* SOFT_SITE_EXIT */
        uint8_t length;
        uint8_t bytes[15];
        uint8_t opcode;
        bool two_byte; /* opcode follows 0Fh */
        uint8_t modrm;
        uint8_t modrm_at; /* its place in bytes */
        uint8_t rex;
        uint8_t operand_bits;
        uint8_t address_bits;
        uint8_t repeat;  /* F2h, F3h or 0 */
        uint8_t segment; /* enum hwaccl_segment_register of an override, or SOFT_NO_SEGMENT */
};

#define SOFT_NO_SEGMENT 0xff

/* A block of code that was decoded, and the bytes it had then. */
struct soft_block {
        uint64_t address;
        uint8_t bits; /* 0: an empty slot */
        uint16_t size;
        uint32_t bytes; /* place in the pool */
};

struct soft_scan {
        csh decoder[3]; /* 16, 32, 64 bits */
        struct soft_site *site;
        size_t site_room; /* a power of two */
        size_t site_count;
        struct soft_block *block;
        size_t block_room;
        size_t block_count;
        uint8_t *pool;
        size_t pool_size;
        size_t pool_room;
        uint64_t *hooked; /* hash set of addresses with a hook; UINT64_MAX: empty */
        size_t hooked_room;
        size_t hooked_count;
};

/* Why the engine stopped. */
enum soft_stop {
        SOFT_STOP_NONE,
        SOFT_STOP_RESCAN,    /* hooks were added: run the block again */
        SOFT_STOP_SITE,      /* before the instruction soft->site */
        SOFT_STOP_STEP,      /* step over the next instruction, then look at interrupts */
        SOFT_STOP_EXCEPTION, /* soft->vector */
        SOFT_STOP_POKE,
        SOFT_STOP_DEADLINE,
        SOFT_STOP_ERROR, /* soft->error */
};

struct soft {
        struct hwaccl_accel accel;
        struct unicorn_library unicorn;
        uc_engine *engine;
        uc_context *context;
        uint8_t *saved; /* the bytes of context */
        struct soft_layout layout;
        struct soft_raw_segment loaded[SOFT_SEGMENT_COUNT]; /* as the engine got them */
        struct soft_memory memory;
        struct soft_scan scan;
        uint64_t (*clock)(void *opaque);
        void *clock_opaque;
        atomic_bool poked;

        uint64_t blocks;      /* blocks of code that ran */
        uint64_t exits;       /* and exits made: together the virtual clock */
        uint64_t block_limit; /* virtual clock: stop before this block */
        uint64_t deadline_ns; /* host clock: looked at every so many blocks; UINT64_MAX: none */

        /* one run */
        struct hwaccl_subject_state *state;
        struct hwaccl_error *error;
        enum soft_stop stop;
        uint64_t block_address; /* linear, of the block that started last */
        bool protected_mode;
        bool wanted;          /* an interrupt or its window waits for the guest to take interrupts */
        bool stepping;        /* this start runs one instruction */
        bool step_next;       /* and so will the next one */
        bool step_keeps_trap; /* the instruction stepped over loads the trap flag itself */
        uint8_t bits;         /* of the code segment */
        uint8_t vector;
        struct soft_site *site;
        uint64_t shadow;        /* blocking by STI or MOV SS … */
        uint64_t shadow_rip;    /* … while this linear address is next */
        uint32_t shadow_blocks; /* blocks started since */
        bool shadow_began;      /* in this start of the engine */
};

/* engine.c */
bool soft_engine_open(struct soft *soft, struct hwaccl_error *error);
/** soft_engine_probe - the rest of the layout, by making the engine fault; after everything else is open */
bool soft_engine_probe(struct soft *soft, struct hwaccl_error *error);
void soft_engine_close(struct soft *soft);
/** soft_engine_load - give the engine the subject state; with the trap flag when soft->stepping */
bool soft_engine_load(struct soft *soft, struct hwaccl_error *error);
/** soft_engine_store - take the subject state back; *fault_address is the engine's CR2 */
bool soft_engine_store(struct soft *soft, uint64_t *fault_address, struct hwaccl_error *error);
/** soft_engine_error_code - of the exception that the engine raised last */
uint32_t soft_engine_error_code(const struct soft *soft);
/** soft_engine_bits - 16, 32 or 64: the running code segment's */
uint8_t soft_engine_bits(struct soft *soft);

/* memory.c */
bool soft_memory_open(struct soft *soft, struct hwaccl_guest_memory *guest, struct hwaccl_error *error);
void soft_memory_close(struct soft *soft);
/** soft_memory_drop - forget all mappings: the guest's paging changed */
void soft_memory_drop(struct soft_memory *memory);
/** soft_memory_prepare - make the tables fit the mode and flush the TLB when needed; the root's address */
bool soft_memory_prepare(struct soft *soft, bool long_mode, uint64_t *root, struct hwaccl_error *error);
/**
 * soft_memory_map - let the guest touch the page at a linear address, which is host memory
 * @run_start, @run_end: linear addresses between which host memory goes on in the same way
 * @page_size: the guest's; from 2 MiB on, one entry is tried for the whole of it
 */
bool soft_memory_map(struct soft *soft, uint64_t linear, uint8_t *host, uint64_t run_start, uint64_t run_end,
                     bool writable, bool executable, uint64_t page_size, struct hwaccl_error *error);
/** soft_memory_code - host memory behind a linear address, and how far it reaches */
const uint8_t *soft_memory_code(struct soft_memory *memory, uint64_t linear, uint64_t *rest);

/* fault.c */
/** soft_fault - the engine's page fault at a linear address: map, deliver or exit. *exited tells an exit was made */
bool soft_fault(struct soft *soft, uint64_t linear, bool *exited, struct hwaccl_error *error);

/* scan.c */
bool soft_scan_open(struct soft *soft, struct hwaccl_error *error);
void soft_scan_close(struct soft *soft);
/** soft_scan_block - is the block known, with the bytes it has now? Else decode it; stops the engine when hooks were
 * added. False: the engine was stopped */
bool soft_scan_block(struct soft *soft, uint64_t address, uint32_t size);
struct soft_site *soft_scan_site(struct soft_scan *scan, uint64_t address, uint8_t bits);
/** soft_scan_length - length of the instruction at a linear address, 0 when it does not decode */
uint8_t soft_scan_length(struct soft *soft, uint64_t linear, uint8_t bits);

/* decode.c */
/** soft_decode - what the instruction of @length bytes is to the accelerator */
void soft_decode(struct soft_site *site, const uint8_t *bytes, uint8_t length, uint8_t bits);
/** soft_operand - segment and offset of the memory operand that ModRM describes */
void soft_operand(const struct soft_site *site, const struct hwaccl_subject_state *state,
                  enum hwaccl_segment_register *segment, uint64_t *offset);
uint64_t *soft_general(struct hwaccl_subject_state *state, unsigned index);

/* site.c */
/** soft_site_run - the engine stopped before soft->site: exit, or do what the instruction does */
bool soft_site_run(struct soft *soft, bool *exited, struct hwaccl_error *error);
/** soft_site_hook - the code hook of a site */
void soft_site_hook(uc_engine *engine, uint64_t address, uint32_t size, void *opaque);

/* interrupt.c */
struct hwaccl_physical_memory soft_physical(const struct soft *soft);
/** soft_access - read or write guest memory at a logical address; false with *exception when the guest would fault */
bool soft_access(const struct hwaccl_machine_context *context, struct soft *soft, enum hwaccl_segment_register segment,
                 uint64_t offset, void *buffer, unsigned size, bool write, struct hwaccl_exception *exception);
bool soft_read_linear(const struct hwaccl_machine_context *context, struct soft *soft, uint64_t linear, void *buffer,
                      unsigned size);
/** soft_deliver - an event into the guest; *exited when that ends in a triple fault */
bool soft_deliver(struct soft *soft, const struct hwaccl_event *event, bool *exited, struct hwaccl_error *error);
bool soft_deliver_exception(struct soft *soft, uint8_t vector, bool has_error_code, uint32_t error_code, bool *exited,
                            struct hwaccl_error *error);
/** soft_context - the subject state as a machine context, for guest_access.h */
bool soft_context(const struct soft *soft, struct hwaccl_machine_context *context, struct hwaccl_error *error);
extern const char soft_advice[]; /* "; use --accel kvm" … */

/* run.c */
/** soft_exit - fill in the exit information */
void soft_exit(struct soft *soft, uint64_t reason, uint64_t qualification, uint64_t length);
/** soft_retire - the instruction at RIP was done here: step past it */
void soft_retire(struct soft *soft, uint8_t length);
/** soft_stop - stop the engine from a callback; the first reason stays */
void soft_stop(struct soft *soft, enum soft_stop stop);

#endif
