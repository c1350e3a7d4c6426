/* The flight recorder's thread: what the writer is for a recorder that keeps everything. */
#ifndef HWACCL_TRACER_FLIGHT_H
#define HWACCL_TRACER_FLIGHT_H

#include "tracer/record/recorder.h"

#include "tracer/record/writer.h"
#include "tracer/ring/ring.h"
#include "tracer/ring/timestamps.h"

struct flight;

/** flight_ring_size - bytes of ring that go with a window: small beside it */
uint64_t flight_ring_size(const struct hwaccl_flight_window *window);

/** flight_keyframe_interval - exits: @asked, or less for a window that is to be let go of by sixteenths */
uint32_t flight_keyframe_interval(const struct hwaccl_flight_window *window, uint32_t asked);

/** flight_keyframe_bytes - the most of records between two keyframes: segments of a window begin at one */
uint64_t flight_keyframe_bytes(const struct hwaccl_flight_window *window);

/** flight_create - as writer_create(); the recording itself is made at the end, but nothing may be in its place now */
struct flight *flight_create(const struct hwaccl_recorder_config *config, struct ring *ring, enum stamp_kind stamps,
                             struct hwaccl_error *error);

/** flight_error - why the thread stopped, once the ring says that it did. Returns false. */
bool flight_error(struct flight *flight, struct hwaccl_error *error);

/** flight_ask - see hwaccl_recorder_dump() */
void flight_ask(struct flight *flight);

/**
 * flight_finish - drain the ring, write the window out as the recording, join and free
 *
 * When the recording cannot be written, segments and ring stay. False when something was lost.
 */
bool flight_finish(struct flight *flight, const struct writer_end *end, struct hwaccl_error *error);

#endif
