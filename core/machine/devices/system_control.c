/*
 * Port 61h (NMI status and control) and port 92h (fast A20 and reset): Intel 82371AB (PIIX4) datasheet
 * 290562-001, 4.2.6 and 4.2.8. A20 is always on for memory: no software of the last decades relies on the wrap at 1
 * MiB, and the state shown here is what the guest set.
 */
#include "core/machine/devices/system_control.h"

#include "core/machine/board/board.h"

#define PORT_B 0x61u
#define PORT_A 0x92u

#define B_GATE2   0x01u
#define B_KEPT    0x0fu
#define B_REFRESH 0x10u
#define B_OUT2    0x20u

#define A_RESET 0x01u
#define A_A20   0x02u

#define REFRESH_NS UINT64_C(15085) /* a refresh cycle: the bit toggles with each */

static uint32_t control_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct hwaccl_system_control *control = (struct hwaccl_system_control *)device;

        (void)size; /* neither port has a neighbour: the bus gives single bytes */
        if (port == PORT_A)
                return control->a20 ? A_A20 : 0;
        uint32_t value = control->port_b;
        if (hwaccl_host_clock(device->board->host) / REFRESH_NS & 1)
                value |= B_REFRESH;
        if (hwaccl_pit_output(control->pit, 2))
                value |= B_OUT2;
        return value;
}

static void control_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_system_control *control = (struct hwaccl_system_control *)device;

        (void)size;
        if (port == PORT_B) {
                control->port_b = value & B_KEPT;
                hwaccl_pit_set_gate(control->pit, 2, value & B_GATE2);
                return;
        }
        control->a20 = (value & A_A20) != 0;
        if (value & A_RESET)
                hwaccl_board_stop(device->board, HWACCL_END_RESET, 0);
}

static bool control_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_system_control *control = (const struct hwaccl_system_control *)device;

        if (control->port_b & ~B_KEPT || control->a20 > 1)
                return hwaccl_error_set(error, "port 61h or A20 is out of range");
        return true;
}

static const struct hwaccl_device_field control_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_system_control, port_b),
        HWACCL_DEVICE_FIELD(struct hwaccl_system_control, a20),
};

static const struct hwaccl_device_ops control_ops = {
        .name = "system_control",
        .size = sizeof(struct hwaccl_system_control),
        .fields = control_fields,
        .field_count = sizeof(control_fields) / sizeof(control_fields[0]),
        .port_read = control_read,
        .port_write = control_write,
        .valid = control_valid,
};

void hwaccl_system_control_init(struct hwaccl_system_control *control, struct hwaccl_pit *pit,
                                struct hwaccl_board *board)
{
        control->pit = pit;
        control->a20 = 1;
        hwaccl_board_add_device(board, &control->device, &control_ops);
        hwaccl_bus_claim_ports(&board->bus, &control->device, PORT_B, 1);
        hwaccl_bus_claim_ports(&board->bus, &control->device, PORT_A, 1);
}
