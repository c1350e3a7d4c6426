/*
 * Inputs and effects: what exit handling reads from the world outside it, and what it does to that world. An exit of a
 * recording has both, each in its order.
 */
#ifndef HWACCL_EVENT_H
#define HWACCL_EVENT_H

#include <stdint.h>

/* What exit handling read. Recorded; numbers are part of the database schema and never change meaning. */
enum hwaccl_input_kind {
        HWACCL_INPUT_CLOCK = 0, /* value: guest clock at the exit, ns since the guest started; once per exit */
        HWACCL_INPUT_WAIT = 1, /* value: guest clock when a wait of a halted guest ended; address: deadline asked for */
        HWACCL_INPUT_INSTRUCTION = 2, /* data: the bytes of an instruction; address: guest-physical */
        HWACCL_INPUT_MEMORY = 3,      /* data: guest memory; address: guest-physical */
        HWACCL_INPUT_CONSOLE = 4,     /* data: bytes that someone typed; address: enum hwaccl_channel */
        HWACCL_INPUT_WALL_TIME = 5,   /* value: seconds since 1970-01-01T00:00:00Z at the guest's start */
        HWACCL_INPUT_STOP = 6,        /* value: enum hwaccl_stop_request: someone asked the guest to stop */
        HWACCL_INPUT_DISK = 7,        /* data: what a disk holds; address: byte offset; value: number of the disk */
        HWACCL_INPUT_DISK_FAULT = 8,  /* a read, write or flush of a disk failed; address, value: the same */
        HWACCL_INPUT_KIND_COUNT
};

enum hwaccl_stop_request {
        HWACCL_STOP_NONE = 0,
        HWACCL_STOP_INTERRUPTED = 1, /* Ctrl-C or SIGTERM */
        HWACCL_STOP_TIMEOUT = 2,     /* --timeout */
        HWACCL_STOP_MAX_EXITS = 3,   /* --max-exits */
        HWACCL_STOP_UNTIL = 4,       /* --until: the console printed what was waited for */
};

/* Where characters come from and go to. Numbers are part of the database schema. */
enum hwaccl_channel {
        HWACCL_CHANNEL_SERIAL = 0,    /* 16550 UART at 3f8h */
        HWACCL_CHANNEL_DEBUG_402 = 1, /* port 402h: SeaBIOS' debug log */
        HWACCL_CHANNEL_DEBUG_E9 = 2,  /* port e9h */
        HWACCL_CHANNEL_COUNT
};

/* One value that was read, as the probe sees it. data is valid during the call only. */
struct hwaccl_input {
        enum hwaccl_input_kind kind;
        uint64_t address;
        uint64_t value;
        const void *data; /* NULL where the kind has a value only */
        uint32_t size;    /* bytes of data; at most HWACCL_INPUT_SIZE_MAX */
};

#define HWACCL_INPUT_SIZE_MAX 4096u

/* How a guest ended. Recorded; numbers are part of the database schema and never change meaning. */
enum hwaccl_end {
        HWACCL_END_NONE = 0,      /* still running */
        HWACCL_END_EXIT_CODE = 1, /* it wrote its exit code to the debug-exit port */
        HWACCL_END_HALTED =
                2, /* HLT with interrupts off, or with no device that could interrupt: nothing can wake it */
        HWACCL_END_TRIPLE_FAULT = 3,
        HWACCL_END_RESET = 4,         /* it asked for a reset (ports 60h and 64h, 92h, cf9h) */
        HWACCL_END_ENTRY_FAILURE = 5, /* the processor refused its state */
        HWACCL_END_ERROR = 6,         /* hwaccl could not go on: see the error */
        HWACCL_END_STOPPED = 7,       /* someone outside asked for it: see enum hwaccl_stop_request */
        HWACCL_END_POWER_OFF = 8,     /* it switched itself off (ACPI S5) */
        HWACCL_END_RECORDER_DIED = 9, /* the process that ran and recorded it died; of recovered recordings only */
        HWACCL_END_COUNT
};

/** hwaccl_end_name - "triple fault"; "unknown" for a number out of range */
const char *hwaccl_end_name(unsigned end);

/* What exit handling did to the world. Recorded; numbers are part of the database schema and never change meaning. */
enum hwaccl_effect_kind {
        HWACCL_EFFECT_MEMORY = 0,   /* data written to guest memory; address: guest-physical */
        HWACCL_EFFECT_CONSOLE = 1,  /* data printed; address: enum hwaccl_channel */
        HWACCL_EFFECT_IRQ_LINE = 2, /* address: line 0-15 of the two PICs; value: new level 0 or 1. Changes only */
        HWACCL_EFFECT_STOP = 3, /* the guest ended; address: enum hwaccl_end; value: its exit code where it has one */
        HWACCL_EFFECT_DISK_WRITE = 4, /* data written to a disk; address: byte offset; value: number of the disk */
        HWACCL_EFFECT_DISK_FLUSH = 5, /* what was written to disk number value is to stay */
        HWACCL_EFFECT_KIND_COUNT
};

struct hwaccl_effect {
        enum hwaccl_effect_kind kind;
        uint64_t address;
        uint64_t value;
        const void *data;
        uint32_t size; /* bytes of data; at most HWACCL_EFFECT_SIZE_MAX: a longer write is several effects */
};

#define HWACCL_EFFECT_SIZE_MAX 4096u

#endif
