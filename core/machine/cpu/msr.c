/*
 * MSRs (SDM 4). Registers that are plain storage with a rule for what may be written are rows of a
 * table; those that live in the machine context or are computed have cases of their own.
 */
#include "core/machine/cpu/msr.h"

#include "core/exit/cpu_features.h"
#include "core/exit/registers.h"

#include <inttypes.h>

enum index {
        IA32_P5_MC_ADDR = 0,
        IA32_P5_MC_TYPE = 1,
        IA32_TSC = 0x10,
        IA32_PLATFORM_ID = 0x17,
        IA32_APIC_BASE = 0x1b,
        IA32_BIOS_SIGN_ID = 0x8b,
        IA32_MTRRCAP = 0xfe,
        IA32_SYSENTER_CS = 0x174,
        IA32_SYSENTER_ESP = 0x175,
        IA32_SYSENTER_EIP = 0x176,
        IA32_MCG_CAP = 0x179,
        IA32_MCG_STATUS = 0x17a,
        IA32_MISC_ENABLE = 0x1a0,
        IA32_DEBUGCTL = 0x1d9,
        IA32_MTRR_PHYSBASE0 = 0x200,
        IA32_MTRR_FIX64K_00000 = 0x250,
        IA32_MTRR_FIX16K_80000 = 0x258,
        IA32_MTRR_FIX16K_A0000 = 0x259,
        IA32_MTRR_FIX4K_C0000 = 0x268,
        IA32_PAT = 0x277,
        IA32_MTRR_DEF_TYPE = 0x2ff,
        IA32_TSC_DEADLINE = 0x6e0,
        X2APIC_FIRST = 0x800,
        X2APIC_LAST = 0x8ff,
};

#define IA32_EFER           UINT32_C(0xc0000080)
#define IA32_STAR           UINT32_C(0xc0000081)
#define IA32_LSTAR          UINT32_C(0xc0000082)
#define IA32_CSTAR          UINT32_C(0xc0000083)
#define IA32_FMASK          UINT32_C(0xc0000084)
#define IA32_FS_BASE        UINT32_C(0xc0000100)
#define IA32_GS_BASE        UINT32_C(0xc0000101)
#define IA32_KERNEL_GS_BASE UINT32_C(0xc0000102)
#define IA32_TSC_AUX        UINT32_C(0xc0000103)

#define MTRRCAP_WC    UINT64_C(0x400)
#define MTRRCAP_FIXED UINT64_C(0x100)

/* Performance monitoring available, BTS and PEBS unavailable: reads as 0, writes do not matter. */
#define MISC_ENABLE_READ_ONLY UINT64_C(0x1880)

#define PHYSICAL_MASK ((UINT64_C(1) << HWACCL_PHYSICAL_ADDRESS_BITS) - 1)

/* MTRR memory types: UC, WC, WT, WP, WB; the PAT has UC- (7) too. */
#define MTRR_TYPES 0x73u
#define PAT_TYPES  0xf3u

static bool any_value(uint64_t value)
{
        (void)value;
        return true;
}

static bool low_half(uint64_t value)
{
        return value <= UINT32_MAX;
}

static bool every_byte_in(uint64_t value, unsigned types)
{
        for (unsigned i = 0; i < 8; i++, value >>= 8)
                if ((value & 0xff) > 7 || !(types & (1u << (value & 7))))
                        return false;
        return true;
}

static bool mtrr_types(uint64_t value)
{
        return every_byte_in(value, MTRR_TYPES);
}

static bool pat_types(uint64_t value)
{
        return every_byte_in(value, PAT_TYPES);
}

static bool mtrr_type_in_low_byte(uint64_t value, uint64_t flags)
{
        uint64_t type = value & 0xff;

        return type <= 7 && (MTRR_TYPES & (1u << type)) && !(value & ~(flags | 0xff));
}

static bool mtrr_default(uint64_t value)
{
        return mtrr_type_in_low_byte(value, 0xc00);
}

static bool mtrr_base(uint64_t value)
{
        return mtrr_type_in_low_byte(value, PHYSICAL_MASK & ~UINT64_C(0xfff));
}

static bool mtrr_mask(uint64_t value)
{
        return !(value & ~(PHYSICAL_MASK & ~UINT64_C(0x7ff)));
}

/* Without a local APIC to enable, only the base address and the bootstrap-processor flag exist. */
bool hwaccl_processor_apic_base_possible(const struct hwaccl_processor *processor, uint64_t value)
{
        const uint64_t mode = HWACCL_APIC_BASE_ENABLED | HWACCL_APIC_BASE_EXTENDED;
        uint64_t allowed = (PHYSICAL_MASK & ~UINT64_C(0xfff)) | HWACCL_APIC_BASE_BSP | (processor->apic ? mode : 0);

        return !(value & ~allowed) && (value & mode) != HWACCL_APIC_BASE_EXTENDED;
}

