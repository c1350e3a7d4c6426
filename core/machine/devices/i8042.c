/*
 * Intel 8042 keyboard controller with the PS/2 commands (IBM Personal System/2 Hardware Interface Technical Reference,
 * "Keyboard and Auxiliary Device Controller", 1990) at ports 60h and 64h, lines 1 and 12. The keyboard answers its
 * commands at once, so that firmware need not wait for it; no key is ever pressed. There is no auxiliary device.
 */
#include "core/machine/devices/i8042.h"

#include "core/machine/board/board.h"

#include <string.h>

#define PORT_DATA     0x60u
#define PORT_COMMAND  0x64u
#define KEYBOARD_LINE 1u
#define AUX_LINE      12u

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_SYSTEM      0x04u
#define STATUS_COMMAND     0x08u
#define STATUS_UNLOCKED    0x10u
#define STATUS_AUX         0x20u
#define STATUS_TIMEOUT     0x40u

#define BYTE_KEYBOARD_INTERRUPT 0x01u
#define BYTE_AUX_INTERRUPT      0x02u
#define BYTE_SYSTEM             0x04u
#define BYTE_KEYBOARD_DISABLED  0x10u
#define BYTE_AUX_DISABLED       0x20u

#define OUTPUT_NO_RESET 0x01u
#define OUTPUT_A20      0x02u

#define KEYBOARD_ACK    0xfau
#define KEYBOARD_RESEND 0xfeu
#define KEYBOARD_PASSED 0xaau

enum source { FROM_KEYBOARD = 0, FROM_AUX = 1, FROM_CONTROLLER = 2, FROM_NONE = 3 /* a time-out of the aux port */ };

static void update_lines(struct hwaccl_i8042 *controller)
{
        uint8_t byte = controller->ram[0];
        bool full = controller->count > 0;
        bool aux = controller->source[0] == FROM_AUX || controller->source[0] == FROM_NONE;

        hwaccl_board_set_irq_line(controller->device.board, KEYBOARD_LINE,
                                  full && !aux && byte & BYTE_KEYBOARD_INTERRUPT);
        hwaccl_board_set_irq_line(controller->device.board, AUX_LINE, full && aux && byte & BYTE_AUX_INTERRUPT);
}

/* A full queue drops new bytes: the guest has not read 16 answers. */
static void answer(struct hwaccl_i8042 *controller, uint8_t value, enum source source)
{
        if (controller->count >= HWACCL_I8042_QUEUE_SIZE)
                return;
        controller->queue[controller->count] = value;
        controller->source[controller->count] = (uint8_t)source;
        controller->count++;
}

static uint8_t take_answer(struct hwaccl_i8042 *controller)
{
        uint8_t value = controller->queue[0];

        if (!controller->count)
                return 0;
        if (controller->count > HWACCL_I8042_QUEUE_SIZE)
                controller->count = HWACCL_I8042_QUEUE_SIZE;
        controller->count--;
        memmove(controller->queue, controller->queue + 1, controller->count);
        memmove(controller->source, controller->source + 1, controller->count);
        controller->queue[controller->count] = 0;
        controller->source[controller->count] = 0;
        return value;
}

static uint8_t output_port(struct hwaccl_i8042 *controller)
{
        return controller->output | (controller->system_control->a20 ? OUTPUT_A20 : 0);
}

static void write_output_port(struct hwaccl_i8042 *controller, uint8_t value)
{
        controller->output = value & (uint8_t)~OUTPUT_A20;
        controller->system_control->a20 = (value & OUTPUT_A20) != 0;
        if (!(value & OUTPUT_NO_RESET))
                hwaccl_board_stop(controller->device.board, HWACCL_END_RESET, 0);
}

static void keyboard_defaults(struct hwaccl_i8042 *controller, bool scanning)
{
        controller->scanning = scanning;
        controller->scan_code_set = 2;
        controller->keyboard_lights = 0;
}

