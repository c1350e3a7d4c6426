/* SDM 3C, 27.3.1: the checks of a VM entry on the guest-state area, as far as the subject state holds what they look
 * at. */
#include "core/exit/control_register.h"
#include "core/exit/dispatch.h"

#include <stdio.h>
#include <string.h>

#define CR3_ADDRESS    UINT64_C(0xfffffffffffff)
#define CR4_CET        UINT64_C(0x800000)
#define RFLAGS_IF      UINT64_C(0x200)
#define RFLAGS_VM      UINT64_C(0x20000)
#define RFLAGS_ALWAYS  UINT64_C(0x2)
#define RFLAGS_DEFINED UINT64_C(0x3f7fd7)
#define EFER_DEFINED   (HWACCL_EFER_SCE | HWACCL_EFER_LME | HWACCL_EFER_LMA | HWACCL_EFER_NXE)
#define SELECTOR_TABLE UINT64_C(0x4)

#define RIGHTS_TYPE        0xfu
#define RIGHTS_S           0x10u
#define RIGHTS_DPL         0x60u
#define RIGHTS_P           0x80u
#define RIGHTS_RESERVED    0xfffe0f00u
#define RIGHTS_DB          0x4000u
#define RIGHTS_G           0x8000u
#define RIGHTS_V86         0xf3u
#define TYPE_DATA_WRITABLE 3u
#define TYPE_LDT           2u
#define TYPE_TSS_16_BUSY   3u
#define TYPE_TSS_BUSY      11u

/* One run of the checks. */
struct check {
        const struct hwaccl_subject_state *state;
        const struct hwaccl_known_fields *known;
        void (*broken)(void *opaque, const struct hwaccl_broken_rule *rule);
        void *opaque;
        unsigned count;
};

/* A segment register, with the index of its first field: selector, base, limit and access rights follow each other. */
struct named_segment {
        const char *name;
        const struct hwaccl_segment *segment;
        unsigned selector;
};

#define SEGMENT(check, title, member)                                                                                  \
        (struct named_segment)                                                                                         \
        {                                                                                                              \
                (title), &(check)->state->member, HWACCL_FIELD_INDEX_##member##_selector                               \
        }
#define BASE(named)   ((named)->selector + 1)
#define LIMIT(named)  ((named)->selector + 2)
#define RIGHTS(named) ((named)->selector + 3)
#define FIELD(name)   HWACCL_FIELD_INDEX_##name

static bool known(const struct check *check, unsigned field)
{
        return hwaccl_known_fields_has(check->known, field);
}

/*
 * A rule on @field, which may also look at @other (or the same again): it is passed over where one of them is not
 * known.
 * @right: a value that would keep the rule; the field's own where there are many.
 */
static void rule(struct check *check, bool is_broken, unsigned field, unsigned other, const char *name,
                 const char *text, uint64_t right)
{
        if (!is_broken || !known(check, field) || !known(check, other))
                return;
        check->count++;
        struct hwaccl_broken_rule broken = {
                .field = (enum hwaccl_field_index)field,
                .value = hwaccl_field_get(check->state, (enum hwaccl_field_index)field),
                .right = right,
        };
        (void)snprintf(broken.text, sizeof(broken.text), "%s%s", name, text);
        check->broken(check->opaque, &broken);
}

