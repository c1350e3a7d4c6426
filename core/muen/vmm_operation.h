/*
 * VMM operations: what the VMM's unprivileged part asks of its privileged one (VirtualBox's VMMR0 calls). The
 * separation kernel leaves little to do behind most of them.
 */
#ifndef HWACCL_VMM_OPERATION_H
#define HWACCL_VMM_OPERATION_H

#include "core/loop/vcpu.h"
#include "hwaccl/error.h"
#include "hwaccl/subject_info.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* X(identifier, name, is carried out) */
#define HWACCL_VMM_OPERATIONS(X)                                                                                       \
        X(QUERY_VTX_SUPPORT, "query VT-x support", true)                                                               \
        X(VMMR0_INIT, "VMMR0 init", true)                                                                              \
        X(VMMR0_TERM, "VMMR0 term", true)                                                                              \
        X(GVMM_CREATE_VM, "GVMM create VM", true)                                                                      \
        X(GVMM_DESTROY_VM, "GVMM destroy VM", true)                                                                    \
        X(GVMM_REGISTER_VMCPU, "GVMM register virtual CPU", false)                                                     \
        X(GVMM_SCHED_HALT, "GVMM sched halt", true)                                                                    \
        X(GVMM_SCHED_WAKE_UP, "GVMM sched wake up", true)                                                              \
        X(GVMM_SCHED_POKE, "GVMM sched poke", true)                                                                    \
        X(GVMM_SCHED_POLL, "GVMM sched poll", true)                                                                    \
        X(GVMM_QUERY_STATISTICS, "GVMM query statistics", false)                                                       \
        X(GVMM_RESET_STATISTICS, "GVMM reset statistics", false)                                                       \
        X(HM_SETUP_VM, "HM setup VM", true)                                                                            \
        X(HM_ENABLE, "HM enable", true)                                                                                \
        X(HM_RUN, "HM run", true)                                                                                      \
        X(RAW_RUN, "raw-mode run", false)                                                                              \
        X(CALL_HYPERVISOR, "call hypervisor", false)                                                                   \
        X(PGM_ALLOCATE_HANDY_PAGES, "PGM allocate handy pages", false)                                                 \
        X(GMM_INITIAL_RESERVATION, "GMM initial reservation", false)                                                   \
        X(GMM_ALLOCATE_PAGES, "GMM allocate pages", false)                                                             \
        X(GMM_FREE_PAGES, "GMM free pages", false)                                                                     \
        X(GMM_MAP_UNMAP_CHUNK, "GMM map or unmap chunk", false)                                                        \
        X(GCFGM_SET_VALUE, "GCFGM set value", false)                                                                   \
        X(GCFGM_QUERY_VALUE, "GCFGM query value", false)

enum hwaccl_vmm_operation {
#define X(identifier, name, carried_out) HWACCL_VMM_##identifier,
        HWACCL_VMM_OPERATIONS(X)
#undef X
                HWACCL_VMM_OPERATION_COUNT
};

enum hwaccl_vmm_status {
        HWACCL_VMM_OK,
        HWACCL_VMM_INVALID_PARAMETER,  /* create VM: not exactly one virtual CPU */
        HWACCL_VMM_NO_STATE_PAGE,      /* create VM: monitor_state is absent, too small or cannot be mapped */
        HWACCL_VMM_NO_INTERRUPTS_PAGE, /* create VM: the same of monitor_interrupts */
        HWACCL_VMM_NOT_SUPPORTED,      /* no such operation here */
        HWACCL_VMM_NO_VM,              /* HM run before create VM */
        HWACCL_VMM_FAILED,             /* the run, the semaphore, or memory is short */
};

/* What VMMR0 init reports. */
struct hwaccl_vmm_features {
        bool svm_supported;
        bool vtx_supported;
        bool unrestricted_guest;
        uint64_t cr0_mask; /* bits that belong to the VMM */
        uint64_t cr4_mask;
};

/* Where the platform keeps the pages that the VMM shares with the side that runs the subject. */
struct hwaccl_vmm_platform {
        const struct hwaccl_subject_info *info;
        /* Returns where [address, address + size) of a memory region of @info is mapped, page aligned, or NULL. */
        void *(*map)(void *opaque, uint64_t address, uint64_t size);
        void *opaque;
        struct hwaccl_accel *accel;
        struct hwaccl_inputs *inputs;
        struct hwaccl_probe *probe; /* NULL: no recording */
        struct hwaccl_interrupt_source *source;
};

struct hwaccl_vmm {
        struct hwaccl_vmm_platform platform;
        struct hwaccl_vmm_features features;
        struct hwaccl_vcpu *vcpu; /* NULL: there is no VM */
        sem_t halted;
};

/* Each member is for the operation that it names; the rest may be zero. */
struct hwaccl_vmm_arguments {
        uint32_t cpu_count;                /* in, create VM */
        struct hwaccl_run_request request; /* in, HM run */
        enum hwaccl_verdict verdict;       /* out, HM run */
};

/** hwaccl_vmm_init - false with *error set when there is no semaphore to be had; else release with
 * hwaccl_vmm_destroy() */
bool hwaccl_vmm_init(struct hwaccl_vmm *vmm, const struct hwaccl_vmm_platform *platform, struct hwaccl_error *error);
void hwaccl_vmm_destroy(struct hwaccl_vmm *vmm);

/**
 * hwaccl_vmm_call - carry out an operation
 * @operation: enum hwaccl_vmm_operation, or any other number, which is an error that names it
 * @arguments: NULL where the operation takes none
 *
 * Sched halt blocks until a wake up, which may have come before it. Wake up and poke may be called from any thread.
 * Anything but HWACCL_VMM_OK sets *error.
 */
enum hwaccl_vmm_status hwaccl_vmm_call(struct hwaccl_vmm *vmm, unsigned operation,
                                       struct hwaccl_vmm_arguments *arguments, struct hwaccl_error *error);

/** hwaccl_vmm_check_cpu_count - false with *error set unless it is 1: the rule of GVMM create VM, for those who ask
 * before there is a VM */
bool hwaccl_vmm_check_cpu_count(uint64_t cpu_count, struct hwaccl_error *error);

/** hwaccl_vmm_operation_name - "HM run"; NULL for a number that is no operation */
const char *hwaccl_vmm_operation_name(unsigned operation);

#endif
