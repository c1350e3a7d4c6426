/*
 * QEMU's fw_cfg device (docs/specs/fw_cfg.rst) at ports 510h (selector), 511h (data) and 514h (DMA). Items are
 * read-only: writes are dropped, by DMA refused. Past an item's end everything reads as 0.
 */
#include "core/machine/devices/fw_cfg.h"

#include "core/machine/board/board.h"

#include <string.h>

#define PORT_SELECTOR 0x510u
#define PORT_DATA     0x511u
#define PORT_DMA      0x514u
#define PORT_DMA_LOW  0x518u
#define DMA_PORTS     8u

#define KEY_MASK 0xbfffu /* bit 14 asks to write. Bit 15, architecture-local, is a key space of its own */

#define DMA_ERROR  0x01u
#define DMA_READ   0x02u
#define DMA_SKIP   0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE  0x10u

/* A transfer that no item can fill is refused, or a guest could have an exit that takes minutes to handle. */
#define DMA_LENGTH_MAX 65536u
#define DMA_CHUNK      256u

static const uint8_t dma_signature[DMA_PORTS] = "QEMU CFG";

static const struct hwaccl_fw_cfg_item *selected(const struct hwaccl_fw_cfg *fw_cfg)
{
        for (unsigned i = 0; i < fw_cfg->item_count; i++)
                if (fw_cfg->item[i].key == (fw_cfg->key & KEY_MASK))
                        return &fw_cfg->item[i];
        return NULL;
}

static void take_bytes(struct hwaccl_fw_cfg *fw_cfg, uint8_t *to, uint32_t size)
{
        const struct hwaccl_fw_cfg_item *item = selected(fw_cfg);
        uint32_t rest = item && fw_cfg->offset < item->size ? item->size - fw_cfg->offset : 0;
        uint32_t part = size < rest ? size : rest;

        memset(to, 0, size);
        if (part)
                memcpy(to, fw_cfg->content + item->offset + fw_cfg->offset, part);
        fw_cfg->offset += part;
}

static void skip_bytes(struct hwaccl_fw_cfg *fw_cfg, uint32_t size)
{
        const struct hwaccl_fw_cfg_item *item = selected(fw_cfg);
        uint32_t rest = item && fw_cfg->offset < item->size ? item->size - fw_cfg->offset : 0;

        fw_cfg->offset += size < rest ? size : rest;
}

static void select_item(struct hwaccl_fw_cfg *fw_cfg, uint16_t key)
{
        fw_cfg->key = key;
        fw_cfg->offset = 0;
}

static uint64_t big_endian(const uint8_t *bytes, unsigned size)
{
        uint64_t value = 0;
        for (unsigned i = 0; i < size; i++)
                value = value << 8 | bytes[i];
        return value;
}

static bool dma_read(struct hwaccl_fw_cfg *fw_cfg, uint64_t address, uint32_t length)
{
        struct hwaccl_board *board = fw_cfg->device.board;
        uint8_t chunk[DMA_CHUNK];

        if (!hwaccl_guest_memory_covers(&board->memory, address, length))
                return false;
        for (uint32_t done = 0; done < length;) {
                uint32_t part = length - done < DMA_CHUNK ? length - done : DMA_CHUNK;
                take_bytes(fw_cfg, chunk, part);
                (void)hwaccl_host_guest_memory_write(board->host, address + done, chunk, part); /* covered: see above */
                done += part;
        }
        return true;
}

/* FWCfgDmaAccess: u32 control, u32 length, u64 address, big-endian. Control becomes 0, or the error bit. */
static void run_dma(struct hwaccl_fw_cfg *fw_cfg, uint64_t access_address)
{
        struct hwaccl_host *host = fw_cfg->device.board->host;
        uint8_t access[16];

        if (!hwaccl_host_guest_memory_read(host, access_address, access, sizeof(access)))
                return; /* nowhere to report to */
        uint32_t control = (uint32_t)big_endian(access, 4);
        uint32_t length = (uint32_t)big_endian(access + 4, 4);
        uint64_t address = big_endian(access + 8, 8);
        bool done = true;

        if (control & DMA_SELECT)
                select_item(fw_cfg, (uint16_t)(control >> 16));
        if (length > DMA_LENGTH_MAX)
                done = false;
        else if (control & DMA_READ)
                done = dma_read(fw_cfg, address, length);
        else if (control & DMA_WRITE)
                done = false;
        else if (control & DMA_SKIP)
                skip_bytes(fw_cfg, length);
        const uint8_t result[4] = {0, 0, 0, done ? 0 : DMA_ERROR};
        (void)hwaccl_host_guest_memory_write(host, access_address, result, sizeof(result)); /* it was read from there */
}

static uint32_t fw_cfg_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct hwaccl_fw_cfg *fw_cfg = (struct hwaccl_fw_cfg *)device;
        uint32_t value = 0;

        if (port >= PORT_DMA) {
                for (unsigned i = 0; i < size; i++)
                        value |= (uint32_t)dma_signature[port - PORT_DMA + i] << i * 8;
                return value;
        }
        if (port != PORT_DATA || size != 1)
                return port == PORT_SELECTOR ? 0 : UINT32_MAX;
        uint8_t byte;
        take_bytes(fw_cfg, &byte, 1);
        return byte;
}

static uint32_t swapped(uint32_t value)
{
        return __builtin_bswap32(value);
}

static void fw_cfg_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_fw_cfg *fw_cfg = (struct hwaccl_fw_cfg *)device;

        if (port == PORT_SELECTOR && size == 2) {
                select_item(fw_cfg, (uint16_t)value);
        } else if (port == PORT_DMA && size == 4) {
                fw_cfg->dma_address = swapped(value);
        } else if (port == PORT_DMA_LOW && size == 4) {
                uint64_t address = (uint64_t)fw_cfg->dma_address << 32 | swapped(value);
                fw_cfg->dma_address = 0;
                run_dma(fw_cfg, address);
        }
}

static const struct hwaccl_device_field fw_cfg_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_fw_cfg, key),
        HWACCL_DEVICE_FIELD(struct hwaccl_fw_cfg, offset),
        HWACCL_DEVICE_FIELD(struct hwaccl_fw_cfg, dma_address),
};

static const struct hwaccl_device_ops fw_cfg_ops = {
        .name = "fw_cfg",
        .size = sizeof(struct hwaccl_fw_cfg),
        .fields = fw_cfg_fields,
        .field_count = sizeof(fw_cfg_fields) / sizeof(fw_cfg_fields[0]),
        .port_read = fw_cfg_read,
        .port_write = fw_cfg_write,
};

void hwaccl_fw_cfg_init(struct hwaccl_fw_cfg *fw_cfg, struct hwaccl_board *board)
{
        hwaccl_fw_cfg_fill(fw_cfg, board);
        hwaccl_board_add_device(board, &fw_cfg->device, &fw_cfg_ops);
        hwaccl_bus_claim_ports(&board->bus, &fw_cfg->device, PORT_SELECTOR, 2);
        hwaccl_bus_claim_ports(&board->bus, &fw_cfg->device, PORT_DMA, DMA_PORTS);
}
