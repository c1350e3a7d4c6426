#include "core/machine/devices/device_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
        char *text;
        size_t room;
        size_t used;
};

static void put(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *writer, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        int length = vsnprintf(writer->text + writer->used, writer->room - writer->used, format, arguments);
        va_end(arguments);
        size_t left = writer->room - writer->used;
        if (length >= 0 && (size_t)length < left) {
                writer->used += (size_t)length;
        } else if (left > 0) {
                writer->used = writer->room - 1;
                if (writer->room > 4)
                        memcpy(writer->text + writer->room - 4, "...", 4);
        }
}

static void separate(struct writer *writer, const char *separator)
{
        if (writer->used)
                put(writer, "%s", separator);
}

struct row;
typedef void describe(struct writer *writer, const struct row *row, const uint8_t *data, size_t size);

struct row {
        const char *device;
        const char *field;
        describe *describe;
        const char *words; /* of bits or numbers from 0 on, separated by '|'; empty: it has none */
        unsigned first;    /* number of the first line */
};

static uint64_t number_of(const uint8_t *data, size_t size)
{
        uint64_t number = 0;

        memcpy(&number, data, size < sizeof(number) ? size : sizeof(number)); /* little endian */
        return number;
}

/* Word @index of a list; its length in *length, 0 when there is none. */
static const char *word_at(const char *words, uint64_t index, int *length)
{
        for (; index && words; index--) {
                words = strchr(words, '|');
                if (words)
                        words++;
        }
        *length = words ? (int)strcspn(words, "|") : 0;
        return words;
}

static void bits(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t value = number_of(data, size);

        for (unsigned i = 0; i < 8 * size && i < 64; i++) {
                int length = 0;
                const char *word = word_at(row->words, i, &length);
                if (!(value >> i & 1))
                        continue;
                separate(writer, ", ");
                if (length)
                        put(writer, "%.*s", length, word);
                else
                        put(writer, "bit %u", i);
        }
        if (!writer->used)
                put(writer, "none");
}

static void names(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        int length = 0;
        const char *word = word_at(row->words, number_of(data, size), &length);

        if (length)
                put(writer, "%.*s", length, word);
}

static void lines(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t value = number_of(data, size);

        for (unsigned i = 0; i < 8 * size && i < 64; i++)
                if (value >> i & 1)
                        put(writer, "%s%u", writer->used ? ", " : row->words, row->first + i);
        if (!writer->used)
                put(writer, "none");
}

/* 256 bits, one for each vector. */
static void vectors(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        (void)row;
        for (unsigned i = 0; i < 8 * size; i++)
                if (data[i / 8] >> (i % 8) & 1)
                        put(writer, "%s%02xh", writer->used ? ", " : "vector ", i);
        if (!writer->used)
                put(writer, "none");
}

static const char *delivery_mode(unsigned mode)
{
        static const char *const name[] = {"fixed", "lowest priority", "SMI", "reserved mode 3", "NMI", "INIT",
                                           "SIPI",  "ExtINT"};

        return name[mode & 7];
}

/* The low word of a local vector or redirection entry (SDM 3A, 11.5.1; 82093AA, 3.2.4). */
static void entry(struct writer *writer, uint32_t value, const char *extra)
{
        unsigned mode = value >> 8 & 7;

        if (value & 0x10000)
                put(writer, "masked");
        else if (mode == 0 || mode == 1)
                put(writer, "vector %02xh", value & 0xff);
        else
                put(writer, "%s", delivery_mode(mode));
        if (!(value & 0x10000) && value & 0x8000)
                put(writer, " level-triggered");
        if (value & 0x4000)
                put(writer, " awaiting EOI"); /* remote IRR */
        put(writer, "%s", extra);
}

/* Six local vectors in the order of enum hwaccl_local_vector. */
static void local_vectors(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        static const char *const timer_mode[] = {", one-shot", ", periodic", ", TSC-deadline", ", reserved mode"};

        for (unsigned i = 0; i < size / 4; i++) {
                uint32_t value = (uint32_t)number_of(data + (size_t)4 * i, 4);
                int length = 0;
                const char *name = word_at(row->words, i, &length);
                separate(writer, "; ");
                put(writer, "%.*s ", length, name);
                entry(writer, i == 0 ? value & 0x100ff : value, i == 0 ? timer_mode[value >> 17 & 3] : "");
        }
}

