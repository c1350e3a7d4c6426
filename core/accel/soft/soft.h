/*
 * The soft accelerator, private to core/accel/soft.
 *
 * The engine's address space is the guest's linear space. Its paging is always on, over page tables of our own that map
 * only what the guest may touch now; anything else raises a page fault in the engine, with RIP and flags exactly as
 * before the instruction. We then map memory, deliver the guest's own page fault, or exit with an EPT violation.
 * The guest's own control registers and page tables are known to the subject state only.
 *
 * The engine checks no segment limits and types. So there are two: in the flat one, which runs while segments allow
 * everything, it need not; in the checked one every instruction has a hook, and the accelerator checks (check.h).
 *
 * LOCK before CMP with a memory operand or CMPS makes the engine's translator call abort(3), before any hook sees the
 * code: abort.h.
 *
 * Instructions that exit or that the engine does not perform as it must ("sites") are found by decoding each block of
 * code when it first runs, and hooked.
 *
 * Layers, each above those before it: engine.h and decode.h; memory.h; scan.h; this; interrupt.h and check.h; fault.h
 * and site.h; run.c.
 */
#ifndef HWACCL_SOFT_H
#define HWACCL_SOFT_H

#include "core/accel/accel.h"
#include "core/accel/soft/accel_soft.h"
#include "core/accel/soft/engine.h"
#include "core/accel/soft/memory.h"
#include "core/accel/soft/scan.h"
#include "hwaccl/fault_chain.h"

#include <setjmp.h>
#include <stdatomic.h>

/* Why the engine stopped. */
enum soft_stop {
        SOFT_STOP_NONE,
        SOFT_STOP_RESCAN,     /* hooks were added: run the block again */
        SOFT_STOP_SITE,       /* before the instruction soft->site */
        SOFT_STOP_STEP,       /* step over the next instruction, then look at interrupts */
        SOFT_STOP_SWITCH,     /* go on in the other engine */
        SOFT_STOP_AHEAD,      /* while code past 4 GiB was translated */
        SOFT_STOP_FETCH,      /* before a block that reaches beyond the code segment's limit */
        SOFT_STOP_BRANCH,     /* before soft->site, a conditional branch beyond it */
        SOFT_STOP_SEGMENT,    /* before an instruction that a segment does not allow: soft->vector */
        SOFT_STOP_EXCEPTION,  /* soft->vector */
        SOFT_STOP_BREAKPOINT, /* before an instruction: soft->watch */
        SOFT_STOP_ABORT,      /* the translator called abort(3) */
        SOFT_STOP_KICK,
        SOFT_STOP_DEADLINE,
        SOFT_STOP_ERROR, /* soft->error */
};

/* What a part of a run came to. */
enum soft_result {
        SOFT_GO_ON,
        SOFT_EXITED, /* the exit information is filled in */
        SOFT_FAILED, /* soft->error says why */
};

/* Breakpoints of the guest: breakpoint.h. */
struct soft_watch {
        struct hwaccl_breakpoints armed; /* DR7 0: none */
        bool has_data;                   /* some are on data */
        bool open;                       /* watched pages are mapped, for the instruction at the linear address rip */
        uint64_t rip;
        uint64_t met;  /* breakpoints, since the engine started: DR6's bits */
        uint64_t held; /* those that a load of SS holds back */
        uc_hook hook;  /* of accesses, while open */
        const struct soft_engine *hooked;
};

enum { SOFT_FLAT, SOFT_CHECKED, SOFT_CPU_COUNT };

/* An engine, and the code that it has run. */
struct soft_cpu {
        struct soft_engine engine;
        struct soft_scan scan;
};

struct soft {
        struct hwaccl_accel accel;
        struct soft_cpu cpus[SOFT_CPU_COUNT];
        struct soft_cpu *cpu; /* the one that holds the guest */
        struct soft_memory memory;
        struct soft_watch watch;
        uint64_t device_page;  /* of the last run */
        uint64_t covered_page; /* the same if it lies over memory; else 0 */
        uint64_t (*clock)(void *opaque);
        void *clock_opaque;
        atomic_bool kicked;
        volatile bool in_engine; /* read by a signal handler of this thread … */
        sigjmp_buf recovery;     /* … which can go on from here */

        uint64_t blocks;      /* blocks of code that ran */
        uint64_t exits;       /* and exits made: together the virtual clock */
        uint64_t block_limit; /* virtual clock: stop before this block */
        uint64_t deadline_ns; /* host clock: looked at every so many blocks; UINT64_MAX: none */

        uint64_t kernel_gs_base; /* the MSR */

        /* as the last exit left them: a handler that changes one invalidates translations */
        uint64_t left_cr0, left_cr3, left_cr4, left_efer;

        /* one run */
        struct hwaccl_subject_state *state;
        struct hwaccl_error *error;
        enum soft_stop stop;
        uint64_t address; /* linear, of the block that started last, or of the instruction that the engine stopped
                             before */
        bool protected_mode;
        bool nmi_blocked;     /* until the guest's IRET */
        bool nmi_waits;       /* for that, in the pending page */
        bool wanted;          /* an interrupt or its window waits for the guest to take interrupts */
        bool stepping;        /* this start runs one instruction */
        bool step_next;       /* and so will the next one */
        bool step_keeps_trap; /* the instruction stepped over loads the trap flag itself */
        uint8_t bits;         /* of the code segment */
        uint8_t vector;
        struct {
                bool active;
                uint8_t length;
                uint8_t bytes[15]; /* those of the guest */
                uint64_t linear;
        } covered;        /* cover.h */
        bool ahead;       /* the translator aborted, and the guest has not come to … */
        uint64_t culprit; /* … the instruction at this linear address, which raises #UD */
        struct soft_site *site;
        uint64_t permitted;               /* linear address of a site that was looked at, and is stepped over now */
        uint64_t blocking;                /* by STI or MOV SS: bits of the interruptibility state … */
        uint64_t blocking_rip;            /* … while this linear address is next */
        uint32_t blocking_blocks;         /* blocks started since */
        bool blocking_began;              /* in this start of the engine */
        struct hwaccl_fault_chain faults; /* the deliveries of this run */
        /* segments, for check.h */
        struct hwaccl_segment segment[HWACCL_SEGMENT_REGISTER_COUNT];
        uint8_t loaded;    /* segment registers that the guest may have loaded since: 1 << number */
        bool block_loads;  /* the block that runs loads some, in the flat engine */
        uint8_t limited;   /* those that do not allow everything; SOFT_WRITES_CODE */
        bool not_taken;    /* the conditional branch that is stepped over */
        bool next_checked; /* the checked engine goes on, though only FS or GS are limited */
};

#define SOFT_PERMITTED_NONE UINT64_MAX

/** soft_stop - stop the engine from a callback; the first reason stays */
void soft_stop(struct soft *soft, enum soft_stop stop);

/** soft_exit - fill in the exit information; SOFT_EXITED */
enum soft_result soft_exit(struct soft *soft, uint64_t reason, uint64_t qualification, uint64_t length);

/** soft_interruptibility - what blocks interrupts and NMIs now */
uint64_t soft_interruptibility(const struct soft *soft);

/** soft_retire - the instruction at RIP was done here: step past it */
void soft_retire(struct soft *soft, uint8_t length);

/** soft_refuse - what the guest does at its RIP cannot be run faithfully; SOFT_FAILED */
enum soft_result soft_refuse(struct soft *soft, const char *what);

#endif
