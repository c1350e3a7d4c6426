/* SDM 3C, 27.3.1: the checks of a VM entry on the guest-state area, as far as the subject state holds what they look
 * at. */
#include "core/exit/control_register.h"
#include "core/exit/dispatch.h"

#include <stdio.h>
#include <string.h>

#define CR4_CET        UINT64_C(0x800000)
#define RFLAGS_IF      UINT64_C(0x200)
#define RFLAGS_VM      UINT64_C(0x20000)
#define RFLAGS_ALWAYS  UINT64_C(0x2)
#define RFLAGS_DEFINED UINT64_C(0x3f7fd7)
#define EFER_DEFINED   (HWACCL_EFER_SCE | HWACCL_EFER_LME | HWACCL_EFER_LMA | HWACCL_EFER_NXE)
#define SELECTOR_TABLE UINT64_C(0x4)

#define RIGHTS_TYPE        0xfu
#define RIGHTS_S           0x10u
#define RIGHTS_P           0x80u
#define RIGHTS_RESERVED    0xfffe0f00u
#define RIGHTS_DB          0x4000u
#define RIGHTS_G           0x8000u
#define RIGHTS_V86         0xf3u
#define TYPE_DATA_WRITABLE 3u
#define TYPE_LDT           2u
#define TYPE_TSS_16_BUSY   3u
#define TYPE_TSS_BUSY      11u

struct report {
        char *text;
        size_t room;
        size_t used;
        unsigned count;
};

/* Whole rules only: one that does not fit is counted and left out. */
static void broken(struct report *report, bool is_broken, const char *name, const char *rule)
{
        if (!is_broken)
                return;
        report->count++;
        char line[128];
        int length = snprintf(line, sizeof(line), "%s%s%s", report->used ? "; " : "", name, rule);
        if (length < 0 || (size_t)length >= sizeof(line) || (size_t)length >= report->room - report->used)
                return;
        memcpy(report->text + report->used, line, (size_t)length + 1);
        report->used += (size_t)length;
}

static bool canonical(uint64_t address)
{
        uint64_t top = address >> 47;
        return top == 0 || top == 0x1ffff;
}

static bool usable(const struct hwaccl_segment *segment)
{
        return !(segment->access_rights & HWACCL_SEGMENT_UNUSABLE);
}

static uint32_t type_of(const struct hwaccl_segment *segment)
{
        return segment->access_rights & RIGHTS_TYPE;
}

static uint32_t dpl_of(const struct hwaccl_segment *segment)
{
        return segment->access_rights >> 5 & 3u;
}

static bool granularity_broken(const struct hwaccl_segment *segment)
{
        bool pages = (segment->access_rights & RIGHTS_G) != 0;
        return pages ? (segment->limit & 0xfffu) != 0xfffu : (segment->limit & 0xfff00000u) != 0;
}

static void check_control_registers(struct report *report, const struct hwaccl_subject_state *state)
{
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;
        bool lme = (state->efer & HWACCL_EFER_LME) != 0;
        bool paging = (state->cr0 & HWACCL_CR0_PG) != 0;

        broken(report, paging && !(state->cr0 & HWACCL_CR0_PE), "CR0", ".PG is set but PE is clear");
        broken(report, !(state->cr0 & HWACCL_CR0_NE), "CR0", ".NE is clear");
        broken(report, state->cr0 >> 32 != 0, "CR0", " bits 63:32 are not 0");
        broken(report, !(state->cr4 & HWACCL_CR4_VMXE), "CR4", ".VMXE is clear");
        broken(report, state->cr4 >> 32 != 0, "CR4", " bits 63:32 are not 0");
        broken(report, (state->cr4 & CR4_CET) && !(state->cr0 & HWACCL_CR0_WP), "CR4",
               ".CET is set but CR0.WP is clear");
        broken(report, lma && !paging, "EFER", ".LMA is set but CR0.PG is clear");
        broken(report, lma && !(state->cr4 & HWACCL_CR4_PAE), "EFER", ".LMA is set but CR4.PAE is clear");
        broken(report, paging && lma != lme, "EFER", ".LMA and EFER.LME differ with CR0.PG set");
        broken(report, (state->efer & ~EFER_DEFINED) != 0, "EFER", " has reserved bits set");
        broken(report, !lma && (state->cr4 & HWACCL_CR4_PCIDE), "CR4", ".PCIDE is set outside IA-32e mode");
        broken(report, state->cr3 >> 52 != 0, "CR3", " has bits beyond the physical-address width set");
        broken(report, !canonical(state->sysenter_esp), "SYSENTER_ESP", " is not canonical");
        broken(report, !canonical(state->sysenter_eip), "SYSENTER_EIP", " is not canonical");
}

