/* Processor state at a kernel's first instruction, as a boot loader leaves it. */
#include "core/machine/entry.h"

#include "core/exit/control_register.h"
#include "core/machine/loader/acpi_tables.h"
#include "core/machine/machine_internal.h"

#include <inttypes.h>

#define KIB               UINT64_C(1024)
#define ONE_MIB           UINT64_C(0x100000)
#define RAW_STACK_POINTER 0x7000u
#define CODE_32           0xc09bu /* present, execute/read, accessed, 32-bit, in pages */
#define CODE_64           0xa09bu /* the same, 64-bit */
#define DATA_FLAT         0xc093u /* present, read/write, accessed, 32-bit, in pages */
#define LIMIT_FLAT        0xffffffffu
#define SELECTOR_SIZE     8u
#define SELECTOR_NOT_GDT  7u /* RPL and the LDT's bit */
#define MTRR_ENABLED      UINT64_C(0x800)
#define MTRR_WRITE_BACK   UINT64_C(6)

static bool in_ram(uint64_t address, uint64_t size, uint64_t memory_size)
{
        return address < memory_size && size <= memory_size - address &&
               (address + size <= HWACCL_LOW_MEMORY_END || address >= HWACCL_HIGH_MEMORY_START);
}

static bool check_real(const struct hwaccl_machine_config *config, struct hwaccl_error *error)
{
        if (!config->firmware_size && !config->raw_count)
                return hwaccl_error_set(error, "nothing to run: expected firmware or a raw image");
        if (!config->firmware_size && config->raw[0].address >= ONE_MIB)
                return hwaccl_error_set(error,
                                        "a guest without firmware starts in real mode at its first raw image, which "
                                        "must be below 1 MiB, not at 0x%" PRIx64,
                                        config->raw[0].address);
        return true;
}

static bool check_selector(const struct hwaccl_entry_point *entry, const char *name, uint16_t selector,
                           struct hwaccl_error *error)
{
        if (entry->gdt_limit > UINT16_MAX)
                return hwaccl_error_set(error, "entry's GDT limit 0x%" PRIx32 " is above 0xffff", entry->gdt_limit);
        if (selector & SELECTOR_NOT_GDT)
                return hwaccl_error_set(error, "entry's %s selector 0x%x is not of the GDT and privilege level 0", name,
                                        selector);
        if (entry->gdt_limit && (!selector || selector + SELECTOR_SIZE - 1 > entry->gdt_limit))
                return hwaccl_error_set(error,
                                        "entry's %s selector 0x%x is not within the GDT, whose limit is 0x%" PRIx32,
                                        name, selector, entry->gdt_limit);
        return true;
}

bool hwaccl_machine_check_entry(const struct hwaccl_machine_config *config, struct hwaccl_error *error)
{
        const struct hwaccl_entry_point *entry = &config->entry;
        uint64_t memory_size = config->memory_size;

        if (entry->mode == HWACCL_ENTRY_REAL)
                return check_real(config, error);
        if (entry->mode != HWACCL_ENTRY_PROTECTED && entry->mode != HWACCL_ENTRY_LONG)
                return hwaccl_error_set(error, "entry mode %d is neither real, protected nor long", (int)entry->mode);
        if (config->firmware_size)
                return hwaccl_error_set(error, "a machine with firmware starts in it, not in a kernel");
        if (!in_ram(entry->rip, 1, memory_size))
                return hwaccl_error_set(error, "entry at 0x%" PRIx64 " is not within guest RAM", entry->rip);
        if (!check_selector(entry, "code", entry->code_selector, error) ||
            !check_selector(entry, "data", entry->data_selector, error))
                return false;
        if (entry->gdt_limit && !in_ram(entry->gdt_base, entry->gdt_limit + UINT64_C(1), memory_size))
                return hwaccl_error_set(error, "entry's GDT at 0x%" PRIx64 " is not within guest RAM", entry->gdt_base);
        if (entry->mode == HWACCL_ENTRY_LONG)
                return (entry->cr3 % HWACCL_PAGE_SIZE == 0 && in_ram(entry->cr3, HWACCL_PAGE_SIZE, memory_size)) ||
                       hwaccl_error_set(error, "entry's CR3 0x%" PRIx64 " is not a page within guest RAM", entry->cr3);
        if ((entry->rax | entry->rbx | entry->rsi | entry->rsp) > UINT32_MAX)
                return hwaccl_error_set(error, "entry in 32-bit mode with a register above 32 bits");
        return true;
}

/* Without firmware the processor starts in real mode at the first raw image, its stack below 7000h. Below 64 KiB the
 * code segment is 0, above it is the image's paragraph. */
static void enter_raw_image(const struct hwaccl_machine *machine, struct hwaccl_machine_context *context)
{
        uint64_t address = machine->config.raw[0].address;
        uint64_t segment = address < 64 * KIB ? 0 : address >> 4;

        context->segment[HWACCL_CS].selector = segment;
        context->segment[HWACCL_CS].base = segment << 4;
        context->rip = address - (segment << 4);
        context->gpr[HWACCL_RSP] = RAW_STACK_POINTER;
}

static void enter_kernel(struct hwaccl_machine *machine, struct hwaccl_machine_context *context)
{
        const struct hwaccl_entry_point *entry = &machine->config.entry;
        bool wide = entry->mode == HWACCL_ENTRY_LONG;

        for (unsigned i = 0; i < HWACCL_SEGMENT_REGISTER_COUNT; i++)
                context->segment[i] = (struct hwaccl_segment){entry->data_selector, 0, LIMIT_FLAT, DATA_FLAT};
        context->segment[HWACCL_CS] =
                (struct hwaccl_segment){entry->code_selector, 0, LIMIT_FLAT, wide ? CODE_64 : CODE_32};
        context->gdtr.base = entry->gdt_base;
        context->gdtr.limit = entry->gdt_limit;
        /* caches are on, as firmware leaves them */
        context->cr0 = HWACCL_CR0_PE | HWACCL_CR0_ET | (wide ? HWACCL_CR0_PG : 0);
        context->cr4 = wide ? HWACCL_CR4_PAE : 0;
        context->cr3 = wide ? entry->cr3 : 0;
        context->efer = wide ? HWACCL_EFER_LME | HWACCL_EFER_LMA : 0;
        context->rip = entry->rip;
        context->gpr[HWACCL_RAX] = entry->rax;
        context->gpr[HWACCL_RBX] = entry->rbx;
        context->gpr[HWACCL_RSI] = entry->rsi;
        context->gpr[HWACCL_RSP] = entry->rsp;
        machine->processor.mtrr_default = MTRR_ENABLED | MTRR_WRITE_BACK;
        hwaccl_pci_enable_power(&machine->pci, HWACCL_LOADER_ACPI_POWER_PORT);
}

void hwaccl_machine_enter(struct hwaccl_machine *machine, struct hwaccl_machine_context *context)
{
        if (machine->config.entry.mode != HWACCL_ENTRY_REAL)
                enter_kernel(machine, context);
        else if (!machine->config.firmware_size)
                enter_raw_image(machine, context);
        if (machine->config.kind == HWACCL_MACHINE_APIC && !machine->config.firmware_size)
                hwaccl_local_apic_enter_virtual_wire(&machine->local_apic);
}
