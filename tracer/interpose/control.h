/*
 * The memory that `hwaccl record` shares with the libhwaccl-interpose.so in each process that it started: which vCPUs
 * there are, and where their rings are. It is an anonymous file of the recorder, opened by the name in the environment
 * variable INTERPOSE_VARIABLE, /proc/PID/fd/NUMBER, so that programs which the first one starts find it too and no
 * process has a descriptor more than without us.
 *
 * A process that creates a vCPU takes the next slot and waits until the recorder has named a ring for it. So does a
 * thread that makes its first call of KVM and runs no vCPU. With kernel_exits a
 * thread that runs a vCPU says so, and waits until the recorder has opened the kernel's events of it.
 */
#ifndef HWACCL_TRACER_INTERPOSE_CONTROL_H
#define HWACCL_TRACER_INTERPOSE_CONTROL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define INTERPOSE_VARIABLE   "HWACCL_INTERPOSE"
#define INTERPOSE_LIBRARY    "libhwaccl-interpose.so"
#define INTERPOSE_MAGIC      UINT64_C(0x31306c6363617768) /* "hwaccl01": recorder and library are of one build */
#define INTERPOSE_SLOT_MAX   64u
#define INTERPOSE_THREAD_MAX 128u

enum interpose_slot_state {
        INTERPOSE_SLOT_WAITING,
        INTERPOSE_SLOT_READY,   /* ring_path names the ring */
        INTERPOSE_SLOT_REFUSED, /* the recorder could not make one */
};

/* One vCPU, or one thread that runs none. */
struct interpose_slot {
        _Alignas(64) _Atomic uint32_t state;   /* enum interpose_slot_state; a futex */
        _Atomic int32_t pid;                   /* of its process, written by that; as the recorder sees it */
        uint32_t number;                       /* of the vCPU in the recording, or of the thread */
        _Atomic int32_t thread;                /* that enters KVM_RUN; written if the recorder wants to know */
        _Atomic uint32_t watched;              /* thread whose events of the kernel the recorder has opened; a futex */
        char ring_path[40];                    /* /proc/PID/fd/NUMBER */
        _Alignas(64) _Atomic uint64_t entered; /* time stamp of the entry while it is in KVM_RUN, else 0 */
};

#define INTERPOSE_FILE_MAX 512u

/* A file that a process opened. */
struct interpose_file {
        _Alignas(64) _Atomic uint32_t ready; /* the others are written */
        _Atomic int32_t pid;                 /* as that process sees it */
        _Atomic uint64_t hash;               /* of the path */
        char path[1008];                     /* absolute */
};

struct interpose_control {
        uint64_t magic;
        uint64_t size;      /* of this structure */
        uint64_t max_exits; /* SIGTERM to the process that has this exit; 0: no limit */
        uint32_t keyframe_interval;
        uint32_t kernel_exits; /* 1: a thread waits until it is watched, before it enters KVM_RUN the first time */
        uint64_t keyframe_bytes;
        pthread_mutex_t alive;                /* robust; the recorder holds it as long as it drains the rings */
        _Alignas(64) _Atomic uint64_t exits;  /* of all vCPUs; counted if there is a limit */
        _Alignas(64) _Atomic uint32_t wanted; /* slots of vCPUs taken; may exceed INTERPOSE_SLOT_MAX */
        _Atomic uint32_t processes;           /* that have loaded the library */
        _Atomic uint32_t kvm_processes;       /* of them, that used KVM */
        _Atomic uint32_t vms;
        _Atomic uint32_t unrecorded; /* vCPUs that could not be recorded */
        _Atomic uint32_t unrecorded_calls;
        _Atomic uint32_t devices;
        _Atomic uint32_t threads; /* slots of threads taken; may exceed INTERPOSE_THREAD_MAX */
        _Atomic uint32_t asked;   /* slots taken of both kinds, a futex */
        _Atomic uint32_t telling; /* one process writes the two below */
        _Atomic uint32_t unfit;   /* enum interpose_program of the last one that was started and takes no library */
        char unfit_path[256];     /* of that; valid if unfit is not 0 and all processes have ended */
        _Alignas(64) _Atomic uint64_t sequence; /* the last number that an exit or call has */
        struct interpose_slot slot[INTERPOSE_SLOT_MAX];
        struct interpose_slot thread_slot[INTERPOSE_THREAD_MAX];
        _Alignas(64) _Atomic uint32_t files; /* taken; may exceed INTERPOSE_FILE_MAX */
        struct interpose_file file[INTERPOSE_FILE_MAX];
};

#endif