static void redirection(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        (void)row;
        for (unsigned i = 0; i < size / 8; i++) {
                uint32_t value = (uint32_t)number_of(data + (size_t)8 * i, 4);
                if (value & 0x10000 && !(value & 0x4000))
                        continue;
                separate(writer, "; ");
                put(writer, "pin %u ", i);
                entry(writer, value, value & 0x2000 ? " active low" : "");
        }
        if (!writer->used)
                put(writer, "all pins masked");
}

static void spurious(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t value = number_of(data, size);

        (void)row;
        put(writer, "%s, spurious vector %02xh", value & 0x100 ? "enabled" : "disabled", (unsigned)value & 0xff);
}

static void divide(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t value = number_of(data, size);
        unsigned shift = (unsigned)((value >> 1 & 4) | (value & 3));

        (void)row;
        put(writer, "by %u", shift == 7 ? 1 : 2u << shift);
}

/* Registers A to D of the MC146818. */
static void cmos(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        static const char enables[] = "|24 hours|binary";
        static const char sources[] = "||||update|alarm|periodic|IRQ 8";
        const struct row b = {.words = enables};
        const struct row c = {.words = sources};
        char text[128];

        (void)row;
        if (size < 0x0e)
                return;
        put(writer, "A: %s, rate %u", (data[0x0a] & 0x70) == 0x20 ? "running" : "stopped", data[0x0a] & 15u);
        struct writer part = {text, sizeof(text), 0};
        uint8_t format = data[0x0b] & 0x06;
        bits(&part, &b, &format, 1);
        put(writer, "; B: %s%s", format ? text : "12 hours, BCD", data[0x0b] & 0x80 ? ", SET" : "");
        part.used = 0;
        uint8_t enabled = data[0x0b] & 0x70;
        bits(&part, &c, &enabled, 1);
        put(writer, ", interrupts enabled: %s", text);
        part.used = 0;
        uint8_t pending = data[0x0c] & 0xf0;
        bits(&part, &c, &pending, 1);
        put(writer, "; C: pending: %s", text);
}

static void baud(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t divisor = number_of(data, size);

        (void)row;
        if (divisor)
                put(writer, "%" PRIu64 " baud", UINT64_C(115200) / divisor);
}

static void line_control(struct writer *writer, const struct row *row, const uint8_t *data, size_t size)
{
        uint64_t value = number_of(data, size);

        (void)row;
        put(writer, "%u data bits, %s parity%s%s", 5 + (unsigned)(value & 3),
            value & 8 ? (value & 16 ? "even" : "odd") : "no", value & 0x40 ? ", break" : "",
            value & 0x80 ? ", divisor latch" : "");
}

/* The bytes that a counter's reads and writes move (8254: access). */
#define PIT_ACCESS "latch|low byte|high byte|low then high byte"
#define PIT_MODE                                                                                                       \
        "interrupt on terminal count|hardware one-shot|rate generator|square wave|software strobe|hardware strobe"
#define PIC_ICW4  "8086|automatic EOI|master|buffered|special fully nested"
#define PIC_STEP  "uninitialized|expects ICW2|expects ICW3|expects ICW4|ready"
#define ATA_ERROR "AMNF|NM|ABRT|MCR|IDNF|MC|UNC|ICRC"
#define ATA_STATE "ERR|IDX|CORR|DRQ|DSC|DF|DRDY|BSY"

#define PIC_ROWS(chip, line)                                                                                           \
        {"pic", chip ".step", names, PIC_STEP, 0}, {"pic", chip ".lines", lines, "IRQ ", line},                        \
                {"pic", chip ".irr", lines, "IRQ ", line}, {"pic", chip ".isr", lines, "IRQ ", line},                  \
                {"pic", chip ".imr", lines, "IRQ ", line}, {"pic", chip ".level", lines, "IRQ ", line},                \
                {"pic", chip ".icw4", bits, PIC_ICW4, 0},                                                              \
        {                                                                                                              \
                "pic", chip ".read_isr", names, "reads give IRR|reads give ISR", 0                                     \
        }
