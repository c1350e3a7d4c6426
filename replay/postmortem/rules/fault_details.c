#include "replay/postmortem/rules/fault_details.h"

#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/rules/runs_off.h"
#include "replay/postmortem/words/words.h"

#include "core/exit/registers.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_IDT     2u /* of a selector's error code */
#define ERROR_LDT     4u
#define PF_PRESENT    1u /* of a page fault's */
#define PF_WRITE      2u
#define PF_USER       4u
#define PF_RESERVED   8u
#define PF_FETCH      16u
#define ENTRY_PRESENT 1u
#define ENTRY_LARGE   0x80u
#define ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)
#define VECTOR_PF     14u
#define VECTOR_SS     12u
#define VECTOR_GP     13u

/* The selector of an error code, and what the table has there. */
static void selector_fact(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                          const struct hwaccl_fault_link *link, struct hwaccl_finding *finding)
{
        uint32_t code = link->error_code, selector = code & 0xfff8;
        const struct hwaccl_subject_state *state = &last->exit;
        bool local = code & ERROR_LDT;
        uint64_t base = local ? state->ldtr.base : state->gdtr.base;
        uint32_t limit = local ? state->ldtr.limit : state->gdtr.limit;
        uint8_t bytes[8];

        if (!(link->has & HWACCL_FAULT_HAS_ERROR_CODE) || link->vector < 10 || link->vector > 13 || !selector ||
            code & ERROR_IDT)
                return;
        if (selector + 7 > limit)
                finding_fact(finding, last->number,
                             "the error code names selector %xh: it is beyond the %s, whose limit is %xh", selector,
                             local ? "LDT" : "GDT", limit);
        else if (evidence_read_linear(evidence, state, base + selector, bytes, sizeof(bytes)))
                finding_fact(
                        finding, last->number,
                        "the error code names selector %xh: its descriptor in the %s has access byte %02xh (%spresent, "
                        "DPL %u, %s)",
                        selector, local ? "LDT" : "GDT", bytes[5], bytes[5] & 0x80 ? "" : "not ", bytes[5] >> 5 & 3,
                        !(bytes[5] & 0x10) ? "system"
                        : bytes[5] & 0x08  ? "code"
                        : bytes[5] & 0x02  ? "data, writable"
                                           : "data, read-only");
        else
                finding_fact(finding, last->number, "the error code names selector %xh of the %s", selector,
                             local ? "LDT" : "GDT");
}

/* The paging entries that lead to an address, down to the one that is not present or is the last. */
static void paging_fact(const struct hwaccl_evidence *evidence, const struct evidence_exit *last, uint64_t address,
                        struct hwaccl_finding *finding)
{
        static const char *const names[] = {"PT", "PD", "PDPT", "PML4"};
        const struct hwaccl_subject_state *state = &last->exit;
        bool wide = state->cr4 & HWACCL_CR4_PAE;
        int level = state->efer & HWACCL_EFER_LMA ? 3 : wide ? 2 : 1;
        uint64_t table = state->cr3 & (wide && level == 2 ? UINT64_C(0xffffffe0) : ENTRY_ADDRESS);
        char text[200] = "";

        if (!(state->cr0 & HWACCL_CR0_PG))
                return;
        for (; level >= 0; level--) {
                unsigned size = wide ? 8 : 4, bits = wide ? 9 : 10;
                uint64_t index = address >> (12 + (unsigned)level * bits) & ((1u << bits) - 1), entry = 0;
                uint64_t at = table + (level == 2 && !(state->efer & HWACCL_EFER_LMA) ? index & 3 : index) * size;
                size_t used = strlen(text);
                if (!hwaccl_recording_memory_read(evidence->recording, at, &entry, size))
                        break;
                (void)snprintf(text + used, sizeof(text) - used, "%s%s entry at %" PRIx64 "h is %" PRIx64 "h",
                               *text ? ", " : "", names[level], at, entry);
                if (!(entry & ENTRY_PRESENT) || (level > 0 && level < 3 && entry & ENTRY_LARGE))
                        break;
                table = entry & ENTRY_ADDRESS;
        }
        if (*text)
                finding_fact(finding, last->number, "paging of %" PRIx64 "h: %s", address, text);
}

