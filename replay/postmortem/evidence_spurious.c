/* Vectors that a controller gives when the request has gone before it was acknowledged. */
#include "replay/postmortem/evidence.h"

#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic.h"
#include "core/machine/devices/pic.h"

#define ICW1       0x10u /* in port 20h or a0h: the next byte to the port above is ICW2, the first vector */
#define NO_BASE    256u
#define LINE_7     7u
#define LVT_MASKED 0x10000u
#define PIN_MASKED (UINT64_C(1) << 16)

/* The first vector of an 8259, from the devices or from the ICWs among the last exits. */
static unsigned first_vector(const struct hwaccl_evidence *evidence, bool slave)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        unsigned port = slave ? 0xa0 : 0x20, base = NO_BASE;
        bool expected = false;

        if (pic)
                return slave ? pic->slave.base : pic->master.base;
        for (size_t i = 0; i < evidence->exit_count; i++) {
                struct evidence_access access = evidence_access(evidence, i);
                if (access.kind != ACCESS_PORT || !access.write || !access.value_known)
                        continue;
                if (access.address == port && access.value & ICW1)
                        expected = true;
                else if (access.address == port + 1 && expected) {
                        base = (unsigned)access.value & 0xf8;
                        expected = false;
                }
        }
        return base;
}

/* Does a pin or a local vector use it? */
static bool is_used(const struct hwaccl_evidence *evidence, const struct hwaccl_local_apic *apic, uint8_t vector)
{
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");

        for (unsigned i = 0; i < HWACCL_LVT_COUNT; i++)
                if (!(apic->lvt[i] & LVT_MASKED) && (apic->lvt[i] & 0xff) == vector)
                        return true;
        for (unsigned pin = 0; io_apic && pin < HWACCL_IO_APIC_PINS; pin++)
                if (!(io_apic->redirection[pin] & PIN_MASKED) && (io_apic->redirection[pin] & 0xff) == vector)
                        return true;
        return false;
}

const char *evidence_spurious(const struct hwaccl_evidence *evidence, uint8_t vector)
{
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        bool master = vector == first_vector(evidence, false) + LINE_7;
        bool slave = vector == first_vector(evidence, true) + LINE_7;

        if (apic && vector == (apic->svr & 0xff) && !is_used(evidence, apic, vector))
                return "the local APIC's spurious vector: the request had gone, and it wants no EOI";
        if (master && evidence_line_change(evidence, LINE_7, true) == EVIDENCE_NEVER)
                return "spurious by all signs: nothing asserted IRQ 7; 8259 #1 gives its vector when the request has "
                       "gone, and it wants no EOI";
        if (slave && evidence_line_change(evidence, 8 + LINE_7, true) == EVIDENCE_NEVER)
                return "spurious by all signs: nothing asserted IRQ 15; 8259 #2 gives its vector when the request has "
                       "gone, and only 8259 #1 wants an EOI";
        return NULL;
}
