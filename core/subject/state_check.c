/* Checks of a subject state written by an accelerator or a peer. */
#include "core/subject/transfer.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>

#define ACCESS_RIGHTS_RESERVED 0xfffe0f00u /* SDM 3C, table 25-2: bits 11:8 and 31:17 */
#define SELECTOR_MAX           UINT64_C(0xffff)
#define TABLE_LIMIT_MAX        0xffffu
#define INSTRUCTION_LENGTH_MAX 15u
#define CR0_VMM_BITS           UINT64_C(0x20)   /* NE set, NW and CD clear */
#define CR4_VMM_BITS           UINT64_C(0x2000) /* VMXE set */
#define RFLAGS_ALWAYS          UINT64_C(0x2)
#define RFLAGS_DEFINED         UINT64_C(0x3f7fd7)

/* The segments with access rights, then the descriptor tables. */
#define SEGMENT_COUNT 8
#define ALL_COUNT     10

struct named_segment {
        const char *name;
        const struct hwaccl_segment *segment;
};

bool hwaccl_tr_is_busy(const struct hwaccl_segment *tr)
{
        uint32_t kind = tr->access_rights & 0x9fu;
        return (kind == 0x83u || kind == 0x8bu) && !(tr->access_rights & HWACCL_SEGMENT_UNUSABLE);
}

bool hwaccl_tr_refuse(const struct hwaccl_segment *tr, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "TR is not a busy TSS: selector %04" PRIx64 ", access rights %05" PRIx32,
                                tr->selector, tr->access_rights);
}

/* Report which segment is invalid, after the quick check has found one. */
static bool refuse_segments(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        const struct named_segment all[ALL_COUNT] = {
                {"CS", &state->cs},     {"SS", &state->ss},     {"DS", &state->ds}, {"ES", &state->es},
                {"FS", &state->fs},     {"GS", &state->gs},     {"TR", &state->tr}, {"LDTR", &state->ldtr},
                {"GDTR", &state->gdtr}, {"IDTR", &state->idtr},
        };
        for (unsigned i = 0; i < ALL_COUNT; i++) {
                const struct hwaccl_segment *segment = all[i].segment;
                if (i < SEGMENT_COUNT && segment->access_rights & ACCESS_RIGHTS_RESERVED)
                        return hwaccl_error_set(error, "%s has reserved access rights: %08" PRIx32, all[i].name,
                                                segment->access_rights);
                if (i < SEGMENT_COUNT && segment->selector > SELECTOR_MAX)
                        return hwaccl_error_set(error, "%s has a selector of more than 16 bits: %" PRIx64, all[i].name,
                                                segment->selector);
                if (i >= SEGMENT_COUNT && segment->limit > TABLE_LIMIT_MAX)
                        return hwaccl_error_set(error, "%s has a limit of more than 16 bits: %" PRIx32, all[i].name,
                                                segment->limit);
        }
        return hwaccl_error_set(error, "CS is unusable: access rights %05" PRIx32, state->cs.access_rights);
}

bool hwaccl_subject_state_check(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        if (__builtin_expect((state->interruptibility & ~(uint64_t)HWACCL_INTERRUPTIBILITY_NMI) >
                                     HWACCL_INTERRUPTIBILITY_MOV_SS,
                             0))
                return hwaccl_error_set(error,
                                        "interruptibility state %" PRIx64 " is neither 0, blocking by STI (1) nor "
                                        "blocking by MOV SS (2), with blocking by NMI (8) or without",
                                        state->interruptibility);
        uint32_t rights = state->cs.access_rights | state->ss.access_rights | state->ds.access_rights |
                          state->es.access_rights | state->fs.access_rights | state->gs.access_rights |
                          state->tr.access_rights | state->ldtr.access_rights;
        uint64_t selectors = state->cs.selector | state->ss.selector | state->ds.selector | state->es.selector |
                             state->fs.selector | state->gs.selector | state->tr.selector | state->ldtr.selector;
        uint32_t limits = state->gdtr.limit | state->idtr.limit;
        if (__builtin_expect((rights & ACCESS_RIGHTS_RESERVED) || selectors > SELECTOR_MAX ||
                                     limits > TABLE_LIMIT_MAX || (state->cs.access_rights & HWACCL_SEGMENT_UNUSABLE),
                             0))
                return refuse_segments(state, error);
        if (__builtin_expect(!hwaccl_tr_is_busy(&state->tr), 0))
                return hwaccl_tr_refuse(&state->tr, error);
        if (__builtin_expect(state->instruction_length > INSTRUCTION_LENGTH_MAX, 0) &&
            hwaccl_exit_reason_has_length(state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK))
                return hwaccl_error_set(error, "invalid instruction length %" PRIu64, state->instruction_length);
        return true;
}

bool hwaccl_subject_state_check_owner(const struct hwaccl_subject_state *state, struct hwaccl_error *error)
{
        if ((state->cr0 & (HWACCL_CR0_MASK | ~(uint64_t)UINT32_MAX)) != CR0_VMM_BITS)
                return hwaccl_error_set(error, "CR0 is %" PRIx64 "h; expected NE set, NW and CD clear", state->cr0);
        if ((state->cr4 & (HWACCL_CR4_MASK | ~(uint64_t)UINT32_MAX)) != CR4_VMM_BITS)
                return hwaccl_error_set(error, "CR4 is %" PRIx64 "h; expected VMXE set", state->cr4);
        if ((state->rflags & (RFLAGS_ALWAYS | ~RFLAGS_DEFINED)) != RFLAGS_ALWAYS)
                return hwaccl_error_set(error,
                                        "RFLAGS is %" PRIx64 "h: expected bit 1 set, bits 3, 5, 15 and 22 to 63 "
                                        "clear",
                                        state->rflags);
        return true;
}
