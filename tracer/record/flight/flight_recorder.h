/*
 * The flight recorder: a recorder that keeps only the newest exits, in bounded disk space and memory, and writes them
 * out as a recording when something happens. What it keeps begins at a keyframe, with the devices' state, so that the
 * recording replays; exits keep the numbers that they had in the run.
 *
 * The window lies in segment files of raw records in the directory `PATH-flight`, beside the ring `PATH-ring`; both go
 * when the recording PATH is written, at the end of the run. Conditions are looked at on the recorder's own thread: the
 * vCPU thread does what it does for any recording.
 */
#ifndef HWACCL_FLIGHT_RECORDER_H
#define HWACCL_FLIGHT_RECORDER_H

#include "hwaccl/error.h"
#include "hwaccl/exit_reason.h"

#include "tracer/record/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * At least this much is kept; 0: no such limit. Where several are set, reaching one is enough to let go of what is
 * older. The window is let go of by sixteenths, when one more is full: what is kept, the ring included, is at most 1.2
 * times as many bytes, at most 1.13 times as many exits. A time counts back from the newest exit: a guest that does not
 * exit keeps its last ones, however old. Bytes bound the disk space whatever the exits are like; exits do so as far as
 * the bytes of an exit are bounded.
 */
struct hwaccl_flight_window {
        uint64_t exits;
        uint64_t bytes; /* of records, on disk; a recording takes about 0.7 times as much */
        uint64_t ns;    /* of the host's clock, from the oldest exit's entry to the newest one's */
};

#define HWACCL_FLIGHT_EXITS_MIN UINT64_C(16)
#define HWACCL_FLIGHT_BYTES_MIN (UINT64_C(4) << 20)
/* of a window of time: what it may take where nothing else limits it */
#define HWACCL_FLIGHT_BYTES_DEFAULT (UINT64_C(1) << 30)

/* Once all that are given hold for an exit, the window up to that exit is written out; once for each trigger. While
 * another window is being written, nothing behind that exit is looked at: the vCPU may have to wait. */
struct hwaccl_flight_trigger {
        bool by_reason;
        uint32_t reason; /* basic exit reason */
        bool by_port;    /* an I/O instruction's */
        uint16_t port_first, port_last;
        bool by_rip; /* of the instruction that exited */
        uint64_t rip_first, rip_last;
        bool by_verdict;
        enum hwaccl_verdict verdict;
        const char *text; /* what the user wrote: goes into the recording's options. Lent until the recorder ends */
};

#define HWACCL_FLIGHT_TRIGGER_MAX 16u

struct hwaccl_flight_config {
        struct hwaccl_flight_window window;
        const char *text;                            /* of the window, for the recording's options. Lent for the call */
        const struct hwaccl_flight_trigger *trigger; /* lent for the call */
        size_t trigger_count;                        /* HWACCL_FLIGHT_TRIGGER_MAX at most */
        /* told in one line of each window written before the end, and of one that could not be; from the recorder's
         * thread. May be NULL */
        void (*notice)(void *opaque, const char *text);
        void *opaque;
};

/**
 * hwaccl_flight_window_parse - "100000exits", "64M", "30s", or several of different kinds with commas between
 *
 * Sizes take K, M and G. Returns false with *error set when it is none of that, or less than the least. A window of
 * time alone gets HWACCL_FLIGHT_BYTES_DEFAULT too.
 */
bool hwaccl_flight_window_parse(const char *text, struct hwaccl_flight_window *window, struct hwaccl_error *error);

/**
 * hwaccl_flight_trigger_parse - "reason=48", "reason=hlt", "port=0x3f8-0x3ff", "rip=0x7c00", "verdict=triple_fault", or
 * several of different kinds with commas between, all of which must hold
 *
 * Numbers are decimal, or hexadecimal behind 0x; reasons have their numbers or names; a verdict's words may have '_' or
 * '-' between. Returns false with *error set for what is none of that, and for what can never hold.
 */
bool hwaccl_flight_trigger_parse(const char *text, struct hwaccl_flight_trigger *trigger, struct hwaccl_error *error);

/* The sink of a recorder that keeps a window only: struct hwaccl_recorder_config, sink. Its settings are a struct
 * hwaccl_flight_config. */
extern const struct recorder_sink_ops hwaccl_flight_recorder;

#endif
