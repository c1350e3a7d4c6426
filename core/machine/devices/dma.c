/*
 * Intel 8237A DMA controllers (order number 231466-005) and the PC's page registers, as plain latches: firmware
 * programs them and never reads a count back, and no device here transfers by DMA. The status registers (8h and d0h)
 * read as 0: no request, no terminal count.
 */
#include "core/machine/devices/dma.h"

#include "core/machine/board/board.h"
#include "core/machine/board/ports.h"

#define PORT_LOW         0x00u
#define PORT_LOW_STATUS  0x08u
#define PORT_PAGE        0x80u
#define PORT_HIGH        0xc0u
#define PORT_HIGH_STATUS 0xd0u

static uint8_t *latch_at(struct hwaccl_dma *dma, uint16_t port)
{
        if (port >= PORT_HIGH)
                return &dma->high[port - PORT_HIGH];
        return port >= PORT_PAGE ? &dma->page[port - PORT_PAGE] : &dma->low[port - PORT_LOW];
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        if (port == PORT_LOW_STATUS || port == PORT_HIGH_STATUS)
                return 0;
        return *latch_at((struct hwaccl_dma *)device, port);
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        *latch_at((struct hwaccl_dma *)device, port) = value;
}

static uint32_t dma_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

static void dma_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

static const struct hwaccl_device_field dma_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_dma, low),
        HWACCL_DEVICE_FIELD(struct hwaccl_dma, page),
        HWACCL_DEVICE_FIELD(struct hwaccl_dma, high),
};

static const struct hwaccl_device_ops dma_ops = {
        .name = "dma",
        .size = sizeof(struct hwaccl_dma),
        .fields = dma_fields,
        .field_count = sizeof(dma_fields) / sizeof(dma_fields[0]),
        .port_read = dma_read,
        .port_write = dma_write,
};

void hwaccl_dma_init(struct hwaccl_dma *dma, struct hwaccl_board *board)
{
        hwaccl_board_add_device(board, &dma->device, &dma_ops);
        hwaccl_bus_claim_ports(&board->bus, &dma->device, PORT_LOW, sizeof(dma->low));
        hwaccl_bus_claim_ports(&board->bus, &dma->device, PORT_PAGE, sizeof(dma->page));
        hwaccl_bus_claim_ports(&board->bus, &dma->device, PORT_HIGH, sizeof(dma->high));
}
