/* The guest executes where no code is. */
#include "replay/postmortem/rules/runs_off.h"
#include "replay/postmortem/derive.h"
#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/evidence_query.h"
#include "replay/postmortem/rules.h"
#include "replay/postmortem/words/words.h"

#include "core/exit/registers.h"
#include "hwaccl/fault_chain.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_MASK UINT64_C(0xfff)
#define VECTOR_PF 14u
#define TEXT_MIN  16u         /* bytes */
#define ZEROS_MIN 24u         /* bytes */
#define ENTRY_MIN 0x600u      /* smaller numbers in registers are no addresses */
#define NEAR      64u         /* bytes that it may have gone on */
#define ENTRY_FAR (64u << 20) /* bytes to look at */

static bool paged(const struct hwaccl_subject_state *state)
{
        return (state->cr0 & HWACCL_CR0_PG) != 0;
}

/* The last exit whose instruction was in an image or firmware, before @index. */
static void last_sane(const struct hwaccl_evidence *evidence, size_t index, struct hwaccl_finding *finding)
{
        for (size_t i = index; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->code_size)
                        continue;
                char at[160];
                evidence_at(exit, at, sizeof(at));
                finding_fact(finding, exit->number, "the last exit before that, at known code: %s", at);
                return;
        }
        finding_fact(finding, EVIDENCE_NEVER,
                     "no exit before it was at an instruction: the way from the guest's entry to "
                     "here is not recorded");
}

/* Is there nothing but zeros from @address to RIP? */
static bool is_entry(const struct hwaccl_evidence *evidence, const struct hwaccl_subject_state *state, uint64_t address,
                     uint64_t rip)
{
        return address >= ENTRY_MIN && address <= rip && rip - address < ENTRY_FAR &&
               evidence_all_zeros(evidence, state, address, rip + 1);
}

/* A general register with the address: an indirect jump or call goes through one. */
static void target_register(const struct evidence_exit *exit, struct hwaccl_finding *finding)
{
        static const enum hwaccl_field_index registers[] = {
                HWACCL_FIELD_INDEX_rax, HWACCL_FIELD_INDEX_rbx, HWACCL_FIELD_INDEX_rcx, HWACCL_FIELD_INDEX_rdx,
                HWACCL_FIELD_INDEX_rsi, HWACCL_FIELD_INDEX_rdi, HWACCL_FIELD_INDEX_rbp, HWACCL_FIELD_INDEX_r8,
                HWACCL_FIELD_INDEX_r9,  HWACCL_FIELD_INDEX_r10, HWACCL_FIELD_INDEX_r11, HWACCL_FIELD_INDEX_r12,
                HWACCL_FIELD_INDEX_r13, HWACCL_FIELD_INDEX_r14, HWACCL_FIELD_INDEX_r15,
        };

        for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
                if (exit->exit.rip && hwaccl_field_get(&exit->exit, registers[i]) == exit->exit.rip)
                        finding_guess(finding, exit->number,
                                      "%s holds exactly this address: it came by an indirect jump or call through %s",
                                      hwaccl_subject_fields[registers[i]].name,
                                      hwaccl_subject_fields[registers[i]].name);
}

/* "call eax", and it is 0. */
static bool is_null(const struct hwaccl_subject_state *state, const char *call)
{
        uint64_t value;
        unsigned size;

        return hwaccl_register_value(state, call + 5, strlen(call + 5), &value, &size) && value == 0;
}

/* A CALL left its return address at the top of the stack; a RET left the address below it. */
static void came_by_stack(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                          struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        uint64_t linear, value;
        char text[64];

        if (evidence_stack_slot(evidence, state, 0, &linear, &value) && value != state->rip &&
            evidence_call_before(evidence, state, value, text, sizeof(text)) && !isdigit((unsigned char)text[5]))
                finding_guess(finding, last->number,
                              "the top of the stack is the return address of '%s' before %" PRIx64
                              "h: it came by this call, through %s",
                              text, value, is_null(state, text) ? "a null pointer" : "a pointer");
        else if (evidence_stack_slot(evidence, state, -1, &linear, &value) && value && state->rip - value < NEAR)
                finding_guess(finding, last->number,
                              "the word below the stack pointer, at %" PRIx64 "h, is %" PRIx64
                              "h: it came by a RET that popped it",
                              linear, value);
}

void runs_off_origin(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                     struct hwaccl_finding *finding)
{
        target_register(last, finding);
        came_by_stack(evidence, last, finding);
}

