#include "core/exit/dispatch.h"
#include "core/exit/emulate/emulator.h"
#include "core/irq/irq_handoff.h"
#include "core/loop/vcpu_internal.h"
#include "core/machine/board/board.h"
#include "core/machine/machine.h"
#include "core/subject/transfer.h"

#include <stdlib.h>
#include <string.h>

void hwaccl_vcpu_init(struct hwaccl_vcpu *vcpu, struct hwaccl_subject_state *state,
                      struct hwaccl_pending_interrupts *pending, struct hwaccl_interrupt_source *source)
{
        memset(vcpu, 0, sizeof(*vcpu));
        hwaccl_machine_context_reset(&vcpu->context);
        hwaccl_trap_manager_init(&vcpu->traps, source);
        hwaccl_host_init(&vcpu->host, NULL, NULL, NULL);
        vcpu->state = state ? state : &vcpu->own_state;
        vcpu->pending = pending ? pending : &vcpu->own_pending;
}

static struct hwaccl_vcpu *allocate(struct hwaccl_error *error)
{
        struct hwaccl_vcpu *vcpu = aligned_alloc(_Alignof(struct hwaccl_vcpu), sizeof(*vcpu));
        if (!vcpu)
                hwaccl_error_set(error, "out of memory");
        return vcpu;
}

struct hwaccl_vcpu *hwaccl_vcpu_create(struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        struct hwaccl_vcpu *vcpu = allocate(error);
        if (!vcpu)
                return NULL;
        hwaccl_vcpu_init(vcpu, NULL, NULL, NULL);
        vcpu->machine = machine;
        vcpu->board = hwaccl_machine_board(machine);
        vcpu->host.memory = hwaccl_machine_memory(machine);
        hwaccl_machine_connect(machine, &vcpu->host, &vcpu->context, &vcpu->traps);
        vcpu->emulator =
                hwaccl_emulator_create(&vcpu->host, &vcpu->board->bus, hwaccl_machine_processor(machine), error);
        if (!vcpu->emulator) {
                hwaccl_vcpu_destroy(vcpu);
                return NULL;
        }
        return vcpu;
}

struct hwaccl_vcpu *hwaccl_vcpu_create_shared(struct hwaccl_subject_state *state,
                                              struct hwaccl_pending_interrupts *pending,
                                              struct hwaccl_interrupt_source *source, struct hwaccl_error *error)
{
        struct hwaccl_vcpu *vcpu = allocate(error);
        if (vcpu)
                hwaccl_vcpu_init(vcpu, state, pending, source);
        return vcpu;
}

void hwaccl_vcpu_destroy(struct hwaccl_vcpu *vcpu)
{
        if (!vcpu)
                return;
        hwaccl_emulator_destroy(vcpu->emulator);
        free(vcpu);
}

static void tell_accelerator(void *opaque, uint64_t address, uint64_t size)
{
        struct hwaccl_accel *accel = opaque;
        accel->ops->memory_written(accel, address, size);
}

static bool read_floating_point(void *opaque, struct hwaccl_floating_point *state, struct hwaccl_error *error)
{
        struct hwaccl_accel *accel = opaque;
        return accel->ops->floating_point_read(accel, state, error);
}

static bool write_floating_point(void *opaque, const struct hwaccl_floating_point *state, struct hwaccl_error *error)
{
        struct hwaccl_accel *accel = opaque;
        return accel->ops->floating_point_write(accel, state, error);
}

void hwaccl_vcpu_attach(struct hwaccl_vcpu *vcpu, struct hwaccl_accel *accel, struct hwaccl_inputs *inputs,
                        struct hwaccl_probe *probe)
{
        vcpu->accel = accel;
        vcpu->host.inputs = inputs;
        vcpu->host.probe = probe;
        vcpu->host.memory_written = accel && accel->ops->memory_written ? tell_accelerator : NULL;
        vcpu->host.memory_written_opaque = accel;
        vcpu->host.floating_point_read = accel && accel->ops->floating_point_read ? read_floating_point : NULL;
        vcpu->host.floating_point_write = accel && accel->ops->floating_point_write ? write_floating_point : NULL;
        vcpu->host.floating_point_opaque = accel;
}