static bool is_apic_msr(const struct hwaccl_processor *processor, uint32_t index)
{
        return processor->apic && (index == IA32_TSC_DEADLINE || (index >= X2APIC_FIRST && index <= X2APIC_LAST));
}

/* Of a keyframe: earlier versions took any low half. */
static bool misc_enable(uint64_t value)
{
        return !(value & ~(UINT32_MAX | HWACCL_MISC_ENABLE_DEFINED));
}

/* Plain storage. */
struct stored {
        const char *name;
        uint32_t index;
        uint16_t offset; /* in struct hwaccl_processor */
        uint16_t count;  /* consecutive registers and array elements */
        bool (*valid)(uint64_t value);
        uint64_t reset;
};

#define STORED(index, member, count, valid, reset)                                                                     \
        {                                                                                                              \
#member, index, (uint16_t)offsetof(struct hwaccl_processor, member), count, valid, reset               \
        }

static const struct stored stored[] = {
        STORED(IA32_APIC_BASE, apic_base, 1, any_value, 0xfee00100),
        STORED(IA32_MISC_ENABLE, misc_enable, 1, misc_enable, 1), /* fast string operation */
        STORED(IA32_PAT, pat, 1, pat_types, UINT64_C(0x0007040600070406)),
        STORED(IA32_TSC_AUX, tsc_aux, 1, low_half, 0),
        STORED(IA32_STAR, star, 1, any_value, 0),
        STORED(IA32_LSTAR, lstar, 1, address_is_canonical, 0),
        STORED(IA32_CSTAR, cstar, 1, address_is_canonical, 0),
        STORED(IA32_FMASK, sfmask, 1, low_half, 0),
        STORED(IA32_KERNEL_GS_BASE, kernel_gs_base, 1, address_is_canonical, 0),
        STORED(IA32_MTRR_DEF_TYPE, mtrr_default, 1, mtrr_default, 0),
        STORED(IA32_MTRR_FIX64K_00000, mtrr_fixed[0], 1, mtrr_types, 0),
        STORED(IA32_MTRR_FIX16K_80000, mtrr_fixed[1], 2, mtrr_types, 0),
        STORED(IA32_MTRR_FIX4K_C0000, mtrr_fixed[3], 8, mtrr_types, 0),
};

#define STORED_COUNT (sizeof(stored) / sizeof(stored[0]))

static uint64_t *place_of(const struct hwaccl_processor *processor, const struct stored *row, uint32_t index)
{
        return (uint64_t *)((uintptr_t)processor + row->offset) + (index - row->index);
}

static const struct stored *find(uint32_t index)
{
        for (size_t i = 0; i < STORED_COUNT; i++)
                if (index >= stored[i].index && index - stored[i].index < stored[i].count)
                        return &stored[i];
        return NULL;
}

static bool is_variable_mtrr(uint32_t index)
{
        return index >= IA32_MTRR_PHYSBASE0 && index < IA32_MTRR_PHYSBASE0 + 2 * HWACCL_MTRR_VARIABLE_COUNT;
}

void hwaccl_processor_msr_reset(struct hwaccl_processor *processor)
{
        for (size_t i = 0; i < STORED_COUNT; i++)
                for (uint32_t j = 0; j < stored[i].count; j++)
                        *place_of(processor, &stored[i], stored[i].index + j) = stored[i].reset;
}

bool hwaccl_processor_msr_valid(const struct hwaccl_processor *processor, struct hwaccl_error *error)
{
        for (size_t i = 0; i < STORED_COUNT; i++)
                for (uint32_t j = 0; j < stored[i].count; j++) {
                        uint64_t value = *place_of(processor, &stored[i], stored[i].index + j);
                        if (!stored[i].valid(value))
                                return hwaccl_error_set(error, "invalid %s: 0x%" PRIx64, stored[i].name, value);
                }
        for (unsigned i = 0; i < 2 * HWACCL_MTRR_VARIABLE_COUNT; i++) {
                uint64_t value = processor->mtrr_variable[i];
                if (!(i % 2 ? mtrr_mask(value) : mtrr_base(value)))
                        return hwaccl_error_set(error, "invalid mtrr_variable[%u]: 0x%" PRIx64, i, value);
        }
        return true;
}

