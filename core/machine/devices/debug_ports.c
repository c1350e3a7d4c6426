/*
 * Debug ports. 402h: SeaBIOS' debug log (QEMU, hw/char/debugcon.c); e9h: Bochs' "port E9 hack"; both read as e9h, by
 * which software finds them. f4h: the debug-exit port; the value written, of whatever size, is the guest's exit code
 * (not shifted: QEMU's isa-debug-exit makes 2 * value + 1 its exit status).
 */
#include "core/machine/devices/debug_ports.h"

#include "core/machine/board/board.h"

#define PORT_LOG     0x402u
#define PORT_E9      0xe9u
#define PORT_EXIT    0xf4u
#define EXIT_PORTS   4u
#define LOG_PRESENCE 0xe9u

static uint32_t debug_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        (void)device;
        (void)size;
        return port == PORT_LOG || port == PORT_E9 ? LOG_PRESENCE : UINT32_MAX;
}

static void debug_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_board *board = device->board;
        uint8_t character = (uint8_t)value;

        (void)size; /* the bus splits an access that is wider than one of the log ports */
        if (port == PORT_LOG)
                hwaccl_host_console_write(board->host, HWACCL_CHANNEL_DEBUG_402, &character, 1);
        else if (port == PORT_E9)
                hwaccl_host_console_write(board->host, HWACCL_CHANNEL_DEBUG_E9, &character, 1);
        else if (port == PORT_EXIT)
                hwaccl_board_stop(board, HWACCL_END_EXIT_CODE, value);
}

static const struct hwaccl_device_ops debug_ops = {
        .name = "debug",
        .port_read = debug_read,
        .port_write = debug_write,
};

void hwaccl_debug_ports_init(struct hwaccl_debug_ports *ports, bool has_e9, struct hwaccl_board *board)
{
        hwaccl_board_add_device(board, &ports->device, &debug_ops);
        hwaccl_bus_claim_ports(&board->bus, &ports->device, PORT_LOG, 1);
        if (has_e9)
                hwaccl_bus_claim_ports(&board->bus, &ports->device, PORT_E9, 1);
        hwaccl_bus_claim_ports(&board->bus, &ports->device, PORT_EXIT, EXIT_PORTS);
}