void hwaccl_vcpu_attach_console(struct hwaccl_vcpu *vcpu,
                                void (*console)(void *opaque, enum hwaccl_channel channel, const void *data,
                                                size_t size),
                                void *opaque)
{
        vcpu->host.console = console;
        vcpu->host.console_opaque = opaque;
}

/* Everything from the machine context to the VM entry. */
static bool enter(struct hwaccl_vcpu *vcpu, struct hwaccl_probe *probe, struct hwaccl_irq_offer *offer,
                  struct hwaccl_error *error)
{
        if (!hwaccl_transfer_in(&vcpu->context, vcpu->state, error))
                return false;
        if (probe)
                probe->ops->transfer_in(probe, vcpu->state);

        if (!hwaccl_irq_offer(&vcpu->traps, vcpu->state, vcpu->pending, offer, error))
                return false;
        if (probe && offer->made)
                probe->ops->irq_offer(probe, offer->vector);
        return true;
}

static void reclaim(struct hwaccl_vcpu *vcpu, struct hwaccl_probe *probe, const struct hwaccl_irq_offer *offer)
{
        if (!offer->made)
                return;
        bool taken = hwaccl_irq_reclaim(&vcpu->traps, vcpu->pending, offer);
        if (probe)
                probe->ops->irq_reclaim(probe, offer->vector, taken);
}

bool hwaccl_vcpu_trip(struct hwaccl_vcpu *vcpu, const struct hwaccl_run_request *request, enum hwaccl_verdict *verdict,
                      struct hwaccl_error *error)
{
        struct hwaccl_probe *probe = vcpu->host.probe;
        struct hwaccl_irq_offer offer;

        if (!enter(vcpu, probe, &offer, error))
                return false;

        if (probe)
                hwaccl_probe_entry(probe);
        if (!vcpu->accel->ops->run(vcpu->accel, vcpu->state, vcpu->pending, request, error))
                return false;
        if (probe)
                probe->ops->exit(probe, vcpu->state, vcpu->pending);
        hwaccl_host_sample_clock(&vcpu->host);

        *verdict = hwaccl_exit_dispatch(vcpu->state, &vcpu->context);
        if (probe)
                probe->ops->verdict(probe, *verdict);

        /* A rejected state never ran: the context is still that state. */
        bool left = *verdict == HWACCL_VERDICT_ENTRY_FAILURE || hwaccl_transfer_out(vcpu->state, &vcpu->context, error);
        reclaim(vcpu, probe, &offer);
        if (vcpu->recompiler_flush)
                vcpu->recompiler_flush(vcpu->recompiler);
        vcpu->exit_count++;
        if (!left)
                return hwaccl_error_prefix(error, "%s violated the subject-state ABI", vcpu->accel->ops->name);
        if (vcpu->host.failed)
                return hwaccl_error_set(error, "%s", vcpu->host.error.message);
        return true;
}

uint64_t hwaccl_vcpu_exit_count(const struct hwaccl_vcpu *vcpu)
{
        return vcpu->exit_count;
}

uint64_t hwaccl_vcpu_clock(const struct hwaccl_vcpu *vcpu)
{
        return hwaccl_host_clock(&vcpu->host);
}

const struct hwaccl_subject_state *hwaccl_vcpu_state(const struct hwaccl_vcpu *vcpu)
{
        return vcpu->state;
}

bool hwaccl_vcpu_host_failed(const struct hwaccl_vcpu *vcpu)
{
        return vcpu->host.failed;
}

bool hwaccl_vcpu_load_state(struct hwaccl_vcpu *vcpu, const struct hwaccl_subject_state *state,
                            struct hwaccl_error *error)
{
        *vcpu->state = *state;
        for (size_t i = 0; i < HWACCL_VECTOR_COUNT / 64; i++)
                vcpu->pending->bits[i] = 0;
        return hwaccl_transfer_out(vcpu->state, &vcpu->context, error);
}

void hwaccl_vcpu_resume(struct hwaccl_vcpu *vcpu)
{
        hwaccl_machine_resume(vcpu->machine);
        vcpu->host.failed = false;
}
