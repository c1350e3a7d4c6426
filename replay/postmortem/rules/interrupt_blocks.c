#include "replay/postmortem/rules/interrupt_blocks.h"

#include "core/machine/devices/i8042.h"
#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic.h"
#include "core/machine/devices/pic.h"
#include "core/machine/devices/pit.h"
#include "core/machine/devices/rtc.h"
#include "core/machine/devices/uart.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define APIC_BASE_ENABLED   0x800u
#define APIC_EOI            UINT64_C(0xfee000b0)
#define X2APIC_EOI          0x80bu
#define SVR_ENABLED         0x100u
#define LVT_MASKED          0x10000u
#define REDIRECTION_MASK    (UINT64_C(1) << 16)
#define REDIRECTION_LOGICAL (UINT64_C(1) << 11)
#define ALL_APICS           0xffu
#define CASCADE             2u
#define RTC_B_SOURCES       0x70u
#define RTC_LINE            8u
#define MCR_OUT2            0x08u
#define IER_RECEIVED        0x01u
#define IER_TRANSMITTER     0x02u

const char *interrupt_line_source(unsigned line)
{
        static const char *const names[16] = {
                "IRQ 0 (timer)",  "IRQ 1 (keyboard)", "IRQ 2 (cascade)", "IRQ 3 (COM2)",         "IRQ 4 (COM1)",
                "IRQ 5",          "IRQ 6 (floppy)",   "IRQ 7",           "IRQ 8 (RTC)",          "IRQ 9 (ACPI)",
                "IRQ 10",         "IRQ 11",           "IRQ 12 (mouse)",  "IRQ 13 (coprocessor)", "IRQ 14 (ATA 1)",
                "IRQ 15 (ATA 2)",
        };

        return line < 16 ? names[line] : "a pin of the I/O APIC";
}

const char *interrupt_vector_source(const struct hwaccl_evidence *evidence, uint8_t vector)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");

        for (unsigned pin = 0; io_apic && pin < HWACCL_IO_APIC_PINS; pin++)
                if (!(io_apic->redirection[pin] & REDIRECTION_MASK) && (io_apic->redirection[pin] & 0xff) == vector)
                        return interrupt_line_source(pin == CASCADE ? 0 : pin);
        if (apic && !(apic->lvt[HWACCL_LVT_TIMER] & LVT_MASKED) && (apic->lvt[HWACCL_LVT_TIMER] & 0xff) == vector)
                return "the local APIC's timer";
        if (pic && vector - (unsigned)pic->master.base < 8)
                return interrupt_line_source(vector - (unsigned)pic->master.base);
        if (pic && vector - (unsigned)pic->slave.base < 8)
                return interrupt_line_source(8 + vector - (unsigned)pic->slave.base);
        return "an interrupt";
}

/* Does the line interrupt through the I/O APIC? Then masks of the 8259s do not matter. */
static bool through_io_apic(const struct hwaccl_evidence *evidence, unsigned line)
{
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");
        unsigned pin = line ? line : CASCADE; /* the timer's pin is 2 in every PC's table, or 0 */

        return io_apic &&
               (!(io_apic->redirection[line] & REDIRECTION_MASK) || !(io_apic->redirection[pin] & REDIRECTION_MASK));
}

static const char *acknowledge(unsigned line)
{
        switch (line) {
        case 0: return "";
        case 1: return "; port 60h was not read";
        case 3:
        case 4: return "; the UART's cause (IIR, RBR, LSR, MSR) was not read";
        case 8: return "; the RTC's register C was not read";
        case 9: return "; the PM1 status was not cleared";
        case 14: return "; the drive's status (port 1f7h) was not read";
        case 15: return "; the drive's status (port 177h) was not read";
        default: return "; its device was not acknowledged";
        }
}