/* With 57 bits where CR4.LA57 shows that the processor has them; else with 48, which every processor has. */
static bool canonical(const struct check *check, uint64_t address)
{
        unsigned sign = check->state->cr4 & HWACCL_CR4_LA57 ? 56 : 47;
        uint64_t top = address >> sign;

        return top == 0 || top == UINT64_MAX >> sign;
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

static void check_control_registers(struct check *check)
{
        const struct hwaccl_subject_state *state = check->state;
        uint64_t cr0 = state->cr0, cr4 = state->cr4, efer = state->efer;
        bool lma = (efer & HWACCL_EFER_LMA) != 0;
        bool lme = (efer & HWACCL_EFER_LME) != 0;
        bool paging = (cr0 & HWACCL_CR0_PG) != 0;

        rule(check, paging && !(cr0 & HWACCL_CR0_PE), FIELD(cr0), FIELD(cr0), "CR0", ".PG is set but PE is clear",
             cr0 | HWACCL_CR0_PE);
        rule(check, !(cr0 & HWACCL_CR0_NE), FIELD(cr0), FIELD(cr0), "CR0", ".NE is clear", cr0 | HWACCL_CR0_NE);
        rule(check, cr0 >> 32 != 0, FIELD(cr0), FIELD(cr0), "CR0", " bits 63:32 are not 0", (uint32_t)cr0);
        rule(check, !(cr4 & HWACCL_CR4_VMXE), FIELD(cr4), FIELD(cr4), "CR4", ".VMXE is clear", cr4 | HWACCL_CR4_VMXE);
        rule(check, cr4 >> 32 != 0, FIELD(cr4), FIELD(cr4), "CR4", " bits 63:32 are not 0", (uint32_t)cr4);
        rule(check, (cr4 & CR4_CET) && !(cr0 & HWACCL_CR0_WP), FIELD(cr4), FIELD(cr0), "CR4",
             ".CET is set but CR0.WP is clear", cr4 & ~CR4_CET);
        rule(check, lma && !paging, FIELD(efer), FIELD(cr0), "EFER", ".LMA is set but CR0.PG is clear",
             efer & ~HWACCL_EFER_LMA);
        rule(check, lma && !(cr4 & HWACCL_CR4_PAE), FIELD(efer), FIELD(cr4), "EFER", ".LMA is set but CR4.PAE is clear",
             efer & ~HWACCL_EFER_LMA);
        rule(check, paging && lma != lme, FIELD(efer), FIELD(cr0), "EFER", ".LMA and EFER.LME differ with CR0.PG set",
             cr4 & HWACCL_CR4_PAE ? efer | HWACCL_EFER_LMA | HWACCL_EFER_LME
                                  : efer & ~(HWACCL_EFER_LMA | HWACCL_EFER_LME));
        rule(check, (efer & ~EFER_DEFINED) != 0, FIELD(efer), FIELD(efer), "EFER", " has reserved bits set",
             efer & EFER_DEFINED);
        rule(check, !lma && (cr4 & HWACCL_CR4_PCIDE), FIELD(cr4), FIELD(efer), "CR4",
             ".PCIDE is set outside IA-32e mode", cr4 & ~HWACCL_CR4_PCIDE);
        rule(check, state->cr3 >> 52 != 0, FIELD(cr3), FIELD(cr3), "CR3",
             " has bits beyond the physical-address width set", state->cr3 & CR3_ADDRESS);
        rule(check, !canonical(check, state->sysenter_esp), FIELD(sysenter_esp), FIELD(cr4), "SYSENTER_ESP",
             " is not canonical", state->sysenter_esp);
        rule(check, !canonical(check, state->sysenter_eip), FIELD(sysenter_eip), FIELD(cr4), "SYSENTER_EIP",
             " is not canonical", state->sysenter_eip);
}

static void check_virtual_8086_segment(struct check *check, const struct named_segment *named)
{
        const struct hwaccl_segment *segment = named->segment;

        rule(check, segment->base != segment->selector << 4, BASE(named), named->selector, named->name,
             " base is not selector * 16 in virtual-8086 mode", segment->selector << 4);
        rule(check, segment->limit != 0xffff, LIMIT(named), LIMIT(named), named->name,
             " limit is not ffff in virtual-8086 mode", 0xffff);
        rule(check, segment->access_rights != RIGHTS_V86, RIGHTS(named), RIGHTS(named), named->name,
             " access rights are not f3 in virtual-8086 mode", RIGHTS_V86);
}

/* For segment registers and, with @system, TR and LDTR. */
static void check_rights(struct check *check, const struct named_segment *named, bool system)
{
        uint32_t rights = named->segment->access_rights;
        unsigned field = RIGHTS(named);

        rule(check, system == ((rights & RIGHTS_S) != 0), field, field, named->name,
             system ? " is not a system segment" : " is a system segment", rights ^ RIGHTS_S);
        rule(check, !(rights & RIGHTS_P), field, field, named->name, " is not present", rights | RIGHTS_P);
        rule(check, (rights & RIGHTS_RESERVED) != 0, field, field, named->name, " has reserved access rights",
             rights & ~RIGHTS_RESERVED);
        rule(check, granularity_broken(named->segment), LIMIT(named), field, named->name,
             " limit and granularity disagree",
             rights & RIGHTS_G ? named->segment->limit | 0xfffu : named->segment->limit & 0xfffffu);
}

static void check_code_segment(struct check *check)
{
        const struct hwaccl_subject_state *state = check->state;
        const struct hwaccl_segment *cs = &state->cs;
        const unsigned rights = FIELD(cs_access_rights), stack_rights = FIELD(ss_access_rights);
        uint32_t type = type_of(cs);
        bool conforming = type == 13 || type == 15;
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;

        rule(check, !usable(cs), rights, rights, "CS", " is unusable", cs->access_rights & ~HWACCL_SEGMENT_UNUSABLE);
        rule(check, type != TYPE_DATA_WRITABLE && type != 9 && type != 11 && !conforming, rights, rights, "CS",
             " is neither accessed code nor read/write data", (cs->access_rights & ~RIGHTS_TYPE) | 11u);
        rule(check, type == TYPE_DATA_WRITABLE && dpl_of(cs) != 0, rights, rights, "CS",
             " is data but its DPL is not 0", cs->access_rights & ~RIGHTS_DPL);
        rule(check, (type == 9 || type == 11) && dpl_of(cs) != dpl_of(&state->ss), rights, stack_rights, "CS",
             " DPL differs from SS DPL", (cs->access_rights & ~RIGHTS_DPL) | (state->ss.access_rights & RIGHTS_DPL));
        rule(check, conforming && dpl_of(cs) > dpl_of(&state->ss), rights, stack_rights, "CS",
             " is conforming but its DPL is above SS DPL", cs->access_rights & ~RIGHTS_DPL);
        rule(check, lma && (cs->access_rights & HWACCL_ACCESS_RIGHTS_LONG) && (cs->access_rights & RIGHTS_DB), rights,
             FIELD(efer), "CS", " has both L and D set in IA-32e mode", cs->access_rights & ~RIGHTS_DB);
        rule(check, cs->base >> 32 != 0, FIELD(cs_base), FIELD(cs_base), "CS", " base bits 63:32 are not 0",
             (uint32_t)cs->base);
        bool zero = type == TYPE_DATA_WRITABLE || (known(check, FIELD(cr0)) && !(state->cr0 & HWACCL_CR0_PE));
        rule(check, zero && dpl_of(&state->ss) != 0, stack_rights, rights, "SS", " DPL is not 0 in real mode",
             state->ss.access_rights & ~RIGHTS_DPL);
}

static void check_data_segment(struct check *check, const struct named_segment *named, bool wide_base)
{
        const struct hwaccl_segment *segment = named->segment;
        uint32_t type = type_of(segment);
        unsigned rights = RIGHTS(named);

        rule(check, wide_base && !canonical(check, segment->base), BASE(named), FIELD(cr4), named->name,
             " base is not canonical", segment->base);
        if (!usable(segment))
                return;
        rule(check, !wide_base && segment->base >> 32 != 0, BASE(named), rights, named->name,
             " base bits 63:32 are not 0", (uint32_t)segment->base);
        rule(check, !(type & 1u), rights, rights, named->name, " is not accessed", segment->access_rights | 1u);
        rule(check, (type & 8u) && !(type & 2u), rights, rights, named->name, " is code that cannot be read",
             segment->access_rights | 2u);
}

static void check_stack_segment(struct check *check)
{
        const struct hwaccl_segment *ss = &check->state->ss;
        const unsigned rights = FIELD(ss_access_rights);

        if (!usable(ss))
                return;
        rule(check, type_of(ss) != 3 && type_of(ss) != 7, rights, rights, "SS", " is not accessed read/write data",
             (ss->access_rights & ~RIGHTS_TYPE) | TYPE_DATA_WRITABLE);
        rule(check, ss->base >> 32 != 0, FIELD(ss_base), rights, "SS", " base bits 63:32 are not 0",
             (uint32_t)ss->base);
}

static void check_segments(struct check *check)
{
        const struct named_segment segments[] = {
                SEGMENT(check, "CS", cs), SEGMENT(check, "SS", ss), SEGMENT(check, "DS", ds),
                SEGMENT(check, "ES", es), SEGMENT(check, "FS", fs), SEGMENT(check, "GS", gs),
        };
        const size_t count = sizeof(segments) / sizeof(segments[0]);

        if (!known(check, FIELD(rflags)))
                return; /* virtual-8086 mode has other rules */
        if (check->state->rflags & RFLAGS_VM) {
                for (size_t i = 0; i < count; i++)
                        check_virtual_8086_segment(check, &segments[i]);
                return;
        }
        for (size_t i = 0; i < count; i++) {
                if (usable(segments[i].segment))
                        check_rights(check, &segments[i], false);
                if (i > 1)
                        check_data_segment(check, &segments[i], i > 3);
        }
        check_code_segment(check);
        check_stack_segment(check);
}

static void check_system_segment(struct check *check, const struct named_segment *named)
{
        const struct hwaccl_segment *segment = named->segment;

        rule(check, (segment->selector & SELECTOR_TABLE) != 0, named->selector, RIGHTS(named), named->name,
             " selector refers to the LDT", segment->selector & ~SELECTOR_TABLE);
        rule(check, !canonical(check, segment->base), BASE(named), FIELD(cr4), named->name, " base is not canonical",
             segment->base);
        check_rights(check, named, true);
}

static void check_table(struct check *check, const struct named_segment *named)
{
        rule(check, !canonical(check, named->segment->base), BASE(named), FIELD(cr4), named->name,
             " base is not canonical", named->segment->base);
        rule(check, named->segment->limit >> 16 != 0, LIMIT(named), LIMIT(named), named->name, " limit is above ffff",
             named->segment->limit & 0xffffu);
}

static void check_tables(struct check *check)
{
        const struct hwaccl_subject_state *state = check->state;
        const struct named_segment tr = SEGMENT(check, "TR", tr), ldtr = SEGMENT(check, "LDTR", ldtr);
        const unsigned rights = FIELD(tr_access_rights);
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;
        uint32_t type = type_of(&state->tr);

        rule(check, !usable(&state->tr), rights, rights, "TR", " is unusable",
             state->tr.access_rights & ~HWACCL_SEGMENT_UNUSABLE);
        bool busy = type == TYPE_TSS_BUSY || (type == TYPE_TSS_16_BUSY && !(lma && known(check, FIELD(efer))));
        rule(check, !busy, rights, rights, "TR", " is not a busy TSS",
             (state->tr.access_rights & ~RIGHTS_TYPE) | TYPE_TSS_BUSY);
        check_system_segment(check, &tr);
        if (usable(&state->ldtr)) {
                rule(check, type_of(&state->ldtr) != TYPE_LDT, RIGHTS(&ldtr), RIGHTS(&ldtr), "LDTR", " is not an LDT",
                     (state->ldtr.access_rights & ~RIGHTS_TYPE) | TYPE_LDT);
                check_system_segment(check, &ldtr);
        }
        check_table(check, &SEGMENT(check, "GDTR", gdtr));
        check_table(check, &SEGMENT(check, "IDTR", idtr));
}

static void check_flags(struct check *check)
{
        const struct hwaccl_subject_state *state = check->state;
        uint64_t flags = state->rflags;
        bool lma = (state->efer & HWACCL_EFER_LMA) != 0;
        bool wide = lma && (state->cs.access_rights & HWACCL_ACCESS_RIGHTS_LONG);

        if (known(check, FIELD(efer))) {
                rule(check, !wide && state->rip >> 32 != 0, FIELD(rip), FIELD(cs_access_rights), "RIP",
                     " bits 63:32 are not 0 outside 64-bit code", (uint32_t)state->rip);
                rule(check, wide && !canonical(check, state->rip), FIELD(rip), FIELD(cs_access_rights), "RIP",
                     " is not canonical", state->rip);
        }
        rule(check, (flags & ~RFLAGS_DEFINED) != 0, FIELD(rflags), FIELD(rflags), "RFLAGS", " has reserved bits set",
             flags & RFLAGS_DEFINED);
        rule(check, !(flags & RFLAGS_ALWAYS), FIELD(rflags), FIELD(rflags), "RFLAGS", " bit 1 is clear",
             flags | RFLAGS_ALWAYS);
        rule(check, (flags & RFLAGS_VM) && lma, FIELD(rflags), FIELD(efer), "RFLAGS", ".VM is set in IA-32e mode",
             flags & ~RFLAGS_VM);
        rule(check, (flags & RFLAGS_VM) && !(state->cr0 & HWACCL_CR0_PE), FIELD(rflags), FIELD(cr0), "RFLAGS",
             ".VM is set but CR0.PE is clear", flags & ~RFLAGS_VM);
}

static void check_interruptibility(struct check *check)
{
        static const char name[] = "interruptibility state";
        uint64_t blocking = check->state->interruptibility;
        bool sti = (blocking & HWACCL_INTERRUPTIBILITY_STI) != 0;
        bool mov_ss = (blocking & HWACCL_INTERRUPTIBILITY_MOV_SS) != 0;
        const unsigned field = FIELD(interruptibility);

        rule(check, blocking >> 5 != 0, field, field, name, " has reserved bits set", blocking & 0x1fu);
        rule(check, sti && mov_ss, field, field, name, " blocks by both STI and MOV SS",
             blocking & ~(uint64_t)HWACCL_INTERRUPTIBILITY_STI);
        rule(check, sti && !(check->state->rflags & RFLAGS_IF), field, FIELD(rflags), name,
             " blocks by STI but RFLAGS.IF is clear", blocking & ~(uint64_t)HWACCL_INTERRUPTIBILITY_STI);
}

unsigned hwaccl_entry_check(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known_fields,
                            void (*broken)(void *opaque, const struct hwaccl_broken_rule *rule), void *opaque)
{
        struct check check = {state, known_fields, broken, opaque, 0};

        check_control_registers(&check);
        check_segments(&check);
        check_tables(&check);
        check_flags(&check);
        check_interruptibility(&check);
        return check.count;
}

struct text {
        char *start;
        size_t room;
        size_t used;
};

/* Whole rules only: one that does not fit is left out. */
static void append(void *opaque, const struct hwaccl_broken_rule *broken)
{
        struct text *text = opaque;
        char line[sizeof(broken->text) + 2];
        int length = snprintf(line, sizeof(line), "%s%s", text->used ? "; " : "", broken->text);

        if (length < 0 || (size_t)length >= text->room - text->used)
                return;
        memcpy(text->start + text->used, line, (size_t)length + 1);
        text->used += (size_t)length;
}

unsigned hwaccl_entry_failure_describe(const struct hwaccl_subject_state *state, char *text, size_t room)
{
        const struct hwaccl_known_fields all = hwaccl_known_fields_all();
        struct text into = {text, room, 0};

        text[0] = '\0';
        return hwaccl_entry_check(state, &all, append, &into);
}
