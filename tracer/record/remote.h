/*
 * A recording whose producers are in other processes: this one has the database and the thread that drains the rings,
 * they have the rings' mappings. Rings are added while others are in use, one for each vCPU, and for each other thread
 * that makes calls.
 */
#ifndef HWACCL_TRACER_REMOTE_H
#define HWACCL_TRACER_REMOTE_H

#include "tracer/record/recorder.h"

#include <stdbool.h>

struct remote_recording;

#define REMOTE_VCPU_MAX         64u
#define REMOTE_THREAD_MAX       128u
#define REMOTE_THREAD_RING_SIZE (UINT64_C(1) << 20)

/** remote_create - the database, and the ring of vCPU 0. NULL with *error set, nothing left behind
 * @config: as for hwaccl_recorder_create(), without devices; vcpu and vcpu_max are set here */
struct remote_recording *remote_create(const struct hwaccl_recorder_config *config, struct hwaccl_error *error);

/** remote_vcpu_count - at least 1 */
unsigned remote_vcpu_count(const struct remote_recording *remote);

/** remote_add_vcpu - a ring for the next vCPU; from one thread. False with *error set */
bool remote_add_vcpu(struct remote_recording *remote, struct hwaccl_error *error);

/** remote_add_thread - a ring for one more thread: lane LANE_THREAD_FIRST and following */
bool remote_add_thread(struct remote_recording *remote, struct hwaccl_error *error);

/** remote_thread_count - how many were added */
unsigned remote_thread_count(const struct remote_recording *remote);

/** remote_ring_fd - descriptor of a vCPU's ring, for ring_attach(); -1 if there is no such vCPU */
int remote_ring_fd(const struct remote_recording *remote, unsigned vcpu);
/** remote_thread_fd - the same for a thread, from 0 */
int remote_thread_fd(const struct remote_recording *remote, unsigned thread);

/** remote_produce - make a thread of this process the producer of a vCPU's ring */
void remote_produce(struct remote_recording *remote, unsigned vcpu, struct ring_producer *producer);

/* What the sink asks of the producers: lane_init(). */
struct remote_keyframes {
        uint32_t interval;
        uint64_t bytes;
};

struct remote_keyframes remote_keyframes(const struct remote_recording *remote);

/** remote_dump - as hwaccl_recorder_dump() */
void remote_dump(struct remote_recording *remote);

/** remote_exits - exits of all vCPUs that are completely recorded */
uint64_t remote_exits(const struct remote_recording *remote);

/** remote_ms_since - milliseconds since a time stamp that a producer took; 0 where the rate of its clock is not known
 */
uint64_t remote_ms_since(const struct remote_recording *remote, uint64_t stamp);

/** remote_annotate - set an option, after all producers have ended */
void remote_annotate(struct remote_recording *remote, const char *name, const char *value);

/** remote_finish - as hwaccl_recorder_finish(), after all producers have ended; an exit in whose handling its producer
 * ended stays without an outcome */
bool remote_finish(struct remote_recording *remote, unsigned end, uint64_t end_code, const char *end_message,
                   struct hwaccl_error *error);

#endif
