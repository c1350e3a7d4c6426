/* The processor's own state as a device, saved at keyframes. */
#include "core/machine/cpu/processor.h"

#include "core/exit/control_register.h"
#include "core/machine/cpu/msr.h"

#include <inttypes.h>
#include <string.h>

#define FIELD(member) HWACCL_DEVICE_FIELD(struct hwaccl_processor, member)

static const struct hwaccl_device_field fields[] = {
        FIELD(tsc_offset),
        FIELD(dr[0]),
        FIELD(dr[1]),
        FIELD(dr[2]),
        FIELD(dr[3]),
        FIELD(dr6),
        FIELD(dr7),
        FIELD(apic_base),
        FIELD(misc_enable),
        FIELD(pat),
        FIELD(tsc_aux),
        FIELD(star),
        FIELD(lstar),
        FIELD(cstar),
        FIELD(sfmask),
        FIELD(kernel_gs_base),
        FIELD(mtrr_default),
        FIELD(mtrr_fixed),
        FIELD(mtrr_variable),
        FIELD(halted),
        FIELD(interrupts_inhibited),
        FIELD(trap_active),
        FIELD(trap_vector),
        FIELD(inhibited_rip),
        FIELD(cr8),
};

static struct hwaccl_processor *processor_of(struct hwaccl_device *device)
{
        return (struct hwaccl_processor *)device;
}

static void saving(struct hwaccl_device *device)
{
        struct hwaccl_processor *processor = processor_of(device);
        const struct hwaccl_machine_context *context = processor->context;
        const struct hwaccl_trap_manager *traps = processor->traps;

        processor->interrupts_inhibited = context->interrupts_inhibited ? (context->ss_loaded ? 2 : 1) : 0;
        processor->inhibited_rip = context->interrupts_inhibited ? context->inhibited_rip : 0;
        processor->cr8 = context->cr8;
        processor->trap_active = traps->active;
        processor->trap_vector = traps->active ? traps->vector : 0;
}

static bool refuse(struct hwaccl_error *error, const char *field, uint64_t value)
{
        return hwaccl_error_set(error, "invalid %s: 0x%" PRIx64, field, value);
}

static bool valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_processor *processor = (const struct hwaccl_processor *)(const void *)device;

        if (processor->halted > 1)
                return refuse(error, "halted", processor->halted);
        if (processor->interrupts_inhibited > 2)
                return refuse(error, "interrupts_inhibited", processor->interrupts_inhibited);
        if (processor->trap_active > 1)
                return refuse(error, "trap_active", processor->trap_active);
        if (processor->cr8 > 15)
                return refuse(error, "cr8", processor->cr8);
        if (processor->dr6 > UINT32_MAX)
                return refuse(error, "dr6", processor->dr6);
        if (processor->dr7 > UINT32_MAX)
                return refuse(error, "dr7", processor->dr7);
        if (!hwaccl_processor_apic_base_possible(processor, processor->apic_base))
                return refuse(error, "apic_base", processor->apic_base);
        return hwaccl_processor_msr_valid(processor, error);
}

static void restored(struct hwaccl_device *device)
{
        struct hwaccl_processor *processor = processor_of(device);

        processor->context->interrupts_inhibited = processor->interrupts_inhibited;
        processor->context->ss_loaded = processor->interrupts_inhibited == 2;
        processor->context->inhibited_rip = processor->inhibited_rip;
        processor->context->cr8 = processor->cr8;
        processor->traps->active = processor->trap_active;
        processor->traps->vector = processor->trap_vector;
        if (processor->apic)
                processor->apic->restored(processor->apic);
}

static const struct hwaccl_device_ops ops = {
        .name = "processor",
        .fields = fields,
        .field_count = sizeof(fields) / sizeof(fields[0]),
        .saving = saving,
        .size = sizeof(struct hwaccl_processor),
        .valid = valid,
        .restored = restored,
};

void hwaccl_processor_init(struct hwaccl_processor *processor, struct hwaccl_board *board, uint64_t tsc_khz)
{
        memset(processor, 0, sizeof(*processor));
        processor->device.ops = &ops;
        if (board)
                hwaccl_board_add_device(board, &processor->device, &ops);
        processor->tsc_khz = tsc_khz;
        processor->dr6 = HWACCL_DR6_FIXED;
        processor->dr7 = HWACCL_DR7_FIXED;
        hwaccl_processor_msr_reset(processor);
}

void hwaccl_processor_take_init(struct hwaccl_processor *processor)
{
        const uint64_t cache = HWACCL_CR0_CD | HWACCL_CR0_NW;
        struct hwaccl_machine_context *context = processor->context;
        const struct hwaccl_machine_context before = *context;

        hwaccl_machine_context_reset(context);
        context->cr0 = (context->cr0 & ~cache) | (before.cr0 & cache);
        context->sysenter_cs = before.sysenter_cs;
        context->sysenter_esp = before.sysenter_esp;
        context->sysenter_eip = before.sysenter_eip;
        context->changed = UINT32_MAX;
        memset(processor->dr, 0, sizeof(processor->dr));
        processor->dr6 = HWACCL_DR6_FIXED;
        processor->dr7 = HWACCL_DR7_FIXED;
}

void hwaccl_processor_connect(struct hwaccl_processor *processor, struct hwaccl_machine_context *context,
                              struct hwaccl_trap_manager *traps, struct hwaccl_host *host)
{
        processor->context = context;
        processor->traps = traps;
        processor->host = host;
}
