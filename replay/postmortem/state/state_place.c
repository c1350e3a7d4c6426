/* Where the guest executes, and what the bytes there are. */
#include "replay/postmortem/state/state_rules_internal.h"

#include "core/exit/control_register.h"
#include "core/exit/registers.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SOURCE_PC    "PC memory map"
#define ZEROS_MIN    8u /* bytes; fewer are the operand of an instruction */
#define ZEROS_AT_END 4u

const char *hwaccl_place_name(uint64_t linear, bool *is_code)
{
        static const struct {
                uint64_t first, last;
                const char *name;
                bool is_code;
        } places[] = {
                {0x0, 0x3ff, "the real-mode interrupt table", false},
                {0x400, 0x4ff, "the BIOS data area", false},
                {0xa0000, 0xbffff, "the legacy VGA range, which is no memory", false},
                {0xc0000, 0xdffff, "option ROMs", true},
                {0xe0000, 0xfffff, "the BIOS ROM", true},
                {0xfec00000, 0xfec00fff, "the I/O APIC", false},
                {0xfee00000, 0xfee00fff, "the local APIC", false},
                {0xffc00000, 0xffffffff, "the firmware's flash", true},
        };

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                if (linear >= places[i].first && linear <= places[i].last) {
                        *is_code = places[i].is_code;
                        return places[i].name;
                }
        return NULL;
}

bool hwaccl_state_linear_rip(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known,
                             uint64_t *linear)
{
        enum hwaccl_mode mode = hwaccl_mode(state, known);
        bool base = hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_cs_base);

        if (!hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_rip) || (mode != HWACCL_MODE_LONG && !base))
                return false;
        *linear = mode == HWACCL_MODE_LONG ? state->rip : (uint32_t)(state->cs.base + state->rip);
        return true;
}

void state_judge_place(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool paging = state_has(dump, HWACCL_FIELD_INDEX_cr0) && (dump->state.cr0 & HWACCL_CR0_PG);
        bool is_code = false;
        uint64_t linear;

        if (!hwaccl_state_linear_rip(&dump->state, &dump->known, &linear))
                return;
        const char *name = hwaccl_place_name(linear, &is_code);
        if (!name)
                return;
        if (is_code)
                state_add(findings, HWACCL_SEVERITY_NOTE, "rom", SOURCE_PC, "the guest executes in %s (%" PRIx64 ")%s",
                          name, linear, paging ? ", if that is mapped to the same physical address" : "");
        else
                state_add(findings, HWACCL_SEVERITY_BROKEN, "runs-off", SOURCE_PC,
                          "the guest executes at %" PRIx64 ": %s%s. A jump or return through a wrong pointer leads "
                          "there: look at the return addresses on the stack (rsp is %" PRIx64 ")",
                          linear, name, paging ? ", if it is mapped to the same physical address" : "",
                          dump->state.rsp);
}

/* How many bytes before RIP are the same. */
static size_t fill_before(const struct hwaccl_code *code)
{
        size_t count = 0;

        while (count < code->at && code->byte[code->at - 1 - count] == code->byte[code->at - 1])
                count++;
        return count;
}

static void judge_fill(const struct hwaccl_dump *dump, size_t zeros, struct hwaccl_state_findings *findings)
{
        const struct hwaccl_code *code = &dump->code;
        bool all = code->at + zeros == code->size;
        size_t before = fill_before(code);
        char fill[64] = "";

        if (zeros < ZEROS_MIN && !(all && zeros >= ZEROS_AT_END))
                return;
        if (before >= ZEROS_MIN && code->byte[code->at - 1])
                (void)snprintf(fill, sizeof(fill), "; the bytes before are a fill pattern (%02x)",
                               code->byte[code->at - 1]);
        else if (before >= ZEROS_AT_END)
                (void)snprintf(fill, sizeof(fill), "; so are those before: it came from lower addresses");
        state_add(findings, HWACCL_SEVERITY_BROKEN, "zeros", SOURCE_PC,
                  "the guest executes zeros (00 00 is ADD [eAX], AL) at rip %" PRIx64
                  ": memory that nothing wrote, or that was cleared%s",
                  dump->state.rip, fill);
}