static void add(struct interrupt_blocks *blocks, enum interrupt_block_kind kind, uint64_t exit, const char *advice,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(struct interrupt_blocks *blocks, enum interrupt_block_kind kind, uint64_t exit, const char *advice,
                const char *format, ...)
{
        if (blocks->count == INTERRUPT_BLOCKS_MAX)
                return;
        struct interrupt_block *block = &blocks->block[blocks->count++];
        va_list arguments;

        block->kind = kind;
        block->exit = exit;
        (void)snprintf(block->advice, sizeof(block->advice), "%s", advice);
        va_start(arguments, format);
        (void)vsnprintf(block->text, sizeof(block->text), format, arguments);
        va_end(arguments);
}

static void describe(struct interrupt_blocks *blocks, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void describe(struct interrupt_blocks *blocks, const char *format, ...)
{
        va_list arguments;

        if (blocks->state_count == sizeof(blocks->state) / sizeof(blocks->state[0]))
                return;
        va_start(arguments, format);
        (void)vsnprintf(blocks->state[blocks->state_count++], sizeof(blocks->state[0]), format, arguments);
        va_end(arguments);
}

/* EOIs of an 8259 behind exit @since: OCW2 with bit 5. */
static void pic_in_service(const struct hwaccl_evidence *evidence, const struct hwaccl_pic_chip *chip, bool slave,
                           unsigned input, struct interrupt_blocks *blocks)
{
        uint16_t port = slave ? 0xa0 : 0x20;
        uint8_t vector = (uint8_t)(chip->base + input);
        unsigned line = input + (slave ? 8 : 0);
        uint64_t count, value;
        uint64_t taken = evidence_vector_taken(evidence, vector, &count);
        uint64_t eoi = evidence_port_write_of(evidence, port, 0x38, 0x20, &value);
        char since[64] = "", seen[80], advice[160];

        if (!slave && input == CASCADE)
                (void)snprintf(since, sizeof(since), " for the second 8259");
        else if (taken != EVIDENCE_NEVER)
                (void)snprintf(since, sizeof(since), " since vector %02xh was taken (exit %" PRIu64 ")", vector, taken);
        if (eoi == EVIDENCE_NEVER)
                (void)snprintf(seen, sizeof(seen), "no EOI (OUT %xh, 20h) is recorded", port);
        else
                (void)snprintf(seen, sizeof(seen), "the last EOI (OUT %xh, %02" PRIx64 "h) was at exit %" PRIu64, port,
                               value, eoi);
        if (!slave && input == CASCADE)
                (void)snprintf(advice, sizeof(advice),
                               "the handlers of IRQ 8 to 15: do they write 20h to port 20h, beside port a0h?");
        else
                (void)snprintf(advice, sizeof(advice), "the handler of vector %02xh: does it write 20h to port %xh%s?",
                               vector, port, slave ? " and to port 20h" : "");
        add(blocks, BLOCK_IN_SERVICE, taken, advice,
            "8259 #%u: %s is in service without EOI%s and blocks itself and all lines of lower priority; %s",
            slave + 1u, interrupt_line_source(line), since, seen);
}

static void pic_masked(const struct hwaccl_evidence *evidence, const struct hwaccl_pic_chip *chip, bool slave,
                       unsigned input, struct interrupt_blocks *blocks)
{
        uint16_t port = slave ? 0xa1 : 0x21;
        unsigned line = input + (slave ? 8 : 0);
        uint64_t value, since = evidence_line_change(evidence, line, true);
        uint64_t written = evidence_port_write(evidence, port, &value);
        char when[64] = "", by[64] = "", advice[160];

        if (since != EVIDENCE_NEVER)
                (void)snprintf(when, sizeof(when), " since exit %" PRIu64, since);
        if (written != EVIDENCE_NEVER)
                (void)snprintf(by, sizeof(by), ", written at exit %" PRIu64, written);
        (void)snprintf(advice, sizeof(advice), "who should clear bit %u of port %xh?", input, port);
        add(blocks, BLOCK_MASKED, since, advice, "8259 #%u: %s is requested%s and masked (IMR %02xh%s)", slave + 1u,
            interrupt_line_source(line), when, chip->imr, by);
}

static void pic_unacknowledged(const struct hwaccl_evidence *evidence, bool slave, unsigned input,
                               struct interrupt_blocks *blocks)
{
        unsigned line = input + (slave ? 8 : 0);
        uint64_t since = evidence_line_change(evidence, line, true);
        char when[64] = "", advice[160];

        if (since != EVIDENCE_NEVER)
                (void)snprintf(when, sizeof(when), " since exit %" PRIu64, since);
        (void)snprintf(advice, sizeof(advice), "the handler of %s: does it read or clear the device's status?",
                       interrupt_line_source(line));
        add(blocks, BLOCK_UNACKNOWLEDGED, since, advice,
            "8259 #%u: the line of %s is high%s, its interrupt was taken, and an edge-triggered input sees no other "
            "edge "
            "before it falls%s",
            slave + 1u, interrupt_line_source(line), when, acknowledge(line));
}

static void chip_blocks(const struct hwaccl_evidence *evidence, const struct hwaccl_pic_chip *chip, bool slave,
                        struct interrupt_blocks *blocks)
{
        describe(blocks, "8259 #%u: IRR %02xh, ISR %02xh, IMR %02xh, lines %02xh, vectors %02xh to %02xh%s", slave + 1u,
                 chip->irr, chip->isr, chip->imr, chip->lines, chip->base, chip->base + 7,
                 chip->step == HWACCL_PIC_READY ? "" : ", not initialized");
        if (chip->step != HWACCL_PIC_READY && chip->irr & ~(unsigned)chip->imr)
                add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER,
                    "who should initialize the 8259s (ICW1 to port 20h, and on)?",
                    "8259 #%u: %s is requested, and the controller is not initialized: it passes on nothing",
                    slave + 1u,
                    interrupt_line_source((unsigned)__builtin_ctz(chip->irr & ~(unsigned)chip->imr) + (slave ? 8 : 0)));
        for (unsigned input = 0; input < 8; input++) {
                unsigned bit = 1u << input;
                bool cascade = !slave && input == CASCADE;
                if (chip->isr & bit)
                        pic_in_service(evidence, chip, slave, input, blocks);
                else if (through_io_apic(evidence, input + (slave ? 8 : 0)))
                        continue;
                else if (chip->irr & bit && chip->imr & bit)
                        pic_masked(evidence, chip, slave, input, blocks);
                else if (chip->lines & bit && !(chip->irr & bit) && !cascade && !(slave == false && input == 0))
                        pic_unacknowledged(evidence, slave, input, blocks);
        }
}

static bool apic_timer_armed(const struct hwaccl_local_apic *apic)
{
        bool running = apic->timer_running || apic->tsc_deadline;

        return running && !(apic->lvt[HWACCL_LVT_TIMER] & LVT_MASKED);
}

/* What a source would be stopped by on its way: text; empty: nothing, or it is not known. */
static void way_of_line(const struct hwaccl_evidence *evidence, unsigned line, char *text, size_t room)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");

        text[0] = '\0';
        if (!pic || through_io_apic(evidence, line))
                return;
        bool slave = line >= 8;
        uint8_t mask = slave ? pic->slave.imr : pic->master.imr;
        if (mask >> line % 8 & 1) {
                char by[64] = "";
                uint64_t value, written = evidence_port_write(evidence, slave ? 0xa1 : 0x21, &value);
                if (written != EVIDENCE_NEVER)
                        (void)snprintf(by, sizeof(by), ", written at exit %" PRIu64, written);
                (void)snprintf(text, room, "it is masked at 8259 #%u (IMR %02xh%s)", slave + 1u, mask, by);
        } else if (slave && pic->master.imr >> CASCADE & 1)
                (void)snprintf(text, room,
                               "it is open at 8259 #2, and the cascade (IRQ 2) is masked at 8259 #1 (IMR %02xh)",
                               pic->master.imr);
        else if (apic && apic->processor->apic_base & APIC_BASE_ENABLED && apic->lvt[HWACCL_LVT_LINT0] & LVT_MASKED)
                (void)snprintf(text, room, "LINT0 of the local APIC, the way from the 8259s, is masked (LVT %xh)",
                               apic->lvt[HWACCL_LVT_LINT0]);
        if (*text && io_apic) {
                size_t used = strlen(text);
                (void)snprintf(text + used, room - used, "; the I/O APIC's pin %u is masked, too", line);
        }
}