static void check_virtual_8086_segment(struct report *report, const char *name, const struct hwaccl_segment *segment)
{
        broken(report, segment->base != segment->selector << 4, name,
               " base is not selector * 16 in virtual-8086 mode");
        broken(report, segment->limit != 0xffff, name, " limit is not ffff in virtual-8086 mode");
        broken(report, segment->access_rights != RIGHTS_V86, name, " access rights are not f3 in virtual-8086 mode");
}

/* What all six segment registers have in common outside virtual-8086 mode. */
static void check_common_rights(struct report *report, const char *name, const struct hwaccl_segment *segment)
{
        if (!usable(segment))
                return;
        broken(report, !(segment->access_rights & RIGHTS_S), name, " is a system segment");
        broken(report, !(segment->access_rights & RIGHTS_P), name, " is not present");
        broken(report, (segment->access_rights & RIGHTS_RESERVED) != 0, name, " has reserved access rights");
        broken(report, granularity_broken(segment), name, " limit and granularity disagree");
}

static void check_code_segment(struct report *report, const struct hwaccl_subject_state *state)
{
        const struct hwaccl_segment *cs = &state->cs;
        uint32_t type = type_of(cs);
        bool conforming = type == 13 || type == 15;
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;

        broken(report, !usable(cs), "CS", " is unusable");
        broken(report, type != TYPE_DATA_WRITABLE && type != 9 && type != 11 && !conforming, "CS",
               " is neither accessed code nor read/write data");
        broken(report, type == TYPE_DATA_WRITABLE && dpl_of(cs) != 0, "CS", " is data but its DPL is not 0");
        broken(report, (type == 9 || type == 11) && dpl_of(cs) != dpl_of(&state->ss), "CS", " DPL differs from SS DPL");
        broken(report, conforming && dpl_of(cs) > dpl_of(&state->ss), "CS",
               " is conforming but its DPL is above SS DPL");
        broken(report, lma && (cs->access_rights & HWACCL_ACCESS_RIGHTS_LONG) && (cs->access_rights & RIGHTS_DB), "CS",
               " has both L and D set in IA-32e mode");
        broken(report, cs->base >> 32 != 0, "CS", " base bits 63:32 are not 0");
        broken(report, (type == TYPE_DATA_WRITABLE || !(state->cr0 & HWACCL_CR0_PE)) && dpl_of(&state->ss) != 0, "SS",
               " DPL is not 0 in real mode");
}

static void check_data_segment(struct report *report, const char *name, const struct hwaccl_segment *segment,
                               bool wide_base)
{
        uint32_t type = type_of(segment);

        broken(report, wide_base && !canonical(segment->base), name, " base is not canonical");
        if (!usable(segment))
                return;
        broken(report, !wide_base && segment->base >> 32 != 0, name, " base bits 63:32 are not 0");
        broken(report, !(type & 1u), name, " is not accessed");
        broken(report, (type & 8u) && !(type & 2u), name, " is code that cannot be read");
}

static void check_segments(struct report *report, const struct hwaccl_subject_state *state)
{
        const struct {
                const char *name;
                const struct hwaccl_segment *segment;
                bool wide_base;
        } segments[] = {
                {"CS", &state->cs, false}, {"SS", &state->ss, false}, {"DS", &state->ds, false},
                {"ES", &state->es, false}, {"FS", &state->fs, true},  {"GS", &state->gs, true},
        };
        bool virtual_8086 = (state->rflags & RFLAGS_VM) != 0;

        for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
                if (virtual_8086) {
                        check_virtual_8086_segment(report, segments[i].name, segments[i].segment);
                        continue;
                }
                check_common_rights(report, segments[i].name, segments[i].segment);
                if (i > 1)
                        check_data_segment(report, segments[i].name, segments[i].segment, segments[i].wide_base);
        }
        if (virtual_8086)
                return;
        check_code_segment(report, state);
        if (usable(&state->ss)) {
                broken(report, type_of(&state->ss) != 3 && type_of(&state->ss) != 7, "SS",
                       " is not accessed read/write data");
                broken(report, state->ss.base >> 32 != 0, "SS", " base bits 63:32 are not 0");
        }
}

