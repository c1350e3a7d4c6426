#include "replay/postmortem/rules/polled_device.h"

#include "core/machine/devices/ata.h"
#include "core/machine/devices/i8042.h"
#include "core/machine/devices/local_apic.h"
#include "core/machine/devices/pic.h"
#include "core/machine/devices/pit.h"
#include "core/machine/devices/rtc.h"
#include "core/machine/devices/uart.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A status bit, and the level that software waits for. */
struct status_bit {
        uint64_t mask;
        bool awaited; /* 1 */
        const char *name;
};

static const struct status_bit port_b_bits[] = {
        {0x20, true, "OUT of counter 2"}, {0x10, true, "refresh toggle"}, {0, false, NULL}};
static const struct status_bit keyboard_bits[] = {
        {0x02, false, "input buffer full"}, {0x01, true, "output buffer full"}, {0, false, NULL}};
static const struct status_bit line_bits[] = {{0x20, true, "THRE, transmitter ready"},
                                              {0x40, true, "TEMT, transmitter empty"},
                                              {0x01, true, "DR, data ready"},
                                              {0, false, NULL}};
static const struct status_bit ata_bits[] = {
        {0x80, false, "BSY"}, {0x08, true, "DRQ"}, {0x40, true, "DRDY"}, {0x08, false, "DRQ"}, {0, false, NULL}};
static const struct status_bit rtc_a_bits[] = {{0x80, true, "UIP"}, {0x80, false, "UIP"}, {0, false, NULL}};
static const struct status_bit rtc_c_bits[] = {
        {0x80, true, "IRQF"}, {0x40, true, "PF"}, {0x10, true, "UF"}, {0x20, true, "AF"}, {0, false, NULL}};
static const struct status_bit icr_bits[] = {{0x1000, false, "delivery status"}, {0, false, NULL}};

/* The bit that is awaited: one that never had the level that software waits for. What the test gave last (ZF) says at
 * which level it is. */
static const struct status_bit *awaited(const struct status_bit *bits, const struct poll *poll)
{
        const struct status_bit *fallback = NULL;

        for (; bits->name; bits++) {
                bool stuck = bits->awaited ? !(poll->ever & bits->mask) : (poll->always & bits->mask) == bits->mask;
                if (!stuck)
                        continue;
                if (bits->awaited == poll->zero)
                        return bits;
                if (!fallback)
                        fallback = bits;
        }
        return fallback;
}

static void say_bit(const struct poll *poll, const char *where, const struct status_bit *bit,
                    struct poll_answer *answer)
{
        if (!bit) {
                (void)snprintf(answer->what, sizeof(answer->what), "%s (reads %" PRIx64 "h)", where, poll->last);
                return;
        }
        unsigned number = (unsigned)__builtin_ctzll(bit->mask);
        (void)snprintf(answer->what, sizeof(answer->what), "%s (reads %" PRIx64 "h) for bit %u (%s) to become %d",
                       where, poll->last, number, bit->name, bit->awaited);
}

static void written_at(const struct hwaccl_evidence *evidence, uint16_t port, struct poll_answer *answer, char *text,
                       size_t room)
{
        uint64_t value;

        text[0] = '\0';
        answer->exit = evidence_port_write(evidence, port, &value);
        if (answer->exit != EVIDENCE_NEVER)
                (void)snprintf(text, room, ", written at exit %" PRIu64, answer->exit);
}

static void explain_counter(const struct hwaccl_evidence *evidence, unsigned number, struct poll_answer *answer)
{
        const struct hwaccl_pit *pit = evidence_device(evidence, "pit");
        char when[48];

        if (!pit)
                return;
        const struct hwaccl_pit_channel *channel = &pit->channel[number];
        if (number == 2 && !channel->gate) {
                written_at(evidence, 0x61, answer, when, sizeof(when));
                (void)snprintf(answer->why, sizeof(answer->why),
                               "gate of counter 2 is off (port 61h bit 0 is 0%s), so it does not count", when);
                (void)snprintf(answer->advice, sizeof(answer->advice),
                               "set bit 0 of port 61h before the count is loaded");
        } else if (!channel->count && !channel->written) {
                written_at(evidence, 0x43, answer, when, sizeof(when));
                (void)snprintf(answer->why, sizeof(answer->why),
                               "counter %u has no count since its mode was set (port 43h%s), so it does not count",
                               number, when);
        } else if (!channel->counting) {
                written_at(evidence, (uint16_t)(0x40 + number), answer, when, sizeof(when));
                (void)snprintf(answer->why, sizeof(answer->why),
                               "counter %u is in mode %u and does not count: %s (count %xh%s)", number, channel->mode,
                               channel->mode == 1 || channel->mode == 5 ? "it waits for its gate to rise"
                                                                        : "it has run out",
                               channel->written, when);
        }
}

static bool explain_port_b(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        const struct status_bit *bit = awaited(port_b_bits, poll);

        say_bit(poll, "port 61h", bit, answer);
        if (bit && bit->mask == 0x20)
                explain_counter(evidence, 2, answer);
        return true;
}

