/*
 * What is in the ring: one stream of records, in the order of the probe's calls. All sizes are multiples of 8 bytes;
 * data is padded with whatever was there. Bump RING_VERSION when a layout changes.
 */
#ifndef HWACCL_TRACER_RING_RECORDS_H
#define HWACCL_TRACER_RING_RECORDS_H

#include "tracer/ring/ring.h"
#include "tracer/ring/state_delta.h"

#include "core/host/inputs.h"
#include "hwaccl/exit_reason.h"

enum ring_record_type {
        /* transfer in: delta against the last exit's state, zeros before the first. All 64 words at the first entry and
         * at the one after each keyframe interval: together with the SNAPSHOT before it, if there is one, reading may
         * start there. extra: enum ring_entry_extra. Fields that are not known are 0 */
        RING_RECORD_ENTRY = 1,
        RING_RECORD_OFFER = 2,       /* extra: vector */
        RING_RECORD_EXIT = 3,        /* delta against the entry's state; extra: enum ring_exit_extra */
        RING_RECORD_CLOCK = 4,       /* the input of that kind, value only */
        RING_RECORD_INPUT = 5,       /* extra: enum hwaccl_input_kind */
        RING_RECORD_EFFECT = 6,      /* extra: enum hwaccl_effect_kind */
        RING_RECORD_RECLAIM = 7,     /* extra: 1 when the subject took the vector */
        RING_RECORD_HANDLED = 8,     /* extra: enum hwaccl_outcome */
        RING_RECORD_UNHANDLED = 9,   /* the run ended in the handling; extra: 1 when the verdict is known */
        RING_RECORD_SNAPSHOT = 10,   /* all devices' fields, packed one after the other, in the order of the config */
        RING_RECORD_ANNOTATION = 11, /* name and value, each with its terminating zero */
        RING_RECORD_MARK = 12,       /* a mark that the user set: text */
        RING_RECORD_WALK = 13        /* inputs of the kind memory, one behind the other; extra: bytes of each, 4 or 8 */
};

enum ring_entry_extra {
        RING_ENTRY_KNOWN = 0,   /* all fields */
        RING_ENTRY_PARTIAL = 1, /* two words follow the delta: the fields that are known */
        RING_ENTRY_UNKNOWN = 2, /* nothing is known: the next exit's delta counts from the last exit's state */
};

enum ring_exit_extra {
        RING_EXIT_PENDING = 1, /* four words of the pending page follow the delta */
        RING_EXIT_PARTIAL = 2, /* two words follow these: the fields that are known */
};

/* Bytes of data with their padding. */
#define RING_WORD_ROUND(size) (((size) + 7) & ~(size_t)7)

/* Of a HANDLED record: its extra, and verdict in struct ring_handled. */
#define RING_OUTCOME_UNKNOWN 0xffu
#define RING_VERDICT_UNKNOWN UINT64_MAX

struct ring_entry {
        struct ring_record record;
        uint64_t bitmap;
        uint64_t words[];
};

struct ring_stamped { /* OFFER, RECLAIM */
        struct ring_record record;
        uint64_t stamp;
};

struct ring_exit {
        struct ring_record record;
        uint64_t entry_stamp;
        uint64_t exit_stamp;
        uint64_t bitmap;
        uint64_t words[];
};

struct ring_clock {
        struct ring_record record;
        uint64_t value;
};

struct ring_event { /* INPUT, EFFECT */
        struct ring_record record;
        uint64_t address;
        uint64_t value;
        uint32_t size; /* bytes of data */
        uint8_t has_data;
        uint8_t unused[3];
        uint8_t data[];
};

struct ring_walk {
        struct ring_record record;
        struct hwaccl_table_entry entry[];
};

struct ring_handled { /* HANDLED, UNHANDLED */
        struct ring_record record;
        uint64_t stamp;
        uint64_t verdict; /* enum hwaccl_verdict, or RING_VERDICT_UNKNOWN */
};

struct ring_text { /* MARK */
        struct ring_record record;
        uint64_t stamp;
        uint64_t size;
        char data[];
};

struct ring_bytes { /* SNAPSHOT, ANNOTATION */
        struct ring_record record;
        uint64_t size;
        uint8_t data[];
};

#endif