static void check_system_segment(struct report *report, const char *name, const struct hwaccl_segment *segment)
{
        broken(report, (segment->selector & SELECTOR_TABLE) != 0, name, " selector refers to the LDT");
        broken(report, !canonical(segment->base), name, " base is not canonical");
        broken(report, (segment->access_rights & RIGHTS_S) != 0, name, " is not a system segment");
        broken(report, !(segment->access_rights & RIGHTS_P), name, " is not present");
        broken(report, (segment->access_rights & RIGHTS_RESERVED) != 0, name, " has reserved access rights");
        broken(report, granularity_broken(segment), name, " limit and granularity disagree");
}

static void check_tables(struct report *report, const struct hwaccl_subject_state *state)
{
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;
        uint32_t tr_type = type_of(&state->tr);

        broken(report, !usable(&state->tr), "TR", " is unusable");
        broken(report, tr_type != TYPE_TSS_BUSY && (lma || tr_type != TYPE_TSS_16_BUSY), "TR", " is not a busy TSS");
        check_system_segment(report, "TR", &state->tr);
        if (usable(&state->ldtr)) {
                broken(report, type_of(&state->ldtr) != TYPE_LDT, "LDTR", " is not an LDT");
                check_system_segment(report, "LDTR", &state->ldtr);
        }
        broken(report, !canonical(state->gdtr.base), "GDTR", " base is not canonical");
        broken(report, state->gdtr.limit >> 16 != 0, "GDTR", " limit is above ffff");
        broken(report, !canonical(state->idtr.base), "IDTR", " base is not canonical");
        broken(report, state->idtr.limit >> 16 != 0, "IDTR", " limit is above ffff");
}

static void check_flags(struct report *report, const struct hwaccl_subject_state *state)
{
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;
        bool wide = lma && (state->cs.access_rights & HWACCL_ACCESS_RIGHTS_LONG);
        bool sti = (state->interruptibility & HWACCL_INTERRUPTIBILITY_STI) != 0;
        bool mov_ss = (state->interruptibility & HWACCL_INTERRUPTIBILITY_MOV_SS) != 0;

        broken(report, !wide && state->rip >> 32 != 0, "RIP", " bits 63:32 are not 0 outside 64-bit code");
        broken(report, wide && !canonical(state->rip), "RIP", " is not canonical");
        broken(report, (state->rflags & ~RFLAGS_DEFINED) != 0, "RFLAGS", " has reserved bits set");
        broken(report, !(state->rflags & RFLAGS_ALWAYS), "RFLAGS", " bit 1 is clear");
        broken(report, (state->rflags & RFLAGS_VM) && lma, "RFLAGS", ".VM is set in IA-32e mode");
        broken(report, (state->rflags & RFLAGS_VM) && !(state->cr0 & HWACCL_CR0_PE), "RFLAGS",
               ".VM is set but CR0.PE is clear");
        broken(report, state->interruptibility >> 5 != 0, "interruptibility state", " has reserved bits set");
        broken(report, sti && mov_ss, "interruptibility state", " blocks by both STI and MOV SS");
        broken(report, sti && !(state->rflags & RFLAGS_IF), "interruptibility state",
               " blocks by STI but RFLAGS.IF is clear");
}

unsigned hwaccl_entry_failure_describe(const struct hwaccl_subject_state *state, char *text, size_t room)
{
        struct report report = {text, room, 0, 0};

        text[0] = '\0';
        check_control_registers(&report, state);
        check_segments(&report, state);
        check_tables(&report, state);
        check_flags(&report, state);
        return report.count;
}
