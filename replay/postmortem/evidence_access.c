/* What an exit accessed. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/words/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Exit qualification of an I/O instruction (SDM 3C, table 28-5), of an EPT violation (28-7), of an APIC access (28-6).
 */
#define IO_SIZE    UINT64_C(7)
#define IO_IN      UINT64_C(8)
#define IO_STRING  UINT64_C(16)
#define EPT_WRITE  UINT64_C(2)
#define EPT_FETCH  UINT64_C(4)
#define APIC_PAGE  UINT64_C(0xfee00000)
#define APIC_WRITE UINT64_C(0x1000)

uint64_t evidence_reason(const struct evidence_exit *exit)
{
        if (!hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_exit_reason))
                return UINT64_MAX;
        return exit->exit.exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
}

bool evidence_of_host(const struct evidence_exit *exit)
{
        switch (evidence_reason(exit)) {
        case HWACCL_EXIT_EXTERNAL_INTERRUPT:
        case HWACCL_EXIT_PREEMPTION_TIMER:
        case HWACCL_EXIT_INTERRUPT_WINDOW:
        case HWACCL_EXIT_NMI_WINDOW: return true;
        default: return false;
        }
}

/* Where the state after the handling is unknown, as with VMMs that record the registers at exits only, it says nothing.
 */
static const struct hwaccl_subject_state *after(const struct hwaccl_evidence *evidence, size_t index)
{
        if (index + 1 >= evidence->exit_count)
                return evidence->state_known ? &evidence->state : NULL;
        const struct evidence_exit *next = &evidence->exits[index + 1];
        return hwaccl_known_fields_has(&next->entry_known, HWACCL_FIELD_INDEX_rax) ? &next->entry : NULL;
}

static uint64_t low_bytes(uint64_t value, unsigned size)
{
        return size >= 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

/* What was recorded of the access itself. */
static bool take_data(const struct evidence_exit *exit, struct evidence_access *access)
{
        if (exit->data_size < 1 || exit->data_size > sizeof(exit->data))
                return false;
        access->size = exit->data_size;
        access->value = exit->data;
        access->value_known = true;
        return true;
}

static void port_access(const struct hwaccl_evidence *evidence, size_t index, struct evidence_access *access)
{
        const struct evidence_exit *exit = &evidence->exits[index];
        uint64_t qualification = exit->exit.exit_qualification;
        const struct hwaccl_subject_state *next = after(evidence, index);

        access->kind = ACCESS_PORT;
        access->write = !(qualification & IO_IN);
        access->string = (qualification & IO_STRING) != 0;
        access->size = (unsigned)(qualification & IO_SIZE) + 1;
        access->address = qualification >> 16 & 0xffff;
        if (access->string || take_data(exit, access))
                return;
        access->value_known =
                access->write || (next && exit->outcome_known && exit->outcome == HWACCL_OUTCOME_COMPLETED);
        if (access->value_known)
                access->value = low_bytes(access->write ? exit->exit.rax : next->rax, access->size);
}

/* A MOV between a register and memory: what was moved. Of other instructions only the place is known. */
static void moved_value(const struct hwaccl_evidence *evidence, size_t index, struct evidence_access *access)
{
        const struct evidence_exit *exit = &evidence->exits[index];
        const struct hwaccl_subject_state *state = access->write ? &exit->exit : after(evidence, index);
        char text[96];

        evidence_instruction(exit, text, sizeof(text));
        if (!state || strncmp(text, "mov ", 4) != 0)
                return;
        const char *comma = strchr(text, ',');
        if (!comma)
                return;
        const char *operand = access->write ? comma + 2 : text + 4;
        size_t length = access->write ? strlen(operand) : (size_t)(comma - operand);
        access->value_known = hwaccl_register_value(state, operand, length, &access->value, &access->size);
}

static void memory_access(const struct hwaccl_evidence *evidence, size_t index, bool apic,
                          struct evidence_access *access)
{
        const struct hwaccl_subject_state *exit = &evidence->exits[index].exit;
        uint64_t qualification = exit->exit_qualification;

        access->kind = ACCESS_MEMORY;
        if (apic) {
                access->address = APIC_PAGE | (qualification & 0xfff);
                access->write = (qualification & 0xf000) == APIC_WRITE;
        } else {
                access->address = exit->guest_physical_address;
                access->write = (qualification & EPT_WRITE) != 0;
                access->fetch = (qualification & EPT_FETCH) != 0;
        }
        if (!access->fetch && !take_data(&evidence->exits[index], access))
                moved_value(evidence, index, access);
}

static void msr_access(const struct hwaccl_evidence *evidence, size_t index, bool write, struct evidence_access *access)
{
        const struct hwaccl_subject_state *state = write ? &evidence->exits[index].exit : after(evidence, index);

        access->kind = ACCESS_MSR;
        access->write = write;
        access->size = 8;
        access->address = evidence->exits[index].exit.rcx & UINT32_MAX;
        access->value_known = state != NULL;
        if (state)
                access->value = state->rdx << 32 | (state->rax & UINT32_MAX);
}

struct evidence_access evidence_access(const struct hwaccl_evidence *evidence, size_t index)
{
        struct evidence_access access = {.kind = ACCESS_NONE};
        const struct evidence_exit *exit = &evidence->exits[index];

        if (!hwaccl_known_fields_has(&exit->exit_known, HWACCL_FIELD_INDEX_exit_qualification))
                return access;
        switch (evidence_reason(exit)) {
        case HWACCL_EXIT_IO_INSTRUCTION: port_access(evidence, index, &access); break;
        case HWACCL_EXIT_EPT_VIOLATION: memory_access(evidence, index, false, &access); break;
        case HWACCL_EXIT_APIC_ACCESS: memory_access(evidence, index, true, &access); break;
        case HWACCL_EXIT_RDMSR: msr_access(evidence, index, false, &access); break;
        case HWACCL_EXIT_WRMSR: msr_access(evidence, index, true, &access); break;
        default: break;
        }
        return access;
}

uint64_t evidence_next_rip(const struct hwaccl_evidence *evidence, size_t index)
{
        const struct hwaccl_subject_state *next = after(evidence, index);

        return next ? next->rip : evidence->exits[index].exit.rip;
}
