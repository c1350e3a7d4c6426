/*
 * Reading CTF traces. Babeltrace runs in a process of its own, the program hwaccl-ctf: a trace is untrusted, and
 * Babeltrace's GLib conflicts with the one in Unicorn. Events are received through a pipe.
 */
#ifndef HWACCL_TRACER_LTTNG_TRACE_READER_H
#define HWACCL_TRACER_LTTNG_TRACE_READER_H

#include "tracer/lttng/trace_event.h"

#include "hwaccl/error.h"

#include <sys/types.h>

struct trace_sink {
        void *opaque;
        /* In order of their time stamps. Lengths are those in the trace, numbers fit their types; nothing else
         * was checked. False with *error set ends the reading */
        bool (*event)(void *opaque, const struct trace_event *event, struct hwaccl_error *error);
        /* counted by LTTng; 0: the number is unknown */
        void (*discarded)(void *opaque, bool packets, uint64_t count);
};

/* A hwaccl-ctf that reads all traces below a directory once. */
struct trace_process {
        pid_t pid; /* 0: there is none */
        int pipe;
};

/** trace_start - start one; it waits where nobody takes its events. False with *error set */
bool trace_start(struct trace_process *process, const char *directory, struct hwaccl_error *error);

/** trace_read - take all its events; it has ended then. @directory: for messages. False with *error set */
bool trace_read(struct trace_process *process, const char *directory, const struct trace_sink *sink,
                struct hwaccl_error *error);

/** trace_stop - end it if it was not read */
void trace_stop(struct trace_process *process);

#define TRACE_BYTES_MAX (64u << 10) /* of one event's data */
#define TRACE_TEXT_MAX  (64u << 10)

/* Frames in the pipe, each followed by its body. Both ends are of the same build. */
enum trace_frame_type {
        TRACE_FRAME_VERSION = 1,           /* body: HWACCL_VERSION with its terminating zero; always first */
        TRACE_FRAME_EVENT = 2,             /* trace_event_pack() */
        TRACE_FRAME_DISCARDED_EVENTS = 3,  /* uint64_t: how many */
        TRACE_FRAME_DISCARDED_PACKETS = 4, /* the same */
        TRACE_FRAME_ERROR = 5,             /* one line with its terminating zero; the last */
        TRACE_FRAME_END = 6,               /* all was read; the last */
        TRACE_FRAME_ALIVE = 7,             /* no event of hwaccl for a while, but still reading */
};

struct trace_frame {
        uint32_t type;
        uint32_t size; /* of the body: bytes, a multiple of 8 */
};

#define TRACE_FRAME_MAX (1u << 20)

/* What an event points to. */
struct trace_part {
        const void **pointer;
        uint32_t size; /* bytes; 0 for a text that has not been measured */
        bool text;
};

#define TRACE_PART_MAX 2u

/** trace_event_parts - fill in @parts for an event; returns how many. Sizes of texts are left at 0 */
unsigned trace_event_parts(struct trace_event *event, struct trace_part *parts);

#define TRACE_EVENT_PACKED_MAX (sizeof(struct trace_event) + TRACE_PART_MAX * (TRACE_TEXT_MAX + 32u))

/**
 * trace_event_pack - an event and what it points to as a frame's body
 * @body: TRACE_EVENT_PACKED_MAX bytes. The event as it is, and for each part its size, 8 bytes, and its bytes with
 * zeros up to the next multiple of 8
 *
 * Returns how many bytes there are, a multiple of 8.
 */
size_t trace_event_pack(const struct trace_event *event, uint8_t *body);

/**
 * trace_read_frames - what comes through the pipe; trace_read() without the program at its other end
 * @stuck: set when nothing came for too long
 *
 * Nothing in the frames is trusted. Returns 1 when all was read, 0 when the pipe ended before, or is stuck, -1 with
 * *error set.
 */
int trace_read_frames(int pipe, const struct trace_sink *sink, bool *stuck, struct hwaccl_error *error);

#endif
