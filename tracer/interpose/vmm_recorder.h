/*
 * The recorder of a VMM that knows nothing of it: `hwaccl record -- VMM`. The VMM's vCPU threads write their exits into
 * rings, through libhwaccl-interpose.so; this process makes the rings and drains them. A VMM that dies ends a finished
 * recording; if this process dies, the rings are left for a recovery and the VMM goes on unrecorded.
 */
#ifndef HWACCL_TRACER_VMM_RECORDER_H
#define HWACCL_TRACER_VMM_RECORDER_H

#include "tracer/kernel/kernel_merge.h"
#include "tracer/record/recorder.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct vmm_recorder;

struct vmm_recorder_counts {
        uint64_t exits;
        unsigned vcpus;      /* that were recorded */
        unsigned processes;  /* that loaded the library */
        unsigned kvm;        /* of them, that used KVM */
        unsigned unrecorded; /* vCPUs that could not be recorded */
};

/** vmm_recorder_create - create the recording; NULL with *error set, nothing left behind
 * @wanted: as for hwaccl_recorder_create(), without devices
 * @max_exits: the process whose exit is this one gets SIGTERM; 0: no limit
 * @kernel_exits: record what the kernel handles too; an error where that is not possible
 *
 * The thread that calls this has to call vmm_recorder_finish(). */
struct vmm_recorder *vmm_recorder_create(const struct hwaccl_recorder_config *wanted, uint64_t max_exits,
                                         bool kernel_exits, struct hwaccl_error *error);

/** vmm_recorder_environment - set the variables that make a program load @library and find this recorder, in the
 * calling process: a child, before execve(2). Other preloaded libraries stay */
bool vmm_recorder_environment(const struct vmm_recorder *recorder, const char *library);

/** vmm_recorder_signal - send a signal to all processes that have vCPUs; the number of those that live. @number: or 0.
 * A process that has ended does not live, also as long as nobody has waited for it */
unsigned vmm_recorder_signal(struct vmm_recorder *recorder, int number);

/** vmm_recorder_dump - as hwaccl_recorder_dump() */
void vmm_recorder_dump(struct vmm_recorder *recorder);

/** vmm_recorder_reached_limit - whether the exit of max_exits was there */
bool vmm_recorder_reached_limit(const struct vmm_recorder *recorder);

struct vmm_recorder_counts vmm_recorder_counts(const struct vmm_recorder *recorder);

/** vmm_recorder_unfit - the last program that was started and that the library cannot be loaded into, and why; its
 * length, 0: there is none. After all processes have ended */
size_t vmm_recorder_unfit(const struct vmm_recorder *recorder, char *text, size_t room);

/* Whom the kernel could not be asked about. */
struct vmm_recorder_kernel {
        unsigned unwatched;  /* threads that it could not be asked about */
        const char *problem; /* of the first of them; NULL: none. Until vmm_recorder_finish() */
};

/** vmm_recorder_kernel - after all processes with vCPUs have ended. @counts: set by vmm_recorder_finish() */
struct vmm_recorder_kernel vmm_recorder_kernel(struct vmm_recorder *recorder, struct kernel_merge_counts *counts);

/** vmm_recorder_note_ends - set an option host_vcpu_N_end for each vCPU, "in the guest for 3012 ms" or "not in the
 * guest": when its process ended; after all these processes have ended */
void vmm_recorder_note_ends(struct vmm_recorder *recorder);

/** vmm_recorder_file - the path of a file that a process opened, the @index-th; false if there is none, or not yet
 * @pid: of the process, as that sees it */
bool vmm_recorder_file(const struct vmm_recorder *recorder, unsigned index, char *path, size_t room, pid_t *pid);

/** vmm_recorder_files_lost - files that there was no room for */
unsigned vmm_recorder_files_lost(const struct vmm_recorder *recorder);

/** vmm_recorder_maps - /proc/PID/maps of a process as it created its first vCPU; NULL: no such process, or none yet
 * @index: below VMM_RECORDER_VCPU_MAX */
const char *vmm_recorder_maps(const struct vmm_recorder *recorder, unsigned index);
#define VMM_RECORDER_VCPU_MAX 64u

/** vmm_recorder_annotate - set an option, after all processes with vCPUs have ended */
void vmm_recorder_annotate(struct vmm_recorder *recorder, const char *name, const char *value);

/** vmm_recorder_finish - write the end and free the recorder; as hwaccl_recorder_finish() */
bool vmm_recorder_finish(struct vmm_recorder *recorder, unsigned end, uint64_t end_code, const char *end_message,
                         struct hwaccl_error *error);

#endif
