/*
 * QEMU's pc-testdev (hw/misc/pc-testdev.c). Ports e0h-e3h keep 32 bits, and e8h-ebh show the same bytes; a write to e4h
 * asks the host to unmap a page for a moment, which no guest can notice: it does nothing. Ports 2000h-2017h set
 * interrupt lines 0-23 (GSIs) to whether the value is not 0. 64 KiB at ff000000h are memory that is not RAM: every
 * access is an exit.
 */
#include "core/machine/devices/testdev.h"

#include "core/machine/board/board.h"

#include <string.h>

#define PORT_DATA  0xe0u
#define PORT_BYTES 0xe8u
#define DATA_PORTS 4u
#define PORT_FLUSH 0xe4u
#define PORT_LINES 0x2000u
#define CASCADE    2u
#define PIC_LINES  16u

static bool is_data(uint16_t port)
{
        return port < PORT_FLUSH || (port >= PORT_BYTES && port < PORT_BYTES + DATA_PORTS);
}

static uint32_t testdev_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        const struct hwaccl_testdev *testdev = (const struct hwaccl_testdev *)device;

        (void)size;
        return is_data(port) ? testdev->data >> (port & 3) * 8 : UINT32_MAX;
}

static void set_line(struct hwaccl_board *board, unsigned line, bool level)
{
        unsigned count = board->controller->line_count;

        if (line < count && (line != CASCADE || count > PIC_LINES))
                hwaccl_board_set_irq_line(board, line, level);
}

static void testdev_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_testdev *testdev = (struct hwaccl_testdev *)device;
        unsigned shift = (port & 3) * 8;
        uint32_t mask = UINT32_MAX >> (32 - size * 8) << shift;

        if (port >= PORT_LINES)
                set_line(device->board, port - PORT_LINES, value != 0);
        else if (is_data(port))
                testdev->data = (testdev->data & ~mask) | (value << shift & mask);
}

/* The bytes of an access that lie in the bank; the others read as ones. */
static unsigned bytes_in(const struct hwaccl_testdev_bank *bank, uint64_t address, unsigned size)
{
        uint64_t rest = bank->address + sizeof(bank->memory) - address;

        return rest < size ? (unsigned)rest : size;
}

static uint64_t bank_read(struct hwaccl_device *device, uint64_t address, unsigned size)
{
        const struct hwaccl_testdev_bank *bank = (const struct hwaccl_testdev_bank *)device;
        uint64_t value = UINT64_MAX;

        memcpy(&value, bank->memory + (address - bank->address), bytes_in(bank, address, size)); /* little endian */
        return value;
}

static void bank_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        struct hwaccl_testdev_bank *bank = (struct hwaccl_testdev_bank *)device;

        memcpy(bank->memory + (address - bank->address), &value, bytes_in(bank, address, size));
}

static const struct hwaccl_device_field testdev_fields[] = {HWACCL_DEVICE_FIELD(struct hwaccl_testdev, data)};

static const struct hwaccl_device_ops testdev_ops = {
        .name = "testdev",
        .fields = testdev_fields,
        .field_count = 1,
        .port_read = testdev_read,
        .port_write = testdev_write,
};

static const struct hwaccl_device_field bank_fields[] = {HWACCL_DEVICE_FIELD(struct hwaccl_testdev_bank, memory)};

#define BANK(number)                                                                                                   \
        {                                                                                                              \
                .name = "testdev_memory_" #number, .fields = bank_fields, .field_count = 1, .mmio_read = bank_read,    \
                .mmio_write = bank_write                                                                               \
        }

static const struct hwaccl_device_ops bank_ops[] = {BANK(0), BANK(1), BANK(2), BANK(3),
                                                    BANK(4), BANK(5), BANK(6), BANK(7)};
_Static_assert(sizeof(bank_ops) / sizeof(bank_ops[0]) == HWACCL_TESTDEV_BANKS, "a name for each bank");

void hwaccl_testdev_init(struct hwaccl_testdev *testdev, struct hwaccl_board *board)
{
        hwaccl_board_add_device(board, &testdev->device, &testdev_ops);
        hwaccl_bus_claim_ports(&board->bus, &testdev->device, PORT_DATA, 2 * DATA_PORTS);
        hwaccl_bus_claim_ports(&board->bus, &testdev->device, PORT_BYTES, DATA_PORTS);
        hwaccl_bus_claim_ports(&board->bus, &testdev->device, PORT_LINES, HWACCL_LINE_COUNT);
        for (unsigned i = 0; i < HWACCL_TESTDEV_BANKS; i++) {
                struct hwaccl_testdev_bank *bank = &testdev->bank[i];
                bank->address = HWACCL_TESTDEV_MEMORY + i * sizeof(bank->memory);
                hwaccl_board_add_device(board, &bank->device, &bank_ops[i]);
                hwaccl_bus_claim_mmio(&board->bus, &bank->device, bank->address, sizeof(bank->memory));
        }
}
