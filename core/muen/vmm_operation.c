#include "core/muen/vmm_operation.h"

#include "core/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct {
        const char *name;
        bool carried_out;
} operations[HWACCL_VMM_OPERATION_COUNT] = {
#define X(identifier, name, carried_out) {name, carried_out},
        HWACCL_VMM_OPERATIONS(X)
#undef X
};

const char *hwaccl_vmm_operation_name(unsigned operation)
{
        return operation < HWACCL_VMM_OPERATION_COUNT ? operations[operation].name : NULL;
}

bool hwaccl_vmm_init(struct hwaccl_vmm *vmm, const struct hwaccl_vmm_platform *platform, struct hwaccl_error *error)
{
        memset(vmm, 0, sizeof(*vmm));
        vmm->platform = *platform;
        if (sem_init(&vmm->halted, 0, 0))
                return hwaccl_error_set(error, "creating the semaphore of a halted CPU: %s", strerror(errno));
        return true;
}

static void destroy_vm(struct hwaccl_vmm *vmm)
{
        hwaccl_vcpu_destroy(vmm->vcpu);
        vmm->vcpu = NULL;
}

void hwaccl_vmm_destroy(struct hwaccl_vmm *vmm)
{
        destroy_vm(vmm);
        hwaccl_assert(sem_destroy(&vmm->halted) == 0);
}

static enum hwaccl_vmm_status init_features(struct hwaccl_vmm *vmm)
{
        vmm->features = (struct hwaccl_vmm_features){
                .svm_supported = false,
                .vtx_supported = true,
                .unrestricted_guest = true,
                .cr0_mask = HWACCL_CR0_MASK,
                .cr4_mask = HWACCL_CR4_MASK,
        };
        return HWACCL_VMM_OK;
}

static void *map_page(struct hwaccl_vmm *vmm, const char *name, size_t size, struct hwaccl_error *error)
{
        const struct hwaccl_subject_region *region = hwaccl_subject_info_find_region(vmm->platform.info, name);

        if (!region) {
                hwaccl_error_set(error, "subject info has no memory region %s", name);
                return NULL;
        }
        if (region->size < size) {
                hwaccl_error_set(error, "memory region %s has %" PRIu64 " bytes, %zu are needed", name, region->size,
                                 size);
                return NULL;
        }
        void *page = vmm->platform.map(vmm->platform.opaque, region->address, region->size);
        if (!page)
                hwaccl_error_set(error, "memory region %s at %" PRIx64 "h cannot be mapped", name, region->address);
        return page;
}

bool hwaccl_vmm_check_cpu_count(uint64_t cpu_count, struct hwaccl_error *error)
{
        return cpu_count == 1 || hwaccl_error_set(error, "a VM has exactly one virtual CPU, not %" PRIu64, cpu_count);
}

static enum hwaccl_vmm_status create_vm(struct hwaccl_vmm *vmm, const struct hwaccl_vmm_arguments *arguments,
                                        struct hwaccl_error *error)
{
        if (!hwaccl_vmm_check_cpu_count(arguments ? arguments->cpu_count : 0, error))
                return HWACCL_VMM_INVALID_PARAMETER;
        struct hwaccl_subject_state *state = map_page(vmm, "monitor_state", sizeof(*state), error);
        if (!state)
                return HWACCL_VMM_NO_STATE_PAGE;
        struct hwaccl_pending_interrupts *pending = map_page(vmm, "monitor_interrupts", sizeof(*pending), error);
        if (!pending)
                return HWACCL_VMM_NO_INTERRUPTS_PAGE;

        destroy_vm(vmm);
        vmm->vcpu = hwaccl_vcpu_create_shared(state, pending, vmm->platform.source, error);
        if (!vmm->vcpu)
                return HWACCL_VMM_FAILED;
        hwaccl_vcpu_attach(vmm->vcpu, vmm->platform.accel, vmm->platform.inputs, vmm->platform.probe);
        return HWACCL_VMM_OK;
}

static enum hwaccl_vmm_status run(struct hwaccl_vmm *vmm, struct hwaccl_vmm_arguments *arguments,
                                  struct hwaccl_error *error)
{
        hwaccl_assert(arguments);
        if (!vmm->vcpu) {
                hwaccl_error_set(error, "there is no VM to run");
                return HWACCL_VMM_NO_VM;
        }
        if (!hwaccl_vcpu_trip(vmm->vcpu, &arguments->request, &arguments->verdict, error))
                return HWACCL_VMM_FAILED;
        return HWACCL_VMM_OK;
}

static enum hwaccl_vmm_status halt(struct hwaccl_vmm *vmm, struct hwaccl_error *error)
{
        while (sem_wait(&vmm->halted)) {
                if (errno != EINTR) {
                        hwaccl_error_set(error, "waiting for a wake up: %s", strerror(errno));
                        return HWACCL_VMM_FAILED;
                }
        }
        return HWACCL_VMM_OK;
}

static enum hwaccl_vmm_status wake_up(struct hwaccl_vmm *vmm, struct hwaccl_error *error)
{
        if (sem_post(&vmm->halted)) {
                hwaccl_error_set(error, "waking the halted CPU: %s", strerror(errno));
                return HWACCL_VMM_FAILED;
        }
        return HWACCL_VMM_OK;
}

static enum hwaccl_vmm_status carry_out(struct hwaccl_vmm *vmm, unsigned operation,
                                        struct hwaccl_vmm_arguments *arguments, struct hwaccl_error *error)
{
        switch (operation) {
        case HWACCL_VMM_VMMR0_INIT: return init_features(vmm);
        case HWACCL_VMM_GVMM_CREATE_VM: return create_vm(vmm, arguments, error);
        case HWACCL_VMM_GVMM_DESTROY_VM: destroy_vm(vmm); return HWACCL_VMM_OK;
        case HWACCL_VMM_GVMM_SCHED_HALT: return halt(vmm, error);
        case HWACCL_VMM_GVMM_SCHED_WAKE_UP: return wake_up(vmm, error);
        case HWACCL_VMM_GVMM_SCHED_POKE: vmm->platform.accel->ops->kick(vmm->platform.accel); return HWACCL_VMM_OK;
        case HWACCL_VMM_HM_RUN: return run(vmm, arguments, error);
        default: return HWACCL_VMM_OK; /* the separation kernel has done it already */
        }
}

enum hwaccl_vmm_status hwaccl_vmm_call(struct hwaccl_vmm *vmm, unsigned operation,
                                       struct hwaccl_vmm_arguments *arguments, struct hwaccl_error *error)
{
        const char *name = hwaccl_vmm_operation_name(operation);

        if (!name) {
                hwaccl_error_set(error, "VMM operation %u is unknown", operation);
                return HWACCL_VMM_NOT_SUPPORTED;
        }
        if (!operations[operation].carried_out) {
                hwaccl_error_set(error, "VMM operation %u (%s) is not supported", operation, name);
                return HWACCL_VMM_NOT_SUPPORTED;
        }
        enum hwaccl_vmm_status status = carry_out(vmm, operation, arguments, error);
        if (status != HWACCL_VMM_OK)
                hwaccl_error_prefix(error, "VMM operation %s", name);
        return status;
}
