#include "replay/postmortem/rules/polled_words.h"

#include "core/machine/devices/ata.h"
#include "core/machine/devices/i8042.h"
#include "core/machine/devices/io_apic.h"
#include "core/machine/devices/local_apic.h"
#include "core/machine/devices/pic.h"
#include "core/machine/devices/pit.h"
#include "core/machine/devices/rtc.h"
#include "core/machine/devices/uart.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct poll_bit port_b_bits[] = {
        {0x20, true, "OUT of counter 2"}, {0x10, true, "refresh toggle"}, {0, false, NULL}};
static const struct poll_bit keyboard_bits[] = {
        {0x02, false, "input buffer full"}, {0x01, true, "output buffer full"}, {0, false, NULL}};
static const struct poll_bit line_bits[] = {{0x20, true, "THRE, transmitter ready"},
                                            {0x40, true, "TEMT, transmitter empty"},
                                            {0x01, true, "DR, data ready"},
                                            {0, false, NULL}};
static const struct poll_bit ata_bits[] = {
        {0x80, false, "BSY"}, {0x08, true, "DRQ"}, {0x40, true, "DRDY"}, {0x08, false, "DRQ"}, {0, false, NULL}};
static const struct poll_bit rtc_a_bits[] = {{0x80, true, "UIP"}, {0x80, false, "UIP"}, {0, false, NULL}};
static const struct poll_bit rtc_c_bits[] = {
        {0x80, true, "IRQF"}, {0x40, true, "PF"}, {0x10, true, "UF"}, {0x20, true, "AF"}, {0, false, NULL}};
static const struct poll_bit redirection_bits[] = {
        {0x1000, false, "delivery status"}, {0x4000, false, "remote IRR"}, {0, false, NULL}};
static const struct poll_bit icr_bits[] = {{0x1000, false, "delivery status"}, {0, false, NULL}};

static void written_at(const struct hwaccl_evidence *evidence, uint16_t port, struct poll_answer *answer, char *text,
                       size_t room)
{
        uint64_t value;

        text[0] = '\0';
        answer->exit = evidence_port_write(evidence, port, &value);
        if (answer->exit != EVIDENCE_NEVER)
                (void)snprintf(text, room, ", written at exit %" PRIu64, answer->exit);
}

