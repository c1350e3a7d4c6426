#include "replay/postmortem/words/words.h"

#include "core/exit/control_register.h"
#include "core/exit/registers.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>

#define CS_DEFAULT_32 0x4000u
#define VECTOR_NAMED  22u
#define SVM_EXCEPTION 0x40u
#define SVM_SPECIAL   0x60u
#define SVM_NPF       0x400u

const char *hwaccl_vector_name(unsigned vector)
{
        static const char *const names[VECTOR_NAMED] = {
                "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,  "#TS",
                "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
        };
        return vector < VECTOR_NAMED ? names[vector] : NULL;
}

const char *hwaccl_interruption_describe(uint64_t word, char *text, size_t room)
{
        static const char *const types[] = {
                "external interrupt", "reserved type 1",      "NMI",
                "exception",          "software interrupt",   "privileged software exception",
                "software exception", "other event (type 7)",
        };
        unsigned vector = word & INTERRUPTION_VECTOR;
        enum interruption_type type = interruption_type(word);
        const char *name = type == INTERRUPTION_EXTERNAL || type == INTERRUPTION_SOFTWARE_INTERRUPT
                                   ? NULL
                                   : hwaccl_vector_name(vector);
        const char *error_code = word & INTERRUPTION_ERROR_CODE ? ", error code" : "";

        if (!(word & INTERRUPTION_VALID))
                (void)snprintf(text, room, "none");
        else if (type == INTERRUPTION_NMI && vector == 2)
                (void)snprintf(text, room, "NMI%s", *error_code ? " (error code)" : "");
        else if (type == INTERRUPTION_HARDWARE_EXCEPTION && name)
                (void)snprintf(text, room, "%s (vector %u%s)", name, vector, error_code);
        else
                (void)snprintf(text, room, "%s (vector %xh%s%s%s)", types[type], vector, name ? ", " : "",
                               name ? name : "", error_code);
        return text;
}

bool hwaccl_svm_exit_describe(uint64_t code, char *text, size_t room)
{
        static const char *const special[] = {
                "physical interrupt",
                "NMI",
                "SMI",
                "INIT",
                "virtual interrupt window",
                "CR0 selective write",
                "SIDT",
                "SGDT",
                "SLDT",
                "STR",
                "LIDT",
                "LGDT",
                "LLDT",
                "LTR",
                "RDTSC",
                "RDPMC",
                "PUSHF",
                "POPF",
                "CPUID",
                "RSM",
                "IRET",
                "INT n",
                "INVD",
                "PAUSE",
                "HLT",
                "INVLPG",
                "INVLPGA",
                "I/O instruction (IN, OUT and their string forms)",
                "RDMSR or WRMSR",
                "task switch",
                "FERR freeze",
                "shutdown (triple fault)",
                "VMRUN",
                "VMMCALL",
                "VMLOAD",
                "VMSAVE",
                "STGI",
                "CLGI",
                "SKINIT",
                "RDTSCP",
                "ICEBP instruction (INT1, opcode f1)",
                "WBINVD or WBNOINVD",
                "MONITOR or MONITORX",
                "MWAIT or MWAITX",
                "MWAIT with armed monitor",
                "XSETBV",
                "RDPRU",
                "EFER write (trap)",
        };
        static const struct {
                uint64_t code;
                const char *name;
        } others[] = {
                {0xa0, "INVLPGB"},
                {0xa1, "illegal INVLPGB"},
                {0xa2, "INVPCID"},
                {0xa3, "MCOMMIT"},
                {0xa4, "TLBSYNC"},
                {0xa5, "bus lock"},
                {0xa6, "HLT without a pending virtual interrupt"},
                {SVM_NPF, "nested page fault (NPF)"},
                {SVM_NPF + 1, "AVIC incomplete IPI"},
                {SVM_NPF + 2, "AVIC access that is not accelerated"},
                {SVM_NPF + 3, "VMGEXIT"},
                {0xffffffff, "VMEXIT_INVALID: VMRUN refused the guest's state (VMCB)"},
                {UINT64_MAX, "VMEXIT_INVALID: VMRUN refused the guest's state (VMCB)"},
                {0xfffffffe, "VMEXIT_BUSY: the VMSA is in use"},
                {UINT64_MAX - 1, "VMEXIT_BUSY: the VMSA is in use"},
        };
        const size_t special_count = sizeof(special) / sizeof(special[0]);

        if (code < SVM_EXCEPTION) {
                (void)snprintf(text, room, "%s of %s%" PRIu64, code & 0x10 ? "write" : "read",
                               code < 0x20 ? "CR" : "DR", code & 0xf);
                return true;
        }
        if (code < SVM_SPECIAL) {
                const char *name = hwaccl_vector_name((unsigned)code - SVM_EXCEPTION);
                (void)snprintf(text, room, "exception %s (vector %u)", name ? name : "",
                               (unsigned)code - SVM_EXCEPTION);
                return true;
        }
        if (code - SVM_SPECIAL < special_count) {
                (void)snprintf(text, room, "%s", special[code - SVM_SPECIAL]);
                return true;
        }
        if (code >= 0x90 && code <= 0x9f) {
                (void)snprintf(text, room, "write of CR%" PRIu64 " (trap)", code & 0xf);
                return true;
        }
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (others[i].code == code) {
                        (void)snprintf(text, room, "%s", others[i].name);
                        return true;
                }
        return false;
}