static bool explain_pit(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        unsigned number = (unsigned)(poll->access.address - 0x40);

        (void)snprintf(answer->what, sizeof(answer->what), "port %xh, the count of counter %u (reads %" PRIx64 "h)",
                       0x40 + number, number, poll->last);
        explain_counter(evidence, number, answer);
        return true;
}

static bool explain_keyboard(const struct hwaccl_evidence *evidence, const struct poll *poll,
                             struct poll_answer *answer)
{
        const struct status_bit *bit = awaited(keyboard_bits, poll);
        const struct hwaccl_i8042 *controller = evidence_device(evidence, "i8042");

        say_bit(poll, "port 64h, the keyboard controller's status", bit, answer);
        if (!bit || !controller)
                return true;
        if (bit->mask == 0x01) {
                uint64_t value;
                answer->exit = evidence_port_write(evidence, 0x64, &value);
                (void)snprintf(answer->why, sizeof(answer->why),
                               "controller and keyboard have nothing to send: no key is pressed, and every command was "
                               "answered");
                if (answer->exit != EVIDENCE_NEVER)
                        (void)snprintf(answer->advice, sizeof(answer->advice),
                                       "the last command to the controller was %02" PRIx64 "h: has it an answer?",
                                       value);
                answer->input = true;
        }
        return true;
}

static bool explain_uart(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        static const char *const names[] = {"COM1", "COM2", "COM3", "COM4"};
        uint16_t port = (uint16_t)poll->access.address;
        unsigned number = (port & 0xff8) == 0x3f8 ? 0 : (port & 0xff8) == 0x2f8 ? 1 : (port & 0xff8) == 0x3e8 ? 2 : 3;
        const char *owner = evidence_port_owner(evidence, port);
        char where[64];

        (void)snprintf(where, sizeof(where), "port %xh, %s's %s", port, names[number],
                       (port & 7) == 5   ? "line status"
                       : (port & 7) == 2 ? "interrupt identification"
                       : (port & 7) == 6 ? "modem status"
                                         : "register");
        const struct status_bit *bit = (port & 7) == 5 ? awaited(line_bits, poll) : NULL;
        say_bit(poll, where, bit, answer);
        if (owner && !*owner) {
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the machine has no %s: the port reads ff (floating bus)", names[number]);
                (void)snprintf(answer->advice, sizeof(answer->advice), "only COM1 (3f8h) exists");
        } else if (bit && bit->mask == 0x01) {
                (void)snprintf(answer->why, sizeof(answer->why), "nothing is typed");
                answer->input = true;
        }
        return true;
}

static void explain_drive(const struct hwaccl_evidence *evidence, const struct hwaccl_ata *ata, unsigned channel,
                          const struct status_bit *bit, struct poll_answer *answer)
{
        unsigned drive = ata->select >> 4 & 1;
        uint16_t base = channel ? 0x170 : 0x1f0;
        uint64_t value;

        answer->exit = evidence_port_write(evidence, (uint16_t)(base + 7), &value);
        if (drive >= ata->disk_count)
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no drive: device %u of the channel is selected and absent", drive);
        else if (bit && bit->mask == 0x08 && !bit->awaited)
                (void)snprintf(answer->why, sizeof(answer->why),
                               "data is not fetched: %u bytes of the block wait at port %xh (command %02" PRIx64 "h)",
                               (unsigned)(ata->size - ata->position), base, value);
        else if (answer->exit == EVIDENCE_NEVER)
                (void)snprintf(answer->why, sizeof(answer->why), "the drive was given no command");
        else
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the drive has done its command %02" PRIx64 "h (exit %" PRIu64 "): error register %02xh",
                               value, answer->exit, ata->drive[drive].error);
}

static bool explain_ata(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        uint16_t port = (uint16_t)poll->access.address;
        unsigned channel = port < 0x1f0 || port == 0x376;
        const struct hwaccl_ata *ata = evidence_device(evidence, channel ? "ata1" : "ata0");
        const char *owner = evidence_port_owner(evidence, port);
        const struct status_bit *bit = awaited(ata_bits, poll);
        char where[80];

        (void)snprintf(where, sizeof(where), "port %xh, the status of the %s ATA channel", port,
                       channel ? "second" : "first");
        say_bit(poll, where, bit, answer);
        if (owner && !*owner) {
                (void)snprintf(
                        answer->why, sizeof(answer->why),
                        "no drive and no controller answer: the port reads ff (floating bus), in which BSY is set but "
                        "means nothing");
                (void)snprintf(answer->advice, sizeof(answer->advice),
                               "a driver takes a status of ffh as 'no device'; or add a disk with --disk");
        } else if (ata) {
                explain_drive(evidence, ata, channel, bit, answer);
        }
        return true;
}

