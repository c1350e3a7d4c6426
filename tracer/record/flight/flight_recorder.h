/*
 * The flight recorder: a recorder that keeps only the newest exits, in bounded disk space and memory, and writes them
 * as a recording on request, on a trigger and at the end. The window begins at a keyframe, with device state, so that
 * the recording replays; exits keep their numbers.
 *
 * The window is stored in segment files of raw records in the directory `PATH-flight`; the ring is `PATH-ring`. Both
 * are removed when the recording PATH is written, at the end of the run. Triggers are evaluated on the recorder's own
 * thread: the vCPU thread does the same work as for other recordings.
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
 * Minimum that is kept; 0: no such limit. If several are set, exceeding one is enough to evict older
 * exits. The window is evicted in steps of 1/16: it takes at most 1.2 times the bytes, including the ring, and at most
 * 1.13 times the exits. A time counts back from the newest exit: a guest that does not
 * exit keeps its last exits, however old. Only bytes strictly bound the disk space; exits do so as far as
 * the bytes of an exit are bounded.
 */
struct hwaccl_flight_window {
        uint64_t exits;
        uint64_t bytes; /* of records, on disk; a recording takes about 0.7 times as much */
        uint64_t ns;    /* of the host clock, from the entry of the oldest exit to that of the newest */
};

#define HWACCL_FLIGHT_EXITS_MIN UINT64_C(16)
#define HWACCL_FLIGHT_BYTES_MIN (UINT64_C(4) << 20)
/* limit in bytes of a window in time without other limits */
#define HWACCL_FLIGHT_BYTES_DEFAULT (UINT64_C(1) << 30)

/* When all given conditions hold for an exit, the window up to that exit is written; once per trigger. While
 * another window is being written, later exits are not examined, and the vCPU may have to wait. */
struct hwaccl_flight_trigger {
        bool by_reason;
        uint32_t reason; /* basic exit reason */
        bool by_port;    /* port of an I/O instruction */
        uint16_t port_first, port_last;
        bool by_rip; /* of the instruction that exited */
        uint64_t rip_first, rip_last;
        bool by_verdict;
        enum hwaccl_verdict verdict;
        const char *text; /* text of the option, for the recording's options; borrowed until the recorder ends */
};

#define HWACCL_FLIGHT_TRIGGER_MAX 16u

struct hwaccl_flight_config {
        struct hwaccl_flight_window window;
        const char *text; /* text of the window, for the recording's options; borrowed during the call */
        const struct hwaccl_flight_trigger *trigger; /* borrowed during the call */
        size_t trigger_count;                        /* HWACCL_FLIGHT_TRIGGER_MAX at most */
        /* called with one line for each window written before the end, or that could not be written; on the recorder's
         * thread. May be NULL */
        void (*notice)(void *opaque, const char *text);
        void *opaque;
};

/**
 * hwaccl_flight_window_parse - "100000exits", "64M", "30s", or several of different kinds separated by commas
 *
 * Sizes accept K, M and G. Returns false with *error set if it is malformed or below the minimum. A window of
 * time alone gets HWACCL_FLIGHT_BYTES_DEFAULT too.
 */
bool hwaccl_flight_window_parse(const char *text, struct hwaccl_flight_window *window, struct hwaccl_error *error);

/**
 * hwaccl_flight_trigger_parse - "reason=48", "reason=hlt", "port=0x3f8-0x3ff", "rip=0x7c00", "verdict=triple_fault", or
 * several of different kinds separated by commas, all of which must hold
 *
 * Numbers are decimal, or hexadecimal after 0x; reasons are numbers or names; words of a verdict are separated by '_'
 * or
 * '-'. Returns false with *error set if it is malformed or can never hold.
 */
bool hwaccl_flight_trigger_parse(const char *text, struct hwaccl_flight_trigger *trigger, struct hwaccl_error *error);

/* The sink of a recorder that keeps a window only: struct hwaccl_recorder_config, sink. Its settings are a struct
 * hwaccl_flight_config. */
extern const struct recorder_sink_ops hwaccl_flight_recorder;

#endif