const char *hwaccl_vm_instruction_error(uint64_t number)
{
        static const char *const texts[] = {
                [1] = "VMCALL executed in VMX root operation",
                [2] = "VMCLEAR with invalid physical address",
                [3] = "VMCLEAR with VMXON pointer",
                [4] = "VMLAUNCH with non-clear VMCS",
                [5] = "VMRESUME with non-launched VMCS",
                [6] = "VMRESUME after VMXOFF",
                [7] = "VM entry with invalid control fields",
                [8] = "VM entry with invalid host-state fields",
                [9] = "VMPTRLD with invalid physical address",
                [10] = "VMPTRLD with VMXON pointer",
                [11] = "VMPTRLD with incorrect VMCS revision identifier",
                [12] = "VMREAD or VMWRITE of an unsupported VMCS component",
                [13] = "VMWRITE to a read-only VMCS component",
                [15] = "VMXON executed in VMX root operation",
                [16] = "VM entry with invalid executive-VMCS pointer",
                [26] = "VM entry with events blocked by MOV SS",
                [28] = "invalid operand to INVEPT or INVVPID",
        };
        return number < sizeof(texts) / sizeof(texts[0]) ? texts[number] : NULL;
}

static bool has(const struct hwaccl_known_fields *known, unsigned field)
{
        return hwaccl_known_fields_has(known, field);
}

static void describe_io(uint64_t qualification, char *text, size_t room)
{
        bool in = qualification >> 3 & 1, string = qualification >> 4 & 1;

        (void)snprintf(text, room, ": %s%s%s of %" PRIu64 " byte%s %s port %" PRIx64 "h",
                       qualification >> 5 & 1 ? "REP " : "", in ? "IN" : "OUT", string ? "S" : "",
                       (qualification & 7) + 1, qualification & 7 ? "s" : "", in ? "from" : "to",
                       qualification >> 16 & 0xffff);
}

static void describe_control_register(uint64_t qualification, char *text, size_t room)
{
        static const char *const kinds[] = {"MOV to CR%u", "MOV from CR%u", "CLTS", "LMSW"};
        char access[24];

        (void)snprintf(access, sizeof(access), kinds[qualification >> 4 & 3], (unsigned)qualification & 0xf);
        (void)snprintf(text, room, ": %s", access);
}

static void describe_ept(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                         size_t room)
{
        uint64_t qualification = state->exit_qualification;
        char address[40] = "";

        if (has(known, HWACCL_FIELD_INDEX_guest_physical_address))
                (void)snprintf(address, sizeof(address), " at guest-physical %" PRIx64, state->guest_physical_address);
        (void)snprintf(text, room, ": %s%s%s%s", qualification & 1 ? "read" : "",
                       qualification & 2 ? (qualification & 1 ? " and write" : "write") : "",
                       qualification & 4 ? "instruction fetch" : "", address);
}

/* SDM 3C, 27.8. */
static const char *entry_failure_qualification(uint64_t qualification)
{
        switch (qualification) {
        case 2: return ": loading the PDPTEs failed";
        case 3: return ": injection of an NMI while blocking by STI";
        case 4: return ": the VMCS link pointer is invalid";
        default: return "";
        }
}