/* Will the line rise some time, or is its interrupt due? */
static bool line_armed(const struct hwaccl_evidence *evidence, unsigned line)
{
        const struct hwaccl_pit *pit = evidence_device(evidence, "pit");
        const struct hwaccl_rtc *rtc = evidence_device(evidence, "rtc");
        const struct hwaccl_uart *uart = evidence_device(evidence, "uart");

        switch (line) {
        case 0: return pit && hwaccl_pit_counter_next_rise(&pit->channel[0], pit->synchronized) != UINT64_MAX;
        case HWACCL_UART_LINE: return uart && uart->mcr & MCR_OUT2 && uart->ier & (IER_RECEIVED | IER_TRANSMITTER);
        case RTC_LINE: return rtc && rtc->cmos[11] & RTC_B_SOURCES;
        default: return false;
        }
}

/* Sources that are armed and would all be stopped by a mask: none of them can end a wait. */
static void armed_but_masked(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks)
{
        static const unsigned lines[] = {RTC_LINE, HWACCL_UART_LINE, 0};
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        char way[3][160];

        if (!pic || (apic && apic_timer_armed(apic)))
                return;
        for (size_t i = 0; i < 3; i++) {
                way_of_line(evidence, lines[i], way[i], sizeof(way[i]));
                if (line_armed(evidence, lines[i]) && !*way[i])
                        return;
        }
        for (size_t i = 0; i < 3; i++) {
                const struct hwaccl_pic_chip *chip = lines[i] < 8 ? &pic->master : &pic->slave;
                unsigned bit = 1u << lines[i] % 8;
                bool said = chip->irr & chip->imr & bit; /* by pic_masked */
                if (line_armed(evidence, lines[i]) && !said)
                        add(blocks, BLOCK_ARMED, EVIDENCE_NEVER, "who should open the way of this interrupt?",
                            "%s is enabled at its device, and cannot reach the processor: %s",
                            interrupt_line_source(lines[i]), way[i]);
        }
}

