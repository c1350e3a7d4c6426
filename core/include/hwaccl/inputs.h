/*
 * Inputs: every value that exit handling reads and that is not a function of the subject state, the pending page and
 * the devices' own state. Live runs read the host and the guest's memory; the replay engine reads the recording.
 * Handlers never call this interface themselves: they go through host.h, which records what was read.
 */
#ifndef HWACCL_INPUTS_H
#define HWACCL_INPUTS_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Recorded; numbers are part of the database schema and never change meaning. */
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

/* An entry of a page table, as a walk read it. */
struct hwaccl_table_entry {
        uint64_t address; /* guest-physical */
        uint64_t value;   /* entries of 4 bytes: zero-extended */
};

struct hwaccl_inputs;

/* Each returns false with *error set when the value cannot be had; for the replay engine that is a divergence. */
struct hwaccl_inputs_ops {
        /* guest clock, ns since the guest started, never going backwards */
        bool (*clock)(struct hwaccl_inputs *inputs, uint64_t *now_ns, struct hwaccl_error *error);
        /* sleep until the guest clock reaches deadline_ns (UINT64_MAX: for ever), console input arrives or a stop is
         * asked for */
        bool (*wait)(struct hwaccl_inputs *inputs, uint64_t deadline_ns, uint64_t *now_ns, struct hwaccl_error *error);
        /* guest RAM or ROM; the caller has checked with the memory map that the range is one or the other */
        bool (*memory_read)(struct hwaccl_inputs *inputs, enum hwaccl_input_kind kind, uint64_t address, void *buffer,
                            size_t size, struct hwaccl_error *error);
        /* what has been typed since the last call, without waiting; *size is the room before, the count after */
        bool (*console_read)(struct hwaccl_inputs *inputs, enum hwaccl_channel channel, void *buffer, size_t *size,
                             struct hwaccl_error *error);
        bool (*wall_time)(struct hwaccl_inputs *inputs, uint64_t *seconds, struct hwaccl_error *error);
        /* has someone asked the guest to stop? Asked once per exit, after the clock, and again before each further
         * wait of a halted guest that woke for nothing */
        bool (*stop_requested)(struct hwaccl_inputs *inputs, enum hwaccl_stop_request *request,
                               struct hwaccl_error *error);
        /* a disk's contents: whole sectors, at most HWACCL_INPUT_SIZE_MAX bytes. *fault: the host could not; that is
         * the guest's trouble and no error */
        bool (*disk_read)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, void *buffer, size_t size,
                          bool *fault, struct hwaccl_error *error);
        /* carry out an effect on a disk, and say whether it worked; a replay says what it did then */
        bool (*disk_write)(struct hwaccl_inputs *inputs, unsigned disk, uint64_t offset, const void *data, size_t size,
                           bool *fault, struct hwaccl_error *error);
        bool (*disk_flush)(struct hwaccl_inputs *inputs, unsigned disk, bool *fault, struct hwaccl_error *error);
};

/* Implementations embed this as their first member. */
struct hwaccl_inputs {
        const struct hwaccl_inputs_ops *ops;
};

#endif