bool hwaccl_processor_rdmsr(struct hwaccl_processor *processor, uint32_t index, uint64_t *value)
{
        const struct hwaccl_machine_context *context = processor->context;

        switch (index) {
        case IA32_TSC: *value = hwaccl_processor_tsc(processor); return true;
        case IA32_PLATFORM_ID:
        case IA32_BIOS_SIGN_ID:
        case IA32_DEBUGCTL: *value = 0; return true;
        case IA32_P5_MC_ADDR:
        case IA32_P5_MC_TYPE:
        case IA32_MCG_CAP: /* no banks */
        case IA32_MCG_STATUS: *value = 0; return hwaccl_processor_has_machine_check(processor);
        case IA32_MTRRCAP: *value = HWACCL_MTRR_VARIABLE_COUNT | MTRRCAP_FIXED | MTRRCAP_WC; return true;
        case IA32_SYSENTER_CS: *value = context->sysenter_cs; return true;
        case IA32_SYSENTER_ESP: *value = context->sysenter_esp; return true;
        case IA32_SYSENTER_EIP: *value = context->sysenter_eip; return true;
        case IA32_EFER: *value = context->efer; return true;
        case IA32_FS_BASE: *value = context->segment[HWACCL_FS].base; return true;
        case IA32_GS_BASE: *value = context->segment[HWACCL_GS].base; return true;
        default: break;
        }
        if (is_apic_msr(processor, index))
                return processor->apic->rdmsr(processor->apic, index, value);
        if (is_variable_mtrr(index)) {
                *value = processor->mtrr_variable[index - IA32_MTRR_PHYSBASE0];
                return true;
        }
        const struct stored *row = find(index);
        if (!row)
                return false;
        *value = *place_of(processor, row, index);
        return true;
}

static bool write_efer(const struct hwaccl_processor *processor, uint64_t value)
{
        struct hwaccl_machine_context *context = processor->context;
        uint64_t defined = HWACCL_EFER_DEFINED;

        if (processor->misc_enable & HWACCL_MISC_ENABLE_XD_DISABLE)
                defined &= ~HWACCL_EFER_NXE;
        if (value & ~defined)
                return false;
        if ((context->cr0 & HWACCL_CR0_PG) && ((value ^ context->efer) & HWACCL_EFER_LME))
                return false;
        context->efer = (value & ~HWACCL_EFER_LMA) | (context->efer & HWACCL_EFER_LMA); /* the processor's own flag */
        return true;
}

/* CPUID and IA32_EFER lose NX with it. */
static bool write_misc_enable(struct hwaccl_processor *processor, uint64_t value)
{
        uint64_t defined = HWACCL_MISC_ENABLE_DEFINED;

        if (!hwaccl_processor_has_machine_check(processor))
                defined &= ~HWACCL_MISC_ENABLE_IDLE;
        value &= ~MISC_ENABLE_READ_ONLY;
        if (value & ~defined)
                return false;
        processor->misc_enable = value;
        if (value & HWACCL_MISC_ENABLE_XD_DISABLE)
                processor->context->efer &= ~HWACCL_EFER_NXE;
        return true;
}

static bool write_sysenter(struct hwaccl_machine_context *context, uint64_t *place, uint64_t value)
{
        *place = value;
        context->changed |= HWACCL_CHANGED_SYSENTER;
        return true;
}

static bool write_base(struct hwaccl_machine_context *context, enum hwaccl_segment_register segment, uint64_t value)
{
        if (!address_is_canonical(value))
                return false;
        context->segment[segment].base = value;
        context->changed |= HWACCL_CHANGED_HIDDEN_SELECTORS;
        return true;
}

bool hwaccl_processor_wrmsr(struct hwaccl_processor *processor, uint32_t index, uint64_t value)
{
        struct hwaccl_machine_context *context = processor->context;

        switch (index) {
        case IA32_TSC:
                processor->tsc_offset += value - hwaccl_processor_tsc(processor);
                if (processor->apic) /* its timer may compare with it */
                        hwaccl_board_deadline_changed(processor->device.board);
                return true;
        case IA32_APIC_BASE:
                if (!hwaccl_processor_apic_base_possible(processor, value))
                        return false;
                if (processor->apic)
                        return processor->apic->wrmsr(processor->apic, index, value);
                break;
        case IA32_BIOS_SIGN_ID: return true; /* software clears it before it asks for the microcode's revision */
        case IA32_DEBUGCTL: return value == 0;
        case IA32_P5_MC_ADDR:
        case IA32_P5_MC_TYPE:
        case IA32_MCG_STATUS: return hwaccl_processor_has_machine_check(processor) && value == 0;
        case IA32_SYSENTER_CS: return write_sysenter(context, &context->sysenter_cs, value & UINT32_MAX);
        case IA32_SYSENTER_ESP:
                return address_is_canonical(value) && write_sysenter(context, &context->sysenter_esp, value);
        case IA32_SYSENTER_EIP:
                return address_is_canonical(value) && write_sysenter(context, &context->sysenter_eip, value);
        case IA32_EFER: return write_efer(processor, value);
        case IA32_MISC_ENABLE: return write_misc_enable(processor, value);
        case IA32_FS_BASE: return write_base(context, HWACCL_FS, value);
        case IA32_GS_BASE: return write_base(context, HWACCL_GS, value);
        default: break;
        }
        if (is_apic_msr(processor, index))
                return processor->apic->wrmsr(processor->apic, index, value);
        if (is_variable_mtrr(index)) {
                if (!(index % 2 ? mtrr_mask(value) : mtrr_base(value)))
                        return false;
                processor->mtrr_variable[index - IA32_MTRR_PHYSBASE0] = value;
                return true;
        }
        const struct stored *row = find(index);
        if (!row || !row->valid(value))
                return false;
        *place_of(processor, row, index) = value;
        return true;
}