/* In a PC, OUT2 connects the UART's interrupt to its line. */
static void uart_blocks(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks)
{
        const struct hwaccl_uart *uart = evidence_device(evidence, "uart");

        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        bool only = pic && (pic->master.imr | 1u << CASCADE) == (0xffu & ~(1u << HWACCL_UART_LINE));

        if (uart && only && !uart->ier)
                add(blocks, BLOCK_ARMED, EVIDENCE_NEVER, "who should enable COM1's interrupts (IER, port 3f9h)?",
                    "the 8259s let only IRQ 4 (COM1) through, and COM1 raises none: IER is 00h");
        if (!uart || uart->mcr & MCR_OUT2)
                return;
        bool received = uart->ier & IER_RECEIVED && uart->received_count;
        bool empty = uart->ier & IER_TRANSMITTER && uart->transmitter_empty;
        if (received || empty)
                add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER, "who should set bit 3 (OUT2) of port 3fch?",
                    "COM1: its interrupt is due (%s; IER %02xh), and OUT2 in MCR (%02xh) is 0, which keeps it from IRQ "
                    "4",
                    received ? "data ready" : "transmitter empty", uart->ier, uart->mcr);
        else if (uart->ier & (IER_RECEIVED | IER_TRANSMITTER))
                add(blocks, BLOCK_ARMED, EVIDENCE_NEVER, "who should set bit 3 (OUT2) of port 3fch?",
                    "COM1: interrupts are enabled (IER %02xh), and OUT2 in MCR (%02xh) is 0, which keeps them from IRQ "
                    "4",
                    uart->ier, uart->mcr);
}

static void no_timer(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks)
{
        const struct hwaccl_pit *pit = evidence_device(evidence, "pit");
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        const struct hwaccl_rtc *rtc = evidence_device(evidence, "rtc");
        const struct hwaccl_pit_channel *channel = pit ? &pit->channel[0] : NULL;
        char counter[120] = "has no count";

        if (!channel || line_armed(evidence, 0) || line_armed(evidence, RTC_LINE) || (apic && apic_timer_armed(apic)))
                return;
        if (channel->count)
                (void)snprintf(counter, sizeof(counter),
                               "has run out (mode %u, one-shot, OUT %s) and was not loaded again", channel->mode,
                               hwaccl_pit_counter_output(channel, pit->synchronized) ? "is high" : "is low");
        add(blocks, BLOCK_NO_SOURCE, EVIDENCE_NEVER, "which timer should end the wait?",
            "no timer is armed: counter 0 of the 8253 %s%s%s", counter,
            apic ? ", the local APIC's timer is off or masked" : "", rtc ? ", the RTC has no interrupt enabled" : "");
}

static bool uses_io_apic(const struct hwaccl_evidence *evidence)
{
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");

        for (unsigned pin = 0; io_apic && pin < HWACCL_IO_APIC_PINS; pin++)
                if (!(io_apic->redirection[pin] & REDIRECTION_MASK))
                        return true;
        return false;
}

