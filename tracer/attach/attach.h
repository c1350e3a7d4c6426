/*
 * The recorder of a VMM that runs already, and is not touched: `hwaccl record --attach`. Its exits are what the
 * kernel's trace points say of the threads that run vCPUs, those included that begin later. The VMM goes on whatever
 * becomes of this process.
 */
#ifndef HWACCL_TRACER_ATTACH_H
#define HWACCL_TRACER_ATTACH_H

#include "tracer/attach/attach_lanes.h"
#include "tracer/kernel/kvm_process.h"
#include "tracer/record/recorder.h"

struct vmm_attach;

struct vmm_attach_state {
        struct attach_counts counts;
        unsigned vcpus;
        unsigned unwatched; /* threads whose events could not be opened */
        bool vmm_ended;
        bool reached; /* as many exits as were asked for */
        bool failed;  /* the recording cannot be written */
};

/** vmm_attach_create - create the recording and begin; NULL with *error set, nothing left behind
 * @wanted: as for hwaccl_recorder_create(), without devices
 * @found: kvm_process_look() of the process
 * @max_exits: 0: no limit */
struct vmm_attach *vmm_attach_create(const struct hwaccl_recorder_config *wanted, pid_t process,
                                     const struct kvm_process *found, uint64_t max_exits, struct hwaccl_error *error);

struct vmm_attach_state vmm_attach_state(struct vmm_attach *attach);

/** vmm_attach_dump - as hwaccl_recorder_dump() */
void vmm_attach_dump(struct vmm_attach *attach);

/** vmm_attach_finish - write the end and free; as hwaccl_recorder_finish(). *last: the state then */
bool vmm_attach_finish(struct vmm_attach *attach, unsigned end, uint64_t end_code, const char *end_message,
                       struct vmm_attach_state *last, struct hwaccl_error *error);

#endif