/* It runs through zeros: where may it have entered them? */
static void zeros_entered(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                          struct hwaccl_finding *finding)
{
        const struct hwaccl_subject_state *state = &last->exit;
        uint64_t rip = evidence_linear_rip(state), base = rip - state->rip, linear, value;

        if (evidence_stack_slot(evidence, state, -1, &linear, &value) && is_entry(evidence, state, base + value, rip))
                finding_guess(finding, last->number,
                              "the word below the stack pointer, at %" PRIx64 "h, is %" PRIx64
                              "h, from where on all is zero: it came there by a RET",
                              linear, value);
        for (unsigned i = HWACCL_FIELD_INDEX_rax; i < HWACCL_FIELD_COUNT; i++) {
                if (hwaccl_subject_fields[i].group != HWACCL_FIELD_GENERAL || i == HWACCL_FIELD_INDEX_rip ||
                    i == HWACCL_FIELD_INDEX_rsp || i == HWACCL_FIELD_INDEX_rflags)
                        continue;
                value = hwaccl_field_get(state, (enum hwaccl_field_index)i);
                if (is_entry(evidence, state, base + value, rip))
                        finding_guess(
                                finding, last->number,
                                "%s is %" PRIx64
                                "h, from where on all is zero: it may have come there by a jump or call through it",
                                hwaccl_subject_fields[i].name, value);
        }
}

static void stack_fact(const struct evidence_exit *exit, struct hwaccl_finding *finding)
{
        finding_fact(finding, exit->number, "stack %04" PRIx64 ":%" PRIx64 "h, RFLAGS %" PRIx64 "h",
                     exit->exit.ss.selector, exit->exit.rsp, exit->exit.rflags);
}

/* A fetch where the machine has no memory. */
static void fetch_without_memory(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                                 uint64_t physical, struct hwaccl_finding *finding)
{
        char place[64];

        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                      "the guest executes where no memory is: fetch at %s from %" PRIx64 "h, %s", place, physical,
                      evidence_region(evidence, physical));
        runs_off_origin(evidence, last, finding);
        last_sane(evidence, evidence->exit_count - 1, finding);
        stack_fact(last, finding);
        finding_advise(finding,
                       "where was this address computed or loaded: a null or wild pointer, a wrong relocation, or "
                       "an image that was not loaded?");
}

static bool any_row(const struct hwaccl_evidence *evidence, const char *sql, uint64_t from, uint64_t to)
{
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = row && sqlite3_bind_int64(row, 3, (int64_t)from) == SQLITE_OK &&
                     sqlite3_bind_int64(row, 4, (int64_t)to) == SQLITE_OK && evidence_row(row);

        (void)sqlite3_finalize(row);
        return found;
}

/* Did a handler write to the page, or read an instruction of it? Then code may be there. */
static bool page_is_known(const struct hwaccl_evidence *evidence, uint64_t physical)
{
        uint64_t from = physical & ~PAGE_MASK, to = from | PAGE_MASK;

        return any_row(evidence,
                       "SELECT 1 FROM instruction WHERE ?1 IS NOT NULL AND ?2 IS NOT NULL AND address BETWEEN ?3 AND "
                       "?4 "
                       "LIMIT 1",
                       from, to) ||
               any_row(evidence,
                       "SELECT 1 FROM effect WHERE exit BETWEEN max(?1, ?2 - 500000) AND ?2 AND kind = 0 AND address "
                       "BETWEEN ?3 - 4096 "
                       "AND ?4 "
                       "LIMIT 1",
                       from, to);
}

/* The exits that the host caused show where the guest was: does its RIP only grow? */
static void growth_fact(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        uint64_t first = 0, last = 0, count = 0, begun = 0;

        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                uint64_t rip = evidence_linear_rip(&exit->exit);
                if (!evidence_of_host(exit) || (count && rip >= first))
                        break;
                if (count++ == 0)
                        last = rip;
                first = rip;
                begun = exit->number;
        }
        if (count >= 2)
                finding_fact(finding, begun,
                             "RIP only grows from here on: %" PRIx64 "h to %" PRIx64 "h in %" PRIu64 " exits", first,
                             last, count);
}

static void way_there(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                      struct hwaccl_finding *finding)
{
        target_register(last, finding);
        last_sane(evidence, evidence->exit_count - 1, finding);
        stack_fact(last, finding);
        finding_advise(finding,
                       "a jump, call or return to this area: an image that was not loaded there or is incomplete, or "
                       "a wrong pointer");
}

/* The host interrupted the guest where no image is, and nothing that is recorded wrote code. */
static void outside_images(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                           struct hwaccl_finding *finding)
{
        uint64_t linear = evidence_linear_rip(&last->exit);
        char place[64];

        struct hwaccl_code code;

        /* memory that was kept, and is neither zeros nor ones, was written by the guest itself */
        if (evidence->image_count == 0 || paged(&last->exit) || evidence_is_loaded(evidence, linear) ||
            page_is_known(evidence, linear) || evidence_code(evidence, &last->exit, &code))
                return;
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, last->number,
                      "the guest runs off: it executes at %s, linear %" PRIx64
                      "h, in %s, which nothing in the recording "
                      "wrote",
                      place, linear, evidence_region(evidence, linear));
        growth_fact(evidence, finding);
        for (size_t i = 0; i < evidence->image_count; i++)
                finding_fact(finding, EVIDENCE_NEVER, "%s is at %" PRIx64 "h to %" PRIx64 "h", evidence->image[i].name,
                             evidence->image[i].address, evidence->image[i].address + evidence->image[i].size - 1);
        finding_guess(finding, last->number,
                      "memory that nobody wrote holds zeros, and 00 00 is ADD [memory], AL: the guest "
                      "runs through them without a fault");
        way_there(evidence, last, finding);
}