static bool explain_rtc(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        uint64_t index;
        uint64_t selected = evidence_port_write(evidence, 0x70, &index);
        const struct hwaccl_rtc *rtc = evidence_device(evidence, "rtc");
        char where[64];

        index &= 0x7f;
        (void)snprintf(where, sizeof(where), "port 71h, the RTC's register %02" PRIx64 "h", index);
        say_bit(poll, where,
                index == 10   ? awaited(rtc_a_bits, poll)
                : index == 12 ? awaited(rtc_c_bits, poll)
                              : NULL,
                answer);
        answer->exit = selected;
        if (!rtc)
                return true;
        if (rtc->cmos[11] & 0x80)
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the clock is stopped: SET (bit 7 of register B) is 1, so no update happens");
        else if ((rtc->cmos[10] & 0x70) != 0x20)
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the clock is stopped: the divider in register A is %xh, not 2", rtc->cmos[10] >> 4 & 7);
        else if (index == 12 && !(rtc->cmos[11] & 0x70))
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no source is enabled in register B (%02xh), so IRQF is never set", rtc->cmos[11]);
        return true;
}

static bool explain_pic(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        const struct hwaccl_pic *pic = evidence_device(evidence, "pic");
        bool slave = poll->access.address >= 0xa0;

        (void)snprintf(answer->what, sizeof(answer->what), "port %" PRIx64 "h, 8259 #%d (reads %" PRIx64 "h)",
                       poll->access.address, slave + 1, poll->last);
        if (pic) {
                const struct hwaccl_pic_chip *chip = slave ? &pic->slave : &pic->master;
                (void)snprintf(answer->why, sizeof(answer->why), "its lines are %02xh, IRR %02xh, ISR %02xh, IMR %02xh",
                               chip->lines, chip->irr, chip->isr, chip->imr);
        }
        return true;
}

static bool explain_port(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        static const struct {
                uint16_t first, last;
                bool (*explain)(const struct hwaccl_evidence *evidence, const struct poll *poll,
                                struct poll_answer *answer);
        } ports[] = {
                {0x20, 0x21, explain_pic},    {0xa0, 0xa1, explain_pic},      {0x40, 0x42, explain_pit},
                {0x61, 0x61, explain_port_b}, {0x64, 0x64, explain_keyboard}, {0x71, 0x71, explain_rtc},
                {0x170, 0x177, explain_ata},  {0x1f0, 0x1f7, explain_ata},    {0x376, 0x376, explain_ata},
                {0x3f6, 0x3f6, explain_ata},  {0x2e8, 0x2ef, explain_uart},   {0x2f8, 0x2ff, explain_uart},
                {0x3e8, 0x3ef, explain_uart}, {0x3f8, 0x3ff, explain_uart},
        };
        uint16_t port = (uint16_t)poll->access.address;

        for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
                if (port >= ports[i].first && port <= ports[i].last)
                        return ports[i].explain(evidence, poll, answer);
        const char *owner = evidence_port_owner(evidence, port);
        if (owner && !*owner) {
                (void)snprintf(answer->what, sizeof(answer->what), "port %xh (reads %" PRIx64 "h)", port, poll->last);
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no device of the machine claims the port: it reads as ones (floating bus)");
        } else {
                (void)snprintf(answer->what, sizeof(answer->what), "port %xh%s%s (reads %" PRIx64 "h)", port,
                               owner ? " of device " : "", owner ? owner : "", poll->last);
        }
        return true;
}

static void explain_apic(const struct hwaccl_evidence *evidence, unsigned offset, const struct poll *poll,
                         struct poll_answer *answer)
{
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        char where[64];

        (void)snprintf(where, sizeof(where), "the local APIC's register %xh", offset);
        say_bit(poll, where, offset == 0x300 ? awaited(icr_bits, poll) : NULL, answer);
        if (!apic || offset != 0x390)
                return;
        if (!apic->timer_initial)
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the timer does not count: its initial count (offset 380h) is 0");
        else if (!apic->timer_running)
                (void)snprintf(answer->why, sizeof(answer->why), "the timer has run out: its count stays 0");
}

static bool explain_memory(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        uint64_t address = poll->access.address;
        const char *owner = evidence_memory_owner(evidence, address);

        if ((address & ~UINT64_C(0xfff)) == UINT64_C(0xfee00000) && (!owner || *owner)) {
                explain_apic(evidence, (unsigned)(address & 0xff0), poll, answer);
                return true;
        }
        if (owner && *owner)
                (void)snprintf(answer->what, sizeof(answer->what),
                               "address %" PRIx64 "h of device %s (reads %" PRIx64 "h)", address, owner, poll->last);
        else
                (void)snprintf(answer->what, sizeof(answer->what), "address %" PRIx64 "h (reads %" PRIx64 "h)", address,
                               poll->last);
        if (owner && !*owner)
                (void)snprintf(answer->why, sizeof(answer->why), "no device is there (%s): it reads as ones",
                               evidence_region(evidence, address));
        return true;
}

bool polled_device_explain(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        memset(answer, 0, sizeof(*answer));
        answer->exit = EVIDENCE_NEVER;
        switch (poll->access.kind) {
        case ACCESS_PORT: return explain_port(evidence, poll, answer);
        case ACCESS_MEMORY: return explain_memory(evidence, poll, answer);
        case ACCESS_MSR:
                (void)snprintf(answer->what, sizeof(answer->what), "MSR %" PRIx64 "h (reads %" PRIx64 "h)",
                               poll->access.address, poll->last);
                return true;
        default: return false;
        }
}
