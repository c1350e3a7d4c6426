/*
 * Intel 8259A Programmable Interrupt Controller (order number 231468-003), wired as in the PC: master at 20h, slave at
 * a0h on input 2. Edge/level control registers at 4d0h and 4d1h: Intel 82371AB (PIIX4) datasheet 290562-001, 4.2.
 */
#include "core/machine/devices/pic.h"

#include "core/assert.h"
#include "core/machine/board/board.h"
#include "core/machine/board/ports.h"

#define CASCADE_LINE 2u
#define CASCADE_BIT  (1u << CASCADE_LINE)

#define ICW1_SELECT       0x10u
#define ICW1_LEVEL        0x08u
#define ICW1_SINGLE       0x02u
#define ICW1_ICW4         0x01u
#define ICW4_NESTED       0x10u
#define ICW4_AUTO_EOI     0x02u
#define OCW3_SELECT       0x08u
#define LEVEL_MASK_MASTER 0xf8u /* inputs 0-2 are always edge-triggered */
#define LEVEL_MASK_SLAVE  0xdeu /* inputs 8 and 13 too */
#define SPURIOUS_INPUT    7u
#define POLL_INTERRUPT    0x80u

static uint8_t level_triggered(const struct hwaccl_pic_chip *chip)
{
        return chip->icw1 & ICW1_LEVEL ? 0xff : chip->level;
}

/* The input of highest priority among @inputs, or -1. Priority falls from the one behind the lowest, round the circle.
 */
static int highest(const struct hwaccl_pic_chip *chip, unsigned inputs)
{
        for (unsigned i = 1; i <= 8; i++) {
                unsigned input = (chip->lowest + i) & 7;
                if (inputs & (1u << input))
                        return (int)input;
        }
        return -1;
}

/* Rank of @input: 0 is the highest priority. */
static unsigned rank(const struct hwaccl_pic_chip *chip, int input)
{
        return ((unsigned)input - chip->lowest - 1) & 7;
}

/* The input that raises INT when @requests are made, or -1. */
static int interrupting(const struct hwaccl_pic_chip *chip, unsigned requests, bool master)
{
        unsigned open = requests & ~(unsigned)chip->imr;
        if (!open || chip->step != HWACCL_PIC_READY)
                return -1;
        int request = highest(chip, open);

        unsigned blocking = chip->isr;
        if (chip->special_mask)
                blocking &= ~(unsigned)chip->imr; /* a handler that masked itself lets all others through */
        int service = highest(chip, blocking);
        if (service < 0 || rank(chip, request) < rank(chip, service))
                return request;
        /* special fully nested mode: the slave may interrupt its own service */
        bool nested = master && chip->icw4 & ICW4_NESTED;
        return nested && request == (int)CASCADE_LINE && service == request ? request : -1;
}

static void update_cascade(struct hwaccl_pic *pic)
{
        if (interrupting(&pic->slave, pic->slave.irr, false) >= 0)
                pic->master.irr |= CASCADE_BIT;
        else
                pic->master.irr &= (uint8_t)~CASCADE_BIT;
}

/* After every change: the slave's output is an input of the master, whose output may be watched. */
static void settle(struct hwaccl_pic *pic)
{
        update_cascade(pic);
        if (pic->output)
                pic->output(pic->output_opaque, interrupting(&pic->master, pic->master.irr, true) >= 0);
}

static void set_input(struct hwaccl_pic_chip *chip, unsigned input, bool level)
{
        uint8_t bit = (uint8_t)(1u << input);
        bool rises = level && !(chip->lines & bit);

        chip->lines = (uint8_t)(level ? chip->lines | bit : chip->lines & ~bit);
        if (!level)
                chip->irr &= (uint8_t)~bit; /* a request must stay until it is acknowledged, or it is lost */
        else if (rises || level_triggered(chip) & bit)
                chip->irr |= bit;
}

static struct hwaccl_pic *of_controller(const struct hwaccl_interrupt_controller *controller)
{
        return (struct hwaccl_pic *)((uintptr_t)controller - offsetof(struct hwaccl_pic, controller));
}

static bool pic_set_line(struct hwaccl_interrupt_controller *controller, unsigned line, bool level)
{
        hwaccl_assert(line < 16 && line != CASCADE_LINE);
        struct hwaccl_pic *pic = of_controller(controller);
        struct hwaccl_pic_chip *chip = line < 8 ? &pic->master : &pic->slave;
        bool before = chip->lines >> (line & 7) & 1;

        if (before == level)
                return false;
        set_input(chip, line & 7, level);
        settle(pic);
        return true;
}

static bool pic_would_interrupt(const struct hwaccl_interrupt_controller *controller, unsigned line, bool enabled)
{
        const struct hwaccl_pic *pic = of_controller(controller);

        if (!enabled)
                return false;
        if (line < 8)
                return interrupting(&pic->master, 1u << line, true) >= 0;
        return interrupting(&pic->slave, 1u << (line & 7), false) >= 0 &&
               interrupting(&pic->master, CASCADE_BIT, true) >= 0;
}