/* The memory at the end shows zeros, or ones, from RIP on: no code. False where it shows something else, or was not
 * kept. */
static bool through_nothing(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                            struct hwaccl_finding *finding)
{
        struct hwaccl_code code;
        char place[64];

        if (!evidence_code(evidence, &last->exit, &code) || code.size - code.at < ZEROS_MIN)
                return false;
        size_t zeros = hwaccl_code_run(&code, 0), ones = hwaccl_code_run(&code, 0xff);
        if (zeros < ZEROS_MIN && ones < ZEROS_MIN)
                return false;
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        finding_title(
                finding, WEIGHT_CERTAIN, JUDGEMENT_FAILED, last->number,
                "the guest runs off: it executes at %s, linear %" PRIx64 "h, where memory holds only %s, in %s%s",
                place, evidence_linear_rip(&last->exit), zeros ? "zeros" : "ones",
                paged(&last->exit) ? "mapped memory" : evidence_region(evidence, evidence_linear_rip(&last->exit)),
                page_is_known(evidence, evidence_linear_rip(&last->exit)) ? ""
                                                                          : ", which nothing in the recording wrote");
        if (zeros)
                finding_fact(finding, last->number, "the bytes at RIP are 00 00, ADD [memory], AL, again and again");
        growth_fact(evidence, finding);
        if (zeros)
                zeros_entered(evidence, last, finding);
        way_there(evidence, last, finding);
        return true;
}

/* Bytes of text around RIP. */
static size_t text_around(const struct hwaccl_code *code, char *text, size_t room)
{
        size_t first = code->at, count = 0;

        while (first > 0 && isprint(code->byte[first - 1]))
                first--;
        size_t end = code->at;
        while (end < code->size && isprint(code->byte[end]))
                end++;
        for (size_t i = first; i < end && count + 1 < room; i++)
                text[count++] = (char)code->byte[i];
        text[count] = '\0';
        return end - first;
}

/* It ended in a triple fault: was the first fault that of a fetch, or of data that were executed? */
static void faulted_there(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                          struct hwaccl_finding *finding)
{
        struct hwaccl_fault_chain chain = {.count = 0};
        struct hwaccl_code code;
        char place[64], text[80];

        if (!hwaccl_known_faults(evidence->recording, evidence->vcpu, last->number, &chain))
                return;
        const struct hwaccl_fault_link *link = &chain.link[0];
        if (link->source != HWACCL_EVENT_EXCEPTION || link->rip != last->exit.rip)
                return;
        bool canonical = !(last->exit.efer & HWACCL_EFER_LMA) || address_is_canonical(link->rip);
        uint64_t linear = evidence_linear_rip(&last->exit);
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        /* where it did not jump, the page tables changed under the code */
        bool jumped = (last->entry.rip ^ last->exit.rip) & ~PAGE_MASK;
        if (!canonical || (jumped && link->vector == VECTOR_PF && link->cr2 == linear))
                finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_FAILED, last->number,
                              "the guest executes where no memory is: the fetch at %s faults (%s), and ends in a "
                              "triple fault",
                              place, canonical ? "its page is not mapped, or not for fetches" : "it is not canonical");
        else if (evidence_code(evidence, &last->exit, &code) && text_around(&code, text, sizeof(text)) >= TEXT_MIN)
                finding_title(finding, WEIGHT_CERTAIN + 1, JUDGEMENT_FAILED, last->number,
                              "the guest executes data: at %s is text, \"%s\", and it ends in a triple fault", place,
                              text);
        if (!finding->weight)
                return;
        runs_off_origin(evidence, last, finding);
        last_sane(evidence, evidence->exit_count - 1, finding);
        stack_fact(last, finding);
        finding_advise(finding,
                       "where was this address computed or loaded: a null or wild pointer, a stack that is out of "
                       "step, or an image that was not loaded?");
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        if (!last)
                return;
        struct evidence_access access = evidence_access(evidence, evidence->exit_count - 1);
        if (evidence_reason(last) == HWACCL_EXIT_TRIPLE_FAULT)
                faulted_there(evidence, last, finding);
        else if (access.kind == ACCESS_MEMORY && access.fetch && evidence->info->end != HWACCL_END_EXIT_CODE)
                fetch_without_memory(evidence, last, access.address, finding);
        else if (evidence->info->end == HWACCL_END_STOPPED && evidence_of_host(last) &&
                 !through_nothing(evidence, last, finding))
                outside_images(evidence, last, finding);
}

const struct hwaccl_rule hwaccl_rule_runs_off = {
        .id = "runs-off",
        .title = "the guest executes where no code is",
        .source = "SDM 3C, table 28-7; SDM 2A, ADD (opcode 00); the PC's memory map",
        .evaluate = evaluate,
};