static void page_fault_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                             const struct hwaccl_fault_link *link, struct hwaccl_finding *finding)
{
        uint32_t code = link->error_code;

        if (link->vector != VECTOR_PF || !(link->has & HWACCL_FAULT_HAS_CR2))
                return;
        finding_fact(finding, last->number, "error code %" PRIx32 "h: %s, %s in %s mode", code,
                     code & PF_RESERVED  ? "a reserved bit is set in a paging entry"
                     : code & PF_PRESENT ? "the page's rights do not allow it"
                                         : "the page is not present",
                     code & PF_FETCH   ? "instruction fetch"
                     : code & PF_WRITE ? "write"
                                       : "read",
                     code & PF_USER ? "user" : "supervisor");
        paging_fact(evidence, last, link->cr2, finding);
}

/* The fault is the fetch of the instruction itself: something led there. */
static void fetch_facts(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                        const struct hwaccl_fault_link *link, struct hwaccl_finding *finding)
{
        bool canonical = address_is_canonical(link->rip);

        if (!canonical || (link->vector == VECTOR_PF && link->cr2 == link->rip))
                finding_fact(finding, last->number,
                             "the fault is the fetch at RIP %" PRIx64 "h%s: a jump, call or return led there",
                             link->rip, canonical ? "" : ", which is not canonical");
        runs_off_origin(evidence, last, finding);
}

/* Why MOV to a control register raises #GP; NULL: not known. */
static const char *broken_control(const struct hwaccl_subject_state *state, unsigned number, uint64_t value)
{
        if (number == 0 && value & HWACCL_CR0_PG && !(value & HWACCL_CR0_PE))
                return "PG is set without PE";
        if (number == 0 && value & HWACCL_CR0_NW && !(value & HWACCL_CR0_CD))
                return "NW is set without CD";
        if (number == 0 && value & HWACCL_CR0_PG && state->efer & HWACCL_EFER_LME && !(state->cr4 & HWACCL_CR4_PAE))
                return "PG is set with EFER.LME, and CR4.PAE is 0";
        if (number == 4 && state->efer & HWACCL_EFER_LMA && !(value & HWACCL_CR4_PAE))
                return "PAE may not be cleared in 64-bit mode";
        return NULL;
}

/* The segment that the operand in brackets goes through, and its offset; false where the text has none. */
static bool operand_offset(const struct hwaccl_subject_state *state, const char *text, const char **name,
                           const struct hwaccl_segment **segment, uint64_t *offset)
{
        const struct {
                const char *name;
                const struct hwaccl_segment *segment;
        } segments[] = {{"es", &state->es}, {"cs", &state->cs}, {"ss", &state->ss},
                        {"ds", &state->ds}, {"fs", &state->fs}, {"gs", &state->gs}};
        const char *at = strchr(text, '[');
        bool minus = false, stack = false;

        if (!at)
                return false;
        *offset = 0;
        const char *colon = at[-1] == ':' ? at - 3 : NULL;
        for (at++; *at && *at != ']';) {
                size_t length = strcspn(at, " ]*");
                uint64_t value;
                unsigned size, scale = 1;
                char *end;
                if (hwaccl_register_value(state, at, length, &value, &size)) {
                        stack = stack || strncmp(at, "bp", 2) == 0 || strncmp(at, "ebp", 3) == 0;
                } else if (length >= 2 && strncmp(at + length - 2, "sp", 2) == 0) {
                        value = state->rsp;
                        stack = true;
                } else {
                        value = strtoull(at, &end, 0);
                        if (end != at + length)
                                return false;
                }
                at += length;
                if (*at == '*')
                        scale = (unsigned)strtoul(at + 1, &end, 10), at = end;
                *offset += (minus ? -value : value) * scale;
                minus = strncmp(at, " - ", 3) == 0;
                at += *at == ' ' ? strspn(at, " +-") : 0;
        }
        for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
                const char *wanted = stack ? "ss" : "ds";
                if (strncmp(segments[i].name, colon ? colon : wanted, 2) != 0)
                        continue;
                *name = segments[i].name;
                *segment = segments[i].segment;
                return true;
        }
        return false;
}