static void end_of_interrupt(struct hwaccl_pic_chip *chip, int input, bool rotate)
{
        if (input < 0)
                return;
        chip->isr &= (uint8_t) ~(1u << input);
        if (rotate)
                chip->lowest = (uint8_t)input;
}

/* The request becomes one in service, or is over at once with automatic EOI. */
static void take(struct hwaccl_pic_chip *chip, int input)
{
        uint8_t bit = (uint8_t)(1u << input);

        if (!(level_triggered(chip) & bit))
                chip->irr &= (uint8_t)~bit;
        chip->isr |= bit;
        if (chip->icw4 & ICW4_AUTO_EOI)
                end_of_interrupt(chip, input, chip->rotate_on_auto_eoi);
}

/* INTA for one chip. Nothing requested any more: the default input 7, without an in-service bit. */
static unsigned acknowledge_chip(struct hwaccl_pic_chip *chip, bool master)
{
        int input = interrupting(chip, chip->irr, master);
        if (input < 0)
                return SPURIOUS_INPUT;
        take(chip, input);
        return (unsigned)input;
}

static struct hwaccl_pic *of_source(struct hwaccl_interrupt_source *source)
{
        return (struct hwaccl_pic *)((char *)source - offsetof(struct hwaccl_pic, controller.source));
}

static bool pic_pending(struct hwaccl_interrupt_source *source)
{
        struct hwaccl_pic *pic = of_source(source);
        return interrupting(&pic->master, pic->master.irr, true) >= 0;
}

static uint8_t pic_acknowledge(struct hwaccl_interrupt_source *source)
{
        struct hwaccl_pic *pic = of_source(source);
        unsigned input = acknowledge_chip(&pic->master, true);
        struct hwaccl_pic_chip *chip = &pic->master;

        if (input == CASCADE_LINE) {
                chip = &pic->slave;
                input = acknowledge_chip(chip, false);
        }
        settle(pic);
        return (uint8_t)(chip->base + input);
}

/* ICW1 restarts the chip: edge detection, mask, priorities and read selection go back (datasheet, "Initialization
 * Command Words"). Level-triggered inputs ask again as long as they are high. */
static void initialize(struct hwaccl_pic_chip *chip, uint8_t value)
{
        *chip = (struct hwaccl_pic_chip){
                .step = HWACCL_PIC_EXPECTS_ICW2,
                .lines = chip->lines,
                .lowest = 7,
                .base = chip->base,
                .icw1 = value,
                .icw3 = chip->icw3,
                .level = chip->level,
        };
        chip->irr = chip->lines & level_triggered(chip);
}

/* OCW2: bits 7:5 rotate, specific, EOI; bits 2:0 the input of the specific forms. */
static void operate_eoi(struct hwaccl_pic_chip *chip, uint8_t value)
{
        int specific = value & 7;
        unsigned served = chip->isr;

        if (chip->special_mask)
                served &= ~(unsigned)chip->imr; /* a masked in-service bit is not cleared by a non-specific EOI */
        switch (value >> 5) {
        case 0: chip->rotate_on_auto_eoi = 0; break;
        case 1: end_of_interrupt(chip, highest(chip, served), false); break;
        case 2: break;
        case 3: end_of_interrupt(chip, specific, false); break;
        case 4: chip->rotate_on_auto_eoi = 1; break;
        case 5: end_of_interrupt(chip, highest(chip, served), true); break;
        case 6: chip->lowest = (uint8_t)specific; break;
        case 7: end_of_interrupt(chip, specific, true); break;
        default: break;
        }
}

/* OCW3: bits 6:5 special mask, bit 2 poll, bits 1:0 which register is read. */
static void operate_read(struct hwaccl_pic_chip *chip, uint8_t value)
{
        if (value & 0x40)
                chip->special_mask = value >> 5 & 1;
        chip->poll = value >> 2 & 1;
        if (value & 0x02)
                chip->read_isr = value & 1;
}

static void write_command(struct hwaccl_pic_chip *chip, uint8_t value)
{
        if (value & ICW1_SELECT)
                initialize(chip, value);
        else if (value & OCW3_SELECT)
                operate_read(chip, value);
        else
                operate_eoi(chip, value);
}

static uint8_t step_behind(const struct hwaccl_pic_chip *chip, uint8_t step)
{
        if (step == HWACCL_PIC_EXPECTS_ICW2 && !(chip->icw1 & ICW1_SINGLE))
                return HWACCL_PIC_EXPECTS_ICW3;
        if (step != HWACCL_PIC_EXPECTS_ICW4 && chip->icw1 & ICW1_ICW4)
                return HWACCL_PIC_EXPECTS_ICW4;
        return HWACCL_PIC_READY;
}