static void keyboard_parameter(struct hwaccl_i8042 *controller, uint8_t value)
{
        uint8_t command = controller->keyboard_command;

        controller->keyboard_command = 0;
        if (command == 0xf0 && value > 3) {
                answer(controller, KEYBOARD_RESEND, FROM_KEYBOARD);
                return;
        }
        answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
        if (command == 0xed)
                controller->keyboard_lights = value & 7;
        else if (command == 0xf0 && value)
                controller->scan_code_set = value;
        else if (command == 0xf0)
                answer(controller, controller->scan_code_set, FROM_KEYBOARD);
}

/* A byte for the keyboard: what it answers, as its technical reference has it. */
static void keyboard_write(struct hwaccl_i8042 *controller, uint8_t value)
{
        if (controller->keyboard_command && value < 0xed) {
                keyboard_parameter(controller, value);
                return;
        }
        controller->keyboard_command = 0;
        switch (value) {
        case 0xed: /* lights */
        case 0xf0: /* scan code set */
        case 0xf3: /* typematic rate */
                controller->keyboard_command = value;
                answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
                break;
        case 0xee: answer(controller, 0xee, FROM_KEYBOARD); break; /* echo */
        case 0xf2:                                                 /* identify */
                answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
                answer(controller, 0xab, FROM_KEYBOARD);
                answer(controller, 0x83, FROM_KEYBOARD);
                break;
        case 0xf4: /* enable */
                controller->scanning = 1;
                answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
                break;
        case 0xf5: /* defaults, disabled */
        case 0xf6: /* defaults */
                keyboard_defaults(controller, value == 0xf6);
                answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
                break;
        case 0xff: /* reset and self-test */
                keyboard_defaults(controller, true);
                answer(controller, KEYBOARD_ACK, FROM_KEYBOARD);
                answer(controller, KEYBOARD_PASSED, FROM_KEYBOARD);
                break;
        default: answer(controller, value >= 0xf7 && value <= 0xfd ? KEYBOARD_ACK : KEYBOARD_RESEND, FROM_KEYBOARD);
        }
}

static void self_test(struct hwaccl_i8042 *controller)
{
        controller->system = 1;
        controller->ram[0] |= BYTE_SYSTEM;
        answer(controller, 0x55, FROM_CONTROLLER);
}

/* A command to port 64h that needs no data. Unknown ones are ignored. */
static void controller_command(struct hwaccl_i8042 *controller, uint8_t value)
{
        switch (value) {
        case 0xa7: controller->ram[0] |= BYTE_AUX_DISABLED; break;
        case 0xa8: controller->ram[0] &= (uint8_t)~BYTE_AUX_DISABLED; break;
        case 0xa9: answer(controller, 0x00, FROM_CONTROLLER); break; /* auxiliary interface test: passed */
        case 0xaa: self_test(controller); break;
        case 0xab: answer(controller, 0x00, FROM_CONTROLLER); break; /* keyboard interface test: passed */
        case 0xad: controller->ram[0] |= BYTE_KEYBOARD_DISABLED; break;
        case 0xae: controller->ram[0] &= (uint8_t)~BYTE_KEYBOARD_DISABLED; break;
        case 0xc0: answer(controller, 0x80, FROM_CONTROLLER); break; /* input port: the keyboard is not locked */
        case 0xd0: answer(controller, output_port(controller), FROM_CONTROLLER); break;
        case 0xdd: controller->system_control->a20 = 0; break;
        case 0xdf: controller->system_control->a20 = 1; break;
        default:
                if (value >= 0xf0 && !(value & 1)) /* pulses output bits 3:0; bit 0 is the processor's reset */
                        hwaccl_board_stop(controller->device.board, HWACCL_END_RESET, 0);
                break;
        }
}

static void write_command(struct hwaccl_i8042 *controller, uint8_t value)
{
        bool takes_data = (value >= 0x60 && value <= 0x7f) || (value >= 0xd1 && value <= 0xd4);

        controller->last_64 = 1;
        controller->command = takes_data ? value : 0;
        if (value >= 0x20 && value <= 0x3f)
                answer(controller, controller->ram[value & 0x1f], FROM_CONTROLLER);
        else if (!takes_data)
                controller_command(controller, value);
}