/* Vectors that are requested, or that the timer will request, and not above the task priority. */
static void priority_blocks(const struct hwaccl_evidence *evidence, const struct hwaccl_local_apic *apic,
                            struct interrupt_blocks *blocks)
{
        const struct hwaccl_processor *processor = evidence_device(evidence, "processor");
        unsigned priority = processor ? (unsigned)(processor->cr8 & 15) : 0;

        for (unsigned vector = 16; vector < 256 && priority; vector++) {
                bool requested = apic->irr[vector / 64] >> vector % 64 & 1;
                bool due = apic_timer_armed(apic) && (apic->lvt[HWACCL_LVT_TIMER] & 0xff) == vector;
                if (vector >> 4 <= priority && (requested || due))
                        add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER, "who should lower the TPR, offset 80h (or CR8)?",
                            "local APIC: vector %02xh%s, and TPR %x0h holds back every vector up to %xfh", vector,
                            requested ? " is requested" : ", the timer's, is armed", priority, priority);
        }
}

/* Among the last exits. */
static uint64_t last_apic_eoi(const struct hwaccl_evidence *evidence)
{
        for (size_t i = evidence->exit_count; i-- > 0;) {
                struct evidence_access access = evidence_access(evidence, i);
                if (access.write && ((access.kind == ACCESS_MEMORY && access.address == APIC_EOI) ||
                                     (access.kind == ACCESS_MSR && access.address == X2APIC_EOI)))
                        return evidence->exits[i].number;
        }
        return EVIDENCE_NEVER;
}

/* The keyboard controller has something, and must not interrupt. */
static void keyboard_blocks(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks)
{
        const struct hwaccl_i8042 *controller = evidence_device(evidence, "i8042");
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");

        if (controller && pic && controller->count && !(controller->ram[0] & 1) &&
            (!(pic->master.imr & 2) || through_io_apic(evidence, 1)))
                add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER,
                    "who should set bit 0 of the controller's command byte (command 60h to port 64h)?",
                    "keyboard controller: %u byte%s in the output buffer, and IRQ 1 is off in its command byte "
                    "(%02xh, bit 0)",
                    controller->count, controller->count == 1 ? " is" : "s are", controller->ram[0]);
}

static void apic_blocks(const struct hwaccl_evidence *evidence, const struct hwaccl_local_apic *apic,
                        const struct hwaccl_pic *pic, struct interrupt_blocks *blocks)
{
        bool pic_asks = pic && pic->master.step == HWACCL_PIC_READY && pic->master.irr & (unsigned)~pic->master.imr;

        for (unsigned vector = 16; vector < 256; vector++) {
                if (!(apic->isr[vector / 64] >> vector % 64 & 1))
                        continue;
                uint64_t count, taken = evidence_vector_taken(evidence, (uint8_t)vector, &count);
                char since[64] = "", seen[80] = "; no EOI is recorded", advice[160];
                uint64_t value, eoi = evidence_port_write_of(evidence, 0x20, 0x38, 0x20, &value);
                if (taken != EVIDENCE_NEVER)
                        (void)snprintf(since, sizeof(since), " since it was taken (exit %" PRIu64 ")", taken);
                if (eoi != EVIDENCE_NEVER && taken != EVIDENCE_NEVER && eoi >= taken)
                        (void)snprintf(seen, sizeof(seen), "; the EOI at exit %" PRIu64 " went to port 20h, the 8259",
                                       eoi);
                else if (last_apic_eoi(evidence) != EVIDENCE_NEVER)
                        (void)snprintf(seen, sizeof(seen), "; the last EOI was at exit %" PRIu64,
                                       last_apic_eoi(evidence));
                (void)snprintf(advice, sizeof(advice),
                               "the handler of vector %02xh: does it write 0 to the local APIC's EOI register, offset "
                               "b0h (x2APIC: "
                               "MSR 80bh)?",
                               vector);
                add(blocks, BLOCK_IN_SERVICE, taken, advice,
                    "local APIC: vector %02xh is in service without EOI%s and blocks every vector up to %02xh%s",
                    vector, since, vector | 15u, seen);
        }
        if (!(apic->svr & SVR_ENABLED) &&
            (apic->irr[0] | apic->irr[1] | apic->irr[2] | apic->irr[3] || uses_io_apic(evidence)))
                add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER, "who should set bit 8 of the SVR, offset f0h?",
                    "local APIC: it is disabled by software (SVR %xh, bit 8 is 0) and accepts no interrupt", apic->svr);
        priority_blocks(evidence, apic, blocks);
        if (pic_asks && apic->lvt[HWACCL_LVT_LINT0] & LVT_MASKED)
                add(blocks, BLOCK_MASKED, EVIDENCE_NEVER, "is the guest to use the 8259s or the I/O APIC?",
                    "local APIC: the 8259s request an interrupt, and LINT0 is masked (LVT %xh)",
                    apic->lvt[HWACCL_LVT_LINT0]);
        if ((apic->timer_running || apic->tsc_deadline) && apic->lvt[HWACCL_LVT_TIMER] & LVT_MASKED)
                add(blocks, BLOCK_MASKED, EVIDENCE_NEVER, "who should clear bit 16 of the timer's LVT, offset 320h?",
                    "local APIC: the timer runs, and its LVT is masked (%xh)", apic->lvt[HWACCL_LVT_TIMER]);
}