static void write_data(struct hwaccl_pic_chip *chip, uint8_t value)
{
        switch (chip->step) {
        case HWACCL_PIC_EXPECTS_ICW2: chip->base = value & 0xf8; break;
        case HWACCL_PIC_EXPECTS_ICW3: chip->icw3 = value; break;
        case HWACCL_PIC_EXPECTS_ICW4: chip->icw4 = value & 0x1f; break;
        default: chip->imr = value; return;
        }
        chip->step = step_behind(chip, chip->step);
}

/* A poll replaces INTA: it acknowledges the request and returns its number (datasheet, "Poll Command"). */
static uint8_t poll(struct hwaccl_pic_chip *chip, bool master)
{
        chip->poll = 0;
        int input = interrupting(chip, chip->irr, master);
        if (input < 0)
                return 0;
        take(chip, input);
        return (uint8_t)(POLL_INTERRUPT | (unsigned)input);
}

static struct hwaccl_pic_chip *chip_at(struct hwaccl_pic *pic, uint16_t port)
{
        return port == 0x20 || port == 0x21 || port == 0x4d0 ? &pic->master : &pic->slave;
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_pic *pic = (struct hwaccl_pic *)device;
        struct hwaccl_pic_chip *chip = chip_at(pic, port);

        if (port >= 0x4d0)
                return chip->level;
        if (chip->poll) {
                uint8_t answer = poll(chip, chip == &pic->master);
                settle(pic);
                return answer;
        }
        if (port & 1)
                return chip->imr;
        return chip->read_isr ? chip->isr : chip->irr;
}

static uint32_t pic_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

static void write_level(struct hwaccl_pic_chip *chip, uint8_t level)
{
        uint8_t changed_to_level = level & (uint8_t)~chip->level;

        chip->level = level;
        chip->irr |= chip->lines & changed_to_level;
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_pic *pic = (struct hwaccl_pic *)device;
        struct hwaccl_pic_chip *chip = chip_at(pic, port);

        if (port >= 0x4d0)
                write_level(chip, value & (chip == &pic->master ? LEVEL_MASK_MASTER : LEVEL_MASK_SLAVE));
        else if (port & 1)
                write_data(chip, value);
        else
                write_command(chip, value);
        settle(pic);
}

static void pic_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

static bool chip_possible(const struct hwaccl_pic_chip *chip)
{
        return chip->step <= HWACCL_PIC_READY && chip->lowest <= 7 && chip->base % 8 == 0 && chip->read_isr <= 1 &&
               chip->poll <= 1 && chip->special_mask <= 1 && chip->rotate_on_auto_eoi <= 1;
}

static bool pic_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_pic *pic = (const struct hwaccl_pic *)device;

        if (!chip_possible(&pic->master) || !chip_possible(&pic->slave))
                return hwaccl_error_set(error, "step, priority, vector base or a flag is out of range");
        if (pic->master.lines & CASCADE_BIT)
                return hwaccl_error_set(error, "line 2 is the cascade and cannot be raised");
        return true;
}

#define CHIP_FIELDS(chip)                                                                                              \
        HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.step), HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.lines),         \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.irr), HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.isr),    \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.imr), HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.base),   \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.lowest),                                                   \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.icw1), HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.icw3),  \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.icw4), HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.level), \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.read_isr),                                                 \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.poll),                                                     \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.special_mask),                                             \
                HWACCL_DEVICE_FIELD(struct hwaccl_pic, chip.rotate_on_auto_eoi)

static const struct hwaccl_device_field pic_fields[] = {CHIP_FIELDS(master), CHIP_FIELDS(slave)};

static const struct hwaccl_device_ops pic_ops = {
        .name = "pic",
        .size = sizeof(struct hwaccl_pic),
        .fields = pic_fields,
        .field_count = sizeof(pic_fields) / sizeof(pic_fields[0]),
        .port_read = pic_read,
        .port_write = pic_write,
        .valid = pic_valid,
};

void hwaccl_pic_init(struct hwaccl_pic *pic, struct hwaccl_board *board)
{
        pic->controller = (struct hwaccl_interrupt_controller){
                .line_count = 16,
                .source = {.pending = pic_pending, .acknowledge = pic_acknowledge},
                .set_line = pic_set_line,
                .would_interrupt = pic_would_interrupt,
        };
        board->controller = &pic->controller;
        pic->master.lowest = 7;
        pic->slave.lowest = 7;
        hwaccl_board_add_device(board, &pic->device, &pic_ops);
        hwaccl_bus_claim_ports(&board->bus, &pic->device, 0x20, 2);
        hwaccl_bus_claim_ports(&board->bus, &pic->device, 0xa0, 2);
        hwaccl_bus_claim_ports(&board->bus, &pic->device, 0x4d0, 2);
}

void hwaccl_pic_connect(struct hwaccl_pic *pic, void (*output)(void *opaque, bool level), void *opaque)
{
        pic->output = output;
        pic->output_opaque = opaque;
}