/* When the counter's mode was set: a control word that is no latch command. */
static uint64_t mode_written(const struct hwaccl_evidence *evidence, unsigned number)
{
        uint64_t latest = EVIDENCE_NEVER, value;

        for (unsigned access = 1; access < 4; access++) {
                uint64_t exit = evidence_port_write_of(evidence, 0x43, 0xf0, number << 6 | access << 4, &value);
                if (exit != EVIDENCE_NEVER && (latest == EVIDENCE_NEVER || exit > latest))
                        latest = exit;
        }
        return latest;
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
                answer->exit = mode_written(evidence, number);
                if (answer->exit != EVIDENCE_NEVER)
                        (void)snprintf(when, sizeof(when), " at exit %" PRIu64, answer->exit);
                else
                        when[0] = '\0';
                (void)snprintf(answer->why, sizeof(answer->why),
                               "counter %u has no count since its mode was set (port 43h)%s, so it does not count",
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
        const struct poll_bit *bit = poll_awaited(port_b_bits, poll);

        poll_say(poll, port_b_bits, answer, "port 61h");
        if (bit && bit->mask == 0x20)
                explain_counter(evidence, 2, answer);
        return true;
}

static bool explain_pit(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        unsigned number = (unsigned)(poll->access.address - 0x40);

        poll_say(poll, NULL, answer, "port %xh, the count of counter %u", 0x40 + number, number);
        explain_counter(evidence, number, answer);
        return true;
}

static bool explain_keyboard(const struct hwaccl_evidence *evidence, const struct poll *poll,
                             struct poll_answer *answer)
{
        const struct poll_bit *bit = poll_awaited(keyboard_bits, poll);
        const struct hwaccl_i8042 *controller = evidence_device(evidence, "i8042");

        poll_say(poll, keyboard_bits, answer, "port 64h, the keyboard controller's status");
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

static bool explain_keyboard_data(const struct hwaccl_evidence *evidence, const struct poll *poll,
                                  struct poll_answer *answer)
{
        const struct hwaccl_i8042 *controller = evidence_device(evidence, "i8042");
        uint64_t value;

        poll_say(poll, NULL, answer, "port 60h, the keyboard controller's data");
        if (!controller || controller->count)
                return true;
        answer->exit = evidence_port_write(evidence, 0x64, &value);
        (void)snprintf(answer->why, sizeof(answer->why),
                       "its output buffer is empty: no key is pressed, and every command was answered, so it reads the "
                       "last byte again");
        (void)snprintf(answer->advice, sizeof(answer->advice),
                       "wait for bit 0 of port 64h (output buffer full) before port 60h is read");
        answer->input = true;
        return true;
}

/* The function that port cf8h selects. */
static bool explain_pci(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        uint32_t selected = 0;

        answer->exit = EVIDENCE_NEVER;
        for (size_t i = evidence->exit_count; i-- > 0 && answer->exit == EVIDENCE_NEVER;) {
                struct evidence_access access = evidence_access(evidence, i);
                if (access.kind != ACCESS_PORT || !access.write || access.address != 0xcf8 || access.size != 4)
                        continue;
                answer->exit = evidence->exits[i].number;
                selected = (uint32_t)access.value;
        }
        if (answer->exit == EVIDENCE_NEVER) {
                answer->no_state = true;
                poll_say(poll, NULL, answer, "port %" PRIx64 "h, PCI configuration data", poll->access.address);
                return true;
        }
        poll_say(poll, NULL, answer, "port %" PRIx64 "h, PCI configuration of %02x:%02x.%u, register %02xh",
                 poll->access.address, selected >> 16 & 0xff, selected >> 11 & 31, selected >> 8 & 7,
                 (selected & 0xfc) + (unsigned)(poll->access.address & 3));
        if (!(selected >> 31))
                (void)snprintf(answer->why, sizeof(answer->why),
                               "port cf8h holds %xh: without bit 31 nothing is selected, and the port reads as ones",
                               selected);
        else if (poll->reads && poll->always == poll_all_ones(poll->access.size))
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no such function: the machine has no device there, and the port reads as ones");
        else
                answer->no_state = true;
        return true;
}

static bool explain_uart(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        static const char *const names[] = {"COM1", "COM2", "COM3", "COM4"};
        uint16_t port = (uint16_t)poll->access.address;
        unsigned number = (port & 0xff8) == 0x3f8 ? 0 : (port & 0xff8) == 0x2f8 ? 1 : (port & 0xff8) == 0x3e8 ? 2 : 3;
        const char *owner = evidence_port_owner(evidence, port);
        const struct poll_bit *bits = (port & 7) == 5 ? line_bits : NULL;
        const struct poll_bit *bit = bits ? poll_awaited(bits, poll) : NULL;

        poll_say(poll, bits, answer, "port %xh, %s's %s", port, names[number],
                 (port & 7) == 5   ? "line status"
                 : (port & 7) == 2 ? "interrupt identification"
                 : (port & 7) == 6 ? "modem status"
                                   : "register");
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
                          const struct poll_bit *bit, struct poll_answer *answer)
{
        unsigned drive = ata->select >> 4 & 1;
        uint16_t base = channel ? 0x170 : 0x1f0;
        uint64_t value;

        answer->exit = evidence_port_write(evidence, (uint16_t)(base + 7), &value);
        if (drive >= ata->disk_count) {
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no drive: device %u of the channel is selected and absent", drive);
                (void)snprintf(answer->advice, sizeof(answer->advice),
                               "a status of 0 means 'no drive'; or add a disk with --disk");
        } else if (bit && bit->mask == 0x08 && !bit->awaited)
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
        const struct poll_bit *bit = poll_awaited(ata_bits, poll);

        poll_say(poll, ata_bits, answer, "port %xh, the status of the %s ATA channel", port,
                 channel ? "second" : "first");
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

        index &= 0x7f;
        poll_say(poll,
                 index == 10   ? rtc_a_bits
                 : index == 12 ? rtc_c_bits
                               : NULL,
                 answer, "port 71h, the RTC's register %02" PRIx64 "h", index);
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

        bool mask = poll->access.address & 1;
        poll_say(poll, NULL, answer, "port %" PRIx64 "h, %s of 8259 #%d", poll->access.address,
                 mask                                                   ? "IMR"
                 : !pic                                                 ? "IRR or ISR"
                 : (slave ? pic->slave.read_isr : pic->master.read_isr) ? "ISR"
                                                                        : "IRR",
                 slave + 1);
        if (pic) {
                const struct hwaccl_pic_chip *chip = slave ? &pic->slave : &pic->master;
                (void)snprintf(answer->why, sizeof(answer->why), "its lines are %02xh, IRR %02xh, ISR %02xh, IMR %02xh",
                               chip->lines, chip->irr, chip->isr, chip->imr);
        }
        return true;
}

/* Registers of devices that PCs may have, and this machine has not. */
static const char *port_name(uint16_t port)
{
        static const struct {
                uint16_t first, last;
                const char *name;
        } names[] = {
                {0x3c0, 0x3cf, ", the VGA"},
                {0x3ba, 0x3ba, ", the VGA's input status"},
                {0x3da, 0x3da, ", the VGA's input status"},
                {0x3f4, 0x3f4, ", the floppy controller's main status"},
                {0x3f0, 0x3f7, ", the floppy controller"},
                {0x379, 0x379, ", the first parallel port's status"},
                {0x279, 0x279, ", the second parallel port's status"},
                {0x000, 0x00f, ", the first DMA controller"},
                {0x0c0, 0x0df, ", the second DMA controller"},
                {0x0b2, 0x0b3, ", the APM port, which raises SMI"},
                {0x220, 0x22f, ", a sound card"},
                {0x1ce, 0x1cf, ", the Bochs display"},
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (port >= names[i].first && port <= names[i].last)
                        return names[i].name;
        return "";
}

static bool explain_port(const struct hwaccl_evidence *evidence, const struct poll *poll, struct poll_answer *answer)
{
        static const struct {
                uint16_t first, last;
                bool (*explain)(const struct hwaccl_evidence *evidence, const struct poll *poll,
                                struct poll_answer *answer);
        } ports[] = {
                {0x20, 0x21, explain_pic},           {0xa0, 0xa1, explain_pic},    {0x40, 0x42, explain_pit},
                {0x60, 0x60, explain_keyboard_data}, {0xcfc, 0xcff, explain_pci},  {0x61, 0x61, explain_port_b},
                {0x64, 0x64, explain_keyboard},      {0x71, 0x71, explain_rtc},    {0x170, 0x177, explain_ata},
                {0x1f0, 0x1f7, explain_ata},         {0x376, 0x376, explain_ata},  {0x3f6, 0x3f6, explain_ata},
                {0x2e8, 0x2ef, explain_uart},        {0x2f8, 0x2ff, explain_uart}, {0x3e8, 0x3ef, explain_uart},
                {0x3f8, 0x3ff, explain_uart},
        };
        uint16_t port = (uint16_t)poll->access.address;

        for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
                if (port >= ports[i].first && port <= ports[i].last)
                        return ports[i].explain(evidence, poll, answer);
        const char *owner = evidence_port_owner(evidence, port);
        struct poll untested = *poll; /* flags that nobody set behind the read are no test */
        bool state = owner && !*owner;

        if (!state)
                untested.test = POLL_UNKNOWN;
        const char *name = port_name(port);
        poll_say(&untested, NULL, answer, "port %xh%s%s%s", port, name, owner && *owner ? " of device " : "",
                 owner ? owner : "");
        if (state) {
                (void)snprintf(answer->why, sizeof(answer->why),
                               "no device of the machine claims the port: it reads as ones (floating bus)");
                (void)snprintf(answer->advice, sizeof(answer->advice),
                               "is the port right for this machine? A driver takes ones as 'no device', or bounds the "
                               "wait");
        } else {
                answer->no_state = true;
        }
        return true;
}

static const char *apic_register(unsigned offset)
{
        static const struct {
                unsigned first, last;
                const char *name;
        } names[] = {
                {0x020, 0x020, "ID"},
                {0x030, 0x030, "version"},
                {0x080, 0x080, "TPR"},
                {0x0a0, 0x0a0, "PPR"},
                {0x0f0, 0x0f0, "SVR"},
                {0x100, 0x170, "ISR"},
                {0x180, 0x1f0, "TMR"},
                {0x200, 0x270, "IRR"},
                {0x280, 0x280, "ESR"},
                {0x300, 0x300, "ICR"},
                {0x310, 0x310, "ICR"},
                {0x320, 0x370, "LVT"},
                {0x380, 0x380, "initial count"},
                {0x390, 0x390, "current count"},
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (offset >= names[i].first && offset <= names[i].last)
                        return names[i].name;
        return NULL;
}

static void explain_apic(const struct hwaccl_evidence *evidence, unsigned offset, const struct poll *poll,
                         struct poll_answer *answer)
{
        const struct hwaccl_local_apic *apic = evidence_device(evidence, "local_apic");
        const char *name = apic_register(offset);

        poll_say(poll, offset == 0x300 ? icr_bits : NULL, answer, "the local APIC's register %xh%s%s%s", offset,
                 name ? " (" : "", name ? name : "", name ? ")" : "");
        if (!apic || offset != 0x390)
                return;
        if (!apic->timer_initial) {
                (void)snprintf(answer->why, sizeof(answer->why),
                               "the timer does not count: its initial count (offset 380h) is 0");
                (void)snprintf(answer->advice, sizeof(answer->advice),
                               "write the initial count, offset 380h, before the current count is polled");
        } else if (!apic->timer_running)
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
        const struct hwaccl_io_apic *io_apic = evidence_device(evidence, "io_apic");
        if (io_apic && address == HWACCL_IO_APIC_BASE + 0x10 && io_apic->select >= 0x10)
                poll_say(poll, redirection_bits, answer, "the I/O APIC's redirection entry %u, %s half",
                         (io_apic->select - 0x10u) / 2, io_apic->select & 1 ? "high" : "low");
        else
                poll_say(poll, NULL, answer, "address %" PRIx64 "h%s%s", address, owner && *owner ? " of device " : "",
                         owner ? owner : "");
        if (owner && !*owner)
                (void)snprintf(answer->why, sizeof(answer->why), "no device is there (%s): it reads as ones",
                               evidence_region(evidence, address));
        if (owner && !*owner)
                (void)snprintf(
                        answer->advice, sizeof(answer->advice),
                        "is the address right (a BAR, an ACPI table, a device tree), and does the machine have the "
                        "device?");
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
                if (poll->access.address - 0x800 < 0x40)
                        explain_apic(evidence, (unsigned)(poll->access.address - 0x800) << 4, poll, answer);
                else
                        poll_say(poll, NULL, answer, "MSR %" PRIx64 "h%s", poll->access.address,
                                 poll->access.address == 0x1b   ? " (IA32_APIC_BASE)"
                                 : poll->access.address == 0x10 ? " (IA32_TIME_STAMP_COUNTER)"
                                                                : "");
                return true;
        default: return false;
        }
}