static void write_data(struct hwaccl_i8042 *controller, uint8_t value)
{
        uint8_t command = controller->command;

        controller->last_64 = 0;
        controller->command = 0;
        switch (command) {
        case 0: keyboard_write(controller, value); break;
        case 0xd1: write_output_port(controller, value); break;
        case 0xd2: answer(controller, value, FROM_KEYBOARD); break;
        case 0xd3: answer(controller, value, FROM_AUX); break;
        case 0xd4: answer(controller, KEYBOARD_RESEND, FROM_NONE); break; /* no device answers */
        default: controller->ram[command & 0x1f] = value; break;
        }
}

static uint8_t status(const struct hwaccl_i8042 *controller)
{
        uint8_t value = STATUS_UNLOCKED;

        if (controller->system)
                value |= STATUS_SYSTEM;
        if (controller->last_64)
                value |= STATUS_COMMAND;
        if (!controller->count)
                return value;
        if (controller->source[0] == FROM_AUX || controller->source[0] == FROM_NONE)
                value |= STATUS_AUX;
        if (controller->source[0] == FROM_NONE)
                value |= STATUS_TIMEOUT;
        return value | STATUS_OUTPUT_FULL;
}

static uint32_t i8042_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct hwaccl_i8042 *controller = (struct hwaccl_i8042 *)device;

        (void)size; /* neither port has a neighbour: the bus gives single bytes */
        if (port == PORT_COMMAND)
                return status(controller);
        uint8_t value = take_answer(controller);
        if (controller->count) { /* each byte is an edge of its own */
                hwaccl_board_set_irq_line(device->board, KEYBOARD_LINE, false);
                hwaccl_board_set_irq_line(device->board, AUX_LINE, false);
        }
        update_lines(controller);
        return value;
}

static void i8042_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_i8042 *controller = (struct hwaccl_i8042 *)device;

        (void)size;
        if (port == PORT_COMMAND)
                write_command(controller, (uint8_t)value);
        else
                write_data(controller, (uint8_t)value);
        update_lines(controller);
}

static bool i8042_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_i8042 *controller = (const struct hwaccl_i8042 *)device;

        if (controller->count > HWACCL_I8042_QUEUE_SIZE)
                return hwaccl_error_set(error, "%u bytes are queued, room for %d", controller->count,
                                        HWACCL_I8042_QUEUE_SIZE);
        for (unsigned i = 0; i < HWACCL_I8042_QUEUE_SIZE; i++)
                if (controller->source[i] > FROM_NONE)
                        return hwaccl_error_set(error, "byte %u of the queue is from an unknown source", i);
        if (controller->scan_code_set < 1 || controller->scan_code_set > 3 || controller->system > 1 ||
            controller->last_64 > 1 || controller->scanning > 1 || controller->output & OUTPUT_A20)
                return hwaccl_error_set(error, "a flag or the scan code set is out of range");
        return true;
}

static const struct hwaccl_device_field i8042_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, command),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, system),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, last_64),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, output),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, keyboard_command),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, scan_code_set),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, scanning),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, keyboard_lights),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, count),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, queue),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, source),
        HWACCL_DEVICE_FIELD(struct hwaccl_i8042, ram),
};

static const struct hwaccl_device_ops i8042_ops = {
        .name = "i8042",
        .size = sizeof(struct hwaccl_i8042),
        .fields = i8042_fields,
        .field_count = sizeof(i8042_fields) / sizeof(i8042_fields[0]),
        .port_read = i8042_read,
        .port_write = i8042_write,
        .valid = i8042_valid,
};

void hwaccl_i8042_init(struct hwaccl_i8042 *controller, struct hwaccl_system_control *system_control,
                       struct hwaccl_board *board)
{
        controller->system_control = system_control;
        controller->output = OUTPUT_NO_RESET;
        controller->ram[0] = BYTE_KEYBOARD_DISABLED | BYTE_AUX_DISABLED;
        keyboard_defaults(controller, true);
        hwaccl_board_add_device(board, &controller->device, &i8042_ops);
        hwaccl_bus_claim_ports(&board->bus, &controller->device, PORT_DATA, 1);
        hwaccl_bus_claim_ports(&board->bus, &controller->device, PORT_COMMAND, 1);
}