/* A #GP or #SS without a selector: an offset beyond the limit, which emulators do not always check? */
static void limit_fact(const struct evidence_exit *last, const struct hwaccl_fault_link *link,
                       struct hwaccl_finding *finding)
{
        const struct hwaccl_segment *segment;
        unsigned bits = evidence_code_bits(&last->exit);
        const char *name;
        uint64_t offset;
        char text[96];

        if (bits == 64 || link->error_code || link->rip != last->exit.rip)
                return;
        evidence_instruction(last, text, sizeof(text));
        if (!operand_offset(&last->exit, text, &name, &segment, &offset))
                return;
        offset &= bits == 16 && !strstr(text, "[e") ? 0xffff : UINT32_MAX;
        if (offset > segment->limit)
                finding_fact(finding, last->number,
                             "offset %" PRIx64 "h is above the limit of %c%c (selector %" PRIx64
                             "h), %xh. QEMU's TCG does not check limits and would not have noticed",
                             offset, name[0] - 32, name[1] - 32, segment->selector, segment->limit);
}

/* In 64-bit mode: an address or a target of a jump that is not canonical. */
static void canonical_fact(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                           const struct hwaccl_fault_link *link, struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        const struct hwaccl_segment *segment;
        const char *name, *what = "the address of its operand";
        uint64_t value, linear;
        unsigned size;
        char text[96];

        if (evidence_code_bits(state) != 64 || link->error_code || link->rip != state->rip)
                return;
        evidence_instruction(last, text, sizeof(text));
        if (strncmp(text, "ret", 3) == 0 && evidence_stack_slot(evidence, state, 0, &linear, &value))
                what = "the address that it returns to";
        else if ((strncmp(text, "jmp ", 4) == 0 || strncmp(text, "call ", 5) == 0) &&
                 hwaccl_register_value(state, strchr(text, ' ') + 1, strlen(strchr(text, ' ') + 1), &value, &size))
                what = "its target";
        else if (!operand_offset(state, text, &name, &segment, &value))
                return;
        if (!address_is_canonical(value))
                finding_fact(finding, last->number, "%s: %s, %" PRIx64 "h, is not canonical", text, what, value);
}

/* MOV to a control register, which the processor or the VMM refused. */
static void control_fact(const struct evidence_exit *last, struct hwaccl_finding *finding)
{
        char text[96];
        unsigned size;
        uint64_t value;

        evidence_instruction(last, text, sizeof(text));
        if (strncmp(text, "mov cr", 6) != 0 || !isdigit((unsigned char)text[6]) || text[7] != ',')
                return;
        const unsigned number = (unsigned)(text[6] - '0'); /* CR8 is the highest */
        const char *source = text + 9;
        if (!hwaccl_register_value(&last->exit, source, strlen(source), &value, &size))
                return;
        const char *why = broken_control(&last->exit, number, value);
        finding_fact(finding, last->number, "the instruction writes %" PRIx64 "h to CR%u%s%s", value, number,
                     why ? ": " : "", why ? why : "");
}

/* An MSR that the VMM refused with the fault that then could not be delivered. */
static void msr_fact(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                     struct hwaccl_finding *finding)
{
        struct evidence_access access = evidence_access(evidence, evidence->exit_count - 1);

        if (access.kind == ACCESS_MSR)
                finding_fact(finding, last->number, "the instruction is %s of MSR %" PRIx64 "h, which the VMM refused",
                             access.write ? "WRMSR" : "RDMSR", access.address);
}

void fault_detail_facts(const struct hwaccl_evidence *evidence, const struct hwaccl_fault_link *link,
                        struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        if (!last || link->source != HWACCL_EVENT_EXCEPTION)
                return;
        selector_fact(evidence, last, link, finding);
        page_fault_facts(evidence, last, link, finding);
        fetch_facts(evidence, last, link, finding);
        if (link->vector == VECTOR_GP || link->vector == VECTOR_SS) {
                limit_fact(last, link, finding);
                canonical_fact(evidence, last, link, finding);
        }
        if (link->vector == VECTOR_GP) {
                control_fact(last, finding);
                msr_fact(evidence, last, finding);
        }
}
