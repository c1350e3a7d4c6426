/*
 * Events of threads, made exits of vCPUs: each thread's stream (kernel/exit_stream.h) is cut into items, and these are
 * written in the order of time into the lanes of the vCPUs that they are of, with one sequence over all.
 *
 * A thread's events are of the vCPU that its last entry or exit names. Several VMs in one process have vCPUs of the
 * same number: then each thread is a vCPU of its own.
 */
#ifndef HWACCL_TRACER_ATTACH_LANES_H
#define HWACCL_TRACER_ATTACH_LANES_H

#include "tracer/kernel/exit_stream.h"

#include <sys/types.h>

#define ATTACH_VCPU_MAX 64u

struct attach_vcpu;

struct attach_thread {
        pid_t number;
        char name[32];
        struct exit_stream stream;
        struct attach_vcpu *vcpu; /* that it ran last; NULL: none yet */
};

struct attach_counts {
        uint64_t exits;  /* written */
        uint64_t user;   /* of them, that the VMM got */
        uint64_t lost;   /* events */
        uint64_t astray; /* exits of vCPUs that could not be recorded */
};

struct attach_lanes {
        struct attach_vcpu *vcpu[ATTACH_VCPU_MAX];
        unsigned count;
        bool several;       /* VMs: a number is not of one vCPU */
        pid_t process;      /* of all threads */
        uint64_t sequence;  /* the last number given */
        uint64_t exits_max; /* no exit after so many; 0: no limit */
        struct attach_counts counts;
        /* Make @lane write into the ring of vCPU @number of the recording: the next one. False: it cannot be recorded
         */
        bool (*begin)(void *opaque, uint32_t number, struct lane *lane);
        void *opaque;
};

/** attach_lanes_add - a vCPU that is known before it runs. False if it cannot be recorded */
bool attach_lanes_add(struct attach_lanes *lanes, uint32_t id);

/* What is written. */
struct attach_until {
        uint64_t complete; /* items that have ended, up to this time: the events of all threads are there */
        uint64_t open;     /* exits up to this time, also if their handling has not ended */
        bool all;          /* everything: no event follows */
};

/** attach_lanes_write - false when a lane has stopped: the recording cannot be written */
bool attach_lanes_write(struct attach_lanes *lanes, struct attach_thread *const *threads, size_t count,
                        const struct attach_until *until);

/** attach_lanes_reached - whether exits_max exits were there */
bool attach_lanes_reached(const struct attach_lanes *lanes);

/** attach_lanes_vcpu_id - KVM's number of a vCPU of the recording */
uint32_t attach_lanes_vcpu_id(const struct attach_lanes *lanes, unsigned vcpu);

/** attach_lanes_forget - the thread has ended, and is freed by the caller */
void attach_lanes_forget(struct attach_lanes *lanes, const struct attach_thread *thread);

void attach_lanes_free(struct attach_lanes *lanes);

#endif