void hwaccl_exit_describe(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                          size_t room)
{
        uint64_t reason = state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(reason);
        char detail[96] = "";

        if (has(known, HWACCL_FIELD_INDEX_exit_qualification)) {
                uint64_t qualification = state->exit_qualification;
                if (reason == HWACCL_EXIT_IO_INSTRUCTION)
                        describe_io(qualification, detail, sizeof(detail));
                else if (reason == HWACCL_EXIT_CONTROL_REGISTER)
                        describe_control_register(qualification, detail, sizeof(detail));
                else if (reason == HWACCL_EXIT_EPT_VIOLATION)
                        describe_ept(state, known, detail, sizeof(detail));
                else if (reason == HWACCL_EXIT_ENTRY_FAILURE_GUEST_STATE)
                        (void)snprintf(detail, sizeof(detail), "%s", entry_failure_qualification(qualification));
        }
        if (name)
                (void)snprintf(text, room, "%s%s", name, detail);
        else
                (void)snprintf(text, room, "reason %" PRIu64 ", which has no name", reason);
}

enum hwaccl_mode hwaccl_mode(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known)
{
        bool flags = has(known, HWACCL_FIELD_INDEX_rflags), efer = has(known, HWACCL_FIELD_INDEX_efer);
        bool rights = has(known, HWACCL_FIELD_INDEX_cs_access_rights);

        if (has(known, HWACCL_FIELD_INDEX_cr0) && !(state->cr0 & HWACCL_CR0_PE))
                return HWACCL_MODE_REAL;
        if (flags && (state->rflags & RFLAGS_VM))
                return HWACCL_MODE_VIRTUAL_8086;
        if (efer && (state->efer & HWACCL_EFER_LMA)) {
                if (!rights)
                        return HWACCL_MODE_UNKNOWN;
                return state->cs.access_rights & HWACCL_ACCESS_RIGHTS_LONG ? HWACCL_MODE_LONG
                                                                           : HWACCL_MODE_COMPATIBILITY;
        }
        return has(known, HWACCL_FIELD_INDEX_cr0) && flags && efer ? HWACCL_MODE_PROTECTED : HWACCL_MODE_UNKNOWN;
}

unsigned hwaccl_mode_code_bits(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known)
{
        enum hwaccl_mode mode = hwaccl_mode(state, known);
        bool rights = has(known, HWACCL_FIELD_INDEX_cs_access_rights);

        if (mode == HWACCL_MODE_LONG)
                return 64;
        if (rights)
                return state->cs.access_rights & CS_DEFAULT_32 ? 32 : 16;
        return mode == HWACCL_MODE_REAL || mode == HWACCL_MODE_VIRTUAL_8086 ? 16 : 0;
}

static const char *paging(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known)
{
        if (!has(known, HWACCL_FIELD_INDEX_cr0))
                return "";
        if (!(state->cr0 & HWACCL_CR0_PG))
                return ", no paging";
        if (!has(known, HWACCL_FIELD_INDEX_cr4) || !has(known, HWACCL_FIELD_INDEX_efer))
                return ", paging";
        if (state->efer & HWACCL_EFER_LMA)
                return state->cr4 & HWACCL_CR4_LA57 ? ", 5-level paging" : ", 4-level paging";
        return state->cr4 & HWACCL_CR4_PAE ? ", PAE paging" : ", 32-bit paging";
}

void hwaccl_mode_describe(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                          size_t room)
{
        static const char *const names[] = {
                [HWACCL_MODE_UNKNOWN] = "mode not known",           [HWACCL_MODE_REAL] = "real mode",
                [HWACCL_MODE_VIRTUAL_8086] = "virtual-8086 mode",   [HWACCL_MODE_PROTECTED] = "protected mode",
                [HWACCL_MODE_COMPATIBILITY] = "compatibility mode", [HWACCL_MODE_LONG] = "64-bit mode",
        };
        enum hwaccl_mode mode = hwaccl_mode(state, known);
        unsigned bits = hwaccl_mode_code_bits(state, known);
        char code[24] = "", ring[16] = "";

        if (bits && mode != HWACCL_MODE_LONG && (bits != 16 || mode >= HWACCL_MODE_PROTECTED))
                (void)snprintf(code, sizeof(code), ", %u-bit code", bits);
        if (mode >= HWACCL_MODE_PROTECTED && has(known, HWACCL_FIELD_INDEX_ss_access_rights))
                (void)snprintf(ring, sizeof(ring), ", ring %u", state->ss.access_rights >> 5 & 3u);
        (void)snprintf(text, room, "%s%s%s%s", names[mode], code, ring, paging(state, known));
}