static void io_apic_blocks(const struct hwaccl_evidence *evidence, const struct hwaccl_io_apic *io_apic,
                           const struct hwaccl_pic *pic, struct interrupt_blocks *blocks)
{
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        bool used = false;

        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++)
                used |= !(io_apic->redirection[pin] & REDIRECTION_MASK);
        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++) {
                bool up = io_apic->pins >> pin & 1, open = !(io_apic->redirection[pin] & REDIRECTION_MASK);
                bool pic_open = pic && pin < 16 && !((pin < 8 ? pic->master.imr : pic->slave.imr) >> pin % 8 & 1);
                unsigned line = pin == CASCADE ? 0 : pin; /* of the ISA bus */
                unsigned target = (unsigned)(io_apic->redirection[pin] >> 56);
                if (open && !(io_apic->redirection[pin] & REDIRECTION_LOGICAL) && apic && target != apic->id &&
                    target != ALL_APICS)
                        add(blocks, BLOCK_DISABLED, EVIDENCE_NEVER, "which APIC ID should the redirection entry have?",
                            "I/O APIC: pin %u (%s) is sent to APIC ID %u, and the processor's is %u", pin,
                            interrupt_line_source(line), target, apic->id);
                if (up && !open && !pic_open && used)
                        add(blocks, BLOCK_MASKED, evidence_line_change(evidence, pin, true),
                            line ? "who should clear bit 16 of the redirection entry?"
                                 : "the timer is on pin 2, not 0 (source override in the MADT): who should open pin 2?",
                            "I/O APIC: pin %u (%s) is up and masked (redirection entry %" PRIx64 "h)", pin,
                            interrupt_line_source(line), io_apic->redirection[pin]);
        }
}

void interrupt_blocks_find(const struct hwaccl_evidence *evidence, struct interrupt_blocks *blocks)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");

        memset(blocks, 0, sizeof(*blocks));
        if (pic) {
                chip_blocks(evidence, &pic->master, false, blocks);
                chip_blocks(evidence, &pic->slave, true, blocks);
        }
        if (apic)
                apic_blocks(evidence, apic, pic, blocks);
        if (io_apic)
                io_apic_blocks(evidence, io_apic, pic, blocks);
        uart_blocks(evidence, blocks);
        keyboard_blocks(evidence, blocks);
        armed_but_masked(evidence, blocks);
        no_timer(evidence, blocks);
}

const struct interrupt_block *interrupt_blocks_main(const struct interrupt_blocks *blocks)
{
        const struct interrupt_block *main = NULL;

        for (size_t i = 0; i < blocks->count; i++)
                if (!main || blocks->block[i].kind > main->kind)
                        main = &blocks->block[i];
        return main;
}

void interrupt_blocks_report(const struct interrupt_blocks *blocks, struct hwaccl_finding *finding)
{
        for (size_t i = 0; i < blocks->state_count; i++)
                finding_fact(finding, EVIDENCE_NEVER, "%s", blocks->state[i]);
        /* what blocks most comes first; the rest is no reason to act */
        for (int kind = BLOCK_KINDS; kind-- > 0;)
                for (size_t i = 0; i < blocks->count; i++)
                        if (blocks->block[i].kind == (enum interrupt_block_kind)kind)
                                finding_fact(finding, blocks->block[i].exit, "%s", blocks->block[i].text);
        for (size_t i = 0; i < blocks->count; i++)
                if (blocks->block[i].kind == interrupt_blocks_main(blocks)->kind)
                        finding_advise(finding, "%s", blocks->block[i].advice);
}
