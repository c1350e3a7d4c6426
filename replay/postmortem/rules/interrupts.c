/* Interrupts that do not reach the guest while it runs, or that reach nothing. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/interrupt_blocks.h"
#include "replay/postmortem/rules/spin.h"
#include "replay/postmortem/words/words.h"

#include "core/machine/devices/pic.h"

#include <inttypes.h>
#include <string.h>

#define RFLAGS_IF    UINT64_C(0x200)
#define EXCEPTIONS   32u /* vectors */
#define RETURNED_MIN 3u

/* An interrupt that was handed over again and again, and came back. */
static bool never_taken(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        unsigned returned = 0;
        const struct evidence_exit *first = NULL, *latest = NULL;

        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->offered)
                        continue;
                if (!exit->settled || exit->taken || (latest && exit->vector != latest->vector))
                        break;
                latest = latest ? latest : exit;
                first = exit;
                returned++;
        }
        if (returned < RETURNED_MIN)
                return false;
        finding_title(finding, WEIGHT_POSSIBLE, JUDGEMENT_UNKNOWN, latest->number,
                      "vector %02xh was offered %u times since exit %" PRIu64 " and never taken", latest->vector,
                      returned, first->number);
        finding_fact(finding, first->number, "first offered; RFLAGS %" PRIx64 "h, interruptibility %" PRIx64 "h",
                     first->entry.rflags, first->entry.interruptibility);
        return true;
}

/* Somebody requests an interrupt, the controller passes it on, and the guest keeps interrupts off. */
static bool requested_while_off(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                                struct hwaccl_finding *finding)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        bool bounded;

        if (!pic || last->exit.rflags & RFLAGS_IF || !(pic->master.irr & ~(unsigned)pic->master.imr))
                return false;
        unsigned line = (unsigned)__builtin_ctz(pic->master.irr & ~(unsigned)pic->master.imr);
        uint64_t since = evidence_bits_since(evidence, HWACCL_FIELD_INDEX_rflags, RFLAGS_IF, &bounded);
        finding_title(finding, WEIGHT_POSSIBLE + 5, JUDGEMENT_FAILED, last->number,
                      "the guest runs on with interrupts off (RFLAGS.IF is 0 since exit %" PRIu64
                      "%s) while %s is requested",
                      since, bounded ? " or earlier" : "", interrupt_line_source(line));
        finding_fact(finding, evidence_line_change(evidence, line, true), "%s is requested since here and not masked",
                     interrupt_line_source(line));
        finding_advise(finding, "what should set IF: an STI, POPF or IRET that does not come?");
        return true;
}

/* The guest runs without exits of its own, as if it waited for memory to change. */
static bool blocked_while_running(const struct hwaccl_evidence *evidence, const struct evidence_exit *last,
                                  struct hwaccl_finding *finding)
{
        struct interrupt_blocks blocks;
        struct spin spin;
        char place[64];

        interrupt_blocks_find(evidence, &blocks);
        const struct interrupt_block *main = interrupt_blocks_main(&blocks);
        if (!main || main->kind <= BLOCK_ARMED)
                return false;
        evidence_place(&last->exit, &last->exit_known, place, sizeof(place));
        bool spins = spin_find(evidence, &spin);
        bool certain = spins || main->kind == BLOCK_IN_SERVICE;
        finding_title(finding, certain ? WEIGHT_LIKELY - 5 : WEIGHT_HINT + 5,
                      certain ? JUDGEMENT_FAILED : JUDGEMENT_UNKNOWN, last->number,
                      "the guest %s at %s%s%s%s without exits of its own, and an interrupt does not reach it: %s",
                      spins ? "spins" : "runs", place, spins ? " (" : "",
                      !spins       ? ""
                      : *spin.read ? spin.read
                                   : spin.jump,
                      spins ? ")" : "", main->text);
        interrupt_blocks_report(&blocks, finding);
        return true;
}

/* In protected mode vectors below 32 are the processor's: an 8259 that still gives them makes exceptions of its lines.
 */
static void not_remapped(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");

        if (!pic || pic->master.base >= EXCEPTIONS)
                return;
        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                const char *name = hwaccl_vector_name(exit->vector);
                if (!exit->offered || !exit->taken || exit->vector - (unsigned)pic->master.base >= 8 ||
                    evidence_real_mode(&exit->entry))
                        continue;
                finding_title(
                        finding, WEIGHT_LIKELY, JUDGEMENT_FAILED, exit->number,
                        "%s came as vector %u, which is the processor's exception %s in protected mode: 8259 #1 was "
                        "not moved to vectors above 31",
                        interrupt_line_source(exit->vector - (unsigned)pic->master.base), exit->vector,
                        name ? name : "(reserved)");
                finding_fact(finding, exit->number,
                             "vector %02xh was taken before this exit; 8259 #1 gives vectors %02xh to "
                             "%02xh",
                             exit->vector, pic->master.base, pic->master.base + 7);
                finding_advise(finding, "initialize the 8259s with ICW2 20h and 28h, or above, before STI");
                return;
        }
}

/* The latest vector among the last exits that was spurious. */
static void spurious(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        bool seen[256] = {false};

        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->offered || !exit->taken || seen[exit->vector])
                        continue;
                seen[exit->vector] = true;
                const char *why = evidence_spurious(evidence, exit->vector);
                if (!why)
                        continue;
                if (!finding->weight)
                        finding_title(finding, WEIGHT_HINT - 1, JUDGEMENT_UNKNOWN, exit->number,
                                      "vector %02xh, taken before exit %" PRIu64 ", was spurious", exit->vector,
                                      exit->number);
                finding_fact(finding, exit->number, "vector %02xh, taken before this exit, is %s", exit->vector, why);
        }
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        bool stopped = evidence->info->end == HWACCL_END_STOPPED;

        if (!last)
                return;
        if (stopped && !(evidence_of_host(last) && (requested_while_off(evidence, last, finding) ||
                                                    blocked_while_running(evidence, last, finding))))
                (void)never_taken(evidence, finding);
        if (!finding->weight)
                not_remapped(evidence, finding);
        spurious(evidence, finding);
}

const struct hwaccl_rule hwaccl_rule_interrupts = {
        .id = "interrupts",
        .title = "interrupts do not reach the guest",
        .source = "Intel 8259A data sheet; SDM 3A, 6.8 and 11.8; 82093AA data sheet",
        .evaluate = evaluate,
};