#define PIT_ROWS(channel)                                                                                              \
        {"pit", channel ".mode", names, PIT_MODE, 0}, {"pit", channel ".access", names, PIT_ACCESS, 0},                \
                {"pit", channel ".bcd", names, "binary|BCD", 0}, {"pit", channel ".gate", names, "low|high", 0},       \
        {                                                                                                              \
                "pit", channel ".counting", names, "stopped|counts", 0                                                 \
        }
#define ATA_ROWS(device, drive)                                                                                        \
        {device, drive ".status", bits, ATA_STATE, 0}, {device, drive ".error", bits, ATA_ERROR, 0},                   \
                {device, drive ".interrupt", names, "none|INTRQ", 0},                                                  \
        {                                                                                                              \
                device, drive ".power", names, "active|idle|standby|sleep", 0                                          \
        }
#define ATA_CHANNEL(device)                                                                                            \
        ATA_ROWS(device, "drive[0]"), ATA_ROWS(device, "drive[1]"), {device, "select", bits, "||||device 1||LBA|", 0}, \
                {device, "control", bits, "|nIEN: no interrupts|SRST: in reset|||||HOB", 0},                           \
        {                                                                                                              \
                device, "direction", names, "idle|data for the guest waits|data from the guest is awaited", 0          \
        }

static const struct row rows[] = {
        PIC_ROWS("master", 0),
        PIC_ROWS("slave", 8),
        {"local_apic", "irr", vectors, "", 0},
        {"local_apic", "isr", vectors, "", 0},
        {"local_apic", "tmr", vectors, "", 0},
        {"local_apic", "lvt", local_vectors, "timer|thermal|performance|LINT0|LINT1|error", 0},
        {"local_apic", "svr", spurious, "", 0},
        {"local_apic", "timer_divide", divide, "", 0},
        {"local_apic", "timer_running", names, "stopped|counts", 0},
        {"local_apic", "esr", bits, "|||||illegal vector sent|illegal vector received|illegal register", 0},
        {"local_apic", "errors", bits, "|||||illegal vector sent|illegal vector received|illegal register", 0},
        {"local_apic", "lint0", names, "low|high", 0},
        {"io_apic", "redirection", redirection, "", 0},
        {"io_apic", "pins", lines, "pin ", 0},
        PIT_ROWS("channel[0]"),
        PIT_ROWS("channel[1]"),
        PIT_ROWS("channel[2]"),
        {"uart", "divisor", baud, "", 0},
        {"uart", "ier", bits, "received data|transmitter empty|line status|modem status", 0},
        {"uart", "fcr", bits, "FIFOs", 0},
        {"uart", "lcr", line_control, "", 0},
        {"uart", "mcr", bits, "DTR|RTS|OUT1|OUT2|loopback", 0},
        {"uart", "line_errors", bits, "|overrun|parity|framing|break", 0},
        {"uart", "modem_lines", bits, "||||CTS|DSR|RI|DCD", 0},
        {"uart", "modem_deltas", bits, "CTS changed|DSR changed|RI ended|DCD changed", 0},
        {"uart", "transmitter_empty", names, "no interrupt|interrupt pending", 0},
        {"rtc", "cmos", cmos, "", 0},
        ATA_CHANNEL("ata0"),
        ATA_CHANNEL("ata1"),
        {"processor", "halted", names, "runs|halted", 0},
};

bool hwaccl_device_text(const char *device, const char *field, const void *data, size_t size, char *text, size_t room)
{
        struct writer writer = {text, room, 0};

        text[0] = '\0';
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && size; i++)
                if (strcmp(rows[i].device, device) == 0 && strcmp(rows[i].field, field) == 0)
                        rows[i].describe(&writer, &rows[i], data, size);
        return writer.used > 0;
}