static void judge_instruction(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        const struct hwaccl_code *code = &dump->code;
        const uint8_t *byte = code->byte + code->at;
        size_t size = code->size - code->at;
        bool smm = hwaccl_dump_has(dump, HWACCL_DUMP_SMM) && dump->word[HWACCL_DUMP_SMM];

        if (size >= 2 && byte[0] == 0x0f && byte[1] == 0xaa && !smm)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "rsm-outside-smm", "SDM 2B, RSM",
                          "RSM outside system-management mode: it raises #UD, which the guest's SMM handler code "
                          "cannot mean");
        if (size >= 2 && byte[0] == 0x0f && byte[1] == 0x0b)
                state_add(findings, HWACCL_SEVERITY_UNUSUAL, "ud2", "SDM 2B, UD",
                          "the instruction is UD2: the guest's own assertion, such as BUG() of Linux");
        if (size >= 1 && byte[0] == 0xcc)
                state_add(findings, HWACCL_SEVERITY_UNUSUAL, "int3", "SDM 2A, INT 3",
                          "the instruction is INT3: a breakpoint, or padding between functions that ran off");
}

void state_judge_code(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        if (dump->code_unreadable)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "runs-off", SOURCE_PC,
                          "the bytes at rip %" PRIx64 " could not be read: the address is not mapped, or is no memory",
                          dump->state.rip);
        if (!dump->code.size)
                return;
        size_t ones = hwaccl_code_run(&dump->code, 0xff);
        judge_fill(dump, hwaccl_code_run(&dump->code, 0), findings);
        if (ones >= ZEROS_MIN)
                state_add(findings, HWACCL_SEVERITY_BROKEN, "runs-off", SOURCE_PC,
                          "the guest executes bytes ff at rip %" PRIx64 ": no memory answers there, or erased flash",
                          dump->state.rip);
        judge_instruction(dump, findings);
}

/*
 * Real mode on a processor without "unrestricted guest", or with a VMM that does not use it, is virtual-8086 mode:
 * a segment there has base selector * 16 and limit ffff.
 */
void state_judge_segments(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        static const struct {
                const char *name;
                enum hwaccl_field_index selector; /* base, limit and access rights follow */
        } segments[] = {
                {"CS", HWACCL_FIELD_INDEX_cs_selector}, {"SS", HWACCL_FIELD_INDEX_ss_selector},
                {"DS", HWACCL_FIELD_INDEX_ds_selector}, {"ES", HWACCL_FIELD_INDEX_es_selector},
                {"FS", HWACCL_FIELD_INDEX_fs_selector}, {"GS", HWACCL_FIELD_INDEX_gs_selector},
        };
        bool refused = state_refused(dump);
        enum hwaccl_severity severity = refused ? HWACCL_SEVERITY_BROKEN : HWACCL_SEVERITY_UNUSUAL;

        if (hwaccl_mode(&dump->state, &dump->known) != HWACCL_MODE_REAL)
                return;
        for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
                enum hwaccl_field_index limit = segments[i].selector + 2;
                uint64_t selector = hwaccl_field_get(&dump->state, segments[i].selector);
                uint64_t base = hwaccl_field_get(&dump->state, segments[i].selector + 1);

                if (state_has(dump, limit) && hwaccl_field_get(&dump->state, limit) != 0xffff)
                        state_add(findings, severity, "real-mode-segment", "SDM 3C, 27.3.1.2",
                                  "%s limit is %" PRIx64
                                  " in real mode, as protected mode left it; where real mode runs "
                                  "as virtual-8086 mode (no unrestricted guest) only ffff can be entered",
                                  segments[i].name, hwaccl_field_get(&dump->state, limit));
                if (state_has(dump, segments[i].selector) && state_has(dump, segments[i].selector + 1) &&
                    base != selector << 4 && base != UINT32_C(0xffff0000))
                        state_add(findings, severity, "real-mode-segment", "SDM 3C, 27.3.1.2",
                                  "%s base is %" PRIx64 " in real mode, not selector * 16 (%" PRIx64
                                  "); where real mode runs as virtual-8086 mode it cannot be entered",
                                  segments[i].name, base, selector << 4);
        }
}

void state_judge_halt(const struct hwaccl_dump *dump, struct hwaccl_state_findings *findings)
{
        bool halted = (hwaccl_dump_has(dump, HWACCL_DUMP_HALTED) && dump->word[HWACCL_DUMP_HALTED]) ||
                      (hwaccl_dump_has(dump, HWACCL_DUMP_ACTIVITY) && dump->word[HWACCL_DUMP_ACTIVITY] == 1);

        if (halted && state_has(dump, HWACCL_FIELD_INDEX_rflags) && !(dump->state.rflags & RFLAGS_IF))
                state_add(findings, HWACCL_SEVERITY_BROKEN, "dead-halt", "SDM 2A, HLT",
                          "the guest halts with interrupts off (RFLAGS.IF is clear, rflags is %" PRIx64
                          "): only an NMI, an SMI or INIT ends that",
                          dump->state.rflags);
}
