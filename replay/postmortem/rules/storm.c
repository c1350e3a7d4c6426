/* One interrupt again and again, while the interrupted code does not advance. */
#include "replay/postmortem/rules.h"
#include "replay/postmortem/rules/interrupt_blocks.h"

#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/pic.h"

#include <inttypes.h>
#include <stdio.h>

#define TAKEN_MIN         32u
#define REDIRECTION_LEVEL (UINT64_C(1) << 15)
#define REDIRECTION_MASK  (UINT64_C(1) << 16)

struct storm {
        unsigned taken; /* among the last exits */
        uint64_t first; /* exit of the first of those */
        uint64_t rip;   /* that was interrupted */
        bool advanced;  /* not always the same */
        bool idle;      /* it interrupted a HLT */
};

/* The vector that was taken most often among the last exits. */
static uint8_t busiest(const struct hwaccl_evidence *evidence, struct storm *storm)
{
        unsigned count[256] = {0};
        uint8_t vector = 0;

        for (size_t i = 0; i < evidence->exit_count; i++)
                if (evidence->exits[i].offered && evidence->exits[i].taken)
                        count[evidence->exits[i].vector]++;
        for (unsigned v = 1; v < 256; v++)
                if (count[v] > count[vector])
                        vector = (uint8_t)v;
        *storm = (struct storm){.taken = count[vector]};
        return vector;
}

static void look_at(const struct hwaccl_evidence *evidence, uint8_t vector, struct storm *storm)
{
        unsigned seen = 0;

        for (size_t i = 0; i < evidence->exit_count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                if (!exit->offered || !exit->taken || exit->vector != vector)
                        continue;
                if (seen++ == 0) {
                        storm->first = exit->number;
                        storm->rip = exit->entry.rip;
                }
                storm->advanced = storm->advanced || exit->entry.rip != storm->rip;
                storm->idle = storm->idle || (i && evidence_reason(exit - 1) == HWACCL_EXIT_HLT);
        }
}

static void io_apic_facts(const struct hwaccl_evidence *evidence, uint8_t vector, struct hwaccl_finding *finding)
{
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");

        for (unsigned pin = 0; io_apic && pin < HWACCL_IO_APIC_PINS; pin++) {
                bool up = io_apic->pins >> pin & 1, level = io_apic->redirection[pin] & REDIRECTION_LEVEL;
                if ((io_apic->redirection[pin] & 0xff) != vector || io_apic->redirection[pin] & REDIRECTION_MASK)
                        continue;
                finding_fact(finding, up ? evidence_line_change(evidence, pin, true) : EVIDENCE_NEVER,
                             "vector %02xh is pin %u of the I/O APIC, %s, %s-triggered; the pin is %s", vector, pin,
                             interrupt_line_source(pin), level ? "level" : "edge",
                             up ? "up since this exit: the cause is not acknowledged" : "down");
                finding_advise(finding,
                               "the handler of vector %02xh: does it clear the cause at the device before the EOI?",
                               vector);
        }
}

/* The line of the vector, and whether it is still up. */
static void line_facts(const struct hwaccl_evidence *evidence, uint8_t vector, struct hwaccl_finding *finding)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");

        for (unsigned line = 0; pic && line < 16; line++) {
                const struct hwaccl_pic_chip *chip = line < 8 ? &pic->master : &pic->slave;
                unsigned bit = 1u << line % 8;
                if (chip->base + line % 8 != vector)
                        continue;
                bool up = chip->lines & bit;
                finding_fact(finding, up ? evidence_line_change(evidence, line, true) : EVIDENCE_NEVER,
                             "vector %02xh is %s, %s-triggered; its line is %s", vector, interrupt_line_source(line),
                             chip->level & bit ? "level" : "edge",
                             up ? "up since this exit: the cause is not acknowledged" : "down");
                finding_advise(finding,
                               "the handler of vector %02xh: does it clear the cause at the device before the EOI?",
                               vector);
        }
        io_apic_facts(evidence, vector, finding);
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        struct storm storm;
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);
        uint8_t vector = busiest(evidence, &storm);

        if (!last || storm.taken < TAKEN_MIN || evidence->info->end == HWACCL_END_EXIT_CODE)
                return;
        look_at(evidence, vector, &storm);
        if (storm.idle || storm.advanced)
                return;
        finding_title(finding, WEIGHT_LIKELY + 5, JUDGEMENT_FAILED, last->number,
                      "interrupt storm: vector %02xh was taken %u times in the last %zu exits, and the interrupted "
                      "code stays at "
                      "%" PRIx64 "h",
                      vector, storm.taken, evidence->exit_count, storm.rip);
        finding_fact(finding, storm.first, "from here on, or earlier, every one interrupts the same instruction");
        line_facts(evidence, vector, finding);
}

const struct hwaccl_rule hwaccl_rule_storm = {
        .id = "storm",
        .title = "one interrupt again and again",
        .source = "Intel 8259A data sheet; 82371AB data sheet, ELCR; 82093AA data sheet, 3.2.4",
        .evaluate = evaluate,
};
